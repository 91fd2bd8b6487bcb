/* SPDX-License-Identifier: Apache-2.0 */
#include "dialect/anthropic_resume.h"

#include "dialect/anthropic_wire.h"

static enum fl_anthropic_block kind_of(struct fl_json block)
{
    static const struct {
        const char *type;
        enum fl_anthropic_block kind;
    } kinds[] = {{"text", FL_ANTHROPIC_TEXT_BLOCK},
                 {"thinking", FL_ANTHROPIC_THINKING_BLOCK},
                 {"redacted_thinking", FL_ANTHROPIC_THINKING_BLOCK},
                 {"tool_use", FL_ANTHROPIC_CALL_BLOCK}};
    struct fl_json type = fl_json_get(block, FL_LIT("type"));
    for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (fl_get_is(type, kinds[i].type)) {
            return kinds[i].kind;
        }
    }
    return FL_ANTHROPIC_OTHER_BLOCK;
}

void fl_anthropic_follow(struct fl_anthropic_place *place, struct fl_slice data)
{
    struct fl_json_watch w[3] = {
        {.key = FL_LIT("type")}, {.key = FL_LIT("index")}, {.key = FL_LIT("content_block")}};
    struct fl_json whole;
    if (fl_slice_find_text(data, FL_LIT("content_block_st")) == data.len ||
        fl_json_scan(data, FL_JSON_LIMITS, w, 3, &whole, NULL)) {
        return; /* mostly a delta */
    }
    if (fl_get_is(w[0].value, "content_block_start")) {
        uint64_t index = place->next_index;
        (void)fl_json_u64(w[1].value, &index);
        place->next_index = index + 1;
        place->open = kind_of(w[2].value);
    } else if (fl_get_is(w[0].value, "content_block_stop")) {
        place->open = FL_ANTHROPIC_NO_BLOCK;
    }
}

bool fl_anthropic_takes_prefill(struct fl_slice model, bool thinks)
{
    return !thinks && fl_claude_has_prefill(fl_claude_of(model));
}

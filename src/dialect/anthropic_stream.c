/* SPDX-License-Identifier: Apache-2.0 */
/* What a stream event of the Anthropic dialect means. The event's bytes are passed on as they
 * came. */
#include "dialect/anthropic.h"

#include "dialect/usage.h"

enum fl_anthropic_event fl_anthropic_event_of(struct fl_slice name)
{
    static const struct {
        struct fl_slice name;
        enum fl_anthropic_event event;
    } names[] = {
        {{"content_block_delta", 19}, FL_ANTHROPIC_BLOCK_DELTA},
        {{"content_block_start", 19}, FL_ANTHROPIC_BLOCK_START},
        {{"content_block_stop", 18}, FL_ANTHROPIC_BLOCK_STOP},
        {{"ping", 4}, FL_ANTHROPIC_PING},
        {{"message_start", 13}, FL_ANTHROPIC_MESSAGE_START},
        {{"message_delta", 13}, FL_ANTHROPIC_MESSAGE_DELTA},
        {{"message_stop", 12}, FL_ANTHROPIC_MESSAGE_STOP},
        {{"error", 5}, FL_ANTHROPIC_ERROR},
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (fl_slice_eq(name, names[i].name)) {
            return names[i].event;
        }
    }
    return FL_ANTHROPIC_UNKNOWN;
}

static struct fl_slice inside(struct fl_json text)
{
    return text.type == FL_JSON_STRING ? fl_slice(text.span.ptr + 1, text.span.len - 2) : FL_EMPTY;
}

/* Content and what frames it says nothing that the gateway must know. */
static bool is_plain(enum fl_anthropic_event event)
{
    return event == FL_ANTHROPIC_BLOCK_DELTA || event == FL_ANTHROPIC_BLOCK_START ||
           event == FL_ANTHROPIC_BLOCK_STOP || event == FL_ANTHROPIC_PING;
}

void fl_anthropic_read_event(enum fl_endpoint endpoint, const struct fl_sse_event *in, bool check,
                             struct fl_event_facts *ret_event, struct fl_usage *usage)
{
    enum { E_TYPE, E_USAGE, E_MESSAGE, E_ERROR, E_COUNT };
    struct fl_json_watch w[E_COUNT] = {
        [E_TYPE] = {.key = FL_LIT("type")},
        [E_USAGE] = {.key = FL_LIT("usage")},
        [E_MESSAGE] = {.key = FL_LIT("message")},
        [E_ERROR] = {.key = FL_LIT("error")},
    };
    struct fl_json whole;
    enum fl_anthropic_event event = fl_anthropic_event_of(in->name);
    (void)endpoint;
    *ret_event = (struct fl_event_facts){0};
    if (!check && is_plain(event)) {
        ret_event->valid = true;
        return;
    }
    if (fl_json_scan(in->data, FL_JSON_LIMITS, w, E_COUNT, &whole, NULL) ||
        whole.type != FL_JSON_OBJECT) {
        ret_event->kind = event == FL_ANTHROPIC_ERROR ? FL_EVENT_ERROR : FL_EVENT_OTHER;
        return;
    }
    ret_event->valid = true;
    if (event == FL_ANTHROPIC_UNKNOWN) {
        event = fl_anthropic_event_of(inside(w[E_TYPE].value));
    }
    ret_event->content = event == FL_ANTHROPIC_BLOCK_DELTA || event == FL_ANTHROPIC_MESSAGE_DELTA;
    if (event == FL_ANTHROPIC_MESSAGE_START) {
        (void)fl_usage_update_anthropic(fl_json_get(w[E_MESSAGE].value, FL_LIT("usage")), usage);
    } else if (event == FL_ANTHROPIC_MESSAGE_DELTA) {
        (void)fl_usage_update_anthropic(w[E_USAGE].value, usage);
    } else if (event == FL_ANTHROPIC_MESSAGE_STOP) {
        ret_event->kind = FL_EVENT_DONE;
    } else if (event == FL_ANTHROPIC_ERROR || w[E_ERROR].value.type == FL_JSON_OBJECT) {
        ret_event->kind = FL_EVENT_ERROR;
    }
}

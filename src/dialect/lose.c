/* SPDX-License-Identifier: Apache-2.0 */
#include "dialect/lose.h"

#include "base/slice.h"

/* What clients are known to send (a loss's name must be a literal). */
static const char *const known[] = {
    "anthropic_beta",
    "audio",
    "background",
    "container",
    "context_management",
    "conversation",
    "function_call",
    "functions",
    "include",
    "inference_geo",
    "input_file",
    "input_type",
    "max_tool_calls",
    "mcp_servers",
    "modalities",
    "moderation",
    "output_config",
    "prediction",
    "previous_response_id",
    "prompt",
    "prompt_cache_options",
    "prompt_cache_retention",
    "reasoning",
    "safety_identifier",
    "store",
    "text",
    "thinking",
    "truncation",
    "user",
    "verbosity",
    "web_search_options",
};

static const char *literal_of(struct fl_slice key)
{
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
        if (fl_slice_eq(key, fl_slice_cstr(known[i]))) {
            return known[i];
        }
    }
    return "other fields";
}

static bool asks_nothing(struct fl_slice value)
{
    return value.len == 0 || fl_slice_eq(value, FL_LIT("null")) ||
           fl_slice_eq(value, FL_LIT("false")) || fl_slice_eq(value, FL_LIT("{}")) ||
           fl_slice_eq(value, FL_LIT("[]"));
}

void fl_lose_member(const struct fl_member *member, struct fl_losses *losses)
{
    if (!asks_nothing(member->value)) {
        fl_losses_add(losses, FL_LOSS_DROPPED, literal_of(member->key));
    }
}

void fl_lose_others(const struct fl_chat_request *request, struct fl_losses *losses)
{
    for (const struct fl_member *m = request->others; m; m = m->next) {
        fl_lose_member(m, losses);
    }
}

static bool hinted(const struct fl_chat_request *request)
{
    bool hint = request->cache != FL_CACHE_NONE;
    for (const struct fl_tool *t = request->tools; t; t = t->next) {
        hint = hint || t->cache != FL_CACHE_NONE;
    }
    for (const struct fl_message *m = request->messages; m && !hint; m = m->next) {
        for (const struct fl_part *p = m->parts; p; p = p->next) {
            hint = hint || p->cache != FL_CACHE_NONE;
        }
    }
    return hint;
}

void fl_lose_cache_hints(const struct fl_chat_request *request, struct fl_losses *losses)
{
    if (hinted(request)) {
        fl_losses_add(losses, FL_LOSS_DROPPED, "cache_control");
    }
    if (request->cache_key.len > 0) {
        fl_losses_add(losses, FL_LOSS_DROPPED, "prompt_cache_key");
    }
}

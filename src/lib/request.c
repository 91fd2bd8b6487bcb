/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/internal.h"

#include <stdlib.h>

static const struct fl_lib_key request_keys[FL_LIB_REQUEST_KEYS] = {
    [FL_LIB_MAX_TOKENS] = {"max_tokens", 0, 1e8, true},
    [FL_LIB_MAX_COST] = {"max_cost_usd", 0, 9000, false},
    [FL_LIB_TOKENS_IN] = {"tokens_in", 0, 1e8, true},
    [FL_LIB_DEADLINE] = {"deadline_ms", 0, 1e9, false},
    [FL_LIB_STREAM] = {"stream", 0, 1, true},
    [FL_LIB_UNIX] = {"unix_seconds", 0, 1e11, false},
};

int fairlead_request_create(struct fairlead_request **request)
{
    if (!request) {
        return FAIRLEAD_INVALID;
    }
    *request = calloc(1, sizeof(**request));
    fairlead_request_reset(*request);
    return *request ? FAIRLEAD_OK : FAIRLEAD_NO_MEMORY;
}

void fairlead_request_reset(struct fairlead_request *request)
{
    if (!request) {
        return;
    }
    fl_understand_begin(&request->u);
    memset((char *)request + sizeof(request->u), 0, sizeof(*request) - sizeof(request->u));
}

void fairlead_request_destroy(struct fairlead_request *request)
{
    free(request);
}

int fairlead_request_message(struct fairlead_request *request, const char *role, const char *text,
                             size_t length)
{
    static const char *const roles[FL_TEXT_ROLES] = {[FL_TEXT_SYSTEM] = "system",
                                                     [FL_TEXT_USER] = "user",
                                                     [FL_TEXT_ASSISTANT] = "assistant",
                                                     [FL_TEXT_TOOL] = "tool",
                                                     [FL_TEXT_TOOLS] = "definitions"};
    unsigned i = 0;
    if (!request || !role || (!text && length > 0)) {
        return FAIRLEAD_INVALID;
    }
    while (i < FL_TEXT_ROLES && strcmp(roles[i], role) != 0) {
        i++;
    }
    if (i == FL_TEXT_ROLES) {
        return FAIRLEAD_UNKNOWN;
    }
    if (request->whole) {
        return FAIRLEAD_STATE;
    }
    fl_scan_message(&request->u.scan, (enum fl_text_role)i);
    fl_scan_text(&request->u.scan, fl_slice(text, length));
    return FAIRLEAD_OK;
}

int fairlead_request_number(struct fairlead_request *request, const char *key, double value)
{
    if (!request || !key) {
        return FAIRLEAD_INVALID;
    }
    int row = fl_lib_key_find(request_keys, FL_LIB_REQUEST_KEYS, key);
    if (row < 0) {
        return FAIRLEAD_UNKNOWN;
    }
    if (!fl_lib_key_admits(&request_keys[row], value)) {
        return FAIRLEAD_INVALID;
    }
    request->number[row] = value;
    request->given |= 1u << row;
    return FAIRLEAD_OK;
}

static int set_name(struct fl_lib_name *name, struct fl_slice value)
{
    if (value.len > sizeof(name->text)) {
        return FAIRLEAD_INVALID;
    }
    memcpy(name->text, value.ptr, value.len);
    name->len = value.len;
    return FAIRLEAD_OK;
}

static int set_tier(struct fairlead_request *r, struct fl_slice value)
{
    enum fl_tier tier = FL_TIER_UNKNOWN;
    if (value.len > 0 && !fl_tier_parse(value, &tier)) {
        return FAIRLEAD_UNKNOWN;
    }
    r->tier = tier;
    return FAIRLEAD_OK;
}

static int set_strategy(struct fairlead_request *r, struct fl_slice value)
{
    if (value.len > 0 && !fl_selection_parse(value, &r->selection)) {
        return FAIRLEAD_UNKNOWN;
    }
    r->strategy_given = value.len > 0;
    return FAIRLEAD_OK;
}

int fairlead_request_text(struct fairlead_request *request, const char *key, const char *value)
{
    if (!request || !key || !value) {
        return FAIRLEAD_INVALID;
    }
    struct fl_slice text = fl_slice_cstr(value);
    if (strcmp(key, "client") == 0) {
        return set_name(&request->client, text);
    }
    if (strcmp(key, "session") == 0) {
        return set_name(&request->session, text);
    }
    if (strcmp(key, "tier") == 0) {
        return set_tier(request, text);
    }
    if (strcmp(key, "strategy") == 0) {
        return set_strategy(request, text);
    }
    if (strcmp(key, "needs") == 0) {
        return fl_lib_needs_parse(value, &request->needs) ? FAIRLEAD_OK : FAIRLEAD_UNKNOWN;
    }
    return FAIRLEAD_UNKNOWN;
}

/* --- Asking --- */

/* Numbers that count instead of what was read, and what is not known of a request without a text.
 */
static void put_counted(const struct fairlead_request *r, struct fl_route_request *q)
{
    unsigned counted = (unsigned)r->number[FL_LIB_TOKENS_IN];
    if (counted > 0 || r->u.text.messages == 0) {
        q->tokens_in = counted;
        q->tokens_by_tokenizer = NULL;
        q->tokenizer_count = 0;
    }
    if (r->u.text.messages == 0) {
        q->task_known = false;
    }
}

struct fl_route_request fl_lib_request_ask(struct fairlead_request *r, const struct fairlead *f,
                                           const struct fl_table *t, const struct fl_route *route,
                                           const struct fl_asker *asker)
{
    bool stream = r->number[FL_LIB_STREAM] > 0;
    struct fl_route_request q = {
        .when_s = (int64_t)r->number[FL_LIB_UNIX],
        .client = fl_slice(r->client.text, r->client.len),
        .session = fl_slice(r->session.text, r->session.len),
        .tier = r->tier,
        .max_cost_given = r->given >> FL_LIB_MAX_COST & 1,
        .max_cost_picousd = (uint64_t)(r->number[FL_LIB_MAX_COST] * 1e12 + 0.5),
        .strategy_given = r->strategy_given,
        .strategy = r->selection.strategy,
        .algorithm_given = r->strategy_given && r->selection.algorithm_given,
        .algorithm = r->selection.algorithm,
    };
    if (!r->whole) {
        fl_understand_end(&r->u);
        r->whole = true;
    }
    r->u.needs = r->needs | (stream ? FL_NEED_STREAMING : 0u);
    r->u.streaming = stream;
    r->u.tokens_out_max = (uint64_t)r->number[FL_LIB_MAX_TOKENS];
    fl_understood_put(&r->u, f->knowledge, asker, t, route, &q);
    put_counted(r, &q);
    return q;
}

void fl_lib_request_keep(const struct fairlead_request *r, struct fl_expected *ret)
{
    fl_understood_keep(&r->u, ret);
    if (r->number[FL_LIB_TOKENS_IN] > 0 || r->u.text.messages == 0) {
        memset(ret->tokens, 0, sizeof(ret->tokens));
    }
}

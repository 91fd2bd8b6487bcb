/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a client's request for a chat completion into the canonical form (PROTOCOLS.md section 1.1).
 * Accepted beside OpenAI's own fields: cache_control as OpenRouter and LiteLLM clients send it,
 * reasoning and thinking objects, top_k, and thinking that was handed out before and comes back as
 * reasoning_content, reasoning_details or thinking_blocks.
 */
#include "dialect/openai_wire.h"

enum {
    K_MODEL,
    K_MESSAGES,
    K_TOOLS,
    K_TOOL_CHOICE,
    K_FUNCTIONS,
    K_FUNCTION_CALL,
    K_PARALLEL,
    K_STREAM,
    K_STREAM_OPTIONS,
    K_MAX_COMPLETION,
    K_MAX_TOKENS,
    K_TEMPERATURE,
    K_TOP_P,
    K_TOP_K,
    K_SEED,
    K_PRESENCE,
    K_FREQUENCY,
    K_N,
    K_STOP,
    K_LOGPROBS,
    K_TOP_LOGPROBS,
    K_LOGIT_BIAS,
    K_FORMAT,
    K_EFFORT,
    K_REASONING,
    K_THINKING,
    K_USER,
    K_TIER,
    K_METADATA,
    K_CACHE_KEY,
    K_CACHE_CONTROL,
    K_COUNT
};

_Static_assert((int)K_COUNT <= (int)FL_OPENAI_KEYS_MAX, "fl_openai_open() has no room");
static const struct fl_slice top_keys[K_COUNT] = {
    [K_MODEL] = {"model", 5},
    [K_MESSAGES] = {"messages", 8},
    [K_TOOLS] = {"tools", 5},
    [K_TOOL_CHOICE] = {"tool_choice", 11},
    [K_FUNCTIONS] = {"functions", 9},
    [K_FUNCTION_CALL] = {"function_call", 13},
    [K_PARALLEL] = {"parallel_tool_calls", 19},
    [K_STREAM] = {"stream", 6},
    [K_STREAM_OPTIONS] = {"stream_options", 14},
    [K_MAX_COMPLETION] = {"max_completion_tokens", 21},
    [K_MAX_TOKENS] = {"max_tokens", 10},
    [K_TEMPERATURE] = {"temperature", 11},
    [K_TOP_P] = {"top_p", 5},
    [K_TOP_K] = {"top_k", 5},
    [K_SEED] = {"seed", 4},
    [K_PRESENCE] = {"presence_penalty", 16},
    [K_FREQUENCY] = {"frequency_penalty", 17},
    [K_N] = {"n", 1},
    [K_STOP] = {"stop", 4},
    [K_LOGPROBS] = {"logprobs", 8},
    [K_TOP_LOGPROBS] = {"top_logprobs", 12},
    [K_LOGIT_BIAS] = {"logit_bias", 10},
    [K_FORMAT] = {"response_format", 15},
    [K_EFFORT] = {"reasoning_effort", 16},
    [K_REASONING] = {"reasoning", 9},
    [K_THINKING] = {"thinking", 8},
    [K_USER] = {"user", 4},
    [K_TIER] = {"service_tier", 12},
    [K_METADATA] = {"metadata", 8},
    [K_CACHE_KEY] = {"prompt_cache_key", 16},
    [K_CACHE_CONTROL] = {"cache_control", 13},
};

struct reader {
    struct fl_arena *arena;
    struct fl_chat_request *r;
    struct fl_reterr *reterr;
    struct fl_json v[K_COUNT];
    struct fl_member **others;
};

static enum fl_err refuse(const struct reader *rd, const char *message)
{
    return fl_refuse(rd->reterr, FL_ERR_REQUEST, message);
}

/* --- Tools --- */

static enum fl_err read_tools(const struct reader *rd)
{
    struct fl_tool **tail = &rd->r->tools;
    struct fl_json one, list = rd->v[K_TOOLS];
    struct fl_json_iter it = fl_json_iter(list);
    if (fl_get_given(list) && list.type != FL_JSON_ARRAY) {
        return refuse(rd, "The field 'tools' must be an array.");
    }
    while (list.type == FL_JSON_ARRAY && fl_json_next(&it, NULL, &one)) {
        struct fl_json function = fl_json_get(one, FL_LIT("function"));
        struct fl_json custom = fl_json_get(one, FL_LIT("custom"));
        struct fl_tool *tool = fl_add_tool(rd->arena, &tail);
        if (tool && function.type == FL_JSON_OBJECT) {
            fl_openai_get_function(function, tool);
            struct fl_json cache = fl_json_get(one, FL_LIT("cache_control"));
            tool->cache = tool->cache ? tool->cache : fl_openai_get_cache(cache);
        } else if (tool && custom.type == FL_JSON_OBJECT) {
            fl_openai_get_custom(custom, tool);
        } else if (tool) {
            tool->native = one.span;
        }
        if (tool && tool->native.len == 0 && tool->name.len == 0) {
            return refuse(rd, "Each function in 'tools' needs a 'name'.");
        }
    }
    list = rd->v[K_FUNCTIONS];
    it = fl_json_iter(list);
    while (list.type == FL_JSON_ARRAY && fl_json_next(&it, NULL, &one)) {
        struct fl_tool *tool = fl_add_tool(rd->arena, &tail);
        rd->r->functions = true;
        if (tool) {
            fl_openai_get_function(one, tool);
        }
    }
    return FL_OK;
}

/* {"type": "allowed_tools"} and {"type": "custom"} are OpenAI's alone: what can be said of them is
 * canonical, the rest stays among the others. */
static void read_native_choice(struct reader *rd, struct fl_json choice)
{
    static const struct fl_slice mode[] = {{"allowed_tools", 13}, {"mode", 4}};
    bool may = fl_get_is(fl_json_at(choice, mode, 2), "auto");
    rd->r->tool_choice = may ? FL_TOOL_CHOICE_AUTO : FL_TOOL_CHOICE_REQUIRED;
    fl_add_member(rd->arena, &rd->others, FL_LIT("\"tool_choice\""), choice.span);
}

static enum fl_err read_tool_choice(struct reader *rd)
{
    static const char *const words[] = {"auto", "none", "required", "any"};
    struct fl_json choice = rd->v[K_TOOL_CHOICE], name;
    if (!fl_get_given(choice)) {
        choice = rd->v[K_FUNCTION_CALL];
    }
    if (!fl_get_given(choice)) {
        return FL_OK;
    }
    int word = fl_get_word(choice, words, 4);
    if (word >= 0) {
        rd->r->tool_choice =
            word == 3 ? FL_TOOL_CHOICE_REQUIRED : (enum fl_tool_choice)(FL_TOOL_CHOICE_AUTO + word);
        return FL_OK;
    }
    struct fl_json function = fl_json_get(choice, FL_LIT("function"));
    name = fl_json_get(function.type == FL_JSON_OBJECT ? function : choice, FL_LIT("name"));
    if (fl_get_escaped(name).len > 0) {
        rd->r->tool_choice = FL_TOOL_CHOICE_NAMED;
        rd->r->tool_choice_name = fl_get_escaped(name);
        return FL_OK;
    }
    if (choice.type != FL_JSON_OBJECT) {
        return refuse(rd, "The field 'tool_choice' must be auto, none, required or an object.");
    }
    read_native_choice(rd, choice);
    return FL_OK;
}

/* --- The other fields --- */

static enum fl_err read_numbers(const struct reader *rd)
{
    struct fl_chat_request *r = rd->r;
    const struct {
        unsigned key;
        struct fl_slice *to;
        const char *refusal;
    } rows[] = {
        {K_TEMPERATURE, &r->temperature, "The field 'temperature' must be a number."},
        {K_TOP_P, &r->top_p, "The field 'top_p' must be a number."},
        {K_TOP_K, &r->top_k, "The field 'top_k' must be a number."},
        {K_SEED, &r->seed, "The field 'seed' must be a number."},
        {K_PRESENCE, &r->presence_penalty, "The field 'presence_penalty' must be a number."},
        {K_FREQUENCY, &r->frequency_penalty, "The field 'frequency_penalty' must be a number."},
    };
    const struct {
        unsigned key;
        uint64_t *to;
        const char *refusal;
    } counts[] = {
        {K_MAX_TOKENS, &r->tokens_out_max, "The field 'max_tokens' must be a positive integer."},
        {K_MAX_COMPLETION, &r->tokens_out_max,
         "The field 'max_completion_tokens' must be a positive integer."},
        {K_N, &r->choices, "The field 'n' must be an integer from 1 to 128."},
        {K_TOP_LOGPROBS, &r->top_logprobs, "The field 'top_logprobs' must be an integer."},
    };
    enum fl_err err = FL_OK;
    for (size_t i = 0; !err && i < sizeof(rows) / sizeof(*rows); i++) {
        err = fl_openai_get_number(rd->v[rows[i].key], rows[i].refusal, rows[i].to, rd->reterr);
    }
    for (size_t i = 0; !err && i < sizeof(counts) / sizeof(*counts); i++) {
        if (fl_get_given(rd->v[counts[i].key]) &&
            !fl_json_u64(rd->v[counts[i].key], counts[i].to)) {
            err = refuse(rd, counts[i].refusal);
        }
    }
    if (!err && r->choices > FL_CHOICES_MAX) {
        err = refuse(rd, "The field 'n' must be an integer from 1 to 128.");
    }
    return err;
}

static enum fl_err read_flags(const struct reader *rd)
{
    struct fl_json options = rd->v[K_STREAM_OPTIONS];
    bool parallel = true;
    if ((fl_get_given(rd->v[K_STREAM]) && !fl_json_bool(rd->v[K_STREAM], &rd->r->stream)) ||
        (fl_get_given(rd->v[K_PARALLEL]) && !fl_json_bool(rd->v[K_PARALLEL], &parallel))) {
        return refuse(rd, "The fields 'stream' and 'parallel_tool_calls' must be true or false.");
    }
    rd->r->parallel_off = !parallel;
    (void)fl_json_bool(fl_json_get(options, FL_LIT("include_usage")), &rd->r->usage_asked);
    (void)fl_json_bool(rd->v[K_LOGPROBS], &rd->r->logprobs);
    return FL_OK;
}

static enum fl_err read_stops(const struct reader *rd)
{
    struct fl_json stop = rd->v[K_STOP], one;
    struct fl_text_item **tail = &rd->r->stops;
    struct fl_json_iter it = fl_json_iter(stop);
    if (stop.type == FL_JSON_STRING) {
        fl_add_stop(rd->arena, &tail, fl_get_escaped(stop));
    } else if (fl_get_given(stop) && stop.type != FL_JSON_ARRAY) {
        return refuse(rd, "The field 'stop' must be a string or an array of strings.");
    }
    while (stop.type == FL_JSON_ARRAY && fl_json_next(&it, NULL, &one)) {
        if (one.type != FL_JSON_STRING) {
            return refuse(rd, "The field 'stop' must be a string or an array of strings.");
        }
        fl_add_stop(rd->arena, &tail, fl_get_escaped(one));
    }
    return FL_OK;
}

static enum fl_err read_format(struct reader *rd)
{
    struct fl_json format = rd->v[K_FORMAT], type = fl_json_get(format, FL_LIT("type"));
    if (fl_get_given(format) && type.type != FL_JSON_STRING) {
        return refuse(rd, "The field 'response_format' must be an object with a 'type'.");
    }
    if (fl_get_is(type, "json_object")) {
        rd->r->format = FL_FORMAT_JSON;
    } else if (fl_get_is(type, "json_schema")) {
        fl_openai_get_schema(fl_json_get(format, FL_LIT("json_schema")), rd->r);
    } else if (fl_get_given(format) && !fl_get_is(type, "text")) {
        fl_add_member(rd->arena, &rd->others, FL_LIT("\"response_format\""), format.span);
    }
    return FL_OK;
}

/* reasoning_effort; {"effort", "max_tokens", "exclude", "enabled"} as OpenRouter has it; {"type",
 * "budget_tokens"} as Anthropic has it. */
static void read_reasoning(struct reader *rd)
{
    struct fl_chat_request *r = rd->r;
    struct fl_json reasoning = rd->v[K_REASONING], thinking = rd->v[K_THINKING];
    if (fl_get_given(rd->v[K_EFFORT]) && !fl_openai_get_effort(rd->v[K_EFFORT], &r->effort)) {
        fl_add_member(rd->arena, &rd->others, FL_LIT("\"reasoning_effort\""), rd->v[K_EFFORT].span);
    }
    if (reasoning.type == FL_JSON_OBJECT) {
        bool enabled = false;
        (void)fl_openai_get_effort(fl_json_get(reasoning, FL_LIT("effort")), &r->effort);
        (void)fl_json_u64(fl_json_get(reasoning, FL_LIT("max_tokens")), &r->thinking_tokens);
        (void)fl_json_bool(fl_json_get(reasoning, FL_LIT("exclude")), &r->thinking_hidden);
        bool told = fl_json_bool(fl_json_get(reasoning, FL_LIT("enabled")), &enabled);
        r->thinking = enabled || r->thinking_tokens > 0;
        r->thinking_off = told && !enabled;
    }
    if (thinking.type == FL_JSON_OBJECT) {
        struct fl_json type = fl_json_get(thinking, FL_LIT("type"));
        r->thinking_off = fl_get_is(type, "disabled");
        r->thinking = fl_get_is(type, "enabled") || fl_get_is(type, "adaptive");
        (void)fl_json_u64(fl_json_get(thinking, FL_LIT("budget_tokens")), &r->thinking_tokens);
    }
    r->thinking_off = r->thinking_off || r->effort == FL_EFFORT_NONE;
}

static void read_rest(struct reader *rd)
{
    struct fl_chat_request *r = rd->r;
    r->user = fl_get_escaped(rd->v[K_USER]);
    r->service_tier = fl_get_escaped(rd->v[K_TIER]);
    r->metadata = rd->v[K_METADATA].type == FL_JSON_OBJECT ? rd->v[K_METADATA].span : FL_EMPTY;
    r->cache_key = fl_get_escaped(rd->v[K_CACHE_KEY]);
    r->cache = fl_openai_get_cache(rd->v[K_CACHE_CONTROL]);
    r->logit_bias = fl_get_given(rd->v[K_LOGIT_BIAS]) ? rd->v[K_LOGIT_BIAS].span : FL_EMPTY;
}

/* Members that nothing above knows. */
static void read_others(struct reader *rd, struct fl_json whole)
{
    struct fl_json_iter it = fl_json_iter(whole);
    struct fl_slice key;
    struct fl_json value;
    while (fl_json_next(&it, &key, &value)) {
        if (fl_get_key(key, top_keys, K_COUNT) < K_COUNT || value.type == FL_JSON_NULL) {
            continue;
        }
        fl_add_member(rd->arena, &rd->others, key, value.span);
        if (rd->r->user.len == 0 && fl_json_spells(key, FL_LIT("safety_identifier"))) {
            rd->r->user = fl_get_escaped(value);
        }
    }
}

static enum fl_err read_all(struct reader *rd, struct fl_json whole)
{
    enum fl_err err = fl_openai_chat_read_messages(rd->v[K_MESSAGES], rd->arena, rd->r, rd->reterr);
    err = err ? err : read_tools(rd);
    err = err ? err : read_tool_choice(rd);
    err = err ? err : read_numbers(rd);
    err = err ? err : read_flags(rd);
    err = err ? err : read_stops(rd);
    err = err ? err : read_format(rd);
    if (err) {
        return err;
    }
    read_reasoning(rd);
    read_rest(rd);
    read_others(rd, whole);
    return rd->arena->failed ? FL_ERR_NOMEM : FL_OK;
}

enum fl_err fl_openai_chat_read(struct fl_slice body, struct fl_arena *arena,
                                struct fl_chat_request *ret_request, struct fl_reterr *reterr)
{
    struct fl_json whole;
    struct reader rd = {.arena = arena, .r = ret_request, .reterr = reterr};
    enum fl_err err = fl_openai_open(body, top_keys, K_COUNT, rd.v, &whole, ret_request, reterr);
    rd.others = &ret_request->others;
    return err ? err : read_all(&rd, whole);
}

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
    const struct fl_message *assistant; /* the last one: results name its calls */
    unsigned old_calls, old_results;    /* of function_call, which have no ids */
};

static enum fl_err refuse(const struct reader *rd, const char *message)
{
    return fl_refuse(rd->reterr, FL_ERR_REQUEST, message);
}

/* --- Parts --- */

static enum fl_err read_image(const struct reader *rd, struct fl_json image, struct fl_part *part)
{
    struct fl_json url = image;
    if (image.type == FL_JSON_OBJECT) {
        url = fl_json_get(image, FL_LIT("url"));
        part->media.detail = fl_get_escaped(fl_json_get(image, FL_LIT("detail")));
    }
    if (!fl_get_media_url(fl_get_escaped(url), rd->arena, &part->media)) {
        return refuse(rd, "An 'image_url' must be an http(s) URL or a data: URL in base64.");
    }
    return FL_OK;
}

static enum fl_err read_media(const struct reader *rd, struct fl_json value, struct fl_part *part)
{
    if (part->kind == FL_PART_IMAGE) {
        return read_image(rd, value, part);
    }
    if (part->kind == FL_PART_AUDIO) {
        fl_openai_get_audio(value, part);
        return part->media.base64.len > 0 ? FL_OK : refuse(rd, "An 'input_audio' needs 'data'.");
    }
    bool known = fl_openai_get_file(value, rd->arena, part);
    return known ? FL_OK : refuse(rd, "A 'file' needs 'file_id', or 'file_data' in base64.");
}

/* What the words of "type" mean, and the member that holds it. */
static const struct {
    const char *type;
    enum fl_part_kind kind;
    struct fl_slice member;
} part_types[] = {
    {"text", FL_PART_TEXT, {"text", 4}},
    {"input_text", FL_PART_TEXT, {"text", 4}},
    {"output_text", FL_PART_TEXT, {"text", 4}},
    {"refusal", FL_PART_REFUSAL, {"refusal", 7}},
    {"image_url", FL_PART_IMAGE, {"image_url", 9}},
    {"input_audio", FL_PART_AUDIO, {"input_audio", 11}},
    {"file", FL_PART_FILE, {"file", 4}},
    {"thinking", FL_PART_THINKING, {"thinking", 8}},
    {"redacted_thinking", FL_PART_REDACTED, {"data", 4}},
};
enum { part_type_count = sizeof(part_types) / sizeof(*part_types) };

static enum fl_err read_part(const struct reader *rd, struct fl_json value, struct fl_part ***tail)
{
    struct fl_json type = fl_json_get(value, FL_LIT("type"));
    unsigned i = 0;
    if (value.type == FL_JSON_STRING) {
        struct fl_part *text = fl_add_part(rd->arena, tail, FL_PART_TEXT);
        if (text) {
            text->text = fl_get_escaped(value);
        }
        return FL_OK;
    }
    if (value.type != FL_JSON_OBJECT || type.type != FL_JSON_STRING) {
        return refuse(rd, "A content part must be an object with a 'type'.");
    }
    while (i < part_type_count && !fl_get_is(type, part_types[i].type)) {
        i++;
    }
    bool known = i < part_type_count;
    struct fl_part *part =
        fl_add_part(rd->arena, tail, known ? part_types[i].kind : FL_PART_NATIVE);
    if (!part) {
        return FL_OK; /* the arena knows */
    }
    part->cache = fl_openai_get_cache(fl_json_get(value, FL_LIT("cache_control")));
    if (part->cache == FL_CACHE_NONE) {
        part->cache = fl_openai_get_cache(fl_json_get(value, FL_LIT("prompt_cache_breakpoint")));
    }
    if (!known) {
        part->json = value.span;
        return FL_OK;
    }
    struct fl_json member = fl_json_get(value, part_types[i].member);
    if (part->kind == FL_PART_IMAGE || part->kind == FL_PART_AUDIO || part->kind == FL_PART_FILE) {
        return read_media(rd, member, part);
    }
    part->text = fl_get_escaped(member);
    part->signature = fl_get_escaped(fl_json_get(value, FL_LIT("signature")));
    return FL_OK;
}

static enum fl_err read_content(const struct reader *rd, struct fl_json content,
                                struct fl_part ***tail)
{
    struct fl_json_iter it = fl_json_iter(content);
    struct fl_json part;
    enum fl_err err = FL_OK;
    if (content.type == FL_JSON_STRING) {
        return content.span.len > 2 ? read_part(rd, content, tail) : FL_OK;
    }
    if (fl_get_given(content) && content.type != FL_JSON_ARRAY) {
        return refuse(rd, "The field 'content' of a message must be a string or an array.");
    }
    while (!err && content.type == FL_JSON_ARRAY && fl_json_next(&it, NULL, &part)) {
        err = read_part(rd, part, tail);
    }
    return err;
}

/* --- Thinking that comes back --- */

/* A thinking part, whose text grows in *b* while it is the last one written there. */
static struct fl_part *grow_thinking(const struct reader *rd, struct fl_part *open,
                                     struct fl_slice text, struct fl_buf *b, struct fl_part ***tail)
{
    size_t start = b->len;
    if (!open) {
        open = fl_add_part(rd->arena, tail, FL_PART_THINKING);
    }
    fl_buf_put(b, text);
    if (open && text.len > 0) {
        bool first = open->text.len == 0;
        open->text = fl_slice(first ? b->ptr + start : open->text.ptr, open->text.len + text.len);
    }
    return open;
}

/* Entries of reasoning_details: pieces of one text until a signature ends it. */
static void read_details(const struct reader *rd, struct fl_json details, struct fl_part ***tail)
{
    enum { TEXT, SUMMARY, SIGNATURE, DATA, COUNT };
    static const char *const keys[COUNT] = {"text", "summary", "signature", "data"};
    struct fl_json_iter it = fl_json_iter(details);
    struct fl_json one, v[COUNT];
    struct fl_part *open = NULL;
    char *texts = details.type == FL_JSON_ARRAY ? fl_arena_take(rd->arena, details.span.len) : NULL;
    struct fl_buf b;
    if (!texts) {
        return;
    }
    fl_buf_init_in(&b, texts, details.span.len);
    while (fl_json_next(&it, NULL, &one)) {
        fl_get_members(one, keys, COUNT, v);
        struct fl_slice text =
            fl_get_escaped(v[TEXT].type == FL_JSON_STRING ? v[TEXT] : v[SUMMARY]);
        struct fl_slice signature = fl_get_escaped(v[SIGNATURE]), data = fl_get_escaped(v[DATA]);
        if (data.len > 0) {
            open = fl_add_part(rd->arena, tail, FL_PART_REDACTED);
            if (open) {
                open->text = data;
            }
            open = NULL;
        }
        if (text.len > 0 || signature.len > 0) {
            open = grow_thinking(rd, open, text, &b, tail);
        }
        if (signature.len > 0 && open) {
            open->signature = signature;
            open = NULL;
        }
    }
}

static enum fl_err read_thinking(const struct reader *rd, const struct fl_json *v, unsigned count,
                                 struct fl_part ***tail)
{
    /* thinking_blocks, reasoning_details, reasoning_content, reasoning */
    struct fl_part **before = *tail;
    enum fl_err err = v[0].type == FL_JSON_ARRAY ? read_content(rd, v[0], tail) : FL_OK;
    if (!err && *tail == before) {
        read_details(rd, v[1], tail);
    }
    for (unsigned i = 2; i < count && *tail == before; i++) {
        struct fl_slice text = fl_get_escaped(v[i]);
        struct fl_part *part = text.len > 0 ? fl_add_part(rd->arena, tail, FL_PART_THINKING) : NULL;
        if (part) {
            part->text = text;
        }
    }
    return err;
}

/* --- Calls and results --- */

static struct fl_slice old_id(const struct reader *rd, unsigned n)
{
    char text[24];
    struct fl_buf b;
    fl_buf_init_in(&b, text, sizeof(text));
    fl_buf_put(&b, FL_LIT("call_"));
    fl_buf_put_u64(&b, n);
    return fl_arena_copy(rd->arena, fl_buf_slice(&b));
}

static enum fl_err read_call(const struct reader *rd, struct fl_slice id, struct fl_json function,
                             bool custom, struct fl_part ***tail, struct fl_part **ret_part)
{
    enum { NAME, ARGUMENTS, INPUT, COUNT };
    static const char *const keys[COUNT] = {"name", "arguments", "input"};
    struct fl_json v[COUNT];
    fl_get_members(function, keys, COUNT, v);
    struct fl_slice name = fl_get_escaped(v[NAME]);
    if (name.len == 0) {
        return refuse(rd, "A tool call in an assistant's message needs a function with a name.");
    }
    struct fl_part *part = fl_add_part(rd->arena, tail, FL_PART_TOOL_CALL);
    if (part) {
        part->id = id;
        part->name = name;
        if (custom) {
            part->json = fl_openai_input_object(v[INPUT], rd->arena);
        } else if (v[ARGUMENTS].type == FL_JSON_OBJECT) {
            part->json = v[ARGUMENTS].span;
        } else {
            (void)fl_get_arguments(fl_get_escaped(v[ARGUMENTS]), rd->arena, &part->json);
        }
    }
    *ret_part = part;
    return FL_OK;
}

static enum fl_err read_calls(const struct reader *rd, struct fl_json calls, struct fl_part ***tail)
{
    enum { ID, FUNCTION, CUSTOM, EXTRA, CACHE, COUNT };
    static const char *const keys[COUNT] = {"id", "function", "custom", "extra_content",
                                            "cache_control"};
    static const struct fl_slice signature[] = {{"google", 6}, {"thought_signature", 17}};
    struct fl_json_iter it = fl_json_iter(calls);
    struct fl_json one, v[COUNT];
    enum fl_err err = FL_OK;
    while (!err && calls.type == FL_JSON_ARRAY && fl_json_next(&it, NULL, &one)) {
        struct fl_part *part = NULL;
        fl_get_members(one, keys, COUNT, v);
        bool custom = v[CUSTOM].type == FL_JSON_OBJECT;
        err = read_call(rd, fl_get_escaped(v[ID]), custom ? v[CUSTOM] : v[FUNCTION], custom, tail,
                        &part);
        if (part) {
            part->signature = fl_get_escaped(fl_json_at(v[EXTRA], signature, 2));
            part->cache = fl_openai_get_cache(v[CACHE]);
        }
    }
    return err;
}

static enum fl_err read_result(const struct reader *rd, struct fl_slice id, struct fl_slice name,
                               struct fl_json content, struct fl_message *message)
{
    struct fl_part **tail = &message->parts, **inner;
    struct fl_part *part = fl_add_part(rd->arena, &tail, FL_PART_TOOL_RESULT);
    if (!part) {
        return FL_OK;
    }
    part->id = id;
    part->name = name;
    const struct fl_part *call =
        rd->assistant ? fl_openai_find_call(rd->assistant->parts, id) : NULL;
    part->name = call ? call->name : name;
    inner = &part->content;
    return read_content(rd, content, &inner);
}

/* --- Messages --- */

enum {
    M_ROLE,
    M_CONTENT,
    M_NAME,
    M_CALLS,
    M_CALL_ID,
    M_FUNCTION_CALL,
    M_REFUSAL,
    M_CACHE,
    M_BLOCKS,
    M_DETAILS,
    M_REASONING_CONTENT,
    M_REASONING,
    M_COUNT
};

static enum fl_err read_assistant(struct reader *rd, const struct fl_json *v,
                                  struct fl_message *message)
{
    struct fl_part **tail = &message->parts, *part = NULL;
    enum fl_err err = read_thinking(rd, v + M_BLOCKS, M_COUNT - M_BLOCKS, &tail);
    err = err ? err : read_content(rd, v[M_CONTENT], &tail);
    struct fl_slice refusal = fl_get_escaped(v[M_REFUSAL]);
    if (!err && refusal.len > 0 && (part = fl_add_part(rd->arena, &tail, FL_PART_REFUSAL))) {
        part->text = refusal;
    }
    err = err ? err : read_calls(rd, v[M_CALLS], &tail);
    if (!err && v[M_FUNCTION_CALL].type == FL_JSON_OBJECT) {
        err = read_call(rd, old_id(rd, rd->old_calls++), v[M_FUNCTION_CALL], false, &tail, &part);
    }
    rd->assistant = message;
    return err;
}

static enum fl_err read_message(struct reader *rd, struct fl_json one, struct fl_message ***tail)
{
    static const char *const keys[M_COUNT] = {
        [M_ROLE] = "role",
        [M_CONTENT] = "content",
        [M_NAME] = "name",
        [M_CALLS] = "tool_calls",
        [M_CALL_ID] = "tool_call_id",
        [M_FUNCTION_CALL] = "function_call",
        [M_REFUSAL] = "refusal",
        [M_CACHE] = "cache_control",
        [M_BLOCKS] = "thinking_blocks",
        [M_DETAILS] = "reasoning_details",
        [M_REASONING_CONTENT] = "reasoning_content",
        [M_REASONING] = "reasoning",
    };
    static const char *const roles[] = {"system",    "developer", "user",
                                        "assistant", "tool",      "function"};
    struct fl_json v[M_COUNT];
    fl_get_members(one, keys, M_COUNT, v);
    int role = fl_get_word(v[M_ROLE], roles, 6);
    if (role < 0) {
        return refuse(rd,
                      "Each message needs a 'role': system, developer, user, assistant or tool.");
    }
    bool old = role == 5;
    struct fl_message *message =
        fl_add_message(rd->arena, tail, old ? FL_CHAT_TOOL : (enum fl_chat_role)role);
    if (!message) {
        return FL_ERR_NOMEM;
    }
    message->name = fl_get_escaped(v[M_NAME]);
    enum fl_err err;
    if (message->role == FL_CHAT_ASSISTANT) {
        err = read_assistant(rd, v, message);
    } else if (message->role == FL_CHAT_TOOL) {
        struct fl_slice id = old ? old_id(rd, rd->old_results++) : fl_get_escaped(v[M_CALL_ID]);
        err = read_result(rd, id, message->name, v[M_CONTENT], message);
    } else {
        struct fl_part **parts = &message->parts;
        err = read_content(rd, v[M_CONTENT], &parts);
    }
    enum fl_cache_hint cache = fl_openai_get_cache(v[M_CACHE]);
    for (struct fl_part *p = message->parts; p && cache; p = p->next) {
        p->cache = p->next ? p->cache : cache;
    }
    return err;
}

static enum fl_err read_messages(struct reader *rd)
{
    struct fl_json list = rd->v[K_MESSAGES], one;
    struct fl_json_iter it = fl_json_iter(list);
    struct fl_message **tail = &rd->r->messages;
    enum fl_err err = FL_OK;
    if (list.type != FL_JSON_ARRAY) {
        return refuse(rd, "The field 'messages' must be an array.");
    }
    while (!err && fl_json_next(&it, NULL, &one)) {
        err = read_message(rd, one, &tail);
    }
    if (!err && !rd->r->messages) {
        return refuse(rd, "The field 'messages' must not be empty.");
    }
    return err;
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
    enum fl_err err = read_messages(rd);
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
    struct fl_json_watch w[K_COUNT];
    struct fl_json whole;
    struct reader rd = {.arena = arena, .r = ret_request, .reterr = reterr};
    for (unsigned i = 0; i < K_COUNT; i++) {
        w[i] = (struct fl_json_watch){.key = top_keys[i]};
    }
    enum fl_err err = fl_json_scan(body, FL_JSON_LIMITS, w, K_COUNT, &whole, reterr);
    if (err) {
        return err;
    }
    if (whole.type != FL_JSON_OBJECT) {
        return fl_refuse(reterr, FL_ERR_JSON_TYPE, "The request body must be a JSON object.");
    }
    *ret_request = (struct fl_chat_request){0};
    rd.others = &ret_request->others;
    for (unsigned i = 0; i < K_COUNT; i++) {
        rd.v[i] = w[i].value;
    }
    ret_request->model = fl_get_escaped(rd.v[K_MODEL]);
    if (ret_request->model.len == 0) {
        return refuse(&rd, "The field 'model' must be a string that is not empty.");
    }
    return read_all(&rd, whole);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client's messages request into the canonical one. What has no canonical field stays where only
 * Anthropic's own forms find it: blocks and tools of the provider as native JSON, unknown members
 * in others.
 */
#include "dialect/anthropic_wire.h"

enum {
    M_MODEL,
    M_MESSAGES,
    M_SYSTEM,
    M_TOOLS,
    M_TOOL_CHOICE,
    M_MAX_TOKENS,
    M_STREAM,
    M_TEMPERATURE,
    M_TOP_P,
    M_TOP_K,
    M_STOPS,
    M_THINKING,
    M_OUTPUT_CONFIG,
    M_OUTPUT_FORMAT,
    M_METADATA,
    M_SERVICE_TIER,
    M_CACHE,
    M_COUNT
};

struct reader {
    struct fl_arena *arena;
    struct fl_chat_request *request;
    struct fl_reterr *reterr;
    struct fl_message **messages; /* tail */
    const struct fl_part *calls;  /* of the last assistant turn: names for results */
};

enum fl_cache_hint fl_anthropic_cache_hint(struct fl_json control)
{
    struct fl_json ttl = fl_json_get(control, FL_LIT("ttl"));
    if (control.type != FL_JSON_OBJECT) {
        return FL_CACHE_NONE;
    }
    return fl_get_is(ttl, "1h")   ? FL_CACHE_1H
           : fl_get_is(ttl, "5m") ? FL_CACHE_5M
                                  : FL_CACHE_DEFAULT;
}

/* --- Blocks --- */

enum {
    B_TYPE,
    B_TEXT,
    B_SOURCE,
    B_ID,
    B_NAME,
    B_INPUT,
    B_TOOL_USE_ID,
    B_CONTENT,
    B_IS_ERROR,
    B_THINKING,
    B_SIGNATURE,
    B_DATA,
    B_TITLE,
    B_CACHE,
    B_COUNT
};

static const char *const block_keys[B_COUNT] = {
    [B_TYPE] = "type",
    [B_TEXT] = "text",
    [B_SOURCE] = "source",
    [B_ID] = "id",
    [B_NAME] = "name",
    [B_INPUT] = "input",
    [B_TOOL_USE_ID] = "tool_use_id",
    [B_CONTENT] = "content",
    [B_IS_ERROR] = "is_error",
    [B_THINKING] = "thinking",
    [B_SIGNATURE] = "signature",
    [B_DATA] = "data",
    [B_TITLE] = "title",
    [B_CACHE] = "cache_control",
};

static struct fl_part *add(struct reader *r, struct fl_part ***tail, enum fl_part_kind kind,
                           const struct fl_json *b)
{
    struct fl_part *part = fl_add_part(r->arena, tail, kind);
    if (part) {
        part->cache = fl_anthropic_cache_hint(b[B_CACHE]);
    }
    return part;
}

static void read_content(struct reader *r, struct fl_json content, struct fl_part ***tail,
                         unsigned depth);

static void read_media(struct reader *r, enum fl_part_kind kind, const struct fl_json *b,
                       struct fl_part ***tail, unsigned depth)
{
    enum { S_TYPE, S_MEDIA_TYPE, S_DATA, S_URL, S_FILE_ID, S_CONTENT, S_COUNT };
    static const char *const keys[S_COUNT] = {"type", "media_type", "data",
                                              "url",  "file_id",    "content"};
    struct fl_json s[S_COUNT];
    fl_get_members(b[B_SOURCE], keys, S_COUNT, s);
    if (fl_get_is(s[S_TYPE], "content")) {
        read_content(r, s[S_CONTENT], tail, depth + 1);
        return;
    }
    struct fl_part *part = add(r, tail, kind, b);
    if (!part) {
        return;
    }
    struct fl_media *media = &part->media;
    media->name = fl_get_escaped(b[B_TITLE]);
    media->media_type = fl_get_escaped(s[S_MEDIA_TYPE]);
    if (fl_get_is(s[S_TYPE], "url")) {
        (void)fl_get_media_url(fl_get_escaped(s[S_URL]), r->arena, media);
    } else if (fl_get_is(s[S_TYPE], "file")) {
        media->file_id = fl_get_escaped(s[S_FILE_ID]);
    } else if (fl_get_is(s[S_TYPE], "text")) {
        media->text = fl_get_escaped(s[S_DATA]);
    } else {
        struct fl_slice data = fl_get_decoded(fl_get_escaped(s[S_DATA]), r->arena);
        media->base64 = fl_get_escaping(data, r->arena);
    }
}

static void read_call(struct reader *r, const struct fl_json *b, struct fl_part ***tail)
{
    struct fl_part *part = add(r, tail, FL_PART_TOOL_CALL, b);
    if (part) {
        part->id = fl_get_escaped(b[B_ID]);
        part->name = fl_get_escaped(b[B_NAME]);
        part->json = b[B_INPUT].type == FL_JSON_OBJECT ? b[B_INPUT].span : FL_LIT("{}");
    }
}

static struct fl_slice name_of_call(const struct reader *r, struct fl_slice id)
{
    enum { LOOKED_AT_MAX = 256 }; /* a turn of more calls goes on without names */
    unsigned n = 0;
    for (const struct fl_part *p = r->calls; p && n < LOOKED_AT_MAX; p = p->next, n++) {
        if (p->kind == FL_PART_TOOL_CALL && fl_slice_eq(p->id, id)) {
            return p->name;
        }
    }
    return FL_EMPTY;
}

static void read_result(struct reader *r, const struct fl_json *b, struct fl_part ***tail,
                        unsigned depth)
{
    struct fl_part *part = add(r, tail, FL_PART_TOOL_RESULT, b);
    if (part) {
        struct fl_part **content = &part->content;
        part->id = fl_get_escaped(b[B_TOOL_USE_ID]);
        part->name = name_of_call(r, part->id);
        (void)fl_json_bool(b[B_IS_ERROR], &part->is_error);
        read_content(r, b[B_CONTENT], &content, depth + 1);
    }
}

static void read_thinking(struct reader *r, const struct fl_json *b, struct fl_part ***tail)
{
    struct fl_part *part = add(r, tail, FL_PART_THINKING, b);
    if (part) {
        part->text = fl_get_escaped(b[B_THINKING]);
        part->signature = fl_get_escaped(b[B_SIGNATURE]);
    }
}

static void read_block(struct reader *r, struct fl_json block, struct fl_part ***tail,
                       unsigned depth)
{
    struct fl_json b[B_COUNT];
    struct fl_part *part = NULL;
    fl_get_members(block, block_keys, B_COUNT, b);
    if (fl_get_is(b[B_TYPE], "text")) {
        part = add(r, tail, FL_PART_TEXT, b);
        if (part) {
            part->text = fl_get_escaped(b[B_TEXT]);
        }
    } else if (fl_get_is(b[B_TYPE], "image")) {
        read_media(r, FL_PART_IMAGE, b, tail, depth);
    } else if (fl_get_is(b[B_TYPE], "document")) {
        read_media(r, FL_PART_FILE, b, tail, depth);
    } else if (fl_get_is(b[B_TYPE], "tool_use")) {
        read_call(r, b, tail);
    } else if (fl_get_is(b[B_TYPE], "tool_result")) {
        read_result(r, b, tail, depth);
    } else if (fl_get_is(b[B_TYPE], "thinking")) {
        read_thinking(r, b, tail);
    } else if (fl_get_is(b[B_TYPE], "redacted_thinking")) {
        part = add(r, tail, FL_PART_REDACTED, b);
        if (part) {
            part->text = fl_get_escaped(b[B_DATA]);
        }
    } else if (fl_get_is(b[B_TYPE], "search_result")) {
        read_content(r, b[B_CONTENT], tail, depth + 1);
    } else {
        part = fl_add_part(r->arena, tail, FL_PART_NATIVE);
        if (part) {
            part->json = block.span;
        }
    }
}

/* A string, or a list of blocks. */
static void read_content(struct reader *r, struct fl_json content, struct fl_part ***tail,
                         unsigned depth)
{
    enum { DEPTH_MAX = 4 }; /* results hold documents that hold texts */
    struct fl_json_iter it = fl_json_iter(content);
    struct fl_json block;
    if (content.type == FL_JSON_STRING) {
        struct fl_part *part = fl_add_part(r->arena, tail, FL_PART_TEXT);
        if (part) {
            part->text = fl_get_escaped(content);
        }
        return;
    }
    while (content.type == FL_JSON_ARRAY && depth < DEPTH_MAX && fl_json_next(&it, NULL, &block)) {
        if (block.type == FL_JSON_OBJECT) {
            read_block(r, block, tail, depth);
        }
    }
}

/* --- Messages --- */

/* Moves the results to a message of their own before *message*. */
static void split_results(struct reader *r, struct fl_message *message)
{
    struct fl_part *part = message->parts, *results = NULL;
    struct fl_part **others_tail = &message->parts, **results_tail = &results;
    message->parts = NULL;
    for (struct fl_part *next; part; part = next) {
        struct fl_part ***tail = part->kind == FL_PART_TOOL_RESULT ? &results_tail : &others_tail;
        next = part->next;
        part->next = NULL;
        **tail = part;
        *tail = &part->next;
    }
    if (!results) {
        return;
    }
    if (!message->parts) {
        message->role = FL_CHAT_TOOL;
        message->parts = results;
        return;
    }
    struct fl_message *rest = fl_arena_zero(r->arena, sizeof(*rest));
    if (rest) {
        *rest = *message;
        message->role = FL_CHAT_TOOL;
        message->parts = results;
        message->next = rest;
        r->messages = &rest->next;
    }
}

static enum fl_err read_message(struct reader *r, struct fl_json value)
{
    static const char *const roles[] = {"user", "assistant", "system"};
    static const enum fl_chat_role canonical[] = {FL_CHAT_USER, FL_CHAT_ASSISTANT, FL_CHAT_SYSTEM};
    static const char *const keys[] = {"role", "content"};
    struct fl_json m[2];
    fl_get_members(value, keys, 2, m);
    int role = fl_get_word(m[0], roles, 3);
    if (value.type != FL_JSON_OBJECT || role < 0) {
        return fl_refuse(
            r->reterr, FL_ERR_REQUEST,
            "messages: each must be an object with the role \"user\" or \"assistant\".");
    }
    if (m[1].type != FL_JSON_STRING && m[1].type != FL_JSON_ARRAY) {
        return fl_refuse(r->reterr, FL_ERR_REQUEST,
                         "messages: content must be a string or a list of blocks.");
    }
    struct fl_message *message = fl_add_message(r->arena, &r->messages, canonical[role]);
    if (!message) {
        return FL_ERR_NOMEM;
    }
    struct fl_part **tail = &message->parts;
    read_content(r, m[1], &tail, 0);
    if (message->role == FL_CHAT_ASSISTANT) {
        r->calls = message->parts;
    } else if (message->role == FL_CHAT_USER) {
        split_results(r, message);
    }
    return FL_OK;
}

static enum fl_err read_messages(struct reader *r, const struct fl_json *m)
{
    struct fl_json_iter it = fl_json_iter(m[M_MESSAGES]);
    struct fl_json value;
    r->messages = &r->request->messages;
    if (fl_get_given(m[M_SYSTEM])) {
        struct fl_message *system = fl_add_message(r->arena, &r->messages, FL_CHAT_SYSTEM);
        struct fl_part **tail = system ? &system->parts : NULL;
        if (system) {
            read_content(r, m[M_SYSTEM], &tail, 0);
        }
    }
    if (m[M_MESSAGES].type != FL_JSON_ARRAY) {
        return fl_refuse(r->reterr, FL_ERR_REQUEST, "messages: a list is required.");
    }
    while (fl_json_next(&it, NULL, &value)) {
        enum fl_err err = read_message(r, value);
        if (err) {
            return err;
        }
    }
    return FL_OK;
}

/* --- The rest --- */

static void read_tools(struct reader *r, struct fl_json tools)
{
    enum { T_TYPE, T_NAME, T_DESCRIPTION, T_SCHEMA, T_STRICT, T_CACHE, T_COUNT };
    static const char *const keys[T_COUNT] = {"type",         "name",   "description",
                                              "input_schema", "strict", "cache_control"};
    struct fl_tool **tail = &r->request->tools;
    struct fl_json_iter it = fl_json_iter(tools);
    struct fl_json value, t[T_COUNT];
    while (tools.type == FL_JSON_ARRAY && fl_json_next(&it, NULL, &value)) {
        struct fl_tool *tool = value.type == FL_JSON_OBJECT ? fl_add_tool(r->arena, &tail) : NULL;
        fl_get_members(value, keys, T_COUNT, t);
        if (!tool) {
            continue;
        }
        if (fl_get_given(t[T_TYPE]) && !fl_get_is(t[T_TYPE], "custom")) {
            tool->native = value.span;
            continue;
        }
        tool->name = fl_get_escaped(t[T_NAME]);
        tool->description = fl_get_escaped(t[T_DESCRIPTION]);
        tool->schema = t[T_SCHEMA].type == FL_JSON_OBJECT ? t[T_SCHEMA].span : FL_EMPTY;
        tool->cache = fl_anthropic_cache_hint(t[T_CACHE]);
        tool->strict_given = fl_json_bool(t[T_STRICT], &tool->strict);
    }
}

static void read_tool_choice(struct fl_chat_request *q, struct fl_json choice)
{
    static const char *const words[] = {"auto", "none", "any", "tool"};
    static const enum fl_tool_choice choices[] = {FL_TOOL_CHOICE_AUTO, FL_TOOL_CHOICE_NONE,
                                                  FL_TOOL_CHOICE_REQUIRED, FL_TOOL_CHOICE_NAMED};
    static const char *const keys[] = {"type", "name", "disable_parallel_tool_use"};
    struct fl_json c[3];
    fl_get_members(choice, keys, 3, c);
    int word = fl_get_word(c[0], words, 4);
    if (word >= 0) {
        q->tool_choice = choices[word];
        q->tool_choice_name = fl_get_escaped(c[1]);
        (void)fl_json_bool(c[2], &q->parallel_off);
    }
}

static void read_thinking_wish(struct fl_chat_request *q, struct fl_json thinking)
{
    static const char *const keys[] = {"type", "budget_tokens", "display"};
    struct fl_json t[3];
    fl_get_members(thinking, keys, 3, t);
    q->thinking = fl_get_is(t[0], "enabled") || fl_get_is(t[0], "adaptive");
    q->thinking_off = fl_get_is(t[0], "disabled");
    q->thinking_hidden = fl_get_is(t[2], "omitted");
    if (fl_get_is(t[0], "enabled")) {
        (void)fl_json_u64(t[1], &q->thinking_tokens);
    }
}

static void read_output_config(struct fl_chat_request *q, const struct fl_json *m)
{
    static const char *const words[] = {"low", "medium", "high", "xhigh", "max"};
    static const char *const keys[] = {"effort", "format"};
    struct fl_json o[2];
    fl_get_members(m[M_OUTPUT_CONFIG], keys, 2, o);
    int word = fl_get_word(o[0], words, 5);
    struct fl_json format = o[1].type == FL_JSON_OBJECT ? o[1] : m[M_OUTPUT_FORMAT];
    struct fl_json schema = fl_json_get(format, FL_LIT("schema"));
    q->effort = word >= 0 ? (enum fl_effort)(FL_EFFORT_LOW + word) : FL_EFFORT_ABSENT;
    if (fl_get_is(fl_json_get(format, FL_LIT("type")), "json_schema") &&
        schema.type == FL_JSON_OBJECT) {
        q->format = FL_FORMAT_SCHEMA;
        q->format_schema = schema.span;
        q->format_strict = true;
    }
}

static void read_settings(struct reader *r, const struct fl_json *m)
{
    struct fl_chat_request *q = r->request;
    struct fl_json_iter it = fl_json_iter(m[M_STOPS]);
    struct fl_text_item **stops = &q->stops;
    struct fl_json stop;
    q->model = fl_get_escaped(m[M_MODEL]);
    (void)fl_json_u64(m[M_MAX_TOKENS], &q->tokens_out_max);
    (void)fl_json_bool(m[M_STREAM], &q->stream);
    q->usage_asked = true;
    q->temperature = fl_get_number(m[M_TEMPERATURE]);
    q->top_p = fl_get_number(m[M_TOP_P]);
    q->top_k = fl_get_number(m[M_TOP_K]);
    while (m[M_STOPS].type == FL_JSON_ARRAY && fl_json_next(&it, NULL, &stop)) {
        fl_add_stop(r->arena, &stops, fl_get_escaped(stop));
    }
    q->user = fl_get_escaped(fl_json_get(m[M_METADATA], FL_LIT("user_id")));
    q->service_tier = fl_get_is(m[M_SERVICE_TIER], "standard_only")
                          ? FL_LIT("default") /* the canonical words are OpenAI's */
                          : fl_get_escaped(m[M_SERVICE_TIER]);
    q->cache = fl_anthropic_cache_hint(m[M_CACHE]);
    read_tool_choice(q, m[M_TOOL_CHOICE]);
    read_thinking_wish(q, m[M_THINKING]);
    read_output_config(q, m);
}

static void read_others(struct reader *r, struct fl_json whole, const struct fl_json_watch *w)
{
    struct fl_member **tail = &r->request->others;
    struct fl_json_iter it = fl_json_iter(whole);
    struct fl_slice key;
    struct fl_json value;
    while (fl_json_next(&it, &key, &value)) {
        bool known = !fl_get_given(value);
        for (unsigned i = 0; i < M_COUNT && !known; i++) {
            known = fl_json_spells(key, w[i].key);
        }
        if (!known) {
            fl_add_member(r->arena, &tail, key, value.span);
        }
    }
}

enum fl_err fl_anthropic_read(struct fl_slice body, struct fl_arena *arena,
                              struct fl_chat_request *ret_request, struct fl_reterr *reterr)
{
    static const char *const keys[M_COUNT] = {
        "model",          "messages",     "system",        "tools",         "tool_choice",
        "max_tokens",     "stream",       "temperature",   "top_p",         "top_k",
        "stop_sequences", "thinking",     "output_config", "output_format", "metadata",
        "service_tier",   "cache_control"};
    struct fl_json_watch w[M_COUNT] = {{.key = FL_EMPTY}};
    struct fl_json m[M_COUNT], whole;
    struct reader r = {.arena = arena, .request = ret_request, .reterr = reterr};
    for (unsigned i = 0; i < M_COUNT; i++) {
        w[i].key = fl_slice_cstr(keys[i]);
    }
    *ret_request = (struct fl_chat_request){.stream = false};
    enum fl_err err = fl_json_scan(body, FL_JSON_LIMITS, w, M_COUNT, &whole, reterr);
    if (err) {
        return err;
    }
    if (whole.type != FL_JSON_OBJECT) {
        return fl_refuse(reterr, FL_ERR_JSON_TYPE, "The request body must be a JSON object.");
    }
    for (unsigned i = 0; i < M_COUNT; i++) {
        m[i] = w[i].value;
    }
    read_settings(&r, m);
    read_tools(&r, m[M_TOOLS]);
    err = read_messages(&r, m);
    if (err) {
        return err;
    }
    read_others(&r, whole, w);
    return arena->failed ? fl_refuse(reterr, FL_ERR_TOO_BIG, "The request has too many parts.")
                         : FL_OK;
}

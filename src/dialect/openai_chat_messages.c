/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the messages of a client's request for a chat completion: openai_chat_read.c has the rest. */
#include "dialect/openai_wire.h"

struct reader {
    struct fl_arena *arena;
    struct fl_reterr *reterr;
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
    bool known = value.type == FL_JSON_STRING /* Mistral: document_url */
                     ? fl_get_media_url(fl_get_escaped(value), rd->arena, &part->media)
                     : fl_openai_get_file(value, rd->arena, part);
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
    {"document_url", FL_PART_FILE, {"document_url", 12}},
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

enum fl_err fl_openai_chat_read_messages(struct fl_json list, struct fl_arena *arena,
                                         struct fl_chat_request *r, struct fl_reterr *reterr)
{
    struct reader rd = {.arena = arena, .reterr = reterr};
    struct fl_json_iter it = fl_json_iter(list);
    struct fl_json one;
    struct fl_message **tail = &r->messages;
    enum fl_err err = FL_OK;
    if (list.type != FL_JSON_ARRAY) {
        return refuse(&rd, "The field 'messages' must be an array.");
    }
    while (!err && fl_json_next(&it, NULL, &one)) {
        err = read_message(&rd, one, &tail);
    }
    if (!err && !r->messages) {
        return refuse(&rd, "The field 'messages' must not be empty.");
    }
    return err;
}

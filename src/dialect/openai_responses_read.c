/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a client's request for a response into the canonical form (PROTOCOLS.md section 2.1).
 *
 * Items that follow one another and are the assistant's (messages, reasoning, calls) become one
 * message; instructions become the first system message. What needs a provider's own memory is
 * refused: it cannot be told to another.
 *
 * The encrypted content of a reasoning item is a signature. Items that this gateway made itself have
 * ids that say so (FL_RS_THINKING, FL_RS_REDACTED) and hold another maker's proof as it was; an
 * OpenAI one is kept with its id, "<id>#<content>".
 */
#include "dialect/openai_wire.h"

enum {
    K_MODEL,
    K_INPUT,
    K_INSTRUCTIONS,
    K_TOOLS,
    K_TOOL_CHOICE,
    K_PARALLEL,
    K_MAX_OUTPUT,
    K_TEMPERATURE,
    K_TOP_P,
    K_TOP_LOGPROBS,
    K_STREAM,
    K_STREAM_OPTIONS,
    K_TEXT,
    K_REASONING,
    K_USER,
    K_TIER,
    K_METADATA,
    K_CACHE_KEY,
    K_PREVIOUS,
    K_CONVERSATION,
    K_BACKGROUND,
    K_PROMPT,
    K_STORE,
    K_INCLUDE,
    K_COUNT
};

_Static_assert((int)K_COUNT <= (int)FL_OPENAI_KEYS_MAX, "fl_openai_open() has no room");
static const struct fl_slice top_keys[K_COUNT] = {
    [K_MODEL] = {"model", 5},
    [K_INPUT] = {"input", 5},
    [K_INSTRUCTIONS] = {"instructions", 12},
    [K_TOOLS] = {"tools", 5},
    [K_TOOL_CHOICE] = {"tool_choice", 11},
    [K_PARALLEL] = {"parallel_tool_calls", 19},
    [K_MAX_OUTPUT] = {"max_output_tokens", 17},
    [K_TEMPERATURE] = {"temperature", 11},
    [K_TOP_P] = {"top_p", 5},
    [K_TOP_LOGPROBS] = {"top_logprobs", 12},
    [K_STREAM] = {"stream", 6},
    [K_STREAM_OPTIONS] = {"stream_options", 14},
    [K_TEXT] = {"text", 4},
    [K_REASONING] = {"reasoning", 9},
    [K_USER] = {"user", 4},
    [K_TIER] = {"service_tier", 12},
    [K_METADATA] = {"metadata", 8},
    [K_CACHE_KEY] = {"prompt_cache_key", 16},
    [K_PREVIOUS] = {"previous_response_id", 20},
    [K_CONVERSATION] = {"conversation", 12},
    [K_BACKGROUND] = {"background", 10},
    [K_PROMPT] = {"prompt", 6},
    [K_STORE] = {"store", 5},
    [K_INCLUDE] = {"include", 7},
};

struct reader {
    struct fl_arena *arena;
    struct fl_chat_request *r;
    struct fl_reterr *reterr;
    struct fl_json v[K_COUNT];
    struct fl_message **messages;
    struct fl_message *assistant; /* open: items still join it */
    struct fl_part **parts;       /* its tail */
    bool spoken; /* it holds a message and no calls: the next one is another. Behind calls a message
                    joins them, since their results come next */
    const struct fl_message *calls; /* the last one of the assistant: outputs name its calls */
    struct fl_member **others;
};

static enum fl_err refuse(const struct reader *rd, const char *message)
{
    return fl_refuse(rd->reterr, FL_ERR_REQUEST, message);
}

/* --- Parts --- */

static enum fl_err read_image(const struct reader *rd, struct fl_json value, struct fl_part *part)
{
    struct fl_json url = fl_json_get(value, FL_LIT("image_url"));
    part->media.detail = fl_get_escaped(fl_json_get(value, FL_LIT("detail")));
    part->media.file_id = fl_get_escaped(fl_json_get(value, FL_LIT("file_id")));
    if (part->media.file_id.len > 0) {
        return FL_OK;
    }
    if (!fl_get_media_url(fl_get_escaped(url), rd->arena, &part->media)) {
        return refuse(rd, "An 'input_image' needs a 'file_id', an http(s) URL or a data: URL.");
    }
    return FL_OK;
}

static enum fl_err read_part(const struct reader *rd, struct fl_json value, struct fl_part ***tail)
{
    static const char *const types[] = {"input_text", "output_text", "text",      "summary_text",
                                        "refusal",    "input_image", "input_file"};
    static const enum fl_part_kind kinds[] = {FL_PART_TEXT, FL_PART_TEXT,    FL_PART_TEXT,
                                              FL_PART_TEXT, FL_PART_REFUSAL, FL_PART_IMAGE,
                                              FL_PART_FILE};
    struct fl_json type = fl_json_get(value, FL_LIT("type"));
    if (type.type != FL_JSON_STRING) {
        return refuse(rd, "A content part must be an object with a 'type'.");
    }
    int i = fl_get_word(type, types, 7);
    bool audio = i < 0 && fl_get_is(type, "input_audio");
    struct fl_part *part = fl_add_part(rd->arena, tail,
                                       audio    ? FL_PART_AUDIO
                                       : i >= 0 ? kinds[i]
                                                : FL_PART_NATIVE);
    if (!part) {
        return FL_OK; /* the arena knows */
    }
    part->cache = fl_openai_get_cache(fl_json_get(value, FL_LIT("prompt_cache_breakpoint")));
    if (part->kind == FL_PART_NATIVE) {
        part->json = value.span;
    } else if (part->kind == FL_PART_IMAGE) {
        return read_image(rd, value, part);
    } else if (part->kind == FL_PART_AUDIO) {
        fl_openai_get_audio(fl_json_get(value, FL_LIT("input_audio")), part);
        return part->media.base64.len > 0 ? FL_OK : refuse(rd, "An 'input_audio' needs 'data'.");
    } else if (part->kind == FL_PART_FILE) {
        bool known = fl_openai_get_file(value, rd->arena, part);
        return known ? FL_OK
                     : refuse(rd, "An 'input_file' needs a file_id, file_data or file_url.");
    } else {
        bool refusal = part->kind == FL_PART_REFUSAL;
        part->text =
            fl_get_escaped(fl_json_get(value, refusal ? FL_LIT("refusal") : FL_LIT("text")));
    }
    return FL_OK;
}

static enum fl_err read_content(const struct reader *rd, struct fl_json content,
                                struct fl_part ***tail)
{
    struct fl_json_iter it = fl_json_iter(content);
    struct fl_json part;
    enum fl_err err = FL_OK;
    if (content.type == FL_JSON_STRING) {
        struct fl_part *text =
            content.span.len > 2 ? fl_add_part(rd->arena, tail, FL_PART_TEXT) : NULL;
        if (text) {
            text->text = fl_get_escaped(content);
        }
        return FL_OK;
    }
    if (fl_get_given(content) && content.type != FL_JSON_ARRAY) {
        return refuse(rd, "The 'content' of an input item must be a string or an array.");
    }
    while (!err && content.type == FL_JSON_ARRAY && fl_json_next(&it, NULL, &part)) {
        err = read_part(rd, part, tail);
    }
    return err;
}

/* --- Items --- */

enum {
    I_TYPE,
    I_ROLE,
    I_CONTENT,
    I_ID,
    I_CALL_ID,
    I_NAME,
    I_ARGUMENTS,
    I_INPUT,
    I_OUTPUT,
    I_SUMMARY,
    I_ENCRYPTED,
    I_EXTRA,
    I_COUNT
};
static const char *const item_keys[I_COUNT] = {
    "type",      "role",  "content", "id",      "call_id",           "name",
    "arguments", "input", "output",  "summary", "encrypted_content", "extra_content"};

/* The assistant's message that items join. */
static struct fl_message *assistant(struct reader *rd)
{
    if (!rd->assistant) {
        rd->assistant = fl_add_message(rd->arena, &rd->messages, FL_CHAT_ASSISTANT);
        rd->parts = rd->assistant ? &rd->assistant->parts : NULL;
        rd->calls = rd->assistant;
        rd->spoken = false;
    }
    return rd->assistant;
}

static enum fl_err read_message(struct reader *rd, const struct fl_json *v)
{
    static const char *const roles[] = {"system", "developer", "user", "assistant"};
    int role = fl_get_word(v[I_ROLE], roles, 4);
    if (role < 0) {
        return refuse(rd, "A message needs a 'role': user, assistant, system or developer.");
    }
    if (role == FL_CHAT_ASSISTANT) {
        rd->assistant = rd->spoken ? NULL : rd->assistant;
        if (!assistant(rd)) {
            return FL_ERR_NOMEM;
        }
        rd->spoken = true;
        return read_content(rd, v[I_CONTENT], &rd->parts);
    }
    rd->assistant = NULL;
    struct fl_message *message = fl_add_message(rd->arena, &rd->messages, (enum fl_chat_role)role);
    struct fl_part **tail = message ? &message->parts : NULL;
    return message ? read_content(rd, v[I_CONTENT], &tail) : FL_ERR_NOMEM;
}

static enum fl_err read_call(struct reader *rd, const struct fl_json *v, bool custom)
{
    static const struct fl_slice path[] = {{"google", 6}, {"thought_signature", 17}};
    struct fl_part *part =
        assistant(rd) ? fl_add_part(rd->arena, &rd->parts, FL_PART_TOOL_CALL) : NULL;
    if (!part) {
        return FL_ERR_NOMEM;
    }
    rd->spoken = false;
    part->id = fl_get_escaped(v[I_CALL_ID]);
    part->name = fl_get_escaped(v[I_NAME]);
    part->signature = fl_get_escaped(fl_json_at(v[I_EXTRA], path, 2));
    if (custom) {
        part->json = fl_openai_input_object(v[I_INPUT], rd->arena);
    } else {
        (void)fl_get_arguments(fl_get_escaped(v[I_ARGUMENTS]), rd->arena, &part->json);
    }
    bool whole = part->id.len > 0 && part->name.len > 0;
    return whole ? FL_OK : refuse(rd, "A call needs a 'call_id' and a 'name'.");
}

static enum fl_err read_output(struct reader *rd, const struct fl_json *v)
{
    struct fl_slice id = fl_get_escaped(v[I_CALL_ID]);
    const struct fl_part *call = rd->calls ? fl_openai_find_call(rd->calls->parts, id) : NULL;
    rd->assistant = NULL;
    struct fl_message *message = fl_add_message(rd->arena, &rd->messages, FL_CHAT_TOOL);
    struct fl_part **tail = message ? &message->parts : NULL;
    struct fl_part *part = message ? fl_add_part(rd->arena, &tail, FL_PART_TOOL_RESULT) : NULL;
    if (!part) {
        return FL_ERR_NOMEM;
    }
    part->id = id;
    part->name = call ? call->name : FL_EMPTY;
    tail = &part->content;
    return id.len > 0 ? read_content(rd, v[I_OUTPUT], &tail)
                      : refuse(rd, "An output needs the 'call_id' of its call.");
}

/* Texts of the parts as one. */
static struct fl_slice joined(const struct reader *rd, struct fl_json parts)
{
    struct fl_json_iter it = fl_json_iter(parts);
    struct fl_json part;
    char *text = parts.type == FL_JSON_ARRAY ? fl_arena_take(rd->arena, parts.span.len) : NULL;
    struct fl_buf b;
    if (!text) {
        return FL_EMPTY;
    }
    fl_buf_init_in(&b, text, parts.span.len);
    while (fl_json_next(&it, NULL, &part)) {
        fl_buf_put(&b, fl_get_escaped(fl_json_get(part, FL_LIT("text"))));
    }
    return fl_buf_slice(&b);
}

static struct fl_slice with_id(const struct reader *rd, struct fl_slice id, struct fl_slice text)
{
    char *both = fl_arena_take(rd->arena, id.len + 1 + text.len);
    struct fl_buf b;
    if (!both) {
        return FL_EMPTY;
    }
    fl_buf_init_in(&b, both, id.len + 1 + text.len);
    fl_buf_put(&b, id);
    fl_buf_putc(&b, '#');
    fl_buf_put(&b, text);
    return fl_buf_slice(&b);
}

static enum fl_err read_reasoning_item(struct reader *rd, const struct fl_json *v)
{
    struct fl_slice id = fl_get_escaped(v[I_ID]), encrypted = fl_get_escaped(v[I_ENCRYPTED]);
    bool redacted = fl_slice_starts(id, FL_LIT(FL_RS_REDACTED));
    struct fl_part *part =
        assistant(rd)
            ? fl_add_part(rd->arena, &rd->parts, redacted ? FL_PART_REDACTED : FL_PART_THINKING)
            : NULL;
    if (!part) {
        return FL_ERR_NOMEM;
    }
    if (redacted) {
        part->text = encrypted;
        return FL_OK;
    }
    part->text = joined(rd, v[I_SUMMARY]);
    if (part->text.len == 0) {
        part->text = joined(rd, v[I_CONTENT]);
    }
    if (encrypted.len > 0) {
        bool ours = fl_slice_starts(id, FL_LIT(FL_RS_THINKING));
        part->signature = ours ? encrypted : with_id(rd, id, encrypted);
    }
    return FL_OK;
}

static enum fl_err read_item(struct reader *rd, struct fl_json item)
{
    static const char *const types[] = {
        "message",          "function_call",           "function_call_output",
        "custom_tool_call", "custom_tool_call_output", "reasoning",
        "item_reference"};
    struct fl_json v[I_COUNT];
    struct fl_part *part;
    fl_get_members(item, item_keys, I_COUNT, v);
    if (item.type != FL_JSON_OBJECT) {
        return refuse(rd, "An item of 'input' must be an object.");
    }
    if (!fl_get_given(v[I_TYPE])) {
        return read_message(rd, v);
    }
    switch (fl_get_word(v[I_TYPE], types, 7)) {
    case 0:
        return read_message(rd, v);
    case 1:
    case 3:
        return read_call(rd, v, fl_get_is(v[I_TYPE], "custom_tool_call"));
    case 2:
    case 4:
        return read_output(rd, v);
    case 5:
        return read_reasoning_item(rd, v);
    case 6:
        return refuse(rd,
                      "An 'item_reference' needs the memory of the provider that made the item; "
                      "this model's provider speaks another dialect. Send the item itself.");
    default:
        part = assistant(rd) ? fl_add_part(rd->arena, &rd->parts, FL_PART_NATIVE) : NULL;
        if (part) {
            part->json = item.span;
        }
        return FL_OK;
    }
}

static enum fl_err read_instructions(struct reader *rd)
{
    struct fl_json text = rd->v[K_INSTRUCTIONS];
    if (!fl_get_given(text)) {
        return FL_OK;
    }
    if (text.type != FL_JSON_STRING) {
        return refuse(rd, "The field 'instructions' must be a string.");
    }
    struct fl_message *message = fl_add_message(rd->arena, &rd->messages, FL_CHAT_SYSTEM);
    struct fl_part **tail = message ? &message->parts : NULL;
    return message ? read_content(rd, text, &tail) : FL_ERR_NOMEM;
}

static enum fl_err read_input(struct reader *rd)
{
    struct fl_json input = rd->v[K_INPUT], item;
    struct fl_json_iter it = fl_json_iter(input);
    enum fl_err err = FL_OK;
    if (input.type == FL_JSON_STRING) {
        struct fl_message *message = fl_add_message(rd->arena, &rd->messages, FL_CHAT_USER);
        struct fl_part **tail = message ? &message->parts : NULL;
        return message ? read_content(rd, input, &tail) : FL_ERR_NOMEM;
    }
    if (input.type != FL_JSON_ARRAY) {
        return refuse(rd, "The field 'input' must be a string or an array of items.");
    }
    while (!err && fl_json_next(&it, NULL, &item)) {
        err = read_item(rd, item);
    }
    return !err && !rd->r->messages ? refuse(rd, "The field 'input' must not be empty.") : err;
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
        struct fl_json type = fl_json_get(one, FL_LIT("type"));
        struct fl_tool *tool = fl_add_tool(rd->arena, &tail);
        if (!tool) {
            return FL_ERR_NOMEM;
        }
        if (fl_get_is(type, "function")) {
            fl_openai_get_function(one, tool);
        } else if (fl_get_is(type, "custom")) {
            fl_openai_get_custom(one, tool);
        } else {
            tool->native = one.span;
        }
        if (tool->native.len == 0 && tool->name.len == 0) {
            return refuse(rd, "Each function in 'tools' needs a 'name'.");
        }
    }
    return FL_OK;
}

static enum fl_err read_tool_choice(struct reader *rd)
{
    static const char *const words[] = {"auto", "none", "required"};
    struct fl_json choice = rd->v[K_TOOL_CHOICE];
    struct fl_slice name = fl_get_escaped(fl_json_get(choice, FL_LIT("name")));
    int word = fl_get_word(choice, words, 3);
    if (!fl_get_given(choice)) {
        return FL_OK;
    }
    if (word >= 0) {
        rd->r->tool_choice = (enum fl_tool_choice)(FL_TOOL_CHOICE_AUTO + word);
    } else if (name.len > 0) {
        rd->r->tool_choice = FL_TOOL_CHOICE_NAMED;
        rd->r->tool_choice_name = name;
    } else if (choice.type == FL_JSON_OBJECT) {
        bool may = fl_get_is(fl_json_get(choice, FL_LIT("mode")), "auto");
        rd->r->tool_choice = may ? FL_TOOL_CHOICE_AUTO : FL_TOOL_CHOICE_REQUIRED;
        fl_add_member(rd->arena, &rd->others, FL_LIT("\"tool_choice\""), choice.span);
    } else {
        return refuse(rd, "The field 'tool_choice' must be auto, none, required or an object.");
    }
    return FL_OK;
}

/* --- The other fields --- */

/* What only the provider's own store can answer. */
static enum fl_err refuse_state(const struct reader *rd)
{
    bool background = false;
    (void)fl_json_bool(rd->v[K_BACKGROUND], &background);
    if (fl_get_given(rd->v[K_PREVIOUS])) {
        return refuse(rd, "'previous_response_id' needs the memory of the provider that answered; "
                          "this model's provider speaks another dialect. Send the whole input.");
    }
    if (fl_get_given(rd->v[K_CONVERSATION])) {
        return refuse(rd, "'conversation' needs a provider that keeps it; this model's provider "
                          "speaks another dialect. Send the whole input.");
    }
    if (background) {
        return refuse(rd, "'background' needs a provider that keeps responses; this model's "
                          "provider speaks another dialect.");
    }
    if (fl_get_given(rd->v[K_PROMPT])) {
        return refuse(rd, "'prompt' names a template that only its provider keeps; this model's "
                          "provider speaks another dialect.");
    }
    return FL_OK;
}

static bool includes(const struct reader *rd, const char *what)
{
    struct fl_json_iter it = fl_json_iter(rd->v[K_INCLUDE]);
    struct fl_json one;
    bool found = false;
    while (rd->v[K_INCLUDE].type == FL_JSON_ARRAY && fl_json_next(&it, NULL, &one)) {
        found = found || fl_get_is(one, what);
    }
    return found;
}

static enum fl_err read_numbers(const struct reader *rd)
{
    struct fl_chat_request *r = rd->r;
    enum fl_err err =
        fl_openai_get_number(rd->v[K_TEMPERATURE], "The field 'temperature' must be a number.",
                             &r->temperature, rd->reterr);
    err = err ? err
              : fl_openai_get_number(rd->v[K_TOP_P], "The field 'top_p' must be a number.",
                                     &r->top_p, rd->reterr);
    if (!err && fl_get_given(rd->v[K_MAX_OUTPUT]) &&
        !fl_json_u64(rd->v[K_MAX_OUTPUT], &r->tokens_out_max)) {
        err = refuse(rd, "The field 'max_output_tokens' must be a positive integer.");
    }
    (void)fl_json_u64(rd->v[K_TOP_LOGPROBS], &r->top_logprobs);
    r->logprobs = r->top_logprobs > 0 || includes(rd, "message.output_text.logprobs");
    return err;
}

static enum fl_err read_text(struct reader *rd)
{
    struct fl_json format = fl_json_get(rd->v[K_TEXT], FL_LIT("format"));
    struct fl_json type = fl_json_get(format, FL_LIT("type"));
    struct fl_json verbosity = fl_json_get(rd->v[K_TEXT], FL_LIT("verbosity"));
    if (fl_get_given(verbosity)) {
        fl_add_member(rd->arena, &rd->others, FL_LIT("\"verbosity\""), verbosity.span);
    }
    if (fl_get_given(format) && type.type != FL_JSON_STRING) {
        return refuse(rd, "The field 'text.format' must be an object with a 'type'.");
    }
    if (fl_get_is(type, "json_object")) {
        rd->r->format = FL_FORMAT_JSON;
    } else if (fl_get_is(type, "json_schema")) {
        fl_openai_get_schema(format, rd->r);
    } else if (fl_get_given(format) && !fl_get_is(type, "text")) {
        fl_add_member(rd->arena, &rd->others, FL_LIT("\"text\""), rd->v[K_TEXT].span);
    }
    return FL_OK;
}

static enum fl_err read_flags(const struct reader *rd)
{
    bool parallel = true, store = true;
    (void)fl_json_bool(rd->v[K_STORE], &store);
    if ((fl_get_given(rd->v[K_STREAM]) && !fl_json_bool(rd->v[K_STREAM], &rd->r->stream)) ||
        (fl_get_given(rd->v[K_PARALLEL]) && !fl_json_bool(rd->v[K_PARALLEL], &parallel))) {
        return refuse(rd, "The fields 'stream' and 'parallel_tool_calls' must be true or false.");
    }
    rd->r->parallel_off = !parallel;
    rd->r->store_off = !store;
    rd->r->usage_asked = true; /* a response always tells it */
    return FL_OK;
}

static void read_rest(struct reader *rd, struct fl_json whole)
{
    struct fl_chat_request *r = rd->r;
    struct fl_json_iter it = fl_json_iter(whole);
    struct fl_slice key;
    struct fl_json value;
    (void)fl_openai_get_effort(fl_json_get(rd->v[K_REASONING], FL_LIT("effort")), &r->effort);
    r->thinking_off = r->effort == FL_EFFORT_NONE;
    r->user = fl_get_escaped(rd->v[K_USER]);
    r->service_tier = fl_get_escaped(rd->v[K_TIER]);
    r->metadata = rd->v[K_METADATA].type == FL_JSON_OBJECT ? rd->v[K_METADATA].span : FL_EMPTY;
    r->cache_key = fl_get_escaped(rd->v[K_CACHE_KEY]);
    while (fl_json_next(&it, &key, &value)) {
        if (fl_get_key(key, top_keys, K_COUNT) < K_COUNT || value.type == FL_JSON_NULL) {
            continue;
        }
        fl_add_member(rd->arena, &rd->others, key, value.span);
        if (r->user.len == 0 && fl_json_spells(key, FL_LIT("safety_identifier"))) {
            r->user = fl_get_escaped(value);
        }
    }
}

enum fl_err fl_openai_responses_read(struct fl_slice body, struct fl_arena *arena,
                                     struct fl_chat_request *ret_request, struct fl_reterr *reterr)
{
    struct fl_json whole;
    struct reader rd = {.arena = arena, .r = ret_request, .reterr = reterr};
    enum fl_err err = fl_openai_open(body, top_keys, K_COUNT, rd.v, &whole, ret_request, reterr);
    rd.messages = &ret_request->messages;
    rd.others = &ret_request->others;
    err = err ? err : refuse_state(&rd);
    err = err ? err : read_instructions(&rd);
    err = err ? err : read_input(&rd);
    err = err ? err : read_tools(&rd);
    err = err ? err : read_tool_choice(&rd);
    err = err ? err : read_numbers(&rd);
    err = err ? err : read_text(&rd);
    err = err ? err : read_flags(&rd);
    if (!err) {
        read_rest(&rd, whole);
    }
    return err ? err : arena->failed ? FL_ERR_NOMEM : FL_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What answers of chat completions and of responses share: errors, usage, ids; and the two forms. */
#include "dialect/openai_wire.h"

const char *fl_openai_error_type(int status)
{
    switch (status) {
    case 401:
        return "authentication_error";
    case 403:
        return "permission_error";
    case 429:
        return "rate_limit_error";
    default:
        return status >= 500 ? "server_error" : "invalid_request_error";
    }
}

const char *fl_openai_error_code(enum fl_err err)
{
    if (err == FL_ERR_MODEL_UNKNOWN) {
        return "model_not_found";
    }
    if (err == FL_ERR_CONTEXT) {
        return "context_length_exceeded";
    }
    if (err == FL_ERR_RESPONSE_GONE) {
        return "previous_response_not_found";
    }
    if (err == FL_ERR_ITEM_GONE) {
        return "item_not_found";
    }
    return err == FL_ERR_AUTH ? "invalid_api_key" : fl_err_name(err);
}

/* --- A provider's error --- */

static enum fl_err err_of_status(uint64_t status)
{
    switch (status) {
    case 401:
    case 403:
        return FL_ERR_UPSTREAM_AUTH;
    case 402:
        return FL_ERR_QUOTA;
    case 404:
        return FL_ERR_UPSTREAM_MODEL;
    case 408:
    case 504:
    case 524:
        return FL_ERR_UPSTREAM_TIMEOUT;
    case 429:
        return FL_ERR_RATE_LIMITED;
    case 503:
    case 529:
        return FL_ERR_UPSTREAM_OVERLOADED;
    default:
        return status >= 400 && status < 500 ? FL_ERR_UPSTREAM_REQUEST : FL_ERR_SERVER;
    }
}

static enum fl_err err_of_word(struct fl_json word)
{
    static const struct {
        const char *word;
        enum fl_err err;
    } words[] = {
        {"insufficient_quota", FL_ERR_QUOTA},
        {"rate_limit_exceeded", FL_ERR_RATE_LIMITED},
        {"rate_limit_error", FL_ERR_RATE_LIMITED},
        {"tokens", FL_ERR_RATE_LIMITED},
        {"requests", FL_ERR_RATE_LIMITED},
        {"overloaded_error", FL_ERR_UPSTREAM_OVERLOADED},
        {"invalid_request_error", FL_ERR_UPSTREAM_REQUEST},
        {"context_length_exceeded", FL_ERR_UPSTREAM_REQUEST},
        {"tool_use_failed", FL_ERR_UPSTREAM_REQUEST},
        {"content_filter", FL_ERR_UPSTREAM_REQUEST},
        {"invalid_prompt", FL_ERR_UPSTREAM_REQUEST},
        {"invalid_api_key", FL_ERR_UPSTREAM_AUTH},
        {"model_not_found", FL_ERR_UPSTREAM_MODEL},
    };
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        if (fl_get_is(word, words[i].word)) {
            return words[i].err;
        }
    }
    for (int e = FL_OK + 1; word.type == FL_JSON_STRING && e < FL_ERR_COUNT; e++) {
        if (fl_get_is(word, fl_err_name((enum fl_err)e))) {
            return (enum fl_err)e; /* another gateway of this kind */
        }
    }
    return FL_OK;
}

static struct fl_slice first_text(struct fl_json a, struct fl_json b, struct fl_json c)
{
    struct fl_slice text = fl_get_escaped(a);
    text = text.len > 0 ? text : fl_get_escaped(b);
    return text.len > 0 ? text : fl_get_escaped(c);
}

/* The first of a word's meaning, a number's, a status'. */
static enum fl_err err_of(struct fl_json code, struct fl_json type, struct fl_json status)
{
    uint64_t number;
    enum fl_err err = err_of_word(code);
    err = err ? err : err_of_word(type);
    if (!err && (fl_json_u64(status, &number) || fl_json_u64(code, &number))) {
        err = err_of_status(number);
    }
    return err ? err : FL_ERR_SERVER;
}

void fl_openai_emit_error(const struct fl_chat_sink *sink, struct fl_json error,
                          struct fl_json whole)
{
    enum { MESSAGE, TYPE, CODE, STATUS, DETAIL, COUNT };
    static const struct fl_slice keys[COUNT] = {
        {"message", 7}, {"type", 4}, {"code", 4}, {"status_code", 11}, {"detail", 6}};
    struct fl_json v[COUNT];
    fl_get_fields(error.type == FL_JSON_OBJECT ? error : whole, keys, COUNT, v);
    struct fl_json message = error.type == FL_JSON_STRING ? error : v[MESSAGE];
    fl_emit_error(sink, err_of(v[CODE], v[TYPE], v[STATUS]),
                  first_text(message, v[DETAIL], (struct fl_json){FL_JSON_NONE, FL_EMPTY}),
                  first_text(v[CODE], v[TYPE], (struct fl_json){FL_JSON_NONE, FL_EMPTY}));
}

/* --- Ours --- */

void fl_openai_put_error_object(struct fl_buf *b, enum fl_err err, struct fl_slice message,
                                struct fl_slice name)
{
    err = err ? err : FL_ERR_SERVER;
    fl_buf_putc(b, '{');
    fl_put_text(b, "message", message.len > 0 ? message : fl_slice_cstr(fl_err_text(err)));
    fl_put_word(b, "type", fl_openai_error_type(fl_err_status(err)));
    fl_put_raw(b, "param", FL_LIT("null"));
    fl_put_text(b, "code", name.len > 0 ? name : fl_slice_cstr(fl_openai_error_code(err)));
    fl_buf_putc(b, '}');
}

static void put_details(struct fl_buf *b, const char *key)
{
    fl_put_key(b, key);
    fl_buf_putc(b, '{');
}

static void put_number_if(struct fl_buf *b, const char *key, uint64_t value)
{
    if (value > 0) {
        fl_put_number(b, key, value);
    }
}

void fl_openai_put_chat_usage(struct fl_buf *b, const struct fl_usage *usage)
{
    fl_buf_putc(b, '{');
    fl_put_number(b, "prompt_tokens", usage->tokens_in);
    fl_put_number(b, "completion_tokens", usage->tokens_out);
    fl_put_number(b, "total_tokens", usage->tokens_in + usage->tokens_out);
    put_details(b, "prompt_tokens_details");
    fl_put_number(b, "cached_tokens", usage->tokens_cached);
    put_number_if(b, "cache_write_tokens", usage->tokens_cache_write);
    fl_put_number(b, "audio_tokens", usage->tokens_in_audio);
    fl_buf_putc(b, '}');
    put_details(b, "completion_tokens_details");
    fl_put_number(b, "reasoning_tokens", usage->tokens_reasoning);
    fl_put_number(b, "audio_tokens", usage->tokens_out_audio);
    fl_buf_put(b, FL_LIT("}}"));
}

void fl_openai_put_responses_usage(struct fl_buf *b, const struct fl_usage *usage)
{
    fl_buf_putc(b, '{');
    fl_put_number(b, "input_tokens", usage->tokens_in);
    put_details(b, "input_tokens_details");
    fl_put_number(b, "cached_tokens", usage->tokens_cached);
    put_number_if(b, "cache_write_tokens", usage->tokens_cache_write);
    fl_buf_putc(b, '}');
    fl_put_number(b, "output_tokens", usage->tokens_out);
    put_details(b, "output_tokens_details");
    fl_put_number(b, "reasoning_tokens", usage->tokens_reasoning);
    fl_buf_putc(b, '}');
    fl_put_number(b, "total_tokens", usage->tokens_in + usage->tokens_out);
    fl_buf_putc(b, '}');
}

void fl_openai_put_call_id(struct fl_buf *b, const struct fl_encoder *e, struct fl_slice id,
                           unsigned choice, unsigned call)
{
    fl_buf_putc(b, '"');
    if (id.len > 0) {
        fl_buf_put(b, id);
    } else {
        fl_buf_put(b, FL_LIT("call_"));
        fl_buf_put(b, fl_slice_first(e->id, 24));
        fl_buf_put_hex(b, choice, 1);
        fl_buf_putc(b, 'x');
        fl_buf_put_hex(b, call, 1);
    }
    fl_buf_putc(b, '"');
}

const struct fl_wire fl_wire_openai_chat = {
    .name = "openai/chat",
    .framing = FL_FRAMING_SSE,
    .read = fl_openai_chat_read,
    .put_event = fl_openai_chat_put_event,
    .put_answer = fl_openai_chat_put_answer,
    .write = fl_openai_chat_write,
    .take_answer = fl_openai_chat_take_answer,
    .take_frame = fl_openai_chat_take_frame,
    .take_end = fl_openai_chat_take_end,
};

const struct fl_wire fl_wire_openai_responses = {
    .name = "openai/responses",
    .framing = FL_FRAMING_SSE,
    .echoes_request = true,
    .read = fl_openai_responses_read,
    .put_event = fl_openai_responses_put_event,
    .put_answer = fl_openai_responses_put_answer,
    .write = fl_openai_responses_write,
    .take_answer = fl_openai_responses_take_answer,
    .take_frame = fl_openai_responses_take_frame,
    .take_end = fl_openai_responses_take_end,
};

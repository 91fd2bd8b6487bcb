/* SPDX-License-Identifier: Apache-2.0 */
/* What a request to a simulated provider wants. */
#include "sim/provider_impl.h"

#include "sim/text.h"

enum sim_endpoint sim_endpoint(struct fl_slice path)
{
    struct fl_slice v1 = FL_LIT("/v1"), models = FL_LIT("/models/");
    if (fl_slice_starts(path, FL_LIT("/v1/"))) {
        path = fl_slice_from(path, v1.len);
    }
    if (fl_slice_eq(path, FL_LIT("/chat/completions"))) {
        return SIM_CHAT;
    }
    if (fl_slice_eq(path, FL_LIT("/completions"))) {
        return SIM_COMPLETIONS;
    }
    if (fl_slice_eq(path, FL_LIT("/embeddings"))) {
        return SIM_EMBEDDINGS;
    }
    if (fl_slice_eq(path, FL_LIT("/models"))) {
        return SIM_MODELS;
    }
    return fl_slice_starts(path, models) && path.len > models.len ? SIM_MODEL : SIM_UNKNOWN;
}

enum {
    W_MODEL,
    W_MESSAGES,
    W_PROMPT,
    W_INPUT,
    W_STREAM,
    W_STREAM_OPTIONS,
    W_MAX_TOKENS,
    W_MAX_COMPLETION_TOKENS,
    W_ENCODING,
    W_DIMENSIONS,
    W_COUNT
};

static struct sim_problem invalid(const char *param, const char *message)
{
    return (struct sim_problem){400, "invalid_request_error", NULL, param, message};
}

/* Appends the text of a message's content (a string, or parts of which some have text). */
static void put_content(struct fl_json content, struct fl_buf *to)
{
    struct fl_buf scratch;
    struct fl_slice text;
    fl_buf_init(&scratch, to->max);
    if (fl_json_text(content, &scratch, &text)) {
        fl_buf_put(to, text);
    }
    struct fl_json_iter parts = fl_json_iter(content);
    struct fl_json part;
    while (content.type == FL_JSON_ARRAY && fl_json_next(&parts, NULL, &part)) {
        struct fl_json piece =
            part.type == FL_JSON_OBJECT ? fl_json_get(part, FL_LIT("text")) : part;
        fl_buf_reset(&scratch);
        if (fl_json_text(piece, &scratch, &text)) {
            fl_buf_put(to, text);
            fl_buf_putc(to, ' ');
        }
    }
    fl_buf_finish(&scratch);
}

/* The prompt is what the last user message says; all messages count. */
struct sim_problem sim_read_messages(struct sim_conn *c, struct fl_json messages,
                                     const char *content)
{
    struct fl_json_iter it = fl_json_iter(messages);
    struct fl_json message;
    struct fl_buf text;
    unsigned count = 0;
    if (messages.type != FL_JSON_ARRAY) {
        return invalid("messages", "'messages' must be an array.");
    }
    fl_buf_init(&text, c->prompt.max);
    for (; fl_json_next(&it, NULL, &message); count++) {
        struct fl_json role = fl_json_get(message, FL_LIT("role"));
        fl_buf_reset(&text);
        put_content(fl_json_get(message, fl_slice_cstr(content)), &text);
        c->ask.prompt_tokens += 3 + fl_sim_tokens(fl_buf_slice(&text));
        if (role.type == FL_JSON_STRING && fl_json_spells(role.span, FL_LIT("user"))) {
            fl_buf_reset(&c->prompt);
            fl_buf_put(&c->prompt, fl_buf_slice(&text));
        }
        fl_buf_reset(&c->beginning);
        if (role.type == FL_JSON_STRING && fl_json_spells(role.span, FL_LIT("assistant"))) {
            fl_buf_put(&c->beginning, fl_buf_slice(&text));
        }
    }
    fl_buf_finish(&text);
    return count > 0 ? (struct sim_problem){.status = 0}
                     : invalid("messages", "'messages' must not be empty.");
}

/* Inputs may be given as token numbers, or as arrays of them. */
static uint64_t given_tokens(struct fl_json item)
{
    struct fl_json_iter it = fl_json_iter(item);
    struct fl_json number;
    uint64_t count = item.type == FL_JSON_NUMBER;
    while (item.type == FL_JSON_ARRAY && fl_json_next(&it, NULL, &number)) {
        count++;
    }
    return count;
}

static struct sim_problem read_text(struct sim_conn *c, struct fl_json value, const char *param)
{
    if (value.type != FL_JSON_STRING && value.type != FL_JSON_ARRAY) {
        return invalid(param, "The input must be a string or an array.");
    }
    put_content(value, &c->prompt);
    c->ask.prompt_tokens = fl_sim_tokens(fl_buf_slice(&c->prompt));
    struct fl_json_iter it = fl_json_iter(value);
    struct fl_json item;
    for (unsigned count = 0; fl_json_next(&it, NULL, &item); count++) {
        c->ask.prompt_tokens += given_tokens(item);
        if (count == SIM_INPUTS_MAX && item.type != FL_JSON_NUMBER) {
            return invalid(param, "These are too many inputs.");
        }
    }
    return (struct sim_problem){.status = 0};
}

static struct sim_problem read_model(struct sim_conn *c, struct fl_json model)
{
    const struct fl_simprovider_options *o = &c->provider->options;
    if (model.type != FL_JSON_STRING) {
        return invalid("model", "'model' must be a string.");
    }
    for (unsigned i = 0; i < o->model_count; i++) {
        if (fl_json_spells(model.span, o->models[i].id)) {
            c->ask.model = &o->models[i];
            return (struct sim_problem){.status = 0};
        }
    }
    return (struct sim_problem){404, "invalid_request_error", "model_not_found", "model",
                                "The simulated provider has no such model."};
}

static struct sim_problem read_numbers(struct sim_conn *c, const struct fl_json_watch *w)
{
    const struct fl_json *most = &w[W_MAX_COMPLETION_TOKENS].value;
    struct fl_json options = w[W_STREAM_OPTIONS].value;
    c->ask.tokens_max = FL_NEVER;
    if (most->type == FL_JSON_NONE) {
        most = &w[W_MAX_TOKENS].value;
    }
    if (most->type > FL_JSON_NULL &&
        (!fl_json_u64(*most, &c->ask.tokens_max) || c->ask.tokens_max == 0)) {
        return invalid("max_tokens", "The token limit must be a positive integer.");
    }
    if (w[W_STREAM].value.type > FL_JSON_NULL && !fl_json_bool(w[W_STREAM].value, &c->ask.stream)) {
        return invalid("stream", "'stream' must be a boolean.");
    }
    if (options.type == FL_JSON_OBJECT) {
        (void)fl_json_bool(fl_json_get(options, FL_LIT("include_usage")), &c->ask.include_usage);
    }
    c->ask.dimensions = 64;
    if (w[W_DIMENSIONS].value.type > FL_JSON_NULL &&
        (!fl_json_u64(w[W_DIMENSIONS].value, &c->ask.dimensions) || c->ask.dimensions == 0 ||
         c->ask.dimensions > SIM_DIMENSIONS_MAX)) {
        return invalid("dimensions", "'dimensions' must be an integer from 1 to 4096.");
    }
    c->ask.base64 = w[W_ENCODING].value.type == FL_JSON_STRING &&
                    fl_json_spells(w[W_ENCODING].value.span, FL_LIT("base64"));
    return (struct sim_problem){.status = 0};
}

struct sim_problem sim_read_ask(struct sim_conn *c)
{
    struct fl_json_watch w[W_COUNT] = {
        [W_MODEL] = {.key = FL_LIT("model")},
        [W_MESSAGES] = {.key = FL_LIT("messages")},
        [W_PROMPT] = {.key = FL_LIT("prompt")},
        [W_INPUT] = {.key = FL_LIT("input")},
        [W_STREAM] = {.key = FL_LIT("stream")},
        [W_STREAM_OPTIONS] = {.key = FL_LIT("stream_options")},
        [W_MAX_TOKENS] = {.key = FL_LIT("max_tokens")},
        [W_MAX_COMPLETION_TOKENS] = {.key = FL_LIT("max_completion_tokens")},
        [W_ENCODING] = {.key = FL_LIT("encoding_format")},
        [W_DIMENSIONS] = {.key = FL_LIT("dimensions")},
    };
    struct fl_json value;
    if (fl_json_scan(fl_buf_slice(&c->content), FL_JSON_LIMITS, w, W_COUNT, &value, NULL) ||
        value.type != FL_JSON_OBJECT) {
        return invalid(NULL, "The body must be a JSON object.");
    }
    struct sim_problem problem = read_model(c, w[W_MODEL].value);
    if (!problem.status) {
        problem = read_numbers(c, w);
    }
    if (problem.status) {
        return problem;
    }
    if (c->ask.endpoint == SIM_CHAT) {
        return sim_read_messages(c, w[W_MESSAGES].value, "content");
    }
    if (c->ask.endpoint == SIM_COMPLETIONS) {
        return read_text(c, w[W_PROMPT].value, "prompt");
    }
    c->ask.stream = false;
    c->ask.input = w[W_INPUT].value;
    return read_text(c, c->ask.input, "input");
}

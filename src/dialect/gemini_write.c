/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A canonical request as the body of generateContent.
 *
 * Contents alternate between "user" and "model", so runs of one role become one turn. Results of
 * tools stand in the turn after their calls, as many as there were calls, in the order of the calls:
 * nothing else tells Gemini which is whose, since ids are not sent.
 */
#include "dialect/gemini.h"

#include "dialect/lose.h"
#include "dialect/put.h"

/* In base64: skip_thought_signature_validator. Generation 3 refuses a first call of a turn without
 * signature; with this value it takes one that it did not make. */
#define NO_SIGNATURE "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="

enum turn { TURN_NONE, TURN_USER, TURN_MODEL };

struct writer {
    const struct fl_chat_request *request;
    struct fl_gemini_model model;
    struct fl_buf *out;
    struct fl_losses *losses;
    struct fl_reterr *reterr;
    enum fl_err err;
    enum turn turn;
    bool turn_called; /* the turn of the model has a call already */
    bool system_only; /* no message but the system's */
};

/* --- Turns and parts --- */

static void close_turn(struct writer *w)
{
    if (w->turn != TURN_NONE) {
        fl_buf_put(w->out, FL_LIT("]}"));
    }
    w->turn = TURN_NONE;
}

static void begin_turn(struct writer *w, enum turn turn)
{
    if (w->turn == turn) {
        return;
    }
    close_turn(w);
    fl_put_comma(w->out);
    fl_buf_putc(w->out, '{');
    fl_put_word(w->out, "role", turn == TURN_USER ? "user" : "model");
    fl_put_key(w->out, "parts");
    fl_buf_putc(w->out, '[');
    w->turn = turn;
    w->turn_called = false;
}

static void put_text_part(struct writer *w, struct fl_slice escaped)
{
    if (escaped.len > 0) { /* a part may not be empty */
        fl_put_comma(w->out);
        fl_buf_putc(w->out, '{');
        fl_put_text(w->out, "text", escaped);
        fl_buf_putc(w->out, '}');
    }
}

static const char *type_of_url(struct fl_slice url, enum fl_part_kind kind)
{
    static const struct {
        const char *ending, *type;
    } types[] = {{".png", "image/png"},       {".jpg", "image/jpeg"},  {".jpeg", "image/jpeg"},
                 {".gif", "image/gif"},       {".webp", "image/webp"}, {".heic", "image/heic"},
                 {".pdf", "application/pdf"}, {".mp3", "audio/mp3"},   {".wav", "audio/wav"},
                 {".txt", "text/plain"},      {".mp4", "video/mp4"}};
    struct fl_slice path = fl_slice_first(url, fl_slice_find(url, '?'));
    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
        struct fl_slice ending = fl_slice_cstr(types[i].ending);
        if (path.len > ending.len &&
            fl_slice_eq_nocase(fl_slice_from(path, path.len - ending.len), ending)) {
            return types[i].type;
        }
    }
    return kind == FL_PART_FILE    ? "application/pdf"
           : kind == FL_PART_AUDIO ? "audio/mp3"
                                   : "image/jpeg";
}

static const char *loss_of(enum fl_part_kind kind)
{
    return kind == FL_PART_IMAGE   ? "messages.image"
           : kind == FL_PART_AUDIO ? "messages.audio"
                                   : "messages.file";
}

static void put_file_data(struct writer *w, const struct fl_part *part, struct fl_slice uri)
{
    fl_put_key(w->out, "fileData");
    fl_buf_putc(w->out, '{');
    if (part->media.media_type.len > 0) {
        fl_put_text(w->out, "mimeType", part->media.media_type);
    } else {
        fl_put_word(w->out, "mimeType", type_of_url(uri, part->kind));
    }
    fl_put_text(w->out, "fileUri", uri);
    fl_buf_putc(w->out, '}');
}

static bool is_reachable(struct fl_slice uri)
{
    return fl_slice_starts(uri, FL_LIT("https://")) || fl_slice_starts(uri, FL_LIT("http://")) ||
           fl_slice_starts(uri, FL_LIT("gs://"));
}

static void put_media_part(struct writer *w, const struct fl_part *part)
{
    const struct fl_media *media = &part->media;
    /* A name in Google's own store of files is a URI; others' ids mean nothing there. */
    struct fl_slice uri = media->url.len > 0 ? media->url : media->file_id;
    if (media->text.len > 0) {
        put_text_part(w, media->text);
        return;
    }
    if (media->base64.len == 0 && !is_reachable(uri)) {
        fl_losses_add(w->losses, FL_LOSS_FATAL, loss_of(part->kind));
        return;
    }
    if (media->detail.len > 0 && !fl_escaped_is(media->detail, "auto")) {
        fl_losses_add(w->losses, FL_LOSS_DROPPED, "messages.image.detail");
    }
    fl_put_comma(w->out);
    fl_buf_putc(w->out, '{');
    if (media->base64.len > 0) {
        const char *type = type_of_url(media->name, part->kind);
        fl_put_key(w->out, "inlineData");
        fl_buf_putc(w->out, '{');
        fl_put_text(w->out, "mimeType",
                    media->media_type.len > 0 ? media->media_type : fl_slice_cstr(type));
        fl_put_text(w->out, "data", media->base64);
        fl_buf_putc(w->out, '}');
    } else {
        put_file_data(w, part, uri);
    }
    fl_buf_putc(w->out, '}');
}

static void put_call(struct writer *w, const struct fl_part *part)
{
    struct fl_slice signature = part->signature;
    if (signature.len == 0 && !w->turn_called && w->model.generation >= 30) {
        signature = FL_LIT(NO_SIGNATURE);
    }
    w->turn_called = true;
    fl_put_comma(w->out);
    fl_buf_putc(w->out, '{');
    fl_put_key(w->out, "functionCall");
    fl_buf_putc(w->out, '{');
    fl_put_text(w->out, "name", part->name);
    fl_put_raw(w->out, "args", part->json.len > 0 ? part->json : FL_LIT("{}"));
    fl_buf_putc(w->out, '}');
    fl_put_text_if(w->out, "thoughtSignature", signature);
    fl_buf_putc(w->out, '}');
}

static void put_thought(struct writer *w, const struct fl_part *part)
{
    struct fl_slice signature = part->signature;
    if (signature.len == 0) {
        fl_losses_add(w->losses, FL_LOSS_DROPPED, "messages.thinking");
        return;
    }
    fl_put_comma(w->out);
    fl_buf_putc(w->out, '{');
    fl_put_text(w->out, "text", part->text);
    fl_put_flag(w->out, "thought", true);
    fl_put_text(w->out, "thoughtSignature", signature);
    fl_buf_putc(w->out, '}');
}

static void put_part(struct writer *w, const struct fl_part *part)
{
    switch (part->kind) {
    case FL_PART_TEXT:
    case FL_PART_REFUSAL:
        put_text_part(w, part->text);
        break;
    case FL_PART_IMAGE:
    case FL_PART_AUDIO:
    case FL_PART_FILE:
        put_media_part(w, part);
        break;
    case FL_PART_TOOL_CALL:
        put_call(w, part);
        break;
    case FL_PART_THINKING:
        put_thought(w, part);
        break;
    case FL_PART_REDACTED:
        fl_losses_add(w->losses, FL_LOSS_DROPPED, "messages.thinking");
        break;
    case FL_PART_NATIVE:
        fl_losses_add(w->losses, FL_LOSS_DROPPED, "messages.native");
        break;
    case FL_PART_TOOL_RESULT: /* stands in messages of tools, put_results() */
        break;
    }
}

/* Would put_part() write anything? A turn is begun only for something. */
static bool says_something(const struct fl_part *part)
{
    switch (part->kind) {
    case FL_PART_TEXT:
    case FL_PART_REFUSAL:
        return part->text.len > 0;
    case FL_PART_THINKING:
        return part->signature.len > 0;
    case FL_PART_IMAGE:
    case FL_PART_AUDIO:
    case FL_PART_FILE:
        return part->media.text.len > 0 || part->media.base64.len > 0 ||
               is_reachable(part->media.url) || is_reachable(part->media.file_id);
    case FL_PART_TOOL_CALL:
        return true;
    case FL_PART_REDACTED:
    case FL_PART_NATIVE:
    case FL_PART_TOOL_RESULT:
        break;
    }
    return false;
}

static void put_message(struct writer *w, const struct fl_message *m, enum turn turn)
{
    for (const struct fl_part *part = m->parts; part; part = part->next) {
        if (says_something(part)) {
            begin_turn(w, turn);
        }
        put_part(w, part);
    }
    if (m->name.len > 0) {
        fl_losses_add(w->losses, FL_LOSS_DROPPED, "messages.name");
    }
}

/* --- Results of tools --- */

static void join_texts(const struct fl_part *result, struct fl_buf *b)
{
    for (const struct fl_part *part = result->content; part; part = part->next) {
        struct fl_slice text = part->kind == FL_PART_FILE ? part->media.text : part->text;
        if (text.len > 0) {
            fl_buf_put_cstr(b, b->len > 0 ? "\\n" : "");
            fl_buf_put(b, text);
        }
    }
}

/* An object as it is; anything else in one. */
static void put_response(struct writer *w, const struct fl_part *result)
{
    struct fl_buf joined, decoded;
    struct fl_json value = {FL_JSON_NONE, FL_EMPTY};
    fl_buf_init(&joined, w->out->max);
    fl_buf_init(&decoded, w->out->max);
    join_texts(result, &joined);
    if (!result->is_error && fl_slice_find(fl_buf_slice(&joined), '{') < joined.len) {
        fl_put_decoded(&decoded, fl_buf_slice(&joined));
        if (fl_json_scan(fl_slice_trim(fl_buf_slice(&decoded)), FL_JSON_LIMITS, NULL, 0, &value,
                         NULL)) {
            value.type = FL_JSON_NONE;
        }
    }
    if (value.type == FL_JSON_OBJECT) {
        fl_put_raw(w->out, "response", value.span);
    } else {
        fl_put_key(w->out, "response");
        fl_buf_putc(w->out, '{');
        fl_put_text(w->out, result->is_error ? "error" : "result", fl_buf_slice(&joined));
        fl_buf_putc(w->out, '}');
    }
    w->out->failed = w->out->failed || joined.failed || decoded.failed;
    fl_buf_finish(&joined);
    fl_buf_finish(&decoded);
}

static void put_result(struct writer *w, const struct fl_part *result, struct fl_slice name)
{
    begin_turn(w, TURN_USER);
    fl_put_comma(w->out);
    fl_buf_putc(w->out, '{');
    fl_put_key(w->out, "functionResponse");
    fl_buf_putc(w->out, '{');
    fl_put_text(w->out, "name", name);
    put_response(w, result);
    fl_buf_put(w->out, FL_LIT("}}"));
}

/* A turn of the model that calls, and the messages behind it that bring the results: calls stand in
 * [calls, first), results in messages of tools in [first, end). Both are few, so pairs are found by
 * looking at each. */
enum { CALLS_OF_TURN_MAX = 512 };

struct run {
    const struct fl_message *calls, *first, *end;
};

static bool is_system(const struct fl_message *m)
{
    return m->role == FL_CHAT_SYSTEM || m->role == FL_CHAT_DEVELOPER;
}

/* The next part of this kind behind *part*, from *m* to *end*; *m* moves along. */
static const struct fl_part *next_part(const struct fl_message **m, const struct fl_message *end,
                                       const struct fl_part *part, enum fl_part_kind kind)
{
    part = part ? part->next : *m != end ? (*m)->parts : NULL;
    while (*m != end && (!part || part->kind != kind)) {
        if (part) {
            part = part->next;
        } else {
            *m = (*m)->next;
            part = *m != end ? (*m)->parts : NULL;
        }
    }
    return *m != end ? part : NULL;
}

static const struct fl_part *result_of(const struct run *run, struct fl_slice id)
{
    const struct fl_message *m = run->first;
    const struct fl_part *part = NULL;
    while ((part = next_part(&m, run->end, part, FL_PART_TOOL_RESULT))) {
        if (fl_slice_eq(part->id, id)) {
            return part;
        }
    }
    return NULL;
}

static bool called_in(const struct run *run, struct fl_slice id)
{
    const struct fl_message *m = run->calls;
    const struct fl_part *part = NULL;
    while (m && (part = next_part(&m, run->first, part, FL_PART_TOOL_CALL))) {
        if (fl_slice_eq(part->id, id)) {
            return true;
        }
    }
    return false;
}

static unsigned count_parts(const struct fl_message *m, const struct fl_message *end,
                            enum fl_part_kind kind)
{
    unsigned count = 0;
    const struct fl_part *part = NULL;
    while (m && (part = next_part(&m, end, part, kind))) {
        count++;
    }
    return count;
}

static void put_in_order_of_calls(struct writer *w, const struct run *run)
{
    const struct fl_message *m = run->calls;
    const struct fl_part *call = NULL;
    while (m && (call = next_part(&m, run->first, call, FL_PART_TOOL_CALL))) {
        const struct fl_part *result = result_of(run, call->id);
        if (result) {
            put_result(w, result, call->name);
        }
    }
}

/* Results of calls that the turn before does not hold, when the client names the function. */
static void put_late_results(struct writer *w, const struct run *run)
{
    const struct fl_message *m = run->first;
    const struct fl_part *part = NULL;
    while ((part = next_part(&m, run->end, part, FL_PART_TOOL_RESULT))) {
        if (called_in(run, part->id)) {
            continue;
        }
        if (part->name.len > 0) {
            put_result(w, part, part->name);
        } else if (!w->err) {
            w->err =
                fl_refuse(w->reterr, FL_ERR_REQUEST,
                          "A tool's result names a call that the turn before it does not make.");
        }
    }
}

/* Pictures in a result stand behind the results, in the same turn. */
static void put_media_of_results(struct writer *w, const struct run *run)
{
    const struct fl_message *m = run->first;
    const struct fl_part *part = NULL;
    while ((part = next_part(&m, run->end, part, FL_PART_TOOL_RESULT))) {
        for (const struct fl_part *p = part->content; p; p = p->next) {
            bool media = p->kind == FL_PART_IMAGE || p->kind == FL_PART_AUDIO ||
                         (p->kind == FL_PART_FILE && p->media.text.len == 0);
            if (media) {
                fl_losses_add(w->losses, FL_LOSS_APPROXIMATED, "messages.tool.image");
                put_media_part(w, p);
            }
        }
    }
}

static const struct fl_message *put_results(struct writer *w, const struct fl_message *calls,
                                            const struct fl_message *first)
{
    struct run run = {calls, first, first};
    while (run.end && (run.end->role == FL_CHAT_TOOL || is_system(run.end))) {
        run.end = run.end->next;
    }
    if (count_parts(calls, first, FL_PART_TOOL_CALL) > CALLS_OF_TURN_MAX ||
        count_parts(first, run.end, FL_PART_TOOL_RESULT) > CALLS_OF_TURN_MAX) {
        w->err =
            fl_refuse(w->reterr, FL_ERR_REQUEST, "A turn may hold at most 512 calls of tools.");
        return run.end;
    }
    put_in_order_of_calls(w, &run);
    put_late_results(w, &run);
    put_media_of_results(w, &run);
    return run.end;
}

/* --- The system's text --- */

static void put_system_texts(struct writer *w)
{
    bool told = false;
    for (const struct fl_message *m = w->request->messages; m; m = m->next) {
        if (!is_system(m)) {
            told = true;
            continue;
        }
        if (told && !w->system_only) {
            fl_losses_add(w->losses, FL_LOSS_APPROXIMATED, "messages.system");
        }
        for (const struct fl_part *part = m->parts; part; part = part->next) {
            put_part(w, part);
        }
    }
}

static void put_format_in_words(struct writer *w)
{
    const struct fl_chat_request *r = w->request;
    fl_put_comma(w->out);
    fl_buf_put(w->out, FL_LIT("{\"text\":\"When you give your final answer, answer with one JSON "
                              "object and nothing else."));
    if (r->format == FL_FORMAT_SCHEMA) {
        fl_buf_put(w->out, FL_LIT(" It must be valid by this JSON Schema: "));
        fl_put_escaping(w->out, r->format_schema);
    }
    fl_buf_put(w->out, FL_LIT("\"}"));
    fl_losses_add(w->losses, FL_LOSS_EMULATED, "response_format");
}

static void put_system(struct writer *w)
{
    bool in_words = fl_gemini_format_in_words(w->request, w->model);
    bool some = in_words;
    for (const struct fl_message *m = w->request->messages; m && !w->system_only; m = m->next) {
        for (const struct fl_part *part = is_system(m) ? m->parts : NULL; part; part = part->next) {
            some = some || says_something(part);
        }
    }
    if (!some) {
        return;
    }
    fl_put_key(w->out, "systemInstruction");
    fl_buf_put(w->out, FL_LIT("{\"parts\":["));
    if (!w->system_only) {
        put_system_texts(w);
    }
    if (in_words) {
        put_format_in_words(w);
    }
    fl_buf_put(w->out, FL_LIT("]}"));
}

static bool has_conversation(const struct fl_chat_request *request)
{
    for (const struct fl_message *m = request->messages; m; m = m->next) {
        if (!is_system(m)) {
            return true;
        }
    }
    return false;
}

/* --- The whole --- */

static void put_contents(struct writer *w)
{
    const struct fl_message *m = w->request->messages, *calls = NULL;
    fl_put_key(w->out, "contents");
    fl_buf_putc(w->out, '[');
    if (w->system_only) { /* contents may not be empty */
        begin_turn(w, TURN_USER);
        put_system_texts(w);
        m = NULL;
    }
    while (m) {
        if (m->role == FL_CHAT_TOOL) {
            m = put_results(w, calls, m);
            calls = NULL;
            continue;
        }
        calls = m->role == FL_CHAT_USER ? NULL : m->role == FL_CHAT_ASSISTANT && !calls ? m : calls;
        if (!is_system(m)) {
            put_message(w, m, m->role == FL_CHAT_ASSISTANT ? TURN_MODEL : TURN_USER);
        }
        m = m->next;
    }
    close_turn(w);
    fl_buf_putc(w->out, ']');
}

/* *logprobs*: they were asked for. */
static void lose_rest(const struct fl_chat_request *r, bool logprobs, struct fl_losses *losses)
{
    bool tier = r->service_tier.len > 0 && !fl_escaped_is(r->service_tier, "auto") &&
                !fl_escaped_is(r->service_tier, "default");
    const struct {
        bool given;
        const char *name;
    } rest[] = {{r->logit_bias.len > 0, "logit_bias"},
                {r->logprobs && !logprobs, "logprobs"},
                {r->top_logprobs > 0 && !logprobs, "top_logprobs"},
                {r->parallel_off, "parallel_tool_calls"},
                {r->user.len > 0, "user"},
                {r->metadata.len > 0, "metadata"},
                {tier, "service_tier"}};
    for (size_t i = 0; i < sizeof(rest) / sizeof(*rest); i++) {
        if (rest[i].given) {
            fl_losses_add(losses, FL_LOSS_DROPPED, rest[i].name);
        }
    }
    fl_lose_others(r, losses);
    fl_lose_cache_hints(r, losses);
}

enum fl_err fl_gemini_write(const struct fl_chat_request *request,
                            const struct fl_write_options *options, struct fl_buf *out,
                            struct fl_losses *losses, struct fl_reterr *reterr)
{
    struct writer w = {.request = request,
                       .model = fl_gemini_model_of(options->model),
                       .out = out,
                       .losses = losses,
                       .reterr = reterr,
                       .system_only = !has_conversation(request)};
    fl_buf_putc(out, '{');
    put_system(&w);
    put_contents(&w);
    fl_gemini_put_tools(request, out, losses);
    /* Gemini's own API refuses them for most models; Vertex tells them. */
    bool tells_logprobs = fl_slice_eq(options->vendor, FL_LIT("vertex"));
    fl_gemini_put_config(request, w.model, tells_logprobs, out, losses);
    fl_buf_putc(out, '}');
    lose_rest(request, tells_logprobs, losses);
    if (w.err) {
        return w.err;
    }
    if (losses->fatal) {
        return fl_refuse(reterr, FL_ERR_UPSTREAM_REQUEST,
                         "The request holds what this provider cannot be told.");
    }
    return FL_OK;
}

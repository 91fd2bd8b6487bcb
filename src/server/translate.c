/* SPDX-License-Identifier: Apache-2.0 */
#include "server/translate.h"

#include "codec/eventstream.h"
#include "dialect/put.h"
#include "dialect/seal.h"
#include "server/resume.h"

#include <stdlib.h>

enum { arena_chunk_bytes = 8 * 1024, out_start_bytes = 64 * 1024 };

/* --- the sink of a stream: straight into the client's form --- */

/* The text decoded, as much of it as has room. */
static void note_error(struct fl_translation *t, const struct fl_chat_event *event)
{
    char quoted[2 * sizeof(t->error_text)], piece[8];
    struct fl_buf q, text;
    struct fl_slice part;
    t->err = event->err ? event->err : FL_ERR_ERROR_IN_200;
    fl_buf_init_in(&q, quoted, sizeof(quoted));
    fl_buf_putc(&q, '"');
    fl_buf_put(&q, fl_slice_first(event->text, sizeof(quoted) - 2));
    fl_buf_putc(&q, '"');
    struct fl_json_pieces p = fl_json_pieces((struct fl_json){FL_JSON_STRING, fl_buf_slice(&q)});
    fl_buf_init_in(&text, t->error_text, sizeof(t->error_text));
    while (fl_json_pieces_next(&p, piece, sizeof(piece), &part)) {
        fl_buf_put(&text, part);
    }
    t->error_text_len = text.len;
}

static void note(struct fl_translation *t, const struct fl_chat_event *event)
{
    switch (event->kind) {
    case FL_CHAT_TEXT:
    case FL_CHAT_REFUSAL:
    case FL_CHAT_THINKING:
    case FL_CHAT_CALL_ARGUMENTS:
        t->content = t->content || event->text.len > 0;
        break;
    case FL_CHAT_SIGNATURE:
    case FL_CHAT_REDACTED:
    case FL_CHAT_CALL_BEGIN:
        t->content = true;
        break;
    case FL_CHAT_FINISH:
        t->content = t->finish_seen = true;
        break;
    case FL_CHAT_USAGE:
        t->usage = *event->usage;
        t->usage.known = true;
        break;
    case FL_CHAT_ERROR:
        note_error(t, event);
        break;
    case FL_CHAT_DONE:
        t->done = true;
        break;
    case FL_CHAT_START:
    case FL_CHAT_CITATION:
    case FL_CHAT_PING:
        break;
    }
}

static void put_event(void *owner, const struct fl_chat_event *event)
{
    struct fl_translation *t = owner;
    if (event->kind != FL_CHAT_ERROR || t->committed || t->content) {
        struct fl_chat_event storage;
        event = fl_seal_mark(event, t->options.client, t->maker, &t->arena, &storage);
        t->options.client->put_event(t->encoder, event, &t->out);
    }
}

static struct fl_slice kept_text(struct fl_arena *arena, struct fl_slice text)
{
    return text.len > 0 ? fl_arena_copy(arena, text) : text;
}

static const struct fl_citation *kept_citation(struct fl_arena *arena, const struct fl_citation *citation)
{
    struct fl_citation *kept = citation ? fl_arena_take(arena, sizeof(*kept)) : NULL;
    if (kept) {
        *kept = *citation;
        kept->url = kept_text(arena, kept->url);
        kept->title = kept_text(arena, kept->title);
        kept->quote = kept_text(arena, kept->quote);
    }
    return kept;
}

/* What the event points to lives as long as the arena from now on. Without memory the arena says so. */
static void keep_texts(struct fl_chat_event *event, struct fl_arena *arena)
{
    event->logprobs = kept_text(arena, event->logprobs);
    event->citation = kept_citation(arena, event->citation);
    event->text = kept_text(arena, event->text);
    event->id = kept_text(arena, event->id);
    event->name = kept_text(arena, event->name);
    event->signature = kept_text(arena, event->signature);
    event->stop_sequence = kept_text(arena, event->stop_sequence);
}

/* An event of an answer that the client gets whole. */
static void collect(struct fl_translation *t, const struct fl_chat_event *event)
{
    struct fl_chat_event marked, copy;
    event = fl_seal_mark(event, t->options.client, t->maker, &t->arena, &marked);
    copy = *event;
    if (t->of_frames) { /* else its texts stand in the body */
        keep_texts(&copy, &t->arena);
    }
    if (!t->arena.failed) {
        fl_chat_answer_take(t->collected, &copy);
    }
}

static void on_event(void *owner, const struct fl_chat_event *event)
{
    struct fl_translation *t = owner;
    struct fl_chat_sink put = {t, put_event};
    if (t->err || t->done) {
        return; /* nothing follows an end */
    }
    note(t, event);
    if (t->collected) {
        collect(t, event);
    } else if (t->options.resume) {
        fl_resume_event(t->options.resume, t->options.continues, event, &put);
    } else {
        put_event(t, event);
    }
}

/* --- making and ending one --- */

/* The arena holds one frame's parts at a time; those of a whole answer, where that is made of frames. */
static void clear_arena(struct fl_translation *t)
{
    if (t->collected) {
        return;
    }
    fl_arena_finish(&t->arena);
    fl_arena_init_in(&t->arena, t->room, sizeof(t->room), arena_chunk_bytes,
                     t->options.answer_bytes_max);
}

struct fl_encoder fl_translation_encoder(const struct fl_translation_options *options)
{
    return (struct fl_encoder){.wire = options->client,
                               .model = options->model,
                               .id = options->id,
                               .created_s = options->created_s,
                               .usage_asked = options->request && options->request->usage_asked,
                               .request = options->request,
                               .kept_bytes_max = options->answer_bytes_max,
                               .keeper = options->keeper};
}

struct fl_translation *fl_translation_create(const struct fl_translation_options *options)
{
    struct fl_translation *t = calloc(1, sizeof(*t));
    if (!t) {
        return NULL;
    }
    t->options = *options;
    t->maker = fl_seal_maker(options->provider, options->vendor, options->model);
    fl_buf_init(&t->body, SIZE_MAX / 2);
    fl_buf_init(&t->out, options->answer_bytes_max + out_start_bytes);
    fl_buf_init(&t->hold, options->frame_bytes_max + out_start_bytes);
    clear_arena(t);
    t->decoder = (struct fl_decoder){.wire = options->provider, .arena = &t->arena};
    t->own_encoder = fl_translation_encoder(options);
    t->encoder = options->continues ? &options->resume->encoder : &t->own_encoder;
    return t;
}

void fl_translation_keep(struct fl_translation *t)
{
    if (t->options.resume && t->encoder == &t->own_encoder) {
        fl_resume_keep(t->options.resume, &t->own_encoder);
        t->encoder = &t->options.resume->encoder;
    }
}

void fl_translation_destroy(struct fl_translation *t)
{
    if (t) {
        fl_decoder_finish(&t->decoder);
        fl_encoder_finish(&t->own_encoder);
        fl_arena_finish(&t->arena);
        fl_buf_finish(&t->body);
        fl_buf_finish(&t->out);
        fl_buf_finish(&t->hold);
        free(t);
    }
}

static enum fl_err write_chat(struct fl_translation *t, const struct fl_write_options *o,
                              struct fl_reterr *reterr)
{
    const struct fl_chat_request *request =
        fl_seal_open(t->options.request, t->options.client, t->options.provider, t->maker,
                     &t->arena, &t->losses);
    enum fl_err err =
        request ? t->options.provider->write(request, o, &t->body, &t->losses, reterr)
                : FL_ERR_NOMEM;
    fl_arena_finish(&t->arena);
    return err;
}

enum fl_err fl_translation_write(struct fl_translation *t, struct fl_reterr *reterr)
{
    struct fl_write_options o = {.model = t->options.model,
                                 .vendor = t->options.vendor,
                                 .betas = t->options.betas,
                                 .ask_usage = t->options.ask_usage,
                                 .tokens_out_default = t->options.tokens_out_default};
    enum fl_err err =
        t->options.embed
            ? t->options.embed_form->write(t->options.embed, o.model, &t->body, &t->losses, reterr)
            : write_chat(t, &o, reterr);
    if (t->losses.fatal || (t->options.strict && t->losses.count > 0)) {
        return FL_ERR_UNTRANSLATABLE;
    }
    return !err && !fl_buf_ok(&t->body) ? FL_ERR_NOMEM : err;
}

/* --- streams --- */

static enum fl_err take_frame(struct fl_translation *t, const struct fl_frame *frame)
{
    struct fl_chat_sink sink = {t, on_event};
    enum fl_err err = t->options.provider->take_frame(&t->decoder, frame, &sink);
    bool failed = t->arena.failed || !fl_buf_ok(&t->out);
    clear_arena(t);
    return !err && failed ? FL_ERR_NOMEM : err;
}

/* Each of the next three takes one frame from the front of *src*; *ret_used* 0: it is not whole yet. */

static enum fl_err next_event(struct fl_translation *t, struct fl_slice src, bool at_end,
                              size_t *ret_used)
{
    struct fl_sse_event event;
    struct fl_buf joined;
    fl_buf_init(&joined, t->options.frame_bytes_max);
    enum fl_err err =
        fl_sse_next(&t->sse, src, at_end, t->options.frame_bytes_max, &joined, &event);
    *ret_used = err ? 0 : event.raw.len;
    if (!err && event.raw.len > 0 && event.data_lines > 0) {
        struct fl_frame frame = {.name = event.name, .data = event.data};
        err = take_frame(t, &frame);
    }
    fl_buf_finish(&joined);
    return err;
}

static enum fl_err next_line(struct fl_translation *t, struct fl_slice src, bool at_end,
                             size_t *ret_used)
{
    size_t end = t->scanned + fl_slice_find(fl_slice_from(src, t->scanned), '\n');
    bool whole = end < src.len;
    if (!whole && !(at_end && src.len > 0)) {
        t->scanned = src.len;
        *ret_used = 0;
        return src.len > t->options.frame_bytes_max ? FL_ERR_SSE_LONG : FL_OK;
    }
    struct fl_frame frame = {.data = fl_slice_trim(fl_slice_first(src, end))};
    *ret_used = whole ? end + 1 : end;
    t->scanned = 0;
    return frame.data.len > 0 ? take_frame(t, &frame) : FL_OK;
}

static enum fl_err next_message(struct fl_translation *t, struct fl_slice src, size_t *ret_used)
{
    struct fl_eventstream_message m;
    enum fl_err err = fl_eventstream_next(src, t->options.frame_bytes_max, &m);
    *ret_used = err ? 0 : m.raw.len;
    if (!err && m.raw.len > 0) {
        struct fl_frame frame = {.name = m.name,
                                 .data = m.payload,
                                 .exception = !fl_slice_eq(m.type, FL_LIT("event"))};
        err = take_frame(t, &frame);
    }
    return err;
}

static enum fl_err next_frame(struct fl_translation *t, struct fl_slice src, bool at_end,
                              size_t *ret_used)
{
    *ret_used = 0;
    switch (t->options.provider->framing) {
    case FL_FRAMING_SSE:
        return next_event(t, src, at_end, ret_used);
    case FL_FRAMING_LINES:
        return next_line(t, src, at_end, ret_used);
    case FL_FRAMING_AMAZON:
        return next_message(t, src, ret_used);
    }
    return FL_ERR_INTERNAL;
}

static enum fl_err take_frames(struct fl_translation *t, struct fl_slice src, bool at_end,
                               size_t *ret_used)
{
    size_t used = 0, len = 1;
    enum fl_err err = FL_OK;
    while (!err && len > 0 && !t->done && !t->err) {
        err = next_frame(t, fl_slice_from(src, used), at_end, &len);
        used += len;
    }
    *ret_used = used;
    return err;
}

static enum fl_err feed(struct fl_translation *t, struct fl_slice bytes, bool at_end)
{
    struct fl_chat_sink sink = {t, on_event};
    bool stashed = t->hold.len > 0;
    size_t used = 0;
    if (stashed) {
        fl_buf_put(&t->hold, bytes);
    }
    struct fl_slice src = stashed ? fl_buf_slice(&t->hold) : bytes;
    enum fl_err err = fl_buf_ok(&t->hold) ? take_frames(t, src, at_end, &used) : FL_ERR_NOMEM;
    if (err) {
        return err;
    }
    if (stashed) {
        fl_buf_drop(&t->hold, used);
    } else if (!t->done && !t->err) {
        fl_buf_put(&t->hold, fl_slice_from(src, used));
    }
    if (at_end && !t->done && !t->err) {
        err = t->options.provider->take_end(&t->decoder, &sink);
        clear_arena(t);
    }
    return !err && !(fl_buf_ok(&t->hold) && fl_buf_ok(&t->out)) ? FL_ERR_NOMEM : err;
}

enum fl_err fl_translation_feed(struct fl_translation *t, struct fl_slice bytes, bool at_end)
{
    enum fl_err err = feed(t, bytes, at_end);
    if (err == FL_ERR_NOMEM) { /* what is there may end in the middle of an event: it is lost */
        fl_buf_finish(&t->out);
        t->done = false;
        if (t->options.resume) {
            t->options.resume->failed = true;
        }
    }
    return err;
}

/* --- whole answers --- */

static enum fl_err whole_as_stream(struct fl_translation *t, struct fl_slice body)
{
    struct fl_chat_sink sink = {t, on_event};
    return t->options.provider->take_answer(&t->decoder, body, &sink);
}

/* Puts what was collected. */
static enum fl_err put_collected(struct fl_translation *t, enum fl_err err)
{
    struct fl_chat_answer *answer = t->collected;
    t->collected = NULL;
    if (!err && !t->err && !t->arena.failed) {
        t->options.client->put_answer(t->encoder, answer, &t->out);
    }
    return err;
}

static enum fl_err whole_as_answer(struct fl_translation *t, struct fl_slice body)
{
    struct fl_chat_answer answer;
    struct fl_chat_sink sink = {t, on_event};
    fl_chat_answer_init(&answer, &t->arena);
    t->collected = &answer;
    enum fl_err err = t->options.provider->take_answer(&t->decoder, body, &sink);
    if (!t->usage.known && t->told.known) { /* in the answer's head; its body has ended */
        const struct fl_chat_event told = {.kind = FL_CHAT_USAGE, .usage = &t->told};
        note(t, &told);
        collect(t, &told);
    }
    return put_collected(t, err);
}

static enum fl_err embeddings(struct fl_translation *t, struct fl_slice body)
{
    struct fl_embed_answer answer;
    enum fl_err err = t->options.embed_form->take(body, &t->arena, &answer);
    if (err || answer.count != t->options.embed->count) {
        return FL_ERR_BAD_RESPONSE;
    }
    if (!answer.tokens_known && t->told.known) {
        answer.tokens_known = true;
        answer.tokens_in = t->told.tokens_in;
    }
    if (answer.tokens_known) {
        t->usage = (struct fl_usage){.known = true, .tokens_in = answer.tokens_in, .requests = 1};
    } else { /* a client's library expects a number */
        answer.tokens_in = t->options.tokens_in_guess;
        fl_losses_add(&t->losses, FL_LOSS_APPROXIMATED, "usage");
    }
    t->done = true;
    return fl_embed_put(&answer, t->options.model, t->options.embed->base64, &t->out);
}

static enum fl_err whole(struct fl_translation *t, struct fl_slice body, bool as_stream)
{
    if (t->options.embed) {
        return embeddings(t, body);
    }
    return as_stream ? whole_as_stream(t, body) : whole_as_answer(t, body);
}

/* An answer was made of a whole body, or why not. */
static enum fl_err made(struct fl_translation *t, enum fl_err err)
{
    bool failed = t->arena.failed || !fl_buf_ok(&t->out);
    clear_arena(t);
    if (err) {
        return err;
    }
    return t->err ? t->err : failed ? FL_ERR_NOMEM : FL_OK;
}

enum fl_err fl_translation_answer(struct fl_translation *t, struct fl_slice body, bool as_stream)
{
    return made(t, whole(t, body, as_stream));
}

enum fl_err fl_translation_collect(struct fl_translation *t, struct fl_slice bytes, bool at_end)
{
    if (!t->of_frames) {
        t->of_frames = true;
        t->collected = fl_arena_take(&t->arena, sizeof(*t->collected));
        if (!t->collected) {
            return FL_ERR_NOMEM;
        }
        fl_chat_answer_init(t->collected, &t->arena);
    }
    enum fl_err err = feed(t, bytes, at_end);
    err = err ? err : t->err;
    if (t->arena.failed) {
        bool too_long = t->arena.taken_bytes + t->options.frame_bytes_max > t->options.answer_bytes_max;
        err = too_long ? FL_ERR_BAD_RESPONSE : FL_ERR_NOMEM;
    }
    return at_end && !err ? made(t, put_collected(t, FL_OK)) : err;
}

struct fl_slice fl_translation_error_text(const struct fl_translation *t)
{
    return fl_slice(t->error_text, t->error_text_len);
}

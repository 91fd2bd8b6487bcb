/* SPDX-License-Identifier: Apache-2.0 */
#include "server/resume.h"

#include <stdlib.h>

enum { stamp_bytes_max = 4096, out_bytes_max = 16 * 1024 * 1024, arena_chunk_bytes = 8 * 1024 };

struct fl_resume *fl_resume_create(const struct fl_facts *facts, const struct fl_dialect *dialect,
                                   size_t bytes_max, size_t body_max)
{
    struct fl_resume *r = calloc(1, sizeof(*r));
    if (!r) {
        return NULL;
    }
    r->facts = *facts;
    fl_buf_init(&r->said, bytes_max);
    fl_buf_init(&r->call, bytes_max);
    fl_buf_init(&r->body, body_max + 8 * bytes_max);
    fl_buf_init(&r->out, out_bytes_max);
    fl_buf_init(&r->stamps, stamp_bytes_max);
    /* See server/cross.c: each node stands for some bytes. */
    fl_arena_init(&r->arena, arena_chunk_bytes, 64 * r->body.max);
    r->dialect = dialect;
    r->decoder = (struct fl_decoder){.wire = &fl_wire_anthropic, .arena = &r->arena};
    return r;
}

void fl_resume_destroy(struct fl_resume *r)
{
    if (r) {
        fl_buf_finish(&r->said);
        fl_buf_finish(&r->call);
        fl_buf_finish(&r->body);
        fl_buf_finish(&r->out);
        fl_buf_finish(&r->stamps);
        fl_decoder_finish(&r->decoder);
        fl_encoder_finish(&r->encoder);
        fl_arena_finish(&r->arena);
        free(r);
    }
}

void fl_resume_reset(struct fl_resume *r)
{
    fl_buf_reset(&r->said);
    fl_buf_reset(&r->call);
    fl_buf_reset(&r->stamps);
    r->stamp = (struct fl_openai_stamp){{NULL, 0}, {NULL, 0}, {NULL, 0}};
    r->tokens = r->tokens_before = r->call_index = 0;
    r->calls = 0;
    r->stamped = r->finished = r->lost = r->thought = r->sealed = r->calls_bad = r->failed = false;
    fl_decoder_finish(&r->decoder);
    r->decoder = (struct fl_decoder){.wire = &fl_wire_anthropic, .arena = &r->arena};
    r->place = (struct fl_anthropic_place){0};
}

/* --- what was said --- */

static void keep_stamp(struct fl_resume *r, const struct fl_openai_delta *d)
{
    const struct fl_json *values[] = {&d->id, &d->created, &d->model};
    struct fl_slice *stamps[] = {&r->stamp.id, &r->stamp.created, &r->stamp.model};
    size_t at[4] = {0, 0, 0, 0};
    if (r->stamped || d->id.type == FL_JSON_NONE) {
        return;
    }
    for (unsigned i = 0; i < 3; i++) {
        fl_buf_put(&r->stamps, values[i]->type != FL_JSON_NONE ? values[i]->span : FL_EMPTY);
        at[i + 1] = r->stamps.len;
    }
    r->stamped = fl_buf_ok(&r->stamps);
    for (unsigned i = 0; i < 3 && r->stamped; i++) {
        *stamps[i] = fl_slice(r->stamps.ptr + at[i], at[i + 1] - at[i]);
    }
}

static void put_decoded(struct fl_json text, struct fl_buf *b)
{
    char piece[256];
    struct fl_slice part;
    struct fl_json_pieces p = fl_json_pieces(text);
    while (text.type == FL_JSON_STRING && fl_json_pieces_next(&p, piece, sizeof(piece), &part)) {
        fl_buf_put(b, part);
    }
}

static bool is_whole(const struct fl_buf *json)
{
    struct fl_json whole;
    return fl_buf_ok(json) &&
           fl_json_scan(fl_buf_slice(json), FL_JSON_LIMITS, NULL, 0, &whole, NULL) == FL_OK;
}

/* What follows belongs to this call. */
static void keep_call(struct fl_resume *r, uint64_t index)
{
    if (r->calls == 0 || index != r->call_index) {
        r->calls_bad = r->calls_bad || (r->calls > 0 && !is_whole(&r->call));
        fl_buf_reset(&r->call);
        r->calls++;
        r->call_index = index;
    }
}

static void keep_calls(struct fl_resume *r, struct fl_json calls)
{
    struct fl_json_iter it = fl_json_iter(calls);
    struct fl_json call;
    while (calls.type == FL_JSON_ARRAY && fl_json_next(&it, NULL, &call)) {
        uint64_t index = 0;
        (void)fl_json_u64(fl_json_get(call, FL_LIT("index")), &index);
        keep_call(r, index);
        put_decoded(fl_json_get(fl_json_get(call, FL_LIT("function")), FL_LIT("arguments")),
                    &r->call);
    }
}

static void put_unescaped(struct fl_slice escaped, struct fl_buf *b)
{
    char piece[256];
    struct fl_slice part;
    struct fl_json_pieces p = {escaped};
    while (fl_json_pieces_next(&p, piece, sizeof(piece), &part)) {
        fl_buf_put(b, part);
    }
}

static void keep_event(struct fl_resume *r, const struct fl_chat_event *event)
{
    r->lost = r->lost || event->choice > 0;
    switch (event->kind) {
    case FL_CHAT_TEXT:
        put_unescaped(event->text, &r->said);
        r->tokens += event->text.len > 0;
        r->lost = r->lost || !fl_buf_ok(&r->said);
        break;
    case FL_CHAT_REFUSAL:
        r->lost = true;
        break;
    case FL_CHAT_THINKING:
        r->thought = true;
        r->tokens += event->text.len > 0;
        break;
    case FL_CHAT_SIGNATURE:
    case FL_CHAT_REDACTED:
        r->sealed = true;
        break;
    case FL_CHAT_CALL_BEGIN:
        keep_call(r, event->call);
        break;
    case FL_CHAT_CALL_ARGUMENTS:
        keep_call(r, event->call);
        put_unescaped(event->text, &r->call);
        break;
    case FL_CHAT_FINISH:
        r->finished = true;
        break;
    case FL_CHAT_START:
    case FL_CHAT_CITATION:
    case FL_CHAT_PING:
    case FL_CHAT_USAGE:
    case FL_CHAT_ERROR:
    case FL_CHAT_DONE:
        break;
    }
}

static void on_raw_event(void *owner, const struct fl_chat_event *event)
{
    keep_event(owner, event);
}

static void note_anthropic(struct fl_resume *r, const struct fl_sse_event *event)
{
    const struct fl_frame frame = {.name = event->name, .data = event->data};
    const struct fl_chat_sink sink = {r, on_raw_event};
    fl_anthropic_follow(&r->place, event->data);
    enum fl_err err = fl_wire_anthropic.take_frame(&r->decoder, &frame, &sink);
    r->lost = r->lost || err || r->arena.failed || r->place.open == FL_ANTHROPIC_OTHER_BLOCK;
    fl_arena_finish(&r->arena);
}

void fl_resume_note(struct fl_resume *r, const struct fl_sse_event *event)
{
    struct fl_openai_delta d;
    if (r->dialect == &fl_dialect_anthropic) {
        note_anthropic(r, event);
        return;
    }
    if (!fl_openai_read_delta(event->data, &d)) {
        return;
    }
    keep_stamp(r, &d);
    put_decoded(d.content, &r->said);
    r->tokens += d.content.type != FL_JSON_NONE;
    keep_calls(r, d.calls);
    r->thought = r->thought || d.reasoning;
    r->finished = r->finished || d.finish_reason.type != FL_JSON_NONE;
    r->lost = r->lost || d.strange || !fl_buf_ok(&r->said);
}

/* Calls *take* for each whole event. */
static void each_event(struct fl_resume *r, struct fl_slice events,
                       void (*take)(struct fl_resume *r, const struct fl_sse_event *event))
{
    struct fl_sse sse = {0};
    struct fl_sse_event event;
    struct fl_buf joined;
    fl_buf_init(&joined, events.len + 1);
    while (fl_sse_next(&sse, events, false, events.len + 1, &joined, &event) == FL_OK &&
           event.raw.len > 0) {
        take(r, &event);
        events = fl_slice_from(events, event.raw.len);
    }
    fl_buf_finish(&joined);
}

static void note_data(struct fl_resume *r, const struct fl_sse_event *event)
{
    if (event->data_lines > 0) {
        fl_resume_note(r, event);
    }
}

void fl_resume_note_all(struct fl_resume *r, struct fl_slice events)
{
    each_event(r, events, note_data);
}

void fl_resume_keep(struct fl_resume *r, struct fl_encoder *encoder)
{
    fl_encoder_move(&r->encoder, encoder);
    r->encoded = true;
}

enum fl_resumable fl_resume_judge(const struct fl_resume *r)
{
    if (r->failed) {
        return FL_RESUME_NEVER;
    }
    if (r->finished) {
        return FL_RESUME_FINISHED;
    }
    if (r->lost) {
        return FL_RESUME_NEVER;
    }
    if (r->calls > 0) { /* nobody is asked: what was thought does not matter */
        return !r->calls_bad && is_whole(&r->call) ? FL_RESUME_CALLS : FL_RESUME_NEVER;
    }
    return r->sealed || r->said.len == 0 ? FL_RESUME_NEVER : FL_RESUME_TEXT;
}

/* --- going on --- */

uint64_t fl_resume_tokens(const struct fl_resume *r)
{
    return r->tokens - r->tokens_before;
}

static uint64_t greater(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* The classes that clients are told of. */
static void add_usage(struct fl_usage *sum, const struct fl_usage *u)
{
    sum->known = true;
    sum->tokens_in += u->tokens_in;
    sum->tokens_cached += u->tokens_cached;
    sum->tokens_cache_write += u->tokens_cache_write;
    sum->tokens_cache_write_1h += u->tokens_cache_write_1h;
    sum->tokens_out += u->tokens_out;
    sum->tokens_reasoning += u->tokens_reasoning;
    sum->searches += u->searches;
}

/* What it told of its input stands; of its output it told no more than the beginning. */
void fl_resume_broke(struct fl_resume *r, uint64_t tokens_in, const struct fl_usage *usage)
{
    struct fl_usage taken = *usage;
    taken.tokens_in = usage->known ? usage->tokens_in : tokens_in;
    taken.tokens_out = greater(usage->tokens_out, fl_resume_tokens(r));
    add_usage(&r->used, &taken);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

enum fl_err fl_resume_ask(struct fl_resume *r, struct fl_resume_manner manner,
                          struct fl_facts *io_facts)
{
    char memory[1024];
    struct fl_buf scratch;
    struct fl_facts facts;
    struct fl_reterr reterr;
    struct fl_resume_words words = {.said = fl_buf_slice(&r->said),
                                    .tokens = greater(r->tokens, r->said.len / 6),
                                    .instruct =
                                        manner.instruct}; /* some send many tokens a piece */
    while (manner.trim && words.said.len > 0 && is_blank(words.said.ptr[words.said.len - 1])) {
        words.said.len--;
    }
    fl_buf_init_in(&scratch, memory, sizeof(memory));
    fl_buf_reset(&r->body);
    enum fl_err err = fl_resume_body(r->facts.body, &words, &r->body);
    err = err ? err
              : r->dialect->read_request(r->facts.endpoint, fl_buf_slice(&r->body), &scratch,
                                         &facts, &reterr);
    if (err) {
        return err;
    }
    facts.model = io_facts->model; /* outlives the scratch */
    *io_facts = facts;
    fl_seam_start(&r->seam, fl_buf_slice(&r->said), true);
    fl_seam_expect(&r->seam, r->said.len - words.said.len);
    r->tokens_before = r->tokens;
    r->seams++;
    return FL_OK;
}

enum fl_err fl_resume_read(struct fl_resume *r, const struct fl_wire *wire)
{
    struct fl_reterr reterr = {0};
    fl_arena_finish(&r->arena);
    r->request = (struct fl_chat_request){0};
    enum fl_err err = wire->read(fl_buf_slice(&r->body), &r->arena, &r->request, &reterr);
    return !err && r->arena.failed ? FL_ERR_NOMEM : err;
}

void fl_resume_encode(struct fl_resume *r, const struct fl_encoder *client)
{
    r->encoder = *client;
    r->encoded = r->midway = true;
    if (r->dialect == &fl_dialect_anthropic) {
        fl_anthropic_encode_midway(&r->encoder, &r->place, r->calls);
    } else {
        fl_openai_encode_midway(&r->encoder);
    }
}

static void say(struct fl_resume *r, struct fl_slice text)
{
    if (text.len > 0) {
        fl_buf_put(&r->said, text);
        r->lost = r->lost || !fl_buf_ok(&r->said);
    }
}

void fl_resume_end(struct fl_resume *r)
{
    char memory[FL_SEAM_TAIL];
    struct fl_buf rest;
    fl_buf_init_in(&rest, memory, sizeof(memory));
    fl_seam_end(&r->seam, &rest);
    if (rest.len > 0) {
        say(r, fl_buf_slice(&rest));
        fl_openai_put_chunk(&r->out, &r->stamp, fl_buf_slice(&rest), NULL);
        r->failed = r->failed || !fl_buf_ok(&r->out);
    }
}

void fl_resume_take(struct fl_resume *r, const struct fl_sse_event *event)
{
    struct fl_openai_delta d;
    struct fl_buf text, fresh;
    if (!fl_openai_read_delta(event->data, &d)) {
        return; /* a garbled event is left out */
    }
    fl_buf_init(&text, out_bytes_max);
    fl_buf_init(&fresh, out_bytes_max);
    put_decoded(d.content, &text);
    fl_seam_feed(&r->seam, fl_buf_slice(&text), &fresh);
    bool more = d.calls.type != FL_JSON_NONE || d.finish_reason.type != FL_JSON_NONE;
    if (more) {
        fl_seam_end(&r->seam, &fresh);
    }
    say(r, fl_buf_slice(&fresh));
    r->tokens += fresh.len > 0;
    if (fresh.len > 0 && d.content.type == FL_JSON_NONE) {
        fl_openai_put_chunk(&r->out, &r->stamp, fl_buf_slice(&fresh), NULL);
    }
    bool usage = d.content.type == FL_JSON_NONE && !more && !d.reasoning && !d.strange;
    if (more || d.strange || (fresh.len > 0 && d.content.type != FL_JSON_NONE)) {
        fl_openai_put_restamped(&r->out, event->data, &r->stamp, fl_buf_slice(&fresh));
    } else if (usage &&
               r->seam.settled) { /* nothing but numbers; before the text's end it is a preamble */
        fl_openai_put_restamped(&r->out, event->data, &r->stamp, FL_EMPTY);
    }
    keep_calls(r, d.calls);
    r->finished = r->finished || d.finish_reason.type != FL_JSON_NONE;
    r->lost = r->lost || d.strange;
    r->failed = r->failed || !fl_buf_ok(&r->out) || !fl_buf_ok(&text) || !fl_buf_ok(&fresh);
    fl_buf_finish(&text);
    fl_buf_finish(&fresh);
}

/* --- going on in canonical events --- */

/* A text as an event, what the seam gives of it. */
static void say_event(struct fl_resume *r, struct fl_slice text, const struct fl_chat_sink *next)
{
    struct fl_buf quoted;
    if (text.len == 0) {
        return;
    }
    say(r, text);
    r->tokens++;
    fl_buf_init(&quoted, out_bytes_max);
    fl_buf_put_json(&quoted, text);
    r->failed = r->failed || !fl_buf_ok(&quoted);
    if (fl_buf_ok(&quoted)) {
        struct fl_chat_event event = {.kind = FL_CHAT_TEXT,
                                      .text = fl_slice(quoted.ptr + 1, quoted.len - 2)};
        next->event(next->owner, &event);
    }
    fl_buf_finish(&quoted);
}

static void go_on_with_text(struct fl_resume *r, struct fl_slice escaped,
                            const struct fl_chat_sink *next)
{
    struct fl_buf text, fresh;
    fl_buf_init(&text, out_bytes_max);
    fl_buf_init(&fresh, out_bytes_max);
    put_unescaped(escaped, &text);
    fl_seam_feed(&r->seam, fl_buf_slice(&text), &fresh);
    r->failed = r->failed || !fl_buf_ok(&text) || !fl_buf_ok(&fresh);
    say_event(r, fl_buf_slice(&fresh), next);
    fl_buf_finish(&text);
    fl_buf_finish(&fresh);
}

/* Text is over: what the seam still held was no repetition. */
static void close_seam(struct fl_resume *r, const struct fl_chat_sink *next)
{
    char memory[FL_SEAM_TAIL];
    struct fl_buf rest;
    fl_buf_init_in(&rest, memory, sizeof(memory));
    fl_seam_end(&r->seam, &rest);
    say_event(r, fl_buf_slice(&rest), next);
}

static void pass_on(struct fl_resume *r, const struct fl_chat_event *event,
                    const struct fl_chat_sink *next)
{
    struct fl_chat_event sum = *event;
    switch (event->kind) {
    case FL_CHAT_START:
    case FL_CHAT_THINKING: /* over an answer that has begun already */
    case FL_CHAT_SIGNATURE:
    case FL_CHAT_REDACTED:
    case FL_CHAT_CITATION: /* its place is one of another text */
    case FL_CHAT_ERROR:    /* not the last word */
        return;
    case FL_CHAT_TEXT:
        go_on_with_text(r, event->text, next);
        return;
    case FL_CHAT_USAGE:
        r->summed = r->used;
        add_usage(&r->summed, event->usage);
        sum.usage = &r->summed;
        break;
    case FL_CHAT_REFUSAL:
    case FL_CHAT_CALL_BEGIN:
    case FL_CHAT_CALL_ARGUMENTS:
    case FL_CHAT_FINISH:
    case FL_CHAT_DONE:
        close_seam(r, next);
        keep_event(r, event);
        break;
    case FL_CHAT_PING:
        break;
    }
    next->event(next->owner, &sum);
}

void fl_resume_event(struct fl_resume *r, bool continues, const struct fl_chat_event *event,
                     const struct fl_chat_sink *next)
{
    if (continues) {
        pass_on(r, event, next);
        return;
    }
    keep_event(r, event);
    if (event->kind != FL_CHAT_ERROR || fl_resume_judge(r) == FL_RESUME_NEVER) {
        next->event(next->owner, event);
    }
}

static void dress(struct fl_resume *r, const struct fl_sse_event *event)
{
    if (fl_slice_starts(event->data, FL_LIT("{"))) {
        fl_openai_put_stamped(&r->out, event->data, &r->stamp);
    } else {
        fl_buf_put(&r->out, event->raw);
    }
}

void fl_resume_dress(struct fl_resume *r, struct fl_slice events)
{
    if (r->midway && r->dialect == &fl_dialect_openai) {
        each_event(r, events, dress);
    } else {
        fl_buf_put(&r->out, events);
    }
    r->failed = r->failed || !fl_buf_ok(&r->out);
}

/* --- the end of one that is not asked for any more --- */

static void put_encoded_end(struct fl_resume *r, enum fl_resumable how)
{
    const struct fl_chat_event events[] = {{.kind = FL_CHAT_FINISH, .finish = FL_FINISH_TOOL_CALLS},
                                           {.kind = FL_CHAT_USAGE, .usage = &r->used},
                                           {.kind = FL_CHAT_DONE}};
    struct fl_buf ready;
    fl_buf_init(&ready, out_bytes_max);
    for (unsigned i = how == FL_RESUME_FINISHED; i < 3; i++) {
        r->encoder.wire->put_event(&r->encoder, &events[i], &ready);
    }
    fl_resume_dress(r, fl_buf_slice(&ready));
    r->failed = r->failed || !fl_buf_ok(&ready);
    fl_buf_finish(&ready);
}

void fl_resume_put_end(struct fl_resume *r, enum fl_resumable how)
{
    if (!r->encoded && r->dialect == &fl_dialect_anthropic && how == FL_RESUME_CALLS) {
        fl_resume_encode(r, &(struct fl_encoder){.wire = &fl_wire_anthropic});
    }
    if (r->encoded) {
        put_encoded_end(r, how);
    } else if (r->dialect == &fl_dialect_anthropic) {
        fl_buf_put_cstr(&r->out, "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
    } else {
        if (how == FL_RESUME_CALLS) {
            fl_openai_put_chunk(&r->out, &r->stamp, FL_EMPTY, "tool_calls");
        }
        fl_buf_put_cstr(&r->out, "data: [DONE]\n\n");
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A rig for wire forms: feeds what a provider sends, whole, byte by byte or cut anywhere, through a
 * form's take_*(), and gives what came of it: an answer as one line (rig_answer), or what a client's
 * form writes (rig_client). For tests of one form and of pairs.
 *
 * The line of an answer:  text "..." thinking "..." call get {"a":1} finish stop usage 10/3
 * in order of the blocks, of choice 0 unless "#n" stands before.
 */
#ifndef FL_TESTS_UNIT_DIALECT_WIRE_RIG_H
#define FL_TESTS_UNIT_DIALECT_WIRE_RIG_H

#include "unit/cm.h"

#include "codec/eventstream.h"
#include "codec/sse.h"
#include "dialect/put.h"
#include "dialect/wire.h"

#include <stdio.h>
#include <stdlib.h>

#define RIG_ID "0123456789abcdefghijklmn"

enum { rig_bytes_max = 64 << 20 };

struct rig {
    const struct fl_wire *provider, *client; /* client NULL: events are collected */
    struct fl_arena arena;                   /* as long as the rig: the collected answer */
    struct fl_arena frames;                  /* the decoder's */
    struct fl_decoder decoder;
    struct fl_encoder encoder;
    struct fl_chat_answer answer;
    struct fl_buf out; /* what the client gets, or the answer's line */
    unsigned events, dones, errors;
    enum fl_err err; /* of the first take that failed */
};

/* Events live until the sink returns, an answer longer: copies. */
static inline void rig_collect(struct rig *g, const struct fl_chat_event *event)
{
    struct fl_chat_event kept = *event;
    kept.text = fl_arena_copy(&g->arena, event->text);
    kept.id = fl_arena_copy(&g->arena, event->id);
    kept.name = fl_arena_copy(&g->arena, event->name);
    kept.signature = fl_arena_copy(&g->arena, event->signature);
    kept.stop_sequence = fl_arena_copy(&g->arena, event->stop_sequence);
    kept.logprobs = fl_arena_copy(&g->arena, event->logprobs);
    struct fl_citation cited;
    if (event->citation) {
        cited = *event->citation;
        cited.url = fl_arena_copy(&g->arena, cited.url);
        cited.title = fl_arena_copy(&g->arena, cited.title);
        cited.quote = fl_arena_copy(&g->arena, cited.quote);
        kept.citation = &cited;
    }
    fl_chat_answer_take(&g->answer, &kept);
}

static inline void rig_event(void *owner, const struct fl_chat_event *event)
{
    struct rig *g = owner;
    g->events++;
    assert_int_equal(g->dones + g->errors, 0); /* nothing comes after the end */
    g->dones += event->kind == FL_CHAT_DONE;
    g->errors += event->kind == FL_CHAT_ERROR;
    rig_collect(g, event);
    if (g->client) {
        g->client->put_event(&g->encoder, event, &g->out);
    }
}

static inline void rig_init(struct rig *g, const struct fl_wire *provider,
                            const struct fl_wire *client)
{
    *g = (struct rig){.provider = provider, .client = client};
    fl_arena_init(&g->arena, 1 << 16, rig_bytes_max);
    fl_arena_init(&g->frames, 1 << 12, rig_bytes_max);
    fl_buf_init(&g->out, rig_bytes_max);
    fl_chat_answer_init(&g->answer, &g->arena);
    g->decoder = (struct fl_decoder){.wire = provider, .arena = &g->frames};
    g->encoder = (struct fl_encoder){.wire = client,
                                     .model = FL_LIT("m"),
                                     .id = FL_LIT(RIG_ID),
                                     .created_s = 1700000000,
                                     .usage_asked = true,
                                     .kept_bytes_max = 1 << 24};
}

static inline void rig_finish(struct rig *g)
{
    fl_decoder_finish(&g->decoder);
    fl_encoder_finish(&g->encoder);
    fl_buf_finish(&g->out);
    fl_arena_finish(&g->frames);
    fl_arena_finish(&g->arena);
}

static inline void rig_frame(struct rig *g, const struct fl_frame *frame)
{
    struct fl_chat_sink sink = {g, rig_event};
    enum fl_err err = g->provider->take_frame(&g->decoder, frame, &sink);
    g->err = g->err ? g->err : err;
    fl_arena_finish(&g->frames);
}

static inline void rig_end(struct rig *g)
{
    struct fl_chat_sink sink = {g, rig_event};
    enum fl_err err = g->provider->take_end(&g->decoder, &sink);
    g->err = g->err ? g->err : err;
}

/* Takes whole events from the front of what has come; returns how many bytes they were. */
static inline size_t rig_sse(struct rig *g, struct fl_sse *sse, struct fl_slice bytes, bool at_end)
{
    struct fl_buf joined;
    struct fl_sse_event event;
    size_t taken = 0;
    fl_buf_init(&joined, rig_bytes_max);
    for (;;) {
        assert_int_equal(
            fl_sse_next(sse, fl_slice_from(bytes, taken), at_end, rig_bytes_max, &joined, &event),
            FL_OK);
        if (event.raw.len == 0) {
            break;
        }
        if (event.data_lines > 0 && !g->err) {
            rig_frame(g, &(struct fl_frame){.name = event.name, .data = event.data});
        }
        taken += event.raw.len;
    }
    fl_buf_finish(&joined);
    return taken;
}

/* One JSON value a line. */
static inline size_t rig_lines(struct rig *g, struct fl_slice bytes, bool at_end)
{
    size_t taken = 0;
    while (taken < bytes.len) {
        struct fl_slice rest = fl_slice_from(bytes, taken);
        size_t line = fl_slice_find(rest, '\n');
        if (line == rest.len && !at_end) {
            break;
        }
        struct fl_frame frame = {.data = fl_slice_first(rest, line)};
        if (fl_slice_trim(frame.data).len > 0 && !g->err) {
            rig_frame(g, &frame);
        }
        taken += line + (line < rest.len);
    }
    return taken;
}

/* Messages of Amazon's event stream. */
static inline size_t rig_amazon(struct rig *g, struct fl_slice bytes)
{
    struct fl_eventstream_message m;
    size_t taken = 0;
    for (;;) {
        assert_int_equal(fl_eventstream_next(fl_slice_from(bytes, taken), 1 << 20, &m), FL_OK);
        if (m.raw.len == 0) {
            return taken;
        }
        struct fl_frame frame = {.name = m.name, .data = m.payload};
        frame.exception = !fl_slice_eq(m.type, FL_LIT("event"));
        if (!g->err) {
            rig_frame(g, &frame);
        }
        taken += m.raw.len;
    }
}

static inline size_t rig_piece(struct rig *g, struct fl_sse *sse, struct fl_slice bytes, bool at_end)
{
    switch (g->provider->framing) {
    case FL_FRAMING_LINES:
        return rig_lines(g, bytes, at_end);
    case FL_FRAMING_AMAZON:
        return rig_amazon(g, bytes);
    case FL_FRAMING_SSE:
        break;
    }
    return rig_sse(g, sse, bytes, at_end);
}

/* The stream in pieces that end at each of *cuts* (ascending), then the rest, then its end. Each
 * piece lies in memory of its own size, so that a read beyond it is seen. */
static inline void rig_stream(struct rig *g, struct fl_slice stream, const size_t *cuts,
                              size_t count)
{
    struct fl_sse sse = {0};
    size_t from = 0, end = 0;
    for (size_t i = 0; i <= count; i++) {
        end = i < count ? cuts[i] : stream.len;
        size_t len = end - from;
        char *copy = malloc(len > 0 ? len : 1);
        assert_non_null(copy);
        if (len > 0) {
            memcpy(copy, stream.ptr + from, len);
        }
        bool last = i == count;
        from += rig_piece(g, &sse, fl_slice(copy, len), last);
        free(copy);
    }
    if (!g->err) {
        rig_end(g);
    }
}

static inline void rig_put_quoted(struct fl_buf *b, const struct fl_block *block)
{
    fl_buf_put(b, FL_LIT(" \""));
    fl_put_pieces_bare(b, block);
    fl_buf_putc(b, '"');
}

/* Behind a text: " cites URL TITLE FROM-TO". */
static inline void rig_put_cited(struct fl_buf *b, const struct fl_block *block)
{
    for (const struct fl_cited *c = block->cited; c; c = c->next) {
        fl_buf_put(b, FL_LIT(" cites "));
        fl_buf_put(b, c->citation.url);
        fl_buf_putc(b, ' ');
        fl_buf_put(b, c->citation.title);
        fl_buf_putc(b, ' ');
        fl_buf_put_u64(b, c->citation.from);
        fl_buf_putc(b, '-');
        fl_buf_put_u64(b, c->citation.to);
    }
}

static inline void rig_put_block(struct fl_buf *b, const struct fl_block *block)
{
    static const char *const names[] = {"text", "refusal", "thinking", "redacted", "call"};
    fl_buf_put_cstr(b, b->len > 0 ? " " : "");
    if (block->choice > 0) {
        fl_buf_putc(b, '#');
        fl_buf_put_u64(b, block->choice);
        fl_buf_putc(b, ' ');
    }
    fl_buf_put_cstr(b, names[block->kind]);
    if (block->kind == FL_BLOCK_CALL) {
        fl_buf_putc(b, ' ');
        fl_buf_put(b, block->id);
        fl_buf_putc(b, ':');
        fl_buf_put(b, block->name);
    }
    rig_put_quoted(b, block);
    rig_put_cited(b, block);
    size_t before = b->len;
    fl_buf_put(b, FL_LIT(" likely "));
    if (!fl_put_logprobs(b, block)) {
        b->len = before;
    }
    if (block->signature.len > 0) {
        fl_buf_put(b, FL_LIT(" signed "));
        fl_buf_put(b, block->signature);
    }
}

/* The collected answer's line, in g->out. */
static inline struct fl_slice rig_answer(struct rig *g)
{
    struct fl_buf *b = &g->out;
    fl_buf_reset(b);
    for (const struct fl_block *block = g->answer.blocks; block; block = block->next) {
        rig_put_block(b, block);
    }
    for (unsigned i = 0; i < g->answer.choice_count; i++) {
        fl_buf_put_cstr(b, b->len > 0 ? " finish " : "finish ");
        fl_buf_put_cstr(b, fl_finish_name(g->answer.choices[i].finish));
        if (g->answer.choices[i].stop_sequence.len > 0) {
            fl_buf_putc(b, '=');
            fl_buf_put(b, g->answer.choices[i].stop_sequence);
        }
    }
    if (g->answer.usage.known) {
        fl_buf_put_cstr(b, b->len > 0 ? " usage " : "usage ");
        fl_buf_put_u64(b, g->answer.usage.tokens_in);
        fl_buf_putc(b, '/');
        fl_buf_put_u64(b, g->answer.usage.tokens_out);
    }
    if (g->answer.err) {
        fl_buf_put_cstr(b, b->len > 0 ? " error " : "error ");
        fl_buf_put_cstr(b, fl_err_name(g->answer.err));
        fl_buf_put_cstr(b, ": ");
        fl_buf_put(b, g->answer.error_text);
    }
    fl_buf_put_cstr(b, g->answer.whole ? "" : " (cut)");
    return fl_buf_slice(b);
}

/* The line of a whole answer's body. *ret_err: what take_answer() said. */
static inline void rig_whole(struct rig *g, struct fl_slice body)
{
    struct fl_chat_sink sink = {g, rig_event};
    char *copy = malloc(body.len > 0 ? body.len : 1);
    assert_non_null(copy);
    memcpy(copy, body.ptr, body.len);
    g->err = g->provider->take_answer(&g->decoder, fl_slice(copy, body.len), &sink);
    free(copy);
}

/* A request in one form as another writes it, or "refused: " and why; then what was lost:
 * "{...} [seed, temperature=approximated]". The caller frees. */
static inline char *rig_request(const struct fl_wire *client, const struct fl_wire *provider,
                                const char *model, struct fl_slice body)
{
    struct fl_arena arena;
    struct fl_chat_request request;
    struct fl_reterr reterr = {.err = FL_OK};
    struct fl_losses losses = {.count = 0};
    struct fl_write_options options = {.model = fl_slice_cstr(model)};
    struct fl_buf b;
    fl_arena_init(&arena, 1 << 12, rig_bytes_max);
    fl_buf_init(&b, rig_bytes_max);
    enum fl_err err = client->read(body, &arena, &request, &reterr);
    if (!err) {
        err = provider->write(&request, &options, &b, &losses, &reterr);
        assert_int_equal(err == FL_ERR_UPSTREAM_REQUEST, losses.fatal);
    }
    if (err) {
        fl_buf_reset(&b);
        fl_buf_put(&b, FL_LIT("refused: "));
        fl_buf_put_cstr(&b, reterr.message);
    }
    if (losses.count > 0) {
        fl_buf_put(&b, FL_LIT(" ["));
        fl_losses_put(&losses, &b);
        fl_buf_putc(&b, ']');
    }
    char *text = fl_slice_dup(fl_buf_slice(&b));
    assert_non_null(text);
    fl_buf_finish(&b);
    fl_arena_finish(&arena);
    return text;
}

static inline uint64_t rig_random(uint64_t *seed)
{
    *seed += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t x = *seed;
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* What comes out of a stream for this pair, cut at the places given. The caller frees. */
static inline char *rig_output(const struct fl_wire *provider, const struct fl_wire *client,
                               struct fl_slice stream, const size_t *cuts, size_t count)
{
    struct rig g;
    rig_init(&g, provider, client);
    rig_stream(&g, stream, cuts, count);
    char *out = fl_slice_dup(client ? fl_buf_slice(&g.out) : rig_answer(&g));
    assert_non_null(out);
    rig_finish(&g);
    return out;
}

/* Whole, byte by byte, cut once at each place, and at random places: always the same. *client* NULL:
 * the answer's line. Returns it (the caller frees). */
static inline char *rig_all_cuts(const struct fl_wire *provider, const struct fl_wire *client,
                                 struct fl_slice stream, uint64_t seed)
{
    char *whole = rig_output(provider, client, stream, NULL, 0), *again;
    size_t *cuts = calloc(stream.len + 1, sizeof(*cuts));
    assert_non_null(cuts);
    for (size_t i = 0; i < stream.len; i++) {
        cuts[i] = i + 1;
    }
    again = rig_output(provider, client, stream, cuts, stream.len);
    assert_string_equal(whole, again);
    free(again);
    size_t step = stream.len > 600 ? stream.len / 300 : 1;
    for (size_t i = 1; i < stream.len; i += step) {
        again = rig_output(provider, client, stream, &i, 1);
        assert_string_equal(whole, again);
        free(again);
    }
    for (unsigned n = 0; n < 10; n++) {
        uint64_t state = seed + n;
        size_t count = 0, at = 0;
        while ((at += 1 + rig_random(&state) % 60) < stream.len) {
            cuts[count++] = at;
        }
        again = rig_output(provider, client, stream, cuts, count);
        if (strcmp(whole, again) != 0) {
            print_error("seed %llu\n", (unsigned long long)(seed + n));
        }
        assert_string_equal(whole, again);
        free(again);
    }
    free(cuts);
    return whole;
}

#endif

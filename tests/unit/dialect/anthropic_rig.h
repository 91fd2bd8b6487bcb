/* SPDX-License-Identifier: Apache-2.0 */
/* Hears an answer's events: what they say, decoded, in a form that two runs can be compared by. */
#ifndef FL_TESTS_ANTHROPIC_RIG_H
#define FL_TESTS_ANTHROPIC_RIG_H

#include "unit/cm.h"

#include "codec/eventstream.h"
#include "codec/sse.h"
#include "dialect/dialect.h"
#include "dialect/put.h"

#include <stdlib.h>

enum { HEARD_CALLS = 32 };

struct heard {
    struct fl_buf text, thinking, refusal, order; /* order: a letter an event, runs as one */
    struct {
        struct fl_buf id, name, arguments;
    } calls[HEARD_CALLS];
    unsigned call_count, starts, finishes, pings, cited;
    struct fl_buf model, signature, stop_sequence, error;
    enum fl_finish finish;
    struct fl_usage usage;
    bool done;
    enum fl_err err;
};

static void heard_init(struct heard *h)
{
    memset(h, 0, sizeof(*h));
    struct fl_buf *all[] = {&h->text,  &h->thinking,  &h->refusal,       &h->order,
                            &h->model, &h->signature, &h->stop_sequence, &h->error};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        fl_buf_init(all[i], 16 << 20);
    }
    for (unsigned i = 0; i < HEARD_CALLS; i++) {
        fl_buf_init(&h->calls[i].id, 4096);
        fl_buf_init(&h->calls[i].name, 4096);
        fl_buf_init(&h->calls[i].arguments, 16 << 20);
    }
}

static void heard_finish(struct heard *h)
{
    struct fl_buf *all[] = {&h->text,  &h->thinking,  &h->refusal,       &h->order,
                            &h->model, &h->signature, &h->stop_sequence, &h->error};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        fl_buf_finish(all[i]);
    }
    for (unsigned i = 0; i < HEARD_CALLS; i++) {
        fl_buf_finish(&h->calls[i].id);
        fl_buf_finish(&h->calls[i].name);
        fl_buf_finish(&h->calls[i].arguments);
    }
}

/* Pieces are kept escaped and put together so: a surrogate pair may come in two of them. */
static void heard_take(void *owner, const struct fl_chat_event *e)
{
    static const char letters[] = "STRHGXWCAPFUE.";
    struct heard *h = owner;
    char letter = letters[e->kind];
    assert_false(h->done);
    assert_true(h->starts == 1 || e->kind == FL_CHAT_START || e->kind == FL_CHAT_ERROR ||
                e->kind == FL_CHAT_PING);
    if (h->order.len == 0 || h->order.ptr[h->order.len - 1] != letter) {
        fl_buf_putc(&h->order, letter);
    }
    switch (e->kind) {
    case FL_CHAT_START:
        h->starts++;
        fl_buf_put(&h->model, e->name);
        break;
    case FL_CHAT_TEXT:
        fl_buf_put(&h->text, e->text);
        break;
    case FL_CHAT_REFUSAL:
        fl_buf_put(&h->refusal, e->text);
        break;
    case FL_CHAT_THINKING:
        fl_buf_put(&h->thinking, e->text);
        break;
    case FL_CHAT_SIGNATURE:
        fl_buf_put(&h->signature, e->text);
        break;
    case FL_CHAT_REDACTED:
        fl_buf_put(&h->thinking, FL_LIT("[redacted]"));
        break;
    case FL_CHAT_CALL_BEGIN:
        assert_int_equal(e->call, h->call_count);
        assert_true(h->call_count < HEARD_CALLS);
        fl_buf_put(&h->calls[h->call_count].id, e->id);
        fl_buf_put(&h->calls[h->call_count++].name, e->name);
        break;
    case FL_CHAT_CALL_ARGUMENTS:
        assert_true(e->call < h->call_count);
        fl_buf_put(&h->calls[e->call].arguments, e->text);
        break;
    case FL_CHAT_CITATION:
        h->cited++;
        break;
    case FL_CHAT_PING:
        h->pings++;
        break;
    case FL_CHAT_FINISH:
        h->finishes++;
        h->finish = e->finish;
        fl_buf_put(&h->stop_sequence, e->stop_sequence);
        break;
    case FL_CHAT_USAGE:
        h->usage = *e->usage;
        break;
    case FL_CHAT_ERROR:
        h->err = e->err;
        fl_buf_put(&h->error, e->text);
        break;
    case FL_CHAT_DONE:
        h->done = true;
        break;
    }
}

/* Escaped text decoded. The caller frees it. */
static inline char *plain(const struct fl_buf *escaped)
{
    struct fl_buf b;
    fl_buf_init(&b, 16 << 20);
    fl_put_decoded(&b, fl_buf_slice(escaped));
    fl_buf_putc(&b, '\0');
    return b.ptr;
}

static inline void assert_heard_same(const struct heard *a, const struct heard *b)
{
    assert_true(fl_slice_eq(fl_buf_slice(&a->text), fl_buf_slice(&b->text)));
    assert_true(fl_slice_eq(fl_buf_slice(&a->thinking), fl_buf_slice(&b->thinking)));
    assert_true(fl_slice_eq(fl_buf_slice(&a->signature), fl_buf_slice(&b->signature)));
    assert_true(fl_slice_eq(fl_buf_slice(&a->order), fl_buf_slice(&b->order)));
    assert_int_equal(a->call_count, b->call_count);
    for (unsigned i = 0; i < a->call_count; i++) {
        assert_true(fl_slice_eq(fl_buf_slice(&a->calls[i].arguments),
                                fl_buf_slice(&b->calls[i].arguments)));
        assert_true(fl_slice_eq(fl_buf_slice(&a->calls[i].id), fl_buf_slice(&b->calls[i].id)));
    }
    assert_int_equal(a->finish, b->finish);
    assert_int_equal(a->done, b->done);
    assert_int_equal(a->err, b->err);
    assert_memory_equal(&a->usage, &b->usage, sizeof(a->usage));
}

static inline enum fl_err hear_answer(const struct fl_wire *wire, struct fl_slice body,
                                      struct heard *h)
{
    struct fl_arena arena;
    struct fl_decoder d = {.wire = wire, .arena = &arena};
    fl_arena_init(&arena, 4096, 64 << 20);
    struct fl_chat_sink sink = {h, heard_take};
    enum fl_err err = wire->take_answer(&d, body, &sink);
    fl_decoder_finish(&d);
    fl_arena_finish(&arena);
    return err;
}

/* One whole frame at the front of *bytes*: its length, 0 for none. */
static inline size_t frame_at(enum fl_framing framing, struct fl_sse *sse, struct fl_slice bytes,
                              bool at_end, struct fl_buf *joined, struct fl_frame *frame)
{
    *frame = (struct fl_frame){.exception = false};
    if (framing == FL_FRAMING_AMAZON) {
        struct fl_eventstream_message m;
        assert_int_equal(fl_eventstream_next(bytes, 1 << 20, &m), FL_OK);
        frame->name = m.name;
        frame->data = m.payload;
        frame->exception = m.raw.len > 0 && !fl_slice_eq(m.type, FL_LIT("event"));
        return m.raw.len;
    }
    struct fl_sse_event event;
    fl_buf_reset(joined);
    assert_int_equal(fl_sse_next(sse, bytes, at_end, 16 << 20, joined, &event), FL_OK);
    frame->name = event.name;
    frame->data = event.data;
    return event.raw.len;
}

/* A stream in pieces of *piece* bytes (0: whole). */
static inline enum fl_err take_stream(const struct fl_wire *wire, struct fl_slice bytes,
                                      size_t piece, const struct fl_chat_sink *sink)
{
    struct fl_arena arena;
    struct fl_decoder d = {.wire = wire, .arena = &arena};
    struct fl_sse sse = {0};
    struct fl_buf hold, joined;
    enum fl_err err = FL_OK;
    fl_arena_init(&arena, 4096, 64 << 20);
    fl_buf_init(&hold, 64 << 20);
    fl_buf_init(&joined, 16 << 20);
    for (size_t at = 0; at < bytes.len && !err;) {
        size_t n = piece > 0 && piece < bytes.len - at ? piece : bytes.len - at, used;
        struct fl_frame frame;
        fl_buf_put(&hold, fl_slice_first(fl_slice_from(bytes, at), n));
        at += n;
        while (!err && (used = frame_at(wire->framing, &sse, fl_buf_slice(&hold), at == bytes.len,
                                        &joined, &frame)) > 0) {
            if (frame.data.len > 0 || frame.exception) {
                err = wire->take_frame(&d, &frame, sink);
            }
            fl_arena_finish(&arena);
            fl_buf_drop(&hold, used);
        }
    }
    if (!err) {
        err = wire->take_end(&d, sink);
    }
    fl_decoder_finish(&d);
    fl_arena_finish(&arena);
    fl_buf_finish(&hold);
    fl_buf_finish(&joined);
    return err;
}

static inline enum fl_err hear_stream(const struct fl_wire *wire, struct fl_slice bytes,
                                      size_t piece, struct heard *h)
{
    struct fl_chat_sink sink = {h, heard_take};
    return take_stream(wire, bytes, piece, &sink);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Feeds a provider's bytes to a wire form's decoder and writes down the events it gives, one a line:
 *
 *   start <id> <model>      text 0 <escaped>       thinking 0 <escaped>    signature 0 <escaped>
 *   call 0.0 <id> <name> [<signature>]             arguments 0.0 <escaped>
 *   finish 0 tool_calls     usage in=1 out=2 cached=0 reasoning=0          error <err> <name> <text>
 *   done
 *
 * After each frame what the decoder took from its arena is freed, so that a text kept longer is seen by
 * the sanitizer. Runs of text events are written as they come.
 */
#ifndef FL_TEST_HEAR_H
#define FL_TEST_HEAR_H

#include "unit/cm.h"

#include "codec/sse.h"
#include <stdlib.h>
#include "dialect/wire.h"

struct ear {
    struct fl_decoder decoder;
    struct fl_arena arena;
    struct fl_buf log;
    struct fl_buf pending; /* bytes of an unfinished frame */
    struct fl_sse sse;
    enum fl_err err; /* first error of take_frame or take_end */
    bool done;
};

static void hear_slice(struct fl_buf *b, struct fl_slice s)
{
    fl_buf_putc(b, ' ');
    fl_buf_put(b, s.len > 0 ? s : FL_LIT("-"));
}

static void hear_number(struct fl_buf *b, const char *name, uint64_t n)
{
    fl_buf_put_cstr(b, name);
    fl_buf_put_u64(b, n);
}

static void hear_text(struct fl_buf *b, const char *word, const struct fl_chat_event *e)
{
    hear_number(b, word, e->choice);
    hear_slice(b, e->text);
}

static void hear_call(struct fl_buf *b, const char *word, const struct fl_chat_event *e)
{
    hear_number(b, word, e->choice);
    hear_number(b, ".", e->call);
}

static void hear_event(void *owner, const struct fl_chat_event *e)
{
    struct ear *ear = owner;
    struct fl_buf *b = &ear->log;
    assert_false(ear->done);
    switch (e->kind) {
    case FL_CHAT_START:
        fl_buf_put_cstr(b, "start");
        hear_slice(b, e->id);
        hear_slice(b, e->name);
        break;
    case FL_CHAT_TEXT:
        hear_text(b, "text ", e);
        break;
    case FL_CHAT_REFUSAL:
        hear_text(b, "refusal ", e);
        break;
    case FL_CHAT_THINKING:
        hear_text(b, "thinking ", e);
        break;
    case FL_CHAT_SIGNATURE:
        hear_text(b, "signature ", e);
        break;
    case FL_CHAT_REDACTED:
        hear_text(b, "redacted ", e);
        break;
    case FL_CHAT_CALL_BEGIN:
        hear_call(b, "call ", e);
        hear_slice(b, e->id);
        hear_slice(b, e->name);
        if (e->signature.len > 0) {
            hear_slice(b, e->signature);
        }
        break;
    case FL_CHAT_CALL_ARGUMENTS:
        hear_call(b, "arguments ", e);
        hear_slice(b, e->text);
        break;
    case FL_CHAT_CITATION:
        hear_number(b, "cites ", e->choice);
        hear_slice(b, e->citation->url);
        hear_slice(b, e->citation->title);
        hear_number(b, " ", e->citation->from);
        hear_number(b, "-", e->citation->to);
        break;
    case FL_CHAT_PING:
        fl_buf_put_cstr(b, "ping");
        break;
    case FL_CHAT_FINISH:
        hear_number(b, "finish ", e->choice);
        hear_slice(b, fl_slice_cstr(fl_finish_name(e->finish)));
        break;
    case FL_CHAT_USAGE:
        hear_number(b, "usage in=", e->usage->tokens_in);
        hear_number(b, " out=", e->usage->tokens_out);
        hear_number(b, " cached=", e->usage->tokens_cached);
        hear_number(b, " reasoning=", e->usage->tokens_reasoning);
        break;
    case FL_CHAT_ERROR:
        fl_buf_put_cstr(b, "error ");
        fl_buf_put_cstr(b, fl_err_name(e->err));
        hear_slice(b, e->name);
        hear_slice(b, e->text);
        ear->done = true;
        break;
    case FL_CHAT_DONE:
        fl_buf_put_cstr(b, "done");
        ear->done = true;
        break;
    }
    fl_buf_putc(b, '\n');
}

static void ear_open(struct ear *ear, const struct fl_wire *wire)
{
    *ear = (struct ear){.decoder = {.wire = wire}};
    fl_arena_init(&ear->arena, 4096, 16u << 20);
    fl_buf_init(&ear->log, 16u << 20);
    fl_buf_init(&ear->pending, 16u << 20);
    ear->decoder.arena = &ear->arena;
}

static void ear_close(struct ear *ear)
{
    fl_decoder_finish(&ear->decoder);
    fl_arena_finish(&ear->arena);
    fl_buf_finish(&ear->log);
    fl_buf_finish(&ear->pending);
}

static void ear_frame(struct ear *ear, struct fl_slice name, struct fl_slice data)
{
    const struct fl_chat_sink sink = {ear, hear_event};
    struct fl_frame frame = {.name = name, .data = data};
    char *copy = malloc(data.len + 1); /* so that nothing points into the frame afterwards */
    memcpy(copy, data.ptr ? data.ptr : "", data.len);
    frame.data.ptr = copy;
    enum fl_err err = ear->decoder.wire->take_frame(&ear->decoder, &frame, &sink);
    free(copy);
    fl_arena_finish(&ear->arena);
    ear->err = ear->err ? ear->err : err;
}

static void ear_events(struct ear *ear, bool at_end)
{
    struct fl_sse_event event;
    struct fl_buf joined;
    fl_buf_init(&joined, 16u << 20);
    for (;;) {
        struct fl_slice bytes = fl_buf_slice(&ear->pending);
        assert_int_equal(fl_sse_next(&ear->sse, bytes, at_end, 16u << 20, &joined, &event), FL_OK);
        if (event.raw.len == 0) {
            break;
        }
        if (event.data_lines > 0) {
            ear_frame(ear, event.name, event.data);
        }
        fl_buf_drop(&ear->pending, event.raw.len);
    }
    fl_buf_finish(&joined);
}

static void ear_lines(struct ear *ear, bool at_end)
{
    for (;;) {
        struct fl_slice bytes = fl_buf_slice(&ear->pending);
        size_t end = fl_slice_find(bytes, '\n');
        if (bytes.len == 0 || (end == bytes.len && !at_end)) {
            return;
        }
        struct fl_slice line = fl_slice_trim(fl_slice_first(bytes, end));
        if (line.len > 0) {
            ear_frame(ear, FL_EMPTY, line);
        }
        fl_buf_drop(&ear->pending, end < bytes.len ? end + 1 : end);
    }
}

static void ear_bytes(struct ear *ear, struct fl_slice bytes)
{
    fl_buf_put(&ear->pending, bytes);
    if (ear->decoder.wire->framing == FL_FRAMING_LINES) {
        ear_lines(ear, false);
    } else {
        ear_events(ear, false);
    }
}

static void ear_end(struct ear *ear)
{
    const struct fl_chat_sink sink = {ear, hear_event};
    if (ear->decoder.wire->framing == FL_FRAMING_LINES) {
        ear_lines(ear, true);
    } else {
        ear_events(ear, true);
    }
    enum fl_err err = ear->decoder.wire->take_end(&ear->decoder, &sink);
    ear->err = ear->err ? ear->err : err;
}

static void ear_answer(struct ear *ear, struct fl_slice body)
{
    const struct fl_chat_sink sink = {ear, hear_event};
    ear->err = ear->decoder.wire->take_answer(&ear->decoder, body, &sink);
}

/* The events of a stream given whole, byte by byte, and in pieces of every size up to its half: always the
 * same. Cut anywhere before its end, it is never said to be whole, unless *early* bytes were there. */
static void ear_check_stream(const struct fl_wire *wire, const char *text, size_t early,
                             enum fl_err err, const char *expected)
{
    struct fl_slice bytes = fl_slice_cstr(text);
    for (size_t step = 1; step <= bytes.len; step = step < 8 ? step + 1 : step * 2) {
        struct ear ear;
        ear_open(&ear, wire);
        for (size_t at = 0; at < bytes.len; at += step) {
            ear_bytes(&ear, fl_slice_first(fl_slice_from(bytes, at), step));
        }
        ear_end(&ear);
        fl_buf_putc(&ear.log, '\0');
        assert_string_equal(ear.log.ptr, expected);
        assert_int_equal(ear.err, err);
        ear_close(&ear);
    }
    for (size_t cut = 0; cut < early; cut++) {
        struct ear ear;
        ear_open(&ear, wire);
        ear_bytes(&ear, fl_slice_first(bytes, cut));
        ear_end(&ear);
        assert_int_not_equal(ear.err, FL_OK);
        assert_int_equal(fl_slice_find_text(fl_buf_slice(&ear.log), FL_LIT("done")), ear.log.len);
        ear_close(&ear);
    }
}

static inline void ear_check_answer(const struct fl_wire *wire, const char *text, enum fl_err err,
                                    const char *expected)
{
    struct ear ear;
    ear_open(&ear, wire);
    ear_answer(&ear, fl_slice_cstr(text));
    fl_buf_putc(&ear.log, '\0');
    assert_string_equal(ear.log.ptr, expected);
    assert_int_equal(ear.err, err);
    ear_close(&ear);
}

#endif

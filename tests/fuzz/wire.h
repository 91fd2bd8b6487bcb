/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a provider's answer, whole and as a stream: no crash, and what comes out keeps the rules
 * of chat/event.h. Nothing after ERROR or DONE; calls are numbered as they begin and have their
 * arguments after; every text is what may stand between the quotes of a JSON string.
 */
#ifndef FL_FUZZ_WIRE_H
#define FL_FUZZ_WIRE_H

#include "base/assert.h"
#include "codec/json.h"
#include "codec/sse.h"
#include "dialect/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

struct listener {
    bool over, started;
    unsigned calls[FL_CHOICES_MAX];
    bool finished[FL_CHOICES_MAX];
};

static void check_text(struct fl_slice text)
{
    struct fl_buf b;
    struct fl_json value;
    fl_buf_init(&b, text.len + 2);
    fl_buf_putc(&b, '"');
    fl_buf_put(&b, text);
    fl_buf_putc(&b, '"');
    fl_assert(fl_json_scan(fl_buf_slice(&b), FL_JSON_LIMITS, NULL, 0, &value, NULL) == FL_OK);
    fl_buf_finish(&b);
}

static void listen(void *owner, const struct fl_chat_event *e)
{
    struct listener *l = owner;
    fl_assert(!l->over);
    fl_assert(e->choice < FL_CHOICES_MAX);
    check_text(e->text);
    check_text(e->id);
    check_text(e->name);
    check_text(e->signature);
    if (e->kind == FL_CHAT_START) {
        fl_assert(!l->started);
        l->started = true;
        return;
    }
    fl_assert(l->started || e->kind == FL_CHAT_ERROR);
    if (e->kind == FL_CHAT_CALL_BEGIN) {
        fl_assert(e->call == l->calls[e->choice]++);
        fl_assert(e->id.len > 0 && e->name.len > 0);
    } else if (e->kind == FL_CHAT_CALL_ARGUMENTS) {
        fl_assert(e->call < l->calls[e->choice]);
    } else if (e->kind == FL_CHAT_FINISH) {
        fl_assert(!l->finished[e->choice] && e->finish != FL_FINISH_NONE);
        l->finished[e->choice] = true;
    }
    l->over = e->kind == FL_CHAT_ERROR || e->kind == FL_CHAT_DONE;
}

static void fuzz_answer(const struct fl_wire *wire, struct fl_slice body)
{
    struct listener l = {0};
    struct fl_arena arena;
    const struct fl_chat_sink sink = {&l, listen};
    fl_arena_init(&arena, 4096, 16u << 20);
    struct fl_decoder d = {.wire = wire, .arena = &arena};
    enum fl_err err = wire->take_answer(&d, body, &sink);
    fl_assert(err != FL_OK || (l.over && d.done));
    fl_decoder_finish(&d);
    fl_arena_finish(&arena);
}

static size_t next_frame(const struct fl_wire *wire, struct fl_sse *sse, struct fl_slice rest,
                         struct fl_frame *frame)
{
    struct fl_sse_event event;
    if (wire->framing == FL_FRAMING_LINES) {
        size_t end = fl_slice_find(rest, '\n');
        *frame = (struct fl_frame){.data = fl_slice_first(rest, end)};
        return end < rest.len ? end + 1 : end;
    }
    if (fl_sse_next(sse, rest, true, 1u << 20, NULL, &event)) {
        return 0;
    }
    *frame = (struct fl_frame){.name = event.name, .data = event.data};
    return event.raw.len;
}

static void fuzz_stream(const struct fl_wire *wire, struct fl_slice rest)
{
    struct listener l = {0};
    struct fl_arena arena;
    struct fl_sse sse = {0};
    struct fl_frame frame;
    const struct fl_chat_sink sink = {&l, listen};
    fl_arena_init(&arena, 4096, 16u << 20);
    struct fl_decoder d = {.wire = wire, .arena = &arena};
    size_t used;
    enum fl_err err = FL_OK;
    while (!err && rest.len > 0 && (used = next_frame(wire, &sse, rest, &frame)) > 0) {
        err = frame.data.len > 0 ? wire->take_frame(&d, &frame, &sink) : FL_OK;
        fl_arena_finish(&arena);
        rest = fl_slice_from(rest, used);
    }
    err = err ? err : wire->take_end(&d, &sink);
    fl_assert(err != FL_OK || l.over);
    fl_decoder_finish(&d);
    fl_arena_finish(&arena);
}

static inline int fuzz_wire(const struct fl_wire *wire, const uint8_t *bytes, size_t len)
{
    struct fl_slice text = fl_slice((const char *)bytes, len);
    fuzz_answer(wire, text);
    fuzz_stream(wire, text);
    return 0;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as an answer of Claude or of Bedrock, whole or as a stream of frames, one a line, and
 * what a client of messages gets of it: no crash, each frame valid, nothing after the end, and a
 * whole answer in JSON. The first byte chooses the form; a frame's name is what stands before its
 * first space, '!' marks an exception.
 */
#include "base/assert.h"
#include "codec/sse.h"
#include "dialect/dialect.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

struct client {
    struct fl_encoder encoder;
    struct fl_buf out;
    unsigned ends;
};

static void take(void *owner, const struct fl_chat_event *event)
{
    struct client *c = owner;
    fl_assert(c->ends == 0);
    c->ends += event->kind == FL_CHAT_DONE || event->kind == FL_CHAT_ERROR;
    fl_wire_anthropic.put_event(&c->encoder, event, &c->out);
}

static void check_frames(struct fl_slice out)
{
    struct fl_sse sse = {0};
    struct fl_sse_event event;
    struct fl_json whole;
    while (fl_sse_next(&sse, out, false, 1 << 24, NULL, &event) == FL_OK && event.raw.len > 0) {
        fl_assert(event.data_lines == 1 && event.name.len > 0);
        fl_assert(fl_json_scan(event.data, FL_JSON_LIMITS, NULL, 0, &whole, NULL) == FL_OK);
        out = fl_slice_from(out, event.raw.len);
    }
    fl_assert(out.len == 0);
}

static void stream(const struct fl_wire *form, struct fl_slice lines)
{
    struct client c = {
        .encoder = {.wire = &fl_wire_anthropic, .id = FL_LIT("0123456789abcdefghijklmn")}};
    struct fl_chat_sink sink = {&c, take};
    struct fl_arena arena;
    struct fl_decoder d = {.wire = form, .arena = &arena};
    enum fl_err err = FL_OK;
    c.encoder.kept_bytes_max = 4096;
    fl_arena_init(&arena, 4096, 1 << 22);
    fl_buf_init(&c.out, 1 << 26);
    while (lines.len > 0 && !err) {
        struct fl_slice line = fl_slice_first(lines, fl_slice_find(lines, '\n'));
        size_t space = fl_slice_find(line, ' ');
        struct fl_frame frame = {.name = fl_slice_first(line, space),
                                 .data = fl_slice_from(line, space + 1)};
        frame.exception = fl_slice_starts(line, FL_LIT("!"));
        lines = fl_slice_from(lines, line.len + 1);
        err = form->take_frame(&d, &frame, &sink);
        fl_arena_finish(&arena);
    }
    if (!err) {
        (void)form->take_end(&d, &sink);
    }
    fl_assert(!fl_buf_ok(&c.out) || c.out.len < 1 << 25);
    check_frames(fl_buf_slice(&c.out));
    fl_decoder_finish(&d);
    fl_encoder_finish(&c.encoder);
    fl_buf_finish(&c.out);
    fl_arena_finish(&arena);
}

static void whole(const struct fl_wire *form, struct fl_slice body)
{
    struct fl_arena arena;
    struct fl_chat_answer answer;
    struct fl_decoder d = {.wire = form, .arena = &arena};
    struct fl_encoder e = {.wire = &fl_wire_anthropic, .id = FL_LIT("0123456789abcdefghijklmn")};
    struct fl_buf out;
    struct fl_json value;
    fl_arena_init(&arena, 1 << 14, 1 << 24);
    fl_chat_answer_init(&answer, &arena);
    struct fl_chat_sink sink = {&answer, fl_chat_answer_take};
    if (form->take_answer(&d, body, &sink) == FL_OK) {
        fl_assert(answer.whole && answer.choice_count == 1);
        fl_buf_init(&out, 1 << 24);
        fl_wire_anthropic.put_answer(&e, &answer, &out);
        fl_assert(!fl_buf_ok(&out) ||
                  fl_json_scan(fl_buf_slice(&out), FL_JSON_LIMITS, NULL, 0, &value, NULL) == FL_OK);
        fl_buf_finish(&out);
    }
    fl_decoder_finish(&d);
    fl_arena_finish(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static const struct fl_wire *const forms[] = {&fl_wire_anthropic, &fl_wire_anthropic_bedrock,
                                                  &fl_wire_converse};
    if (len > 0) {
        struct fl_slice rest = fl_slice((const char *)bytes + 1, len - 1);
        stream(forms[bytes[0] % 3], rest);
        whole(forms[bytes[0] % 3], rest);
    }
    return 0;
}

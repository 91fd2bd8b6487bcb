/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the fuzzers of wire forms: any bytes as a provider's answer, whole and as a stream. No crash; nothing is
 * told after the end; the decoder does the same when the bytes come in two pieces; whatever the provider sent,
 * clients get frames of valid JSON.
 */
#ifndef FL_TESTS_FUZZ_WIRE_SIDES_H
#define FL_TESTS_FUZZ_WIRE_SIDES_H

#include "base/assert.h"
#include "codec/sse.h"
#include "dialect/put.h"
#include "dialect/wire.h"

#include <stdlib.h>

enum { fuzz_bytes_max = 1 << 24, fuzz_clients = 2 };

struct fuzz_wire {
    struct fl_arena arena, frames;
    struct fl_decoder decoder;
    struct fl_encoder encoders[fuzz_clients];
    struct fl_buf out[fuzz_clients];
    struct fl_chat_answer answer;
    const struct fl_wire *clients[fuzz_clients];
    bool over;
    uint64_t told; /* a sum over the events */
};

static inline void fuzz_add(struct fuzz_wire *f, struct fl_slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        f->told = (f->told ^ (unsigned char)s.ptr[i]) * UINT64_C(1099511628211);
    }
}

static inline void fuzz_event(void *owner, const struct fl_chat_event *event)
{
    struct fuzz_wire *f = owner;
    struct fl_chat_event kept = *event;
    fl_assert(!f->over);
    f->over = event->kind == FL_CHAT_DONE || event->kind == FL_CHAT_ERROR;
    f->told = f->told * 31 + (uint64_t)event->kind * 7 + event->choice + event->call;
    fuzz_add(f, event->text);
    fuzz_add(f, event->name);
    kept.text = fl_arena_copy(&f->arena, event->text);
    kept.id = fl_arena_copy(&f->arena, event->id);
    kept.name = fl_arena_copy(&f->arena, event->name);
    kept.signature = fl_arena_copy(&f->arena, event->signature);
    kept.stop_sequence = fl_arena_copy(&f->arena, event->stop_sequence);
    fl_chat_answer_take(&f->answer, &kept);
    for (unsigned i = 0; i < fuzz_clients; i++) {
        f->clients[i]->put_event(&f->encoders[i], event, &f->out[i]);
    }
}

static inline void fuzz_init(struct fuzz_wire *f, const struct fl_wire *provider)
{
    *f = (struct fuzz_wire){.clients = {&fl_wire_openai_chat, &fl_wire_openai_responses}};
    fl_arena_init(&f->arena, 1 << 12, fuzz_bytes_max);
    fl_arena_init(&f->frames, 1 << 12, fuzz_bytes_max);
    fl_chat_answer_init(&f->answer, &f->arena);
    f->decoder = (struct fl_decoder){.wire = provider, .arena = &f->frames};
    for (unsigned i = 0; i < fuzz_clients; i++) {
        fl_buf_init(&f->out[i], fuzz_bytes_max);
        f->encoders[i] = (struct fl_encoder){.wire = f->clients[i],
                                             .model = FL_LIT("m"),
                                             .id = FL_LIT("0123456789abcdefghijklmn"),
                                             .kept_bytes_max = 1 << 16};
    }
}

/* Each frame of a client's stream is JSON, or the last word. */
static inline void fuzz_check_frames(struct fl_slice out)
{
    struct fl_sse sse = {0};
    struct fl_sse_event event;
    struct fl_json whole;
    for (;;) {
        enum fl_err err = fl_sse_next(&sse, out, true, fuzz_bytes_max, NULL, &event);
        fl_assert(!err);
        if (event.raw.len == 0) {
            return;
        }
        out = fl_slice_from(out, event.raw.len);
        if (event.data_lines > 0 && !fl_slice_eq(event.data, FL_LIT("[DONE]"))) {
            fl_assert(event.data_lines == 1);
            fl_assert(fl_json_scan(event.data, FL_JSON_LIMITS, NULL, 0, &whole, NULL) == FL_OK);
        }
    }
}

static inline void fuzz_finish(struct fuzz_wire *f)
{
    struct fl_json whole;
    struct fl_json_limits limits = {FL_JSON_DEPTH_MAX, 1000000};
    for (unsigned i = 0; i < fuzz_clients; i++) {
        if (fl_buf_ok(&f->out[i])) {
            fuzz_check_frames(fl_buf_slice(&f->out[i]));
        }
        fl_buf_reset(&f->out[i]);
        if (!f->arena.failed) {
            f->clients[i]->put_answer(&f->encoders[i], &f->answer, &f->out[i]);
            fl_assert(!fl_buf_ok(&f->out[i]) ||
                      fl_json_scan(fl_buf_slice(&f->out[i]), limits, NULL, 0, &whole, NULL) ==
                          FL_OK);
        }
        fl_buf_finish(&f->out[i]);
        fl_encoder_finish(&f->encoders[i]);
    }
    fl_decoder_finish(&f->decoder);
    fl_arena_finish(&f->frames);
    fl_arena_finish(&f->arena);
}

/* A stream in two pieces. Returns the sum of what was told. */
static inline uint64_t fuzz_stream(const struct fl_wire *provider, struct fl_slice bytes, size_t cut)
{
    struct fuzz_wire f;
    struct fl_chat_sink sink = {&f, fuzz_event};
    struct fl_sse sse = {0};
    struct fl_sse_event event;
    enum fl_err err = FL_OK;
    fuzz_init(&f, provider);
    for (size_t have = cut; !err; have = bytes.len) {
        bool last = have == bytes.len;
        for (;;) {
            err = fl_sse_next(&sse, fl_slice_first(bytes, have), last, fuzz_bytes_max, NULL, &event);
            if (err || event.raw.len == 0) {
                break;
            }
            struct fl_frame frame = {.name = event.name, .data = event.data};
            err = event.data_lines > 0 ? provider->take_frame(&f.decoder, &frame, &sink) : FL_OK;
            fl_arena_finish(&f.frames);
            bytes = fl_slice_from(bytes, event.raw.len);
            have -= event.raw.len;
            if (err) {
                break;
            }
        }
        if (last) {
            break;
        }
    }
    if (!err) {
        (void)provider->take_end(&f.decoder, &sink);
    }
    uint64_t told = f.told;
    fuzz_finish(&f);
    return told;
}

static inline void fuzz_answer(const struct fl_wire *provider, struct fl_slice bytes)
{
    struct fuzz_wire f;
    struct fl_chat_sink sink = {&f, fuzz_event};
    fuzz_init(&f, provider);
    (void)provider->take_answer(&f.decoder, bytes, &sink);
    fuzz_finish(&f);
}

static inline void fuzz_provider(const struct fl_wire *provider, const uint8_t *bytes, size_t len)
{
    struct fl_slice text = fl_slice((const char *)bytes, len);
    size_t cut = len > 0 ? bytes[0] * len / 256 : 0;
    fl_assert(fuzz_stream(provider, text, len) == fuzz_stream(provider, text, cut));
    fuzz_answer(provider, text);
}

#endif

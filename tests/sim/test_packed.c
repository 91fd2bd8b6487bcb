/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compressed answers, of which one read unpacks to a thousand times as much, for clients that read slowly or not at
 * all: what waits for the client in the server stays small, and nothing is lost.
 */
#include "sim/volume.h"

#include <zlib.h>

/* What the bound on a bomb (codec/gzip.h) lets through: *dull* bytes that hardly pack earn the credit for those that
 * pack a thousandfold. */
enum { dull_bytes = 2 * mega, rich_bytes = 16 * mega, queued_bytes_max = 64 * 1024 };

struct packer {
    z_stream z;
    struct fl_buf *to;
    uint64_t bytes; /* before packing */
};

static void pack(struct packer *p, struct fl_slice in, bool last)
{
    unsigned char out[4096];
    p->z.next_in = (z_const Bytef *)(uintptr_t)in.ptr;
    p->z.avail_in = (uInt)in.len;
    do {
        p->z.next_out = out;
        p->z.avail_out = sizeof(out);
        (void)deflate(&p->z, last ? Z_FINISH : Z_NO_FLUSH);
        fl_buf_put(p->to, fl_slice((char *)out, sizeof(out) - p->z.avail_out));
    } while (p->z.avail_out == 0);
    p->bytes += in.len;
}

static void packer_open(struct packer *p, struct fl_buf *to)
{
    *p = (struct packer){.to = to};
    assert_int_equal(deflateInit2(&p->z, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY), Z_OK);
}

static void packer_close(struct packer *p)
{
    pack(p, FL_EMPTY, true);
    (void)deflateEnd(&p->z);
    assert_true(fl_buf_ok(p->to));
}

/* *bytes* letters into *text*: at random, or all the same. */
static void fill(char *text, size_t bytes, bool dull, struct fl_rng *rng)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    for (size_t i = 0; i < bytes; i++) {
        text[i] = letters[dull ? fl_rng_below(rng, 64) : 0];
    }
}

static uint64_t pack_plain(struct fl_buf *to)
{
    static char text[unit];
    struct packer p;
    struct fl_rng rng;
    fl_rng_seed(&rng, 7);
    packer_open(&p, to);
    pack(&p, FL_LIT("{\"choices\":[{\"message\":{\"role\":\"assistant\",\"content\":\""), false);
    for (size_t done = 0; done < dull_bytes + rich_bytes; done += unit) {
        fill(text, unit, done < dull_bytes, &rng);
        pack(&p, fl_slice(text, unit), false);
    }
    pack(&p, FL_LIT("\"},\"finish_reason\":\"stop\"}]}"), false);
    packer_close(&p);
    return p.bytes;
}

static uint64_t pack_stream(struct fl_buf *to, bool messages)
{
    static char text[4096];
    struct packer p;
    struct fl_rng rng;
    struct fl_buf event;
    fl_rng_seed(&rng, 7);
    fl_buf_init(&event, 65536);
    packer_open(&p, to);
    if (messages) {
        pack(&p, FL_LIT("event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"role\":"
                        "\"assistant\",\"usage\":{\"input_tokens\":3}}}\n\n"
                        "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,"
                        "\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n"), false);
    }
    for (size_t done = 0; done < dull_bytes + rich_bytes; done += sizeof(text)) {
        fill(text, sizeof(text), done < dull_bytes, &rng);
        text[sizeof(text) - 1] = '\0';
        fl_buf_reset(&event);
        if (messages) {
            fl_buf_put_cstr(&event, "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,"
                                    "\"delta\":{\"type\":\"text_delta\",\"text\":\"");
            fl_buf_put_cstr(&event, text);
            fl_buf_put_cstr(&event, "\"}}\n\n");
        } else {
            put_delta(&event, text);
        }
        pack(&p, fl_buf_slice(&event), false);
    }
    fl_buf_reset(&event);
    if (messages) {
        fl_buf_put_cstr(&event, "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":"
                                "\"end_turn\"},\"usage\":{\"output_tokens\":3}}\n\n"
                                "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
    } else {
        put_finish(&event);
    }
    pack(&p, fl_buf_slice(&event), false);
    packer_close(&p);
    fl_buf_finish(&event);
    return p.bytes;
}

enum reader { READS, READS_SLOWLY, STOPS_READING, LEAVES };
static const char *const reader_names[] = {"reads", "reads slowly", "stops reading", "leaves"};

struct packed_case {
    bool stream, messages; /* the provider speaks Anthropic's dialect */
    enum reader reader;
    enum upstream_framing framing;
};

static void link_client(struct scene *s, enum reader reader)
{
    struct fl_world_link link = fl_world_link(s->rig.world);
    link.down.bytes_per_s = reader == READS_SLOWLY ? 4 * mega : 0;
    link.down.stall_after = reader == STOPS_READING || reader == LEAVES ? 3 * mega : FL_NEVER;
    link.down.stall_ns = FL_NEVER;
    fl_world_plan(s->rig.world, "10.0.0.1:80", &link, 1);
}

static void put_packed_head(struct fl_buf *b, const struct packed_case *k, size_t length)
{
    fl_buf_put_cstr(b, "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-type: ");
    fl_buf_put_cstr(b, k->stream ? "text/event-stream" : "application/json");
    if (k->framing == BY_LENGTH) {
        fl_buf_put_cstr(b, "\r\ncontent-length: ");
        fl_buf_put_u64(b, length);
    }
    fl_buf_put_cstr(b, k->framing == BY_CHUNKS ? "\r\ntransfer-encoding: chunked\r\n\r\n" : "\r\n\r\n");
}

/* In chunks of 1,000 bytes: many in one read. */
static void put_chunks(struct fl_buf *b, struct fl_slice bytes)
{
    while (bytes.len > 0) {
        struct fl_slice part = fl_slice_first(bytes, 1000);
        put_chunk(b, part);
        bytes = fl_slice_from(bytes, part.len);
    }
    fl_buf_put_cstr(b, "0\r\n\r\n");
}

/* The scene of volume.h, with a provider of Anthropic's dialect where the case is of one. */
static void open_packed_scene(struct scene *s, const struct packed_case *k)
{
    static const char foreign[] = "listen: \"10.0.0.1:80\"\nauth: {insecure_no_auth: true}\n"
                                  "models:\n  chat: {targets: [p0/m]}\n"
                                  "providers:\n  p0: {type: anthropic, api_key: sk-sim, models: [m], base_url: "
                                  "\"http://10.0.1.1:80/v1\", health: {enabled: false}}\n";
    if (!k->messages) {
        open_scene(s, NULL);
        return;
    }
    rig_open(&s->rig, 1);
    rig_exact(&s->rig);
    fl_world_mix(s->rig.world)->window_min = fl_world_mix(s->rig.world)->window_max = unit;
    upstream_open(&s->first, fl_world_sys(s->rig.world, "10.0.1.1"));
    fl_buf_init(&s->head, 65536);
    fl_buf_init(&s->filler, 65536);
    fl_buf_init(&s->tail, 65536);
    rig_serve_file(&s->rig, FL_LIT(foreign), 1);
}

static void run_case(const struct packed_case *k, struct fl_slice packed, uint64_t bytes)
{
    struct scene s;
    struct fl_buf body;
    fl_buf_init(&body, 32 * mega);
    open_packed_scene(&s, k);
    rig_say(&s.rig, "packed %s%s, framing %d, client %s", k->messages ? "foreign " : "",
            k->stream ? "stream" : "plain answer", (int)k->framing, reader_names[k->reader]);
    put_packed_head(&s.head, k, packed.len);
    if (k->framing == BY_CHUNKS) {
        put_chunks(&body, packed);
    } else {
        fl_buf_put(&body, packed);
    }
    plan(&s, 0, k->framing == BY_CLOSE ? UPSTREAM_FIN : UPSTREAM_KEEP);
    s.parts[1] = (struct upstream_part){fl_buf_slice(&body), 1, 0};
    link_client(&s, k->reader);
    rig_watch_heap(&s.rig);
    struct fl_simclient *c = counting(&s);
    rig_post(c, 1, k->stream, "");
    bool whole = k->reader == READS || k->reader == READS_SLOWLY;
    if (whole) {
        rig_settle(&s.rig, c, 100 * FL_NS_S);
    } else {
        fl_world_run_for(s.rig.world, 5 * FL_NS_S);
        rig_equal(&s.rig, rig_stats(&s.rig).attempts_open, 1);
    }
    if (k->reader == LEAVES) {
        fl_simclient_abort(c, FL_CLOSE_RESET);
        fl_world_run_for(s.rig.world, MS(10));
    } else if (k->reader == STOPS_READING) { /* cut off, and so is its provider */
        fl_world_run_for(s.rig.world, 200 * FL_NS_S);
    }
    rig_equal(&s.rig, rig_stats(&s.rig).attempts_open, 0);
    const struct fl_simanswer *a = fl_simclient_answer(c, 0);
    rig_equal(&s.rig, a->complete, whole);
    if (whole && !k->messages) {
        rig_equal(&s.rig, a->body_bytes, bytes);
    } else if (whole) { /* each event in other words */
        rig_check(&s.rig, a->body_bytes >= dull_bytes + rich_bytes && a->body_bytes <= 2 * bytes);
    }
    /* the first write of a plain answer is what was held of it */
    size_t held = k->stream ? 0 : s.rig.config->limits.response_hold_bytes;
    rig_check(&s.rig, fl_world_stats(s.rig.nodes[0]).queued_peak <= held + queued_bytes_max);
    /* beside the packed bytes in the simulated provider's queue, twice while it grows */
    rig_check(&s.rig, rig_heap_growth(&s.rig) <= mega + 4 * held + 2 * body.len);
    if (whole) { /* and the connection is as good as new */
        rig_post(c, 1, k->stream, "");
        rig_settle(&s.rig, c, 500 * FL_NS_S);
        rig_check(&s.rig, fl_simclient_answer(c, 1)->complete);
        rig_equal(&s.rig, s.first.connections, k->framing == BY_CLOSE ? 2 : 1);
    }
    rig_equal(&s.rig, rig_target(&s.rig, "p0/m").failed, 0);
    rig_leave(&s.rig, c);
    close_scene(&s);
    fl_buf_finish(&body);
}

static void run_cases(bool stream, bool messages)
{
    struct fl_buf packed;
    fl_buf_init(&packed, 16 * mega);
    uint64_t bytes = !stream ? pack_plain(&packed)
                             : pack_stream(&packed, messages);
    for (unsigned i = 0; i < 12; i++) {
        struct packed_case k = {.stream = stream, .messages = messages, .reader = i % 4, .framing = i / 4};
        run_case(&k, fl_buf_slice(&packed), bytes);
    }
    fl_buf_finish(&packed);
}

static void plain_answers(void **state)
{
    (void)state;
    run_cases(false, false);
}

static void streams(void **state)
{
    (void)state;
    run_cases(true, false);
}

static void streams_of_another_dialect(void **state)
{
    (void)state;
    run_cases(true, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_answers),
        cmocka_unit_test(streams),
        cmocka_unit_test(streams_of_another_dialect),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A line that cuts and garbles what goes over it; new keys amid the stream. */
#include "unit/tls/rig.h"

#include <time.h>
#include <unistd.h>

/* A line that cuts the server's bytes anywhere and turns one bit */

struct line {
    const struct fl_stream_events *on;
    void *owner;
    struct fl_rng rng;
    uint64_t flip_at, seen;
};

static struct line line;
static const struct fl_sys_ops *real_ops;

static void line_opened(void *owner, enum fl_err err)
{
    (void)owner;
    line.on->opened(line.owner, err);
}

static void line_bytes(void *owner, struct fl_slice bytes)
{
    char copy[65536];
    (void)owner;
    memcpy(copy, bytes.ptr, bytes.len);
    if (line.flip_at >= line.seen && line.flip_at < line.seen + bytes.len) {
        copy[line.flip_at - line.seen] ^= (char)(1 << fl_rng_below(&line.rng, 8));
    }
    line.seen += bytes.len;
    for (size_t at = 0; at < bytes.len;) {
        size_t n = 1 + (size_t)fl_rng_below(&line.rng, 200);
        n = n < bytes.len - at ? n : bytes.len - at;
        line.on->bytes(line.owner, fl_slice(copy + at, n));
        at += n;
    }
}

static void line_ended(void *owner, enum fl_err err)
{
    (void)owner;
    line.on->ended(line.owner, err);
}

static void line_drained(void *owner)
{
    (void)owner;
    line.on->drained(line.owner);
}

static void line_stalled(void *owner)
{
    (void)owner;
    line.on->stalled(line.owner);
}

static const struct fl_stream_events line_events = {line_opened,  line_bytes, line_ended,
                                                    line_drained, NULL,       line_stalled};

static enum fl_err dial_line(struct fl_sys *sys, struct fl_slice host, uint16_t port,
                             const struct fl_stream_events *on, void *owner,
                             struct fl_stream **ret_stream)
{
    line.on = on;
    line.owner = owner;
    return real_ops->dial(sys, host, port, &line_events, NULL, ret_stream);
}

#define PAGE_BYTES 2000

static void say_page(struct end *e)
{
    static char page[PAGE_BYTES];
    if (e->opened_err == FL_OK) {
        memset(page, 'p', sizeof(page));
        struct fl_slice piece = fl_slice(page, sizeof(page));
        assert_int_equal(fl_stream_write(e->stream, &piece, 1), FL_OK);
    }
}

static void only_pages(struct end *e, struct fl_slice bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        assert_int_equal(bytes.ptr[i], 'p');
    }
    if (e->got_bytes == PAGE_BYTES) {
        stop(e);
    }
}

static void stop_if_failed(struct end *e)
{
    if (e->opened_err != FL_OK || e->ended) {
        stop(e);
    }
}

/* True: all of the page came through. */
static bool over_the_line(uint64_t seed, uint64_t flip_below)
{
    struct world w;
    struct end client = {
        .on_opened = stop_if_failed, .on_ended = stop_if_failed, .on_bytes = only_pages};
    struct end server = {.on_opened = say_page};
    init(&w, &with_ip);
    struct fl_sys_ops ops = *w.sys->ops;
    line = (struct line){0};
    fl_rng_seed(&line.rng, seed);
    line.flip_at = flip_below > 0 ? fl_rng_below(&line.rng, flip_below) : UINT64_MAX;
    SSL_CTX_set_max_proto_version(w.client_tls->ctx,
                                  seed % 3 == 0 ? TLS1_2_VERSION : TLS1_3_VERSION);
    real_ops = w.sys->ops;
    ops.dial = dial_line;
    w.sys->ops = &ops;
    dial(&w, "127.0.0.1", &client, &server);
    w.sys->ops = real_ops;
    /* A length that grew leaves the client waiting. */
    run_for(&w, flip_below > 0 ? 40 * FL_NS_MS : 10 * FL_NS_S);
    bool whole = client.got_bytes == PAGE_BYTES;
    assert_true(flip_below > 0 || whole);
    assert_true(client.got_bytes <= PAGE_BYTES);
    assert_true(client.opened_err == FL_OK || client.opened_err == FL_ERR_TLS);
    assert_int_equal(client.failure[0] != '\0',
                     client.opened_err != FL_OK || client.ended_err == FL_ERR_TLS);
    close_end(&client);
    w.server = NULL;
    close_end(&server);
    finish(&w);
    return whole;
}

static void cut_and_garbled_lines_never_garble_bytes(void **state)
{
    (void)state;
    uint64_t seed = (uint64_t)time(NULL) ^ ((uint64_t)getpid() << 32);
    unsigned whole = 0;
    print_message("seed %llu\n", (unsigned long long)seed);
    for (uint64_t i = 0; i < 10; i++) {
        assert_true(over_the_line(seed + i, 0));
    }
    for (uint64_t i = 10; i < 70; i++) {
        whole += over_the_line(seed + i, 3000);
    }
    assert_true(whole < 20); /* a bit of a ticket, or of no meaning, may turn unseen */
}

/* New keys amid the stream (RFC 8446, 4.6.3) */

static SSL *last_ssl;

static void note_ssl(const SSL *ssl, int where, int ret)
{
    (void)where;
    (void)ret;
    last_ssl = (SSL *)(uintptr_t)ssl;
}

static void keys_may_change(void **state)
{
    (void)state;
    struct world w;
    struct end client = {.on_opened = stop}, server = {0};
    init(&w, &good);
    SSL_CTX_set_info_callback(w.client_tls->ctx, note_ssl);
    dial(&w, "localhost", &client, &server);
    fl_net_run(w.net);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(SSL_key_update(last_ssl, SSL_KEY_UPDATE_REQUESTED), 1);
        say(&client, "a");
        run_until_got(&server, (uint64_t)i + 1);
        say(&server, "b");
        run_until_got(&client, (uint64_t)i + 1);
    }
    assert_int_equal(server.got_bytes, 20);
    assert_int_equal(client.got_bytes, 20);
    assert_int_equal(client.ended + server.ended, 0);
    close_end(&client);
    close_end(&server);
    finish(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cut_and_garbled_lines_never_garble_bytes),
        cmocka_unit_test(keys_may_change),
    };
    return cmocka_run_group_tests_name("tls_line", tests, make_certs, free_certs);
}

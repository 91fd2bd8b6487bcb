/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/upstream.h"

#include "base/assert.h"
#include "codec/http1.h"

#include <stdlib.h>

enum { head_bytes_max = 65536, body_bytes_max = 64 << 20 };

struct peer {
    struct fl_list link;
    struct upstream *upstream;
    struct fl_stream *stream;
    struct fl_buf in;
    size_t scanned;
    bool in_body;
    struct fl_h1_body body;
    const struct upstream_answer *answer; /* NULL: none is owed */
    unsigned part;
    uint64_t times; /* this part was said so often */
    bool waited;    /* for the next time */
    struct fl_timer timer;
};

static void drop(struct peer *p, enum fl_close how)
{
    struct upstream *u = p->upstream;
    fl_timers_stop(&u->sys->timers, &p->timer);
    fl_stream_close(p->stream, how);
    fl_list_remove(&p->link);
    fl_buf_finish(&p->in);
    u->connections_open--;
    free(p);
}

static void leave(struct peer *p)
{
    p->upstream->cancelled += p->answer != NULL;
    p->upstream->left_ns = p->upstream->sys->now_ns;
    drop(p, FL_CLOSE_NOW);
}

/* --- saying --- */

/* The answer was said; false: the connection is gone. */
static bool said(struct peer *p)
{
    enum upstream_end end = p->answer->end;
    p->answer = NULL;
    p->upstream->said++;
    if (end != UPSTREAM_KEEP) {
        drop(p, end == UPSTREAM_FIN ? FL_CLOSE_FLUSH : FL_CLOSE_RESET);
    }
    return end == UPSTREAM_KEEP;
}

/* Says one time of the current part; false: wait for the timer, or the connection is gone. */
static bool say_once(struct peer *p, const struct upstream_part *part)
{
    if (part->wait_ns > 0 && !p->waited) {
        p->waited = true;
        fl_sys_timer_in(p->upstream->sys, &p->timer, part->wait_ns);
        return false;
    }
    p->waited = false;
    p->times++;
    p->upstream->bytes += part->bytes.len;
    if (part->bytes.len > 0 && fl_stream_write(p->stream, &part->bytes, 1)) {
        leave(p);
        return false;
    }
    return true;
}

static void go_on(struct peer *p)
{
    while (p->stream->queued == 0) {
        const struct upstream_part *part = &p->answer->parts[p->part];
        if (p->part == p->answer->part_count) {
            (void)said(p);
            return;
        }
        if (p->times >= (part->times > 0 ? part->times : 1)) {
            p->part++;
            p->times = 0;
        } else if (!say_once(p, part)) {
            return;
        }
    }
}

static void on_timer(struct fl_timer *timer)
{
    go_on(fl_container_of(timer, struct peer, timer));
}

static void on_request(struct peer *p)
{
    struct upstream *u = p->upstream;
    fl_assert(u->answer_count > 0 && !p->answer);
    p->answer = &u->answers[u->answer_next];
    u->answer_next += u->answer_next + 1 < u->answer_count;
    u->requests++;
    u->asked_ns = u->sys->now_ns;
    p->part = 0;
    p->times = 0;
    p->waited = false;
    go_on(p);
}

/* --- listening --- */

static void read_head(struct peer *p)
{
    struct upstream *u = p->upstream;
    struct fl_h1_head head;
    struct fl_h1_body_limits limits = {.bytes_max = body_bytes_max, .trailer_bytes_max = 8192};
    struct fl_slice in = fl_buf_slice(&p->in);
    size_t len = 0;
    enum fl_err err = fl_h1_head_find(in, head_bytes_max, false, &p->scanned, &len);
    if (!err && len > 0) {
        err = fl_h1_parse_request(fl_slice_first(in, len), &head);
    }
    fl_assert(!err); /* what the server sends is well-formed */
    if (len == 0) {
        return;
    }
    err = fl_h1_body_init(&p->body, &head, limits);
    fl_assert(!err);
    fl_buf_reset(&u->head);
    fl_buf_reset(&u->body);
    fl_buf_put(&u->head, fl_slice_first(in, len));
    fl_buf_drop(&p->in, len);
    u->body_bytes = 0;
    p->scanned = 0;
    p->in_body = true;
}

static void read_body(struct peer *p)
{
    struct upstream *u = p->upstream;
    struct fl_slice in = fl_buf_slice(&p->in), piece;
    while (!p->body.done && in.len > 0) {
        enum fl_err err = fl_h1_body_next(&p->body, &in, &piece);
        fl_assert(!err);
        u->body_bytes += piece.len;
        if (u->keep_body) {
            fl_buf_put(&u->body, piece);
        }
    }
    fl_buf_drop(&p->in, p->in.len - in.len);
    if (p->body.done) {
        p->in_body = false;
        on_request(p);
    }
}

static void on_bytes(void *owner, struct fl_slice bytes)
{
    struct peer *p = owner;
    fl_assert(!p->answer); /* the server does not pipeline */
    fl_buf_put(&p->in, bytes);
    if (!p->in_body) {
        read_head(p);
    }
    if (p->in_body) {
        read_body(p);
    }
}

static void on_ended(void *owner, enum fl_err err)
{
    (void)err;
    leave(owner);
}

static void on_drained(void *owner)
{
    struct peer *p = owner;
    if (p->answer && p->timer.slot == 0) {
        go_on(p);
    }
}

static void on_opened(void *owner, enum fl_err err)
{
    (void)owner;
    (void)err;
}

static void on_accepted(void *owner, struct fl_stream *stream, const struct fl_addr *from)
{
    static const struct fl_stream_events events = {on_opened, on_bytes, on_ended, on_drained, NULL, NULL};
    struct upstream *u = owner;
    struct peer *p = calloc(1, sizeof(*p));
    (void)from;
    fl_assert(p != NULL);
    p->upstream = u;
    p->stream = stream;
    p->timer.fire = on_timer;
    fl_buf_init(&p->in, head_bytes_max + body_bytes_max);
    fl_list_append(&u->peers, &p->link);
    u->connections++;
    u->connections_open++;
    stream->on = &events;
    stream->owner = p;
}

void upstream_open(struct upstream *u, struct fl_sys *sys)
{
    struct fl_addr any;
    bool ok = fl_addr_parse(FL_LIT("0.0.0.0:80"), &any);
    *u = (struct upstream){.sys = sys};
    fl_list_init(&u->peers);
    fl_buf_init(&u->head, head_bytes_max);
    fl_buf_init(&u->body, body_bytes_max);
    enum fl_err err = sys->ops->listen(sys, &any, on_accepted, u, &u->listener, NULL);
    fl_assert(ok && !err);
}

void upstream_hang_up(struct upstream *u, enum fl_close how)
{
    while (!fl_list_empty(&u->peers)) {
        drop(fl_container_of(u->peers.next, struct peer, link), how);
    }
}

void upstream_close(struct upstream *u)
{
    upstream_hang_up(u, FL_CLOSE_NOW);
    u->sys->ops->unlisten(u->sys, u->listener);
    fl_buf_finish(&u->head);
    fl_buf_finish(&u->body);
}

void upstream_plan(struct upstream *u, const struct upstream_answer *answers, unsigned count)
{
    u->answers = answers;
    u->answer_count = count;
    u->answer_next = 0;
}

void upstream_say(struct upstream *u, struct fl_slice bytes, enum upstream_end end)
{
    u->one = (struct upstream_part){bytes, 1, 0};
    u->one_answer = (struct upstream_answer){&u->one, 1, end};
    upstream_plan(u, &u->one_answer, 1);
}

/* --- what answers are made of --- */

void put_completion(struct fl_buf *b, const char *text)
{
    fl_buf_put_cstr(
        b,
        "{\"id\":\"c\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":");
    fl_buf_put_json(b, fl_slice_cstr(text));
    fl_buf_put_cstr(b, "},\"finish_reason\":\"stop\"}]}");
}

void put_chunk(struct fl_buf *b, struct fl_slice bytes)
{
    char line[18];
    fl_buf_put(b, fl_slice(line, fl_h1_chunk_line(line, bytes.len)));
    fl_buf_put(b, bytes);
    fl_buf_put_cstr(b, "\r\n");
}

void put_plain(struct fl_buf *b, enum upstream_framing framing, const char *text)
{
    struct fl_buf json;
    fl_buf_init(&json, 1 << 20);
    put_completion(&json, text);
    struct fl_slice body = fl_buf_slice(&json);
    fl_buf_put_cstr(b, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n");
    switch (framing) {
    case BY_LENGTH:
        fl_buf_put_cstr(b, "content-length: ");
        fl_buf_put_u64(b, body.len);
        fl_buf_put_cstr(b, "\r\n\r\n");
        fl_buf_put(b, body);
        break;
    case BY_CHUNKS:
        fl_buf_put_cstr(b, "transfer-encoding: chunked\r\n\r\n");
        put_chunk(b, fl_slice_first(body, body.len / 2));
        put_chunk(b, fl_slice_from(body, body.len / 2));
        fl_buf_put_cstr(b, "0\r\n\r\n");
        break;
    case BY_CLOSE:
        fl_buf_put_cstr(b, "\r\n");
        fl_buf_put(b, body);
        break;
    }
    fl_buf_finish(&json);
}

void put_delta(struct fl_buf *b, const char *text)
{
    fl_buf_put_cstr(b, "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":");
    fl_buf_put_json(b, fl_slice_cstr(text));
    fl_buf_put_cstr(b, "},\"finish_reason\":null}]}\n\n");
}

void put_finish(struct fl_buf *b)
{
    fl_buf_put_cstr(
        b, "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n");
}

void put_stream_head(struct fl_buf *b, enum upstream_framing framing)
{
    fl_buf_put_cstr(b, "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n");
    fl_buf_put_cstr(b, framing == BY_CHUNKS ? "transfer-encoding: chunked\r\n\r\n" : "\r\n");
}

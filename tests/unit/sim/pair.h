/* SPDX-License-Identifier: Apache-2.0 */
/* Two nodes of a world and a connection between them, with ends that record what happens to them.
 */
#ifndef FL_TESTS_SIM_PAIR_H
#define FL_TESTS_SIM_PAIR_H

#include "unit/cm.h"

#include "base/assert.h"
#include "base/hash.h"
#include "sim/fifo.h"
#include "sim/world.h"

#include <stdlib.h>

/* One end of a connection that records what happens to it. */
struct end {
    struct fl_sys *sys;
    struct fl_stream *stream;
    struct fl_fifo got;
    unsigned opened, ended, drained, pieces;
    enum fl_err open_err, end_err;
    uint64_t ended_ns;
    bool echo, close_at_end;
    size_t close_after; /* bytes got */
    enum fl_close close_how;
    struct fl_addr peer;
};

static inline void shut(struct end *e, enum fl_close how)
{
    fl_stream_close(e->stream, how);
    e->stream = NULL;
}

static inline void on_opened(void *owner, enum fl_err err)
{
    struct end *e = owner;
    e->opened++;
    e->open_err = err;
}

static inline void on_bytes(void *owner, struct fl_slice bytes)
{
    struct end *e = owner;
    e->pieces++;
    fl_fifo_put(&e->got, bytes.ptr, bytes.len);
    if (e->echo && fl_stream_write(e->stream, &bytes, 1) == FL_OK && e->stream->queued > 0) {
        e->stream->ops->pause(e->stream);
    }
    if (e->close_after > 0 && e->got.len >= e->close_after) {
        shut(e, e->close_how);
    }
}

static inline void on_ended(void *owner, enum fl_err err)
{
    struct end *e = owner;
    e->ended++;
    e->end_err = err;
    e->ended_ns = e->sys->now_ns;
    if (e->close_at_end) {
        shut(e, FL_CLOSE_FLUSH);
    }
}

static inline void on_drained(void *owner)
{
    struct end *e = owner;
    e->drained++;
    assert_int_equal(e->stream->queued, 0);
    if (e->echo) {
        e->stream->ops->resume(e->stream);
    }
}

static const struct fl_stream_events end_events = {on_opened, on_bytes, on_ended, on_drained, NULL, NULL};

/* Two nodes: a dials b, which listens at 10.0.0.2:80 under the name "b.test". */
struct pair {
    struct fl_world *w;
    struct end a, b;
    struct fl_listener *listener;
};

static inline void on_accepted(void *owner, struct fl_stream *stream, const struct fl_addr *peer)
{
    struct pair *p = owner;
    assert_null(p->b.stream);
    p->b.stream = stream;
    p->b.peer = *peer;
    stream->on = &end_events;
    stream->owner = &p->b;
}

static inline void setup(struct pair *p, uint64_t seed)
{
    struct fl_addr at;
    *p = (struct pair){.w = fl_world_create(seed)};
    p->a.sys = fl_world_sys(p->w, "10.0.0.1");
    p->b.sys = fl_world_sys(p->w, "10.0.0.2");
    fl_world_name(p->w, "b.test", "10.0.0.2");
    assert_true(fl_addr_parse(FL_LIT("0.0.0.0:80"), &at));
    assert_int_equal(p->b.sys->ops->listen(p->b.sys, &at, on_accepted, p, &p->listener, &at),
                     FL_OK);
}

static inline void teardown(struct pair *p)
{
    if (p->listener) {
        p->b.sys->ops->unlisten(p->b.sys, p->listener);
    }
    fl_fifo_finish(&p->a.got);
    fl_fifo_finish(&p->b.got);
    fl_world_destroy(p->w);
}

static inline void dial(struct pair *p, const char *host)
{
    assert_int_equal(
        p->a.sys->ops->dial(p->a.sys, fl_slice_cstr(host), 80, &end_events, &p->a, &p->a.stream),
        FL_OK);
}

static inline void write_text(struct end *e, const char *text)
{
    struct fl_slice piece = fl_slice_cstr(text);
    assert_int_equal(fl_stream_write(e->stream, &piece, 1), FL_OK);
}

static inline char pattern(size_t i)
{
    return (char)fl_mix64(i);
}

static inline void write_pattern(struct end *e, size_t count)
{
    char *bytes = malloc(count);
    for (size_t i = 0; i < count; i++) {
        bytes[i] = pattern(i);
    }
    struct fl_slice pieces[2] = {fl_slice(bytes, count / 3),
                                 fl_slice_from(fl_slice(bytes, count), count / 3)};
    assert_int_equal(fl_stream_write(e->stream, pieces, 2), FL_OK);
    memset(bytes, 0, count);
    free(bytes);
}

static inline void assert_pattern(const struct end *e, size_t count)
{
    struct fl_slice got = fl_fifo_slice(&e->got);
    assert_int_equal(got.len, count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(got.ptr[i], pattern(i));
    }
}

static inline bool both_open(void *owner)
{
    struct pair *p = owner;
    return p->a.opened > 0 && p->b.stream;
}

static inline void connect_pair(struct pair *p)
{
    dial(p, "10.0.0.2");
    assert_true(fl_world_run_until(p->w, both_open, p, FL_NS_S));
    assert_int_equal(p->a.open_err, FL_OK);
}

static inline struct fl_world_link plain_link(struct pair *p)
{
    struct fl_world_link link = fl_world_link(p->w);
    link.partial_permille = 0;
    link.late_permille = 0;
    return link;
}

static inline void plan(struct pair *p, const struct fl_world_link *link)
{
    fl_world_plan(p->w, "10.0.0.2:80", link, 1);
}

#endif

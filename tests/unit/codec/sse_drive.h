/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads an event stream that arrives in pieces as a relay would and writes down the events with
 * data as text. Each call sees a heap copy of exactly the bytes that have arrived and are not
 * consumed.
 */
#ifndef FL_TESTS_SSE_DRIVE_H
#define FL_TESTS_SSE_DRIVE_H

#include <stdlib.h>

#include "base/assert.h"
#include "codec/sse.h"

struct sse_run {
    struct fl_buf log;
    struct fl_buf raw; /* everything consumed */
    enum fl_err err;
    unsigned events; /* all, with and without data */
};

struct sse_stream {
    struct fl_sse sse;
    struct fl_buf joined;
    size_t max;
    struct sse_run *run;
};

static inline void sse_log_event(struct fl_buf *log, const struct fl_sse_event *e)
{
    if (e->data_lines > 0) {
        fl_buf_put(log, e->name);
        fl_buf_putc(log, '(');
        fl_buf_put_u64(log, e->data_lines);
        fl_buf_putc(log, ':');
        fl_buf_put(log, e->data);
        fl_buf_put(log, FL_LIT(")\n"));
    }
}

static inline void sse_arrived(struct sse_stream *s, struct fl_slice input, size_t visible,
                               bool at_end)
{
    struct sse_run *run = s->run;
    bool more = !run->err;
    while (more) {
        size_t len = visible - run->raw.len;
        char *copy = malloc(len > 0 ? len : 1);
        struct fl_sse_event e = {0};
        fl_assert(copy != NULL);
        if (len > 0) {
            memcpy(copy, input.ptr + run->raw.len, len);
        }
        run->err = fl_sse_next(&s->sse, fl_slice(copy, len), at_end, s->max, &s->joined, &e);
        more = !run->err && e.raw.len > 0;
        if (more) {
            fl_assert(e.raw.ptr == copy && e.raw.len <= len);
            sse_log_event(&run->log, &e);
            fl_buf_put(&run->raw, e.raw);
            run->events++;
        }
        free(copy);
    }
}

/* *first* bytes arrive, then *step* at a time (0: all the rest). finish with sse_run_finish(). */
static inline void sse_run(struct sse_run *run, size_t max, struct fl_slice input, size_t first,
                           size_t step)
{
    struct sse_stream s = {.max = max, .run = run};
    *run = (struct sse_run){0};
    fl_buf_init(&run->log, 1 << 22);
    fl_buf_init(&run->raw, 1 << 22);
    fl_buf_init(&s.joined, 1 << 22);
    for (size_t visible = first; visible<input.len; visible += step> 0 ? step : input.len) {
        sse_arrived(&s, input, visible, false);
    }
    sse_arrived(&s, input, input.len, false);
    sse_arrived(&s, input, input.len, true);
    fl_buf_put_cstr(&run->log, run->err ? fl_err_name(run->err) : "");
    fl_assert(fl_buf_ok(&run->log) && fl_buf_ok(&run->raw));
    fl_buf_finish(&s.joined);
}

static inline void sse_run_finish(struct sse_run *run)
{
    fl_buf_finish(&run->log);
    fl_buf_finish(&run->raw);
}

/* Same events and same bytes consumed, however *input* is cut. *every*: try only each that many-th
 * cut. */
static inline bool sse_split_invariant(size_t max, struct fl_slice input, size_t every)
{
    struct sse_run whole, cut;
    bool same = true;
    sse_run(&whole, max, input, input.len, 0);
    for (size_t at = 0; at < input.len && same; at += at == 0 ? 1 : every) {
        sse_run(&cut, max, input, at == 0 ? 1 : at, at == 0 ? 1 : 0);
        same = fl_slice_eq(fl_buf_slice(&whole.log), fl_buf_slice(&cut.log)) &&
               (whole.err || fl_slice_eq(fl_buf_slice(&whole.raw), fl_buf_slice(&cut.raw)));
        sse_run_finish(&cut);
    }
    sse_run_finish(&whole);
    return same;
}

#endif

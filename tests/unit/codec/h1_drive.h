/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs the HTTP/1 codec over the bytes of one connection as a server or client would, cut anywhere,
 * and writes down everything that came out as text, so that two runs can be compared byte by byte.
 * Each call sees a heap copy of exactly the bytes that have arrived, so that the sanitizer sees any
 * read beyond.
 */
#ifndef FL_TESTS_H1_DRIVE_H
#define FL_TESTS_H1_DRIVE_H

#include <stdlib.h>

#include "base/assert.h"
#include "codec/http1.h"

enum h1_end {
    H1_IDLE,      /* between messages */
    H1_MORE_HEAD, /* inside a head */
    H1_MORE_BODY, /* inside a body that does not end with the connection */
    H1_CLOSED,    /* the last message said close; what follows is not read */
    H1_REFUSED
};

struct h1_run {
    struct fl_buf log;
    enum h1_end end;
    enum fl_err err;
    size_t consumed;
    unsigned messages; /* whole ones */
};

struct h1_options {
    bool response;
    size_t head_max;
    struct fl_h1_body_limits limits;
};

struct h1_connection {
    struct h1_options options;
    struct h1_run *run;
    bool in_body;
    size_t scanned;
    struct fl_h1_head *head;
    struct fl_h1_body body;
};

static inline void h1_log_head(struct fl_buf *log, const struct fl_h1_head *head, bool response)
{
    static const char *const framings[] = {"none", "length", "chunked", "until-close"};
    if (response) {
        fl_buf_put_u64(log, (uint64_t)head->status);
    } else {
        fl_buf_put_cstr(log, fl_h1_method_text(head->method));
        fl_buf_putc(log, ' ');
        fl_buf_put(log, head->target);
        fl_buf_put(log, FL_LIT(" path="));
        fl_buf_put(log, head->path);
        fl_buf_put(log, FL_LIT(" host="));
        fl_buf_put(log, head->host);
    }
    fl_buf_put(log, FL_LIT(" 1."));
    fl_buf_put_u64(log, (uint64_t)head->minor);
    fl_buf_putc(log, ' ');
    fl_buf_put_cstr(log, framings[head->framing]);
    if (head->framing == FL_H1_LENGTH) {
        fl_buf_putc(log, '=');
        fl_buf_put_u64(log, head->content_length);
    }
    fl_buf_put_cstr(log, head->keep_alive ? " keep" : " close");
    fl_buf_put_cstr(log, head->expect_continue ? " expect" : "");
    for (unsigned i = 0; i < head->header_count; i++) {
        const struct fl_h1_header *h = &head->headers[i];
        fl_assert(fl_h1_name_id(h->name) == h->id);
        fl_buf_put(log, FL_LIT("\n  "));
        fl_buf_put(log, h->name);
        fl_buf_putc(log, '=');
        fl_buf_put(log, h->value);
    }
    fl_buf_put(log, FL_LIT("\n{"));
}

/* One step over what has arrived and is not consumed; false: nothing more to do with these bytes.
 */
static inline bool h1_step(struct h1_connection *c, struct fl_slice bytes, size_t *ret_used)
{
    struct h1_run *run = c->run;
    size_t len = 0;
    *ret_used = 0;
    if (!c->in_body) {
        run->err =
            fl_h1_head_find(bytes, c->options.head_max, !c->options.response, &c->scanned, &len);
        if (run->err || len == 0) {
            return false;
        }
        fl_assert(len <= bytes.len && len <= c->options.head_max);
        struct fl_slice head = fl_slice_first(bytes, len);
        run->err = c->options.response ? fl_h1_parse_response(head, false, c->head)
                                       : fl_h1_parse_request(head, c->head);
        if (!run->err) {
            h1_log_head(&run->log, c->head, c->options.response);
            run->err = fl_h1_body_init(&c->body, c->head, c->options.limits);
        }
        c->scanned = 0;
        c->in_body = true;
        *ret_used = run->err ? 0 : len;
        return !run->err;
    }
    if (!c->body.done) {
        struct fl_slice in = bytes, piece = FL_EMPTY;
        run->err = fl_h1_body_next(&c->body, &in, &piece);
        if (run->err) {
            return false;
        }
        fl_assert(in.len < bytes.len && in.ptr == bytes.ptr + (bytes.len - in.len));
        fl_buf_put(&run->log, piece);
        *ret_used = bytes.len - in.len;
    }
    return true;
}

static inline void h1_end_message(struct h1_connection *c)
{
    fl_buf_put(&c->run->log, FL_LIT("}\n"));
    c->run->messages++;
    c->in_body = false;
    if (!c->head->keep_alive) {
        c->run->end = H1_CLOSED;
    }
}

/* *visible* bytes have arrived. */
static inline void h1_arrived(struct h1_connection *c, struct fl_slice input, size_t visible)
{
    struct h1_run *run = c->run;
    while (run->end == H1_IDLE && !run->err && run->consumed < visible) {
        size_t len = visible - run->consumed, used = 0;
        char *copy = malloc(len);
        fl_assert(copy != NULL);
        memcpy(copy, input.ptr + run->consumed, len);
        bool going = h1_step(c, fl_slice(copy, len), &used);
        run->consumed += used;
        if (going && c->in_body && c->body.done) {
            h1_end_message(c);
        }
        free(copy);
        if (!going) {
            break;
        }
    }
}

static inline void h1_finish(struct h1_connection *c, size_t left)
{
    struct h1_run *run = c->run;
    if (run->err) {
        run->end = H1_REFUSED;
    } else if (run->end == H1_IDLE && c->in_body) {
        if (fl_h1_body_end(&c->body) == FL_OK) {
            h1_end_message(c);
        } else {
            run->end = H1_MORE_BODY;
        }
    } else if (run->end == H1_IDLE && left > 0) {
        run->end = H1_MORE_HEAD;
    }
    static const char *const ends[] = {"idle", "more head", "more body", "closed", "refused "};
    fl_buf_put_cstr(&run->log, ends[run->end]);
    fl_buf_put_cstr(&run->log, run->err ? fl_err_name(run->err) : "");
}

/* Runs *input* arriving in *step* bytes at a time (0: all at once), the first piece having *first*
 * bytes. finish with h1_run_finish(). */
static inline void h1_run(struct h1_run *run, struct h1_options options, struct fl_slice input,
                          size_t first, size_t step)
{
    struct h1_connection c = {.options = options, .run = run};
    *run = (struct h1_run){0};
    fl_buf_init(&run->log, 1 << 22);
    c.head = malloc(sizeof(*c.head));
    fl_assert(c.head != NULL);
    for (size_t visible = first; visible<input.len; visible += step> 0 ? step : input.len) {
        h1_arrived(&c, input, visible);
    }
    h1_arrived(&c, input, input.len);
    h1_finish(&c, input.len - run->consumed);
    fl_assert(fl_buf_ok(&run->log));
    free(c.head);
}

static inline void h1_run_finish(struct h1_run *run)
{
    fl_buf_finish(&run->log);
}

/* Does *input* give the same whatever way it is cut? Whole, byte by byte and in two at every point;
 * *every* > 1 tries only each that many-th point. */
static inline bool h1_split_invariant(struct h1_options options, struct fl_slice input,
                                      size_t every)
{
    struct h1_run whole, cut;
    bool same = true;
    h1_run(&whole, options, input, input.len, 0);
    for (size_t at = 0; at < input.len && same; at += at == 0 ? 1 : every) {
        h1_run(&cut, options, input, at == 0 ? 1 : at, at == 0 ? 1 : 0);
        same = fl_slice_eq(fl_buf_slice(&whole.log), fl_buf_slice(&cut.log));
        h1_run_finish(&cut);
    }
    h1_run_finish(&whole);
    return same;
}

#endif

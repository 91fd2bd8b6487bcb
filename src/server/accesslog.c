/* SPDX-License-Identifier: Apache-2.0 */
/* One JSON line a request, handed on in batches. Never a key, never prompt text. */
#include "server/internal.h"

enum { flush_ms = 100, line_bytes_max = 4096 };

static void put_seconds(struct fl_buf *b, const char *key, uint64_t ns)
{
    fl_buf_put_cstr(b, key);
    fl_buf_put_scaled(b, ns, 9, 6);
}

static void put_text(struct fl_buf *b, const char *key, struct fl_slice text)
{
    if (text.len > 0) {
        fl_buf_put_cstr(b, key);
        fl_buf_put_json(b, text);
    }
}

static void put_count(struct fl_buf *b, const char *key, uint64_t n)
{
    fl_buf_put_cstr(b, key);
    fl_buf_put_u64(b, n);
}

static void put_result(struct fl_buf *b, const struct fl_exchange *x)
{
    put_text(b, ",\"route\":", x->plan && x->plan->route ? x->plan->route->name : FL_EMPTY);
    if (x->served) {
        put_text(b, ",\"provider\":", x->served->provider);
        put_text(b, ",\"served_model\":", x->served_model);
    }
    put_count(b, ",\"attempts\":", x->note_count);
    if (x->dispatched_ns > 0) {
        put_seconds(b, ",\"overhead_s\":", x->dispatched_ns - x->ready_ns);
    }
    if (x->first_byte_ns > 0) {
        put_seconds(b, ",\"ttft_s\":", x->first_byte_ns - x->begun_ns);
    }
    if (x->used.known) {
        put_count(b, ",\"tokens_in\":", x->used.in);
        put_count(b, ",\"tokens_out\":", x->used.out);
    }
}

void fl_access_log(struct fl_exchange *x, int status, enum fl_err err)
{
    struct fl_worker *w = x->worker;
    struct fl_buf *b = &w->access;
    if (!w->options.access || !x->config->access_log) {
        return;
    }
    if (b->max - b->len < line_bytes_max) {
        w->access_timer.fire(&w->access_timer);
    }
    char line[line_bytes_max];
    struct fl_buf l;
    fl_buf_init_in(&l, line, sizeof(line));
    put_seconds(&l, "{\"ts\":", fl_worker_wall_ns(w));
    put_text(&l, ",\"request_id\":", x->request_id);
    fl_buf_put_cstr(&l, ",\"endpoint\":\"");
    if (x->pass) {
        fl_buf_put(&l, fl_slice_first(x->pass->path, 1 + fl_slice_find(fl_slice_from(x->pass->path, 1), '/')));
    } else {
        fl_buf_put_cstr(&l, x->feedback ? "/feedback" : x->dialect->paths[x->endpoint]);
    }
    fl_buf_put_cstr(&l, "\"");
    put_text(&l, ",\"model\":", fl_slice_first(x->model, 200));
    put_count(&l, ",\"status\":", (uint64_t)status);
    put_text(&l, ",\"outcome\":", fl_slice_cstr(fl_err_name(err)));
    fl_buf_put_cstr(&l, x->stream ? ",\"stream\":true" : ",\"stream\":false");
    put_seconds(&l, ",\"duration_s\":", w->sys->now_ns - x->begun_ns);
    put_count(&l, ",\"bytes_out\":", x->bytes_out);
    put_result(&l, x);
    if (x->replay) {
        fl_replayed_put_marks(x, &l);
    }
    put_text(&l, ",\"replayed\":", x->comeback ? fl_comeback_stream_id(x) : FL_EMPTY);
    put_text(&l, ",\"key\":", x->client_key_name);
    put_text(&l, ",\"client\":", x->user_agent);
    fl_buf_put_cstr(&l, "}\n");
    if (fl_buf_ok(&l)) {
        fl_buf_put(b, fl_buf_slice(&l));
    }
    if (w->access_timer.slot == 0) {
        fl_sys_timer_in(w->sys, &w->access_timer, flush_ms * FL_NS_MS);
    }
}

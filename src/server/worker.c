/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker: one loop's server.
 *
 *   create -> listen -> (adopt)* -> drain -> done -> destroy
 */
#include "server/internal.h"

#include <stdlib.h>
#include <time.h>

enum { access_flush_ms = 100, access_bytes = 64 * 1024, out_bytes = 64 * 1024 };

static void flush_access(struct fl_timer *timer)
{
    struct fl_worker *w = fl_container_of(timer, struct fl_worker, access_timer);
    if (w->access.len > 0 && w->options.access) {
        w->options.access(fl_buf_slice(&w->access));
    }
    fl_buf_reset(&w->access);
}

/* What is still under way is told so, each in its way; then everything is closed. */
static void drain_over(struct fl_timer *timer)
{
    struct fl_worker *w = fl_container_of(timer, struct fl_worker, drain_timer);
    while (!fl_list_empty(&w->exchanges)) {
        fl_exchange_shut(fl_container_of(w->exchanges.next, struct fl_exchange, link));
    }
    while (!fl_list_empty(&w->sessions)) {
        fl_session_close(fl_container_of(w->sessions.next, struct fl_session, link), FL_CLOSE_NOW);
    }
    fl_worker_session_gone(w);
}

/* The configuration's classifier, which lives as long as the snapshot is current. Without one, the one
 * that ships is made when first needed. */
static void take_classifier(struct fl_worker *w)
{
    const struct fl_config *c = w->current->snapshot->config;
    w->understanding->ready = c->classifier_given;
    if (c->classifier_given) {
        w->understanding->classifier = c->classifier;
    }
}

enum fl_err fl_worker_create(struct fl_sys *sys, struct fl_snapshot *snapshot,
                             struct fl_worker_options options, struct fl_worker **ret_worker)
{
    struct fl_worker *w = calloc(1, sizeof(*w));
    if (!w) {
        return FL_ERR_NOMEM;
    }
    w->sys = sys;
    w->options = options;
    fl_list_init(&w->upstreams);
    fl_list_init(&w->sessions);
    fl_list_init(&w->exchanges);
    fl_list_init(&w->listens);
    fl_rng_seed(&w->rng, options.seed);
    fl_buf_init(&w->access, access_bytes);
    fl_buf_init(&w->out, out_bytes);
    fl_buf_init(&w->replay_scratch.joined, SIZE_MAX / 2);
    fl_buf_init(&w->replay_scratch.stamped, SIZE_MAX / 2);
    fl_buf_init(&w->joined, snapshot->config->limits.event_bytes);
    fl_shelf_init(&w->exchange_shelf, sizeof(struct fl_exchange));
    fl_shelf_init(&w->asking_shelf, sizeof(struct fl_asking));
    fl_shelf_init(&w->attempt_shelf, sizeof(struct fl_attempt));
    w->drain_timer.fire = drain_over;
    w->access_timer.fire = flush_access;
    w->understanding = calloc(1, sizeof(*w->understanding));
    w->draft = calloc(1, sizeof(*w->draft));
    w->lesson_scratch = calloc(1, sizeof(*w->lesson_scratch));
    bool room = w->understanding && w->draft && w->lesson_scratch &&
                fl_buf_room(&w->out, out_bytes); /* heads never fail */
    w->bell_ready = fl_bell_init(&w->bell, sys);
    enum fl_err err = room && w->bell_ready ? FL_OK : FL_ERR_NOMEM;
    if (!err) {
        err = fl_upstreams_create(w, snapshot, &w->current);
    }
    if (!err) {
        take_classifier(w);
    }
    if (!err && options.index == 0) {
        w->checks = fl_health_checks_create(w);
        err = w->checks ? FL_OK : FL_ERR_NOMEM;
    }
    if (err) {
        fl_worker_destroy(w);
        return err;
    }
    *ret_worker = w;
    return FL_OK;
}

static void stop_listening(struct fl_listening *l)
{
    l->worker->sys->ops->unlisten(l->worker->sys, l->listener);
    fl_list_remove(&l->link);
    free(l);
}

static void stop_all_listening(struct fl_worker *w)
{
    while (!fl_list_empty(&w->listens)) {
        stop_listening(fl_container_of(w->listens.next, struct fl_listening, link));
    }
}

void fl_worker_destroy(struct fl_worker *w)
{
    if (!w) {
        return;
    }
    w->destroying = true;
    w->drained = NULL;
    stop_all_listening(w);
    while (!fl_list_empty(&w->sessions)) {
        fl_session_close(fl_container_of(w->sessions.next, struct fl_session, link), FL_CLOSE_NOW);
    }
    fl_health_checks_destroy(w->checks);
    if (w->current) {
        struct fl_upstreams *current = w->current;
        w->current = NULL;
        fl_upstreams_retire(current);
    }
    fl_assert(fl_list_empty(&w->exchanges) && fl_list_empty(&w->upstreams));
    flush_access(&w->access_timer);
    fl_timers_stop(&w->sys->timers, &w->access_timer);
    fl_timers_stop(&w->sys->timers, &w->drain_timer);
    fl_timers_stop(&w->sys->timers, &w->replay_timer);
    if (w->bell_ready) {
        fl_bell_finish(&w->bell);
    }
    fl_buf_finish(&w->replay_scratch.joined);
    fl_buf_finish(&w->replay_scratch.stamped);
    fl_buf_finish(&w->access);
    fl_buf_finish(&w->out);
    fl_buf_finish(&w->joined);
    fl_shelf_finish(&w->exchange_shelf);
    fl_shelf_finish(&w->asking_shelf);
    fl_shelf_finish(&w->attempt_shelf);
    free(w->unpacked);
    free(w->understanding);
    free(w->draft);
    free(w->lesson_scratch);
    free(w);
}

/* --- listening --- */

static bool same_addr(const struct fl_addr *a, const struct fl_addr *b)
{
    return a->family == b->family && a->port == b->port &&
           memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

static struct fl_listening *find_listening(struct fl_worker *w, const struct fl_addr *wanted)
{
    for (struct fl_list *at = w->listens.next; at != &w->listens; at = at->next) {
        struct fl_listening *l = fl_container_of(at, struct fl_listening, link);
        if (same_addr(&l->wanted, wanted)) {
            return l;
        }
    }
    return NULL;
}

static enum fl_err start_listening(struct fl_worker *w, const struct fl_addr *wanted,
                                   struct fl_listening **ret_listening)
{
    struct fl_listening *l = calloc(1, sizeof(*l));
    if (!l) {
        return FL_ERR_NOMEM;
    }
    l->worker = w;
    l->wanted = *wanted;
    fl_list_init(&l->link);
    enum fl_err err = w->sys->ops->listen(w->sys, wanted, fl_session_accepted, w, &l->listener, &l->bound);
    if (err) {
        free(l);
        return err;
    }
    fl_list_append(&w->listens, &l->link);
    *ret_listening = l;
    return FL_OK;
}

enum fl_err fl_worker_listen(struct fl_worker *w, struct fl_addr *ret_addrs)
{
    const struct fl_config *c = w->current->snapshot->config;
    for (unsigned i = 0; i < c->listen_count; i++) {
        struct fl_listening *l = find_listening(w, &c->listens[i].addr);
        enum fl_err err = l ? FL_OK : start_listening(w, &c->listens[i].addr, &l);
        if (err) {
            return err;
        }
        if (ret_addrs) {
            ret_addrs[i] = l->bound;
        }
    }
    return FL_OK;
}

static bool configured(const struct fl_config *c, const struct fl_addr *addr)
{
    for (unsigned i = 0; i < c->listen_count; i++) {
        if (same_addr(&c->listens[i].addr, addr)) {
            return true;
        }
    }
    return false;
}

void fl_worker_adopt(struct fl_worker *w, struct fl_snapshot *snapshot)
{
    struct fl_upstreams *old = w->current, *fresh;
    if (w->draining || fl_upstreams_create(w, snapshot, &fresh)) {
        return; /* the old one serves on */
    }
    w->current = fresh;
    take_classifier(w);
    fl_upstreams_retire(old);
    if (w->checks) {
        fl_health_checks_adopt(w->checks);
    }
    enum fl_err err = fl_worker_listen(w, NULL);
    if (err) {
        return; /* the caller has tried the addresses; what is open stays open */
    }
    struct fl_list *next;
    for (struct fl_list *at = w->listens.next; at != &w->listens; at = next) {
        struct fl_listening *l = fl_container_of(at, struct fl_listening, link);
        next = at->next;
        if (!configured(snapshot->config, &l->wanted)) {
            stop_listening(l);
        }
    }
}

/* --- draining --- */

void fl_worker_session_gone(struct fl_worker *w)
{
    if (w->draining && w->drained && fl_list_empty(&w->sessions)) {
        void (*done)(void *) = w->drained;
        w->drained = NULL;
        fl_timers_stop(&w->sys->timers, &w->drain_timer);
        done(w->drained_owner);
    }
}

void fl_worker_drain(struct fl_worker *w, void (*done)(void *owner), void *owner)
{
    struct fl_list *next;
    w->draining = true;
    w->drained = done;
    w->drained_owner = owner;
    stop_all_listening(w);
    for (struct fl_list *at = w->sessions.next; at != &w->sessions; at = next) {
        next = at->next;
        (void)fl_session_close_if_idle(fl_container_of(at, struct fl_session, link));
    }
    /* Also tells *done* when nothing is left now: from the loop, not from in here. */
    uint64_t in_ns = fl_list_empty(&w->sessions) ? 0 : w->current->snapshot->config->limits.drain_ns;
    if (w->drained) {
        fl_sys_timer_in(w->sys, &w->drain_timer, in_ns);
    }
}

/* --- small services --- */

uint64_t fl_worker_wall_ns(struct fl_worker *w)
{
    if (w->wall_turn_ns != w->sys->now_ns) {
        w->wall_turn_ns = w->sys->now_ns;
        w->wall_ns = w->sys->ops->wall_ns(w->sys);
    }
    return w->wall_ns;
}

struct fl_slice fl_worker_date(struct fl_worker *w)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    uint64_t now_s = fl_worker_wall_ns(w) / FL_NS_S;
    if (now_s != w->date_s) {
        time_t seconds = (time_t)now_s;
        struct tm tm;
        struct fl_buf b;
        (void)gmtime_r(&seconds, &tm);
        fl_buf_init_in(&b, w->date, sizeof(w->date));
        fl_buf_put(&b, fl_slice(days + 3 * tm.tm_wday, 3));
        fl_buf_put_cstr(&b, tm.tm_mday < 10 ? ", 0" : ", ");
        fl_buf_put_u64(&b, (uint64_t)tm.tm_mday);
        fl_buf_putc(&b, ' ');
        fl_buf_put(&b, fl_slice(months + 3 * tm.tm_mon, 3));
        fl_buf_putc(&b, ' ');
        fl_buf_put_u64(&b, (uint64_t)tm.tm_year + 1900);
        const int parts[] = {tm.tm_hour, tm.tm_min, tm.tm_sec};
        for (int i = 0; i < 3; i++) {
            fl_buf_putc(&b, i == 0 ? ' ' : ':');
            fl_buf_putc(&b, (char)('0' + parts[i] / 10));
            fl_buf_putc(&b, (char)('0' + parts[i] % 10));
        }
        fl_buf_put_cstr(&b, " GMT");
        w->date_s = now_s;
    }
    return fl_slice(w->date, 29);
}

/* UUIDv7 (RFC 9562 5.7): milliseconds, then random bits. */
/* Eight digits at once: each nibble to a byte of its own, then to its letter. */
static void put_hex8(char *to, uint32_t value)
{
    uint64_t n = value;
    n = (n | n << 16) & UINT64_C(0x0000ffff0000ffff);
    n = (n | n << 8) & UINT64_C(0x00ff00ff00ff00ff);
    n = (n | n << 4) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    uint64_t letters = (n + UINT64_C(0x0606060606060606)) >> 4 & UINT64_C(0x0101010101010101);
    n += UINT64_C(0x3030303030303030) + letters * ('a' - '0' - 10);
    for (unsigned i = 0; i < 8; i++) {
        to[i] = (char)(n >> (56 - 8 * i));
    }
}

void fl_worker_make_id(struct fl_worker *w, char ret_id[40])
{
    const uint64_t ms = fl_worker_wall_ns(w) / FL_NS_MS;
    const uint64_t a = fl_rng_next(&w->rng), c = fl_rng_next(&w->rng);
    const uint64_t high = ms << 16 | 0x7000 | (a & 0xfff); /* 48 bits of time */
    const uint64_t low = (0x8000 | ((a >> 12) & 0x3fff)) << 48 | (c & UINT64_C(0xffffffffffff));
    put_hex8(ret_id, (uint32_t)(high >> 32));
    ret_id[8] = '-';
    put_hex8(ret_id + 9, (uint32_t)high);
    memmove(ret_id + 14, ret_id + 13, 4);
    ret_id[13] = ret_id[18] = '-';
    put_hex8(ret_id + 19, (uint32_t)(low >> 32));
    memmove(ret_id + 24, ret_id + 23, 4);
    ret_id[23] = '-';
    put_hex8(ret_id + 28, (uint32_t)low);
    ret_id[36] = '\0';
}

void fl_worker_read(const struct fl_worker *w, struct fl_worker_stats *ret_stats)
{
    *ret_stats = w->stats;
    ret_stats->connections_idle = 0;
    for (const struct fl_list *at = w->upstreams.next; at != &w->upstreams; at = at->next) {
        const struct fl_upstreams *u =
            (const struct fl_upstreams *)(const void *)((const char *)at - offsetof(struct fl_upstreams, link));
        for (unsigned i = 0; i < u->snapshot->config->provider_count; i++) {
            ret_stats->connections_idle += u->pools[i].idle_count;
        }
    }
}

void fl_worker_check(const struct fl_worker *w)
{
    const struct fl_worker_stats *s = &w->stats;
    unsigned sessions = 0, exchanges = 0, seats = 0, queued = 0;
    for (const struct fl_list *at = w->sessions.next; at != &w->sessions; at = at->next) {
        sessions++;
    }
    for (const struct fl_list *at = w->exchanges.next; at != &w->exchanges; at = at->next) {
        const struct fl_exchange *x =
            (const struct fl_exchange *)(const void *)((const char *)at - offsetof(struct fl_exchange, link));
        exchanges++;
        seats += x->seat != NULL;
        fl_assert(x->session->exchange == x);
        /* Without a client there are only streams that one may come back for. */
        bool detached = x->session->state == FL_SESSION_DETACHED;
        fl_assert(!detached || (!x->session->stream && x->replay && x->state == FL_EXCHANGE_ANSWERING));
        fl_assert(!x->replay || !x->comeback);
        fl_assert(!x->seat || (x->alive_count == 0 && x->state == FL_EXCHANGE_TRYING));
    }
    for (const struct fl_list *at = w->upstreams.next; at != &w->upstreams; at = at->next) {
        const struct fl_upstreams *u =
            (const struct fl_upstreams *)(const void *)((const char *)at - offsetof(struct fl_upstreams, link));
        queued += u->queued;
    }
    fl_assert(seats == queued);
    fl_assert(s->sessions_open == sessions);
    fl_assert(s->exchanges_open == exchanges);
    fl_assert(s->exchanges == s->answered + s->failed + s->cancelled + exchanges);
    fl_assert(s->attempts_open <= FL_ALIVE_MAX * s->exchanges_open && s->exchanges_open <= s->sessions_open);
}

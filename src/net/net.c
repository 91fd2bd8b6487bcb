/* SPDX-License-Identifier: Apache-2.0 */
#include "net/internal.h"

#include "base/clock.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

struct watch {
    uv_signal_t uv;
    void (*fn)(void *owner, int signal_number);
    void *owner;
};

struct post {
    struct fl_letter letter;
    fl_net_fn *fn;
    void *owner;
};

static uint64_t clock_ns(struct fl_sys *sys)
{
    (void)sys;
    return uv_hrtime();
}

static uint64_t wall_ns(struct fl_sys *sys)
{
    struct timespec now = {0};
    (void)sys;
    int err = clock_gettime(CLOCK_REALTIME, &now);
    fl_assert(err == 0);
    return (uint64_t)now.tv_sec * FL_NS_S + (uint64_t)now.tv_nsec;
}

static void entropy(struct fl_sys *sys, void *ret_bytes, size_t count)
{
    char *at = ret_bytes;
    (void)sys;
    while (count > 0) {
        ssize_t n = getrandom(at, count, 0);
        fl_assert(n > 0 || errno == EINTR);
        if (n > 0) {
            at += n;
            count -= (size_t)n;
        }
    }
}

/* The bell is rung for letters too: the flag says that it was rung for woken(). It is set before and read
 * after, so that no call is lost. */
static void wake(struct fl_sys *sys)
{
    struct fl_net *net = fl_container_of(sys, struct fl_net, sys);
    atomic_store(&net->wakes, true);
    int err = uv_async_send(&net->bell);
    fl_assert(err == 0);
}

static const struct fl_sys_ops sys_ops = {.dial = fl_dial_start,
                                          .listen = fl_listen_start,
                                          .unlisten = fl_listen_stop,
                                          .clock_ns = clock_ns,
                                          .wall_ns = wall_ns,
                                          .entropy = entropy,
                                          .wake = wake};

/* The turn's steps */

static void on_alarm(uv_timer_t *alarm)
{
    struct fl_net *net = alarm->loop->data;
    net->alarm_ms = FL_NEVER; /* it only ends the poll; on_check fires the timers */
}

/* Before the poll: the turn ends, what it wrote is sent; libuv's timer is moved only when the first of ours has moved.
 * Rounded up to libuv's millisecond, so that ours is due when the poll ends. */
static void on_prepare(uv_prepare_t *prepare)
{
    struct fl_net *net = prepare->loop->data;
    fl_outbox_send(net);
    uint64_t next_ns = fl_timers_next(&net->sys.timers);
    uint64_t due_ms = next_ns == FL_NEVER ? FL_NEVER : (next_ns + FL_NS_MS - 1) / FL_NS_MS;
    net->in_turn = false;
    if (due_ms == net->alarm_ms) {
        return;
    }
    net->alarm_ms = due_ms;
    if (due_ms == FL_NEVER) {
        uv_timer_stop(&net->alarm);
        return;
    }
    uint64_t now_ms = uv_now(&net->loop);
    uv_timer_start(&net->alarm, on_alarm, due_ms > now_ms ? due_ms - now_ms : 0, 0);
}

static void on_check(uv_check_t *check)
{
    struct fl_net *net = check->loop->data;
    fl_net_enter(net);
    fl_timers_run(&net->sys.timers, net->sys.now_ns);
}

static void on_idle(uv_idle_t *idle)
{
    struct fl_net *net = idle->loop->data;
    struct fl_list now = net->deferred;
    uv_idle_stop(idle);
    if (fl_list_empty(&net->deferred)) {
        return;
    }
    now.next->prev = now.prev->next = &now;
    fl_list_init(&net->deferred);
    fl_net_enter(net);
    while (!fl_list_empty(&now)) {
        struct tcp *t = fl_container_of(now.next, struct tcp, deferred);
        fl_list_remove(&t->deferred);
        fl_tcp_run_deferred(t);
    }
}

void fl_tcp_defer(struct tcp *t)
{
    struct fl_net *net = fl_tcp_net(t);
    if (fl_list_empty(&t->deferred)) {
        fl_list_append(&net->deferred, &t->deferred);
        uv_idle_start(&net->idle, on_idle);
    }
}

static void on_bell(uv_async_t *bell)
{
    struct fl_net *net = bell->loop->data;
    fl_net_enter(net);
    fl_mail_open(net->mail);
    if (atomic_exchange(&net->wakes, false) && net->sys.woken) {
        net->sys.woken(net->sys.woken_owner);
    }
}

/* Life */

/* Starts a handle of libuv's that the loop itself needs; none of these can fail but for
 * descriptors. */
static int start_handles(struct fl_net *net)
{
    int err = uv_async_init(&net->loop, &net->bell, on_bell);
    if (err != 0) {
        return err;
    }
    (void)uv_prepare_init(&net->loop, &net->prepare);
    (void)uv_check_init(&net->loop, &net->check);
    (void)uv_idle_init(&net->loop, &net->idle);
    (void)uv_timer_init(&net->loop, &net->alarm);
    (void)uv_prepare_start(&net->prepare, on_prepare);
    (void)uv_check_start(&net->check, on_check);
    return 0;
}

enum fl_err fl_net_create(struct fl_net **ret_net)
{
    struct fl_net *net = calloc(1, sizeof(*net));
    if (!net) {
        return FL_ERR_NOMEM;
    }
    if (uv_loop_init(&net->loop) != 0) {
        free(net);
        return FL_ERR_SYS;
    }
    net->loop.data = net;
    net->sys.ops = &sys_ops;
    net->sys.now_ns = uv_hrtime();
    net->alarm_ms = FL_NEVER;
    net->reserve_fd = fl_net_reserve_fd();
    fl_timers_init(&net->sys.timers);
    fl_list_init(&net->deferred);
    fl_list_init(&net->lookups_waiting);
    fl_dns_init(&net->dns, fl_lookup_start);
    net->mail = fl_mail_create(&net->bell);
    if (!net->mail || start_handles(net) != 0) {
        fl_net_destroy(net);
        return FL_ERR_SYS;
    }
    /* A write to a connection that the peer has reset is an error here, not the end of the process.
     */
    (void)signal(SIGPIPE, SIG_IGN);
    *ret_net = net;
    return FL_OK;
}

static void on_watch_closed(uv_handle_t *handle)
{
    free(fl_container_of(handle, struct watch, uv));
}

static void drop_handle(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (uv_is_closing(handle)) {
        return;
    }
    if (handle->type == UV_TCP) {
        fl_tcp_drop(fl_container_of(handle, struct tcp, uv));
    } else if (handle->type == UV_POLL) {
        fl_listen_drop(handle);
    } else {
        uv_close(handle, handle->type == UV_SIGNAL ? on_watch_closed : NULL);
    }
}

void fl_net_destroy(struct fl_net *net)
{
    if (!net) {
        return;
    }
    net->closing = true;
    if (net->mail) {
        fl_mail_shut(net->mail);
    }
    fl_lookup_drop_waiting(net);
    fl_dns_finish(&net->dns);
    net->outbox.count = 0;
    uv_walk(&net->loop, drop_handle, NULL);
    /* Only close callbacks are left. */
    (void)uv_run(&net->loop, UV_RUN_DEFAULT);
    fl_timers_finish(&net->sys.timers);
    int err = uv_loop_close(&net->loop);
    fl_assert(err == 0);
    if (net->reserve_fd >= 0) {
        close(net->reserve_fd);
    }
    if (net->mail) {
        fl_mail_unref(net->mail);
    }
    free(net);
}

struct fl_sys *fl_net_sys(struct fl_net *net)
{
    return &net->sys;
}

void fl_net_run(struct fl_net *net)
{
    net->in_turn = false;
    fl_net_enter(net);
    (void)uv_run(&net->loop, UV_RUN_DEFAULT);
    fl_outbox_send(net);
}

void fl_net_stop(struct fl_net *net)
{
    uv_stop(&net->loop);
}

/* Other threads, signals */

static void post_open(struct fl_letter *letter)
{
    struct post post = *fl_container_of(letter, struct post, letter);
    free(fl_container_of(letter, struct post, letter));
    post.fn(post.owner);
}

static void post_drop(struct fl_letter *letter)
{
    free(fl_container_of(letter, struct post, letter));
}

bool fl_net_post(struct fl_net *net, fl_net_fn *fn, void *owner)
{
    struct post *post = malloc(sizeof(*post));
    if (!post) {
        return false;
    }
    *post = (struct post){{.open = post_open, .drop = post_drop}, fn, owner};
    if (!fl_mail_send(net->mail, &post->letter)) {
        free(post);
        return false;
    }
    return true;
}

static void on_signal(uv_signal_t *handle, int signal_number)
{
    struct watch *w = fl_container_of(handle, struct watch, uv);
    fl_net_enter(handle->loop->data);
    w->fn(w->owner, signal_number);
}

enum fl_err fl_net_signal(struct fl_net *net, int signal_number,
                          void (*fn)(void *owner, int signal_number), void *owner)
{
    struct watch *w = calloc(1, sizeof(*w));
    if (!w) {
        return FL_ERR_NOMEM;
    }
    if (uv_signal_init(&net->loop, &w->uv) != 0) {
        free(w);
        return FL_ERR_SYS;
    }
    w->fn = fn;
    w->owner = owner;
    if (uv_signal_start(&w->uv, on_signal, signal_number) != 0) {
        uv_close((uv_handle_t *)&w->uv, on_watch_closed);
        return FL_ERR_SYS;
    }
    return FL_OK;
}

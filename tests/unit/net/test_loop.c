/* SPDX-License-Identifier: Apache-2.0 */
/* The loop itself: timers, clock, posts, signals, several loops; many streams, and no descriptor left. */
#include "unit/net/rig.h"

#include "base/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Timers */

static char order[16];
static unsigned order_len;

struct named_timer {
    struct fl_timer timer;
    struct world *w;
    char name;
    uint64_t set_ns, fired_ns;
    struct named_timer *then;
    uint64_t then_ns;
};

static void on_named(struct fl_timer *timer)
{
    struct named_timer *n = fl_container_of(timer, struct named_timer, timer);
    order[order_len++] = n->name;
    n->fired_ns = n->w->sys->ops->clock_ns(n->w->sys);
    assert_true(n->w->sys->now_ns >= timer->at_ns);
    assert_true(n->w->sys->now_ns <= n->fired_ns);
    if (n->then) {
        n->then->set_ns = n->w->sys->now_ns;
        fl_sys_timer_in(n->w->sys, &n->then->timer, n->then_ns);
    } else if (n->name == 'z') {
        fl_net_stop(n->w->net);
    }
}

static void timers_fire_in_order_and_in_time(void **state)
{
    (void)state;
    struct world w;
    init(&w);
    struct named_timer z = {{.fire = on_named}, &w, 'z', 0, 0, NULL, 0};
    struct named_timer y = {{.fire = on_named}, &w, 'y', 0, 0, &z, 12 * FL_NS_MS};
    struct named_timer a = {{.fire = on_named}, &w, 'a', 0, 0, NULL, 0};
    struct named_timer b = {{.fire = on_named}, &w, 'b', 0, 0, &y, 0};
    struct named_timer never = {{.fire = on_named}, &w, '!', 0, 0, NULL, 0};
    order_len = 0;
    fl_sys_timer_in(w.sys, &b.timer, 20 * FL_NS_MS);
    fl_sys_timer_in(w.sys, &a.timer, 5 * FL_NS_MS);
    fl_sys_timer_in(w.sys, &never.timer, 6 * FL_NS_MS);
    fl_timers_stop(&w.sys->timers, &never.timer);
    fl_net_run(w.net);
    order[order_len] = '\0';
    assert_string_equal(order, "abyz");
    assert_true(z.fired_ns - z.set_ns >= 12 * FL_NS_MS);
    assert_true(z.fired_ns - z.set_ns < 5 * FL_NS_S);
    assert_true(y.fired_ns - y.set_ns < 5 * FL_NS_S);
    finish(&w);
}

static void wall_clock_and_entropy_are_there(void **state)
{
    (void)state;
    struct world w;
    uint64_t a[4] = {0}, b[4] = {0};
    init(&w);
    assert_true(w.sys->ops->wall_ns(w.sys) > UINT64_C(1700000000) * FL_NS_S);
    w.sys->ops->entropy(w.sys, a, sizeof(a));
    w.sys->ops->entropy(w.sys, b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
    finish(&w);
}

/* Threads, signals */

#define POSTS 2000

struct poster {
    struct world *w;
    unsigned *count;
};

static void count_post(void *owner)
{
    struct poster *p = owner;
    if (++*p->count == 3 * POSTS) {
        fl_net_stop(p->w->net);
    }
}

static void *poster_main(void *arg)
{
    struct poster *p = arg;
    for (int i = 0; i < POSTS; i++) {
        if (!fl_net_post(p->w->net, count_post, p)) {
            abort();
        }
    }
    return NULL;
}

static void other_threads_can_post(void **state)
{
    (void)state;
    struct world w;
    unsigned count = 0;
    struct poster p = {&w, &count};
    pthread_t threads[3];
    init(&w);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, poster_main, &p), 0);
    }
    fl_net_run(w.net);
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(count, 3 * POSTS);
    assert_true(fl_net_post(w.net, count_post, &p)); /* dropped by destroy */
    finish(&w);
    assert_int_equal(count, 3 * POSTS);
}

struct waker {
    struct fl_sys *sys;
    struct fl_net *net;
    atomic_uint made; /* calls of wake() */
    unsigned heard;   /* calls that some woken() came after */
    unsigned woken;
    bool inside; /* of wake(), on the loop's own thread */
};

static void on_woken(void *owner)
{
    struct waker *k = owner;
    assert_false(k->inside);
    k->woken++;
    k->heard = atomic_load(&k->made);
    if (k->heard == 3 * POSTS) {
        fl_net_stop(k->net);
    }
}

static void *waker_main(void *arg)
{
    struct waker *k = arg;
    for (int i = 0; i < POSTS; i++) {
        atomic_fetch_add(&k->made, 1);
        k->sys->ops->wake(k->sys);
    }
    return NULL;
}

/* No call is lost: after the last one, woken() comes once more; it may come for several at once. */
static void other_threads_can_wake(void **state)
{
    (void)state;
    struct world w;
    struct waker k = {0};
    pthread_t threads[3];
    init(&w);
    k.net = w.net;
    k.sys = fl_net_sys(w.net);
    k.sys->woken = on_woken;
    k.sys->woken_owner = &k;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, waker_main, &k), 0);
    }
    fl_net_run(w.net);
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(k.heard, 3 * POSTS);
    assert_in_range(k.woken, 1, 3 * POSTS);
    k.inside = true;
    k.sys->ops->wake(k.sys);
    k.inside = false;
    k.sys->woken = NULL; /* nobody is there any more: nothing happens */
    finish(&w);
}

static int signal_seen;

static void on_signal(void *owner, int signal_number)
{
    struct world *w = owner;
    signal_seen = signal_number;
    fl_net_stop(w->net);
}

static void signals_reach_the_loop(void **state)
{
    (void)state;
    struct world w;
    init(&w);
    assert_int_equal(fl_net_signal(w.net, SIGUSR1, on_signal, &w), FL_OK);
    assert_int_equal(fl_net_signal(w.net, SIGKILL, on_signal, &w), FL_ERR_SYS);
    raise(SIGUSR1);
    fl_net_run(w.net);
    assert_int_equal(signal_seen, SIGUSR1);
    finish(&w);
}

static void *worker_main(void *arg)
{
    struct world w;
    struct end client = {.on_opened = say_hello, .on_bytes = hello_is_back};
    struct end server = {.on_bytes = echo};
    (void)arg;
    init(&w);
    dial(&w, &client, &server);
    fl_net_run(w.net);
    finish(&w);
    return NULL;
}

static void loops_run_side_by_side(void **state)
{
    (void)state;
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, worker_main, NULL), 0);
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
    }
}

/* Many */

#define MANY 400

static unsigned many_done;

static void many_back(struct end *e, struct fl_slice bytes)
{
    (void)bytes;
    if (e->got_bytes == 11 && ++many_done == MANY) {
        fl_net_stop(e->w->net);
    }
}

static struct end many_clients[MANY], many_servers[MANY];

static void accepted_many(void *owner, struct fl_stream *stream, const struct fl_addr *peer)
{
    struct world *w = owner;
    struct end *e = &many_servers[w->accepted++];
    (void)peer;
    *e = (struct end){.w = w, .stream = stream, .on_bytes = echo};
    stream->on = &events;
    stream->owner = e;
}

static bool heap_is_measurable(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return false;
#else
    return true;
#endif
}

static void many_streams_are_small(void **state)
{
    (void)state;
    struct world w;
    struct fl_listener *listener;
    struct fl_addr any, addr;
    init(&w);
    assert_true(fl_addr_parse(FL_LIT("127.0.0.1:0"), &any));
    assert_int_equal(w.sys->ops->listen(w.sys, &any, accepted_many, &w, &listener, &addr), FL_OK);
    many_done = 0;
    size_t before = mallinfo2().uordblks;
    for (unsigned i = 0; i < MANY; i++) {
        many_clients[i] = (struct end){.w = &w, .on_opened = say_hello, .on_bytes = many_back};
        assert_int_equal(w.sys->ops->dial(w.sys, FL_LIT("127.0.0.1"), addr.port, &events,
                                          &many_clients[i], &many_clients[i].stream),
                         FL_OK);
    }
    fl_net_run(w.net);
    assert_int_equal(many_done, MANY);
    assert_int_equal(w.accepted, MANY);
    if (heap_is_measurable()) {
        size_t each = (mallinfo2().uordblks - before) / (2 * MANY);
        print_message("heap bytes per idle stream: %zu\n", each);
        assert_true(each <= 400);
    }
    finish(&w); /* closes them all */
}

static void workers_share_an_address(void **state)
{
    (void)state;
    struct world w;
    struct fl_listener *second, *none;
    struct fl_addr addr, taken;
    init(&w);
    assert_int_equal(w.sys->ops->listen(w.sys, &w.addr, accepted, &w, &second, &addr), FL_OK);
    assert_int_equal(addr.port, w.addr.port);
    w.sys->ops->unlisten(w.sys, second);
    assert_true(fl_addr_parse(FL_LIT("192.0.2.1:1"), &taken));
    assert_int_equal(w.sys->ops->listen(w.sys, &taken, accepted, &w, &none, &addr), FL_ERR_SYS);
    finish(&w);
}

/* Out of descriptors, in a process of its own */

static unsigned log_lines;

static void count_lines(enum fl_log_level level, struct fl_slice line)
{
    (void)level;
    (void)line;
    log_lines++;
}

static int raw_connect(const struct fl_addr *addr)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(addr->port)};
    memcpy(&in.sin_addr, addr->bytes, 4);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    return fd >= 0 && connect(fd, (struct sockaddr *)&in, sizeof(in)) == 0 ? fd : -1;
}

/* 0 = as it should be, else the line that is not. */
static int starve(void)
{
    struct world w;
    struct rlimit limit;
    int fds[4], held = -1;
    char byte;
    struct end sleeper = {.w = &w, .timer.fire = stop_timer};
    init(&w);
    fl_log_setup(FL_LOG_DEBUG, count_lines);
    for (int i = 0; i < 4; i++) { /* in the backlog */
        fds[i] = raw_connect(&w.addr);
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return __LINE__;
    }
    int next = dup(0); /* the lowest free descriptor */
    close(next);
    limit.rlim_cur = (rlim_t)next;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return __LINE__;
    }
    fl_sys_timer_in(w.sys, &sleeper.timer, 50 * FL_NS_MS);
    uint64_t turns = w.accepted;
    fl_net_run(w.net);
    for (int i = 0; i < 4; i++) { /* each was closed at once, none is left waiting */
        if (read(fds[i], &byte, 1) > 0 || w.accepted != turns) {
            return __LINE__;
        }
        close(fds[i]);
    }
    if (log_lines != 1) {
        return __LINE__;
    }
    struct end client = {.w = &w, .on_opened = stop};
    while ((held = dup(0)) >= 0) {
    }
    if (w.sys->ops->dial(w.sys, FL_LIT("127.0.0.1"), w.addr.port, &events, &client,
                         &client.stream) != FL_OK) {
        return __LINE__;
    }
    fl_net_run(w.net);
    if (client.opened_err != FL_ERR_SYS) {
        return __LINE__;
    }
    finish(&w);
    return 0;
}

static void descriptors_may_run_out(void **state)
{
    (void)state;
    int status = -1;
    pid_t pid = fork();
    if (pid == 0) {
        alarm(20);
        _exit(starve() == 0 ? 0 : 1);
    }
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(descriptors_may_run_out), /* first: forks before there are threads */
        cmocka_unit_test(timers_fire_in_order_and_in_time),
        cmocka_unit_test(wall_clock_and_entropy_are_there),
        cmocka_unit_test(other_threads_can_post),
        cmocka_unit_test(other_threads_can_wake),
        cmocka_unit_test(signals_reach_the_loop),
        cmocka_unit_test(loops_run_side_by_side),
        cmocka_unit_test(many_streams_are_small),
        cmocka_unit_test(workers_share_an_address),
    };
    return cmocka_run_group_tests_name("net_loop", tests, NULL, NULL);
}

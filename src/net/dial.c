/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Outbound streams until they are open.
 *
 *   name -> (waiting for dns) -> connecting to address n -> open
 *                                   ^          | error, or too slow
 *                                   '- closing-' when another address is left, else failed
 *
 * libuv wants a fresh handle for another try, and a handle is fresh only after its close callback.
 * An address that drops packets (broken IPv6 is the usual one) must not eat the owner's whole
 * patience: it gets a second while there is another; the last one has all the time the owner gives.
 */
#include "net/internal.h"

#include "base/clock.h"

#include <stdlib.h>

#define PATIENCE_NS FL_NS_S

struct fl_dial {
    struct fl_dns_wait wait;
    uv_connect_t req;
    struct tcp *t;
    struct fl_timer patience;
    struct fl_addr few[2]; /* most names have no more addresses */
    struct fl_addr *addrs; /* few, or of its own */
    unsigned addr_count;
    unsigned next; /* in addrs */
    uint16_t port;
    struct fl_parcel *first, **last; /* written before the stream is open */
    size_t host_len;
    char host[];
};

static void connect_next(struct fl_dial *dial);

void fl_dial_keep(struct fl_dial *dial, struct fl_parcel *parcel)
{
    parcel->next = NULL;
    *dial->last = parcel;
    dial->last = &parcel->next;
}

void fl_dial_cancel(struct fl_dial *dial)
{
    fl_timers_stop(&fl_tcp_net(dial->t)->sys.timers, &dial->patience);
    fl_dns_cancel(&dial->wait);
}

void fl_dial_free(struct fl_dial *dial)
{
    fl_timers_stop(&fl_tcp_net(dial->t)->sys.timers, &dial->patience);
    while (dial->first) {
        struct fl_parcel *next = dial->first->next;
        free(dial->first);
        dial->first = next;
    }
    if (dial->addrs != dial->few) {
        free(dial->addrs);
    }
    free(dial);
}

static void fail(struct fl_dial *dial, enum fl_err err)
{
    dial->t->flags |= FL_TCP_DIAL_FAILED;
    dial->t->end_err = (uint8_t)err;
    fl_tcp_defer(dial->t);
}

static void on_closed_for_next(uv_handle_t *handle)
{
    struct tcp *t = fl_container_of(handle, struct tcp, uv);
    struct fl_net *net = handle->loop->data;
    if (t->flags & FL_TCP_CLOSED) {
        fl_tcp_free(t);
        return;
    }
    int err = uv_tcp_init(&net->loop, &t->uv);
    fl_assert(err == 0);
    connect_next(t->extra.dial);
}

static void try_failed(struct fl_dial *dial, int status)
{
    if (status == UV_EMFILE || status == UV_ENFILE || status == UV_ENOMEM || status == UV_ENOBUFS) {
        fail(dial, FL_ERR_SYS);
    } else if (dial->next == dial->addr_count) {
        fail(dial, FL_ERR_CONNECT);
    } else {
        uv_close((uv_handle_t *)&dial->t->uv, on_closed_for_next);
    }
}

static void on_patience(struct fl_timer *timer)
{
    struct fl_dial *dial = fl_container_of(timer, struct fl_dial, patience);
    uv_close((uv_handle_t *)&dial->t->uv, on_closed_for_next);
}

static void opened(struct fl_dial *dial)
{
    struct tcp *t = dial->t;
    struct fl_net *net = fl_tcp_net(t);
    if (dial->next > 1) {
        fl_dns_prefer(&net->dns, fl_slice(dial->host, dial->host_len),
                      &dial->addrs[dial->next - 1]);
    }
    t->extra.dial = NULL;
    fl_tcp_opened(t);
    while (dial->first) {
        struct fl_parcel *parcel = dial->first;
        dial->first = parcel->next;
        fl_tcp_send(t, parcel);
    }
    fl_dial_free(dial);
    if (t->flags & FL_TCP_FINISHING && t->base.queued == 0) {
        fl_tcp_send_fin(t);
    }
    t->base.on->opened(t->base.owner, FL_OK);
}

static void on_connect(uv_connect_t *req, int status)
{
    struct fl_dial *dial = fl_container_of(req, struct fl_dial, req);
    fl_net_enter(fl_tcp_net(dial->t));
    if (status == UV_ECANCELED) {
        return; /* closed, by the owner or for another try: the close callback goes on */
    }
    fl_timers_stop(&fl_tcp_net(dial->t)->sys.timers, &dial->patience);
    if (status == 0) {
        opened(dial);
    } else {
        try_failed(dial, status);
    }
}

static void connect_next(struct fl_dial *dial)
{
    struct sockaddr_storage sockaddr;
    struct fl_addr addr = dial->addrs[dial->next++];
    addr.port = dial->port;
    (void)fl_net_to_sockaddr(&addr, &sockaddr);
    (void)uv_tcp_nodelay(&dial->t->uv, 1); /* there is no socket yet: cannot fail */
    int status =
        uv_tcp_connect(&dial->req, &dial->t->uv, (const struct sockaddr *)&sockaddr, on_connect);
    if (status != 0) {
        try_failed(dial, status);
    } else if (dial->next < dial->addr_count) {
        fl_sys_timer_in(&fl_tcp_net(dial->t)->sys, &dial->patience, PATIENCE_NS);
    }
}

/* Without memory for all of them the first ones must do. */
static void begin(struct fl_dial *dial, const struct fl_dns_answer *answer)
{
    const unsigned few = sizeof(dial->few) / sizeof(dial->few[0]);
    struct fl_addr *own = answer->count > few ? malloc(answer->count * sizeof(*own)) : NULL;
    dial->addrs = own ? own : dial->few;
    dial->addr_count = own || answer->count < few ? answer->count : few;
    memcpy(dial->addrs, answer->addrs, dial->addr_count * sizeof(*dial->addrs));
    if (dial->addr_count == 0) {
        fail(dial, FL_ERR_DNS);
    } else {
        connect_next(dial);
    }
}

static void on_name(struct fl_dns_wait *wait, const struct fl_dns_answer *answer)
{
    struct fl_dial *dial = fl_container_of(wait, struct fl_dial, wait);
    begin(dial, answer);
}

/* RFC 6761 6.3: "localhost" is this machine, whatever a resolver or a missing hosts file says. */
static bool is_localhost(struct fl_slice host, struct fl_dns_answer *ret_answer)
{
    if (!fl_slice_eq_nocase(host, FL_LIT("localhost"))) {
        return false;
    }
    ret_answer->count = 2;
    return fl_addr_parse_ip(FL_LIT("127.0.0.1"), &ret_answer->addrs[0]) &&
           fl_addr_parse_ip(FL_LIT("::1"), &ret_answer->addrs[1]);
}

enum fl_err fl_dial_start(struct fl_sys *sys, struct fl_slice host, uint16_t port,
                          const struct fl_stream_events *on, void *owner,
                          struct fl_stream **ret_stream)
{
    struct fl_net *net = fl_container_of(sys, struct fl_net, sys);
    struct fl_dns_answer answer = {0};
    struct fl_dial *dial = calloc(1, sizeof(*dial) + host.len);
    struct tcp *t = dial ? fl_tcp_create(net) : NULL;
    if (!t) {
        free(dial);
        return FL_ERR_NOMEM;
    }
    t->base.on = on;
    t->base.owner = owner;
    t->extra.dial = dial;
    fl_list_init(&dial->wait.node);
    dial->wait.done = on_name;
    dial->patience.fire = on_patience;
    dial->t = t;
    dial->port = port;
    dial->last = &dial->first;
    dial->addrs = dial->few;
    dial->host_len = host.len;
    if (host.len > 0) {
        memcpy(dial->host, host.ptr, host.len);
    }
    bool is_ip = fl_addr_parse_ip(host, &answer.addrs[0]);
    if (is_ip) {
        answer.count = 1;
    }
    if (is_ip || is_localhost(host, &answer) ||
        fl_dns_ask(&net->dns, host, sys->now_ns, &dial->wait, &answer)) {
        begin(dial, &answer);
    }
    *ret_stream = &t->base;
    return FL_OK;
}

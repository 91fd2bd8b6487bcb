/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names to addresses, remembered per loop. No I/O here: *start* begins a lookup somewhere and
 * fl_dns_done() brings its result, so that tests run this on any clock.
 *
 * An answer is fresh for 30 s. After that it is still served, up to 10 min, while one lookup
 * refreshes it, and also when that fails: a resolver that is down does not take the providers down.
 * "No such name" is believed for 2 s. All who ask for a name in flight share one lookup.
 */
#ifndef FL_NET_DNS_H
#define FL_NET_DNS_H

#include "base/addr.h"
#include "base/list.h"

#define FL_DNS_ADDRS_MAX  8
#define FL_DNS_NAME_MAX   253
#define FL_DNS_NAMES_MAX  256
#define FL_DNS_FRESH_S    30
#define FL_DNS_STALE_S    600
#define FL_DNS_NEGATIVE_S 2

struct fl_dns;

struct fl_dns_answer {
    struct fl_addr addrs[FL_DNS_ADDRS_MAX]; /* ports are 0 */
    unsigned count;                         /* 0: the name does not resolve */
};

/* Begins a lookup of *name*, which ends in fl_dns_done(), never from inside. False: cannot. */
typedef bool fl_dns_start_fn(struct fl_dns *dns, const char *name);

/* One who waits; embedded by the asker. */
struct fl_dns_wait {
    struct fl_list node;
    void (*done)(struct fl_dns_wait *wait, const struct fl_dns_answer *answer);
};

struct fl_dns {
    fl_dns_start_fn *start;
    struct fl_list names; /* struct name.node, last used first */
    unsigned count;
};

void fl_dns_init(struct fl_dns *dns, fl_dns_start_fn *start);
/* Forgets everything, waiters included. */
void fl_dns_finish(struct fl_dns *dns);
/* True: *ret_answer* holds what is known (count 0: no such name). False: wait->done() will be
 * called. */
bool fl_dns_ask(struct fl_dns *dns, struct fl_slice name, uint64_t now_ns, struct fl_dns_wait *wait,
                struct fl_dns_answer *ret_answer);
static inline void fl_dns_cancel(struct fl_dns_wait *wait)
{
    fl_list_remove(&wait->node);
}
/* The result of a lookup. */
void fl_dns_done(struct fl_dns *dns, struct fl_slice name, uint64_t now_ns,
                 const struct fl_dns_answer *answer);
/* *addr* answered where those before it did not: it is offered first until the next lookup. */
void fl_dns_prefer(struct fl_dns *dns, struct fl_slice name, const struct fl_addr *addr);

#endif

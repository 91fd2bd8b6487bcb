/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The real world behind fl_sys: one libuv loop, owned by one thread. Everything here is called by
 * that thread, except fl_net_post() and the wake() of fl_sys.
 *
 * What the contract of sys.h leaves open is so here:
 *   - A name is resolved on a thread of its own, remembered for 30 s and served stale up to 10 min
 *     (dns.h). Its addresses are tried in order; each but the last has a second.
 *   - A write that the kernel refuses is told once, by write(); one that fails out of the queue is
 *     told by the next write(). drained() still comes when the owner would otherwise wait for
 * nothing (it paused or was told the end); else the failure shows as ended(FL_ERR_RESET), after
 * what the peer still said.
 *   - FL_CLOSE_FLUSH waits for a slow reader of the queue (10 s without progress, 2 min in all),
 * reads and drops at most 1 MiB. Before opened() every close is FL_CLOSE_NOW.
 *   - A listener on [::] takes IPv4 as well. Out of descriptors, it takes connections and closes
 * them.
 */
#ifndef FL_NET_NET_H
#define FL_NET_NET_H

#include "base/sys.h"

struct fl_net;
typedef void fl_net_fn(void *owner);

/* Also makes the process ignore SIGPIPE. */
enum fl_err fl_net_create(struct fl_net **ret_net) FL_CHECK_RESULT;
/* Closes what is left, without events, and frees. Filters over its streams (TLS) are their owners'
 * to close before. Does not wait for name lookups in flight. NULL is fine. */
void fl_net_destroy(struct fl_net *net);
struct fl_sys *fl_net_sys(struct fl_net *net);
/* Runs until fl_net_stop(). */
void fl_net_run(struct fl_net *net);
/* From inside the loop (or posted): run() returns at the end of the turn. */
void fl_net_stop(struct fl_net *net);
/* From any thread: *fn* runs on the loop soon. False without memory. */
bool fl_net_post(struct fl_net *net, fl_net_fn *fn, void *owner);
/* *fn* runs on this loop each time the process gets the signal. */
enum fl_err fl_net_signal(struct fl_net *net, int signal_number,
                          void (*fn)(void *owner, int signal_number), void *owner) FL_CHECK_RESULT;
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The real world behind fl_sys: one libuv loop, owned by one thread. Everything here is called by
 * that thread, except fl_net_post().
 */
#ifndef FL_NET_NET_H
#define FL_NET_NET_H

#include "base/sys.h"

struct fl_net;
typedef void fl_net_fn(void *owner);

enum fl_err fl_net_create(struct fl_net **ret_net) FL_CHECK_RESULT;
/* Closes what is left and frees. NULL is fine. */
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

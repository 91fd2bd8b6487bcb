/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How threads call a worker: each worker has a bell, and whoever in it may be called has a call. A call that is
 * rung is answered on the worker's loop soon, once for any number of rings before that; what it is about stands
 * elsewhere, under a lock of its own.
 *
 * A call belongs to its worker's thread. Others find it under a lock and ring it under that lock; its owner takes
 * it out of their sight there before it cancels the call.
 */
#ifndef FL_SERVER_BELL_H
#define FL_SERVER_BELL_H

#include "base/list.h"
#include "base/sys.h"

#include <pthread.h>

struct fl_bell {
    pthread_mutex_t mutex;
    struct fl_list rung; /* struct fl_call */
    struct fl_sys *sys;
};

struct fl_call {
    struct fl_list link; /* in bell->rung, or alone */
    struct fl_bell *bell;
    void (*answer)(struct fl_call *call); /* on the loop; may cancel and free any call of its worker */
};

/* Sets the woken() of *sys*. The bell does not move. False without resources: not initialised. */
bool fl_bell_init(struct fl_bell *bell, struct fl_sys *sys) FL_CHECK_RESULT;
/* On the loop's thread, once all its calls are cancelled. */
void fl_bell_finish(struct fl_bell *bell);

void fl_call_init(struct fl_call *call, struct fl_bell *bell, void (*answer)(struct fl_call *call));
/* From any thread. */
void fl_call_ring(struct fl_call *call);
/* On the worker's thread: it is not answered any more. */
void fl_call_cancel(struct fl_call *call);

#endif

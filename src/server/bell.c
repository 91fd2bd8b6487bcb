/* SPDX-License-Identifier: Apache-2.0 */
#include "server/bell.h"

/* The first call that was rung, taken off; NULL: none. */
static struct fl_call *next_call(struct fl_bell *bell)
{
    struct fl_call *call = NULL;
    pthread_mutex_lock(&bell->mutex);
    if (!fl_list_empty(&bell->rung)) {
        call = fl_container_of(bell->rung.next, struct fl_call, link);
        fl_list_remove(&call->link);
    }
    pthread_mutex_unlock(&bell->mutex);
    return call;
}

/* Nothing else runs on this thread between taking a call off and answering it, so that it is still there. */
static void woken(void *owner)
{
    struct fl_bell *bell = owner;
    for (struct fl_call *call = next_call(bell); call; call = next_call(bell)) {
        call->answer(call);
    }
}

bool fl_bell_init(struct fl_bell *bell, struct fl_sys *sys)
{
    fl_assert(!sys->woken);
    if (pthread_mutex_init(&bell->mutex, NULL) != 0) {
        return false;
    }
    fl_list_init(&bell->rung);
    bell->sys = sys;
    sys->woken = woken;
    sys->woken_owner = bell;
    return true;
}

void fl_bell_finish(struct fl_bell *bell)
{
    fl_assert(fl_list_empty(&bell->rung));
    bell->sys->woken = NULL;
    pthread_mutex_destroy(&bell->mutex);
}

void fl_call_init(struct fl_call *call, struct fl_bell *bell, void (*answer)(struct fl_call *call))
{
    fl_list_init(&call->link);
    call->bell = bell;
    call->answer = answer;
}

void fl_call_ring(struct fl_call *call)
{
    struct fl_bell *bell = call->bell;
    pthread_mutex_lock(&bell->mutex);
    if (fl_list_empty(&call->link)) {
        fl_list_append(&bell->rung, &call->link);
        bell->sys->ops->wake(bell->sys);
    }
    pthread_mutex_unlock(&bell->mutex);
}

void fl_call_cancel(struct fl_call *call)
{
    pthread_mutex_lock(&call->bell->mutex);
    fl_list_remove(&call->link);
    pthread_mutex_unlock(&call->bell->mutex);
}

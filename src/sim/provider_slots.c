/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A provider that works on so many requests at a time.
 *
 *   waiting -> working -> freed                a deaf provider's jobs go the same way without their
 *        `--------`-> freed (client gone)      connection; a timer stands for it
 */
#include "sim/provider_impl.h"

#include <stdlib.h>

static void let_work(struct fl_simprovider *p);

static void on_deserted(struct fl_timer *timer)
{
    struct sim_job *job = fl_container_of(timer, struct sim_job, timer);
    struct fl_simprovider *p = job->provider;
    fl_list_remove(&job->link);
    free(job);
    p->slots_taken--;
    let_work(p);
}

static void work(struct sim_job *job)
{
    struct fl_simprovider *p = job->provider;
    job->working = true;
    job->end_ns = p->sys->now_ns + job->first_ns + job->rest_ns;
    p->slots_taken++;
    if (job->conn) {
        fl_sys_timer_in(p->sys, &job->conn->timer, job->first_ns);
    } else {
        fl_list_append(&p->deserted, &job->link);
        fl_timers_set(&p->sys->timers, &job->timer, job->end_ns);
    }
}

static void let_work(struct fl_simprovider *p)
{
    while (p->slots_taken < p->options.slots && !fl_list_empty(&p->waiting)) {
        struct sim_job *job = fl_container_of(p->waiting.next, struct sim_job, link);
        fl_list_remove(&job->link);
        fl_list_init(&job->link);
        p->stats.waiting--;
        work(job);
    }
}

bool sim_job_begin(struct sim_conn *c, uint64_t first_ns, uint64_t rest_ns)
{
    struct fl_simprovider *p = c->provider;
    struct sim_job *job = calloc(1, sizeof(*job));
    if (!job) {
        sim_drop(c, FL_CLOSE_RESET);
        return false;
    }
    *job = (struct sim_job){.provider = p,
                            .conn = c,
                            .first_ns = first_ns,
                            .rest_ns = rest_ns,
                            .timer = {.fire = on_deserted}};
    c->job = job;
    p->stats.waiting++;
    fl_list_append(&p->waiting, &job->link);
    let_work(p);
    return true;
}

void sim_job_end(struct sim_conn *c, bool done)
{
    struct fl_simprovider *p = c->provider;
    struct sim_job *job = c->job;
    if (!job) {
        return;
    }
    c->job = NULL;
    job->conn = NULL;
    if (p->options.deaf && !done && !job->working) {
        return; /* it waits on */
    }
    if (p->options.deaf && !done && job->end_ns > p->sys->now_ns) {
        fl_list_append(&p->deserted, &job->link);
        fl_timers_set(&p->sys->timers, &job->timer, job->end_ns);
        return;
    }
    if (job->working) {
        p->slots_taken--;
    } else {
        fl_list_remove(&job->link);
        p->stats.waiting--;
    }
    free(job);
    let_work(p);
}

void sim_jobs_finish(struct fl_simprovider *p)
{
    struct fl_list *lists[] = {&p->waiting, &p->deserted};
    for (unsigned i = 0; i < 2; i++) {
        while (!fl_list_empty(lists[i])) {
            struct sim_job *job = fl_container_of(lists[i]->next, struct sim_job, link);
            fl_timers_stop(&p->sys->timers, &job->timer);
            fl_list_remove(&job->link);
            free(job);
        }
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* One provider that says much, and a client that counts what it gets; windows are small, so that what piles up does
 * so in the server. */
#ifndef FL_TESTS_SIM_VOLUME_H
#define FL_TESTS_SIM_VOLUME_H

#include "sim/rig.h"
#include "sim/upstream.h"

#define MS(n) ((n)*FL_NS_MS)

enum { mega = 1 << 20, unit = 16384 };

struct scene {
    struct rig rig;
    struct upstream first;
    struct fl_buf head, filler, tail;
    struct upstream_part parts[3];
    struct upstream_answer answer;
};

static inline void open_scene(struct scene *s, const char *more)
{
    const struct rig_setup setup = {.providers = 1, .more = more};
    rig_open(&s->rig, 1);
    rig_exact(&s->rig);
    fl_world_mix(s->rig.world)->window_min = fl_world_mix(s->rig.world)->window_max = unit;
    upstream_open(&s->first, fl_world_sys(s->rig.world, "10.0.1.1"));
    fl_buf_init(&s->head, 65536);
    fl_buf_init(&s->filler, 65536);
    fl_buf_init(&s->tail, 65536);
    rig_serve(&s->rig, &setup, 1);
}

static inline void close_scene(struct scene *s)
{
    fl_world_run_for(s->rig.world, 80 * FL_NS_S);
    rig_check(&s->rig, rig_idle(&s->rig));
    rig_equal(&s->rig, fl_world_connections(s->rig.world), 0);
    rig_stop(&s->rig);
    upstream_close(&s->first);
    fl_buf_finish(&s->head);
    fl_buf_finish(&s->filler);
    fl_buf_finish(&s->tail);
    rig_close(&s->rig);
}

static inline void plan(struct scene *s, uint64_t times, enum upstream_end end)
{
    s->parts[0] = (struct upstream_part){fl_buf_slice(&s->head), 1, 0};
    s->parts[1] = (struct upstream_part){fl_buf_slice(&s->filler), times, 0};
    s->parts[2] = (struct upstream_part){fl_buf_slice(&s->tail), 1, 0};
    s->answer = (struct upstream_answer){s->parts, 3, end};
    upstream_plan(&s->first, &s->answer, 1);
}

static inline void put_many(struct fl_buf *b, char c, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        fl_buf_putc(b, c);
    }
}

static inline struct fl_simclient *counting(struct scene *s)
{
    struct fl_simclient_options options = fl_simclient_options("10.0.0.1", 80);
    options.keep_bytes = 4096;
    return rig_client(&s->rig, 0, &options);
}

#endif

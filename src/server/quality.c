/* SPDX-License-Identifier: Apache-2.0 */
#include "server/quality.h"

#include "base/assert.h"
#include "route/learn/preferences.h"
#include "route/quality/gate.h"
#include "route/quality/memory.h"
#include "route/quality/model.h"
#include "route/quality/pacing.h"
#include "route/state.h"

#include <math.h>
#include <stdlib.h>

enum {
    decisions_kept = 4096, /* that feedback may still name */
    ways = 8,              /* places a decision may have */
    liked_targets = 512,
    features_kept = 128, /* of a prompt, until feedback */
    tenant_slots = 64,
    bits_default = 14, /* without a model file */
    day_s = 86400,
    day_requests = 1000 /* expected of a first day */
};

/* A decision whose answer has ended. */
struct past {
    uint64_t tenant, route, target;
    struct fl_lesson lesson;
    int8_t head; /* -1: none */
    bool scored;
};

/* Whose the places of past decisions are, apart from them: to look for one is to read a line of memory. */
struct past_ids {
    uint64_t id[ways]; /* 0: free */
};

/* What is learned of one route by its name. */
struct ward {
    struct ward *next;
    uint64_t route, default_name; /* hashes */
    bool guarded;
    uint64_t budget_picousd; /* 0: not paced */
    uint64_t day_began_s;
    struct fl_pacing pacing;
    struct fl_gate gates[FL_HEADS_MAX];
};

struct fl_lessons {
    struct fl_lock lock;
    _Atomic bool judging, liking; /* heads are there and wanted; some route is by classification */
    bool trained;                 /* the heads come from a file */
    uint64_t model_hash;
    struct fl_heads heads;
    void *heads_memory;
    unsigned head_count; /* given away */
    uint64_t head_name[FL_HEADS_MAX];
    struct fl_memory memory;
    void *memory_memory;
    struct ward *wards;
    struct fl_preferences preferences;
    void *preferences_memory;
    uint64_t liked[liked_targets]; /* hashes of target ids; 0: free */
    struct past_ids past_ids[decisions_kept / ways];
    uint8_t past_next[decisions_kept / ways]; /* the place that is taken next: a free one or the oldest */
    struct past past[decisions_kept];
};

static const struct fl_hash_key no_key = {0, 0};

/* --- Making and unmaking --- */

struct fl_lessons *fl_lessons_create(void)
{
    struct fl_lessons *l = calloc(1, sizeof(*l));
    if (!l) {
        return NULL;
    }
    atomic_flag_clear(&l->lock.held);
    l->preferences_memory = calloc(1, fl_preferences_bytes(liked_targets));
    if (!l->preferences_memory) {
        free(l);
        return NULL;
    }
    fl_preferences_init(&l->preferences, liked_targets, l->preferences_memory);
    return l;
}

void fl_lessons_destroy(struct fl_lessons *l)
{
    struct ward *next = NULL;
    for (struct ward *w = l ? l->wards : NULL; w; w = next) {
        next = w->next;
        free(w);
    }
    if (l) {
        free(l->heads_memory);
        free(l->memory_memory);
        free(l->preferences_memory);
        free(l);
    }
}

/* --- Heads --- */

static int find_head(const struct fl_lessons *l, uint64_t name)
{
    for (unsigned i = 0; i < l->head_count; i++) {
        if (l->head_name[i] == name) {
            return (int)i;
        }
    }
    return -1;
}

/* What a model is worth of which nothing is known: what its tier stands for. */
static double prior_of(enum fl_tier tier)
{
    static const double of_tier[FL_TIER_COUNT] = {0.5, 0.5, 0.65, 0.8};
    return of_tier[tier];
}

/* The head of the target's model; a model that is new here gets one while there are any. */
static int head_of(struct fl_lessons *l, const struct fl_target *t)
{
    int head = find_head(l, t->kind_name);
    if (head >= 0 || t->model.len == 0 || l->head_count == FL_HEADS_MAX) {
        return head;
    }
    head = (int)l->head_count++;
    l->head_name[head] = t->kind_name;
    l->heads.bias.global[head] = (struct fl_bias_node){FL_BIAS_PRIOR, prior_of(t->tier) * FL_BIAS_PRIOR};
    return head;
}

static void *aligned(size_t bytes)
{
    return aligned_alloc(64, (bytes + 63) & ~(size_t)63);
}

static struct fl_heads_shape shape_of(unsigned bits)
{
    return (struct fl_heads_shape){FL_HEADS_MAX, bits, tenant_slots, true};
}

/* Takes weights and means of a file over into heads that have room for more models. */
static enum fl_err apply(struct fl_lessons *l, const struct fl_quality_model *m)
{
    struct fl_heads few;
    const struct fl_heads_shape shape = {m->head_count, m->row_bits, 0, false};
    void *memory = aligned(fl_heads_bytes(shape));
    if (!memory) {
        return FL_ERR_NOMEM;
    }
    fl_heads_init(&few, shape, 0.5, memory);
    fl_quality_apply(m, &few);
    for (uint32_t row = 0; row < 1U << m->row_bits; row++) {
        const int16_t *weights = few.weights + (size_t)row * few.stride;
        for (unsigned h = 0; h <= m->head_count; h++) {
            if (weights[h] != 0) {
                fl_heads_set(&l->heads, row, h < m->head_count ? h : FL_HEADS_MAX,
                             (double)weights[h] / FL_HEAD_ONE);
            }
        }
    }
    for (unsigned h = 0; h < m->head_count; h++) {
        char bare[FL_BARE_MAX];
        l->head_name[h] = fl_hash(no_key, fl_model_bare_name(m->names[h], bare));
        l->heads.bias.global[h] = few.bias.global[h];
        for (unsigned k = 0; k < FL_BIAS_CLASSES; k++) {
            l->heads.bias.classes[k * FL_HEADS_MAX + h] = few.bias.classes[k * m->head_count + h];
        }
    }
    l->head_count = m->head_count;
    free(memory);
    return FL_OK;
}

/* New heads, from a file (*bytes* not empty) or from nothing. */
static enum fl_err make_heads(struct fl_lessons *l, struct fl_slice bytes)
{
    struct fl_quality_model model = {.row_bits = bits_default};
    enum fl_err err = bytes.len > 0 ? fl_quality_read(bytes, &model, NULL) : FL_OK;
    struct fl_heads_shape shape = shape_of(model.row_bits);
    void *heads = err ? NULL : aligned(fl_heads_bytes(shape));
    void *memory = err ? NULL : calloc(1, fl_memory_bytes(decisions_kept, features_kept));
    if (!heads || !memory) {
        free(heads);
        free(memory);
        return err ? err : FL_ERR_NOMEM;
    }
    uint64_t kept = l->memory.kept; /* ids are not given twice */
    free(l->heads_memory);
    free(l->memory_memory);
    l->heads_memory = heads;
    l->memory_memory = memory;
    l->head_count = 0;
    fl_heads_init(&l->heads, shape, 0.5, heads);
    fl_memory_init(&l->memory, decisions_kept, features_kept, memory);
    l->memory.kept = kept;
    for (unsigned i = 0; i < decisions_kept; i++) { /* whose heads are gone */
        if (l->past_ids[i / ways].id[i % ways] != 0) {
            l->past[i].lesson.kept = 0;
            l->past[i].head = -1;
        }
    }
    return bytes.len > 0 ? apply(l, &model) : FL_OK;
}

/* --- Routes --- */

static struct ward *find_ward(const struct fl_lessons *l, uint64_t route)
{
    struct ward *w = l->wards;
    while (w && w->route != route) {
        w = w->next;
    }
    return w;
}

static uint64_t name_of(const struct fl_route *route)
{
    return route->name_hash ? route->name_hash : fl_hash(no_key, route->name);
}

static enum fl_err adopt_ward(struct fl_lessons *l, const struct fl_table *t, const struct fl_route *route)
{
    struct ward *w = find_ward(l, name_of(route));
    uint64_t name = 0;
    for (unsigned i = 0; route->guarded && i < t->target_count; i++) {
        name = t->targets[i].kind == route->default_kind ? t->targets[i].kind_name : name;
    }
    if (!w) {
        w = calloc(1, sizeof(*w));
        if (!w) {
            return FL_ERR_NOMEM;
        }
        w->route = name_of(route);
        w->next = l->wards;
        l->wards = w;
    }
    if (w->default_name != name) {
        for (unsigned h = 0; h < FL_HEADS_MAX; h++) {
            fl_gate_init(&w->gates[h], FL_GATE_TOLERANCE, FL_GATE_DELTA, FL_GATE_PROPENSITY_MIN);
        }
    }
    if (route->daily_budget_picousd > 0 && w->budget_picousd != route->daily_budget_picousd) {
        fl_pacing_init(&w->pacing, route->daily_budget_picousd, day_requests);
        w->day_began_s = 0;
    }
    w->default_name = name;
    w->guarded = route->guarded;
    w->budget_picousd = route->daily_budget_picousd;
    return FL_OK;
}

enum fl_err fl_lessons_adopt(struct fl_lessons *l, const struct fl_config *config)
{
    const struct fl_table *t = &config->table;
    enum fl_err err = FL_OK;
    if (!l) {
        return FL_OK;
    }
    bool trained = config->quality_model.len > 0, by_quality = trained, by_class = false;
    uint64_t hash = trained ? fl_hash(no_key, config->quality_model) : 0;
    fl_lock(&l->lock);
    for (unsigned i = 0; i < t->route_count; i++) {
        const struct fl_route *r = &t->routes[i];
        by_quality = by_quality || r->strategy == FL_STRATEGY_QUALITY;
        by_class = by_class || r->strategy == FL_STRATEGY_CLASSIFICATION;
        if (!err && (r->guarded || r->daily_budget_picousd > 0 || find_ward(l, name_of(r)))) {
            err = adopt_ward(l, t, r);
        }
    }
    bool fresh = by_quality && (!l->heads_memory || (trained && hash != l->model_hash));
    if (!err && fresh) {
        err = make_heads(l, config->quality_model);
        l->model_hash = err ? l->model_hash : hash;
        l->trained = err ? l->trained : trained;
    }
    atomic_store(&l->judging, by_quality && l->heads_memory);
    atomic_store(&l->liking, by_class);
    fl_unlock(&l->lock);
    return err;
}

bool fl_lessons_curious(const struct fl_lessons *l)
{
    return l && (atomic_load_explicit(&l->judging, memory_order_relaxed) ||
                 atomic_load_explicit(&l->liking, memory_order_relaxed));
}

/* --- Before a plan --- */

static struct fl_heads_case case_of(const struct fl_pupil *p)
{
    return (struct fl_heads_case){p->features, (unsigned)fl_task_best(p->probability) + 1, p->tenant};
}

/* The price of quality at this time of the route's day. */
static double price_of(struct ward *w, uint64_t now_s)
{
    struct fl_pacing *p = &w->pacing;
    uint64_t passed = now_s - w->day_began_s;
    if (w->day_began_s == 0 || passed >= day_s) {
        uint64_t expected = w->day_began_s > 0 && p->requests > 0 ? p->requests : day_requests;
        fl_pacing_renew(p);
        fl_pacing_expect(p, expected);
        w->day_began_s = now_s;
    } else if (passed > day_s / 24 && p->requests % 16 == 1) {
        fl_pacing_expect(p, p->requests * day_s / passed + 1);
    }
    return fl_pacing_price(p);
}

static void put_quality(struct fl_lessons *l, const struct fl_pupil *p, struct fl_lesson_scratch *s,
                        struct fl_route_request *r, struct fl_lesson *lesson)
{
    double quality[FL_HEADS_MAX];
    struct fl_heads_case x = case_of(p);
    fl_heads_score(&l->heads, &x, quality);
    struct ward *w = p->route->guarded || p->route->daily_budget_picousd > 0 ? find_ward(l, name_of(p->route)) : NULL;
    for (unsigned i = 0; i < p->route->target_count; i++) {
        const struct fl_target *t = &p->table->targets[p->route->targets[i]];
        int head = find_head(l, t->kind_name);
        bool guarded = w && w->guarded && t->kind != p->route->default_kind;
        s->quality[t->kind] = head >= 0 ? quality[head] : (double)NAN;
        s->unproven[t->kind] = guarded && (head < 0 || !fl_gate_open(&w->gates[head], x.task_class));
    }
    lesson->scored = true;
    for (unsigned h = 0; h < FL_HEADS_MAX; h++) {
        lesson->quality[h] = (uint16_t)(quality[h] * 65535 + 0.5);
    }
    r->quality = s->quality;
    r->quality_unproven = s->unproven;
    r->quality_count = p->table->target_count;
    r->quality_price = w && w->budget_picousd > 0 ? price_of(w, p->now_s) : 0;
    r->explore = FL_EXPLORE_EPSILON;
}

/* The place of a target's likings, or -1. */
static int find_liked(const struct fl_lessons *l, uint64_t target)
{
    for (unsigned i = 0; i < ways; i++) {
        unsigned at = (unsigned)(target + i) % liked_targets;
        if (l->liked[at] == target) {
            return (int)at;
        }
    }
    return -1;
}

static uint64_t id_of(const struct fl_target *t)
{
    uint64_t id = t->id_hash ? t->id_hash : fl_hash(no_key, t->id);
    return id ? id : 1;
}

static void put_liking(struct fl_lessons *l, const struct fl_pupil *p, struct fl_lesson_scratch *s,
                       struct fl_route_request *r)
{
    const struct fl_preferences none = {.pool = l->preferences.pool};
    float pool = (none.pool.sum + 1) / (none.pool.count + 2);
    for (unsigned i = 0; i < p->route->target_count; i++) {
        unsigned target = p->route->targets[i];
        int at = find_liked(l, id_of(&p->table->targets[target]));
        s->liking[target] =
            at >= 0 ? (float)fl_preference_expected(&l->preferences, p->probability, (unsigned)at) : pool;
    }
    r->liking = s->liking;
    r->explore = FL_EXPLORE_EPSILON;
}

void fl_lessons_put(struct fl_lessons *l, const struct fl_pupil *p, struct fl_lesson_scratch *s,
                    struct fl_route_request *r, struct fl_lesson *ret_lesson)
{
    enum fl_strategy strategy = r->strategy_given ? r->strategy : p->route->strategy;
    *ret_lesson = (struct fl_lesson){.task = (uint8_t)fl_task_best(p->probability)};
    for (unsigned k = 0; k < FL_TASK_COUNT; k++) {
        ret_lesson->share[k] = (uint8_t)(p->probability[k] * 255 + 0.5);
    }
    if (!l || p->table->target_count > FL_LESSON_TARGETS) {
        return;
    }
    bool judging = atomic_load_explicit(&l->judging, memory_order_relaxed) &&
                   (strategy == FL_STRATEGY_QUALITY || strategy == FL_STRATEGY_HYBRID);
    bool liking = strategy == FL_STRATEGY_CLASSIFICATION && atomic_load_explicit(&l->liking, memory_order_relaxed);
    if (!judging && !liking) {
        return;
    }
    fl_lock(&l->lock);
    if (judging && (strategy == FL_STRATEGY_QUALITY || l->trained)) {
        put_quality(l, p, s, r, ret_lesson);
    } else if (liking) {
        put_liking(l, p, s, r);
    }
    fl_unlock(&l->lock);
}

/* Shows the route's pacing what the request might have cost and been worth: by the plan's candidates, whose
 * models are judged and proven. */
static void show_pacing(const struct fl_lessons *l, const struct fl_pupil *p, const struct fl_plan *plan,
                        const struct fl_lesson *lesson)
{
    struct ward *w = p->route->daily_budget_picousd > 0 ? find_ward(l, name_of(p->route)) : NULL;
    double quality[FL_PLAN_MAX];
    uint64_t cost_picousd[FL_PLAN_MAX];
    unsigned count = 0;
    for (unsigned i = 0; w && w->budget_picousd > 0 && i < plan->candidate_count; i++) {
        const struct fl_candidate *c = &plan->candidates[i];
        const struct fl_target *t = &p->table->targets[c->target];
        int head = find_head(l, t->kind_name);
        bool guarded = w->guarded && t->kind != p->route->default_kind;
        if (c->skip == FL_SKIP_NONE && c->priced && head >= 0 &&
            !(guarded && !fl_gate_open(&w->gates[head], lesson->task + 1u))) {
            quality[count] = lesson->quality[head] / 65535.0;
            cost_picousd[count++] = c->cost_p50;
        }
    }
    if (count > 0) {
        fl_pacing_see(&w->pacing, quality, cost_picousd, count);
    }
}

void fl_lessons_keep(struct fl_lessons *l, const struct fl_pupil *p, const struct fl_plan *plan,
                     struct fl_lesson *lesson)
{
    lesson->propensity = (float)plan->propensity;
    if (!l || plan->count == 0 || !atomic_load_explicit(&l->judging, memory_order_relaxed)) {
        return;
    }
    struct fl_heads_case x = case_of(p);
    fl_lock(&l->lock);
    if (lesson->scored) {
        show_pacing(l, p, plan, lesson);
    }
    int head = head_of(l, &p->table->targets[plan->targets[0]]);
    if (head >= 0 && plan->propensity > 0) {
        double propensity = plan->propensity < 1 ? plan->propensity : 1;
        lesson->kept = fl_memory_keep(&l->memory, &l->heads, &x, (unsigned)head, propensity);
    }
    fl_unlock(&l->lock);
}

/* --- Learning --- */

/* NULL: not kept, or not any more. */
static struct past *find_past(struct fl_lessons *l, uint64_t id)
{
    unsigned set = (unsigned)(id % (decisions_kept / ways));
    for (unsigned i = 0; i < ways; i++) {
        if (l->past_ids[set].id[i] == id) {
            return &l->past[set * ways + i];
        }
    }
    return NULL;
}

/* Its own place, or the next one of its set. */
static struct past *place_of(struct fl_lessons *l, uint64_t id)
{
    unsigned set = (unsigned)(id % (decisions_kept / ways)), next = l->past_next[set];
    struct past *found = find_past(l, id);
    if (found) {
        return found;
    }
    l->past_ids[set].id[next] = id;
    l->past_next[set] = (uint8_t)((next + 1) % ways);
    return &l->past[set * ways + next];
}

static unsigned place_of_liked(struct fl_lessons *l, uint64_t target)
{
    unsigned least = (unsigned)target % liked_targets;
    int found = find_liked(l, target);
    if (found >= 0) {
        return (unsigned)found;
    }
    for (unsigned i = 0; i < ways; i++) {
        unsigned at = (unsigned)(target + i) % liked_targets;
        if (l->liked[at] == 0) {
            least = at;
            break;
        }
        least = l->preferences.target[at].count < l->preferences.target[least].count ? at : least;
    }
    fl_preferences_forget(&l->preferences, least);
    l->liked[least] = target;
    return least;
}

static void like(struct fl_lessons *l, const struct past *p, struct fl_reward reward)
{
    double probability[FL_TASK_COUNT];
    for (unsigned k = 0; k < FL_TASK_COUNT; k++) {
        probability[k] = p->lesson.share[k] / 255.0;
    }
    fl_preferences_learn_part(&l->preferences, place_of_liked(l, p->target), probability, reward.value,
                              reward.confidence);
}

static void pace(struct fl_lessons *l, const struct fl_lesson_end *end)
{
    struct ward *w = end->route->daily_budget_picousd > 0 ? find_ward(l, name_of(end->route)) : NULL;
    if (w && w->budget_picousd > 0) {
        fl_pacing_charge(&w->pacing, end->cost_picousd);
    }
}

void fl_lessons_end(struct fl_lessons *l, const struct fl_lesson *lesson, const struct fl_lesson_end *end)
{
    if (!l) {
        return;
    }
    fl_lock(&l->lock);
    struct past *p = place_of(l, end->decision_id);
    *p = (struct past){.tenant = end->tenant,
                       .route = name_of(end->route),
                       .target = id_of(end->served),
                       .lesson = *lesson,
                       .head = -1};
    if (lesson->kept > 0) {
        p->head = (int8_t)head_of(l, end->served);
    }
    if (p->head >= 0) {
        fl_memory_answered(&l->memory, lesson->kept, (unsigned)p->head);
        (void)fl_memory_ended(&l->memory, &l->heads, lesson->kept, end->signals);
    }
    struct fl_reward reward = fl_reward_of(end->signals);
    if (atomic_load_explicit(&l->liking, memory_order_relaxed) && reward.confidence > 0) {
        like(l, p, reward);
    }
    pace(l, end);
    fl_unlock(&l->lock);
}

/* Only what users and judges say decides whether another model is as good. */
static void guard(struct fl_lessons *l, const struct past *p, double score)
{
    struct ward *w = find_ward(l, p->route);
    int dflt = w && w->guarded ? find_head(l, w->default_name) : -1;
    if (dflt < 0 || p->head < 0 || !p->lesson.scored) {
        return;
    }
    double propensity = (double)p->lesson.propensity, q_default = p->lesson.quality[dflt] / 65535.0;
    for (unsigned h = 0; h < l->head_count; h++) {
        bool asked_default = p->head == dflt;
        if (h != (unsigned)dflt && (asked_default || h == (unsigned)p->head)) {
            fl_gate_observe(&w->gates[h], p->lesson.task + 1U, asked_default ? FL_GATE_DEFAULT : FL_GATE_CHEAP,
                            score, propensity, p->lesson.quality[h] / 65535.0, q_default);
        }
    }
}

static void take_score(struct fl_lessons *l, struct past *p, double score)
{
    const struct fl_signals signals = {.scored = true, .score = score};
    p->scored = true;
    if (p->head >= 0) {
        (void)fl_feedback_apply(&l->memory, &l->heads, p->lesson.kept, score);
    }
    like(l, p, fl_reward_of(&signals));
    guard(l, p, score);
}

enum fl_scored fl_lessons_score(struct fl_lessons *l, uint64_t decision_id, uint64_t tenant, double score)
{
    enum fl_scored result = FL_SCORED_UNKNOWN;
    fl_assert(score >= 0 && score <= 1);
    if (!l || decision_id == 0) {
        return result;
    }
    fl_lock(&l->lock);
    struct past *p = find_past(l, decision_id);
    if (p && p->tenant == tenant) {
        result = p->scored ? FL_SCORED_AGAIN : FL_SCORED;
        if (!p->scored) {
            take_score(l, p, score);
        }
    }
    fl_unlock(&l->lock);
    return result;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* From a request's facts to its plan, and from what came of it to its decision record. */
#include "route/estimate.h"
#include "server/internal.h"
#include "server/prefer.h"

/* The route a model name means. A name that nobody configured goes to the providers that take any model
 * (route "*"), when there is one; the wildcards themselves are not names for clients. */
static const struct fl_route *find_route(const struct fl_table *t, struct fl_slice model)
{
    if (model.ptr[model.len - 1] == '*') {
        return NULL;
    }
    const struct fl_route *route = fl_route_find(t, model);
    return route ? route : fl_route_find(t, FL_LIT("*"));
}

static void refuse_model(struct fl_exchange *x)
{
    char text[700];
    struct fl_buf b;
    struct fl_slice near = fl_route_suggest(&x->config->table, x->asking->facts.model);
    fl_buf_init_in(&b, text, sizeof(text));
    fl_buf_put_cstr(&b, "The model '");
    fl_buf_put(&b, fl_slice_first(x->asking->facts.model, 200));
    fl_buf_put_cstr(&b, "' does not exist here.");
    if (near.len > 0) {
        fl_buf_put_cstr(&b, " Did you mean '");
        fl_buf_put(&b, fl_slice_first(near, 200));
        fl_buf_put_cstr(&b, "'?");
    }
    fl_buf_put_cstr(&b, " GET /v1/models lists the models; \"auto\" lets fairlead choose.");
    fl_exchange_refuse(x, FL_ERR_MODEL_UNKNOWN, fl_buf_slice(&b), "model");
}

uint64_t fl_exchange_tenant(const struct fl_exchange *x)
{
    return x->client_key_name.len > 0 ? fl_hash((struct fl_hash_key){0, 0}, x->client_key_name) : 0;
}

static struct fl_asker asker_of(const struct fl_exchange *x)
{
    const struct fl_hash_key key = {0, 0};
    return (struct fl_asker){
        .tenant = fl_exchange_tenant(x),
        .model = fl_hash(key, x->model),
        .now_s = x->choice->wall_ns / 1000000000,
    };
}

/* Is the answer's count of tokens ours to tell? Of embeddings not every other dialect tells one. */
static bool must_count(const struct fl_exchange *x, const struct fl_route *route)
{
    if (x->endpoint != FL_ENDPOINT_EMBEDDINGS || route->target_count == 0) {
        return x->endpoint == FL_ENDPOINT_COUNT_TOKENS;
    }
    const struct fl_target *t = &x->config->table.targets[route->targets[0]];
    return x->upstreams->pools[t->provider_index].dialect->embed_form != NULL;
}

/* Is there anything that a closer look at the text could decide? Reading it costs more than relaying a short
 * answer. A single target's own limits are told by its provider. */
static bool is_choice(const struct fl_exchange *x, const struct fl_route *route)
{
    const struct fl_wishes *w = &x->wishes;
    return route->target_count > 1 || route->tier != FL_TIER_UNKNOWN || route->max_cost_picousd > 0 ||
           w->tier != FL_TIER_UNKNOWN || w->max_cost_given || w->explain != FL_EXPLAIN_NO ||
           x->asking->facts.models.type != FL_JSON_NONE || must_count(x, route);
}

/* Targets of any model become those of the one that was named, for as long as the exchange lives. */
static void name_targets(struct fl_exchange *x, const struct fl_route *route, int64_t now_s)
{
    struct fl_named named[FL_NAMED_MAX];
    x->named_count = fl_config_named(x->config, route, x->asking->facts.model, now_s, named);
    if (x->named_count > 0) {
        size_t bytes = x->named_count * sizeof(*named);
        struct fl_named *kept = fl_arena_take(&x->arena, bytes);
        if (kept) {
            memcpy(kept, named, bytes);
        }
        x->named = kept;
        x->named_count = kept ? x->named_count : 0;
    }
}

/* *client_key* lives as long as the request. */
static struct fl_route_request request_of(struct fl_exchange *x, const struct fl_route *route,
                                          char client_key[16])
{
    const struct fl_wishes *w = &x->wishes;
    struct fl_understanding *u = x->worker->understanding;
    struct fl_route_request r = {
        .now_ns = x->worker->sys->now_ns,
        .when_s = (int64_t)(x->choice->wall_ns / 1000000000),
        .deadline_ns = x->deadline_ns,
        .client = fl_route_client_key(x->session->peer.family, x->session->peer.bytes, client_key),
        .session = w->session,
        .tier = w->tier,
        .max_cost_given = w->max_cost_given,
        .max_cost_picousd = w->max_cost_picousd,
        .strategy_given = w->strategy_given,
        .strategy = w->selection.strategy,
        .algorithm_given = w->strategy_given && w->selection.algorithm_given,
        .algorithm = w->selection.algorithm,
    };
    name_targets(x, route, r.when_s);
    r.named = x->named;
    r.named_count = x->named_count;
    if (is_choice(x, route) && !x->pass) {
        struct fl_asker asker = asker_of(x);
        fl_understand(x->dialect, &x->asking->facts, u);
        fl_understood_keep(u, x->expected);
        fl_understood_put(u, x->worker->options.knowledge, &asker, &x->config->table, route, &r);
    } else {
        fl_plain_put(&x->asking->facts, &r);
        x->expected = NULL;
    }
    x->tokens_in = r.tokens_in;
    x->tools = (r.needs & FL_NEED_TOOLS) != 0;
    x->tokens_out = r.tokens_out_p90 > 0 ? r.tokens_out_p90 : r.tokens_out;
    r.needs |= x->endpoint == FL_ENDPOINT_COMPLETIONS ? FL_NEED_COMPLETIONS : 0u;
    r.needs |= x->endpoint == FL_ENDPOINT_EMBEDDINGS ? FL_NEED_EMBEDDINGS : 0u;
    r.needs |= x->pass ? FL_NEED_PASS : 0u;
    return r;
}

static struct fl_pupil pupil_of(const struct fl_exchange *x, const struct fl_route *route)
{
    const struct fl_understanding *u = x->worker->understanding;
    return (struct fl_pupil){.table = &x->config->table,
                             .route = route,
                             .features = &u->features,
                             .probability = u->probability,
                             .tenant = fl_exchange_tenant(x),
                             .now_s = x->choice->wall_ns / 1000000000};
}

static void refuse_plan(struct fl_exchange *x, const struct fl_route_request *request)
{
    char text[1024];
    struct fl_buf b;
    fl_buf_init_in(&b, text, sizeof(text));
    fl_plan_put_refusal(&x->config->table, x->plan, request, &b);
    fl_exchange_refuse(x, x->plan->err, fl_buf_slice(&b), "model");
}

static void copy_text(char *to, size_t cap, struct fl_slice text)
{
    size_t len = text.len < cap - 1 ? text.len : cap - 1;
    memcpy(to, text.ptr, len);
    to[len] = '\0';
}

static void begin_record(struct fl_exchange *x)
{
    struct fl_choice *c = &x->worker->draft->decision.choice;
    memset(c, 0, offsetof(struct fl_choice, plan.candidates));
    x->choice = c;
    x->plan = &c->plan;
    x->expected = &x->worker->draft->expected;
    x->lesson = &x->worker->draft->lesson;
    *x->lesson = (struct fl_lesson){.task = FL_TASK_OTHER, .share = {[FL_TASK_OTHER] = UINT8_MAX}};
    c->id = x->decision_id;
    c->wall_ns = fl_worker_wall_ns(x->worker);
    c->config = x->config;
}

/* What is used of the draft, for as long as the exchange lives: a stream may last for minutes. */
static bool keep_record(struct fl_exchange *x)
{
    size_t bytes = fl_choice_bytes(x->choice), expected_bytes = x->expected ? fl_expected_bytes(x->expected) : 0;
    struct fl_choice *c = fl_arena_take(&x->arena, bytes);
    struct fl_expected *e = expected_bytes > 0 ? fl_arena_take(&x->arena, expected_bytes) : NULL;
    struct fl_lesson *l = fl_arena_take(&x->arena, sizeof(*l));
    if (x->arena.failed) {
        fl_exchange_refuse(x, FL_ERR_NOMEM, FL_EMPTY, NULL);
        return false;
    }
    *l = *x->lesson;
    memcpy(c, x->choice, bytes);
    if (e) {
        memcpy(e, x->expected, expected_bytes);
    }
    x->choice = c;
    x->plan = &c->plan;
    x->expected = e;
    x->lesson = l;
    return true;
}

/* --- further targets --- */

enum { models_max = 8 };

/* What the body asks for, over what the route says; headers go before it. False: it was refused. */
static bool prefer(struct fl_exchange *x, struct fl_preference *p, struct fl_route_request *request)
{
    fl_preference_read(&x->asking->facts, x->config, &x->arena, p);
    if (p->wrong) {
        fl_exchange_refuse(x, FL_ERR_REQUEST, fl_slice_cstr(p->wrong), "provider");
        return false;
    }
    request->denied = p->denied;
    if (p->sort_given && !request->strategy_given) {
        request->strategy_given = true;
        request->strategy = p->sort.strategy;
    }
    return true;
}

/* The targets of the names that the client would fall back on. When nothing else can be tried, the first of them
 * that can is the plan. */
static void plan_alternatives(struct fl_exchange *x, const struct fl_slice *names, unsigned count,
                              const struct fl_route_request *request, const struct fl_preference *p)
{
    const struct fl_table *t = &x->config->table;
    struct fl_plan *more = &x->worker->draft->more;
    for (unsigned i = 0; i < count; i++) {
        const struct fl_route *route = find_route(t, names[i]);
        if (!route) {
            continue; /* unknown here, as it may be at any of the client's other routers */
        }
        fl_route_plan(t, route, request, &x->worker->rng, more);
        fl_preference_order(p, x->config, more);
        if (more->err) {
            continue;
        }
        uint32_t fresh = UINT32_MAX;
        if (x->plan->err) {
            *x->plan = *more;
        } else {
            (void)fl_plan_append(t, x->plan, more, &fresh);
        }
        for (unsigned place = 0; place < x->plan->count; place++) {
            x->asked[place] = fresh & (UINT32_C(1) << place) ? names[i] : x->asked[place];
        }
    }
}

static uint32_t plan_rescue(struct fl_exchange *x, const struct fl_route *route,
                            const struct fl_route_request *request)
{
    struct fl_plan *more = &x->worker->draft->more;
    uint32_t fresh = 0;
    if (!route || x->plan->err) {
        return 0;
    }
    fl_route_plan(&x->config->table, route, request, &x->worker->rng, more);
    uint32_t places = more->err ? 0 : fl_plan_append(&x->config->table, x->plan, more, &fresh);
    x->held_places |= fresh;
    return places;
}

/* The targets that only a certain refusal leads to. They stand in the plan, and are left alone until then. */
static void plan_rescues(struct fl_exchange *x, const struct fl_route *route, struct fl_route_request *request)
{
    x->context_places = plan_rescue(x, route->on_context, request);
    x->policy_places = plan_rescue(x, route->on_policy, request);
}

static bool name_places(struct fl_exchange *x, struct fl_slice name)
{
    x->asked = fl_arena_take(&x->arena, FL_PLAN_MAX * sizeof(*x->asked));
    for (unsigned place = 0; x->asked && place < FL_PLAN_MAX; place++) {
        x->asked[place] = name;
    }
    return x->asked != NULL;
}

bool fl_decide(struct fl_exchange *x)
{
    char client_key[16];
    const struct fl_table *t = &x->config->table;
    struct fl_slice names[models_max];
    struct fl_preference preference;
    const struct fl_route *route = find_route(t, x->asking->facts.model);
    unsigned name_count = fl_preference_models(&x->asking->facts, &x->arena, models_max, names), unknown = 0;
    for (; !route && unknown < name_count; unknown++) {
        route = find_route(t, names[unknown]);
    }
    if (!route) {
        refuse_model(x);
        return false;
    }
    begin_record(x);
    struct fl_route_request request = request_of(x, route, client_key);
    if (!prefer(x, &preference, &request)) {
        return false;
    }
    fl_choice_note(x->choice, &request);
    struct fl_pupil pupil = pupil_of(x, route);
    struct fl_lessons *lessons = x->worker->options.lessons;
    if (x->expected) {
        fl_lessons_put(lessons, &pupil, x->worker->lesson_scratch, &request, x->lesson);
    }
    x->schema_asked = (request.needs & FL_NEED_JSON_SCHEMA) != 0;
    fl_route_plan(t, route, &request, &x->worker->rng, x->plan);
    fl_preference_order(&preference, x->config, x->plan);
    if (name_count > 0 && !name_places(x, unknown > 0 ? names[unknown - 1] : x->asking->facts.model)) {
        fl_exchange_refuse(x, FL_ERR_NOMEM, FL_EMPTY, NULL);
        return false;
    }
    plan_alternatives(x, names + unknown, name_count - unknown, &request, &preference);
    plan_rescues(x, route, &request);
    if (x->wishes.explain == FL_EXPLAIN_ONLY) {
        fl_reply_decision(x);
        return false;
    }
    if (x->plan->err) {
        refuse_plan(x, &request);
        return false;
    }
    if (x->expected) {
        fl_lessons_keep(lessons, &pupil, x->plan, x->lesson);
    }
    return keep_record(x);
}

static uint64_t since_begin(const struct fl_exchange *x, uint64_t at_ns)
{
    return at_ns > x->begun_ns ? at_ns - x->begun_ns : 0;
}

bool fl_exchange_cost(const struct fl_exchange *x, const struct fl_usage *usage, uint64_t *ret_picousd)
{
    const struct fl_target *served = x->served;
    for (unsigned i = 0; served && i < x->named_count; i++) {
        served = &x->config->table.targets[x->named[i].index] == x->served ? &x->named[i].target : served;
    }
    return served && usage->known &&
           fl_cost_exact(served, usage, (int64_t)(x->choice->wall_ns / 1000000000), ret_picousd);
}

void fl_decide_teach(struct fl_exchange *x, const struct fl_usage *usage)
{
    if (x->taught || !x->choice || !x->served) {
        return;
    }
    x->taught = true;
    struct fl_lesson_end end = {.decision_id = x->decision_id,
                                .tenant = fl_exchange_tenant(x),
                                .route = x->plan->route,
                                .served = x->served,
                                .signals = &x->signals};
    if (x->expected) {
        struct fl_asker asker = asker_of(x);
        fl_knowledge_learn(x->worker->options.knowledge, x->expected, &asker, x->served, usage);
    }
    x->signals.ended = true;
    (void)fl_exchange_cost(x, usage, &end.cost_picousd);
    fl_lessons_end(x->worker->options.lessons, x->lesson, &end);
}

void fl_decide_used(struct fl_exchange *x, const struct fl_usage *usage)
{
    x->used = (struct fl_used){.known = usage->known,
                               .in = usage->tokens_in,
                               .out = usage->tokens_out,
                               .cached = usage->tokens_cached};
    x->used.priced = fl_exchange_cost(x, usage, &x->used.cost_picousd);
}

static struct fl_decision *make_record(struct fl_exchange *x)
{
    struct fl_decision *d = &x->worker->draft->decision;
    memset(d, 0, offsetof(struct fl_decision, choice));
    if (x->choice != &d->choice) {
        memcpy(&d->choice, x->choice, fl_choice_bytes(x->choice));
    }
    copy_text(d->request_id, sizeof(d->request_id), x->request_id);
    copy_text(d->model, sizeof(d->model), x->model);
    d->used = x->used;
    return d;
}

const struct fl_decision *fl_decide_record(struct fl_exchange *x)
{
    return make_record(x);
}

void fl_decide_done(struct fl_exchange *x, int status, enum fl_err err)
{
    if (!x->choice || !x->plan->route || x->wishes.explain == FL_EXPLAIN_ONLY) {
        return;
    }
    struct fl_decision *d = make_record(x);
    d->ended = true;
    d->streamed = x->stream;
    d->served = x->served;
    d->attempts = x->note_count;
    for (unsigned i = 0; i < x->note_count; i++) {
        const struct fl_attempt_note *n = &x->notes[i];
        bool lost = n->err != FL_OK;
        d->lost_picousd += lost && n->priced ? n->cost_picousd : 0;
        if (i < FL_DECISION_TRIES) {
            d->tries[i] = (struct fl_decision_try){.target = n->target,
                                                   .err = n->err,
                                                   .status = n->status,
                                                   .priced = n->priced,
                                                   .estimated = n->estimated,
                                                   .took_ns = n->took_ns,
                                                   .cost_picousd = n->cost_picousd};
        }
    }
    d->status = status;
    d->err = err;
    d->first_byte_ns = since_begin(x, x->first_byte_ns);
    d->total_ns = since_begin(x, x->worker->sys->now_ns);
    fl_decisions_put(x->worker->options.decisions, x->worker->options.index, d);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request of a client.
 *
 *   READING -> TRYING -> ANSWERING -> ENDED
 *      |          |  ^        `-> ENDED (broken: an error event, then the connection is cut)
 *      |          |  `- an attempt failed and another target may be tried
 *      |          `-> ENDED (the answer was a refusal, or no target is left)
 *      `-> ENDED (refused before any attempt)
 *
 * However it ends, it ends once: detach() takes it off its session, and the session goes on.
 */
#include "server/internal.h"


enum { arena_chunk_bytes = 1024, arena_bytes = 256 * 1024 };

static void exchange_due(struct fl_timer *timer);

static void enter(struct fl_exchange *x, enum fl_exchange_state state)
{
    static const bool allowed[FL_EXCHANGE_STATE_COUNT][FL_EXCHANGE_STATE_COUNT] = {
        [FL_EXCHANGE_READING] = {[FL_EXCHANGE_TRYING] = true, [FL_EXCHANGE_ENDED] = true},
        [FL_EXCHANGE_TRYING] = {[FL_EXCHANGE_ANSWERING] = true, [FL_EXCHANGE_ENDED] = true},
        [FL_EXCHANGE_ANSWERING] = {[FL_EXCHANGE_ENDED] = true},
    };
    fl_assert(allowed[x->state][state]);
    x->state = state;
}

/* --- making one --- */

static bool id_ok(struct fl_slice id)
{
    for (size_t i = 0; i < id.len; i++) {
        char c = id.ptr[i];
        bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
                  c == '_' || c == '-';
        if (!ok) {
            return false;
        }
    }
    return id.len >= 1 && id.len <= 128;
}

/* What the client allows in all: the shorter of X-Stainless-Timeout (seconds) and x-fairlead-timeout-ms. */
static uint64_t client_budget_ns(const struct fl_h1_head *head)
{
    const struct fl_h1_header *h = fl_h1_find(head, FL_H_X_STAINLESS_TIMEOUT);
    uint64_t budget = FL_NEVER, n = 0;
    if (h && fl_slice_decimal_e9(h->value, &n) && n > 0) {
        budget = n;
    }
    h = fl_h1_find(head, FL_H_X_FAIRLEAD_TIMEOUT_MS);
    if (h && fl_slice_u64(h->value, &n) && n > 0 && n < UINT64_C(1000000000) && n * FL_NS_MS < budget) {
        budget = n * FL_NS_MS;
    }
    return budget;
}

/* What an Anthropic provider must hear from its client: beta features, by header and by query. */
static void take_passed(struct fl_exchange *x, const struct fl_h1_head *head)
{
    enum { passed_bytes_max = 4096, query_bytes_max = 512 };
    const struct fl_h1_header *beta = fl_h1_find_text(head, FL_LIT("anthropic-beta"));
    struct fl_slice query = fl_slice_from(head->target, head->path.len);
    char memory[passed_bytes_max];
    struct fl_buf b;
    fl_buf_init_in(&b, memory, sizeof(memory));
    if (beta) {
        fl_h1_put_parsed(&b, beta);
        x->asking->betas = fl_arena_copy(&x->arena, fl_slice_first(beta->value, passed_bytes_max));
    }
    x->asking->passed = fl_buf_ok(&b) ? fl_arena_copy(&x->arena, fl_buf_slice(&b)) : FL_EMPTY;
    x->asking->query = query.len <= query_bytes_max ? fl_arena_copy(&x->arena, query) : FL_EMPTY;
}

static void take_identity(struct fl_exchange *x, const struct fl_h1_head *head)
{
    const struct fl_h1_header *id = fl_h1_find(head, FL_H_X_REQUEST_ID);
    const struct fl_h1_header *agent = fl_h1_find(head, FL_H_USER_AGENT);
    if (id && id_ok(id->value)) {
        x->request_id = fl_arena_copy(&x->arena, id->value);
    }
    if (x->request_id.len == 0) {
        char made[40];
        fl_worker_make_id(x->worker, made);
        x->request_id = fl_arena_copy(&x->arena, fl_slice_cstr(made));
    }
    if (x->dialect == &fl_dialect_anthropic) {
        take_passed(x, head);
    }
    if (agent && x->config->access_log) {
        x->user_agent = fl_arena_copy(&x->arena, fl_slice_first(agent->value, 200));
    }
}

struct fl_exchange *fl_exchange_create(struct fl_session *s, enum fl_endpoint endpoint,
                                       const struct fl_h1_head *head)
{
    struct fl_worker *w = s->worker;
    struct fl_exchange *x = fl_shelf_take(&w->exchange_shelf);
    struct fl_asking *asking = x ? fl_shelf_take(&w->asking_shelf) : NULL;
    if (!asking) {
        if (x) {
            fl_shelf_give(&w->exchange_shelf, x);
        }
        return NULL;
    }
    memset(x, 0, offsetof(struct fl_exchange, room));
    *asking = (struct fl_asking){0};
    x->asking = asking;
    x->session = s;
    x->worker = w;
    x->upstreams = w->current;
    fl_upstreams_ref(x->upstreams);
    x->config = x->upstreams->snapshot->config;
    fl_assert(x->config->limits.attempts <= FL_ATTEMPTS_MAX);
    x->dialect = s->dialect;
    x->endpoint = endpoint;
    x->keep_alive = head->keep_alive;
    x->http10 = head->minor == 0;
    x->begun_ns = w->sys->now_ns;
    uint64_t budget = client_budget_ns(head), total = x->config->timeouts.total_ns;
    x->deadline_ns = x->begun_ns + (budget < total ? budget : total);
    x->timer.fire = exchange_due;
    fl_arena_init_in(&x->arena, x->room, sizeof(x->room), arena_chunk_bytes, arena_bytes);
    fl_buf_init(&x->body, x->config->limits.body_bytes);
    x->decision_id = fl_rng_next(&w->rng);
    take_identity(x, head);
    fl_wishes_read(x, head);
    fl_list_init(&x->link);
    fl_list_append(&w->exchanges, &x->link);
    s->exchange = x;
    w->stats.exchanges++;
    w->stats.exchanges_open++;
    return x;
}

/* --- ending it --- */

/* Nobody else will be asked. */
static void end_asking(struct fl_exchange *x)
{
    if (x->asking) {
        fl_shelf_give(&x->worker->asking_shelf, x->asking);
        x->asking = NULL;
    }
}

/* Takes the exchange off its session and frees it. *how* it ended, for who comes back. What the session does next is
 * the caller's. */
static struct fl_session *detach(struct fl_exchange *x, struct fl_replay_outcome how)
{
    struct fl_session *s = x->session;
    struct fl_worker *w = x->worker;
    fl_assert(x->alive_count == 0 && !x->winner);
    enter(x, FL_EXCHANGE_ENDED);
    fl_timers_stop(&w->sys->timers, &x->timer);
    fl_room_leave(x);
    if (x->replay) {
        fl_replayed_end(x, how);
    }
    if (x->comeback) {
        fl_comeback_end(x);
    }
    fl_list_remove(&x->link);
    w->stats.exchanges_open--;
    s->exchange = NULL;
    fl_buf_finish(&x->body);
    fl_canonical_destroy(x->canonical);
    fl_recall_finish(x->recall);
    fl_resume_destroy(x->resume);
    end_asking(x);
    fl_arena_finish(&x->arena);
    fl_upstreams_unref(x->upstreams);
    fl_shelf_give(&w->exchange_shelf, x);
    return s;
}

void fl_exchange_done(struct fl_exchange *x)
{
    bool keep_alive = x->keep_alive;
    x->worker->stats.answered++;
    fl_decide_done(x, x->status, FL_OK);
    fl_access_log(x, x->status, FL_OK);
    fl_session_answered(detach(x, (struct fl_replay_outcome){FL_REPLAY_WHOLE, FL_OK}), keep_alive);
}

void fl_exchange_failed(struct fl_exchange *x, enum fl_err err)
{
    bool keep_alive = x->keep_alive;
    x->worker->stats.failed++;
    fl_decide_done(x, x->status, err);
    fl_access_log(x, x->status, err);
    fl_session_answered(detach(x, (struct fl_replay_outcome){FL_REPLAY_WHOLE, err}), keep_alive);
}

static void end_attempts(struct fl_exchange *x, enum fl_err err)
{
    while (x->alive_count > 0) {
        fl_attempt_end(x->attempts[x->alive_count - 1], err);
    }
}

void fl_exchange_cancel(struct fl_exchange *x)
{
    x->worker->stats.cancelled++;
    end_attempts(x, FL_ERR_CANCELLED);
    fl_decide_done(x, 499, FL_ERR_CANCELLED);
    fl_access_log(x, 499, FL_ERR_CANCELLED);
    (void)detach(x, (struct fl_replay_outcome){FL_REPLAY_GONE, FL_ERR_DRAINING});
}

void fl_exchange_broken(struct fl_exchange *x, enum fl_err err)
{
    fl_reply_error_event(x, err, FL_EMPTY);
    fl_exchange_cut(x, err);
}

void fl_exchange_cut(struct fl_exchange *x, enum fl_err err)
{
    fl_assert(x->alive_count == 0);
    x->worker->stats.failed++;
    fl_decide_done(x, x->status, err);
    fl_access_log(x, x->status, err);
    /* A stream's error event tells what happened. Of any other answer a clean end would say that it is whole,
     * to a client that reads until the end of the connection. */
    enum fl_close how = x->event_stream ? FL_CLOSE_FLUSH : FL_CLOSE_RESET;
    fl_session_close(detach(x, (struct fl_replay_outcome){FL_REPLAY_BROKEN, err}), how);
}

void fl_exchange_refuse(struct fl_exchange *x, enum fl_err err, struct fl_slice message, const char *param)
{
    if (x->state == FL_EXCHANGE_READING && x->session->state == FL_SESSION_BODY) {
        x->keep_alive = false; /* the rest of the body is not read */
    }
    fl_reply_error(x, err, message, param);
    fl_exchange_failed(x, err);
}

/* --- deciding --- */

static void refuse_body(struct fl_exchange *x, enum fl_err err, const struct fl_reterr *reterr)
{
    char text[320];
    struct fl_buf b;
    fl_buf_init_in(&b, text, sizeof(text));
    fl_buf_put_cstr(&b, reterr->message[0] ? reterr->message : fl_err_text(err));
    if (reterr->line > 0) {
        fl_buf_put_cstr(&b, " (request body, line ");
        fl_buf_put_u64(&b, reterr->line);
        fl_buf_put_cstr(&b, ", column ");
        fl_buf_put_u64(&b, reterr->column);
        fl_buf_putc(&b, ')');
    }
    fl_exchange_refuse(x, err, fl_buf_slice(&b), NULL);
}

static bool read_facts(struct fl_exchange *x)
{
    char decoded[1024];
    struct fl_buf scratch;
    struct fl_reterr reterr = {0};
    fl_buf_init_in(&scratch, decoded, sizeof(decoded));
    enum fl_err err = x->dialect->read_request(x->endpoint, fl_buf_slice(&x->body), &scratch, &x->asking->facts, &reterr);
    if (err) {
        refuse_body(x, err, &reterr);
        return false;
    }
    struct fl_facts *f = &x->asking->facts;
    x->model = f->model = fl_arena_copy(&x->arena, f->model);
    x->stream = f->stream;
    x->usage_asked = f->usage_asked;
    x->length_limited = f->tokens_out_max > 0;
    if (x->arena.failed) {
        fl_exchange_refuse(x, FL_ERR_NOMEM, FL_EMPTY, NULL);
        return false;
    }
    return true;
}

/* --- trying --- */

static struct fl_failover_scene scene_of(struct fl_exchange *x)
{
    struct fl_route_state *route = x->plan->route->state;
    return (struct fl_failover_scene){.table = &x->config->table,
                                      .plan = x->plan,
                                      .pool = route ? &route->budget : NULL,
                                      .tenant = x->client_key ? x->client_key->budget : NULL,
                                      .rng = &x->worker->rng,
                                      .now_ns = x->worker->sys->now_ns,
                                      .deadline_ns = x->deadline_ns,
                                      .attempts_max = x->config->limits.attempts,
                                      .need = {x->tokens_in, x->tokens_out}};
}

/* The next place that a route keeps for refusals of this kind. */
static struct fl_step rescue(struct fl_exchange *x, uint32_t places, const char *why)
{
    uint32_t left = places & ~x->asking->failover.tried;
    unsigned place = 0;
    if (left == 0 || x->asking->failover.attempts >= x->config->limits.attempts) {
        return (struct fl_step){.kind = FL_STEP_NONE, .why = "used-up"};
    }
    while ((left >> place & 1) == 0) {
        place++;
    }
    x->asking->failover.tried |= UINT32_C(1) << place;
    x->asking->failover.attempts++;
    return (struct fl_step){.kind = FL_STEP_TARGET, .place = place, .why = why};
}

static void settle_step(struct fl_exchange *x, const struct fl_failed *failed)
{
    struct fl_failover_scene scene = scene_of(x);
    x->asking->step = fl_failover_next(&x->asking->failover, &scene, failed);
    if (x->asking->step.kind == FL_STEP_NONE && failed->err == FL_ERR_UPSTREAM_CONTEXT) {
        x->asking->step = rescue(x, x->context_places, "larger-context");
    } else if (x->asking->step.kind == FL_STEP_NONE && failed->err == FL_ERR_UPSTREAM_POLICY) {
        x->asking->step = rescue(x, x->policy_places, "other-policy");
    }
    x->step_ready = true;
}

static struct fl_failed failed_of(const struct fl_attempt *a, enum fl_err err)
{
    static const struct fl_rates none;
    const struct fl_rates *r = a->rates ? a->rates : &none;
    const struct fl_target_key *key = a->lease.on;
    return (struct fl_failed){.place = a->place,
                              .err = err,
                              .key_index = key ? (unsigned)(key - a->target->keys) : FL_KEYS_MAX,
                              .untouched = a->sent_ns == 0,
                              .retry_after_ns = r->retry_after_given ? r->retry_after_ns : 0,
                              .retry_said = r->retry_said,
                              .retry = r->retry};
}

static void settle_step_after(const struct fl_attempt *a, enum fl_err err)
{
    struct fl_failed failed = failed_of(a, err);
    if (!a->exchange->step_ready) {
        settle_step(a->exchange, &failed);
    }
}

/* It fails while another one is alive. */
static void note_failed(const struct fl_attempt *a, enum fl_err err)
{
    struct fl_failover_scene scene = scene_of(a->exchange);
    struct fl_failed failed = failed_of(a, err);
    fl_failover_note(&a->exchange->asking->failover, &scene, &failed);
}

/* One attempt's failure says nothing about the other's, unless it is the request that is wrong. */
static bool other_may_answer(enum fl_err err)
{
    return fl_consequence_of(err)->elsewhere != 0 || fl_err_blame(err) == FL_BLAME_GATEWAY;
}

bool fl_exchange_may_retry(struct fl_attempt *a, enum fl_err err)
{
    struct fl_exchange *x = a->exchange;
    if (x->state != FL_EXCHANGE_TRYING) {
        return false;
    }
    if (x->alive_count > 1) {
        return other_may_answer(err);
    }
    settle_step_after(a, err);
    return x->asking->step.kind != FL_STEP_NONE;
}

/* "No provider could answer: a/m: cannot connect; b/m: provider overloaded (503)." */
static void put_attempts_text(const struct fl_exchange *x, struct fl_buf *b)
{
    fl_buf_put_cstr(b, x->note_count > 1 ? "No provider could answer: " : "The provider could not answer: ");
    for (unsigned i = 0; i < x->note_count; i++) {
        const struct fl_attempt_note *n = &x->notes[i];
        fl_buf_put_cstr(b, i > 0 ? "; " : "");
        fl_buf_put(b, n->target->id);
        fl_buf_put_cstr(b, ": ");
        fl_buf_put_cstr(b, fl_err_text(n->err));
        if (n->status > 0) {
            fl_buf_put_cstr(b, " (HTTP ");
            fl_buf_put_u64(b, (uint64_t)n->status);
            fl_buf_putc(b, ')');
        }
    }
    fl_buf_putc(b, '.');
}

void fl_exchange_give_up(struct fl_exchange *x, enum fl_err err)
{
    char text[1500];
    struct fl_buf b;
    end_attempts(x, FL_ERR_HEDGED); /* no other one can mend it */
    if (x->head_by_heartbeat) {
        enter(x, FL_EXCHANGE_ANSWERING);
        fl_exchange_broken(x, err);
        return;
    }
    fl_buf_init_in(&b, text, sizeof(text));
    if (err == FL_ERR_DEADLINE) {
        fl_buf_put_cstr(&b, "The deadline of this request passed before a provider answered. ");
    }
    if (x->note_count > 0) {
        put_attempts_text(x, &b);
    } else {
        fl_buf_put(&b, x->asking->complaint);
    }
    fl_reply_error(x, err, fl_buf_slice(&b), NULL);
    fl_exchange_failed(x, err);
}

void fl_exchange_watch(struct fl_exchange *x)
{
    uint64_t now = x->worker->sys->now_ns, next = x->deadline_ns;
    for (unsigned i = 0; i < x->alive_count; i++) {
        uint64_t due = FL_NEVER;
        /* What is overdue ends in the timer's own turn. */
        due = fl_attempt_check_time(x->attempts[i], now, &due) ? now : due;
        next = due < next ? due : next;
    }
    if (x->wait_until_ns > 0 && x->wait_until_ns < next) {
        next = x->wait_until_ns;
    }
    if (x->hedge_at_ns > 0 && x->state == FL_EXCHANGE_TRYING && x->hedge_at_ns < next) {
        next = x->hedge_at_ns;
    }
    uint64_t beat = x->last_write_ns + x->config->limits.heartbeat_ns;
    if (x->stream && beat < next) {
        next = beat;
    }
    if (x->timer.slot == 0 || next < x->timer.at_ns) {
        fl_timers_set(&x->worker->sys->timers, &x->timer, next);
    }
}

/* --- hedging --- */

static bool may_hedge(const struct fl_exchange *x)
{
    const struct fl_route *route = x->plan->route;
    const struct fl_hedge_ask ask = {.streaming = x->stream,
                                     .plain_allowed = route->hedge_plain && !x->pass,
                                     .tools = x->tools,
                                     .tools_allowed = route->hedge_tools,
                                     .forbidden = route->hedging == FL_HEDGE_OFF || x->hedged,
                                     .pushback = x->pushed_back,
                                     .budget_left = 1 /* fl_failover_hedge() looks at it */};
    return fl_hedge_allowed(&ask);
}

/* From the start of an attempt on. */
static void plan_hedge(struct fl_exchange *x)
{
    const struct fl_route *route = x->plan->route;
    const struct fl_attempt *a = x->attempts[0];
    uint64_t after_ns = route->hedge_after_ns;
    x->hedge_at_ns = 0;
    if (route->hedging == FL_HEDGE_OFF || x->plan->count < 2 || !may_hedge(x)) {
        return;
    }
    if (!x->stream) {
        uint64_t most = x->tokens_out > 0 ? x->tokens_out : x->asking->facts.tokens_out_max;
        after_ns = fl_hedge_plain_delay_ns(&a->target->state->spreads, most);
    } else if (route->hedging == FL_HEDGE_AUTO) {
        after_ns = fl_hedge_delay_ns(&a->target->state->spreads, x->tokens_in);
    }
    x->hedge_at_ns = after_ns < x->deadline_ns ? a->begun_ns + after_ns : 0;
}

/* The first attempt says nothing for too long: a second one, of another domain, beside it. */
static void hedge(struct fl_exchange *x)
{
    struct fl_failover_scene scene = scene_of(x);
    x->hedge_at_ns = 0;
    if (x->alive_count != 1 || x->attempts[0]->first_byte_ns > 0 || !may_hedge(x)) {
        return;
    }
    x->hedged = true;
    uint32_t blocked = x->asking->failover.blocked;
    x->asking->failover.blocked |= fl_rooms_full(x); /* a second attempt waits for nobody */
    struct fl_step step = fl_failover_hedge(&x->asking->failover, &scene, x->attempts[0]->place);
    x->asking->failover.blocked = blocked;
    if (step.kind == FL_STEP_TARGET) {
        x->asking->step = step;
        x->worker->stats.hedges += fl_attempt_start(x, step.place) == FL_OK;
    }
}

/* --- waiting for a place --- */

bool fl_exchange_elsewhere(struct fl_exchange *x)
{
    struct fl_failover_scene scene = scene_of(x);
    return fl_failover_elsewhere(&x->asking->failover, &scene, fl_rooms_full(x), &x->asking->step);
}

void fl_exchange_turned_away(struct fl_exchange *x)
{
    fl_exchange_give_up(x, FL_ERR_OVERLOADED);
}

/* Is there a place where the step leads, or elsewhere in the plan? Else it waits, or is over. */
static bool has_place(struct fl_exchange *x)
{
    const struct fl_target *target = &x->config->table.targets[x->plan->targets[x->asking->step.place]];
    bool admitted = x->admitted;
    x->admitted = false;
    if (admitted || fl_room_has_place(x->upstreams, target) || fl_exchange_elsewhere(x)) {
        return true;
    }
    if (!fl_room_enter(x, target)) {
        fl_exchange_turned_away(x);
        return false;
    }
    uint64_t connect_ns = x->config->providers[target->provider_index].timeouts.connect_ns;
    uint64_t most_ns = x->config->limits.queue_wait_ns;
    x->wait_until_ns = x->worker->sys->now_ns + (most_ns > 0 ? most_ns : connect_ns);
    fl_exchange_watch(x);
    return false;
}

/* Does the step that is settled, or a later one. */
static void go_on(struct fl_exchange *x, enum fl_err last)
{
    uint64_t now = x->worker->sys->now_ns;
    x->step_ready = false;
    while (x->asking->step.kind != FL_STEP_NONE) {
        if (x->asking->step.wait_ns > 0) {
            x->wait_until_ns = now + x->asking->step.wait_ns;
            x->asking->step.wait_ns = 0;
            fl_exchange_watch(x);
            return;
        }
        if (x->dispatched_ns == 0) {
            x->dispatched_ns = x->worker->sys->ops->clock_ns(x->worker->sys);
        }
        bool continues = x->state == FL_EXCHANGE_ANSWERING; /* its place is due to it */
        if (!continues && !has_place(x)) {
            return;
        }
        enum fl_err err = fl_attempt_start(x, x->asking->step.place);
        if (!err) {
            x->winner = continues ? x->attempts[0] : NULL;
            plan_hedge(x);
            fl_exchange_watch(x);
            return;
        }
        x->asking->failover.attempts -= err == FL_ERR_UNTRANSLATABLE; /* nobody was asked */
        /* Nobody was asked for want of a key: the client is told what those said who were asked. */
        bool said = err == FL_ERR_RATE_LIMITED && x->note_count > 0;
        last = said ? x->notes[x->note_count - 1].err : err;
        if (fl_err_blame(err) == FL_BLAME_CALLER && !fl_err_retryable(err)) {
            break; /* it cannot be read, for whomever */
        }
        settle_step(x, &(struct fl_failed){
                           .place = x->asking->step.place, .err = err, .key_index = FL_KEYS_MAX, .untouched = true});
        x->step_ready = false;
    }
    last = now >= x->deadline_ns ? FL_ERR_DEADLINE : last;
    if (x->state == FL_EXCHANGE_ANSWERING) {
        fl_exchange_broken(x, last);
    } else {
        fl_exchange_give_up(x, last);
    }
}

void fl_exchange_served(struct fl_exchange *x)
{
    x->admitted = true;
    x->wait_until_ns = 0;
    go_on(x, FL_ERR_NO_TARGET);
}

static void start(struct fl_exchange *x)
{
    struct fl_failover_scene scene = scene_of(x);
    fl_failover_start(&x->asking->failover);
    x->asking->failover.blocked = x->held_places;
    if (scene.pool) {
        fl_retry_budget_request(scene.pool, scene.now_ns);
    }
    if (scene.tenant) {
        fl_retry_budget_request(scene.tenant, scene.now_ns);
    }
    x->asking->step = fl_failover_first(&x->asking->failover, &scene);
    go_on(x, FL_ERR_NO_TARGET);
}

/* Does the provider that would answer count tokens itself? Not of what another vendor signed. */
static bool counts_tokens(const struct fl_exchange *x)
{
    const struct fl_target *first = &x->config->table.targets[x->plan->targets[0]];
    return x->upstreams->pools[first->provider_index].dialect->paths[FL_ENDPOINT_COUNT_TOKENS] != NULL &&
           !x->asking->facts.sealed;
}

static bool may_resume(const struct fl_exchange *x)
{
    bool asked = x->wishes.resume || (x->plan->route->resume && !x->wishes.resume_off);
    bool openai = x->dialect == &fl_dialect_openai &&
                  (x->endpoint == FL_ENDPOINT_CHAT || x->endpoint == FL_ENDPOINT_RESPONSES);
    bool anthropic = x->dialect == &fl_dialect_anthropic && x->endpoint == FL_ENDPOINT_MESSAGES;
    return asked && x->stream && (openai || anthropic) && x->config->limits.resume_bytes > 0;
}

void fl_exchange_run(struct fl_exchange *x)
{
    x->ready_ns = x->worker->sys->ops->clock_ns(x->worker->sys);
    x->last_write_ns = x->worker->sys->now_ns;
    if (x->feedback) {
        fl_feedback_answer(x);
        return;
    }
    if (x->asking->last_event_id.len > 0) {
        fl_comeback_start(x);
        return;
    }
    if (x->arena.failed) {
        fl_exchange_refuse(x, FL_ERR_NOMEM, FL_EMPTY, NULL);
        return;
    }
    if (fl_wishes_refused(x) || !fl_recall_read(x) || !(x->pass ? fl_pass_read(x) : read_facts(x)) ||
        !fl_decide(x)) {
        return;
    }
    if (x->endpoint == FL_ENDPOINT_COUNT_TOKENS && !counts_tokens(x)) {
        fl_reply_token_count(x);
        return;
    }
    if (may_resume(x)) { /* without memory for it: as without it */
        x->resume = fl_resume_create(&x->asking->facts, x->dialect, x->config->limits.resume_bytes,
                                     x->config->limits.body_bytes);
    }
    enter(x, FL_EXCHANGE_TRYING);
    start(x);
}

void fl_exchange_answer(struct fl_exchange *x)
{
    enter(x, FL_EXCHANGE_TRYING);
    enter(x, FL_EXCHANGE_ANSWERING);
    x->stream = x->event_stream = true;
    end_asking(x);
}

/* --- a stream that broke off --- */

static void resume_or_break(struct fl_exchange *x, enum fl_err err)
{
    enum fl_resumable how = x->resume ? fl_resume_judge(x->resume) : FL_RESUME_NEVER;
    if (how == FL_RESUME_CALLS || how == FL_RESUME_FINISHED) {
        fl_buf_reset(&x->resume->out);
        fl_resume_put_end(x->resume, how);
        if (x->resume->failed) {
            fl_exchange_broken(x, FL_ERR_NOMEM);
            return;
        }
        fl_reply_last_events(x, fl_buf_slice(&x->resume->out));
        fl_exchange_done(x);
    } else if (how == FL_RESUME_TEXT && x->step_ready && x->asking->step.kind != FL_STEP_NONE) {
        x->worker->stats.failovers++;
        go_on(x, err);
    } else {
        fl_exchange_broken(x, err);
    }
}

void fl_attempt_fail(struct fl_attempt *a, enum fl_err err)
{
    struct fl_exchange *x = a->exchange;
    bool continued = x->state == FL_EXCHANGE_ANSWERING && x->resume && fl_resume_judge(x->resume) == FL_RESUME_TEXT;
    if (x->resume && x->state == FL_EXCHANGE_TRYING) {
        fl_resume_reset(x->resume);
    } else if (x->resume && x->state == FL_EXCHANGE_ANSWERING) {
        fl_resume_broke(x->resume, x->tokens_in, fl_attempt_usage(a));
    }
    if (continued || (x->state == FL_EXCHANGE_TRYING && x->alive_count == 1)) {
        settle_step_after(a, err);
    } else if (x->state == FL_EXCHANGE_TRYING) {
        note_failed(a, err);
    }
    fl_attempt_end(a, err);
    fl_exchange_attempt_failed(x, err);
}

void fl_exchange_attempt_failed(struct fl_exchange *x, enum fl_err err)
{
    if (x->state == FL_EXCHANGE_ANSWERING) {
        resume_or_break(x, err);
    } else if (x->alive_count > 0 && other_may_answer(err)) {
        x->served = x->attempts[0]->target;
        x->served_model = x->attempts[0]->model;
        fl_exchange_watch(x);
    } else if (x->step_ready && x->asking->step.kind != FL_STEP_NONE) {
        x->worker->stats.failovers++;
        go_on(x, err);
    } else {
        fl_exchange_give_up(x, err);
    }
}

void fl_exchange_shut(struct fl_exchange *x)
{
    end_attempts(x, FL_ERR_DRAINING);
    if (x->state == FL_EXCHANGE_READING) {
        fl_exchange_refuse(x, FL_ERR_DRAINING, FL_EMPTY, NULL);
    } else {
        fl_exchange_attempt_failed(x, FL_ERR_DRAINING);
    }
}

void fl_exchange_commit(struct fl_attempt *winner)
{
    struct fl_exchange *x = winner->exchange;
    enter(x, FL_EXCHANGE_ANSWERING);
    x->winner = winner;
    x->served = winner->target;
    x->served_model = winner->model;
    while (x->alive_count > 1) {
        fl_attempt_end(x->attempts[x->attempts[0] == winner], FL_ERR_HEDGED);
    }
    struct fl_translation *t = winner->translation;
    if (t) {
        t->committed = true;
        fl_buf_finish(&t->body);
        fl_translation_keep(t);
    } else if (x->endpoint == FL_ENDPOINT_RESPONSES) { /* its last event tells all that was said */
        fl_resume_destroy(x->resume);
        x->resume = NULL;
    }
    if (x->resume) {
        return;
    }
    end_asking(x);
    if (!t || !t->options.client || !t->options.client->echoes_request) {
        fl_buf_finish(&x->body);
    }
}

void fl_exchange_drained(struct fl_exchange *x)
{
    if (x->comeback) {
        fl_comeback_go_on(x);
    } else if (x->winner && !(x->replay && fl_replayed_full(x))) {
        fl_attempt_resume(x->winner);
    }
}

void fl_exchange_stalled(struct fl_exchange *x)
{
    if (x->winner) {
        fl_attempt_pause(x->winner);
    }
}

/* --- time --- */

static void beat(struct fl_exchange *x)
{
    fl_reply_heartbeat(x);
    x->last_write_ns = x->worker->sys->now_ns;
    x->worker->stats.heartbeats++;
}

/* False: an attempt took too long, and the exchange has gone on or is over. */
static bool attempts_in_time(struct fl_exchange *x, uint64_t now_ns)
{
    for (unsigned i = 0; i < x->alive_count; i++) {
        uint64_t next;
        enum fl_err err = fl_attempt_check_time(x->attempts[i], now_ns, &next);
        if (err) {
            fl_attempt_fail(x->attempts[i], err);
            return false;
        }
    }
    return true;
}

static void exchange_due(struct fl_timer *timer)
{
    struct fl_exchange *x = fl_container_of(timer, struct fl_exchange, timer);
    uint64_t now = x->worker->sys->now_ns;
    if (now >= x->deadline_ns) {
        end_attempts(x, FL_ERR_DEADLINE);
        fl_exchange_attempt_failed(x, FL_ERR_DEADLINE);
        return;
    }
    if (!attempts_in_time(x, now)) {
        return;
    }
    if (x->wait_until_ns > 0 && now >= x->wait_until_ns) {
        x->wait_until_ns = 0;
        if (x->seat) {
            fl_room_expire(x);
            return;
        }
        go_on(x, FL_ERR_NO_TARGET);
        return;
    }
    if (x->hedge_at_ns > 0 && now >= x->hedge_at_ns && x->state == FL_EXCHANGE_TRYING) {
        hedge(x);
    }
    if (x->stream && now >= x->last_write_ns + x->config->limits.heartbeat_ns) {
        beat(x);
    }
    fl_exchange_watch(x);
}

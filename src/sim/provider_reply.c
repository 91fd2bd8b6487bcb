/* SPDX-License-Identifier: Apache-2.0 */
/* The right answers of a simulated provider. */
#include "sim/provider_impl.h"

#include "auth/encode.h"
#include "base/assert.h"
#include "base/hash.h"
#include "sim/dist.h"
#include "sim/text.h"

#define MINUTE_NS (60 * FL_NS_S)

/* --- Rate limits --- */

uint64_t sim_bucket_take(struct fl_simprovider *p, struct sim_bucket *b, uint64_t limit,
                         uint64_t count)
{
    uint64_t now_ns = p->sys->now_ns;
    if (limit == 0) {
        return 0;
    }
    uint64_t from_ns = b->full_ns > now_ns ? b->full_ns : now_ns;
    uint64_t until_ns = from_ns + count * (MINUTE_NS / limit);
    if (until_ns - now_ns > MINUTE_NS) {
        return until_ns - now_ns - MINUTE_NS;
    }
    b->full_ns = until_ns;
    return 0;
}

/* "12ms" or "3.25s" */
static void put_duration(struct fl_buf *out, uint64_t ns)
{
    if (ns < FL_NS_S) {
        fl_buf_put_u64(out, ns / FL_NS_MS);
        fl_buf_put(out, FL_LIT("ms"));
    } else {
        fl_buf_put_scaled(out, ns / FL_NS_MS, 3, 2);
        fl_buf_putc(out, 's');
    }
}

/* "2026-08-01T12:00:00Z" of the basic form. */
static void put_moment(struct fl_buf *out, uint64_t unix_s)
{
    char memory[20];
    struct fl_buf b;
    fl_buf_init_in(&b, memory, sizeof(memory));
    fl_put_basic_time(&b, unix_s);
    static const unsigned char lens[] = {4, 2, 5, 2, 3};
    struct fl_slice rest = fl_buf_slice(&b);
    for (unsigned i = 0; i < sizeof(lens); i++) {
        fl_buf_put_cstr(out, i == 0 ? "" : i < 3 ? "-" : ":");
        fl_buf_put(out, fl_slice_first(rest, lens[i]));
        rest = fl_slice_from(rest, lens[i]);
    }
}

/* OpenAI's names put the kind last, Anthropic's the aspect. */
static void put_limit_name(struct fl_simprovider *p, const char *aspect, const char *kind)
{
    bool anthropic = p->options.dialect == FL_SIM_ANTHROPIC;
    fl_buf_put_cstr(&p->out, anthropic ? "anthropic-ratelimit-" : "x-ratelimit-");
    fl_buf_put_cstr(&p->out, anthropic ? kind : aspect);
    fl_buf_putc(&p->out, '-');
    fl_buf_put_cstr(&p->out, anthropic ? aspect : kind);
    fl_buf_put(&p->out, FL_LIT(": "));
}

static void put_limit(struct fl_simprovider *p, const struct sim_bucket *b, uint64_t limit,
                      const char *what)
{
    if (p->options.dialect > FL_SIM_ANTHROPIC) {
        return; /* they do not tell */
    }
    uint64_t reset_ns = b->full_ns > p->sys->now_ns ? b->full_ns - p->sys->now_ns : 0;
    uint64_t left =
        limit == 0 || reset_ns > MINUTE_NS ? 0 : (MINUTE_NS - reset_ns) / (MINUTE_NS / limit);
    const char *const kinds[3] = {"limit", "remaining", "reset"};
    for (unsigned i = 0; i < 3 && limit > 0; i++) {
        put_limit_name(p, kinds[i], what);
        if (i < 2) {
            fl_buf_put_u64(&p->out, i == 0 ? limit : left < limit ? left : limit);
        } else if (p->options.dialect == FL_SIM_ANTHROPIC) {
            put_moment(&p->out, (p->sys->ops->wall_ns(p->sys) + reset_ns) / FL_NS_S);
        } else {
            put_duration(&p->out, reset_ns);
        }
        fl_buf_put(&p->out, FL_LIT("\r\n"));
    }
}

/* --- Heads --- */

void sim_put_head(struct sim_conn *c, int status, const char *content_type)
{
    struct fl_simprovider *p = c->provider;
    struct fl_buf *out = &p->out;
    fl_h1_put_status(out, status);
    fl_h1_put_header(out, FL_LIT("content-type"), fl_slice_cstr(content_type));
    fl_h1_put_header(out, FL_LIT("x-fairlead-simulated"), FL_LIT("true"));
    fl_buf_put(out, FL_LIT("x-request-id: req_sim_"));
    fl_buf_put_hex(out, fl_mix64(fl_mix64(p->options.seed) ^ c->serial), 16);
    fl_buf_put(out, FL_LIT("\r\nopenai-processing-ms: "));
    fl_buf_put_u64(out, (p->sys->now_ns - c->asked_ns) / FL_NS_MS);
    fl_buf_put(out, FL_LIT("\r\n"));
    put_limit(p, &c->key->requests, p->options.requests_per_min, "requests");
    put_limit(p, &c->key->tokens, p->options.tokens_per_min, "tokens");
    if (!c->keep_alive) {
        fl_h1_put_header(out, FL_LIT("connection"), FL_LIT("close"));
    }
}

void sim_put_length(struct fl_buf *out, uint64_t length)
{
    fl_buf_put(out, FL_LIT("content-length: "));
    fl_buf_put_u64(out, length);
    fl_buf_put(out, FL_LIT("\r\n\r\n"));
}

/* Head and body; *extra* is a header line or empty. */
static bool send_json(struct sim_conn *c, int status, struct fl_slice extra, struct fl_slice body)
{
    sim_put_head(c, status, "application/json");
    fl_buf_put(&c->provider->out, extra);
    sim_put_length(&c->provider->out, body.len);
    fl_buf_put(&c->provider->out, body);
    return sim_send_out(c) && sim_done(c);
}

static void put_problem(const struct sim_problem *problem, struct fl_buf *body)
{
    fl_buf_put(body, FL_LIT("{\"error\":{\"message\":"));
    sim_put_string(body, problem->message);
    fl_buf_put(body, FL_LIT(",\"type\":"));
    sim_put_string(body, problem->type);
    fl_buf_put(body, FL_LIT(",\"param\":"));
    sim_put_string(body, problem->param);
    fl_buf_put(body, FL_LIT(",\"code\":"));
    sim_put_string(body, problem->code);
    fl_buf_put(body, FL_LIT("}}"));
}

static void put_wait(uint64_t wait_ns, struct fl_buf *extra)
{
    fl_buf_put(extra, FL_LIT("retry-after: "));
    fl_buf_put_u64(extra, (wait_ns + FL_NS_S - 1) / FL_NS_S);
    fl_buf_put(extra, FL_LIT("\r\nretry-after-ms: "));
    fl_buf_put_u64(extra, (wait_ns + FL_NS_MS - 1) / FL_NS_MS);
    fl_buf_put(extra, FL_LIT("\r\n"));
}

/* *wait_ns* 0: no hint when to come again. */
static bool send_problem(struct sim_conn *c, const struct sim_problem *problem, uint64_t wait_ns)
{
    char memory[200];
    struct fl_buf body, extra;
    enum fl_sim_dialect dialect = c->provider->options.dialect;
    fl_buf_init(&body, 4096);
    fl_buf_init_in(&extra, memory, sizeof(memory));
    if (dialect == FL_SIM_OPENAI) {
        put_problem(problem, &body);
    } else {
        sim_dialect_put_problem(dialect, problem, wait_ns, &body);
        sim_dialect_put_problem_fields(dialect, problem, &extra);
    }
    if (wait_ns > 0 && dialect <= FL_SIM_ANTHROPIC) {
        put_wait(wait_ns, &extra);
    }
    fl_assert(fl_buf_ok(&body) && fl_buf_ok(&extra));
    bool alive = send_json(c, problem->status, fl_buf_slice(&extra), fl_buf_slice(&body));
    fl_buf_finish(&body);
    return alive;
}

bool sim_reply_problem(struct sim_conn *c, const struct sim_problem *problem)
{
    struct fl_simprovider_stats *stats = &c->provider->stats;
    if (problem->status >= 500) {
        stats->failed++;
    } else if (c->busy) {
        stats->refused++;
    }
    return send_problem(c, problem, 0);
}

bool sim_reply_limited(struct sim_conn *c, uint64_t wait_ns)
{
    static const struct sim_problem problem = {429, "requests", "rate_limit_exceeded", NULL,
                                               "The simulated provider's rate limit is reached."};
    c->provider->stats.limited++;
    return send_problem(c, &problem, wait_ns);
}

bool sim_reply_refusal(struct sim_conn *c, const struct sim_problem *problem, uint64_t wait_ns)
{
    struct fl_simprovider_stats *stats = &c->provider->stats;
    if (problem->status == 429) {
        stats->limited++;
    } else if (problem->status >= 500) {
        stats->failed++;
    } else {
        stats->refused++;
    }
    return send_problem(c, problem, wait_ns);
}

/* --- Models --- */

/* Dollars a token. */
static void put_price(struct fl_buf *b, const char *key, uint64_t picousd)
{
    sim_put_string(b, key);
    fl_buf_put(b, FL_LIT(":\""));
    fl_buf_put_scaled(b, picousd, 12, 12);
    fl_buf_putc(b, '"');
}

static void put_model(struct fl_simprovider *p, const struct fl_sim_model *m, struct fl_buf *b)
{
    fl_buf_put(b, FL_LIT("{\"id\":"));
    fl_buf_put_json(b, m->id);
    fl_buf_put(b, FL_LIT(",\"object\":\"model\",\"created\":1767225600,\"owned_by\":"));
    fl_buf_put_json(b, p->options.name);
    fl_buf_put(b, FL_LIT(",\"pricing\":{"));
    put_price(b, "prompt", m->input_picousd);
    fl_buf_putc(b, ',');
    put_price(b, "completion", m->output_picousd);
    fl_buf_put(b, FL_LIT("}}"));
}

/* The id that a path of /models/{id} names. */
static bool path_names(const struct sim_conn *c, const struct fl_sim_model *m)
{
    struct fl_slice head = fl_buf_slice(&c->head), marker = FL_LIT("/models/");
    struct fl_slice id = fl_slice_from(head, fl_slice_find_text(head, marker) + marker.len);
    size_t end = fl_slice_find(id, ' '), query = fl_slice_find(id, '?');
    return fl_slice_eq(fl_slice_first(id, end < query ? end : query), m->id);
}

bool sim_reply_models(struct sim_conn *c)
{
    static const struct sim_problem unknown = {404, "invalid_request_error", "model_not_found",
                                               "model",
                                               "The simulated provider has no such model."};
    struct fl_simprovider *p = c->provider;
    struct fl_buf body;
    bool list = c->ask.endpoint == SIM_MODELS, alive;
    unsigned shown = 0;
    fl_buf_init(&body, 1 << 20);
    fl_buf_put(&body, list ? FL_LIT("{\"object\":\"list\",\"data\":[") : FL_EMPTY);
    for (unsigned i = 0; i < p->options.model_count; i++) {
        if (list || path_names(c, &p->options.models[i])) {
            fl_buf_put(&body, shown++ > 0 ? FL_LIT(",") : FL_EMPTY);
            put_model(p, &p->options.models[i], &body);
        }
    }
    fl_buf_put(&body, list ? FL_LIT("]}") : FL_EMPTY);
    fl_assert(fl_buf_ok(&body));
    if (!list && shown == 0) {
        alive = sim_reply_problem(c, &unknown);
    } else {
        p->stats.answered++;
        alive = send_json(c, 200, FL_EMPTY, fl_buf_slice(&body));
    }
    fl_buf_finish(&body);
    return alive;
}

/* --- Drawing an answer --- */

void fl_simprovider_text(const struct fl_simprovider_options *options, struct fl_slice model,
                         struct fl_slice prompt, uint64_t max_tokens, struct fl_buf *b)
{
    size_t start = b->len, at = start;
    uint64_t tokens = 0;
    uint64_t seed = options->text_seed > 0 ? options->text_seed : options->seed;
    fl_sim_text(prompt, model, seed, options->answer_tokens, b);
    struct fl_slice text = fl_buf_slice(b), token;
    while (max_tokens > 0 && tokens < max_tokens && (token = fl_sim_token(text, at)).len > 0) {
        at += token.len;
        tokens++;
    }
    if (max_tokens > 0) {
        b->len = at;
    }
}

uint64_t sim_paced(const struct sim_conn *c, uint64_t ns)
{
    unsigned pace = c->ask.model->pace_permille;
    ns = pace == 0 ? ns : ns / 1000 * pace;
    return c->provider->pace_permille == 1000 ? ns : ns / 1000 * c->provider->pace_permille;
}

static uint64_t token_gap_ns(struct sim_conn *c)
{
    struct fl_simprovider *p = c->provider;
    return sim_paced(c, fl_sim_jitter(&p->rng, p->options.token_ns, p->options.token_jitter_permille));
}

static void settle(struct sim_conn *c)
{
    struct fl_simprovider_stats *s = &c->provider->stats;
    s->prompt_tokens += c->ask.prompt_tokens;
    s->cost_picousd += c->ask.prompt_tokens * c->ask.model->input_picousd;
}

static void settle_tokens(struct sim_conn *c, uint64_t tokens)
{
    c->tokens += tokens;
    c->provider->stats.completion_tokens += tokens;
    c->provider->stats.cost_picousd += tokens * c->ask.model->output_picousd;
}

bool sim_prepare(struct sim_conn *c)
{
    struct fl_simprovider *p = c->provider;
    const struct fl_simprovider_options *o = &p->options;
    uint64_t wait_ns =
        sim_paced(c, fl_sim_lognormal(&p->rng, o->ttft_median_ns, o->ttft_sigma_permille));
    if (o->straggle_permille > 0 && fl_rng_below(&p->rng, 1000) < o->straggle_permille) {
        wait_ns *= 10;
    }
    if (c->ask.endpoint != SIM_EMBEDDINGS) {
        uint64_t most = c->ask.tokens_max == FL_NEVER ? 0 : c->ask.tokens_max;
        fl_simprovider_text(o, c->ask.model->id, fl_buf_slice(&c->prompt), 0, &c->text);
        uint64_t whole = fl_sim_tokens(fl_buf_slice(&c->text));
        fl_buf_reset(&c->text);
        fl_simprovider_text(o, c->ask.model->id, fl_buf_slice(&c->prompt), most, &c->text);
        if (o->goes_on && c->beginning.len > 0 && fl_slice_starts(fl_buf_slice(&c->text), fl_buf_slice(&c->beginning))) {
            fl_buf_drop(&c->text, c->beginning.len);
            whole = fl_sim_tokens(fl_buf_slice(&c->text));
        }
        c->tokens_total = fl_sim_tokens(fl_buf_slice(&c->text));
        c->finish_reason = c->tokens_total < whole ? "length" : "stop";
    }
    if (!c->ask.stream) {
        for (uint64_t i = 0; i < c->tokens_total; i++) {
            wait_ns += token_gap_ns(c);
        }
    }
    if (p->options.slots == 0) {
        fl_sys_timer_in(p->sys, &c->timer, wait_ns);
        return true;
    }
    uint64_t rest_ns = c->ask.stream ? c->tokens_total * sim_paced(c, p->options.token_ns) : 0;
    return sim_job_begin(c, wait_ns, rest_ns);
}

/* --- Streams --- */

bool sim_send_chunk(struct sim_conn *c)
{
    struct fl_buf *out = &c->provider->out;
    char line[18];
    if (!c->chunked) {
        return sim_send_out(c);
    }
    struct fl_slice pieces[3] = {fl_slice(line, fl_h1_chunk_line(line, out->len)),
                                 fl_buf_slice(out), FL_LIT("\r\n")};
    fl_assert(fl_buf_ok(out) && out->len > 0);
    bool alive = sim_send(c, pieces, 3);
    fl_buf_reset(out);
    return alive;
}

bool sim_end_chunks(struct sim_conn *c)
{
    struct fl_slice end = FL_LIT("0\r\n\r\n");
    return !c->chunked || sim_send(c, &end, 1);
}

static bool end_stream(struct sim_conn *c)
{
    if (!sim_send_chunk(c) || !sim_end_chunks(c)) {
        return false;
    }
    c->provider->stats.answered++;
    c->provider->stats.misdone += c->misdeed != FL_SIM_GOOD; /* one that lets the stream go on */
    return sim_done(c);
}

static bool send_ending(struct sim_conn *c)
{
    struct fl_buf *out = &c->provider->out;
    if (c->provider->options.dialect != FL_SIM_OPENAI) {
        sim_dialect_put_last(c);
        return end_stream(c);
    }
    sim_put_event(c, NULL, FL_EMPTY, c->finish_reason);
    if (!sim_send_chunk(c)) {
        return false;
    }
    if (c->ask.include_usage) {
        sim_put_usage_event(c, out);
        if (!sim_send_chunk(c)) {
            return false;
        }
    }
    fl_buf_put(out, FL_LIT("data: [DONE]\n\n"));
    if (c->misdeed == FL_SIM_SSE_LATE) {
        sim_put_event(c, "\"content\":", FL_LIT(" And another thing."), NULL);
    }
    return end_stream(c);
}

static bool begin_stream(struct sim_conn *c)
{
    struct fl_buf *out = &c->provider->out;
    c->keep_alive = c->keep_alive && c->chunked;
    enum fl_sim_dialect dialect = c->provider->options.dialect;
    sim_put_head(c, 200, sim_dialect_stream_type(dialect));
    fl_h1_put_header(out, FL_LIT("cache-control"), FL_LIT("no-cache"));
    if (c->chunked) {
        fl_h1_put_header(out, FL_LIT("transfer-encoding"), FL_LIT("chunked"));
    }
    fl_buf_put(out, FL_LIT("\r\n"));
    settle(c);
    c->begun = true;
    c->phase = SIM_STREAM;
    if (!sim_send_out(c)) {
        return false;
    }
    if (dialect != FL_SIM_OPENAI) {
        sim_dialect_put_first(c);
    } else if (c->ask.endpoint == SIM_CHAT) {
        sim_put_event(c, "\"role\":\"assistant\",\"content\":", FL_EMPTY, NULL);
    }
    if (out->len > 0 && !sim_send_chunk(c)) {
        return false;
    }
    return sim_go_on(c);
}

bool sim_go_on(struct sim_conn *c)
{
    struct fl_simprovider *p = c->provider;
    for (;;) {
        struct fl_slice token = fl_sim_token(fl_buf_slice(&c->text), c->text_at);
        bool done = false, alive;
        if (c->stream->queued > 0) {
            return true; /* drained() sets the timer */
        }
        if (c->misdeed != FL_SIM_GOOD &&
            (c->tokens == p->misdeeds.after_tokens || token.len == 0)) {
            alive = sim_misdeed_stream(c, &done);
            if (!alive || done) {
                return alive;
            }
        }
        if (token.len == 0) {
            return send_ending(c);
        }
        if (p->options.dialect == FL_SIM_OPENAI) {
            sim_put_event(c, "\"content\":", token, NULL);
        } else {
            sim_dialect_put_token(c, token);
        }
        c->text_at += token.len;
        settle_tokens(c, 1);
        if (!sim_send_chunk(c)) {
            return false;
        }
        uint64_t gap_ns = token_gap_ns(c);
        if (gap_ns > 0) {
            fl_sys_timer_in(p->sys, &c->timer, gap_ns);
            return true;
        }
    }
}

bool sim_begin(struct sim_conn *c)
{
    struct fl_buf body;
    bool done = false;
    if (c->misdeed != FL_SIM_GOOD) {
        bool exists = sim_misdeed_begin(c, &done);
        if (!exists || done) {
            return exists;
        }
    }
    if (c->ask.stream) {
        return begin_stream(c);
    }
    fl_buf_init(&body, SIM_REPLY_BYTES_MAX);
    if (c->ask.endpoint == SIM_EMBEDDINGS) {
        sim_put_embeddings(c, &body);
    } else if (c->provider->options.dialect == FL_SIM_OPENAI) {
        sim_put_completion(c, &body);
    } else {
        sim_dialect_put_answer(c, &body);
    }
    fl_assert(fl_buf_ok(&body));
    settle(c);
    settle_tokens(c, c->tokens_total);
    c->provider->stats.answered++;
    c->provider->stats.misdone += c->misdeed != FL_SIM_GOOD;
    bool alive = send_json(c, 200, FL_EMPTY, fl_buf_slice(&body));
    fl_buf_finish(&body);
    return alive;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The real server in the simulator: each seed draws providers of any dialect that are slow, faulty
 * and wrong, networks that cut bytes anywhere, and clients that stream, go away, come back, read slowly or pipeline; the
 * invariants of ARCHITECTURE.md are checked after every step. FL_SIM_SEED=n replays one seed,
 * FL_SIM_SEEDS=n runs so many.
 */
#include "sim/rig.h"

#include <stdio.h>

enum { providers_max = 3, clients_max = 6 };

/* Half of the providers speak the clients' dialect. */
static const struct dialect {
    enum fl_sim_dialect dialect;
    const char *type, *path, *more;
} dialects[] = {
    {FL_SIM_ANTHROPIC, "anthropic", "/v1", ""},
    {FL_SIM_GEMINI, "gemini", "/v1beta", ""},
    {FL_SIM_OLLAMA, "ollama_native", "", ""},
    {FL_SIM_BEDROCK, "bedrock", "", ", region: us-east-1"},
    {FL_SIM_OPENAI, "openai_compatible", "/v1", ""},
};
enum { dialect_count = sizeof(dialects) / sizeof(*dialects) };

struct swarm {
    struct rig rig;
    struct fl_rng rng;
    unsigned provider_count, client_count;
    struct fl_sim_model model;
    struct fl_simprovider *providers[providers_max];
    const struct dialect *dialects[providers_max];
    struct fl_simclient *clients[clients_max];
    struct fl_simclient *back[clients_max]; /* those who went away and came back for their stream */
    uint64_t had[clients_max];              /* number of the last event that they had then */
    bool stream[clients_max];
    struct fl_world_faults faults;
};

/* The ways to the providers get faults of every kind. */
static void on_dial(void *owner, const struct fl_world_dial *dial, struct fl_world_link *link)
{
    struct swarm *s = owner;
    if (dial->to.bytes[2] == 1) {
        fl_world_draw_faults(&s->rng, &s->faults, link);
    }
}

static void put_config(struct swarm *r, struct fl_buf *b)
{
    static const char *const algorithms[] = {"round_robin", "weighted_round_robin",
                                             "least_connections", "least_response_time", "ip_hash"};
    static const char *const strategies[] = {"hybrid", "load_balance", "performance", "cost"};
    fl_buf_put_cstr(b, "listen: \"10.0.0.1:80\"\nrouting:\n  strategy: ");
    fl_buf_put_cstr(b, strategies[fl_rng_below(&r->rng, 4)]);
    fl_buf_put_cstr(b, "\n  load_balancing: {algorithm: ");
    fl_buf_put_cstr(b, algorithms[fl_rng_below(&r->rng, 5)]);
    static const char *const hedges[] = {"off", "auto", "30ms", "1s"};
    fl_buf_put_cstr(b, "}\n  hedge: ");
    fl_buf_put_cstr(b, hedges[fl_rng_below(&r->rng, 4)]);
    fl_buf_put_cstr(b, fl_rng_below(&r->rng, 2) ? "\n  resume: continue" : "");
    fl_buf_put_cstr(b, fl_rng_below(&r->rng, 2) ? "\n  replay: on" : "");
    fl_buf_put_cstr(b, "\n  health_check_interval: 2\n"
                       "  timeouts: {connect: 2s, first_token: 5s, idle: 4s, total: 20s}\n"
                       "limits: {heartbeat: 3s, head_timeout: 5s, body_timeout: 5s, idle: 10s, ");
    static const char *const replays[] = {"replay_grace: 5s", "replay_grace: 500ms", "replay: 2KiB, replay_grace: 5s",
                                          "replay_total: 10KiB, replay_grace: 5s"};
    fl_buf_put_cstr(b, replays[fl_rng_below(&r->rng, 4)]);
    fl_buf_put_cstr(b, "}\n"
                       "auth: {insecure_no_auth: true}\nproviders:\n");
    for (unsigned i = 0; i < r->provider_count; i++) {
        fl_buf_put_cstr(b, "  p");
        fl_buf_put_u64(b, i);
        fl_buf_put_cstr(b, ": {type: ");
        fl_buf_put_cstr(b, r->dialects[i]->type);
        fl_buf_put_cstr(b, r->dialects[i]->more);
        fl_buf_put_cstr(b, ", api_key: sk-sim, models: [m], base_url: \"http://10.0.1.");
        fl_buf_put_u64(b, i + 1);
        fl_buf_put_cstr(b, ":80");
        fl_buf_put_cstr(b, r->dialects[i]->path);
        fl_buf_put_cstr(b, "\", connections: ");
        fl_buf_put_u64(b, fl_rng_below(&r->rng, 4) == 0 ? 1 : 100);
        fl_buf_put_cstr(b, "}\n");
    }
}

static void start_server(struct swarm *r, unsigned workers)
{
    struct fl_buf yaml;
    fl_buf_init(&yaml, 65536);
    put_config(r, &yaml);
    rig_serve_file(&r->rig, fl_buf_slice(&yaml), workers);
    fl_buf_finish(&yaml);
}

static void start_provider(struct swarm *r, unsigned i)
{
    char ip[16] = "10.0.1.1";
    struct fl_addr addr;
    ip[7] = (char)('1' + i);
    assert_true(fl_addr_parse_ip(fl_slice_cstr(ip), &addr));
    addr.port = 80;
    unsigned dialect = (unsigned)fl_rng_below(&r->rng, 2 * dialect_count);
    r->dialects[i] = &dialects[dialect < dialect_count ? dialect : dialect_count - 1];
    struct fl_simprovider_options options = {
        .name = FL_LIT("p"),
        .models = &r->model,
        .model_count = 1,
        .dialect = r->dialects[i]->dialect,
        .seed = r->rig.seed,
        .ttft_median_ns = (1 + fl_rng_below(&r->rng, 400)) * FL_NS_MS,
        .ttft_sigma_permille = 500,
        .token_ns = fl_rng_below(&r->rng, 40) * FL_NS_MS,
        .error_permille = fl_rng_below(&r->rng, 3) == 0 ? 300 : 0,
    };
    if (fl_rng_below(&r->rng, 2) == 0) {
        options.misdeeds = (struct fl_sim_misdeeds){
            .bits = FL_SIM_MISDEED_BIT(fl_rng_below(&r->rng, FL_SIM_MISDEED_COUNT)),
            .permille = 300 + (unsigned)fl_rng_below(&r->rng, 700),
            .after_tokens = (unsigned)fl_rng_below(&r->rng, 12)};
    }
    assert_int_equal(
        fl_simprovider_create(fl_world_sys(r->rig.world, ip), &addr, &options, &r->providers[i]),
        FL_OK);
}

static void start_client(struct swarm *r, unsigned i)
{
    struct fl_simclient_options options = fl_simclient_options("10.0.0.1", 80);
    switch (fl_rng_below(&r->rng, 6)) {
    case 0:
        options.abort_ns = fl_rng_below(&r->rng, 2000) * FL_NS_MS + 1;
        options.abort_how = fl_rng_below(&r->rng, 2) == 0 ? FL_CLOSE_NOW : FL_CLOSE_RESET;
        break;
    case 1:
        options.abort_received = fl_rng_below(&r->rng, 1500);
        break;
    case 2:
        options.piece_bytes = 1 + fl_rng_below(&r->rng, 40);
        options.piece_gap_ns = fl_rng_below(&r->rng, 20) * FL_NS_MS;
        break;
    case 3:
        options.read_bytes = 16;
        options.read_gap_ns = fl_rng_below(&r->rng, 60) * FL_NS_MS;
        break;
    default:
        break;
    }
    r->clients[i] = rig_client(&r->rig, i, &options);
    r->stream[i] = fl_rng_below(&r->rng, 2) == 0;
    for (uint64_t n = 1 + fl_rng_below(&r->rng, 3); n > 0; n--) {
        fl_simclient_chat(r->clients[i], "auto", "Summarize the tides", r->stream[i]);
    }
    if (fl_rng_below(&r->rng, 8) == 0) {
        fl_simclient_request(r->clients[i], "POST", "/v1/chat/completions", "",
                             FL_LIT("{\"model\":\"auto\","));
    }
}

static void check_answer(const struct fl_simanswer *a, bool stream)
{
    if (a->status == 200 && a->complete &&
        stream) { /* what looks whole is whole, or says that it is not */
        struct fl_slice body = fl_buf_slice(&a->body);
        bool told = fl_slice_find_text(body, FL_LIT("\"error\"")) < body.len;
        bool finished = fl_slice_find_text(body, FL_LIT("\"finish_reason\":\"")) < body.len;
        assert_true(a->done_marker || told || finished);
    }
    if (a->status == 200 && a->complete && !stream) {
        struct fl_buf text;
        fl_buf_init(&text, 1 << 20);
        fl_simanswer_text(a, &text);
        if (text.len == 0) {
            print_error("%.*s\n%.*s\n", (int)a->head.len, a->head.ptr, (int)a->body.len,
                        a->body.ptr);
        }
        assert_true(text.len > 0);
        fl_buf_finish(&text);
    }
    if (a->complete && a->status != 200) {
        assert_true(a->status >= 400);
        assert_true(fl_slice_starts(fl_buf_slice(&a->body), FL_LIT("{\"error\":")));
    }
}

/* The id of the last whole event of a stream's body; empty: it has none. */
static struct fl_slice last_id(struct fl_slice body)
{
    const struct fl_slice blank = FL_LIT("\n\n"), field = FL_LIT("id: ");
    while (body.len > 2 && !fl_slice_eq(fl_slice_from(body, body.len - 2), blank)) {
        body.len--;
    }
    for (size_t at = body.len; at-- > 0;) {
        struct fl_slice line = fl_slice_from(body, at);
        if ((at == 0 || body.ptr[at - 1] == '\n') && fl_slice_starts(line, field)) {
            return fl_slice_from(fl_slice_first(line, fl_slice_find(line, '\n')), field.len);
        }
    }
    return FL_EMPTY;
}

static bool number_of(struct fl_slice id, uint64_t *ret_number)
{
    return fl_slice_u64(fl_slice_from(id, fl_slice_find(id, '.') + 1), ret_number);
}

/* Who went away in the middle of a stream that has ids comes back. */
static void come_back(struct swarm *r, unsigned i)
{
    const struct fl_simanswer *a = NULL;
    char header[120];
    for (unsigned n = 0; n < fl_simclient_answers(r->clients[i]); n++) {
        const struct fl_simanswer *next = fl_simclient_answer(r->clients[i], n);
        a = next->status == 200 && !next->complete ? next : a;
    }
    struct fl_slice id = a && r->stream[i] ? last_id(fl_buf_slice(&a->body)) : FL_EMPTY;
    if (id.len == 0 || r->back[i]) {
        return;
    }
    assert_true(number_of(id, &r->had[i]));
    struct fl_simclient_options options = fl_simclient_options("10.0.0.1", 80);
    if (fl_rng_below(&r->rng, 4) == 0) { /* and goes away once more */
        options.abort_ns = fl_rng_below(&r->rng, 1000) * FL_NS_MS + 1;
    } else if (fl_rng_below(&r->rng, 4) == 0) {
        options.read_bytes = 64;
        options.read_gap_ns = fl_rng_below(&r->rng, 60) * FL_NS_MS;
    }
    r->back[i] = rig_client(&r->rig, clients_max + i, &options);
    (void)snprintf(header, sizeof(header), "last-event-id: %.*s\r\n", (int)id.len, id.ptr);
    fl_simclient_request(r->back[i], fl_rng_below(&r->rng, 2) ? "GET" : "POST", "/v1/chat/completions", header,
                         FL_EMPTY);
}

/* What it gets follows on what it had. */
static void check_back(const struct swarm *r, unsigned i)
{
    const struct fl_simanswer *a = fl_simclient_answer(r->back[i], 0);
    struct fl_slice rest = fl_buf_slice(&a->body), line;
    uint64_t next = r->had[i] + 1, n = 0;
    while (a->status == 200 && rest.len > 0) {
        size_t end = fl_slice_find(rest, '\n');
        line = fl_slice_first(rest, end);
        if (fl_slice_starts(line, FL_LIT("id: ")) && end < rest.len) {
            rig_check(&r->rig, number_of(line, &n));
            rig_equal(&r->rig, n, next);
            next++;
        }
        rest = fl_slice_from(rest, end + 1);
    }
    rig_check(&r->rig, a->status == 0 || a->status == 200 || a->status == 204 || a->status == 404 ||
                           a->status == 410);
    if (a->status == 200 && a->body.len > 0) {
        check_answer(a, true);
    }
    rig_equal(&r->rig, fl_simclient_surplus(r->back[i]), 0);
}

static bool quiet(void *owner)
{
    struct swarm *r = owner;
    for (unsigned i = 0; i < r->client_count; i++) {
        if (fl_simclient_aborted(r->clients[i])) {
            come_back(r, i);
        }
        if (r->back[i] && !fl_simclient_settled(r->back[i])) {
            return false;
        }
        if (!fl_simclient_settled(r->clients[i]) && !fl_simclient_aborted(r->clients[i])) {
            return false;
        }
    }
    return true;
}

static unsigned comebacks, comebacks_read; /* of all seeds */

static uint64_t run_seed(uint64_t seed)
{
    struct swarm r = {.model = {.id = FL_LIT("m"), .input_picousd = 1, .output_picousd = 1}};
    struct rig *rig = &r.rig;
    rig_open(rig, seed);
    rig_say(rig, "FL_SIM_SEED=%llu", (unsigned long long)seed);
    fl_rng_seed(&r.rng, seed ^ 0x5eed);
    r.provider_count = 1 + (unsigned)fl_rng_below(&r.rng, providers_max);
    unsigned workers = 1 + (unsigned)fl_rng_below(&r.rng, rig_workers_max);
    r.client_count = 1 + (unsigned)fl_rng_below(&r.rng, clients_max);
    for (unsigned i = 0; i < r.provider_count; i++) {
        start_provider(&r, i);
    }
    start_server(&r, workers);
    if (fl_rng_below(&r.rng, 2) == 0) {
        r.faults = fl_world_swarm(&r.rng);
        fl_world_on_dial(rig->world, on_dial, &r);
    }
    for (unsigned i = 0; i < r.client_count; i++) {
        start_client(&r, i);
    }
    fl_world_run_for(rig->world, fl_rng_below(&r.rng, 1500) * FL_NS_MS);
    if (fl_rng_below(&r.rng, 4) == 0) { /* a reload in the middle: the same snapshot, fresh pools */
        for (unsigned i = 0; i < workers; i++) {
            fl_worker_adopt(rig->workers[i], rig->snapshot);
        }
    }
    /* Liveness: each request within its deadline of 20 s; at most 4 one after another, and slack.
     */
    rig_check(rig, fl_world_run_until(rig->world, quiet, &r, 120 * FL_NS_S));
    for (unsigned i = 0; i < r.client_count; i++) {
        for (unsigned n = 0; n < fl_simclient_answers(r.clients[i]); n++) {
            check_answer(fl_simclient_answer(r.clients[i], n), r.stream[i]);
        }
        rig_equal(rig, fl_simclient_surplus(r.clients[i]), 0);
        if (r.back[i]) {
            check_back(&r, i);
            comebacks++;
            comebacks_read += fl_simclient_answer(r.back[i], 0)->status == 200;
        }
        fl_simclient_destroy(r.back[i]);
        fl_simclient_destroy(r.clients[i]);
    }
    rig_check(rig, fl_world_run_until(rig->world, rig_idle, rig, 60 * FL_NS_S));
    uint64_t hash = fl_world_hash(rig->world);
    rig_stop(rig);
    for (unsigned i = 0; i < r.provider_count; i++) {
        fl_simprovider_destroy(r.providers[i]);
    }
    rig_close(rig);
    return hash;
}

static void a_thousand_seeds_keep_the_invariants(void **state)
{
    (void)state;
    uint64_t only = rig_number("FL_SIM_SEED", 0), count = rig_number("FL_SIM_SEEDS", 1000);
    for (uint64_t seed = only ? only : 1; seed <= (only ? only : count); seed++) {
        (void)fprintf(stderr, "\rseed %llu ",
                      (unsigned long long)seed); /* the last one told is the one that failed */
        (void)run_seed(seed);
    }
    (void)fprintf(stderr, "\n%u came back, %u of them for something\n", comebacks, comebacks_read);
    assert_true(only || count < 1000 || comebacks_read > 10);
}

static void a_seed_replays_exactly(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        assert_true(run_seed(seed) == run_seed(seed));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_seed_replays_exactly),
        cmocka_unit_test(a_thousand_seeds_keep_the_invariants),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the resilience is worth, in the real server, as numbers with their 95 % intervals: an outage of
 * all providers, a brown-out and a naive client in it, a straggling replica, a target that fails fast,
 * hedging, rate limits, malformed requests.
 */
#include "sim/load.h"

#include <stdio.h>

enum { seeds = 20 };

#define MS(n) ((n)*FL_NS_MS)
#define S(n)  ((n)*FL_NS_S)

/* --- everything is down --- */

static double outage(uint64_t seed, enum fl_sim_outage_kind kind)
{
    const uint64_t down_ns = S(60);
    struct load *l = load_open(seed, 3, NULL, "routing: {timeouts: {first_token: 2s}}\n");
    for (unsigned i = 0; i < 3; i++) {
        load_provider(l, (struct fl_simprovider_options){.ttft_median_ns = MS(100)});
    }
    load_run(l, S(10), MS(50), false);
    struct fl_worker_stats before = fl_simgateway_stats(&l->gateway);
    for (unsigned i = 0; i < 3; i++) {
        fl_simprovider_outage(l->providers[i], kind, down_ns);
    }
    load_run(l, down_ns, MS(50), false);
    struct fl_worker_stats after = fl_simgateway_stats(&l->gateway);
    /* a second's reserve for each second of it, and what the budget held */
    double attempts = (double)(after.attempts - before.attempts) - 60;
    double ratio = attempts / (double)(after.exchanges - before.exchanges);
    load_settle(l);
    load_close(l);
    return ratio;
}

static void an_outage_of_all_multiplies_nothing(void **state)
{
    double errors[100], silence[100];
    unsigned count = (unsigned)load_seeds(seeds);
    (void)state;
    for (unsigned i = 0; i < count; i++) {
        errors[i] = outage(i + 1, FL_SIM_ERROR);
        silence[i] = outage(i + 1, FL_SIM_STALL);
    }
    assert_true(load_interval("all answer 500: attempts a request", errors, count).most <= 1.2);
    assert_true(load_interval("all are silent: attempts a request", silence, count).most <= 1.2);
}

/* --- a brown-out --- */

enum { brown_providers = 4 };

static void start_brown(struct load *l, bool deaf)
{
    for (unsigned i = 0; i < brown_providers; i++) { /* 8 a second each */
        load_provider(l, (struct fl_simprovider_options){.ttft_median_ns = MS(250),
                                                         .ttft_sigma_permille = 200,
                                                         .slots = 2,
                                                         .deaf = deaf});
    }
}

static void pace_all(struct load *l, unsigned permille)
{
    for (unsigned i = 0; i < l->provider_count; i++) {
        fl_simprovider_pace(l->providers[i], permille);
    }
}

/* Success from five seconds after its end on, for ten seconds. */
static double brown_out(uint64_t seed)
{
    struct load *l = load_open(seed, brown_providers, NULL, NULL);
    l->headers = "x-fairlead-timeout-ms: 3000\r\n";
    start_brown(l, false);
    load_run(l, S(20), MS(39), false); /* 80 % of 32 a second */
    pace_all(l, 8000);
    load_run(l, S(10), MS(39), false);
    pace_all(l, 1000);
    uint64_t end_ns = fl_world_now(l->world);
    load_run(l, S(16), MS(39), false);
    load_settle(l);
    double success = load_success(l, end_ns + S(5), S(10), FL_NEVER);
    load_close(l);
    return success;
}

/* Clients without a gateway: each asks a provider at random, waits a second and a half, and asks another at once, four
 * times. Nobody tells the providers that nobody waits any more. */
struct naive {
    struct fl_simclient *client;
    uint64_t sent_ns, tried_ns;
    unsigned tries;
};

static struct fl_simclient *try_one(struct load *l)
{
    char ip[32];
    (void)snprintf(ip, sizeof(ip), "10.0.1.%u", 1 + (unsigned)fl_rng_below(&l->rng, 4));
    struct fl_simclient_options options = fl_simclient_options(ip, 80);
    struct fl_simclient *c = fl_simclient_create(l->clients, &options);
    fl_simclient_chat(c, "m", "Hi", false);
    return c;
}

static void sweep_naive(struct load *l, struct naive *all, unsigned *count, uint64_t from_ns,
                        unsigned *asked, unsigned *good)
{
    uint64_t now_ns = fl_world_now(l->world);
    for (unsigned i = *count; i-- > 0;) {
        struct naive *n = &all[i];
        bool done = fl_simclient_settled(n->client);
        bool ok = done && fl_simclient_answer(n->client, 0)->complete;
        if (!done && now_ns < n->tried_ns + MS(1500)) {
            continue;
        }
        fl_simclient_destroy(n->client);
        if (!ok && ++n->tries < 4) {
            n->tried_ns = now_ns;
            n->client = try_one(l);
            continue;
        }
        *asked += n->sent_ns >= from_ns;
        *good += ok && n->sent_ns >= from_ns;
        all[i] = all[--*count];
    }
}

static double naive_brown_out(uint64_t seed, uint64_t from_s)
{
    static struct naive all[4096];
    unsigned count = 0, asked = 0, good = 0;
    struct load *l = load_open(seed, brown_providers, NULL, NULL);
    start_brown(l, true);
    uint64_t begun_ns = fl_world_now(l->world);
    for (uint64_t now_ns = begun_ns; now_ns < begun_ns + S(from_s + 11); now_ns = fl_world_now(l->world)) {
        bool brown = now_ns >= begun_ns + S(20) && now_ns < begun_ns + S(30);
        pace_all(l, brown ? 8000 : 1000);
        fl_world_run_for(l->world, 1 + fl_rng_below(&l->rng, MS(78)));
        assert_true(count < 4096);
        all[count++] =
            (struct naive){try_one(l), fl_world_now(l->world), fl_world_now(l->world), 0};
        sweep_naive(l, all, &count, begun_ns + S(from_s), &asked, &good);
    }
    while (count > 0) {
        fl_simclient_destroy(all[--count].client);
    }
    load_close(l);
    return asked > 0 ? (double)good / asked : 0;
}

static void a_brown_out_is_over_when_it_is_over(void **state)
{
    double ours[100], naive[100], before[100];
    unsigned count = (unsigned)load_seeds(seeds);
    (void)state;
    for (unsigned i = 0; i < count; i++) {
        ours[i] = brown_out(i + 1);
        before[i] = naive_brown_out(i + 1, 9); /* it does well until then */
        naive[i] = naive_brown_out(i + 1, 35);
    }
    assert_true(load_interval("success 5 s after a brown-out", ours, count).mean >= 0.99);
    assert_true(load_interval("naive clients before it", before, count).mean > 0.95);
    assert_true(load_interval("naive clients 5 s after it", naive, count).most < 0.5);
}

/* --- one replica is slow (linkerd's) --- */

static double slow_replica(uint64_t seed)
{
    const uint64_t gap_ns = MS(1);
    struct load *l = load_open(seed, 11, NULL, NULL);
    for (unsigned i = 0; i < 11; i++) {
        load_provider(l, (struct fl_simprovider_options){.ttft_median_ns = MS(167),
                                                         .ttft_sigma_permille = 30});
    }
    uint64_t from_ns = fl_world_now(l->world);
    load_run(l, S(15), gap_ns, false);
    fl_simprovider_pace(l->providers[3], 12000);
    load_run(l, S(30), gap_ns, false);
    fl_simprovider_pace(l->providers[3], 1000);
    load_run(l, S(15), gap_ns, false);
    load_settle(l);
    double success = load_success(l, from_ns, S(60), S(1));
    load_close(l);
    return success;
}

static void a_slow_replica_is_hardly_noticed(void **state)
{
    double success[100];
    unsigned count = (unsigned)load_seeds(2);
    (void)state;
    for (unsigned i = 0; i < count; i++) {
        success[i] = slow_replica(i + 1);
    }
    assert_true(load_interval("linkerd's scenario: answers within 1 s", success, count).mean >= 0.9995);
}

/* --- a target that fails fast --- */

static void who_fails_fast_gets_nothing(void **state)
{
    double shares[100];
    unsigned count = (unsigned)load_seeds(seeds);
    (void)state;
    for (unsigned i = 0; i < count; i++) {
        struct load *l = load_open(i + 1, 4, NULL, NULL);
        for (unsigned k = 0; k < 4; k++) {
            load_provider(l, (struct fl_simprovider_options){.ttft_median_ns = MS(200)});
        }
        load_run(l, S(10), MS(20), false);
        fl_simprovider_refuse(l->providers[1], (struct fl_sim_refusals){500, 1000, 0});
        load_run(l, S(5), MS(20), false);
        uint64_t asked = load_asked(l, 1), all = l->request_count;
        load_run(l, S(20), MS(20), false);
        shares[i] = (double)(load_asked(l, 1) - asked) / (double)(l->request_count - all);
        load_settle(l);
        assert_true(load_success(l, 0, FL_NEVER, FL_NEVER) >= 0.999);
        load_close(l);
    }
    assert_true(load_interval("share of who fails fast, from 5 s on", shares, count).most < 0.02);
}

/* --- hedging --- */

static void start_stragglers(struct load *l)
{
    for (unsigned i = 0; i < 3; i++) {
        load_provider(l, (struct fl_simprovider_options){.ttft_median_ns = MS(500),
                                                         .ttft_sigma_permille = 50,
                                                         .straggle_permille = 20});
    }
}

static double straggling_p99_s(uint64_t seed, const char *hedge, double *ret_extra)
{
    struct load *l = load_open(seed, 3, NULL, hedge);
    start_stragglers(l);
    load_run(l, S(60), MS(50), true); /* to learn from */
    unsigned learned = l->request_count;
    uint64_t asked = load_asked(l, 0) + load_asked(l, 1) + load_asked(l, 2);
    load_run(l, S(100), MS(50), true);
    load_settle(l);
    uint64_t more = load_asked(l, 0) + load_asked(l, 1) + load_asked(l, 2) - asked;
    *ret_extra = (double)more / (double)(l->request_count - learned) - 1;
    memmove(l->requests, l->requests + learned,
            (l->request_count - learned) * sizeof(l->requests[0]));
    l->request_count -= learned;
    double p99 = (double)load_first_quantile(l, 0.99) / 1e9;
    load_close(l);
    return p99;
}

static void hedging_cuts_the_tail(void **state)
{
    double without[100], with[100], extra[100], none = 0;
    unsigned count = (unsigned)load_seeds(5);
    (void)state;
    for (unsigned i = 0; i < count; i++) {
        without[i] = straggling_p99_s(i + 1, NULL, &none);
        with[i] = straggling_p99_s(i + 1, "routing: {hedge: auto}\n", &extra[i]);
    }
    assert_true(load_interval("p99 of the first token, s", without, count).mean >= 4.5);
    assert_true(load_interval("the same with hedge: auto, s", with, count).mean <= 2.0);
    assert_true(load_interval("requests more for it", extra, count).mean <= 0.06);
}

/* Everything is slow at once: hedges must not add to it beyond the budget. */
static void hedging_stays_in_its_budget(void **state)
{
    double extra[100];
    unsigned count = (unsigned)load_seeds(5);
    (void)state;
    for (unsigned i = 0; i < count; i++) {
        struct load *l = load_open(i + 1, 3, NULL, "routing: {hedge: auto}\n");
        start_stragglers(l);
        load_run(l, S(60), MS(50), true);
        uint64_t asked = load_asked(l, 0) + load_asked(l, 1) + load_asked(l, 2);
        unsigned before = l->request_count;
        pace_all(l, 5000);
        load_run(l, S(30), MS(50), true);
        uint64_t more = load_asked(l, 0) + load_asked(l, 1) + load_asked(l, 2) - asked;
        extra[i] = ((double)more - 30) / (double)(l->request_count - before) - 1;
        load_settle(l);
        load_close(l);
    }
    assert_true(load_interval("requests more when all are slow", extra, count).most <= 0.2);
}

/* --- rate limits --- */

static void no_request_is_spent_on_a_known_limit(void **state)
{
    double late[100], success[100];
    unsigned count = (unsigned)load_seeds(seeds);
    (void)state;
    for (unsigned i = 0; i < count; i++) {
        struct load *l = load_open(i + 1, 1, ", api_key: k1, keys: [k2]", NULL);
        load_provider(l, (struct fl_simprovider_options){.ttft_median_ns = MS(100),
                                                         .requests_per_min = 60,
                                                         .limits_by_key = true});
        load_run(l, S(60), MS(500), false);
        uint64_t limited = fl_simprovider_stats(l->providers[0])->limited;
        uint64_t from_ns = fl_world_now(l->world);
        load_run(l, S(240), MS(500), false);
        load_settle(l);
        late[i] = (double)(fl_simprovider_stats(l->providers[0])->limited - limited);
        success[i] = load_success(l, from_ns, S(240), FL_NEVER);
        load_close(l);
    }
    assert_true(load_interval("429s after the first minute", late, count).most == 0);
    (void)load_interval("answered, at the very limit", success, count);
}

/* The same with the limit in the file: from the first request on. Exactly at the limit, then above it: what is more
 * than the limit waits. */
static void no_request_is_spent_on_a_configured_limit(void **state)
{
    double limited[100], success[100], used[100];
    unsigned count = (unsigned)load_seeds(seeds);
    (void)state;
    for (unsigned i = 0; i < count; i++) {
        struct load *l = load_open(i + 1, 1, ", rpm: 60, api_key: k1, keys: [{key: k2, rpm: 60, tpm: 1000000}]", NULL);
        load_provider(l, (struct fl_simprovider_options){.ttft_median_ns = MS(100),
                                                         .requests_per_min = 60,
                                                         .limits_by_key = true});
        uint64_t from_ns = fl_world_now(l->world);
        load_run(l, S(120), MS(500), false);
        success[i] = load_success(l, from_ns, S(120), FL_NEVER);
        uint64_t before = load_asked(l, 0);
        load_run(l, S(60), MS(250), true);
        used[i] = (double)(load_asked(l, 0) - before);
        load_settle(l);
        limited[i] = (double)fl_simprovider_stats(l->providers[0])->limited;
        load_close(l);
    }
    assert_true(load_interval("429s of a configured limit", limited, count).most == 0);
    /* at a load of one, with no more than ten seconds at once, a queue of 5 s is now and then too short */
    assert_true(load_interval("answered, at the very limit", success, count).mean >= 0.9);
    /* of 120 allowed and 240 offered */
    assert_true(load_interval("asked in a minute, above the limit", used, count).least >= 110);
}

/* --- malformed requests --- */

static void ten_thousand_malformed_requests_change_nobodys_health(void **state)
{
    static const char *const bodies[] = {
        "{", "", "[]", "{\"model\":\"auto\"}", "{\"model\":7}", "{\"model\":\"nobody\",\"messages\":[]}",
        "{\"model\":\"auto\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"max_tokens\":0}",
        "{\"model\":\"auto\",\"messages\":\"x\"}", "{\"model\":\"auto\",\"model\":\"auto\"}", "\xff\xfe"};
    (void)state;
    struct load *l = load_open(1, 3, NULL, NULL);
    for (unsigned i = 0; i < 3; i++) {
        load_provider(l, (struct fl_simprovider_options){.ttft_median_ns = MS(5)});
    }
    for (unsigned i = 0; i < 10000; i++) {
        struct fl_simclient_options options = fl_simclient_options("10.0.0.1", 80);
        struct fl_simclient *c = fl_simclient_create(l->clients, &options);
        fl_simclient_request(c, "POST", "/v1/chat/completions", "", fl_slice_cstr(bodies[i % 10]));
        assert_true(fl_world_run_until(l->world, fl_simclient_until, c, S(70)));
        int status = fl_simclient_answer(c, 0)->status;
        assert_true(status >= 400 && status < 500);
        fl_simclient_destroy(c);
    }
    for (unsigned i = 0; i < 3; i++) {
        struct fl_target_view view = {0};
        char id[8] = "p0/m";
        id[1] = (char)('0' + i);
        assert_true(fl_simgateway_target(&l->gateway, id, &view));
        assert_int_equal(view.failed, 0);
        assert_int_equal(view.health, FL_HEALTHY);
    }
    load_close(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_outage_of_all_multiplies_nothing),
        cmocka_unit_test(a_brown_out_is_over_when_it_is_over),
        cmocka_unit_test(a_slow_replica_is_hardly_noticed),
        cmocka_unit_test(who_fails_fast_gets_nothing),
        cmocka_unit_test(hedging_cuts_the_tail),
        cmocka_unit_test(hedging_stays_in_its_budget),
        cmocka_unit_test(no_request_is_spent_on_a_known_limit),
        cmocka_unit_test(no_request_is_spent_on_a_configured_limit),
        cmocka_unit_test(ten_thousand_malformed_requests_change_nobodys_health),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

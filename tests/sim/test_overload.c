/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Twice as much as a provider can do, in the real server: what is answered in time stays near its
 * capacity, what matters most does not notice, nobody is answered after its deadline, and the rest
 * is told at once.
 */
#include "sim/load.h"

#include <stdio.h>
#include <stdlib.h>

enum { seeds = 8, slots = 8, kinds = 10 };

#define MS(n) ((n)*FL_NS_MS)
#define S(n)  ((n)*FL_NS_S)

/* 40 a second: eight at a time, 200 ms each. It goes on working for those that left. */
static const struct fl_simprovider_options busy = {
    .ttft_median_ns = MS(200), .slots = slots, .deaf = true};
static const double capacity_per_s = 40;
static const uint64_t deadline_ns = S(2);

/* One in ten is urgent, six are as usual, three can wait. */
static const char *by_turn(unsigned request)
{
    unsigned kind = request % kinds;
    return kind == 0  ? "x-fairlead-timeout-ms: 2000\r\nx-fairlead-priority: high\r\n"
           : kind < 7 ? "x-fairlead-timeout-ms: 2000\r\n"
                      : "x-fairlead-timeout-ms: 2000\r\nx-fairlead-priority: low\r\n";
}

struct result {
    double good;        /* answers in time, as a part of what can be done */
    double urgent;      /* part of the urgent that was answered */
    uint64_t urgent_ns; /* the slowest of these */
    uint64_t latest_ns; /* the slowest end of any */
    unsigned answered[3], sent[3];
    unsigned open_most;
    uint64_t at_once_most; /* that the provider had */
};

static void count(const struct load *l, uint64_t from_ns, uint64_t ns, struct result *r)
{
    unsigned good = 0;
    for (unsigned i = 0; i < l->request_count; i++) {
        const struct load_request *q = &l->requests[i];
        uint64_t took_ns = q->end_ns - q->sent_ns;
        unsigned class = i % kinds == 0 ? 0 : i % kinds < 7 ? 1 : 2;
        if (q->sent_ns < from_ns || q->sent_ns >= from_ns + ns) {
            continue;
        }
        r->sent[class]++;
        r->answered[class] += q->ok;
        good += q->ok && took_ns <= deadline_ns;
        r->latest_ns = took_ns > r->latest_ns ? took_ns : r->latest_ns;
        if (class == 0 && took_ns > r->urgent_ns) {
            r->urgent_ns = took_ns;
        }
    }
    r->good = good / (capacity_per_s * (double)ns / 1e9);
    r->urgent = (double)r->answered[0] / r->sent[0];
}

static struct result overload(uint64_t seed, const char *each)
{
    struct result r = {0};
    struct load *l = load_open(seed, 1, each, "limits: {queue: 32}\n");
    load_provider(l, busy);
    l->headers_of = by_turn;
    load_run(l, S(5), MS(40), false); /* it knows the provider */
    uint64_t from_ns = fl_world_now(l->world);
    for (unsigned i = 0; i < 300; i++) {
        load_run(l, MS(100), MS(25) / 2, false); /* 80 a second */
        unsigned open = fl_simgateway_stats(&l->gateway).exchanges_open;
        uint64_t there = fl_simprovider_stats(l->providers[0])->in_flight;
        r.open_most = open > r.open_most ? open : r.open_most;
        r.at_once_most = there > r.at_once_most ? there : r.at_once_most;
    }
    load_settle(l);
    count(l, from_ns + S(5), S(24), &r);
    load_close(l);
    return r;
}

static void twice_the_capacity_is_served_as_far_as_it_goes(void **state)
{
    double good[100], naive[100];
    unsigned n = (unsigned)load_seeds(seeds);
    (void)state;
    for (unsigned i = 0; i < n; i++) {
        struct result r = overload(i + 1, ", api_key: k, concurrency: 8");
        good[i] = r.good;
        naive[i] = overload(i + 1, NULL).good;
        print_message(
            "seed %u: %.3f of the capacity; answered high %u of %u, normal %u of %u, low %u of "
            "%u; slowest high %.3f s, slowest %.3f s; %u open at most, %u of them there\n",
            i + 1, r.good, r.answered[0], r.sent[0], r.answered[1], r.sent[1], r.answered[2],
            r.sent[2], (double)r.urgent_ns / 1e9, (double)r.latest_ns / 1e9, r.open_most,
            (unsigned)r.at_once_most);
        assert_true(r.good >= 0.9);
        assert_true(r.urgent == 1);
        assert_true(r.urgent_ns <= S(1));
        assert_true(r.latest_ns <= deadline_ns + MS(10));
        assert_true(r.open_most <= slots + 32 + 2);
        assert_true(r.at_once_most <= slots);
        /* what can wait is what goes without */
        assert_true(r.answered[1] * r.sent[2] > r.answered[2] * r.sent[1]);
    }
    assert_true(load_interval("bounded: answers in time, of what can be done", good, n).least >=
                0.9);
    assert_true(load_interval("unbounded: the same", naive, n).mean < 0.5);
}

/* --- a tenant that floods beside a quiet one --- */

static const char *const keys_of[] = {"authorization: Bearer flood-flood-flood\r\nx-fairlead-timeout-ms: 2000\r\n",
                                      "authorization: Bearer quiet-quiet-quiet\r\nx-fairlead-timeout-ms: 2000\r\n"};

/* One in sixteen is the quiet one's: 5 a second of 80, and of 40 that can be done. */
static bool is_quiet(unsigned request)
{
    return request % 16 == 0;
}

static const char *by_tenant(unsigned request)
{
    return keys_of[is_quiet(request)];
}

static const char *of_one_tenant(unsigned request)
{
    (void)request;
    return keys_of[0];
}

struct shares {
    unsigned quiet_sent, quiet_ok, flood_ok;
    uint64_t quiet_ns; /* the slowest of the quiet one's */
};

static struct shares flood(uint64_t seed, bool two_tenants)
{
    static const char keys[] = "limits: {queue: 32}\nkeys:\n  - {name: flood, key: flood-flood-flood}\n"
                               "  - {name: quiet, key: quiet-quiet-quiet}\n";
    struct shares r = {0};
    struct load *l = load_open(seed, 1, ", api_key: k, concurrency: 8", keys);
    load_provider(l, busy);
    l->headers_of = two_tenants ? by_tenant : of_one_tenant;
    load_run(l, S(5), MS(40), false);
    uint64_t from_ns = fl_world_now(l->world) + S(3);
    load_run(l, S(27), MS(25) / 2, false);
    load_settle(l);
    for (unsigned i = 0; i < l->request_count; i++) {
        const struct load_request *q = &l->requests[i];
        if (q->sent_ns < from_ns) {
            continue;
        }
        uint64_t took_ns = q->end_ns - q->sent_ns;
        r.quiet_sent += is_quiet(i);
        r.quiet_ok += is_quiet(i) && q->ok;
        r.flood_ok += !is_quiet(i) && q->ok;
        r.quiet_ns = is_quiet(i) && took_ns > r.quiet_ns ? took_ns : r.quiet_ns;
    }
    load_close(l);
    return r;
}

/* The quiet one does not notice, the other gets what is left; as one tenant they share the misery. */
static void a_flood_of_one_tenant_is_that_tenants(void **state)
{
    double quiet[100], shared[100], rest[100], slowest[100];
    unsigned n = (unsigned)load_seeds(seeds);
    (void)state;
    for (unsigned i = 0; i < n; i++) {
        struct shares two = flood(i + 1, true), one = flood(i + 1, false);
        quiet[i] = (double)two.quiet_ok / two.quiet_sent;
        shared[i] = (double)one.quiet_ok / one.quiet_sent;
        rest[i] = (two.flood_ok + two.quiet_ok) / (capacity_per_s * 24);
        slowest[i] = (double)two.quiet_ns / 1e9;
    }
    assert_true(load_interval("quiet tenant: answered", quiet, n).least == 1);
    assert_true(load_interval("quiet tenant: slowest, seconds", slowest, n).most <= 0.6);
    assert_true(load_interval("the same requests as part of the flood", shared, n).mean < 0.75);
    assert_true(load_interval("both: answered, of what can be done", rest, n).least >= 0.9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(twice_the_capacity_is_served_as_far_as_it_goes),
        cmocka_unit_test(a_flood_of_one_tenant_is_that_tenants),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Laws of weighted rendezvous hashing with bounded loads. */
#include "unit/cm.h"

#include "unit/route/pool.h"

#include <math.h>

enum { clients = 20000, nodes = 10 };

static struct fl_slice client(const unsigned *number)
{
    return fl_slice((const char *)number, sizeof(*number));
}

static void init(struct pool *p, unsigned count)
{
    pool_init(p, count, FL_STRATEGY_LOAD_BALANCE, FL_IP_HASH);
}

static void homes(struct pool *p, unsigned *ret_home)
{
    for (unsigned i = 0; i < clients; i++) {
        ret_home[i] = pool_plan_for(p, client(&i));
        assert_string_equal(p->plan.why, p->plan.count > 1 ? "client-hash" : "only");
    }
}

/* Weights 1 to 4: shares are exact within the noise of counting, and repeat. */
static void clients_are_shared_by_weight(void **state)
{
    (void)state;
    static unsigned first[clients], again[clients];
    unsigned counts[4] = {0, 0, 0, 0};
    struct pool p;
    init(&p, 4);
    for (unsigned i = 0; i < 4; i++) {
        p.targets[i].weight = i + 1;
    }
    homes(&p, first);
    fl_rng_seed(&p.rng, 99); /* chance has no part in it */
    homes(&p, again);
    assert_memory_equal(first, again, sizeof(first));
    for (unsigned i = 0; i < clients; i++) {
        counts[first[i]]++;
    }
    for (unsigned i = 0; i < 4; i++) {
        double share = (i + 1) / 10.0, sigma = sqrt(clients * share * (1 - share));
        assert_true(fabs(counts[i] - clients * share) < 4 * sigma);
    }
    p.table.hash_key.k0++; /* another key, other homes */
    homes(&p, again);
    unsigned same = 0;
    for (unsigned i = 0; i < clients; i++) {
        same += first[i] == again[i];
    }
    assert_in_range(same, clients / 4, clients * 2 / 5); /* sum of squared shares: 0.3 */
    pool_finish(&p);
}

/* A node of weight 2 among nine of 1 and it: 2 / 11 of the clients move, none of another node. */
static void a_node_that_goes_moves_its_own(void **state)
{
    (void)state;
    static unsigned before[clients], after[clients];
    static unsigned second[clients];
    struct pool p;
    init(&p, nodes);
    p.targets[3].weight = 2;
    for (unsigned i = 0; i < clients; i++) {
        before[i] = pool_plan_for(&p, client(&i));
        second[i] = p.plan.targets[1];
    }
    memmove(&p.order[3], &p.order[4], (nodes - 4) * sizeof(p.order[0]));
    p.route.target_count = p.route.primary_count = nodes - 1;
    homes(&p, after);
    unsigned moved = 0, others = 0, not_to_second = 0;
    for (unsigned i = 0; i < clients; i++) {
        moved += before[i] == 3;
        others += before[i] != 3 && after[i] != before[i];
        not_to_second += before[i] == 3 && after[i] != second[i];
    }
    assert_int_equal(others, 0);
    assert_int_equal(not_to_second, 0); /* the plan's second choice is where they go */
    assert_in_range(moved, clients * 2 / 11 - 220, clients * 2 / 11 + 220);
    pool_finish(&p);
}

static void an_ejection_moves_its_own(void **state)
{
    (void)state;
    static unsigned before[clients], after[clients];
    struct pool p;
    init(&p, nodes);
    homes(&p, before);
    pool_try(&p, 3, FL_ERR_SERVER, 0);
    pool_try(&p, 3, FL_ERR_SERVER, 0);
    homes(&p, after);
    for (unsigned i = 0; i < clients; i++) {
        assert_true(before[i] == 3 ? after[i] != 3 : after[i] == before[i]);
    }
    p.now_ns += 40 * S;
    for (unsigned i = 0; i < 3; i++) {
        pool_try(&p, 3, FL_OK, 0);
    }
    homes(&p, after); /* and all come home, though its strength is not back */
    assert_memory_equal(before, after, sizeof(before));
    pool_finish(&p);
}

/* One client alone, a few, many: no target holds more than its share of 1.25 times the mean,
 * rounded up. */
static void loads_are_bounded(void **state)
{
    (void)state;
    static const unsigned populations[] = {1, 3, 17, clients};
    for (unsigned k = 0; k < sizeof(populations) / sizeof(populations[0]); k++) {
        struct pool p;
        unsigned load[nodes] = {0};
        init(&p, nodes);
        p.targets[1].weight = 3; /* of 12 */
        for (unsigned m = 1; m <= 1500; m++) {
            unsigned who = m * 7919 % populations[k];
            unsigned target = pool_plan_for(&p, client(&who));
            pool_begin(&p, target);
            load[target]++;
            double cap = ceil(1.25 * m * p.targets[target].weight / 12);
            assert_true(load[target] <= cap);
        }
        unsigned sum = 0;
        for (unsigned i = 0; i < nodes; i++) {
            sum += load[i];
        }
        assert_int_equal(sum, 1500);
        if (populations[k] ==
            1) { /* 1.25 of the mean each until nothing is left: 8 targets' worth of 10 */
            unsigned idle = 0;
            for (unsigned i = 0; i < nodes; i++) {
                idle += load[i] == 0;
            }
            assert_in_range(idle, 1, 2);
        }
        pool_finish(&p);
    }
}

static void strangers_are_placed_by_weight(void **state)
{
    (void)state;
    unsigned counts[3] = {0, 0, 0};
    struct pool p;
    init(&p, 3);
    p.targets[2].weight = 2;
    for (unsigned i = 0; i < 20000; i++) {
        counts[pool_plan(&p)]++;
        assert_string_equal(p.plan.why, "random");
    }
    assert_in_range(counts[0], 4750, 5250);
    assert_in_range(counts[2], 9700, 10300);
    pool_finish(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clients_are_shared_by_weight),
        cmocka_unit_test(a_node_that_goes_moves_its_own),
        cmocka_unit_test(an_ejection_moves_its_own),
        cmocka_unit_test(loads_are_bounded),
        cmocka_unit_test(strangers_are_placed_by_weight),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

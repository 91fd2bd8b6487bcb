/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The policies there are: a row for each. Formulas with their sources stand at the top of the files
 * in policy/; docs/add-a-policy.md tells how to add one.
 */
#include "route/policies.h"

#include "base/assert.h"

/* By enum fl_strategy; load_balance is the algorithm's row. name, order, measured, fallbacks */
static const struct fl_policy strategies[FL_STRATEGY_COUNT] = {
    [FL_STRATEGY_HYBRID] = {"hybrid", fl_policy_hybrid, true, false},
    [FL_STRATEGY_COST] = {"cost", fl_policy_cost, false, false},
    [FL_STRATEGY_PERFORMANCE] = {"performance", fl_policy_performance, true, false},
    [FL_STRATEGY_ADAPTIVE] = {"adaptive", fl_policy_adaptive, true, false},
    [FL_STRATEGY_PRIORITY] = {"priority", fl_policy_priority, false, true},
    [FL_STRATEGY_CLASSIFICATION] = {"classification", fl_policy_classification, false, false},
    [FL_STRATEGY_QUALITY] = {"quality", fl_policy_quality, false, false},
};

static const struct fl_policy algorithms[FL_ALGORITHM_COUNT] = {
    [FL_WEIGHTED_ROUND_ROBIN] = {"weighted_round_robin", fl_policy_weighted_round_robin, false,
                                 false},
    [FL_ROUND_ROBIN] = {"round_robin", fl_policy_round_robin, false, false},
    [FL_LEAST_CONNECTIONS] = {"least_connections", fl_policy_least_connections, false, false},
    [FL_LEAST_RESPONSE_TIME] = {"least_response_time", fl_policy_least_response_time, true, false},
    [FL_IP_HASH] = {"ip_hash", fl_policy_ip_hash, false, false},
    [FL_RANDOM] = {"random", fl_policy_random, false, false},
    [FL_P2C] = {"p2c", fl_policy_p2c, false, false},
    [FL_PEAK_EWMA] = {"peak_ewma", fl_policy_peak_ewma, true, false},
    [FL_LEW] = {"lew", fl_policy_lew, true, false},
    [FL_SPD] = {"spd", fl_policy_spd, true, false},
    [FL_PRICE_WEIGHTED] = {"price_weighted", fl_policy_price_weighted, false, false},
    [FL_PREFIX_AFFINITY] = {"prefix_affinity", fl_policy_prefix_affinity, false, false},
};

const struct fl_policy *fl_policy_of(enum fl_strategy strategy, enum fl_algorithm algorithm)
{
    fl_assert((unsigned)strategy < FL_STRATEGY_COUNT);
    fl_assert((unsigned)algorithm < FL_ALGORITHM_COUNT);
    return strategy == FL_STRATEGY_LOAD_BALANCE ? &algorithms[algorithm] : &strategies[strategy];
}

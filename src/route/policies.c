/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The policies there are: a row for each. Formulas with their sources stand at the top of the files
 * in policy/; docs/add-a-policy.md tells how to add one.
 */
#include "route/policies.h"

#include "base/assert.h"

/* By enum fl_strategy; load_balance is the algorithm's row. name, order, measured, fallbacks, explain */
static const struct fl_policy strategies[FL_STRATEGY_COUNT] = {
    [FL_STRATEGY_HYBRID] = {"hybrid", fl_policy_hybrid, true, false, fl_explain_hybrid},
    [FL_STRATEGY_COST] = {"cost", fl_policy_cost, true, false, NULL},
    [FL_STRATEGY_PERFORMANCE] = {"performance", fl_policy_performance, true, false, NULL},
    [FL_STRATEGY_ADAPTIVE] = {"adaptive", fl_policy_adaptive, true, false, NULL},
    [FL_STRATEGY_PRIORITY] = {"priority", fl_policy_priority, false, true, NULL},
    [FL_STRATEGY_CLASSIFICATION] = {"classification", fl_policy_classification, false, false, NULL},
    [FL_STRATEGY_QUALITY] = {"quality", fl_policy_quality, false, false, NULL},
};

static const struct fl_policy algorithms[FL_ALGORITHM_COUNT] = {
    [FL_WEIGHTED_ROUND_ROBIN] = {"weighted_round_robin", fl_policy_weighted_round_robin, false,
                                 false, NULL},
    [FL_ROUND_ROBIN] = {"round_robin", fl_policy_round_robin, false, false, NULL},
    [FL_LEAST_CONNECTIONS] = {"least_connections", fl_policy_least_connections, false, false, NULL},
    [FL_LEAST_RESPONSE_TIME] = {"least_response_time", fl_policy_least_response_time, true, false,
                                NULL},
    [FL_IP_HASH] = {"ip_hash", fl_policy_ip_hash, false, false, NULL},
    [FL_RANDOM] = {"random", fl_policy_random, false, false, NULL},
    [FL_P2C] = {"p2c", fl_policy_p2c, false, false, NULL},
    [FL_PEAK_EWMA] = {"peak_ewma", fl_policy_peak_ewma, true, false, NULL},
    [FL_LEW] = {"lew", fl_policy_lew, true, false, NULL},
    [FL_SPD] = {"spd", fl_policy_spd, true, false, NULL},
    [FL_PRICE_WEIGHTED] = {"price_weighted", fl_policy_price_weighted, false, false, NULL},
    [FL_PREFIX_AFFINITY] = {"prefix_affinity", fl_policy_prefix_affinity, false, false, NULL},
};

const struct fl_policy *fl_policy_of(enum fl_strategy strategy, enum fl_algorithm algorithm)
{
    fl_assert((unsigned)strategy < FL_STRATEGY_COUNT);
    fl_assert((unsigned)algorithm < FL_ALGORITHM_COUNT);
    return strategy == FL_STRATEGY_LOAD_BALANCE ? &algorithms[algorithm] : &strategies[strategy];
}

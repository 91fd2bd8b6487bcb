/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Quality-aware routing on real outcomes (RouteLLM's GSM8K and MMLU rows, GPT-4-1106 against
 * Mixtral-8x7B): what issue and design ask for, by cross-validation over several seeds.
 */
#include "unit/cm.h"

#include "route/quality/apgr.h"
#include "route/quality/pacing.h"
#include "unit/route/quality/outcomes.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Sanitizers make it slow; one seed then. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(FL_ARENA_SEPARATE)
enum { SEEDS = 1, ORDERS = 3 };
#else
enum { SEEDS = 5, ORDERS = 20 };
#endif

static void load(struct outcomes *o, const char *prefix)
{
    if (!outcomes_load(o, prefix)) {
        print_message("skipped: no data\n");
        skip();
    }
}

static double apgr(const struct outcomes *o, const double *score, const char *name)
{
    struct fl_apgr r = fl_apgr_measure(score, o->strong, o->weak, o->count, o->scratch);
    if (name) {
        print_message("  %-28s APGR %.4f, CPT50 %.1f %%, CPT80 %.1f %%\n", name, r.apgr,
                      100 * r.cpt50, 100 * r.cpt80);
    }
    return r.apgr;
}

/* The oracle knows both outcomes. Its constants on the whole sets are known (ROUTING.md 4.2); on a
 * part the figure follows from the share of rows that gain and lose. */
static double check_oracle(const struct outcomes *o, const char *prefix, double apgr_of_all,
                           unsigned rows_of_all)
{
    double strong = 0, weak = 0;
    for (unsigned i = 0; i < o->count; i++) {
        o->score[i] = o->strong[i] - o->weak[i] + 1e-9 * i;
        strong += o->strong[i] / o->count;
        weak += o->weak[i] / o->count;
    }
    print_message("%s: %u rows, strong %.5f, weak %.5f\n", prefix, o->count, strong, weak);
    double oracle = apgr(o, o->score, "oracle");
    if (o->count == rows_of_all) {
        assert_true(fabs(oracle - apgr_of_all) < 5e-5);
    }
    double length = apgr(o, o->length, "longest first, no training");
    assert_true(length > 0.5 && length < oracle);
    return length;
}

static void cross_validate(const char *prefix, bool whole_groups, double floor,
                           double oracle_of_all, unsigned rows_of_all)
{
    struct outcomes o;
    struct trained t;
    double sum = 0, worst = 1, above = 0;
    load(&o, prefix);
    double length = check_oracle(&o, prefix, oracle_of_all, rows_of_all);
    trained_init(&t, &o, 16);
    for (unsigned seed = 1; seed <= SEEDS; seed++) {
        outcomes_cross_validate(&o, &t, seed, whole_groups);
        double value = apgr(&o, o.score, seed == 1 ? "heads (first seed)" : NULL);
        sum += value / SEEDS;
        worst = value < worst ? value : worst;
        above += value > length;
    }
    print_message("  heads, %s, %d seeds: APGR %.4f (least %.4f); above longest first: %.0f\n",
                  whole_groups ? "subjects held out" : "5-fold", SEEDS, sum, worst, above);
    assert_true(sum >= floor);
    assert_true(sum > length);
    trained_free(&t);
    outcomes_free(&o);
}

static void gsm8k_apgr(void **state)
{
    (void)state;
    cross_validate("gsm8k", false, 0.61, 1.1146, 1307);
}

static void mmlu_apgr_on_unseen_subjects(void **state)
{
    (void)state;
    cross_validate("mmlu", true, 0.57, 1.2684, 14037);
}

/* --- Pacing --- */

static int greatest_first(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x < *y) - (*x > *y);
}

static void shuffle(unsigned *order, unsigned count, struct fl_rng *rng)
{
    for (unsigned i = count; i > 1; i--) {
        unsigned j = (unsigned)fl_rng_below(rng, i), swap = order[i - 1];
        order[i - 1] = order[j];
        order[j] = swap;
    }
}

/* A random order of the rows, or of the groups with their rows together. */
static void arrange(const struct outcomes *o, uint64_t seed, bool by_group, unsigned *ret_order)
{
    struct fl_rng rng;
    unsigned groups[64], *rows = malloc(o->count * sizeof(*rows)), n = 0;
    assert_non_null(rows);
    fl_rng_seed(&rng, seed);
    for (unsigned i = 0; i < o->count; i++) {
        rows[i] = i;
    }
    for (unsigned i = 0; i < o->group_count; i++) {
        groups[i] = i + 1;
    }
    shuffle(rows, o->count, &rng);
    shuffle(groups, o->group_count, &rng);
    for (unsigned g = 0; g < (by_group ? o->group_count : 1); g++) {
        for (unsigned i = 0; i < o->count; i++) {
            if (!by_group || o->group[rows[i]] == groups[g]) {
                ret_order[n++] = rows[i];
            }
        }
    }
    assert_int_equal(n, o->count);
    free(rows);
}

enum { STRONG_COST = 30000000, WEAK_COST = 600000 }; /* pico-USD, as their prices stand */

struct paced {
    double reward, budget_error, greedy;
    unsigned strong_calls;
};

/* A day of these rows; *p* knows of earlier days what it was shown. */
static struct paced pace(struct fl_pacing *p, const struct outcomes *o, const unsigned *order,
                         unsigned calls)
{
    static const uint64_t cost[2] = {STRONG_COST, WEAK_COST};
    struct paced r = {0};
    for (unsigned i = 0; i < o->count; i++) {
        unsigned row = order[i];
        const double gain[2] = {o->score[row], 0};
        fl_pacing_see(p, gain, cost, 2);
        unsigned choice = fl_pacing_choose(p, gain, cost, 2);
        fl_pacing_charge(p, cost[choice]);
        r.reward += (choice == 0 ? o->strong[row] : o->weak[row]) / o->count;
        r.greedy += (i < calls ? o->strong[row] : o->weak[row]) / o->count;
        r.strong_calls += choice == 0;
    }
    assert_true(p->spent_picousd <= p->budget_picousd);
    r.budget_error = 1 - (double)p->spent_picousd / (double)p->budget_picousd;
    return r;
}

/* The reward of the best fixed price in hindsight: the *calls* rows with the greatest scores. */
static double offline(const struct outcomes *o, unsigned calls)
{
    double reward = 0;
    memcpy(o->scratch, o->score, o->count * sizeof(*o->score));
    qsort(o->scratch, o->count, sizeof(*o->scratch), greatest_first);
    for (unsigned i = 0; i < o->count; i++) {
        reward += (o->score[i] >= o->scratch[calls - 1] ? o->strong[i] : o->weak[i]) / o->count;
    }
    return reward;
}

/* Rows drawn at random from those of the day, with repetition; of half the subjects alone; those with
 * the greatest gains alone. */
enum day_before { NONE, ANOTHER_DRAW, HALF_THE_SUBJECTS, GREATEST_GAINS };

static void draw_day(const struct outcomes *o, enum day_before how, uint64_t seed,
                     unsigned *ret_rows)
{
    struct fl_rng rng;
    double middle;
    fl_rng_seed(&rng, seed + 1000);
    memcpy(o->scratch, o->score, o->count * sizeof(*o->score));
    qsort(o->scratch, o->count, sizeof(*o->scratch), greatest_first);
    middle = o->scratch[o->count / 2];
    for (unsigned i = 0; i < o->count;) {
        unsigned row = (unsigned)fl_rng_below(&rng, o->count);
        bool half = o->group[row] % 2 == seed % 2, great = o->score[row] > middle;
        if (how == ANOTHER_DRAW || (how == HALF_THE_SUBJECTS ? half : great)) {
            ret_rows[i++] = row;
        }
    }
}

static struct paced pace_orders(const struct outcomes *o, unsigned calls, bool by_group,
                                enum day_before before)
{
    struct paced mean = {0};
    unsigned *order = malloc(o->count * sizeof(*order));
    struct fl_pacing *p = malloc(sizeof(*p));
    uint64_t budget = (uint64_t)calls * STRONG_COST + (uint64_t)(o->count - calls) * WEAK_COST;
    assert_non_null(order);
    assert_non_null(p);
    for (unsigned seed = 1; seed <= ORDERS; seed++) {
        fl_pacing_init(p, budget, o->count);
        if (before != NONE) {
            draw_day(o, before, seed, order);
            (void)pace(p, o, order, calls);
            fl_pacing_renew(p);
        }
        arrange(o, seed, by_group, order);
        struct paced r = pace(p, o, order, calls);
        mean.reward += r.reward / ORDERS;
        mean.greedy += r.greedy / ORDERS;
        mean.budget_error = r.budget_error > mean.budget_error ? r.budget_error : mean.budget_error;
    }
    free(p);
    free(order);
    return mean;
}

static void pacing_matches_the_offline_optimum(void **state)
{
    (void)state;
    struct outcomes o;
    struct trained t;
    double strong = 0, weak = 0;
    load(&o, "mmlu");
    trained_init(&t, &o, 16);
    outcomes_cross_validate(&o, &t, 1, false);
    for (unsigned i = 0; i < o.count; i++) {
        o.score[i] += o.mean_gain;
        strong += o.strong[i] / o.count;
        weak += o.weak[i] / o.count;
    }
    unsigned calls = (3 * o.count + 5) / 10;
    double best = offline(&o, calls), random = 0.3 * strong + 0.7 * weak;
    static const char *const names[] = {"first day", "second day", "after half the subjects",
                                        "after the greatest gains"};
    print_message("30 %% strong calls, %d orders: offline optimum %.4f, random %.4f\n", ORDERS,
                  best, random);
    for (unsigned before = NONE; before <= GREATEST_GAINS; before++) {
        struct paced shuffled = pace_orders(&o, calls, false, (enum day_before)before);
        struct paced drift = pace_orders(&o, calls, true, (enum day_before)before);
        print_message("  %-25s paced %.4f; subject after subject %.4f (until exhausted %.4f); "
                      "budget left at most %.2f %%, %.2f %%\n",
                      names[before], shuffled.reward, drift.reward, drift.greedy,
                      100 * shuffled.budget_error, 100 * drift.budget_error);
        assert_true(shuffled.budget_error < 0.01 && drift.budget_error < 0.01);
        assert_true(shuffled.reward > best - (before <= ANOTHER_DRAW ? 0.002 : 0.01));
        /* What nobody could know on a first day is known on the second. */
        assert_true(drift.reward > (before == ANOTHER_DRAW ? best - 0.002 : random + 0.004));
    }
    trained_free(&t);
    outcomes_free(&o);
}

/* --- Online --- */

enum how { CHOSEN_ONLY, BOTH, LENGTH_ONLY };

/* Lift in mean reward over sending the same share at random. */
static double learn_online(const struct outcomes *o, uint64_t seed, enum how how, void *memory,
                           double *ret_share)
{
    static const uint64_t cost[2] = {STRONG_COST, WEAK_COST};
    struct fl_heads h;
    struct fl_pair pair;
    struct fl_pacing p;
    struct fl_rng rng;
    unsigned *order = malloc(o->count * sizeof(*order)), calls = (3 * o->count + 5) / 10;
    unsigned strong_calls = 0;
    double reward = 0, strong = 0, weak = 0;
    assert_non_null(order);
    arrange(o, seed, false, order);
    fl_rng_seed(&rng, seed);
    fl_heads_init(&h, (struct fl_heads_shape){2, 16, 0, true}, 0.5, memory);
    fl_pair_init(&pair, 0, 1);
    pair.weight[FL_PAIR_GAIN] = how == LENGTH_ONLY ? 0 : pair.weight[FL_PAIR_GAIN];
    fl_pacing_init(&p, (uint64_t)calls * STRONG_COST + (uint64_t)(o->count - calls) * WEAK_COST,
                   o->count);
    for (unsigned i = 0; i < o->count; i++) {
        unsigned row = order[i];
        struct fl_heads_case x = {&o->features[row], 0, 0};
        double quality[FL_HEADS_MAX], propensity;
        fl_heads_score(&h, &x, quality);
        const double gain[2] = {fl_pair_gain(&pair, x.features, quality), 0};
        const double outcome[2] = {o->strong[row], o->weak[row]};
        fl_pacing_see(&p, gain, cost, 2);
        unsigned best = fl_pacing_choose(&p, gain, cost, 2);
        unsigned arm = fl_explore(&rng, 2, best, FL_EXPLORE_EPSILON, &propensity);
        fl_pacing_charge(&p, cost[arm]);
        fl_heads_learn(&h, &x, arm, outcome[arm], 1, how == BOTH ? 1 : propensity);
        if (how == BOTH) {
            fl_heads_learn(&h, &x, 1 - arm, outcome[1 - arm], 1, 1);
        }
        reward += outcome[arm] / o->count;
        strong += outcome[0] / o->count;
        weak += outcome[1] / o->count;
        strong_calls += arm == 0;
    }
    free(order);
    *ret_share = (double)strong_calls / o->count;
    return reward - *ret_share * strong - (1 - *ret_share) * weak;
}

static void online_from_the_chosen_arm_only(void **state)
{
    (void)state;
    struct outcomes o;
    load(&o, "mmlu");
    struct fl_heads_shape shape = {2, 16, 0, true};
    void *memory = aligned_alloc(64, (fl_heads_bytes(shape) + 63) / 64 * 64);
    double chosen = 0, both = 0, length = 0, share, least = 1;
    assert_non_null(memory);
    for (unsigned seed = 1; seed <= 2 * SEEDS; seed++) {
        double lift = learn_online(&o, seed, CHOSEN_ONLY, memory, &share);
        chosen += lift / (2 * SEEDS);
        least = lift < least ? lift : least;
        assert_true(fabs(share - 0.3) < 0.003);
        both += learn_online(&o, seed, BOTH, memory, &share) / (2 * SEEDS);
        length += learn_online(&o, seed, LENGTH_ONLY, memory, &share) / (2 * SEEDS);
    }
    print_message("online from zero, 30 %% strong calls, %d seeds: lift over random %.4f (least "
                  "%.4f), with both outcomes %.4f, by length alone %.4f\n",
                  2 * SEEDS, chosen, least, both, length);
    assert_true(chosen > 0.008);
    assert_true(least > 0);
    assert_true(chosen > 0.7 * both);
    free(memory);
    outcomes_free(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gsm8k_apgr),
        cmocka_unit_test(mmlu_apgr_on_unseen_subjects),
        cmocka_unit_test(pacing_matches_the_offline_optimum),
        cmocka_unit_test(online_from_the_chosen_arm_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

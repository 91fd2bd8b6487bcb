/* SPDX-License-Identifier: Apache-2.0 */
/* Heads, means, pair, trainer, the metric and the model file. */
#include "unit/cm.h"

#include "base/hash.h"
#include "route/quality/apgr.h"
#include "route/quality/model.h"
#include "route/quality/train.h"

#include <math.h>
#include <stdlib.h>

#define assert_near(actual, expected, tolerance)                                                   \
    do {                                                                                           \
        double actual_ = (actual), expected_ = (expected);                                         \
        if (!(fabs(actual_ - expected_) <= (tolerance))) {                                         \
            print_error("expected %.9g, got %.9g\n", expected_, actual_);                          \
            fail();                                                                                \
        }                                                                                          \
    } while (0)

static void features_of(const char *text, struct fl_features *ret)
{
    struct fl_windows w = fl_windows_of(fl_slice_cstr(text));
    fl_features_extract(&w, ret);
}

static void *lines(size_t bytes)
{
    void *memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
    assert_non_null(memory);
    return memory;
}

/* --- Metric: against figures worked out by hand --- */

static void apgr_of_known_orders(void **state)
{
    (void)state;
    double score[20], strong[20], weak[20], scratch[20];
    for (int i = 0; i < 20; i++) {
        strong[i] = 1;
        weak[i] = i % 2;
        score[i] = i % 2 ? i / 100.0 : 1 + i / 100.0; /* first all that gain */
    }
    struct fl_apgr r = fl_apgr_measure(score, strong, weak, 20, scratch);
    assert_near(r.strong, 1, 1e-12);
    assert_near(r.weak, 0.5, 1e-12);
    assert_near(r.apgr, 0.75, 1e-12);
    assert_near(r.cpt50, 0.25, 1e-12);
    assert_near(r.cpt80, 0.40, 1e-12);
    for (int i = 0; i < 20; i++) {
        score[i] = -score[i]; /* last all that gain */
    }
    r = fl_apgr_measure(score, strong, weak, 20, scratch);
    assert_near(r.apgr, 0.25, 1e-12);
    assert_near(r.cpt50, 0.75, 1e-12);
}

static void apgr_with_ties_and_without_a_gap(void **state)
{
    (void)state;
    /* One score for all: each threshold but the last sends everything to the strong model. */
    double score[10] = {0}, strong[10], weak[10], scratch[10];
    for (int i = 0; i < 10; i++) {
        strong[i] = 1;
        weak[i] = 0;
    }
    struct fl_apgr r = fl_apgr_measure(score, strong, weak, 10, scratch);
    assert_near(r.apgr, 0.5, 1e-12);
    r = fl_apgr_measure(score, strong, strong, 10, scratch);
    assert_near(r.apgr, 0, 0);
    r = fl_apgr_measure(score, strong, weak, 0, scratch);
    assert_near(r.apgr, 0, 0);
}

/* The oracle of a set with share a of gains and b of losses, against its closed form: full gain
 * after a, flat until 1 - b, back to the strong model's at 1, seen at eleven points. */
static void apgr_of_the_oracle(void **state)
{
    (void)state;
    enum { n = 1000, gains = 300, losses = 100 };
    static double score[n], strong[n], weak[n], scratch[n];
    for (int i = 0; i < n; i++) {
        strong[i] = i < gains || i % 2 ? 1 : 0;
        weak[i] = i < gains ? 0 : strong[i];
        if (i >= n - losses) {
            strong[i] = 0;
            weak[i] = 1;
        }
        score[i] = strong[i] - weak[i] + 1e-9 * i;
    }
    struct fl_apgr r = fl_apgr_measure(score, strong, weak, n, scratch);
    /* Gap .2; at shares 0, .1, ..., 1: 0 .1 .2 .3 .3 .3 .3 .3 .3 .3 .2 */
    assert_near(r.apgr, (2.6 - 0.1) / 10 / 0.2, 1e-9);
    assert_near(r.cpt50, 0.1, 1e-9);
    assert_near(r.cpt80, 0.16, 1e-9);
}

/* --- Means --- */

static void means_shrink_to_their_parents(void **state)
{
    (void)state;
    struct fl_bias b;
    uint64_t memory[4096];
    assert_true(fl_bias_bytes(2, 16) <= sizeof(memory));
    fl_bias_init(&b, 2, 16, 0.6, memory);
    assert_near(fl_bias_mean(&b, 0, 3, 77), 6.5 / 11, 1e-12);
    for (int i = 0; i < 180; i++) {
        fl_bias_observe(&b, 0, 3, 77, 1, 1);
    }
    /* global: (6 + 180 + .5) / 191; class: (180 + 200 g) / 380; leaf: (180 + 200 c) / 380 */
    double global = 186.5 / 191, task = (180 + 200 * global) / 380;
    assert_near(fl_bias_mean(&b, 0, 0, 0), global, 1e-12);
    assert_near(fl_bias_mean(&b, 0, 3, 0), task, 1e-12);
    assert_near(fl_bias_mean(&b, 0, 3, 77), (180 + 200 * task) / 380, 1e-12);
    assert_near(fl_bias_mean(&b, 0, 3, 78), task, 1e-12);     /* another tenant */
    assert_near(fl_bias_mean(&b, 1, 3, 77), 6.5 / 11, 1e-12); /* another model */
}

static void means_follow_what_changes(void **state)
{
    (void)state;
    struct fl_bias b;
    uint64_t memory[4096];
    fl_bias_init(&b, 1, 0, 0.5, memory);
    for (int i = 0; i < 3 * FL_BIAS_MEMORY; i++) {
        fl_bias_observe(&b, 0, 1, 0, 1, 1);
    }
    assert_true(b.classes[1].weight <= FL_BIAS_MEMORY + 1e-6);
    assert_true(fl_bias_mean(&b, 0, 1, 0) > 0.999);
    for (int i = 0; i < 3 * FL_BIAS_MEMORY; i++) {
        fl_bias_observe(&b, 0, 1, 0, 0, 1);
    }
    assert_true(fl_bias_mean(&b, 0, 1, 0) < 0.06);
    assert_true(fl_bias_mean(&b, 0, 1, 0) > 0);
}

static void tenants_have_bounded_room(void **state)
{
    (void)state;
    struct fl_bias b;
    uint64_t memory[4096];
    fl_bias_init(&b, 1, 8, 0.5, memory);
    for (uint64_t tenant = 1; tenant <= 10000; tenant++) {
        fl_bias_observe(&b, 0, 0, 1, 1, 1); /* this one is heard all the time */
        fl_bias_observe(&b, 0, 0, tenant + 1, 0, 1);
    }
    double others = fl_bias_mean(&b, 0, 0, 0);
    assert_true(fl_bias_mean(&b, 0, 0, 1) > 0.99);
    assert_near(fl_bias_mean(&b, 0, 0, 5), others, 1e-12); /* forgotten */
    assert_near(others, 0.5, 0.01);
}

/* --- Heads --- */

struct learner {
    struct fl_heads heads;
    struct fl_features *features;
    void *memory;
};

static void learner_init(struct learner *l, unsigned heads, unsigned tenants)
{
    struct fl_heads_shape shape = {heads, 12, tenants, true};
    l->memory = lines(fl_heads_bytes(shape));
    l->features = malloc(sizeof(*l->features));
    assert_non_null(l->features);
    fl_heads_init(&l->heads, shape, 0.7, l->memory);
}

static void learner_free(struct learner *l)
{
    free(l->memory);
    free(l->features);
}

static double quality_of(struct learner *l, const char *text, unsigned head)
{
    double q[FL_HEADS_MAX];
    features_of(text, l->features);
    struct fl_heads_case x = {l->features, 0, 0};
    fl_heads_score(&l->heads, &x, q);
    return q[head];
}

static void teach(struct learner *l, const char *text, unsigned head, double reward)
{
    features_of(text, l->features);
    struct fl_heads_case x = {l->features, 0, 0};
    fl_heads_learn(&l->heads, &x, head, reward, 1, 1);
}

static void heads_know_nothing_at_first(void **state)
{
    (void)state;
    struct learner l;
    learner_init(&l, 3, 0);
    for (unsigned h = 0; h < 3; h++) {
        assert_near(quality_of(&l, "What is the capital of France?", h), 7.5 / 11, 1e-9);
        assert_near(quality_of(&l, "", h), 7.5 / 11, 1e-9);
    }
    learner_free(&l);
}

static void heads_learn_what_separates(void **state)
{
    (void)state;
    struct learner l;
    learner_init(&l, 2, 0);
    for (int i = 0; i < 200; i++) {
        teach(&l, "Prove that the series converges absolutely.", 0, 1);
        teach(&l, "Prove that the series converges absolutely.", 1, 0);
        teach(&l, "Say hello to my grandmother in a kind way.", 0, 1);
        teach(&l, "Say hello to my grandmother in a kind way.", 1, 1);
    }
    double strong_on_hard = quality_of(&l, "Prove that the series converges absolutely.", 0);
    double weak_on_hard = quality_of(&l, "Prove that the series converges absolutely.", 1);
    double weak_on_easy = quality_of(&l, "Say hello to my grandmother in a kind way.", 1);
    assert_true(strong_on_hard > 0.9);
    assert_true(weak_on_hard < 0.3);
    assert_true(weak_on_easy > 0.7);
    assert_true(quality_of(&l, "Prove that this sequence converges.", 1) <
                quality_of(&l, "Say hello to my friend in a kind way.", 1));
    learner_free(&l);
}

/* What all models fail at is learned for one that was never asked. */
static void what_is_common_reaches_every_model(void **state)
{
    (void)state;
    struct learner l;
    learner_init(&l, 3, 0);
    for (int i = 0; i < 300; i++) {
        teach(&l, "Decode this enormous cipher by hand.", i % 2 ? 0 : 1, 0);
        teach(&l, "Name a colour of the rainbow.", i % 2 ? 0 : 1, 1);
    }
    assert_true(quality_of(&l, "Decode this enormous cipher by hand.", 2) <
                quality_of(&l, "Name a colour of the rainbow.", 2) - 0.1);
    learner_free(&l);
}

static void propensity_and_confidence_weigh(void **state)
{
    (void)state;
    struct learner a, b;
    const char *text = "Translate the poem and keep its rhymes.";
    learner_init(&a, 2, 0);
    learner_init(&b, 2, 0);
    features_of(text, a.features);
    struct fl_heads_case x = {a.features, 0, 0};
    for (int i = 0; i < 10; i++) {
        fl_heads_learn(&a.heads, &x, 0, 0, 1, 0.5);
        fl_heads_learn(&b.heads, &x, 0, 0, 1, 1);
    }
    assert_true(quality_of(&a, text, 0) < quality_of(&b, text, 0));
    /* Importance has a ceiling: nothing may be shouted. */
    learner_free(&b);
    learner_init(&b, 2, 0);
    features_of(text, b.features);
    struct fl_heads_case y = {b.features, 0, 0};
    for (int i = 0; i < 10; i++) {
        fl_heads_learn(&b.heads, &y, 0, 0, 1, 0.01);
    }
    learner_free(&a);
    learner_init(&a, 2, 0);
    features_of(text, a.features);
    for (int i = 0; i < 10; i++) {
        struct fl_heads_case z = {a.features, 0, 0};
        fl_heads_learn(&a.heads, &z, 0, 0, 1, 1.0 / FL_HEAD_IMPORTANCE_MAX);
    }
    assert_near(quality_of(&a, text, 0), quality_of(&b, text, 0), 0);
    double before = quality_of(&a, text, 1);
    features_of(text, a.features);
    fl_heads_learn(&a.heads, &(struct fl_heads_case){a.features, 0, 0}, 1, 0, 0, 1);
    assert_near(quality_of(&a, text, 1), before, 1e-12); /* no confidence, no lesson */
    learner_free(&a);
    learner_free(&b);
}

/* All heads agree with a score taken one weight at a time, whatever their number. */
static void lanes_agree_with_the_plain_sum(void **state)
{
    (void)state;
    for (unsigned heads = 1; heads <= FL_HEADS_MAX; heads++) {
        struct learner l;
        double margins[FL_HEADS_MAX];
        struct fl_rng rng;
        learner_init(&l, heads, 0);
        fl_rng_seed(&rng, heads);
        for (uint32_t row = 0; row < 1u << 12; row++) {
            for (unsigned h = 0; h <= heads; h++) {
                fl_heads_set(&l.heads, row, h, 20 * fl_rng_unit(&rng) - 10);
            }
        }
        features_of("Compare the two contracts, clause by clause; list what differs.", l.features);
        fl_heads_margins(&l.heads, l.features, margins);
        for (unsigned h = 0; h < heads; h++) {
            int64_t sum = 0;
            for (unsigned i = 0; i < l.features->count; i++) {
                const int16_t *w =
                    l.heads.weights +
                    (size_t)fl_feature_row(l.features->items[i].index, 12) * l.heads.stride;
                sum += w[h] + w[heads];
            }
            assert_near(margins[h], (double)sum / FL_HEAD_ONE / sqrt((double)l.features->count),
                        1e-9);
        }
        learner_free(&l);
    }
}

static void exploring_has_its_propensity(void **state)
{
    (void)state;
    struct fl_rng rng;
    unsigned chosen[3] = {0};
    double propensity;
    fl_rng_seed(&rng, 9);
    assert_int_equal(fl_explore(&rng, 1, 0, 0.5, &propensity), 0);
    assert_near(propensity, 1, 0);
    for (int i = 0; i < 100000; i++) {
        unsigned arm = fl_explore(&rng, 3, 1, 0.2, &propensity);
        chosen[arm]++;
        assert_near(propensity, arm == 1 ? 0.8 : 0.1, 1e-12);
    }
    assert_in_range(chosen[0], 9600, 10400);
    assert_in_range(chosen[1], 79400, 80600);
    assert_in_range(chosen[2], 9600, 10400);
}

/* --- Training and files, on prompts made here --- */

#define GOLDEN_TRAINED UINT64_C(0x945c55c1709b1947)
#define GOLDEN_LEARNED UINT64_C(0xea7080a6a01ee1f9)

enum { MADE_ROWS = 400, MADE_BITS = 10 };

/* Features as of a prompt of easy or hard words, made without a text: what is tested here does not
 * hang on how features are extracted. */
static void make_features(struct fl_rng *rng, bool hard, struct fl_features *ret)
{
    ret->count = 0;
    for (uint64_t i = 0, n = 4 + fl_rng_below(rng, 12); i < n; i++) {
        bool own = fl_rng_below(rng, 10) < 7;
        uint64_t word = (own == hard ? 100 : 0) + fl_rng_below(rng, 6);
        uint32_t index = (uint32_t)(fl_mix64(word + 1) >> 32);
        bool there = false;
        for (unsigned k = 0; k < ret->count; k++) {
            there = there || ret->items[k].index == index;
        }
        if (!there) {
            ret->items[ret->count++] = (struct fl_feature){index, FL_FEATURE_ONE};
        }
    }
    memset(ret->surface, 0, sizeof(ret->surface));
    ret->surface[FL_SURFACE_LENGTH] = (uint8_t)(40 + fl_rng_below(rng, 40));
    ret->square_sum = (uint64_t)ret->count * FL_FEATURE_ONE * FL_FEATURE_ONE;
}

static void words_of(bool hard, unsigned from, unsigned count, struct fl_features *ret)
{
    ret->count = count;
    for (unsigned i = 0; i < count; i++) {
        uint64_t word = (hard ? 100 : 0) + (from + i) % 6;
        ret->items[i] = (struct fl_feature){(uint32_t)(fl_mix64(word + 1) >> 32), FL_FEATURE_ONE};
    }
    memset(ret->surface, 0, sizeof(ret->surface));
    ret->surface[FL_SURFACE_LENGTH] = 60;
}

struct made {
    struct fl_trainer trainer;
    struct fl_heads heads;
    struct fl_pair pair;
    struct fl_buf file;
    void *trainer_memory, *heads_memory;
};

static void made_train(struct made *m, uint64_t seed)
{
    struct fl_trainer_limits limits = {MADE_ROWS, 1 << 17, 3, MADE_BITS};
    struct fl_heads_shape shape = {3, MADE_BITS, 0, false};
    struct fl_trainer_options options = FL_TRAINER_OPTIONS;
    static struct fl_features features;
    const struct fl_slice names[] = {FL_LIT("weak/one"), FL_LIT("strong/two"),
                                     FL_LIT("middle/three")};
    struct fl_rng rng;
    m->trainer_memory = lines(fl_trainer_bytes(limits));
    m->heads_memory = lines(fl_heads_bytes(shape));
    fl_trainer_init(&m->trainer, limits, m->trainer_memory);
    fl_heads_init(&m->heads, shape, 0.5, m->heads_memory);
    fl_rng_seed(&rng, 4);
    for (int i = 0; i < MADE_ROWS; i++) {
        bool hard = fl_rng_below(&rng, 2) == 1;
        double scores[3] = {0, 0, i % 2 ? -1 : 0.5};
        scores[0] = fl_rng_below(&rng, 10) < (hard ? 3 : 9);
        scores[1] = fl_rng_below(&rng, 10) < 9;
        make_features(&rng, hard, &features);
        assert_int_equal(fl_trainer_add(&m->trainer, &features, 1 + (unsigned)i % 3, 0, scores),
                         FL_OK);
    }
    options.seed = seed;
    assert_int_equal(fl_trainer_run(&m->trainer, options, &m->heads, &m->pair), FL_OK);
    fl_buf_init(&m->file, 1 << 20);
    fl_quality_write(&m->heads, &m->pair, names, &m->file);
    assert_true(fl_buf_ok(&m->file));
}

static void made_free(struct made *m)
{
    fl_buf_finish(&m->file);
    free(m->trainer_memory);
    free(m->heads_memory);
}

static void training_finds_what_was_put_in(void **state)
{
    (void)state;
    static struct fl_features features;
    double q[FL_HEADS_MAX], gain[MADE_ROWS], strong[MADE_ROWS], weak[MADE_ROWS], scratch[MADE_ROWS];
    struct made m;
    made_train(&m, 1);
    assert_int_equal(m.pair.strong, 1);
    assert_int_equal(m.pair.weak, 2); /* .5 throughout; the first earns about .6 */
    words_of(true, 0, 5, &features);
    struct fl_heads_case x = {&features, 0, 0};
    fl_heads_score(&m.heads, &x, q);
    assert_true(q[0] < 0.45);
    assert_true(q[1] > 0.8);
    assert_near(q[2], 0.5, 0.01);
    words_of(false, 0, 5, &features);
    fl_heads_score(&m.heads, &x, q);
    assert_true(q[0] > 0.75);
    made_free(&m);

    struct fl_trainer_options options = FL_TRAINER_OPTIONS;
    made_train(&m, 1);
    options.weak = 0;
    fl_heads_init(&m.heads, m.heads.shape, 0.5, m.heads_memory);
    assert_int_equal(fl_trainer_run(&m.trainer, options, &m.heads, &m.pair), FL_OK);
    assert_int_equal(m.pair.strong, 1);
    assert_int_equal(m.pair.weak, 0);
    for (unsigned r = 0; r < MADE_ROWS; r++) {
        double rewards[2];
        assert_true(fl_trainer_heldout(&m.trainer, &m.pair, r, &gain[r], rewards));
        strong[r] = rewards[0];
        weak[r] = rewards[1];
    }
    struct fl_apgr a = fl_apgr_measure(gain, strong, weak, MADE_ROWS, scratch);
    print_message("made rows: APGR %.4f\n", a.apgr);
    assert_true(a.apgr > 0.68);
    made_free(&m);
}

/* The same bytes from gcc and clang, optimised or not: the figure below is from all of them. */
static void training_is_the_same_everywhere(void **state)
{
    (void)state;
    struct fl_hash_key key = {1, 2};
    struct made a, b, c;
    made_train(&a, 7);
    made_train(&b, 7);
    made_train(&c, 8);
    assert_int_equal(a.file.len, b.file.len);
    assert_memory_equal(a.file.ptr, b.file.ptr, a.file.len);
    assert_memory_not_equal(a.file.ptr, c.file.ptr, a.file.len);
    uint64_t sum = fl_hash(key, fl_buf_slice(&a.file));
    print_message("model of seed 7: %016llx\n", (unsigned long long)sum);
    assert_int_equal(sum, GOLDEN_TRAINED);
    made_free(&a);
    made_free(&b);
    made_free(&c);
}

/* So does learning online: a thousand lessons, and the table that is left. */
static void learning_is_the_same_everywhere(void **state)
{
    (void)state;
    struct fl_hash_key key = {1, 2};
    struct learner l;
    struct fl_rng rng;
    learner_init(&l, 4, 64);
    fl_rng_seed(&rng, 21);
    for (int i = 0; i < 1000; i++) {
        bool hard = fl_rng_below(&rng, 2) == 1;
        make_features(&rng, hard, l.features);
        struct fl_heads_case x = {l.features, 0, 0};
        x.task_class = (unsigned)fl_rng_below(&rng, 7);
        x.tenant = fl_rng_below(&rng, 200);
        unsigned head = (unsigned)fl_rng_below(&rng, 4);
        double reward = fl_rng_unit(&rng), confidence = fl_rng_unit(&rng);
        double propensity = 0.01 + 0.99 * fl_rng_unit(&rng);
        fl_heads_learn(&l.heads, &x, head, reward, confidence, propensity);
    }
    size_t bytes = ((size_t)l.heads.stride << 12) * sizeof(int16_t);
    uint64_t sum = fl_hash(key, fl_slice((const char *)l.heads.weights, bytes));
    print_message("table after 1,000 lessons: %016llx\n", (unsigned long long)sum);
    assert_int_equal(sum, GOLDEN_LEARNED);
    learner_free(&l);
}

static void trainer_refuses_what_it_cannot_take(void **state)
{
    (void)state;
    struct fl_trainer_limits limits = {2, 100, 2, 8};
    struct fl_heads_shape shape = {2, 8, 0, false};
    static struct fl_features features;
    void *memory = lines(fl_trainer_bytes(limits)), *heads_memory = lines(fl_heads_bytes(shape));
    const double good[2] = {0.5, -1}, big[2] = {0.5, 1.5}, nan[2] = {(double)NAN, 0.5};
    struct fl_trainer t;
    struct fl_heads h;
    struct fl_pair pair;
    features_of("one two three", &features);
    fl_trainer_init(&t, limits, memory);
    fl_heads_init(&h, shape, 0.5, heads_memory);
    assert_int_equal(fl_trainer_run(&t, FL_TRAINER_OPTIONS, &h, &pair), FL_ERR_INVALID);
    assert_int_equal(fl_trainer_add(&t, &features, 0, 0, big), FL_ERR_INVALID);
    assert_int_equal(fl_trainer_add(&t, &features, 0, 0, nan), FL_ERR_INVALID);
    assert_int_equal(fl_trainer_add(&t, &features, 0, FL_TRAINER_GROUPS_MAX + 1, good),
                     FL_ERR_TOO_BIG);
    assert_int_equal(fl_trainer_add(&t, &features, 0, 0, good), FL_OK);
    assert_int_equal(fl_trainer_run(&t, FL_TRAINER_OPTIONS, &h, &pair), FL_ERR_INVALID);
    assert_int_equal(fl_trainer_add(&t, &features, 0, 0, (const double[2]){1, 0}), FL_OK);
    assert_int_equal(fl_trainer_add(&t, &features, 0, 0, good), FL_ERR_TOO_BIG);
    assert_int_equal(fl_trainer_run(&t, FL_TRAINER_OPTIONS, &h, &pair), FL_OK);
    free(memory);
    free(heads_memory);
}

static void a_file_says_what_was_written(void **state)
{
    (void)state;
    static struct fl_features features;
    struct fl_quality_model model;
    struct fl_reterr reterr;
    struct fl_heads heads;
    struct made m;
    double before[FL_HEADS_MAX], after[FL_HEADS_MAX];
    made_train(&m, 3);
    assert_int_equal(fl_quality_read(fl_buf_slice(&m.file), &model, &reterr), FL_OK);
    assert_int_equal(model.head_count, 3);
    assert_slice(model.names[0], "weak/one");
    assert_slice(model.names[2], "middle/three");
    assert_true(model.has_pair);
    assert_memory_equal(&model.pair, &m.pair, sizeof(m.pair));
    struct fl_heads_shape shape = {3, model.row_bits, 16, true};
    void *memory = lines(fl_heads_bytes(shape));
    fl_heads_init(&heads, shape, 0.5, memory);
    fl_quality_apply(&model, &heads);
    words_of(false, 2, 3, &features);
    struct fl_heads_case x = {&features, 2, 0};
    fl_heads_score(&m.heads, &x, before);
    fl_heads_score(&heads, &x, after);
    assert_memory_equal(before, after, 3 * sizeof(double));
    /* It learns on from there: a lesson moves, and does not forget the rest. */
    for (int i = 0; i < 30; i++) {
        fl_heads_learn(&heads, &x, 0, 1, 1, 1);
    }
    fl_heads_score(&heads, &x, after);
    assert_true(after[0] > before[0]);
    words_of(true, 0, 4, &features);
    fl_heads_score(&heads, &x, after);
    assert_true(after[0] < 0.6);
    made_free(&m);
    free(memory);
}

/* Each byte changed, and each length cut: refused, and never read beyond. */
static void a_damaged_file_is_refused(void **state)
{
    (void)state;
    struct fl_heads_shape shape = {1, 8, 0, false};
    void *memory = lines(fl_heads_bytes(shape));
    const struct fl_slice name = FL_LIT("m");
    struct fl_quality_model model;
    struct fl_reterr reterr;
    struct fl_heads h;
    struct fl_buf file;
    fl_heads_init(&h, shape, 0.5, memory);
    fl_buf_init(&file, 1 << 16);
    fl_quality_write(&h, NULL, &name, &file);
    assert_int_equal(fl_quality_read(fl_buf_slice(&file), &model, NULL), FL_OK);
    assert_false(model.has_pair);
    for (size_t i = 0; i < file.len; i++) {
        file.ptr[i] = (char)(file.ptr[i] ^ 0x41);
        assert_int_equal(fl_quality_read(fl_buf_slice(&file), &model, &reterr), FL_ERR_CONFIG);
        assert_true(reterr.message[0] != '\0');
        file.ptr[i] = (char)(file.ptr[i] ^ 0x41);
    }
    for (size_t len = 0; len < file.len; len++) {
        char *cut = malloc(len + 1);
        assert_non_null(cut);
        memcpy(cut, file.ptr, len);
        assert_int_equal(fl_quality_read(fl_slice(cut, len), &model, NULL), FL_ERR_CONFIG);
        free(cut);
    }
    /* A good checksum over bad numbers: a mean whose sum is NaN. */
    memset(file.ptr + FL_QUALITY_HEADER + 2 + 8 * 10 + 8, 0xff, 8);
    fl_quality_seal(file.ptr, file.len);
    assert_int_equal(fl_quality_read(fl_buf_slice(&file), &model, &reterr), FL_ERR_CONFIG);
    assert_string_equal(reterr.message, "a mean is out of range");
    fl_buf_finish(&file);
    free(memory);
}

static void a_pair_without_training_goes_by_length(void **state)
{
    (void)state;
    static struct fl_features brief, wordy;
    const double q[FL_HEADS_MAX] = {0.9, 0.7}, closer[FL_HEADS_MAX] = {0.75, 0.7};
    struct fl_pair pair;
    fl_pair_init(&pair, 0, 1);
    features_of("Why?", &brief);
    features_of("Why does the method that the first paragraph describes fail when the matrix has "
                "no inverse, and what would have to be changed in the third step to avoid it?",
                &wordy);
    assert_true(fl_pair_gain(&pair, &wordy, q) > fl_pair_gain(&pair, &brief, q));
    assert_near(fl_pair_gain(&pair, &wordy, q) - fl_pair_gain(&pair, &wordy, closer), 0.15, 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(apgr_of_known_orders),
        cmocka_unit_test(apgr_with_ties_and_without_a_gap),
        cmocka_unit_test(apgr_of_the_oracle),
        cmocka_unit_test(means_shrink_to_their_parents),
        cmocka_unit_test(means_follow_what_changes),
        cmocka_unit_test(tenants_have_bounded_room),
        cmocka_unit_test(heads_know_nothing_at_first),
        cmocka_unit_test(heads_learn_what_separates),
        cmocka_unit_test(what_is_common_reaches_every_model),
        cmocka_unit_test(propensity_and_confidence_weigh),
        cmocka_unit_test(lanes_agree_with_the_plain_sum),
        cmocka_unit_test(exploring_has_its_propensity),
        cmocka_unit_test(training_finds_what_was_put_in),
        cmocka_unit_test(training_is_the_same_everywhere),
        cmocka_unit_test(learning_is_the_same_everywhere),
        cmocka_unit_test(trainer_refuses_what_it_cannot_take),
        cmocka_unit_test(a_file_says_what_was_written),
        cmocka_unit_test(a_damaged_file_is_refused),
        cmocka_unit_test(a_pair_without_training_goes_by_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Rewards from signals, refusals, and the memory of decisions. */
#include "unit/cm.h"

#include "route/quality/memory.h"

#include <math.h>
#include <stdlib.h>

static void assert_reward(struct fl_signals signals, double value, double confidence)
{
    struct fl_reward r = fl_reward_of(&signals);
    if (fabs(r.value - value) > 1e-12 || fabs(r.confidence - confidence) > 1e-12) {
        print_error("expected %g (%g), got %g (%g)\n", value, confidence, r.value, r.confidence);
        fail();
    }
}

static void rewards_are_as_stated(void **state)
{
    (void)state;
    assert_reward((struct fl_signals){0}, 0.5, 0);
    assert_reward((struct fl_signals){.ended = true}, 0.75, 0.0625);
    assert_reward((struct fl_signals){.scored = true, .score = 0.3}, 0.3, 1);
    assert_reward((struct fl_signals){.scored = true, .score = 1, .ended = true}, 1, 1);
    assert_reward((struct fl_signals){.schema = FL_VALID_YES, .ended = true}, 1, 0.25);
    assert_reward((struct fl_signals){.schema = FL_VALID_NO}, 0, 0.5);
    assert_reward((struct fl_signals){.refused = true, .ended = true}, 0, 0.375);
    assert_reward((struct fl_signals){.truncated = true}, 0.2, 0.25);
    assert_reward((struct fl_signals){.regenerated = true}, 0.1, 0.375);
    /* (1 * 2 + .2 * 2 + .1 * 3) / 7 */
    assert_reward(
        (struct fl_signals){.schema = FL_VALID_YES, .truncated = true, .regenerated = true},
        2.7 / 7, 0.875);
    /* A good score on an answer whose schema is broken: 8 / 12 */
    assert_reward((struct fl_signals){.scored = true, .score = 1, .schema = FL_VALID_NO}, 8.0 / 12,
                  1);
}

static void refusals_are_seen(void **state)
{
    (void)state;
    static const char *const refusals[] = {
        "I can't help with that.",
        "I\xe2\x80\x99m sorry, but I can\xe2\x80\x99t assist with that request.",
        "I'm sorry. I cannot provide instructions for this.",
        "As an AI language model, I cannot have opinions.",
        "Sorry, I am unable to assist with this.",
        "Es tut mir leid, aber ich kann dabei nicht helfen.",
        "Dabei kann ich leider ... DABEI KANN ICH NICHT HELFEN",
        "Dabei kann ich Ihnen nicht helfen.",
        "D\xc3\xa9sol\xc3\xa9, je ne peux pas vous aider avec cela.",
        "Lo siento, pero no puedo ayudarte con eso.",
        "N\xc3\x83O POSSO AJUDAR COM isso.",
        "Mi dispiace, ma non posso aiutarti con questo.",
        "Sorry, maar ik kan daar niet mee helpen.",
        "Niestety, nie mogę pomóc w tej sprawie.",
        "Извините, но я не могу помочь с этим.",
        "Я НЕ МОГУ ПОМОЧЬ.",
        "抱歉，我无法提供这方面的信息。",
        "申し訳ありませんが、そのご依頼にはお答えできません。",
        "죄송하지만 그 요청은 도와드릴 수 없습니다.",
    };
    static const char *const answers[] = {
        "",
        "Paris is the capital of France.",
        "The error means that the server says \"I can't help with that\" to old clients.",
        "She said I can't help with the dishes.",
        "Here is a letter of refusal.",
        "You are unable to help with what you cannot see.",
        "Natürlich! Ich kann dabei helfen.",
        "\xe2\x80",
        "\xc3",
        "\xd0",
    };
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        if (!fl_reward_refusal(fl_slice_cstr(refusals[i]))) {
            print_error("not seen: %s\n", refusals[i]);
            fail();
        }
    }
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        if (fl_reward_refusal(fl_slice_cstr(answers[i]))) {
            print_error("taken for a refusal: %s\n", answers[i]);
            fail();
        }
    }
    /* Only the beginning is looked at. */
    char late[400];
    memset(late, 'a', sizeof(late));
    memcpy(late + 250, ". I can't help with that", 24);
    assert_false(fl_reward_refusal(fl_slice(late, sizeof(late))));
}

/* --- Memory --- */

enum { SLOTS = 4, ITEMS = 64 };

struct fixture {
    struct fl_memory memory;
    struct fl_heads heads;
    struct fl_features features;
    struct fl_heads_case x;
    void *memory_bytes, *heads_bytes;
};

static void *lines(size_t bytes)
{
    void *memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
    assert_non_null(memory);
    return memory;
}

static void fixture_init(struct fixture *f, unsigned items)
{
    struct fl_heads_shape shape = {2, 12, 16, true};
    struct fl_windows w = fl_windows_of(FL_LIT("Draft a contract between a baker and a miller."));
    f->heads_bytes = lines(fl_heads_bytes(shape));
    f->memory_bytes = lines(fl_memory_bytes(SLOTS, items));
    fl_heads_init(&f->heads, shape, 0.7, f->heads_bytes);
    fl_memory_init(&f->memory, SLOTS, items, f->memory_bytes);
    fl_features_extract(&w, &f->features);
    f->x = (struct fl_heads_case){&f->features, 3, 55};
}

static void fixture_free(struct fixture *f)
{
    free(f->heads_bytes);
    free(f->memory_bytes);
}

static double quality(const struct fixture *f, unsigned head)
{
    double q[FL_HEADS_MAX];
    fl_heads_score(&f->heads, &f->x, q);
    return q[head];
}

static void feedback_teaches_once(void **state)
{
    (void)state;
    struct fixture f;
    unsigned head, task_class;
    double propensity;
    fixture_init(&f, ITEMS);
    uint64_t id = fl_memory_keep(&f.memory, &f.heads, &f.x, 1, 0.5);
    assert_int_equal(id, 1);
    assert_true(fl_memory_find(&f.memory, id, &head, &task_class, &propensity));
    assert_int_equal(head, 1);
    assert_int_equal(task_class, 3);
    assert_true(fabs(propensity - 0.5) < 1e-15);
    double before = quality(&f, 1);
    assert_int_equal(fl_feedback_apply(&f.memory, &f.heads, id, 0), FL_FEEDBACK_LEARNED);
    double after = quality(&f, 1);
    assert_true(after < before);
    assert_int_equal(fl_feedback_apply(&f.memory, &f.heads, id, 1), FL_FEEDBACK_AGAIN);
    assert_true(!(quality(&f, 1) > after) && !(quality(&f, 1) < after));
    fixture_free(&f);
}

/* What is remembered teaches what the request itself would have taught. */
static void memory_teaches_like_the_request(void **state)
{
    (void)state;
    struct fixture a, b;
    fixture_init(&a, 1024);
    fixture_init(&b, 1024);
    uint64_t id = fl_memory_keep(&a.memory, &a.heads, &a.x, 0, 0.4);
    assert_int_equal(fl_feedback_apply(&a.memory, &a.heads, id, 0.2), FL_FEEDBACK_LEARNED);
    fl_heads_learn(&b.heads, &b.x, 0, 0.2, 1, 0.4);
    assert_true(fabs(quality(&a, 0) - quality(&b, 0)) < 1e-4);
    fixture_free(&a);
    fixture_free(&b);
}

static void the_end_and_a_score_share_one_vote(void **state)
{
    (void)state;
    struct fixture f;
    const struct fl_signals broken = {.schema = FL_VALID_NO, .ended = true};
    fixture_init(&f, ITEMS);
    uint64_t id = fl_memory_keep(&f.memory, &f.heads, &f.x, 0, 1);
    assert_int_equal(fl_memory_ended(&f.memory, &f.heads, id, &broken), FL_FEEDBACK_LEARNED);
    assert_true(fabs(f.heads.bias.classes[3 * 2].weight - 0.5) < 1e-12);
    assert_int_equal(fl_memory_ended(&f.memory, &f.heads, id, &broken), FL_FEEDBACK_AGAIN);
    assert_int_equal(fl_feedback_apply(&f.memory, &f.heads, id, 1), FL_FEEDBACK_LEARNED);
    assert_true(fabs(f.heads.bias.classes[3 * 2].weight - 1) < 1e-12);
    assert_true(fabs(f.heads.bias.classes[3 * 2].sum - 0.5) < 1e-12);
    fixture_free(&f);
}

static void old_decisions_are_gone(void **state)
{
    (void)state;
    struct fixture f;
    uint64_t first = 0, last = 0;
    unsigned head, task_class;
    double propensity;
    fixture_init(&f, ITEMS);
    for (int i = 0; i <= SLOTS; i++) {
        last = fl_memory_keep(&f.memory, &f.heads, &f.x, 0, 1);
        first = first ? first : last;
    }
    assert_int_equal(last, SLOTS + 1);
    assert_int_equal(fl_feedback_apply(&f.memory, &f.heads, first, 1), FL_FEEDBACK_UNKNOWN);
    assert_int_equal(fl_feedback_apply(&f.memory, &f.heads, 0, 1), FL_FEEDBACK_UNKNOWN);
    assert_int_equal(fl_feedback_apply(&f.memory, &f.heads, last + 1, 1), FL_FEEDBACK_UNKNOWN);
    assert_int_equal(fl_feedback_apply(&f.memory, &f.heads, UINT64_MAX, 1), FL_FEEDBACK_UNKNOWN);
    assert_false(fl_memory_find(&f.memory, first, &head, &task_class, &propensity));
    for (uint64_t id = first + 1; id <= last; id++) {
        assert_int_equal(fl_feedback_apply(&f.memory, &f.heads, id, 1), FL_FEEDBACK_LEARNED);
    }
    fixture_free(&f);
}

/* More features than are kept, none, and random use: never outside its memory (the sanitizer). */
static void memory_is_bounded(void **state)
{
    (void)state;
    struct fixture f;
    struct fl_rng rng;
    static char text[3000];
    fl_rng_seed(&rng, 8);
    fixture_init(&f, 7);
    for (int i = 0; i < 3000; i++) {
        size_t len = fl_rng_below(&rng, sizeof(text));
        for (size_t k = 0; k < len; k++) {
            text[k] = (char)(fl_rng_below(&rng, 5) ? 'a' + (char)fl_rng_below(&rng, 26) : ' ');
        }
        struct fl_windows w = fl_windows_of(fl_slice(text, i % 10 ? len : 0));
        fl_features_extract(&w, &f.features);
        f.x = (struct fl_heads_case){&f.features, (unsigned)fl_rng_below(&rng, FL_BIAS_CLASSES),
                                     fl_rng_next(&rng)};
        uint64_t id = fl_memory_keep(&f.memory, &f.heads, &f.x, (unsigned)i % 2, 0.5);
        (void)fl_feedback_apply(&f.memory, &f.heads, id - fl_rng_below(&rng, 6), fl_rng_unit(&rng));
        double q = quality(&f, (unsigned)i % 2);
        assert_true(q > 0 && q < 1);
    }
    fixture_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rewards_are_as_stated),
        cmocka_unit_test(refusals_are_seen),
        cmocka_unit_test(feedback_teaches_once),
        cmocka_unit_test(memory_teaches_like_the_request),
        cmocka_unit_test(the_end_and_a_score_share_one_vote),
        cmocka_unit_test(old_decisions_are_gone),
        cmocka_unit_test(memory_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

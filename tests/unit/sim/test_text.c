/* SPDX-License-Identifier: Apache-2.0 */
/* What simulated models say, and how long they take. */
#include "unit/cm.h"

#include "base/clock.h"
#include "sim/dist.h"
#include "sim/text.h"

#include <stdlib.h>

static void tasks_are_told_apart(void **state)
{
    (void)state;
    assert_int_equal(fl_sim_task(FL_LIT("Summarize the benefits of AI routing")), FL_SIM_SUMMARIZE);
    assert_int_equal(fl_sim_task(FL_LIT("Classify this text as positive or negative")),
                     FL_SIM_CLASSIFY);
    assert_int_equal(fl_sim_task(FL_LIT("Generate a creative story about AI")), FL_SIM_GENERATE);
    assert_int_equal(fl_sim_task(FL_LIT("TRANSLATE into French: rain")), FL_SIM_TRANSLATE);
    assert_int_equal(fl_sim_task(FL_LIT("analyse the trade-off")), FL_SIM_ANALYSE);
    assert_int_equal(fl_sim_task(FL_LIT("Hello")), FL_SIM_CHAT);
    assert_int_equal(fl_sim_task(FL_EMPTY), FL_SIM_CHAT);
    assert_string_equal(fl_sim_task_name(FL_SIM_ANALYSE), "analyse");
}

static void tokens_follow_the_rule(void **state)
{
    (void)state;
    struct fl_slice text = FL_LIT("Hi,  there\n\xc3\xa9t\xc3\xa9 42!  ");
    const char *const expected[] = {"Hi", ",", "  there", "\n\xc3\xa9t\xc3\xa9", " 42", "!"};
    size_t at = 0;
    for (unsigned i = 0; i < 6; i++) {
        struct fl_slice token = fl_sim_token(text, at);
        assert_slice(token, expected[i]);
        at += token.len;
    }
    assert_int_equal(fl_sim_token(text, at).len, 0);
    assert_int_equal(fl_sim_tokens(text), 6);
    assert_int_equal(fl_sim_tokens(FL_EMPTY), 0);
}

static void say(const char *prompt, uint64_t seed, uint64_t tokens, struct fl_buf *b)
{
    fl_buf_init(b, 1 << 20);
    fl_sim_text(fl_slice_cstr(prompt), FL_LIT("m"), seed, tokens, b);
    assert_true(fl_buf_ok(b));
}

static void answers_depend_on_prompt_and_seed_only(void **state)
{
    (void)state;
    struct fl_buf a, b, c;
    say("Write a story about a lighthouse keeper", 1, 0, &a);
    say("Write a story about a lighthouse keeper", 1, 0, &b);
    say("Write a story about a lighthouse keeper", 2, 0, &c);
    assert_true(fl_slice_eq(fl_buf_slice(&a), fl_buf_slice(&b)));
    assert_false(fl_slice_eq(fl_buf_slice(&a), fl_buf_slice(&c)));
    assert_true(fl_slice_starts(fl_buf_slice(&a), FL_LIT("This is a simulated answer.")));
    assert_true(fl_slice_find_text(fl_buf_slice(&a), FL_LIT("keeper")) < a.len);
    fl_buf_finish(&a);
    fl_buf_finish(&b);
    fl_buf_finish(&c);
}

static void sentiment_is_found(void **state)
{
    (void)state;
    struct fl_buf b;
    say("Classify as positive or negative: I love this great phone", 3, 0, &b);
    assert_slice(fl_buf_slice(&b), "positive (simulated)");
    fl_buf_finish(&b);
    say("classify: what an awful, broken toy", 3, 0, &b);
    assert_slice(fl_buf_slice(&b), "negative (simulated)");
    fl_buf_finish(&b);
}

static void long_answers_on_demand(void **state)
{
    (void)state;
    struct fl_buf b;
    say("Hello", 4, 5000, &b);
    assert_in_range(fl_sim_tokens(fl_buf_slice(&b)), 5000, 5040);
    fl_buf_finish(&b);
    say("classify", 4, 100, &b);
    assert_in_range(fl_sim_tokens(fl_buf_slice(&b)), 100, 140);
    fl_buf_finish(&b);
}

static int by_size(const void *a, const void *b)
{
    uint64_t x, y;
    memcpy(&x, a, sizeof(x));
    memcpy(&y, b, sizeof(y));
    return x < y ? -1 : x > y;
}

static void delays_are_log_normal(void **state)
{
    (void)state;
    enum { count = 20001 };
    static uint64_t ns[count];
    struct fl_rng r;
    fl_rng_seed(&r, 5);
    for (unsigned i = 0; i < count; i++) {
        ns[i] = fl_sim_lognormal(&r, 300 * FL_NS_MS, 500);
    }
    qsort(ns, count, sizeof(ns[0]), by_size);
    /* exp(0.5 z) x 300 ms: z = 0, +-1.2816 (10 % and 90 %), 2.3263 (99 %) */
    assert_in_range(ns[count / 2], 295 * FL_NS_MS, 305 * FL_NS_MS);
    assert_in_range(ns[count / 10], 154 * FL_NS_MS, 162 * FL_NS_MS);
    assert_in_range(ns[count * 9 / 10], 558 * FL_NS_MS, 582 * FL_NS_MS);
    assert_in_range(ns[count * 99 / 100], 910 * FL_NS_MS, 1010 * FL_NS_MS);
    assert_int_equal(fl_sim_lognormal(&r, 7000, 0), 7000);
    assert_int_equal(fl_sim_lognormal(&r, 0, 500), 0);
}

static void jitter_stays_in_reach(void **state)
{
    (void)state;
    struct fl_rng r;
    uint64_t least = FL_NEVER, most = 0;
    fl_rng_seed(&r, 6);
    for (unsigned i = 0; i < 10000; i++) {
        uint64_t ns = fl_sim_jitter(&r, 20000, 250);
        least = ns < least ? ns : least;
        most = ns > most ? ns : most;
    }
    assert_in_range(least, 15000, 15010);
    assert_in_range(most, 24990, 25000);
    assert_int_equal(fl_sim_jitter(&r, 20000, 0), 20000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tasks_are_told_apart),
        cmocka_unit_test(tokens_follow_the_rule),
        cmocka_unit_test(answers_depend_on_prompt_and_seed_only),
        cmocka_unit_test(sentiment_is_found),
        cmocka_unit_test(long_answers_on_demand),
        cmocka_unit_test(delays_are_log_normal),
        cmocka_unit_test(jitter_stays_in_reach),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

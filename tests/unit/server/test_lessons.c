/* SPDX-License-Identifier: Apache-2.0 */
/* What feedback's body may be, what answers tell of themselves, and that lessons move what is chosen. */
#include "unit/cm.h"

#include "base/clock.h"
#include "config/config.h"
#include "server/feedback.h"
#include "server/quality.h"

#include <stdio.h>
#include <stdlib.h>

/* --- bodies --- */

static enum fl_err parse(const char *body, struct fl_feedback_body *ret, const char **ret_param)
{
    struct fl_reterr reterr;
    return fl_feedback_parse(fl_slice_cstr(body), ret, &reterr, ret_param);
}

static void a_body_is_read(void **state)
{
    (void)state;
    struct fl_feedback_body b = {0};
    const char *param;
    assert_int_equal(parse("{\"decision_id\":\"00000000000000ff\",\"score\":0.25}", &b, &param), FL_OK);
    assert_int_equal(b.decision_id, 255);
    assert_true(b.score == 0.25);
    assert_int_equal(parse("{\"score\":true,\"comment\":{\"x\":[]},\"decision_id\":\"FFFFFFFFFFFFFFFf\"}", &b, &param),
                     FL_OK);
    assert_true(b.decision_id == UINT64_MAX && b.score == 1);
    assert_int_equal(parse("{\"decision_id\":\"\\u0030000000000000001\",\"score\":false}", &b, &param), FL_OK);
    assert_true(b.decision_id == 1 && b.score == 0);
    assert_int_equal(parse("{\"decision_id\":\"0000000000000001\",\"score\":1.0}", &b, &param), FL_OK);
}

static void what_is_no_feedback_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *body, *param;
    } bad[] = {
        {"[]", NULL},
        {"7", NULL},
        {"{}", "decision_id"},
        {"{\"decision_id\":\"0\",\"score\":1}", "decision_id"},
        {"{\"decision_id\":\"00000000000000000\",\"score\":1}", "decision_id"},
        {"{\"decision_id\":\"000000000000000g\",\"score\":1}", "decision_id"},
        {"{\"decision_id\":1,\"score\":1}", "decision_id"},
        {"{\"decision_id\":\"0000000000000001\"}", "score"},
        {"{\"decision_id\":\"0000000000000001\",\"score\":1.000000001}", "score"},
        {"{\"decision_id\":\"0000000000000001\",\"score\":-1}", "score"},
        {"{\"decision_id\":\"0000000000000001\",\"score\":\"1\"}", "score"},
        {"{\"decision_id\":\"0000000000000001\",\"score\":null}", "score"},
        {"{\"decision_id\":\"0000000000000001\",\"score\":[1]}", "score"},
    };
    struct fl_feedback_body b = {7, 0.5};
    const char *param;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(parse(bad[i].body, &b, &param), FL_ERR_REQUEST);
        assert_true(!param == !bad[i].param && (!param || strcmp(param, bad[i].param) == 0));
    }
    assert_int_equal(parse("{\"decision_id\":", &b, &param), FL_ERR_JSON_SYNTAX);
    assert_int_equal(parse("{\"score\":1,\"score\":0,\"decision_id\":\"0000000000000001\"}", &b, &param),
                     FL_ERR_JSON_DUPLICATE);
    assert_true(b.decision_id == 7 && b.score == 0.5);
}

/* --- signals --- */

#define ANSWER(message, finish) "{\"choices\":[{\"message\":{" message "},\"finish_reason\":\"" finish "\"}]}\n"

static struct fl_signals signals_of(const char *answer, bool limit, bool schema)
{
    struct fl_signals s = {0};
    fl_signals_read(fl_slice_cstr(answer), limit, schema, &s);
    return s;
}

static void answers_tell_of_themselves(void **state)
{
    (void)state;
    struct fl_signals s = signals_of(ANSWER("\"content\":\"fine\"", "stop"), false, false);
    assert_true(!s.truncated && !s.refused && s.schema == FL_VALID_UNKNOWN);
    assert_true(signals_of(ANSWER("\"content\":\"fi\"", "length"), false, false).truncated);
    assert_false(signals_of(ANSWER("\"content\":\"fi\"", "length"), true, false).truncated);
    assert_true(signals_of(ANSWER("\"content\":\"I can't help with that.\"", "stop"), false, false).refused);
    assert_true(signals_of(ANSWER("\"content\":null,\"refusal\":\"no\"", "stop"), false, false).refused);
    assert_false(signals_of(ANSWER("\"content\":null,\"refusal\":null", "stop"), false, false).refused);
    assert_int_equal(signals_of(ANSWER("\"content\":\" {\\\"a\\\":1}\\n\"", "stop"), false, true).schema, FL_VALID_YES);
    assert_int_equal(signals_of(ANSWER("\"content\":\"{\\\"a\\\":\"", "stop"), false, true).schema, FL_VALID_NO);
    assert_int_equal(signals_of(ANSWER("\"content\":\"\"", "stop"), false, true).schema, FL_VALID_NO);
    assert_int_equal(signals_of(ANSWER("\"content\":\"x\"", "stop"), false, false).schema, FL_VALID_UNKNOWN);
    s = signals_of("{\"data\":[]}", false, true);
    assert_true(!s.truncated && !s.refused && s.schema == FL_VALID_UNKNOWN);
    s = signals_of("{\"choices\":[1]}", false, true);
    assert_true(!s.truncated && !s.refused && s.schema == FL_VALID_UNKNOWN);
}

/* --- lessons --- */

struct world {
    struct fl_config *config;
    struct fl_registry *registry;
    struct fl_lessons *lessons;
    struct fl_lesson_scratch *scratch;
    struct fl_features features;
    struct fl_classifier classifier;
    struct fl_rng rng;
    uint64_t now_ns, id, spent;
    struct fl_plan plan;
    struct fl_lesson lesson;
    double probability[FL_TASK_COUNT];
};

static bool no_variable(void *owner, struct fl_slice name, struct fl_slice *ret_value)
{
    (void)owner, (void)name, (void)ret_value;
    return false;
}

#define PROVIDER(name, in, out)                                                                                        \
    "  " name ": {type: openai_compatible, base_url: 'http://127.0.0.1:1', api_key: k, models: [model-" name "], "     \
    "prices: {input: " in ", output: " out "}, model_info: {model-" name ": {tier: high}}}\n"

static void begin(struct world *w, const char *models)
{
    char yaml[2048];
    struct fl_findings findings;
    *w = (struct world){.registry = fl_registry_create(), .lessons = fl_lessons_create()};
    struct fl_config_env env = {.variable = no_variable, .registry = w->registry};
    w->scratch = calloc(1, sizeof(*w->scratch));
    w->classifier = fl_classifier_default();
    fl_rng_seed(&w->rng, 5);
    w->now_ns = UINT64_C(1000000) * FL_NS_S;
    (void)snprintf(yaml, sizeof(yaml), "providers:\n" PROVIDER("small", "1", "1") PROVIDER("large", "10", "10")
                   "models:\n%s", models);
    fl_findings_init(&findings);
    assert_int_equal(fl_config_load(fl_slice_cstr(yaml), FL_LIT("test"), &env, &w->config, &findings), FL_OK);
    fl_findings_finish(&findings);
    assert_int_equal(fl_lessons_adopt(w->lessons, w->config), FL_OK);
}

static void end(struct world *w)
{
    fl_lessons_destroy(w->lessons);
    fl_config_unref(w->config);
    fl_registry_destroy(w->registry);
    free(w->scratch);
}

/* Decides on *text*; the name of the provider chosen. */
static struct fl_slice decide(struct world *w, const char *text)
{
    const struct fl_table *t = &w->config->table;
    struct fl_slice s = fl_slice_cstr(text);
    struct fl_windows windows = {s, s, s.len};
    struct fl_route_request r = {.now_ns = w->now_ns, .tokens_in = 100, .tokens_out = 100, .task_known = true};
    fl_features_extract(&windows, &w->features);
    fl_classify(&w->classifier, &windows, &w->features, w->probability);
    r.task = fl_task_best(w->probability);
    struct fl_pupil pupil = {t, fl_route_find(t, FL_LIT("m")), &w->features, w->probability, 0, w->now_ns / FL_NS_S};
    fl_lessons_put(w->lessons, &pupil, w->scratch, &r, &w->lesson);
    fl_route_plan(t, pupil.route, &r, &w->rng, &w->plan);
    fl_lessons_keep(w->lessons, &pupil, &w->plan, &w->lesson);
    return t->targets[w->plan.targets[0]].provider;
}

/* The answer ends as it was planned; *score* negative: nobody says anything. */
static void answered(struct world *w, double score)
{
    const struct fl_target *served = &w->config->table.targets[w->plan.targets[0]];
    const struct fl_signals signals = {.ended = true};
    uint64_t cost = w->plan.candidates[0].cost_p50;
    struct fl_lesson_end e = {++w->id, 0, w->plan.route, served, cost, &signals};
    fl_lessons_end(w->lessons, &w->lesson, &e);
    w->spent += cost;
    if (score >= 0) {
        assert_int_equal(fl_lessons_score(w->lessons, w->id, 0, score), FL_SCORED);
        assert_int_equal(fl_lessons_score(w->lessons, w->id, 0, score), FL_SCORED_AGAIN);
    }
}

static const char *const easy = "Translate the word house into French, please.";
static const char *const hard = "Prove that the sequence of primes has gaps of any length, step by step.";

static unsigned chosen(struct world *w, const char *text, struct fl_slice provider, unsigned count)
{
    unsigned n = 0;
    for (unsigned i = 0; i < count; i++) {
        n += fl_slice_eq(decide(w, text), provider);
        answered(w, -1);
    }
    return n;
}

/* Each model is good at one of the two. */
static void teach(struct world *w, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        bool is_hard = fl_rng_below(&w->rng, 2) == 1;
        bool small = fl_slice_eq(decide(w, is_hard ? hard : easy), FL_LIT("small"));
        answered(w, small == is_hard ? 0.2 : 0.9);
    }
}

static void feedback_moves_quality_by_prompt(void **state)
{
    struct world w;
    (void)state;
    begin(&w, "  m: {strategy: quality, targets: [small/model-small, large/model-large]}\n");
    assert_in_range(chosen(&w, hard, FL_LIT("small"), 100), 90, 100); /* as good for all that is known, and cheaper */
    teach(&w, 600);
    assert_in_range(chosen(&w, hard, FL_LIT("large"), 100), 90, 100);
    assert_in_range(chosen(&w, easy, FL_LIT("small"), 100), 90, 100);
    end(&w);
}

static void a_guarded_route_stays_with_its_default(void **state)
{
    struct world w;
    (void)state;
    begin(&w, "  m: {strategy: quality, targets: [small/model-small, large/model-large], never_worse_than: large/model-large}\n");
    assert_in_range(chosen(&w, easy, FL_LIT("large"), 100), 90, 100);
    teach(&w, 600);
    assert_in_range(chosen(&w, easy, FL_LIT("large"), 100), 90, 100); /* not shown yet */
    end(&w);
}

static void a_budget_is_paced(void **state)
{
    enum { requests = 2000, day_s = 86400 };
    struct world w;
    (void)state;
    begin(&w, "  m: {strategy: quality, targets: [small/model-small, large/model-large], daily_budget: 1.5}\n");
    uint64_t all_large = 0;
    for (unsigned day = 0; day < 4; day++) {
        unsigned right = 0;
        w.spent = 0;
        for (unsigned i = 0; i < requests; i++) {
            bool is_hard = fl_rng_below(&w.rng, 2) == 1;
            bool small = fl_slice_eq(decide(&w, is_hard ? hard : easy), FL_LIT("small"));
            right += small != is_hard;
            all_large = small ? all_large : w.plan.candidates[0].cost_p50;
            answered(&w, small && is_hard ? 0 : 1);
            w.now_ns += (uint64_t)day_s * FL_NS_S / requests;
        }
        print_message("day %u: spent %.3f USD of 1.5; all to the large model: %.3f; the right one: %.1f %%\n", day,
                      (double)w.spent / 1e12, (double)all_large * requests / 1e12, 100.0 * right / requests);
        assert_in_range(right, day < 3 ? 0 : 1500, 1700); /* at most 1,612: the budget is no larger */
        assert_true(w.spent > 1485000000000 && w.spent < 1515000000000 && /* within 1 % */
                    all_large * requests > 2000000000000);
    }
    end(&w);
}

static void what_is_not_known_is_said(void **state)
{
    struct world w;
    (void)state;
    begin(&w, "  m: {targets: [small/model-small, large/model-large]}\n");
    assert_int_equal(fl_lessons_score(w.lessons, 1, 0, 1), FL_SCORED_UNKNOWN);
    assert_int_equal(fl_lessons_score(NULL, 1, 0, 1), FL_SCORED_UNKNOWN);
    (void)decide(&w, easy);
    assert_false(w.lesson.scored); /* nobody routes by quality: nothing is looked up */
    assert_int_equal(w.lesson.kept, 0);
    assert_false(fl_lessons_curious(w.lessons));
    answered(&w, -1);
    assert_int_equal(fl_lessons_score(w.lessons, 1, 9, 1), FL_SCORED_UNKNOWN); /* another tenant's */
    assert_int_equal(fl_lessons_score(w.lessons, 1, 0, 1), FL_SCORED);
    for (unsigned i = 0; i < 100000; i++) {
        answered(&w, -1);
    }
    assert_int_equal(fl_lessons_score(w.lessons, 1, 0, 1), FL_SCORED_UNKNOWN); /* forgotten */
    assert_int_equal(fl_lessons_score(w.lessons, w.id, 0, 0), FL_SCORED);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_is_read),
        cmocka_unit_test(what_is_no_feedback_is_refused),
        cmocka_unit_test(answers_tell_of_themselves),
        cmocka_unit_test(feedback_moves_quality_by_prompt),
        cmocka_unit_test(a_guarded_route_stays_with_its_default),
        cmocka_unit_test(a_budget_is_paced),
        cmocka_unit_test(what_is_not_known_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* libfairlead through its public header. */
#include "unit/cm.h"

#include "fairlead/fairlead.h"

#include <malloc.h>
#include <math.h>
#include <pthread.h>
#include <string.h>

#define S  UINT64_C(1000000000)
#define MS UINT64_C(1000000)

static struct fairlead_setup *three_targets(const char *strategy)
{
    static const char *const ids[] = {"alpha/one", "beta/two", "gamma/three"};
    struct fairlead_setup *s = NULL;
    assert_int_equal(fairlead_setup_create(&s), FAIRLEAD_OK);
    assert_int_equal(fairlead_setup_route(s, "chat", strategy), FAIRLEAD_OK);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(fairlead_setup_target(s, ids[i]), FAIRLEAD_OK);
        assert_int_equal(fairlead_setup_target_number(s, ids[i], "input_usd", 1 + i), FAIRLEAD_OK);
        assert_int_equal(fairlead_setup_target_number(s, ids[i], "output_usd", 2 + 2 * i),
                         FAIRLEAD_OK);
        assert_int_equal(fairlead_setup_route_target(s, "chat", ids[i], 0), FAIRLEAD_OK);
    }
    return s;
}

static struct fairlead *engine_of(uint64_t seed, struct fairlead_setup *s)
{
    struct fairlead *f = NULL;
    char error[200];
    assert_int_equal(fairlead_create(seed, &f), FAIRLEAD_OK);
    assert_int_equal(fairlead_apply(f, s, error, sizeof(error)), FAIRLEAD_OK);
    assert_string_equal(error, "");
    return f;
}

static struct fairlead_request *request_of(const char *text)
{
    struct fairlead_request *r = NULL;
    assert_int_equal(fairlead_request_create(&r), FAIRLEAD_OK);
    assert_int_equal(fairlead_request_message(r, "user", text, strlen(text)), FAIRLEAD_OK);
    return r;
}

static double measured(struct fairlead *f, const char *target, const char *key, uint64_t now_ns)
{
    double value = -1;
    assert_int_equal(fairlead_measured(f, target, key, now_ns, &value), FAIRLEAD_OK);
    return value;
}

/* --- What is misused --- */

static void setup_says_what_is_wrong(void **state)
{
    (void)state;
    struct fairlead_setup *s = three_targets("cost");
    assert_string_equal(fairlead_setup_error(s), "");
    assert_int_equal(fairlead_setup_target(s, "alpha/one"), FAIRLEAD_EXISTS);
    assert_string_equal(fairlead_setup_error(s), "There is a target 'alpha/one' already.");
    assert_int_equal(fairlead_setup_target(s, "alpha"), FAIRLEAD_INVALID);
    assert_int_equal(fairlead_setup_target(s, "/m"), FAIRLEAD_INVALID);
    assert_int_equal(fairlead_setup_target(s, "a/"), FAIRLEAD_INVALID);
    assert_int_equal(fairlead_setup_target(s, "a/b c"), FAIRLEAD_INVALID);
    assert_int_equal(fairlead_setup_target(s, NULL), FAIRLEAD_INVALID);
    assert_string_equal(fairlead_setup_error(s), "An argument is NULL.");
    assert_int_equal(fairlead_setup_target_number(s, "alpha/won", "weight", 1), FAIRLEAD_UNKNOWN);
    assert_string_equal(fairlead_setup_error(s),
                        "There is no target 'alpha/won'; did you mean 'alpha/one'?");
    assert_int_equal(fairlead_setup_target_number(s, "alpha/one", "wieght", 1), FAIRLEAD_UNKNOWN);
    assert_string_equal(fairlead_setup_error(s),
                        "There is no key 'wieght'; did you mean 'weight'?");
    assert_int_equal(fairlead_setup_target_number(s, "alpha/one", "weight", 0), FAIRLEAD_INVALID);
    assert_string_equal(fairlead_setup_error(s), "The value of 'weight' is out of its range.");
    assert_int_equal(fairlead_setup_target_number(s, "alpha/one", "weight", (double)NAN),
                     FAIRLEAD_INVALID);
    assert_int_equal(fairlead_setup_target_number(s, "alpha/one", "disabled", 0.5),
                     FAIRLEAD_INVALID);
    assert_int_equal(fairlead_setup_target_text(s, "alpha/one", "tier", "best"), FAIRLEAD_UNKNOWN);
    assert_int_equal(fairlead_setup_target_text(s, "alpha/one", "lacks", "tools, wings"),
                     FAIRLEAD_UNKNOWN);
    assert_int_equal(fairlead_setup_route(s, "chat", "cost"), FAIRLEAD_EXISTS);
    assert_int_equal(fairlead_setup_route(s, "other", "cots"), FAIRLEAD_UNKNOWN);
    assert_string_equal(fairlead_setup_error(s),
                        "There is no strategy 'cots'; did you mean 'cost'?");
    assert_int_equal(fairlead_setup_route(s, "", "cost"), FAIRLEAD_INVALID);
    assert_int_equal(fairlead_setup_route_target(s, "chat", "alpha/one", 1), FAIRLEAD_EXISTS);
    assert_int_equal(fairlead_setup_route_target(s, "chta", "alpha/one", 1), FAIRLEAD_UNKNOWN);
    assert_string_equal(fairlead_setup_error(s), "There is no route 'chta'; did you mean 'chat'?");
    assert_int_equal(fairlead_setup_route_number(s, "chat", "max_cost", 1), FAIRLEAD_UNKNOWN);
    assert_int_equal(fairlead_setup_route_text(s, "chat", "prefer_poetry", "a"), FAIRLEAD_UNKNOWN);
    assert_int_equal(fairlead_setup_route_text(s, "chat", "prefer_other", "beta/two, delta/four"),
                     FAIRLEAD_UNKNOWN);
    assert_int_equal(fairlead_setup_number(s, "history_size", 4), FAIRLEAD_INVALID);
    assert_int_equal(fairlead_setup_number(s, "history", 5), FAIRLEAD_UNKNOWN);
    assert_int_equal(fairlead_setup_number(s, "history_size", 5), FAIRLEAD_OK);
    assert_string_equal(fairlead_setup_error(s), "");
    fairlead_setup_destroy(s);
    fairlead_setup_destroy(NULL);
}

static void null_is_refused(void **state)
{
    (void)state;
    struct fairlead *f = NULL;
    struct fairlead_decision *d = NULL;
    double value = 0;
    assert_int_equal(fairlead_setup_create(NULL), FAIRLEAD_INVALID);
    assert_int_equal(fairlead_setup_target(NULL, "a/b"), FAIRLEAD_INVALID);
    assert_int_equal(fairlead_setup_target_number(NULL, "a/b", "weight", 1), FAIRLEAD_INVALID);
    assert_int_equal(fairlead_setup_target_text(NULL, "a/b", "tier", "low"), FAIRLEAD_INVALID);
    assert_int_equal(fairlead_setup_route(NULL, "a", "cost"), FAIRLEAD_INVALID);
    assert_int_equal(fairlead_setup_route_target(NULL, "a", "a/b", 0), FAIRLEAD_INVALID);
    assert_int_equal(fairlead_setup_route_number(NULL, "a", "max_cost_usd", 0), FAIRLEAD_INVALID);
    assert_int_equal(fairlead_setup_route_text(NULL, "a", "tier", "low"), FAIRLEAD_INVALID);
    assert_int_equal(fairlead_setup_number(NULL, "history_size", 5), FAIRLEAD_INVALID);
    assert_null(fairlead_setup_error(NULL));
    assert_int_equal(fairlead_create(1, NULL), FAIRLEAD_INVALID);
    assert_int_equal(fairlead_create(1, &f), FAIRLEAD_OK);
    assert_int_equal(fairlead_apply(f, NULL, NULL, 0), FAIRLEAD_INVALID);
    assert_int_equal(fairlead_measured(f, "a/b", "begun", 1, NULL), FAIRLEAD_INVALID);
    assert_int_equal(fairlead_measured(f, "a/b", "begun", 1, &value), FAIRLEAD_UNKNOWN);
    assert_int_equal(fairlead_decide(f, "chat", NULL, 1, &d), FAIRLEAD_INVALID);
    assert_int_equal(fairlead_request_create(NULL), FAIRLEAD_INVALID);
    assert_int_equal(fairlead_request_message(NULL, "user", "x", 1), FAIRLEAD_INVALID);
    assert_int_equal(fairlead_request_number(NULL, "stream", 1), FAIRLEAD_INVALID);
    assert_int_equal(fairlead_request_text(NULL, "tier", "low"), FAIRLEAD_INVALID);
    fairlead_request_reset(NULL);
    fairlead_request_destroy(NULL);
    assert_int_equal(fairlead_begin(NULL, 0, 1), FAIRLEAD_INVALID);
    assert_int_equal(fairlead_first_token(NULL, 1), FAIRLEAD_INVALID);
    assert_int_equal(fairlead_end(NULL, "ok", 0, 0, 0, 1), FAIRLEAD_INVALID);
    assert_int_equal(fairlead_decision_count(NULL), 0);
    assert_null(fairlead_decision_target(NULL, 0));
    assert_null(fairlead_decision_reason(NULL));
    assert_null(fairlead_decision_json(NULL));
    assert_null(fairlead_decision_error(NULL));
    assert_null(fairlead_decision_error_name(NULL));
    assert_true(fairlead_decision_cost_usd(NULL, 0) < 0);
    assert_int_equal(fairlead_decision_tokens_in(NULL, 0), 0);
    fairlead_decision_destroy(NULL);
    fairlead_destroy(f);
    fairlead_destroy(NULL);
    assert_string_equal(fairlead_outcome(0), "ok");
    assert_null(fairlead_outcome(100000));
    assert_null(fairlead_outcome_text(100000));
    assert_string_equal(fairlead_status_text(FAIRLEAD_OK), "no error");
    assert_string_equal(fairlead_status_text(-5), "no status of this library");
    assert_string_equal(fairlead_version(), FL_VERSION);
}

static void requests_are_checked(void **state)
{
    (void)state;
    struct fairlead_setup *s = three_targets("cost");
    struct fairlead *f = engine_of(1, s);
    struct fairlead_request *r = request_of("Say hello.");
    struct fairlead_decision *d = NULL;
    char long_name[300];
    memset(long_name, 'x', sizeof(long_name));
    long_name[299] = '\0';
    assert_int_equal(fairlead_request_message(r, "poet", "x", 1), FAIRLEAD_UNKNOWN);
    assert_int_equal(fairlead_request_message(r, "user", NULL, 1), FAIRLEAD_INVALID);
    assert_int_equal(fairlead_request_number(r, "max_token", 1), FAIRLEAD_UNKNOWN);
    assert_int_equal(fairlead_request_number(r, "max_tokens", -1), FAIRLEAD_INVALID);
    assert_int_equal(fairlead_request_number(r, "max_tokens", 1.5), FAIRLEAD_INVALID);
    assert_int_equal(fairlead_request_text(r, "mood", "good"), FAIRLEAD_UNKNOWN);
    assert_int_equal(fairlead_request_text(r, "tier", "top"), FAIRLEAD_UNKNOWN);
    assert_int_equal(fairlead_request_text(r, "strategy", "cots"), FAIRLEAD_UNKNOWN);
    assert_int_equal(fairlead_request_text(r, "needs", "wings"), FAIRLEAD_UNKNOWN);
    assert_int_equal(fairlead_request_text(r, "session", long_name), FAIRLEAD_INVALID);
    assert_int_equal(fairlead_decide(f, "chat", r, 0, &d), FAIRLEAD_INVALID);
    assert_null(d);
    assert_int_equal(fairlead_decide(f, "chat", r, S, &d), FAIRLEAD_OK);
    assert_int_equal(fairlead_request_message(r, "user", "more", 4), FAIRLEAD_STATE);
    fairlead_request_reset(r);
    assert_int_equal(fairlead_request_message(r, "user", "more", 4), FAIRLEAD_OK);
    /* Attempts in the wrong order. */
    assert_int_equal(fairlead_begin(d, 3, S), FAIRLEAD_INVALID);
    assert_int_equal(fairlead_end(d, "ok", 0, 0, 0, S), FAIRLEAD_STATE);
    assert_int_equal(fairlead_first_token(d, S), FAIRLEAD_STATE);
    assert_int_equal(fairlead_begin(d, 0, S), FAIRLEAD_OK);
    assert_int_equal(fairlead_begin(d, 1, S), FAIRLEAD_STATE);
    assert_int_equal(fairlead_first_token(d, S), FAIRLEAD_STATE); /* no stream was asked for */
    assert_int_equal(fairlead_end(d, "fine", 0, 0, 0, S), FAIRLEAD_UNKNOWN);
    assert_int_equal(fairlead_end(d, "ok", 0, 0, 0, S), FAIRLEAD_OK);
    assert_int_equal(fairlead_begin(d, 0, S), FAIRLEAD_OK); /* and left open */
    assert_null(fairlead_decision_target(d, 3));
    assert_true(fairlead_decision_cost_usd(d, 3) < 0);
    fairlead_decision_destroy(d);
    assert_true(measured(f, "alpha/one", "in_flight", S) == 0);
    assert_true(measured(f, "alpha/one", "begun", S) == 2);
    assert_true(measured(f, "alpha/one", "succeeded", S) == 1);
    assert_true(measured(f, "alpha/one", "uncounted", S) == 1);
    fairlead_request_destroy(r);
    fairlead_destroy(f);
    fairlead_setup_destroy(s);
}

/* --- What is decided --- */

static void the_cheapest_answers(void **state)
{
    (void)state;
    struct fairlead_setup *s = three_targets("cost");
    struct fairlead *f = engine_of(1, s);
    struct fairlead_request *r = NULL;
    struct fairlead_decision *d = NULL;
    assert_int_equal(fairlead_request_create(&r), FAIRLEAD_OK);
    assert_int_equal(fairlead_request_number(r, "tokens_in", 1000000), FAIRLEAD_OK);
    assert_int_equal(fairlead_decide(f, "chat", r, S, &d), FAIRLEAD_OK);
    assert_int_equal(fairlead_decision_count(d), 3);
    assert_string_equal(fairlead_decision_target(d, 0), "alpha/one");
    assert_int_equal(fairlead_decision_tokens_in(d, 0), 1000000);
    assert_true(fairlead_decision_cost_usd(d, 0) > 1 && fairlead_decision_cost_usd(d, 0) < 1.01);
    assert_string_equal(fairlead_decision_reason(d), "strategy=cost; why=cheapest; considered=3");
    assert_ptr_equal(fairlead_decision_reason(d), fairlead_decision_reason(d));
    assert_memory_equal(fairlead_decision_json(d), "{\"route\":\"chat\",\"strategy\":\"cost\"", 33);
    assert_ptr_equal(fairlead_decision_json(d), fairlead_decision_json(d));
    assert_string_equal(fairlead_decision_error(d), "");
    assert_string_equal(fairlead_decision_error_name(d), "ok");
    fairlead_decision_destroy(d);
    assert_int_equal(fairlead_request_number(r, "max_cost_usd", 0.5), FAIRLEAD_OK);
    assert_int_equal(fairlead_decide(f, "chat", r, S, &d), FAIRLEAD_REFUSED);
    assert_int_equal(fairlead_decision_count(d), 0);
    assert_null(fairlead_decision_target(d, 0));
    assert_string_equal(fairlead_decision_error_name(d), "policy_max_cost");
    assert_non_null(strstr(fairlead_decision_error(d), "the limit is 0.500000 USD"));
    assert_int_equal(fairlead_begin(d, 0, S), FAIRLEAD_INVALID);
    fairlead_decision_destroy(d);
    assert_int_equal(fairlead_decide(f, "chatt", r, S, &d), FAIRLEAD_UNKNOWN);
    assert_string_equal(fairlead_decision_error(d),
                        "There is no route 'chatt'. Did you mean 'chat'?");
    assert_string_equal(fairlead_decision_reason(d), "");
    assert_string_equal(fairlead_decision_json(d), "{\"refused\":\"caller_model_unknown\"}");
    fairlead_decision_destroy(d);
    fairlead_request_destroy(r);
    fairlead_destroy(f);
    fairlead_setup_destroy(s);
}

static void constraints_hold(void **state)
{
    (void)state;
    struct fairlead_setup *s = three_targets("cost");
    struct fairlead_request *r = request_of("Hello");
    struct fairlead_decision *d = NULL;
    assert_int_equal(fairlead_setup_target_text(s, "alpha/one", "lacks", "vision,tools"), 0);
    assert_int_equal(fairlead_setup_target_text(s, "alpha/one", "tier", "low"), 0);
    assert_int_equal(fairlead_setup_target_text(s, "beta/two", "tier", "medium"), 0);
    assert_int_equal(fairlead_setup_target_text(s, "gamma/three", "tier", "high"), 0);
    struct fairlead *f = engine_of(1, s);
    assert_int_equal(fairlead_request_text(r, "needs", "tools"), 0);
    assert_int_equal(fairlead_decide(f, "chat", r, S, &d), FAIRLEAD_OK);
    assert_string_equal(fairlead_decision_target(d, 0), "beta/two");
    assert_string_equal(fairlead_decision_reason(d),
                        "strategy=cost; why=cheapest; considered=3; skipped=alpha/one:cannot");
    fairlead_decision_destroy(d);
    assert_int_equal(fairlead_request_text(r, "tier", "high"), 0);
    assert_int_equal(fairlead_decide(f, "chat", r, S, &d), FAIRLEAD_OK);
    assert_int_equal(fairlead_decision_count(d), 1);
    assert_string_equal(fairlead_decision_target(d, 0), "gamma/three");
    fairlead_decision_destroy(d);
    assert_int_equal(fairlead_request_text(r, "needs", ""), 0);
    assert_int_equal(fairlead_request_text(r, "tier", ""), 0);
    assert_int_equal(fairlead_request_text(r, "strategy", "round_robin"), 0);
    assert_int_equal(fairlead_decide(f, "chat", r, S, &d), FAIRLEAD_OK);
    assert_int_equal(fairlead_decision_count(d), 3);
    assert_non_null(strstr(fairlead_decision_reason(d), "policy=round_robin"));
    fairlead_decision_destroy(d);
    fairlead_request_destroy(r);
    fairlead_destroy(f);
    fairlead_setup_destroy(s);
}

static void the_catalogue_is_known(void **state)
{
    (void)state;
    struct fairlead_setup *s = NULL;
    struct fairlead_request *r = request_of("Translate 'good morning' into French");
    struct fairlead_decision *d = NULL;
    assert_int_equal(fairlead_setup_create(&s), 0);
    assert_int_equal(fairlead_setup_target(s, "openai/gpt-4o"), 0);
    assert_int_equal(fairlead_setup_target(s, "openai/gpt-4o-mini"), 0);
    assert_int_equal(fairlead_setup_target(s, "mine/gpt-4o"), 0); /* its facts, not its price */
    assert_int_equal(fairlead_setup_route(s, "chat", "classification"), 0);
    assert_int_equal(fairlead_setup_route_target(s, "chat", "openai/gpt-4o", 0), 0);
    assert_int_equal(fairlead_setup_route_target(s, "chat", "openai/gpt-4o-mini", 0), 0);
    assert_int_equal(fairlead_setup_route_target(s, "chat", "mine/gpt-4o", 1), 0);
    assert_int_equal(
        fairlead_setup_route_text(s, "chat", "prefer_translation", "openai/gpt-4o-mini"), 0);
    struct fairlead *f = engine_of(1, s);
    assert_int_equal(fairlead_decide(f, "chat", r, S, &d), FAIRLEAD_OK);
    assert_int_equal(fairlead_decision_count(d), 3);
    assert_string_equal(fairlead_decision_target(d, 0), "openai/gpt-4o-mini");
    assert_string_equal(fairlead_decision_target(d, 2), "mine/gpt-4o");
    assert_true(fairlead_decision_cost_usd(d, 0) > 0);
    assert_true(fairlead_decision_cost_usd(d, 1) > 5 * fairlead_decision_cost_usd(d, 0));
    assert_true(fairlead_decision_cost_usd(d, 2) < 0);
    assert_in_range(fairlead_decision_tokens_in(d, 0), 8, 24);
    fairlead_decision_destroy(d);
    fairlead_request_destroy(r);
    fairlead_destroy(f);
    fairlead_setup_destroy(s);
}

static double cost_of(struct fairlead *f, unsigned option)
{
    struct fairlead_request *r = request_of("Translate 'good morning' into French");
    struct fairlead_decision *d = NULL;
    assert_int_equal(fairlead_decide(f, "chat", r, S, &d), FAIRLEAD_OK);
    double usd = fairlead_decision_cost_usd(d, option);
    fairlead_decision_destroy(d);
    fairlead_request_destroy(r);
    return usd;
}

static void a_catalogue_of_ones_own(void **state)
{
    (void)state;
    static const char own[] = "catalog 1 2026-09-23\nprovider mine\nmodel gpt-4o in=1 out=1\n";
    static const char dear[] = "catalog 1 2026-09-23\nprovider mine\nmodel gpt-4o in=2 out=2\n";
    static const char bad[] = "catalog 1 2026-09-23\nprovider mine\nmodel gpt-4o price=cheap\n";
    struct fairlead_setup *s = NULL;
    assert_int_equal(fairlead_setup_create(&s), 0);
    assert_int_equal(fairlead_setup_target(s, "mine/gpt-4o"), 0);
    assert_int_equal(fairlead_setup_route(s, "chat", "cost"), 0);
    assert_int_equal(fairlead_setup_route_target(s, "chat", "mine/gpt-4o", 0), 0);
    struct fairlead *f = engine_of(1, s);
    assert_true(cost_of(f, 0) < 0);
    assert_int_equal(fairlead_setup_catalog(s, own, strlen(own)), 0);
    assert_int_equal(fairlead_apply(f, s, NULL, 0), 0);
    double usd = cost_of(f, 0);
    assert_true(usd > 0);
    assert_int_equal(fairlead_setup_catalog(s, bad, strlen(bad)), FAIRLEAD_INVALID);
    assert_non_null(strstr(fairlead_setup_error(s), "Line 3 of the catalogue: "));
    assert_int_equal(fairlead_setup_catalog(s, dear, strlen(dear)), 0);
    assert_int_equal(fairlead_apply(f, s, NULL, 0), 0);
    assert_true(fabs(cost_of(f, 0) - 2 * usd) < 1e-12);
    assert_int_equal(fairlead_setup_catalog(s, NULL, 0), FAIRLEAD_INVALID);
    fairlead_destroy(f);
    fairlead_setup_destroy(s);
}

/* Half a price is none; the former setup stays in force. */
static void a_bad_setup_changes_nothing(void **state)
{
    (void)state;
    char error[200], tiny[6];
    struct fairlead_setup *s = three_targets("cost"), *bad = three_targets("cost");
    struct fairlead *f = engine_of(1, s);
    assert_int_equal(fairlead_setup_target(bad, "delta/four"), 0);
    assert_int_equal(fairlead_setup_target_number(bad, "delta/four", "input_usd", 1), 0);
    assert_int_equal(fairlead_apply(f, bad, error, sizeof(error)), FAIRLEAD_INVALID);
    assert_string_equal(error, "The target 'delta/four' needs both input_usd and output_usd: the "
                               "catalogue does not know its price.");
    assert_int_equal(fairlead_apply(f, bad, tiny, sizeof(tiny)), FAIRLEAD_INVALID);
    assert_string_equal(tiny, "The t");
    assert_int_equal(fairlead_setup_target_number(bad, "delta/four", "output_usd", 1), 0);
    assert_int_equal(fairlead_setup_route(bad, "empty", "cost"), 0);
    assert_int_equal(fairlead_apply(f, bad, error, sizeof(error)), FAIRLEAD_INVALID);
    assert_string_equal(error, "The route 'empty' has no target that is not a fallback.");
    assert_true(measured(f, "alpha/one", "healthy", S) == 1);
    double value = 0;
    assert_int_equal(fairlead_measured(f, "delta/four", "begun", S, &value), FAIRLEAD_UNKNOWN);
    assert_int_equal(fairlead_measured(f, "alpha/one", "mood", S, &value), FAIRLEAD_UNKNOWN);
    fairlead_destroy(f);
    fairlead_setup_destroy(s);
    fairlead_setup_destroy(bad);
}

/* --- What is learned --- */

static void attempt(struct fairlead_decision *d, unsigned index, const char *outcome, uint64_t at)
{
    assert_int_equal(fairlead_begin(d, index, at), FAIRLEAD_OK);
    assert_int_equal(fairlead_end(d, outcome, 100, 50, 0, at + 10 * MS), FAIRLEAD_OK);
}

static void traffic_leaves_what_fails(void **state)
{
    (void)state;
    struct fairlead_setup *s = three_targets("cost");
    assert_int_equal(fairlead_setup_number(s, "failures_to_eject", 2), 0);
    struct fairlead *f = engine_of(1, s);
    struct fairlead_request *r = request_of("Hello");
    struct fairlead_decision *d = NULL;
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(fairlead_decide(f, "chat", r, (i + 1) * S, &d), FAIRLEAD_OK);
        assert_string_equal(fairlead_decision_target(d, 0), "alpha/one");
        attempt(d, 0, "provider_server_error", (i + 1) * S);
        attempt(d, 1, "ok", (i + 1) * S + 20 * MS);
        fairlead_decision_destroy(d);
    }
    assert_true(measured(f, "alpha/one", "healthy", 3 * S) == 0);
    assert_true(measured(f, "alpha/one", "failed", 3 * S) == 2);
    assert_true(measured(f, "beta/two", "succeeded", 3 * S) == 2);
    assert_int_equal(fairlead_decide(f, "chat", r, 3 * S, &d), FAIRLEAD_OK);
    assert_string_equal(fairlead_decision_target(d, 0), "beta/two");
    assert_non_null(strstr(fairlead_decision_reason(d), "skipped=alpha/one:ejected"));
    fairlead_decision_destroy(d);
    assert_int_equal(fairlead_decide(f, "chat", r, 40 * S, &d), FAIRLEAD_OK); /* its trial */
    assert_string_equal(fairlead_decision_target(d, 0), "alpha/one");
    fairlead_decision_destroy(d);
    fairlead_request_destroy(r);
    fairlead_destroy(f);
    fairlead_setup_destroy(s);
}

/* A rate limit puts a target last for as long as the provider says, and is no fault. */
static void rate_limits_pass(void **state)
{
    (void)state;
    struct fairlead_setup *s = three_targets("cost");
    struct fairlead *f = engine_of(1, s);
    struct fairlead_request *r = request_of("Hello");
    struct fairlead_decision *d = NULL;
    assert_int_equal(fairlead_request_number(r, "stream", 1), 0);
    assert_int_equal(fairlead_decide(f, "chat", r, S, &d), FAIRLEAD_OK);
    assert_int_equal(fairlead_begin(d, 0, S), 0);
    assert_int_equal(fairlead_end(d, "provider_rate_limited", 0, 0, 5000, 2 * S), 0);
    assert_int_equal(fairlead_begin(d, 1, 2 * S), 0);
    assert_int_equal(fairlead_first_token(d, 2 * S + 250 * MS), 0);
    assert_int_equal(fairlead_first_token(d, 2 * S + 250 * MS), FAIRLEAD_STATE);
    assert_int_equal(fairlead_end(d, "ok", 10, 20, 0, 3 * S), 0);
    assert_true(measured(f, "beta/two", "first_token_ms", 3 * S) == 250);
    assert_true(measured(f, "beta/two", "total_ms", 3 * S) == 1000);
    fairlead_decision_destroy(d);
    assert_int_equal(fairlead_decide(f, "chat", r, 6 * S, &d), FAIRLEAD_OK);
    assert_string_equal(fairlead_decision_target(d, 2), "alpha/one");
    fairlead_decision_destroy(d);
    assert_int_equal(fairlead_decide(f, "chat", r, 8 * S, &d), FAIRLEAD_OK);
    assert_string_equal(fairlead_decision_target(d, 0), "alpha/one");
    fairlead_decision_destroy(d);
    assert_true(measured(f, "alpha/one", "failed", 8 * S) == 0);
    fairlead_request_destroy(r);
    fairlead_destroy(f);
    fairlead_setup_destroy(s);
}

/* The first choices of 200 requests, with outcomes reported, as one number. */
static uint64_t run(uint64_t seed, const char *strategy)
{
    struct fairlead_setup *s = three_targets(strategy);
    struct fairlead *f = engine_of(seed, s);
    struct fairlead_request *r = request_of("Write a poem about the sea.");
    uint64_t hash = 14695981039346656037u;
    for (uint64_t i = 1; i <= 200; i++) {
        struct fairlead_decision *d = NULL;
        assert_int_equal(fairlead_decide(f, "chat", r, i * S, &d), FAIRLEAD_OK);
        for (const char *p = fairlead_decision_target(d, 0); *p; p++) {
            hash = (hash ^ (unsigned char)*p) * 1099511628211u;
        }
        attempt(d, 0, i % 17 == 0 ? "provider_server_error" : "ok", i * S);
        fairlead_decision_destroy(d);
    }
    fairlead_request_destroy(r);
    fairlead_destroy(f);
    fairlead_setup_destroy(s);
    return hash;
}

static void same_seed_same_decisions(void **state)
{
    (void)state;
    assert_true(run(7, "random") == run(7, "random"));
    assert_true(run(7, "hybrid") == run(7, "hybrid"));
    assert_true(run(7, "random") != run(8, "random"));
}

/* A decision outlives the setup it was made of; its target's measures go on under the new one. */
static void reload_in_flight(void **state)
{
    (void)state;
    struct fairlead_setup *s = three_targets("cost"), *next = NULL;
    struct fairlead *f = engine_of(1, s);
    struct fairlead_request *r = request_of("Hello");
    struct fairlead_decision *old = NULL, *d = NULL;
    assert_int_equal(fairlead_decide(f, "chat", r, S, &old), FAIRLEAD_OK);
    assert_int_equal(fairlead_begin(old, 0, S), 0);
    assert_int_equal(fairlead_setup_create(&next), 0);
    assert_int_equal(fairlead_setup_target(next, "delta/four"), 0);
    assert_int_equal(fairlead_setup_target(next, "alpha/one"), 0);
    assert_int_equal(fairlead_setup_route(next, "chat", "round_robin"), 0);
    assert_int_equal(fairlead_setup_route_target(next, "chat", "delta/four", 0), 0);
    assert_int_equal(fairlead_setup_route_target(next, "chat", "alpha/one", 1), 0);
    assert_int_equal(fairlead_apply(f, next, NULL, 0), 0);
    fairlead_setup_destroy(s);
    fairlead_setup_destroy(next);
    assert_true(measured(f, "alpha/one", "in_flight", S) == 1);
    assert_int_equal(fairlead_decide(f, "chat", r, S, &d), FAIRLEAD_OK);
    assert_string_equal(fairlead_decision_target(d, 0), "delta/four");
    assert_string_equal(fairlead_decision_target(old, 1), "beta/two");
    assert_non_null(strstr(fairlead_decision_json(old), "gamma/three"));
    assert_int_equal(fairlead_end(old, "ok", 0, 0, 0, 2 * S), 0);
    assert_true(measured(f, "alpha/one", "in_flight", 2 * S) == 0);
    assert_true(measured(f, "alpha/one", "succeeded", 2 * S) == 1);
    fairlead_decision_destroy(old);
    fairlead_decision_destroy(d);
    fairlead_request_destroy(r);
    fairlead_destroy(f);
}

/* A program that runs for months: no call leaves anything behind. */
static void memory_does_not_grow(void **state)
{
    (void)state;
#ifdef FL_ARENA_SEPARATE
    enum { cycles = 3000 }; /* a sanitizer looks for what is left at the end */
#else
    enum { cycles = 100000 };
#endif
    struct fairlead_setup *s = three_targets("hybrid");
    struct fairlead *f = engine_of(1, s);
    struct fairlead_request *r = request_of("Hello");
    size_t before = 0;
    for (uint64_t i = 1; i <= cycles; i++) {
        struct fairlead_decision *d = NULL;
        before = i == 100 ? mallinfo2().uordblks : before;
        fairlead_request_reset(r);
        assert_int_equal(fairlead_request_message(r, "user", "What is the time?", i % 17), 0);
        assert_int_equal(fairlead_request_text(r, "session", i % 2 ? "a" : "b"), 0);
        assert_int_equal(fairlead_decide(f, "chat", r, i * MS, &d), FAIRLEAD_OK);
        assert_non_null(fairlead_decision_reason(d));
        attempt(d, 0, i % 50 == 0 ? "provider_reset" : "ok", i * MS);
        fairlead_decision_destroy(d);
        if (i % 1000 == 0) {
            assert_int_equal(fairlead_apply(f, s, NULL, 0), FAIRLEAD_OK);
        }
    }
    assert_int_equal(mallinfo2().uordblks, before);
    fairlead_request_destroy(r);
    fairlead_destroy(f);
    fairlead_setup_destroy(s);
}

/* --- Threads --- */

struct worker {
    pthread_t thread;
    struct fairlead *f;
    unsigned failures;
};

static void *work(void *argument)
{
    struct worker *w = argument;
    struct fairlead_request *r = NULL;
    w->failures += fairlead_request_create(&r) != FAIRLEAD_OK;
    for (uint64_t i = 1; i <= 2000; i++) {
        struct fairlead_decision *d = NULL;
        fairlead_request_reset(r);
        (void)fairlead_request_message(r, "user", "Hello there", 11);
        w->failures += fairlead_decide(w->f, "chat", r, i * MS, &d) != FAIRLEAD_OK;
        w->failures += fairlead_begin(d, 0, i * MS) != FAIRLEAD_OK;
        w->failures += fairlead_end(d, "ok", 3, 5, 0, i * MS + 1000) != FAIRLEAD_OK;
        fairlead_decision_destroy(d);
    }
    fairlead_request_destroy(r);
    return NULL;
}

static void threads_share_an_engine(void **state)
{
    (void)state;
    struct worker workers[4] = {0};
    struct fairlead_setup *s = three_targets("spd");
    struct fairlead *f = engine_of(1, s);
    double succeeded = 0;
    for (unsigned i = 0; i < 4; i++) {
        workers[i].f = f;
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (unsigned i = 0; i < 50; i++) {
        assert_int_equal(fairlead_apply(f, s, NULL, 0), FAIRLEAD_OK);
    }
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
        assert_int_equal(workers[i].failures, 0);
    }
    succeeded += measured(f, "alpha/one", "succeeded", S) + measured(f, "beta/two", "succeeded", S);
    succeeded += measured(f, "gamma/three", "succeeded", S);
    assert_true(succeeded == 8000);
    fairlead_destroy(f);
    fairlead_setup_destroy(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(setup_says_what_is_wrong),
        cmocka_unit_test(null_is_refused),
        cmocka_unit_test(requests_are_checked),
        cmocka_unit_test(the_cheapest_answers),
        cmocka_unit_test(constraints_hold),
        cmocka_unit_test(the_catalogue_is_known),
        cmocka_unit_test(a_catalogue_of_ones_own),
        cmocka_unit_test(a_bad_setup_changes_nothing),
        cmocka_unit_test(traffic_leaves_what_fails),
        cmocka_unit_test(rate_limits_pass),
        cmocka_unit_test(same_seed_same_decisions),
        cmocka_unit_test(reload_in_flight),
        cmocka_unit_test(memory_does_not_grow),
        cmocka_unit_test(threads_share_an_engine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

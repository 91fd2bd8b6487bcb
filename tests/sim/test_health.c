/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ejection of a failing provider, its way back by checks and by trials, and what does not count
 * against it. Ejections last 30 s, 60 s ..., give or take a tenth.
 */
#include "sim/rig.h"
#include "sim/upstream.h"

#define MS(n) ((n)*FL_NS_MS)

struct scene {
    struct rig rig;
    struct upstream first, second;
    struct fl_buf plain, other;
};

static void open_scene(struct scene *s, unsigned providers, const char *more)
{
    const struct rig_setup setup = {.providers = providers, .more = more, .checked = true};
    rig_open(&s->rig, 1);
    rig_exact(&s->rig);
    upstream_open(&s->first, fl_world_sys(s->rig.world, "10.0.1.1"));
    upstream_open(&s->second, fl_world_sys(s->rig.world, "10.0.1.2"));
    fl_buf_init(&s->plain, 65536);
    put_plain(&s->plain, BY_CLOSE, "quick");
    fl_buf_init(&s->other, 65536);
    put_plain(&s->other, BY_CLOSE, "other");
    upstream_say(&s->second, fl_buf_slice(&s->other), UPSTREAM_FIN);
    rig_serve(&s->rig, &setup, 1);
}

static void close_scene(struct scene *s)
{
    fl_world_run_for(s->rig.world, 80 * FL_NS_S);
    rig_check(&s->rig, rig_idle(&s->rig));
    rig_stop(&s->rig);
    upstream_close(&s->first);
    upstream_close(&s->second);
    fl_buf_finish(&s->plain);
    fl_buf_finish(&s->other);
    rig_close(&s->rig);
}

static void fails(struct scene *s)
{
    upstream_say(&s->first, FL_LIT("HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n"), UPSTREAM_FIN);
}

static void works(struct scene *s)
{
    upstream_say(&s->first, fl_buf_slice(&s->plain), UPSTREAM_FIN);
}

/* One request of a new client: NULL: an error of ours, else who answered. *attempts*: as its header
 * says. */
static void ask_with(struct scene *s, const char *headers, const char *text, const char *attempts)
{
    struct fl_simclient *c = rig_client(&s->rig, 0, NULL);
    rig_post(c, 1, false, headers);
    rig_settle(&s->rig, c, 60 * FL_NS_S);
    const struct fl_simanswer *a = fl_simclient_answer(c, 0);
    if (text) {
        rig_check_text(&s->rig, a, text);
    } else {
        rig_check_error(&s->rig, a, 502, "provider_server_error");
    }
    rig_check(&s->rig,
              fl_slice_eq(fl_simanswer_header(a, "x-fairlead-attempts"), fl_slice_cstr(attempts)));
    rig_leave(&s->rig, c);
}

static void ask(struct scene *s, const char *text, const char *attempts)
{
    ask_with(s, "", text, attempts);
}

static enum fl_health health(const struct scene *s)
{
    return rig_target(&s->rig, "p0/m").health;
}

static void eject(struct scene *s)
{
    fails(s);
    for (unsigned i = 0; i < 3; i++) {
        rig_check(&s->rig, health(s) != FL_OPEN);
        ask(s, "other", "2");
    }
    rig_equal(&s->rig, health(s), FL_OPEN);
}

static void three_failures_in_a_row_eject(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, 2, "routing: {health_check_interval: 1h}\n");
    rig_say(&s.rig, "ejection");
    for (unsigned round = 0; round < 2; round++) { /* two failures, ten successes for each: none */
        fails(&s);
        ask(&s, "other", "2");
        ask(&s, "other", "2");
        works(&s);
        for (unsigned i = 0; i < 20; i++) {
            rig_equal(&s.rig, health(&s), FL_SUSPECT);
            ask(&s, "quick", "1");
        }
        rig_equal(&s.rig, health(&s), FL_HEALTHY);
    }
    eject(&s);
    unsigned requests = s.first.requests;
    ask(&s, "other", "1"); /* not even tried */
    fl_world_run_for(s.rig.world, 26 * FL_NS_S);
    ask(&s, "other", "1");
    rig_equal(&s.rig, s.first.requests, requests);
    close_scene(&s);
}

static void trials_bring_it_back(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, 2, "routing: {health_check_interval: 1h}\n");
    rig_say(&s.rig, "trials");
    eject(&s);
    works(&s);
    fl_world_run_for(s.rig.world, 34 * FL_NS_S);
    rig_equal(&s.rig, health(&s), FL_HALF_OPEN);
    for (unsigned i = 0; i < 3; i++) { /* recovery_threshold */
        rig_equal(&s.rig, health(&s), FL_HALF_OPEN);
        ask(&s, "quick", "1");
    }
    rig_equal(&s.rig, health(&s), FL_HEALTHY);
    close_scene(&s);
}

static void a_trial_that_fails_ejects_for_twice_as_long(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, 2, "routing: {health_check_interval: 1h}\n");
    rig_say(&s.rig, "failing trial");
    eject(&s);
    fl_world_run_for(s.rig.world, 34 * FL_NS_S);
    ask(&s, "other", "2"); /* its client does not notice */
    rig_equal(&s.rig, health(&s), FL_OPEN);
    fl_world_run_for(s.rig.world, 50 * FL_NS_S);
    rig_equal(&s.rig, health(&s), FL_OPEN);
    fl_world_run_for(s.rig.world, 18 * FL_NS_S);
    rig_equal(&s.rig, health(&s), FL_HALF_OPEN);
    close_scene(&s);
}

static void one_trial_at_a_time(void **state)
{
    struct scene s;
    struct fl_simclient *trial;
    (void)state;
    open_scene(&s, 2, "routing: {health_check_interval: 1h}\n");
    rig_say(&s.rig, "one trial");
    eject(&s);
    fl_world_run_for(s.rig.world, 34 * FL_NS_S);
    const struct upstream_part slow = {fl_buf_slice(&s.plain), 1, 5 * FL_NS_S};
    const struct upstream_answer answer = {&slow, 1, UPSTREAM_FIN};
    upstream_plan(&s.first, &answer, 1);
    trial = rig_client(&s.rig, 1, NULL);
    rig_post(trial, 1, false, "");
    fl_world_run_for(s.rig.world, MS(100));
    for (unsigned i = 0; i < 5; i++) {
        ask(&s, "other", "1");
    }
    rig_settle(&s.rig, trial, 10 * FL_NS_S);
    rig_check_text(&s.rig, fl_simclient_answer(trial, 0), "quick");
    rig_leave(&s.rig, trial);
    works(&s);
    ask(&s, "quick", "1");
    close_scene(&s);
}

/* A client that leaves during a trial says nothing about the provider: the next request is the
 * trial. */
static void a_trial_that_is_cancelled_is_none(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, 2, "routing: {health_check_interval: 1h}\n");
    rig_say(&s.rig, "cancelled trial");
    eject(&s);
    fl_world_run_for(s.rig.world, 34 * FL_NS_S);
    const struct upstream_part slow = {fl_buf_slice(&s.plain), 1, 5 * FL_NS_S};
    const struct upstream_answer answer = {&slow, 1, UPSTREAM_FIN};
    upstream_plan(&s.first, &answer, 1);
    struct fl_simclient *trial = rig_client(&s.rig, 1, NULL);
    rig_post(trial, 1, false, "");
    fl_world_run_for(s.rig.world, MS(100));
    fl_simclient_abort(trial, FL_CLOSE_RESET);
    rig_leave(&s.rig, trial);
    rig_equal(&s.rig, health(&s), FL_HALF_OPEN);
    works(&s);
    ask(&s, "quick", "1");
    close_scene(&s);
}

static void checks_find_it_well_again(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, 2, "routing: {health_check_interval: 5s, ejection_time: 5m}\n");
    rig_say(&s.rig, "checks");
    works(&s);
    fl_world_run_for(s.rig.world, 60 * FL_NS_S); /* all the time, give or take a tenth */
    rig_check(&s.rig, s.first.requests >= 10 && s.first.requests <= 14);
    rig_check(&s.rig, s.second.requests >= 10 && s.second.requests <= 14);
    rig_check(&s.rig,
              fl_slice_starts(fl_buf_slice(&s.first.head), FL_LIT("GET /v1/models HTTP/1.1\r\n")));
    eject(&s);
    unsigned requests = s.first.requests;
    fl_world_run_for(s.rig.world, 60 * FL_NS_S); /* they fail too */
    rig_equal(&s.rig, health(&s), FL_OPEN);
    rig_check(&s.rig, s.first.requests - requests >= 10 && s.first.requests - requests <= 14);
    works(&s);
    fl_world_run_for(s.rig.world, 6 * FL_NS_S);
    rig_equal(&s.rig, health(&s), FL_HALF_OPEN);
    fl_world_run_for(s.rig.world, 12 * FL_NS_S);
    rig_equal(&s.rig, health(&s), FL_HEALTHY);
    ask(&s, "quick", "1");
    close_scene(&s);
}

/* Two bad checks in a row eject before any client has found out; a key that is refused, or a rate limit, says
 * nothing about the provider. */
static void checks_find_it_ill(void **state)
{
    static const struct {
        const char *answer;
        enum fl_health health;
    } rows[] = {{"HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n", FL_OPEN},
                {"garbage\r\n\r\n", FL_OPEN},
                {"HTTP/1.1 401 Who\r\ncontent-length: 0\r\n\r\n", FL_HEALTHY},
                {"HTTP/1.1 404 What\r\ncontent-length: 0\r\n\r\n", FL_HEALTHY},
                {"HTTP/1.1 429 Slow\r\ncontent-length: 0\r\n\r\n", FL_HEALTHY}};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct scene s;
        open_scene(&s, 2, "routing: {health_check_interval: 5s, ejection_time: 5m}\n");
        rig_say(&s.rig, "check answered %s", rows[i].answer);
        upstream_say(&s.first, fl_slice_cstr(rows[i].answer), UPSTREAM_FIN);
        fl_world_run_for(s.rig.world, 6 * FL_NS_S);
        rig_equal(&s.rig, health(&s) == FL_OPEN, false); /* one is none */
        fl_world_run_for(s.rig.world, 30 * FL_NS_S);
        rig_equal(&s.rig, health(&s), rows[i].health);
        works(&s);
        bool left_alone = rows[i].health == FL_OPEN || i == 2; /* its only key was refused */
        ask(&s, left_alone ? "other" : "quick", "1");
        close_scene(&s);
    }
}

static void checks_ask_what_is_configured(void **state)
{
    struct rig_setup setup = {.providers = 1, .checked = true, .provider = ", health: {path: /up?deep=1, interval: 2s}"};
    struct scene s;
    (void)state;
    rig_open(&s.rig, 1);
    rig_exact(&s.rig);
    rig_say(&s.rig, "a path of its own");
    upstream_open(&s.first, fl_world_sys(s.rig.world, "10.0.1.1"));
    upstream_say(&s.first, FL_LIT("HTTP/1.1 204 Fine\r\n\r\n"), UPSTREAM_FIN);
    rig_serve(&s.rig, &setup, 1);
    fl_world_run_for(s.rig.world, 10 * FL_NS_S);
    rig_check(&s.rig, s.first.requests >= 4);
    rig_check(&s.rig, fl_slice_starts(fl_buf_slice(&s.first.head), FL_LIT("GET /v1/up?deep=1 HTTP/1.1\r\n")));
    rig_check(&s.rig, rig_has(fl_buf_slice(&s.first.head), "authorization: Bearer sk-sim\r\n"));
    rig_stop(&s.rig);
    upstream_close(&s.first);
    rig_close(&s.rig);
}

/* --- by hand --- */

static void admin(struct scene *s, const char *method, const char *path, const char *headers, int status,
                  const char *says)
{
    struct fl_simclient *c = rig_client(&s->rig, 2, NULL);
    fl_simclient_request(c, method, path, headers, FL_EMPTY);
    rig_settle(&s->rig, c, FL_NS_S);
    const struct fl_simanswer *a = fl_simclient_answer(c, 0);
    rig_equal(&s->rig, a->status, status);
    rig_check(&s->rig, rig_has(fl_buf_slice(&a->body), says));
    rig_check(&s->rig, !rig_has(fl_buf_slice(&a->body), "sk-sim"));
    rig_leave(&s->rig, c);
}

static void a_provider_is_drained_and_enabled_by_hand(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, 2, "routing: {health_check_interval: 1h}\n"
                      "keys: [{name: me, key: '0123456789abcdef'}]\n");
    rig_say(&s.rig, "by hand");
    works(&s);
    const char *key = "authorization: Bearer 0123456789abcdef\r\n";
    admin(&s, "GET", "/admin/v1/providers", "", 401, "Providers are shown");
    admin(&s, "POST", "/admin/v1/providers/p0/drain", "", 401, "Providers are shown");
    admin(&s, "POST", "/admin/v1/providers/p0/drain",
          "authorization: Bearer 0123456789abcdef\r\norigin: http://evil.example\r\n", 401, "browsers");
    admin(&s, "GET", "/admin/v1/providers", key, 200, "\"health\":\"healthy\"");
    admin(&s, "GET", "/admin/v1/providers/p1", key, 200, "{\"name\":\"p1\"");
    admin(&s, "GET", "/admin/v1/providers/p9", key, 404, "no such provider");
    admin(&s, "POST", "/admin/v1/providers/p0/explode", key, 404, "no such provider");
    admin(&s, "POST", "/admin/v1/providers", key, 405, "takes GET");
    admin(&s, "POST", "/admin/v1/providers/p0/drain", key, 200, "\"health\":\"drained\"");
    ask_with(&s, key, "other", "1");
    admin(&s, "POST", "/admin/v1/providers/p0/enable", key, 200, "\"health\":\"healthy\"");
    ask_with(&s, key, "quick", "1");
    close_scene(&s);
}

/* A check that gets no answer ends after health_check_timeout; nothing is left of it. */
static void checks_of_a_silent_provider_end(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, 2, "routing: {health_check_interval: 5s, health_check_timeout: 2s}\n");
    rig_say(&s.rig, "silent checks");
    eject(&s);
    const struct upstream_part none = {FL_EMPTY, 1, FL_NEVER / 2};
    const struct upstream_answer silence = {&none, 1, UPSTREAM_KEEP};
    upstream_plan(&s.first, &silence, 1);
    unsigned requests = s.first.requests;
    for (unsigned i = 0; i < 240; i++) {
        fl_world_run_for(s.rig.world, MS(100));
        rig_check(&s.rig, s.first.connections_open <= 1);
    }
    rig_check(&s.rig, s.first.requests - requests >= 2);
    rig_check(&s.rig, s.first.cancelled + 1 >= s.first.requests - requests);
    rig_equal(&s.rig, health(&s), FL_OPEN);
    close_scene(&s);
}

/* The only provider is tried all the same: nobody is refused for what happened to others. */
static void the_last_one_is_tried_though_ejected(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, 1, "routing: {health_check_interval: 1h, attempts: 1}\n");
    rig_say(&s.rig, "panic");
    fails(&s);
    for (unsigned i = 0; i < 5; i++) {
        ask(&s, NULL, "1");
    }
    rig_equal(&s.rig, health(&s), FL_OPEN);
    rig_equal(&s.rig, s.first.requests, 5);
    works(&s);
    ask(&s, "quick", "1");
    rig_equal(&s.rig, health(&s), FL_HALF_OPEN);
    ask(&s, "quick", "1");
    ask(&s, "quick", "1");
    rig_equal(&s.rig, health(&s), FL_HEALTHY);
    close_scene(&s);
}

/* What a provider says, what the client gets, and that it does not count. */
static void refusals_of_the_request_do_not_count(void **state)
{
    static const struct {
        const char *head;
        int status;
    } refusals[] = {{"HTTP/1.1 400 Bad", 400},
                    {"HTTP/1.1 413 Big", 413},
                    {"HTTP/1.1 422 What", 422},
                    {"HTTP/1.1 409 No", 409}};
    struct scene s;
    (void)state;
    open_scene(&s, 2, "routing: {health_check_interval: 1h}\n");
    for (unsigned i = 0; i < 5 * sizeof(refusals) / sizeof(refusals[0]); i++) {
        struct fl_buf b;
        fl_buf_init(&b, 4096);
        fl_buf_put_cstr(&b, refusals[i / 5].head);
        fl_buf_put_cstr(
            &b, "\r\ncontent-type: "
                "application/json\r\n\r\n{\"error\":{\"message\":\"no\",\"code\":\"theirs\"}}");
        upstream_say(&s.first, fl_buf_slice(&b), UPSTREAM_FIN);
        rig_say(&s.rig, "%s", refusals[i / 5].head);
        struct fl_simclient *c = rig_client(&s.rig, 0, NULL);
        rig_post(c, 1, false, "");
        rig_settle(&s.rig, c, FL_NS_S);
        rig_check_error(&s.rig, fl_simclient_answer(c, 0), refusals[i / 5].status, "theirs");
        rig_leave(&s.rig, c);
        fl_buf_finish(&b);
    }
    rig_equal(&s.rig, health(&s), FL_HEALTHY);
    rig_equal(&s.rig, rig_target(&s.rig, "p0/m").failed, 0);
    rig_equal(&s.rig, rig_target(&s.rig, "p0/m").uncounted, 20);
    rig_equal(&s.rig, s.second.requests, 0);
    close_scene(&s);
}

/* 429: the next one answers, it comes last for a second, or as long as it asks for. */
static void a_busy_provider_rests_and_is_not_ill(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, 2, "routing: {health_check_interval: 1h}\n");
    rig_say(&s.rig, "429");
    upstream_say(&s.first, FL_LIT("HTTP/1.1 429 Slow\r\ncontent-length: 0\r\n\r\n"), UPSTREAM_FIN);
    for (unsigned i = 0; i < 5; i++) {
        ask(&s, "other", "2");
        ask(&s, "other", "1");
        fl_world_run_for(s.rig.world, MS(1000));
    }
    upstream_say(&s.first,
                 FL_LIT("HTTP/1.1 429 Slow\r\nretry-after: 20\r\ncontent-length: 0\r\n\r\n"),
                 UPSTREAM_FIN);
    ask(&s, "other", "2");
    works(&s);
    fl_world_run_for(s.rig.world, 19 * FL_NS_S);
    ask(&s, "other", "1");
    fl_world_run_for(s.rig.world, 2 * FL_NS_S);
    ask(&s, "quick", "1");
    rig_equal(&s.rig, health(&s), FL_HEALTHY);
    rig_equal(&s.rig, rig_target(&s.rig, "p0/m").failed, 0);
    close_scene(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_failures_in_a_row_eject),
        cmocka_unit_test(trials_bring_it_back),
        cmocka_unit_test(a_trial_that_fails_ejects_for_twice_as_long),
        cmocka_unit_test(one_trial_at_a_time),
        cmocka_unit_test(a_trial_that_is_cancelled_is_none),
        cmocka_unit_test(checks_find_it_well_again),
        cmocka_unit_test(checks_find_it_ill),
        cmocka_unit_test(checks_ask_what_is_configured),
        cmocka_unit_test(a_provider_is_drained_and_enabled_by_hand),
        cmocka_unit_test(checks_of_a_silent_provider_end),
        cmocka_unit_test(the_last_one_is_tried_though_ejected),
        cmocka_unit_test(refusals_of_the_request_do_not_count),
        cmocka_unit_test(a_busy_provider_rests_and_is_not_ill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hedging: a stream whose target says nothing is asked of a second one, in another failure domain;
 * whoever says something first answers, the other is cancelled at once and blamed for nothing.
 */
#include "sim/rig.h"
#include "sim/upstream.h"

#include <stdio.h>

#define MS(n)    ((n)*FL_NS_MS)
#define MESSAGES "\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]"
#define STREAM   "{\"model\":\"chat\",\"stream\":true," MESSAGES "}"
#define PLAIN    "{\"model\":\"chat\"," MESSAGES "}"
#define TOOLS                                                                                      \
    "{\"model\":\"chat\",\"stream\":true,\"tools\":[{\"type\":\"function\",\"function\":{"         \
    "\"name\":"                                                                                    \
    "\"f\",\"parameters\":{}}}]," MESSAGES "}"

enum { upstreams_max = 3 };

struct scene {
    struct rig rig;
    struct upstream up[upstreams_max];
    struct fl_buf says[upstreams_max];
    struct upstream_part parts[upstreams_max];
    struct upstream_answer answers[upstreams_max];
    struct fl_simclient *client;
};

static void stream_of(struct fl_buf *b, const char *text)
{
    fl_buf_reset(b);
    put_stream_head(b, BY_CHUNKS);
    struct fl_buf events;
    fl_buf_init(&events, 4096);
    put_delta(&events, text);
    put_finish(&events);
    fl_buf_put_cstr(&events, "data: [DONE]\n\n");
    put_chunk(b, fl_buf_slice(&events));
    fl_buf_put_cstr(b, "0\r\n\r\n");
    fl_buf_finish(&events);
}

/* Upstream i says "i" after so long. */
static void says_after(struct scene *s, unsigned i, uint64_t ns)
{
    s->parts[i] = (struct upstream_part){fl_buf_slice(&s->says[i]), 1, ns};
    s->answers[i] = (struct upstream_answer){&s->parts[i], 1, UPSTREAM_KEEP};
    upstream_plan(&s->up[i], &s->answers[i], 1);
}

static void open_scene(struct scene *s, const char *what, const char *model_keys)
{
    struct fl_buf yaml;
    rig_open(&s->rig, 1);
    rig_exact(&s->rig);
    rig_say(&s->rig, "%s", what);
    fl_buf_init(&yaml, 65536);
    fl_buf_put_cstr(&yaml, "listen: \"10.0.0.1:80\"\nauth: {insecure_no_auth: true}\n"
                           "routing: {health_check_interval: 1h, timeouts: {first_token: 20s}}\n"
                           "models:\n  chat: {targets: [p0/m], fallback: [p1/m, p2/m]");
    fl_buf_put_cstr(&yaml, model_keys);
    fl_buf_put_cstr(&yaml, "}\nproviders:\n");
    for (unsigned i = 0; i < upstreams_max; i++) {
        char at[16] = "10.0.1.1", text[2] = {(char)('0' + i), '\0'}, line[200];
        at[7] = (char)('1' + i);
        upstream_open(&s->up[i], fl_world_sys(s->rig.world, at));
        fl_buf_init(&s->says[i], 65536);
        stream_of(&s->says[i], text);
        says_after(s, i, 0);
        (void)snprintf(line, sizeof(line),
                       "  p%u: {type: openai_compatible, api_key: k, models: [m], base_url: "
                       "\"http://%s:80/v1\", prices: {input: 1, output: 2}}\n",
                       i, at);
        fl_buf_put_cstr(&yaml, line);
    }
    rig_serve_file(&s->rig, fl_buf_slice(&yaml), 1);
    fl_buf_finish(&yaml);
    s->client = NULL;
}

static void leave(struct scene *s)
{
    if (s->client) {
        rig_leave(&s->rig, s->client);
        s->client = NULL;
    }
}

static void close_scene(struct scene *s)
{
    leave(s);
    rig_check(&s->rig, rig_idle(&s->rig));
    rig_stop(&s->rig);
    for (unsigned i = 0; i < upstreams_max; i++) {
        upstream_close(&s->up[i]);
        fl_buf_finish(&s->says[i]);
    }
    rig_close(&s->rig);
}

static const struct fl_simanswer *ask(struct scene *s, const char *body)
{
    leave(s);
    s->client = rig_client(&s->rig, 0, NULL);
    fl_simclient_request(s->client, "POST", "/v1/chat/completions", "", fl_slice_cstr(body));
    rig_settle(&s->rig, s->client, 100 * FL_NS_S);
    fl_world_run_for(s->rig.world, MS(3)); /* so that a loser has heard of it */
    return fl_simclient_answer(s->client, 0);
}

static void check(struct scene *s, const struct fl_simanswer *a, const char *text, uint64_t from_ns,
                  uint64_t to_ns)
{
    uint64_t took_ns = a->end_ns - a->asked_ns;
    rig_check_text(&s->rig, a, text);
    rig_check(&s->rig, took_ns >= from_ns && took_ns <= to_ns);
}

static bool header_is(const struct fl_simanswer *a, const char *name, const char *value)
{
    return fl_slice_eq(fl_simanswer_header(a, name), fl_slice_cstr(value));
}

static void the_second_answers_when_the_first_is_silent(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, "silent first", ", hedge: 200ms");
    says_after(&s, 0, 10 * FL_NS_S);
    const struct fl_simanswer *a = ask(&s, STREAM);
    check(&s, a, "1", MS(200), MS(220));
    rig_check(&s.rig, header_is(a, "x-fairlead-attempts", "2"));
    rig_check(&s.rig, header_is(a, "x-fairlead-hedged", "p1>p0"));
    rig_check(&s.rig, header_is(a, "x-fairlead-provider", "p1"));
    rig_equal(&s.rig, fl_simanswer_header(a, "x-fairlead-failover").len, 0);
    rig_equal(&s.rig, s.up[0].cancelled, 1);
    rig_check(&s.rig, s.up[0].left_ns <= a->head_ns + MS(2)); /* at the winner's first token */
    rig_equal(&s.rig, rig_target(&s.rig, "p0/m").uncounted, 1);
    rig_equal(&s.rig, rig_target(&s.rig, "p1/m").succeeded, 1);
    rig_equal(&s.rig, rig_stats(&s.rig).hedges, 1);
    close_scene(&s);
}

static void the_first_answers_when_it_is_faster_after_all(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, "first wins", ", hedge: 200ms");
    says_after(&s, 0, MS(300));
    says_after(&s, 1, 10 * FL_NS_S);
    const struct fl_simanswer *a = ask(&s, STREAM);
    check(&s, a, "0", MS(300), MS(320));
    rig_check(&s.rig, header_is(a, "x-fairlead-hedged", "p0>p1"));
    rig_equal(&s.rig, s.up[1].cancelled, 1);
    rig_equal(&s.rig, rig_target(&s.rig, "p1/m").uncounted, 1);
    says_after(&s, 0, MS(100)); /* in time: nobody else is asked */
    a = ask(&s, STREAM);
    rig_check(&s.rig, header_is(a, "x-fairlead-attempts", "1"));
    rig_equal(&s.rig, s.up[1].requests, 1);
    close_scene(&s);
}

static void when_one_fails_the_other_goes_on(void **state)
{
    static const char broken[] = "HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n";
    struct scene s;
    (void)state;
    for (unsigned failing = 0; failing < 2; failing++) {
        open_scene(&s, failing == 0 ? "the first fails" : "the second fails", ", hedge: 200ms");
        for (unsigned i = 0; i < 2; i++) {
            says_after(&s, i, MS(600));
        }
        fl_buf_reset(&s.says[failing]);
        fl_buf_put_cstr(&s.says[failing], broken);
        says_after(&s, failing, failing == 0 ? MS(300) : MS(50));
        const struct fl_simanswer *a = ask(&s, STREAM);
        check(&s, a, failing == 0 ? "1" : "0", MS(600), MS(820));
        rig_equal(&s.rig, s.up[2].requests, 0);
        close_scene(&s);
    }
    open_scene(&s, "both fail", ", hedge: 200ms");
    for (unsigned i = 0; i < 2; i++) {
        fl_buf_reset(&s.says[i]);
        fl_buf_put_cstr(&s.says[i], broken);
        says_after(&s, i, MS(300));
    }
    const struct fl_simanswer *a = ask(&s, STREAM);
    check(&s, a, "2", MS(500), MS(520));
    rig_check(&s.rig, header_is(a, "x-fairlead-attempts", "3"));
    rig_check(&s.rig, header_is(a, "x-fairlead-failover", "p0>p2;provider_server_error"));
    close_scene(&s);
}

/* A refusal of the request itself is the answer: the other one would say the same. */
static void a_refusal_of_the_request_ends_both(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, "refusal", ", hedge: 200ms");
    says_after(&s, 0, 10 * FL_NS_S);
    fl_buf_reset(&s.says[1]);
    fl_buf_put_cstr(
        &s.says[1],
        "HTTP/1.1 400 No\r\ncontent-type: application/json\r\ncontent-length: 44\r\n\r\n"
        "{\"error\":{\"message\":\"no\",\"code\":\"theirs..\"}}");
    says_after(&s, 1, 0);
    const struct fl_simanswer *a = ask(&s, STREAM);
    rig_check_error(&s.rig, a, 400, "theirs..");
    rig_equal(&s.rig, s.up[0].cancelled, 1);
    close_scene(&s);
}

static void only_what_may_be_hedged_is(void **state)
{
    static const struct {
        const char *what, *keys, *body;
        bool hedged;
    } rows[] = {{"off", "", STREAM, false},
                {"tools", ", hedge: 200ms", TOOLS, false},
                {"tools allowed", ", hedge: 200ms, hedge_tools: true", TOOLS, true},
                {"plain", ", hedge: 200ms", PLAIN, false},
                {"auto without knowledge", ", hedge: auto", STREAM, false}};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct scene s;
        open_scene(&s, rows[i].what, rows[i].keys);
        says_after(&s, 0, FL_NS_S);
        const struct fl_simanswer *a = ask(&s, rows[i].body);
        rig_equal(&s.rig, a->status, 200);
        rig_equal(&s.rig, s.up[1].requests, rows[i].hedged);
        close_scene(&s);
    }
}

static void auto_goes_by_the_target_s_own_first_tokens(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, "auto", ", hedge: auto");
    says_after(&s, 0, MS(100));
    for (unsigned i = 0; i < 25; i++) {
        check(&s, ask(&s, STREAM), "0", MS(100), MS(110));
    }
    says_after(&s, 0, 5 * FL_NS_S);
    check(&s, ask(&s, STREAM), "1", MS(100), MS(130));
    close_scene(&s);
}

/* Upstream i gives a plain answer of so many tokens, after so long. */
static void answers_after(struct scene *s, unsigned i, unsigned tokens, uint64_t ns)
{
    char body[300];
    int len = snprintf(body, sizeof(body),
                       "{\"id\":\"c\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"%u\"},"
                       "\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":%u,"
                       "\"total_tokens\":%u}}",
                       i, tokens, tokens + 3);
    fl_buf_reset(&s->says[i]);
    fl_buf_put_cstr(&s->says[i], "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ");
    fl_buf_put_u64(&s->says[i], (uint64_t)len);
    fl_buf_put_cstr(&s->says[i], "\r\n\r\n");
    fl_buf_put_cstr(&s->says[i], body);
    says_after(s, i, ns);
}

/* By what its target's whole answers take, of a length that this one will hardly exceed: whatever 'hedge' says of
 * first tokens. Who is asked for short answers is not hedged by what long ones took, nor the reverse. */
static void plain_answers_go_by_whole_ones(void **state)
{
    static const char short_one[] = "{\"model\":\"chat\",\"max_tokens\":20," MESSAGES "}";
    static const char long_one[] = "{\"model\":\"chat\",\"max_tokens\":200," MESSAGES "}";
    (void)state;
    for (unsigned allowed = 0; allowed < 2; allowed++) {
        struct scene s;
        open_scene(&s, allowed ? "plain" : "plain, not allowed",
                   allowed ? ", hedge: 5ms, hedge_plain: true" : ", hedge: 5ms");
        answers_after(&s, 1, 20, MS(10));
        answers_after(&s, 2, 20, MS(10));
        for (unsigned i = 0; i < 25; i++) {
            answers_after(&s, 0, 20, MS(100));
            check(&s, ask(&s, short_one), "0", MS(100), MS(110));
            answers_after(&s, 0, 200, MS(500));
            check(&s, ask(&s, long_one), "0", MS(500), MS(510));
        }
        rig_equal(&s.rig, rig_stats(&s.rig).hedges, 0);
        answers_after(&s, 0, 200, 5 * FL_NS_S);
        const struct fl_simanswer *a = ask(&s, long_one);
        check(&s, a, allowed ? "1" : "0", allowed ? MS(500) : 5 * FL_NS_S,
              allowed ? MS(570) : 6 * FL_NS_S);
        rig_equal(&s.rig, rig_stats(&s.rig).hedges, allowed);
        rig_equal(&s.rig, s.up[0].cancelled, allowed);
        rig_check(&s.rig, header_is(a, "x-fairlead-hedged", allowed ? "p1>p0" : ""));
        rig_equal(&s.rig, rig_target(&s.rig, "p0/m").failed, 0);
        check(&s, ask(&s, short_one), allowed ? "1" : "0", allowed ? MS(100) : 5 * FL_NS_S,
              allowed ? MS(130) : 6 * FL_NS_S);
        close_scene(&s);
    }
}

/* A brown-out of everybody: hedges stay within their half of the budget. */
static void the_budget_bounds_it(void **state)
{
    struct scene s;
    unsigned hedged;
    (void)state;
    open_scene(&s, "budget", ", hedge: 200ms");
    for (unsigned i = 0; i < upstreams_max; i++) {
        says_after(&s, i, FL_NS_S);
    }
    for (unsigned i = 0; i < 60; i++) {
        (void)ask(&s, STREAM);
    }
    hedged = (unsigned)rig_stats(&s.rig).hedges;
    rig_say(&s.rig, "budget: %u hedges of 60 requests", hedged);
    rig_check(&s.rig, hedged > 5 && hedged <= 60);
    rig_equal(&s.rig, rig_stats(&s.rig).attempts, 60 + hedged);
    close_scene(&s);
}

static void a_client_that_leaves_cancels_both(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, "leaving", ", hedge: 200ms");
    says_after(&s, 0, 10 * FL_NS_S);
    says_after(&s, 1, 10 * FL_NS_S);
    s.client = rig_client(&s.rig, 0, NULL);
    fl_simclient_request(s.client, "POST", "/v1/chat/completions", "", FL_LIT(STREAM));
    fl_world_run_for(s.rig.world, MS(500));
    rig_equal(&s.rig, rig_stats(&s.rig).attempts_open, 2);
    fl_simclient_abort(s.client, FL_CLOSE_RESET);
    fl_world_run_for(s.rig.world, MS(5));
    rig_check(&s.rig, rig_idle(&s.rig));
    rig_equal(&s.rig, s.up[0].cancelled + s.up[1].cancelled, 2);
    close_scene(&s);
}

static void the_deadline_ends_both(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, "deadline", ", hedge: 200ms");
    for (unsigned i = 0; i < upstreams_max; i++) {
        says_after(&s, i, 10 * FL_NS_S);
    }
    s.client = rig_client(&s.rig, 0, NULL);
    fl_simclient_request(s.client, "POST", "/v1/chat/completions", "x-fairlead-timeout-ms: 900\r\n",
                         FL_LIT(STREAM));
    rig_settle(&s.rig, s.client, 100 * FL_NS_S);
    const struct fl_simanswer *a = fl_simclient_answer(s.client, 0);
    rig_check_error(&s.rig, a, 504, "caller_deadline");
    rig_check(&s.rig, a->end_ns - a->asked_ns >= MS(900) && a->end_ns - a->asked_ns <= MS(910));
    fl_world_run_for(s.rig.world, MS(3));
    rig_equal(&s.rig, s.up[0].cancelled + s.up[1].cancelled + s.up[2].cancelled, 3);
    close_scene(&s);
}

/* A refusal's own head is to come, though the one asked first says nothing. */
static void no_heartbeat_goes_before_a_refusal(void **state)
{
    static const char refusal[] = "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\n"
                                  "content-length: 61\r\n\r\n{\"error\":{\"message\":\"No.\",\"type\":"
                                  "\"invalid_request_error\"   }}";
    struct scene s;
    (void)state;
    open_scene(&s, "refusal by the second", ", hedge: 10s}\nlimits: {heartbeat: 12s");
    says_after(&s, 0, 19 * FL_NS_S);
    struct fl_slice whole = FL_LIT(refusal);
    const struct upstream_part parts[] = {{fl_slice_first(whole, whole.len - 9), 1, MS(10)},
                                          {fl_slice_from(whole, whole.len - 9), 1, 4 * FL_NS_S}};
    const struct upstream_answer answer = {parts, 2, UPSTREAM_KEEP};
    upstream_plan(&s.up[1], &answer, 1);
    const struct fl_simanswer *a = ask(&s, STREAM);
    rig_check(&s.rig, a->complete && a->status == 400 && header_is(a, "content-type", "application/json"));
    rig_check(&s.rig, rig_has(fl_buf_slice(&a->body), "\"message\":\"No.\""));
    rig_check(&s.rig, a->end_ns - a->asked_ns >= 14 * FL_NS_S && a->end_ns - a->asked_ns < 15 * FL_NS_S);
    close_scene(&s);
}

/* A whole answer of the second becomes a stream, with heartbeats before it. */
static void a_whole_answer_of_the_second_becomes_a_stream(void **state)
{
    struct scene s;
    struct fl_buf plain;
    (void)state;
    open_scene(&s, "whole answer by the second", ", hedge: 10s}\nlimits: {heartbeat: 12s");
    says_after(&s, 0, 19 * FL_NS_S);
    fl_buf_init(&plain, 4096);
    put_plain(&plain, BY_LENGTH, "whole");
    struct fl_slice whole = fl_buf_slice(&plain);
    const struct upstream_part parts[] = {{fl_slice_first(whole, whole.len - 9), 1, MS(10)},
                                          {fl_slice_from(whole, whole.len - 9), 1, 4 * FL_NS_S}};
    const struct upstream_answer answer = {parts, 2, UPSTREAM_KEEP};
    upstream_plan(&s.up[1], &answer, 1);
    check(&s, ask(&s, STREAM), "whole", 14 * FL_NS_S, 15 * FL_NS_S);
    rig_equal(&s.rig, rig_stats(&s.rig).heartbeats, 1);
    close_scene(&s);
    fl_buf_finish(&plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_second_answers_when_the_first_is_silent),
        cmocka_unit_test(the_first_answers_when_it_is_faster_after_all),
        cmocka_unit_test(when_one_fails_the_other_goes_on),
        cmocka_unit_test(a_refusal_of_the_request_ends_both),
        cmocka_unit_test(only_what_may_be_hedged_is),
        cmocka_unit_test(auto_goes_by_the_target_s_own_first_tokens),
        cmocka_unit_test(plain_answers_go_by_whole_ones),
        cmocka_unit_test(the_budget_bounds_it),
        cmocka_unit_test(a_client_that_leaves_cancels_both),
        cmocka_unit_test(the_deadline_ends_both),
        cmocka_unit_test(no_heartbeat_goes_before_a_refusal),
        cmocka_unit_test(a_whole_answer_of_the_second_becomes_a_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

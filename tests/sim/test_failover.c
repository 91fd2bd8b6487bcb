/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a request goes when its target fails: another key, another vendor before another model of
 * the same, a larger context, the targets a route keeps for refusals, the names and providers a
 * client asks for; the same target again after a wait; and when a stream is committed.
 */
#include "sim/rig.h"
#include "sim/upstream.h"

#include <stdio.h>

enum { upstreams_max = 4 };

#define MESSAGES "\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]"
#define CHAT     "{\"model\":\"chat\"," MESSAGES "}"
#define STREAM   "{\"model\":\"chat\",\"stream\":true," MESSAGES "}"
#define REFUSAL(status, extra, code)                                                               \
    "HTTP/1.1 " status "\r\n" extra "content-type: application/json\r\n\r\n"                       \
    "{\"error\":{\"message\":\"no\",\"type\":\"t\",\"code\":\"" code "\"}}"

struct scene {
    struct rig rig;
    struct upstream up[upstreams_max];
    struct fl_buf says[upstreams_max];
    struct fl_simclient *client;
};

/* Upstream i answers "i" until told otherwise. */
static void open_scene(struct scene *s, const char *what, const char *file)
{
    static const char head[] = "listen: \"10.0.0.1:80\"\nauth: {insecure_no_auth: true}\n"
                               "routing: {health_check_interval: 1h, strategy: priority}\n";
    struct fl_buf yaml;
    rig_open(&s->rig, 1);
    rig_exact(&s->rig);
    rig_say(&s->rig, "%s", what);
    for (unsigned i = 0; i < upstreams_max; i++) {
        char at[16] = "10.0.1.1", text[2] = {(char)('0' + i), '\0'};
        at[7] = (char)('1' + i);
        upstream_open(&s->up[i], fl_world_sys(s->rig.world, at));
        s->up[i].keep_body = true;
        fl_buf_init(&s->says[i], 65536);
        put_plain(&s->says[i], BY_CLOSE, text);
        upstream_say(&s->up[i], fl_buf_slice(&s->says[i]), UPSTREAM_FIN);
    }
    fl_buf_init(&yaml, 65536);
    fl_buf_put_cstr(&yaml, head);
    fl_buf_put_cstr(&yaml, file);
    rig_serve_file(&s->rig, fl_buf_slice(&yaml), 1);
    fl_buf_finish(&yaml);
    s->client = NULL;
}

static void close_scene(struct scene *s)
{
    if (s->client) {
        rig_leave(&s->rig, s->client);
    }
    rig_stop(&s->rig);
    for (unsigned i = 0; i < upstreams_max; i++) {
        upstream_close(&s->up[i]);
        fl_buf_finish(&s->says[i]);
    }
    rig_close(&s->rig);
}

static void say(struct scene *s, unsigned i, const char *answer)
{
    fl_buf_reset(&s->says[i]);
    fl_buf_put_cstr(&s->says[i], answer);
    upstream_say(&s->up[i], fl_buf_slice(&s->says[i]), UPSTREAM_FIN);
}

static const struct fl_simanswer *ask_with(struct scene *s, const char *headers, const char *body)
{
    if (s->client) {
        rig_leave(&s->rig, s->client);
    }
    s->client = rig_client(&s->rig, 0, NULL);
    fl_simclient_request(s->client, "POST", "/v1/chat/completions", headers, fl_slice_cstr(body));
    rig_settle(&s->rig, s->client, 100 * FL_NS_S);
    return fl_simclient_answer(s->client, 0);
}

static const struct fl_simanswer *ask(struct scene *s, const char *body)
{
    return ask_with(s, "", body);
}

/* The answer is *text*, and the upstreams were asked so often since the scene began. */
static void check(struct scene *s, const struct fl_simanswer *a, const char *text,
                  const unsigned asked[upstreams_max])
{
    rig_check_text(&s->rig, a, text);
    for (unsigned i = 0; i < upstreams_max; i++) {
        rig_equal(&s->rig, s->up[i].requests, asked[i]);
    }
}
#define ASKED(...) ((const unsigned[upstreams_max]){__VA_ARGS__})

#define TARGET(name, ip, more)                                                                     \
    "  " name ": {type: openai_compatible, api_key: k, base_url: \"http://10.0.1." ip              \
    ":80/v1\"" more "}\n"

static bool asked_with_key(const struct upstream *u, const char *key)
{
    char line[100];
    (void)snprintf(line, sizeof(line), "authorization: Bearer %s\r\n", key);
    return rig_has(fl_buf_slice(&u->head), line);
}

/* --- keys --- */

static void a_refused_key_gives_way_to_the_next_one(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, "two keys",
               "models:\n  chat: {targets: [p0/m], fallback: [p1/m]}\nproviders:\n"
               "  p0: {type: openai_compatible, keys: [one, two], models: [m], base_url: "
               "\"http://10.0.1.1:80/v1\"}\n" TARGET("p1", "2", ", models: [m]"));
    const struct upstream_part refused = {FL_LIT(REFUSAL("401 No", "", "invalid_api_key")), 1, 0};
    const struct upstream_part fine = {fl_buf_slice(&s.says[0]), 1, 0};
    const struct upstream_answer answers[] = {{&refused, 1, UPSTREAM_FIN},
                                              {&fine, 1, UPSTREAM_FIN}};
    upstream_plan(&s.up[0], answers, 2);
    check(&s, ask(&s, CHAT), "0", ASKED(2));
    bool second = asked_with_key(&s.up[0], "two");
    rig_check(&s.rig, second || asked_with_key(&s.up[0], "one"));
    for (unsigned i = 0; i < 5; i++) { /* the refused one is left alone */
        check(&s, ask(&s, CHAT), "0", ASKED(3 + i));
        rig_check(&s.rig, asked_with_key(&s.up[0], second ? "two" : "one"));
    }
    rig_equal(&s.rig, rig_target(&s.rig, "p0/m").failed, 0); /* a key's fault, not the provider's */
    say(&s, 0, REFUSAL("401 No", "", "invalid_api_key"));
    check(&s, ask(&s, CHAT), "1", ASKED(8, 1));
    check(&s, ask(&s, CHAT), "1", ASKED(8, 2)); /* no key is left: not asked at all */
    close_scene(&s);
}

static void a_rate_limit_is_of_a_key(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, "limited key",
               "models:\n  chat: {targets: [p0/m]}\nproviders:\n"
               "  p0: {type: openai_compatible, keys: [one, two], models: [m], base_url: "
               "\"http://10.0.1.1:80/v1\"}\n");
    const struct upstream_part limited = {
        FL_LIT(REFUSAL("429 Slow", "retry-after: 30\r\n", "rate_limit_exceeded")), 1, 0};
    const struct upstream_part fine = {fl_buf_slice(&s.says[0]), 1, 0};
    const struct upstream_answer answers[] = {{&limited, 1, UPSTREAM_FIN},
                                              {&fine, 1, UPSTREAM_FIN}};
    upstream_plan(&s.up[0], answers, 2);
    check(&s, ask(&s, CHAT), "0", ASKED(2));
    for (unsigned i = 0; i < 5; i++) {
        check(&s, ask(&s, CHAT), "0", ASKED(3 + i));
    }
    close_scene(&s);
}

static void headers_tell_when_a_key_is_used_up(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, "remaining 0",
               "models:\n  chat: {targets: [p0/m], fallback: [p1/m]}\n"
               "providers:\n" TARGET("p0", "1", ", models: [m]")
                   TARGET("p1", "2", ", models: [m]"));
    say(&s, 0,
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-ratelimit-limit-requests: 60\r\n"
        "x-ratelimit-remaining-requests: 0\r\nx-ratelimit-reset-requests: 20s\r\n\r\n"
        "{\"choices\":[{\"message\":{\"content\":\"0\"}}]}");
    check(&s, ask(&s, CHAT), "0", ASKED(1));
    check(&s, ask(&s, CHAT), "1", ASKED(1, 1)); /* no request is spent on finding out */
    fl_world_run_for(s.rig.world, 21 * FL_NS_S);
    check(&s, ask(&s, CHAT), "0", ASKED(2, 1));
    close_scene(&s);
}

/* --- targets --- */

static void another_domain_comes_before_the_same(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, "domains",
               "models:\n  chat: {targets: [p0/m], fallback: [p0/n, p1/m]}\nproviders:\n" TARGET(
                   "p0", "1", ", models: [m, n]") TARGET("p1", "2", ", models: [m]"));
    say(&s, 0, REFUSAL("500 Oh", "", "oh"));
    check(&s, ask(&s, CHAT), "1", ASKED(1, 1));
    close_scene(&s);
}

static void too_long_a_request_goes_to_a_larger_context(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, "context",
               "models:\n  chat: {targets: [p0/m], fallback: [p1/m, p2/m]}\nproviders:\n" TARGET(
                   "p0", "1", ", models: [m], model_info: {m: {context: 8000}}")
                   TARGET("p1", "2", ", models: [m], model_info: {m: {context: 8000}}")
                       TARGET("p2", "3", ", models: [m], model_info: {m: {context: 90000}}"));
    say(&s, 0, REFUSAL("400 Long", "", "context_length_exceeded"));
    check(&s, ask(&s, CHAT), "2", ASKED(1, 0, 1));
    rig_equal(&s.rig, rig_target(&s.rig, "p0/m").failed, 0);
    say(&s, 2, REFUSAL("400 Long", "", "context_length_exceeded"));
    const struct fl_simanswer *a = ask(&s, CHAT); /* the refusal itself reaches the client */
    rig_check_error(&s.rig, a, 400, "context_length_exceeded");
    rig_equal(&s.rig, s.up[1].requests, 0);
    close_scene(&s);
}

static const char rescues[] =
    "models:\n  chat: {targets: [p0/m], fallback: [p1/m], fallbacks: {context_length: [p2/m], "
    "content_policy: [p3/m]}}\nproviders:\n" TARGET("p0", "1", ", models: [m]")
        TARGET("p1", "2", ", models: [m]") TARGET("p2", "3", ", models: [m]")
            TARGET("p3", "4", ", models: [m]");

static void a_route_keeps_targets_for_refusals(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, "rescues", rescues);
    say(&s, 0, REFUSAL("400 Long", "", "context_length_exceeded"));
    check(&s, ask(&s, CHAT), "2", ASKED(1, 0, 1, 0));
    say(&s, 0, REFUSAL("400 No", "", "content_policy_violation"));
    check(&s, ask(&s, CHAT), "3", ASKED(2, 0, 1, 1));
    say(&s, 0, REFUSAL("500 Oh", "", "oh")); /* other failures do not lead there */
    say(&s, 1, REFUSAL("500 Oh", "", "oh"));
    rig_check_error(&s.rig, ask(&s, CHAT), 500, "oh");
    rig_equal(&s.rig, s.up[2].requests + s.up[3].requests, 2);
    close_scene(&s);
}

static void a_policy_s_refusal_is_the_answer_where_nothing_else_is_said(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, "policy",
               "models:\n  chat: {targets: [p0/m], fallback: [p1/m]}\n"
               "providers:\n" TARGET("p0", "1", ", models: [m]")
                   TARGET("p1", "2", ", models: [m]"));
    say(&s, 0, REFUSAL("400 No", "", "content_policy_violation"));
    rig_check_error(&s.rig, ask(&s, CHAT), 400, "content_policy_violation");
    rig_equal(&s.rig, s.up[1].requests, 0);
    rig_equal(&s.rig, rig_target(&s.rig, "p0/m").failed, 0);
    close_scene(&s);
}

/* --- what a client asks for --- */

static const char named[] = "models:\n  chat: {targets: [p0/m, p1/m, p2/m]}\nproviders:\n" TARGET(
    "p0", "1", ", models: [m], prices: {input: 9, output: 9}")
    TARGET("p1", "2", ", models: [m], prices: {input: 2, output: 2}")
        TARGET("p2", "3", ", models: [m, alone], prices: {input: 5, output: 5}")
            TARGET("p3", "4", "");

static void a_client_names_models_to_fall_back_on(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, "models", named);
    say(&s, 0, REFUSAL("500 Oh", "", "oh"));
    check(&s, ask(&s, "{\"model\":\"p0/m\",\"models\":[\"no*\",\"p2/alone\"]," MESSAGES "}"), "2",
          ASKED(1, 0, 1));
    rig_check(&s.rig, rig_has(fl_buf_slice(&s.up[2].body), "{\"model\":\"alone\",\"messages\""));
    check(&s, ask(&s, "{\"models\":[\"p0/m\",\"p3/x\"]," MESSAGES "}"), "3", ASKED(2, 0, 1, 1));
    rig_check(&s.rig, rig_has(fl_buf_slice(&s.up[3].body), "{\"model\":\"x\",\"messages\""));
    check(&s,
          ask(&s,
              "{\"model\":\"none\",\"models\":[\"p1/m\"],\"provider\":{\"only\":[\"p1\"]}," MESSAGES
              "}"),
          "1", ASKED(2, 1, 1, 1));
    close_scene(&s);
}

static void a_client_says_which_providers_it_wants(void **state)
{
    static const struct {
        const char *provider, *text;
    } rows[] = {
        {"{\"order\":[\"p2\",\"p1\"]}", "2"},
        {"{\"only\":[\"P1\"]}", "1"},
        {"{\"ignore\":[\"p0\",\"p1\"]}", "2"},
        {"{\"sort\":\"price\"}", "1"},
        {"{\"max_price\":{\"prompt\":5,\"completion\":\"5.0\"},\"order\":[\"p0\",\"p2\"]}", "2"},
        {"{\"require_parameters\":true,\"data_collection\":\"deny\",\"order\":[\"p0\"]}", "0"},
    };
    struct scene s;
    (void)state;
    open_scene(&s, "provider", named);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char body[400];
        (void)snprintf(body, sizeof(body), "{\"model\":\"chat\",\"provider\":%s,%s}",
                       rows[i].provider, MESSAGES);
        rig_say(&s.rig, "provider %s", rows[i].provider);
        rig_check_text(&s.rig, ask(&s, body), rows[i].text);
        unsigned served = (unsigned)(rows[i].text[0] - '0');
        rig_check(&s.rig, !rig_has(fl_buf_slice(&s.up[served].body), "provider"));
    }
    rig_say(&s.rig, "no fallbacks");
    say(&s, 1, REFUSAL("500 Oh", "", "oh"));
    const struct fl_simanswer *a = ask(
        &s,
        "{\"model\":\"chat\",\"provider\":{\"order\":[\"p1\"],\"allow_fallbacks\":false}," MESSAGES
        "}");
    rig_check_error(&s.rig, a, 500, "oh");
    rig_say(&s.rig, "nobody is left");
    a = ask(&s, "{\"model\":\"chat\",\"provider\":{\"only\":[\"p9\"]}," MESSAGES "}");
    rig_check_error(&s.rig, a, 403, "policy_model_blocked");
    rig_say(&s.rig, "misspelt");
    a = ask(&s, "{\"model\":\"chat\",\"provider\":{\"max_price\":{\"prompt\":\"cheap\"}}," MESSAGES
                "}");
    rig_check_error(&s.rig, a, 400, "caller_invalid_request");
    close_scene(&s);
}

/* --- the same again --- */

#define ONE "models:\n  chat: {targets: [p0/m]}\nproviders:\n" TARGET("p0", "1", ", models: [m]")

static void the_same_is_tried_again_after_a_backoff(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, "backoff", ONE);
    const struct upstream_part broken = {FL_LIT(REFUSAL("500 Oh", "", "oh")), 1, 0};
    const struct upstream_part fine = {fl_buf_slice(&s.says[0]), 1, 0};
    const struct upstream_answer answers[] = {{&broken, 1, UPSTREAM_FIN}, {&fine, 1, UPSTREAM_FIN}};
    upstream_plan(&s.up[0], answers, 2);
    const struct fl_simanswer *a = ask(&s, CHAT);
    check(&s, a, "0", ASKED(2));
    rig_check(&s.rig, a->end_ns - a->asked_ns < 600 * FL_NS_MS);
    rig_check(&s.rig, fl_slice_eq(fl_simanswer_header(a, "x-fairlead-attempts"), FL_LIT("2")));
    say(&s, 0,
        REFUSAL("500 Oh", "x-should-retry: false\r\n", "oh")); /* the provider knows better */
    rig_check_error(&s.rig, ask(&s, CHAT), 500, "oh");
    rig_equal(&s.rig, s.up[0].requests, 3);
    close_scene(&s);
}

static void retry_after_is_waited_for_if_that_is_in_time(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, "retry-after", ONE);
    const struct upstream_part limited = {
        FL_LIT(REFUSAL("429 Slow", "retry-after: 7\r\n", "rate_limit_exceeded")), 1, 0};
    const struct upstream_part fine = {fl_buf_slice(&s.says[0]), 1, 0};
    const struct upstream_answer answers[] = {{&limited, 1, UPSTREAM_FIN},
                                              {&fine, 1, UPSTREAM_FIN}};
    upstream_plan(&s.up[0], answers, 2);
    const struct fl_simanswer *a = ask(&s, CHAT);
    check(&s, a, "0", ASKED(2));
    rig_check(&s.rig,
              a->end_ns - a->asked_ns >= 7 * FL_NS_S && a->end_ns - a->asked_ns < 8 * FL_NS_S);
    upstream_plan(&s.up[0], answers, 1);
    a = ask_with(&s, "x-fairlead-timeout-ms: 3000\r\n", CHAT);
    rig_check_error(&s.rig, a, 429,
                    "rate_limit_exceeded"); /* told at once, with the provider's words */
    rig_check(&s.rig, a->end_ns - a->asked_ns < 100 * FL_NS_MS);
    rig_check(&s.rig, fl_slice_eq(fl_simanswer_header(a, "retry-after"), FL_LIT("7")));
    close_scene(&s);
}

/* The only one there is: its refusal is handed on, and whoever comes next is asked for too. */
static void a_long_pause_is_the_clients_to_wait(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, "long pause", ONE);
    say(&s, 0, REFUSAL("429 Slow", "retry-after: 48\r\n", "rate_limit_exceeded"));
    for (unsigned i = 1; i <= 3; i++) {
        const struct fl_simanswer *a = ask(&s, CHAT);
        rig_check_error(&s.rig, a, 429, "rate_limit_exceeded");
        rig_check(&s.rig, fl_slice_eq(fl_simanswer_header(a, "retry-after"), FL_LIT("48")));
        rig_check(&s.rig, a->end_ns - a->asked_ns < 100 * FL_NS_MS);
        rig_equal(&s.rig, s.up[0].requests, i);
    }
    say(&s, 0, "HTTP/1.1 429 Slow\r\nretry-after: 500000\r\ncontent-length: 0\r\n\r\n");
    rig_equal(&s.rig, ask(&s, CHAT)->status, 429); /* for longer than any deadline */
    rig_equal(&s.rig, ask(&s, CHAT)->status, 429);
    rig_equal(&s.rig, s.up[0].requests, 5);
    close_scene(&s);
}

/* Bedrock says in the head what its error is. */
static void an_error_is_named_in_the_head(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, "named error",
               "models:\n  chat: {targets: [p0/m]}\nproviders:\n  p0: {type: bedrock, api_key: k, "
               "region: r, base_url: \"http://10.0.1.1:80\", models: [m]}\n");
#define BODY "content-type: application/json\r\n\r\n{\"message\":\"no\"}"
    say(&s, 0, "HTTP/1.1 403 No\r\n" BODY);
    rig_check_error(&s.rig, ask(&s, CHAT), 403, "provider_forbidden");
    say(&s, 0, "HTTP/1.1 403 No\r\nx-amzn-ErrorType: ExpiredTokenException:http://x/\r\n" BODY);
    rig_check_error(&s.rig, ask(&s, CHAT), 403, "provider_auth_failed");
#undef BODY
    close_scene(&s);
}

static void a_client_may_leave_while_its_request_waits(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, "leaving", ONE);
    say(&s, 0, REFUSAL("429 Slow", "retry-after: 7\r\n", "rate_limit_exceeded"));
    s.client = rig_client(&s.rig, 0, NULL);
    fl_simclient_request(s.client, "POST", "/v1/chat/completions", "", FL_LIT(CHAT));
    fl_world_run_for(s.rig.world, 2 * FL_NS_S);
    rig_equal(&s.rig, rig_stats(&s.rig).exchanges_open, 1);
    rig_equal(&s.rig, rig_stats(&s.rig).attempts_open, 0);
    fl_simclient_abort(s.client, FL_CLOSE_RESET);
    fl_world_run_for(s.rig.world, 10 * FL_NS_MS);
    rig_check(&s.rig, rig_idle(&s.rig));
    fl_world_run_for(s.rig.world, 20 * FL_NS_S);
    rig_equal(&s.rig, s.up[0].requests, 1);
    close_scene(&s);
}

/* --- the commit point --- */

#define TWO                                                                                        \
    "models:\n  chat: {targets: [p0/m], fallback: [p1/m]}\nproviders:\n" TARGET(                   \
        "p0", "1", ", models: [m]") TARGET("p1", "2", ", models: [m]")
#define ROLE                                                                                       \
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n"
#define SSE   "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
#define STOP  "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
#define DONE  "data: [DONE]\n\n"
#define ERROR "data: {\"error\":{\"message\":\"full\",\"code\":\"overloaded\"}}\n\n"

static void what_comes_before_content_is_held(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, "held", TWO);
    fl_buf_reset(&s.says[1]);
    put_stream_head(&s.says[1], BY_CLOSE);
    put_delta(&s.says[1], "other");
    put_finish(&s.says[1]);
    fl_buf_put_cstr(&s.says[1], DONE);
    upstream_say(&s.up[1], fl_buf_slice(&s.says[1]), UPSTREAM_FIN);
    say(&s, 0, SSE ROLE ROLE ERROR);
    check(&s, ask(&s, STREAM), "other", ASKED(1, 1));
    say(&s, 0, SSE ROLE); /* cut */
    check(&s, ask(&s, STREAM), "other", ASKED(2, 2));
    const struct upstream_part parts[] = {{FL_LIT(SSE ROLE), 1, 0}, {FL_EMPTY, 1, FL_NEVER / 2}};
    const struct upstream_answer stalls = {parts, 2, UPSTREAM_KEEP};
    upstream_plan(&s.up[0], &stalls, 1);
    const struct fl_simanswer *a = ask(&s, STREAM); /* timeouts.idle: 60 s */
    check(&s, a, "other", ASKED(3, 3));
    rig_check(&s.rig, a->end_ns - a->asked_ns >= 60 * FL_NS_S);
    close_scene(&s);
}

static void a_stream_without_content_is_passed_whole(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, "no content", TWO);
    say(&s, 0, SSE ": hello\n\n" ROLE ROLE STOP DONE);
    const struct fl_simanswer *a = ask(&s, STREAM);
    rig_check(&s.rig, a->complete && a->done_marker);
    rig_check(&s.rig, fl_slice_eq(fl_buf_slice(&a->body), FL_LIT(ROLE ROLE STOP DONE)));
    say(&s, 0, SSE ROLE DONE);
    a = ask(&s, STREAM);
    rig_check(&s.rig, fl_slice_eq(fl_buf_slice(&a->body), FL_LIT(ROLE DONE)));
    say(&s, 0, SSE ROLE ERROR); /* with nobody else to ask it is the client's to see */
    say(&s, 1, REFUSAL("401 No", "", "no"));
    a = ask(&s, STREAM);
    rig_check(&s.rig, !a->done_marker && a->status != 200);
    close_scene(&s);
}

/* What is held back is bounded: a stream that never comes to the point is passed on from there. */
static void a_long_preamble_commits(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, "long preamble", TWO);
    fl_buf_reset(&s.says[0]);
    fl_buf_put_cstr(&s.says[0], SSE);
    for (unsigned i = 0; i < 400; i++) {
        fl_buf_put_cstr(&s.says[0], ROLE);
    }
    upstream_say(&s.up[0], fl_buf_slice(&s.says[0]), UPSTREAM_FIN);
    const struct fl_simanswer *a = ask(&s, STREAM);
    rig_check_broken(&s.rig, a, 1, "provider_closed");
    rig_equal(&s.rig, a->event_count, 401);
    rig_equal(&s.rig, s.up[1].requests, 0);
    close_scene(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refused_key_gives_way_to_the_next_one),
        cmocka_unit_test(a_rate_limit_is_of_a_key),
        cmocka_unit_test(headers_tell_when_a_key_is_used_up),
        cmocka_unit_test(another_domain_comes_before_the_same),
        cmocka_unit_test(too_long_a_request_goes_to_a_larger_context),
        cmocka_unit_test(a_route_keeps_targets_for_refusals),
        cmocka_unit_test(a_policy_s_refusal_is_the_answer_where_nothing_else_is_said),
        cmocka_unit_test(a_client_names_models_to_fall_back_on),
        cmocka_unit_test(a_client_says_which_providers_it_wants),
        cmocka_unit_test(the_same_is_tried_again_after_a_backoff),
        cmocka_unit_test(retry_after_is_waited_for_if_that_is_in_time),
        cmocka_unit_test(a_long_pause_is_the_clients_to_wait),
        cmocka_unit_test(an_error_is_named_in_the_head),
        cmocka_unit_test(a_client_may_leave_while_its_request_waits),
        cmocka_unit_test(what_comes_before_content_is_held),
        cmocka_unit_test(a_stream_without_content_is_passed_whole),
        cmocka_unit_test(a_long_preamble_commits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Simulated providers and the scripted client on the virtual network. */
#include "unit/cm.h"

#include "base/assert.h"
#include "codec/json.h"
#include "sim/client.h"
#include "sim/provider.h"
#include "sim/text.h"
#include "sim/world.h"

static const struct fl_sim_model models[] = {
    {{"sim-large", 9}, 2500, 10000, 0},
    {{"org/sim-small", 13}, 150, 600, 250},
};

struct scene {
    struct fl_world *w;
    struct fl_sys *at_provider, *at_client;
    struct fl_simprovider_options options;
    struct fl_simprovider *provider;
    struct fl_simclient_options client_options;
    struct fl_simclient *client;
};

static void setup(struct scene *s, uint64_t seed)
{
    *s = (struct scene){.w = fl_world_create(seed)};
    s->at_provider = fl_world_sys(s->w, "10.0.1.1");
    s->at_client = fl_world_sys(s->w, "10.0.0.1");
    fl_world_name(s->w, "provider.test", "10.0.1.1");
    s->options = (struct fl_simprovider_options){.name = FL_LIT("one-sim"),
                                                 .models = models,
                                                 .model_count = 2,
                                                 .seed = seed,
                                                 .ttft_median_ns = 200 * FL_NS_MS,
                                                 .ttft_sigma_permille = 300,
                                                 .token_ns = 10 * FL_NS_MS,
                                                 .token_jitter_permille = 500};
    s->client_options = fl_simclient_options("provider.test", 80);
}

static void start(struct scene *s)
{
    struct fl_addr at;
    assert_true(fl_addr_parse(FL_LIT("0.0.0.0:80"), &at));
    assert_int_equal(fl_simprovider_create(s->at_provider, &at, &s->options, &s->provider), FL_OK);
    assert_int_equal(fl_simprovider_addr(s->provider).port, 80);
    s->client = fl_simclient_create(s->at_client, &s->client_options);
}

static void settle(struct scene *s)
{
    assert_true(fl_world_run_until(s->w, fl_simclient_until, s->client, 600 * FL_NS_S));
}

static void teardown(struct scene *s)
{
    fl_simclient_destroy(s->client);
    fl_world_run_for(s->w, 5 * FL_NS_S);
    assert_int_equal(fl_simprovider_stats(s->provider)->connections_open, 0);
    assert_int_equal(fl_simprovider_stats(s->provider)->in_flight, 0);
    fl_simprovider_destroy(s->provider);
    fl_world_run_for(s->w, 60 * FL_NS_S);
    assert_int_equal(fl_world_stats(s->at_provider).streams_open, 0);
    assert_int_equal(fl_world_stats(s->at_client).streams_open, 0);
    assert_int_equal(fl_world_connections(s->w), 0);
    assert_int_equal(s->at_provider->timers.count + s->at_client->timers.count, 0);
    fl_world_destroy(s->w);
}

static const struct fl_simanswer *answer(struct scene *s, unsigned i)
{
    return fl_simclient_answer(s->client, i);
}

static struct fl_json member(const struct fl_simanswer *a, const char *one, const char *two)
{
    struct fl_json value;
    assert_int_equal(fl_json_scan(fl_buf_slice(&a->body), FL_JSON_LIMITS, NULL, 0, &value, NULL),
                     FL_OK);
    value = fl_json_get(value, fl_slice_cstr(one));
    return two ? fl_json_get(value, fl_slice_cstr(two)) : value;
}

static uint64_t number(const struct fl_simanswer *a, const char *one, const char *two)
{
    uint64_t n = 0;
    assert_true(fl_json_u64(member(a, one, two), &n));
    return n;
}

static void assert_text(struct scene *s, const struct fl_simanswer *a, const char *prompt,
                        uint64_t max_tokens)
{
    struct fl_buf got, wanted;
    fl_buf_init(&got, 1 << 20);
    fl_buf_init(&wanted, 1 << 20);
    fl_simanswer_text(a, &got);
    fl_simprovider_text(&s->options, models[0].id, fl_slice_cstr(prompt), max_tokens, &wanted);
    assert_true(wanted.len > 0);
    assert_true(fl_slice_eq(fl_buf_slice(&got), fl_buf_slice(&wanted)));
    fl_buf_finish(&got);
    fl_buf_finish(&wanted);
}

static uint64_t text_tokens(const struct fl_simanswer *a)
{
    struct fl_buf text;
    fl_buf_init(&text, 1 << 20);
    fl_simanswer_text(a, &text);
    uint64_t tokens = fl_sim_tokens(fl_buf_slice(&text));
    fl_buf_finish(&text);
    return tokens;
}

/* --- Right answers --- */

static void chat_whole(void **state)
{
    (void)state;
    struct scene s;
    setup(&s, 1);
    start(&s);
    fl_simclient_chat(s.client, "sim-large", "Summarize the benefits of AI routing", false);
    settle(&s);
    const struct fl_simanswer *a = answer(&s, 0);
    assert_int_equal(a->status, 200);
    assert_true(a->complete && a->keep_alive);
    assert_slice(fl_simanswer_header(a, "x-fairlead-simulated"), "true");
    assert_slice(fl_simanswer_header(a, "content-type"), "application/json");
    assert_text(&s, a, "Summarize the benefits of AI routing", 0);
    uint64_t tokens = text_tokens(a);
    assert_int_equal(number(a, "usage", "prompt_tokens"), 9); /* 6 words and 3 a message */
    assert_int_equal(number(a, "usage", "completion_tokens"), tokens);
    assert_int_equal(number(a, "usage", "total_tokens"), 9 + tokens);
    assert_slice(member(a, "object", NULL).span, "\"chat.completion\"");
    assert_slice(member(a, "model", NULL).span, "\"sim-large\"");
    assert_in_range(a->end_ns - a->asked_ns, tokens * 5 * FL_NS_MS,
                    FL_NS_S + tokens * 15 * FL_NS_MS);
    const struct fl_simprovider_stats *stats = fl_simprovider_stats(s.provider);
    assert_int_equal(stats->answered, 1);
    assert_int_equal(stats->prompt_tokens, 9);
    assert_int_equal(stats->completion_tokens, tokens);
    assert_int_equal(stats->cost_picousd, 9 * 2500 + tokens * 10000);
    teardown(&s);
}

static void chat_stream(void **state)
{
    (void)state;
    static const char body[] =
        "{\"model\":\"sim-large\",\"stream\":true,\"stream_options\":{\"include_usage\":true},"
        "\"messages\":[{\"role\":\"system\",\"content\":\"be "
        "nice\"},{\"role\":\"user\",\"content\":"
        "[{\"type\":\"text\",\"text\":\"Generate a \\u0073tory\"}]}]}";
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct scene s;
        setup(&s, seed);
        start(&s);
        fl_simclient_request(s.client, "POST", "/v1/chat/completions", "", FL_LIT(body));
        settle(&s);
        const struct fl_simanswer *a = answer(&s, 0);
        assert_int_equal(a->status, 200);
        assert_true(a->complete && a->done_marker && a->keep_alive);
        assert_text(&s, a, "Generate a story ", 0);
        uint64_t tokens = text_tokens(a);
        assert_int_equal(a->event_count, tokens + 4); /* role, finish, usage, [DONE] */
        const struct fl_simevent *usage = &a->events[a->event_count - 2];
        struct fl_json value;
        uint64_t n;
        struct fl_slice data = fl_slice(a->body.ptr + usage->offset, usage->len);
        assert_int_equal(fl_json_scan(data, FL_JSON_LIMITS, NULL, 0, &value, NULL), FL_OK);
        assert_slice(fl_json_get(value, FL_LIT("choices")).span, "[]");
        value = fl_json_get(value, FL_LIT("usage"));
        assert_true(fl_json_u64(fl_json_get(value, FL_LIT("completion_tokens")), &n));
        assert_int_equal(n, tokens);
        assert_true(fl_json_u64(fl_json_get(value, FL_LIT("prompt_tokens")), &n));
        assert_int_equal(n, 2 + 3 + 3 + 3);
        assert_true(a->events[10].at_ns - a->events[0].at_ns >=
                    45 * FL_NS_MS); /* not in one lump */
        teardown(&s);
    }
}

static void max_tokens_is_kept(void **state)
{
    (void)state;
    struct scene s;
    setup(&s, 2);
    start(&s);
    fl_simclient_request(s.client, "POST", "/chat/completions", "",
                         FL_LIT("{\"model\":\"sim-large\",\"max_tokens\":7,\"messages\":"
                                "[{\"role\":\"user\",\"content\":\"tell a story\"}]}"));
    fl_simclient_request(s.client, "POST", "/v1/completions", "",
                         FL_LIT("{\"model\":\"sim-large\",\"stream\":true,\"max_tokens\":5,"
                                "\"prompt\":\"tell a story\"}"));
    settle(&s);
    assert_text(&s, answer(&s, 0), "tell a story", 7);
    assert_int_equal(text_tokens(answer(&s, 0)), 7);
    assert_true(fl_slice_find_text(fl_buf_slice(&answer(&s, 0)->body),
                                   FL_LIT("\"finish_reason\":\"length\"")) <
                answer(&s, 0)->body.len);
    assert_text(&s, answer(&s, 1), "tell a story", 5);
    assert_int_equal(answer(&s, 1)->event_count, 7);
    assert_true(answer(&s, 1)->done_marker);
    assert_true(fl_slice_find_text(fl_buf_slice(&answer(&s, 1)->body),
                                   FL_LIT("\"finish_reason\":\"length\"")) <
                answer(&s, 1)->body.len);
    teardown(&s);
}

static void embeddings_both_ways(void **state)
{
    (void)state;
    struct scene s;
    setup(&s, 3);
    start(&s);
    fl_simclient_request(
        s.client, "POST", "/v1/embeddings", "",
        FL_LIT("{\"model\":\"sim-large\",\"dimensions\":3,\"input\":[\"one\",\"two words\"]}"));
    fl_simclient_request(s.client, "POST", "/v1/embeddings", "",
                         FL_LIT("{\"model\":\"sim-large\",\"dimensions\":3,\"input\":\"one\","
                                "\"encoding_format\":\"base64\"}"));
    fl_simclient_request(s.client, "POST", "/v1/embeddings", "",
                         FL_LIT("{\"model\":\"sim-large\",\"input\":[[1,2],[3,4,5]]}"));
    settle(&s);
    assert_int_equal(number(answer(&s, 2), "usage", "prompt_tokens"), 5);
    const struct fl_simanswer *a = answer(&s, 0), *b = answer(&s, 1);
    struct fl_json item, component;
    struct fl_json_iter data = fl_json_iter(member(a, "data", NULL));
    double squares = 0;
    unsigned count = 0;
    assert_int_equal(number(a, "usage", "prompt_tokens"), 3);
    assert_int_equal(number(a, "usage", "total_tokens"), 3);
    assert_true(fl_json_next(&data, NULL, &item));
    struct fl_json_iter vector = fl_json_iter(fl_json_get(item, FL_LIT("embedding")));
    while (fl_json_next(&vector, NULL, &component)) {
        bool negative = component.span.ptr[0] == '-';
        uint64_t e9 = 0;
        assert_true(fl_slice_decimal_e9(fl_slice_from(component.span, negative), &e9));
        squares += (double)e9 / 1e9 * ((double)e9 / 1e9);
        count++;
    }
    assert_int_equal(count, 3);
    assert_true(squares > 0.999 && squares < 1.001);
    assert_true(fl_json_next(&data, NULL, &item));
    assert_false(fl_json_next(&data, NULL, &item));
    data = fl_json_iter(member(b, "data", NULL));
    assert_true(fl_json_next(&data, NULL, &item));
    assert_int_equal(fl_json_get(item, FL_LIT("embedding")).span.len, 2 + 16); /* 12 bytes */
    teardown(&s);
}

static void models_are_listed(void **state)
{
    (void)state;
    struct scene s;
    setup(&s, 4);
    start(&s);
    fl_simclient_request(s.client, "GET", "/v1/models", "", FL_EMPTY);
    fl_simclient_request(s.client, "GET", "/v1/models/org/sim-small", "", FL_EMPTY);
    fl_simclient_request(s.client, "GET", "/v1/models/none", "", FL_EMPTY);
    settle(&s);
    assert_int_equal(answer(&s, 0)->status, 200);
    assert_slice(
        fl_buf_slice(&answer(&s, 1)->body),
        "{\"id\":\"org/sim-small\",\"object\":\"model\",\"created\":1767225600,\"owned_by\":"
        "\"one-sim\",\"pricing\":{\"prompt\":\"0.000000000150\",\"completion\":"
        "\"0.000000000600\"}}");
    assert_true(fl_slice_find_text(fl_buf_slice(&answer(&s, 0)->body), FL_LIT("\"sim-large\"")) <
                answer(&s, 0)->body.len);
    assert_int_equal(answer(&s, 2)->status, 404);
    teardown(&s);
}

/* --- Refusals --- */

static void expect_problem(struct scene *s, unsigned i, int status, const char *code)
{
    const struct fl_simanswer *a = answer(s, i);
    assert_int_equal(a->status, status);
    assert_true(a->complete);
    struct fl_json got = member(a, "error", "code");
    assert_slice(got.span, code);
    assert_int_equal(member(a, "error", "message").type, FL_JSON_STRING);
}

static void wrong_requests_are_refused(void **state)
{
    (void)state;
    struct scene s;
    const char *auth = "authorization: Bearer sk-sim\r\n";
    setup(&s, 5);
    s.options.key = FL_LIT("sk-sim");
    start(&s);
    fl_simclient_chat(s.client, "sim-large", "hi", false);
    fl_simclient_request(s.client, "POST", "/v1/chat/completions", auth,
                         FL_LIT("{\"model\":\"x\"}"));
    fl_simclient_request(s.client, "POST", "/v1/chat/completions", auth, FL_LIT("{\"model\":"));
    fl_simclient_request(s.client, "POST", "/v1/chat/completions", auth,
                         FL_LIT("{\"model\":\"sim-large\",\"messages\":[]}"));
    fl_simclient_request(s.client, "GET", "/v1/chat/completions", auth, FL_EMPTY);
    fl_simclient_request(s.client, "GET", "/v2/what", auth, FL_EMPTY);
    settle(&s);
    expect_problem(&s, 0, 401, "\"invalid_api_key\"");
    expect_problem(&s, 1, 404, "\"model_not_found\"");
    expect_problem(&s, 2, 400, "null");
    expect_problem(&s, 3, 400, "null");
    expect_problem(&s, 4, 405, "\"method_not_allowed\"");
    expect_problem(&s, 5, 404, "\"unknown_url\"");
    assert_int_equal(fl_simprovider_stats(s.provider)->refused, 6);
    fl_simclient_send(s.client, FL_LIT("NOT HTTP\r\n\r\n"), 1, false);
    settle(&s);
    expect_problem(&s, 6, 400, "\"bad_http\"");
    assert_int_equal(fl_simprovider_stats(s.provider)->bad_http, 1);
    teardown(&s);
}

static void rate_limit_gives_429(void **state)
{
    (void)state;
    struct scene s;
    setup(&s, 6);
    s.options.requests_per_min = 3;
    s.options.token_ns = 0;
    start(&s);
    for (unsigned i = 0; i < 4; i++) {
        fl_simclient_chat(s.client, "sim-large", "classify", false);
    }
    settle(&s);
    assert_int_equal(answer(&s, 2)->status, 200);
    assert_slice(fl_simanswer_header(answer(&s, 0), "x-ratelimit-limit-requests"), "3");
    assert_slice(fl_simanswer_header(answer(&s, 0), "x-ratelimit-remaining-requests"), "2");
    assert_slice(fl_simanswer_header(answer(&s, 2), "x-ratelimit-remaining-requests"), "0");
    expect_problem(&s, 3, 429, "\"rate_limit_exceeded\"");
    uint64_t wait_s = 0;
    assert_true(fl_slice_u64(fl_simanswer_header(answer(&s, 3), "retry-after"), &wait_s));
    assert_in_range(wait_s, 18, 20); /* a request each 20 s, minus what went by */
    fl_world_run_for(s.w, wait_s * FL_NS_S);
    fl_simclient_chat(s.client, "sim-large", "classify", false);
    settle(&s);
    assert_int_equal(answer(&s, 4)->status, 200);
    assert_int_equal(fl_simprovider_stats(s.provider)->limited, 1);
    teardown(&s);
}

static void token_limit_gives_429(void **state)
{
    (void)state;
    struct scene s;
    setup(&s, 7);
    s.options.tokens_per_min = 100;
    s.options.answer_tokens = 60;
    start(&s);
    fl_simclient_chat(s.client, "sim-large", "hi", false);
    fl_simclient_chat(s.client, "sim-large", "hi", false);
    settle(&s);
    assert_int_equal(answer(&s, 0)->status, 200);
    assert_slice(fl_simanswer_header(answer(&s, 0), "x-ratelimit-limit-tokens"), "100");
    assert_int_equal(answer(&s, 1)->status, 429);
    teardown(&s);
}

static void errors_by_chance(void **state)
{
    (void)state;
    struct scene s;
    setup(&s, 8);
    s.options.error_permille = 300;
    s.options.token_ns = 0;
    start(&s);
    for (unsigned i = 0; i < 200; i++) {
        fl_simclient_chat(s.client, "org/sim-small", "classify", false);
    }
    settle(&s);
    assert_in_range(fl_simprovider_stats(s.provider)->failed, 40, 80);
    assert_int_equal(
        fl_simprovider_stats(s.provider)->failed + fl_simprovider_stats(s.provider)->answered, 200);
    teardown(&s);
}

/* --- Outages --- */

static void planned_outages(void **state)
{
    (void)state;
    static const struct fl_sim_outage outages[] = {{FL_SIM_ERROR, 10 * FL_NS_S, 5 * FL_NS_S},
                                                   {FL_SIM_STALL, 20 * FL_NS_S, 5 * FL_NS_S},
                                                   {FL_SIM_REFUSE, 30 * FL_NS_S, 5 * FL_NS_S}};
    struct scene s;
    setup(&s, 9);
    s.options.outages = outages;
    s.options.outage_count = 3;
    start(&s);
    uint64_t start_ns = fl_world_now(s.w);
    fl_world_run_for(s.w, 11 * FL_NS_S);
    assert_int_equal(fl_simprovider_state(s.provider), FL_SIM_ERROR);
    fl_simclient_chat(s.client, "sim-large", "hi", false);
    settle(&s);
    expect_problem(&s, 0, 500, "\"simulated_outage\"");
    fl_world_run_for(s.w, start_ns + 21 * FL_NS_S - fl_world_now(s.w));
    assert_int_equal(fl_simprovider_state(s.provider), FL_SIM_STALL);
    fl_simclient_chat(s.client, "sim-large", "hi", false);
    settle(&s);
    assert_int_equal(answer(&s, 1)->status, 200);
    assert_in_range(answer(&s, 1)->head_ns, start_ns + 25 * FL_NS_S, start_ns + 28 * FL_NS_S);
    fl_world_run_for(s.w, start_ns + 31 * FL_NS_S - fl_world_now(s.w));
    enum fl_err err = FL_OK;
    assert_true(fl_simclient_ended(s.client, &err));
    assert_int_equal(err, FL_ERR_RESET);
    fl_simclient_destroy(s.client);
    s.client = fl_simclient_create(s.at_client, &s.client_options);
    fl_world_run_for(s.w, FL_NS_S);
    assert_true(fl_simclient_opened(s.client, &err));
    assert_int_equal(err, FL_ERR_CONNECT);
    fl_simclient_destroy(s.client);
    fl_world_run_for(s.w, 5 * FL_NS_S);
    s.client = fl_simclient_create(s.at_client, &s.client_options);
    fl_simclient_chat(s.client, "sim-large", "hi", false);
    settle(&s);
    assert_int_equal(answer(&s, 0)->status, 200);
    teardown(&s);
}

static void outage_by_hand(void **state)
{
    (void)state;
    struct scene s;
    setup(&s, 10);
    start(&s);
    fl_simclient_chat(s.client, "sim-large", "hi", true);
    fl_world_run_for(s.w, 300 * FL_NS_MS);
    fl_simprovider_outage(s.provider, FL_SIM_STALL, FL_NEVER);
    fl_world_run_for(s.w, 1000 * FL_NS_S);
    assert_false(fl_simclient_settled(s.client));
    fl_simprovider_outage(s.provider, FL_SIM_UP, 0);
    settle(&s);
    assert_text(&s, answer(&s, 0), "hi", 0);
    teardown(&s);
}

/* --- Connections --- */

static void slow_and_cut_requests(void **state)
{
    (void)state;
    struct scene s;
    setup(&s, 11);
    s.client_options.piece_bytes = 1;
    s.client_options.piece_gap_ns = FL_NS_MS;
    start(&s);
    fl_simclient_chat(s.client, "sim-large", "hi", false);
    fl_simclient_chat(s.client, "sim-large", "hi", true); /* pipelined */
    settle(&s);
    assert_text(&s, answer(&s, 0), "hi", 0);
    assert_text(&s, answer(&s, 1), "hi", 0);
    assert_int_equal(fl_simprovider_stats(s.provider)->connections, 1);
    assert_int_equal(fl_simclient_surplus(s.client), 0);
    teardown(&s);
}

static void expect_continue_is_answered(void **state)
{
    (void)state;
    struct scene s;
    setup(&s, 12);
    start(&s);
    fl_simclient_send(s.client,
                      FL_LIT("POST /v1/embeddings HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\n"
                             "content-length: 37\r\n\r\n"),
                      1, false);
    fl_world_run_for(s.w, FL_NS_S);
    assert_int_equal(answer(&s, 0)->interim, 1);
    fl_simclient_send(s.client, FL_LIT("{\"model\":\"sim-large\",\"input\":\"hello\"}"), 0, false);
    settle(&s);
    assert_int_equal(answer(&s, 0)->status, 200);
    teardown(&s);
}

static void old_http_ends_with_the_connection(void **state)
{
    (void)state;
    struct scene s;
    setup(&s, 13);
    start(&s);
    fl_simclient_send(s.client,
                      FL_LIT("POST /v1/completions HTTP/1.0\r\ncontent-length: 50\r\n\r\n"
                             "{\"model\":\"sim-large\",\"stream\":true,\"prompt\":\"hey\"}"),
                      1, false);
    settle(&s);
    assert_true(answer(&s, 0)->complete);
    assert_text(&s, answer(&s, 0), "hey", 0);
    assert_int_equal(fl_simanswer_header(answer(&s, 0), "transfer-encoding").len, 0);
    teardown(&s);
}

static void a_client_that_leaves_cancels(void **state)
{
    (void)state;
    for (uint64_t n = 0; n < 30; n++) {
        struct scene s;
        setup(&s, n);
        s.options.answer_tokens = 500;
        s.client_options.abort_received = 1 + n * 200;
        s.client_options.abort_how = (enum fl_close)(n % 3);
        start(&s);
        fl_simclient_chat(s.client, "sim-large", "hi", true);
        settle(&s);
        assert_true(fl_simclient_aborted(s.client));
        assert_int_equal(fl_simclient_received(s.client), 1 + n * 200);
        assert_int_equal(answer(&s, 0)->err, FL_ERR_CANCELLED);
        fl_world_run_for(s.w, FL_NS_S);
        const struct fl_simprovider_stats *stats = fl_simprovider_stats(s.provider);
        assert_int_equal(stats->cancelled, 1);
        assert_int_equal(stats->in_flight, 0);
        assert_int_equal(stats->answered, 0);
        assert_true(stats->completion_tokens < 60);
        teardown(&s);
    }
}

static void leaving_before_the_answer_cancels(void **state)
{
    (void)state;
    struct scene s;
    setup(&s, 14);
    s.client_options.abort_ns = 100 * FL_NS_MS;
    s.options.ttft_median_ns = FL_NS_S;
    start(&s);
    fl_simclient_chat(s.client, "sim-large", "hi", false);
    settle(&s);
    fl_world_run_for(s.w, FL_NS_S);
    assert_int_equal(fl_simprovider_stats(s.provider)->cancelled, 1);
    assert_int_equal(fl_simprovider_stats(s.provider)->cost_picousd, 0);
    teardown(&s);
}

static void a_slow_reader_stops_the_tokens(void **state)
{
    (void)state;
    struct scene s;
    setup(&s, 15);
    fl_world_mix(s.w)->window_min = fl_world_mix(s.w)->window_max = 16384;
    s.options.answer_tokens = 3000; /* some 700 KB of events */
    s.options.token_ns = 0;
    s.client_options.read_bytes = 4096;
    s.client_options.read_gap_ns = FL_NS_S;
    start(&s);
    fl_simclient_chat(s.client, "sim-large", "hi", true);
    fl_world_run_for(s.w, 3 * FL_NS_S);
    assert_true(fl_simprovider_stats(s.provider)->completion_tokens < 1000);
    assert_true(fl_world_stats(s.at_provider).queued_peak < 2048);
    settle(&s);
    assert_text(&s, answer(&s, 0), "hi", 0);
    teardown(&s);
}

/* --- Misdeeds --- */

struct misdeed_case {
    enum fl_sim_misdeed misdeed;
    bool stream;
    int status;      /* 0: no answer at all */
    bool complete;   /* as HTTP */
    enum fl_err err; /* otherwise */
};

static const struct misdeed_case misdeed_cases[] = {
    {FL_SIM_GARBAGE, false, 0, false, FL_ERR_H1_SYNTAX},
    {FL_SIM_CLOSE, false, 0, false, FL_ERR_CLOSED},
    {FL_SIM_RESET, false, 0, false, FL_ERR_RESET},
    {FL_SIM_SILENCE, false, 0, false, FL_OK},
    {FL_SIM_ERROR_IN_200, false, 200, true, FL_OK},
    {FL_SIM_EMPTY_200, true, 200, true, FL_OK},
    {FL_SIM_NOT_JSON_200, false, 200, true, FL_OK},
    {FL_SIM_HTML_502, true, 502, true, FL_OK},
    {FL_SIM_REDIRECT, false, 307, true, FL_OK},
    {FL_SIM_GZIP, false, 200, true, FL_OK},
    {FL_SIM_ENDLESS_HEAD, false, 0, false, FL_ERR_H1_HEAD_LONG},
    {FL_SIM_ENDLESS_BODY, false, 200, false, FL_OK},
    {FL_SIM_ENDLESS_EVENT, true, 200, false, FL_OK},
    {FL_SIM_FLOOD_1XX, false, 0, false, FL_OK},
    {FL_SIM_LENGTH_BIG, false, 200, false, FL_ERR_CLOSED},
    {FL_SIM_LENGTH_SMALL, false, 200, true, FL_OK},
    {FL_SIM_TWO_LENGTHS, false, 0, false, FL_ERR_H1_LENGTH},
    {FL_SIM_BAD_CHUNK, false, 200, false, FL_ERR_H1_CHUNK},
    {FL_SIM_CHUNK_CUT, true, 200, false, FL_ERR_CLOSED},
    {FL_SIM_SSE_ERROR, true, 200, true, FL_OK},
    {FL_SIM_SSE_NO_DONE, true, 200, true, FL_OK},
    {FL_SIM_SSE_BAD_JSON, true, 200, true, FL_OK},
    {FL_SIM_SSE_RESET, true, 200, false, FL_ERR_RESET},
    {FL_SIM_SSE_STALL, true, 200, false, FL_OK},
    {FL_SIM_CLOSE_IDLE, true, 200, true, FL_OK},
    {FL_SIM_TRUNCATED_JSON, false, 200, true, FL_OK},
    {FL_SIM_GZIP_BOMB, false, 200, true, FL_OK},
    {FL_SIM_HALF_CLOSE, true, 200, false, FL_ERR_CLOSED},
    {FL_SIM_SSE_LATE, true, 200, true, FL_OK},
    {FL_SIM_WRONG_USAGE, false, 200, true, FL_OK},
    {FL_SIM_BYTE_FIN, true, 200, false, FL_ERR_CLOSED},
    {FL_SIM_BYTE_RESET, true, 200, false, FL_ERR_RESET},
    {FL_SIM_BYTE_STALL, false, 200, false, FL_OK},
};

static void run_misdeed(const struct misdeed_case *m, uint64_t seed)
{
    struct scene s;
    setup(&s, seed);
    s.options.misdeeds = (struct fl_sim_misdeeds){FL_SIM_MISDEED_BIT(m->misdeed), 1000, 3, 600};
    start(&s);
    fl_simclient_chat(s.client, "sim-large", "tell a story", m->stream);
    bool settled = fl_world_run_until(s.w, fl_simclient_until, s.client, 10 * FL_NS_S);
    const struct fl_simanswer *a = answer(&s, 0);
    assert_int_equal(settled, m->complete || m->err != FL_OK);
    if (m->err != FL_ERR_RESET) { /* a RST may overtake all */
        assert_int_equal(a->status, m->status);
    }
    assert_int_equal(a->complete, m->complete);
    assert_int_equal(a->err, m->err);
    assert_int_equal(fl_simprovider_stats(s.provider)->misdone, 1);
    if (m->misdeed == FL_SIM_SSE_ERROR) {
        assert_int_equal(a->event_count, 1 + 3 + 1);
        assert_false(a->done_marker);
    } else if (m->misdeed == FL_SIM_SSE_BAD_JSON || m->misdeed == FL_SIM_CLOSE_IDLE) {
        assert_text(&s, a, "tell a story", 0);
        assert_true(a->done_marker);
    } else if (m->misdeed == FL_SIM_LENGTH_SMALL) {
        fl_world_run_for(s.w, FL_NS_S);
        assert_int_equal(fl_simclient_surplus(s.client), 42);
    } else if (m->misdeed == FL_SIM_FLOOD_1XX) {
        assert_true(a->interim > 1000);
    } else if (m->misdeed == FL_SIM_ENDLESS_BODY) {
        assert_true(a->body.len > 1 << 20);
    }
    teardown(&s);
}

static void every_misdeed_is_done(void **state)
{
    (void)state;
    assert_int_equal(sizeof(misdeed_cases) / sizeof(misdeed_cases[0]), FL_SIM_MISDEED_COUNT);
    for (unsigned i = 0; i < FL_SIM_MISDEED_COUNT; i++) {
        assert_int_equal(misdeed_cases[i].misdeed, i);
        for (uint64_t seed = 1; seed <= 3; seed++) {
            run_misdeed(&misdeed_cases[i], seed);
        }
    }
    assert_string_equal(fl_sim_misdeed_name(FL_SIM_CHUNK_CUT), "chunk_cut");
    assert_string_equal(fl_sim_misdeed_name(FL_SIM_GOOD), "good");
}

/* --- Replay --- */

static uint64_t busy_hour(uint64_t seed)
{
    struct scene s;
    setup(&s, seed);
    s.options.misdeeds = (struct fl_sim_misdeeds){FL_SIM_MISDEED_ALL, 300, 4, 500};
    s.options.error_permille = 100;
    s.options.requests_per_min = 30;
    start(&s);
    for (unsigned i = 0; i < 40; i++) {
        fl_simclient_chat(s.client, "sim-large", "tell a story", i % 2 == 0);
        (void)fl_world_run_until(s.w, fl_simclient_until, s.client, 5 * FL_NS_S);
        if (!fl_simclient_settled(s.client) || i % 3 == 0) {
            fl_simclient_destroy(s.client);
            s.client = fl_simclient_create(s.at_client, &s.client_options);
        }
    }
    uint64_t hash = fl_world_hash(s.w);
    assert_true(fl_simprovider_stats(s.provider)->misdone > 3);
    teardown(&s);
    return hash;
}

static void a_seed_replays(void **state)
{
    (void)state;
    uint64_t first = busy_hour(77);
    assert_int_equal(busy_hour(77), first);
    assert_int_not_equal(busy_hour(78), first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chat_whole),
        cmocka_unit_test(chat_stream),
        cmocka_unit_test(max_tokens_is_kept),
        cmocka_unit_test(embeddings_both_ways),
        cmocka_unit_test(models_are_listed),
        cmocka_unit_test(wrong_requests_are_refused),
        cmocka_unit_test(rate_limit_gives_429),
        cmocka_unit_test(token_limit_gives_429),
        cmocka_unit_test(errors_by_chance),
        cmocka_unit_test(planned_outages),
        cmocka_unit_test(outage_by_hand),
        cmocka_unit_test(slow_and_cut_requests),
        cmocka_unit_test(expect_continue_is_answered),
        cmocka_unit_test(old_http_ends_with_the_connection),
        cmocka_unit_test(a_client_that_leaves_cancels),
        cmocka_unit_test(leaving_before_the_answer_cancels),
        cmocka_unit_test(a_slow_reader_stops_the_tokens),
        cmocka_unit_test(every_misdeed_is_done),
        cmocka_unit_test(a_seed_replays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

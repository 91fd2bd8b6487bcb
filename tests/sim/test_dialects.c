/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A simulated provider of each dialect behind the real server, asked in OpenAI's: the same text and the
 * same counts come out of all, whole and streamed; limits and refusals lead to the next provider.
 */
#include "sim/rig.h"

#include <stdio.h>

#define PROMPT                                                                                     \
    "{\"model\":\"chat\",\"max_tokens\":40,\"messages\":[{\"role\":\"user\",\"content\":"          \
    "\"Explain the tides\"}]"

static const struct {
    enum fl_sim_dialect dialect;
    const char *type, *path;
} dialects[] = {
    {FL_SIM_OPENAI, "openai_compatible", "/v1"},
    {FL_SIM_ANTHROPIC, "anthropic", "/v1"},
    {FL_SIM_GEMINI, "gemini", "/v1beta"},
    {FL_SIM_OLLAMA, "ollama_native", ""},
    {FL_SIM_BEDROCK, "bedrock", ""},
};
enum { dialect_count = sizeof(dialects) / sizeof(*dialects) };

struct scene {
    struct rig rig;
    struct fl_sim_model model;
    struct fl_simprovider *first, *second; /* the second speaks OpenAI's */
};

static struct fl_simprovider *provider(struct scene *s, enum fl_sim_dialect dialect, const char *ip,
                                       unsigned requests_per_min)
{
    struct fl_addr addr;
    struct fl_simprovider *p = NULL;
    struct fl_simprovider_options options = {.name = FL_LIT("sim"),
                                             .models = &s->model,
                                             .model_count = 1,
                                             .dialect = dialect,
                                             .key = FL_LIT("sk-simulated"),
                                             .seed = 7,
                                             .ttft_median_ns = 5 * FL_NS_MS,
                                             .token_ns = FL_NS_MS,
                                             .requests_per_min = requests_per_min};
    assert_true(fl_addr_parse(fl_slice_cstr(ip), &addr));
    struct fl_slice host = fl_slice_first(fl_slice_cstr(ip), strlen(ip) - 3);
    char name[32];
    memcpy(name, host.ptr, host.len);
    name[host.len] = '\0';
    assert_int_equal(fl_simprovider_create(fl_world_sys(s->rig.world, name), &addr, &options, &p),
                     FL_OK);
    return p;
}

static void open_scene(struct scene *s, unsigned i, unsigned requests_per_min)
{
    char yaml[1024];
    s->model = (struct fl_sim_model){FL_LIT("m:1"), 1, 1, 0};
    rig_open(&s->rig, 1);
    rig_say(&s->rig, "%s", dialects[i].type);
    s->first = provider(s, dialects[i].dialect, "10.0.1.1:80", requests_per_min);
    s->second = provider(s, FL_SIM_OPENAI, "10.0.1.2:80", 0);
    (void)snprintf(
        yaml, sizeof(yaml),
        "listen: \"10.0.0.1:80\"\nauth: {insecure_no_auth: true}\nproviders:\n"
        "  p0: {type: %s, base_url: \"http://10.0.1.1:80%s\", api_key: sk-simulated, models: "
        "[\"m:1\"]%s}\n"
        "  p1: {base_url: \"http://10.0.1.2:80/v1\", api_key: sk-simulated, models: [\"m:1\"]}\n"
        "models: {chat: {targets: [\"p0/m:1\"], fallback: [\"p1/m:1\"]}}\n",
        dialects[i].type, dialects[i].path,
        dialects[i].dialect == FL_SIM_BEDROCK ? ", region: us-east-1" : "");
    rig_serve_file(&s->rig, fl_slice_cstr(yaml), 1);
}

static void close_scene(struct scene *s)
{
    fl_simprovider_destroy(s->first);
    fl_simprovider_destroy(s->second);
    rig_stop(&s->rig);
    rig_close(&s->rig);
}

static void ask(struct scene *s, bool stream, struct fl_buf *ret)
{
    struct fl_simclient *c = rig_client(&s->rig, stream ? 1 : 0, NULL);
    fl_simclient_request(
        c, "POST", "/v1/chat/completions", "",
        stream ? FL_LIT(PROMPT ",\"stream\":true,\"stream_options\":{\"include_usage\":true}}")
               : FL_LIT(PROMPT "}"));
    rig_settle(&s->rig, c, 20 * FL_NS_S);
    const struct fl_simanswer *a = fl_simclient_answer(c, 0);
    rig_equal(&s->rig, a->status, 200);
    rig_check(&s->rig, a->complete);
    fl_buf_put(ret, fl_buf_slice(&a->body));
    rig_leave(&s->rig, c);
}

/* The text of a prompt hangs on the seed, the model and the prompt: not on the dialect. */
static void all_say_the_same(void **state)
{
    (void)state;
    char expected[1024];
    for (unsigned i = 0; i < dialect_count; i++) {
        struct scene s;
        struct fl_buf plain, stream, text;
        open_scene(&s, i, 0);
        fl_buf_init(&plain, 1 << 20);
        fl_buf_init(&stream, 1 << 20);
        fl_buf_init_in(&text, expected, sizeof(expected));
        struct fl_simprovider_options options = {.seed = 7};
        fl_simprovider_text(&options, FL_LIT("m:1"), FL_LIT("Explain the tides"), 40, &text);
        ask(&s, false, &plain);
        ask(&s, true, &stream);
        fl_buf_putc(&plain, '\0');
        fl_buf_putc(&stream, '\0');
        struct fl_buf quoted;
        fl_buf_init(&quoted, 4096);
        fl_buf_put_json(&quoted, fl_buf_slice(&text));
        rig_check(&s.rig, rig_has(fl_buf_slice(&plain), "\"finish_reason\":\"length\""));
        rig_check(&s.rig,
                  fl_slice_find_text(fl_buf_slice(&plain), fl_buf_slice(&quoted)) < plain.len);
        rig_check(&s.rig, rig_has(fl_buf_slice(&plain), "\"completion_tokens\":40"));
        rig_check(&s.rig, rig_has(fl_buf_slice(&stream), "\"completion_tokens\":40"));
        rig_check(&s.rig, rig_has(fl_buf_slice(&stream), "data: [DONE]"));
        rig_equal(&s.rig, fl_simprovider_stats(s.first)->answered, 2);
        rig_equal(&s.rig, fl_simprovider_stats(s.second)->requests, 0);
        fl_buf_finish(&quoted);
        fl_buf_finish(&plain);
        fl_buf_finish(&stream);
        close_scene(&s);
    }
}

static void errors_lead_to_the_next(void **state)
{
    (void)state;
    static const int statuses[] = {401, 404, 429, 500, 503};
    for (unsigned i = 0; i < dialect_count; i++) {
        for (unsigned k = 0; k < sizeof(statuses) / sizeof(*statuses); k++) {
            struct scene s;
            struct fl_buf body;
            fl_buf_init(&body, 1 << 20);
            open_scene(&s, i, 0);
            rig_say(&s.rig, "%s, %d", dialects[i].type, statuses[k]);
            fl_simprovider_refuse(s.first,
                                  (struct fl_sim_refusals){statuses[k], 1000, 3 * FL_NS_S});
            ask(&s, k & 1, &body);
            rig_check(&s.rig, fl_simprovider_stats(s.first)->requests > 0);
            rig_equal(&s.rig, fl_simprovider_stats(s.first)->answered, 0);
            rig_equal(&s.rig, fl_simprovider_stats(s.second)->answered, 1);
            fl_buf_finish(&body);
            close_scene(&s);
        }
    }
}

/* Broken in the ways that every dialect can be: the client gets an answer, or is told. */
static void broken_streams_are_told(void **state)
{
    (void)state;
    static const enum fl_sim_misdeed misdeeds[] = {FL_SIM_SSE_RESET, FL_SIM_CHUNK_CUT,
                                                   FL_SIM_SSE_NO_DONE};
    for (unsigned i = 0; i < dialect_count; i++) {
        for (unsigned k = 0; k < sizeof(misdeeds) / sizeof(*misdeeds); k++) {
            struct scene s;
            open_scene(&s, i, 0);
            rig_say(&s.rig, "%s, %s", dialects[i].type, fl_sim_misdeed_name(misdeeds[k]));
            fl_simprovider_misbehave(
                s.first, (struct fl_sim_misdeeds){FL_SIM_MISDEED_BIT(misdeeds[k]), 1000, 5, 0});
            struct fl_simclient *c = rig_client(&s.rig, 0, NULL);
            fl_simclient_request(c, "POST", "/v1/chat/completions", "",
                                 FL_LIT(PROMPT ",\"stream\":true}"));
            rig_settle(&s.rig, c, 20 * FL_NS_S);
            rig_check(&s.rig, !fl_simclient_answer(c, 0)->done_marker);
            rig_leave(&s.rig, c);
            close_scene(&s);
        }
    }
}

/* A target that the request cannot be carried to was not asked: it uses no attempt up. */
static void what_is_not_carried_costs_no_attempt(void **state)
{
    (void)state;
    struct scene s;
    s.model = (struct fl_sim_model){FL_LIT("m:1"), 1, 1, 0};
    rig_open(&s.rig, 1);
    rig_say(&s.rig, "strict");
    s.first = provider(&s, FL_SIM_ANTHROPIC, "10.0.1.1:80", 0);
    s.second = provider(&s, FL_SIM_OPENAI, "10.0.1.2:80", 0);
    rig_serve_file(
        &s.rig,
        FL_LIT("listen: \"10.0.0.1:80\"\nauth: {insecure_no_auth: true}\n"
               "routing: {attempts: 1, translation: strict}\nproviders:\n"
               "  p0: {type: anthropic, base_url: \"http://10.0.1.1:80/v1\", api_key: sk-simulated, "
               "models: [\"m:1\"]}\n"
               "  p1: {base_url: \"http://10.0.1.2:80/v1\", api_key: sk-simulated, models: "
               "[\"m:1\"]}\n"
               "models: {chat: {targets: [\"p0/m:1\"], fallback: [\"p1/m:1\"]}}\n"),
        1);
    struct fl_simclient *c = rig_client(&s.rig, 0, NULL);
    fl_simclient_request(c, "POST", "/v1/chat/completions", "", FL_LIT(PROMPT ",\"seed\":7}"));
    rig_settle(&s.rig, c, 20 * FL_NS_S);
    rig_equal(&s.rig, fl_simclient_answer(c, 0)->status, 200);
    rig_leave(&s.rig, c);
    rig_equal(&s.rig, fl_simprovider_stats(s.first)->requests, 0);
    rig_equal(&s.rig, fl_simprovider_stats(s.second)->answered, 1);
    close_scene(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_say_the_same),
        cmocka_unit_test(errors_lead_to_the_next),
        cmocka_unit_test(broken_streams_are_told),
        cmocka_unit_test(what_is_not_carried_costs_no_attempt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every way of a simulated provider to be wrong, for plain requests and streams, with and without a
 * second provider: what the client gets is a table, and so is what counts against the provider's
 * health.
 */
#include "sim/rig.h"
#include "sim/upstream.h"

#define SECOND "second thoughts"
#define PROMPT "Summarize the tides"

enum fate {
    GOOD,   /* the provider's whole answer */
    ERROR,  /* our envelope; with a second provider its answer */
    OWN,    /* the provider's own words with the status of what they say; with a second provider its answer */
    CUT,    /* the head of a 200, part of a body, a RST at the deadline */
    RESET,  /* the same at once: what was too long to be held turned out bad */
    BROKEN, /* a stream that ends in an error event and without its end */
    TOLD,   /* a stream that ends in the provider's own error event, whole */
    EARLY   /* the same before anything was said: with a second provider its answer */
};

struct end {
    enum fate fate;
    int status;
    const char *code;
    uint64_t after_ns; /* not before; 0: within 200 ms */
};

#define BAD                                                                                        \
    {                                                                                              \
        ERROR, 502, "provider_bad_response", 0                                                     \
    }
#define CLOSED                                                                                     \
    {                                                                                              \
        ERROR, 502, "provider_closed", 0                                                           \
    }
#define FIRST_TOKEN                                                                                \
    {                                                                                              \
        ERROR, 504, "provider_first_token_timeout", 5 * FL_NS_S                                    \
    }
#define AT_DEADLINE                                                                                \
    {                                                                                              \
        CUT, 200, NULL, 20 * FL_NS_S                                                               \
    }
#define BREAKS(why)                                                                                \
    {                                                                                              \
        BROKEN, 200, why, 0                                                                        \
    }
#define FINE                                                                                       \
    {                                                                                              \
        GOOD, 200, NULL, 0                                                                         \
    }

/* [misdeed] = {plain, stream} */
static const struct end ends[FL_SIM_MISDEED_COUNT][2] = {
    [FL_SIM_GARBAGE] = {BAD, BAD},
    [FL_SIM_CLOSE] = {CLOSED, CLOSED},
    [FL_SIM_RESET] = {{ERROR, 502, "provider_reset", 0}, {ERROR, 502, "provider_reset", 0}},
    [FL_SIM_SILENCE] = {FIRST_TOKEN, FIRST_TOKEN},
    [FL_SIM_ERROR_IN_200] = {{OWN, 502, "overloaded", 0}, {OWN, 502, "overloaded", 0}},
    [FL_SIM_EMPTY_200] = {BAD, BAD},
    [FL_SIM_NOT_JSON_200] = {BAD, BAD},
    [FL_SIM_HTML_502] = {{ERROR, 502, "provider_server_error", 0},
                         {ERROR, 502, "provider_server_error", 0}},
    [FL_SIM_REDIRECT] = {{ERROR, 502, "provider_redirect", 0},
                         {ERROR, 502, "provider_redirect", 0}},
    [FL_SIM_GZIP] = {BAD, BAD},
    [FL_SIM_ENDLESS_HEAD] = {BAD, BAD},
    [FL_SIM_ENDLESS_BODY] = {AT_DEADLINE, BAD},
    [FL_SIM_ENDLESS_EVENT] = {FINE, {ERROR, 502, "provider_event_long", 100 * FL_NS_MS}},
    [FL_SIM_FLOOD_1XX] = {BAD, BAD},
    [FL_SIM_LENGTH_BIG] = {CLOSED, CLOSED},
    [FL_SIM_LENGTH_SMALL] = {BAD, BAD},
    [FL_SIM_TWO_LENGTHS] = {BAD, BAD},
    [FL_SIM_BAD_CHUNK] = {BAD, BAD},
    [FL_SIM_CHUNK_CUT] = {FINE, BREAKS("provider_closed")},
    [FL_SIM_SSE_ERROR] = {FINE, {TOLD, 200, NULL, 0}},
    [FL_SIM_SSE_NO_DONE] = {FINE, BREAKS("provider_closed")},
    [FL_SIM_SSE_BAD_JSON] = {FINE,
                             FINE}, /* an event in the middle of a stream is the provider's own */
    [FL_SIM_SSE_RESET] = {FINE, BREAKS("provider_reset")},
    [FL_SIM_SSE_STALL] = {FINE, {BROKEN, 200, "provider_idle_timeout", 4 * FL_NS_S}},
    [FL_SIM_CLOSE_IDLE] = {FINE, FINE},
    [FL_SIM_TRUNCATED_JSON] = {BAD, BAD},
    [FL_SIM_GZIP_BOMB] = {{RESET, 200, NULL, 0}, BAD},
    [FL_SIM_HALF_CLOSE] = {CLOSED, BREAKS("provider_closed")},
    [FL_SIM_SSE_LATE] = {FINE, FINE},
    [FL_SIM_WRONG_USAGE] = {FINE, FINE},
    [FL_SIM_BYTE_FIN] = {CLOSED, BREAKS("provider_closed")},
    [FL_SIM_BYTE_RESET] = {{ERROR, 502, "provider_reset", 0}, BREAKS("provider_reset")},
    [FL_SIM_BYTE_STALL] = {{ERROR, 504, "provider_idle_timeout", 4 * FL_NS_S},
                           {BROKEN, 200, "provider_idle_timeout", 4 * FL_NS_S}},
};

struct scene {
    struct rig rig;
    struct fl_sim_model model;
    struct fl_simprovider_options options;
    struct fl_simprovider *first;
    struct upstream second;
    struct fl_buf second_answer;
    bool has_second;
};

static void put_second(struct fl_buf *b, bool stream)
{
    fl_buf_init(b, 65536);
    if (stream) {
        put_stream_head(b, BY_CLOSE);
        put_delta(b, SECOND);
        put_finish(b);
        fl_buf_put_cstr(b, "data: [DONE]\n\n");
    } else {
        put_plain(b, BY_CLOSE, SECOND);
    }
}

static void open_scene(struct scene *s, bool second, bool stream)
{
    static const char alone[] = "routing: {failover_threshold: 1000, attempts: 1, timeouts: "
                                "{first_token: 5s, idle: 4s, total: 20s}}\n"
                                "limits: {upstream_idle: 1s, body: 128KiB}\n";
    static const char both[] = "routing: {failover_threshold: 1000, attempts: 2, timeouts: "
                               "{first_token: 5s, idle: 4s, total: 20s}}\n"
                               "limits: {upstream_idle: 1s, body: 128KiB}\n";
    const struct rig_setup setup = {.providers = second ? 2 : 1, .more = second ? both : alone};
    struct fl_addr addr;
    *s = (struct scene){.model = {.id = FL_LIT("m")}, .has_second = second};
    rig_open(&s->rig, 1);
    rig_exact(&s->rig);
    assert_true(fl_addr_parse(FL_LIT("10.0.1.1:80"), &addr));
    s->options = (struct fl_simprovider_options){.name = FL_LIT("p0"),
                                                 .models = &s->model,
                                                 .model_count = 1,
                                                 .seed = 1,
                                                 .ttft_median_ns = 10 * FL_NS_MS,
                                                 .token_ns = FL_NS_MS};
    assert_int_equal(fl_simprovider_create(fl_world_sys(s->rig.world, "10.0.1.1"), &addr,
                                           &s->options, &s->first),
                     0);
    upstream_open(&s->second, fl_world_sys(s->rig.world, "10.0.1.2"));
    put_second(&s->second_answer, stream);
    upstream_say(&s->second, fl_buf_slice(&s->second_answer), UPSTREAM_FIN);
    rig_serve(&s->rig, &setup, 1);
}

static void close_scene(struct scene *s)
{
    rig_stop(&s->rig);
    fl_simprovider_destroy(s->first);
    upstream_close(&s->second);
    fl_buf_finish(&s->second_answer);
    rig_close(&s->rig);
}

static void check_good(struct scene *s, const struct fl_simanswer *a, bool stream,
                       enum fl_sim_misdeed misdeed)
{
    struct fl_buf text;
    rig_equal(&s->rig, a->done_marker, stream);
    if (misdeed == FL_SIM_SSE_BAD_JSON && stream) {
        rig_check(&s->rig, a->complete && rig_has(fl_buf_slice(&a->body), "[{\"delta\n\n"));
        return;
    }
    fl_buf_init(&text, 65536);
    fl_simprovider_text(&s->options, s->model.id, FL_LIT(PROMPT), 0, &text);
    fl_buf_putc(&text, '\0');
    rig_check_text(&s->rig, a, text.ptr);
    fl_buf_finish(&text);
}

static void check_last_event_is_theirs(const struct rig *r, const struct fl_simanswer *a)
{
    const struct fl_simevent *last = &a->events[a->event_count - 1];
    struct fl_slice told = fl_slice(a->body.ptr + last->offset, last->len);
    rig_check(r, a->complete && a->status == 200 && !a->done_marker);
    rig_check(r, fl_slice_starts(
                     told, FL_LIT("{\"error\":{\"message\":\"The simulated engine failed.\"")));
}

static void check_end(struct scene *s, const struct fl_simanswer *a, const struct end *end,
                      bool stream, enum fl_sim_misdeed misdeed)
{
    struct rig *r = &s->rig;
    bool failed_over = s->has_second && (end->fate == ERROR || end->fate == OWN || end->fate == EARLY);
    uint64_t took_ns = a->end_ns - a->asked_ns;
    rig_check(r, took_ns >= end->after_ns &&
                     took_ns < end->after_ns + (end->after_ns > 0 ? 2 * FL_NS_S : 200 * FL_NS_MS));
    if (failed_over) {
        rig_check_text(r, a, SECOND);
        return;
    }
    switch (end->fate) {
    case GOOD:
        check_good(s, a, stream, misdeed);
        break;
    case ERROR:
        rig_check_error(r, a, end->status, end->code);
        break;
    case OWN:
        rig_check_error(r, a, end->status, end->code);
        rig_check(r, rig_has(fl_buf_slice(&a->body), "The simulated engine is overloaded."));
        break;
    case CUT:
        rig_check(r, a->status == 200 && !a->complete && a->err == FL_ERR_RESET &&
                         a->body.len > 256 * 1024);
        break;
    case RESET:
        rig_check(r, a->status == 200 && !a->complete && a->err == FL_ERR_RESET);
        break;
    case BROKEN:
        rig_check_broken(r, a, 1, end->code);
        break;
    case TOLD:
    case EARLY:
        check_last_event_is_theirs(r, a);
        break;
    }
}

static void check_health(struct scene *s, const struct fl_target_view *before, enum fate fate)
{
    struct fl_target_view after = rig_target(&s->rig, "p0/m");
    rig_equal(&s->rig, after.begun, before->begun + 1);
    rig_equal(&s->rig, after.succeeded - before->succeeded, fate == GOOD);
    rig_equal(&s->rig, after.uncounted - before->uncounted,
              fate == CUT); /* the client's deadline, not its fault */
    rig_equal(&s->rig, after.failed - before->failed, fate != GOOD && fate != CUT);
}

/* Before the first token a stream is not committed: what breaks it then is an error like any other. */
static struct end end_of(enum fl_sim_misdeed misdeed, bool stream, unsigned after_tokens)
{
    struct end end = ends[misdeed][stream];
    if (after_tokens == 0 && end.fate == BROKEN) {
        end.fate = ERROR;
        end.status = strcmp(end.code, "provider_idle_timeout") == 0 ? 504 : 502;
    } else if (after_tokens == 0 && end.fate == TOLD) {
        end.fate = EARLY;
    }
    return end;
}

static void run(struct scene *s, enum fl_sim_misdeed misdeed, bool stream, unsigned after_tokens)
{
    struct rig *r = &s->rig;
    const struct end end = end_of(misdeed, stream, after_tokens);
    struct fl_target_view before = rig_target(r, "p0/m");
    rig_say(r, "%s after %u tokens, %s, %s second", fl_sim_misdeed_name(misdeed), after_tokens,
            stream ? "stream" : "plain", s->has_second ? "with" : "without");
    fl_simprovider_misbehave(
        s->first, (struct fl_sim_misdeeds){FL_SIM_MISDEED_BIT(misdeed), 1000, after_tokens,
                                  stream && after_tokens > 0 ? 3000 : 600});
    struct fl_simclient *c = rig_client(r, 0, NULL);
    fl_simclient_chat(c, "chat", PROMPT, stream);
    rig_settle(r, c, 30 * FL_NS_S);
    check_end(s, fl_simclient_answer(c, 0), &end, stream, misdeed);
    fl_world_run_for(r->world, FL_NS_S); /* nothing comes behind it */
    rig_leave(r, c);
    fl_world_run_for(r->world, 8 * FL_NS_S);
    check_health(s, &before, end.fate);
    rig_equal(r, fl_world_connections(r->world), 0);
    rig_equal(r, fl_simprovider_stats(s->first)->connections_open, 0);
    rig_check(r, fl_world_stats(r->nodes[0]).queued_peak <= 256 * 1024 + 65536);
}

static void every_misdeed_has_its_end(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits < 4; bits++) {
        struct scene s;
        bool stream = bits & 1;
        open_scene(&s, bits & 2, stream);
        for (unsigned i = 0; i < FL_SIM_MISDEED_COUNT; i++) {
            run(&s, (enum fl_sim_misdeed)i, stream, 0);
            run(&s, (enum fl_sim_misdeed)i, stream, 5);
        }
        close_scene(&s);
    }
}

/* Bytes behind an answer's length are nobody's answer: not the next request's either. */
static void no_request_gets_bytes_of_the_answer_before(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, true, false);
    fl_simprovider_misbehave(
        s.first, (struct fl_sim_misdeeds){FL_SIM_MISDEED_BIT(FL_SIM_LENGTH_SMALL), 1000, 0, 0});
    struct fl_simclient *c = rig_client(&s.rig, 0, NULL);
    for (unsigned i = 0; i < 5; i++) {
        fl_simclient_chat(c, "chat", PROMPT, false);
    }
    rig_settle(&s.rig, c, 30 * FL_NS_S);
    for (unsigned i = 0; i < 5; i++) {
        rig_check_text(&s.rig, fl_simclient_answer(c, i), SECOND);
    }
    rig_equal(&s.rig, fl_simprovider_stats(s.first)->connections, 5);
    rig_leave(&s.rig, c);
    close_scene(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_misdeed_has_its_end),
        cmocka_unit_test(no_request_gets_bytes_of_the_answer_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

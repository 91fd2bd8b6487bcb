/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream cut behind every byte, by RST and by FIN: with `resume: continue` and a second provider
 * that goes on where the first stopped, or says the end of it once more, the client reads the text
 * as if nothing had happened; without it, an error event. And tool calls, errors told in the
 * stream, and what cannot be continued.
 */
#include "sim/rig.h"
#include "sim/upstream.h"

#include <stdio.h>

static const char *const words[] = {
    "First ",      "light ",    "over ",    "the ", "harbour: ", "gulls, a bell, ",
    "\xc3\xa4nd ", "\"slow\" ", "wheels\n", "of ",  "the ",      "ferry; ",
    "nobody ",     "all",       "owed ",    "to ",  "tell."};
enum { word_count = sizeof(words) / sizeof(words[0]) };

#define HEAD "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
#define STAMP                                                                                      \
    "\"id\":\"first\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"m1\","
#define OTHER                                                                                      \
    "\"id\":\"second\",\"object\":\"chat.completion.chunk\",\"created\":9,\"model\":\"m2\","
#define DONE "data: [DONE]\n\n"
#define BODY                                                                                       \
    "{\"model\":\"chat\",\"stream\":true,\"max_tokens\":100,\"messages\":[{\"role\":\"user\","     \
    "\"content\":\"Hi\"}]}"

struct scene {
    struct rig rig;
    struct upstream first, second;
    struct fl_buf says, goes_on, text;
    size_t ends[word_count + 3]; /* of the first one's events, from the answer's first byte */
    struct fl_simclient *client;
};

static void put_event(struct fl_buf *b, const char *stamp, const char *delta, const char *finish)
{
    fl_buf_put_cstr(b, "data: {");
    fl_buf_put_cstr(b, stamp);
    fl_buf_put_cstr(b, "\"choices\":[{\"index\":0,\"delta\":{");
    fl_buf_put_cstr(b, delta);
    fl_buf_put_cstr(b, "},\"finish_reason\":");
    fl_buf_put_cstr(b, finish);
    fl_buf_put_cstr(b, "}]}\n\n");
}

static void put_text_event(struct fl_buf *b, const char *stamp, struct fl_slice text)
{
    char memory[2048];
    struct fl_buf delta;
    fl_buf_init_in(&delta, memory, sizeof(memory) - 1);
    fl_buf_put_cstr(&delta, "\"content\":");
    fl_buf_put_json(&delta, text);
    memory[delta.len] = '\0';
    put_event(b, stamp, memory, "null");
}

static void put_first(struct scene *s)
{
    fl_buf_put_cstr(&s->says, HEAD);
    put_event(&s->says, STAMP, "\"role\":\"assistant\",\"content\":\"\"", "null");
    s->ends[0] = s->says.len;
    for (unsigned i = 0; i < word_count; i++) {
        put_text_event(&s->says, STAMP, fl_slice_cstr(words[i]));
        fl_buf_put_cstr(&s->text, words[i]);
        s->ends[1 + i] = s->says.len;
    }
    put_event(&s->says, STAMP, "", "\"stop\"");
    s->ends[word_count + 1] = s->says.len;
    fl_buf_put_cstr(&s->says, DONE);
    s->ends[word_count + 2] = s->says.len;
}

static void open_scene(struct scene *s, const char *what, const char *more)
{
    const struct rig_setup setup = {.providers = 2, .more = more};
    rig_open(&s->rig, 1);
    rig_exact(&s->rig);
    rig_say(&s->rig, "%s", what);
    upstream_open(&s->first, fl_world_sys(s->rig.world, "10.0.1.1"));
    upstream_open(&s->second, fl_world_sys(s->rig.world, "10.0.1.2"));
    s->second.keep_body = true;
    fl_buf_init(&s->says, 65536);
    fl_buf_init(&s->goes_on, 65536);
    fl_buf_init(&s->text, 65536);
    put_first(s);
    upstream_say(&s->first, fl_buf_slice(&s->says), UPSTREAM_FIN);
    rig_serve(&s->rig, &setup, 1);
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
    upstream_close(&s->first);
    upstream_close(&s->second);
    fl_buf_finish(&s->says);
    fl_buf_finish(&s->goes_on);
    fl_buf_finish(&s->text);
    rig_close(&s->rig);
}

/* The second provider says the text from byte *from* on, in pieces of seven bytes or a little more.
 * */
static void go_on_from(struct scene *s, size_t from)
{
    struct fl_slice rest = fl_slice_from(fl_buf_slice(&s->text), from);
    fl_buf_reset(&s->goes_on);
    fl_buf_put_cstr(&s->goes_on, HEAD);
    put_event(&s->goes_on, OTHER, "\"role\":\"assistant\",\"content\":\"\"", "null");
    while (rest.len > 0) {
        size_t n = rest.len < 7 ? rest.len : 7;
        while (n < rest.len && ((unsigned char)rest.ptr[n] & 0xc0) == 0x80) {
            n++;
        }
        put_text_event(&s->goes_on, OTHER, fl_slice_first(rest, n));
        rest = fl_slice_from(rest, n);
    }
    put_event(&s->goes_on, OTHER, "", "\"stop\"");
    fl_buf_put_cstr(&s->goes_on, DONE);
    upstream_say(&s->second, fl_buf_slice(&s->goes_on), UPSTREAM_FIN);
}

static const struct fl_simanswer *ask(struct scene *s, const char *headers)
{
    leave(s);
    s->client = rig_client(&s->rig, 0, NULL);
    fl_simclient_request(s->client, "POST", "/v1/chat/completions", headers, FL_LIT(BODY));
    rig_settle(&s->rig, s->client, 200 * FL_NS_S);
    return fl_simclient_answer(s->client, 0);
}

static void check_text(struct scene *s, const struct fl_simanswer *a)
{
    struct fl_buf text;
    fl_buf_init(&text, 65536);
    fl_simanswer_text(a, &text);
    bool same = fl_slice_eq(fl_buf_slice(&text), fl_buf_slice(&s->text));
    if (!same) {
        print_error("got '%.*s'\n", (int)text.len, text.ptr);
    }
    rig_check(&s->rig, same);
    rig_check(&s->rig, a->complete && a->status == 200);
    fl_buf_finish(&text);
}

static void check_whole(struct scene *s, const struct fl_simanswer *a)
{
    check_text(s, a);
    rig_check(&s->rig, a->done_marker);
}

/* How many bytes of text stand in whole events before *at*. */
static size_t said_before(const struct scene *s, size_t at)
{
    size_t said = 0;
    for (unsigned i = 0; i < word_count && s->ends[1 + i] <= at; i++) {
        said += strlen(words[i]);
    }
    return said;
}

enum second { OBEYS, REPEATS, BEGINS_ANEW };

static size_t begins_at(const struct scene *s, size_t said, enum second second)
{
    size_t from = said;
    if (second == BEGINS_ANEW) {
        return 0;
    }
    if (second == REPEATS) { /* the last twenty bytes or more; all when there are fewer */
        from = said > 20 ? said - 20 : 0;
        while (from > 0 && ((unsigned char)s->text.ptr[from] & 0xc0) == 0x80) {
            from--;
        }
    }
    return from;
}

static void cut_at(struct scene *s, size_t at, bool reset)
{
    struct fl_world_link link = fl_world_link(s->rig.world);
    if (reset) {
        link.down.reset_after = at;
    } else {
        link.down.fin_after = at;
    }
    fl_world_plan(s->rig.world, "10.0.1.1:80", &link, 1);
}

static void check_asked_to_go_on(struct scene *s, size_t said)
{
    char memory[2048];
    struct fl_buf wanted;
    fl_buf_init_in(&wanted, memory, sizeof(memory) - 1);
    fl_buf_put_cstr(&wanted, ",{\"role\":\"assistant\",\"content\":");
    fl_buf_put_json(&wanted, fl_slice_first(fl_buf_slice(&s->text), said));
    fl_buf_put_cstr(&wanted, "}]");
    memory[wanted.len] = '\0';
    rig_check(&s->rig, rig_has(fl_buf_slice(&s->second.body), memory));
    rig_check(&s->rig, !rig_has(fl_buf_slice(&s->second.body), "\"max_tokens\":100"));
}

static void check_cut(struct scene *s, size_t at, bool reset, enum second second)
{
    size_t said = said_before(s, at);
    rig_say(&s->rig, "cut by %s at %zu of %zu, %zu said, second %u", reset ? "RST" : "FIN", at,
            s->says.len, said, (unsigned)second);
    go_on_from(s, begins_at(s, said, second));
    cut_at(s, at, reset);
    unsigned asked = s->second.requests;
    const struct fl_simanswer *a = ask(s, "");
    check_text(s, a); /* a FIN behind the finish reason is a proper end, without the marker */
    bool finished = at >= s->ends[word_count + 1] - (reset ? 0 : 2);
    rig_check(&s->rig, a->done_marker || (finished && !reset));
    if (said > 0) { /* all by the first stream's stamp */
        rig_check(&s->rig, !rig_has(fl_buf_slice(&a->body), "second"));
    }
    if (s->second.requests > asked && said > 0) {
        check_asked_to_go_on(s, said);
    }
    /* Once it has finished, only the end is missing. */
    rig_equal(&s->rig, s->second.requests - asked, !finished);
    fl_world_unplan(s->rig.world, "10.0.1.1:80");
    fl_world_run_for(s->rig.world, 3 * FL_NS_S);
}

static void a_cut_stream_reads_as_if_it_had_not_been_cut(void **state)
{
    enum { cuts_a_scene = 400 /* more failures in a row would eject it */ };
    static const char more[] = "routing: {failover_threshold: 1000, resume: continue}\n"
                               "limits: {upstream_idle: 1s}\n";
    (void)state;
    for (unsigned bits = 0; bits < 6; bits++) {
        struct scene s;
        for (size_t at = 0, left = 1; left > 0;) {
            open_scene(&s, "cut", more);
            for (size_t i = 0; i < cuts_a_scene && at <= s.says.len; i++) {
                check_cut(&s, at++, bits & 1, (enum second)(bits / 2));
            }
            left = s.says.len + 1 - at;
            close_scene(&s);
        }
    }
}

static void without_it_there_is_always_an_error_event(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, "off", "routing: {failover_threshold: 1000}\nlimits: {upstream_idle: 1s}\n");
    for (size_t at = s.ends[1]; at < s.ends[word_count + 1] - 2; at += 3) {
        rig_say(&s.rig, "off, cut at %zu", at);
        go_on_from(&s, 0);
        cut_at(&s, at, true);
        rig_check_broken(&s.rig, ask(&s, ""), 1, "provider_reset");
        fl_world_unplan(s.rig.world, "10.0.1.1:80");
        fl_world_run_for(s.rig.world, 3 * FL_NS_S);
    }
    rig_say(&s.rig, "asked for by the request");
    go_on_from(&s, said_before(&s, s.ends[3]));
    cut_at(&s, s.ends[3], true);
    check_whole(&s, ask(&s, "x-fairlead-resume: continue\r\n"));
    fl_world_unplan(s.rig.world, "10.0.1.1:80");
    rig_check_error(&s.rig, ask(&s, "x-fairlead-resume: maybe\r\n"), 400, "caller_invalid_request");
    close_scene(&s);
}

#define RESUME "routing: {failover_threshold: 1000, resume: continue}\n"

static void errors_and_stalls_in_the_stream_are_continued_too(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, "error event", RESUME);
    struct fl_buf broken;
    fl_buf_init(&broken, 65536);
    fl_buf_put(&broken, fl_slice_first(fl_buf_slice(&s.says), s.ends[5]));
    fl_buf_put_cstr(
        &broken,
        "data: {\"error\":{\"message\":\"Overloaded\",\"type\":\"overloaded_error\"}}\n\n");
    upstream_say(&s.first, fl_buf_slice(&broken), UPSTREAM_FIN);
    go_on_from(&s, said_before(&s, s.ends[5]));
    const struct fl_simanswer *a = ask(&s, "");
    check_whole(&s, a);
    rig_check(&s.rig, rig_has(fl_buf_slice(&a->body), ": x-fairlead-spliced: p0>p1\n\n"));
    rig_say(&s.rig, "stall");
    const struct upstream_part parts[] = {{fl_slice_first(fl_buf_slice(&s.says), s.ends[7]), 1, 0},
                                          {FL_EMPTY, 1, FL_NEVER / 2}};
    const struct upstream_answer stalls = {parts, 2, UPSTREAM_KEEP};
    upstream_plan(&s.first, &stalls, 1);
    go_on_from(&s, said_before(&s, s.ends[7]));
    check_whole(&s, ask(&s, ""));
    rig_say(&s.rig, "nobody goes on");
    upstream_say(&s.first, fl_buf_slice(&broken), UPSTREAM_FIN);
    upstream_say(&s.second, FL_LIT("HTTP/1.1 400 No\r\ncontent-length: 2\r\n\r\n{}"), UPSTREAM_FIN);
    rig_check_broken(&s.rig, ask(&s, ""), 1, "caller_rejected_by_provider");
    fl_buf_finish(&broken);
    close_scene(&s);
}

/* The second one breaks off too, and nobody is left: told, not hidden. */
static void a_continuation_may_be_cut_as_well(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, "two cuts", RESUME);
    go_on_from(&s, said_before(&s, s.ends[4]));
    upstream_say(&s.second, fl_slice_first(fl_buf_slice(&s.goes_on), s.goes_on.len / 2),
                 UPSTREAM_FIN);
    cut_at(&s, s.ends[4], true);
    const struct fl_simanswer *a = ask(&s, "");
    rig_check_broken(&s.rig, a, 1, "provider_closed");
    rig_equal(&s.rig, s.second.requests, 1);
    close_scene(&s);
}

static void tool_calls_are_whole_or_broken(void **state)
{
    static const struct {
        const char *what, *arguments;
        bool whole;
    } rows[] = {{"whole call", "{\\\"city\\\":\\\"Oslo\\\"}", true},
                {"part of a call", "{\\\"city\\\":\\\"Os", false}};
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct scene s;
        char delta[300];
        open_scene(&s, rows[i].what, RESUME);
        fl_buf_reset(&s.says);
        fl_buf_put_cstr(&s.says, HEAD);
        put_event(&s.says, STAMP,
                  "\"tool_calls\":[{\"index\":0,\"id\":\"c\",\"type\":\"function\",\"function\":{"
                  "\"name\":"
                  "\"weather\",\"arguments\":\"\"}}]",
                  "null");
        (void)snprintf(delta, sizeof(delta),
                       "\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"%s\"}}]",
                       rows[i].arguments);
        put_event(&s.says, STAMP, delta, "null");
        upstream_say(&s.first, fl_buf_slice(&s.says), UPSTREAM_FIN);
        go_on_from(&s, 0);
        const struct fl_simanswer *a = ask(&s, "");
        if (rows[i].whole) {
            rig_check(&s.rig, a->complete && a->done_marker);
            rig_check(&s.rig, rig_has(fl_buf_slice(&a->body),
                                      "\"finish_reason\":\"tool_calls\"}]}\n\n" DONE));
        } else {
            rig_check_broken(&s.rig, a, 1, "provider_closed");
        }
        rig_equal(&s.rig, s.second.requests, 0);
        close_scene(&s);
    }
}

static void what_cannot_be_kept_is_not_continued(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, "more than is kept", RESUME "limits: {resume: 20}\n");
    go_on_from(&s, 0);
    cut_at(&s, s.ends[9], true);
    rig_check_broken(&s.rig, ask(&s, ""), 1, "provider_reset");
    rig_equal(&s.rig, s.second.requests, 0);
    close_scene(&s);
}

/* Asked by another API, or in another dialect, it would begin a new answer. */
static void only_a_stream_of_the_same_form_goes_on(void **state)
{
    static const char *const seconds[] = {"type: openai_compatible, api: responses",
                                          "type: anthropic"};
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct scene s;
        char yaml[1024];
        open_scene(&s, seconds[i], RESUME);
        (void)snprintf(yaml, sizeof(yaml),
                       "listen: \"10.0.0.1:80\"\nauth: {insecure_no_auth: true}\n" RESUME
                       "providers:\n"
                       "  p0: {base_url: \"http://10.0.1.1/v1\", api_key: k, models: [m]}\n"
                       "  p1: {%s, base_url: \"http://10.0.1.2/v1\", api_key: k, models: [m]}\n"
                       "models: {chat: {targets: [p0/m], fallback: [p1/m]}}\n",
                       seconds[i]);
        rig_reload_file(&s.rig, fl_slice_cstr(yaml));
        go_on_from(&s, 0);
        cut_at(&s, s.ends[6], true);
        rig_check_broken(&s.rig, ask(&s, ""), 1, "provider_reset");
        rig_equal(&s.rig, s.second.requests, 0);
        close_scene(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cut_stream_reads_as_if_it_had_not_been_cut),
        cmocka_unit_test(without_it_there_is_always_an_error_event),
        cmocka_unit_test(errors_and_stalls_in_the_stream_are_continued_too),
        cmocka_unit_test(a_continuation_may_be_cut_as_well),
        cmocka_unit_test(tool_calls_are_whole_or_broken),
        cmocka_unit_test(what_cannot_be_kept_is_not_continued),
        cmocka_unit_test(only_a_stream_of_the_same_form_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

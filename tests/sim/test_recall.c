/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Responses that the gateway keeps: referred to over another connection and another worker, after
 * a reload, too late; of a stream that was continued by another target; and without memory for it.
 */
#include "sim/heap.h"
#include "sim/rig.h"
#include "sim/speech.h"
#include "sim/upstream.h"

#include <stdio.h>

static void on_note(void *owner, const struct fl_world_note *note)
{
    enum { server_node = 3 /* behind the two providers */ };
    (void)owner;
    heap.in_server = note->kind <= FL_WORLD_DRAINED && note->node == server_node;
}

static void on_step(void *owner)
{
    heap.in_server = false;
    rig_check_step(owner);
}

/* --- a scene: two providers of Anthropic's dialect, whose streams say "Hello there" --- */

struct scene {
    struct rig rig;
    struct upstream first, second;
    struct fl_buf says;
    unsigned clients;
};

static void put_yaml(struct fl_buf *b, const char *limits)
{
    fl_buf_put_cstr(b, "listen: \"10.0.0.1:80\"\nauth: {insecure_no_auth: true}\nproviders:\n");
    for (int i = 1; i <= 2; i++) {
        char line[200];
        (void)snprintf(line, sizeof(line),
                       "  p%d: {type: anthropic, base_url: \"http://10.0.1.%d/v1\", api_key: k, "
                       "models: [m]}\n",
                       i, i);
        fl_buf_put_cstr(b, line);
    }
    fl_buf_put_cstr(b, "models:\n  chat: {targets: [p1/m], fallback: [p2/m], strategy: priority, "
                       "resume: continue}\n");
    fl_buf_put_cstr(b, limits);
}

/* *workers* 0: those that run take it up. */
static void load(struct scene *s, const char *limits, unsigned workers)
{
    struct fl_buf yaml;
    fl_buf_init(&yaml, 65536);
    put_yaml(&yaml, limits);
    if (workers == 0) {
        rig_reload_file(&s->rig, fl_buf_slice(&yaml));
    } else {
        rig_serve_file(&s->rig, fl_buf_slice(&yaml), workers);
    }
    fl_buf_finish(&yaml);
}

static void open_scene(struct scene *s, const char *limits, unsigned workers)
{
    *s = (struct scene){.clients = 0};
    rig_open(&s->rig, 7);
    rig_exact(&s->rig);
    upstream_open(&s->first, fl_world_sys(s->rig.world, "10.0.1.1"));
    upstream_open(&s->second, fl_world_sys(s->rig.world, "10.0.1.2"));
    s->first.keep_body = s->second.keep_body = true;
    load(s, limits, workers);
    fl_buf_init(&s->says, 65536);
    speech_put_head(&s->says, ANTHROPIC);
    speech_put_text(&s->says, ANTHROPIC, FL_LIT("Hello "));
    speech_put_text(&s->says, ANTHROPIC, FL_LIT("there"));
    (void)speech_put_end(&s->says, ANTHROPIC);
    upstream_say(&s->first, fl_buf_slice(&s->says), UPSTREAM_FIN);
    upstream_say(&s->second, fl_buf_slice(&s->says), UPSTREAM_FIN);
}

static void close_scene(struct scene *s)
{
    rig_stop(&s->rig);
    upstream_close(&s->first);
    upstream_close(&s->second);
    fl_buf_finish(&s->says);
    rig_close(&s->rig);
}

/* One request over a connection of its own; what came of it into *ret_body*. Its status. */
static int call(struct scene *s, const char *method, const char *path, const char *body,
                struct fl_buf *ret_body)
{
    struct fl_simclient *c = rig_client(&s->rig, s->clients++ % rig_clients_max, NULL);
    fl_simclient_request(c, method, path, "", fl_slice_cstr(body));
    rig_settle(&s->rig, c, 60 * FL_NS_S);
    const struct fl_simanswer *a = fl_simclient_answer(c, 0);
    int status = a ? a->status : 0;
    fl_buf_reset(ret_body);
    fl_buf_put(ret_body, a ? fl_buf_slice(&a->body) : FL_EMPTY);
    rig_leave(&s->rig, c);
    return status;
}

/* The text behind the last *before* in *body*, up to a quote. */
static void find(const struct fl_buf *body, const char *before, char *to, size_t cap)
{
    struct fl_slice rest = fl_buf_slice(body);
    size_t at, len = strlen(before);
    *to = '\0';
    while ((at = fl_slice_find_text(rest, fl_slice_cstr(before))) < rest.len) {
        rest = fl_slice_from(rest, at + len);
        struct fl_slice text = fl_slice_first(rest, fl_slice_find(rest, '"'));
        (void)snprintf(to, cap, "%.*s", (int)text.len, text.ptr);
    }
}

#define ASK_FIRST "{\"model\":\"chat\",\"stream\":true,\"input\":\"Say hello\"}"

/* The id of a first response. */
static void first(struct scene *s, const char *ask, char id[64])
{
    struct fl_buf body;
    fl_buf_init(&body, 1 << 20);
    rig_equal(&s->rig, call(s, "POST", "/v1/responses", ask, &body), 200);
    find(&body, "\"response\":{\"id\":\"", id, 64);
    rig_check(&s->rig, strncmp(id, "resp_fl_", 8) == 0);
    fl_buf_finish(&body);
}

static int go_on(struct scene *s, const char *id, struct fl_buf *ret_body)
{
    char ask[300];
    (void)snprintf(
        ask, sizeof(ask),
        "{\"model\":\"chat\",\"stream\":true,\"previous_response_id\":\"%s\",\"input\":\"And on\"}",
        id);
    return call(s, "POST", "/v1/responses", ask, ret_body);
}

static void it_is_found_over_any_worker_and_after_a_reload(void **state)
{
    struct scene s;
    struct fl_buf body;
    char id[64];
    (void)state;
    fl_buf_init(&body, 1 << 20);
    open_scene(&s, "", 2);
    first(&s, ASK_FIRST, id);
    for (unsigned i = 0; i < 8; i++) {
        rig_say(&s.rig, "%u", i);
        rig_equal(&s.rig, go_on(&s, id, &body), 200);
        struct fl_slice sent = fl_buf_slice(&s.first.body);
        rig_check(&s.rig, rig_has(sent, "Say hello") && rig_has(sent, "Hello there") &&
                              rig_has(sent, "And on"));
        rig_check(&s.rig,
                  rig_has(fl_buf_slice(&body), id)); /* the response it went on from is told */
        find(&body, "\"response\":{\"id\":\"", id, sizeof(id));
        if (i == 4) {
            load(&s, "limits: {event: 2MiB}\n", 0);
        }
    }
    const struct fl_worker_stats all = rig_stats(&s.rig);
    struct fl_worker_stats one;
    fl_worker_read(s.rig.workers[0], &one);
    rig_check(&s.rig, one.exchanges > 0 && one.exchanges < all.exchanges); /* both had some */
    close_scene(&s);
    fl_buf_finish(&body);
}

static void it_is_forgotten_in_time_and_when_switched_off(void **state)
{
    struct scene s;
    struct fl_buf body;
    char id[64];
    (void)state;
    fl_buf_init(&body, 1 << 20);
    open_scene(&s, "limits: {responses_age: 10m}\n", 2);
    first(&s, ASK_FIRST, id);
    fl_world_run_for(s.rig.world, 590 * FL_NS_S);
    rig_equal(&s.rig, go_on(&s, id, &body), 200);
    fl_world_run_for(s.rig.world, 590 * FL_NS_S); /* since its last use */
    rig_equal(&s.rig, go_on(&s, id, &body), 200);
    fl_world_run_for(s.rig.world, 610 * FL_NS_S);
    unsigned asked = s.first.requests;
    rig_equal(&s.rig, go_on(&s, id, &body), 404);
    rig_check(&s.rig, rig_has(fl_buf_slice(&body), "previous_response_not_found"));
    rig_check(&s.rig, rig_has(fl_buf_slice(&body), "600 s"));
    rig_equal(&s.rig, s.first.requests, asked);
    first(&s, ASK_FIRST, id);
    load(&s, "limits: {responses: 0}\n", 0);
    rig_equal(&s.rig, go_on(&s, id, &body), 404);
    rig_check(&s.rig, rig_has(fl_buf_slice(&body), "limits.responses is 0"));
    close_scene(&s);
    fl_buf_finish(&body);
}

static void nothing_is_kept_that_is_not_to_be(void **state)
{
    static const struct {
        const char *ask;
        unsigned kept;
    } rows[] = {
        {"{\"model\":\"chat\",\"stream\":true,\"store\":false,\"input\":\"Hi\"}", 0},
        {"{\"model\":\"chat\",\"stream\":true,\"store\":true,\"input\":\"Hi\"}", 1},
        {"{\"model\":\"chat\",\"stream\":true,\"store\":null,\"input\":\"Hi\"}", 1},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct scene s;
        char id[64];
        open_scene(&s, "", 2);
        rig_say(&s.rig, "%s", rows[i].ask);
        first(&s, rows[i].ask, id);
        rig_equal(&s.rig, fl_memory_stats(s.rig.memory).entries, rows[i].kept);
        close_scene(&s);
    }
}

/* A first provider that breaks off: nothing is kept of its answer alone, all of it once another has gone on. */
static void a_continued_stream_is_kept_whole(void **state)
{
    struct scene s;
    struct fl_buf body, begin;
    char id[64], path[120];
    (void)state;
    fl_buf_init(&body, 1 << 20);
    fl_buf_init(&begin, 65536);
    open_scene(&s, "", 2);
    speech_put_head(&begin, ANTHROPIC);
    speech_put_text(&begin, ANTHROPIC, FL_LIT("Hello "));
    upstream_say(&s.first, fl_buf_slice(&begin), UPSTREAM_RESET);
    first(&s, ASK_FIRST, id);
    rig_equal(&s.rig, s.second.requests, 1);
    (void)snprintf(path, sizeof(path), "/v1/responses/%s", id);
    rig_equal(&s.rig, call(&s, "GET", path, "", &body), 200);
    rig_check(&s.rig, rig_has(fl_buf_slice(&body), "\"status\":\"completed\""));
    rig_check(&s.rig, rig_has(fl_buf_slice(&body), "Hello there"));
    (void)snprintf(path, sizeof(path), "/v1/responses/%s/input_items", id);
    rig_equal(&s.rig, call(&s, "GET", path, "", &body), 200);
    rig_check(&s.rig, rig_has(fl_buf_slice(&body), "Say hello"));
    upstream_say(&s.second, fl_buf_slice(&begin), UPSTREAM_RESET); /* both break off */
    unsigned kept = fl_memory_stats(s.rig.memory).entries;
    (void)call(&s, "POST", "/v1/responses", ASK_FIRST, &body);
    rig_equal(&s.rig, fl_memory_stats(s.rig.memory).entries, kept);
    close_scene(&s);
    fl_buf_finish(&body);
    fl_buf_finish(&begin);
}

static void without_memory_nothing_breaks(void **state)
{
    struct scene s;
    struct fl_buf body;
    char id[64];
    unsigned refused = 0, whole = 0, n = 1;
    (void)state;
    fl_buf_init(&body, 1 << 20);
    open_scene(&s, "", 1);
    first(&s, ASK_FIRST, id);
    fl_world_on_note(s.rig.world, on_note, NULL);
    fl_world_on_step(s.rig.world, on_step, &s.rig);
    for (bool failed = true; failed; n++) {
        rig_say(&s.rig, "allocation %u fails", n);
        heap.left = n;
        int status = go_on(&s, id, &body);
        failed = heap.left == 0;
        heap.left = 0;
        bool complete = rig_has(fl_buf_slice(&body), "event: response.completed");
        whole += status == 200 && complete;
        refused += !complete;
        rig_check(&s.rig, failed || complete);
    }
    heap.in_server = false;
    rig_check(&s.rig, n > 10 && refused > 5 && whole >= 1);
    rig_equal(&s.rig, go_on(&s, id, &body), 200);
    close_scene(&s);
    fl_buf_finish(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_found_over_any_worker_and_after_a_reload),
        cmocka_unit_test(it_is_forgotten_in_time_and_when_switched_off),
        cmocka_unit_test(nothing_is_kept_that_is_not_to_be),
        cmocka_unit_test(a_continued_stream_is_kept_whole),
        cmocka_unit_test(without_memory_nothing_breaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client whose connection breaks comes back for the rest of its stream (Last-Event-ID): cut behind every byte, on
 * two workers; several times; after the end; in place of a connection that only seems alive. And who does not come
 * back, comes too late, or for somebody else's stream.
 */
#include "sim/rig.h"
#include "sim/upstream.h"

#include "codec/sse.h"

#include <stdio.h>

#define MS(n) ((n)*FL_NS_MS)

enum { words = 6, parts_max = 64 };

struct scene {
    struct rig rig;
    struct upstream first, second;
    struct fl_buf head, event[words], finish, done, flood;
    struct upstream_part parts[parts_max];
    struct upstream_answer answer;
    struct fl_buf uncut; /* the data of all events, each with an LF */
    uint64_t gap_ns;     /* between the words */
};

/* What a client has had of a stream so far, over all its connections. */
struct story {
    struct fl_buf data; /* as uncut */
    char token[40], last[64]; /* of the last event's id */
    uint64_t next;
    unsigned unnumbered; /* events without an id */
    bool done;           /* its end was heard */
};

/* --- the stream --- */

/* The words with so long a pause before each. */
static void say_slowly(struct scene *s, uint64_t gap_ns)
{
    unsigned n = 0;
    s->gap_ns = gap_ns;
    s->parts[n++] = (struct upstream_part){.bytes = fl_buf_slice(&s->head)};
    for (unsigned i = 0; i < words; i++) {
        s->parts[n++] = (struct upstream_part){.bytes = fl_buf_slice(&s->event[i]), .wait_ns = gap_ns};
    }
    s->parts[n++] = (struct upstream_part){.bytes = fl_buf_slice(&s->finish), .wait_ns = gap_ns};
    s->parts[n++] = (struct upstream_part){.bytes = fl_buf_slice(&s->done)};
    s->answer = (struct upstream_answer){s->parts, n, UPSTREAM_FIN};
    upstream_plan(&s->first, &s->answer, 1);
}

static void note_data(struct fl_buf *b, const struct fl_sse_event *event)
{
    fl_buf_put(b, event->data);
    fl_buf_putc(b, '\n');
}

static void open_scene(struct scene *s, const char *what, const char *more, unsigned workers)
{
    static const char *const text[words] = {"Where ", "were ", "we, ", "\"id: 9\"", "\n", "friend?"};
    const struct rig_setup setup = {.providers = 2, .more = more};
    *s = (struct scene){0};
    rig_open(&s->rig, 1);
    rig_exact(&s->rig);
    rig_say(&s->rig, "%s", what);
    upstream_open(&s->first, fl_world_sys(s->rig.world, "10.0.1.1"));
    upstream_open(&s->second, fl_world_sys(s->rig.world, "10.0.1.2"));
    struct fl_buf *all[] = {&s->head, &s->finish, &s->done, &s->flood, &s->uncut};
    for (unsigned i = 0; i < sizeof(all) / sizeof(*all); i++) {
        fl_buf_init(all[i], 8 << 20);
    }
    put_stream_head(&s->head, BY_CLOSE);
    for (unsigned i = 0; i < words; i++) {
        fl_buf_init(&s->event[i], 4096);
        put_delta(&s->event[i], text[i]);
    }
    put_finish(&s->finish);
    fl_buf_put_cstr(&s->done, "data: [DONE]\n\n");
    for (unsigned i = 0; i < words + 2; i++) {
        struct fl_sse sse = {0};
        struct fl_sse_event event;
        const struct fl_buf *b = i < words ? &s->event[i] : i == words ? &s->finish : &s->done;
        assert_int_equal(fl_sse_next(&sse, fl_buf_slice(b), false, 4096, NULL, &event), FL_OK);
        note_data(&s->uncut, &event);
    }
    say_slowly(s, MS(50));
    rig_serve(&s->rig, &setup, workers);
}

static void close_scene(struct scene *s)
{
    rig_check(&s->rig, fl_world_run_until(s->rig.world, rig_idle, &s->rig, 100 * FL_NS_S));
    fl_world_run_for(s->rig.world, 70 * FL_NS_S);
    rig_equal(&s->rig, fl_replays_count(s->rig.replays), 0);
    rig_equal(&s->rig, fl_replays_bytes(s->rig.replays), 0);
    rig_equal(&s->rig, fl_world_connections(s->rig.world), 0);
    rig_stop(&s->rig);
    upstream_close(&s->first);
    upstream_close(&s->second);
    struct fl_buf *all[] = {&s->head, &s->finish, &s->done, &s->flood, &s->uncut};
    for (unsigned i = 0; i < sizeof(all) / sizeof(*all); i++) {
        fl_buf_finish(all[i]);
    }
    for (unsigned i = 0; i < words; i++) {
        fl_buf_finish(&s->event[i]);
    }
    rig_close(&s->rig);
}

/* --- a client's story --- */

static void story_open(struct story *t)
{
    *t = (struct story){.next = 1};
    fl_buf_init(&t->data, 8 << 20);
}

/* Its id is the next one, of the same stream, and stands first. */
static void note_id(struct scene *s, struct story *t, const struct fl_sse_event *event)
{
    struct fl_slice line = fl_slice_first(event->raw, fl_slice_find(event->raw, '\n'));
    if (!fl_slice_starts(line, FL_LIT("id: "))) {
        t->unnumbered++;
        return;
    }
    struct fl_slice id = fl_slice_from(line, 4);
    size_t dot = fl_slice_find(id, '.');
    uint64_t n = 0;
    rig_check(&s->rig, dot == 32 && fl_slice_u64(fl_slice_from(id, dot + 1), &n));
    rig_equal(&s->rig, n, t->next);
    t->next++;
    if (t->token[0]) {
        rig_check(&s->rig, fl_slice_eq(fl_slice_first(id, dot), fl_slice_cstr(t->token)));
    }
    (void)snprintf(t->token, sizeof(t->token), "%.*s", (int)dot, id.ptr);
    (void)snprintf(t->last, sizeof(t->last), "%.*s", (int)id.len, id.ptr);
    struct fl_slice rest = fl_slice_from(event->raw, line.len + 1);
    rig_check(&s->rig, !fl_slice_starts(rest, FL_LIT("id")) && !rig_has(rest, "\nid"));
}

/* The whole events of an answer. */
static void story_goes_on(struct scene *s, struct story *t, const struct fl_simanswer *a)
{
    struct fl_sse sse = {0};
    struct fl_sse_event event;
    struct fl_slice rest = fl_buf_slice(&a->body);
    while (a->status == 200 && fl_sse_next(&sse, rest, false, 8 << 20, NULL, &event) == FL_OK && event.raw.len > 0) {
        if (event.data_lines > 0) {
            note_id(s, t, &event);
            note_data(&t->data, &event);
            rig_check(&s->rig, !t->done);
            t->done = fl_slice_eq(event.data, FL_LIT("[DONE]"));
        }
        rest = fl_slice_from(rest, event.raw.len);
    }
}

static void story_is_whole(struct scene *s, struct story *t)
{
    rig_equal(&s->rig, t->unnumbered, 0);
    if (!fl_slice_eq(fl_buf_slice(&t->data), fl_buf_slice(&s->uncut))) {
        print_error("case '%s': not what was sent:\n%.*s\n", s->rig.what, (int)t->data.len, t->data.ptr);
        fail();
    }
    fl_buf_finish(&t->data);
}

/* --- asking --- */

/* Comes back for what is behind *id*. */
static struct fl_simclient *come_back(struct scene *s, unsigned index, const char *id, bool get,
                                      const struct fl_simclient_options *options)
{
    char header[160];
    struct fl_simclient *c = rig_client(&s->rig, index, options);
    (void)snprintf(header, sizeof(header), "last-event-id: %s\r\n", id);
    fl_simclient_request(c, get ? "GET" : "POST", "/v1/chat/completions", header, FL_EMPTY);
    return c;
}

static void leave(struct scene *s, struct fl_simclient *c)
{
    rig_equal(&s->rig, fl_simclient_surplus(c), 0);
    fl_simclient_destroy(c);
}

/* A client that goes away when it has received so many bytes. */
static struct fl_simclient *leaving(struct scene *s, uint64_t received, enum fl_close how)
{
    struct fl_simclient_options o = fl_simclient_options("10.0.0.1", 80);
    o.abort_received = received;
    o.abort_how = how;
    struct fl_simclient *c = rig_client(&s->rig, 0, &o);
    rig_post(c, 1, true, "");
    return c;
}

/* A client that goes away behind the second word. */
static struct fl_simclient *leaving_early(struct scene *s, enum fl_close how)
{
    struct fl_simclient_options o = fl_simclient_options("10.0.0.1", 80);
    o.abort_ns = 2 * s->gap_ns + MS(20);
    o.abort_how = how;
    struct fl_simclient *c = rig_client(&s->rig, 0, &o);
    rig_post(c, 1, true, "");
    return c;
}

/* Its story until it left, some time later. */
static void hear(struct scene *s, struct story *t, struct fl_simclient *c, uint64_t later_ns)
{
    rig_settle(&s->rig, c, 100 * FL_NS_S);
    story_goes_on(s, t, fl_simclient_answer(c, 0));
    leave(s, c);
    fl_world_run_for(s->rig.world, later_ns);
}

/* The rest of the story, to its proper end. */
static void hear_rest(struct scene *s, struct story *t, struct fl_simclient *c)
{
    rig_settle(&s->rig, c, 100 * FL_NS_S);
    const struct fl_simanswer *a = fl_simclient_answer(c, 0);
    rig_equal(&s->rig, a->status, 200);
    rig_check(&s->rig, a->complete);
    rig_check(&s->rig, fl_simanswer_header(a, "x-fairlead-replayed").len > 0);
    rig_check(&s->rig, !fl_slice_eq(fl_simanswer_header(a, "x-fairlead-replayed"),
                                    fl_simanswer_header(a, "x-request-id")));
    story_goes_on(s, t, a);
    rig_check(&s->rig, t->done);
    leave(s, c);
}

#define ON "routing: {replay: on}\nlimits: {upstream_idle: 1s}\n"

/* --- coming back --- */

/* Bytes of an answer that nobody cuts. */
static uint64_t whole_bytes(struct scene *s)
{
    struct story t;
    struct fl_simclient *c = rig_client(&s->rig, 0, NULL);
    story_open(&t);
    rig_post(c, 1, true, "");
    rig_settle(&s->rig, c, 100 * FL_NS_S);
    story_goes_on(s, &t, fl_simclient_answer(c, 0));
    uint64_t bytes = fl_simclient_received(c);
    leave(s, c);
    story_is_whole(s, &t);
    return bytes;
}

/* One cut; true: it could come back. */
static bool cut_at(struct scene *s, uint64_t at)
{
    struct story t;
    struct fl_target_view before = rig_target(&s->rig, "p0/m"), after;
    unsigned requests = s->first.requests;
    story_open(&t);
    hear(s, &t, leaving(s, at, at % 2 ? FL_CLOSE_RESET : FL_CLOSE_NOW), MS(at % 97));
    bool back = t.last[0] != '\0';
    if (t.done) { /* only the chunk after the last one was missing */
        back = false;
        fl_buf_finish(&t.data);
    } else if (back) {
        hear_rest(s, &t, come_back(s, 1, t.last, at % 3 == 0, NULL));
        story_is_whole(s, &t);
    } else {
        fl_buf_finish(&t.data);
    }
    rig_check(&s->rig, fl_world_run_until(s->rig.world, rig_idle, &s->rig, 40 * FL_NS_S));
    after = rig_target(&s->rig, "p0/m");
    rig_equal(&s->rig, s->first.requests, requests + 1); /* asked once, and counted once */
    rig_equal(&s->rig, after.begun, before.begun + 1);
    if (back) {
        rig_equal(&s->rig, after.succeeded, before.succeeded + 1);
    }
    return back;
}

static void a_stream_cut_at_every_byte_is_read_whole(void **state)
{
    (void)state;
    for (unsigned slow = 0; slow < 2; slow++) {
        struct scene s;
        unsigned back = 0;
        open_scene(&s, "every byte", ON, 2);
        say_slowly(&s, slow ? MS(30) : 0);
        uint64_t bytes = whole_bytes(&s);
        for (uint64_t at = 0; at <= bytes; at++) {
            rig_say(&s.rig, "%s, cut after byte %llu", slow ? "slow" : "at once", (unsigned long long)at);
            back += cut_at(&s, at);
        }
        rig_check(&s.rig, back > bytes / 2);
        for (unsigned i = 0; i < 2; i++) { /* on either worker */
            struct fl_worker_stats stats;
            fl_worker_read(s.rig.workers[i], &stats);
            rig_check(&s.rig, stats.exchanges > bytes / 2);
        }
        close_scene(&s);
    }
}

static void a_client_comes_back_several_times(void **state)
{
    struct scene s;
    struct story t;
    (void)state;
    open_scene(&s, "several times", ON, 2);
    say_slowly(&s, MS(200));
    story_open(&t);
    hear(&s, &t, leaving_early(&s, FL_CLOSE_RESET), MS(10));
    unsigned times = 0;
    while (!t.done && times < 50) { /* each sees about an event beyond the head */
        struct fl_simclient_options o = fl_simclient_options("10.0.0.1", 80);
        o.abort_received = 520;
        struct fl_simclient *c = come_back(&s, 1 + times % 8, t.last, times % 2, &o);
        rig_settle(&s.rig, c, 100 * FL_NS_S);
        story_goes_on(&s, &t, fl_simclient_answer(c, 0));
        leave(&s, c);
        times++;
    }
    rig_check(&s.rig, t.done && times > 3);
    story_is_whole(&s, &t);
    rig_equal(&s.rig, s.first.requests, 1);
    close_scene(&s);
}

static void its_end_is_kept_for_the_grace_period(void **state)
{
    struct scene s;
    struct story t;
    (void)state;
    open_scene(&s, "kept", ON, 2);
    say_slowly(&s, MS(20));
    story_open(&t);
    hear(&s, &t, leaving(&s, FL_NEVER, FL_CLOSE_NOW), 29 * FL_NS_S); /* it had all, and does not know */
    char second[64];
    (void)snprintf(second, sizeof(second), "%s.2", t.token);
    t.next = 3;
    t.done = false;
    fl_buf_reset(&t.data);
    hear_rest(&s, &t, come_back(&s, 1, second, false, NULL));
    rig_equal(&s.rig, t.next, words + 3);
    /* From then on, once more so long. */
    fl_world_run_for(s.rig.world, 29 * FL_NS_S);
    struct fl_simclient *c = come_back(&s, 2, t.last, false, NULL);
    rig_settle(&s.rig, c, FL_NS_S);
    const struct fl_simanswer *a = fl_simclient_answer(c, 0);
    rig_check(&s.rig, a->status == 200 && a->complete && a->body.len == 0);
    leave(&s, c);
    c = come_back(&s, 3, t.last, true, NULL); /* an EventSource stops asking at that */
    rig_settle(&s.rig, c, FL_NS_S);
    rig_equal(&s.rig, fl_simclient_answer(c, 0)->status, 204);
    leave(&s, c);
    fl_world_run_for(s.rig.world, 31 * FL_NS_S);
    rig_equal(&s.rig, fl_replays_bytes(s.rig.replays), 0);
    c = come_back(&s, 4, second, false, NULL);
    rig_settle(&s.rig, c, FL_NS_S);
    rig_check_error(&s.rig, fl_simclient_answer(c, 0), 404, "replay_unknown");
    leave(&s, c);
    fl_buf_finish(&t.data);
    close_scene(&s);
}

/* The query says it where a browser cannot say a header. */
static void the_url_may_say_the_id(void **state)
{
    struct scene s;
    struct story t;
    char path[128];
    (void)state;
    open_scene(&s, "query", ON, 1);
    story_open(&t);
    hear(&s, &t, leaving_early(&s, FL_CLOSE_RESET), 0);
    struct fl_simclient *c = rig_client(&s.rig, 1, NULL);
    (void)snprintf(path, sizeof(path), "/v1/chat/completions?x=1&last_event_id=%s&y", t.last);
    fl_simclient_request(c, "GET", path, "", FL_EMPTY);
    hear_rest(&s, &t, c);
    story_is_whole(&s, &t);
    c = rig_client(&s.rig, 2, NULL);
    fl_simclient_request(c, "GET", "/v1/chat/completions?last_event_i=1", "", FL_EMPTY);
    rig_settle(&s.rig, c, FL_NS_S);
    rig_check_error(&s.rig, fl_simclient_answer(c, 0), 405, "caller_method_not_allowed");
    leave(&s, c);
    close_scene(&s);
}

/* --- who stays away --- */

static void without_a_client_the_provider_is_cancelled_after_the_grace_period(void **state)
{
    struct scene s;
    struct story t;
    (void)state;
    open_scene(&s, "nobody comes", "routing: {replay: on}\nlimits: {replay_grace: 2s, upstream_idle: 1s}\n", 2);
    say_slowly(&s, MS(1000));
    story_open(&t);
    struct fl_simclient *c = leaving_early(&s, FL_CLOSE_RESET);
    rig_settle(&s.rig, c, 100 * FL_NS_S);
    uint64_t left_ns = fl_simclient_answer(c, 0)->end_ns;
    story_goes_on(&s, &t, fl_simclient_answer(c, 0));
    leave(&s, c);
    rig_check(&s.rig, t.last[0] != '\0');
    rig_check(&s.rig, fl_world_run_until(s.rig.world, rig_idle, &s.rig, 5 * FL_NS_S));
    rig_equal(&s.rig, fl_world_now(s.rig.world), left_ns + MS(1 + 2000)); /* the RST takes one */
    fl_world_run_for(s.rig.world, MS(5));
    rig_equal(&s.rig, s.first.cancelled, 1);
    rig_equal(&s.rig, s.first.left_ns, left_ns + MS(1 + 2000 + 1));
    rig_equal(&s.rig, rig_stats(&s.rig).cancelled, 1);
    rig_equal(&s.rig, fl_replays_count(s.rig.replays), 0);
    c = come_back(&s, 1, t.last, false, NULL);
    rig_settle(&s.rig, c, FL_NS_S);
    rig_check_error(&s.rig, fl_simclient_answer(c, 0), 404, "replay_unknown");
    leave(&s, c);
    fl_buf_finish(&t.data);
    close_scene(&s);
}

/* Each time that it leaves, the grace period begins anew. */
static void coming_back_begins_the_grace_period_anew(void **state)
{
    struct scene s;
    struct story t;
    (void)state;
    open_scene(&s, "anew", "routing: {replay: on}\nlimits: {replay_grace: 2s, upstream_idle: 1s}\n", 2);
    say_slowly(&s, MS(1500));
    story_open(&t);
    hear(&s, &t, leaving_early(&s, FL_CLOSE_RESET), MS(1900));
    for (unsigned i = 0; i < 3; i++) {
        struct fl_simclient_options o = fl_simclient_options("10.0.0.1", 80);
        o.abort_ns = MS(20);
        hear(&s, &t, come_back(&s, 1 + i, t.last, false, &o), MS(1900));
    }
    hear_rest(&s, &t, come_back(&s, 5, t.last, false, NULL));
    story_is_whole(&s, &t);
    close_scene(&s);
}

static void without_the_wish_a_client_that_leaves_cancels_at_once(void **state)
{
    static const struct {
        const char *more, *header;
        bool on;
    } cases[] = {
        {"limits: {upstream_idle: 1s}\n", "", false},
        {"limits: {upstream_idle: 1s}\n", "x-fairlead-replay: on\r\n", true},
        {"limits: {upstream_idle: 1s}\n", "x-fairlead-replay: off\r\n", false},
        {ON, "", true},
        {ON, "x-fairlead-replay: off\r\n", false},
        {"routing: {replay: on}\nlimits: {replay: 0, upstream_idle: 1s}\n", "", false},
        {"routing: {replay: on}\nlimits: {replay_total: 0, upstream_idle: 1s}\n", "", false},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct scene s;
        struct story t;
        struct fl_simclient_options o = fl_simclient_options("10.0.0.1", 80);
        char what[40];
        (void)snprintf(what, sizeof(what), "wish %u", i);
        open_scene(&s, what, cases[i].more, 1);
        say_slowly(&s, MS(50));
        o.abort_ns = MS(200);
        struct fl_simclient *c = rig_client(&s.rig, 0, &o);
        rig_post(c, 1, true, cases[i].header);
        story_open(&t);
        hear(&s, &t, c, MS(10));
        rig_check(&s.rig, t.unnumbered + (t.next - 1) >= 2);
        rig_equal(&s.rig, t.unnumbered == 0, cases[i].on);
        rig_equal(&s.rig, s.first.cancelled, cases[i].on ? 0 : 1);
        rig_equal(&s.rig, rig_idle(&s.rig), !cases[i].on);
        fl_buf_finish(&t.data);
        close_scene(&s);
    }
}

static void a_wish_that_means_nothing_is_refused(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, "wish", ON, 1);
    struct fl_simclient *c = rig_client(&s.rig, 0, NULL);
    rig_post(c, 1, true, "x-fairlead-replay: yes\r\n");
    rig_settle(&s.rig, c, FL_NS_S);
    rig_check_error(&s.rig, fl_simclient_answer(c, 0), 400, "caller_invalid_request");
    leave(&s, c);
    close_scene(&s);
}

/* --- refusals --- */

static void refused(struct scene *s, const char *method, const char *path, const char *headers, int status,
                    const char *code)
{
    struct fl_simclient *c = rig_client(&s->rig, 2, NULL);
    fl_simclient_request(c, method, path, headers, FL_EMPTY);
    rig_settle(&s->rig, c, FL_NS_S);
    const struct fl_simanswer *a = fl_simclient_answer(c, 0);
    bool ok = a->complete && a->status == status && rig_has(fl_buf_slice(&a->body), code);
    if (!ok) {
        print_error("%s %s %s: wanted %d %s, got %d %.*s\n", method, path, headers, status, code, a->status,
                    (int)a->body.len, a->body.ptr ? a->body.ptr : "");
        fail();
    }
    leave(s, c);
}

static void what_cannot_be_come_back_for_says_why(void **state)
{
    struct scene s;
    struct story t;
    char text[200];
    const char *chat = "/v1/chat/completions";
    (void)state;
    open_scene(&s, "refusals",
               "keys: [{name: a, key: sk-a-0123456789ab}, {name: b, key: sk-b-0123456789ab}]\nrouting: {replay: on}\n"
               "limits: {upstream_idle: 1s}\n",
               2);
    struct fl_simclient_options o = fl_simclient_options("10.0.0.1", 80);
    o.abort_received = 1200;
    struct fl_simclient *c = rig_client(&s.rig, 0, &o);
    rig_post(c, 1, true, "authorization: Bearer sk-a-0123456789ab\r\n");
    story_open(&t);
    hear(&s, &t, c, 0);
#define ID(key, format, ...)                                                                       \
    (snprintf(text, sizeof(text), "authorization: Bearer sk-" key "-0123456789ab\r\nlast-event-id: " format "\r\n", __VA_ARGS__), \
     text)
    refused(&s, "POST", chat, ID("b", "%s", t.last), 404, "replay_unknown"); /* somebody else's, as one that is not */
    refused(&s, "POST", "/v1/completions", ID("a", "%s", t.last), 404, "replay_unknown");
    refused(&s, "POST", "/v1/messages", ID("a", "%s", t.last), 404, "\"not_found_error\"");
    refused(&s, "POST", chat, ID("a", "%032d.1", 7), 404, "replay_unknown");
    refused(&s, "POST", chat, ID("c", "%s", t.last), 401, "invalid_api_key");
    refused(&s, "POST", chat, ID("a", "%s.100", t.token), 400, "caller_invalid_request");
    refused(&s, "GET", chat, ID("a", "%s", t.token), 400, "Last-Event-ID");
    refused(&s, "POST", chat, ID("a", "%s.", t.token), 400, "Last-Event-ID");
    refused(&s, "POST", chat, ID("a", "%s.-1", t.token), 400, "Last-Event-ID");
    refused(&s, "POST", chat, ID("a", "%s.1x", t.token), 400, "Last-Event-ID");
    refused(&s, "POST", chat, ID("a", "%s.18446744073709551617", t.token), 400, "Last-Event-ID");
    refused(&s, "POST", chat, ID("a", "%032d%s.1", 1, t.token), 400, "Last-Event-ID");
    refused(&s, "POST", chat, ID("a", "%s", "msg_01"), 400, "Last-Event-ID");
    refused(&s, "DELETE", chat, ID("a", "%s", t.last), 405, "caller_method_not_allowed");
    c = rig_client(&s.rig, 1, NULL);
    fl_simclient_request(c, "POST", chat, ID("a", "%s", t.last), FL_LIT("{\"model\": 7, nonsense"));
    hear_rest(&s, &t, c); /* its body does not matter */
    story_is_whole(&s, &t);
    close_scene(&s);
}

/* --- more than is kept --- */

/* So many events of so many bytes, behind the first words. */
static void say_flood(struct scene *s, unsigned events, size_t bytes, uint64_t gap_ns)
{
    fl_buf_reset(&s->flood);
    char text[2048];
    assert_true(bytes < sizeof(text));
    memset(text, 'x', bytes);
    text[bytes] = '\0';
    put_delta(&s->flood, text);
    s->parts[0] = (struct upstream_part){.bytes = fl_buf_slice(&s->head)};
    s->parts[1] = (struct upstream_part){.bytes = fl_buf_slice(&s->event[0])};
    s->parts[2] = (struct upstream_part){.bytes = fl_buf_slice(&s->flood), .times = events, .wait_ns = gap_ns};
    s->parts[3] = (struct upstream_part){.bytes = fl_buf_slice(&s->finish)};
    s->parts[4] = (struct upstream_part){.bytes = fl_buf_slice(&s->done)};
    s->answer = (struct upstream_answer){s->parts, 5, UPSTREAM_FIN};
    upstream_plan(&s->first, &s->answer, 1);
}

static void what_is_overwritten_is_gone(void **state)
{
    struct scene s;
    struct story t;
    char id[80];
    (void)state;
    open_scene(&s, "overwritten", "routing: {replay: on}\nlimits: {replay: 8KiB, upstream_idle: 1s}\n", 2);
    say_flood(&s, 100, 300, 0);
    story_open(&t);
    hear(&s, &t, leaving(&s, FL_NEVER, FL_CLOSE_NOW), MS(10));
    rig_equal(&s.rig, t.next, 1 + 103);
    (void)snprintf(id, sizeof(id), "last-event-id: %s.50\r\n", t.token);
    refused(&s, "POST", "/v1/chat/completions", id, 410, "replay_overwritten");
    (void)snprintf(id, sizeof(id), "%s.90", t.token);
    t.next = 91;
    t.done = false;
    hear_rest(&s, &t, come_back(&s, 1, id, false, NULL));
    rig_equal(&s.rig, t.next, 1 + 103);
    rig_check(&s.rig, fl_replays_bytes(s.rig.replays) <= 8192);
    fl_buf_finish(&t.data);
    close_scene(&s);
}

/* Nobody reads: the provider is made to wait, and nothing is lost. */
static void a_full_ring_pauses_the_provider(void **state)
{
    struct scene s;
    struct story t;
    (void)state;
    open_scene(&s, "full", "routing: {replay: on}\nlimits: {replay: 16KiB, upstream_idle: 1s}\n", 2);
    say_flood(&s, 3000, 300, MS(1));
    story_open(&t);
    hear(&s, &t, leaving(&s, 2000, FL_CLOSE_RESET), 25 * FL_NS_S);
    /* What has left the provider: the ring's, and the network's windows of 64 KiB. */
    rig_check(&s.rig, s.first.bytes < 16384 + 2 * 65536 + 4096);
    rig_check(&s.rig, fl_replays_bytes(s.rig.replays) <= 2 * 16384);
    hear_rest(&s, &t, come_back(&s, 1, t.last, false, NULL));
    rig_equal(&s.rig, t.unnumbered, 0);
    rig_equal(&s.rig, t.next, 1 + 3003);
    fl_buf_finish(&t.data);
    close_scene(&s);
}

/* Who comes back and reads slowly is waited for as any client is; who reads nothing is cut off, and may come again. */
static void a_slow_reader_holds_the_provider(void **state)
{
    struct scene s;
    struct story t;
    (void)state;
    open_scene(&s, "slow reader",
               "routing: {replay: on, timeouts: {idle: 5s}}\nlimits: {replay: 64KiB, upstream_idle: 1s}\n", 2);
    say_flood(&s, 3000, 300, MS(1));
    story_open(&t);
    hear(&s, &t, leaving(&s, 2000, FL_CLOSE_RESET), 0);
    struct fl_world_link link = fl_world_link(s.rig.world);
    link.down.window_bytes = 4096;
    link.down.bytes_per_s = 20000;
    fl_world_plan(s.rig.world, "10.0.0.1:80", &link, 1);
    struct fl_simclient_options o = fl_simclient_options("10.0.0.1", 80);
    o.abort_ns = 8 * FL_NS_S;
    struct fl_simclient *c = come_back(&s, 1, t.last, false, &o);
    fl_world_run_for(s.rig.world, 7 * FL_NS_S);
    rig_check(&s.rig, s.first.bytes < 7 * 20000 + 65536 + 2 * 65536);
    rig_check(&s.rig, fl_replays_bytes(s.rig.replays) <= 65536 + 65536); /* and what one read gave */
    hear(&s, &t, c, MS(20));
    o.abort_ns = FL_NEVER;
    o.read_bytes = 3000; /* then nothing for good */
    o.read_gap_ns = 1000 * FL_NS_S;
    fl_world_plan(s.rig.world, "10.0.0.1:80", &link, 1);
    c = come_back(&s, 2, t.last, false, &o);
    fl_world_run_for(s.rig.world, 12 * FL_NS_S);
    struct fl_worker_stats stats = rig_stats(&s.rig);
    rig_equal(&s.rig, stats.exchanges_open, 1); /* the stream's own; the reader's was cut off */
    story_goes_on(&s, &t, fl_simclient_answer(c, 0));
    fl_simclient_destroy(c);
    hear_rest(&s, &t, come_back(&s, 3, t.last, false, NULL));
    rig_equal(&s.rig, t.next, 1 + 3003);
    fl_buf_finish(&t.data);
    close_scene(&s);
}

/* --- connections that only seem alive --- */

static void who_comes_back_takes_over_from_a_dead_connection(void **state)
{
    struct scene s;
    struct story t;
    (void)state;
    open_scene(&s, "half open", ON, 2);
    say_slowly(&s, MS(300));
    story_open(&t);
    struct fl_world_link link = fl_world_link(s.rig.world);
    link.down.stall_after = 1200; /* then nothing comes through any more, and nobody learns of it */
    link.down.stall_ns = FL_NEVER;
    fl_world_plan(s.rig.world, "10.0.0.1:80", &link, 1);
    struct fl_simclient *dead = rig_client(&s.rig, 0, NULL);
    rig_post(dead, 1, true, "");
    fl_world_run_for(s.rig.world, MS(900));
    story_goes_on(&s, &t, fl_simclient_answer(dead, 0));
    rig_check(&s.rig, t.last[0] != '\0' && !fl_simclient_settled(dead));
    rig_equal(&s.rig, rig_stats(&s.rig).sessions_open, 1);
    /* One that comes back is taken over from as well. */
    struct fl_simclient_options o = fl_simclient_options("10.0.0.1", 80);
    struct fl_simclient *second = come_back(&s, 1, t.last, false, &o);
    fl_world_run_for(s.rig.world, MS(100));
    struct fl_simclient *third = come_back(&s, 2, t.last, false, NULL);
    fl_world_run_for(s.rig.world, MS(100));
    rig_check(&s.rig, fl_simclient_settled(second)); /* closed */
    rig_check(&s.rig, fl_simclient_answer(second, 0)->err == FL_ERR_RESET);
    rig_equal(&s.rig, rig_stats(&s.rig).exchanges_open, 2); /* the stream's and the third's */
    hear_rest(&s, &t, third);
    story_is_whole(&s, &t);
    leave(&s, second);
    fl_simclient_destroy(dead);
    close_scene(&s);
}

static void a_waiting_reader_gets_heartbeats(void **state)
{
    struct scene s;
    struct story t;
    (void)state;
    open_scene(&s, "heartbeats", "routing: {replay: on}\nlimits: {heartbeat: 1s, upstream_idle: 1s}\n", 2);
    say_slowly(&s, MS(4500));
    story_open(&t);
    hear(&s, &t, leaving_early(&s, FL_CLOSE_RESET), MS(10));
    struct fl_simclient *c = come_back(&s, 1, t.last, false, NULL);
    rig_settle(&s.rig, c, 100 * FL_NS_S);
    const struct fl_simanswer *a = fl_simclient_answer(c, 0);
    unsigned comments = 0;
    for (unsigned i = 0; i < a->event_count; i++) {
        comments += a->events[i].len == 0;
    }
    rig_check(&s.rig, comments >= 4 * (words - 2));
    hear_rest(&s, &t, c);
    story_is_whole(&s, &t);
    close_scene(&s);
}

/* --- how it ends --- */

/* The provider breaks while nobody listens: who comes back hears of it, as the client would have. */
static void a_break_is_told_to_who_comes_back(void **state)
{
    struct scene s;
    struct story t;
    (void)state;
    for (unsigned late = 0; late < 2; late++) {
        open_scene(&s, late ? "broken before" : "broken meanwhile", ON, 2);
        s.answer.part_count = 5;
        s.answer.end = UPSTREAM_RESET;
        story_open(&t);
        hear(&s, &t, leaving_early(&s, FL_CLOSE_RESET), late ? FL_NS_S : 0);
        struct fl_simclient *c = come_back(&s, 1, t.last, false, NULL);
        rig_settle(&s.rig, c, 100 * FL_NS_S);
        const struct fl_simanswer *a = fl_simclient_answer(c, 0);
        rig_check_broken(&s.rig, a, 1, "provider_reset");
        story_goes_on(&s, &t, a);
        rig_equal(&s.rig, t.unnumbered, 0);
        rig_equal(&s.rig, t.next, 1 + 4 + 1);
        leave(&s, c);
        rig_equal(&s.rig, rig_stats(&s.rig).failed, 2);
        fl_buf_finish(&t.data);
        close_scene(&s);
    }
}

/* resume: continue goes on as with a client, and its events are kept as any. */
static void a_stream_is_continued_without_its_client(void **state)
{
    struct scene s;
    struct story t;
    (void)state;
    open_scene(&s, "continued", "routing: {replay: on, resume: continue}\nlimits: {upstream_idle: 1s}\n", 2);
    s.answer.part_count = 4;
    s.answer.end = UPSTREAM_RESET;
    struct fl_buf rest;
    fl_buf_init(&rest, 65536);
    fl_buf_put(&rest, fl_buf_slice(&s.head));
    for (unsigned i = 3; i < words; i++) {
        fl_buf_put(&rest, fl_buf_slice(&s.event[i]));
    }
    fl_buf_put(&rest, fl_buf_slice(&s.finish));
    fl_buf_put(&rest, fl_buf_slice(&s.done));
    upstream_say(&s.second, fl_buf_slice(&rest), UPSTREAM_FIN);
    story_open(&t);
    hear(&s, &t, leaving_early(&s, FL_CLOSE_RESET), FL_NS_S);
    rig_equal(&s.rig, s.second.requests, 1);
    struct fl_simclient *c = come_back(&s, 1, t.last, false, NULL);
    rig_settle(&s.rig, c, FL_NS_S);
    struct fl_buf text;
    fl_buf_init(&text, 65536);
    fl_simanswer_text(fl_simclient_answer(c, 0), &text);
    rig_check(&s.rig, rig_has(fl_buf_slice(&text), "\"id: 9\"\nfriend?"));
    fl_buf_finish(&text);
    hear_rest(&s, &t, c);
    rig_equal(&s.rig, t.unnumbered, 0);
    fl_buf_finish(&t.data);
    fl_buf_finish(&rest);
    close_scene(&s);
}

/* Ids of the provider's own are not the client's to send back, however lines end. */
static void a_providers_own_ids_are_left_out(void **state)
{
    struct scene s;
    struct story t;
    (void)state;
    open_scene(&s, "own ids", ON, 1);
    struct fl_buf says;
    fl_buf_init(&says, 65536);
    fl_buf_put(&says, fl_buf_slice(&s.head));
    fl_buf_put_cstr(&says, "\xef\xbb\xbfid: mine\n");
    for (unsigned i = 0; i < words; i++) {
        struct fl_slice event = fl_buf_slice(&s.event[i]);
        fl_buf_put(&says, fl_slice_first(event, event.len - 2));
        fl_buf_put_cstr(&says, i % 3 == 0 ? "\nid: 7\n\n" : i % 3 == 1 ? "\r\nid: 8\r\n\r\n" : "\rid\r\r");
        fl_buf_put_cstr(&says, i == 2 ? ": a comment\n\n" : i == 4 ? "id: 5\n\n" : "");
    }
    fl_buf_put(&says, fl_buf_slice(&s.finish));
    fl_buf_put_cstr(&says, "data: [DONE]"); /* without its end */
    upstream_say(&s.first, fl_buf_slice(&says), UPSTREAM_FIN);
    uint64_t bytes = whole_bytes(&s);
    for (uint64_t at = bytes / 2; at < bytes; at += 7) {
        story_open(&t);
        hear(&s, &t, leaving(&s, at, FL_CLOSE_NOW), 0);
        hear_rest(&s, &t, come_back(&s, 1, t.last, false, NULL));
        story_is_whole(&s, &t);
    }
    fl_buf_finish(&says);
    close_scene(&s);
}

/* --- shutdown, reload --- */

static void on_drained(void *owner)
{
    ++*(unsigned *)owner;
}

static void a_shutdown_does_not_wait_for_who_cannot_come_back(void **state)
{
    (void)state;
    for (unsigned read = 0; read < 2; read++) {
        struct scene s;
        struct story t;
        unsigned drained = 0;
        open_scene(&s, read ? "drain, read" : "drain, not read", ON, 1);
        say_slowly(&s, MS(500));
        story_open(&t);
        hear(&s, &t, leaving_early(&s, FL_CLOSE_RESET), MS(10));
        struct fl_simclient *c = read ? come_back(&s, 1, t.last, false, NULL) : NULL;
        fl_world_run_for(s.rig.world, MS(10));
        fl_worker_drain(s.rig.workers[0], on_drained, &drained);
        fl_world_run_for(s.rig.world, MS(10));
        rig_equal(&s.rig, drained, read ? 0 : 1);
        rig_equal(&s.rig, rig_idle(&s.rig), read ? 0 : 1);
        if (read) {
            hear_rest(&s, &t, c);
            story_is_whole(&s, &t);
            fl_world_run_for(s.rig.world, FL_NS_S);
            rig_equal(&s.rig, drained, 1);
        } else {
            fl_buf_finish(&t.data);
        }
        close_scene(&s);
    }
}

/* Who leaves during it ends the stream. */
static void a_reader_that_leaves_during_a_shutdown_ends_it(void **state)
{
    struct scene s;
    struct story t;
    unsigned drained = 0;
    (void)state;
    open_scene(&s, "drain, leaves", ON, 1);
    say_slowly(&s, MS(500));
    story_open(&t);
    hear(&s, &t, leaving_early(&s, FL_CLOSE_RESET), MS(10));
    struct fl_simclient_options o = fl_simclient_options("10.0.0.1", 80);
    o.abort_ns = MS(100);
    struct fl_simclient *c = come_back(&s, 1, t.last, false, &o);
    fl_world_run_for(s.rig.world, MS(10));
    fl_worker_drain(s.rig.workers[0], on_drained, &drained);
    hear(&s, &t, c, MS(10));
    rig_equal(&s.rig, drained, 1);
    fl_buf_finish(&t.data);
    close_scene(&s);
}

static void a_reload_does_not_disturb(void **state)
{
    struct scene s;
    struct story t;
    (void)state;
    open_scene(&s, "reload", ON, 2);
    story_open(&t);
    hear(&s, &t, leaving_early(&s, FL_CLOSE_RESET), MS(10));
    rig_reload_file(&s.rig, FL_LIT("listen: \"10.0.0.1:80\"\nauth: {insecure_no_auth: true}\n"
                                   "providers: {other: {type: openai_compatible, api_key: k, models: [m], "
                                   "base_url: \"http://10.0.1.9:80/v1\", health: {enabled: false}}}\n"));
    fl_world_run_for(s.rig.world, MS(10));
    hear_rest(&s, &t, come_back(&s, 1, t.last, false, NULL));
    story_is_whole(&s, &t);
    close_scene(&s);
}

/* A worker that is destroyed with all that is under way. */
static void the_end_of_a_worker_is_the_end_of_its_streams(void **state)
{
    (void)state;
    for (unsigned read = 0; read < 2; read++) {
        struct scene s;
        struct story t;
        open_scene(&s, "destroyed", ON, 2);
        say_slowly(&s, MS(500));
        story_open(&t);
        hear(&s, &t, leaving_early(&s, FL_CLOSE_RESET), MS(10));
        struct fl_simclient *c = read ? come_back(&s, 1, t.last, false, NULL) : NULL;
        fl_world_run_for(s.rig.world, MS(10));
        rig_stop(&s.rig);
        rig_equal(&s.rig, fl_replays_count(s.rig.replays), 0);
        s.rig.worker_count = 0;
        fl_simclient_destroy(c);
        fl_buf_finish(&t.data);
        close_scene(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_cut_at_every_byte_is_read_whole),
        cmocka_unit_test(a_client_comes_back_several_times),
        cmocka_unit_test(its_end_is_kept_for_the_grace_period),
        cmocka_unit_test(the_url_may_say_the_id),
        cmocka_unit_test(without_a_client_the_provider_is_cancelled_after_the_grace_period),
        cmocka_unit_test(coming_back_begins_the_grace_period_anew),
        cmocka_unit_test(without_the_wish_a_client_that_leaves_cancels_at_once),
        cmocka_unit_test(a_wish_that_means_nothing_is_refused),
        cmocka_unit_test(what_cannot_be_come_back_for_says_why),
        cmocka_unit_test(what_is_overwritten_is_gone),
        cmocka_unit_test(a_full_ring_pauses_the_provider),
        cmocka_unit_test(a_slow_reader_holds_the_provider),
        cmocka_unit_test(who_comes_back_takes_over_from_a_dead_connection),
        cmocka_unit_test(a_waiting_reader_gets_heartbeats),
        cmocka_unit_test(a_break_is_told_to_who_comes_back),
        cmocka_unit_test(a_stream_is_continued_without_its_client),
        cmocka_unit_test(a_providers_own_ids_are_left_out),
        cmocka_unit_test(a_shutdown_does_not_wait_for_who_cannot_come_back),
        cmocka_unit_test(a_reader_that_leaves_during_a_shutdown_ends_it),
        cmocka_unit_test(a_reload_does_not_disturb),
        cmocka_unit_test(the_end_of_a_worker_is_the_end_of_its_streams),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

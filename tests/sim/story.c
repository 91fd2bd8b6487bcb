/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/story.h"

#include "codec/sse.h"

#include <stdio.h>

/* --- the stream --- */

/* The words with so long a pause before each. */
void say_slowly(struct scene *s, uint64_t gap_ns)
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

void open_scene(struct scene *s, const char *what, const char *more, unsigned workers)
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
    for (unsigned i = 0; i < 5; i++) {
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

void close_scene(struct scene *s)
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
    for (unsigned i = 0; i < 5; i++) {
        fl_buf_finish(all[i]);
    }
    for (unsigned i = 0; i < words; i++) {
        fl_buf_finish(&s->event[i]);
    }
    rig_close(&s->rig);
}

/* --- a client's story --- */

void story_open(struct story *t)
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
void story_goes_on(struct scene *s, struct story *t, const struct fl_simanswer *a)
{
    struct fl_sse sse = {0};
    struct fl_sse_event event;
    struct fl_slice rest = fl_buf_slice(&a->body);
    while (a->status == 200 && fl_sse_next(&sse, rest, false, 8 << 20, NULL, &event) == FL_OK &&
           event.raw.len > 0) {
        if (event.data_lines > 0) {
            note_id(s, t, &event);
            note_data(&t->data, &event);
            rig_check(&s->rig, !t->done);
            t->done = fl_slice_eq(event.data, FL_LIT("[DONE]"));
        }
        rest = fl_slice_from(rest, event.raw.len);
    }
}

void story_is_whole(struct scene *s, struct story *t)
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
struct fl_simclient *come_back(struct scene *s, unsigned index, const char *id, bool get,
                                      const struct fl_simclient_options *options)
{
    char header[160];
    struct fl_simclient *c = rig_client(&s->rig, index, options);
    (void)snprintf(header, sizeof(header), "last-event-id: %s\r\n", id);
    fl_simclient_request(c, get ? "GET" : "POST", "/v1/chat/completions", header, FL_EMPTY);
    return c;
}

void leave(struct scene *s, struct fl_simclient *c)
{
    rig_equal(&s->rig, fl_simclient_surplus(c), 0);
    fl_simclient_destroy(c);
}

/* A client that goes away when it has received so many bytes. */
struct fl_simclient *leaving(struct scene *s, uint64_t received, enum fl_close how)
{
    struct fl_simclient_options o = fl_simclient_options("10.0.0.1", 80);
    o.abort_received = received;
    o.abort_how = how;
    struct fl_simclient *c = rig_client(&s->rig, 0, &o);
    rig_post(c, 1, true, "");
    return c;
}

/* A client that goes away behind the second word. */
struct fl_simclient *leaving_early(struct scene *s, enum fl_close how)
{
    struct fl_simclient_options o = fl_simclient_options("10.0.0.1", 80);
    o.abort_ns = 2 * s->gap_ns + MS(20);
    o.abort_how = how;
    struct fl_simclient *c = rig_client(&s->rig, 0, &o);
    rig_post(c, 1, true, "");
    return c;
}

/* Its story until it left, some time later. */
void hear(struct scene *s, struct story *t, struct fl_simclient *c, uint64_t later_ns)
{
    rig_settle(&s->rig, c, 100 * FL_NS_S);
    story_goes_on(s, t, fl_simclient_answer(c, 0));
    leave(s, c);
    fl_world_run_for(s->rig.world, later_ns);
}

/* The rest of the story, to its proper end. */
void hear_rest(struct scene *s, struct story *t, struct fl_simclient *c)
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

void refused(struct scene *s, const char *method, const char *path, const char *headers, int status,
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

/* So many events of so many bytes, behind the first words. */
void say_flood(struct scene *s, unsigned events, size_t bytes, uint64_t gap_ns)
{
    fl_buf_reset(&s->flood);
    char text[2048];
    assert_true(bytes < sizeof(text));
    memset(text, 'x', bytes);
    text[bytes] = '\0';
    put_delta(&s->flood, text);
    s->parts[0] = (struct upstream_part){.bytes = fl_buf_slice(&s->head)};
    s->parts[1] = (struct upstream_part){.bytes = fl_buf_slice(&s->event[0])};
    s->parts[2] =
        (struct upstream_part){.bytes = fl_buf_slice(&s->flood), .times = events, .wait_ns = gap_ns};
    s->parts[3] = (struct upstream_part){.bytes = fl_buf_slice(&s->finish)};
    s->parts[4] = (struct upstream_part){.bytes = fl_buf_slice(&s->done)};
    s->answer = (struct upstream_answer){s->parts, 5, UPSTREAM_FIN};
    upstream_plan(&s->first, &s->answer, 1);
}

uint64_t whole_bytes(struct scene *s)
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

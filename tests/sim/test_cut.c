/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connection to a provider is cut - by RST and by FIN - behind every byte of an answer: whole
 * answers in each framing HTTP/1.1 has, and streams. As long as nothing was sent on, the second
 * provider answers, or the client reads why none did; afterwards it sees an end that no client
 * takes for a proper one.
 */
#include "sim/rig.h"
#include "sim/upstream.h"

#define FIRST  "first light over the harbour"
#define SECOND "second thoughts"

/* An answer, and at which of its bytes things change for the client. */
struct shape {
    const char *name;
    struct fl_buf bytes;
    bool stream;
    enum upstream_framing framing;
    size_t body;   /* first byte of the body, where it can be sent on without being whole */
    size_t finish; /* from here on a FIN is a proper end, when the framing says nothing */
    size_t whole;  /* from here on nothing is missing */
};

struct cut {
    const struct shape *shape;
    bool reset, second;
    int minor;
    bool passing; /* plain answers are not held (limits.response_hold: 0) */
    size_t at;
};

static struct fl_buf second_plain, second_stream;

static void make_plain(struct shape *s, const char *name, enum upstream_framing framing)
{
    *s = (struct shape){.name = name, .framing = framing};
    fl_buf_init(&s->bytes, 65536);
    put_plain(&s->bytes, framing, FIRST);
    s->body = fl_slice_find_text(fl_buf_slice(&s->bytes), FL_LIT("{\"id\"")) + 1;
    s->whole = s->finish = s->bytes.len;
}

static void make_stream(struct shape *s, const char *name, enum upstream_framing framing,
                        const char *text)
{
    const struct fl_slice blank = FL_LIT("\n\n");
    struct fl_buf event;
    *s = (struct shape){.name = name, .framing = framing, .stream = true};
    fl_buf_init(&s->bytes, 65536);
    fl_buf_init(&event, 65536);
    put_stream_head(&s->bytes, framing);
    for (unsigned i = 0; i < 5; i++) { /* the first says nothing yet: it does not commit the stream */
        fl_buf_reset(&event);
        if (i < 3) {
            put_delta(&event, i == 1 ? text : "");
        } else if (i == 3) {
            put_finish(&event);
        } else {
            fl_buf_put_cstr(&event, "data: [DONE]\n\n");
        }
        size_t start = s->bytes.len;
        if (framing == BY_CHUNKS) {
            put_chunk(&s->bytes, fl_buf_slice(&event));
        } else {
            fl_buf_put(&s->bytes, fl_buf_slice(&event));
        }
        struct fl_slice put = fl_slice_from(fl_buf_slice(&s->bytes), start);
        size_t end = start + fl_slice_find_text(put, blank) + blank.len;
        s->body = i == 1 ? end : s->body;
        s->finish = i == 3 ? end - blank.len : s->finish;
        s->whole = end;
    }
    fl_buf_put_cstr(&s->bytes, framing == BY_CHUNKS ? "0\r\n\r\n" : "");
    fl_buf_finish(&event);
}

/* --- what must come of a cut --- */

enum fate { WHOLE, BROKEN, FAILED };

static enum fate fate_of(const struct cut *c)
{
    const struct shape *s = c->shape;
    bool fin_ends = !c->reset && s->framing == BY_CLOSE;
    if (s->stream) {
        if (c->at >= s->whole || (fin_ends && c->at >= s->finish)) {
            return WHOLE;
        }
        return c->at >= s->body ? BROKEN : FAILED;
    }
    if (c->at >= s->whole && (s->framing != BY_CLOSE || fin_ends)) {
        return WHOLE;
    }
    if (c->passing && c->at >= s->body) { /* until close: nothing can tell a cut from the end */
        return fin_ends ? WHOLE : BROKEN;
    }
    return FAILED;
}

static const char *code_of(const struct cut *c, const struct fl_simanswer *a)
{
    bool may_be_read =
        c->shape->framing == BY_CLOSE && rig_has(fl_buf_slice(&a->body), "provider_bad_response");
    if (c->reset) {
        return "provider_reset";
    }
    return may_be_read ? "provider_bad_response" : "provider_closed";
}

static void check_failed(struct rig *r, const struct cut *c, const struct fl_simanswer *a)
{
    if (c->second) {
        rig_check_text(r, a, SECOND);
        rig_check(r, fl_slice_starts(fl_simanswer_header(a, "x-fairlead-failover"),
                                     FL_LIT("p0>p1;provider_")));
        rig_check(r, fl_slice_eq(fl_simanswer_header(a, "x-fairlead-attempts"), FL_LIT("2")));
    } else {
        rig_check_error(r, a, 502, code_of(c, a));
        rig_check(r, rig_has(fl_buf_slice(&a->body),
                             "\"attempts\":[{\"target\":\"p0/m\",\"error\":\"provider_"));
    }
}

static void check_broken(struct rig *r, const struct cut *c, const struct fl_simanswer *a)
{
    if (c->shape->stream) {
        rig_check_broken(r, a, c->minor, code_of(c, a));
        rig_check(r, rig_has(fl_buf_slice(&a->body), FIRST));
    } else { /* the missing bytes say it, or a RST where the framing would not */
        rig_equal(r, a->status, 200);
        rig_check(r, !a->complete && a->err != FL_OK);
    }
}

static void run_cut(struct rig *r, const struct cut *c)
{
    struct fl_world_link link = fl_world_link(r->world);
    struct fl_target_view before = rig_target(r, "p0/m"), after;
    struct fl_simclient *client = rig_client(r, 0, NULL);
    rig_say(r, "%s, %s after byte %zu, %s second, HTTP/1.%d, %s", c->shape->name,
            c->reset ? "RST" : "FIN", c->at, c->second ? "with" : "without", c->minor,
            c->passing ? "passing" : "held");
    if (c->reset) {
        link.down.reset_after = c->at;
    } else {
        link.down.fin_after = c->at;
    }
    fl_world_plan(r->world, "10.0.1.1:80", &link, 1);
    rig_post(client, c->minor, c->shape->stream, "");
    rig_settle(r, client, 10 * FL_NS_S);
    const struct fl_simanswer *a = fl_simclient_answer(client, 0);
    enum fate fate = fate_of(c);
    if (fate == FAILED) {
        check_failed(r, c, a);
    } else if (fate == BROKEN) {
        check_broken(r, c, a);
    } else {
        bool all = c->shape->stream || c->at >= c->shape->whole;
        rig_equal(r, a->status, 200);
        rig_check(r, a->complete && rig_has(fl_buf_slice(&a->body), all ? FIRST : "{"));
    }
    rig_leave(r, client);
    fl_world_run_for(r->world, 6 * FL_NS_S); /* also lingering connections are gone */
    after = rig_target(r, "p0/m");
    rig_equal(r, after.begun, before.begun + 1);
    rig_equal(r, after.failed - before.failed, fate != WHOLE);
    rig_equal(r, after.succeeded - before.succeeded, fate == WHOLE);
    rig_equal(r, fl_world_connections(r->world), 0);
    fl_world_unplan(r->world, "10.0.1.1:80");
}

/* Every byte of one shape for one kind of client. */
static void run_shape(struct cut c)
{
    struct rig r;
    struct upstream first, second;
    const struct rig_setup setup = {.providers = c.second ? 2 : 1,
                                    .more = c.passing
                                                ? "routing: {failover_threshold: 1000}\n"
                                                  "limits: {response_hold: 0, upstream_idle: 1s}\n"
                                                : "routing: {failover_threshold: 1000}\n"
                                                  "limits: {upstream_idle: 1s}\n"};
    rig_open(&r, 1);
    rig_exact(&r);
    upstream_open(&first, fl_world_sys(r.world, "10.0.1.1"));
    upstream_open(&second, fl_world_sys(r.world, "10.0.1.2"));
    upstream_say(&first, fl_buf_slice(&c.shape->bytes),
                 c.shape->framing == BY_CLOSE ? UPSTREAM_FIN : UPSTREAM_KEEP);
    upstream_say(&second, fl_buf_slice(c.shape->stream ? &second_stream : &second_plain),
                 UPSTREAM_FIN);
    rig_serve(&r, &setup, 1);
    for (c.at = 0; c.at <= c.shape->bytes.len; c.at++) {
        run_cut(&r, &c);
    }
    rig_stop(&r);
    upstream_close(&first);
    upstream_close(&second);
    rig_close(&r);
}

static void run_all(struct shape *s, bool passing)
{
    for (unsigned bits = 0; bits < 8; bits++) {
        struct cut c = {.shape = s,
                        .reset = bits & 1,
                        .second = bits & 2,
                        .minor = bits & 4 ? 0 : 1,
                        .passing = passing};
        run_shape(c);
    }
    fl_buf_finish(&s->bytes);
}

static void plain_answers_are_held_and_fail_over(void **state)
{
    static const char *const names[] = {"content-length", "chunked", "until close"};
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct shape s;
        make_plain(&s, names[i], (enum upstream_framing)i);
        run_all(&s, false);
    }
}

static void plain_answers_passed_on_break_where_the_provider_broke(void **state)
{
    static const char *const names[] = {"content-length", "chunked", "until close"};
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct shape s;
        make_plain(&s, names[i], (enum upstream_framing)i);
        run_all(&s, true);
    }
}

static void streams_fail_over_before_their_first_content_and_break_after(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct shape s;
        make_stream(&s, i == 0 ? "chunked stream" : "stream until close",
                    i == 0 ? BY_CHUNKS : BY_CLOSE, FIRST);
        run_all(&s, false);
    }
}

static int make_second(void **state)
{
    struct shape s;
    (void)state;
    fl_buf_init(&second_plain, 65536);
    put_plain(&second_plain, BY_CLOSE, SECOND);
    make_stream(&s, "second", BY_CLOSE, SECOND);
    second_stream = s.bytes;
    return 0;
}

static int free_second(void **state)
{
    (void)state;
    fl_buf_finish(&second_plain);
    fl_buf_finish(&second_stream);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_answers_are_held_and_fail_over),
        cmocka_unit_test(plain_answers_passed_on_break_where_the_provider_broke),
        cmocka_unit_test(streams_fail_over_before_their_first_content_and_break_after),
    };
    return cmocka_run_group_tests(tests, make_second, free_second);
}

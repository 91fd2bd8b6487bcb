/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every recorded answer of the OpenAI dialect, read by its form and compared with the canonical reading; and
 * once more through each client's form of the dialect, read back. Streams are cut at random places.
 */
#include "unit/dialect/recorded.h"

struct tally {
    unsigned answers, streams, unequal;
};

/* Where the reading is not what the provider said, or not all of it. */
static bool reading_is_wrong(const char *id)
{
    static const char *const wrong[] = {
        /* the delta is repeated as "text", and the reading has both */
        "together.chat.s.bee41cb9", "together.chat.s.e07ae1d1", "huggingface.chat.s.e3a1fed0",
        "together.completions.s.24dbe8a5",
        /* reasoning stands in reasoning_details alone */
        "openrouter.chat.n.68a9612f"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        if (strcmp(id, wrong[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* A stream of another kind altogether. */
static bool is_passed_over(const char *id)
{
    return strcmp(id, "writer.completions.s.c522a7ff") == 0;
}

static const struct fl_wire *form_of(const struct recorded *r)
{
    if (strcmp(r->endpoint, "responses") == 0) {
        return &fl_wire_openai_responses;
    }
    bool chat = strcmp(r->endpoint, "chat") == 0 || strcmp(r->endpoint, "completions") == 0 ||
                strcmp(r->endpoint, "fim") == 0;
    return chat ? &fl_wire_openai_chat : NULL;
}

static void run(struct rig *g, const struct recorded *r, const struct fl_wire *form,
                const struct fl_wire *client, uint64_t seed)
{
    rig_init(g, form, client);
    if (!r->stream) {
        rig_whole(g, r->body);
        return;
    }
    size_t count = 0, at = 0, *cuts = calloc(r->body.len + 1, sizeof(*cuts));
    assert_non_null(cuts);
    while ((at += 1 + rig_random(&seed) % 700) < r->body.len) {
        cuts[count++] = at;
    }
    rig_stream(g, r->body, cuts, count);
    free(cuts);
}

/* What a client's form made of the answer, read by the same form, in *ret*. */
static void read_back(struct rig *ret, const struct rig *g, const struct recorded *r,
                      const struct fl_wire *client)
{
    struct fl_encoder e = g->encoder;
    struct fl_buf body;
    fl_buf_init(&body, rig_bytes_max);
    rig_init(ret, client, NULL);
    if (r->stream) {
        rig_stream(ret, fl_buf_slice(&g->out), NULL, 0);
    } else {
        e.own = NULL;
        client->put_answer(&e, &g->answer, &body);
        rig_whole(ret, fl_buf_slice(&body));
    }
    fl_buf_finish(&body);
}

/* A stream that ended without a reason or a last word. */
static bool was_cut(const struct recorded *r)
{
    json_t *choice = json_array_get(json_object_get(r->canon, "choices"), 0);
    return json_is_false(json_object_get(r->canon, "done")) &&
           json_is_null(json_object_get(choice, "finish"));
}

static bool equal(const struct rig *g, const struct recorded *r)
{
    bool error = json_object_get(r->canon, "error") != NULL;
    bool apart = strcmp(r->provider, "xai") == 0 && strcmp(r->endpoint, "chat") == 0;
    if (error != (g->answer.err != FL_OK)) {
        print_error("  error: expected %d, got %s\n", error, fl_err_name(g->answer.err));
        return false;
    }
    if (was_cut(r) && !error) {
        return g->err == FL_ERR_CLOSED && !g->answer.whole;
    }
    if (!error && (g->err || !g->answer.whole)) {
        print_error("  not whole: %s\n", fl_err_name(g->err));
        return false;
    }
    return recorded_equal(&g->answer, r, !reading_is_wrong(r->id), apart);
}

static void check(const struct recorded *r, void *owner)
{
    static const struct fl_wire *const clients[] = {NULL, &fl_wire_openai_chat,
                                                    &fl_wire_openai_responses};
    struct tally *t = owner;
    const struct fl_wire *form = form_of(r);
    if (!form || is_passed_over(r->id)) {
        return;
    }
    t->answers++;
    t->streams += r->stream;
    bool same = true;
    for (unsigned i = 0; i < 3; i++) {
        struct rig g, back;
        run(&g, r, form, clients[i], i + t->answers);
        bool here = true;
        bool one = json_array_size(json_object_get(r->canon, "choices")) == 1;
        if (!clients[i]) {
            here = equal(&g, r);
        } else if (one || clients[i] == &fl_wire_openai_chat) { /* responses has one choice only */
            read_back(&back, &g, r, clients[i]);
            if (g.answer.err) { /* an error tells no usage */
                back.answer.usage = g.answer.usage;
            }
            here = equal(&back, r);
            rig_finish(&back);
        }
        if (!here) {
            print_error("%s, client %s\n", r->id, clients[i] ? clients[i]->name : "none");
        }
        same = same && here;
        rig_finish(&g);
    }
    t->unequal += !same;
}

static void recorded_answers_are_read_to_the_token(void **state)
{
    (void)state;
    struct tally t = {0};
    if (!recorded_each("openai", check, &t)) {
        print_message("skipped: no data\n");
        skip();
    }
    print_message("%u answers, %u of them streams, %u unequal\n", t.answers, t.streams, t.unequal);
    assert_true(t.answers > 300);
    assert_int_equal(t.unequal, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recorded_answers_are_read_to_the_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

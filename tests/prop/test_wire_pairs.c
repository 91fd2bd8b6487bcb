/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The round trip law: a request or an answer in OpenAI's chat, through the canonical form to
 * Anthropic's messages and back, keeps texts, thoughts, tool calls and results, images and usage;
 * and however a stream is cut, the same comes out. Requests through converse keep the same, seen
 * in its own body.
 */
#include "unit/dialect/wire_rig.h"

static uint64_t seed;

static unsigned below(unsigned n)
{
    return (unsigned)(rig_random(&seed) % n);
}

/* --- Things by chance --- */

static const char *text_by_chance(void)
{
    static const char *const texts[] = {"a",
                                        "Hello, world",
                                        "\\u00e9t\\u00e9 \\n",
                                        "\\ud83d\\ude00",
                                        "\\ud83d",
                                        "quote \\\" and \\\\ back",
                                        "\xc3\xa9\xe2\x82\xac",
                                        "x \\t y",
                                        "{not json}"};
    return texts[below(sizeof(texts) / sizeof(texts[0]))];
}

/* The text of an object, escaped as a string's content. */
static const char *arguments_by_chance(void)
{
    static const char *const objects[] = {
        "{}", "{\\\"a\\\":1}", "{\\\"b\\\":[\\\"}\\\",{}],\\\"c\\\":1e400}",
        "{\\\"q\\\":\\\"\\\\\\\"\\\\u00e9\\\"}", "{\\\"n\\\":18446744073709551617}"};
    return objects[below(sizeof(objects) / sizeof(objects[0]))];
}

static void put(struct fl_buf *b, const char *text)
{
    fl_buf_put_cstr(b, text);
}

static void put_user(struct fl_buf *b)
{
    fl_put_comma(b);
    put(b, "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"");
    put(b, text_by_chance());
    put(b, "\"}");
    if (below(3) == 0) {
        put(b, ",{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,iVBOR");
        fl_buf_put_u64(b, 1000 + below(9000));
        put(b, "\"}}");
    }
    put(b, "]}");
}

static void put_turn_with_calls(struct fl_buf *b, unsigned turn)
{
    unsigned count = 1 + below(3);
    fl_put_comma(b);
    put(b, "{\"role\":\"assistant\",\"content\":");
    put(b, below(2) ? "null" : "\"let me see\"");
    put(b, ",\"tool_calls\":[");
    for (unsigned i = 0; i < count; i++) {
        put(b, i > 0 ? ",{\"id\":\"call_" : "{\"id\":\"call_");
        fl_buf_put_u64(b, turn * 10 + i);
        put(b, "\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"");
        put(b, arguments_by_chance());
        put(b, "\"}}");
    }
    put(b, "]}");
    for (unsigned i = 0; i < count; i++) {
        put(b, ",{\"role\":\"tool\",\"tool_call_id\":\"call_");
        fl_buf_put_u64(b, turn * 10 + i);
        put(b, "\",\"content\":\"");
        put(b, text_by_chance());
        put(b, "\"}");
    }
}

static void put_request(struct fl_buf *b)
{
    unsigned turns = 1 + below(4);
    put(b, "{\"model\":\"m\",\"max_tokens\":100,\"tools\":[{\"type\":\"function\",\"function\":{"
           "\"name\":\"f\",\"parameters\":{"
           "\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\"}}}}}],\"messages\":[");
    if (below(2)) {
        put(b, "{\"role\":\"system\",\"content\":\"");
        put(b, text_by_chance());
        put(b, "\"}");
    }
    for (unsigned i = 0; i < turns; i++) {
        put_user(b);
        if (below(2)) {
            put_turn_with_calls(b, i);
        }
        fl_put_comma(b);
        put(b, "{\"role\":\"assistant\",\"content\":\"");
        put(b, text_by_chance());
        put(b, "\"}");
    }
    put_user(b);
    put(b, "]}");
}

/* --- What a request says, whoever wrote it --- */

static void digest_part(struct fl_buf *b, const struct fl_part *p)
{
    switch (p->kind) {
    case FL_PART_IMAGE:
        put(b, "|image ");
        fl_buf_put(b, p->media.media_type);
        fl_buf_put(b, p->media.base64);
        break;
    case FL_PART_TOOL_CALL:
        put(b, "|call ");
        fl_buf_put(b, p->id);
        fl_buf_put(b, p->name);
        fl_buf_put(b, p->json);
        break;
    case FL_PART_TOOL_RESULT:
        put(b, "|result ");
        fl_buf_put(b, p->id);
        for (const struct fl_part *c = p->content; c; c = c->next) {
            digest_part(b, c);
        }
        break;
    case FL_PART_TEXT:
    case FL_PART_REFUSAL:
    case FL_PART_AUDIO:
    case FL_PART_FILE:
    case FL_PART_THINKING:
    case FL_PART_REDACTED:
    case FL_PART_NATIVE:
        put(b, "|text ");
        fl_buf_put(b, p->text);
        break;
    }
}

static void digest(struct fl_buf *b, const struct fl_chat_request *q)
{
    for (const struct fl_tool *t = q->tools; t; t = t->next) {
        put(b, "tool ");
        fl_buf_put(b, t->name);
        fl_buf_put(b, t->schema);
    }
    const struct fl_message *before = NULL;
    for (const struct fl_message *m = q->messages; m; before = m, m = m->next) {
        if (!before || before->role != m->role) {
            put(b, "\n");
            fl_buf_put_u64(b, (uint64_t)m->role);
        }
        for (const struct fl_part *p = m->parts; p; p = p->next) {
            digest_part(b, p);
        }
    }
}

/* *body* in the client's form, digested into *said* and written in the provider's into *out*. */
static void pass(const struct fl_wire *client, const struct fl_wire *provider, const char *model,
                 struct fl_slice body, struct fl_buf *said, struct fl_buf *out)
{
    struct fl_arena arena;
    struct fl_chat_request q;
    struct fl_reterr e;
    struct fl_losses losses = {.count = 0};
    struct fl_write_options o = {.model = fl_slice_cstr(model)};
    fl_arena_init(&arena, 1 << 12, rig_bytes_max);
    assert_int_equal(client->read(body, &arena, &q, &e), FL_OK);
    digest(said, &q);
    assert_int_equal(provider->write(&q, &o, out, &losses, &e), FL_OK);
    assert_int_equal(losses.count, 0);
    struct fl_json value;
    assert_int_equal(fl_json_scan(fl_buf_slice(out), FL_JSON_LIMITS, NULL, 0, &value, NULL), FL_OK);
    fl_arena_finish(&arena);
}

static void requests_come_back(void **state)
{
    (void)state;
    for (uint64_t n = 0; n < 2000; n++) {
        struct fl_buf b[6];
        seed = n;
        for (unsigned i = 0; i < 6; i++) {
            fl_buf_init(&b[i], 1 << 20);
        }
        put_request(&b[0]);
        pass(&fl_wire_openai_chat, &fl_wire_anthropic, "claude-opus-4-6", fl_buf_slice(&b[0]),
             &b[1], &b[2]);
        pass(&fl_wire_anthropic, &fl_wire_openai_chat, "gpt-4o", fl_buf_slice(&b[2]), &b[3], &b[4]);
        fl_buf_reset(&b[0]);
        pass(&fl_wire_openai_chat, &fl_wire_converse, "amazon.nova-lite-v1:0", fl_buf_slice(&b[4]),
             &b[5], &b[0]);
        if (!fl_slice_eq(fl_buf_slice(&b[1]), fl_buf_slice(&b[3])) ||
            !fl_slice_eq(fl_buf_slice(&b[1]), fl_buf_slice(&b[5]))) {
            print_error("seed %u\n%.*s\n%.*s\n%.*s\n", (unsigned)n, (int)b[1].len, b[1].ptr,
                        (int)b[3].len, b[3].ptr, (int)b[5].len, b[5].ptr);
            fail();
        }
        for (unsigned i = 0; i < 6; i++) {
            fl_buf_finish(&b[i]);
        }
    }
}

/* --- Answers --- */

struct writer {
    struct fl_encoder encoder;
    struct fl_buf out;
};

static void say(struct writer *w, struct fl_chat_event event)
{
    fl_wire_openai_chat.put_event(&w->encoder, &event, &w->out);
}

/* Arguments of one call in pieces that may end anywhere but in an escape. */
static void say_arguments(struct writer *w, unsigned call)
{
    struct fl_slice rest = fl_slice_cstr(arguments_by_chance());
    while (rest.len > 0) {
        size_t n = 0, least = 1 + below(6);
        while (n < rest.len && n < least) {
            n += rest.ptr[n] == '\\' ? 2 : 1;
        }
        say(w, (struct fl_chat_event){
                   .kind = FL_CHAT_CALL_ARGUMENTS, .call = call, .text = fl_slice_first(rest, n)});
        rest = fl_slice_from(rest, n);
    }
}

static void say_answer(struct writer *w)
{
    static const char *const ids[] = {"c0", "c1", "c2"};
    unsigned texts = below(4), calls = below(4);
    struct fl_usage usage = {
        .known = true, .tokens_in = 50 + below(50), .tokens_out = 20 + below(50)};
    usage.tokens_cached = below(30);
    usage.tokens_reasoning = below(20);
    say(w, (struct fl_chat_event){.kind = FL_CHAT_START, .id = FL_LIT("x")});
    if (below(2)) {
        say(w, (struct fl_chat_event){.kind = FL_CHAT_THINKING,
                                      .text = fl_slice_cstr(text_by_chance())});
    }
    for (unsigned i = 0; i < texts; i++) {
        say(w,
            (struct fl_chat_event){.kind = FL_CHAT_TEXT, .text = fl_slice_cstr(text_by_chance())});
    }
    for (unsigned i = 0; i < calls; i++) {
        say(w, (struct fl_chat_event){.kind = FL_CHAT_CALL_BEGIN,
                                      .call = i,
                                      .id = fl_slice_cstr(ids[i % 3]),
                                      .name = FL_LIT("f")});
        say_arguments(w, i);
    }
    say(w, (struct fl_chat_event){.kind = FL_CHAT_FINISH,
                                  .finish = calls > 0  ? FL_FINISH_TOOL_CALLS
                                            : below(2) ? FL_FINISH_STOP
                                                       : FL_FINISH_LENGTH});
    say(w, (struct fl_chat_event){.kind = FL_CHAT_USAGE, .usage = &usage});
    say(w, (struct fl_chat_event){.kind = FL_CHAT_DONE});
}

static size_t cuts_by_chance(size_t len, size_t *cuts)
{
    size_t count = 0;
    for (size_t at = 0; (at += 1 + below(80)) < len;) {
        cuts[count++] = at;
    }
    return count;
}

/* What *stream* of this provider says: its line and its usage. */
static char *heard(const struct fl_wire *provider, struct fl_slice stream,
                   struct fl_usage *ret_usage)
{
    struct rig g;
    rig_init(&g, provider, NULL);
    rig_stream(&g, stream, NULL, 0);
    assert_int_equal(g.err, FL_OK);
    char *line = fl_slice_dup(rig_answer(&g));
    *ret_usage = g.answer.usage;
    rig_finish(&g);
    return line;
}

static void answers_come_back(void **state)
{
    (void)state;
    for (uint64_t n = 0; n < 1000; n++) {
        struct writer w = {
            .encoder = {.wire = &fl_wire_openai_chat, .id = FL_LIT(RIG_ID), .usage_asked = true}};
        size_t cuts[4096];
        struct fl_usage first, last, middle;
        seed = n;
        fl_buf_init(&w.out, 1 << 20);
        say_answer(&w);
        struct fl_slice stream = fl_buf_slice(&w.out);
        char *there = rig_output(&fl_wire_openai_chat, &fl_wire_anthropic, stream, cuts,
                                 cuts_by_chance(stream.len, cuts));
        stream = fl_slice_cstr(there);
        char *back = rig_output(&fl_wire_anthropic, &fl_wire_openai_chat, stream, cuts,
                                cuts_by_chance(stream.len, cuts));
        char *a = heard(&fl_wire_openai_chat, fl_buf_slice(&w.out), &first);
        char *b = heard(&fl_wire_anthropic, fl_slice_cstr(there), &middle);
        char *c = heard(&fl_wire_openai_chat, fl_slice_cstr(back), &last);
        if (strcmp(a, b) != 0 || strcmp(a, c) != 0) {
            print_error("seed %u\n%s\n%s\n%s\n", (unsigned)n, a, b, c);
            fail();
        }
        assert_int_equal(first.tokens_cached, middle.tokens_cached);
        assert_int_equal(first.tokens_cached, last.tokens_cached);
        assert_int_equal(first.tokens_reasoning, last.tokens_reasoning);
        free(a);
        free(b);
        free(c);
        free(there);
        free(back);
        fl_encoder_finish(&w.encoder);
        fl_buf_finish(&w.out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_come_back),
        cmocka_unit_test(answers_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recorded answers of Anthropic and Bedrock through the decoders, compared with what another
 * reader made of them (expected.jsonl): text, thoughts, tool calls, why it ended, usage to the
 * token; streams whole and byte by byte. The data is not part of the project: FAIRLEAD_CONFORMANCE
 * names the folder.
 */
#include "unit/dialect/anthropic_rig.h"

#include <jansson.h>
#include <stdio.h>

static const char *folder(void)
{
    const char *f = getenv("FAIRLEAD_CONFORMANCE");
    return f ? f : "../shared/conformance";
}

/* The file's bytes; the caller frees them. NULL: there is none. */
static char *load(const char *path, size_t *ret_len)
{
    FILE *f = fopen(path, "rb");
    if (!f) {
        return NULL;
    }
    size_t cap = 8 << 20;
    char *bytes = malloc(cap);
    assert_non_null(bytes);
    *ret_len = fread(bytes, 1, cap - 1, f);
    bytes[*ret_len] = '\0';
    assert_int_equal(fclose(f), 0);
    return bytes;
}

static const char *finish_word(enum fl_finish finish)
{
    switch (finish) {
    case FL_FINISH_LENGTH:
    case FL_FINISH_CONTEXT:
        return "length";
    case FL_FINISH_TOOL_CALLS:
        return "tool_calls";
    case FL_FINISH_CONTENT_FILTER:
        return "content_filter";
    case FL_FINISH_PAUSE:
        return "pause";
    case FL_FINISH_ERROR:
        return "error";
    case FL_FINISH_NONE:
    case FL_FINISH_STOP:
    case FL_FINISH_STOP_SEQUENCE:
        break;
    }
    return "stop";
}

static void assert_text(const char *id, const struct fl_buf *heard, const json_t *expected)
{
    char *text = plain(heard);
    const char *want = json_string_value(expected);
    if (strcmp(text, want ? want : "") != 0) {
        print_error("%s: text differs\n", id);
        fail();
    }
    free(text);
}

static void assert_number(const char *id, const json_t *usage, const char *key, uint64_t heard)
{
    const json_t *want = json_object_get(usage, key);
    if (want && (uint64_t)json_integer_value(want) != heard) {
        print_error("%s: %s is %llu, not %llu\n", id, key, (unsigned long long)heard,
                    (unsigned long long)json_integer_value(want));
        fail();
    }
}

/* Tools that the provider ran itself are in the oracle's list, and no client's to run. */
static void drop_servers(json_t *tools)
{
    for (size_t i = json_array_size(tools); i > 0; i--) {
        const json_t *name = json_object_get(json_array_get(tools, i - 1), "name");
        if (strcmp(json_string_value(name), "nova_code_interpreter") == 0) {
            assert_int_equal(json_array_remove(tools, i - 1), 0);
        }
    }
}

/* 1 and 1.0 are the same number. */
static json_t *as_reals(const json_t *value)
{
    char *text = json_dumps(value, JSON_ENCODE_ANY);
    json_t *reals = json_loads(text, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, NULL);
    free(text);
    return reals;
}

static void assert_calls(const char *id, const struct heard *h, json_t *tools)
{
    drop_servers(tools);
    if (h->call_count != json_array_size(tools)) {
        print_error("%s: %u calls, not %zu\n", id, h->call_count, json_array_size(tools));
        fail();
    }
    for (unsigned i = 0; i < h->call_count; i++) {
        const json_t *want = json_array_get(tools, i);
        char *arguments = plain(&h->calls[i].arguments);
        json_t *value = json_loads(arguments, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, NULL);
        json_t *args = as_reals(json_object_get(want, "args"));
        assert_text(id, &h->calls[i].name, json_object_get(want, "name"));
        assert_text(id, &h->calls[i].id, json_object_get(want, "id"));
        if (!json_equal(value, args)) {
            print_error("%s: arguments are %s\n", id, arguments);
            fail();
        }
        json_decref(value);
        json_decref(args);
        free(arguments);
    }
}

static void assert_canon(const char *id, const struct heard *h, json_t *canon)
{
    const json_t *choice = json_array_get(json_object_get(canon, "choices"), 0);
    const json_t *usage = json_object_get(canon, "usage");
    const char *finish = json_string_value(json_object_get(choice, "finish"));
    assert_text(id, &h->text, json_object_get(choice, "text"));
    assert_text(id, &h->thinking, json_object_get(choice, "reasoning"));
    assert_calls(id, h, json_object_get(choice, "tools"));
    /* not every client has a word for a pause or a malformed answer */
    bool told = finish && strcmp(finish, "pause") != 0 && strcmp(finish, "error") != 0;
    if (told && strcmp(finish, finish_word(h->finish)) != 0) {
        print_error("%s: finish %s, not %s\n", id, finish_word(h->finish), finish);
        fail();
    }
    assert_number(id, usage, "input", h->usage.tokens_in);
    assert_number(id, usage, "output", h->usage.tokens_out);
    assert_number(id, usage, "cache_read", h->usage.tokens_cached);
    assert_number(id, usage, "cache_write", h->usage.tokens_cache_write);
}

static unsigned answers, streams, errors;

/* --- The same, as a client of another form gets it --- */

static const struct fl_wire *const clients[] = {&fl_wire_anthropic, &fl_wire_openai_chat};

struct client {
    struct fl_encoder encoder;
    struct fl_buf out;
};

static void client_take(void *owner, const struct fl_chat_event *event)
{
    struct client *c = owner;
    c->encoder.wire->put_event(&c->encoder, event, &c->out);
}

static struct client client_of(const struct fl_wire *wire)
{
    struct client c = {.encoder = {.wire = wire,
                                   .id = FL_LIT("0123456789abcdefghijklmn"),
                                   .model = FL_LIT("m"),
                                   .usage_asked = true}};
    fl_buf_init(&c.out, 64 << 20);
    return c;
}

static void client_finish(struct client *c)
{
    fl_encoder_finish(&c->encoder);
    fl_buf_finish(&c->out);
}

static void cross_stream(const char *id, const struct fl_wire *wire, struct fl_slice body,
                         json_t *canon)
{
    for (size_t i = 0; i < sizeof(clients) / sizeof(clients[0]); i++) {
        struct client c = client_of(clients[i]);
        struct fl_chat_sink sink = {&c, client_take};
        struct heard h;
        heard_init(&h);
        (void)take_stream(wire, body, 0, &sink);
        (void)hear_stream(clients[i], fl_buf_slice(&c.out), 7, &h);
        assert_canon(id, &h, canon);
        heard_finish(&h);
        client_finish(&c);
    }
}

static void cross_answer(const char *id, const struct fl_wire *wire, struct fl_slice body,
                         json_t *canon)
{
    for (size_t i = 0; i < sizeof(clients) / sizeof(clients[0]); i++) {
        struct client c = client_of(clients[i]);
        struct fl_arena arena;
        struct fl_chat_answer answer;
        struct fl_decoder d = {.wire = wire, .arena = &arena};
        struct fl_chat_sink sink = {&answer, fl_chat_answer_take};
        struct heard h;
        heard_init(&h);
        fl_arena_init(&arena, 1 << 14, 64 << 20);
        fl_chat_answer_init(&answer, &arena);
        assert_int_equal(wire->take_answer(&d, body, &sink), FL_OK);
        clients[i]->put_answer(&c.encoder, &answer, &c.out);
        assert_int_equal(hear_answer(clients[i], fl_buf_slice(&c.out), &h), FL_OK);
        assert_canon(id, &h, canon);
        heard_finish(&h);
        fl_decoder_finish(&d);
        fl_arena_finish(&arena);
        client_finish(&c);
    }
}

static void check_stream(const char *id, const struct fl_wire *wire, struct fl_slice body,
                         json_t *canon)
{
    struct heard whole, cut;
    heard_init(&whole);
    heard_init(&cut);
    bool ends =
        json_object_get(canon, "done") == NULL || json_is_true(json_object_get(canon, "done"));
    enum fl_err err = hear_stream(wire, body, 0, &whole);
    if (json_object_get(canon, "error")) {
        assert_int_not_equal(whole.err, FL_OK);
    } else if (err != (ends ? FL_OK : FL_ERR_CLOSED)) {
        print_error("%s: %s\n", id, fl_err_name(err));
        fail();
    }
    assert_canon(id, &whole, canon);
    assert_int_equal(hear_stream(wire, body, 1, &cut), err);
    assert_heard_same(&whole, &cut);
    cross_stream(id, wire, body, canon);
    heard_finish(&whole);
    heard_finish(&cut);
    streams++;
}

static void check_answer(const char *id, const struct fl_wire *wire, struct fl_slice body,
                         json_t *canon)
{
    struct heard h;
    heard_init(&h);
    enum fl_err err = hear_answer(wire, body, &h);
    if (err) {
        print_error("%s: %s\n", id, fl_err_name(err));
        fail();
    }
    assert_canon(id, &h, canon);
    heard_finish(&h);
    cross_answer(id, wire, body, canon);
    answers++;
}

static void check_error(const char *id, const struct fl_dialect *dialect, struct fl_slice body,
                        const json_t *error)
{
    int status = (int)json_integer_value(json_object_get(error, "status"));
    enum fl_err err = dialect->read_error(status, body);
    bool theirs = fl_err_blame(err) == FL_BLAME_PROVIDER;
    if (status == 429 || status == 529 || status >= 500 ? !theirs : err == FL_OK) {
        print_error("%s: %d is %s\n", id, status, fl_err_name(err));
        fail();
    }
    errors++;
}

static void check_exchange(const char *id, const char *path, bool stream, json_t *canon)
{
    char file[512];
    size_t len;
    const struct fl_wire *wire = strncmp(id, "anthropic.messages", 18) == 0 ? &fl_wire_anthropic
                                 : strncmp(id, "bedrock.converse", 16) == 0
                                     ? &fl_wire_converse
                                     : &fl_wire_anthropic_bedrock;
    const struct fl_dialect *dialect = id[0] == 'a' ? &fl_dialect_anthropic : &fl_dialect_bedrock;
    (void)snprintf(file, sizeof(file), "%s/%s/%s.resp", folder(), path, id);
    char *bytes = load(file, &len);
    assert_non_null(bytes);
    if (json_object_get(json_object_get(canon, "error"), "status")) {
        check_error(id, dialect, fl_slice(bytes, len), json_object_get(canon, "error"));
    } else if (stream) {
        check_stream(id, wire, fl_slice(bytes, len), canon);
    } else {
        check_answer(id, wire, fl_slice(bytes, len), canon);
    }
    free(bytes);
}

/* The source of an exchange, by its line in index.tsv: "id ... stream ... path". */
static bool find_source(const char *index, const char *id, char *ret_source, size_t cap,
                        bool *ret_stream)
{
    size_t len = strlen(id);
    for (const char *line = index; line && *line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, id, len) != 0 || line[len] != '\t') {
            continue;
        }
        const char *field = line;
        for (unsigned i = 0; i < 14; i++) {
            if (i == 6) {
                *ret_stream = *field == '1';
            }
            field = strchr(field, '\t') + 1;
        }
        (void)snprintf(ret_source, cap, "%.*s", (int)strcspn(field, "\t\n"), field);
        return true;
    }
    return false;
}

static void answers_are_read_as_the_oracle_does(void **state)
{
    (void)state;
    char path[512], source[64];
    size_t len;
    (void)snprintf(path, sizeof(path), "%s/index.tsv", folder());
    char *index = load(path, &len);
    if (!index) {
        print_message("skipped: no data\n");
        skip();
        return;
    }
    (void)snprintf(path, sizeof(path), "%s/expected.jsonl", folder());
    char *expected = load(path, &len);
    assert_non_null(expected);
    for (char *line = strtok(expected, "\n"); line; line = strtok(NULL, "\n")) {
        json_t *row = json_loads(line, 0, NULL);
        const char *id = json_string_value(json_object_get(row, "id"));
        json_t *canon = json_object_get(row, "canon");
        bool ours =
            id && (strncmp(id, "anthropic.messages", 18) == 0 || strncmp(id, "bedrock.", 8) == 0);
        bool stream = false;
        if (ours && !json_object_get(canon, "other") && !json_object_get(canon, "undecodable")) {
            assert_true(find_source(index, id, source, sizeof(source), &stream));
            check_exchange(id, source, stream, canon);
        }
        json_decref(row);
    }
    print_message("%u answers, %u streams, %u errors\n", answers, streams, errors);
    assert_true(answers >= 30 && streams >= 20 && errors >= 8);
    free(index);
    free(expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_read_as_the_oracle_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

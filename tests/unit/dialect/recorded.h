/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recorded exchanges with real providers: read in place from the folder FAIRLEAD_CONFORMANCE (default
 * ../shared/conformance), never copied. An answer that the rig has collected is compared with the canonical
 * reading in expected.jsonl: text, reasoning, tool calls, finish and usage.
 */
#ifndef FL_TESTS_UNIT_DIALECT_RECORDED_H
#define FL_TESTS_UNIT_DIALECT_RECORDED_H

#include "unit/dialect/wire_rig.h"

#include <jansson.h>

struct recorded {
    char id[128], provider[64], dialect[32], endpoint[64], source[64];
    bool stream;
    int status;
    struct fl_slice body; /* of the answer */
    json_t *canon;
};

static inline const char *recorded_folder(void)
{
    const char *folder = getenv("FAIRLEAD_CONFORMANCE");
    return folder ? folder : "../shared/conformance";
}

/* The file's bytes (the caller frees), or NULL. */
static inline char *recorded_read(const char *name, size_t *ret_len)
{
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/%s", recorded_folder(), name);
    FILE *f = fopen(path, "rb");
    if (!f) {
        return NULL;
    }
    char *bytes = malloc(1 << 26);
    assert_non_null(bytes);
    *ret_len = fread(bytes, 1, (1 << 26) - 1, f);
    bytes[*ret_len] = '\0';
    (void)fclose(f);
    return bytes;
}

/* The canonical readings by id, or NULL without data. */
static inline json_t *recorded_expected(void)
{
    size_t len;
    char *bytes = recorded_read("expected.jsonl", &len);
    json_t *all = bytes ? json_object() : NULL;
    for (char *line = bytes ? strtok(bytes, "\n") : NULL; line; line = strtok(NULL, "\n")) {
        json_t *one = json_loads(line, JSON_ALLOW_NUL, NULL);
        if (one) { /* a lone surrogate is not jansson's */
            (void)json_object_set(all, json_string_value(json_object_get(one, "id")),
                                  json_object_get(one, "canon"));
            json_decref(one);
        }
    }
    free(bytes);
    return all;
}

/* The columns of a line of index.tsv. */
static inline void recorded_columns(char *line, struct recorded *r)
{
    char *columns[17] = {NULL}, *rest = line;
    for (unsigned i = 0; i < 17 && rest; i++) {
        columns[i] = rest;
        rest = strchr(rest, '\t');
        if (rest) {
            *rest++ = '\0';
        }
    }
    (void)snprintf(r->id, sizeof(r->id), "%s", columns[0]);
    (void)snprintf(r->provider, sizeof(r->provider), "%s", columns[2] ? columns[2] : "");
    (void)snprintf(r->dialect, sizeof(r->dialect), "%s", columns[3] ? columns[3] : "");
    (void)snprintf(r->endpoint, sizeof(r->endpoint), "%s", columns[4] ? columns[4] : "");
    r->stream = columns[6] && columns[6][0] == '1';
    r->status = columns[7] ? atoi(columns[7]) : 0;
    (void)snprintf(r->source, sizeof(r->source), "%s", columns[14] ? columns[14] : "");
}

/* Snowflake sends an empty function_call with every message, and the reading counts it. */
static inline void recorded_drop_nameless(json_t *canon)
{
    json_t *choice;
    size_t i;
    json_array_foreach(json_object_get(canon, "choices"), i, choice)
    {
        json_t *tools = json_object_get(choice, "tools");
        for (size_t n = json_array_size(tools); n > 0; n--) {
            json_t *name = json_object_get(json_array_get(tools, n - 1), "name");
            if (json_string_length(name) == 0) {
                (void)json_array_remove(tools, n - 1);
            }
        }
    }
}

/* Calls *each* for every exchange of *dialect* that was answered with 200. False without data. */
static inline bool recorded_each(const char *dialect,
                                 void (*each)(const struct recorded *r, void *owner), void *owner)
{
    size_t len;
    char *index = recorded_read("index.tsv", &len), *next = index, name[300];
    json_t *expected = recorded_expected();
    if (!index || !expected) {
        free(index);
        json_decref(expected);
        return false;
    }
    while (next && *next) {
        struct recorded r = {0};
        char *line = next;
        next = strchr(line, '\n');
        if (next) {
            *next++ = '\0';
        }
        recorded_columns(line, &r);
        r.canon = json_object_get(expected, r.id);
        recorded_drop_nameless(r.canon);
        if (strcmp(r.dialect, dialect) != 0 || r.status != 200 || !r.canon) {
            continue;
        }
        (void)snprintf(name, sizeof(name), "%s/%s.resp", r.source, r.id);
        char *body = recorded_read(name, &len);
        assert_non_null(body);
        r.body = fl_slice(body, len);
        each(&r, owner);
        free(body);
    }
    free(index);
    json_decref(expected);
    return true;
}

/* All blocks of a kind and choice, decoded. */
static inline void recorded_text(const struct fl_chat_answer *answer, unsigned choice,
                                 enum fl_block_kind kind, struct fl_buf *out)
{
    struct fl_buf escaped;
    fl_buf_init(&escaped, rig_bytes_max);
    for (const struct fl_block *b = answer->blocks; b; b = b->next) {
        if (b->kind == kind && b->choice == choice) {
            fl_put_pieces_bare(&escaped, b);
        }
    }
    fl_buf_reset(out);
    fl_put_decoded(out, fl_buf_slice(&escaped));
    fl_buf_finish(&escaped);
}

static inline bool recorded_is(const char *what, json_t *expected, struct fl_slice got)
{
    const char *text = json_string_value(expected);
    struct fl_slice wanted = fl_slice(text, text ? json_string_length(expected) : 0);
    if (!fl_slice_eq(wanted, got)) {
        print_error("  %s: expected '%.*s', got '%.*s'\n", what, (int)wanted.len,
                    wanted.ptr ? wanted.ptr : "", (int)got.len, got.ptr ? got.ptr : "");
        return false;
    }
    return true;
}

static inline bool recorded_call_is(const struct fl_block *call, json_t *expected)
{
    struct fl_buf b, decoded;
    fl_buf_init(&b, rig_bytes_max);
    fl_buf_init(&decoded, rig_bytes_max);
    fl_put_pieces_bare(&b, call);
    fl_put_decoded(&decoded, fl_buf_slice(&b));
    json_t *id = json_object_get(expected, "id"), *args = json_object_get(expected, "args");
    json_t *got = json_loadb(decoded.ptr ? decoded.ptr : "", decoded.len,
                             JSON_DECODE_ANY | JSON_DISABLE_EOF_CHECK, NULL);
    json_t *broken = json_object_get(args, "__unparsable");
    bool told = json_is_string(id) && json_string_length(id) > 0; /* else one is made for clients */
    bool same = !told || recorded_is("call id", id, call->id);
    same = recorded_is("call name", json_object_get(expected, "name"), call->name) && same;
    if (broken) {
        same = recorded_is("arguments", broken, fl_buf_slice(&decoded)) && same;
    } else if (!json_equal(got, args) &&
               !(json_is_string(args) && json_equal(json_object_get(got, "input"), args))) {
        print_error("  arguments: got %.*s\n", (int)decoded.len, decoded.ptr ? decoded.ptr : "");
        same = false;
    }
    json_decref(got);
    fl_buf_finish(&b);
    fl_buf_finish(&decoded);
    return same;
}

static inline bool recorded_calls_are(const struct fl_chat_answer *answer, unsigned choice,
                                      json_t *expected)
{
    size_t n = 0;
    bool same = true;
    for (const struct fl_block *b = answer->blocks; b; b = b->next) {
        if (b->kind == FL_BLOCK_CALL && b->choice == choice) {
            json_t *one = json_array_get(expected, n++);
            same = one && recorded_call_is(b, one) && same;
        }
    }
    if (n != json_array_size(expected)) {
        print_error("  calls: expected %zu, got %zu\n", json_array_size(expected), n);
    }
    return same && n == json_array_size(expected);
}

/* As the canonical reading calls it. A stop after calls is told as tool_calls. */
static inline bool recorded_finish_is(enum fl_finish finish, json_t *choice)
{
    const char *wanted = json_string_value(json_object_get(choice, "finish"));
    const char *got = finish == FL_FINISH_STOP_SEQUENCE ? "stop"
                      : finish == FL_FINISH_CONTEXT     ? "length"
                                                        : fl_finish_name(finish);
    bool calls = json_array_size(json_object_get(choice, "tools")) > 0;
    if (!wanted || strncmp(wanted, "other", 5) == 0) {
        wanted = "stop";
    }
    if (strcmp(wanted, "stop") == 0 && calls) {
        wanted = "tool_calls";
    }
    if (strcmp(wanted, got) != 0) {
        print_error("  finish: expected %s, got %s\n", wanted, got);
        return false;
    }
    return true;
}

static inline bool recorded_count_is(const char *what, json_t *usage, uint64_t got, uint64_t more)
{
    json_t *wanted = json_object_get(usage, what);
    if (json_is_integer(wanted) && (uint64_t)json_integer_value(wanted) + more != got) {
        print_error("  usage %s: expected %lld, got %llu\n", what, json_integer_value(wanted),
                    (unsigned long long)got);
        return false;
    }
    return true;
}

/* *apart*: the provider counts reasoning beside the output (xAI), and the reading leaves it so. */
static inline bool recorded_usage_is(const struct fl_usage *u, json_t *usage, bool apart)
{
    if (!json_is_object(usage)) {
        return true;
    }
    bool same = recorded_count_is("input", usage, u->tokens_in, 0);
    same =
        recorded_count_is("output", usage, u->tokens_out, apart ? u->tokens_reasoning : 0) && same;
    same = recorded_count_is("cache_read", usage, u->tokens_cached, 0) && same;
    same = recorded_count_is("cache_write", usage, u->tokens_cache_write, 0) && same;
    return recorded_count_is("reasoning", usage, u->tokens_reasoning, 0) && same;
}

/* Does what the rig collected equal the reading? Prints what differs. *texts*: compare them, too. */
static inline bool recorded_equal(const struct fl_chat_answer *answer, const struct recorded *r,
                                  bool texts, bool apart)
{
    json_t *choices = json_object_get(r->canon, "choices");
    struct fl_buf b;
    bool same = recorded_usage_is(&answer->usage, json_object_get(r->canon, "usage"), apart);
    fl_buf_init(&b, rig_bytes_max);
    for (unsigned i = 0; i < json_array_size(choices); i++) {
        json_t *choice = json_array_get(choices, i);
        if (texts) {
            recorded_text(answer, i, FL_BLOCK_TEXT, &b);
            same = recorded_is("text", json_object_get(choice, "text"), fl_buf_slice(&b)) && same;
            recorded_text(answer, i, FL_BLOCK_THINKING, &b);
            same =
                recorded_is("reasoning", json_object_get(choice, "reasoning"), fl_buf_slice(&b)) &&
                same;
            recorded_text(answer, i, FL_BLOCK_REFUSAL, &b);
            same = recorded_is("refusal", json_object_get(choice, "refusal"), fl_buf_slice(&b)) &&
                   same;
        }
        same = recorded_calls_are(answer, i, json_object_get(choice, "tools")) && same;
        if (!json_object_get(r->canon, "error")) {
            same = recorded_finish_is(answer->choices[i].finish, choice) && same;
        }
    }
    fl_buf_finish(&b);
    return same;
}

#endif

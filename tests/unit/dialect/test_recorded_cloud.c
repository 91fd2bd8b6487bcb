/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recorded answers of Gemini, Vertex and Ollama through the decoders: text, thoughts, calls, why it
 * ended and usage are what the oracle beside the recordings says. FAIRLEAD_CONFORMANCE names the folder, by default ../shared/conformance;
 * without it the test prints "skipped: no data".
 */
#include "unit/cm.h"

#include "chat/event.h"
#include "codec/sse.h"
#include "dialect/put.h"
#include "dialect/wire.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

enum { LINE_MAX_BYTES = 4096, BODY_BYTES_MAX = 64 << 20 };

struct row {
    char id[128], dialect[32], endpoint[64], source[64];
    bool stream;
    long status;
};

static unsigned differences;

static void differs(const struct row *row, const char *what, const char *expected, const char *got)
{
    differences++;
    print_error("%s: %s: expected '%.300s', got '%.300s'\n", row->id, what, expected, got);
}

static char *read_file(const char *folder, const struct row *row, size_t *ret_len)
{
    char path[LINE_MAX_BYTES];
    (void)snprintf(path, sizeof(path), "%s/%s/%s.resp", folder, row->source, row->id);
    FILE *f = fopen(path, "rb");
    if (!f) {
        return NULL;
    }
    char *bytes = malloc(BODY_BYTES_MAX);
    *ret_len = bytes ? fread(bytes, 1, BODY_BYTES_MAX, f) : 0;
    (void)fclose(f);
    return bytes;
}

/* --- Decoding --- */

static enum fl_err take_events(struct fl_decoder *d, struct fl_slice rest,
                               const struct fl_chat_sink *sink)
{
    struct fl_sse sse = {0};
    struct fl_sse_event event;
    enum fl_err err = FL_OK;
    while (!err && fl_sse_next(&sse, rest, true, BODY_BYTES_MAX, NULL, &event) == FL_OK &&
           event.raw.len > 0) {
        struct fl_frame frame = {.name = event.name, .data = event.data};
        err = event.data_lines > 0 ? d->wire->take_frame(d, &frame, sink) : FL_OK;
        rest = fl_slice_from(rest, event.raw.len);
    }
    return err ? err : d->wire->take_end(d, sink);
}

static enum fl_err take_lines(struct fl_decoder *d, struct fl_slice rest,
                              const struct fl_chat_sink *sink)
{
    enum fl_err err = FL_OK;
    while (!err && rest.len > 0) {
        size_t end = fl_slice_find(rest, '\n');
        struct fl_frame frame = {.data = fl_slice_trim(fl_slice_first(rest, end))};
        err = frame.data.len > 0 ? d->wire->take_frame(d, &frame, sink) : FL_OK;
        rest = fl_slice_from(rest, end + 1);
    }
    return err ? err : d->wire->take_end(d, sink);
}

static enum fl_err take(struct fl_decoder *d, bool stream, struct fl_slice bytes,
                        const struct fl_chat_sink *sink)
{
    if (!stream) {
        return d->wire->take_answer(d, bytes, sink);
    }
    return d->wire->framing == FL_FRAMING_LINES ? take_lines(d, bytes, sink)
                                                : take_events(d, bytes, sink);
}

/* --- Comparing --- */

static void put_blocks(const struct fl_chat_answer *a, unsigned choice, enum fl_block_kind kind,
                       struct fl_buf *b)
{
    for (const struct fl_block *block = a->blocks; block; block = block->next) {
        if (block->choice == choice && block->kind == kind) {
            for (const struct fl_piece *p = block->pieces; p; p = p->next) {
                fl_put_decoded(b, p->text);
            }
        }
    }
    fl_buf_putc(b, '\0');
}

static void compare_text(const struct row *row, const struct fl_chat_answer *a, unsigned choice,
                         enum fl_block_kind kind, const json_t *expected)
{
    struct fl_buf b;
    const char *text = json_string_value(expected);
    fl_buf_init(&b, BODY_BYTES_MAX);
    put_blocks(a, choice, kind, &b);
    if (strcmp(text ? text : "", b.ptr) != 0) {
        differs(row, kind == FL_BLOCK_TEXT ? "text" : "reasoning", text ? text : "", b.ptr);
    }
    fl_buf_finish(&b);
}

static void compare_call(const struct row *row, const struct fl_block *block, const json_t *tool)
{
    struct fl_buf b;
    fl_buf_init(&b, BODY_BYTES_MAX);
    fl_put_decoded(&b, block->name);
    fl_buf_putc(&b, '\0');
    const char *name = json_string_value(json_object_get(tool, "name"));
    if (strcmp(b.ptr, name ? name : "") != 0) {
        differs(row, "name", name ? name : "", b.ptr);
    }
    fl_buf_reset(&b);
    for (const struct fl_piece *p = block->pieces; p; p = p->next) {
        fl_put_decoded(&b, p->text);
    }
    json_t *args = json_loadb(b.ptr, b.len, JSON_DECODE_ANY, NULL);
    fl_buf_putc(&b, '\0');
    if (!args || !json_equal(args, json_object_get(tool, "args"))) {
        differs(row, "arguments", "those of the oracle", b.ptr);
    }
    json_decref(args);
    fl_buf_finish(&b);
    assert_true(block->id.len > 0 && block->id.len <= 64);
}

static void compare_calls(const struct row *row, const struct fl_chat_answer *a, unsigned choice,
                          const json_t *tools)
{
    size_t n = 0;
    for (const struct fl_block *block = a->blocks; block; block = block->next) {
        if (block->choice == choice && block->kind == FL_BLOCK_CALL) {
            const json_t *tool = json_array_get(tools, n++);
            if (tool) {
                compare_call(row, block, tool);
            }
        }
    }
    if (n != json_array_size(tools)) {
        differs(row, "calls", "another number", "");
    }
}

static void compare_choice(const struct row *row, const struct fl_chat_answer *a, unsigned choice,
                           const json_t *c)
{
    const char *expected = json_string_value(json_object_get(c, "finish"));
    const char *finish = fl_finish_name(a->choices[choice].finish);
    compare_text(row, a, choice, FL_BLOCK_TEXT, json_object_get(c, "text"));
    compare_text(row, a, choice, FL_BLOCK_THINKING, json_object_get(c, "reasoning"));
    compare_calls(row, a, choice, json_object_get(c, "tools"));
    bool named = expected && strncmp(expected, "other", 5) != 0;
    if (named && strcmp(expected, finish) != 0) {
        differs(row, "finish", expected, finish);
    }
}

static void compare_count(const struct row *row, const char *what, const json_t *usage,
                          uint64_t got)
{
    char text[2][32];
    const json_t *value = json_object_get(usage, what);
    if (value && (uint64_t)json_integer_value(value) != got) {
        (void)snprintf(text[0], sizeof(text[0]), "%lld", (long long)json_integer_value(value));
        (void)snprintf(text[1], sizeof(text[1]), "%llu", (unsigned long long)got);
        differs(row, what, text[0], text[1]);
    }
}

static void compare(const struct row *row, const struct fl_chat_answer *a, const json_t *canon)
{
    const json_t *choices = json_object_get(canon, "choices"),
                 *usage = json_object_get(canon, "usage");
    if (!a->whole || a->choice_count != json_array_size(choices)) {
        differs(row, "choices", "all of them, whole", a->whole ? "other" : "cut");
        return;
    }
    for (unsigned i = 0; i < a->choice_count; i++) {
        compare_choice(row, a, i, json_array_get(choices, i));
    }
    compare_count(row, "input", usage, a->usage.tokens_in);
    compare_count(row, "output", usage, a->usage.tokens_out);
    compare_count(row, "reasoning", usage, a->usage.tokens_reasoning);
    compare_count(row, "cache_read", usage, a->usage.tokens_cached);
}

static bool check(const char *folder, const struct row *row, const struct fl_wire *wire,
                  const json_t *canon)
{
    size_t len = 0;
    char *bytes = read_file(folder, row, &len);
    if (!bytes) {
        differs(row, "file", "readable", "missing");
        return false;
    }
    struct fl_arena arena;
    struct fl_chat_answer answer;
    fl_arena_init(&arena, 65536, 256u << 20);
    fl_chat_answer_init(&answer, &arena);
    const struct fl_chat_sink sink = {&answer, fl_chat_answer_take};
    struct fl_decoder decoder = {.wire = wire, .arena = &arena};
    enum fl_err err = take(&decoder, row->stream, fl_slice(bytes, len), &sink);
    if (err) {
        differs(row, "error", "none", fl_err_name(err));
    } else {
        compare(row, &answer, canon);
    }
    fl_decoder_finish(&decoder);
    fl_arena_finish(&arena);
    free(bytes);
    return true;
}

/* --- The index --- */

static bool parse_row(char *line, struct row *row)
{
    enum { ID = 0, DIALECT = 3, ENDPOINT = 4, STREAM = 6, STATUS = 7, SOURCE = 14, COLUMNS = 15 };
    char *fields[COLUMNS] = {NULL}, *rest = line;
    for (int i = 0; i < COLUMNS; i++) {
        fields[i] = rest ? strsep(&rest, "\t\n") : NULL;
        if (!fields[i]) {
            return false;
        }
    }
    (void)snprintf(row->id, sizeof(row->id), "%s", fields[ID]);
    (void)snprintf(row->dialect, sizeof(row->dialect), "%s", fields[DIALECT]);
    (void)snprintf(row->endpoint, sizeof(row->endpoint), "%s", fields[ENDPOINT]);
    (void)snprintf(row->source, sizeof(row->source), "%s", fields[SOURCE]);
    row->stream = strcmp(fields[STREAM], "1") == 0;
    row->status = strtol(fields[STATUS], NULL, 10);
    return true;
}

static const struct fl_wire *wire_of(const struct row *row)
{
    if (row->status != 200) {
        return NULL;
    }
    if (strcmp(row->dialect, "gemini") == 0 && strstr(row->endpoint, "enerateContent")) {
        return &fl_wire_gemini;
    }
    bool chat = strcmp(row->endpoint, "chat") == 0 || strcmp(row->endpoint, "generate") == 0;
    return strcmp(row->dialect, "ollama") == 0 && chat ? &fl_wire_ollama : NULL;
}

static json_t *load_oracle(const char *folder)
{
    char path[LINE_MAX_BYTES];
    json_t *oracle = json_object(), *line;
    (void)snprintf(path, sizeof(path), "%s/expected.jsonl", folder);
    FILE *f = fopen(path, "rb");
    while (f && (line = json_loadf(f, JSON_DISABLE_EOF_CHECK, NULL))) {
        json_object_set(oracle, json_string_value(json_object_get(line, "id")),
                        json_object_get(line, "canon"));
        json_decref(line);
    }
    if (f) {
        (void)fclose(f);
    }
    return oracle;
}

static void recorded_answers_equal_the_oracle(void **state)
{
    (void)state;
    char path[LINE_MAX_BYTES], line[LINE_MAX_BYTES];
    const char *given = getenv("FAIRLEAD_CONFORMANCE"),
               *folder = given ? given : "../shared/conformance";
    unsigned checked = 0;
    (void)snprintf(path, sizeof(path), "%s/index.tsv", folder);
    FILE *index = fopen(path, "rb");
    if (!index) {
        print_message("skipped: no data\n");
        skip();
        return;
    }
    json_t *oracle = load_oracle(folder);
    while (fgets(line, sizeof(line), index)) {
        struct row row;
        const struct fl_wire *wire = parse_row(line, &row) ? wire_of(&row) : NULL;
        if (wire) {
            checked += check(folder, &row, wire, json_object_get(oracle, row.id));
        }
    }
    (void)fclose(index);
    json_decref(oracle);
    print_message("%u recorded answers\n", checked);
    assert_true(checked > 0);
    assert_int_equal(differences, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recorded_answers_equal_the_oracle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

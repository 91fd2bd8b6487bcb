/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time of fl_json_scan() over chat bodies of several sizes, of the hostile texts, and of the first
 * walk a dialect makes. Best of many rounds, one core, the text warm in cache. usage: bench_json
 * [FILE]     FILE: one JSON text to scan besides the built-in ones
 */
#include "base/assert.h"
#include "codec/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { rounds = 15, round_ns = 20000000, text_max = 32 << 20 };

/* Turns of a chat as clients send them: prose, code with escapes, some text that is not ASCII. */
static const char *const turns[] = {
    "Can you explain why the second request is slower than the first one, although the connection "
    "is "
    "already open? I would have expected the opposite, since no handshake is needed any more.",
    "```c\\nstatic int total(const int *values, size_t count)\\n{\\n    int sum = 0;\\n    for "
    "(size_t "
    "i = 0; i < count; i++) {\\n        sum += values[i];\\n    }\\n    return sum;\\n}\\n```\\n\\n"
    "The call is `printf(\\\"%d\\\\n\\\", total(v, 3))`.",
    "Der zweite Versuch dauert l\xc3\xa4nger, weil das Fenster erst w\xc3\xa4"
    "chst. \xe5\xae\x8c\xe4\xba\x86 \xf0\x9f\x98\x80 "
    "Kurz: erst messen, dann \xc3\xa4ndern. Everything after that is a matter of taste.",
    "Thanks! One more question: what happens when the server closes the connection in the middle "
    "of a "
    "streamed answer? Does the client see an error, or just a shorter answer than it should have "
    "been?",
};

static uint64_t now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

static void make_chat(struct fl_buf *b, size_t bytes)
{
    fl_buf_put(b, FL_LIT("{\"model\": \"gpt-4o-mini\", \"messages\": ["));
    for (unsigned i = 0; i == 0 || b->len + 60 < bytes; i++) {
        struct fl_slice turn = fl_slice_cstr(turns[i % 4]);
        size_t room = bytes > b->len + 90 ? bytes - b->len - 90 : 20;
        if (room < turn.len) {
            turn = fl_slice_first(fl_slice_cstr(turns[3]), room);
        }
        fl_buf_put_cstr(b, i == 0 ? "" : ", ");
        fl_buf_put_cstr(b, i % 2 ? "{\"role\": \"assistant\", \"content\": \""
                                 : "{\"role\": \"user\", \"content\": \"");
        fl_buf_put(b, turn);
        fl_buf_put(b, FL_LIT("\"}"));
    }
    fl_buf_put(b, FL_LIT("], \"stream\": true, \"temperature\": 0.7}"));
}

static enum fl_err scan(struct fl_slice text, struct fl_json *ret_value)
{
    struct fl_json_watch watches[] = {
        {.key = FL_LIT("model")}, {.key = FL_LIT("stream")}, {.key = FL_LIT("messages")}};
    return fl_json_scan(text, FL_JSON_LIMITS, watches, 3, ret_value, NULL);
}

static size_t walk(struct fl_json root)
{
    struct fl_json message;
    struct fl_json_iter it = fl_json_iter(fl_json_get(root, FL_LIT("messages")));
    size_t content_bytes = 0;
    while (fl_json_next(&it, NULL, &message)) {
        content_bytes += fl_json_get(message, FL_LIT("content")).span.len;
    }
    return content_bytes;
}

/* Nanoseconds of one pass, best of the rounds. */
static double best_ns(struct fl_slice text, bool walking)
{
    volatile size_t sink = 0;
    struct fl_json root = {FL_JSON_NONE, FL_EMPTY};
    double best = 1e18;
    enum fl_err err = scan(text, &root);
    for (int round = 0; round < rounds; round++) {
        uint64_t start = now_ns(), spent;
        unsigned passes = 0;
        do {
            for (int i = 0; i < 4; i++) {
                struct fl_json value;
                sink += walking && err == FL_OK ? walk(root) : (size_t)scan(text, &value);
            }
            passes += 4;
            spent = now_ns() - start;
        } while (spent < round_ns);
        best = (double)spent / passes < best ? (double)spent / passes : best;
    }
    (void)sink;
    return best;
}

static void report(const char *name, struct fl_slice text)
{
    struct fl_json root = {FL_JSON_NONE, FL_EMPTY};
    enum fl_err err = scan(text, &root);
    double ns = best_ns(text, false);
    printf("%-24s %8zu bytes  scan %9.3f us %7.0f MB/s", name, text.len, ns / 1e3,
           (double)text.len / ns * 1e3);
    if (err == FL_OK) {
        printf("  walk %9.3f us\n", best_ns(text, true) / 1e3);
    } else {
        printf("  %s\n", fl_err_name(err));
    }
}

static void report_chat(size_t bytes)
{
    struct fl_buf b;
    char name[32];
    fl_buf_init(&b, text_max);
    make_chat(&b, bytes);
    fl_assert(fl_buf_ok(&b));
    (void)snprintf(name, sizeof(name), "chat %zu", bytes);
    report(name, fl_buf_slice(&b));
    fl_buf_finish(&b);
}

static void report_repeated(const char *name, const char *before, const char *unit, unsigned count,
                            const char *after)
{
    struct fl_buf b;
    fl_buf_init(&b, text_max);
    fl_buf_put_cstr(&b, before);
    for (unsigned i = 0; i < count; i++) {
        fl_buf_put_cstr(&b, unit);
    }
    fl_buf_put_cstr(&b, after);
    fl_assert(fl_buf_ok(&b));
    report(name, fl_buf_slice(&b));
    fl_buf_finish(&b);
}

static void report_file(const char *path)
{
    struct fl_buf b;
    FILE *f = fopen(path, "rb");
    fl_buf_init(&b, text_max);
    char *at = f ? fl_buf_room(&b, text_max) : NULL;
    if (at) {
        fl_buf_grow(&b, fread(at, 1, text_max, f));
        report("file", fl_buf_slice(&b));
    }
    if (f) {
        (void)fclose(f);
    }
    fl_buf_finish(&b);
}

int main(int argc, char **argv)
{
    static const size_t sizes[] = {192, 1122, 16384, 131072};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        report_chat(sizes[i]);
    }
    report_repeated("chinese prose", "\"", "\xe4\xbb\x8a\xe5\xa4\xa9\xe5\xa4\xa9\xe6\xb0\x94",
                    10000, "\"");
    report_repeated("russian prose", "\"", "\xd0\xbf\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82 ",
                    10000, "\"");
    report_repeated("numbers", "[", "0.01234, ", 10000, "1]");
    report_repeated("indented", "{\"a\": [",
                    "\n            {\n                \"k\": 1\n            },", 4000, " 1]}");
    report_repeated("escapes", "\"", "\\n", 50000, "\"");
    report_repeated("1,000,000 brackets", "", "[", 1000000, "");
    report_repeated("200,000 keys", "{", "\"k\": 1, ", 200000, "\"k\": 1}");
    if (argc > 1) {
        report_file(argv[1]);
    }
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time to read a request's text (classes, prefix hashes, windows, estimates), and to ask what was
 * learned, best of many rounds:
 *   bench_text [rounds]
 * What tools/fit_tokens.py fits with. For each text on stdin (its length in decimal, a line end,
 * the bytes), one line: the counts of fl_text_count that make the estimate, or its exact tokens.
 *   bench_text --counts
 *   bench_text --tokens o200k|cl100k RANKS
 */
#include "route/text/bpe.h"
#include "route/text/correction.h"
#include "route/text/length.h"
#include "route/text/prefix.h"
#include "route/text/scan.h"
#include "route/text/surface.h"

#include "base/hash.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { window_bytes = 2048, text_max = 64 << 20 };

static const char english[] =
    "You are the assistant of a small bookshop. Answer in two or three sentences, and say so when "
    "you do not know. Customers often ask whether an edition is still in print, how long delivery "
    "takes, and what we would recommend to somebody who liked a certain novel.\n\n"
    "Yesterday a gentleman called about the illustrated atlas he had ordered in September (order "
    "48213). The publisher promised 120 copies, but only 35 arrived; the remaining ones are said "
    "to "
    "follow \"before the end of the month\". Could you write him a friendly letter, explain what "
    "happened without blaming anyone, and offer that he may pay after delivery?\n";
static const char german[] =
    "Schreibe bitte eine kurze Zusammenfassung f\u00fcr die n\u00e4chste Sitzung: Welche "
    "Entscheidungen sind getroffen worden, wer k\u00fcmmert sich um die \u00dcbergabe, und was "
    "m\u00fcssen wir bis Donnerstag erledigen? H\u00f6chstens zehn S\u00e4tze.\n";
static const char chinese[] =
    "\u8bf7\u628a\u4e0b\u9762\u7684\u4f1a\u8bae\u8bb0\u5f55\u6574\u7406\u6210\u4e09\u6761\u8981"
    "\u70b9\uff0c\u5e76\u6307\u51fa\u8c01\u8d1f\u8d23\u3002\u5ba2\u6237\u5e0c\u671b\u4e0b\u5468"
    "\u4e00\u4e4b\u524d\u6536\u5230\u62a5\u4ef7\uff0c\u8fd0\u8f93\u8d39\u7528\u53e6\u8ba1\u3002\n";
static const char code[] =
    "static int total(const int *values, size_t count)\n{\n    int sum = 0;\n    for (size_t i = "
    "0; "
    "i < count; i++) {\n        sum += values[i]; /* may overflow */\n    }\n    return sum;\n}\n\n"
    "{\"name\": \"get_price\", \"parameters\": {\"type\": \"object\", \"required\": [\"id\"]}}\n";

static struct fl_scan scan;
static char window[FL_SCAN_WINDOW(window_bytes)];

static uint64_t now_ns(void)
{
    struct timespec t;
    if (clock_gettime(CLOCK_MONOTONIC, &t) != 0) {
        abort();
    }
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

static uint64_t once(struct fl_slice text)
{
    static struct fl_text_facts facts;
    __asm__ volatile("" : "+r"(text.ptr)); /* so that nothing is computed once for all rounds */
    fl_scan_begin(&scan, 1, (struct fl_scan_window){window, window_bytes});
    fl_scan_message(&scan, FL_TEXT_USER);
    fl_scan_text(&scan, text);
    fl_scan_end(&scan, &facts);
    return facts.tokens[0];
}

static void measure(const char *what, const char *sample, size_t bytes, unsigned rounds)
{
    char *text = malloc(bytes);
    if (text == NULL) {
        abort();
    }
    size_t period = strlen(sample);
    for (size_t i = 0; i < bytes; i++) {
        text[i] = sample[i % period];
    }
    uint64_t best = UINT64_MAX, tokens = 0;
    unsigned repeats = bytes < 10000 ? 20 : 2; /* short, so that some round runs undisturbed */
    for (unsigned r = 0; r < rounds; r++) {
        uint64_t start = now_ns();
        for (unsigned i = 0; i < repeats; i++) {
            tokens = once(fl_slice(text, bytes));
        }
        uint64_t took = (now_ns() - start) / repeats;
        best = took < best ? took : best;
    }
    printf("%-8s %6zu bytes %8" PRIu64 " ns %6.2f GB/s  %" PRIu64 " tokens\n", what, bytes, best,
           (double)bytes / (double)best, tokens);
    free(text);
}

/* --- What was learned --- */

enum { blocks = 16, tenants = 1000 };

static struct fl_prefix_table prefixes;
static struct fl_lengths lengths;
static struct fl_corrections corrections;
static struct fl_text_facts some_facts;
static uint64_t hashes[blocks];
static uint64_t turn;

static void *memory_of(size_t bytes)
{
    void *memory = calloc(1, bytes);
    if (memory == NULL) {
        abort();
    }
    return memory;
}

static void prefix_hits(void)
{
    struct fl_prefix_hit hits[FL_PREFIX_WARM];
    if (fl_prefix_hits(&prefixes, hashes, blocks, 1, hits) != 1) {
        abort();
    }
}

static void prefix_note(void)
{
    fl_prefix_note(&prefixes, hashes, blocks, 7, 300, 1);
}

static void length(void)
{
    struct fl_length_key key = {1, turn++ % tenants};
    if (fl_lengths_predict(&lengths, key, 4096).p90 < 1) {
        abort();
    }
}

static void correct(void)
{
    struct fl_correction_key key = {1, 1 + turn++ % tenants};
    if (fl_corrections_apply(&corrections, key, 1000) == 0) {
        abort();
    }
}

static void features(void)
{
    float f[FL_SURFACES];
    fl_surface(&some_facts, f);
    __asm__ volatile("" : : "r"(f) : "memory");
}

static void measure_call(const char *what, void (*call)(void), unsigned rounds)
{
    enum { repeats = 200 };
    uint64_t best = UINT64_MAX;
    for (unsigned r = 0; r < rounds; r++) {
        uint64_t start = now_ns();
        for (unsigned i = 0; i < repeats; i++) {
            call();
        }
        uint64_t took = now_ns() - start;
        best = took < best ? took : best;
    }
    printf("%-28s %8.1f ns\n", what, (double)best / repeats);
}

static void measure_learned(unsigned rounds)
{
    fl_prefix_table_init(&prefixes, memory_of(fl_prefix_table_bytes(65536)), 65536);
    fl_lengths_init(&lengths, memory_of(fl_lengths_bytes(4096)), 4096);
    fl_corrections_init(&corrections, memory_of(fl_corrections_bytes(4096)), 4096);
    for (uint64_t i = 0; i < blocks; i++) {
        hashes[i] = fl_mix64(i + 1);
    }
    for (uint64_t i = 0; i < tenants; i++) {
        fl_lengths_observe(&lengths, (struct fl_length_key){1, i}, 100 + i, false, 1);
        fl_corrections_observe(&corrections, (struct fl_correction_key){1, i + 1}, 100, 100 + i % 9,
                               1);
    }
    fl_scan_begin(&scan, 1, (struct fl_scan_window){window, window_bytes});
    fl_scan_text(&scan, FL_LIT(english));
    fl_scan_end(&scan, &some_facts);
    measure_call("prefix: note 16 blocks", prefix_note, rounds);
    measure_call("prefix: hits of 16 blocks", prefix_hits, rounds);
    measure_call("length: predict", length, rounds);
    measure_call("correction: apply", correct, rounds);
    measure_call("surface features", features, rounds);
}

/* --- For the fit --- */

static void print_counts(struct fl_slice text, const struct fl_bpe *bpe)
{
    static struct fl_text_facts facts;
    (void)bpe;
    fl_scan_begin(&scan, 0, (struct fl_scan_window){NULL, 0});
    fl_scan_text(&scan, text);
    fl_scan_end(&scan, &facts);
    for (unsigned i = 0; i < FL_TEXT_TOKEN_COUNTS; i++) {
        printf("%" PRIu32 "%c", facts.count[i], i + 1 < FL_TEXT_TOKEN_COUNTS ? ' ' : '\n');
    }
}

static void print_tokens(struct fl_slice text, const struct fl_bpe *bpe)
{
    enum { piece_max = 65536 };
    static uint64_t memory[piece_max * 5];
    struct fl_bpe_scratch scratch = {memory, piece_max};
    if (fl_bpe_scratch_bytes(piece_max) > sizeof(memory)) {
        abort();
    }
    printf("%" PRIu64 "\n", fl_bpe_count(bpe, scratch, text));
}

typedef void print_fn(struct fl_slice text, const struct fl_bpe *bpe);

static int for_each_text(print_fn *print, const struct fl_bpe *bpe)
{
    char *text = malloc(text_max);
    unsigned long len;
    int status = text == NULL;
    while (status == 0 && scanf("%lu", &len) == 1) {
        status = len > text_max || getchar() != '\n' || fread(text, 1, len, stdin) != len;
        if (status == 0) {
            print(fl_slice(text, len), bpe);
        }
    }
    free(text);
    return status;
}

static int for_each_by_ranks(const char *rule, const char *path)
{
    FILE *f = fopen(path, "rb");
    char *ranks = malloc(text_max);
    if (f == NULL || ranks == NULL) {
        abort();
    }
    size_t len = fread(ranks, 1, text_max, f);
    struct fl_bpe *bpe = NULL;
    enum fl_err err = fl_bpe_create(
        fl_slice(ranks, len),
        strcmp(rule, "cl100k") == 0 ? FL_PRETOKENS_CL100K : FL_PRETOKENS_O200K, text_max, &bpe);
    free(ranks);
    int status = fclose(f) != 0 || err != FL_OK || for_each_text(print_tokens, bpe) != 0;
    fl_bpe_destroy(bpe);
    return status;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--counts") == 0) {
        return for_each_text(print_counts, NULL);
    }
    if (argc > 3 && strcmp(argv[1], "--tokens") == 0) {
        return for_each_by_ranks(argv[2], argv[3]);
    }
    unsigned rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 3000;
    static const size_t sizes[] = {500, 4096, 65536};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        measure("english", english, sizes[i], rounds);
        measure("german", german, sizes[i], rounds);
        measure("chinese", chinese, sizes[i], rounds);
        measure("code", code, sizes[i], rounds);
    }
    measure_learned(rounds);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time to read a request's text (classes, prefix hashes, windows, estimates), best of many rounds:
 *   bench_text [rounds]
 * What tools/fit_tokens.py fits with: for each text on stdin (its length in decimal, a line end,
 * the bytes), the counts of fl_text_count that make the estimate, on one line: bench_text --counts
 */
#include "route/text/scan.h"

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

static int print_counts(void)
{
    char *text = malloc(text_max);
    unsigned long len;
    int status = text == NULL;
    while (status == 0 && scanf("%lu", &len) == 1) {
        static struct fl_text_facts facts;
        if (len > text_max || getchar() != '\n' || fread(text, 1, len, stdin) != len) {
            status = 1;
            break;
        }
        fl_scan_begin(&scan, 0, (struct fl_scan_window){NULL, 0});
        fl_scan_text(&scan, fl_slice(text, len));
        fl_scan_end(&scan, &facts);
        for (unsigned i = 0; i < FL_TEXT_TOKEN_COUNTS; i++) {
            printf("%" PRIu32 "%c", facts.count[i], i + 1 < FL_TEXT_TOKEN_COUNTS ? ' ' : '\n');
        }
    }
    free(text);
    return status;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--counts") == 0) {
        return print_counts();
    }
    unsigned rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 3000;
    static const size_t sizes[] = {500, 4096, 65536};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        measure("english", english, sizes[i], rounds);
        measure("german", german, sizes[i], rounds);
        measure("chinese", chinese, sizes[i], rounds);
        measure("code", code, sizes[i], rounds);
    }
    return 0;
}

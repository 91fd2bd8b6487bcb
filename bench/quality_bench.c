/* SPDX-License-Identifier: Apache-2.0 */
/* Quality heads in nanoseconds a request: a 4 KB prompt, 8 models, a table of 2^16 rows. The
 * features are extracted once for all of routing and are not counted here. */
#include "route/quality/memory.h"
#include "route/quality/pacing.h"
#include "route/quality/pair.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { PROMPTS = 64, PROMPT_BYTES = 4096, ROUNDS = 300 };

static double now_ns(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static void *lines(size_t bytes)
{
    void *memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (!memory) {
        exit(1);
    }
    return memory;
}

/* Words of a Zipf-like vocabulary, so that rows of the table are met as language meets them. */
static void make_prompt(struct fl_rng *rng, char *text)
{
    size_t n = 0;
    while (n + 16 < PROMPT_BYTES) {
        uint64_t limit = UINT64_C(1) << (3 + fl_rng_below(rng, 12));
        uint64_t word = fl_rng_below(rng, limit);
        for (uint64_t x = word * 2654435761u + 7, i = 0; i < 2 + word % 7; i++, x /= 26) {
            text[n++] = (char)('a' + (char)(x % 26));
        }
        text[n++] = fl_rng_below(rng, 12) ? ' ' : '.';
    }
    memset(text + n, ' ', PROMPT_BYTES - n);
}

struct bench {
    struct fl_features features[PROMPTS];
    struct fl_heads heads;
    struct fl_pair pair;
    struct fl_pacing pacing;
    struct fl_memory memory;
    uint64_t cost[FL_HEADS_MAX], id;
    double sum; /* of whatever came out, so that it has to be computed */
};

static void margins(struct bench *b, unsigned i)
{
    double m[FL_HEADS_MAX];
    fl_heads_margins(&b->heads, &b->features[i], m);
    b->sum += m[i % 8];
}

static struct fl_heads_case case_of(struct bench *b, unsigned i)
{
    return (struct fl_heads_case){&b->features[i], 1 + i % 6, 1 + i % 100};
}

static void decide(struct bench *b, unsigned i)
{
    double q[FL_HEADS_MAX];
    struct fl_heads_case x = case_of(b, i);
    fl_heads_score(&b->heads, &x, q);
    b->sum += fl_pair_gain(&b->pair, x.features, q);
    b->sum += fl_pacing_choose(&b->pacing, q, b->cost, 8);
}

static void keep(struct bench *b, unsigned i)
{
    struct fl_heads_case x = case_of(b, i);
    b->id = fl_memory_keep(&b->memory, &b->heads, &x, i % 8, 0.98);
}

static void learn(struct bench *b, unsigned i)
{
    keep(b, i);
    b->sum += fl_feedback_apply(&b->memory, &b->heads, b->id, 0.5) == FL_FEEDBACK_LEARNED;
}

static void report(const char *what, struct bench *b, void (*one)(struct bench *b, unsigned i))
{
    double best = 1e18;
    for (unsigned round = 0; round < ROUNDS; round++) {
        double from = now_ns();
        for (unsigned i = 0; i < PROMPTS; i++) {
            one(b, i);
        }
        double took = (now_ns() - from) / PROMPTS;
        best = took < best ? took : best;
    }
    (void)printf("%-44s %9.0f ns\n", what, best);
}

int main(void)
{
    static struct bench b;
    static char text[PROMPT_BYTES];
    struct fl_heads_shape shape = {8, 16, 1024, true};
    struct fl_rng rng;
    double items = 0;
    fl_rng_seed(&rng, 1);
    fl_heads_init(&b.heads, shape, 0.5, lines(fl_heads_bytes(shape)));
    fl_memory_init(&b.memory, 4096, 384, lines(fl_memory_bytes(4096, 384)));
    fl_pair_init(&b.pair, 0, 1);
    fl_pacing_init(&b.pacing, UINT64_C(1000000000000), 1000000);
    for (uint32_t row = 0; row < 1u << shape.row_bits; row++) {
        for (unsigned k = 0; k <= shape.head_count; k++) {
            fl_heads_set(&b.heads, row, k, fl_rng_unit(&rng) - 0.5);
        }
    }
    for (unsigned i = 0; i < PROMPTS; i++) {
        make_prompt(&rng, text);
        struct fl_windows w = fl_windows_of(fl_slice(text, PROMPT_BYTES));
        fl_features_extract(&w, &b.features[i]);
        items += b.features[i].count;
        b.cost[i % FL_HEADS_MAX] = 1000 + 100 * i;
    }
    (void)printf("%.0f features a prompt\n", items / PROMPTS);
    report("margins of 8 models", &b, margins);
    report("scores of 8 models, pair and paced choice", &b, decide);
    report("keeping a decision", &b, keep);
    report("keeping a decision and learning from it", &b, learn);
    return b.sum > 0 ? 0 : 1;
}

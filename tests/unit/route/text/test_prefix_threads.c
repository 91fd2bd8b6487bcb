/* SPDX-License-Identifier: Apache-2.0 */
/* Several threads note and ask at once; each finds what it alone notes. */
#include "unit/cm.h"

#include "base/hash.h"
#include "route/text/prefix.h"

#include <pthread.h>
#include <stdlib.h>

enum { threads = 4, rounds = 3000, chain = 16, table_blocks = 1 << 14 };

static struct fl_prefix_table table;

struct worker {
    pthread_t thread;
    uint32_t target;
    unsigned wrong;
};

static void *work(void *argument)
{
    struct worker *w = argument;
    for (uint64_t round = 0; round < rounds; round++) {
        uint64_t hashes[chain];
        for (uint64_t k = 0; k < chain; k++) {
            /* The first half is shared by all, the second by nobody. */
            hashes[k] = fl_mix64(k < chain / 2 ? k : (round % 50) << 20 | k << 8 | w->target);
        }
        fl_prefix_note(&table, hashes, chain, w->target, 300, 1000);
        struct fl_prefix_hit hits[FL_PREFIX_WARM];
        unsigned n = fl_prefix_hits(&table, hashes, chain, 1000, hits), found = 0;
        for (unsigned i = 0; i < n; i++) {
            found += hits[i].target == w->target && hits[i].blocks == chain;
        }
        w->wrong += found != 1;
    }
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    void *memory = calloc(1, fl_prefix_table_bytes(table_blocks));
    assert_non_null(memory);
    fl_prefix_table_init(&table, memory, table_blocks);
    struct worker workers[threads];
    for (unsigned i = 0; i < threads; i++) {
        workers[i] = (struct worker){.target = i};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    unsigned wrong = 0;
    for (unsigned i = 0; i < threads; i++) {
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
        wrong += workers[i].wrong;
    }
    /* Two that claim the same place, or warm the same word, at the same moment may lose one. */
    print_message("%u of %d answers lost to races\n", wrong, threads * rounds);
    assert_true(wrong < threads * rounds / 20);
    free(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_threads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The table of warm prefixes: exact cases, eviction, expiry, and a trace of real conversations. */
#include "unit/cm.h"
#include "unit/route/text/rows.h"

#include "base/hash.h"
#include "base/rng.h"
#include "codec/json.h"
#include "route/text/prefix.h"

#include <stdlib.h>

struct fixture {
    struct fl_prefix_table table;
    void *memory;
};

static void begin(struct fixture *f, size_t blocks)
{
    f->memory = calloc(1, fl_prefix_table_bytes(blocks));
    assert_non_null(f->memory);
    fl_prefix_table_init(&f->table, f->memory, blocks);
}

static uint32_t blocks_at(const struct fixture *f, const uint64_t *hashes, unsigned count,
                          uint32_t target, uint64_t now_s)
{
    struct fl_prefix_hit hits[FL_PREFIX_WARM];
    unsigned n = fl_prefix_hits(&f->table, hashes, count, now_s, hits);
    assert_true(n <= FL_PREFIX_WARM);
    for (unsigned i = 0; i < n; i++) {
        if (hits[i].target == target) {
            return hits[i].blocks;
        }
    }
    return 0;
}

static void test_longest(void **state)
{
    (void)state;
    struct fixture f;
    static const uint64_t a[] = {11, 12, 13, 14, 15}, b[] = {11, 12, 23, 24}, c[] = {31};
    begin(&f, 1024);
    assert_int_equal(blocks_at(&f, a, 5, 0, 0), 0);
    fl_prefix_note(&f.table, a, 4, 7, 300, 0);
    fl_prefix_note(&f.table, b, 4, 4094, 300, 0);
    assert_int_equal(blocks_at(&f, a, 5, 7, 1), 4);
    assert_int_equal(blocks_at(&f, a, 5, 4094, 1), 2);
    assert_int_equal(blocks_at(&f, b, 4, 4094, 1), 4);
    assert_int_equal(blocks_at(&f, b, 4, 7, 1), 2);
    assert_int_equal(blocks_at(&f, b, 1, 7, 1), 1);
    assert_int_equal(blocks_at(&f, a, 0, 7, 1), 0);
    assert_int_equal(blocks_at(&f, c, 1, 7, 1), 0);
    assert_int_equal(blocks_at(&f, a, 5, 8, 1), 0);
    fl_prefix_forget(&f.table, 7);
    assert_int_equal(blocks_at(&f, a, 5, 7, 1), 0);
    assert_int_equal(blocks_at(&f, a, 5, 4094, 1), 2);
    free(f.memory);
}

/* A middle block that went out of the table ends the prefix there. */
static void test_gap(void **state)
{
    (void)state;
    struct fixture f;
    static const uint64_t whole[] = {1, 2, 3, 4}, start[] = {1, 2};
    begin(&f, 1024);
    fl_prefix_note(&f.table, whole, 4, 0, 300, 0);
    fl_prefix_note(&f.table, start, 2, 0, 300, 200);
    assert_int_equal(blocks_at(&f, whole, 4, 0, 300), 2);
    assert_int_equal(blocks_at(&f, whole, 4, 0, 500), 0);
    free(f.memory);
}

static void test_expiry(void **state)
{
    (void)state;
    struct fixture f;
    static const uint64_t a[] = {1, 2};
    static const uint64_t starts[] = {0, 1000, (1 << 20) - 100, UINT64_C(1) << 40};
    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        begin(&f, 64);
        fl_prefix_note(&f.table, a, 2, 1, 300, starts[i]);
        fl_prefix_note(&f.table, a, 2, 2, 3600, starts[i]);
        assert_int_equal(blocks_at(&f, a, 2, 1, starts[i] + 299), 2);
        assert_int_equal(blocks_at(&f, a, 2, 1, starts[i] + 300), 0);
        assert_int_equal(blocks_at(&f, a, 2, 2, starts[i] + 3599), 2);
        assert_int_equal(blocks_at(&f, a, 2, 2, starts[i] + 3600), 0);
        assert_int_equal(blocks_at(&f, a, 2, 2, starts[i] + 10000), 0);
        free(f.memory);
    }
}

/* More targets than a block remembers: those that keep it longest stay. */
static void test_many_targets(void **state)
{
    (void)state;
    struct fixture f;
    static const uint64_t a[] = {1};
    begin(&f, 64);
    for (uint32_t t = 0; t < 20; t++) {
        fl_prefix_note(&f.table, a, 1, t, 300, t);
        fl_prefix_note(&f.table, a, 1, 0, 300, t); /* used all the time */
    }
    for (uint32_t t = 0; t < 20; t++) {
        assert_int_equal(blocks_at(&f, a, 1, t, 20), t == 0 || t > 20 - FL_PREFIX_WARM ? 1 : 0);
    }
    free(f.memory);
}

/* A full table forgets what goes cold first, and holds nearly as many blocks as it has room for. */
static void test_eviction(void **state)
{
    (void)state;
    enum { blocks = 1024 };
    struct fixture f;
    begin(&f, blocks);
    uint64_t hot = fl_mix64(1);
    for (uint64_t i = 0; i < 10 * blocks; i++) {
        uint64_t hash = fl_mix64(1000 + i);
        fl_prefix_note(&f.table, &hash, 1, 3, 7200, i / 10);
        fl_prefix_note(&f.table, &hot, 1, 3, 7200, i / 10);
    }
    unsigned held = 0;
    for (uint64_t i = 9 * blocks; i < 10 * blocks; i++) {
        uint64_t hash = fl_mix64(1000 + i);
        held += blocks_at(&f, &hash, 1, 3, blocks);
    }
    print_message("of the last %d blocks in a table of as many: %u held\n", blocks, held);
    assert_true(held > blocks * 6 / 10);
    assert_int_equal(blocks_at(&f, &hot, 1, 3, blocks), 1);
    free(f.memory);
}

enum { trace_blocks_max = 1024, replicas = 8 };

struct replay {
    struct fixture f;
    uint32_t ttl_s;
    uint64_t tokens, hit, blocks, blocks_hit;
    unsigned next; /* round robin */
    bool affinity; /* to the target with most blocks */
    unsigned targets;
};

static void replay_one(struct replay *r, const uint64_t *hashes, unsigned count, uint64_t input,
                       uint64_t now_s)
{
    struct fl_prefix_hit hits[FL_PREFIX_WARM];
    unsigned n = fl_prefix_hits(&r->f.table, hashes, count, now_s, hits);
    uint32_t target = r->next++ % r->targets, blocks = 0;
    for (unsigned i = 0; i < n; i++) {
        if (r->affinity ? hits[i].blocks > blocks : hits[i].target == target) {
            target = hits[i].target;
            blocks = hits[i].blocks;
        }
    }
    uint64_t hit = (uint64_t)blocks * 512;
    r->tokens += input;
    r->blocks += count;
    r->blocks_hit += blocks;
    r->hit += hit < input ? hit : input;
    fl_prefix_note(&r->f.table, hashes, count, target, r->ttl_s, now_s);
}

static unsigned read_line(struct fl_slice line, uint64_t hashes[trace_blocks_max],
                          uint64_t *ret_input, uint64_t *ret_now_s)
{
    struct fl_json value, id;
    uint64_t ms, n;
    assert_int_equal(fl_json_scan(line, FL_JSON_LIMITS, NULL, 0, &value, NULL), FL_OK);
    assert_true(fl_json_u64(fl_json_get(value, FL_LIT("timestamp")), &ms));
    assert_true(fl_json_u64(fl_json_get(value, FL_LIT("input_length")), ret_input));
    *ret_now_s = ms / 1000;
    unsigned count = 0;
    struct fl_json_iter it = fl_json_iter(fl_json_get(value, FL_LIT("hash_ids")));
    while (fl_json_next(&it, NULL, &id) && count < trace_blocks_max) {
        assert_true(fl_json_u64(id, &n));
        hashes[count++] = fl_mix64(n + 1);
    }
    return count;
}

static void test_trace(void **state)
{
    (void)state;
    struct fl_buf trace;
    if (!data_read("trace_mooncake_conversation.jsonl", &trace)) {
        print_message("skipped: no data\n");
        skip();
    }
    struct replay runs[] = {
        {.ttl_s = 7200, .targets = 1},
        {.ttl_s = 3600, .targets = 1},
        {.ttl_s = 300, .targets = 1},
        {.ttl_s = 3600, .targets = 1},
        {.ttl_s = 3600, .targets = replicas, .affinity = true},
        {.ttl_s = 3600, .targets = replicas},
    };
    static const size_t sizes[] = {1 << 18, 1 << 18, 1 << 18, 1 << 16, 1 << 18, 1 << 18};
    enum { run_count = sizeof(runs) / sizeof(runs[0]) };
    for (size_t i = 0; i < run_count; i++) {
        begin(&runs[i].f, sizes[i]);
    }
    struct fl_slice rest = fl_buf_slice(&trace);
    while (rest.len > 0) {
        static uint64_t hashes[trace_blocks_max];
        uint64_t input, now_s;
        size_t len = fl_slice_find(rest, '\n');
        unsigned count = read_line(fl_slice_first(rest, len), hashes, &input, &now_s);
        rest = fl_slice_from(rest, len + 1);
        for (size_t i = 0; i < run_count; i++) {
            replay_one(&runs[i], hashes, count, input, now_s);
        }
    }
    double share[run_count];
    for (size_t i = 0; i < run_count; i++) {
        share[i] = (double)runs[i].blocks_hit / (double)runs[i].blocks;
        print_message("table of %6zu blocks, kept %4u s, %u target(s)%s: share of blocks %.4f, of "
                      "tokens %.4f\n",
                      sizes[i], runs[i].ttl_s, runs[i].targets,
                      runs[i].affinity ? " by affinity" : "", share[i],
                      (double)runs[i].hit / (double)runs[i].tokens);
        free(runs[i].f.memory);
    }
    fl_buf_finish(&trace);
    assert_true(share[0] > .364 && share[0] < .367); /* all there is to hit: .3664 */
    assert_true(share[3] > .75 * share[1]);          /* a quarter of the memory */
    assert_true(share[4] > .97 * share[1]);          /* nothing lost among eight targets, but */
    assert_true(share[5] < .5 * share[1]);           /* by turns */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_longest),  cmocka_unit_test(test_gap),
        cmocka_unit_test(test_expiry),   cmocka_unit_test(test_many_targets),
        cmocka_unit_test(test_eviction), cmocka_unit_test(test_trace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

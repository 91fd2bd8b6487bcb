/* SPDX-License-Identifier: Apache-2.0 */
/* Shelves, with their trays also in builds whose blocks are allocations of their own. */
#include "base/shelf.c"

#include "base/rng.h"
#include "unit/cm.h"

enum { most = 3000 };

/* Blocks are apart from each other, and hold what is written, whichever order they come and go in. */
static void blocks_are_apart(void **state)
{
    (void)state;
    static unsigned char *blocks[most];
    static const size_t sizes[] = {8, 100, 592, 1712, 16384};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct fl_shelf s;
        struct fl_rng rng;
        unsigned out = 0, most_here = sizes[i] > 2000 ? 100 : most;
        fl_rng_seed(&rng, 7 + i);
        fl_shelf_init(&s, sizes[i]);
        for (unsigned step = 0; step < 40000; step++) {
            bool grows = step / 4000 % 2 == 0; /* up and down, so that trays fill and empty */
            if (out < most_here && (out == 0 || fl_rng_below(&rng, 10) < (grows ? 8u : 2u))) {
                blocks[out] = fl_shelf_take(&s);
                assert_non_null(blocks[out]);
                assert_int_equal((uintptr_t)blocks[out] % 16, 0);
                memset(blocks[out], (int)(out & 255), sizes[i]);
                out++;
            } else {
                unsigned at = (unsigned)fl_rng_below(&rng, out);
                for (size_t k = 0; k < sizes[i]; k++) {
                    assert_int_equal(blocks[at][k], at & 255);
                }
                fl_shelf_give(&s, blocks[at]);
                blocks[at] = blocks[--out];
                memset(blocks[at], (int)(at & 255), at < out ? sizes[i] : 0);
            }
        }
        while (out > 0) {
            fl_shelf_give(&s, blocks[--out]);
        }
        fl_shelf_finish(&s);
        assert_int_equal(s.empty, 0);
    }
}

static unsigned trays(const struct fl_shelf *s)
{
    unsigned count = 0;
    for (const struct fl_list *l = s->open.next; l != &s->open; l = l->next) {
        count++;
    }
    return count;
}

static void empty_trays_go_back_but_a_few(void **state)
{
    (void)state;
    struct fl_shelf s;
    void *blocks[600];
    fl_shelf_init(&s, 1000); /* 65 to 64 KiB */
    for (unsigned i = 0; i < 600; i++) {
        blocks[i] = fl_shelf_take(&s);
    }
    assert_int_equal(trays(&s), 1); /* the tenth; the others are full */
    assert_int_equal(s.empty, 0);
    for (unsigned i = 0; i < 600; i++) {
        fl_shelf_give(&s, blocks[i]);
    }
    assert_int_equal(trays(&s), empty_max);
    assert_int_equal(s.empty, empty_max);
    void *one = fl_shelf_take(&s), *other = fl_shelf_take(&s);
    assert_non_null(one);
    assert_non_null(other);
    assert_int_equal(s.empty, empty_max - 1); /* both of the same */
    fl_shelf_give(&s, one);
    fl_shelf_give(&s, other);
    fl_shelf_finish(&s);
    assert_int_equal(trays(&s), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_apart),
        cmocka_unit_test(empty_trays_go_back_but_a_few),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seam of a continued text: a text cut at every byte and continued from every place before the
 * cut reads as if it had never been cut, however the continuation is split; and against a plain search
 * for the longest overlap, over random texts of few letters.
 */
#include "unit/cm.h"

#include "base/rng.h"
#include "codec/seam.h"

#include <stdio.h>
#include <stdlib.h>

static const char text[] =
    "First light over the harbour: gulls, a bell, \xc3\xa4nd the slow wheel of the ferry. "
    "Nobody had told the lamplighter that the day would be different; he put out the last flame, "
    "counted his steps home, and found the letter under the door, unsigned, still wet from the "
    "rain.";

/* *said* + the seam's output of *next* in pieces of *step* bytes. */
static void join(struct fl_slice said, struct fl_slice next, size_t step, struct fl_buf *out)
{
    struct fl_seam s;
    fl_buf_reset(out);
    fl_buf_put(out, said);
    fl_seam_start(&s, said, true);
    for (size_t i = 0; i < next.len; i += step) {
        fl_seam_feed(&s, fl_slice_first(fl_slice_from(next, i), step), out);
    }
    fl_seam_end(&s, out);
    assert_true(fl_buf_ok(out));
}

static void a_text_cut_anywhere_and_continued_from_anywhere_is_whole(void **state)
{
    struct fl_slice all = FL_LIT(text);
    struct fl_buf out;
    (void)state;
    fl_buf_init(&out, 65536);
    for (size_t cut = 0; cut <= all.len; cut++) {
        for (size_t from = 0; from <= cut; from++) {
            size_t overlap = cut - from;
            bool known =
                overlap == 0 || overlap >= FL_SEAM_LEAST || (from == 0 && overlap >= FL_SEAM_WHOLE);
            if (known) {
                join(fl_slice_first(all, cut), fl_slice_from(all, from), 1 + (cut + from) % 7,
                     &out);
                if (!fl_slice_eq(fl_buf_slice(&out), all)) {
                    fail_msg("cut at %zu, continued from %zu: '%.*s'", cut, from, (int)out.len,
                             out.ptr);
                }
            }
        }
    }
    fl_buf_finish(&out);
}

/* Told without the white space at its end, the source may begin with it, with a part of it, or not.
 */
static void white_space_that_was_not_told_is_no_chance(void **state)
{
    static const struct {
        const char *said, *next, *wanted;
        size_t expected;
    } rows[] = {{"to \n", " \ntell", "to \ntell", 2},
                {"to \n", "\ntell", "to \ntell", 2},
                {"to \n", "tell", "to \ntell", 2},
                {"a b ", " b c", "a b b c", 1},
                {"a b ", " b c", "a b  b c", 0},
                {"to ", " ", "to ", 1},
                {"to ", "", "to ", 1},
                {"x y x ", " x y", "x y x x y", 1},
                {"to the ", "the end", "to the the end", 1}};
    struct fl_buf out;
    (void)state;
    fl_buf_init(&out, 65536);
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (size_t step = 1; step < 4; step++) {
            struct fl_slice next = fl_slice_cstr(rows[i].next);
            struct fl_seam s;
            fl_buf_reset(&out);
            fl_buf_put_cstr(&out, rows[i].said);
            fl_seam_start(&s, fl_slice_cstr(rows[i].said), true);
            fl_seam_expect(&s, rows[i].expected);
            for (size_t at = 0; at < next.len; at += step) {
                fl_seam_feed(&s, fl_slice_first(fl_slice_from(next, at), step), &out);
            }
            fl_seam_end(&s, &out);
            if (!fl_slice_eq(fl_buf_slice(&out), fl_slice_cstr(rows[i].wanted))) {
                fail_msg("row %u: '%.*s'", i, (int)out.len, out.ptr);
            }
        }
    }
    fl_buf_finish(&out);
}

static void a_short_overlap_is_chance(void **state)
{
    struct fl_buf out;
    (void)state;
    fl_buf_init(&out, 65536);
    join(FL_LIT("They will al"), FL_LIT("low it."), 1, &out);
    assert_slice(fl_buf_slice(&out), "They will allow it.");
    join(FL_LIT("the very best"), FL_LIT("test"), 4, &out);
    assert_slice(fl_buf_slice(&out), "the very besttest");
    join(FL_LIT("l"), FL_LIT("lama"), 1, &out);
    assert_slice(fl_buf_slice(&out), "llama");
    join(FL_LIT("lama"), FL_LIT("lama is"), 1, &out); /* began anew */
    assert_slice(fl_buf_slice(&out), "lama is");
    join(FL_EMPTY, FL_LIT("anything"), 3, &out);
    assert_slice(fl_buf_slice(&out), "anything");
    join(FL_LIT("something said before"), FL_EMPTY, 1, &out);
    assert_slice(fl_buf_slice(&out), "something said before");
    fl_buf_finish(&out);
}

static void nothing_is_held_that_cannot_be_an_overlap(void **state)
{
    struct fl_seam s;
    struct fl_buf out;
    (void)state;
    fl_buf_init(&out, 65536);
    fl_seam_start(&s, FL_LIT("the quick brown fox jumps over the lazy dog"), false);
    fl_seam_feed(&s, FL_LIT("x"), &out);
    assert_int_equal(out.len, 0); /* "x jumps over the lazy dog" has more */
    fl_seam_feed(&s, FL_LIT("!"), &out);
    assert_slice(fl_buf_slice(&out), "x!");
    fl_buf_reset(&out);
    fl_seam_start(&s, FL_LIT("the quick brown fox jumps over the lazy dog"), false);
    fl_seam_feed(&s, FL_LIT("z"), &out); /* "zy dog" is too little */
    assert_slice(fl_buf_slice(&out), "z");
    fl_buf_finish(&out);
}

/* --- against the plain search --- */

static size_t longest_overlap(struct fl_slice said, struct fl_slice next)
{
    struct fl_slice tail =
        said.len > FL_SEAM_TAIL ? fl_slice_from(said, said.len - FL_SEAM_TAIL) : said;
    for (size_t k = tail.len < next.len ? tail.len : next.len; k >= FL_SEAM_WHOLE; k--) {
        bool counts = k >= FL_SEAM_LEAST || k == said.len;
        if (counts && fl_slice_eq(fl_slice_from(tail, tail.len - k), fl_slice_first(next, k))) {
            return k;
        }
    }
    return 0;
}

static size_t random_text(struct fl_rng *rng, unsigned letters, char *ret, size_t cap)
{
    size_t len = fl_rng_below(rng, cap);
    for (size_t i = 0; i < len; i++) {
        ret[i] = (char)('a' + fl_rng_below(rng, letters));
    }
    return len;
}

static void it_is_the_longest_overlap(void **state)
{
    const char *given = getenv("FL_PROP_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : 7;
    struct fl_rng rng;
    struct fl_buf out, wanted;
    char said[700], next[700];
    (void)state;
    fl_rng_seed(&rng, seed);
    fl_buf_init(&out, 65536);
    fl_buf_init(&wanted, 65536);
    for (unsigned n = 0; n < 20000; n++) {
        unsigned letters = 1 + (unsigned)fl_rng_below(&rng, 3);
        size_t cap = n % 2 ? 40 : sizeof(said);
        size_t said_len = random_text(&rng, letters, said, cap),
               next_len = random_text(&rng, letters, next, cap);
        if (said_len > 0 && n % 3 == 0) { /* one that does overlap */
            size_t from = fl_rng_below(&rng, said_len);
            size_t len = said_len - from < next_len ? said_len - from : next_len;
            memcpy(next, said + from, len);
        }
        struct fl_slice a = fl_slice(said, said_len), b = fl_slice(next, next_len);
        join(a, b, 1 + fl_rng_below(&rng, 9), &out);
        fl_buf_reset(&wanted);
        fl_buf_put(&wanted, a);
        fl_buf_put(&wanted, fl_slice_from(b, longest_overlap(a, b)));
        if (!fl_slice_eq(fl_buf_slice(&out), fl_buf_slice(&wanted))) {
            fail_msg("seed %llu, case %u: '%.*s' + '%.*s'", (unsigned long long)seed, n, (int)a.len,
                     a.ptr, (int)b.len, b.ptr);
        }
    }
    fl_buf_finish(&out);
    fl_buf_finish(&wanted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_cut_anywhere_and_continued_from_anywhere_is_whole),
        cmocka_unit_test(white_space_that_was_not_told_is_no_chance),
        cmocka_unit_test(a_short_overlap_is_chance),
        cmocka_unit_test(nothing_is_held_that_cannot_be_an_overlap),
        cmocka_unit_test(it_is_the_longest_overlap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

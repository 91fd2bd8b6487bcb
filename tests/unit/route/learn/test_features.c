/* SPDX-License-Identifier: Apache-2.0 */
/* What features promise: the same set on every build, bounded, and blind to what lies between the
 * windows. */
#include "unit/cm.h"

#include "base/hash.h"
#include "base/rng.h"
#include "route/learn/features.h"
#include "route/learn/scan.h"

#include <stdio.h>
#include <stdlib.h>

static struct fl_features f, g;

static void extract(struct fl_slice text, struct fl_features *ret)
{
    struct fl_windows w = fl_windows_of(text);
    fl_features_extract(&w, ret);
}

static bool has(const struct fl_features *set, uint32_t index)
{
    for (unsigned i = 0; i < set->count; i++) {
        if (set->items[i].index == index) {
            return true;
        }
    }
    return false;
}

/* Are the features of both texts the same set? */
static bool same(const char *a, const char *b)
{
    extract(fl_slice_cstr(a), &f);
    extract(fl_slice_cstr(b), &g);
    for (unsigned i = 0; i < f.count; i++) {
        if (!has(&g, f.items[i].index)) {
            return false;
        }
    }
    return f.count == g.count;
}

static uint64_t digest(struct fl_slice text)
{
    extract(text, &f);
    uint64_t h = f.count;
    for (unsigned i = 0; i < f.count; i++) {
        h = fl_mix64(h ^ f.items[i].index ^ (uint64_t)(uint32_t)f.items[i].value << 40);
    }
    for (unsigned i = 0; i < FL_SURFACE_COUNT; i++) {
        h = fl_mix64(h ^ f.surface[i]);
    }
    return h;
}

/* Constants: a change here changes what every trained model means. */
static void features_never_change(void **state)
{
    (void)state;
    static char text[5000];
    for (unsigned i = 0; i < sizeof(text); i++) {
        text[i] = i % 6 == 5 ? ' ' : (char)('a' + i * i % 23);
    }
    assert_true(digest(FL_LIT("Summarize the benefits of AI routing")) ==
                UINT64_C(0xd1c57c95f2c2dede));
    assert_true(digest(FL_LIT("\xc3\x9c"
                              "BERSETZE das ins Englische: 42%?\n- \xe4\xbd\xa0\xe5\xa5\xbd")) ==
                UINT64_C(0x6bda51aa39f639b2));
    assert_true(digest(fl_slice(text, sizeof(text))) == UINT64_C(0x6b3ae382ea565547));
}

static void case_does_not_matter_in_four_scripts(void **state)
{
    (void)state;
    assert_int_equal(strlen("\xc3\x89T\xc3\x89"), 5);
    extract(FL_LIT("\xc3\x89T\xc3\x89 \xce\xa3\xce\x9f \xd0\x9f\xd0\xa0\xd0\x81 \xc5\x81"
                   "Z ABC"),
            &f);
    extract(FL_LIT("\xc3\xa9t\xc3\xa9 \xcf\x83\xce\xbf \xd0\xbf\xd1\x80\xd1\x91 \xc5\x82"
                   "z abc"),
            &g);
    assert_int_equal(f.count, g.count);
    unsigned shared = 0;
    for (unsigned i = 0; i < f.count; i++) {
        shared += has(&g, f.items[i].index);
    }
    assert_int_equal(shared, f.count - 1); /* but for the share of capitals */
    assert_false(same("abc", "abd"));
}

static void tokens_are_found(void **state)
{
    (void)state;
    struct fl_scan s;
    struct fl_windows w =
        fl_windows_of(FL_LIT("Hi: \"X9\"?\n\xe4\xbd\xa0\xe5\xa5\xbd\xe3\x80\x82ok \xc2\xab"
                             "a\xc2\xbb don't"));
    static const char *const expected[] = {"hi", "x9", "\xe4\xbd\xa0", "\xe5\xa5\xbd",
                                           "ok", "a",  "don",          "t"};
    static const uint8_t before[] = {FL_AFTER_LINE,
                                     FL_AFTER_COLON | FL_AFTER_QUOTE,
                                     FL_AFTER_QUOTE | FL_AFTER_LINE,
                                     0,
                                     FL_AFTER_STOP,
                                     FL_AFTER_QUOTE,
                                     FL_AFTER_QUOTE,
                                     0};
    fl_scan_windows(&w, &s);
    assert_int_equal(s.tokens, 8);
    for (unsigned i = 0; i < s.tokens; i++) {
        const struct fl_token *t = &s.token[i];
        assert_slice(fl_slice((const char *)s.text + t->start, (size_t)(t->end - t->start)),
                     expected[i]);
        assert_int_equal(t->before, before[i]);
    }
    assert_int_equal(s.counts.questions, 1);
    assert_int_equal(s.counts.lines, 1);
    assert_int_equal(s.counts.capitals, 2);
    assert_int_equal(s.counts.digits, 1);
    assert_int_equal(s.counts.foreign, 13);
}

static void windows_cut_between_characters(void **state)
{
    (void)state;
    enum { both = FL_WINDOW_HEAD + FL_WINDOW_TAIL };
    static char text[4 * both];
    for (unsigned i = 0; i + 1 < sizeof(text); i += 2) {
        memcpy(text + i, "\xc3\xa9", 2);
    }
    struct fl_windows w = fl_windows_of(fl_slice(text, both));
    assert_int_equal(w.head.len, both);
    assert_int_equal(w.tail.len, 0);
    w = fl_windows_of(fl_slice(text + 1, both + 200));
    assert_int_equal(w.head.len, FL_WINDOW_HEAD - 1);
    assert_true(w.tail.len == FL_WINDOW_TAIL || w.tail.len == FL_WINDOW_TAIL - 1);
    assert_int_equal(w.tail.ptr[0], '\xc3');
    assert_int_equal(w.text_bytes, both + 200);
}

static void the_middle_is_not_read(void **state)
{
    (void)state;
    static char text[20000];
    memset(text, ' ', sizeof(text));
    memcpy(text, "first", 5);
    memcpy(text + sizeof(text) - 4, "last", 4);
    uint64_t before = digest(fl_slice(text, sizeof(text)));
    memcpy(text + 10000, "middle", 6);
    assert_true(digest(fl_slice(text, sizeof(text))) == before);
    memcpy(text + sizeof(text) - 20, "x", 1);
    assert_true(digest(fl_slice(text, sizeof(text))) != before);
}

static void nothing_has_surface_only(void **state)
{
    (void)state;
    extract(FL_EMPTY, &f);
    assert_int_equal(f.count, FL_SURFACE_COUNT);
    assert_int_equal(f.square_sum, FL_SURFACE_COUNT * FL_FEATURE_ONE * FL_FEATURE_ONE);
    extract(FL_LIT("?! \xf0\x9f\x98\x80 ..."), &f);
    assert_int_equal(f.count, FL_SURFACE_COUNT);
    assert_int_equal(f.surface[FL_SURFACE_QUESTIONS], 1);
}

static void simd_and_portable_agree(void **state)
{
    (void)state;
    struct fl_rng rng;
    fl_rng_seed(&rng, 11);
    for (unsigned round = 0; round < 2000; round++) {
        uint8_t a[64], b[64];
        struct fl_scan_masks m, n;
        for (unsigned i = 0; i < 64; i++) {
            a[i] = b[i] = round < 4 ? (uint8_t)(64 * round + i) : (uint8_t)fl_rng_next(&rng);
        }
        fl_scan_block(a, &m);
        fl_scan_block_portable(b, &n);
        assert_memory_equal(a, b, sizeof(a));
        assert_memory_equal(&m, &n, sizeof(m));
    }
}

/* Any bytes in blocks of exactly their size: bounded, a set, repeatable. */
static void random_bytes_are_harmless(void **state)
{
    (void)state;
    struct fl_rng rng;
    const char *seed_text = getenv("SEED");
    uint64_t seed = seed_text ? strtoull(seed_text, NULL, 10) : 3;
    print_message("seed %llu\n", (unsigned long long)seed);
    fl_rng_seed(&rng, seed);
    for (unsigned round = 0; round < 600; round++) {
        static const char pieces[] = "aZ9 \n.?:\"-\xc3\xa9\xe4\xbd\xa0\xf0\x9f\x98\x80\xff\x80";
        size_t len = (size_t)fl_rng_below(&rng, round % 2 ? 1700 : 40);
        char *text = malloc(len + 1);
        assert_non_null(text);
        for (size_t i = 0; i < len; i++) {
            text[i] =
                round % 3 ? pieces[fl_rng_below(&rng, sizeof(pieces))] : (char)fl_rng_next(&rng);
        }
        char *exact = realloc(text, len ? len : 1);
        assert_non_null(exact);
        uint64_t first = digest(fl_slice(exact, len));
        static bool seen[1 << 15];
        memset(seen, 0, sizeof(seen));
        for (unsigned i = 0; i < f.count; i++) {
            assert_false(seen[f.items[i].index >> 17]);
            seen[f.items[i].index >> 17] = true;
            assert_in_range(f.items[i].value, 1, 4 * FL_FEATURE_ONE);
        }
        assert_true(f.count <= FL_FEATURES_MAX);
        assert_true(digest(fl_slice(exact, len)) == first);
        free(exact);
    }
}

/* Windows may come from anywhere, not only from fl_windows_of(). */
static void windows_of_any_size_are_clipped(void **state)
{
    (void)state;
    static char text[4000];
    memset(text, 'x', sizeof(text));
    for (size_t head = 0; head < 1000; head += 7) {
        for (size_t tail = 0; tail < 1000; tail += 111) {
            struct fl_windows w = {fl_slice(text, head), fl_slice(text, tail), head + tail};
            fl_features_extract(&w, &f);
            assert_true(f.count >= FL_SURFACE_COUNT);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(features_never_change),
        cmocka_unit_test(case_does_not_matter_in_four_scripts),
        cmocka_unit_test(tokens_are_found),
        cmocka_unit_test(windows_cut_between_characters),
        cmocka_unit_test(the_middle_is_not_read),
        cmocka_unit_test(nothing_has_surface_only),
        cmocka_unit_test(simd_and_portable_agree),
        cmocka_unit_test(random_bytes_are_harmless),
        cmocka_unit_test(windows_of_any_size_are_clipped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

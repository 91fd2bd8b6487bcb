/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/cm.h"

#include "base/addr.h"
#include "base/arena.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/rng.h"
#include "base/timers.h"
#include "base/utf8.h"

#include <math.h>
#include <stdlib.h>

static void slices_compare_and_parse(void **state)
{
    (void)state;
    uint64_t n = 0;
    assert_true(fl_slice_eq_nocase(FL_LIT("Content-Length"), FL_LIT("content-LENGTH")));
    assert_false(fl_slice_eq_nocase(FL_LIT("a["), FL_LIT("a{")));
    assert_slice(fl_slice_trim(FL_LIT(" \t x y\t")), "x y");
    assert_int_equal(fl_slice_find_text(FL_LIT("abcabd"), FL_LIT("abd")), 3);
    assert_true(fl_slice_u64(FL_LIT("9999999999999999999"), &n));
    assert_true(n == UINT64_C(9999999999999999999));
    assert_false(fl_slice_u64(FL_LIT("18446744073709551616"), &n));
    assert_false(fl_slice_u64(FL_LIT("+1"), &n));
    assert_false(fl_slice_u64(FL_EMPTY, &n));
    assert_true(fl_slice_decimal_e9(FL_LIT("0.075"), &n));
    assert_int_equal(n, 75000000);
    assert_true(fl_slice_decimal_e9(FL_LIT("3"), &n));
    assert_int_equal(n, 3000000000);
    assert_false(fl_slice_decimal_e9(FL_LIT("1."), &n));
    assert_false(fl_slice_decimal_e9(FL_LIT("1e3"), &n));
    assert_true(fl_slice_cmp(FL_LIT("ab"), FL_LIT("abc")) < 0);
}

static void distances_are_known(void **state)
{
    (void)state;
    assert_int_equal(fl_slice_distance(FL_LIT("failover_treshold"), FL_LIT("failover_threshold"), 3), 1);
    assert_int_equal(fl_slice_distance(FL_LIT("wieght"), FL_LIT("weight"), 3), 1);
    assert_int_equal(fl_slice_distance(FL_LIT("abc"), FL_LIT("xyz"), 2), 3);
    assert_int_equal(fl_slice_distance(FL_EMPTY, FL_LIT("ab"), 3), 2);
}

static void buffers_hold_their_ceiling(void **state)
{
    (void)state;
    struct fl_buf b;
    fl_buf_init(&b, 1000);
    for (int i = 0; i < 100; i++) {
        fl_buf_put(&b, FL_LIT("0123456789"));
    }
    assert_true(fl_buf_ok(&b));
    assert_int_equal(b.len, 1000);
    fl_buf_putc(&b, 'x');
    assert_false(fl_buf_ok(&b));
    fl_buf_reset(&b);
    fl_buf_put_u64(&b, UINT64_MAX);
    fl_buf_putc(&b, ' ');
    fl_buf_put_i64(&b, INT64_MIN);
    fl_buf_putc(&b, ' ');
    fl_buf_put_hex(&b, 0, 0);
    fl_buf_put_hex(&b, 0x1af, 0);
    fl_buf_put_hex(&b, 0xa, 4);
    assert_slice(fl_buf_slice(&b), "18446744073709551615 -9223372036854775808 01af000a");
    fl_buf_drop(&b, 21);
    assert_slice(fl_slice_first(fl_buf_slice(&b), 4), "-922");
    fl_buf_drop(&b, b.len);
    assert_null(b.ptr);
    fl_buf_finish(&b);
}

static void decimals_round_half_up(void **state)
{
    (void)state;
    struct fl_buf b;
    char memory[64];
    fl_buf_init_in(&b, memory, sizeof(memory));
    fl_buf_put_scaled(&b, 1234567, 6, 2);
    fl_buf_putc(&b, ' ');
    fl_buf_put_scaled(&b, 999999, 6, 3);
    fl_buf_putc(&b, ' ');
    fl_buf_put_scaled(&b, 1449, 3, 1);
    fl_buf_putc(&b, ' ');
    fl_buf_put_scaled(&b, 5, 3, 6);
    assert_slice(fl_buf_slice(&b), "1.23 1.000 1.4 0.005");
}

static void json_strings_are_escaped(void **state)
{
    (void)state;
    struct fl_buf b;
    fl_buf_init(&b, 1000);
    fl_buf_put_json(&b, FL_LIT("a\"b\\c\n\x01\x0b\xc3\xa9\xff<"));
    assert_slice(fl_buf_slice(&b), "\"a\\\"b\\\\c\\n\\u0001\\u000b\xc3\xa9\xef\xbf\xbd<\"");
    fl_buf_finish(&b);
}

static void utf8_follows_rfc_3629(void **state)
{
    (void)state;
    assert_int_equal(fl_utf8_check(FL_LIT("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80")), 10);
    assert_int_equal(fl_utf8_check(FL_LIT("a\xc0\x80")), 1);
    assert_int_equal(fl_utf8_check(FL_LIT("\xe0\x9f\xbf")), 0);
    assert_int_equal(fl_utf8_check(FL_LIT("\xed\xa0\x80")), 0);
    assert_int_equal(fl_utf8_check(FL_LIT("\xf4\x90\x80\x80")), 0);
    assert_int_equal(fl_utf8_check(FL_LIT("ab\xe2\x82")), 2);
}

static void arenas_are_bounded(void **state)
{
    (void)state;
    struct fl_arena a;
    fl_arena_init(&a, 256, 1000);
    char *one = fl_arena_take(&a, 10), *big = fl_arena_take(&a, 600);
    assert_non_null(one);
    assert_non_null(big);
    assert_int_equal((uintptr_t)big % 16, 0);
    memset(big, 1, 600);
    assert_slice(fl_arena_copy(&a, FL_LIT("copy")), "copy");
    assert_null(fl_arena_take(&a, 500));
    assert_null(fl_arena_take(&a, 1)); /* sticky */
    fl_arena_finish(&a);
    assert_non_null(fl_arena_zero(&a, 1000));
    fl_arena_finish(&a);
    _Alignas(16) char room[200];
    fl_arena_init_in(&a, room, sizeof(room), 256, 1000);
    char *small = fl_arena_take(&a, 100), *more = fl_arena_take(&a, 300);
    assert_true(small != NULL && more != NULL);
    assert_false(more >= room && more < room + sizeof(room));
    memset(small, 's', 100);
    memset(more, 'm', 300);
    assert_null(fl_arena_take(&a, 601));
    fl_arena_finish(&a);
    assert_non_null(fl_arena_take(&a, 1000));
    fl_arena_finish(&a);
}

static void siphash_1_3_matches_its_vectors(void **state)
{
    (void)state;
    /* Key 00..0f, message 00..n-1. Values of SipHash-1-3 as CPython and Rust publish them. */
    struct fl_hash_key key = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)};
    char message[16];
    for (int i = 0; i < 16; i++) {
        message[i] = (char)i;
    }
    assert_true(fl_hash(key, fl_slice(message, 0)) == UINT64_C(0xabac0158050fc4dc));
    assert_true(fl_hash(key, fl_slice(message, 1)) == UINT64_C(0xc9f49bf37d57ca93));
    assert_true(fl_hash(key, fl_slice(message, 8)) == UINT64_C(0x369095118d299a8e));
    assert_true(fl_hash(key, fl_slice(message, 11)) == UINT64_C(0x70c118c1f94dc352));
}

static void random_numbers_repeat(void **state)
{
    (void)state;
    struct fl_rng a, b;
    unsigned seen[7] = {0};
    fl_rng_seed(&a, 42);
    fl_rng_seed(&b, 42);
    for (int i = 0; i < 7000; i++) {
        uint64_t x = fl_rng_below(&a, 7);
        assert_int_equal(x, fl_rng_below(&b, 7));
        seen[x]++;
        double u = fl_rng_unit(&a);
        assert_true(u >= 0 && u < 1);
        (void)fl_rng_unit(&b);
    }
    for (int i = 0; i < 7; i++) {
        assert_in_range(seen[i], 850, 1150);
    }
}

struct tick {
    struct fl_timer timer;
    int name;
};
static int fired[1000];
static int fired_count;

static void note(struct fl_timer *timer)
{
    fired[fired_count++] = fl_container_of(timer, struct tick, timer)->name;
}

static void timers_fire_in_order(void **state)
{
    (void)state;
    enum { count = 1000 };
    static struct tick ticks[count];
    struct fl_timers t;
    struct fl_rng r;
    fl_timers_init(&t);
    fl_rng_seed(&r, 1);
    fired_count = 0;
    for (int i = 0; i < count; i++) {
        ticks[i] = (struct tick){.timer.fire = note, .name = i};
        fl_timers_set(&t, &ticks[i].timer, fl_rng_below(&r, 50));
    }
    for (int i = 0; i < count; i += 3) {
        fl_timers_stop(&t, &ticks[i].timer);
    }
    for (int i = 1; i < count; i += 3) {
        fl_timers_set(&t, &ticks[i].timer, fl_rng_below(&r, 50));
    }
    for (uint64_t now = 0; now < 50; now++) {
        fl_timers_run(&t, now);
        assert_true(fl_timers_next(&t) > now);
    }
    assert_int_equal(fired_count, 666);
    for (int i = 1; i < fired_count; i++) {
        const struct fl_timer *a = &ticks[fired[i - 1]].timer, *b = &ticks[fired[i]].timer;
        assert_true(a->at_ns < b->at_ns || (a->at_ns == b->at_ns && a->order < b->order));
    }
    assert_true(fl_timers_next(&t) == FL_NEVER);
    fl_timers_finish(&t);
}

static void addresses_parse_and_print(void **state)
{
    (void)state;
    struct fl_addr a;
    struct fl_buf b;
    char memory[80];
    fl_buf_init_in(&b, memory, sizeof(memory));
    assert_true(fl_addr_parse(FL_LIT("127.0.0.1:3247"), &a));
    assert_true(fl_addr_is_loopback(&a));
    fl_addr_put(&a, &b);
    assert_true(fl_addr_parse(FL_LIT("[::1]:80"), &a));
    assert_true(fl_addr_is_loopback(&a));
    fl_addr_put(&a, &b);
    assert_true(fl_addr_parse(FL_LIT(":0"), &a));
    assert_false(fl_addr_is_loopback(&a));
    fl_addr_put(&a, &b);
    assert_slice(fl_buf_slice(&b), "127.0.0.1:3247[::1]:800.0.0.0:0");
    assert_false(fl_addr_parse(FL_LIT("127.0.0.1"), &a));
    assert_false(fl_addr_parse(FL_LIT("127.0.0.1:65536"), &a));
    assert_false(fl_addr_parse(FL_LIT("::1:80"), &a));
    assert_false(fl_addr_parse(FL_LIT("example.org:80"), &a));
}

static void lists_link_and_unlink(void **state)
{
    (void)state;
    struct fl_list head, a, b;
    fl_list_init(&head);
    fl_list_init(&a);
    fl_list_init(&b);
    fl_list_remove(&a);
    fl_list_append(&head, &a);
    fl_list_push(&head, &b);
    assert_ptr_equal(head.next, &b);
    assert_ptr_equal(head.prev, &a);
    fl_list_remove(&b);
    fl_list_remove(&a);
    assert_true(fl_list_empty(&head));
}

static void every_error_has_a_row(void **state)
{
    (void)state;
    for (int i = 0; i < FL_ERR_COUNT; i++) {
        assert_true(strlen(fl_err_name((enum fl_err)i)) > 0);
        assert_in_range(fl_err_status((enum fl_err)i), 200, 599);
        assert_true(i == FL_OK || i == FL_ERR_HEDGED || fl_err_blame((enum fl_err)i) != FL_BLAME_NONE);
    }
}

static const char *real(double value, unsigned digits)
{
    static char text[64];
    struct fl_buf b;
    fl_buf_init_in(&b, text, sizeof(text) - 1);
    fl_buf_put_real(&b, value, digits);
    text[b.len] = '\0';
    return text;
}

static void real_numbers(void **state)
{
    struct fl_rng rng;
    (void)state;
    assert_string_equal(real(0, 6), "0");
    assert_string_equal(real(1, 6), "1");
    assert_string_equal(real(-2.5, 6), "-2.5");
    assert_string_equal(real(10, 6), "10");
    assert_string_equal(real(123456, 6), "123456");
    assert_string_equal(real(1234567, 6), "1234570");
    assert_string_equal(real(0.001, 3), "0.001");
    assert_string_equal(real(0.0000123, 6), "0.0000123");
    assert_string_equal(real(0.00000123, 6), "1.23e-6");
    assert_string_equal(real(9.9999999, 6), "10");
    assert_string_equal(real(0.99999999, 6), "1");
    assert_string_equal(real(1e15, 6), "1e15");
    assert_string_equal(real(1.5e300, 6), "1.5e300");
    assert_string_equal(real(HUGE_VAL, 6), "null");
    assert_string_equal(real(-HUGE_VAL, 6), "null");
    assert_string_equal(real((double)NAN, 6), "null");
    fl_rng_seed(&rng, 5);
    for (int i = 0; i < 100000; i++) {
        double value = ldexp(fl_rng_unit(&rng) - 0.5, (int)fl_rng_below(&rng, 600) - 300);
        double back = strtod(real(value, 6), NULL);
        assert_true(fabs(back - value) <= fabs(value) * 5.1e-6);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(real_numbers),
        cmocka_unit_test(slices_compare_and_parse),
        cmocka_unit_test(distances_are_known),
        cmocka_unit_test(buffers_hold_their_ceiling),
        cmocka_unit_test(decimals_round_half_up),
        cmocka_unit_test(json_strings_are_escaped),
        cmocka_unit_test(utf8_follows_rfc_3629),
        cmocka_unit_test(arenas_are_bounded),
        cmocka_unit_test(siphash_1_3_matches_its_vectors),
        cmocka_unit_test(random_numbers_repeat),
        cmocka_unit_test(timers_fire_in_order),
        cmocka_unit_test(addresses_parse_and_print),
        cmocka_unit_test(lists_link_and_unlink),
        cmocka_unit_test(every_error_has_a_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

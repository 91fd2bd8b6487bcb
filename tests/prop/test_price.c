/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Laws of prices over random models and usage: every token is billed once; more of anything never
 * costs less (where parts cost no more than what they are parts of, and no step is passed); nothing
 * wraps; an estimate lies between its extremes.
 */
#include "unit/cm.h"

#include "base/rng.h"
#include "route/catalog/price.h"

#include <stdio.h>

#define SEED   UINT64_C(20261125)
#define ROUNDS 200000

/* A number of any size: as many bits as chance wants, up to *bits*. */
static uint64_t any(struct fl_rng *rng, unsigned bits)
{
    return fl_rng_next(rng) >> (64 - bits + fl_rng_below(rng, bits));
}

static void make_usage(struct fl_rng *rng, unsigned bits, struct fl_usage *u)
{
    *u =
        (struct fl_usage){.known = true, .tokens_in = any(rng, bits), .tokens_out = any(rng, bits)};
    uint64_t *const parts[] = {
        &u->tokens_cached,       &u->tokens_cache_write,  &u->tokens_cache_write_1h,
        &u->tokens_in_audio,     &u->tokens_in_image,     &u->tokens_in_video,
        &u->tokens_cached_audio, &u->tokens_cached_image, &u->tokens_cached_video,
        &u->tokens_reasoning,    &u->tokens_out_audio,    &u->tokens_out_image,
        &u->tokens_out_video,    &u->tokens_citation};
    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
        *parts[i] = fl_rng_below(rng, 3) > 0 ? 0 : any(rng, bits);
    }
    u->service = (enum fl_service)fl_rng_below(rng, FL_SERVICE_COUNT);
}

struct made {
    struct fl_model model;
    struct fl_price_rule rule;
    uint64_t prices[FL_PRICE_CLASS_COUNT];
};

/* Input and output have prices, other classes perhaps; *even*: all the same price. */
static void make_model(struct fl_rng *rng, unsigned bits, bool even, struct made *m)
{
    unsigned count = 0;
    uint64_t one = any(rng, bits);
    *m = (struct made){.rule = {.from_day = FL_DAY_ALWAYS}};
    m->rule.classes = (uint32_t)fl_rng_next(rng) & ((1u << FL_PRICE_REQUEST) - 1);
    m->rule.classes |= 1u << FL_PRICE_IN | 1u << FL_PRICE_OUT;
    for (unsigned c = 0; c < FL_PRICE_CLASS_COUNT; c++) {
        if (m->rule.classes & 1u << c) {
            m->prices[count++] = even ? one : any(rng, bits);
        }
    }
    for (unsigned s = 0; s < FL_SERVICE_COUNT; s++) {
        m->model.service_permille[s] = (uint16_t)fl_rng_below(rng, 3000);
    }
}

/* Where the pointers point once the struct has its place. */
static void settle(struct made *m)
{
    m->rule.prices = m->prices;
    m->model.rules = &m->rule;
    m->model.rule_count = 1;
}

static void every_token_is_billed_once(void **state)
{
    struct fl_rng rng;
    (void)state;
    fl_rng_seed(&rng, SEED);
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct made m;
        struct fl_usage u;
        struct fl_bill bill;
        make_model(&rng, 20, true, &m);
        settle(&m);
        make_usage(&rng, 30, &u);
        assert_int_equal(fl_price_usage(&m.model, &u, 0, &bill), FL_OK);
        uint64_t counted[2] = {0, 0};
        for (unsigned k = 0; k < bill.line_count; k++) {
            counted[bill.lines[k].what >= FL_PRICE_OUT] += bill.lines[k].count;
        }
        assert_int_equal(counted[0], u.tokens_in);
        assert_int_equal(counted[1], u.tokens_out);
        assert_int_equal(bill.unpriced, 0);
        /* one price: only the totals matter, and the factor is rounded for each */
        uint64_t in = u.tokens_in * m.prices[0], out = u.tokens_out * m.prices[0];
        assert_int_equal(bill.in_picousd, (in * bill.permille + 500) / 1000);
        assert_int_equal(bill.out_picousd, (out * bill.permille + 500) / 1000);
    }
}

static void more_never_costs_less(void **state)
{
    struct fl_rng rng;
    (void)state;
    fl_rng_seed(&rng, SEED + 1);
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct made m;
        struct fl_usage u, more;
        struct fl_bill less, bill;
        make_model(&rng, 20, false, &m);
        settle(&m);
        make_usage(&rng, 30, &u);
        u.tokens_cached = u.tokens_cache_write = 0; /* their prices may be below that of input */
        u.tokens_in_audio = u.tokens_in_image = u.tokens_in_video = 0;
        more = u;
        more.tokens_in += any(&rng, 20);
        more.tokens_out += any(&rng, 20);
        assert_int_equal(fl_price_usage(&m.model, &u, 0, &less), FL_OK);
        assert_int_equal(fl_price_usage(&m.model, &more, 0, &bill), FL_OK);
        assert_true(bill.in_picousd >= less.in_picousd);
        assert_true(bill.out_picousd >= less.out_picousd || more.tokens_out == u.tokens_out);
    }
}

static void nothing_wraps(void **state)
{
    struct fl_rng rng;
    unsigned refused = 0;
    (void)state;
    fl_rng_seed(&rng, SEED + 2);
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct made m;
        struct fl_usage u;
        struct fl_bill bill;
        make_model(&rng, 64, false, &m);
        settle(&m);
        make_usage(&rng, 64, &u);
        enum fl_err err = fl_price_usage(&m.model, &u, 0, &bill);
        if (err) {
            assert_int_equal(err, FL_ERR_TOO_BIG);
            refused++;
            continue;
        }
        /* each product is exact, and so are the sums of input, output and calls */
        uint64_t sums[3] = {0, 0, 0};
        for (unsigned k = 0; k < bill.line_count; k++) {
            const struct fl_bill_line *line = &bill.lines[k];
            assert_true(line->count == 0 || line->picousd / line->count == line->price);
            unsigned part = line->what < FL_PRICE_OUT ? 0 : line->what < FL_PRICE_REQUEST ? 1 : 2;
            assert_false(__builtin_add_overflow(sums[part], line->picousd, &sums[part]));
        }
    }
    print_message("%u of %d bills are too large for 64 bits and said so\n", refused, ROUNDS);
    assert_true(refused > ROUNDS / 20 && refused < ROUNDS - ROUNDS / 20);
}

static void an_estimate_lies_between_its_extremes(void **state)
{
    struct fl_rng rng;
    (void)state;
    fl_rng_seed(&rng, SEED + 3);
    for (unsigned i = 0; i < ROUNDS / 4; i++) {
        struct made m;
        struct fl_estimate none, some, all;
        make_model(&rng, 20, false, &m);
        settle(&m);
        struct fl_price_request r = {.tokens_in = any(&rng, 24),
                                     .tokens_prefix = any(&rng, 24),
                                     .tokens_out_p50 = any(&rng, 16),
                                     .prefix_ppm = 0};
        r.tokens_out_p90 = r.tokens_out_p50 + any(&rng, 16);
        assert_int_equal(fl_price_estimate(&m.model, &r, 0, &none), FL_OK);
        r.prefix_ppm = 1000000;
        assert_int_equal(fl_price_estimate(&m.model, &r, 0, &all), FL_OK);
        r.prefix_ppm = (uint32_t)fl_rng_below(&rng, 1000001);
        assert_int_equal(fl_price_estimate(&m.model, &r, 0, &some), FL_OK);
        uint64_t low = none.picousd_p50 < all.picousd_p50 ? none.picousd_p50 : all.picousd_p50;
        uint64_t high = none.picousd_p50 + all.picousd_p50 - low;
        assert_true(some.picousd_p50 >= low && some.picousd_p50 <= high);
        assert_true(none.picousd_p90 >= none.picousd_p50);
        assert_int_equal(some.picousd_p90, none.picousd_p90);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_token_is_billed_once),
        cmocka_unit_test(more_never_costs_less),
        cmocka_unit_test(nothing_wraps),
        cmocka_unit_test(an_estimate_lies_between_its_extremes),
    };
    print_message("seed %llu\n", (unsigned long long)SEED);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

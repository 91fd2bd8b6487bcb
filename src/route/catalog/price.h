/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an answer cost, exactly, and what a request will cost, before it is sent. Integers only:
 * pico-USD (10^-12 USD). Every sum and product is checked; nothing wraps.
 *
 * Tokens are divided into cells, each with one price:
 *   input   by kind (text, audio, image, video) and cache (fresh, read, written, written for 1 h);
 *           what is written to a cache counts as text
 *   output  reasoning, audio, image, video, citations, and text for the rest
 * A class without a price of its own counts at its fallback's (catalog.h), so that reasoning costs
 * what output costs and a cached token what an input token costs, unless the model says otherwise.
 */
#ifndef FL_ROUTE_CATALOG_PRICE_H
#define FL_ROUTE_CATALOG_PRICE_H

#include "route/catalog/catalog.h"

struct fl_bill_line {
    enum fl_price_class what, by; /* priced as its own class or as a fallback */
    uint64_t count;               /* tokens, calls or milliseconds */
    uint64_t price;               /* pico-USD each; per hour for audio_hour. Before the factor */
    uint64_t picousd;             /* before the factor */
};

struct fl_bill {
    uint64_t picousd;                                /* all */
    uint64_t in_picousd, out_picousd, calls_picousd; /* its parts: input, output, the rest */
    uint16_t permille;    /* factor of the service on tokens, in thousandths */
    bool service_unknown; /* no factor is known for the service: counted at 1 */
    uint32_t unpriced;    /* bit 1 << class: used, and nothing says what it costs; not in picousd.
                             Never set for requests, which most models do not bill. */
    const struct fl_price_rule *rule; /* the one that counted */
    unsigned line_count;
    struct fl_bill_line lines[FL_PRICE_CLASS_COUNT];
};

/* The rule in force at *when_s* (seconds since 1970-01-01 UTC) for an input of *tokens_in*; NULL:
 * the model has no prices. */
const struct fl_price_rule *fl_price_rule(const struct fl_model *model, uint64_t tokens_in,
                                          int64_t when_s);

/* FL_ERR_INVALID: the model has no prices. FL_ERR_TOO_BIG: over 18 million USD. */
enum fl_err fl_price_usage(const struct fl_model *model, const struct fl_usage *usage,
                           int64_t when_s, struct fl_bill *ret_bill) FL_CHECK_RESULT;

struct fl_price_request {
    uint64_t tokens_in;
    uint64_t tokens_prefix;      /* of these: may be found in a cache */
    uint32_t prefix_ppm;         /* probability of that, in millionths */
    uint64_t tokens_cache_write; /* of the rest: written to a cache when it is not found */
    bool cache_write_1h;
    uint64_t tokens_out_p50, tokens_out_p90; /* expected and rarely exceeded */
    enum fl_service service;
};

struct fl_estimate {
    uint64_t
        picousd_p50; /* p50 of the output, the cache with its probability: what choices compare */
    uint64_t picousd_p90; /* p90 of the output, nothing cached: what a budget reserves */
    uint64_t picousd_in;  /* input part of p50 */
    uint32_t unpriced;    /* as in a bill */
};

/* Errors as fl_price_usage(). */
enum fl_err fl_price_estimate(const struct fl_model *model, const struct fl_price_request *request,
                              int64_t when_s, struct fl_estimate *ret_estimate) FL_CHECK_RESULT;

#endif

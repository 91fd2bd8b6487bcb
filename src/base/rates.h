/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a provider says of its rate limits in one answer: the vendors' headers and error details in
 * one form. Written by dialect/ratelimit, read by route/keys.
 *
 * A kind is what is counted, and over what where a vendor has two limits at once. Each vendor sets
 * those that it tells of.
 */
#ifndef FL_BASE_RATES_H
#define FL_BASE_RATES_H

#include <stdbool.h>
#include <stdint.h>

enum fl_rate_kind {
    FL_RATE_REQUESTS,
    FL_RATE_TOKENS,
    FL_RATE_TOKENS_IN,
    FL_RATE_TOKENS_OUT,
    FL_RATE_REQUESTS_DAY, /* beside one a minute */
    FL_RATE_TOKENS_DAY,
    FL_RATE_TOKENS_PROJECT, /* of a part of the account */
    FL_RATE_KINDS
};

struct fl_rate {
    bool limit_given, remaining_given, reset_given;
    uint64_t limit, remaining;
    uint64_t reset_ns; /* from the answer's arrival until the limit is whole again */
};

struct fl_rates {
    struct fl_rate of[FL_RATE_KINDS];
    bool given; /* any of the above */
    bool retry_after_given;
    bool retry_after_in_ms;  /* it came as retry-after-ms, which is finer than retry-after */
    uint64_t retry_after_ns; /* from the answer's arrival; 0: at once */
    bool retry_said, retry;  /* x-should-retry: was there, said yes */
};

#endif

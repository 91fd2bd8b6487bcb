/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a failed attempt means: the one table of consequences, by enum fl_err (ROUTING.md 2.1).
 * Which answer of a provider is which error is the dialects' business (dialect/failure.h).
 *
 *   same       may the same target be tried again by the same key
 *   elsewhere  who else may be tried: FL_TO_ bits
 *   halves     weight against the target's health: 0, 1 (half a failure) or 2
 *   scope      whose failure it is: what else than the target is touched
 *   cool       what is left alone, and for how long
 *   free       the attempt was refused before it was worked on: going elsewhere costs no retry
 *              budget
 *
 * An error without a row (of our own, or of the client's) has no consequence: nothing may be tried
 * again and nothing counts.
 */
#ifndef FL_ROUTE_FAILURE_H
#define FL_ROUTE_FAILURE_H

#include "base/err.h"

enum fl_same {
    FL_SAME_NEVER,
    FL_SAME_ONCE,    /* at once, one time, if nothing of the request was processed */
    FL_SAME_BACKOFF, /* one time, after a backoff */
    FL_SAME_AFTER    /* when its Retry-After or reset is over, if that is in time */
};

enum {
    FL_TO_KEY = 1,     /* another key of the same provider */
    FL_TO_ACCOUNT = 2, /* another model of the same provider */
    FL_TO_VENDOR = 4,  /* another vendor, or another account at the same one */
    FL_TO_LARGER = 8,  /* only a target with a larger context, whoever serves it */
    FL_TO_ALLOWED = 16 /* only where the route allows it */
};
#define FL_TO_ANY (FL_TO_KEY | FL_TO_ACCOUNT | FL_TO_VENDOR)

enum fl_scope {
    FL_SCOPE_NONE,    /* the request's own fault, or nobody's */
    FL_SCOPE_KEY,     /* the key's, with all models of its provider */
    FL_SCOPE_TARGET,  /* the target's; a part of it is held against its siblings */
    FL_SCOPE_PROVIDER /* all targets of the provider: what failed is before any model */
};

enum fl_cool {
    FL_COOL_NONE,
    FL_COOL_RESET,  /* until Retry-After or the limit's reset, else 1 s */
    FL_COOL_BRIEF,  /* Retry-After within 1..30 s, else none: its weight does the rest */
    FL_COOL_KEY,    /* the key: 5 min, then it is tried again */
    FL_COOL_QUOTA,  /* the key: until Retry-After or reset, else 1 h */
    FL_COOL_TARGET, /* the target: 5 min, then it is tried again */
    FL_COOL_STREAK, /* none, unless nothing else came for many attempts: then its breaker */
    FL_COOL_BREAKER /* as long as its breaker is open */
};

struct fl_consequence {
    enum fl_same same;
    unsigned elsewhere; /* FL_TO_ bits, 0: nobody */
    unsigned halves;
    enum fl_scope scope;
    enum fl_cool cool;
    bool free;
};

/* Lives for ever. */
const struct fl_consequence *fl_consequence_of(enum fl_err err);

#define FL_COOL_KEY_NS    UINT64_C(300000000000)
#define FL_COOL_TARGET_NS UINT64_C(300000000000)
#define FL_COOL_QUOTA_NS  UINT64_C(3600000000000)

#endif

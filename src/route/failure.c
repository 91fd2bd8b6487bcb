/* SPDX-License-Identifier: Apache-2.0 */
#include "route/failure.h"

#include "base/assert.h"

/* clang-format off */
#define ROW(err, same, elsewhere, halves, scope, cool, free)                                       \
    [err] = {FL_SAME_##same, (elsewhere), (halves), FL_SCOPE_##scope, FL_COOL_##cool, (free)}
enum { OTHERS = FL_TO_ACCOUNT | FL_TO_VENDOR };

static const struct fl_consequence rows[FL_ERR_COUNT] = {
    /*  error                       same     elsewhere                     halves scope     cool     free */
    /* capacity, not health */
    ROW(FL_ERR_RATE_LIMITED,        AFTER,   FL_TO_ANY,                         0, KEY,      RESET,   true),
    ROW(FL_ERR_QUOTA,               NEVER,   FL_TO_KEY | FL_TO_VENDOR,          0, KEY,      QUOTA,   true),
    ROW(FL_ERR_UPSTREAM_OVERLOADED, BACKOFF, FL_TO_ANY,                         1, TARGET,   BRIEF,   true),
    ROW(FL_ERR_OVERLOADED,          NEVER,   OTHERS,                            0, NONE,     NONE,    true),
    /* the provider's fault */
    ROW(FL_ERR_SERVER,              BACKOFF, FL_TO_ANY,                         2, TARGET,   BREAKER, false),
    ROW(FL_ERR_BAD_RESPONSE,        BACKOFF, FL_TO_ANY,                         2, TARGET,   BREAKER, false),
    ROW(FL_ERR_ERROR_IN_200,        BACKOFF, FL_TO_ANY,                         2, TARGET,   BREAKER, false),
    ROW(FL_ERR_SSE_LONG,            NEVER,   FL_TO_ANY,                         2, TARGET,   BREAKER, false),
    ROW(FL_ERR_REDIRECT,            NEVER,   OTHERS,                            2, TARGET,   BREAKER, true),
    ROW(FL_ERR_UPSTREAM_TIMEOUT,    BACKOFF, FL_TO_ANY,                         2, TARGET,   BREAKER, false),
    ROW(FL_ERR_CLOSED,              ONCE,    FL_TO_ANY,                         2, TARGET,   BREAKER, false),
    ROW(FL_ERR_RESET,               ONCE,    FL_TO_ANY,                         2, TARGET,   BREAKER, false),
    ROW(FL_ERR_FIRST_TOKEN,         NEVER,   OTHERS,                            2, TARGET,   BREAKER, false),
    ROW(FL_ERR_IDLE,                NEVER,   OTHERS,                            2, TARGET,   BREAKER, false),
    /* before any model: all targets of the provider */
    ROW(FL_ERR_CONNECT,             ONCE,    FL_TO_VENDOR,                      2, PROVIDER, BREAKER, true),
    ROW(FL_ERR_CONNECT_TIMEOUT,     NEVER,   FL_TO_VENDOR,                      2, PROVIDER, BREAKER, true),
    ROW(FL_ERR_DNS,                 NEVER,   FL_TO_VENDOR,                      2, PROVIDER, BREAKER, true),
    ROW(FL_ERR_TLS,                 NEVER,   FL_TO_VENDOR,                      2, PROVIDER, BREAKER, true),
    ROW(FL_ERR_UPSTREAM_REGION,     NEVER,   FL_TO_VENDOR,                      2, PROVIDER, BREAKER, true),
    /* the key's: 401 is sure; a 403 or 404 may be due to what the request says or names */
    ROW(FL_ERR_UPSTREAM_AUTH,       NEVER,   FL_TO_KEY | FL_TO_VENDOR,          0, KEY,      KEY,     true),
    ROW(FL_ERR_UPSTREAM_FORBIDDEN,  NEVER,   FL_TO_ANY,                         0, NONE,     STREAK,  true),
    ROW(FL_ERR_UPSTREAM_NOT_FOUND,  NEVER,   FL_TO_ANY,                         0, NONE,     STREAK,  true),
    /* the target is no more */
    ROW(FL_ERR_UPSTREAM_MODEL,      NEVER,   FL_TO_ANY,                         0, TARGET,   TARGET,  true),
    /* the request's */
    ROW(FL_ERR_UPSTREAM_CONTEXT,    NEVER,   FL_TO_LARGER,                      0, NONE,     NONE,    true),
    ROW(FL_ERR_UNTRANSLATABLE,      NEVER,   OTHERS,                            0, NONE,     NONE,    true),
    ROW(FL_ERR_UPSTREAM_POLICY,     NEVER,   OTHERS | FL_TO_ALLOWED,            0, NONE,     NONE,    false),
};
/* clang-format on */

const struct fl_consequence *fl_consequence_of(enum fl_err err)
{
    fl_assert((unsigned)err < FL_ERR_COUNT);
    return &rows[err];
}

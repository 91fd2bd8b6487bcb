/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rate limits that an answer tells of: every vendor's headers, and what stands in the body
 * where there is no header, into struct fl_rates.
 *
 *   x-ratelimit-{limit,remaining,reset}-KIND
 *       OpenAI, Azure, Groq, Cerebras, Fireworks, Mistral ...; KIND: requests, req, tokens,
 *       input-tokens, tokens-prompt, output-tokens, tokens-generated, project-tokens, the first
 *       three with -minute or -day; reset as duration ("1m30.5s", "6ms", "2m59.56s"), seconds,
 *       seconds or milliseconds since 1970, or a date; Azure: -renewalperiod- instead
 *   x-ratelimit-{limit,remaining,reset}
 *       requests (OpenRouter: reset in milliseconds since 1970)
 *   anthropic-ratelimit-{requests,tokens,input-tokens,output-tokens}-{limit,remaining,reset}
 *       reset as RFC 3339
 *   retry-after-ms, retry-after, x-should-retry
 *       seconds, fractions of them, an HTTP date
 *   body
 *       google.rpc.RetryInfo.retryDelay "48s"; "Please try again in 2m59.56s" of a 429's message
 *
 * What cannot be read is as if it were not there.
 */
#ifndef FL_DIALECT_RATELIMIT_H
#define FL_DIALECT_RATELIMIT_H

#include "base/rates.h"
#include "base/slice.h"

/* One header field of an answer; any other field changes nothing. *unix_ns*: the wall clock's time
 * since 1970; dates are held against it. Start with *rates all zero. */
void fl_ratelimit_field(struct fl_rates *rates, struct fl_slice name, struct fl_slice value,
                        uint64_t unix_ns);
/* The body of a refusal (429, 503): only where no header told when to come again. */
void fl_ratelimit_body(struct fl_rates *rates, struct fl_slice body);

/* "1h2m3.5s", "6ms", "59.56s", "1.5" (seconds): into *ret_ns*. False: is none. At most a year. */
bool fl_duration_parse(struct fl_slice text, uint64_t *ret_ns);
/* RFC 3339 "2026-08-01T12:00:00.5Z" or "...+02:00", or an HTTP date "Sat, 01 Aug 2026 12:00:00
 * GMT": nanoseconds since 1970. */
bool fl_date_parse(struct fl_slice text, uint64_t *ret_unix_ns);

#endif

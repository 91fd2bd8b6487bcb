/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an answer was worth, from what can be seen of it without reading its mind. Each signal that
 * is there votes with its weight; the reward is their weighted mean, and the confidence says how
 * much of a whole opinion they are together.
 *
 *   signal                                        value   weight
 *   explicit score (POST /v1/feedback)            score   8
 *   schema or tool call asked for, and valid      1       2
 *                                    and invalid  0       4
 *   refused ("I can't help with that")            0       3
 *   cut at the token limit, none asked for        0.2     2
 *   asked again at once by the same client        0.1     3
 *   ended by itself, and nothing of the above     0.75    0.5
 *
 * Confidence = weights / 8, at most 1. An answer of which nothing is known but that it ended
 * teaches a sixteenth of what a user's score does.
 */
#ifndef FL_ROUTE_QUALITY_REWARD_H
#define FL_ROUTE_QUALITY_REWARD_H

#include "base/slice.h"

enum fl_valid { FL_VALID_UNKNOWN, FL_VALID_YES, FL_VALID_NO };

struct fl_signals {
    bool scored;  /* explicit: */
    double score; /* 0..1 */
    enum fl_valid schema;
    bool refused, truncated, regenerated, ended;
};

struct fl_reward {
    double value;      /* 0..1 */
    double confidence; /* 0..1; 0: nothing is known, value is then 0.5 */
};

struct fl_reward fl_reward_of(const struct fl_signals *signals);

/* Does the answer's beginning read like a refusal? English, German, French, Spanish, Portuguese,
 * Italian, Dutch, Polish, Russian, Chinese, Japanese, Korean. Looks at the first 200 bytes; the
 * phrase must begin a sentence. Patterns err on the side of seeing none. */
bool fl_reward_refusal(struct fl_slice answer);

#endif

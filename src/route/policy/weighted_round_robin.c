/* SPDX-License-Identifier: Apache-2.0 */
/* weighted_round_robin: nginx's smooth form. Each pick adds to every option its weight, takes the
 * one that has most and takes the sum of weights off it: proportions are exact every sum/gcd picks,
 * and a heavy target's turns are spread. The rest of the plan follow by what they have. At random
 * by weight above FL_TURNS_MAX primaries. Score: what it had. */
#include "route/policy/common.h"

void fl_policy_weighted_round_robin(struct fl_choice *c)
{
    fl_order_by_turns(c, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* random: at random by weight. Score: -ln(u) / w. */
#include "route/policy/common.h"

void fl_policy_random(struct fl_choice *c)
{
    fl_order_by_draw(c, "random");
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Compiled with -mavx2 and called only where the processor has it. */
#include "route/outlook_lanes.h"

void fl_outlook_pool_avx2(struct fl_outlook *k)
{
    pool_all(k);
}

void fl_outlook_predict_avx2(struct fl_outlook *k)
{
    predict_all(k);
}

void fl_outlook_weigh_avx2(struct fl_outlook *k, double gamma, double ns_per_usd)
{
    weigh_all(k, gamma, ns_per_usd);
}

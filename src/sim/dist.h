/* SPDX-License-Identifier: Apache-2.0 */
/* Random durations in integers only, so that a seed gives the same ones on every build and machine.
 */
#ifndef FL_SIM_DIST_H
#define FL_SIM_DIST_H

#include "base/rng.h"

/* Log-normal: *median_ns* x exp(sigma x N(0, 1)), sigma in thousandths (at most 5000). The normal
 * is a sum of twelve uniforms, so that it ends at +-6 sigma. *median_ns* below 2^40 (18 minutes).
 */
uint64_t fl_sim_lognormal(struct fl_rng *r, uint64_t median_ns, unsigned sigma_permille);
/* Uniform within *permille* of *mean_ns* to both sides. */
uint64_t fl_sim_jitter(struct fl_rng *r, uint64_t mean_ns, unsigned permille);

#endif

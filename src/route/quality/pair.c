/* SPDX-License-Identifier: Apache-2.0 */
#include "route/quality/pair.h"

#include "base/assert.h"

void fl_pair_init(struct fl_pair *pair, unsigned strong, unsigned weak)
{
    fl_assert(strong != weak && strong < FL_HEADS_MAX && weak < FL_HEADS_MAX);
    *pair = (struct fl_pair){.strong = strong,
                             .weak = weak,
                             .centre = {66, 0, 0}, /* 300 bytes */
                             .spread = {9, 1, 1},  /* a factor of 2.2 */
                             .weight = {0.05, 0, 1}};
}

void fl_pair_signals(const struct fl_pair *pair, const struct fl_features *features,
                     const double quality[FL_HEADS_MAX], double ret_signals[FL_PAIR_SIGNALS])
{
    ret_signals[FL_PAIR_LENGTH] = features->surface[FL_SURFACE_LENGTH];
    ret_signals[FL_PAIR_DIFFICULTY] = 1 - quality[pair->weak];
    ret_signals[FL_PAIR_GAIN] = quality[pair->strong] - quality[pair->weak];
}

double fl_pair_blend(const struct fl_pair *pair, const double signals[FL_PAIR_SIGNALS])
{
    double gain = pair->mean_gain;
    for (unsigned i = 0; i < FL_PAIR_SIGNALS; i++) {
        gain += pair->weight[i] * (signals[i] - pair->centre[i]) / pair->spread[i];
    }
    return gain;
}

double fl_pair_gain(const struct fl_pair *pair, const struct fl_features *features,
                    const double quality[FL_HEADS_MAX])
{
    double signals[FL_PAIR_SIGNALS];
    fl_pair_signals(pair, features, quality, signals);
    return fl_pair_blend(pair, signals);
}

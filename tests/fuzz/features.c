/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a prompt: features stay a bounded set, and the classifiers say probabilities. */
#include "base/assert.h"
#include "route/learn/classifier.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct fl_features f;
    static struct fl_classifier linear, keyword;
    if (!linear.weights) {
        linear = fl_classifier_default();
        keyword = fl_classifier_keywords();
    }
    double p[FL_TASK_COUNT];
    struct fl_windows w = fl_windows_of(fl_slice((const char *)data, size));
    fl_features_extract(&w, &f);
    fl_assert(f.count >= 1 && f.count <= FL_FEATURES_MAX);
    for (unsigned i = 0; i < f.count; i++) {
        fl_assert(f.items[i].value >= 1 && f.items[i].value <= 4 * FL_FEATURE_ONE);
    }
    fl_classify(&linear, &w, &f, p);
    fl_assert(p[fl_task_best(p)] >= 0.16);
    fl_classify(&keyword, &w, &f, p);
    fl_assert(p[fl_task_best(p)] >= 0.16);
    return 0;
}

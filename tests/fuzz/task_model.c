/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Model files nobody has vouched for: refused with a message, or usable. The fuzzer cannot forge a
 * checksum, so that each input is also tried with its own put right.
 */
#include "base/assert.h"
#include "route/learn/classifier.h"
#include "route/learn/train.h"

#include <math.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const struct fl_classifier *c)
{
    static struct fl_features f;
    struct fl_windows w =
        fl_windows_of(FL_LIT("Translate this sentence into French: good morning"));
    double p[FL_TASK_COUNT], sum = 0;
    fl_features_extract(&w, &f);
    fl_classify(c, &w, &f, p);
    for (unsigned k = 0; k < FL_TASK_COUNT; k++) {
        fl_assert(p[k] >= 0 && p[k] <= 1);
        sum += p[k];
    }
    fl_assert(fabs(sum - 1) < 1e-6);
}

static void load(struct fl_slice bytes)
{
    struct fl_classifier c;
    struct fl_reterr reterr = {0};
    enum fl_err err = fl_classifier_load(bytes, &c, &reterr);
    fl_assert((err != FL_OK) == (reterr.message[0] != '\0'));
    if (!err) {
        use(&c);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fl_slice bytes = fl_slice((const char *)data, size);
    load(bytes);
    if (size >= FL_MODEL_HEADER) {
        struct fl_buf b;
        fl_buf_init(&b, size);
        fl_buf_put(&b, bytes);
        fl_assert(fl_buf_ok(&b));
        fl_model_sharpen(&b, 1);
        load(fl_buf_slice(&b));
        fl_buf_finish(&b);
    }
    return 0;
}

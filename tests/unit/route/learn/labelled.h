/* SPDX-License-Identifier: Apache-2.0 */
/* Labelled prompts for the classifier's tests: the shared sets (read in place) and our own. */
#ifndef FL_TESTS_LABELLED_H
#define FL_TESTS_LABELLED_H

#include "route/learn/evaluate.h"
#include "route/learn/train.h"

enum labelled_source { DOLLY, T0, TRANSLATION, SELFINSTRUCT, OWN, SOURCE_COUNT };
extern const char *const labelled_names[SOURCE_COUNT];

struct labelled_row {
    struct fl_slice prompt;
    uint8_t label;   /* enum fl_task; of a selfinstruct row that is no classification: OTHER */
    uint8_t source;  /* enum labelled_source */
    bool loose;      /* "analysis_loose" */
    bool unlabelled; /* selfinstruct: known only not to be a classification */
};

struct labelled {
    struct labelled_row *rows;
    size_t count, cap;
};

/* The four shared sets from $FAIRLEAD_DATA (default ../shared/data); false when they are absent. */
bool labelled_load_shared(struct labelled *l);
/* JSON lines {"prompt", "label"} as tools/make_prompts.py writes them; false when absent. */
bool labelled_load_own(struct labelled *l, const char *path);
void labelled_finish(struct labelled *l);

/* What a row of a set that is not ours weighs when it is learned from: their labels are noisy (half
 * of dolly's summarization prompts are plain questions, for their context was cut off). */
#define LABELLED_FOREIGN_WEIGHT 0.1F

/* Which rows to learn from. */
typedef bool labelled_choose_fn(const struct labelled_row *row, int held_out);
/* Trains on the rows chosen and returns the model file (free with fl_buf_finish). */
void labelled_train(const struct labelled *l, const struct fl_train_options *options,
                    labelled_choose_fn *choose, int held_out, struct fl_buf *ret_model);
struct fl_prediction labelled_predict(const struct fl_classifier *c,
                                      const struct labelled_row *row);

#endif

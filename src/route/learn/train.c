/* SPDX-License-Identifier: Apache-2.0 */
#include "route/learn/train.h"

#include "base/assert.h"
#include "base/hash.h"
#include "route/learn/trainers.h"

static const struct fl_trainer *const trainers[FL_CLASSIFIER_COUNT] = {
    [FL_CLASSIFIER_KEYWORD] = &fl_keyword_trainer,
    [FL_CLASSIFIER_TFIDF_LINEAR] = &fl_linear_trainer,
    [FL_CLASSIFIER_KMEANS] = &fl_kmeans_trainer,
    [FL_CLASSIFIER_KNN] = &fl_knn_trainer,
};

uint8_t fl_train_fold(struct fl_slice group)
{
    return (uint8_t)(fl_hash((struct fl_hash_key){1, 2}, group) % FL_TRAIN_FOLDS);
}

unsigned fl_train_items(enum fl_classifier_kind kind, const struct fl_windows *windows,
                        const struct fl_features *features,
                        struct fl_train_item ret_items[FL_TRAIN_ITEMS_MAX])
{
    if (kind == FL_CLASSIFIER_KEYWORD) {
        uint16_t stem[FL_KEYWORD_HITS_MAX];
        unsigned hits = fl_keyword_hits(windows, stem);
        for (unsigned i = 0; i < hits; i++) {
            ret_items[i] = (struct fl_train_item){stem[i], 1};
        }
        return hits;
    }
    for (unsigned i = 0; i < features->count; i++) {
        uint32_t row = fl_feature_row(features->items[i].index, FL_MODEL_BITS);
        ret_items[i] = (struct fl_train_item){(uint16_t)row, (uint8_t)features->items[i].value};
    }
    return features->count;
}

void fl_train_shuffle(struct fl_rng *rng, uint32_t *list, size_t count)
{
    for (size_t i = count; i > 1; i--) {
        size_t k = (size_t)fl_rng_below(rng, i);
        uint32_t t = list[i - 1];
        list[i - 1] = list[k];
        list[k] = t;
    }
}

static size_t list_bytes(const struct fl_train_set *set)
{
    return (set->count * sizeof(uint32_t) + 63) / 64 * 64;
}

size_t fl_train_memory(const struct fl_train_set *set, const struct fl_train_options *options)
{
    return list_bytes(set) + trainers[options->kind]->memory(set, options);
}

enum fl_err fl_train(const struct fl_train_set *set, const struct fl_train_options *options,
                     void *memory, struct fl_buf *ret_model)
{
    uint32_t *chosen = memory;
    size_t count = 0;
    fl_assert(set->count <= UINT32_MAX);
    for (size_t i = 0; i < set->count; i++) {
        if (set->examples[i].fold != options->skip_fold) {
            chosen[count++] = (uint32_t)i;
        }
    }
    if (count == 0) {
        return FL_ERR_INVALID;
    }
    fl_buf_reset(ret_model);
    trainers[options->kind]->train(set, options, chosen, count, (char *)memory + list_bytes(set),
                                   ret_model);
    return fl_buf_ok(ret_model) ? FL_OK : FL_ERR_TOO_BIG;
}

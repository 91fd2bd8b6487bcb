/* SPDX-License-Identifier: Apache-2.0 */
/* Files that `fairlead train` has written: read, checked, kept in the configuration's arena. */
#include "config/load.h"

#include "route/quality/model.h"

static const char *text_of(const struct fl_reterr *reterr, enum fl_err err)
{
    return reterr->message[0] != '\0' ? reterr->message : fl_err_text(err);
}

static void read_classifier(struct fl_load *load, const struct fl_value *value)
{
    struct fl_reterr reterr = {0};
    struct fl_slice bytes;
    if (!value->node || value->bad || fl_slice_eq(value->text, FL_LIT("tfidf_linear"))) {
        return;
    }
    if (fl_slice_eq(value->text, FL_LIT("keyword"))) {
        load->config->classifier = fl_classifier_keywords();
        load->config->classifier_given = true;
        return;
    }
    if (!fl_load_model(load, value->node, value->text, &bytes)) {
        return;
    }
    enum fl_err err = fl_classifier_load(bytes, &load->config->classifier, &reterr);
    load->config->classifier_given = !err;
    if (err) {
        fl_load_error(load, value->node,
                      "'%.*s' is not a classifier that 'fairlead train' has written: %s",
                      FL_TEXT(value->text), text_of(&reterr, err));
    }
}

static void read_quality(struct fl_load *load, const struct fl_value *value)
{
    struct fl_reterr reterr = {0};
    struct fl_quality_model model;
    struct fl_slice bytes;
    if (!value->node || value->bad || !fl_load_model(load, value->node, value->text, &bytes)) {
        return;
    }
    enum fl_err err = fl_quality_read(bytes, &model, &reterr);
    if (err) {
        fl_load_error(load, value->node,
                      "'%.*s' is not a model that 'fairlead train --quality' has written: %s",
                      FL_TEXT(value->text), text_of(&reterr, err));
        return;
    }
    load->config->quality_model = bytes;
}

void fl_trained_build(struct fl_load *load)
{
    read_classifier(load, fl_object_value(load->routing, FL_KEY_ROUTING_classifier));
    read_quality(load, fl_object_value(load->routing, FL_KEY_ROUTING_quality_model));
}

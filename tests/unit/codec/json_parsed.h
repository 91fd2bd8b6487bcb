/* SPDX-License-Identifier: Apache-2.0 */
/* A text that must scan. */
#ifndef FL_TESTS_JSON_PARSED_H
#define FL_TESTS_JSON_PARSED_H

#include "codec/json.h"
#include "unit/cm.h"

static inline struct fl_json parsed(struct fl_slice text)
{
    struct fl_json value = {FL_JSON_NONE, FL_EMPTY};
    struct fl_reterr reterr;
    enum fl_err err = fl_json_scan(text, FL_JSON_LIMITS, NULL, 0, &value, &reterr);
    if (err != FL_OK) {
        print_error("%.*s: %s\n", (int)text.len, text.ptr, reterr.message);
        fail();
    }
    return value;
}

static inline struct fl_json parsed_cstr(const char *text)
{
    return parsed(fl_slice_cstr(text));
}

#endif

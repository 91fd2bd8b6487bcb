/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include "base/assert.h"

struct row {
    const char *name, *text;
    int status;
    bool retryable;
    enum fl_blame blame;
};

static const struct row rows[FL_ERR_COUNT] = {
#define X(code, name, status, retryable, blame, text) {name, text, status, retryable, FL_BLAME_##blame},
    FL_ERR_TABLE(X)
#undef X
};

static const struct row *row_of(enum fl_err err)
{
    fl_assert((unsigned)err < FL_ERR_COUNT);
    return &rows[err];
}

const char *fl_err_name(enum fl_err err)
{
    return row_of(err)->name;
}

const char *fl_err_text(enum fl_err err)
{
    return row_of(err)->text;
}

int fl_err_status(enum fl_err err)
{
    return row_of(err)->status;
}

bool fl_err_retryable(enum fl_err err)
{
    return row_of(err)->retryable;
}

enum fl_blame fl_err_blame(enum fl_err err)
{
    return row_of(err)->blame;
}

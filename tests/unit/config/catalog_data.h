/* SPDX-License-Identifier: Apache-2.0 */
/* The shared data files of the catalogue's tests; absent on a fresh machine. */
#ifndef FL_TESTS_CATALOG_DATA_H
#define FL_TESTS_CATALOG_DATA_H

#include "unit/cm.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

/* The whole file, plain or gzip, on the heap; false: it is not there. */
static inline bool load_data(const char *name, struct fl_slice *ret_text)
{
    enum { bytes_max = 16 << 20 };
    const char *folder = getenv("FAIRLEAD_DATA");
    char path[1024];
    (void)snprintf(path, sizeof(path), "%s/%s", folder ? folder : "../shared/data", name);
    gzFile f = gzopen(path, "rb");
    if (!f) {
        return false;
    }
    char *bytes = malloc(bytes_max);
    assert_non_null(bytes);
    int len = gzread(f, bytes, bytes_max);
    assert_true(len > 0 && len < bytes_max);
    assert_int_equal(gzclose_r(f), Z_OK);
    char *exact = realloc(bytes, (size_t)len);
    assert_non_null(exact);
    *ret_text = fl_slice(exact, (size_t)len);
    return true;
}

static inline void free_data(struct fl_slice text)
{
    free((char *)(uintptr_t)text.ptr);
}

#endif

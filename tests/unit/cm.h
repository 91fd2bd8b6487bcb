/* SPDX-License-Identifier: Apache-2.0 */
/* cmocka with the headers it wants before it, and asserts for slices. */
#ifndef FL_TESTS_CM_H
#define FL_TESTS_CM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/slice.h"

#define assert_slice(actual, text)                                                                 \
    do {                                                                                           \
        struct fl_slice actual_ = (actual), expected_ = fl_slice_cstr(text);                       \
        if (!fl_slice_eq(actual_, expected_)) {                                                    \
            print_error("expected '%s', got '%.*s'\n", (text), (int)actual_.len,                   \
                        actual_.ptr ? actual_.ptr : "");                                           \
            fail();                                                                                \
        }                                                                                          \
    } while (0)

#endif

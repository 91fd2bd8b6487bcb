/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

void fl_assert_fail(const char *expression, const char *file, int line)
{
    (void)fprintf(stderr, "fairlead: %s:%d: assertion failed: %s\n", file, line, expression);
    abort();
}

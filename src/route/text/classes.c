/* SPDX-License-Identifier: Apache-2.0 */
#include "route/text/block.h"

#include "base/assert.h"
#include "route/text/classes_avx2.h"
#include "route/wide.h"

void fl_classes_begin(struct fl_classes *c)
{
    *c = (struct fl_classes){0};
}

size_t fl_classes_read(struct fl_classes *c, const unsigned char *p, size_t len)
{
#if FL_CLASSES_AVX2
    if (fl_wide()) {
        return fl_classes_read_avx2(c, p, len);
    }
#endif
    return count_steps(c, p, len);
}

void fl_classes_end(struct fl_classes *c, const unsigned char *block, size_t len)
{
    fl_assert(len < fl_classes_step);
    if (len > 0) {
        (void)count_block(c, block, (unsigned)len);
    }
    end_run(c);
}

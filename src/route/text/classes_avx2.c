/* SPDX-License-Identifier: Apache-2.0 */
/* Compiled with -mavx2 -mpopcnt -mbmi -mbmi2 -mlzcnt and called only where the processor has them.
 */
#include "route/text/classes_avx2.h"

#if FL_CLASSES_AVX2
#include "route/text/block.h"

size_t fl_classes_read_avx2(struct fl_classes *c, const unsigned char *p, size_t len)
{
    return count_steps(c, p, len);
}
#endif

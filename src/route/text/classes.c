/* SPDX-License-Identifier: Apache-2.0 */
#include "route/text/block.h"

#include "base/assert.h"
#include "route/text/classes_avx2.h"

#include <stdatomic.h>

#if FL_CLASSES_AVX2
#include <cpuid.h>

enum { unknown, plain, wide };

/* AVX2, and an operating system that keeps its registers. */
static int look(void)
{
    unsigned a, b, c, d, low, high;
    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & bit_OSXSAVE) == 0 || (c & bit_POPCNT) == 0) {
        return plain;
    }
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    if ((low & 6) != 6 || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
        return plain;
    }
    return (b & bit_AVX2) != 0 && (b & bit_BMI) != 0 ? wide : plain;
}

/* Asked once: the question costs a microsecond under a hypervisor. Every thread finds the same. */
static bool has_avx2(void)
{
    static _Atomic int found;
    int now = atomic_load_explicit(&found, memory_order_relaxed);
    if (now == unknown) {
        now = look();
        atomic_store_explicit(&found, now, memory_order_relaxed);
    }
    return now == wide;
}
#endif

void fl_classes_begin(struct fl_classes *c)
{
    *c = (struct fl_classes){0};
}

size_t fl_classes_step64(struct fl_classes *c, const unsigned char *p, size_t len)
{
    fl_assert(len > 0 && len <= fl_classes_step);
#if FL_CLASSES_AVX2
    if (has_avx2()) {
        return fl_classes_step64_avx2(c, p, len);
    }
#endif
    return count_block(c, p, len);
}

void fl_classes_end(struct fl_classes *c)
{
    end_run(c);
}

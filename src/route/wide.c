/* SPDX-License-Identifier: Apache-2.0 */
#include "route/wide.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <stdatomic.h>

enum { unknown, plain, wide };

/* AVX2 with its companions, and an operating system that keeps the registers. */
static int look(void)
{
    static const unsigned wanted = bit_AVX2 | bit_BMI | bit_BMI2;
    unsigned a, b, c, d, low, high;
    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & bit_OSXSAVE) == 0 || (c & bit_POPCNT) == 0) {
        return plain;
    }
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    if ((low & 6) != 6 || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
        return plain;
    }
    if ((b & wanted) != wanted || !__get_cpuid(0x80000001, &a, &b, &c, &d)) {
        return plain;
    }
    return (c & bit_LZCNT) != 0 ? wide : plain;
}

/* Asked once: the question costs a microsecond under a hypervisor. Every thread finds the same. */
bool fl_wide(void)
{
    static _Atomic int found;
    int now = atomic_load_explicit(&found, memory_order_relaxed);
    if (now == unknown) {
        now = look();
        atomic_store_explicit(&found, now, memory_order_relaxed);
    }
    return now == wide;
}
#else
bool fl_wide(void)
{
    return false;
}
#endif

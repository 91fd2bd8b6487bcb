/* SPDX-License-Identifier: Apache-2.0 */
/* fl_classes_read() for processors with AVX2, POPCNT, BMI, BMI2 and LZCNT; the same results. */
#ifndef FL_ROUTE_TEXT_CLASSES_AVX2_H
#define FL_ROUTE_TEXT_CLASSES_AVX2_H

#include "route/text/classes.h"

#if defined(__x86_64__) && !defined(FL_TEXT_SCALAR) && !defined(FL_TEXT_SSE2)
#define FL_CLASSES_AVX2 1
size_t fl_classes_read_avx2(struct fl_classes *c, const unsigned char *p, size_t len);
#else
#define FL_CLASSES_AVX2 0
#endif

#endif

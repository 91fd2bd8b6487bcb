/* SPDX-License-Identifier: Apache-2.0 */
/* May code run here that was compiled for AVX2, BMI, BMI2, POPCNT and LZCNT? Nowhere but on x86-64. */
#ifndef FL_ROUTE_WIDE_H
#define FL_ROUTE_WIDE_H

#include <stdbool.h>

bool fl_wide(void);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Time is an integer number of nanoseconds. Monotonic unless the name says wall. */
#ifndef FL_BASE_CLOCK_H
#define FL_BASE_CLOCK_H

#include <stdint.h>

#define FL_NS_US   UINT64_C(1000)
#define FL_NS_MS   UINT64_C(1000000)
#define FL_NS_S    UINT64_C(1000000000)
#define FL_NEVER   UINT64_MAX

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Assertions stay on in release builds: they state what this program promises itself. Bytes from
 * a wire, a file or a user never reach one; those are errors.
 */
#ifndef FL_BASE_ASSERT_H
#define FL_BASE_ASSERT_H

/* Prints file, line and expression to stderr and aborts. */
_Noreturn void fl_assert_fail(const char *expression, const char *file, int line);

#define fl_assert(expression)                                                                      \
    (__builtin_expect(!!(expression), 1) ? (void)0                                                 \
                                         : fl_assert_fail(#expression, __FILE__, __LINE__))

#define fl_container_of(member_ptr, type, member)                                                  \
    ((type *)(void *)((char *)(member_ptr) - offsetof(type, member)))

#endif

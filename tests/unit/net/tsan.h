/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libuv closes descriptors by system calls that the thread sanitizer does not see, so that it takes
 * the next use of the number by another thread for a race. Only races inside calls that make a
 * descriptor are left out. Include it in one file of a test program.
 */
#ifndef FL_TESTS_NET_TSAN_H
#define FL_TESTS_NET_TSAN_H

#ifdef __SANITIZE_THREAD__
const char *__tsan_default_suppressions(void);

__attribute__((visibility("default"))) const char *__tsan_default_suppressions(void)
{
    return "race_top:epoll_create\nrace_top:pipe\nrace_top:eventfd\nrace_top:socket\n"
           "race_top:accept\nrace_top:open\nrace_top:dup\n";
}
#endif

#endif

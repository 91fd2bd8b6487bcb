/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Allocations that fail: the linker sends all calls of malloc, calloc and realloc here, in tests
 * that are linked with --wrap for the three. Of those in the server's code the n-th fails. Included
 * by one file of a program.
 */
#ifndef FL_TESTS_SIM_HEAP_H
#define FL_TESTS_SIM_HEAP_H

#include <stdbool.h>
#include <stddef.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);

static struct {
    bool in_server; /* the server's code runs */
    unsigned left;  /* allocations until the one that fails; 0: none does */
} heap;

static bool heap_fails(void)
{
    return heap.in_server && heap.left > 0 && --heap.left == 0;
}

void *__wrap_malloc(size_t size)
{
    return heap_fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return heap_fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    return heap_fails() ? NULL : __real_realloc(memory, size);
}

#endif

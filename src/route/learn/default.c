/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model that ships, training/task.model, put into the object as it is. tools/make_prompts.py
 * and `fairlead train` make it from the tree alone: see docs/classifier.md.
 */
#include "base/assert.h"
#include "route/learn/classifier.h"

__asm__(".section .rodata\n"
        ".balign 64\n"
        ".globl fl_default_model_begin\n"
        ".hidden fl_default_model_begin\n"
        "fl_default_model_begin:\n"
        ".incbin \"task.model\"\n"
        ".globl fl_default_model_end\n"
        ".hidden fl_default_model_end\n"
        "fl_default_model_end:\n"
        ".byte 0\n"
        ".previous\n");
extern const char fl_default_model_begin[], fl_default_model_end[];

struct fl_classifier fl_classifier_default(void)
{
    size_t bytes = (size_t)(fl_default_model_end - fl_default_model_begin);
    struct fl_classifier c;
    enum fl_err err = fl_classifier_load(fl_slice(fl_default_model_begin, bytes), &c, NULL);
    fl_assert(!err); /* our own file, checked by the tests */
    return c;
}

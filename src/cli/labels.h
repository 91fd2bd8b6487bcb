/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Labelled prompts from files of JSON lines: {"prompt": ..., "label": ...} and, when given,
 * "source" (where the row is from; default: the file), "group" (rows that belong together, such as
 * those of one template; default: the prompt alone) and "weight" (default 1).
 */
#ifndef FL_CLI_LABELS_H
#define FL_CLI_LABELS_H

#include "base/arena.h"
#include "route/learn/train.h"

enum { FL_LABELS_SOURCES_MAX = 64 };

struct fl_label_row {
    struct fl_slice prompt;
    float weight;
    uint8_t label, source, fold;
};

struct fl_labels {
    struct fl_label_row *rows;
    size_t count, cap;
    size_t bad; /* lines that were reported and left out */
    struct fl_slice source[FL_LABELS_SOURCES_MAX];
    unsigned sources;
    struct fl_arena texts;
};

void fl_labels_init(struct fl_labels *l);
void fl_labels_finish(struct fl_labels *l);
/* Adds the rows of *path* ("-": standard input). Bad lines are printed to stderr as
 * FILE:LINE: why. */
enum fl_err fl_labels_read(struct fl_labels *l, const char *path) FL_CHECK_RESULT;
/* The number of *name* among the sources, or -1. */
int fl_labels_source(const struct fl_labels *l, struct fl_slice name);

#endif

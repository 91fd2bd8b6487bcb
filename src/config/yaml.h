/* SPDX-License-Identifier: Apache-2.0 */
/*
 * YAML text into a tree with positions, over libfyaml's event parser, which is named nowhere else.
 *
 * Bounded: text, depth, nodes, and the nodes that aliases stand for (an alias is a second pointer
 * to its anchor's node, so that memory cannot grow; the time to walk could, hence the bound). Merge
 * keys (<<) are resolved. Refused: several documents, tags, keys that are not plain text, aliases that
 * lead to themselves.
 */
#ifndef FL_CONFIG_YAML_H
#define FL_CONFIG_YAML_H

#include "base/arena.h"
#include "base/err.h"
#include "config/findings.h"

#define FL_YAML_BYTES_MAX (4u << 20)
enum {
    FL_YAML_DEPTH_MAX = 32,
    FL_YAML_NODES_MAX = 100000,
    FL_YAML_KEYS_MAX = 2000, /* of one mapping: looking for duplicates is quadratic */
    FL_YAML_ANCHORS_MAX = 1000,
    FL_YAML_MERGED_MAX = 20000
};

enum fl_yaml_kind { FL_YAML_SCALAR, FL_YAML_SEQUENCE, FL_YAML_MAPPING };

struct fl_yaml_item;

struct fl_yaml {
    enum fl_yaml_kind kind;
    bool null;                    /* a plain scalar that is empty, ~ or null */
    unsigned line, column, width; /* from 1; columns and width count characters */
    size_t offset;                /* of its first byte in the text */
    struct fl_slice text;         /* of a scalar */
    struct fl_yaml_item *first, *last;
    unsigned count; /* of items */
    unsigned size;  /* nodes in it, aliases followed */
};

struct fl_yaml_item {
    struct fl_yaml *key; /* a scalar; NULL in sequences */
    struct fl_yaml *value;
    struct fl_yaml_item *next;
    const struct fl_yaml *duplicate_of; /* an earlier key with the same text, or NULL */
};

struct fl_yaml_document {
    struct fl_yaml *root;                 /* NULL: the text is empty */
    unsigned duplicates;                  /* items with duplicate_of set */
    const struct fl_yaml_item *duplicate; /* the first of them */
    char *pool;                           /* owns the scalars' texts, which may be secret */
    size_t pool_len, pool_cap;
};

/* *text* must outlive the document. Nodes are taken from *arena*. A syntax error is reported to
 * *findings* and gives FL_ERR_CONFIG. Finish the document in either case. */
enum fl_err fl_yaml_parse(struct fl_slice text, struct fl_arena *arena,
                          struct fl_findings *findings,
                          struct fl_yaml_document *ret_document) FL_CHECK_RESULT;
/* Wipes and frees the scalars' texts. */
void fl_yaml_finish(struct fl_yaml_document *d);

/* The item of *key* in a mapping, or NULL (also for other kinds and NULL). */
const struct fl_yaml_item *fl_yaml_get(const struct fl_yaml *mapping, struct fl_slice key);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Adding findings; see config.h for the list itself. */
#ifndef FL_CONFIG_FINDINGS_H
#define FL_CONFIG_FINDINGS_H

#include "config/config.h"

enum { FL_FINDINGS_MAX = 100 };

struct fl_yaml;

struct fl_place { /* 0, 0, 0: the whole file */
    unsigned line, column, width;
};

/* Formats as printf; one line; texts of users are cut by the caller (FL_TEXT). Beyond
 * FL_FINDINGS_MAX a finding is counted, not kept. */
void fl_findings_add(struct fl_findings *f, enum fl_severity severity, struct fl_place place,
                     const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Characters that fl_findings_put must not show. */
void fl_findings_mask(struct fl_findings *f, struct fl_place place);
/* The same for a line that could not be parsed: what follows a name such as "api_key:". */
void fl_findings_mask_line(struct fl_findings *f, unsigned number, struct fl_slice line);
/* Is a key or header of this name likely to hold a secret? */
bool fl_secret_is_name(struct fl_slice name);
/* By place; findings of one place keep their order. */
void fl_findings_sort(struct fl_findings *f);

/* Arguments of "%.*s" for a slice, at most 80 bytes of it. */
#define FL_TEXT(slice) (int)((slice).len < 80 ? (slice).len : 80), ((slice).ptr ? (slice).ptr : "")

#endif

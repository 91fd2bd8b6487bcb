/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secrets: read from a variable, a file or systemd's credentials directory; kept where they can be
 * wiped; never part of a message, and masked where a message shows the file's line.
 */
#ifndef FL_CONFIG_SECRET_H
#define FL_CONFIG_SECRET_H

#include "config/load.h"

/* Checks the value of a SECRET key. */
void fl_secret_check(struct fl_load *load, const struct fl_key *key, const struct fl_yaml *node,
                     struct fl_value *value);
/* Hides the scalar wherever findings show its line. */
void fl_secret_mask(struct fl_load *load, const struct fl_yaml *node);
/* Printable ASCII without spaces: what can stand in an Authorization header. */
bool fl_secret_is_token(struct fl_slice text);
/* Wipes, then finishes. */
void fl_secret_wipe_buf(struct fl_buf *b);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The dialect's part of understanding a request: where its texts stand, and what else it says. */
#ifndef FL_SERVER_UNDERSTAND_H
#define FL_SERVER_UNDERSTAND_H

#include "dialect/dialect.h"
#include "route/understand.h"

/* Reads a request. *u* is all zero at first, and may hold an earlier request afterwards. */
void fl_understand(const struct fl_dialect *dialect, const struct fl_facts *facts, struct fl_understanding *u);
/* For a request whose text nobody looks at: whether it streams, and its limit of output. */
void fl_plain_put(const struct fl_facts *facts, struct fl_route_request *request);

#endif

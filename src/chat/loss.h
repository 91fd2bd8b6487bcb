/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a translation could not carry over. Never silent: the names go into x-fairlead-dropped and into the
 * decision record, and a route with `translation: strict` does not use a target that would lose any.
 */
#ifndef FL_CHAT_LOSS_H
#define FL_CHAT_LOSS_H

#include "base/buf.h"
#include "base/slice.h"

enum fl_loss_kind {
    FL_LOSS_DROPPED,      /* the other side has no place for it; the answer may differ */
    FL_LOSS_APPROXIMATED, /* carried with another value: a clamped temperature, a budget for an effort */
    FL_LOSS_EMULATED, /* done by other means: a schema by a forced tool */
    FL_LOSS_FATAL     /* without it the request means something else: it must not be sent there */
};

enum { FL_LOSSES_MAX = 24 };

struct fl_loss {
    enum fl_loss_kind kind;
    const char *what; /* a literal: the client's name of it, "seed", "messages.image" */
};

struct fl_losses {
    struct fl_loss items[FL_LOSSES_MAX];
    unsigned count;
    unsigned more; /* beyond what fits */
    bool fatal;
};

/* Once for each name, however often it is told. */
void fl_losses_add(struct fl_losses *losses, enum fl_loss_kind kind, const char *what);
/* "seed, logit_bias, temperature=approximated" */
void fl_losses_put(const struct fl_losses *losses, struct fl_buf *b);

#endif

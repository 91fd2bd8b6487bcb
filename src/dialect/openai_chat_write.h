/* SPDX-License-Identifier: Apache-2.0 */
/* Between the two files that write requests for chat completions: openai_chat_write.c, _turns.c. */
#ifndef FL_DIALECT_OPENAI_CHAT_WRITE_H
#define FL_DIALECT_OPENAI_CHAT_WRITE_H

#include "dialect/openai_wire.h"

struct fl_chat_writer {
    struct fl_buf *b;
    const struct fl_chat_request *r;
    const struct fl_write_options *o;
    const struct fl_quirks *q;
    struct fl_losses *losses;
    const struct fl_message *last_user; /* thinking before it is not wanted back */
};

static inline bool fl_chat_takes(const struct fl_chat_writer *w, unsigned what)
{
    return (w->q->takes & what) != 0;
}

static inline void fl_chat_lose(const struct fl_chat_writer *w, enum fl_loss_kind kind,
                                const char *what)
{
    fl_losses_add(w->losses, kind, what);
}

/* As a member; a loss where the vendor has none. */
void fl_openai_chat_put_cache_mark(const struct fl_chat_writer *w, enum fl_cache_hint cache);
/* The member "messages". */
void fl_openai_chat_put_messages(struct fl_chat_writer *w);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Between the two files that write Anthropic's requests: anthropic_write.c has messages and tools,
 * anthropic_body.c the settings and the order of all. */
#ifndef FL_DIALECT_ANTHROPIC_WRITE_H
#define FL_DIALECT_ANTHROPIC_WRITE_H

#include "dialect/anthropic_wire.h"

struct fl_anthropic_writer {
    enum fl_anthropic_host host;
    const struct fl_chat_request *request;
    struct fl_buf *out;
    struct fl_losses *losses;
    struct fl_slice betas; /* the client's field anthropic-beta */
    unsigned cache_marks;
    bool last; /* the message being written is the model's, and the last */
    bool trim; /* so is the part: white space at its end is refused */
};

void fl_anthropic_put_cache(struct fl_buf *b, enum fl_cache_hint cache);
void fl_anthropic_put_messages(struct fl_anthropic_writer *w);
void fl_anthropic_put_system(struct fl_anthropic_writer *w, bool order);
void fl_anthropic_put_betas(struct fl_anthropic_writer *w);
void fl_anthropic_put_tools(struct fl_anthropic_writer *w, bool answer_tool);

#endif

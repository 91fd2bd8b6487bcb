/* SPDX-License-Identifier: Apache-2.0 */
/* Tool calls of a stream by the blocks they come in: the same for Anthropic's events and for Bedrock's. */
#include "dialect/anthropic_wire.h"

unsigned fl_claude_call_of(const struct fl_decoder *d, uint64_t index)
{
    unsigned i = d->call_count;
    while (i > 0) {
        if (d->call_map[--i].key == (unsigned)index) {
            return i;
        }
    }
    return d->call_count;
}

void fl_claude_arguments(struct fl_decoder *d, unsigned at, struct fl_slice text,
                         const struct fl_chat_sink *sink)
{
    d->call_map[at].arguments = true;
    if (d->call_map[at].call == FL_CALL_IS_ANSWER) {
        fl_emit(sink, FL_CHAT_TEXT, 0, text);
    } else {
        fl_emit_arguments(sink, 0, d->call_map[at].call, text);
    }
}

void fl_claude_stop_call(struct fl_decoder *d, unsigned at, const struct fl_chat_sink *sink)
{
    if (at < d->call_count && !d->call_map[at].arguments) {
        fl_claude_arguments(d, at, FL_LIT("{}"), sink);
    }
}

void fl_claude_stop_calls(struct fl_decoder *d, const struct fl_chat_sink *sink)
{
    for (unsigned i = 0; i < d->call_count; i++) {
        fl_claude_stop_call(d, i, sink);
    }
}

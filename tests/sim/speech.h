/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams of each dialect, byte for byte, for scripted providers: a head, pieces of text, an end.
 */
#ifndef FL_TESTS_SIM_SPEECH_H
#define FL_TESTS_SIM_SPEECH_H

#include "base/buf.h"

enum speech { OPENAI, ANTHROPIC, GEMINI, OLLAMA, BEDROCK, ANSWERS /* the responses API */ };

/* As configured: its type, more keys, what follows the host; and of its answers. */
struct speech_kind {
    const char *name, *more, *path, *content_type;
};
extern const struct speech_kind speeches[];

/* One frame; *name* where the dialect names them. */
void speech_put_frame(struct fl_buf *b, enum speech speech, const char *name, const char *json);
/* Of the answer, and what stands before its first text. */
void speech_put_head(struct fl_buf *b, enum speech speech);
void speech_put_text(struct fl_buf *b, enum speech speech, struct fl_slice text);
/* Returns where it has said why it stops. */
size_t speech_put_end(struct fl_buf *b, enum speech speech);

#endif

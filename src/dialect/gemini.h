/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gemini's generateContent (PROTOCOLS.md section 4), as the Gemini API and Vertex speak it. Shared by
 * the files of this dialect only.
 */
#ifndef FL_DIALECT_GEMINI_H
#define FL_DIALECT_GEMINI_H

#include "dialect/dialect.h"

/* What a model's name says of it. */
struct fl_gemini_model {
    unsigned generation; /* 10 * major + minor: 20, 25, 30, 31; 0: no Gemini (gemma and others); an
                            alias without a number ("gemini-flash-latest") counts as the newest */
    bool pro, lite;
};
struct fl_gemini_model fl_gemini_model_of(struct fl_slice name);

enum fl_err fl_gemini_write(const struct fl_chat_request *request,
                            const struct fl_write_options *options, struct fl_buf *out,
                            struct fl_losses *losses, struct fl_reterr *reterr);
/* Members tools, toolConfig and generationConfig. *instruct*: set to what the system's text must say
 * because the model cannot be told it otherwise. */
void fl_gemini_put_tools(const struct fl_chat_request *request, struct fl_buf *out,
                         struct fl_losses *losses);
/* *logprobs*: may be asked for. */
void fl_gemini_put_config(const struct fl_chat_request *request, struct fl_gemini_model model,
                          bool logprobs, struct fl_buf *out, struct fl_losses *losses);
/* The format cannot be asked for together with tools, so it is asked for in words. */
bool fl_gemini_format_in_words(const struct fl_chat_request *request, struct fl_gemini_model model);

enum fl_err fl_gemini_take_answer(struct fl_decoder *d, struct fl_slice body,
                                  const struct fl_chat_sink *sink);
enum fl_err fl_gemini_take_frame(struct fl_decoder *d, const struct fl_frame *frame,
                                 const struct fl_chat_sink *sink);
enum fl_err fl_gemini_take_end(struct fl_decoder *d, const struct fl_chat_sink *sink);

enum fl_err fl_gemini_read_answer(struct fl_slice body, struct fl_usage *ret_usage);
void fl_gemini_read_event(enum fl_endpoint endpoint, const struct fl_sse_event *in, bool check,
                          struct fl_event_facts *ret_event, struct fl_usage *usage);
enum fl_err fl_gemini_read_error(int status, struct fl_slice body);

#endif

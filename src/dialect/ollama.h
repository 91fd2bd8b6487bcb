/* SPDX-License-Identifier: Apache-2.0 */
/* Ollama's own /api/chat (PROTOCOLS.md section 7). Shared by the files of this dialect only. */
#ifndef FL_DIALECT_OLLAMA_H
#define FL_DIALECT_OLLAMA_H

#include "dialect/dialect.h"

enum fl_err fl_ollama_write(const struct fl_chat_request *request,
                            const struct fl_write_options *options, struct fl_buf *out,
                            struct fl_losses *losses, struct fl_reterr *reterr);

#endif

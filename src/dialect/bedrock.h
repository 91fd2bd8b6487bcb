/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by what speaks to Amazon Bedrock: converse, and Claude by invoke. */
#ifndef FL_DIALECT_BEDROCK_H
#define FL_DIALECT_BEDROCK_H

#include "dialect/dialect.h"

/* An error's name, as in a stream's ":exception-type" or the field x-amzn-errortype:
 * "ThrottlingException". */
enum fl_err fl_bedrock_error_of(int status, struct fl_slice name, struct fl_slice body);
/* Tells of an exception inside a stream. */
void fl_bedrock_take_exception(struct fl_decoder *d, const struct fl_frame *frame,
                               const struct fl_chat_sink *sink);
/* Standard base64 into *bytes*, which has room for 3 bytes for every 4 signs. Returns how many;
 * stops at what is no base64. */
size_t fl_bedrock_decode(struct fl_slice base64, char *bytes);

#endif

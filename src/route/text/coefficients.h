/* SPDX-License-Identifier: Apache-2.0 */
/* Fitted: how many tokens each count of fl_text_count is worth, in units of 1/4096. */
#ifndef FL_ROUTE_TEXT_COEFFICIENTS_H
#define FL_ROUTE_TEXT_COEFFICIENTS_H

#include "route/text/facts.h"

enum { fl_token_coefficient_one = 4096 };

extern const int32_t fl_token_coefficients[FL_TEXT_TOKEN_COUNTS][FL_TEXT_TOKENIZERS];

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Losses that every provider's form has in the same way: members of a request that the canonical
 * form has no field for, and hints that only some vendors know.
 */
#ifndef FL_DIALECT_LOSE_H
#define FL_DIALECT_LOSE_H

#include "chat/chat.h"
#include "chat/loss.h"

/* Names each member of request->others; a name that no known client sends is told as "other fields". A
 * member that is null, false or empty asks for nothing and is not named. */
void fl_lose_others(const struct fl_chat_request *request, struct fl_losses *losses);
/* The same for one. */
void fl_lose_member(const struct fl_member *member, struct fl_losses *losses);
/* Names the places where the client asks for a prompt cache. */
void fl_lose_cache_hints(const struct fl_chat_request *request, struct fl_losses *losses);

#endif

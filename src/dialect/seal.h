/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signatures carry their maker. A model's thinking comes with a proof (Anthropic's and Gemini's signatures,
 * redacted thinking, OpenAI's encrypted reasoning) that goes back to the same vendor in the next turn; any
 * other vendor refuses it. Forms read and write bare proofs; a translation puts this between them:
 *
 *   provider form -> fl_seal_mark() -> client: "fairlead:MAKER:PROOF"
 *   client -> fl_seal_open() -> provider form: PROOF for its own maker, nothing for others
 *
 * A client of Anthropic gets Claude's bare, from whichever cloud: they are good at all of them, and whole
 * conversations move between a translated Claude and Anthropic itself. A bare proof is thus one of the client's own
 * dialect.
 */
#ifndef FL_DIALECT_SEAL_H
#define FL_DIALECT_SEAL_H

#include "chat/loss.h"
#include "dialect/wire.h"

/* A string value of a client's body that begins so is a marked proof: the body cannot go through as it came. */
#define FL_SEAL_MARK "fairlead:"

/* Who makes the proofs of an answer: "anthropic" for Claude at any cloud, "gemini", else *vendor*, the provider's
 * type. *model*: as the provider knows it. */
struct fl_slice fl_seal_maker(const struct fl_wire *provider, struct fl_slice vendor,
                              struct fl_slice model);
/* *event* as *client* is to get it: itself, or *storage* with what is made in *arena*; without memory its proof is
 * missing. */
const struct fl_chat_event *fl_seal_mark(const struct fl_chat_event *event,
                                         const struct fl_wire *client, struct fl_slice maker,
                                         struct fl_arena *arena, struct fl_chat_event *storage);
/* *request* as *maker*, asked in the form *provider*, is to get it: itself, or a copy in *arena* where something
 * changed. What is left out is told. NULL without memory. */
const struct fl_chat_request *fl_seal_open(const struct fl_chat_request *request,
                                           const struct fl_wire *client,
                                           const struct fl_wire *provider, struct fl_slice maker,
                                           struct fl_arena *arena, struct fl_losses *losses);
#endif

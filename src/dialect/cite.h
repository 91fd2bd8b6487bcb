/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Citations: pages of the web that an answer's text rests on. Each dialect tells them at another
 * time: behind the text, with the places they belong to (OpenAI), before the block of text that
 * rests on them (Anthropic), at the very end, in bytes (Gemini). Places are characters (Unicode
 * code points) of all the text of the choice; one that is not known is 0 to 0.
 */
#ifndef FL_DIALECT_CITE_H
#define FL_DIALECT_CITE_H

#include "chat/event.h"
#include "codec/json.h"

/* Characters of escaped text; an escaped pair of surrogates is one. */
uint64_t fl_escaped_chars(struct fl_slice escaped);

/* {"url", "title", "start_index", "end_index", "content"} as an event; *base* characters stand before the text
 * that the places are of. Nothing without a URL. */
void fl_cite_take(struct fl_json citation, uint64_t base, unsigned choice,
                  const struct fl_chat_sink *sink);
/* The members of OpenAI's url_citation but for "type", with places less *base*. */
void fl_cite_put(struct fl_buf *b, const struct fl_citation *citation, uint64_t base);

/* Citations of a block of text that is not over yet: copies, until where it ends is known. What
 * is too much is left out. From malloc by the first one; a decoder's own. */
struct fl_cites;
void fl_cites_hold(struct fl_cites **cites, const struct fl_citation *citation);
/* Tells them, with these places, and forgets them. */
void fl_cites_tell(struct fl_cites *cites, uint64_t from, uint64_t to,
                   const struct fl_chat_sink *sink);

#endif

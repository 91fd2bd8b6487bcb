/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small tools that the wire forms share: fl_put_* write JSON, fl_get_* read it, fl_add_* build a
 * canonical request, fl_emit_* tell events. Escaped text and raw JSON are as chat/chat.h says.
 *
 * Writing keeps no state: what goes into an object or array looks at the last byte written and puts
 * a comma unless that opened the object or array. So begin one with fl_buf_putc(b, '{').
 */
#ifndef FL_DIALECT_PUT_H
#define FL_DIALECT_PUT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "chat/chat.h"
#include "chat/event.h"
#include "codec/json.h"

/* --- Writing --- */

/* A comma, where one belongs. For elements of arrays. */
void fl_put_comma(struct fl_buf *b);
/* Comma where one belongs, then "key": */
void fl_put_key(struct fl_buf *b, const char *key);
/* A string, quotes around escaped text. */
void fl_put_quoted(struct fl_buf *b, struct fl_slice escaped);
/* Members of each kind. */
void fl_put_text(struct fl_buf *b, const char *key, struct fl_slice escaped);
void fl_put_word(struct fl_buf *b, const char *key, const char *word); /* needs no escape */
void fl_put_plain(struct fl_buf *b, const char *key, struct fl_slice decoded);
void fl_put_raw(struct fl_buf *b, const char *key, struct fl_slice raw);
void fl_put_number(struct fl_buf *b, const char *key, uint64_t value);
void fl_put_flag(struct fl_buf *b, const char *key, bool value);
/* The same, but nothing when the value is empty. */
void fl_put_text_if(struct fl_buf *b, const char *key, struct fl_slice escaped);
void fl_put_raw_if(struct fl_buf *b, const char *key, struct fl_slice raw);
/* Valid UTF-8 text (raw JSON, say) as the content of a string: escapes quotes, backslashes, control
 * bytes. Without quotes. */
void fl_put_escaping(struct fl_buf *b, struct fl_slice text);
/* Escaped text decoded. Lone surrogates become U+FFFD. */
void fl_put_decoded(struct fl_buf *b, struct fl_slice escaped);
/* A block's pieces one after another: as a string, and as escaped text without quotes. */
void fl_put_pieces(struct fl_buf *b, const struct fl_block *block);
void fl_put_pieces_bare(struct fl_buf *b, const struct fl_block *block);
/* The log probabilities of a block's pieces, as one array; false, and nothing, when there are none. */
bool fl_put_logprobs(struct fl_buf *b, const struct fl_block *block);
/* The arguments of a call, a block's pieces, as a raw JSON object. Nothing at all is {}; what is no
 * object goes into one as a string: {"_unparsed": "..."}. *arena* takes the decoded text. */
void fl_put_input(struct fl_buf *b, const struct fl_block *call, struct fl_arena *arena);
/* Raw arguments as the string that OpenAI's forms want; what fl_get_arguments() wrapped comes out as
 * it was. */
void fl_put_arguments(struct fl_buf *b, struct fl_slice raw);
/* data:image/png;base64,... (escaped text; base64 must be given). */
void fl_put_data_url(struct fl_buf *b, const struct fl_media *media);

/* --- Reading: what fl_json_scan() has accepted --- */

/* The elements of an array, without its brackets; empty when it has none, or is no array. */
struct fl_slice fl_get_elements(struct fl_json array);
/* What stands between the quotes; empty when the value is no string. */
struct fl_slice fl_get_escaped(struct fl_json value);
/* The number as it is spelled; empty when the value is none. */
struct fl_slice fl_get_number(struct fl_json value);
/* For comparing with a limit; 0 for an empty one. */
double fl_number_value(struct fl_slice number);
/* Does escaped text spell *text* once decoded? */
bool fl_escaped_is(struct fl_slice escaped, const char *text);
/* Is a string with exactly this text? */
bool fl_get_is(struct fl_json value, const char *text);
/* The position of the string's text among *count* words, or -1. */
int fl_get_word(struct fl_json value, const char *const *words, int count);
/* null and absent are the same to most fields. */
bool fl_get_given(struct fl_json value);
enum { FL_MEMBERS_MAX = 48 };
/* Many members of one object at once: ret_values[i] is the member keys[i], type NONE when absent.
 * One walk; for objects inside an accepted body. */
void fl_get_members(struct fl_json object, const char *const *keys, unsigned count,
                    struct fl_json *ret_values);
/* The same for a stream's events, where it must be quick. */
void fl_get_fields(struct fl_json object, const struct fl_slice *keys, unsigned count,
                   struct fl_json *ret_values);
/* Which of *count* keys a raw key (with quotes) is; *count* when none. */
unsigned fl_get_key(struct fl_slice raw_key, const struct fl_slice *keys, unsigned count);
/* Decoded text: in place when it has no escape, else a copy in the arena (empty without memory). */
struct fl_slice fl_get_decoded(struct fl_slice escaped, struct fl_arena *arena);
/* Any valid UTF-8 as escaped text: in place when it needs no escape. */
struct fl_slice fl_get_escaping(struct fl_slice text, struct fl_arena *arena);
/* The JSON text inside a string of arguments: raw JSON, an object. "" is {}. What is no object is
 * wrapped as fl_put_input() does; then false. */
bool fl_get_arguments(struct fl_slice escaped, struct fl_arena *arena, struct fl_slice *ret_raw);
/* Sets url, or media_type and base64 when it is a data: URL. False: a data: URL that is not base64,
 * or a URL of another scheme. */
bool fl_get_media_url(struct fl_slice escaped_url, struct fl_arena *arena, struct fl_media *media);

/* Writes why a request is refused. Returns *err*. *message* is a sentence. */
enum fl_err fl_refuse(struct fl_reterr *reterr, enum fl_err err, const char *message);

/* --- Building: each appends a zeroed element and moves the tail; NULL without memory --- */

struct fl_message *fl_add_message(struct fl_arena *arena, struct fl_message ***tail,
                                  enum fl_chat_role role);
struct fl_part *fl_add_part(struct fl_arena *arena, struct fl_part ***tail, enum fl_part_kind kind);
struct fl_tool *fl_add_tool(struct fl_arena *arena, struct fl_tool ***tail);
void fl_add_stop(struct fl_arena *arena, struct fl_text_item ***tail, struct fl_slice escaped);
/* *raw_key*: with its quotes, as fl_json_next() gives it. */
void fl_add_member(struct fl_arena *arena, struct fl_member ***tail, struct fl_slice raw_key,
                   struct fl_slice raw_value);

/* --- Events --- */

void fl_emit(const struct fl_chat_sink *sink, enum fl_chat_event_kind kind, unsigned choice,
             struct fl_slice text);
void fl_emit_arguments(const struct fl_chat_sink *sink, unsigned choice, unsigned call,
                       struct fl_slice escaped);
void fl_emit_finish(const struct fl_chat_sink *sink, unsigned choice, enum fl_finish finish,
                    struct fl_slice stop_sequence);
void fl_emit_usage(const struct fl_chat_sink *sink, const struct fl_usage *usage);
void fl_emit_error(const struct fl_chat_sink *sink, enum fl_err err, struct fl_slice message,
                   struct fl_slice name);

#endif

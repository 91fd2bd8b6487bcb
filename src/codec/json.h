/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strict JSON (RFC 8259) over spans: nothing is converted, copied or re-serialised. One pass checks
 * the whole grammar and UTF-8 and records where watched top-level members stand; a request is then
 * changed by replacing byte ranges, so that unknown fields, number spellings and key order survive.
 *
 * Refused: anything outside the grammar, bytes after the value, a BOM, invalid UTF-8 (overlong
 * forms and encoded surrogates included), raw control bytes in strings, nesting deeper than the
 * limit, more keys in one object than the limit, a watched key twice (escapes decoded before
 * comparing). Accepted as they are: numbers of any size, `\u` escapes of lone surrogates (legal
 * JSON text).
 */
#ifndef FL_CODEC_JSON_H
#define FL_CODEC_JSON_H

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

enum fl_json_type {
    FL_JSON_NONE, /* absent */
    FL_JSON_NULL,
    FL_JSON_FALSE,
    FL_JSON_TRUE,
    FL_JSON_NUMBER,
    FL_JSON_STRING, /* span includes the quotes */
    FL_JSON_ARRAY,
    FL_JSON_OBJECT
};

/* A value where it stands in the text. */
struct fl_json {
    enum fl_json_type type;
    struct fl_slice span;
};

struct fl_json_limits {
    unsigned depth_max; /* nested arrays and objects, at most FL_JSON_DEPTH_MAX */
    unsigned keys_max;  /* members of one object */
};
#define FL_JSON_DEPTH_MAX 128
#define FL_JSON_LIMITS    ((struct fl_json_limits){FL_JSON_DEPTH_MAX, 10000})

/* A top-level member to look for. Each may stand at most once. */
struct fl_json_watch {
    struct fl_slice key;    /* decoded text */
    struct fl_json value;   /* out: type FL_JSON_NONE when absent */
    struct fl_slice member; /* out: from the key's opening quote to the value's end */
};

/* Validates *text*. *watches* (may be NULL, with distinct keys) are searched among the members of a
 * top-level object; they are reset first, and after a failure. ret_value gets the top-level value.
 * On failure reterr (may be NULL) gets code, byte offset, line and column (bytes) and a message, in
 * which text of the client is short and printable. */
enum fl_err fl_json_scan(struct fl_slice text, struct fl_json_limits limits,
                         struct fl_json_watch *watches, unsigned watch_count,
                         struct fl_json *ret_value, struct fl_reterr *reterr) FL_CHECK_RESULT;

/* The same; *ret_marked tells whether a string value somewhere begins with *mark* (not empty, ASCII, nothing in it
 * that JSON escapes). One whose mark is written in escapes is not found. */
enum fl_err fl_json_scan_marked(struct fl_slice text, struct fl_json_limits limits,
                                struct fl_json_watch *watches, unsigned watch_count,
                                struct fl_slice mark, bool *ret_marked, struct fl_json *ret_value,
                                struct fl_reterr *reterr) FL_CHECK_RESULT;

/* --- Walking text that fl_json_scan() has accepted. Behaviour on other text is bounded, but
 *     unspecified. A step reads the element it returns once: to walk n levels down is to read the
 *     innermost text n times. --- */

struct fl_json_iter {
    struct fl_slice rest;
    bool in_object;
};

/* Starts on an array or object; any other type yields nothing. */
struct fl_json_iter fl_json_iter(struct fl_json value);
/* Next element; *ret_key (raw span with quotes, empty for arrays) may be NULL. False at the end. */
bool fl_json_next(struct fl_json_iter *it, struct fl_slice *ret_key, struct fl_json *ret_value);
/* Member of an object by decoded key (the last one when it stands twice); type NONE when absent. */
struct fl_json fl_json_get(struct fl_json object, struct fl_slice key);
/* Member under a path of keys, e.g. {"usage", "prompt_tokens"}. */
struct fl_json fl_json_at(struct fl_json object, const struct fl_slice *path, unsigned path_len);

/* A string's decoded text: in place when it has no escape, else appended to *scratch*, which then
 * must not grow while *ret_text* is in use. Lone surrogates decode to U+FFFD. False for other types
 * or when scratch overflows. */
bool fl_json_text(struct fl_json value, struct fl_buf *scratch, struct fl_slice *ret_text);
/* The same in pieces, for texts of any length in constant memory: each is a part of the text in place, or
 * lies in *buf* (at least 4 bytes) until the next call. A piece may end inside a character. False at the
 * end. Start with the value's span. */
struct fl_json_pieces {
    struct fl_slice rest;
};
struct fl_json_pieces fl_json_pieces(struct fl_json string);
bool fl_json_pieces_next(struct fl_json_pieces *p, char *buf, size_t cap, struct fl_slice *ret_piece);
/* Does the raw key or string span (with quotes) spell *text* once decoded? */
bool fl_json_spells(struct fl_slice raw, struct fl_slice text);
/* For text that nobody has scanned: finds the first place where one of *count* keys stands, each given
 * with its quotes, moves *text* behind it and returns which; *count* when there is none. By bytes: in
 * JSON that is a whole key or a whole string, since inside a string a quote is escaped. */
unsigned fl_json_find_quoted(struct fl_slice *text, const struct fl_slice *quoted, unsigned count);
/* A non-negative integer below 2^63, written without fraction or exponent. */
bool fl_json_u64(struct fl_json value, uint64_t *ret_value);
/* true/false; false return for other types. */
bool fl_json_bool(struct fl_json value, bool *ret_value);

/* --- Replacing ranges --- */

/* Replace *old* (a span inside the text; may be empty to insert before its position) by *by*. */
struct fl_json_patch {
    struct fl_slice old;
    struct fl_slice by;
};

/* The text with its patches applied, as a list of pieces that point into *text* and the patches: no
 * copy. Patches must be sorted by position and disjoint. ret_pieces has room for 2 * count + 1.
 * Returns the number of pieces; *ret_len gets the sum of their lengths. */
unsigned fl_json_splice(struct fl_slice text, const struct fl_json_patch *patches, unsigned count,
                        struct fl_slice *ret_pieces, size_t *ret_len);

/* The patches that remove *count* members (as fl_json_watch gives them, in order of position, each
 * once) together with the commas that go with them, whichever and however many they are. The
 * patches are sorted and disjoint. *object_text* is the span of the object around the members. */
void fl_json_remove(struct fl_slice object_text, const struct fl_slice *members, unsigned count,
                    struct fl_json_patch *ret_patches);
/* The range to delete in order to remove one member. Ranges of several members of one object may
 * overlap or leave a comma: that is what fl_json_remove() is for. */
struct fl_slice fl_json_member_range(struct fl_slice object_text, struct fl_slice member);

#endif

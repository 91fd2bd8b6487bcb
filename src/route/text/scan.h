/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One pass over the text of a request, in pieces of any size, which gives its facts (facts.h).
 *
 *     fl_scan_begin(&scan, seed, (struct fl_scan_window){window, 2048});
 *     fl_scan_message(&scan, FL_TEXT_SYSTEM);
 *     fl_scan_text(&scan, piece); ...
 *     fl_scan_message(&scan, FL_TEXT_USER);
 *     fl_scan_text(&scan, piece); ...
 *     fl_scan_end(&scan, &facts);
 *
 * Where pieces are cut never changes a result. The text is UTF-8 as a JSON decoder gives it; bytes
 * that are not are counted and harm nothing. No allocation, no failure; a scan belongs to one
 * thread.
 *
 * The canonical prompt, whose blocks of FL_PREFIX_BYTES are hashed, is for each message one byte
 * for its role and then its text; a message without text counts too. The last, unfinished block has
 * no hash.
 */
#ifndef FL_ROUTE_TEXT_SCAN_H
#define FL_ROUTE_TEXT_SCAN_H

#include "route/text/classes.h"

/* Where the ends of the user's last message are kept: FL_SCAN_WINDOW(bytes) bytes at *memory*, of
 * which the first and the last *bytes* of the message are used. bytes == 0: nothing is kept. */
struct fl_scan_window {
    char *memory;
    size_t bytes;
};

#define FL_SCAN_WINDOW(bytes) (3 * (bytes))

struct fl_scan {
    struct fl_classes classes;  /* of the message being read */
    struct fl_text_facts facts; /* of the messages before it */
    struct fl_scan_window window;
    size_t head_len, tail_len; /* used of the window's first third, and of the rest */
    enum fl_text_role role;
    bool in_message;
    uint64_t message_bytes;
    size_t rest_len, block_len;           /* used of: */
    unsigned char rest[fl_classes_block]; /* text that fl_classes_read() has not consumed */
    unsigned char block[FL_PREFIX_BYTES]; /* the prefix block being filled */
    uint64_t hash;                        /* of the blocks before it */
};

/* *seed* keeps hashes of different owners apart (tenants, versions of this program). */
void fl_scan_begin(struct fl_scan *s, uint64_t seed, struct fl_scan_window window);
void fl_scan_message(struct fl_scan *s, enum fl_text_role role);
/* Text before any fl_scan_message() is the user's. */
void fl_scan_text(struct fl_scan *s, struct fl_slice piece);
/* The facts of everything since fl_scan_begin(), which must come again before the next use. */
void fl_scan_end(struct fl_scan *s, struct fl_text_facts *ret_facts);

#endif

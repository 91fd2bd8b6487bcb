/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Header names: which bytes may form one, which of them this program knows, which are hop-by-hop.
 * Length and first letter leave one candidate, which is then compared eight bytes at a time with
 * letters folded: hardly a branch depends on the name, since the next name is never like the last
 * one.
 */
#include "codec/http1.h"

#include "codec/http1_names.h"

#include "base/assert.h"

const unsigned char fl_h1_bytes[256] = {
    0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, /* controls */
    0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, /* controls */
    0, 5, 4, 1, 5, 5, 5, 5,
    4, 4, 5, 5, 4, 7, 7, 4, /* space ! " # $ % & ' ( ) * + , - . and a slash */
    7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 4, 4, 4, 4, 4, 4, /* 0-9 : ; < = > ? */
    4, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, /* @ A-O */
    7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 4, 4, 4, 5, 7, /* P-Z [ \ ] ^ _ */
    5, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, /* ` a-o */
    7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 4, 5, 4, 5, 0, /* p-z { | } ~ */
};

enum { length_max = 21, text_room = 24 };

/* Padded, so that whole words can be read. */
static const char texts[FL_H_COUNT][text_room] = {
#define X(id, text) [id] = {text},
    FL_H1_NAMES(X)
#undef X
};

/* By length and first letter. The unit test walks FL_H1_NAMES against it. */
static const unsigned char candidates[length_max + 1][32] = {
    [2] = {['t' & 31] = FL_H_TE},
    [4] = {['d' & 31] = FL_H_DATE, ['h' & 31] = FL_H_HOST},
    [6] = {['a' & 31] = FL_H_ACCEPT,
           ['c' & 31] = FL_H_COOKIE,
           ['e' & 31] = FL_H_EXPECT,
           ['s' & 31] = FL_H_SERVER},
    [7] = {['t' & 31] = FL_H_TRAILER, ['u' & 31] = FL_H_UPGRADE},
    [8] = {['l' & 31] = FL_H_LOCATION},
    [9] = {['x' & 31] = FL_H_X_API_KEY},
    [10] = {['c' & 31] = FL_H_CONNECTION,
            ['k' & 31] = FL_H_KEEP_ALIVE,
            ['s' & 31] = FL_H_SET_COOKIE,
            ['u' & 31] = FL_H_USER_AGENT},
    [11] = {['r' & 31] = FL_H_RETRY_AFTER},
    [12] = {['c' & 31] = FL_H_CONTENT_TYPE, ['x' & 31] = FL_H_X_REQUEST_ID},
    [13] = {['a' & 31] = FL_H_AUTHORIZATION,
            ['c' & 31] = FL_H_CACHE_CONTROL,
            ['l' & 31] = FL_H_LAST_EVENT_ID},
    [14] = {['c' & 31] = FL_H_CONTENT_LENGTH,
            ['r' & 31] = FL_H_RETRY_AFTER_MS,
            ['x' & 31] = FL_H_X_SHOULD_RETRY},
    [15] = {['a' & 31] = FL_H_ACCEPT_ENCODING, ['x' & 31] = FL_H_X_FORWARDED_FOR},
    [16] = {['c' & 31] = FL_H_CONTENT_ENCODING},
    [17] = {['t' & 31] = FL_H_TRANSFER_ENCODING},
    [19] = {['p' & 31] = FL_H_PROXY_AUTHORIZATION, ['x' & 31] = FL_H_X_STAINLESS_TIMEOUT},
    [21] = {['x' & 31] = FL_H_X_FAIRLEAD_TIMEOUT_MS},
};

/* Folds the letters of eight bytes to lower case. Bytes 0x40, 0x5b-0x5f and 0xc0-0xdf change too,
 * but never into a lower-case letter, a digit or '-': comparing with text made of these is exact.
 */
static uint64_t fold8(const char *p)
{
    uint64_t word;
    memcpy(&word, p, 8);
    return word | ((word & UINT64_C(0x4040404040404040)) >> 1);
}

static uint64_t load8(const char *p)
{
    uint64_t word;
    memcpy(&word, p, 8);
    return word;
}

/* Both have *len* bytes, at most 24; *text* is lower case. Words may overlap. */
static bool same_folded(const char *s, const char *text, size_t len)
{
    uint64_t differs = 0;
    if (len < 8) {
        for (size_t i = 0; i < len; i++) {
            differs |= (unsigned char)((s[i] | (s[i] & 0x40) >> 1) ^ text[i]);
        }
        return differs == 0;
    }
    differs = (fold8(s) ^ load8(text)) | (fold8(s + len - 8) ^ load8(text + len - 8));
    if (len > 16) {
        differs |= fold8(s + 8) ^ load8(text + 8);
    }
    return differs == 0;
}

bool fl_h1_is(struct fl_slice s, struct fl_slice text)
{
    fl_assert(text.len <= text_room);
    return s.len == text.len && same_folded(s.ptr, text.ptr, text.len);
}

enum fl_h1_name fl_h1_name_id(struct fl_slice name)
{
    if (name.len > length_max || name.len == 0) {
        return FL_H_OTHER;
    }
    enum fl_h1_name id = (enum fl_h1_name)candidates[name.len][name.ptr[0] & 31];
    return id != FL_H_OTHER && same_folded(name.ptr, texts[id], name.len) ? id : FL_H_OTHER;
}

bool fl_h1_is_token(struct fl_slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!fl_h1_byte_is(s.ptr[i], FL_H1_TOKEN)) {
            return false;
        }
    }
    return s.len > 0;
}

const struct fl_h1_header *fl_h1_find(const struct fl_h1_head *head, enum fl_h1_name id)
{
    if ((head->seen >> id & 1) == 0) {
        return NULL;
    }
    for (unsigned i = 0; i < head->header_count; i++) {
        if (head->headers[i].id == id) {
            return &head->headers[i];
        }
    }
    return NULL;
}

const struct fl_h1_header *fl_h1_find_text(const struct fl_h1_head *head, struct fl_slice name)
{
    for (unsigned i = 0; i < head->header_count; i++) {
        if (fl_slice_eq_nocase(head->headers[i].name, name)) {
            return &head->headers[i];
        }
    }
    return NULL;
}

static bool named_by_connection(const struct fl_h1_head *head, struct fl_slice name)
{
    for (unsigned i = 0; i < head->header_count; i++) {
        struct fl_slice rest = head->headers[i].value;
        while (head->headers[i].id == FL_H_CONNECTION && rest.len > 0) {
            size_t comma = fl_slice_find(rest, ',');
            if (fl_slice_eq_nocase(fl_slice_trim(fl_slice_first(rest, comma)), name)) {
                return true;
            }
            rest = fl_slice_from(rest, comma + 1);
        }
    }
    return false;
}

bool fl_h1_hop_by_hop(const struct fl_h1_head *head, const struct fl_h1_header *header)
{
    static const uint64_t always = UINT64_C(1) << FL_H_CONNECTION | UINT64_C(1) << FL_H_KEEP_ALIVE |
                                   UINT64_C(1) << FL_H_PROXY_AUTHORIZATION |
                                   UINT64_C(1) << FL_H_TE | UINT64_C(1) << FL_H_TRAILER |
                                   UINT64_C(1) << FL_H_TRANSFER_ENCODING |
                                   UINT64_C(1) << FL_H_UPGRADE;
    if ((always >> header->id & 1) != 0 ||
        fl_slice_eq_nocase(header->name, FL_LIT("proxy-connection")) ||
        fl_slice_eq_nocase(header->name, FL_LIT("proxy-authenticate"))) {
        return true;
    }
    return named_by_connection(head, header->name);
}

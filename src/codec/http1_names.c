/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Header names: which bytes may form one, which of them this program knows, which are hop-by-hop.
 * A known name is found by its length (at most four share one, all with different first letters)
 * and confirmed by comparing eight bytes at a time with letters folded.
 */
#include "codec/http1.h"

#include "codec/http1_names.h"

const unsigned char fl_h1_token_bytes[256] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* controls */
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* controls */
    0, 1, 0, 1, 1, 1, 1, 1, 0, 0, 1, 1, 0, 1, 1, 0, /* ! # $ % & ' * + - . */
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, /* 0-9 */
    0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, /* A-O */
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 1, 1, /* P-Z ^ _ */
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, /* ` a-o */
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 0, 1, 0, /* p-z | ~ */
};

static const struct fl_slice texts[FL_H_COUNT] = {
#define X(id, text) [id] = {text, sizeof(text) - 1},
    FL_H1_NAMES(X)
#undef X
};

/* Names by length; a row ends at FL_H_OTHER. The unit test walks FL_H1_NAMES against it. */
enum { per_length = 4, length_max = 21 };
static const unsigned char by_length[length_max + 1][per_length] = {
    [2] = {FL_H_TE},
    [4] = {FL_H_HOST, FL_H_DATE},
    [6] = {FL_H_ACCEPT, FL_H_SERVER, FL_H_COOKIE, FL_H_EXPECT},
    [7] = {FL_H_TRAILER, FL_H_UPGRADE},
    [8] = {FL_H_LOCATION},
    [9] = {FL_H_X_API_KEY},
    [10] = {FL_H_CONNECTION, FL_H_USER_AGENT, FL_H_KEEP_ALIVE, FL_H_SET_COOKIE},
    [11] = {FL_H_RETRY_AFTER},
    [12] = {FL_H_CONTENT_TYPE, FL_H_X_REQUEST_ID},
    [13] = {FL_H_AUTHORIZATION, FL_H_CACHE_CONTROL},
    [14] = {FL_H_CONTENT_LENGTH, FL_H_RETRY_AFTER_MS, FL_H_X_SHOULD_RETRY},
    [15] = {FL_H_ACCEPT_ENCODING, FL_H_X_FORWARDED_FOR},
    [16] = {FL_H_CONTENT_ENCODING},
    [17] = {FL_H_TRANSFER_ENCODING},
    [19] = {FL_H_PROXY_AUTHORIZATION, FL_H_X_STAINLESS_TIMEOUT},
    [21] = {FL_H_X_FAIRLEAD_TIMEOUT_MS},
};

/* Folds the letters of eight bytes to lower case. Bytes 0x40, 0x5b-0x5f and 0xc0-0xdf change too,
 * but never into a byte of a known name, so that comparing folded bytes with lower-case text is
 * exact. */
static uint64_t fold8(const char *p)
{
    uint64_t word;
    memcpy(&word, p, 8);
    return word | ((word & UINT64_C(0x4040404040404040)) >> 1);
}

static uint32_t fold4(const char *p)
{
    uint32_t word;
    memcpy(&word, p, 4);
    return word | ((word & UINT32_C(0x40404040)) >> 1);
}

static char fold1(char c)
{
    return (char)(c | ((c & 0x40) >> 1));
}

/* *text* is lower case; both have *len* bytes. The last word may overlap the one before it. */
static bool same_folded(const char *name, const char *text, size_t len)
{
    if (len < 4) {
        for (size_t i = 0; i < len; i++) {
            if (fold1(name[i]) != text[i]) {
                return false;
            }
        }
        return true;
    }
    if (len < 8) {
        return fold4(name) == fold4(text) && fold4(name + len - 4) == fold4(text + len - 4);
    }
    for (size_t i = 0; i + 8 < len; i += 8) {
        if (fold8(name + i) != fold8(text + i)) {
            return false;
        }
    }
    return fold8(name + len - 8) == fold8(text + len - 8);
}

enum fl_h1_name fl_h1_name_id(struct fl_slice name)
{
    if (name.len > length_max || name.len < 2) {
        return FL_H_OTHER;
    }
    const unsigned char *row = by_length[name.len];
    char first = fold1(name.ptr[0]);
    for (unsigned i = 0; i < per_length && row[i] != FL_H_OTHER; i++) {
        const char *text = texts[row[i]].ptr;
        if (text[0] == first) {
            return same_folded(name.ptr, text, name.len) ? (enum fl_h1_name)row[i] : FL_H_OTHER;
        }
    }
    return FL_H_OTHER;
}

bool fl_h1_is_token(struct fl_slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!fl_h1_is_token_byte(s.ptr[i])) {
            return false;
        }
    }
    return s.len > 0;
}

const struct fl_h1_header *fl_h1_find(const struct fl_h1_head *head, enum fl_h1_name id)
{
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

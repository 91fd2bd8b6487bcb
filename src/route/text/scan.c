/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three readers of the same bytes: the classes take steps of 64 bytes from where a message begins,
 * the prefix hash blocks of 256 bytes from where the prompt begins, the window the ends of the
 * user's message. Each works on the caller's bytes where it can and keeps only what is left over.
 */
#include "route/text/scan.h"

#include "base/assert.h"
#include "route/text/estimate.h"

enum { mark_first = 0xf8 }; /* a role's byte in the canonical prompt: never part of UTF-8 */

__extension__ typedef unsigned __int128 wide;

static inline uint64_t fold(uint64_t a, uint64_t b)
{
    wide product = (wide)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t word(const unsigned char *p)
{
    uint64_t w;
    memcpy(&w, p, sizeof(w));
    return w;
}

/* The block by four lanes of folded 128-bit products, as wyhash has them, then one more product
 * with the hash of the blocks before: so that no block waits for the one before it. Fast and well
 * mixed, not secret: who can choose prompts can make two that collide, and wins a wrong guess about
 * a cache. */
static uint64_t hash_block(uint64_t before, const unsigned char *p)
{
    static const uint64_t k0 = UINT64_C(0x9e3779b97f4a7c15), k1 = UINT64_C(0xd6e8feb86659fd93),
                          k2 = UINT64_C(0xc2b2ae3d27d4eb4f), k3 = UINT64_C(0xa0761d6478bd642f);
    uint64_t a = k0, b = k1, c = k2, d = k3;
    for (unsigned at = 0; at < FL_PREFIX_BYTES; at += 64) {
        a = fold(word(p + at) ^ k1, word(p + at + 8) ^ a);
        b = fold(word(p + at + 16) ^ k2, word(p + at + 24) ^ b);
        c = fold(word(p + at + 32) ^ k3, word(p + at + 40) ^ c);
        d = fold(word(p + at + 48) ^ k0, word(p + at + 56) ^ d);
    }
    return fold(before ^ k0, fold(a ^ k1, b ^ k2) ^ fold(c ^ k3, d ^ k0));
}

static void add_block(struct fl_scan *s, const unsigned char *p)
{
    s->hash = hash_block(s->hash, p);
    s->facts.prefix[s->facts.prefix_count++] = s->hash;
}

static void add_to_prompt(struct fl_scan *s, const unsigned char *p, size_t len)
{
    while (len > 0 && s->facts.prefix_count < FL_PREFIX_BLOCKS) {
        if (s->block_len == 0 && len >= FL_PREFIX_BYTES) {
            add_block(s, p);
            p += FL_PREFIX_BYTES;
            len -= FL_PREFIX_BYTES;
            continue;
        }
        size_t room = FL_PREFIX_BYTES - s->block_len, part = len < room ? len : room;
        memcpy(s->block + s->block_len, p, part);
        s->block_len += part;
        p += part;
        len -= part;
        if (s->block_len == FL_PREFIX_BYTES) {
            add_block(s, s->block);
            s->block_len = 0;
        }
    }
}

/* Feeds what is kept and the piece's beginning until a step ends inside the piece; returns the
 * offset from where the piece can be read in place, or its length when all of it is kept. */
static size_t classes_from_rest(struct fl_scan *s, const unsigned char *p, size_t len)
{
    size_t taken = 0; /* of the piece, behind what is kept */
    while (s->rest_len > 0) {
        size_t room = fl_classes_step - s->rest_len;
        size_t part = len - taken < room ? len - taken : room;
        memcpy(s->rest + s->rest_len, p + taken, part);
        s->rest_len += part;
        taken += part;
        if (s->rest_len < fl_classes_step) {
            return len;
        }
        size_t used = fl_classes_read(&s->classes, s->rest, fl_classes_step);
        s->rest_len -= used;
        if (s->rest_len <= taken) {
            taken -= s->rest_len;
            s->rest_len = 0;
            return taken;
        }
        memmove(s->rest, s->rest + used, s->rest_len);
    }
    return 0;
}

static void add_to_classes(struct fl_scan *s, const unsigned char *p, size_t len)
{
    size_t at = classes_from_rest(s, p, len);
    at += fl_classes_read(&s->classes, p + at, len - at);
    if (s->rest_len == 0 && at < len) {
        memcpy(s->rest, p + at, len - at);
        s->rest_len = len - at;
    }
}

/* The tail's part of the window is filled twice as far as needed, then its last half moves to the
 * front: a byte is moved once however small the pieces are. */
static void add_to_window(struct fl_scan *s, const char *p, size_t len)
{
    size_t n = s->window.bytes, room = n - s->head_len;
    size_t part = len < room ? len : room;
    memcpy(s->window.memory + s->head_len, p, part);
    s->head_len += part;
    p += part;
    len -= part;
    char *tail = s->window.memory + n;
    if (len >= n) {
        p += len - n;
        len = n;
        s->tail_len = 0;
    } else if (s->tail_len + len > 2 * n) {
        size_t kept = n - len;
        memmove(tail, tail + s->tail_len - kept, kept);
        s->tail_len = kept;
    }
    memcpy(tail + s->tail_len, p, len);
    s->tail_len += len;
}

void fl_scan_begin(struct fl_scan *s, uint64_t seed, struct fl_scan_window window)
{
    fl_assert(window.bytes == 0 || window.memory != NULL);
    memset(&s->facts, 0, sizeof(s->facts));
    s->window = window;
    s->head_len = s->tail_len = 0;
    s->in_message = false;
    s->rest_len = s->block_len = 0;
    s->hash = seed;
}

static uint32_t sum(uint32_t a, uint32_t b)
{
    return a > UINT32_MAX - b ? UINT32_MAX : a + b;
}

static void end_message(struct fl_scan *s)
{
    memset(s->rest + s->rest_len, 0, sizeof(s->rest) - s->rest_len);
    fl_classes_end(&s->classes, s->rest, s->rest_len);
    s->rest_len = 0;
    struct fl_text_facts *f = &s->facts;
    for (unsigned i = 0; i < FL_TEXT_COUNTS; i++) {
        f->count[i] = sum(f->count[i], s->classes.count[i]);
    }
    if (s->role == FL_TEXT_USER) {
        memcpy(f->user_count, s->classes.count, sizeof(f->user_count));
        f->user_bytes = s->message_bytes;
    }
    f->bytes += s->message_bytes;
    s->in_message = false;
}

void fl_scan_message(struct fl_scan *s, enum fl_text_role role)
{
    fl_assert(role < FL_TEXT_ROLES);
    if (s->in_message) {
        end_message(s);
    }
    s->role = role;
    s->in_message = true;
    s->message_bytes = 0;
    s->facts.messages++;
    s->facts.messages_of[role]++;
    fl_classes_begin(&s->classes);
    if (role == FL_TEXT_USER) {
        s->head_len = s->tail_len = 0;
    }
    unsigned char mark = (unsigned char)(mark_first + role);
    add_to_prompt(s, &mark, 1);
}

void fl_scan_text(struct fl_scan *s, struct fl_slice piece)
{
    if (piece.len == 0) {
        return;
    }
    if (!s->in_message) {
        fl_scan_message(s, FL_TEXT_USER);
    }
    const unsigned char *p = (const unsigned char *)piece.ptr;
    s->message_bytes += piece.len;
    add_to_prompt(s, p, piece.len);
    add_to_classes(s, p, piece.len);
    if (s->role == FL_TEXT_USER && s->window.bytes > 0) {
        add_to_window(s, piece.ptr, piece.len);
    }
}

void fl_scan_end(struct fl_scan *s, struct fl_text_facts *ret_facts)
{
    if (s->in_message) {
        end_message(s);
    }
    struct fl_text_facts *f = &s->facts;
    fl_tokens_estimate(f->count, f->tokens);
    size_t n = s->window.bytes, tail = s->tail_len < n ? s->tail_len : n;
    if (n > 0) {
        f->user_head = fl_slice(s->window.memory, s->head_len);
        f->user_tail = fl_slice(s->window.memory + n + s->tail_len - tail, tail);
    }
    *ret_facts = *f;
}

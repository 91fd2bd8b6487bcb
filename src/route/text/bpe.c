/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A piece starts as single bytes; of all neighbours whose union is a token, the one of least rank
 * (the leftmost of equals) is merged, until none is left. The candidates wait in a heap; one whose
 * parts have changed since is known by its rank, which is no longer that of its place.
 */
#include "route/text/bpe.h"

#include "base/assert.h"

#include <stdlib.h>

enum { token_bytes_max = 4096, rank_max = (1 << 24) - 1, no_rank = UINT32_MAX >> 1 };

struct token {
    uint32_t at; /* in bytes */
    uint32_t len;
    uint32_t rank;
};

struct fl_bpe {
    enum fl_pretokens rule;
    struct token *tokens;
    size_t count;
    unsigned char *bytes; /* of all tokens */
    size_t bytes_len;
    uint32_t *slots; /* index of a token + 1, by hash of its bytes; 0: free */
    size_t slot_mask;
    size_t longest; /* token, in bytes */
};

static uint64_t hash_of(const unsigned char *p, size_t len)
{
    static const uint64_t spread = UINT64_C(0x9e3779b97f4a7c15);
    uint64_t h = len * spread, word;
    for (; len >= sizeof(word); p += sizeof(word), len -= sizeof(word)) {
        memcpy(&word, p, sizeof(word));
        h = (h ^ word) * spread;
        h ^= h >> 32;
    }
    word = 0;
    memcpy(&word, p, len);
    h = (h ^ word) * spread;
    return h ^ h >> 29;
}

/* The slot of the token, or the free one where it belongs. */
static uint32_t *slot_of(const struct fl_bpe *b, const unsigned char *p, size_t len)
{
    for (size_t i = hash_of(p, len) & b->slot_mask;; i = (i + 1) & b->slot_mask) {
        uint32_t index = b->slots[i];
        if (index == 0) {
            return &b->slots[i];
        }
        const struct token *t = &b->tokens[index - 1];
        if (t->len == len && memcmp(b->bytes + t->at, p, len) == 0) {
            return &b->slots[i];
        }
    }
}

static uint32_t rank_of(const struct fl_bpe *b, const unsigned char *p, size_t len)
{
    if (len > b->longest) {
        return no_rank;
    }
    uint32_t index = *slot_of(b, p, len);
    return index != 0 ? b->tokens[index - 1].rank : (uint32_t)no_rank;
}

/* --- Reading --- */

static int digit_of(char c)
{
    return c >= 'A' && c <= 'Z'   ? c - 'A'
           : c >= 'a' && c <= 'z' ? c - 'a' + 26
           : c >= '0' && c <= '9' ? c - '0' + 52
           : c == '+'             ? 62
           : c == '/'             ? 63
                                  : -1;
}

/* Appends what *text* says to the bytes (for which there is room); false when it is no base64. */
static bool add_base64(struct fl_bpe *b, struct fl_slice text)
{
    if (text.len == 0 || text.len % 4 != 0) {
        return false;
    }
    size_t padding = text.ptr[text.len - 1] != '=' ? 0 : text.ptr[text.len - 2] != '=' ? 1 : 2;
    uint32_t bits = 0;
    for (size_t i = 0; i < text.len; i++) {
        int digit = i < text.len - padding ? digit_of(text.ptr[i]) : 0;
        if (digit < 0) {
            return false;
        }
        bits = bits << 6 | (uint32_t)digit;
        if (i % 4 == 3) {
            size_t n = i + 1 == text.len ? 3 - padding : 3;
            for (size_t k = 0; k < n; k++) {
                b->bytes[b->bytes_len++] = (unsigned char)(bits >> (16 - 8 * k));
            }
            bits = 0;
        }
    }
    return true;
}

static bool add_token(struct fl_bpe *b, struct fl_slice line)
{
    size_t space = fl_slice_find(line, ' '), from = b->bytes_len;
    uint64_t rank;
    if (!add_base64(b, fl_slice_first(line, space)) ||
        !fl_slice_u64(fl_slice_from(line, space + 1), &rank) || rank > rank_max) {
        return false;
    }
    size_t len = b->bytes_len - from;
    uint32_t *slot = slot_of(b, b->bytes + from, len);
    if (len > token_bytes_max || *slot != 0) {
        return false; /* too long, or there already */
    }
    b->tokens[b->count++] = (struct token){(uint32_t)from, (uint32_t)len, (uint32_t)rank};
    *slot = (uint32_t)b->count;
    b->longest = len > b->longest ? len : b->longest;
    return true;
}

static struct fl_slice next_line(struct fl_slice *rest)
{
    size_t len = fl_slice_find(*rest, '\n');
    struct fl_slice line = fl_slice_first(*rest, len);
    *rest = fl_slice_from(*rest, len + 1);
    return line.len > 0 && line.ptr[line.len - 1] == '\r' ? fl_slice_first(line, line.len - 1)
                                                          : line;
}

static size_t count_lines(struct fl_slice text)
{
    size_t lines = 1;
    for (size_t at = 0; at < text.len; at++) {
        lines += text.ptr[at] == '\n';
    }
    return lines;
}

static enum fl_err allocate(struct fl_bpe *b, struct fl_slice ranks, size_t memory_max)
{
    size_t lines = count_lines(ranks), slots = 1024;
    while (slots < 2 * lines) {
        slots *= 2;
    }
    size_t bytes = ranks.len / 4 * 3 + 3;
    if (ranks.len > UINT32_MAX ||
        lines * sizeof(*b->tokens) + slots * sizeof(*b->slots) + bytes > memory_max) {
        return FL_ERR_TOO_BIG;
    }
    b->tokens = malloc(lines * sizeof(*b->tokens));
    b->bytes = malloc(bytes);
    b->slots = calloc(slots, sizeof(*b->slots));
    b->slot_mask = slots - 1;
    return b->tokens && b->bytes && b->slots ? FL_OK : FL_ERR_NOMEM;
}

static enum fl_err read_all(struct fl_bpe *b, struct fl_slice ranks)
{
    while (ranks.len > 0) {
        struct fl_slice line = next_line(&ranks);
        if (line.len > 0 && !add_token(b, line)) {
            return FL_ERR_FILE;
        }
    }
    for (unsigned i = 0; i < 256; i++) {
        unsigned char byte = (unsigned char)i;
        if (*slot_of(b, &byte, 1) == 0) {
            return FL_ERR_FILE;
        }
    }
    /* What the lines' numbers and padding took is given back. */
    unsigned char *bytes = realloc(b->bytes, b->bytes_len);
    b->bytes = bytes != NULL ? bytes : b->bytes;
    return FL_OK;
}

enum fl_err fl_bpe_create(struct fl_slice ranks, enum fl_pretokens rule, size_t memory_max,
                          struct fl_bpe **ret_bpe)
{
    struct fl_bpe *b = calloc(1, sizeof(*b));
    if (b == NULL) {
        return FL_ERR_NOMEM;
    }
    b->rule = rule;
    enum fl_err err = allocate(b, ranks, memory_max);
    if (err == FL_OK) {
        err = read_all(b, ranks);
    }
    if (err != FL_OK) {
        fl_bpe_destroy(b);
        return err;
    }
    *ret_bpe = b;
    return FL_OK;
}

void fl_bpe_destroy(struct fl_bpe *bpe)
{
    if (bpe != NULL) {
        free(bpe->tokens);
        free(bpe->bytes);
        free(bpe->slots);
        free(bpe);
    }
}

size_t fl_bpe_size(const struct fl_bpe *bpe)
{
    return bpe->count;
}

/* --- Counting --- */

/* The parts of a piece: a list over their first bytes. */
struct part {
    uint32_t next,
        before;    /* first bytes of the neighbours; the piece's length, UINT32_MAX at the ends */
    uint32_t rank; /* of this part with the next one, or no_rank */
};

/* Candidates: rank above place. Each merge takes one out and puts in at most two. */
struct heap {
    uint64_t *at;
    size_t count;
};

size_t fl_bpe_scratch_bytes(size_t piece_max)
{
    return piece_max * (3 * sizeof(uint64_t) + sizeof(struct part)) + sizeof(uint64_t);
}

static void push(struct heap *h, uint64_t value)
{
    size_t i = h->count++;
    for (; i > 0 && h->at[(i - 1) / 2] > value; i = (i - 1) / 2) {
        h->at[i] = h->at[(i - 1) / 2];
    }
    h->at[i] = value;
}

static uint64_t pop(struct heap *h)
{
    uint64_t least = h->at[0], value = h->at[--h->count];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= h->count) {
            break;
        }
        child += child + 1 < h->count && h->at[child + 1] < h->at[child];
        if (h->at[child] >= value) {
            break;
        }
        h->at[i] = h->at[child];
        i = child;
    }
    h->at[i] = value;
    return least;
}

struct piece {
    const struct fl_bpe *bpe;
    const unsigned char *bytes;
    uint32_t len;
    struct part *parts;
    struct heap heap;
};

/* Finds the rank of the part with the next one, and makes it a candidate. */
static void propose(struct piece *p, uint32_t at)
{
    uint32_t next = p->parts[at].next;
    p->parts[at].rank = no_rank;
    if (next < p->len) {
        uint32_t rank = rank_of(p->bpe, p->bytes + at, p->parts[next].next - at);
        p->parts[at].rank = rank;
        if (rank != no_rank) {
            push(&p->heap, (uint64_t)rank << 32 | at);
        }
    }
}

static void merge(struct piece *p, uint32_t at)
{
    uint32_t gone = p->parts[at].next, next = p->parts[gone].next;
    p->parts[at].next = next;
    p->parts[gone].rank = no_rank;
    if (next < p->len) {
        p->parts[next].before = at;
    }
    propose(p, at);
    if (p->parts[at].before != UINT32_MAX) {
        propose(p, p->parts[at].before);
    }
}

static uint64_t count_piece(struct piece *p)
{
    uint64_t count = p->len;
    for (uint32_t i = 0; i < p->len; i++) {
        p->parts[i] = (struct part){i + 1, i > 0 ? i - 1 : UINT32_MAX, no_rank};
    }
    p->heap.count = 0;
    for (uint32_t i = 0; i + 1 < p->len; i++) {
        propose(p, i);
    }
    while (p->heap.count > 0) {
        uint64_t candidate = pop(&p->heap);
        uint32_t at = (uint32_t)candidate;
        if (p->parts[at].rank == candidate >> 32) { /* not one that has changed since */
            merge(p, at);
            count--;
        }
    }
    return count;
}

uint64_t fl_bpe_count(const struct fl_bpe *bpe, struct fl_bpe_scratch scratch, struct fl_slice text)
{
    fl_assert(scratch.piece_max > 0 && scratch.piece_max < UINT32_MAX / 4);
    struct piece piece = {.bpe = bpe, .heap = {scratch.memory, 0}};
    piece.parts = (void *)((uint64_t *)scratch.memory + 3 * scratch.piece_max);
    uint64_t count = 0;
    while (text.len > 0) {
        struct fl_slice whole = fl_slice_first(text, fl_pretoken(bpe->rule, text));
        text = fl_slice_from(text, whole.len);
        while (whole.len > 0) {
            struct fl_slice part = fl_slice_first(whole, scratch.piece_max);
            whole = fl_slice_from(whole, part.len);
            piece.bytes = (const unsigned char *)part.ptr;
            piece.len = (uint32_t)part.len;
            count += rank_of(bpe, piece.bytes, piece.len) != no_rank ? 1 : count_piece(&piece);
        }
    }
    return count;
}

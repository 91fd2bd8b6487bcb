/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/seam.h"

#include "base/assert.h"

void fl_seam_start(struct fl_seam *s, struct fl_slice said, bool whole)
{
    size_t len = said.len < FL_SEAM_TAIL ? said.len : FL_SEAM_TAIL;
    s->tail_len = (unsigned)len;
    s->head_len = s->at = s->matched = s->overlap = s->expected = 0;
    s->whole = whole && len == said.len;
    s->settled = len == 0;
    if (len > 0) {
        memcpy(s->tail, said.ptr + said.len - len, len);
    }
}

void fl_seam_expect(struct fl_seam *s, size_t bytes)
{
    s->expected = bytes < s->tail_len ? (unsigned)bytes : s->tail_len;
}

static bool counts(const struct fl_seam *s, unsigned overlap)
{
    bool all = s->whole && overlap == s->tail_len && overlap >= FL_SEAM_WHOLE;
    return overlap >= FL_SEAM_LEAST || all || (overlap > 0 && overlap <= s->expected);
}

/* The whole tail is read, or what is left of it cannot make an overlap that counts. */
static void settle(struct fl_seam *s, struct fl_buf *out)
{
    unsigned overlap = s->at == s->tail_len ? s->matched : 0;
    while (overlap > 0 && !counts(s, overlap)) { /* a shorter one may count: see fl_seam_expect() */
        overlap = s->border[overlap - 1];
    }
    s->settled = true;
    s->overlap = overlap;
    fl_buf_put(out, fl_slice(s->head + s->overlap, s->head_len - s->overlap));
}

static void add_to_head(struct fl_seam *s, char c)
{
    fl_assert(s->head_len < FL_SEAM_TAIL);
    unsigned i = s->head_len++, k = i > 0 ? s->border[i - 1] : 0;
    s->head[i] = c;
    while (k > 0 && s->head[k] != c) {
        k = s->border[k - 1];
    }
    s->border[i] = (uint16_t)(i > 0 && s->head[k] == c ? k + 1 : 0);
}

static void mismatch(struct fl_seam *s)
{
    if (s->matched > 0) {
        s->matched = s->border[s->matched - 1];
    } else {
        s->at++;
    }
}

/* Reads on in the tail until the head's next byte is asked for (true) or there is nothing left to
 * find. */
static bool wants_more(struct fl_seam *s)
{
    while (s->at < s->tail_len) {
        unsigned most = s->matched + s->tail_len - s->at;
        if (!counts(s, most) && s->expected == 0) {
            return false;
        }
        if (s->matched == s->head_len) {
            return true;
        }
        if (s->tail[s->at] == s->head[s->matched]) {
            s->at++;
            s->matched++;
        } else {
            mismatch(s);
        }
    }
    return false;
}

void fl_seam_feed(struct fl_seam *s, struct fl_slice text, struct fl_buf *out)
{
    size_t i = 0;
    while (!s->settled && i < text.len) {
        add_to_head(s, text.ptr[i++]);
        if (!wants_more(s)) {
            settle(s, out);
        }
    }
    fl_buf_put(out, fl_slice_from(text, i));
}

void fl_seam_end(struct fl_seam *s, struct fl_buf *out)
{
    if (s->settled) {
        return;
    }
    while (s->head_len > 0 &&
           wants_more(s)) { /* the whole head stands inside the tail, not at its end */
        mismatch(s);
    }
    settle(s, out);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Changing a text by replacing ranges; nothing here reads more than the bytes around a member. */
#include "codec/json.h"

#include "base/assert.h"
#include "codec/json_lex.h"

unsigned fl_json_splice(struct fl_slice text, const struct fl_json_patch *patches, unsigned count,
                        struct fl_slice *ret_pieces, size_t *ret_len)
{
    const char *at = text.ptr, *end = text.ptr + text.len;
    unsigned used = 0;
    size_t len = 0;
    for (unsigned i = 0; i <= count; i++) {
        struct fl_slice old = i < count ? patches[i].old : fl_slice(end, 0);
        struct fl_slice pieces[2] = {fl_slice(at, (size_t)(old.ptr - at)),
                                     i < count ? patches[i].by : FL_EMPTY};
        fl_assert(old.ptr >= at && old.ptr <= end && old.len <= (size_t)(end - old.ptr));
        for (unsigned k = 0; k < 2; k++) {
            if (pieces[k].len > 0) {
                ret_pieces[used++] = pieces[k];
                len += pieces[k].len;
            }
        }
        at = old.ptr + old.len;
    }
    *ret_len = len;
    return used;
}

/* The last byte before *p* that is no white space; there is one, the object's brace at the latest.
 */
static const char *solid_before(const char *p, const char *begin)
{
    do {
        p--;
    } while (p > begin && fl_json_is_blank(*p));
    return p;
}

/* A member that is first, or behind nothing but removed ones, takes the comma after it (and the
 * white space up to the next key), any other takes the comma before it. So neighbours never share
 * one. */
static struct fl_slice range(struct fl_slice object_text, struct fl_slice member, bool leading)
{
    const char *end = object_text.ptr + object_text.len, *from = member.ptr;
    const char *to = member.ptr + member.len, *next = fl_json_solid(to, end);
    if (!leading) {
        from = solid_before(from, object_text.ptr);
    } else if (next < end && *next == ',') {
        to = fl_json_solid(next + 1, end);
    }
    return fl_slice(from, (size_t)(to - from));
}

void fl_json_remove(struct fl_slice object_text, const struct fl_slice *members, unsigned count,
                    struct fl_json_patch *ret_patches)
{
    const char *begin = object_text.ptr, *removed_to = begin;
    for (unsigned i = 0; i < count; i++) {
        struct fl_slice m = members[i];
        fl_assert(m.ptr > begin && m.len < object_text.len - (size_t)(m.ptr - begin));
        bool leading = m.ptr == removed_to || solid_before(m.ptr, begin) == begin;
        ret_patches[i] = (struct fl_json_patch){range(object_text, m, leading), FL_EMPTY};
        removed_to = leading ? ret_patches[i].old.ptr + ret_patches[i].old.len : begin;
    }
}

struct fl_slice fl_json_member_range(struct fl_slice object_text, struct fl_slice member)
{
    struct fl_json_patch patch;
    fl_json_remove(object_text, &member, 1, &patch);
    return patch.old;
}

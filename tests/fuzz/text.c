/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request's text: the first byte says how it is cut, 0xff in it begins a message. Cut or whole,
 * the facts are the same; pre-tokens cover the text; a rank file is refused or counts.
 */
#include <stdlib.h>

#include "base/assert.h"
#include "route/text/bpe.h"
#include "route/text/scan.h"
#include "route/text/surface.h"

enum { window_bytes = 32, piece_max = 4096 };

static char window[FL_SCAN_WINDOW(window_bytes)];

static void read_all(struct fl_slice text, size_t piece, struct fl_text_facts *ret_facts)
{
    static struct fl_scan scan;
    fl_scan_begin(&scan, 1, (struct fl_scan_window){window, window_bytes});
    while (text.len > 0) {
        size_t end = fl_slice_find(text, '\xff');
        for (size_t at = 0; at < end; at += piece) {
            fl_scan_text(&scan, fl_slice_first(fl_slice(text.ptr + at, end - at), piece));
        }
        if (end < text.len) {
            fl_scan_message(&scan, (unsigned char)text.ptr[end / 2] % FL_TEXT_ROLES);
        }
        text = fl_slice_from(text, end + 1);
    }
    fl_scan_end(&scan, ret_facts);
}

static void check_scan(struct fl_slice text, size_t piece)
{
    static struct fl_text_facts whole, cut;
    float features[FL_SURFACES];
    read_all(text, text.len + 1, &whole);
    read_all(text, piece, &cut);
    fl_assert(memcmp(whole.count, cut.count, sizeof(cut.count)) == 0);
    fl_assert(memcmp(whole.user_count, cut.user_count, sizeof(cut.user_count)) == 0);
    fl_assert(memcmp(whole.prefix, cut.prefix, sizeof(cut.prefix)) == 0);
    fl_assert(whole.user_tail.len == cut.user_tail.len && whole.bytes == cut.bytes);
    fl_surface(&cut, features);
    fl_assert(fl_language_of(&cut) != NULL);
}

static void check_bpe(struct fl_slice text)
{
    struct fl_bpe *bpe = NULL;
    for (unsigned rule = 0; rule < 2; rule++) {
        for (struct fl_slice rest = text; rest.len > 0;) {
            size_t len = fl_pretoken(rule, rest);
            fl_assert(len > 0 && len <= rest.len);
            rest = fl_slice_from(rest, len);
        }
    }
    if (!fl_bpe_create(text, FL_PRETOKENS_O200K, 1 << 24, &bpe)) {
        struct fl_bpe_scratch scratch = {malloc(fl_bpe_scratch_bytes(piece_max)), piece_max};
        fl_assert(scratch.memory != NULL);
        fl_assert(fl_bpe_count(bpe, scratch, text) <= text.len);
        free(scratch.memory);
        fl_bpe_destroy(bpe);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0) {
        struct fl_slice text = fl_slice((const char *)data + 1, size - 1);
        check_scan(text, data[0] % 130 + 1);
        check_bpe(text);
    }
    return 0;
}

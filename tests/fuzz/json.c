/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scans any bytes. What is accepted is walked to the last value, every member is removed and every
 * scalar replaced, and the result must be accepted again. What is refused is walked too: it must
 * end.
 */
#include "base/assert.h"
#include "base/utf8.h"
#include "codec/json.h"

#include <stdlib.h>

enum { walk_depth_max = FL_JSON_DEPTH_MAX };

static size_t walk(struct fl_json value, unsigned depth)
{
    static char memory[1 << 16];
    struct fl_buf scratch;
    struct fl_slice key, text = FL_EMPTY;
    struct fl_json element;
    struct fl_json_iter it = fl_json_iter(value);
    size_t count = 1;
    fl_buf_init_in(&scratch, memory, sizeof(memory));
    if (fl_json_text(value, &scratch, &text)) {
        fl_assert(fl_json_spells(value.span, text));
    }
    while (depth > 0 && fl_json_next(&it, &key, &element)) {
        count += walk(element, depth - 1);
    }
    return count;
}

static void check_accepted(struct fl_slice text, const struct fl_json_patch *patch)
{
    struct fl_slice pieces[3];
    struct fl_json value;
    struct fl_buf b;
    size_t len;
    unsigned count = fl_json_splice(text, patch, 1, pieces, &len);
    fl_buf_init(&b, len);
    for (unsigned i = 0; i < count; i++) {
        fl_buf_put(&b, pieces[i]);
    }
    fl_assert(fl_buf_ok(&b) && b.len == len);
    fl_assert(fl_json_scan(fl_buf_slice(&b), FL_JSON_LIMITS, NULL, 0, &value, NULL) == FL_OK);
    fl_buf_finish(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct fl_slice text = fl_slice((const char *)bytes, size);
    struct fl_json_watch watches[] = {{.key = FL_LIT("model")}, {.key = FL_LIT("a")}};
    struct fl_json root = {FL_JSON_OBJECT, text};
    struct fl_reterr reterr;
    enum fl_err err = fl_json_scan(text, FL_JSON_LIMITS, watches, 2, &root, &reterr);
    if (err != FL_OK) {
        fl_assert(reterr.offset <= size && strlen(reterr.message) > 0);
        fl_assert(err != FL_ERR_JSON_UTF8 || reterr.offset == fl_utf8_check(text));
        fl_assert(reterr.line >= 1 && reterr.column >= 1 && watches[0].value.type == FL_JSON_NONE);
        (void)walk(root, 8);
        return 0;
    }
    fl_assert(fl_utf8_check(text) == text.len);
    fl_assert(walk(root, walk_depth_max) >= 1);
    for (unsigned i = 0; i < 2; i++) {
        if (watches[i].value.type == FL_JSON_NONE) {
            continue;
        }
        struct fl_json_patch without = {fl_json_member_range(root.span, watches[i].member),
                                        FL_EMPTY};
        struct fl_json_patch other = {watches[i].value.span, FL_LIT("[\"other\"]")};
        fl_assert(fl_slice_eq(fl_json_get(root, watches[i].key).span, watches[i].value.span));
        check_accepted(text, &without);
        check_accepted(text, &other);
    }
    return 0;
}

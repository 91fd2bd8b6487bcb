/* SPDX-License-Identifier: Apache-2.0 */
#include "dialect/refusal.h"

#include "codec/json.h"

static bool text_at(struct fl_json object, struct fl_slice key, struct fl_buf *scratch,
                    struct fl_slice *ret_text)
{
    struct fl_json value = fl_json_get(object, key);
    return value.type == FL_JSON_STRING && fl_json_text(value, scratch, ret_text) &&
           ret_text->len > 0;
}

/* The first of the keys that holds a text. */
static bool text_of(struct fl_json object, struct fl_buf *scratch, struct fl_slice *ret_text)
{
    static const struct fl_slice keys[] = {{"message", 7}, {"Message", 7},        {"detail", 6},
                                           {"error", 5},   {"error_message", 13}, {"title", 5}};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (text_at(object, keys[i], scratch, ret_text)) {
            return true;
        }
    }
    return false;
}

static struct fl_json first_of(struct fl_json value)
{
    struct fl_json_iter it = fl_json_iter(value);
    struct fl_json first = {FL_JSON_NONE, FL_EMPTY};
    return value.type == FL_JSON_ARRAY && fl_json_next(&it, NULL, &first) ? first : value;
}

struct fl_slice fl_refusal_message(struct fl_slice body, struct fl_buf *scratch)
{
    static const struct fl_slice inside[] = {{"error", 5}, {"errors", 6}, {"detail", 6}};
    struct fl_json whole;
    struct fl_slice text = FL_EMPTY;
    if (fl_json_scan(body, FL_JSON_LIMITS, NULL, 0, &whole, NULL)) {
        return FL_EMPTY;
    }
    whole = first_of(whole);
    for (size_t i = 0; i < sizeof(inside) / sizeof(inside[0]); i++) {
        struct fl_json inner = first_of(fl_json_get(whole, inside[i]));
        if (inner.type == FL_JSON_OBJECT && text_of(inner, scratch, &text)) {
            return text;
        }
    }
    return text_of(whole, scratch, &text) ? text : FL_EMPTY;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/internal.h"

#include <math.h>

int fl_lib_key_find(const struct fl_lib_key *keys, unsigned count, const char *key)
{
    for (unsigned i = 0; i < count; i++) {
        if (strcmp(keys[i].name, key) == 0) {
            return (int)i;
        }
    }
    return -1;
}

bool fl_lib_key_admits(const struct fl_lib_key *key, double value)
{
    return value >= key->least && value <= key->most && (!key->whole || floor(value) >= value);
}

bool fl_lib_next_word(struct fl_slice *io_list, struct fl_slice *ret_word)
{
    if (fl_slice_trim(*io_list).len == 0) {
        return false;
    }
    size_t comma = fl_slice_find(*io_list, ',');
    *ret_word = fl_slice_trim(fl_slice_first(*io_list, comma));
    *io_list = fl_slice_from(*io_list, comma + 1);
    return true;
}

bool fl_lib_needs_parse(const char *text, uint32_t *ret_needs)
{
    static const struct {
        const char *name;
        uint32_t need;
    } rows[] = {{"tools", FL_NEED_TOOLS},         {"vision", FL_NEED_VISION},
                {"audio", FL_NEED_AUDIO},         {"json_schema", FL_NEED_JSON_SCHEMA},
                {"reasoning", FL_NEED_REASONING}, {"streaming", FL_NEED_STREAMING}};
    struct fl_slice list = fl_slice_cstr(text), word;
    uint32_t needs = 0;
    while (fl_lib_next_word(&list, &word)) {
        size_t i = 0;
        while (i < sizeof(rows) / sizeof(*rows) &&
               !fl_slice_eq(word, fl_slice_cstr(rows[i].name))) {
            i++;
        }
        if (i == sizeof(rows) / sizeof(*rows)) {
            return false;
        }
        needs |= rows[i].need;
    }
    *ret_needs = needs;
    return true;
}

void fl_lib_say(struct fl_lib_text *t, const char *const *pieces)
{
    size_t used = 0;
    for (; *pieces; pieces++) {
        struct fl_slice piece = fl_slice_first(fl_slice_cstr(*pieces), sizeof(t->text) - 1 - used);
        memcpy(t->text + used, piece.ptr, piece.len);
        used += piece.len;
    }
    t->text[used] = '\0';
}

const char *fairlead_version(void)
{
    return FL_VERSION;
}

const char *fairlead_status_text(int status)
{
    static const char *const texts[] = {
        [FAIRLEAD_OK] = "no error",
        [FAIRLEAD_NO_MEMORY] = "out of memory",
        [FAIRLEAD_INVALID] = "a value that cannot be",
        [FAIRLEAD_UNKNOWN] = "a name that nothing has",
        [FAIRLEAD_EXISTS] = "a name that is taken",
        [FAIRLEAD_REFUSED] = "no target may answer the request",
        [FAIRLEAD_STATE] = "not in this state",
    };
    bool known = status >= 0 && (size_t)status < sizeof(texts) / sizeof(*texts);
    return known ? texts[status] : "no status of this library";
}

const char *fairlead_outcome(unsigned index)
{
    return index < FL_ERR_COUNT ? fl_err_name((enum fl_err)index) : NULL;
}

const char *fairlead_outcome_text(unsigned index)
{
    return index < FL_ERR_COUNT ? fl_err_text((enum fl_err)index) : NULL;
}

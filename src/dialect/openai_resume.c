/* SPDX-License-Identifier: Apache-2.0 */
#include "dialect/openai_resume.h"

enum { C_ID, C_CREATED, C_MODEL, C_CHOICES, C_COUNT };

static bool scan_chunk(struct fl_slice data, struct fl_json_watch w[C_COUNT],
                       struct fl_json *ret_whole)
{
    static const struct fl_json_watch keys[C_COUNT] = {[C_ID] = {.key = {"id", 2}},
                                                       [C_CREATED] = {.key = {"created", 7}},
                                                       [C_MODEL] = {.key = {"model", 5}},
                                                       [C_CHOICES] = {.key = {"choices", 7}}};
    memcpy(w, keys, sizeof(keys));
    return fl_json_scan(data, FL_JSON_LIMITS, w, C_COUNT, ret_whole, NULL) == FL_OK &&
           ret_whole->type == FL_JSON_OBJECT;
}

/* --- reading --- */

static bool is_empty(struct fl_json value)
{
    struct fl_json_iter it = fl_json_iter(value);
    struct fl_json any;
    return value.type == FL_JSON_STRING ? value.span.len <= 2 : !fl_json_next(&it, NULL, &any);
}

static void read_member(struct fl_slice key, struct fl_json value, struct fl_openai_delta *d)
{
    if (fl_json_spells(key, FL_LIT("role")) || is_empty(value)) {
        return;
    }
    if (fl_json_spells(key, FL_LIT("content"))) {
        d->content = value.type == FL_JSON_STRING ? value : d->content;
        d->strange = d->strange || value.type != FL_JSON_STRING;
    } else if (fl_json_spells(key, FL_LIT("tool_calls"))) {
        d->calls = value;
    } else if (fl_json_spells(key, FL_LIT("reasoning_content")) ||
               fl_json_spells(key, FL_LIT("reasoning")) ||
               fl_json_spells(key, FL_LIT("reasoning_details"))) {
        d->reasoning = true;
    } else {
        d->strange = true;
    }
}

static void read_choice(struct fl_json choice, struct fl_openai_delta *d)
{
    struct fl_json delta = fl_json_get(choice, FL_LIT("delta")), value;
    struct fl_json finish = fl_json_get(choice, FL_LIT("finish_reason"));
    struct fl_json_iter it = fl_json_iter(delta);
    struct fl_slice key;
    uint64_t index = 0;
    (void)fl_json_u64(fl_json_get(choice, FL_LIT("index")), &index);
    d->strange = d->strange || index > 0;
    d->finish_reason = finish.type == FL_JSON_STRING ? finish : d->finish_reason;
    while (delta.type == FL_JSON_OBJECT && fl_json_next(&it, &key, &value)) {
        read_member(key, value, d);
    }
}

bool fl_openai_read_delta(struct fl_slice data, struct fl_openai_delta *ret_delta)
{
    struct fl_json_watch w[C_COUNT];
    struct fl_json whole, choice;
    *ret_delta = (struct fl_openai_delta){.reasoning = false};
    if (!scan_chunk(data, w, &whole)) {
        return false;
    }
    ret_delta->id = w[C_ID].value;
    ret_delta->created = w[C_CREATED].value;
    ret_delta->model = w[C_MODEL].value;
    struct fl_json_iter it = fl_json_iter(w[C_CHOICES].value);
    while (w[C_CHOICES].value.type == FL_JSON_ARRAY && fl_json_next(&it, NULL, &choice)) {
        read_choice(choice, ret_delta);
    }
    return true;
}

/* --- asking --- */

/* In the order of their places in the text. */
static void add_patch(struct fl_json_patch *patches, unsigned *count, struct fl_json_patch patch)
{
    unsigned at = (*count)++;
    for (; at > 0 && patches[at - 1].old.ptr > patch.old.ptr; at--) {
        patches[at] = patches[at - 1];
    }
    patches[at] = patch;
}

static void put_pieces(struct fl_buf *b, struct fl_slice text, const struct fl_json_patch *patches,
                       unsigned count)
{
    struct fl_slice pieces[2 * 8 + 1];
    size_t bytes;
    unsigned n = fl_json_splice(text, patches, count, pieces, &bytes);
    for (unsigned i = 0; i < n; i++) {
        fl_buf_put(b, pieces[i]);
    }
}

#define GO_ON                                                                                      \
    "Your answer broke off there. Go on exactly where it stopped: repeat none of it, say nothing " \
    "about this."

/* The list that *list* becomes: its own items, then the answer's beginning. *list* may be the text
 * of the one message (responses). */
static void put_messages(struct fl_buf *b, struct fl_json list, const struct fl_resume_words *words)
{
    struct fl_json_iter it = fl_json_iter(list);
    struct fl_json any;
    if (list.type == FL_JSON_STRING) {
        fl_buf_put_cstr(b, "[{\"role\":\"user\",\"content\":");
        fl_buf_put(b, list.span);
        fl_buf_put_cstr(b, "},");
    } else {
        fl_buf_put(b, fl_slice_first(list.span, list.span.len - 1));
        fl_buf_put_cstr(b, fl_json_next(&it, NULL, &any) ? "," : "");
    }
    fl_buf_put_cstr(b, "{\"role\":\"assistant\",\"content\":");
    fl_buf_put_json(b, words->said);
    fl_buf_put_cstr(b, words->instruct ? "},{\"role\":\"user\",\"content\":\"" GO_ON "\"}]" : "}]");
}

static void patch_messages(struct fl_json list, const struct fl_resume_words *words,
                           struct fl_buf *messages, struct fl_json_patch *patches, unsigned *count)
{
    if (words->said.len > 0) {
        put_messages(messages, list, words);
        add_patch(patches, count, (struct fl_json_patch){list.span, fl_buf_slice(messages)});
    }
}

enum fl_err fl_resume_body(struct fl_slice body, const struct fl_resume_words *words,
                           struct fl_buf *ret_body)
{
    enum { W_MESSAGES, W_INPUT, W_LIMITS };
    struct fl_json_watch w[] = {{.key = FL_LIT("messages")},
                                {.key = FL_LIT("input")},
                                {.key = FL_LIT("max_tokens")},
                                {.key = FL_LIT("max_completion_tokens")},
                                {.key = FL_LIT("max_output_tokens")}};
    enum { W_COUNT = sizeof(w) / sizeof(w[0]) };
    struct fl_json_patch patches[W_COUNT];
    struct fl_json whole;
    struct fl_buf messages, numbers;
    char digits[72];
    unsigned count = 0;
    if (fl_json_scan(body, FL_JSON_LIMITS, w, W_COUNT, &whole, NULL)) {
        return FL_ERR_REQUEST;
    }
    struct fl_json list = w[w[W_MESSAGES].value.type == FL_JSON_NONE].value;
    bool text = list.type == FL_JSON_STRING && w[W_MESSAGES].value.type == FL_JSON_NONE;
    if (list.type != FL_JSON_ARRAY && !text) {
        return FL_ERR_REQUEST;
    }
    fl_buf_init(&messages, ret_body->max);
    fl_buf_init_in(&numbers, digits, sizeof(digits));
    patch_messages(list, words, &messages, patches, &count);
    for (unsigned i = W_LIMITS; i < W_COUNT; i++) {
        uint64_t most = 0;
        size_t start = numbers.len;
        if (fl_json_u64(w[i].value, &most)) {
            fl_buf_put_u64(&numbers, most > words->tokens ? most - words->tokens : 1);
            add_patch(patches, &count,
                      (struct fl_json_patch){w[i].value.span,
                                             fl_slice_from(fl_buf_slice(&numbers), start)});
        }
    }
    put_pieces(ret_body, body, patches, count);
    bool ok = fl_buf_ok(&messages) && fl_buf_ok(ret_body);
    fl_buf_finish(&messages);
    return ok ? FL_OK : FL_ERR_NOMEM;
}

/* --- telling --- */

static void restamp(struct fl_json_patch *patches, unsigned *count, struct fl_json value,
                    struct fl_slice stamp)
{
    if (value.type != FL_JSON_NONE && stamp.len > 0) {
        add_patch(patches, count, (struct fl_json_patch){value.span, stamp});
    }
}

static void put_chunk(struct fl_buf *b, struct fl_slice data, const struct fl_openai_stamp *stamp,
                      const struct fl_slice *content)
{
    struct fl_openai_delta d;
    struct fl_json_patch patches[4];
    struct fl_buf text;
    unsigned count = 0;
    if (!fl_openai_read_delta(data, &d)) {
        return;
    }
    fl_buf_init(&text, b->max);
    restamp(patches, &count, d.id, stamp->id);
    restamp(patches, &count, d.created, stamp->created);
    restamp(patches, &count, d.model, stamp->model);
    if (content && d.content.type != FL_JSON_NONE) {
        fl_buf_put_json(&text, *content);
        add_patch(patches, &count, (struct fl_json_patch){d.content.span, fl_buf_slice(&text)});
    }
    fl_buf_put_cstr(b, "data: ");
    put_pieces(b, data, patches, count);
    fl_buf_put_cstr(b, "\n\n");
    b->failed = b->failed || !fl_buf_ok(&text);
    fl_buf_finish(&text);
}

void fl_openai_put_restamped(struct fl_buf *b, struct fl_slice data,
                             const struct fl_openai_stamp *stamp, struct fl_slice content)
{
    put_chunk(b, data, stamp, &content);
}

void fl_openai_put_stamped(struct fl_buf *b, struct fl_slice data,
                           const struct fl_openai_stamp *stamp)
{
    put_chunk(b, data, stamp, NULL);
}

static void put_stamp(struct fl_buf *b, const char *key, struct fl_slice value)
{
    if (value.len > 0) {
        fl_buf_put_cstr(b, key);
        fl_buf_put(b, value);
        fl_buf_putc(b, ',');
    }
}

void fl_openai_put_chunk(struct fl_buf *b, const struct fl_openai_stamp *stamp,
                         struct fl_slice content, const char *finish_reason)
{
    fl_buf_put_cstr(b, "data: {");
    put_stamp(b, "\"id\":", stamp->id);
    fl_buf_put_cstr(b, "\"object\":\"chat.completion.chunk\",");
    put_stamp(b, "\"created\":", stamp->created);
    put_stamp(b, "\"model\":", stamp->model);
    fl_buf_put_cstr(b, "\"choices\":[{\"index\":0,\"delta\":{");
    if (content.len > 0) {
        fl_buf_put_cstr(b, "\"content\":");
        fl_buf_put_json(b, content);
    }
    fl_buf_put_cstr(b, "},\"finish_reason\":");
    if (finish_reason && finish_reason[0] != '\0') {
        fl_buf_putc(b, '"');
        fl_buf_put_cstr(b, finish_reason);
        fl_buf_putc(b, '"');
    } else {
        fl_buf_put_cstr(b, "null");
    }
    fl_buf_put_cstr(b, "}]}\n\n");
}

void fl_openai_encode_midway(struct fl_encoder *e)
{
    e->started = true;
    e->role_sent = 1; /* of the one choice that is continued */
}

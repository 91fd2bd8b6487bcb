/* SPDX-License-Identifier: Apache-2.0 */
#include "dialect/put.h"

#include "base/assert.h"

/* What is no object of arguments goes into one. */
static const struct fl_slice wrap_before = {"{\"_unparsed\":\"", 14}, wrap_after = {"\"}", 2};

/* --- Writing --- */

void fl_put_comma(struct fl_buf *b)
{
    char last = b->len > 0 ? b->ptr[b->len - 1] : '{';
    if (last != '{' && last != '[') {
        fl_buf_putc(b, ',');
    }
}

void fl_put_key(struct fl_buf *b, const char *key)
{
    fl_put_comma(b);
    fl_buf_putc(b, '"');
    fl_buf_put_cstr(b, key);
    fl_buf_put(b, FL_LIT("\":"));
}

void fl_put_quoted(struct fl_buf *b, struct fl_slice escaped)
{
    fl_buf_putc(b, '"');
    fl_buf_put(b, escaped);
    fl_buf_putc(b, '"');
}

void fl_put_text(struct fl_buf *b, const char *key, struct fl_slice escaped)
{
    fl_put_key(b, key);
    fl_put_quoted(b, escaped);
}

void fl_put_word(struct fl_buf *b, const char *key, const char *word)
{
    fl_put_text(b, key, fl_slice_cstr(word));
}

void fl_put_plain(struct fl_buf *b, const char *key, struct fl_slice decoded)
{
    fl_put_key(b, key);
    fl_buf_put_json(b, decoded);
}

void fl_put_raw(struct fl_buf *b, const char *key, struct fl_slice raw)
{
    fl_put_key(b, key);
    fl_buf_put(b, raw);
}

void fl_put_number(struct fl_buf *b, const char *key, uint64_t value)
{
    fl_put_key(b, key);
    fl_buf_put_u64(b, value);
}

void fl_put_flag(struct fl_buf *b, const char *key, bool value)
{
    fl_put_raw(b, key, value ? FL_LIT("true") : FL_LIT("false"));
}

void fl_put_text_if(struct fl_buf *b, const char *key, struct fl_slice escaped)
{
    if (escaped.len > 0) {
        fl_put_text(b, key, escaped);
    }
}

void fl_put_raw_if(struct fl_buf *b, const char *key, struct fl_slice raw)
{
    if (raw.len > 0) {
        fl_put_raw(b, key, raw);
    }
}

static bool must_escape(char c)
{
    return (unsigned char)c < ' ' || c == '"' || c == '\\';
}

static size_t plain_length(struct fl_slice text)
{
    size_t n = 0;
    while (n < text.len && !must_escape(text.ptr[n])) {
        n++;
    }
    return n;
}

static void put_escape(struct fl_buf *b, char c)
{
    static const char from[] = "\b\f\n\r\t\"\\", to[] = "bfnrt\"\\";
    const char *at = memchr(from, c, sizeof(from) - 1);
    fl_buf_putc(b, '\\');
    if (at) {
        fl_buf_putc(b, to[at - from]);
    } else {
        fl_buf_put(b, FL_LIT("u"));
        fl_buf_put_hex(b, (unsigned char)c, 4);
    }
}

void fl_put_escaping(struct fl_buf *b, struct fl_slice text)
{
    while (text.len > 0) {
        size_t plain = plain_length(text);
        fl_buf_put(b, fl_slice_first(text, plain));
        if (plain < text.len) {
            put_escape(b, text.ptr[plain]);
        }
        text = fl_slice_from(text, plain + 1);
    }
}

void fl_put_decoded(struct fl_buf *b, struct fl_slice escaped)
{
    char piece_bytes[256];
    struct fl_json_pieces pieces = {escaped};
    struct fl_slice piece;
    while (fl_json_pieces_next(&pieces, piece_bytes, sizeof(piece_bytes), &piece)) {
        fl_buf_put(b, piece);
    }
}

void fl_put_pieces_bare(struct fl_buf *b, const struct fl_block *block)
{
    for (const struct fl_piece *p = block->pieces; p; p = p->next) {
        fl_buf_put(b, p->text);
    }
}

void fl_put_pieces(struct fl_buf *b, const struct fl_block *block)
{
    fl_buf_putc(b, '"');
    fl_put_pieces_bare(b, block);
    fl_buf_putc(b, '"');
}

bool fl_put_logprobs(struct fl_buf *b, const struct fl_block *block)
{
    bool some = false;
    for (const struct fl_piece *p = block->pieces; p; p = p->next) {
        if (p->logprobs.len > 0) {
            fl_buf_putc(b, some ? ',' : '[');
            fl_buf_put(b, p->logprobs);
            some = true;
        }
    }
    fl_buf_put(b, some ? FL_LIT("]") : FL_EMPTY);
    return some;
}

void fl_put_input(struct fl_buf *b, const struct fl_block *call, struct fl_arena *arena)
{
    struct fl_slice whole = call->pieces ? call->pieces->text : FL_EMPTY, raw;
    if (call->pieces && call->pieces->next) {
        char *joined = fl_arena_take(arena, fl_block_bytes(call));
        size_t len = 0;
        for (const struct fl_piece *p = joined ? call->pieces : NULL; p; p = p->next) {
            memcpy(joined + len, p->text.ptr, p->text.len);
            len += p->text.len;
        }
        whole = fl_slice(joined, len);
    }
    (void)fl_get_arguments(whole, arena, &raw);
    fl_buf_put(b, raw);
}

void fl_put_arguments(struct fl_buf *b, struct fl_slice raw)
{
    size_t around = wrap_before.len + wrap_after.len;
    fl_buf_putc(b, '"');
    if (fl_slice_starts(raw, wrap_before) && raw.len >= around &&
        fl_json_get((struct fl_json){FL_JSON_OBJECT, raw}, FL_LIT("_unparsed")).span.len + around ==
            raw.len + 2) {
        fl_buf_put(b, fl_slice(raw.ptr + wrap_before.len, raw.len - around));
    } else {
        fl_put_escaping(b, raw);
    }
    fl_buf_putc(b, '"');
}

void fl_put_data_url(struct fl_buf *b, const struct fl_media *media)
{
    fl_buf_put(b, FL_LIT("data:"));
    fl_buf_put(b,
               media->media_type.len > 0 ? media->media_type : FL_LIT("application/octet-stream"));
    fl_buf_put(b, FL_LIT(";base64,"));
    fl_buf_put(b, media->base64);
}

/* --- Reading --- */

struct fl_slice fl_get_elements(struct fl_json array)
{
    struct fl_json_iter it = fl_json_iter(array);
    struct fl_json first;
    bool some = array.type == FL_JSON_ARRAY && fl_json_next(&it, NULL, &first);
    return some ? fl_slice(array.span.ptr + 1, array.span.len - 2) : FL_EMPTY;
}

struct fl_slice fl_get_escaped(struct fl_json value)
{
    bool string = value.type == FL_JSON_STRING && value.span.len >= 2;
    return string ? fl_slice(value.span.ptr + 1, value.span.len - 2) : FL_EMPTY;
}

struct fl_slice fl_get_number(struct fl_json value)
{
    return value.type == FL_JSON_NUMBER ? value.span : FL_EMPTY;
}

double fl_number_value(struct fl_slice number)
{
    double value = 0;
    int scale = 0, exponent = 0;
    bool minus = fl_slice_starts(number, FL_LIT("-")), point = false;
    size_t i = minus ? 1 : 0;
    for (; i < number.len && (number.ptr[i] | 0x20) != 'e'; i++) {
        if (number.ptr[i] == '.') {
            point = true;
            continue;
        }
        value = value * 10 + (number.ptr[i] - '0');
        scale -= point ? 1 : 0;
    }
    bool small = i + 1 < number.len && number.ptr[i + 1] == '-';
    for (i += 1; i < number.len && exponent < 10000; i++) {
        bool digit = number.ptr[i] >= '0' && number.ptr[i] <= '9';
        exponent = digit ? exponent * 10 + (number.ptr[i] - '0') : exponent;
    }
    scale += small ? -exponent : exponent;
    for (; scale > 0 && value > 0 && value < 1e300; scale--) {
        value *= 10;
    }
    for (; scale < 0 && value > 0; scale++) {
        value /= 10;
    }
    return minus ? -value : value;
}

bool fl_escaped_is(struct fl_slice escaped, const char *text)
{
    char piece_bytes[64];
    struct fl_slice rest = fl_slice_cstr(text), piece;
    if (fl_slice_eq(escaped, rest)) {
        return fl_slice_find(rest, '\\') == rest.len;
    }
    struct fl_json_pieces pieces = {escaped};
    while (fl_json_pieces_next(&pieces, piece_bytes, sizeof(piece_bytes), &piece)) {
        if (!fl_slice_starts(rest, piece)) {
            return false;
        }
        rest = fl_slice_from(rest, piece.len);
    }
    return rest.len == 0;
}

bool fl_get_is(struct fl_json value, const char *text)
{
    return value.type == FL_JSON_STRING && fl_json_spells(value.span, fl_slice_cstr(text));
}

int fl_get_word(struct fl_json value, const char *const *words, int count)
{
    for (int i = 0; i < count; i++) {
        if (fl_get_is(value, words[i])) {
            return i;
        }
    }
    return -1;
}

bool fl_get_given(struct fl_json value)
{
    return value.type != FL_JSON_NONE && value.type != FL_JSON_NULL;
}

unsigned fl_get_key(struct fl_slice raw_key, const struct fl_slice *keys, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (raw_key.len == keys[i].len + 2 &&
            memcmp(raw_key.ptr + 1, keys[i].ptr, keys[i].len) == 0) {
            return i;
        }
    }
    unsigned i = fl_slice_find(raw_key, '\\') < raw_key.len ? 0 : count;
    while (i < count && !fl_json_spells(raw_key, keys[i])) {
        i++;
    }
    return i;
}

void fl_get_fields(struct fl_json object, const struct fl_slice *keys, unsigned count,
                   struct fl_json *ret_values)
{
    struct fl_slice key;
    struct fl_json value;
    struct fl_json_iter it = fl_json_iter(object);
    for (unsigned i = 0; i < count; i++) {
        ret_values[i] = (struct fl_json){FL_JSON_NONE, FL_EMPTY};
    }
    if (object.type != FL_JSON_OBJECT) {
        return;
    }
    while (fl_json_next(&it, &key, &value)) {
        unsigned i = fl_get_key(key, keys, count);
        if (i < count) {
            ret_values[i] = value;
        }
    }
}

void fl_get_members(struct fl_json object, const char *const *keys, unsigned count,
                    struct fl_json *ret_values)
{
    struct fl_slice texts[FL_MEMBERS_MAX];
    fl_assert(count <= FL_MEMBERS_MAX);
    for (unsigned i = 0; i < count; i++) {
        texts[i] = fl_slice_cstr(keys[i]);
    }
    fl_get_fields(object, texts, count, ret_values);
}

struct fl_slice fl_get_decoded(struct fl_slice escaped, struct fl_arena *arena)
{
    if (fl_slice_find(escaped, '\\') == escaped.len) {
        return escaped;
    }
    char *text = fl_arena_take(arena, escaped.len + 1); /* decoding never makes it longer */
    struct fl_buf b;
    if (!text) {
        return FL_EMPTY;
    }
    fl_buf_init_in(&b, text, escaped.len + 1);
    fl_put_decoded(&b, escaped);
    return fl_buf_slice(&b);
}

struct fl_slice fl_get_escaping(struct fl_slice text, struct fl_arena *arena)
{
    size_t bytes = text.len;
    for (size_t i = 0; i < text.len; i++) {
        bytes += !must_escape(text.ptr[i]) ? 0 : (unsigned char)text.ptr[i] < ' ' ? 5 : 1;
    }
    if (bytes == text.len) {
        return text;
    }
    char *escaped = fl_arena_take(arena, bytes);
    struct fl_buf b;
    if (!escaped) {
        return FL_EMPTY;
    }
    fl_buf_init_in(&b, escaped, bytes);
    fl_put_escaping(&b, text);
    return fl_buf_slice(&b);
}

static struct fl_slice wrapped(struct fl_slice escaped, struct fl_arena *arena)
{
    char *text = fl_arena_take(arena, wrap_before.len + escaped.len + wrap_after.len);
    struct fl_buf b;
    if (!text) {
        return FL_LIT("{}");
    }
    fl_buf_init_in(&b, text, wrap_before.len + escaped.len + wrap_after.len);
    fl_buf_put(&b, wrap_before);
    fl_buf_put(&b, escaped);
    fl_buf_put(&b, wrap_after);
    return fl_buf_slice(&b);
}

bool fl_get_arguments(struct fl_slice escaped, struct fl_arena *arena, struct fl_slice *ret_raw)
{
    struct fl_slice text = fl_slice_trim(fl_get_decoded(escaped, arena));
    struct fl_json value;
    if (text.len == 0) {
        *ret_raw = FL_LIT("{}");
        return !arena->failed;
    }
    if (fl_json_scan(text, FL_JSON_LIMITS, NULL, 0, &value, NULL) == FL_OK &&
        value.type == FL_JSON_OBJECT) {
        *ret_raw = value.span;
        return true;
    }
    *ret_raw = wrapped(escaped, arena);
    return false;
}

static bool has_scheme(struct fl_slice url)
{
    static const char *const schemes[] = {"https://", "http://", "gs://", "s3://"};
    for (size_t i = 0; i < sizeof(schemes) / sizeof(*schemes); i++) {
        struct fl_slice scheme = fl_slice_cstr(schemes[i]);
        if (fl_slice_eq_nocase(fl_slice_first(url, scheme.len), scheme)) {
            return true;
        }
    }
    return false;
}

bool fl_get_media_url(struct fl_slice escaped_url, struct fl_arena *arena, struct fl_media *media)
{
    struct fl_slice url = fl_get_decoded(escaped_url, arena);
    if (!fl_slice_eq_nocase(fl_slice_first(url, 5), FL_LIT("data:"))) {
        media->url = fl_get_escaping(url, arena);
        return has_scheme(url);
    }
    size_t comma = fl_slice_find(url, ',');
    struct fl_slice head = fl_slice_from(fl_slice_first(url, comma), 5);
    struct fl_slice tail = FL_LIT(";base64"), end = fl_slice_from(head, head.len - tail.len);
    if (comma == url.len || head.len < tail.len || !fl_slice_eq_nocase(end, tail)) {
        return false;
    }
    struct fl_slice type = fl_slice_first(head, fl_slice_find(head, ';'));
    media->media_type = fl_get_escaping(type, arena);
    media->base64 = fl_get_escaping(fl_slice_from(url, comma + 1), arena);
    return true;
}

enum fl_err fl_refuse(struct fl_reterr *reterr, enum fl_err err, const char *message)
{
    struct fl_buf b;
    fl_buf_init_in(&b, reterr->message, sizeof(reterr->message) - 1);
    fl_buf_put(&b, fl_slice_first(fl_slice_cstr(message), sizeof(reterr->message) - 1));
    reterr->message[b.len] = '\0';
    reterr->err = err;
    reterr->line = reterr->column = 0;
    return err;
}

/* --- Building --- */

struct fl_message *fl_add_message(struct fl_arena *arena, struct fl_message ***tail,
                                  enum fl_chat_role role)
{
    struct fl_message *message = fl_arena_zero(arena, sizeof(*message));
    if (message) {
        message->role = role;
        **tail = message;
        *tail = &message->next;
    }
    return message;
}

struct fl_part *fl_add_part(struct fl_arena *arena, struct fl_part ***tail, enum fl_part_kind kind)
{
    struct fl_part *part = fl_arena_zero(arena, sizeof(*part));
    if (part) {
        part->kind = kind;
        **tail = part;
        *tail = &part->next;
    }
    return part;
}

struct fl_tool *fl_add_tool(struct fl_arena *arena, struct fl_tool ***tail)
{
    struct fl_tool *tool = fl_arena_zero(arena, sizeof(*tool));
    if (tool) {
        **tail = tool;
        *tail = &tool->next;
    }
    return tool;
}

void fl_add_stop(struct fl_arena *arena, struct fl_text_item ***tail, struct fl_slice escaped)
{
    struct fl_text_item *item = fl_arena_zero(arena, sizeof(*item));
    if (item) {
        item->text = escaped;
        **tail = item;
        *tail = &item->next;
    }
}

void fl_add_member(struct fl_arena *arena, struct fl_member ***tail, struct fl_slice raw_key,
                   struct fl_slice raw_value)
{
    struct fl_member *member = fl_arena_zero(arena, sizeof(*member));
    if (member && raw_key.len >= 2) {
        member->key = fl_get_decoded(fl_slice(raw_key.ptr + 1, raw_key.len - 2), arena);
        member->value = raw_value;
        **tail = member;
        *tail = &member->next;
    }
}

/* --- Events --- */

void fl_emit(const struct fl_chat_sink *sink, enum fl_chat_event_kind kind, unsigned choice,
             struct fl_slice text)
{
    struct fl_chat_event event = {.kind = kind, .choice = choice, .text = text};
    sink->event(sink->owner, &event);
}

void fl_emit_arguments(const struct fl_chat_sink *sink, unsigned choice, unsigned call,
                       struct fl_slice escaped)
{
    struct fl_chat_event event = {
        .kind = FL_CHAT_CALL_ARGUMENTS, .choice = choice, .call = call, .text = escaped};
    sink->event(sink->owner, &event);
}

void fl_emit_finish(const struct fl_chat_sink *sink, unsigned choice, enum fl_finish finish,
                    struct fl_slice stop_sequence)
{
    struct fl_chat_event event = {
        .kind = FL_CHAT_FINISH, .choice = choice, .finish = finish, .stop_sequence = stop_sequence};
    sink->event(sink->owner, &event);
}

void fl_emit_usage(const struct fl_chat_sink *sink, const struct fl_usage *usage)
{
    struct fl_chat_event event = {.kind = FL_CHAT_USAGE, .usage = usage};
    sink->event(sink->owner, &event);
}

void fl_emit_error(const struct fl_chat_sink *sink, enum fl_err err, struct fl_slice message,
                   struct fl_slice name)
{
    struct fl_chat_event event = {.kind = FL_CHAT_ERROR, .text = message, .name = name, .err = err};
    sink->event(sink->owner, &event);
}

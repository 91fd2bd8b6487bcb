/* SPDX-License-Identifier: Apache-2.0 */
/* OpenAI's side of embeddings (PROTOCOLS.md section 2): its request read, its answer written. */
#include "dialect/embed.h"

#include "dialect/put.h"

#include <float.h>

/* --- Reading a request --- */

/* The model and the two extensions are the router's matter. */
enum { R_INPUT, R_DIMENSIONS, R_FORMAT, R_PURPOSE, R_MODEL, R_MODELS, R_PROVIDER, R_COUNT };
static const struct fl_slice request_keys[R_COUNT] = {
    {"input", 5}, {"dimensions", 10}, {"encoding_format", 15}, {"input_type", 10},
    {"model", 5}, {"models", 6},      {"provider", 8}};

static bool add_input(struct fl_embed_request *request, struct fl_arena *arena,
                      struct fl_text_item ***tail, struct fl_json value)
{
    if (value.type != FL_JSON_STRING) {
        return false;
    }
    fl_add_stop(arena, tail, fl_get_escaped(value));
    request->count++;
    return true;
}

static enum fl_err read_list(struct fl_embed_request *request, struct fl_arena *arena,
                             struct fl_json list, struct fl_reterr *reterr)
{
    struct fl_text_item **tail = &request->inputs;
    struct fl_json_iter it = fl_json_iter(list);
    struct fl_json value;
    unsigned others = 0;
    while (fl_json_next(&it, NULL, &value)) {
        bool tokens = value.type == FL_JSON_NUMBER || value.type == FL_JSON_ARRAY;
        if (!tokens && !add_input(request, arena, &tail, value)) {
            return fl_refuse(reterr, FL_ERR_JSON_TYPE,
                             "The elements of 'input' must be strings, or tokens.");
        }
        others += tokens;
    }
    request->tokens = others > 0;
    if (others > 0 && request->count > 0) {
        return fl_refuse(reterr, FL_ERR_JSON_TYPE, "'input' mixes strings and tokens.");
    }
    return others + request->count > 0
               ? FL_OK
               : fl_refuse(reterr, FL_ERR_REQUEST, "The field 'input' must not be empty.");
}

static enum fl_err read_input(struct fl_embed_request *request, struct fl_arena *arena,
                              struct fl_json input, struct fl_reterr *reterr)
{
    struct fl_text_item **tail = &request->inputs;
    if (input.type == FL_JSON_ARRAY) {
        return read_list(request, arena, input, reterr);
    }
    return add_input(request, arena, &tail, input)
               ? FL_OK
               : fl_refuse(reterr, FL_ERR_JSON_TYPE,
                           "The field 'input' must be a string or a list of strings.");
}

static enum fl_err read_format(struct fl_embed_request *request, struct fl_json format,
                               struct fl_reterr *reterr)
{
    request->base64 = fl_get_is(format, "base64");
    return !fl_get_given(format) || request->base64 || fl_get_is(format, "float")
               ? FL_OK
               : fl_refuse(reterr, FL_ERR_REQUEST,
                           "The field 'encoding_format' must be \"float\" or \"base64\".");
}

/* The words of several vendors. False: none of them. */
static bool read_purpose(struct fl_embed_request *request, struct fl_json value)
{
    static const char *const words[] = {"search_document", "document", "passage",
                                        "search_query",    "query",    "classification",
                                        "clustering"};
    static const enum fl_embed_purpose purposes[] = {
        FL_EMBED_DOCUMENT, FL_EMBED_DOCUMENT,       FL_EMBED_DOCUMENT,  FL_EMBED_QUERY,
        FL_EMBED_QUERY,    FL_EMBED_CLASSIFICATION, FL_EMBED_CLUSTERING};
    int word = fl_get_word(value, words, sizeof(words) / sizeof(*words));
    request->purpose = word < 0 ? FL_EMBED_ANY : purposes[word];
    return word >= 0 || !fl_get_given(value);
}

enum fl_err fl_embed_read(struct fl_slice body, struct fl_arena *arena,
                          struct fl_embed_request *ret_request, struct fl_reterr *reterr)
{
    struct fl_embed_request request = {0};
    struct fl_member *others = NULL, **tail = &others;
    struct fl_json v[R_COUNT] = {{FL_JSON_NONE, FL_EMPTY}}, whole, value;
    struct fl_slice key;
    enum fl_err err = fl_json_scan(body, FL_JSON_LIMITS, NULL, 0, &whole, reterr);
    if (err) {
        return err;
    }
    struct fl_json_iter it = fl_json_iter(whole);
    while (fl_json_next(&it, &key, &value)) {
        unsigned i = fl_get_key(key, request_keys, R_COUNT);
        if (i < R_COUNT) {
            v[i] = value;
        }
        if (i == R_COUNT || (i == R_PURPOSE && !read_purpose(&request, value))) {
            fl_add_member(arena, &tail, key, value.span);
        }
    }
    if (fl_get_given(v[R_DIMENSIONS]) &&
        (!fl_json_u64(v[R_DIMENSIONS], &request.dimensions) || request.dimensions == 0)) {
        return fl_refuse(reterr, FL_ERR_REQUEST,
                         "The field 'dimensions' must be a whole number above 0.");
    }
    err = read_format(&request, v[R_FORMAT], reterr);
    err = err ? err : read_input(&request, arena, v[R_INPUT], reterr);
    request.others = others;
    *ret_request = request;
    return err;
}

/* --- Writing an answer --- */

/* Digits and a scale of ten, which covers what vendors send in one multiplication; else the long way. */
static float read_float(struct fl_slice number)
{
    static const double tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                  1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                  1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    enum { digits_max = 18, scale_max = 22 };
    uint64_t digits = 0;
    unsigned count = 0, scale = 0;
    size_t i = fl_slice_starts(number, FL_LIT("-")) ? 1 : 0;
    bool minus = i == 1, point = false;
    for (; i < number.len && (number.ptr[i] | 0x20) != 'e' && count <= digits_max; i++) {
        if (number.ptr[i] == '.') {
            point = true;
            continue;
        }
        digits = digits * 10 + (uint64_t)(number.ptr[i] - '0');
        count += digits > 0;
        scale += point;
    }
    double value = i < number.len || scale > scale_max
                       ? fl_number_value(number)
                       : (minus ? -(double)digits : (double)digits) / tens[scale];
    const double most = (double)FLT_MAX;
    return (float)(value > most ? most : value < -most ? -most : value);
}

static void put_triple(struct fl_buf *b, const uint8_t *bytes, unsigned count)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = (uint32_t)bytes[0] << 16 | (count > 1 ? (uint32_t)bytes[1] << 8 : 0) |
                    (count > 2 ? bytes[2] : 0);
    char text[4] = {alphabet[bits >> 18], alphabet[bits >> 12 & 63],
                    count > 1 ? alphabet[bits >> 6 & 63] : '=',
                    count > 2 ? alphabet[bits & 63] : '='};
    fl_buf_put(b, fl_slice(text, sizeof(text)));
}

/* False: not a list of numbers. */
static bool put_base64(struct fl_buf *b, struct fl_json values)
{
    struct fl_json_iter it = fl_json_iter(values);
    struct fl_json value;
    uint8_t bytes[6];
    unsigned have = 0;
    while (fl_json_next(&it, NULL, &value)) {
        uint32_t bits;
        if (value.type != FL_JSON_NUMBER) {
            return false;
        }
        float number = read_float(value.span);
        memcpy(&bits, &number, sizeof(bits));
        for (unsigned i = 0; i < sizeof(bits); i++) {
            bytes[have++] = (uint8_t)(bits >> 8 * i);
        }
        while (have >= 3) {
            put_triple(b, bytes, 3);
            have -= 3;
            memmove(bytes, bytes + 3, have);
        }
    }
    if (have > 0) {
        put_triple(b, bytes, have);
    }
    return true;
}

static bool all_numbers(struct fl_json values)
{
    struct fl_json_iter it = fl_json_iter(values);
    struct fl_json value;
    unsigned count = 0;
    while (fl_json_next(&it, NULL, &value)) {
        if (value.type != FL_JSON_NUMBER) {
            return false;
        }
        count++;
    }
    return count > 0;
}

static bool put_vector(struct fl_buf *b, struct fl_json values, bool base64)
{
    fl_put_key(b, "embedding");
    if (!base64) {
        fl_buf_put(b, values.span);
        return all_numbers(values);
    }
    size_t start = b->len;
    fl_buf_putc(b, '"');
    bool sound = put_base64(b, values) && b->len > start + 1;
    fl_buf_putc(b, '"');
    return sound;
}

enum fl_err fl_embed_put(const struct fl_embed_answer *answer, struct fl_slice model, bool base64,
                         struct fl_buf *out)
{
    bool sound = true;
    uint64_t index = 0;
    fl_buf_put(out, FL_LIT("{\"object\":\"list\",\"data\":["));
    for (const struct fl_vector *v = answer->vectors; v && sound; v = v->next) {
        fl_put_comma(out);
        fl_buf_put(out, FL_LIT("{\"object\":\"embedding\""));
        fl_put_number(out, "index", index++);
        sound = put_vector(out, v->values, base64);
        fl_buf_putc(out, '}');
    }
    fl_buf_putc(out, ']');
    fl_put_plain(out, "model", model);
    fl_put_key(out, "usage");
    fl_buf_putc(out, '{');
    fl_put_number(out, "prompt_tokens", answer->tokens_in);
    fl_put_number(out, "total_tokens", answer->tokens_in);
    fl_buf_put(out, FL_LIT("}}"));
    return sound ? FL_OK : FL_ERR_BAD_RESPONSE;
}

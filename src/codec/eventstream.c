/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/eventstream.h"

#include <zlib.h>

enum { PRELUDE_BYTES = 12, SUM_BYTES = 4, TYPE_BYTES = 6, TYPE_STRING = 7 };

static uint32_t u32_at(const char *p)
{
    const unsigned char *u = (const unsigned char *)p;
    return (uint32_t)u[0] << 24 | (uint32_t)u[1] << 16 | (uint32_t)u[2] << 8 | u[3];
}

static size_t u16_at(const char *p)
{
    const unsigned char *u = (const unsigned char *)p;
    return (size_t)(u[0] << 8 | u[1]);
}

static uint32_t sum_of(struct fl_slice s)
{
    return (uint32_t)crc32(0, (const unsigned char *)s.ptr, (unsigned)s.len);
}

/* Bytes of a header's value behind its type; SIZE_MAX when the type is unknown or the rest too
 * short. *skip*: of these, what precedes the value itself. */
static size_t value_bytes(unsigned type, struct fl_slice rest, size_t *ret_skip)
{
    static const size_t fixed[] = {0, 0, 1, 2, 4, 8, 0, 0, 8, 16};
    *ret_skip = 0;
    if (type >= sizeof(fixed) / sizeof(fixed[0])) {
        return SIZE_MAX;
    }
    if (type != TYPE_BYTES && type != TYPE_STRING) {
        return fixed[type];
    }
    *ret_skip = 2;
    return rest.len < 2 ? SIZE_MAX : 2 + u16_at(rest.ptr);
}

static void keep_header(struct fl_slice name, struct fl_slice value,
                        struct fl_eventstream_message *message)
{
    if (fl_slice_eq(name, FL_LIT(":message-type"))) {
        message->type = value;
    } else if (fl_slice_eq(name, FL_LIT(":event-type")) ||
               fl_slice_eq(name, FL_LIT(":exception-type")) ||
               fl_slice_eq(name, FL_LIT(":error-code"))) {
        message->name = value;
    } else if (fl_slice_eq(name, FL_LIT(":error-message"))) {
        message->text = value;
    }
}

static bool read_headers(struct fl_slice headers, struct fl_eventstream_message *message)
{
    while (headers.len > 0) {
        size_t name_len = (unsigned char)headers.ptr[0], skip;
        struct fl_slice name = fl_slice_first(fl_slice_from(headers, 1), name_len);
        struct fl_slice rest = fl_slice_from(headers, 1 + name_len);
        if (name_len == 0 || rest.len == 0) {
            return false;
        }
        unsigned type = (unsigned char)rest.ptr[0];
        rest = fl_slice_from(rest, 1);
        size_t bytes = value_bytes(type, rest, &skip);
        if (bytes == SIZE_MAX || bytes > rest.len) {
            return false;
        }
        if (type == TYPE_STRING) {
            keep_header(name, fl_slice_from(fl_slice_first(rest, bytes), skip), message);
        }
        headers = fl_slice_from(rest, bytes);
    }
    return true;
}

enum fl_err fl_eventstream_next(struct fl_slice bytes, size_t max,
                                struct fl_eventstream_message *ret_message)
{
    *ret_message = (struct fl_eventstream_message){.raw = FL_EMPTY};
    if (bytes.len < PRELUDE_BYTES) {
        return FL_OK;
    }
    size_t total = u32_at(bytes.ptr), headers = u32_at(bytes.ptr + 4);
    if (sum_of(fl_slice_first(bytes, 8)) != u32_at(bytes.ptr + 8)) {
        return FL_ERR_BAD_RESPONSE;
    }
    if (total > max || total > FL_EVENTSTREAM_BYTES_MAX || headers > FL_EVENTSTREAM_HEADERS_MAX) {
        return FL_ERR_SSE_LONG;
    }
    if (total < FL_EVENTSTREAM_BYTES_MIN || headers > total - FL_EVENTSTREAM_BYTES_MIN) {
        return FL_ERR_BAD_RESPONSE;
    }
    if (bytes.len < total) {
        return FL_OK;
    }
    struct fl_slice summed = fl_slice_first(bytes, total - SUM_BYTES);
    struct fl_slice head = fl_slice_first(fl_slice_from(summed, PRELUDE_BYTES), headers);
    if (sum_of(summed) != u32_at(bytes.ptr + total - SUM_BYTES) ||
        !read_headers(head, ret_message)) {
        return FL_ERR_BAD_RESPONSE;
    }
    ret_message->payload = fl_slice_from(summed, PRELUDE_BYTES + headers);
    ret_message->raw = fl_slice_first(bytes, total);
    return FL_OK;
}

/* --- Writing --- */

static void put_u32(struct fl_buf *b, uint32_t n)
{
    char bytes[4] = {(char)(n >> 24), (char)(n >> 16), (char)(n >> 8), (char)n};
    fl_buf_put(b, fl_slice(bytes, sizeof(bytes)));
}

static size_t header_bytes(struct fl_slice name, struct fl_slice value)
{
    return 1 + name.len + 1 + 2 + value.len;
}

static void put_header(struct fl_buf *b, struct fl_slice name, struct fl_slice value)
{
    fl_buf_putc(b, (char)name.len);
    fl_buf_put(b, name);
    fl_buf_putc(b, TYPE_STRING);
    fl_buf_putc(b, (char)(value.len >> 8));
    fl_buf_putc(b, (char)value.len);
    fl_buf_put(b, value);
}

void fl_eventstream_put(struct fl_buf *b, struct fl_slice type, struct fl_slice name,
                        struct fl_slice payload)
{
    struct fl_slice names[] = {FL_LIT(":event-type"), FL_LIT(":content-type"),
                               FL_LIT(":message-type")};
    struct fl_slice values[] = {name, FL_LIT("application/json"), type};
    size_t start = b->len, headers = 0;
    if (fl_slice_eq(type, FL_LIT("exception"))) {
        names[0] = FL_LIT(":exception-type");
    } else if (fl_slice_eq(type, FL_LIT("error"))) {
        names[0] = FL_LIT(":error-code");
    }
    for (unsigned i = 0; i < 3; i++) {
        headers += header_bytes(names[i], values[i]);
    }
    put_u32(b, (uint32_t)(FL_EVENTSTREAM_BYTES_MIN + headers + payload.len));
    put_u32(b, (uint32_t)headers);
    put_u32(b, fl_buf_ok(b) ? sum_of(fl_slice(b->ptr + start, 8)) : 0);
    for (unsigned i = 0; i < 3; i++) {
        put_header(b, names[i], values[i]);
    }
    fl_buf_put(b, payload);
    put_u32(b, fl_buf_ok(b) ? sum_of(fl_slice(b->ptr + start, b->len - start)) : 0);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Writing HTTP/1.1: status lines, headers, chunk lines. */
#include "codec/http1.h"

#include "codec/http1_names.h"
#include "codec/scan.h"

#include "base/assert.h"

const char *fl_h1_reason(int status)
{
    static const struct {
        int status;
        const char *text;
    } reasons[] = {
        {100, "Continue"},
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {402, "Payment Required"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {417, "Expectation Failed"},
        {421, "Misdirected Request"},
        {422, "Unprocessable Content"},
        {424, "Failed Dependency"},
        {425, "Too Early"},
        {426, "Upgrade Required"},
        {428, "Precondition Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {451, "Unavailable For Legal Reasons"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
        {529, "Overloaded"},
    };
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (reasons[i].status == status) {
            return reasons[i].text;
        }
    }
    return "";
}

const char *fl_h1_method_text(enum fl_h1_method method)
{
    static const char *const texts[] = {
        [FL_H1_GET] = "GET",     [FL_H1_HEAD] = "HEAD",     [FL_H1_POST] = "POST",
        [FL_H1_PUT] = "PUT",     [FL_H1_DELETE] = "DELETE", [FL_H1_OPTIONS] = "OPTIONS",
        [FL_H1_PATCH] = "PATCH",
    };
    fl_assert((unsigned)method < sizeof(texts) / sizeof(texts[0]));
    return texts[method];
}

void fl_h1_put_status(struct fl_buf *b, int status)
{
    fl_assert(status >= 100 && status <= 999);
    if (status == 200) {
        fl_buf_put(b, FL_LIT("HTTP/1.1 200 OK\r\n"));
        return;
    }
    fl_buf_put(b, FL_LIT("HTTP/1.1 "));
    fl_buf_put_u64(b, (uint64_t)status);
    fl_buf_putc(b, ' ');
    fl_buf_put_cstr(b, fl_h1_reason(status));
    fl_buf_put(b, FL_LIT("\r\n"));
}

static bool has_control(struct fl_slice s)
{
    return s.len > 0 && fl_scan_control(s.ptr, s.ptr + s.len) < s.ptr + s.len;
}

/* *start* and *value* and a line end; *colon*: ": " between them. */
static void put_line(struct fl_buf *b, struct fl_slice start, bool colon, struct fl_slice value)
{
    char *at = fl_buf_room(b, start.len + value.len + 4);
    if (!at) {
        return;
    }
    char *to = at;
    memcpy(to, start.ptr, start.len);
    to += start.len;
    if (colon) {
        *to++ = ':';
        *to++ = ' ';
    }
    if (value.len > 0) {
        memcpy(to, value.ptr, value.len);
    }
    to += value.len;
    *to++ = '\r';
    *to++ = '\n';
    fl_buf_grow(b, (size_t)(to - at));
}

/* The last line of defence against a header smuggled in by a value: the buffer fails, nothing is
 * sent. */
void fl_h1_put_header(struct fl_buf *b, struct fl_slice name, struct fl_slice value)
{
    if (!fl_h1_is_token(name) || has_control(value)) {
        b->failed = true;
        return;
    }
    put_line(b, name, true, value);
}

void fl_h1_put_field(struct fl_buf *b, struct fl_slice start, struct fl_slice value)
{
    if (value.len > 0 && fl_h1_value_ok(value)) {
        put_line(b, start, false, value);
    }
}

void fl_h1_put_parsed(struct fl_buf *b, const struct fl_h1_header *header)
{
    fl_assert(header->name.len > 0);
    if (fl_h1_value_ok(header->value)) {
        put_line(b, header->name, true, header->value);
    }
}

bool fl_h1_value_ok(struct fl_slice value)
{
    return fl_scan_all_text(value.ptr, value.len);
}

size_t fl_h1_chunk_line(char ret_line[18], uint64_t bytes)
{
    size_t digits = bytes > 0 ? (67 - (size_t)__builtin_clzll(bytes)) / 4 : 1;
    for (size_t i = digits; i-- > 0; bytes >>= 4) {
        ret_line[i] = "0123456789abcdef"[bytes & 15];
    }
    memcpy(ret_line + digits, "\r\n", 2);
    return digits + 2;
}

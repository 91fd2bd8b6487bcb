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

/* The last line of defence against a header smuggled in by a value: the buffer fails, nothing is
 * sent. */
void fl_h1_put_header(struct fl_buf *b, struct fl_slice name, struct fl_slice value)
{
    if (!fl_h1_is_token(name) || has_control(value)) {
        b->failed = true;
        return;
    }
    fl_buf_put(b, name);
    fl_buf_put(b, FL_LIT(": "));
    fl_buf_put(b, value);
    fl_buf_put(b, FL_LIT("\r\n"));
}

bool fl_h1_value_ok(struct fl_slice value)
{
    return value.len == 0 ||
           fl_scan_not_text(value.ptr, value.ptr + value.len) == value.ptr + value.len;
}

size_t fl_h1_chunk_line(char ret_line[18], uint64_t bytes)
{
    struct fl_buf b;
    fl_buf_init_in(&b, ret_line, 18);
    fl_buf_put_hex(&b, bytes, 1);
    fl_buf_put(&b, FL_LIT("\r\n"));
    fl_assert(fl_buf_ok(&b));
    return b.len;
}

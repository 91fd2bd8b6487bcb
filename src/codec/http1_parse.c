/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A delimited head -> typed fields:
 *
 *   lines (fl_h1_lines_split checks every byte) -> start line -> headers -> framing rules over what
 *   was seen
 *
 * Knowing all line ends first makes one header's work independent of the next one's. Nothing that
 * fl_h1_head_find() has checked is trusted here.
 */
#include "codec/http1.h"

#include "codec/http1_lines.h"
#include "codec/http1_names.h"
#include "codec/scan.h"

#include "base/addr.h"

enum { empty_lines_max = 2, length_digits_max = 15, host_bytes_max = 255 };

struct parse {
    const char *at;        /* start of what is not read yet of the start line */
    struct fl_slice bytes; /* the head, without empty lines before it */
    struct fl_h1_lines lines;
    struct fl_h1_head *head;
    uint64_t seen; /* bit per enum fl_h1_name */
    bool request;
    bool close, keep_alive, expect; /* said by Connection and Expect */
};

/* --- single headers --- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* ":" and 1 to 5 digits up to 65535, or nothing. */
static bool port_ok(struct fl_slice s)
{
    uint64_t port = 0;
    return s.len == 0 || (s.ptr[0] == ':' && s.len <= 6 &&
                          fl_slice_u64(fl_slice_from(s, 1), &port) && port <= 65535);
}

/* A name or address and an optional port, nothing a URL would end its authority with. Names of
 * letters, digits, '-', '.' and '_' only: RFC 3986 would allow more, no name that resolves has it.
 */
static bool host_ok(struct fl_slice host)
{
    if (host.len == 0 || host.len > host_bytes_max) {
        return false;
    }
    if (host.ptr[0] == '[') {
        struct fl_addr addr;
        size_t close = fl_slice_find(host, ']');
        struct fl_slice inside = fl_slice_from(fl_slice_first(host, close), 1);
        return close < host.len && fl_addr_parse_ip(inside, &addr) && addr.family == 6 &&
               port_ok(fl_slice_from(host, close + 1));
    }
    size_t len = 0;
    while (len < host.len && fl_h1_byte_is(host.ptr[len], FL_H1_HOST)) {
        len++;
    }
    return len > 0 && port_ok(fl_slice_from(host, len));
}

typedef enum fl_err on_header_fn(struct parse *p, const struct fl_h1_header *h);

static bool again(const struct parse *p, const struct fl_h1_header *h)
{
    return (p->seen >> h->id & 1) != 0;
}

static enum fl_err on_content_length(struct parse *p, const struct fl_h1_header *h)
{
    if (again(p, h) || h->value.len > length_digits_max ||
        !fl_slice_u64(h->value, &p->head->content_length)) {
        return FL_ERR_H1_LENGTH;
    }
    return FL_OK;
}

static enum fl_err on_transfer_encoding(struct parse *p, const struct fl_h1_header *h)
{
    if (again(p, h) || !fl_h1_is(h->value, FL_LIT("chunked"))) {
        return FL_ERR_H1_CODING;
    }
    return FL_OK;
}

static enum fl_err on_host(struct parse *p, const struct fl_h1_header *h)
{
    if (!p->request) {
        return FL_OK;
    }
    if (again(p, h) || !host_ok(h->value)) {
        return FL_ERR_H1_HOST;
    }
    p->head->host = h->value;
    return FL_OK;
}

static enum fl_err on_connection(struct parse *p, const struct fl_h1_header *h)
{
    struct fl_slice rest = h->value;
    while (rest.len > 0) {
        size_t comma = fl_slice_find(rest, ',');
        struct fl_slice option = fl_slice_trim(fl_slice_first(rest, comma));
        p->close |= fl_h1_is(option, FL_LIT("close"));
        p->keep_alive |= fl_h1_is(option, FL_LIT("keep-alive"));
        rest = fl_slice_from(rest, comma + 1);
    }
    return FL_OK;
}

/* RFC 9110 10.1.1: an expectation in a 1.0 request is ignored. */
static enum fl_err on_expect(struct parse *p, const struct fl_h1_header *h)
{
    if (!p->request || p->head->minor == 0) {
        return FL_OK;
    }
    p->expect = true;
    return fl_h1_is(h->value, FL_LIT("100-continue")) ? FL_OK : FL_ERR_H1_EXPECT;
}

static on_header_fn *const on_header[FL_H_COUNT] = {
    [FL_H_CONNECTION] = on_connection,
    [FL_H_CONTENT_LENGTH] = on_content_length,
    [FL_H_EXPECT] = on_expect,
    [FL_H_HOST] = on_host,
    [FL_H_TRANSFER_ENCODING] = on_transfer_encoding,
};

/* --- lines --- */

static struct fl_slice trim(struct fl_slice s)
{
    bool blank = s.len > 0 && (s.ptr[0] <= ' ' || s.ptr[s.len - 1] <= ' ');
    return blank ? fl_slice_trim(s) : s;
}

/* name ":" OWS value OWS; whitespace before the name (obs-fold) or the colon is no token byte. */
static enum fl_err parse_header(struct fl_slice line, const char *bytes_end, struct fl_h1_header *h)
{
    const char *at = fl_scan_word(line.ptr, bytes_end), *stop = line.ptr + line.len;
    while (fl_h1_byte_is(*at, FL_H1_TOKEN)) {
        at++;
    }
    h->name = fl_slice(line.ptr, (size_t)(at - line.ptr));
    if (h->name.len == 0 || *at != ':') {
        return FL_ERR_H1_SYNTAX;
    }
    at += at[1] == ' ' ? 2 : 1; /* the usual space; others are trimmed */
    h->value = trim(fl_slice(at, (size_t)(stop - at)));
    h->id = fl_h1_name_id(h->name);
    return FL_OK;
}

static enum fl_err parse_headers(struct parse *p)
{
    const char *bytes = p->bytes.ptr;
    for (unsigned i = 1; i < p->lines.count; i++) {
        size_t start = p->lines.end[i - 1] + 2;
        struct fl_slice line = fl_slice(bytes + start, p->lines.end[i] - start);
        struct fl_h1_header *h = &p->head->headers[i - 1];
        enum fl_err err = parse_header(line, bytes + p->bytes.len, h);
        if (!err && on_header[h->id]) {
            err = on_header[h->id](p, h);
        }
        if (err) {
            return err;
        }
        p->seen |= UINT64_C(1) << h->id;
    }
    p->head->header_count = p->lines.count - 1;
    p->head->seen = p->seen;
    return FL_OK;
}

/* What is left of the start line. */
static struct fl_slice rest_of_line(const struct parse *p)
{
    return fl_slice(p->at, (size_t)(p->bytes.ptr + p->lines.end[0] - p->at));
}

static enum fl_err parse_version(struct parse *p)
{
    struct fl_slice v = rest_of_line(p);
    if (v.len < 8 || memcmp(v.ptr, "HTTP/", 5) != 0 || !is_digit(v.ptr[5]) || v.ptr[6] != '.' ||
        !is_digit(v.ptr[7]) || (v.len > 8 && v.ptr[8] != ' ')) {
        return FL_ERR_H1_SYNTAX;
    }
    if (v.ptr[5] != '1' || v.ptr[7] > '1') {
        return FL_ERR_H1_VERSION;
    }
    p->head->minor = v.ptr[7] - '0';
    p->at += 8;
    return FL_OK;
}

static enum fl_err parse_method(struct parse *p)
{
    static const struct {
        struct fl_slice text;
        enum fl_h1_method method;
    } methods[] = {
        {{"POST ", 5}, FL_H1_POST},       {{"GET ", 4}, FL_H1_GET},
        {{"HEAD ", 5}, FL_H1_HEAD},       {{"PUT ", 4}, FL_H1_PUT},
        {{"DELETE ", 7}, FL_H1_DELETE},   {{"PATCH ", 6}, FL_H1_PATCH},
        {{"OPTIONS ", 8}, FL_H1_OPTIONS},
    };
    struct fl_slice rest = rest_of_line(p);
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        if (fl_slice_starts(rest, methods[i].text)) {
            p->head->method = methods[i].method;
            p->at += methods[i].text.len;
            return FL_OK;
        }
    }
    size_t space = fl_slice_find(rest, ' ');
    bool token = space < rest.len && fl_h1_is_token(fl_slice_first(rest, space));
    return token ? FL_ERR_H1_METHOD : FL_ERR_H1_SYNTAX;
}

static enum fl_err parse_target(struct parse *p)
{
    struct fl_h1_head *head = p->head;
    const char *at = p->at;
    while (fl_h1_byte_is(*at, FL_H1_TARGET)) { /* a CR at the latest is none */
        at++;
    }
    if (*at == '\r') {
        return FL_ERR_H1_SYNTAX;
    }
    head->target = fl_slice(p->at, (size_t)(at - p->at));
    head->path = fl_slice_first(head->target, fl_slice_find(head->target, '?'));
    if (*at != ' ' || head->target.len == 0) {
        return FL_ERR_H1_TARGET;
    }
    if (head->target.len > FL_H1_TARGET_MAX) {
        return FL_ERR_H1_TARGET_LONG;
    }
    bool asterisk = head->method == FL_H1_OPTIONS && fl_slice_eq(head->target, FL_LIT("*"));
    if (head->target.ptr[0] != '/' && !asterisk) {
        return FL_ERR_H1_TARGET;
    }
    p->at = at + 1;
    return FL_OK;
}

/* --- messages --- */

/* All but the headers themselves. Field by field, since a memset of this size is slow. */
static void clear(struct fl_h1_head *head)
{
    head->method = FL_H1_GET;
    head->target = head->path = head->host = FL_EMPTY;
    head->status = head->minor = 0;
    head->framing = FL_H1_NO_BODY;
    head->content_length = 0;
    head->keep_alive = head->expect_continue = false;
    head->header_count = 0;
    head->seen = 0;
}

static enum fl_err begin(struct parse *p, struct fl_slice bytes, bool request,
                         struct fl_h1_head *head)
{
    for (int i = 0; request && i < empty_lines_max && fl_slice_starts(bytes, FL_LIT("\r\n")); i++) {
        bytes = fl_slice_from(bytes, 2);
    }
    p->at = bytes.ptr;
    p->bytes = bytes;
    p->head = head;
    p->seen = 0;
    p->request = request;
    p->close = p->keep_alive = p->expect = false;
    clear(head);
    return fl_h1_lines_split(bytes, !request, &p->lines);
}

static bool saw(const struct parse *p, enum fl_h1_name id)
{
    return (p->seen >> id & 1) != 0;
}

/* What holds for both kinds of message: RFC 9112 6.1-6.3, with every doubtful case refused. */
static enum fl_err end_framing(const struct parse *p)
{
    struct fl_h1_head *head = p->head;
    head->keep_alive = !p->close && (head->minor == 1 || p->keep_alive);
    if (saw(p, FL_H_TRANSFER_ENCODING)) {
        head->framing = FL_H1_CHUNKED;
        if (saw(p, FL_H_CONTENT_LENGTH)) {
            return FL_ERR_H1_FRAMING;
        }
        return head->minor == 1 ? FL_OK : FL_ERR_H1_CODING;
    }
    head->framing = saw(p, FL_H_CONTENT_LENGTH) ? FL_H1_LENGTH : FL_H1_NO_BODY;
    return FL_OK;
}

static enum fl_err end_request(struct parse *p)
{
    struct fl_h1_head *head = p->head;
    bool body = head->framing == FL_H1_CHUNKED || head->content_length > 0;
    head->expect_continue = p->expect && body;
    return head->minor == 1 && !saw(p, FL_H_HOST) ? FL_ERR_H1_HOST : FL_OK;
}

enum fl_err fl_h1_parse_request(struct fl_slice bytes, struct fl_h1_head *ret_head)
{
    struct parse p;
    enum fl_err err = begin(&p, bytes, true, ret_head);
    if (!err) {
        err = parse_method(&p);
    }
    if (!err) {
        err = parse_target(&p);
    }
    if (!err) {
        err = parse_version(&p);
    }
    if (!err && rest_of_line(&p).len > 0) {
        err = FL_ERR_H1_SYNTAX;
    }
    if (!err) {
        err = parse_headers(&p);
    }
    if (!err) {
        err = end_framing(&p);
    }
    return err ? err : end_request(&p);
}

/* " 200" and, after one more space, a reason that nobody reads. */
static enum fl_err parse_status(struct parse *p)
{
    struct fl_slice s = rest_of_line(p);
    if (s.len < 4 || s.ptr[0] != ' ' || s.ptr[1] < '1' || s.ptr[1] > '9' || !is_digit(s.ptr[2]) ||
        !is_digit(s.ptr[3]) || (s.len > 4 && s.ptr[4] != ' ')) {
        return FL_ERR_H1_SYNTAX;
    }
    p->head->status = (s.ptr[1] - '0') * 100 + (s.ptr[2] - '0') * 10 + (s.ptr[3] - '0');
    return FL_OK;
}

static enum fl_err end_response(struct parse *p, bool to_head)
{
    struct fl_h1_head *head = p->head;
    bool never = head->status < 200 || head->status == 204;
    if (head->status == 101) {
        return FL_ERR_BAD_RESPONSE; /* nothing here ever asks for another protocol */
    }
    if (never && (head->framing == FL_H1_CHUNKED || head->content_length > 0)) {
        return FL_ERR_H1_FRAMING;
    }
    if (never || to_head || head->status == 304) {
        head->framing = FL_H1_NO_BODY;
    } else if (head->framing == FL_H1_NO_BODY) {
        head->framing = FL_H1_UNTIL_CLOSE;
        head->keep_alive = false;
    }
    return FL_OK;
}

enum fl_err fl_h1_parse_response(struct fl_slice bytes, bool to_head, struct fl_h1_head *ret_head)
{
    struct parse p;
    enum fl_err err = begin(&p, bytes, false, ret_head);
    if (!err) {
        err = parse_version(&p);
    }
    if (!err) {
        err = parse_status(&p);
    }
    if (!err) {
        err = parse_headers(&p);
    }
    if (!err) {
        err = end_framing(&p);
    }
    return err ? err : end_response(&p, to_head);
}

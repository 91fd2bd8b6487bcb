/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/cm.h"

#include "codec/url.h"

#include <stdlib.h>

static void accepted(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host, *path;
        unsigned port;
        bool tls, ipv6, port_given;
    } cases[] = {
        {"https://api.openai.com/v1", "api.openai.com", "/v1", 443, true, false, false},
        {"https://api.openai.com/v1/", "api.openai.com", "/v1", 443, true, false, false},
        {"HTTP://LocalHost:8080", "LocalHost", "", 8080, false, false, true},
        {"http://localhost/", "localhost", "", 80, false, false, false},
        {"http://127.0.0.1:1/", "127.0.0.1", "", 1, false, false, true},
        {"http://[::1]", "::1", "", 80, false, true, false},
        {"https://[2001:db8::192.0.2.1]:65535/a/b", "2001:db8::192.0.2.1", "/a/b", 65535, true,
         true, true},
        {"http://my_service.default.svc:11434/api", "my_service.default.svc", "/api", 11434, false,
         false, true},
        {"https://xn--bcher-kva.example/x", "xn--bcher-kva.example", "/x", 443, true, false, false},
        {"https://h/~a/b.c/.../..d/e..;f=1,2@3:4!$&'()*+%20%C3%A4%25", "h",
         "/~a/b.c/.../..d/e..;f=1,2@3:4!$&'()*+%20%C3%A4%25", 443, true, false, false},
        {"https://1.example/", "1.example", "", 443, true, false, false},
        {"https://0xg/", "0xg", "", 443, true, false, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fl_url url;
        struct fl_reterr reterr = {.err = FL_OK};
        if (fl_url_parse(fl_slice_cstr(cases[i].text), &url, &reterr) != FL_OK) {
            print_error("%s: %s\n", cases[i].text, reterr.message);
            fail();
        }
        assert_slice(url.host, cases[i].host);
        assert_slice(url.path, cases[i].path);
        assert_int_equal(url.port, cases[i].port);
        assert_int_equal(url.tls, cases[i].tls);
        assert_int_equal(url.host_is_ipv6, cases[i].ipv6);
        assert_int_equal(url.port_given, cases[i].port_given);
    }
}

static const char *const scheme = "expected http:// or https://";
static const char *const ipv4 =
    "an IPv4 address has four decimal parts of 0 to 255 without leading zeros";
static const char *const ipv6 = "expected an IPv6 address in brackets";
static const char *const port = "a port is a number from 1 to 65535 without leading zeros";
static const char *const blank = "white space and control bytes are not allowed";
static const char *const letters = "a host name has letters, digits, '-', '_' and '.' only";
static const char *const hyphen = "a label of a host name may not begin or end with '-'";
static const char *const label = "a host name may not have an empty label";
static const char *const user = "user name and password are not allowed";
static const char *const dots = "'.' and '..' are not allowed in a path";
static const char *const empty_segment = "a path may not have an empty segment";
static const char *const encoded = "encoded slashes, backslashes and control bytes are not allowed";
static const char *const hex = "expected two hexadecimal digits after '%'";

static void refused(void **state)
{
    (void)state;
    const struct {
        const char *text;
        unsigned long offset;
        const char *message;
    } cases[] = {
        {"", 0, scheme},
        {"api.openai.com/v1", 0, scheme},
        {"ftp://h/", 0, scheme},
        {"http:/h/", 0, scheme},
        {"http:h", 0, scheme},
        {"//h/", 0, scheme},
        {"http://", 7, "expected a host"},
        {"http:///v1", 7, "expected a host"},
        {"http://:80/", 7, "expected a host before ':'"},
        {"http://user:secret@h/", 7, user},
        {"http://@h/", 7, user},
        {"http://h?x=1", 8, "a query is not allowed"},
        {"http://h/a?", 10, "a query is not allowed"},
        {"http://h/#f", 9, "a fragment is not allowed"},
        {"http:\\\\h", 5, "a backslash is not allowed"},
        {"http://h\\a", 8, "a backslash is not allowed"},
        {" http://h", 0, blank},
        {"http://h/a b", 10, blank},
        {"http://h/\r\nX: y", 9, blank},
        {"http://h/\x7f", 9, blank},
        {"http://b\xc3\xbc"
         "cher/",
         8, "only ASCII is allowed: write the host in its xn-- form"},
        {"http://h/\xc3\xa4", 9, "only ASCII is allowed: write the host in its xn-- form"},
        {"http://h%6fst/", 7, letters},
        {"http://h*/", 7, letters},
        {"http://a..b/", 9, label},
        {"http://.a/", 7, label},
        {"http://a./", 9, label},
        {"http://-a/", 7, hyphen},
        {"http://b.a-/", 9, hyphen},
        {"http://xn--/", 7, hyphen},
        {"http://127.1/", 7, ipv4},
        {"http://2130706433/", 7, ipv4},
        {"http://0x7f.0.0.1/", 7, ipv4},
        {"http://0x7f000001/", 7, ipv4},
        {"http://0177.0.0.1/", 7, ipv4},
        {"http://127.0.0.01/", 7, ipv4},
        {"http://127.0.0.256/", 7, ipv4},
        {"http://1.2.3.4.5/", 7, ipv4},
        {"http://foo.0x/", 7, ipv4},
        {"http://foo.09/", 7, ipv4},
        {"http://0XAb/", 7, ipv4},
        {"http://[::1/", 7, ipv6},
        {"http://[]/", 7, ipv6},
        {"http://[127.0.0.1]/", 7, ipv6},
        {"http://[fe80::1%25eth0]/", 7, ipv6},
        {"http://[fe80::1%eth0]/", 7, ipv6},
        {"http://::1/", 7, "expected a host before ':'"},
        {"http://[::1]x/", 12, "expected ':' or '/' after the host"},
        {"http://h:/", 9, port},
        {"http://h:0/", 9, port},
        {"http://h:080/", 9, port},
        {"http://h:65536/", 9, port},
        {"http://h:655360/", 9, port},
        {"http://h:+80/", 9, port},
        {"http://h:80:80/", 9, port},
        {"http://h//v1", 9, empty_segment},
        {"http://h/v1//", 12, empty_segment},
        {"http://h//", 9, empty_segment},
        {"http://h/./a", 9, dots},
        {"http://h/a/..", 11, dots},
        {"http://h/%2e%2E/a", 9, dots},
        {"http://h/.%2e/", 9, dots},
        {"http://h/a%2fb", 9, encoded},
        {"http://h/a%5Cb", 9, encoded},
        {"http://h/%00", 9, encoded},
        {"http://h/%0d%0a", 9, encoded},
        {"http://h/%4", 9, hex},
        {"http://h/%zz", 9, hex},
        {"http://h/a|b", 9, "this character must be percent-encoded in a path"},
        {"http://h/{id}", 9, "this character must be percent-encoded in a path"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fl_url url = {.port = 4711};
        struct fl_reterr reterr = {.err = FL_OK, .message = "accepted"};
        enum fl_err err = fl_url_parse(fl_slice_cstr(cases[i].text), &url, &reterr);
        if (strcmp(reterr.message, cases[i].message) != 0 || reterr.offset != cases[i].offset) {
            print_error("%s: '%s' at %lu\n", cases[i].text, reterr.message, reterr.offset);
        }
        assert_int_equal(err, FL_ERR_CONFIG);
        assert_int_equal(reterr.err, err);
        assert_string_equal(reterr.message, cases[i].message);
        assert_int_equal(reterr.offset, cases[i].offset);
        assert_int_equal(reterr.column, cases[i].offset + 1);
        assert_int_equal(reterr.line, 1);
        assert_int_equal(url.port, 4711);
        assert_int_equal(fl_url_parse(fl_slice_cstr(cases[i].text), &url, NULL), FL_ERR_CONFIG);
    }
    struct fl_url url;
    assert_int_equal(fl_url_parse(FL_LIT("http://a\0b/"), &url, NULL), FL_ERR_CONFIG);
    assert_int_equal(fl_url_parse(FL_EMPTY, &url, NULL), FL_ERR_CONFIG);
}

static enum fl_err parse_name(size_t label_len, size_t labels)
{
    char text[FL_URL_BYTES_MAX + 16] = "http://";
    size_t len = 7;
    struct fl_url url;
    for (size_t i = 0; i < labels; i++) {
        if (i > 0) {
            text[len++] = '.';
        }
        memset(text + len, 'a', label_len);
        len += label_len;
    }
    return fl_url_parse(fl_slice(text, len), &url, NULL);
}

static void lengths_have_limits(void **state)
{
    (void)state;
    assert_int_equal(parse_name(63, 1), FL_OK);
    assert_int_equal(parse_name(64, 1), FL_ERR_CONFIG);
    assert_int_equal(parse_name(1, 127), FL_OK);        /* 253 bytes */
    assert_int_equal(parse_name(50, 5), FL_ERR_CONFIG); /* 254 bytes */
    char text[FL_URL_BYTES_MAX + 1] = "http://h/";
    struct fl_url url;
    memset(text + 9, 'a', sizeof(text) - 9);
    assert_int_equal(fl_url_parse(fl_slice(text, FL_URL_BYTES_MAX), &url, NULL), FL_OK);
    assert_int_equal(fl_url_parse(fl_slice(text, sizeof(text)), &url, NULL), FL_ERR_CONFIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepted),
        cmocka_unit_test(refused),
        cmocka_unit_test(lengths_have_limits),
    };
    return cmocka_run_group_tests_name("url", tests, NULL, NULL);
}

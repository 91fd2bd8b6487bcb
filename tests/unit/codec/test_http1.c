/* SPDX-License-Identifier: Apache-2.0 */
/* Heads: what is accepted, what is refused and with which error. */
#include "unit/codec/h1_cases.h"

#include <stdlib.h>

static void requests_that_are_fine(void **state)
{
    (void)state;
    const struct accepted cases[] = {
        {GET("/"), "GET / path=/ host=a 1.1 none keep\n  Host=a\n{}\nidle"},
        {GET("/v1/models?x=1?2"),
         "GET /v1/models?x=1?2 path=/v1/models host=a 1.1 none keep\n  Host=a\n{}\nidle"},
        {GET("?"), "refused caller_bad_target"},
        {GET("/?"), "GET /? path=/ host=a 1.1 none keep\n  Host=a\n{}\nidle"},
        {FL_LIT("OPTIONS * HTTP/1.1\r\nhost:a\r\n\r\n"),
         "OPTIONS * path=* host=a 1.1 none keep\n  host=a\n{}\nidle"},
        {FL_LIT("HEAD /~\"<>\\^`{|} HTTP/1.0\r\n\r\n"),
         "HEAD /~\"<>\\^`{|} path=/~\"<>\\^`{|} host= 1.0 none close\n{}\nclosed"},
        {FL_LIT("\r\n\r\nGET / HTTP/1.0\r\nConnection: x , KEEP-alive\r\n\r\n\r\nGET / "
                "HTTP/1.0\r\n\r\n"),
         "GET / path=/ host= 1.0 none keep\n  Connection=x , KEEP-alive\n{}\n"
         "GET / path=/ host= 1.0 none close\n{}\nclosed"},
        {POST("Content-Length:\t 3 \t\r\n", "abcDELETE /y HTTP/1.1\r\nHost: b\r\n\r\n"),
         "POST /x path=/x host=a 1.1 length=3 keep\n  Host=a\n  Content-Length=3\n{abc}\n"
         "DELETE /y path=/y host=b 1.1 none keep\n  Host=b\n{}\nidle"},
        {POST("Content-Length: 000000000000000\r\n", ""),
         "POST /x path=/x host=a 1.1 length=0 keep\n  Host=a\n  "
         "Content-Length=000000000000000\n{}\nidle"},
        {POST("Connection:close,\r\nConnection: keep-alive\r\n", "GET / HTTP/1.1\r\n"),
         "POST /x path=/x host=a 1.1 none close\n  Host=a\n  Connection=close,\n"
         "  Connection=keep-alive\n{}\nclosed"},
        {POST("Expect: 100-Continue\r\nContent-Length: 1\r\n", "x"),
         "POST /x path=/x host=a 1.1 length=1 keep expect\n  Host=a\n  Expect=100-Continue\n"
         "  Content-Length=1\n{x}\nidle"},
        {POST("Expect: 100-continue\r\n", ""), /* nothing to wait with */
         "POST /x path=/x host=a 1.1 none keep\n  Host=a\n  Expect=100-continue\n{}\nidle"},
        {FL_LIT("PUT / HTTP/1.0\r\nExpect: the-moon\r\nContent-Length: 1\r\n\r\nx"),
         "PUT / path=/ host= 1.0 length=1 close\n  Expect=the-moon\n  "
         "Content-Length=1\n{x}\nclosed"},
        {POST("!#$%&'*+-.^_`|~09azAZ: \t x \t y \t\r\nEmpty:\r\nBlank: \t \r\n", ""),
         "POST /x path=/x host=a 1.1 none keep\n  Host=a\n  !#$%&'*+-.^_`|~09azAZ=x \t y\n  "
         "Empty=\n"
         "  Blank=\n{}\nidle"},
        {CHUNKS("3\r\nabc\r\n00A;n;n=v;n=\"q\\\"; \t\"\r\n0123456789\r\n000\r\n\r\n"),
         "POST /x path=/x host=a 1.1 chunked keep\n  Host=a\n  Transfer-Encoding=chunked\n"
         "{abc0123456789}\nidle"},
        {POST("transfer-ENCODING:CHUNKED\r\n", "0\r\nVary: *\r\nX:\r\n\r\nPATCH"),
         "POST /x path=/x host=a 1.1 chunked keep\n  Host=a\n  transfer-ENCODING=CHUNKED\n{}\nmore "
         "head"},
        {CHUNKS("3\r\nab"), "POST /x path=/x host=a 1.1 chunked keep\n  Host=a\n"
                            "  Transfer-Encoding=chunked\n{abmore body"},
        {FL_LIT("GET / HTTP/1.1\r\nHost"), "more head"},
        {FL_EMPTY, "idle"},
    };
    CHECK_ACCEPTED(requests, cases);
}

static void start_lines_that_are_refused(void **state)
{
    (void)state;
    const struct refused cases[] = {
        {FL_LIT("get / HTTP/1.1\r\nHost: a\r\n\r\n"), FL_ERR_H1_METHOD},
        {FL_LIT("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n"), FL_ERR_H1_METHOD},
        {FL_LIT("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n"), FL_ERR_H1_METHOD},
        {FL_LIT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), FL_ERR_H1_METHOD},
        {FL_LIT("GETT / HTTP/1.1\r\nHost: a\r\n\r\n"), FL_ERR_H1_METHOD},
        {FL_LIT("POST\t/ HTTP/1.1\r\nHost: a\r\n\r\n"), FL_ERR_H1_SYNTAX},
        {FL_LIT("G@T / HTTP/1.1\r\nHost: a\r\n\r\n"), FL_ERR_H1_SYNTAX},
        {FL_LIT("GET\r\n\r\n"), FL_ERR_H1_SYNTAX},
        {FL_LIT(" GET / HTTP/1.1\r\nHost: a\r\n\r\n"), FL_ERR_H1_SYNTAX},
        {FL_LIT("GET /\r\n\r\n"), FL_ERR_H1_SYNTAX},
        {FL_LIT("GET / \r\n\r\n"), FL_ERR_H1_SYNTAX},
        {FL_LIT("GET / HTTP/1.1 \r\nHost: a\r\n\r\n"), FL_ERR_H1_SYNTAX},
        {FL_LIT("GET / HTTP/1.1 x\r\nHost: a\r\n\r\n"), FL_ERR_H1_SYNTAX},
        {FL_LIT("GET / HTTP/1.1x\r\nHost: a\r\n\r\n"), FL_ERR_H1_SYNTAX},
        {FL_LIT("GET / HTTP/1.10\r\nHost: a\r\n\r\n"), FL_ERR_H1_SYNTAX},
        {FL_LIT("GET / HTTP/01.1\r\nHost: a\r\n\r\n"), FL_ERR_H1_SYNTAX},
        {FL_LIT("GET / HTTP/1,1\r\nHost: a\r\n\r\n"), FL_ERR_H1_SYNTAX},
        {FL_LIT("GET / HTTP/1.\r\nHost: a\r\n\r\n"), FL_ERR_H1_SYNTAX},
        {FL_LIT("GET / http/1.1\r\nHost: a\r\n\r\n"), FL_ERR_H1_SYNTAX},
        {FL_LIT("GET / ICE/1.1\r\nHost: a\r\n\r\n"), FL_ERR_H1_SYNTAX},
        {FL_LIT("GET / HTTP/0.9\r\nHost: a\r\n\r\n"), FL_ERR_H1_VERSION},
        {FL_LIT("GET / HTTP/1.2\r\nHost: a\r\n\r\n"), FL_ERR_H1_VERSION},
        {FL_LIT("GET / HTTP/2.0\r\nHost: a\r\n\r\n"), FL_ERR_H1_VERSION},
        {FL_LIT("GET / HTTP/x.1\r\nHost: a\r\n\r\n"), FL_ERR_H1_SYNTAX},
        {FL_LIT("OPTIONS x HTTP/1.1\r\nHost: a\r\n\r\n"), FL_ERR_H1_TARGET},
        {FL_LIT("GET  / HTTP/1.1\r\nHost: a\r\n\r\n"), FL_ERR_H1_TARGET},
        {GET("x"), FL_ERR_H1_TARGET},
        {GET("*"), FL_ERR_H1_TARGET},
        {GET("/#f"), FL_ERR_H1_TARGET},
        {GET("http://a/"), FL_ERR_H1_TARGET},
        {GET("a:80"), FL_ERR_H1_TARGET},
        {GET("/a b"), FL_ERR_H1_SYNTAX},
        {GET("/a\tb"), FL_ERR_H1_TARGET},
        {GET("/\xc3\xbc"), FL_ERR_H1_SYNTAX},
        {GET("/\x7f"), FL_ERR_H1_SYNTAX},
        {GET("/\0"), FL_ERR_H1_SYNTAX},
        {FL_LIT("\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), FL_ERR_H1_SYNTAX},
        {FL_LIT("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), FL_ERR_H1_SYNTAX},
        {FL_LIT("\x16\x03\x01\x02"), FL_ERR_H1_SYNTAX}, /* a TLS hello */
    };
    CHECK_REFUSED(requests, cases);
}

static void line_ends_and_control_bytes_are_refused(void **state)
{
    (void)state;
    const struct refused cases[] = {
        {FL_LIT("GET / HTTP/1.1\nHost: a\n\n"), FL_ERR_H1_SYNTAX},
        {FL_LIT("GET / HTTP/1.1\rHost: a\r\r"), FL_ERR_H1_SYNTAX},
        {FL_LIT("GET / HTTP/1.1\r\nHost: a\n\r\n"), FL_ERR_H1_SYNTAX},
        {FL_LIT("GET / HTTP/1.1\r\nHost: a\r\n\n"), FL_ERR_H1_SYNTAX},
        {FL_LIT("GET / HTTP/1.1\r\nHost: a\r\n\rX: 1\r\n\r\n"), FL_ERR_H1_SYNTAX},
        {POST("X: a\rContent-Length: 3\r\n", "abc"), FL_ERR_H1_SYNTAX},
        {POST("X: a\nContent-Length: 3\r\n", "abc"), FL_ERR_H1_SYNTAX},
        {POST("X: a\r\r\n", ""), FL_ERR_H1_SYNTAX},
        {POST("X: a\0b\r\n", ""), FL_ERR_H1_SYNTAX},
        {POST("X\0: a\r\n", ""), FL_ERR_H1_SYNTAX},
        {POST("X: a\x0b\r\n", ""), FL_ERR_H1_SYNTAX},
        {POST("X: a\x0c\r\n", ""), FL_ERR_H1_SYNTAX},
        {POST("X: a\x1b[31m\r\n", ""), FL_ERR_H1_SYNTAX},
        {POST("X: a\x7f\r\n", ""), FL_ERR_H1_SYNTAX},
        {POST("X: \xc3\xbc\r\n", ""), FL_ERR_H1_SYNTAX},
        {POST("X: a\r\n folded\r\n", ""), FL_ERR_H1_SYNTAX},
        {POST("X: a\r\n\tfolded\r\n", ""), FL_ERR_H1_SYNTAX},
        {POST("X: a\r\n \r\n", ""), FL_ERR_H1_SYNTAX},
        {FL_LIT("GET / HTTP/1.1\r\n Host: a\r\n\r\n"), FL_ERR_H1_SYNTAX},
        {POST("X : a\r\n", ""), FL_ERR_H1_SYNTAX},
        {POST("X\t: a\r\n", ""), FL_ERR_H1_SYNTAX},
        {POST("X y: a\r\n", ""), FL_ERR_H1_SYNTAX},
        {POST(": a\r\n", ""), FL_ERR_H1_SYNTAX},
        {POST("X\r\n", ""), FL_ERR_H1_SYNTAX},
        {POST("X(y): a\r\n", ""), FL_ERR_H1_SYNTAX},
        {POST("X\xc3: a\r\n", ""), FL_ERR_H1_SYNTAX},
        {POST("\"X\": a\r\n", ""), FL_ERR_H1_SYNTAX},
    };
    CHECK_REFUSED(requests, cases);
}

static void doubtful_framing_is_refused(void **state)
{
    (void)state;
    const struct refused cases[] = {
        /* CL.TE, TE.CL */
        {POST("Content-Length: 6\r\n" CHUNKED, "0\r\n\r\nX"), FL_ERR_H1_FRAMING},
        {POST(CHUNKED "Content-Length: 4\r\n", "5c\r\n"), FL_ERR_H1_FRAMING},
        {POST("Content-Length: 0\r\n" CHUNKED, "0\r\n\r\n"), FL_ERR_H1_FRAMING},
        /* TE.TE */
        {POST(CHUNKED CHUNKED, "0\r\n\r\n"), FL_ERR_H1_CODING},
        {POST(CHUNKED "Transfer-Encoding: identity\r\n", "0\r\n\r\n"), FL_ERR_H1_CODING},
        {POST("Transfer-Encoding: identity\r\n" CHUNKED, "0\r\n\r\n"), FL_ERR_H1_CODING},
        {POST("Transfer-Encoding: identity\r\n", ""), FL_ERR_H1_CODING},
        {POST("Transfer-Encoding:\r\n", ""), FL_ERR_H1_CODING},
        {POST("Transfer-Encoding: xchunked\r\n", ""), FL_ERR_H1_CODING},
        {POST("Transfer-Encoding: chunkedx\r\n", ""), FL_ERR_H1_CODING},
        {POST("Transfer-Encoding: chunk\r\n", ""), FL_ERR_H1_CODING},
        {POST("Transfer-Encoding: chunked, chunked\r\n", ""), FL_ERR_H1_CODING},
        {POST("Transfer-Encoding: gzip, chunked\r\n", ""), FL_ERR_H1_CODING},
        {POST("Transfer-Encoding: chunked, identity\r\n", ""), FL_ERR_H1_CODING},
        {POST("Transfer-Encoding: chunked,\r\n", ""), FL_ERR_H1_CODING},
        {POST("Transfer-Encoding: ,chunked\r\n", ""), FL_ERR_H1_CODING},
        {POST("Transfer-Encoding: \"chunked\"\r\n", ""), FL_ERR_H1_CODING},
        {POST("Transfer-Encoding: chunked;q=1\r\n", ""), FL_ERR_H1_CODING},
        {POST("Transfer-Encoding: chunked\x0b\r\n", ""), FL_ERR_H1_SYNTAX},
        {POST("Transfer-Encoding:\x0b"
              "chunked\r\n",
              ""),
         FL_ERR_H1_SYNTAX},
        {POST("Transfer-Encoding: chunked\0\r\n", ""), FL_ERR_H1_SYNTAX},
        {POST("Transfer-Encoding : chunked\r\n", ""), FL_ERR_H1_SYNTAX},
        {POST("Transfer-Encoding\t: chunked\r\n", ""), FL_ERR_H1_SYNTAX},
        {POST(" Transfer-Encoding: chunked\r\n", ""), FL_ERR_H1_SYNTAX},
        {POST("X: y\r\n Transfer-Encoding: chunked\r\n", ""), FL_ERR_H1_SYNTAX},
        {POST("Transfer-Encoding:\r\n chunked\r\n", ""), FL_ERR_H1_CODING},
        {POST("Transfer-Encoding\r\n: chunked\r\n", ""), FL_ERR_H1_SYNTAX},
        {POST("X: y\nTransfer-Encoding: chunked\r\n", ""), FL_ERR_H1_SYNTAX},
        {POST("Transfer\x80"
              "Encoding: chunked\r\n",
              ""),
         FL_ERR_H1_SYNTAX},
        {FL_LIT("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
         FL_ERR_H1_CODING},
        {FL_LIT("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: "
                "5\r\n\r\n"),
         FL_ERR_H1_FRAMING},
        /* Content-Length */
        {POST("Content-Length: 3\r\nContent-Length: 3\r\n", "abc"), FL_ERR_H1_LENGTH},
        {POST("Content-Length: 3\r\ncontent-length: 0\r\n", "abc"), FL_ERR_H1_LENGTH},
        {POST("Content-Length: 3, 3\r\n", "abc"), FL_ERR_H1_LENGTH},
        {POST("Content-Length: 3,\r\n", "abc"), FL_ERR_H1_LENGTH},
        {POST("Content-Length:\r\n", ""), FL_ERR_H1_LENGTH},
        {POST("Content-Length: +3\r\n", "abc"), FL_ERR_H1_LENGTH},
        {POST("Content-Length: -3\r\n", "abc"), FL_ERR_H1_LENGTH},
        {POST("Content-Length: -0\r\n", ""), FL_ERR_H1_LENGTH},
        {POST("Content-Length: 0x3\r\n", "abc"), FL_ERR_H1_LENGTH},
        {POST("Content-Length: 3.0\r\n", "abc"), FL_ERR_H1_LENGTH},
        {POST("Content-Length: 3e0\r\n", "abc"), FL_ERR_H1_LENGTH},
        {POST("Content-Length: 3 0\r\n", "abc"), FL_ERR_H1_LENGTH},
        {POST("Content-Length: 3;x\r\n", "abc"), FL_ERR_H1_LENGTH},
        {POST("Content-Length: \"3\"\r\n", "abc"), FL_ERR_H1_LENGTH},
        {POST("Content-Length: 1_0\r\n", ""), FL_ERR_H1_LENGTH},
        {POST("Content-Length: 18446744073709551617\r\n", "a"), FL_ERR_H1_LENGTH},
        {POST("Content-Length: 1000000000000000\r\n", "a"), FL_ERR_H1_LENGTH},
        {POST("Content-Length: 0000000000000003\r\n", "abc"), FL_ERR_H1_LENGTH},
        {POST("Content-Length : 3\r\n", "abc"), FL_ERR_H1_SYNTAX},
        {POST("Content-Length: 3\0\r\n", "abc"), FL_ERR_H1_SYNTAX},
        {POST("Content-Length: 999999999999999\r\n", ""), FL_ERR_BODY_LONG},
        {POST("Content-Length: 101\r\n", ""), FL_ERR_BODY_LONG},
        {POST("Expect: 200-ok\r\nContent-Length: 1\r\n", "x"), FL_ERR_H1_EXPECT},
        {POST("Expect: 100-continue, x\r\nContent-Length: 1\r\n", "x"), FL_ERR_H1_EXPECT},
        {POST("Expect:\r\nContent-Length: 1\r\n", "x"), FL_ERR_H1_EXPECT},
    };
    CHECK_REFUSED(requests, cases);
}

/* CL.0 and its kin: what is no framing header frames nothing, and the bytes behind are a message of
 * their own, which must stand by itself. */
static void look_alikes_frame_nothing(void **state)
{
    (void)state;
    const struct fl_slice lines[] = {
        FL_LIT("Content_Length: 5"),
        FL_LIT("Content-Lengt: 5"),
        FL_LIT("Content-Length1: 5"),
        FL_LIT("XContent-Length: 5"),
        FL_LIT("Transfer_Encoding: chunked"),
        FL_LIT("Transfer-Encodin: chunked"),
        FL_LIT("Transfer-Encodings: chunked"),
        FL_LIT("Transfer.Encoding: chunked"),
        FL_LIT("TransferEncoding: chunked"),
        FL_LIT("Connection: Transfer-Encoding"),
        FL_LIT("TE: chunked"),
        FL_LIT("Contentm\x4clength: 5"),
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        char memory[256];
        struct fl_buf b;
        struct h1_run run;
        fl_buf_init_in(&b, memory, sizeof(memory));
        fl_buf_put(&b, FL_LIT("POST / HTTP/1.1\r\nHost: a\r\n"));
        fl_buf_put(&b, lines[i]);
        fl_buf_put(&b, FL_LIT("\r\n\r\n0\r\n\r\n"));
        h1_run(&run, requests, fl_buf_slice(&b), b.len, 0);
        assert_int_equal(run.messages, 1);
        assert_int_equal(run.err, FL_ERR_H1_SYNTAX);
        assert_int_equal(run.consumed, b.len - 5);
        h1_run_finish(&run);
    }
}

static void hosts(void **state)
{
    (void)state;
    const struct fl_slice good[] = {
        HOST("a"),
        HOST(" api.example.com:8080 "),
        HOST("127.0.0.1:65535"),
        HOST("[::1]"),
        HOST("[2001:db8::1:2]:443"),
        HOST("[::ffff:1.2.3.4]"),
        HOST("my_service-1"),
        HOST("a.:0"),
    };
    const struct refused cases[] = {
        {HOST(""), FL_ERR_H1_HOST},
        {HOST(" "), FL_ERR_H1_HOST},
        {HOST("a b"), FL_ERR_H1_HOST},
        {HOST("a@b"), FL_ERR_H1_HOST},
        {HOST("user:pw@b"), FL_ERR_H1_HOST},
        {HOST("a/b"), FL_ERR_H1_HOST},
        {HOST("a?b"), FL_ERR_H1_HOST},
        {HOST("a#b"), FL_ERR_H1_HOST},
        {HOST("a,b"), FL_ERR_H1_HOST},
        {HOST("a\\b"), FL_ERR_H1_HOST},
        {HOST("a%00b"), FL_ERR_H1_HOST},
        {HOST("http://a"), FL_ERR_H1_HOST},
        {HOST("a:"), FL_ERR_H1_HOST},
        {HOST("a:65536"), FL_ERR_H1_HOST},
        {HOST("a:000080"), FL_ERR_H1_HOST},
        {HOST("a:80x"), FL_ERR_H1_HOST},
        {HOST("a:-1"), FL_ERR_H1_HOST},
        {HOST("a:80:80"), FL_ERR_H1_HOST},
        {HOST(":80"), FL_ERR_H1_HOST},
        {HOST("::1"), FL_ERR_H1_HOST},
        {HOST("[]"), FL_ERR_H1_HOST},
        {HOST("[::1"), FL_ERR_H1_HOST},
        {HOST("[::1]x"), FL_ERR_H1_HOST},
        {HOST("[::1]:"), FL_ERR_H1_HOST},
        {HOST("[127.0.0.1]"), FL_ERR_H1_HOST},
        {HOST("[fe80::1%25eth0]"), FL_ERR_H1_HOST},
        {HOST("[v1.x]"), FL_ERR_H1_HOST},
        {HOST("[1:2:3]"), FL_ERR_H1_HOST},
        {HOST("a\r\nHost: a"), FL_ERR_H1_HOST},
        {HOST("a\r\nHOST: b"), FL_ERR_H1_HOST},
        {FL_LIT("GET / HTTP/1.1\r\n\r\n"), FL_ERR_H1_HOST},
        {FL_LIT("GET / HTTP/1.1\r\nX-Host: a\r\n\r\n"), FL_ERR_H1_HOST},
        {FL_LIT("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n"), FL_ERR_H1_HOST},
        {FL_LIT("GET / HTTP/1.0\r\nHost: a/b\r\n\r\n"), FL_ERR_H1_HOST},
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct h1_run run;
        h1_run(&run, requests, good[i], good[i].len, 0);
        assert_int_equal(run.end, H1_IDLE);
        assert_int_equal(run.messages, 1);
        h1_run_finish(&run);
    }
    CHECK_REFUSED(requests, cases);
}

static void a_host_has_at_most_255_bytes(void **state)
{
    (void)state;
    static struct fl_h1_head head;
    for (size_t len = 254; len < 258; len++) {
        char memory[400];
        struct fl_buf b;
        fl_buf_init_in(&b, memory, sizeof(memory));
        fl_buf_put(&b, FL_LIT("GET / HTTP/1.1\r\nHost: "));
        for (size_t i = 0; i < len; i++) {
            fl_buf_putc(&b, 'h');
        }
        fl_buf_put(&b, FL_LIT("\r\n\r\n"));
        assert_int_equal(fl_h1_parse_request(fl_buf_slice(&b), &head),
                         len > 255 ? FL_ERR_H1_HOST : FL_OK);
    }
}

static void responses_that_are_fine(void **state)
{
    (void)state;
    const struct accepted cases[] = {
        {FL_LIT("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 204 \r\nContent-Length: "
                "0\r\n\r\n"),
         "200 1.1 length=2 keep\n  Content-Length=2\n{ok}\n204 1.1 none keep\n  "
         "Content-Length=0\n{}\nidle"},
        {FL_LIT("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 999\r\n\r\nabc\r\n"),
         "100 1.1 none keep\n{}\n999 1.0 until-close close\n{abc\r\n}\nclosed"},
        {FL_LIT("HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n"),
         "304 1.1 none keep\n  Content-Length=10\n{}\nidle"},
        {FL_LIT("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx"),
         "200 1.0 length=1 keep\n  Connection=keep-alive\n  Content-Length=1\n{x}\nidle"},
        {FL_LIT("HTTP/1.1 200 \xc3\xbc\t!\r\nX: \xff\r\nHost: ?,\r\nExpect: y\r\n" CHUNKED
                "Connection: close\r\n\r\n1\r\nx\r\n0\r\n\r\nHTTP"),
         "200 1.1 chunked close\n  X=\xff\n  Host=?,\n  Expect=y\n  Transfer-Encoding=chunked\n"
         "  Connection=close\n{x}\nclosed"},
    };
    CHECK_ACCEPTED(responses, cases);
}

static void responses_that_are_refused(void **state)
{
    (void)state;
    const struct refused cases[] = {
        {FL_LIT("\r\nHTTP/1.1 200 OK\r\n\r\n"), FL_ERR_H1_SYNTAX},
        {FL_LIT("HTTP/1.1  200 OK\r\n\r\n"), FL_ERR_H1_SYNTAX},
        {FL_LIT("HTTP/1.1 20 OK\r\n\r\n"), FL_ERR_H1_SYNTAX},
        {FL_LIT("HTTP/1.1 2000 OK\r\n\r\n"), FL_ERR_H1_SYNTAX},
        {FL_LIT("HTTP/1.1 099 OK\r\n\r\n"), FL_ERR_H1_SYNTAX},
        {FL_LIT("HTTP/1.1 2x0 OK\r\n\r\n"), FL_ERR_H1_SYNTAX},
        {FL_LIT("HTTP/1.1 x00 OK\r\n\r\n"), FL_ERR_H1_SYNTAX},
        {FL_LIT("HTTP/1.1 200x\r\n\r\n"), FL_ERR_H1_SYNTAX},
        {FL_LIT("HTTP/1.1 2\r\n\r\n"), FL_ERR_H1_SYNTAX},
        {FL_LIT("HTTP/1.1 200\tOK\r\n\r\n"), FL_ERR_H1_SYNTAX},
        {FL_LIT("HTTP/1.1\t200 OK\r\n\r\n"), FL_ERR_H1_SYNTAX},
        {FL_LIT("HTTP/1.1\r\n\r\n"), FL_ERR_H1_SYNTAX},
        {FL_LIT("HTTP/1.1 200 a\rb\r\n\r\n"), FL_ERR_H1_SYNTAX},
        {FL_LIT("HTTP/1.1 200 a\0b\r\n\r\n"), FL_ERR_H1_SYNTAX},
        {FL_LIT("ICY 200 OK\r\n\r\n"), FL_ERR_H1_SYNTAX},
        {FL_LIT("SSH-2.0-OpenSSH\r\n\r\n"), FL_ERR_H1_SYNTAX},
        {FL_LIT("HTTP/2.0 200 OK\r\n\r\n"), FL_ERR_H1_VERSION},
        {FL_LIT("HTTP/0.9 200 OK\r\n\r\n"), FL_ERR_H1_VERSION},
        {FL_LIT("HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n"), FL_ERR_BAD_RESPONSE},
        {FL_LIT("HTTP/1.1 100 Continue\r\nContent-Length: 3\r\n\r\nabc"), FL_ERR_H1_FRAMING},
        {FL_LIT("HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\nabc"), FL_ERR_H1_FRAMING},
        {FL_LIT("HTTP/1.1 204 No Content\r\n" CHUNKED "\r\n0\r\n\r\n"), FL_ERR_H1_FRAMING},
        {FL_LIT("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n" CHUNKED "\r\n0\r\n\r\n"),
         FL_ERR_H1_FRAMING},
        {FL_LIT("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc"),
         FL_ERR_H1_LENGTH},
        {FL_LIT("HTTP/1.1 200 OK\r\nContent-Length: 3, 3\r\n\r\nabc"), FL_ERR_H1_LENGTH},
        {FL_LIT("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"), FL_ERR_H1_CODING},
        {FL_LIT("HTTP/1.0 200 OK\r\n" CHUNKED "\r\n0\r\n\r\n"), FL_ERR_H1_CODING},
        {FL_LIT("HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n"), FL_ERR_H1_SYNTAX},
        {FL_LIT("HTTP/1.1 200 OK\r\nX\xff: a\r\n\r\n"), FL_ERR_H1_SYNTAX},
        {FL_LIT("HTTP/1.1 200 OK\nContent-Length: 0\n\n"), FL_ERR_H1_SYNTAX},
        {FL_LIT("HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n"), FL_ERR_BODY_LONG},
    };
    CHECK_REFUSED(responses, cases);
}

static void a_response_to_head_has_no_body(void **state)
{
    (void)state;
    static struct fl_h1_head head;
    struct fl_slice bytes = FL_LIT("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n");
    assert_int_equal(fl_h1_parse_response(bytes, true, &head), FL_OK);
    assert_int_equal(head.framing, FL_H1_NO_BODY);
    assert_int_equal(head.content_length, 7);
    assert_true(head.keep_alive);
    bytes = FL_LIT("HTTP/1.1 200 OK\r\n\r\n");
    assert_int_equal(fl_h1_parse_response(bytes, true, &head), FL_OK);
    assert_int_equal(head.framing, FL_H1_NO_BODY);
    assert_true(head.keep_alive);
}

static void heads_are_bounded(void **state)
{
    (void)state;
    struct fl_slice bytes = GET("/");
    for (size_t max = 1; max <= bytes.len + 1; max++) {
        struct h1_options options = {false, max, {100, 64}};
        struct h1_run run;
        h1_run(&run, options, bytes, bytes.len, 0);
        assert_int_equal(run.err, max < bytes.len ? FL_ERR_H1_HEAD_LONG : FL_OK);
        assert_true(h1_split_invariant(options, bytes, 1));
        h1_run_finish(&run);
    }
}

/* *count* headers beside Host. */
static void put_headers(struct fl_buf *b, unsigned count)
{
    fl_buf_put(b, FL_LIT("GET / HTTP/1.1\r\nHost: a\r\n"));
    for (unsigned i = 0; i < count; i++) {
        fl_buf_put(b, FL_LIT("X: y\r\n"));
    }
    fl_buf_put(b, FL_LIT("\r\n"));
}

static void headers_and_targets_are_bounded(void **state)
{
    (void)state;
    static struct fl_h1_head head;
    struct fl_buf b;
    fl_buf_init(&b, 65536);
    put_headers(&b, FL_H1_HEADERS_MAX - 1);
    assert_int_equal(fl_h1_parse_request(fl_buf_slice(&b), &head), FL_OK);
    assert_int_equal(head.header_count, FL_H1_HEADERS_MAX);
    for (unsigned more = 0; more < 40; more++) {
        fl_buf_reset(&b);
        put_headers(&b, FL_H1_HEADERS_MAX + more);
        assert_int_equal(fl_h1_parse_request(fl_buf_slice(&b), &head), FL_ERR_H1_HEAD_LONG);
    }
    for (size_t extra = 0; extra < 2; extra++) {
        fl_buf_reset(&b);
        fl_buf_put(&b, FL_LIT("GET /"));
        for (size_t i = 1; i < FL_H1_TARGET_MAX + extra; i++) {
            fl_buf_putc(&b, 'x');
        }
        fl_buf_put(&b, FL_LIT(" HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_int_equal(fl_h1_parse_request(fl_buf_slice(&b), &head),
                         extra ? FL_ERR_H1_TARGET_LONG : FL_OK);
    }
    fl_buf_finish(&b);
}

/* Fed byte by byte, no byte but a CR without its LF is looked at again. */
static void finding_a_head_is_linear(void **state)
{
    (void)state;
    struct fl_slice bytes =
        POST("A: b\r\nC: dddddddddddddddddddddddddddddddddddddddddddddd\r\n", "");
    size_t scanned = 0, len = 0;
    for (size_t n = 0; n < bytes.len; n++) {
        struct fl_slice so_far = fl_slice_first(bytes, n);
        assert_int_equal(fl_h1_head_find(so_far, 4096, true, &scanned, &len), FL_OK);
        assert_int_equal(len, 0);
        assert_int_equal(scanned, n > 0 && bytes.ptr[n - 1] == '\r' ? n - 1 : n);
    }
    assert_int_equal(fl_h1_head_find(bytes, 4096, true, &scanned, &len), FL_OK);
    assert_int_equal(len, bytes.len);
}

/* What must be refused is refused with its first byte, not at the end of the head. */
static void bad_bytes_are_refused_early(void **state)
{
    (void)state;
    size_t scanned = 0, len = 0;
    assert_int_equal(fl_h1_head_find(FL_LIT("G\0"), 100, true, &scanned, &len), FL_ERR_H1_SYNTAX);
    assert_int_equal(fl_h1_head_find(FL_LIT("GET / HTTP/1.1\n"), 100, true, &scanned, &len),
                     FL_ERR_H1_SYNTAX);
    assert_int_equal(fl_h1_head_find(FL_LIT("GET / HTTP/1.1\rH"), 100, true, &scanned, &len),
                     FL_ERR_H1_SYNTAX);
}

/* Every byte at every place of a value: position and block boundaries must not matter. */
static void every_byte_is_judged_everywhere(void **state)
{
    (void)state;
    static struct fl_h1_head head;
    char bytes[200];
    for (size_t at = 0; at < 140; at++) {
        for (unsigned c = 0; c < 256; c++) {
            size_t scanned = 0, len = 0;
            memset(bytes, 'v', sizeof(bytes));
            memcpy(bytes, "HTTP/1.1 200\r\nX:", 16);
            memcpy(bytes + sizeof(bytes) - 4, "\r\n\r\n", 4);
            bytes[16 + at] = (char)c;
            struct fl_slice all = fl_slice(bytes, sizeof(bytes));
            bool control = (c < 0x20 && c != '\t') || c == 0x7f;
            assert_int_equal(fl_h1_head_find(all, 4096, false, &scanned, &len),
                             control ? FL_ERR_H1_SYNTAX : FL_OK);
            assert_int_equal(fl_h1_parse_response(all, false, &head),
                             control ? FL_ERR_H1_SYNTAX : FL_OK);
            assert_int_equal(fl_h1_value_ok(fl_slice(bytes + 16, 140)), !control && c < 0x80);
        }
    }
}

/* Values of every length: the last bytes of one are looked at in another way than the first. */
static void every_byte_of_short_values_is_judged(void **state)
{
    (void)state;
    for (size_t len = 1; len < 50; len++) {
        char *bytes = malloc(len); /* exact, so that a sanitizer sees a read past its end */
        assert_non_null(bytes);
        for (size_t at = 0; at < len; at++) {
            for (unsigned c = 0; c < 256; c++) {
                bool ok = (c >= 0x20 && c < 0x7f) || c == '\t';
                memset(bytes, 'v', len);
                bytes[at] = (char)c;
                assert_int_equal(fl_h1_value_ok(fl_slice(bytes, len)), ok);
            }
        }
        free(bytes);
    }
}

/* Where lines, the end and a wrong byte stand within blocks of 64 bytes must not matter, nor what
 * follows. */
static void block_borders_do_not_matter(void **state)
{
    (void)state;
    static struct fl_h1_head head;
    static const char wrong[] = "\r\n\x01";
    char bytes[400];
    for (size_t pad = 0; pad < 140; pad++) {
        size_t len = 26 + pad, scanned = 0, found = 0;
        memset(bytes, 'v', sizeof(bytes));
        memcpy(bytes, "HTTP/1.1 200\r\nA: b\r\nX:", 22);
        memcpy(bytes + len - 4, "\r\n\r\n", 4);
        for (size_t more = 0; more < 70; more += 23) {
            scanned = found = 0;
            bytes[len] = '\0'; /* of what follows: not looked at */
            assert_int_equal(
                fl_h1_head_find(fl_slice(bytes, len + more), 400, false, &scanned, &found), FL_OK);
            assert_int_equal(found, len);
        }
        assert_int_equal(fl_h1_parse_response(fl_slice(bytes, len), false, &head), FL_OK);
        assert_int_equal(head.header_count, 2);
        assert_int_equal(head.headers[1].value.len, pad);
        for (size_t i = 0; i < 3 * len; i++) {
            char right = bytes[i / 3];
            bytes[i / 3] = wrong[i % 3];
            scanned = found = 0;
            if (right != wrong[i % 3]) {
                enum fl_err err =
                    fl_h1_head_find(fl_slice(bytes, len), 400, false, &scanned, &found);
                assert_int_equal(err, FL_ERR_H1_SYNTAX);
                err = fl_h1_parse_response(fl_slice(bytes, len), false, &head);
                assert_int_equal(err, FL_ERR_H1_SYNTAX);
            }
            bytes[i / 3] = right;
        }
    }
}

/* The parsers take no byte on trust, whatever delimited it. */
static void undelimited_heads_are_refused(void **state)
{
    (void)state;
    static struct fl_h1_head head;
    const struct fl_slice cases[] = {
        FL_EMPTY,
        FL_LIT("\r\n"),
        FL_LIT("\r\n\r\n"),
        FL_LIT("\r\n\r\n\r\n"),
        FL_LIT("\r\n\r\n\r\n\r\n"),
        FL_LIT("GET / HTTP/1.0\r\n"),
        FL_LIT("GET / HTTP/1.0\r\nA: b\r\n"),
        FL_LIT("GET / HTTP/1.0"),
        FL_LIT("GET / HTTP/1.0\r\n\r\nGET / HTTP/1.0\r\n\r\n"),
        FL_LIT("GET / HTTP/1.0\r\n\r\n\r\n"),
        FL_LIT("GET / HTTP/1.0\r\n\r\n "),
        FL_LIT("GET / HTTP/1.0\n\r\n\r\n"),
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(fl_h1_parse_request(cases[i], &head), FL_ERR_H1_SYNTAX);
        assert_int_equal(fl_h1_parse_response(cases[i], false, &head), FL_ERR_H1_SYNTAX);
    }
}

static void known_names_are_found(void **state)
{
    (void)state;
    static const struct {
        enum fl_h1_name id;
        const char *text;
    } names[] = {
#define X(id, text) {id, text},
        FL_H1_NAMES(X)
#undef X
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char name[64];
        size_t len = strlen(names[i].text);
        for (size_t j = 0; j < len; j++) {
            char c = names[i].text[j];
            name[j] = (char)(c >= 'a' && c <= 'z' ? c - 0x20 : c);
        }
        name[len] = 'x';
        assert_int_equal(fl_h1_name_id(fl_slice(names[i].text, len)), names[i].id);
        assert_int_equal(fl_h1_name_id(fl_slice(name, len)), names[i].id);
        assert_int_equal(fl_h1_name_id(fl_slice(name, len - 1)), FL_H_OTHER);
        assert_int_equal(fl_h1_name_id(fl_slice(name, len + 1)), FL_H_OTHER);
        for (size_t j = 0; j < len;
             j++) { /* no other byte at any place is taken for the right one */
            char right = name[j];
            for (unsigned c = 0; c < 256; c++) {
                name[j] = (char)c;
                bool same = (char)c == right || (char)c == names[i].text[j];
                assert_true((fl_h1_name_id(fl_slice(name, len)) == names[i].id) == same);
            }
            name[j] = right;
        }
    }
    assert_int_equal(fl_h1_name_id(FL_EMPTY), FL_H_OTHER);
}

static void headers_are_looked_up(void **state)
{
    (void)state;
    static struct fl_h1_head head;
    struct fl_slice bytes =
        POST("X-One: 1\r\nAccept: a\r\nAccept: b\r\nConnection: close, x-one\r\n"
             "Proxy-Connection: x\r\nProxy-Authenticate: x\r\nTE: x\r\nX-On: 2\r\n"
             "connection:ACCEPT\r\n",
             "");
    static const bool hop[] = {false, true, true, true, true, true, true, true, false, true};
    assert_int_equal(fl_h1_parse_request(bytes, &head), FL_OK);
    assert_slice(fl_h1_find(&head, FL_H_ACCEPT)->value, "a");
    assert_null(fl_h1_find(&head, FL_H_COOKIE));
    assert_slice(fl_h1_find_text(&head, FL_LIT("x-one"))->value, "1");
    assert_null(fl_h1_find_text(&head, FL_LIT("x-two")));
    assert_int_equal(head.header_count, sizeof(hop) / sizeof(hop[0]));
    for (unsigned i = 0; i < head.header_count; i++) {
        assert_int_equal(fl_h1_hop_by_hop(&head, &head.headers[i]), hop[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_that_are_fine),
        cmocka_unit_test(start_lines_that_are_refused),
        cmocka_unit_test(line_ends_and_control_bytes_are_refused),
        cmocka_unit_test(doubtful_framing_is_refused),
        cmocka_unit_test(look_alikes_frame_nothing),
        cmocka_unit_test(hosts),
        cmocka_unit_test(a_host_has_at_most_255_bytes),
        cmocka_unit_test(responses_that_are_fine),
        cmocka_unit_test(responses_that_are_refused),
        cmocka_unit_test(a_response_to_head_has_no_body),
        cmocka_unit_test(heads_are_bounded),
        cmocka_unit_test(headers_and_targets_are_bounded),
        cmocka_unit_test(finding_a_head_is_linear),
        cmocka_unit_test(bad_bytes_are_refused_early),
        cmocka_unit_test(every_byte_is_judged_everywhere),
        cmocka_unit_test(every_byte_of_short_values_is_judged),
        cmocka_unit_test(block_borders_do_not_matter),
        cmocka_unit_test(undelimited_heads_are_refused),
        cmocka_unit_test(known_names_are_found),
        cmocka_unit_test(headers_are_looked_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

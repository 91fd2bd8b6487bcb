/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nanoseconds a head, a chunk and a stream event, best of many rounds:
 *   bench_h1 [rounds]
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "codec/http1.h"
#include "codec/sse.h"

/* 485 bytes, 15 headers: the shape of what an OpenAI client library sends. */
static const char request[] = "POST /v1/chat/completions HTTP/1.1\r\n"
                              "Host: 127.0.0.1:8080\r\n"
                              "Accept-Encoding: gzip, deflate\r\n"
                              "Connection: keep-alive\r\n"
                              "Accept: application/json\r\n"
                              "Content-Type: application/json\r\n"
                              "User-Agent: OpenAI/Python 1.99.9\r\n"
                              "X-Stainless-Lang: python\r\n"
                              "X-Stainless-Package-Version: 1.99.9\r\n"
                              "X-Stainless-OS: Linux\r\n"
                              "X-Stainless-Arch: x64\r\n"
                              "X-Stainless-Runtime: CPython\r\n"
                              "x-stainless-retry-count: 0\r\n"
                              "x-stainless-read-timeout: 600\r\n"
                              "Authorization: Bearer sk-0123456789abcdef0123456789abcd\r\n"
                              "Content-Length: 1234\r\n\r\n";

static const char event[] =
    "data: "
    "{\"id\":\"chatcmpl-0123456789\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,"
    "\"model\":\"some-model\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" word\"},"
    "\"finish_reason\":null}]}\n\n";

static uint64_t now_ns(void)
{
    struct timespec t;
    if (clock_gettime(CLOCK_MONOTONIC, &t) != 0) {
        abort();
    }
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

static void must(bool ok)
{
    if (!ok) {
        abort();
    }
}

static struct fl_slice request_bytes(void)
{
    struct fl_slice s = FL_LIT(request);
    __asm__ volatile("" : "+r"(s.ptr)); /* so that nothing is computed once for all rounds */
    return s;
}

static void find(void)
{
    size_t scanned = 0, len = 0;
    must(!fl_h1_head_find(request_bytes(), 65536, true, &scanned, &len) && len > 0);
}

static void parse(void)
{
    static struct fl_h1_head head;
    must(!fl_h1_parse_request(request_bytes(), &head) && head.header_count == 15);
}

static void find_and_parse(void)
{
    find();
    parse();
}

static void chunked(void)
{
    static const char wire[] =
        "100\r\n"
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\r\n";
    static const struct fl_h1_head head = {.framing = FL_H1_CHUNKED};
    static struct fl_h1_body body;
    static bool started;
    struct fl_slice in = FL_LIT(wire), piece;
    if (!started) {
        must(!fl_h1_body_init(&body, &head, (struct fl_h1_body_limits){UINT64_MAX, 1024}));
        started = true;
    }
    while (in.len > 0) {
        must(!fl_h1_body_next(&body, &in, &piece));
    }
}

static void sse(void)
{
    static struct fl_sse reader;
    struct fl_sse_event e;
    struct fl_slice in = FL_LIT(event);
    __asm__ volatile("" : "+r"(in.ptr));
    must(!fl_sse_next(&reader, in, false, 1 << 20, NULL, &e) && e.data_lines == 1);
}

static void measure(const char *what, void (*once)(void), size_t bytes, unsigned rounds)
{
    enum { repeats = 500 }; /* short, so that some round runs undisturbed */
    double best = 1e18;
    for (unsigned r = 0; r < rounds; r++) {
        uint64_t start = now_ns();
        for (int i = 0; i < repeats; i++) {
            once();
        }
        double ns = (double)(now_ns() - start) / repeats;
        best = ns < best ? ns : best;
    }
    printf("%-24s %4zu bytes %8.1f ns\n", what, bytes, best);
}

int main(int argc, char **argv)
{
    unsigned rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 3000;
    measure("head: find", find, sizeof(request) - 1, rounds);
    measure("head: parse", parse, sizeof(request) - 1, rounds);
    measure("head: find and parse", find_and_parse, sizeof(request) - 1, rounds);
    measure("chunk", chunked, 263, rounds);
    measure("event", sse, sizeof(event) - 1, rounds);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of connections, accepted with this log or refused with this error. Every case also runs
 * byte by byte and cut in two at every point. */
#ifndef FL_TESTS_H1_CASES_H
#define FL_TESTS_H1_CASES_H

#include "unit/cm.h"

#include "unit/codec/h1_drive.h"

static const struct h1_options requests = {false, 2048, {100, 64}};
static const struct h1_options responses = {true, 2048, {100, 64}};

struct accepted {
    struct fl_slice bytes;
    const char *log;
};

struct refused {
    struct fl_slice bytes;
    enum fl_err err;
};

static inline void check_accepted(struct h1_options options, const struct accepted *cases,
                                  size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct h1_run run;
        h1_run(&run, options, cases[i].bytes, cases[i].bytes.len, 0);
        assert_slice(fl_buf_slice(&run.log), cases[i].log);
        assert_true(h1_split_invariant(options, cases[i].bytes, 1));
        h1_run_finish(&run);
    }
}

static inline void check_refused(struct h1_options options, const struct refused *cases,
                                 size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct h1_run run;
        h1_run(&run, options, cases[i].bytes, cases[i].bytes.len, 0);
        if (run.err != cases[i].err) {
            print_error("'%.*s'\n  expected %s, got %.*s\n", (int)cases[i].bytes.len,
                        cases[i].bytes.ptr, fl_err_name(cases[i].err), (int)run.log.len,
                        run.log.ptr);
            fail();
        }
        assert_true(h1_split_invariant(options, cases[i].bytes, 1));
        h1_run_finish(&run);
    }
}

#define CHECK_ACCEPTED(options, cases)                                                             \
    check_accepted(options, cases, sizeof(cases) / sizeof((cases)[0]))
#define CHECK_REFUSED(options, cases)                                                              \
    check_refused(options, cases, sizeof(cases) / sizeof((cases)[0]))

/* A POST with these header lines (each with its CRLF) and what follows the head. */
#define POST(lines, body) FL_LIT("POST /x HTTP/1.1\r\nHost: a\r\n" lines "\r\n" body)
#define GET(target)       FL_LIT("GET " target " HTTP/1.1\r\nHost: a\r\n\r\n")
#define HOST(value)       FL_LIT("GET / HTTP/1.1\r\nHost:" value "\r\n\r\n")
#define CHUNKED           "Transfer-Encoding: chunked\r\n"
#define CHUNKS(body)      POST(CHUNKED, body)

#endif

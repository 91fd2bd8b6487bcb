/* SPDX-License-Identifier: Apache-2.0 */
/*
 * llhttp's vectors, read in place. Each is played as one connection: what llhttp refuses when
 * strict, and what it accepts only in a lenient mode, must be refused here; what it accepts must be
 * accepted, apart from the classes below, in which this parser is stricter on purpose. The counts
 * are printed.
 *
 * The vectors are older than this parser's rule that every 1.1 request has a Host: requests without
 * any get one.
 */
#include "unit/cm.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "unit/codec/h1_drive.h"

enum { text_max = 65536 };

/* X(class, the one error it may be refused with, why) */
#define CLASSES(X)                                                                                 \
    X(METHOD, FL_ERR_H1_METHOD, "a method this program does not have")                             \
    X(PROTOCOL, FL_ERR_H1_SYNTAX, "RTSP, ICE or no version at all")                                \
    X(VERSION, FL_ERR_H1_VERSION, "HTTP/0.9")                                                      \
    X(TARGET, FL_ERR_H1_TARGET, "absolute form or a fragment")                                     \
    X(HOST, FL_ERR_H1_HOST, "a Host no name has")                                                  \
    X(OBS_TEXT, FL_ERR_H1_SYNTAX, "bytes from 0x80 on in a request")                               \
    X(CODING, FL_ERR_H1_CODING, "a coding other than chunked")                                     \
    X(EMPTY_LINE, FL_ERR_H1_SYNTAX, "an empty line before a response")

enum class {
#define X(class, err, why) class,
    CLASSES(X)
#undef X
        CLASS_COUNT
};

static const struct {
    enum fl_err err;
    const char *why;
} classes[CLASS_COUNT] = {
#define X(class, err, why) {err, why},
    CLASSES(X)
#undef X
};

struct vector {
    const char *title, *reason;
    bool response, target; /* a request unless one is set */
    bool refused;          /* by a strict llhttp */
    bool paused;           /* "refused" only in that llhttp stops for CONNECT or Upgrade */
    bool damaged;          /* its text swallowed the next block of the document it comes from */
    struct fl_buf bytes;
};

struct tally {
    unsigned total, agreed, refused, paused, damaged;
    unsigned by_class[CLASS_COUNT];
};

static bool has(struct fl_slice bytes, const char *text)
{
    return fl_slice_find_text(bytes, fl_slice_cstr(text)) < bytes.len;
}

static bool has_high_byte(struct fl_slice bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        if ((unsigned char)bytes.ptr[i] >= 0x80) {
            return true;
        }
    }
    return false;
}

/* Does what makes this class stand in the vector? */
static bool belongs(enum class class, const struct vector *v)
{
    struct fl_slice bytes = fl_buf_slice(&v->bytes);
    switch (class) {
    case METHOD:
        return !v->response;
    case PROTOCOL:
        return has(bytes, " RTSP/1.0") || has(bytes, " ICE/1.0") || has(bytes, "GET /\r\n") ||
               fl_slice_starts(bytes, FL_LIT("RTSP/")) || fl_slice_starts(bytes, FL_LIT("ICE/"));
    case VERSION:
        return has(bytes, "HTTP/0.9");
    case TARGET:
        return has(bytes, "GET http://") || has(bytes, "#") || has(bytes, "CONNECT ");
    case HOST:
        return has(bytes, "Host: 0.0.0.0=5000");
    case OBS_TEXT:
        return !v->response && has_high_byte(bytes);
    case CODING:
        return has(bytes, "Transfer-Encoding: deflate") || has(bytes, "chunked, deflate") ||
               has(bytes, "Transfer-Encoding: identity") || has(bytes, "chunkedchunked");
    case EMPTY_LINE:
        return v->response && has(bytes, "\r\nHTTP/1.1 ");
    case CLASS_COUNT:
        break;
    }
    return false;
}

static void put_base64(struct fl_buf *b, const char *text)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned bits = 0, count = 0;
    for (; *text != '\0' && *text != '='; text++) {
        const char *at = strchr(alphabet, *text);
        assert_non_null(at);
        bits = bits << 6 | (unsigned)(at - alphabet);
        count += 6;
        if (count >= 8) {
            count -= 8;
            fl_buf_putc(b, (char)(bits >> count & 0xff));
        }
    }
}

/* Gives every 1.1 request a Host when none has one. */
static void add_host(struct fl_buf *b)
{
    struct fl_buf with;
    struct fl_slice rest = fl_buf_slice(b), line = FL_LIT("HTTP/1.1\r\n");
    if (has(rest, "Host:") || has(rest, "HOST:")) {
        return;
    }
    fl_buf_init(&with, text_max);
    while (rest.len > 0) {
        size_t at = fl_slice_find_text(rest, line);
        bool found = at < rest.len;
        fl_buf_put(&with, fl_slice_first(rest, found ? at + line.len : rest.len));
        fl_buf_put_cstr(&with, found ? "Host: a\r\n" : "");
        rest = fl_slice_from(rest, found ? at + line.len : rest.len);
    }
    fl_buf_finish(b);
    *b = with;
}

static void load(struct vector *v, json_t *row)
{
    const char *meta = json_string_value(json_object_get(row, "meta"));
    struct fl_slice type = fl_slice_cstr(meta ? meta : "");
    *v = (struct vector){0};
    v->title = json_string_value(json_object_get(row, "title"));
    v->reason = json_string_value(json_object_get(row, "reason"));
    v->response = has(type, "\"response");
    v->target = !v->response && !has(type, "\"request");
    v->refused = json_is_true(json_object_get(row, "rejects")) || has(type, "-lenient-");
    v->paused = v->reason && strstr(v->reason, "Pause on") && !has(type, "-lenient-");
    fl_buf_init(&v->bytes, text_max);
    fl_buf_put_cstr(&v->bytes, v->target ? "GET " : "");
    put_base64(&v->bytes, json_string_value(json_object_get(row, "input_b64")));
    fl_buf_put_cstr(&v->bytes, v->target ? " HTTP/1.1\r\nHost: a\r\n\r\n" : "");
    v->damaged = has(fl_buf_slice(&v->bytes), "```");
    if (!v->response) {
        add_host(&v->bytes);
    }
    assert_true(fl_buf_ok(&v->bytes));
}

/* Anything but line ends after a message that closes the connection. */
static bool data_after_close(const struct h1_run *run, struct fl_slice bytes)
{
    struct fl_slice left = fl_slice_from(bytes, run->consumed);
    while (left.len > 0 && (left.ptr[0] == '\r' || left.ptr[0] == '\n')) {
        left = fl_slice_from(left, 1);
    }
    return run->end == H1_CLOSED && left.len > 0;
}

/* FL_OK when all is accepted as far as it goes. */
static enum fl_err verdict(const struct vector *v, struct fl_slice bytes)
{
    struct h1_options options = {v->response, text_max, {text_max, 4096}};
    struct h1_run run;
    h1_run(&run, options, bytes, bytes.len, 0);
    enum fl_err err = data_after_close(&run, bytes) ? FL_ERR_CLOSED : run.err;
    h1_run_finish(&run);
    assert_true(h1_split_invariant(options, bytes, 1 + bytes.len / 200));
    return err;
}

static void judge(struct vector *v, struct tally *t)
{
    enum fl_err err = verdict(v, fl_buf_slice(&v->bytes));
    bool ok = true;
    t->total++;
    if (v->paused) {
        t->paused++; /* Upgrade is ignored here, CONNECT refused */
    } else if (v->refused) {
        if (!err) { /* llhttp gave up inside of a head: here the whole head is judged */
            fl_buf_put(&v->bytes, FL_LIT("\r\n\r\n"));
            err = verdict(v, fl_buf_slice(&v->bytes));
        }
        ok = err != FL_OK;
        t->refused += ok;
    } else if (v->damaged) {
        t->damaged++;
    } else if (!err) {
        t->agreed++;
    } else {
        unsigned class = 0;
        while (class < CLASS_COUNT &&
               (classes[class].err != err || !belongs((enum class) class, v))) {
            class ++;
        }
        ok = class < CLASS_COUNT;
        t->by_class[ok ? class : 0]++;
    }
    if (!ok) {
        print_error("%s (llhttp: %s): %s\n%.*s\n", v->title, v->reason ? v->reason : "accepts",
                    fl_err_name(err), (int)v->bytes.len, v->bytes.ptr);
        fail();
    }
}

static void llhttp_vectors(void **state)
{
    (void)state;
    const char *folder = getenv("FAIRLEAD_ATTACK");
    char path[4096], *line = NULL;
    size_t cap = 0;
    struct tally t = {0};
    snprintf(path, sizeof(path), "%s/llhttp/cases.jsonl", folder ? folder : "../shared/attack");
    FILE *f = fopen(path, "r");
    if (!f) {
        print_message("skipped: no data\n");
        skip();
    }
    while (getline(&line, &cap, f) > 0) {
        struct vector v;
        json_t *row = json_loads(line, 0, NULL);
        assert_non_null(row);
        load(&v, row);
        judge(&v, &t);
        fl_buf_finish(&v.bytes);
        json_decref(row);
    }
    free(line);
    fclose(f);
    print_message("%u vectors: %u accepted by both, %u refused by both, %u paused, %u damaged\n",
                  t.total, t.agreed, t.refused, t.paused, t.damaged);
    for (unsigned i = 0; i < CLASS_COUNT; i++) {
        print_message("%4u stricter: %s\n", t.by_class[i], classes[i].why);
    }
    assert_true(t.total > 200 && t.agreed > 50 && t.refused > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(llhttp_vectors)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

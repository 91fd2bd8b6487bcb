/* SPDX-License-Identifier: Apache-2.0 */
#include "wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Text of a message as people send it: punctuation, escapes, code and some letters beyond ASCII.
 * Each row is a whole number of JSON string units, so rows may be joined at will. */
static const char *const TEXT[] = {
    "Summarise the meeting notes below for people who were not there, in five short points. ",
    "Keep names, dates and amounts as written: the \\\"Atlas\\\" budget is 41,250 EUR. ",
    "\\n\\nfor (int i = 0; i < n; i++) {\\n\\ttotal += price[i] * count[i];\\n}\\n\\n",
    "Z\303\274rich and K\303\270benhavn answered first; Lisbon asked for more time. ",
    "What would you change, and why? Say so plainly, then list what you are not sure about. ",
};

enum { TEXT_ROWS = sizeof TEXT / sizeof TEXT[0] };

static void fill_text(char *to, size_t size)
{
    size_t used = 0;
    for (unsigned row = 0;; row = (row + 1) % TEXT_ROWS) {
        size_t length = strlen(TEXT[row]);
        if (used + length > size) {
            break;
        }
        memcpy(to + used, TEXT[row], length);
        used += length;
    }
    memset(to + used, 'x', size - used);
}

/* Writes the head as the OpenAI Python client does; returns its size, or 0 when it does not fit. */
static size_t write_head(char *to, size_t size, const struct fl_bench_request_spec *spec)
{
    int n = snprintf(to, size,
                     "POST /v1/chat/completions HTTP/1.1\r\n"
                     "Host: 127.0.0.1:%u\r\n"
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
                     "X-Stainless-Runtime-Version: 3.11.2\r\n"
                     "Authorization: Bearer sk-bench-client-0000000000000000\r\n"
                     "x-stainless-retry-count: 0\r\n"
                     "Content-Length: %zu\r\n\r\n",
                     spec->port, spec->body_bytes);
    return n > 0 && (size_t)n < size ? (size_t)n : 0;
}

bool fl_bench_request_build(struct fl_bench_request *ret_request,
                            const struct fl_bench_request_spec *spec)
{
    char head[1024], before[512], after[128];
    size_t head_size = write_head(head, sizeof head, spec);
    int n_before = snprintf(before, sizeof before,
                            "{\"messages\":[{\"role\":\"system\",\"content\":\"You are a helpful "
                            "assistant.\"},{\"role\":\"user\",\"content\":\"");
    int n_after = snprintf(after, sizeof after, "\"}],\"model\":\"%s\",\"temperature\":0.2%s}",
                           spec->model, spec->stream ? ",\"stream\":true" : "");
    if (head_size == 0 || n_before < 0 || n_after < 0 || (size_t)n_after >= sizeof after) {
        return false;
    }
    size_t around = (size_t)n_before + (size_t)n_after;
    if (spec->body_bytes <= around) {
        return false;
    }

    size_t size = head_size + spec->body_bytes;
    char *bytes = malloc(size);
    if (bytes == NULL) {
        return false;
    }
    char *at = bytes;
    memcpy(at, head, head_size);
    at += head_size;
    memcpy(at, before, (size_t)n_before);
    at += n_before;
    fill_text(at, spec->body_bytes - around);
    at += spec->body_bytes - around;
    memcpy(at, after, (size_t)n_after);
    *ret_request = (struct fl_bench_request){.bytes = bytes, .size = size};
    return true;
}

void fl_bench_request_finish(struct fl_bench_request *request)
{
    free(request->bytes);
    *request = (struct fl_bench_request){0};
}

void fl_bench_reply_reset(struct fl_bench_reply *reply)
{
    char *head = reply->head;
    *reply = (struct fl_bench_reply){.head = head};
}

void fl_bench_reply_finish(struct fl_bench_reply *reply)
{
    free(reply->head);
    *reply = (struct fl_bench_reply){0};
}

/* The value of a header line when its name matches (`name` ends with ':'), else NULL. */
static const char *value_of(const char *line, size_t size, const char *name)
{
    size_t length = strlen(name);
    if (size < length || strncasecmp(line, name, length) != 0) {
        return NULL;
    }
    const char *at = line + length, *end = line + size;
    while (at < end && (*at == ' ' || *at == '\t')) {
        at++;
    }
    return at;
}

static void read_field(struct fl_bench_reply *reply, const char *line, size_t size)
{
    const char *end = line + size;
    const char *at = value_of(line, size, "content-length:");
    if (at != NULL) {
        reply->state = FL_REPLY_LENGTH;
        reply->left = 0;
        for (; at < end && *at >= '0' && *at <= '9'; at++) {
            reply->left = reply->left * 10 + (uint64_t)(*at - '0');
        }
        return;
    }
    at = value_of(line, size, "transfer-encoding:");
    if (at != NULL && end - at == 7 && strncasecmp(at, "chunked", 7) == 0) {
        reply->state = FL_REPLY_CHUNK_SIZE;
        reply->left = 0;
        return;
    }
    at = value_of(line, size, "connection:");
    if (at != NULL && end - at == 5 && strncasecmp(at, "close", 5) == 0) {
        reply->close = true;
    }
}

/* `size` bytes end with the blank line. */
static void read_head(struct fl_bench_reply *reply, const char *bytes, size_t size)
{
    if (size < 15 || memcmp(bytes, "HTTP/1.1 ", 9) != 0) {
        reply->state = FL_REPLY_BROKEN;
        return;
    }
    reply->status = (bytes[9] - '0') * 100 + (bytes[10] - '0') * 10 + (bytes[11] - '0');
    reply->state = FL_REPLY_UNTIL_EOF;
    const char *at = memchr(bytes, '\n', size), *end = bytes + size;
    while (at != NULL && ++at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        if (newline == NULL || newline - at < 2) {
            break;
        }
        read_field(reply, at, (size_t)(newline - at) - 1);
        at = newline;
    }
    if (reply->state == FL_REPLY_LENGTH && reply->left == 0) {
        reply->state = FL_REPLY_DONE;
    }
    if (reply->status == 100) {
        reply->state = FL_REPLY_HEAD;
    }
}

static size_t feed_head(struct fl_bench_reply *reply, const char *bytes, size_t size)
{
    if (reply->held == 0) {
        const char *end = memmem(bytes, size, "\r\n\r\n", 4);
        if (end != NULL) {
            size_t used = (size_t)(end - bytes) + 4;
            read_head(reply, bytes, used);
            return used;
        }
    }
    if (reply->head == NULL) {
        reply->head = malloc(FL_REPLY_HEAD_MAX);
    }
    size_t used = 0;
    while (reply->head != NULL && used < size && reply->held < FL_REPLY_HEAD_MAX) {
        reply->head[reply->held++] = bytes[used++];
        if (reply->held >= 4 && memcmp(reply->head + reply->held - 4, "\r\n\r\n", 4) == 0) {
            size_t held = reply->held;
            reply->held = 0;
            read_head(reply, reply->head, held);
            return used;
        }
    }
    if (reply->head == NULL || reply->held == FL_REPLY_HEAD_MAX) {
        reply->state = FL_REPLY_BROKEN;
    }
    return used;
}

static int hex_of(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return -1;
}

static void feed_framing(struct fl_bench_reply *reply, char c)
{
    if (reply->state == FL_REPLY_CHUNK_SIZE && hex_of(c) >= 0 && reply->left < (1ull << 56)) {
        reply->left = reply->left * 16 + (uint64_t)hex_of(c);
    } else if (reply->state == FL_REPLY_CHUNK_SIZE && (c == '\r' || c == ';' || c == ' ')) {
        reply->state = FL_REPLY_CHUNK_EXT;
    } else if (reply->state == FL_REPLY_CHUNK_EXT) {
        if (c == '\n') {
            reply->state = reply->left > 0 ? FL_REPLY_CHUNK_DATA : FL_REPLY_TRAILER;
            reply->line_empty = true;
        }
    } else if (reply->state == FL_REPLY_CHUNK_END && (c == '\r' || c == '\n')) {
        if (c == '\n') {
            reply->state = FL_REPLY_CHUNK_SIZE;
        }
    } else if (reply->state == FL_REPLY_TRAILER) {
        if (c == '\n' && reply->line_empty) {
            reply->state = FL_REPLY_DONE;
        } else if (c != '\r') {
            reply->line_empty = c == '\n';
        }
    } else {
        reply->state = FL_REPLY_BROKEN;
    }
}

/* Passes on what belongs to the body or to the current chunk. */
static size_t feed_counted(struct fl_bench_reply *reply, const char *bytes, size_t size,
                           fl_bench_body_fn *on_body, void *user)
{
    size_t take = size;
    if (reply->state != FL_REPLY_UNTIL_EOF) {
        take = reply->left < size ? (size_t)reply->left : size;
        reply->left -= take;
    }
    on_body(user, bytes, take);
    if (reply->state == FL_REPLY_LENGTH && reply->left == 0) {
        reply->state = FL_REPLY_DONE;
    }
    if (reply->state == FL_REPLY_CHUNK_DATA && reply->left == 0) {
        reply->state = FL_REPLY_CHUNK_END;
    }
    return take;
}

size_t fl_bench_reply_feed(struct fl_bench_reply *reply, const char *bytes, size_t size,
                           fl_bench_body_fn *on_body, void *user)
{
    size_t used = 0;
    while (used < size) {
        switch (reply->state) {
        case FL_REPLY_HEAD:
            used += feed_head(reply, bytes + used, size - used);
            break;
        case FL_REPLY_LENGTH:
        case FL_REPLY_UNTIL_EOF:
        case FL_REPLY_CHUNK_DATA:
            used += feed_counted(reply, bytes + used, size - used, on_body, user);
            break;
        case FL_REPLY_CHUNK_SIZE:
        case FL_REPLY_CHUNK_EXT:
        case FL_REPLY_CHUNK_END:
        case FL_REPLY_TRAILER:
            feed_framing(reply, bytes[used++]);
            break;
        case FL_REPLY_DONE:
        case FL_REPLY_BROKEN:
            return used;
        }
    }
    return used;
}

bool fl_bench_reply_eof(struct fl_bench_reply *reply)
{
    if (reply->state == FL_REPLY_UNTIL_EOF) {
        reply->state = FL_REPLY_DONE;
    }
    reply->close = true;
    return reply->state == FL_REPLY_DONE;
}

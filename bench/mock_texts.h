/* SPDX-License-Identifier: Apache-2.0 */
/* What the mock upstream says: made once at start, then only copied. */
#ifndef FL_BENCH_MOCK_TEXTS_H
#define FL_BENCH_MOCK_TEXTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FL_MOCK_NUMBER_DIGITS = 7, FL_MOCK_TIME_DIGITS = 20, FL_MOCK_EVENT_MAX = 1024 };

struct fl_mock_text {
    char bytes[2048];
    size_t size;
};

enum fl_mock_form { FL_MOCK_CHAT, FL_MOCK_MESSAGES /* Anthropic's */, FL_MOCK_FORMS };

struct fl_mock_stream {
    struct fl_mock_text head;  /* of the reply, and what comes before the first content */
    struct fl_mock_text event; /* one content event as a chunk: the same text in each form */
    size_t number_at, time_at; /* in `event`: digits to fill in */
    struct fl_mock_text end;   /* finish, usage, the terminal event and the last chunk */
};

struct fl_mock_texts {
    struct fl_mock_text completion; /* a whole reply */
    struct fl_mock_text models;     /* a whole reply */
    struct fl_mock_stream streams[FL_MOCK_FORMS];
};

/* False when a text does not fit, which only an edit of the texts can cause. */
bool fl_mock_texts_make(struct fl_mock_texts *texts);

/* A 200 reply with this JSON body. */
bool fl_mock_text_reply(struct fl_mock_text *text, const char *body);

/* Writes the content event with this number, written at `now_ns`; returns its size, at most
 * FL_MOCK_EVENT_MAX. */
size_t fl_mock_texts_event(const struct fl_mock_stream *stream, char *to, uint32_t number,
                           uint64_t now_ns);

#endif

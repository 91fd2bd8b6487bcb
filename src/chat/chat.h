/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one canonical exchange: what a chat request says, independent of the dialect it was written
 * in. A wire form (dialect/wire.h) reads a client's body into it, another writes a provider's body
 * from it. It is used only when the two sides speak different forms; otherwise bytes pass through.
 *
 * Vocabulary.
 *   escaped text   what stands between the quotes of a JSON string, escapes and all. Texts stay
 *                  escaped from one side to the other: nothing is decoded only to be encoded again,
 *                  and a lone surrogate escape survives. An empty one may have a NULL pointer.
 *   raw JSON       one JSON value that fl_json_scan() has accepted, as it was written.
 *   absent         a slice of length 0, a count of 0, the enum's first value, unless said otherwise.
 *
 * Ownership: everything points into the client's body or into the arena it was read with, and lives
 * as long as both. Lists are linked in the order of the request.
 */
#ifndef FL_CHAT_CHAT_H
#define FL_CHAT_CHAT_H

#include "base/arena.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

/* A place where the provider is asked to keep a prompt cache. */
enum fl_cache_hint { FL_CACHE_NONE, FL_CACHE_DEFAULT, FL_CACHE_5M, FL_CACHE_1H };

enum fl_part_kind {
    FL_PART_TEXT,        /* text */
    FL_PART_REFUSAL,     /* text: an assistant's */
    FL_PART_IMAGE,       /* media */
    FL_PART_AUDIO,       /* media */
    FL_PART_FILE,        /* media: PDF and other documents */
    FL_PART_TOOL_CALL,   /* id, name, json (an object), signature */
    FL_PART_TOOL_RESULT, /* id, name when known, content, is_error */
    FL_PART_THINKING,    /* text, signature */
    FL_PART_REDACTED,    /* text: opaque to all but its maker */
    FL_PART_NATIVE       /* only its own dialect knows it: json */
};

/* Exactly one of url, base64, file_id and (documents only) text is given. All are escaped text, but
 * base64 and url hold no escapes. */
struct fl_media {
    struct fl_slice url; /* http, https, gs, s3; never data: */
    struct fl_slice base64;
    struct fl_slice file_id; /* of the provider's own store */
    struct fl_slice text;
    struct fl_slice media_type; /* "image/png"; empty when only the url knows */
    struct fl_slice name;       /* file name or title */
    struct fl_slice detail;     /* OpenAI: "auto", "low", "high" */
};

struct fl_part {
    struct fl_part *next;
    enum fl_part_kind kind;
    enum fl_cache_hint cache;
    bool is_error;
    struct fl_slice text;      /* escaped */
    struct fl_slice id, name;  /* escaped */
    struct fl_slice signature; /* escaped: proof of the thinking before it, for its own maker */
    struct fl_slice json;      /* raw */
    struct fl_media media;
    struct fl_part *content; /* of a tool result: texts, images, files */
};

enum fl_chat_role {
    FL_CHAT_SYSTEM,
    FL_CHAT_DEVELOPER,
    FL_CHAT_USER,
    FL_CHAT_ASSISTANT,
    FL_CHAT_TOOL
};

/* Results of tools are parts of messages with the role FL_CHAT_TOOL, however the dialect nests
 * them: a user turn that holds results and text becomes a tool message, then a user message.
 * Consecutive messages of one role are as the client wrote them: the writer merges where it must. */
struct fl_message {
    struct fl_message *next;
    enum fl_chat_role role;
    struct fl_slice name; /* escaped */
    struct fl_part *parts;
};

struct fl_tool {
    struct fl_tool *next;
    struct fl_slice name, description; /* escaped */
    struct fl_slice schema;            /* raw JSON object; empty: no arguments */
    enum fl_cache_hint cache;
    bool strict, strict_given;
    bool custom; /* OpenAI's: takes text. Here it is a function with one argument, "input" */
    struct fl_slice custom_format; /* raw: how that text must look */
    struct fl_slice native; /* raw: a tool that only its own dialect knows (web search ...); then
                               nothing else is set */
};

enum fl_tool_choice {
    FL_TOOL_CHOICE_ABSENT,
    FL_TOOL_CHOICE_AUTO,
    FL_TOOL_CHOICE_NONE,
    FL_TOOL_CHOICE_REQUIRED,
    FL_TOOL_CHOICE_NAMED
};

enum fl_format { FL_FORMAT_TEXT, FL_FORMAT_JSON, FL_FORMAT_SCHEMA };

/* OpenAI's scale; a thinking budget in tokens is its own field. */
enum fl_effort {
    FL_EFFORT_ABSENT,
    FL_EFFORT_NONE,
    FL_EFFORT_MINIMAL,
    FL_EFFORT_LOW,
    FL_EFFORT_MEDIUM,
    FL_EFFORT_HIGH,
    FL_EFFORT_XHIGH,
    FL_EFFORT_MAX
};

struct fl_text_item {
    struct fl_text_item *next;
    struct fl_slice text; /* escaped */
};

/* A member of the request that has no canonical field. */
struct fl_member {
    struct fl_member *next;
    struct fl_slice key;   /* decoded */
    struct fl_slice value; /* raw */
};

struct fl_chat_request {
    struct fl_slice model; /* as the client named it, escaped */
    struct fl_message *messages;
    struct fl_tool *tools;
    enum fl_tool_choice tool_choice;
    struct fl_slice tool_choice_name; /* escaped */
    bool parallel_off;                /* at most one tool call in an answer */

    bool stream, usage_asked;
    bool store_off;          /* the answer must not be kept */
    uint64_t tokens_out_max; /* 0: absent */
    bool functions; /* a client of OpenAI that knows only the old functions: calls go back to it as
                       function_call */
    /* Numbers as the client spelled them. */
    struct fl_slice temperature, top_p, top_k, seed, presence_penalty, frequency_penalty;
    uint64_t choices; /* n; 0: absent */
    struct fl_text_item *stops;
    bool logprobs;
    uint64_t top_logprobs;
    struct fl_slice logit_bias; /* raw */

    enum fl_format format;
    struct fl_slice format_name, format_description; /* escaped */
    struct fl_slice format_schema;                   /* raw */
    bool format_strict;

    enum fl_effort effort;
    bool thinking, thinking_off; /* asked for, or forbidden, by name */
    uint64_t thinking_tokens;    /* 0: the model's choice */
    bool thinking_hidden;        /* thoughts are not to be shown */

    struct fl_slice user;         /* escaped: who the end user is */
    struct fl_slice service_tier; /* escaped */
    struct fl_slice metadata;     /* raw */
    struct fl_slice cache_key;    /* escaped */
    enum fl_cache_hint cache;     /* for the whole request */
    struct fl_member *others;
};

/* Appending keeps the order; *tail* starts as the address of the list's head:
 *     struct fl_part **tail = &message->parts; ... *tail = part; tail = &part->next; */

#endif

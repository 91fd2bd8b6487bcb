/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the vendors of the OpenAI dialect understand of a request for a chat completion, and how
 * they want it spelled (PROTOCOLS.md section 9). A row a vendor; one that has none is treated as
 * "openai_compatible", with what nearly every server takes. What a row does not have is left out and
 * named in the losses.
 */
#ifndef FL_DIALECT_QUIRKS_H
#define FL_DIALECT_QUIRKS_H

#include "base/slice.h"

#include <stdbool.h>

enum {
    FL_TAKES_DEVELOPER = 1 << 0,      /* the role; else it is called system */
    FL_TAKES_MAX_COMPLETION = 1 << 1, /* max_completion_tokens; else max_tokens */
    FL_TAKES_PARTS = 1 << 2,          /* lists of texts as a system prompt and in results */
    FL_TAKES_NAMES = 1 << 3,          /* messages[].name */
    FL_TAKES_N = 1 << 4,
    FL_TAKES_LOGPROBS = 1 << 5,
    FL_TAKES_LOGIT_BIAS = 1 << 6,
    FL_TAKES_PENALTIES = 1 << 7,
    FL_TAKES_SEED = 1 << 8,
    FL_TAKES_TOP_K = 1 << 9,
    FL_TAKES_USER = 1 << 10,
    FL_TAKES_METADATA = 1 << 11,
    FL_TAKES_TIER = 1 << 12,
    FL_TAKES_CACHE_KEY = 1 << 13,
    FL_TAKES_CACHE_MARKS = 1 << 14, /* cache_control on parts */
    FL_TAKES_PARALLEL = 1 << 15,    /* parallel_tool_calls */
    FL_TAKES_STRICT = 1 << 16,      /* of tools and schemas */
    FL_TAKES_SCHEMA = 1 << 17,      /* response_format json_schema; else json_object */
    FL_TAKES_EFFORT = 1 << 18,      /* reasoning_effort */
    FL_TAKES_OTHERS = 1 << 19,      /* OpenAI's newer members: verbosity, store ... */
    FL_TAKES_SIGNATURES = 1 << 20,  /* extra_content of tool calls */
    FL_TAKES_FILES = 1 << 21,
    FL_TAKES_AUDIO = 1 << 22,
    FL_TAKES_CHOICE = 1 << 23,   /* tool_choice */
    FL_TAKES_DOCUMENTS = 1 << 24 /* document_url */
};

/* How thinking of earlier turns goes back. */
enum fl_thinking_back {
    FL_THINKING_DROPPED,
    FL_THINKING_CONTENT, /* reasoning_content, of the turns since the user spoke */
    FL_THINKING_DETAILS, /* reasoning_details with signatures */
    FL_THINKING_PARTS    /* Mistral: content parts */
};

struct fl_quirks {
    const char *vendor;
    unsigned takes;
    enum fl_thinking_back thinking;
    bool choice_any;       /* "required" is called "any" */
    bool short_ids;        /* tool ids of exactly 9 letters and digits */
    bool reasoning_object; /* {"effort", "max_tokens"} as "reasoning" */
    bool thinking_object;  /* {"type": "enabled" | "disabled"} as "thinking" */
    bool openai_models;    /* reasoning models by name refuse sampling parameters */
    unsigned efforts;      /* which words reasoning_effort may have: 1 << enum fl_effort */
    const char *seed;      /* its name */
};

const struct fl_quirks *fl_quirks_find(struct fl_slice vendor);

#endif

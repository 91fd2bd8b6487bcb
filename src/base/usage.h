/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one answer consumed, in the classes that vendors bill.
 *
 * A total includes its parts: tokens_in counts every input token, and those read from a cache,
 * those written to one, sounds, images and films among them; tokens_out likewise. What a vendor
 * reports beside a total, its reader adds (dialect/usage.h). Tokens that belong to no part are
 * plain text. Cache and kind are two divisions of the same tokens: cached sounds count in
 * tokens_cached, in tokens_in_audio and in tokens_cached_audio. A part larger than its total is
 * read as its total.
 */
#ifndef FL_BASE_USAGE_H
#define FL_BASE_USAGE_H

#include <stdbool.h>
#include <stdint.h>

/* What a vendor sells the same tokens as. X(id, "name in files, YAML and JSON") */
#define FL_SERVICES(X)                                                                             \
    X(FL_SERVICE_STANDARD, "standard")                                                             \
    X(FL_SERVICE_BATCH, "batch")       /* answered within hours */                                 \
    X(FL_SERVICE_FLEX, "flex")         /* answered when there is room */                           \
    X(FL_SERVICE_PRIORITY, "priority") /* answered first */

enum fl_service {
#define X(id, name) id,
    FL_SERVICES(X)
#undef X
        FL_SERVICE_COUNT
};

struct fl_usage {
    bool known; /* the provider said something */
    enum fl_service service;

    uint64_t tokens_in;
    uint64_t tokens_cached;         /* read from a prompt cache */
    uint64_t tokens_cache_write;    /* written to one, for whatever time */
    uint64_t tokens_cache_write_1h; /* of these: for an hour */
    uint64_t tokens_in_audio, tokens_in_image, tokens_in_video;
    uint64_t tokens_cached_audio, tokens_cached_image, tokens_cached_video;

    uint64_t tokens_out;
    uint64_t tokens_reasoning;
    uint64_t tokens_out_audio, tokens_out_image, tokens_out_video;
    uint64_t tokens_citation;

    uint64_t requests;      /* answers billed by the piece: 1 for each */
    uint64_t searches;      /* of the web, made by the provider */
    uint64_t file_searches; /* of stored documents, made by the provider */
    uint64_t pages, pages_annotated;
    uint64_t audio_ms;
    uint64_t text_messages;
};

#endif

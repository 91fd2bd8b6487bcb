/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A simulated provider over an fl_sys, of OpenAI's dialect or, for chat, of another one: the same code answers on the virtual
 * network of sim/world.h and on real sockets. What it does is drawn from its seed; what it says,
 * from the prompt (sim/text.h). Every answer carries `x-fairlead-simulated: true`.
 *
 *   POST /v1/chat/completions, /v1/completions (JSON and SSE), /v1/embeddings (float, base64)
 *   GET  /v1/models, /v1/models/{id}                                (all also without /v1)
 *
 * It can be slow, limited, faulty, down at set times, and wrong in every way an upstream was seen
 * to be wrong (misdeeds). A client that goes away, or half-closes, cancels what is being generated
 * for it. All strings and arrays in the options belong to the caller and must outlive the provider.
 * One thread: that of its fl_sys.
 */
#ifndef FL_SIM_PROVIDER_H
#define FL_SIM_PROVIDER_H

#include "base/clock.h"
#include "base/sys.h"

enum fl_sim_dialect {
    FL_SIM_OPENAI,
    FL_SIM_ANTHROPIC, /* POST .../messages */
    FL_SIM_GEMINI,    /* POST .../models/{id}:generateContent, :streamGenerateContent */
    FL_SIM_OLLAMA,    /* POST .../api/chat */
    FL_SIM_BEDROCK    /* POST .../model/{id}/converse, /converse-stream; a key as Bearer */
};

struct fl_sim_model {
    struct fl_slice id;
    uint64_t input_picousd, output_picousd; /* a token */
    unsigned pace_permille;                 /* of the provider's delays; 0 stands for 1000 */
};

enum fl_sim_outage_kind {
    FL_SIM_UP,
    FL_SIM_REFUSE, /* does not listen; connections are reset when it begins */
    FL_SIM_ERROR,  /* every new request gets a 500 */
    FL_SIM_STALL   /* nothing is sent until it is over */
};

struct fl_sim_outage {
    enum fl_sim_outage_kind kind;
    uint64_t at_ns; /* after the provider's creation */
    uint64_t for_ns;
};

/* X(id, name): ways to be wrong. "After n" counts the tokens sent before (misdeeds.after_tokens).
 */
#define FL_SIM_MISDEEDS(X)                                                                         \
    X(GARBAGE, "garbage")           /* bytes that are no HTTP, then FIN */                         \
    X(CLOSE, "close")               /* FIN instead of an answer */                                 \
    X(RESET, "reset")               /* RST instead of an answer */                                 \
    X(SILENCE, "silence")           /* no answer, ever */                                          \
    X(ERROR_IN_200, "error_in_200") /* 200, application/json, an error object */                   \
    X(EMPTY_200, "empty_200")       /* 200, application/json, no byte of body */                   \
    X(NOT_JSON_200, "not_json_200") /* 200, application/json, text that is no JSON */              \
    X(HTML_502, "html_502")         /* a proxy's error page */                                     \
    X(REDIRECT, "redirect")         /* 307 to another host */                                      \
    X(GZIP, "gzip")                 /* content-encoding: gzip, unasked */                          \
    X(ENDLESS_HEAD, "endless_head")                                                                \
    X(ENDLESS_BODY, "endless_body")                                                                \
    X(ENDLESS_EVENT, "endless_event") /* SSE: one data line without end */                         \
    X(FLOOD_1XX, "flood_1xx")         /* interim answers without end */                            \
    X(LENGTH_BIG, "length_big")       /* Content-Length above what comes before the FIN */         \
    X(LENGTH_SMALL,                                                                                \
      "length_small")             /* more bytes than Content-Length says, on a kept connection */  \
    X(TWO_LENGTHS, "two_lengths") /* two different Content-Length */                               \
    X(BAD_CHUNK, "bad_chunk")     /* a chunk size that is none */                                  \
    X(CHUNK_CUT, "chunk_cut")     /* FIN inside a chunk, after n */                                \
    X(SSE_ERROR, "sse_error")     /* an error event after n, then a proper end of the body */      \
    X(SSE_NO_DONE,                                                                                 \
      "sse_no_done") /* proper end of the body after n, no finish_reason, no [DONE] */             \
    X(SSE_BAD_JSON, "sse_bad_json") /* one broken event after n, then the stream goes on */        \
    X(SSE_RESET, "sse_reset")       /* RST after n */                                              \
    X(SSE_STALL, "sse_stall")       /* nothing more after n, the connection stays */               \
    X(CLOSE_IDLE,                                                                                  \
      "close_idle") /* a right answer, then FIN although the connection was to be kept */          \
    X(TRUNCATED_JSON, "truncated_json") /* 200, half of a JSON body, as long as it says */         \
    X(GZIP_BOMB, "gzip_bomb")           /* 100 KB of gzip that inflate to 16 MB, unasked */        \
    X(HALF_CLOSE,                                                                                  \
      "half_close")             /* FIN after n, or instead of a plain answer; still reads */       \
    X(SSE_LATE, "sse_late")     /* one more piece of text behind [DONE] */                         \
    X(WRONG_USAGE, "bad_usage") /* a right answer with nonsense for usage */                       \
    X(BYTE_FIN, "byte_fin")     /* FIN after misdeeds.after_bytes of the answer, head included */  \
    X(BYTE_RESET, "byte_reset") /* RST there */                                                    \
    X(BYTE_STALL, "byte_stall") /* nothing more from there on; the connection stays */

enum fl_sim_misdeed {
#define X(id, name) FL_SIM_##id,
    FL_SIM_MISDEEDS(X)
#undef X
        FL_SIM_MISDEED_COUNT,
    FL_SIM_GOOD = FL_SIM_MISDEED_COUNT
};
#define FL_SIM_MISDEED_BIT(id) (UINT64_C(1) << (id))
#define FL_SIM_MISDEED_ALL     (FL_SIM_MISDEED_BIT(FL_SIM_MISDEED_COUNT) - 1)

/* One of the set bits, at random, for so many of a thousand requests to chat, completions,
 * embeddings. A misdeed that makes no sense for the answer (SSE_* without a stream) is not done; nor
 * one that is made of words of OpenAI's dialect by a provider of another. */
struct fl_sim_misdeeds {
    uint64_t bits;
    unsigned permille;
    unsigned after_tokens;
    uint64_t after_bytes; /* of BYTE_* */
};

/* So many of a thousand requests are answered with an error of this status and nothing else. */
struct fl_sim_refusals {
    int status; /* 400 to 599 */
    unsigned permille;
    uint64_t retry_after_ns; /* said in retry-after and retry-after-ms; 0: not said */
};

struct fl_simprovider_options {
    struct fl_slice name;
    const struct fl_sim_model *models;
    unsigned model_count;
    enum fl_sim_dialect dialect;
    struct fl_slice key; /* what "Authorization: Bearer", x-api-key or x-goog-api-key must say; empty:
                            anything */
    uint64_t seed;
    uint64_t ttft_median_ns; /* log-normal */
    unsigned ttft_sigma_permille;
    uint64_t token_ns; /* between tokens, mean; 0: all at once */
    unsigned token_jitter_permille;
    uint64_t answer_tokens;                    /* at least so many; 0: as the task wants */
    unsigned error_permille;                   /* 500 or 503 instead of an answer */
    unsigned requests_per_min, tokens_per_min; /* 0: no limit */
    bool limits_by_key;                        /* each Authorization has its own, up to eight */
    unsigned straggle_permille; /* of requests that take ten times as long to their first token */
    const struct fl_sim_outage *outages;
    unsigned outage_count;
    struct fl_sim_misdeeds misdeeds;
    /* Requests worked on at a time; others wait their turn, first come, first served. 0: no limit.
     */
    unsigned slots;
    uint64_t text_seed; /* what it says is drawn from this; 0: from *seed* */
    bool goes_on; /* a chat whose last message is the beginning of its answer gets the rest of it */
    bool deaf; /* goes on working for clients that went away: its slots stay taken */
};

struct fl_simprovider_stats {
    uint64_t connections, connections_open;
    uint64_t requests;  /* whole ones, well-formed as HTTP */
    uint64_t answered;  /* 2xx answers whose last byte was handed to the stream */
    uint64_t refused;   /* 4xx but for rate limits */
    uint64_t limited;   /* 429 */
    uint64_t failed;    /* 5xx */
    uint64_t misdone;   /* misdeeds */
    uint64_t cancelled; /* the client went away before the end */
    uint64_t bad_http;  /* connections that did not speak HTTP */
    uint64_t in_flight;
    uint64_t waiting; /* of these, for a slot; the deserted ones of a deaf provider included */
    uint64_t prompt_tokens,
        completion_tokens; /* of 2xx answers, the cancelled ones as far as they came */
    uint64_t cost_picousd; /* of these tokens */
};

struct fl_simprovider;

/* Listens at *addr* (port 0: any). */
enum fl_err fl_simprovider_create(struct fl_sys *sys, const struct fl_addr *addr,
                                  const struct fl_simprovider_options *options,
                                  struct fl_simprovider **ret_provider) FL_CHECK_RESULT;
/* Closes everything. NULL is fine. */
void fl_simprovider_destroy(struct fl_simprovider *p);
struct fl_addr fl_simprovider_addr(const struct fl_simprovider *p);
const struct fl_simprovider_stats *fl_simprovider_stats(const struct fl_simprovider *p);
/* From now on, for new requests. */
void fl_simprovider_misbehave(struct fl_simprovider *p, struct fl_sim_misdeeds misdeeds);
void fl_simprovider_refuse(struct fl_simprovider *p, struct fl_sim_refusals refusals);
/* From now on, for new requests and tokens: delays of so many thousandths of what is drawn. */
void fl_simprovider_pace(struct fl_simprovider *p, unsigned permille);
/* An outage from now on, besides those planned; a new one replaces it, FL_SIM_UP ends it. */
void fl_simprovider_outage(struct fl_simprovider *p, enum fl_sim_outage_kind kind, uint64_t for_ns);
enum fl_sim_outage_kind fl_simprovider_state(const struct fl_simprovider *p);
const char *fl_sim_misdeed_name(enum fl_sim_misdeed misdeed);

/* Sees every whole request as it came: head and decoded body. Spans are valid during the call. */
typedef void fl_simprovider_watch_fn(void *owner, struct fl_slice head, struct fl_slice body);
void fl_simprovider_watch(struct fl_simprovider *p, fl_simprovider_watch_fn *watch, void *owner);

/* What a provider with these options answers to *prompt* (the text of the last user message, or of
 * a completion's prompt), cut to *max_tokens* (0: whole). */
void fl_simprovider_text(const struct fl_simprovider_options *options, struct fl_slice model,
                         struct fl_slice prompt, uint64_t max_tokens, struct fl_buf *b);

#endif

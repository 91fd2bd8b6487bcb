/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared by the wire forms of Anthropic's models: messages, the same inside Bedrock's invoke and
 * Vertex' rawPredict; and, where Bedrock's converse means the same, by that one.
 */
#ifndef FL_DIALECT_ANTHROPIC_WIRE_H
#define FL_DIALECT_ANTHROPIC_WIRE_H

#include "dialect/anthropic.h"
#include "dialect/put.h"

/* --- A client's side --- */

enum fl_err fl_anthropic_read(struct fl_slice body, struct fl_arena *arena,
                              struct fl_chat_request *ret_request, struct fl_reterr *reterr);
enum fl_cache_hint fl_anthropic_cache_hint(struct fl_json control);
void fl_anthropic_put_event(struct fl_encoder *e, const struct fl_chat_event *event,
                            struct fl_buf *out);
void fl_anthropic_put_answer(struct fl_encoder *e, const struct fl_chat_answer *answer,
                             struct fl_buf *out);

/* --- What a model takes --- */

struct fl_claude {
    unsigned version; /* 35 for 3.5, 40 for 4, 45 for 4.5; 0: not a Claude, or of unknown age */
    bool opus;
};
struct fl_claude fl_claude_of(struct fl_slice model);
bool fl_claude_has_sampling(struct fl_claude c); /* temperature, top_p, top_k may be set */
bool fl_claude_has_one_of(struct fl_claude c);   /* temperature or top_p, not both */
bool fl_claude_has_thinking(struct fl_claude c); /* with a budget in tokens */
bool fl_claude_has_adaptive(struct fl_claude c); /* thinking without a budget */
bool fl_claude_has_budget(struct fl_claude c);
bool fl_claude_has_prefill(struct fl_claude c); /* the answer's beginning may be given */
bool fl_claude_has_effort(struct fl_claude c);
bool fl_claude_has_schema(struct fl_claude c);     /* output_config.format */
uint64_t fl_claude_tokens_out(struct fl_claude c); /* where nothing better is known */

/* How much to think, of the efforts and budgets that a request may give. */
struct fl_thought {
    bool enabled;        /* thinking with *tokens* */
    bool adaptive;       /* thinking without */
    bool disabled;       /* told not to */
    uint64_t tokens;     /* budget: below tokens_out */
    const char *effort;  /* or NULL */
    uint64_t tokens_out; /* the limit of the answer, raised where the budget needs it */
};
/* *forced*: the choice of a tool is forced, which forbids thinking. */
struct fl_thought fl_claude_thought(struct fl_claude c, const struct fl_chat_request *q,
                                    uint64_t tokens_out_default, bool forced,
                                    struct fl_losses *losses);

/* --- Writing for a provider --- */

enum fl_anthropic_host { FL_ANTHROPIC_DIRECT, FL_ANTHROPIC_BEDROCK, FL_ANTHROPIC_VERTEX };

enum fl_err fl_anthropic_write(enum fl_anthropic_host host, const struct fl_chat_request *request,
                               const struct fl_write_options *options, struct fl_buf *out,
                               struct fl_losses *losses, struct fl_reterr *reterr);

/* The tool by which a schema is imposed on models that know no other way: what it is called with
 * is the answer. */
#define FL_ANSWER_TOOL "fairlead_answer"

/* What a provider will not take of a schema. */
struct fl_schema_facts {
    bool object; /* says "type": "object" at the top */
    bool open;   /* some object in it allows properties that are not named, and says so */
};
struct fl_schema_facts fl_schema_facts(struct fl_slice schema);
/* The schema, each object closed: "additionalProperties": false where it says nothing. */
void fl_put_closed_schema(struct fl_buf *b, struct fl_slice schema);
/* A tool's schema: an object's, whatever the client left out. */
void fl_put_tool_schema(struct fl_buf *b, struct fl_slice schema);
/* The id of a tool call as [a-zA-Z0-9_-]{1,64}: others are replaced by one made from them, the
 * same each time. */
void fl_put_tool_id(struct fl_buf *b, const char *key, struct fl_slice escaped_id);
/* Nothing but white space. */
bool fl_text_is_blank(struct fl_slice escaped);
/* Without white space at the end. */
struct fl_slice fl_text_trim_end(struct fl_slice escaped);
/* "image/png" for base64 that begins like one; *media_type* when given; empty: not known. */
struct fl_slice fl_media_type_of(const struct fl_media *media);
/* What no provider of Claude has: told as lost where it was given. False: n > 1, which is fatal. */
bool fl_claude_losses(const struct fl_chat_request *q, struct fl_losses *losses);
bool fl_is_system(const struct fl_message *m);
bool fl_of_model(const struct fl_message *m);
/* Is a block of Anthropic's own servers, from a client that speaks to them. */
bool fl_is_claudes(const struct fl_part *native);
/* Does it say something? Empty texts and thoughts without proof are left out,
 * and blocks that only another dialect knows. *natives*: Anthropic's own count. */
bool fl_is_spoken(const struct fl_message *m, bool natives);
/* *m* or the next message that does. */
const struct fl_message *fl_next_spoken(const struct fl_message *m, bool natives);
/* What follows the leading system messages. Those that stand further back are told as
 * approximated. */
const struct fl_message *fl_behind_system(const struct fl_chat_request *q,
                                          struct fl_losses *losses);
/* How an answer in JSON is got. */
enum fl_format_way {
    FL_WAY_NONE,
    FL_WAY_NATIVE, /* the provider's own */
    FL_WAY_TOOL,   /* a tool whose input is the answer */
    FL_WAY_ORDER   /* words in the system text */
};
enum fl_format_way fl_format_way(const struct fl_chat_request *q, bool native,
                                 struct fl_losses *losses);
/* How far a request may set how the model draws its words. What may not be is told. */
struct fl_sampling {
    struct fl_slice temperature, top_p, top_k;
};
struct fl_sampling fl_claude_sampling(struct fl_claude c, const struct fl_chat_request *q,
                                      bool thinks, struct fl_losses *losses);
/* The texts that end an answer, as the member *key*; those of nothing but white space are not taken. */
void fl_claude_put_stops(struct fl_buf *b, const char *key, const struct fl_text_item *stops,
                         struct fl_losses *losses);
/* What a model is told when it must answer in JSON and knows no format. */
void fl_put_format_order(struct fl_buf *b, const struct fl_chat_request *q);

/* --- Reading from a provider --- */

/* Calls of a stream, in d->call_map by the index of their block. */
enum { FL_CALL_IS_ANSWER = FL_CALLS_MAX /* the call of the tool whose input is the answer's text */ };
/* Where the call of a block is kept, or call_count. */
unsigned fl_claude_call_of(const struct fl_decoder *d, uint64_t index);
void fl_claude_arguments(struct fl_decoder *d, unsigned at, struct fl_slice text,
                         const struct fl_chat_sink *sink);
/* Its block is over: a call without arguments gets {}; all of them. */
void fl_claude_stop_call(struct fl_decoder *d, unsigned at, const struct fl_chat_sink *sink);
void fl_claude_stop_calls(struct fl_decoder *d, const struct fl_chat_sink *sink);
enum fl_finish fl_anthropic_finish(struct fl_json stop_reason);
enum fl_err fl_anthropic_take_answer(struct fl_decoder *d, struct fl_slice body,
                                     const struct fl_chat_sink *sink);
enum fl_err fl_anthropic_take_event(struct fl_decoder *d, struct fl_slice name,
                                    struct fl_slice data, const struct fl_chat_sink *sink);
/* A frame of Bedrock's invoke. */
enum fl_err fl_anthropic_take_chunk(struct fl_decoder *d, const struct fl_frame *frame,
                                    const struct fl_chat_sink *sink);
enum fl_err fl_anthropic_take_end(struct fl_decoder *d, const struct fl_chat_sink *sink);
#endif

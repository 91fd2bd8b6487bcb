/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of OpenAI's two wire forms only: chat completions and responses. */
#ifndef FL_DIALECT_OPENAI_WIRE_H
#define FL_DIALECT_OPENAI_WIRE_H

#include "dialect/put.h"
#include "dialect/quirks.h"
#include "dialect/usage.h"
#include "dialect/wire.h"

/* Ids that this gateway makes say so in front (fl_openai_made_id()). Those of reasoning items also tell whose
 * thinking it is: another maker's, or such that is opaque. */
#define FL_RESP_ID     "resp_fl_"
#define FL_MSG_ID      "msg_fl_"
#define FL_CALL_ID     "fc_fl_"
#define FL_CUSTOM_ID   "ctc_fl_"
#define FL_RS_THINKING "rs_fl_"
#define FL_RS_REDACTED "rs_flr_"

/* --- openai_answer.c: what both forms' answers share --- */

/* The error object (or string) of a provider as an ERROR event; *whole* is the object around it,
 * which some vendors use instead. */
void fl_openai_emit_error(const struct fl_chat_sink *sink, struct fl_json error,
                          struct fl_json whole);
/* OpenAI's "type" for a status. */
const char *fl_openai_error_type(int status);
/* OpenAI's "code" for an error of ours. */
const char *fl_openai_error_code(enum fl_err err);
/* {"message":...,"type":...,"param":null,"code":...} of an ERROR event or of an answer's. */
void fl_openai_put_error_object(struct fl_buf *b, enum fl_err err, struct fl_slice message,
                                struct fl_slice name);
void fl_openai_put_chat_usage(struct fl_buf *b, const struct fl_usage *usage);
void fl_openai_put_responses_usage(struct fl_buf *b, const struct fl_usage *usage);
/* The id of a call: the provider's, or one made of the answer's. */
void fl_openai_put_call_id(struct fl_buf *b, const struct fl_encoder *e, struct fl_slice id,
                           unsigned choice, unsigned call);

/* --- openai_read.c: what both forms' requests share --- */

/* The body's members by *keys* (at most FL_OPENAI_KEYS_MAX) into *ret_values*, all of it into *ret_whole*; and an empty
 * request with its model's name. Refused in words for the client. */
enum { FL_OPENAI_KEYS_MAX = 48 };
enum fl_err fl_openai_open(struct fl_slice body, const struct fl_slice *keys, unsigned count,
                           struct fl_json *ret_values, struct fl_json *ret_whole,
                           struct fl_chat_request *ret_request, struct fl_reterr *reterr);
/* A text that is one of the scale's words. */
bool fl_openai_get_effort(struct fl_json value, enum fl_effort *ret_effort);
/* "none", "minimal" ...; NULL when absent. */
const char *fl_openai_effort_word(enum fl_effort effort);
enum fl_cache_hint fl_openai_get_cache(struct fl_json cache_control);
/* {"name", "description", "parameters", "strict"} */
void fl_openai_get_function(struct fl_json function, struct fl_tool *tool);
/* {"name", "description", "format"}: a tool that takes text, as a function of one argument. */
void fl_openai_get_custom(struct fl_json custom, struct fl_tool *tool);
/* That argument: {"input": "..."}. */
struct fl_slice fl_openai_input_object(struct fl_json input, struct fl_arena *arena);
/* {"name", "description", "schema", "strict"} */
void fl_openai_get_schema(struct fl_json object, struct fl_chat_request *r);
/* Base64 with "wav", "mp3" ... */
void fl_openai_get_audio(struct fl_json audio, struct fl_part *part);
/* file_data, which may be a data: URL, file_id, filename, file_url. */
bool fl_openai_get_file(struct fl_json file, struct fl_arena *arena, struct fl_part *part);
/* A number or null, into *ret*; else why not, in words for the client. */
enum fl_err fl_openai_get_number(struct fl_json value, const char *refusal, struct fl_slice *ret,
                                 struct fl_reterr *reterr);
/* The call with this id among the first parts of a list, or NULL. */
enum { FL_OPENAI_SEARCH_MAX = 1024 };
const struct fl_part *fl_openai_find_call(const struct fl_part *parts, struct fl_slice id);

/* --- openai_write.c: what both forms' requests to providers share --- */

/* {"name","description","parameters","strict"} without its braces. */
void fl_openai_put_function(struct fl_buf *b, const struct fl_tool *tool, const struct fl_quirks *q,
                            struct fl_losses *losses);
/* What the provider can be told of reasoning; names what it cannot. */
enum fl_effort fl_openai_effort(const struct fl_chat_request *r, const struct fl_quirks *q,
                                struct fl_slice model, struct fl_losses *losses);
/* Is it one of OpenAI's reasoning models, which refuse sampling parameters? */
bool fl_openai_reasons(const struct fl_quirks *q, struct fl_slice model);
/* Writes the members of others whose names are among *known*; the rest is named. */
void fl_openai_put_others(struct fl_buf *b, const struct fl_member *others,
                          const struct fl_slice *known, unsigned count, struct fl_losses *losses);
/* A member of others by name, or NULL. */
const struct fl_member *fl_openai_other(const struct fl_chat_request *r, const char *name);
/* The id under which this vendor takes a call. */
void fl_openai_put_tool_id(struct fl_buf *b, const char *key, struct fl_slice id,
                           const struct fl_quirks *q);
/* Is it a custom tool of OpenAI's, whose calls carry text instead of arguments? */
bool fl_openai_is_custom(const struct fl_chat_request *r, struct fl_slice name);
/* Sampling: temperature, top_p. Reasoning models of OpenAI refuse what is not 1. */
void fl_openai_put_sampling(struct fl_buf *b, const struct fl_chat_request *r,
                            const struct fl_quirks *q, struct fl_slice model,
                            struct fl_losses *losses);
/* A number that the vendor knows, or a loss. */
void fl_openai_put_number_or_lose(struct fl_buf *b, const char *key, struct fl_slice number,
                                  bool taken, struct fl_losses *losses);
/* Why a request cannot be sent, when the losses are fatal. */
enum fl_err fl_openai_written(const struct fl_losses *losses, struct fl_reterr *reterr);
/* "wav", "mp3" of a media type; NULL for what OpenAI does not take. */
const char *fl_openai_audio_format(struct fl_slice media_type);

/* --- The sides --- */

/* d->block_kind: some servers answer in the other form than they were asked in; what the first frame
 * is in holds for all. */
enum { FL_OPENAI_READS_ANY, FL_OPENAI_READS_RESPONSES, FL_OPENAI_READS_CHUNKS };

/* *list*: the member "messages". */
enum fl_err fl_openai_chat_read_messages(struct fl_json list, struct fl_arena *arena,
                                         struct fl_chat_request *r, struct fl_reterr *reterr);
enum fl_err fl_openai_chat_read(struct fl_slice body, struct fl_arena *arena,
                                struct fl_chat_request *ret_request, struct fl_reterr *reterr);
void fl_openai_chat_put_event(struct fl_encoder *e, const struct fl_chat_event *event,
                              struct fl_buf *out);
void fl_openai_chat_put_answer(struct fl_encoder *e, const struct fl_chat_answer *answer,
                               struct fl_buf *out);
enum fl_err fl_openai_chat_write(const struct fl_chat_request *request,
                                 const struct fl_write_options *options, struct fl_buf *out,
                                 struct fl_losses *losses, struct fl_reterr *reterr);
enum fl_err fl_openai_chat_take_answer(struct fl_decoder *d, struct fl_slice body,
                                       const struct fl_chat_sink *sink);
enum fl_err fl_openai_chat_take_frame(struct fl_decoder *d, const struct fl_frame *frame,
                                      const struct fl_chat_sink *sink);
enum fl_err fl_openai_chat_take_end(struct fl_decoder *d, const struct fl_chat_sink *sink);

enum fl_err fl_openai_responses_read(struct fl_slice body, struct fl_arena *arena,
                                     struct fl_chat_request *ret_request, struct fl_reterr *reterr);
void fl_openai_responses_put_event(struct fl_encoder *e, const struct fl_chat_event *event,
                                   struct fl_buf *out);
void fl_openai_responses_put_answer(struct fl_encoder *e, const struct fl_chat_answer *answer,
                                    struct fl_buf *out);
enum fl_err fl_openai_responses_write(const struct fl_chat_request *request,
                                      const struct fl_write_options *options, struct fl_buf *out,
                                      struct fl_losses *losses, struct fl_reterr *reterr);
enum fl_err fl_openai_responses_take_answer(struct fl_decoder *d, struct fl_slice body,
                                            const struct fl_chat_sink *sink);
enum fl_err fl_openai_responses_take_frame(struct fl_decoder *d, const struct fl_frame *frame,
                                           const struct fl_chat_sink *sink);
enum fl_err fl_openai_responses_take_end(struct fl_decoder *d, const struct fl_chat_sink *sink);

#endif

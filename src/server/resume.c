/* SPDX-License-Identifier: Apache-2.0 */
#include "server/resume.h"

#include <stdlib.h>

enum { stamp_bytes_max = 4096, out_bytes_max = 16 * 1024 * 1024 };

struct fl_resume *fl_resume_create(const struct fl_facts *facts, size_t bytes_max, size_t body_max)
{
    struct fl_resume *r = calloc(1, sizeof(*r));
    if (!r) {
        return NULL;
    }
    r->facts = *facts;
    fl_buf_init(&r->said, bytes_max);
    fl_buf_init(&r->call, bytes_max);
    fl_buf_init(&r->body, body_max + 8 * bytes_max);
    fl_buf_init(&r->out, out_bytes_max);
    fl_buf_init(&r->stamps, stamp_bytes_max);
    return r;
}

void fl_resume_destroy(struct fl_resume *r)
{
    if (r) {
        fl_buf_finish(&r->said);
        fl_buf_finish(&r->call);
        fl_buf_finish(&r->body);
        fl_buf_finish(&r->out);
        fl_buf_finish(&r->stamps);
        free(r);
    }
}

void fl_resume_reset(struct fl_resume *r)
{
    fl_buf_reset(&r->said);
    fl_buf_reset(&r->call);
    fl_buf_reset(&r->stamps);
    r->stamp = (struct fl_openai_stamp){{NULL, 0}, {NULL, 0}, {NULL, 0}};
    r->tokens = r->call_index = 0;
    r->calls = 0;
    r->stamped = r->finished = r->lost = r->thought = r->calls_bad = false;
}

/* --- what was said --- */

static void keep_stamp(struct fl_resume *r, const struct fl_openai_delta *d)
{
    const struct fl_json *values[] = {&d->id, &d->created, &d->model};
    struct fl_slice *stamps[] = {&r->stamp.id, &r->stamp.created, &r->stamp.model};
    size_t at[4] = {0, 0, 0, 0};
    if (r->stamped || d->id.type == FL_JSON_NONE) {
        return;
    }
    for (unsigned i = 0; i < 3; i++) {
        fl_buf_put(&r->stamps, values[i]->type != FL_JSON_NONE ? values[i]->span : FL_EMPTY);
        at[i + 1] = r->stamps.len;
    }
    r->stamped = fl_buf_ok(&r->stamps);
    for (unsigned i = 0; i < 3 && r->stamped; i++) {
        *stamps[i] = fl_slice(r->stamps.ptr + at[i], at[i + 1] - at[i]);
    }
}

static void put_decoded(struct fl_json text, struct fl_buf *b)
{
    char piece[256];
    struct fl_slice part;
    struct fl_json_pieces p = fl_json_pieces(text);
    while (text.type == FL_JSON_STRING && fl_json_pieces_next(&p, piece, sizeof(piece), &part)) {
        fl_buf_put(b, part);
    }
}

static bool is_whole(const struct fl_buf *json)
{
    struct fl_json whole;
    return fl_buf_ok(json) && fl_json_scan(fl_buf_slice(json), FL_JSON_LIMITS, NULL, 0, &whole, NULL) == FL_OK;
}

static void keep_calls(struct fl_resume *r, struct fl_json calls)
{
    struct fl_json_iter it = fl_json_iter(calls);
    struct fl_json call;
    while (calls.type == FL_JSON_ARRAY && fl_json_next(&it, NULL, &call)) {
        uint64_t index = 0;
        (void)fl_json_u64(fl_json_get(call, FL_LIT("index")), &index);
        if (r->calls == 0 || index != r->call_index) {
            r->calls_bad = r->calls_bad || (r->calls > 0 && !is_whole(&r->call));
            fl_buf_reset(&r->call);
            r->calls++;
            r->call_index = index;
        }
        put_decoded(fl_json_get(fl_json_get(call, FL_LIT("function")), FL_LIT("arguments")), &r->call);
    }
}

void fl_resume_note(struct fl_resume *r, const struct fl_sse_event *event)
{
    struct fl_openai_delta d;
    if (!fl_openai_read_delta(event->data, &d)) {
        return;
    }
    keep_stamp(r, &d);
    put_decoded(d.content, &r->said);
    r->tokens += d.content.type != FL_JSON_NONE;
    keep_calls(r, d.calls);
    r->thought = r->thought || d.reasoning;
    r->finished = r->finished || d.finish_reason.type != FL_JSON_NONE;
    r->lost = r->lost || d.strange || !fl_buf_ok(&r->said);
}

enum fl_resumable fl_resume_judge(const struct fl_resume *r)
{
    if (r->finished) {
        return FL_RESUME_FINISHED;
    }
    if (r->lost || (r->calls == 0 && r->said.len == 0)) {
        return FL_RESUME_NEVER;
    }
    if (r->calls > 0) {
        return !r->calls_bad && is_whole(&r->call) ? FL_RESUME_CALLS : FL_RESUME_NEVER;
    }
    return FL_RESUME_TEXT;
}

/* --- going on --- */

enum fl_err fl_resume_ask(struct fl_resume *r, const struct fl_dialect *dialect, struct fl_facts *io_facts)
{
    char memory[1024];
    struct fl_buf scratch;
    struct fl_facts facts;
    struct fl_reterr reterr;
    uint64_t by_length = r->said.len / 6; /* some send many tokens in a piece */
    fl_buf_init_in(&scratch, memory, sizeof(memory));
    fl_buf_reset(&r->body);
    enum fl_err err = fl_openai_resume_body(r->facts.body, fl_buf_slice(&r->said),
                                            r->tokens > by_length ? r->tokens : by_length, &r->body);
    err = err ? err : dialect->read_request(r->facts.endpoint, fl_buf_slice(&r->body), &scratch, &facts, &reterr);
    if (err) {
        return err;
    }
    facts.model = io_facts->model; /* outlives the scratch */
    *io_facts = facts;
    fl_seam_start(&r->seam, fl_buf_slice(&r->said), true);
    r->seams++;
    return FL_OK;
}

static void say(struct fl_resume *r, struct fl_slice text)
{
    if (text.len > 0) {
        fl_buf_put(&r->said, text);
        r->lost = r->lost || !fl_buf_ok(&r->said);
    }
}

void fl_resume_end(struct fl_resume *r)
{
    char memory[FL_SEAM_TAIL];
    struct fl_buf rest;
    fl_buf_init_in(&rest, memory, sizeof(memory));
    fl_seam_end(&r->seam, &rest);
    if (rest.len > 0) {
        say(r, fl_buf_slice(&rest));
        fl_openai_put_chunk(&r->out, &r->stamp, fl_buf_slice(&rest), NULL);
    }
}

void fl_resume_take(struct fl_resume *r, const struct fl_sse_event *event)
{
    struct fl_openai_delta d;
    struct fl_buf text, fresh;
    if (!fl_openai_read_delta(event->data, &d)) {
        return; /* a garbled event is left out */
    }
    fl_buf_init(&text, out_bytes_max);
    fl_buf_init(&fresh, out_bytes_max);
    put_decoded(d.content, &text);
    fl_seam_feed(&r->seam, fl_buf_slice(&text), &fresh);
    bool more = d.calls.type != FL_JSON_NONE || d.finish_reason.type != FL_JSON_NONE;
    if (more) {
        fl_seam_end(&r->seam, &fresh);
    }
    say(r, fl_buf_slice(&fresh));
    r->tokens += fresh.len > 0;
    if (fresh.len > 0 && d.content.type == FL_JSON_NONE) {
        fl_openai_put_chunk(&r->out, &r->stamp, fl_buf_slice(&fresh), NULL);
    }
    bool usage = d.content.type == FL_JSON_NONE && !more && !d.reasoning && !d.strange;
    if (more || d.strange || (fresh.len > 0 && d.content.type != FL_JSON_NONE)) {
        fl_openai_put_restamped(&r->out, event->data, &r->stamp, fl_buf_slice(&fresh));
    } else if (usage && r->seam.settled) { /* nothing but numbers; before the text's end it is a preamble */
        fl_openai_put_restamped(&r->out, event->data, &r->stamp, FL_EMPTY);
    }
    keep_calls(r, d.calls);
    r->finished = r->finished || d.finish_reason.type != FL_JSON_NONE;
    r->lost = r->lost || d.strange || !fl_buf_ok(&r->out) || !fl_buf_ok(&text) || !fl_buf_ok(&fresh);
    fl_buf_finish(&text);
    fl_buf_finish(&fresh);
}

void fl_resume_put_end(struct fl_resume *r, enum fl_resumable how)
{
    if (how == FL_RESUME_CALLS) {
        fl_openai_put_chunk(&r->out, &r->stamp, FL_EMPTY, "tool_calls");
    }
    fl_buf_put_cstr(&r->out, "data: [DONE]\n\n");
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "server/feedback.h"

#include "server/internal.h"

/* --- Reading --- */

static enum fl_err wrong(struct fl_reterr *reterr, const char **ret_param, const char *param, const char *message)
{
    *ret_param = param;
    size_t len = strlen(message) < sizeof(reterr->message) ? strlen(message) : sizeof(reterr->message) - 1;
    *reterr = (struct fl_reterr){.err = FL_ERR_REQUEST};
    memcpy(reterr->message, message, len);
    return FL_ERR_REQUEST;
}

static bool read_id(struct fl_json value, uint64_t *ret_id)
{
    char memory[32];
    struct fl_buf scratch;
    struct fl_slice text;
    fl_buf_init_in(&scratch, memory, sizeof(memory));
    return value.type == FL_JSON_STRING && fl_json_text(value, &scratch, &text) &&
           fl_decision_id_parse(text, ret_id);
}

static bool read_score(struct fl_json value, double *ret_score)
{
    const uint64_t one = 1000000000;
    uint64_t e9 = 0;
    if (value.type == FL_JSON_TRUE || value.type == FL_JSON_FALSE) {
        *ret_score = value.type == FL_JSON_TRUE;
        return true;
    }
    if (value.type != FL_JSON_NUMBER || !fl_slice_decimal_e9(value.span, &e9) || e9 > one) {
        return false;
    }
    *ret_score = (double)e9 / (double)one;
    return true;
}

enum fl_err fl_feedback_parse(struct fl_slice body, struct fl_feedback_body *ret, struct fl_reterr *reterr,
                              const char **ret_param)
{
    enum { ID, SCORE, COUNT };
    struct fl_json_watch w[COUNT] = {[ID] = {.key = FL_LIT("decision_id")}, [SCORE] = {.key = FL_LIT("score")}};
    struct fl_feedback_body read;
    struct fl_json whole;
    *ret_param = NULL;
    enum fl_err err = fl_json_scan(body, FL_JSON_LIMITS, w, COUNT, &whole, reterr);
    if (err) {
        return err;
    }
    if (whole.type != FL_JSON_OBJECT) {
        return wrong(reterr, ret_param, NULL, "The body must be a JSON object with 'decision_id' and 'score'.");
    }
    if (!read_id(w[ID].value, &read.decision_id)) {
        return wrong(reterr, ret_param, "decision_id",
                     "'decision_id' must be the 16 hexadecimal digits of the answer's header x-fairlead-decision.");
    }
    if (!read_score(w[SCORE].value, &read.score)) {
        return wrong(reterr, ret_param, "score", "'score' must be a number from 0 to 1, such as 0.8, or true or false.");
    }
    *ret = read;
    return FL_OK;
}

/* --- What answers tell --- */

static void read_choice(struct fl_json choice, bool limit_asked, bool schema_asked, struct fl_signals *s)
{
    enum { beginning = 256, content_bytes_max = 256 * 1024 };
    struct fl_json message = fl_json_get(choice, FL_LIT("message"));
    struct fl_json content = fl_json_get(message, FL_LIT("content"));
    struct fl_json finish = fl_json_get(choice, FL_LIT("finish_reason"));
    char text[beginning];
    struct fl_slice piece = FL_EMPTY;
    s->truncated = !limit_asked && finish.type == FL_JSON_STRING && fl_json_spells(finish.span, FL_LIT("length"));
    s->refused = fl_json_get(message, FL_LIT("refusal")).type == FL_JSON_STRING;
    if (content.type != FL_JSON_STRING) {
        return;
    }
    struct fl_json_pieces pieces = fl_json_pieces(content);
    if (fl_json_pieces_next(&pieces, text, sizeof(text), &piece)) {
        s->refused = s->refused || fl_reward_refusal(fl_slice_first(piece, beginning));
    }
    if (schema_asked && !s->refused) {
        struct fl_buf decoded;
        struct fl_slice json;
        struct fl_json value;
        fl_buf_init(&decoded, content_bytes_max);
        if (fl_json_text(content, &decoded, &json)) {
            bool valid = fl_json_scan(fl_slice_trim(json), FL_JSON_LIMITS, NULL, 0, &value, NULL) == FL_OK;
            s->schema = valid ? FL_VALID_YES : FL_VALID_NO;
        }
        fl_buf_finish(&decoded);
    }
}

void fl_signals_read(struct fl_slice answer, bool limit_asked, bool schema_asked, struct fl_signals *s)
{
    struct fl_json whole = {FL_JSON_OBJECT, fl_slice_trim(answer)}, choice;
    struct fl_json choices = fl_json_get(whole, FL_LIT("choices"));
    if (choices.type == FL_JSON_ARRAY) {
        struct fl_json_iter it = fl_json_iter(choices);
        if (fl_json_next(&it, NULL, &choice) && choice.type == FL_JSON_OBJECT) {
            read_choice(choice, limit_asked, schema_asked, s);
        }
    }
}

void fl_signals_read_event(struct fl_slice data, bool limit_asked, struct fl_signals *s)
{
    if (!limit_asked && fl_slice_find_text(data, FL_LIT("\"length\"")) < data.len) {
        s->truncated = true;
    }
}

/* --- The endpoint --- */

static void answer_scored(struct fl_exchange *x, uint64_t id, bool learned)
{
    char text[128];
    struct fl_buf b;
    fl_buf_init_in(&b, text, sizeof(text));
    fl_buf_put_cstr(&b, "{\"object\":\"fairlead.feedback\",\"decision_id\":\"");
    fl_buf_put_hex(&b, id, 16);
    fl_buf_put_cstr(&b, learned ? "\",\"learned\":true}\n" : "\",\"learned\":false}\n");
    fl_reply_head(x, 200, FL_LIT("application/json"), b.len);
    struct fl_slice pieces[2] = {fl_buf_slice(&x->worker->out), fl_buf_slice(&b)};
    (void)fl_session_write(x->session, pieces, 2);
    fl_exchange_done(x);
}

void fl_feedback_answer(struct fl_exchange *x)
{
    struct fl_feedback_body body;
    struct fl_reterr reterr = {0};
    const char *param;
    enum fl_err err = fl_feedback_parse(fl_buf_slice(&x->body), &body, &reterr, &param);
    if (err) {
        const char *message = reterr.message[0] != '\0' ? reterr.message : fl_err_text(err);
        fl_exchange_refuse(x, err, fl_slice_cstr(message), param);
        return;
    }
    enum fl_scored scored =
        fl_lessons_score(x->worker->options.lessons, body.decision_id, fl_exchange_tenant(x), body.score);
    if (scored == FL_SCORED_UNKNOWN) {
        fl_exchange_refuse(x, FL_ERR_DECISION,
                           FL_LIT("This decision is not known here, or not any more: the last few thousand are kept, "
                                  "from their answer's end, until a restart. Send the header x-fairlead-decision of a "
                                  "recent answer, with the key that asked."),
                           "decision_id");
        return;
    }
    answer_scored(x, body.decision_id, scored == FL_SCORED);
}

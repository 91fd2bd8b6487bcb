/* SPDX-License-Identifier: Apache-2.0 */
#include "server/recall.h"

#include "dialect/openai.h"
#include "dialect/put.h"
#include "server/internal.h"

enum { V_PREVIOUS, V_INPUT, V_COUNT };

/* --- who asks --- */

struct fl_memory_asker fl_recall_asker(struct fl_worker *w, const struct fl_config *config,
                                       const struct fl_client_key *key)
{
    struct fl_memory_asker asker = {.now_ns = w->sys->now_ns,
                                    .age_ns = config->limits.responses_age_ns,
                                    .bytes =
                                        w->options.memory ? config->limits.responses_bytes : 0};
    if (key) {
        memcpy(&asker.tenant, key->sha256, sizeof(asker.tenant));
    }
    return asker;
}

static struct fl_memory_asker asker_of(const struct fl_exchange *x)
{
    return fl_recall_asker(x->worker, x->config, x->client_key);
}

static struct fl_recall *recall_of(struct fl_exchange *x)
{
    if (!x->recall) {
        x->recall = fl_arena_zero(&x->arena, sizeof(*x->recall));
        if (x->recall) {
            x->recall->exchange = x;
            fl_buf_init(&x->recall->input, FL_MEMORY_RESPONSE_BYTES);
        }
    }
    return x->recall;
}

void fl_recall_finish(struct fl_recall *r)
{
    if (r) {
        fl_buf_finish(&r->input);
    }
}

/* --- refusals --- */

void fl_recall_put_gone(enum fl_err err, struct fl_slice id, const struct fl_config *config,
                        struct fl_buf *b)
{
    bool item = err == FL_ERR_ITEM_GONE;
    fl_buf_put_cstr(b, item ? "Item with id '" : "Response with id '");
    fl_buf_put(b, fl_slice_first(id, FL_MEMORY_ID_BYTES));
    if (err == FL_ERR_TOO_BIG) {
        fl_buf_put_cstr(b,
                        "' cannot be gone on from: its input was longer than the 1 MiB that this "
                        "gateway keeps of one. Send the whole input instead.");
        return;
    }
    fl_buf_put_cstr(b, "' not found. ");
    if (config->limits.responses_bytes == 0) {
        fl_buf_put_cstr(b, "This gateway keeps no responses (limits.responses is 0): ask with "
                           "'store': false and send the whole input.");
        return;
    }
    fl_buf_put_cstr(b, "This gateway keeps responses in its memory for ");
    fl_buf_put_u64(b, config->limits.responses_age_ns / FL_NS_S);
    fl_buf_put_cstr(b,
                    " s after their last use, as far as there is room (limits.responses), and not "
                    "over a restart. ");
    fl_buf_put_cstr(b, item ? "Send the item itself, or leave it out of the input."
                            : "Send the whole input without 'previous_response_id'.");
}

static void refuse_gone(struct fl_exchange *x, enum fl_err err, struct fl_slice id)
{
    char memory[640];
    struct fl_buf b;
    fl_buf_init_in(&b, memory, sizeof(memory));
    fl_recall_put_gone(err, id, x->config, &b);
    fl_exchange_refuse(x, err == FL_ERR_TOO_BIG ? FL_ERR_RESPONSE_GONE : err, fl_buf_slice(&b),
                       err == FL_ERR_ITEM_GONE ? "input" : "previous_response_id");
}

void fl_recall_put_refusal(const struct fl_exchange *x, struct fl_buf *b)
{
    const struct fl_recall *r = x->recall;
    if (!r || r->foreign.len == 0) {
        return;
    }
    fl_buf_put_cstr(b, "'");
    fl_buf_put(b, fl_slice_first(r->foreign, FL_MEMORY_ID_BYTES));
    fl_buf_put_cstr(b, "' is known only to ");
    if (r->maker.len > 0) {
        fl_buf_put_cstr(b, "the provider '");
        fl_buf_put(b, r->maker);
        fl_buf_put_cstr(b, "', which made it, and this model is not asked for there");
    } else {
        fl_buf_put_cstr(b, "the provider that made it, and no target of this model has OpenAI's "
                           "responses API");
    }
    fl_buf_put_cstr(b, ". Send the items themselves, or ask with 'store': false from the start.");
}

/* --- what a request refers to --- */

/* Most requests refer to nothing, and are not read twice. Whoever spells the keys with escapes is
 * told by others that it cannot be resolved. */
static bool may_refer(struct fl_slice body)
{
    static const struct fl_slice words[] = {{"\"previous_response_id\"", 22},
                                            {"\"item_reference\"", 16}};
    return fl_json_find_quoted(&body, words, 2) < 2;
}

/* An id that is not ours: whose is it? */
static void note_foreign(struct fl_recall *r, struct fl_slice id)
{
    struct fl_exchange *x = r->exchange;
    struct fl_memory_asker asker = asker_of(x);
    char memory[256];
    struct fl_buf name;
    fl_buf_init_in(&name, memory, sizeof(memory));
    if (asker.bytes > 0) {
        fl_memory_maker(x->worker->options.memory, &asker, id, &name);
    }
    if (r->foreign.len == 0 || (name.len > 0 && r->maker.len == 0)) {
        r->foreign = fl_arena_copy(&x->arena, fl_slice_first(id, FL_MEMORY_ID_BYTES));
        r->maker = fl_arena_copy(&x->arena, fl_buf_slice(&name));
    }
}

/* Is it here, or was it? Else only its maker can know it. */
static bool is_ours(const struct fl_recall *r, struct fl_slice id)
{
    const struct fl_exchange *x = r->exchange;
    struct fl_memory_asker asker = asker_of(x);
    return fl_openai_made_id(id) ||
           (asker.bytes > 0 && fl_memory_holds(x->worker->options.memory, &asker, id));
}

/* Does the input refer to items of ours? */
static bool look_at_input(struct fl_recall *r, struct fl_json input)
{
    struct fl_json_iter it = fl_json_iter(input);
    struct fl_json item;
    bool ours = false;
    while (input.type == FL_JSON_ARRAY && fl_json_next(&it, NULL, &item)) {
        if (fl_get_is(fl_json_get(item, FL_LIT("type")), "item_reference")) {
            struct fl_slice id = fl_get_escaped(fl_json_get(item, FL_LIT("id")));
            bool own = is_ours(r, id);
            ours = ours || own;
            if (!own) {
                note_foreign(r, id);
            }
        }
    }
    return ours;
}

/* All that was said before, then the input, as one array. */
static enum fl_err put_whole_input(struct fl_recall *r, struct fl_slice input, struct fl_buf *b,
                                   struct fl_memory_gone *gone)
{
    struct fl_exchange *x = r->exchange;
    struct fl_memory_asker asker = asker_of(x);
    struct fl_memory *m = x->worker->options.memory;
    enum fl_err err = FL_OK;
    fl_buf_init_in(&gone->id, gone->memory, sizeof(gone->memory));
    if (!m) { /* nothing was ever kept */
        fl_buf_put(&gone->id, r->previous);
        return r->previous.len > 0 ? FL_ERR_RESPONSE_GONE : FL_ERR_ITEM_GONE;
    }
    fl_buf_putc(b, '[');
    if (r->previous.len > 0) {
        err = fl_memory_put_context(m, &asker, r->previous, b, gone);
    }
    err = err ? err : fl_memory_put_items(m, &asker, input, b, gone);
    fl_buf_putc(b, ']');
    return err;
}

/* The body with *whole* for its input and without previous_response_id. */
static void splice(struct fl_slice body, const struct fl_json_watch *w, struct fl_slice object,
                   bool goes_on, struct fl_slice whole, struct fl_buf *out)
{
    struct fl_json_patch patches[2];
    struct fl_slice pieces[5];
    unsigned count = 0;
    size_t len;
    bool given = w[V_INPUT].value.type != FL_JSON_NONE;
    if (!goes_on) {
        patches[count++] = (struct fl_json_patch){w[V_INPUT].value.span, whole};
    } else { /* it stands where previous_response_id stood */
        patches[count++] = (struct fl_json_patch){w[V_PREVIOUS].member, whole};
    }
    if (goes_on && given) {
        fl_json_remove(object, &w[V_INPUT].member, 1, &patches[count++]);
        if (patches[1].old.ptr < patches[0].old.ptr) {
            struct fl_json_patch first = patches[1];
            patches[1] = patches[0];
            patches[0] = first;
        }
    }
    unsigned n = fl_json_splice(body, patches, count, pieces, &len);
    for (unsigned i = 0; i < n; i++) {
        fl_buf_put(out, pieces[i]);
    }
}

static bool expand(struct fl_recall *r, const struct fl_json_watch *w, struct fl_slice object)
{
    struct fl_exchange *x = r->exchange;
    struct fl_memory_gone gone;
    struct fl_buf whole, body;
    bool goes_on = r->previous.len > 0;
    struct fl_slice own = w[V_INPUT].value.span;
    fl_buf_init(&whole, x->config->limits.body_bytes);
    fl_buf_init(&body, x->config->limits.body_bytes);
    fl_buf_put(&whole, goes_on ? FL_LIT("\"input\":") : FL_EMPTY);
    enum fl_err err = put_whole_input(r, own, &whole, &gone);
    if (err) {
        fl_buf_finish(&whole);
        refuse_gone(x, err, fl_buf_slice(&gone.id));
        return false;
    }
    splice(fl_buf_slice(&x->body), w, object, goes_on, fl_buf_slice(&whole), &body);
    bool ok = fl_buf_ok(&whole) && fl_buf_ok(&body);
    fl_buf_finish(&whole);
    if (!ok) {
        fl_buf_finish(&body);
        fl_exchange_refuse(x, FL_ERR_BODY_LONG,
                           FL_LIT("With all that it refers to, this request is longer than this "
                                  "gateway takes (limits.body). Start anew with less."),
                           NULL);
        return false;
    }
    fl_buf_put(&r->input, own);
    if (!fl_buf_ok(&r->input)) { /* too long to be kept */
        fl_buf_finish(&r->input);
    }
    r->expanded = true;
    fl_buf_finish(&x->body);
    x->body = body;
    return true;
}

bool fl_recall_read(struct fl_exchange *x)
{
    struct fl_json_watch w[V_COUNT] = {[V_PREVIOUS] = {.key = FL_LIT("previous_response_id")},
                                       [V_INPUT] = {.key = FL_LIT("input")}};
    struct fl_json whole;
    if (x->endpoint != FL_ENDPOINT_RESPONSES || !may_refer(fl_buf_slice(&x->body)) ||
        fl_json_scan(fl_buf_slice(&x->body), FL_JSON_LIMITS, w, V_COUNT, &whole, NULL) ||
        whole.type != FL_JSON_OBJECT) {
        return true; /* what is wrong with it is told by who reads it next */
    }
    struct fl_recall *r = recall_of(x);
    struct fl_slice previous = fl_get_escaped(w[V_PREVIOUS].value);
    if (!r) {
        fl_exchange_refuse(x, FL_ERR_NOMEM, FL_EMPTY, NULL);
        return false;
    }
    if (is_ours(r, previous)) {
        r->previous = fl_arena_copy(&x->arena, previous);
    } else if (previous.len > 0) {
        note_foreign(r, previous);
    }
    bool items = look_at_input(r, w[V_INPUT].value);
    return r->previous.len > 0 || items ? expand(r, w, whole.span) : true;
}

/* --- whom to ask --- */

bool fl_recall_demand(struct fl_exchange *x, struct fl_route_request *request)
{
    const struct fl_table *t = &x->config->table;
    const struct fl_recall *r = x->recall;
    if (!r || r->foreign.len == 0) {
        return true;
    }
    request->needs |= FL_NEED_RESPONSES;
    if (r->maker.len == 0) {
        return true;
    }
    uint8_t *denied = fl_arena_zero(&x->arena, t->target_count);
    for (unsigned i = 0; denied && i < t->target_count; i++) {
        denied[i] = (request->denied && request->denied[i]) ||
                    !fl_slice_eq(t->targets[i].provider, r->maker);
    }
    request->denied = denied;
    return denied != NULL;
}

/* --- keeping --- */

static void keep(struct fl_keeper *keeper, struct fl_slice response)
{
    struct fl_recall *r = fl_container_of(keeper, struct fl_recall, keeper);
    struct fl_exchange *x = r->exchange;
    struct fl_memory_asker asker = asker_of(x);
    struct fl_json_watch input = {.key = FL_LIT("input")};
    struct fl_json whole;
    struct fl_memory_response kept = {
        .response = response, .input = fl_buf_slice(&r->input), .previous = r->previous};
    if (!r->expanded &&
        !fl_json_scan(fl_buf_slice(&x->body), FL_JSON_LIMITS, &input, 1, &whole, NULL)) {
        kept.input = input.value.span;
    }
    fl_memory_put(x->worker->options.memory, &asker, &kept);
}

struct fl_keeper *fl_recall_keeper(struct fl_exchange *x, const struct fl_chat_request *request)
{
    struct fl_memory_asker asker = asker_of(x);
    bool keeps = asker.bytes > 0 && !request->store_off;
    struct fl_recall *r = keeps ? recall_of(x) : x->recall;
    if (!r) {
        return NULL;
    }
    size_t most = asker.bytes / 4; /* one alone must not push out all others */
    r->keeper = (struct fl_keeper){
        .previous = r->previous,
        .bytes_max = most < FL_MEMORY_RESPONSE_BYTES ? most : FL_MEMORY_RESPONSE_BYTES,
        .keep = keeps ? keep : NULL};
    return &r->keeper;
}

/* The client's own input, for as long as it is there, unless the client does not want it to be kept. */
static void retain_input(struct fl_exchange *x)
{
    enum { INPUT, STORE, COUNT };
    struct fl_json_watch w[COUNT] = {
        [INPUT] = {.key = FL_LIT("input")}, [STORE] = {.key = FL_LIT("store")}};
    struct fl_json whole;
    bool store = true;
    if ((x->recall && x->recall->retained) || x->body.len == 0 ||
        fl_json_scan(fl_buf_slice(&x->body), FL_JSON_LIMITS, w, COUNT, &whole, NULL)) {
        return;
    }
    (void)fl_json_bool(w[STORE].value, &store);
    struct fl_recall *r = store ? recall_of(x) : NULL;
    if (!r) {
        return;
    }
    r->retained = true;
    if (!r->expanded) {
        fl_buf_put(&r->input, w[INPUT].value.span);
        if (!fl_buf_ok(&r->input)) { /* too long to be kept */
            fl_buf_finish(&r->input);
        }
    }
}

/* Does the response say that its provider does not keep it? */
static bool is_unkept(struct fl_json response)
{
    return fl_json_get(response, FL_LIT("store")).type == FL_JSON_FALSE;
}

static void note_response(struct fl_exchange *x, struct fl_slice maker, struct fl_json response)
{
    struct fl_memory_asker asker = asker_of(x);
    struct fl_memory *m = x->worker->options.memory;
    if (!is_unkept(response)) {
        fl_memory_put_maker(m, &asker, response.span, maker);
    } else if (x->recall && x->recall->retained) {
        struct fl_memory_response kept = {.response = response.span,
                                          .input = fl_buf_slice(&x->recall->input),
                                          .previous = x->recall->previous};
        fl_memory_put(m, &asker, &kept);
    }
}

void fl_recall_note_answer(struct fl_exchange *x, struct fl_slice maker, struct fl_slice response)
{
    struct fl_json whole;
    if (asker_of(x).bytes == 0 || fl_json_scan(response, FL_JSON_LIMITS, NULL, 0, &whole, NULL) ||
        whole.type != FL_JSON_OBJECT) {
        return;
    }
    if (is_unkept(whole)) {
        retain_input(x);
    }
    note_response(x, maker, whole);
}

void fl_recall_note_event(struct fl_exchange *x, struct fl_slice maker,
                          const struct fl_sse_event *event)
{
    struct fl_json_watch w = {.key = FL_LIT("response")};
    struct fl_json whole;
    bool first = fl_slice_eq(event->name, FL_LIT("response.created"));
    bool last = fl_slice_eq(event->name, FL_LIT("response.completed")) ||
                fl_slice_eq(event->name, FL_LIT("response.incomplete"));
    if ((!first && !last) || asker_of(x).bytes == 0 ||
        fl_json_scan(event->data, FL_JSON_LIMITS, &w, 1, &whole, NULL) ||
        w.value.type != FL_JSON_OBJECT) {
        return;
    }
    if (last) {
        note_response(x, maker, w.value);
    } else if (is_unkept(w.value)) {
        retain_input(x);
    }
}

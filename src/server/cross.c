/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How an attempt asks its provider. Where both sides speak the same wire form the client's own bytes go through;
 * else the request is read into its canonical form, once an exchange, and written anew for each provider.
 */
#include "server/internal.h"

#include <stdlib.h>

enum { arena_chunk_bytes = 16 * 1024, complaint_bytes = 480 };

void fl_canonical_destroy(struct fl_canonical *c)
{
    if (c) {
        fl_arena_finish(&c->arena);
        free(c);
    }
}

static void complain(struct fl_exchange *x, const struct fl_buf *text)
{
    x->asking->complaint = fl_arena_copy(&x->arena, fl_buf_slice(text));
}

static enum fl_err complain_of_request(struct fl_exchange *x, enum fl_err err,
                                       const struct fl_reterr *reterr)
{
    if (err && reterr->message[0]) {
        x->asking->complaint = fl_arena_copy(&x->arena, fl_slice_cstr(reterr->message));
    }
    return err;
}

static enum fl_err complain_of_losses(struct fl_attempt *a, const struct fl_reterr *reterr)
{
    char memory[complaint_bytes];
    struct fl_buf text;
    fl_buf_init_in(&text, memory, sizeof(memory));
    fl_buf_put_cstr(&text, "This request cannot be carried to ");
    fl_buf_put(&text, a->target->id);
    fl_buf_put_cstr(&text, ", which speaks another dialect: ");
    fl_losses_put(&a->translation->losses, &text);
    fl_buf_put_cstr(&text, reterr->message[0] ? ". " : ".");
    fl_buf_put_cstr(&text, reterr->message);
    complain(a->exchange, &text);
    return FL_ERR_UNTRANSLATABLE;
}

static enum fl_err complain_of_endpoint(struct fl_attempt *a)
{
    char memory[complaint_bytes];
    struct fl_buf text;
    fl_buf_init_in(&text, memory, sizeof(memory));
    fl_buf_put(&text, a->target->id);
    fl_buf_put_cstr(&text, " does not offer this endpoint, and requests to it are not translated.");
    complain(a->exchange, &text);
    return FL_ERR_UNTRANSLATABLE;
}

/* Reads the request into its canonical form, unless an attempt before did. *wire* NULL: it asks for embeddings. */
static enum fl_err read_canonical(struct fl_exchange *x, const struct fl_wire *wire)
{
    if (x->canonical) {
        return FL_OK;
    }
    struct fl_canonical *c = calloc(1, sizeof(*c));
    struct fl_reterr reterr = {0};
    if (!c) {
        return FL_ERR_NOMEM;
    }
    /* Each node stands for some bytes of the body; decoded texts are not longer than what they are decoded from. */
    fl_arena_init(&c->arena, arena_chunk_bytes, 64 * x->body.len + arena_chunk_bytes);
    enum fl_err err = wire ? wire->read(fl_buf_slice(&x->body), &c->arena, &c->request, &reterr)
                           : fl_embed_read(fl_buf_slice(&x->body), &c->arena, &c->embed, &reterr);
    if (!err && c->arena.failed) {
        err = FL_ERR_NOMEM;
    }
    if (err) {
        fl_canonical_destroy(c);
        return complain_of_request(x, err, &reterr);
    }
    x->canonical = c;
    return FL_OK;
}

/* Letters and digits for the ids that the client's form gives its answers. */
static struct fl_slice answer_id(struct fl_exchange *x)
{
    char memory[40];
    struct fl_buf id;
    fl_buf_init_in(&id, memory, sizeof(memory));
    fl_buf_put_hex(&id, x->decision_id, 16);
    fl_buf_put_hex(&id, fl_mix64(x->decision_id ^ x->begun_ns), 16);
    return fl_arena_copy(&x->arena, fl_buf_slice(&id));
}

/* *client* and *provider* NULL: embeddings. */
static struct fl_translation_options options_of(struct fl_attempt *a, const struct fl_wire *client,
                                                const struct fl_wire *provider)
{
    struct fl_exchange *x = a->exchange;
    const struct fl_provider *p = fl_pool_provider(a->pool);
    return (struct fl_translation_options){
        .client = client,
        .provider = provider,
        .request = client ? &x->canonical->request : NULL,
        .embed_form = client ? NULL : a->dialect->embed_form,
        .embed = client ? NULL : &x->canonical->embed,
        .tokens_in_guess = x->tokens_in,
        .model = a->model,
        .vendor = p->type,
        .betas = x->asking->betas,
        .ask_usage = p->stream_options,
        .strict = x->plan->route->strict,
        .id = answer_id(x),
        .created_s = x->worker->sys->ops->wall_ns(x->worker->sys) / 1000000000,
        .tokens_out_default = a->target->output_tokens,
        .frame_bytes_max = x->config->limits.event_bytes,
        .answer_bytes_max = x->config->limits.body_bytes,
        .resume = x->resume,
    };
}

static enum fl_err write_translated(struct fl_attempt *a)
{
    struct fl_reterr reterr = {0};
    enum fl_err err = fl_translation_write(a->translation, &reterr);
    return err == FL_ERR_UNTRANSLATABLE ? complain_of_losses(a, &reterr)
                                        : complain_of_request(a->exchange, err, &reterr);
}

static enum fl_err translate(struct fl_attempt *a, const struct fl_wire *client,
                             const struct fl_wire *provider)
{
    struct fl_exchange *x = a->exchange;
    enum fl_err err = read_canonical(x, client);
    if (err) {
        return err;
    }
    struct fl_translation_options options = options_of(a, client, provider);
    a->translation = x->arena.failed ? NULL : fl_translation_create(&options);
    if (!a->translation) {
        return FL_ERR_NOMEM;
    }
    return write_translated(a);
}

/* Does the client's request go to providers of this pool as it is? Not with what another vendor signed. */
static bool goes_as_it_is(const struct fl_exchange *x, const struct fl_pool *pool)
{
    const struct fl_dialect *dialect = pool->dialect;
    const struct fl_provider *p = fl_pool_provider(pool);
    bool same = dialect == x->dialect || dialect->like == x->dialect;
    if (same && x->dialect->wires[x->endpoint] && x->asking->facts.sealed) {
        return false;
    }
    switch (x->endpoint) {
    case FL_ENDPOINT_PASS:
        return same;
    case FL_ENDPOINT_CHAT:
        return same && dialect->paths[x->endpoint] && p->api != FL_API_RESPONSES;
    case FL_ENDPOINT_RESPONSES:
        return same && dialect->paths[x->endpoint] &&
               (p->responses || p->api == FL_API_RESPONSES);
    case FL_ENDPOINT_COMPLETIONS:
    case FL_ENDPOINT_EMBEDDINGS:
    case FL_ENDPOINT_MESSAGES:
    case FL_ENDPOINT_COUNT_TOKENS:
    case FL_ENDPOINT_COUNT:
        break;
    }
    return same && dialect->paths[x->endpoint] != NULL;
}

static bool is_claude(struct fl_slice model)
{
    const struct fl_slice name = FL_LIT("claude");
    return fl_slice_find_text(model, name) < model.len;
}

/* What the provider is asked in: its dialect's form for chats, or another that it has as well. */
static const struct fl_wire *choose_form(struct fl_attempt *a, const struct fl_wire *client)
{
    const struct fl_provider *p = fl_pool_provider(a->pool);
    bool invoke = p->api == FL_API_INVOKE ||
                  (!p->api_given && client == &fl_wire_anthropic && is_claude(a->model));
    a->endpoint = a->dialect->chat_endpoint;
    if (p->api == FL_API_RESPONSES) {
        a->endpoint = FL_ENDPOINT_RESPONSES;
        return &fl_wire_openai_responses;
    }
    if (client == &fl_wire_openai_responses && p->responses &&
        a->dialect->paths[FL_ENDPOINT_RESPONSES]) { /* its own bytes cannot go through */
        a->endpoint = FL_ENDPOINT_RESPONSES;
        return client;
    }
    if (a->dialect == &fl_dialect_bedrock && invoke) { /* less is lost */
        a->endpoint = FL_ENDPOINT_MESSAGES;
        return &fl_wire_anthropic_bedrock;
    }
    return a->dialect->chat_wire;
}

/* --- a stream that broke off --- */

static bool is_claude_form(const struct fl_wire *form)
{
    return form == &fl_wire_anthropic || form == &fl_wire_anthropic_bedrock ||
           form == &fl_wire_anthropic_vertex;
}

/* How the target wants to be asked for the rest of an answer. */
static struct fl_resume_manner manner_of(const struct fl_attempt *a, const struct fl_wire *form)
{
    const struct fl_chat_request *q = &a->exchange->canonical->request;
    bool thinks =
        !q->thinking_off && (q->thinking || q->thinking_tokens > 0 || q->effort > FL_EFFORT_NONE);
    bool claude = is_claude_form(form) || is_claude(a->model);
    bool converse = form == &fl_wire_converse;
    return (struct fl_resume_manner){
        .instruct = claude ? !fl_anthropic_takes_prefill(a->model, thinks) : converse,
        .trim = claude || converse};
}

/* Who continues is asked as who began: in its own form where that is the client's too. What it answers goes
 * through the client's encoder, but for chunks of OpenAI's behind chunks of OpenAI's. */
static enum fl_err cross_on(struct fl_attempt *a)
{
    struct fl_exchange *x = a->exchange;
    struct fl_resume *r = x->resume;
    bool same = goes_as_it_is(x, a->pool);
    const struct fl_wire *client = x->dialect->wires[x->endpoint];
    const struct fl_wire *provider = same ? client : choose_form(a, client);
    if (!client || !client->read || !provider || !provider->write) {
        return complain_of_endpoint(a);
    }
    if (same && !r->encoded && client == &fl_wire_openai_chat) {
        return fl_resume_ask(r, (struct fl_resume_manner){.trim = false}, &x->asking->facts);
    }
    enum fl_err err = read_canonical(x, client);
    err = err ? err : fl_resume_ask(r, manner_of(a, provider), &x->asking->facts);
    err = err ? err : fl_resume_read(r, client);
    if (err) {
        return err;
    }
    struct fl_translation_options options = options_of(a, client, provider);
    if (!r->encoded) {
        struct fl_encoder encoder = fl_translation_encoder(&options);
        fl_resume_encode(r, &encoder);
    }
    options.request = &r->request;
    options.continues = true;
    a->own_form = same;
    a->translation = x->arena.failed ? NULL : fl_translation_create(&options);
    if (!a->translation) {
        return FL_ERR_NOMEM;
    }
    a->translation->committed = true;
    return same ? FL_OK : write_translated(a);
}

enum fl_err fl_cross(struct fl_attempt *a)
{
    struct fl_exchange *x = a->exchange;
    a->endpoint = x->endpoint;
    if (a->continues) {
        return cross_on(a);
    }
    if (goes_as_it_is(x, a->pool)) {
        return FL_OK;
    }
    if (x->endpoint == FL_ENDPOINT_EMBEDDINGS) {
        return a->dialect->embed_form ? translate(a, NULL, NULL) : complain_of_endpoint(a);
    }
    const struct fl_wire *client = x->dialect->wires[x->endpoint];
    const struct fl_wire *provider = choose_form(a, client);
    if (!client || !client->read || !provider || !provider->write) {
        return complain_of_endpoint(a);
    }
    return translate(a, client, provider);
}

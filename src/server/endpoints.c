/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which path is what. Everything that can be said from the head alone is said before a body is read: is
 * there such an endpoint, may this client use it, is the body one we take.
 */
#include "server/internal.h"

#include "tls/digest.h"

#include <stdlib.h>

enum action {
    ACT_EXCHANGE,
    ACT_PASS,
    ACT_MODELS,
    ACT_LIVE,
    ACT_READY,
    ACT_ROOT,
    ACT_DECISIONS,
    ACT_FEEDBACK,
    ACT_PROVIDERS,
    ACT_RESPONSES
};

/* Whose API it is part of; none: it needs no key, and has no version in front. */
enum speaks { NONE, OPENAI, ANTHROPIC };

struct endpoint {
    const char *path;   /* without the optional /v1 or /openai/v1 in front of an API */
    enum action action;
    enum fl_endpoint endpoint;
    enum speaks speaks;
};

static const struct endpoint table[] = {
    {"/chat/completions", ACT_EXCHANGE, FL_ENDPOINT_CHAT, OPENAI},
    {"/completions", ACT_EXCHANGE, FL_ENDPOINT_COMPLETIONS, OPENAI},
    {"/embeddings", ACT_EXCHANGE, FL_ENDPOINT_EMBEDDINGS, OPENAI},
    {"/responses", ACT_EXCHANGE, FL_ENDPOINT_RESPONSES, OPENAI},
    {"/responses", ACT_RESPONSES, FL_ENDPOINT_RESPONSES, OPENAI}, /* one that is kept */
    {"/messages", ACT_EXCHANGE, FL_ENDPOINT_MESSAGES, ANTHROPIC},
    {"/messages/count_tokens", ACT_EXCHANGE, FL_ENDPOINT_COUNT_TOKENS, ANTHROPIC},
    {"/images", ACT_PASS, FL_ENDPOINT_PASS, OPENAI},
    {"/audio", ACT_PASS, FL_ENDPOINT_PASS, OPENAI},
    {"/moderations", ACT_PASS, FL_ENDPOINT_PASS, OPENAI},
    {"/rerank", ACT_PASS, FL_ENDPOINT_PASS, OPENAI},
    {"/files", ACT_PASS, FL_ENDPOINT_PASS, OPENAI},
    {"/batches", ACT_PASS, FL_ENDPOINT_PASS, OPENAI},
    {"/uploads", ACT_PASS, FL_ENDPOINT_PASS, OPENAI},
    {"/feedback", ACT_FEEDBACK, FL_ENDPOINT_CHAT, OPENAI},
    {"/models", ACT_MODELS, FL_ENDPOINT_CHAT, OPENAI},
    {"/livez", ACT_LIVE, FL_ENDPOINT_CHAT, NONE},
    {"/readyz", ACT_READY, FL_ENDPOINT_CHAT, NONE},
    {"/healthz", ACT_READY, FL_ENDPOINT_CHAT, NONE},
    {"/admin/v1/decisions", ACT_DECISIONS, FL_ENDPOINT_CHAT, NONE},
    {"/admin/v1/providers", ACT_PROVIDERS, FL_ENDPOINT_CHAT, NONE},
    {"/", ACT_ROOT, FL_ENDPOINT_CHAT, NONE},
};

static struct fl_slice drop_prefix(struct fl_slice path, struct fl_slice prefix)
{
    return fl_slice_starts(path, prefix) ? fl_slice_from(path, prefix.len - 1) : path;
}

/* "/openai/v1/models", "/anthropic/v1/models" -> "/models"; Azure's "/models/chat/completions" -> "/chat/completions" */
static struct fl_slice without_prefix(struct fl_slice path)
{
    path = drop_prefix(drop_prefix(path, FL_LIT("/openai/")), FL_LIT("/anthropic/"));
    path = drop_prefix(path, FL_LIT("/v1/"));
    struct fl_slice azure = drop_prefix(path, FL_LIT("/models/"));
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (table[i].action == ACT_EXCHANGE && fl_slice_eq(azure, fl_slice_cstr(table[i].path))) {
            return azure;
        }
    }
    return path;
}

static bool has_items(enum action action)
{
    return action == ACT_MODELS || action == ACT_DECISIONS || action == ACT_PASS || action == ACT_PROVIDERS ||
           action == ACT_RESPONSES;
}

/* *ret_rest*: of "/models/ID" the ID. */
static const struct endpoint *find(struct fl_slice path, struct fl_slice *ret_rest)
{
    struct fl_slice api_path = without_prefix(path);
    *ret_rest = FL_EMPTY;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct fl_slice known = fl_slice_cstr(table[i].path);
        struct fl_slice asked = table[i].speaks != NONE ? api_path : path;
        if (fl_slice_eq(asked, known)) {
            return &table[i];
        }
        if (has_items(table[i].action) && fl_slice_starts(asked, known) && asked.len > known.len + 1 &&
            asked.ptr[known.len] == '/') {
            *ret_rest = fl_slice_from(asked, known.len + 1);
            return &table[i];
        }
    }
    return NULL;
}

/* --- who is it --- */

static struct fl_slice presented_key(const struct fl_h1_head *head)
{
    const struct fl_h1_header *h = fl_h1_find(head, FL_H_AUTHORIZATION);
    if (h && h->value.len > 7 && fl_slice_eq_nocase(fl_slice_first(h->value, 7), FL_LIT("bearer "))) {
        return fl_slice_trim(fl_slice_from(h->value, 7));
    }
    h = fl_h1_find(head, FL_H_X_API_KEY);
    return h ? h->value : FL_EMPTY;
}

/* All keys are compared, each in constant time: the answer's time tells nothing. */
static bool authenticate(const struct fl_config *c, const struct fl_h1_head *head,
                         const struct fl_client_key **ret_key)
{
    uint8_t digest[32];
    bool known = c->key_count == 0;
    *ret_key = NULL; /* anybody is let in */
    if (known) {
        return true;
    }
    struct fl_slice key = presented_key(head);
    fl_sha256(key, digest);
    for (unsigned i = 0; i < c->key_count; i++) {
        if (fl_digest_eq(digest, c->keys[i].sha256) && key.len > 0) {
            known = true;
            *ret_key = &c->keys[i];
        }
    }
    return known;
}

/* --- answers without a provider --- */

/* As Anthropic lists one: when it was made is not known, so it is as old as time. */
static void put_anthropic_model(struct fl_buf *b, const struct fl_route *route)
{
    fl_buf_put_cstr(b, "{\"type\":\"model\",\"id\":");
    fl_buf_put_json(b, route->name);
    fl_buf_put_cstr(b, ",\"display_name\":");
    fl_buf_put_json(b, route->name);
    fl_buf_put_cstr(b, ",\"created_at\":\"1970-01-01T00:00:00Z\"}");
}

static void put_model(struct fl_buf *b, const struct fl_table *t, const struct fl_route *route)
{
    fl_buf_put_cstr(b, "{\"id\":");
    fl_buf_put_json(b, route->name);
    fl_buf_put_cstr(b, ",\"object\":\"model\",\"created\":0,\"owned_by\":");
    bool single = route->target_count == 1;
    fl_buf_put_json(b, single ? t->targets[route->targets[0]].provider : FL_LIT("fairlead"));
    fl_buf_putc(b, '}');
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : -1;
}

/* A path segment's text; what is no %XX stays as it is. */
static void put_decoded(struct fl_buf *b, struct fl_slice path)
{
    for (size_t i = 0; i < path.len; i++) {
        int high = path.ptr[i] == '%' && i + 2 < path.len ? hex_digit(path.ptr[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(path.ptr[i + 2]) : -1;
        fl_buf_putc(b, low >= 0 ? (char)(high * 16 + low) : path.ptr[i]);
        i += low >= 0 ? 2 : 0;
    }
}

static void put_models(struct fl_session *s, const struct fl_table *t, struct fl_buf *b)
{
    bool anthropic = s->dialect != &fl_dialect_openai;
    struct fl_slice first = FL_EMPTY, last = FL_EMPTY;
    fl_buf_put_cstr(b, anthropic ? "{\"data\":[" : "{\"object\":\"list\",\"data\":[");
    for (unsigned i = 0; i < t->route_count; i++) {
        if (!t->routes[i].listed) {
            continue;
        }
        fl_buf_put_cstr(b, first.len > 0 ? "," : "");
        last = t->routes[i].name;
        first = first.len > 0 ? first : last;
        if (anthropic) {
            put_anthropic_model(b, &t->routes[i]);
        } else {
            put_model(b, t, &t->routes[i]);
        }
    }
    fl_buf_putc(b, ']');
    if (anthropic) {
        fl_buf_put_cstr(b, ",\"has_more\":false,\"first_id\":");
        fl_buf_put_json(b, first);
        fl_buf_put_cstr(b, ",\"last_id\":");
        fl_buf_put_json(b, last);
    }
    fl_buf_putc(b, '}');
}

static void answer_models(struct fl_session *s, const struct fl_h1_head *head, struct fl_slice path_id)
{
    char decoded[512];
    struct fl_buf name;
    fl_buf_init_in(&name, decoded, sizeof(decoded));
    put_decoded(&name, path_id);
    struct fl_slice id = fl_buf_slice(&name);
    const struct fl_table *t = &s->worker->current->snapshot->config->table;
    struct fl_buf b;
    fl_buf_init(&b, 16 * 1024 * 1024);
    if (id.len > 0) {
        const struct fl_route *route = fl_route_find(t, id);
        if (!route) {
            fl_buf_put_cstr(&b, "The model '");
            fl_buf_put(&b, fl_slice_first(id, 200));
            fl_buf_put_cstr(&b, "' does not exist. GET /v1/models lists those that do.");
            fl_reply_plain_error(s, FL_ERR_MODEL_UNKNOWN, fl_buf_slice(&b), head->keep_alive);
            fl_buf_finish(&b);
            return;
        }
        if (s->dialect == &fl_dialect_openai) {
            put_model(&b, t, route);
        } else {
            put_anthropic_model(&b, route);
        }
    } else {
        put_models(s, t, &b);
    }
    if (fl_buf_ok(&b)) {
        fl_reply_plain(s, 200, FL_LIT("application/json"), fl_buf_slice(&b), head->keep_alive,
                       head->method == FL_H1_HEAD);
    } else {
        fl_reply_plain_error(s, FL_ERR_NOMEM, FL_EMPTY, false);
    }
    fl_buf_finish(&b);
}

/* --- decisions --- */

/* Who runs the gateway may see its decisions: a client with a key, or one on this machine that is no
 * proxy. */
static bool may_see_decisions(const struct fl_session *s, const struct fl_h1_head *head)
{
    const struct fl_client_key *key;
    const struct fl_config *c = s->worker->current->snapshot->config;
    bool forwarded = fl_h1_find_text(head, FL_LIT("forwarded")) ||
                     fl_h1_find_text(head, FL_LIT("x-forwarded-for")) || fl_h1_find_text(head, FL_LIT("via"));
    return c->key_count > 0 && authenticate(c, head, &key) ? true
                                                             : fl_addr_is_loopback(&s->peer) && !forwarded;
}

static void answer_decisions(struct fl_session *s, const struct fl_h1_head *head, struct fl_slice path_id)
{
    enum { listed = 100 };
    uint64_t id = 0;
    struct fl_buf b;
    struct fl_decisions *d = s->worker->options.decisions;
    if (!may_see_decisions(s, head)) {
        fl_reply_plain_error(s, FL_ERR_AUTH,
                             FL_LIT("Decisions are shown to clients on this machine, and to those with a key that "
                                    "the configuration lists."),
                             head->keep_alive);
        return;
    }
    fl_buf_init(&b, 16 * 1024 * 1024);
    bool found = true;
    if (path_id.len == 0) {
        fl_decisions_put_list(d, listed, &b);
    } else {
        found = fl_decision_id_parse(path_id, &id) && fl_decisions_put_one(d, id, &b);
    }
    if (found) {
        fl_reply_plain(s, 200, FL_LIT("application/json"), fl_buf_slice(&b), head->keep_alive,
                       head->method == FL_H1_HEAD);
    } else {
        fl_reply_plain_error(s, FL_ERR_NOT_FOUND,
                             FL_LIT("This decision is not kept, or not any more. GET /admin/v1/decisions lists those "
                                    "that are."),
                             head->keep_alive);
    }
    fl_buf_finish(&b);
}

/* A page of some other site, open in a browser on this machine, must not change anything here. */
static void answer_providers(struct fl_session *s, const struct fl_h1_head *head, struct fl_slice path)
{
    bool foreign = head->method == FL_H1_POST && fl_h1_find_text(head, FL_LIT("origin"));
    if (!may_see_decisions(s, head) || foreign) {
        fl_reply_plain_error(s, FL_ERR_AUTH,
                             FL_LIT("Providers are shown to clients on this machine, and to those with a key that "
                                    "the configuration lists; browsers may not change them."),
                             head->keep_alive);
        return;
    }
    fl_admin_providers(s, head, path);
}

static void answer(struct fl_session *s, const struct fl_h1_head *head, const struct endpoint *e,
                   struct fl_slice rest, const struct fl_client_key *key)
{
    const struct fl_slice text = FL_LIT("text/plain; charset=utf-8");
    bool head_only = head->method == FL_H1_HEAD, keep = head->keep_alive;
    switch (e->action) {
    case ACT_LIVE:
        fl_reply_plain(s, 200, text, FL_LIT("ok\n"), keep, head_only);
        break;
    case ACT_READY:
        fl_reply_plain(s, s->worker->draining ? 503 : 200, text,
                       s->worker->draining ? FL_LIT("draining\n") : FL_LIT("ok\n"), keep, head_only);
        break;
    case ACT_ROOT:
        fl_reply_plain(s, 200, text,
                       FL_LIT("fairlead " FL_VERSION ", an AI-model router.\n"
                              "Point an OpenAI SDK here: base URL http://<this host>/v1, model \"auto\".\n"
                              "An Anthropic SDK: base URL http://<this host>.\n"
                              "GET /v1/models lists the models.\n"),
                       keep, head_only);
        break;
    case ACT_MODELS:
        answer_models(s, head, rest);
        break;
    case ACT_DECISIONS:
        answer_decisions(s, head, rest);
        break;
    case ACT_PROVIDERS:
        answer_providers(s, head, rest);
        break;
    case ACT_RESPONSES:
        fl_responses_answer(s, head, rest, key);
        break;
    case ACT_EXCHANGE:
    case ACT_PASS:
    case ACT_FEEDBACK:
        break;
    }
}

/* --- bodies --- */

static enum fl_err check_body(const struct fl_h1_head *head, bool any_type)
{
    const struct fl_h1_header *coding = fl_h1_find(head, FL_H_CONTENT_ENCODING);
    const struct fl_h1_header *type = fl_h1_find(head, FL_H_CONTENT_TYPE);
    if (coding && !fl_slice_eq_nocase(coding->value, FL_LIT("identity"))) {
        return FL_ERR_MEDIA_TYPE;
    }
    if (!any_type && type && fl_slice_eq_nocase(fl_slice_first(type->value, 10), FL_LIT("multipart/"))) {
        return FL_ERR_MEDIA_TYPE;
    }
    return FL_OK;
}

/* *event_id*: of a client that comes back for a stream; empty: it does not. */
static bool open_exchange(struct fl_session *s, const struct fl_h1_head *head, const struct endpoint *e,
                          const struct fl_client_key *key, struct fl_slice event_id)
{
    enum { event_id_bytes_max = 128 /* longer ones are none of ours */ };
    const struct fl_config *c = s->worker->current->snapshot->config;
    struct fl_h1_body_limits limits = {c->limits.body_bytes, 8 * 1024};
    enum fl_err err = check_body(head, e->action == ACT_PASS || event_id.len > 0);
    if (!err) {
        err = fl_h1_body_init(&s->body, head, limits);
    }
    if (err) {
        fl_reply_plain_error(s, err,
                             err == FL_ERR_BODY_LONG
                                 ? FL_LIT("The request body is larger than this gateway takes (limits.body).")
                                 : FL_EMPTY,
                             false);
        return false;
    }
    struct fl_exchange *x = fl_exchange_create(s, e->endpoint, head);
    if (!x) {
        fl_reply_plain_error(s, FL_ERR_NOMEM, FL_EMPTY, false);
        return false;
    }
    x->client_key = key;
    x->client_key_name = key ? key->name : FL_EMPTY;
    x->feedback = e->action == ACT_FEEDBACK;
    x->by_get = head->method == FL_H1_GET;
    if (event_id.len > 0) {
        x->asking->last_event_id = fl_arena_copy(&x->arena, fl_slice_first(event_id, event_id_bytes_max));
    }
    if (e->action == ACT_PASS) {
        fl_pass_open(x, head, without_prefix(head->path));
    }
    return true;
}

static bool takes_method(const struct endpoint *e, enum fl_h1_method method, struct fl_slice rest)
{
    if (e->action == ACT_EXCHANGE || e->action == ACT_FEEDBACK) {
        return method == FL_H1_POST;
    }
    bool get = method == FL_H1_GET;
    if (e->action == ACT_PROVIDERS && rest.len > 0 && method == FL_H1_POST) { /* drains or enables one */
        return true;
    }
    if (e->action == ACT_RESPONSES && method == FL_H1_DELETE) {
        return true;
    }
    return e->action == ACT_PASS ? get || method == FL_H1_POST || method == FL_H1_DELETE
                                 : get || method == FL_H1_HEAD;
}

bool fl_endpoints_open(struct fl_session *s, const struct fl_h1_head *head)
{
    struct fl_slice rest;
    const struct fl_client_key *key = NULL;
    const struct endpoint *e = find(head->path, &rest);
    bool anthropic = e && e->action == ACT_EXCHANGE ? e->speaks == ANTHROPIC
                                                    : fl_h1_find_text(head, FL_LIT("anthropic-version")) != NULL;
    s->dialect = anthropic ? &fl_dialect_anthropic : &fl_dialect_openai;
    struct fl_slice event_id = e && e->action == ACT_EXCHANGE ? fl_comeback_id(s->worker, head) : FL_EMPTY;
    bool bodyless = head->framing == FL_H1_NO_BODY ||
                    (head->framing == FL_H1_LENGTH && head->content_length == 0);
    if (!e) {
        fl_reply_plain_error(s, FL_ERR_NOT_FOUND,
                             FL_LIT("There is no such endpoint here. Try POST /v1/chat/completions, "
                                    "/v1/completions, /v1/embeddings, /v1/responses, /v1/messages or GET /v1/models."),
                             head->keep_alive && bodyless);
        return false;
    }
    bool exchange = e->action == ACT_EXCHANGE || e->action == ACT_FEEDBACK || e->action == ACT_PASS;
    bool comes_back = event_id.len > 0 && head->method == FL_H1_GET;
    if (!takes_method(e, head->method, rest) && !comes_back) {
        fl_reply_plain_error(s, FL_ERR_NOT_ALLOWED,
                             exchange ? FL_LIT("This endpoint takes POST.") : FL_LIT("This endpoint takes GET."),
                             head->keep_alive && bodyless);
        return false;
    }
    if (e->speaks != NONE && !authenticate(s->worker->current->snapshot->config, head, &key)) {
        fl_reply_plain_error(s, FL_ERR_AUTH,
                             FL_LIT("Invalid or missing key. Send 'Authorization: Bearer <key>' with a key that "
                                    "this gateway's configuration lists."),
                             head->keep_alive && bodyless);
        return false;
    }
    if (exchange) {
        return open_exchange(s, head, e, key, event_id);
    }
    if (!bodyless) {
        fl_reply_plain_error(s, FL_ERR_REQUEST, FL_LIT("This request has no body here."), false);
        return false;
    }
    answer(s, head, e, rest, key);
    return false;
}

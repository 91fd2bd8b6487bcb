/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Endpoints of the OpenAI API that are routed, keyed and counted, but not understood: images, audio, moderations,
 * rerank, files, batches. The body goes through as it is, whatever its type, with the model's name replaced where
 * one is found: a member of a JSON body, a field of a multipart form (RFC 7578). A request that names no model
 * (files, batches) goes to the provider that the header x-fairlead-model names, or to the only one there is.
 */
#include "dialect/usage.h"
#include "server/internal.h"

/* The provider's side of such a request. */
void fl_pass_put_method(const struct fl_pass *p, struct fl_buf *b)
{
    static const char *const methods[] = {
        [FL_H1_GET] = "GET ",     [FL_H1_HEAD] = "HEAD ",     [FL_H1_POST] = "POST ",
        [FL_H1_PUT] = "PUT ",     [FL_H1_DELETE] = "DELETE ", [FL_H1_OPTIONS] = "OPTIONS ",
        [FL_H1_PATCH] = "PATCH ",
    };
    fl_buf_put_cstr(b, methods[p->method]);
}

void fl_pass_open(struct fl_exchange *x, const struct fl_h1_head *head, struct fl_slice path)
{
    struct fl_pass *p = fl_arena_zero(&x->arena, sizeof(*p));
    const struct fl_h1_header *type = fl_h1_find(head, FL_H_CONTENT_TYPE);
    const struct fl_h1_header *model = fl_h1_find_text(head, FL_LIT("x-fairlead-model"));
    if (!p) {
        return; /* the arena says so */
    }
    p->method = head->method;
    p->path = fl_arena_copy(&x->arena, path);
    p->query = fl_arena_copy(&x->arena, fl_slice_from(head->target, head->path.len));
    p->content_type = type ? fl_arena_copy(&x->arena, type->value) : FL_EMPTY;
    p->model = model ? fl_arena_copy(&x->arena, model->value) : FL_EMPTY;
    x->pass = p;
}

static bool has_type(const struct fl_pass *p, struct fl_slice type)
{
    return fl_slice_eq_nocase(fl_slice_first(p->content_type, type.len), type);
}

/* --- a form --- */

/* boundary=X or boundary="X" of the content type. */
static struct fl_slice boundary_of(struct fl_slice type)
{
    const struct fl_slice key = FL_LIT("boundary=");
    struct fl_slice rest = fl_slice_from(type, fl_slice_find_text(type, key));
    rest = fl_slice_from(rest, key.len);
    if (rest.len > 0 && rest.ptr[0] == '"') {
        rest = fl_slice_from(rest, 1);
        return fl_slice_first(rest, fl_slice_find(rest, '"'));
    }
    return fl_slice_trim(fl_slice_first(rest, fl_slice_find(rest, ';')));
}

static bool is_model_part(struct fl_slice head)
{
    return fl_slice_find_text(head, FL_LIT("name=\"model\"")) < head.len ||
           fl_slice_find_text(head, FL_LIT("name=model\r\n")) < head.len;
}

/* A part is told from the next by a line that begins with two hyphens and the boundary (RFC 2046, 5.1.1): blanks
 * and a line's end behind them, or two hyphens where it was the last. In the middle of a line they are text.
 * *mark*: with the line's end before it. Its offset, or text.len. */
static size_t find_delimiter(struct fl_slice text, struct fl_slice mark)
{
    size_t from = 0;
    while (from < text.len) {
        size_t at = from + fl_slice_find_text(fl_slice_from(text, from), mark);
        struct fl_slice behind = fl_slice_from(text, at + mark.len);
        struct fl_slice end = fl_slice_trim(fl_slice_first(behind, fl_slice_find(behind, '\n') + 1));
        if (at >= text.len || fl_slice_starts(behind, FL_LIT("--")) || fl_slice_eq(end, FL_LIT("\r\n"))) {
            return at < text.len ? at : text.len;
        }
        from = at + mark.len;
    }
    return text.len;
}

/* The value of the form's field "model", where it stands in *body*; empty: there is none. */
static struct fl_slice form_model(struct fl_slice body, struct fl_slice boundary)
{
    enum { boundary_bytes_max = 70, part_head_bytes_max = 2048 };
    char memory[boundary_bytes_max + 4];
    struct fl_buf mark;
    fl_buf_init_in(&mark, memory, sizeof(memory));
    fl_buf_put_cstr(&mark, "\r\n--");
    fl_buf_put(&mark, boundary);
    struct fl_slice delimiter = fl_buf_slice(&mark), rest = body;
    if (boundary.len == 0 || !fl_buf_ok(&mark)) {
        return FL_EMPTY;
    }
    /* The first one may stand where no line ends before it. */
    size_t at = fl_slice_starts(body, fl_slice_from(delimiter, 2)) ? 0 : find_delimiter(rest, delimiter) + 2;
    rest = fl_slice_from(rest, at + delimiter.len - 2);
    while (rest.len > 0) {
        struct fl_slice window = fl_slice_first(rest, part_head_bytes_max);
        size_t end = fl_slice_find_text(window, FL_LIT("\r\n\r\n"));
        if (end < window.len && is_model_part(fl_slice_first(window, end + 2))) {
            struct fl_slice value = fl_slice_from(rest, end + 4);
            size_t len = find_delimiter(value, delimiter);
            return len < value.len ? fl_slice_first(value, len) : FL_EMPTY;
        }
        rest = fl_slice_from(rest, find_delimiter(rest, delimiter) + delimiter.len);
    }
    return FL_EMPTY;
}

/* --- which model --- */

static enum fl_err read_json(struct fl_exchange *x, struct fl_reterr *reterr)
{
    struct fl_json_watch w = {.key = FL_LIT("model")};
    struct fl_json whole;
    char memory[600];
    struct fl_buf scratch;
    fl_buf_init_in(&scratch, memory, sizeof(memory));
    enum fl_err err = fl_json_scan(fl_buf_slice(&x->body), FL_JSON_LIMITS, &w, 1, &whole, reterr);
    struct fl_slice name;
    if (!err && fl_json_text(w.value, &scratch, &name)) {
        x->asking->facts.model = fl_arena_copy(&x->arena, name);
        x->pass->model_at = w.value.span;
        x->pass->model_in_json = true;
    }
    return err;
}

/* Without a name: a target of the only provider of the dialect. */
static struct fl_slice only_provider(const struct fl_config *c)
{
    const struct fl_target *found = NULL;
    for (unsigned i = 0; i < c->table.target_count; i++) {
        const struct fl_target *t = &c->table.targets[i];
        bool fits = (t->lacks & FL_NEED_PASS) == 0;
        if (fits && found && found->provider_index != t->provider_index) {
            return FL_EMPTY;
        }
        found = fits && !found ? t : found;
    }
    return found ? found->id : FL_EMPTY;
}

bool fl_pass_read(struct fl_exchange *x)
{
    struct fl_pass *p = x->pass;
    struct fl_reterr reterr = {0};
    enum fl_err err = FL_OK;
    x->asking->facts.body = fl_buf_slice(&x->body);
    x->asking->facts.endpoint = FL_ENDPOINT_PASS;
    if (has_type(p, FL_LIT("application/json")) && x->body.len > 0) {
        err = read_json(x, &reterr);
    } else if (has_type(p, FL_LIT("multipart/form-data"))) {
        p->model_at = form_model(fl_buf_slice(&x->body), boundary_of(p->content_type));
        x->asking->facts.model = fl_arena_copy(&x->arena, p->model_at);
    }
    if (err) {
        fl_exchange_refuse(x, err, fl_slice_cstr(reterr.message), NULL);
        return false;
    }
    if (p->model.len > 0) {
        x->asking->facts.model = p->model;
    } else if (x->asking->facts.model.len == 0) {
        x->asking->facts.model = only_provider(x->config);
    }
    x->model = x->asking->facts.model;
    if (x->model.len == 0 || x->model.len > 256) {
        fl_exchange_refuse(
            x, FL_ERR_REQUEST,
            FL_LIT("This request names no model that tells whom to ask. Send the header "
                   "x-fairlead-model with a model of the provider, such as 'openai/gpt-4o'."),
            "model");
        return false;
    }
    return true;
}

/* --- what is sent --- */

void fl_pass_write(const struct fl_attempt *a, struct fl_buf *storage,
                   struct fl_request_body *ret_body)
{
    const struct fl_exchange *x = a->exchange;
    const struct fl_pass *p = x->pass;
    struct fl_slice body = fl_buf_slice(&x->body);
    if (p->model_at.len == 0) {
        ret_body->pieces[0] = body;
        ret_body->count = body.len > 0;
        ret_body->bytes = body.len;
        return;
    }
    if (p->model_in_json) {
        fl_buf_put_json(storage, a->model);
    } else {
        fl_buf_put(storage, a->model);
    }
    size_t before = (size_t)(p->model_at.ptr - body.ptr);
    ret_body->pieces[0] = fl_slice_first(body, before);
    ret_body->pieces[1] = fl_buf_slice(storage);
    ret_body->pieces[2] = fl_slice_from(body, before + p->model_at.len);
    ret_body->count = 3;
    ret_body->bytes = body.len - p->model_at.len + storage->len;
}

bool fl_pass_is_json(struct fl_slice content_type)
{
    const struct fl_slice json = FL_LIT("application/json");
    return fl_slice_eq_nocase(fl_slice_first(content_type, json.len), json);
}

void fl_pass_read_usage(struct fl_slice body, struct fl_usage *usage)
{
    struct fl_json_watch w = {.key = FL_LIT("usage")};
    struct fl_json whole;
    if (fl_json_scan(body, FL_JSON_LIMITS, &w, 1, &whole, NULL) == FL_OK) {
        (void)fl_usage_read_any(w.value, usage);
    }
}

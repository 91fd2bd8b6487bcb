/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Responses that the gateway keeps (memory.h), as OpenAI's own endpoints give them:
 *
 *   GET    /v1/responses/ID               the response
 *   GET    /v1/responses/ID/input_items   what it was made of, earlier turns included; a page of it
 *   DELETE /v1/responses/ID               forgets it
 *
 * Of items that the client sent without an id the listing makes one, from where they stand.
 */
#include "server/internal.h"

#include "dialect/openai.h"
#include "dialect/put.h"

#include <stdlib.h>

enum { page_default = 20, page_max = 100 };

/* What the query asks of a listing. */
struct page {
    bool ascending;
    uint64_t limit;
    struct fl_slice after; /* an item's id; empty: from the first on */
};

struct visit {
    struct fl_session *s;
    const struct fl_h1_head *head;
    struct fl_memory *memory;
    struct fl_memory_asker asker;
    struct fl_slice id;
};

static void refuse(const struct visit *v, enum fl_err err, struct fl_slice message)
{
    fl_reply_plain_error(v->s, err, message, v->head->keep_alive);
}

static void refuse_gone(const struct visit *v, enum fl_err err, struct fl_slice id)
{
    char memory[640];
    struct fl_buf b;
    fl_buf_init_in(&b, memory, sizeof(memory));
    if (fl_openai_made_id(id)) {
        fl_recall_put_gone(err, id, v->s->worker->current->snapshot->config, &b);
    } else {
        fl_buf_put_cstr(&b, "Response with id '");
        fl_buf_put(&b, fl_slice_first(id, FL_MEMORY_ID_BYTES));
        fl_buf_put_cstr(&b, "' was not made by this gateway; ask the provider that made it.");
    }
    refuse(v, err == FL_ERR_ITEM_GONE ? err : FL_ERR_RESPONSE_GONE, fl_buf_slice(&b));
}

static void send(const struct visit *v, const struct fl_buf *body)
{
    if (fl_buf_ok(body)) {
        fl_reply_plain(v->s, 200, FL_LIT("application/json"), fl_buf_slice(body),
                       v->head->keep_alive, v->head->method == FL_H1_HEAD);
    } else {
        refuse(v, FL_ERR_NOMEM, FL_EMPTY);
    }
}

/* --- a page of the items it was made of --- */

/* The value of a parameter in "?a=b&c=d"; ids and numbers need no decoding. */
static struct fl_slice parameter(struct fl_slice query, struct fl_slice name)
{
    query = fl_slice_from(query, 1);
    while (query.len > 0) {
        struct fl_slice one = fl_slice_first(query, fl_slice_find(query, '&'));
        size_t is = fl_slice_find(one, '=');
        if (fl_slice_eq(fl_slice_first(one, is), name)) {
            return fl_slice_from(one, is + 1);
        }
        query = fl_slice_from(query, one.len + 1);
    }
    return FL_EMPTY;
}

static bool read_page(const struct fl_h1_head *head, struct page *ret_page)
{
    struct fl_slice query = fl_slice_from(head->target, head->path.len);
    struct fl_slice limit = parameter(query, FL_LIT("limit"));
    struct fl_slice order = parameter(query, FL_LIT("order"));
    *ret_page = (struct page){.ascending = fl_slice_eq(order, FL_LIT("asc")),
                              .limit = page_default,
                              .after = parameter(query, FL_LIT("after"))};
    bool number = limit.len == 0 || fl_slice_u64(limit, &ret_page->limit);
    return number && ret_page->limit >= 1 && ret_page->limit <= page_max &&
           (order.len == 0 || ret_page->ascending || fl_slice_eq(order, FL_LIT("desc")));
}

/* The item's id as it is listed. */
static void put_id(struct fl_buf *b, struct fl_json item, unsigned place)
{
    struct fl_slice id = fl_get_escaped(fl_json_get(item, FL_LIT("id")));
    if (id.len > 0) {
        fl_buf_put(b, id);
    } else {
        fl_buf_put_cstr(b, "in_fl_");
        fl_buf_put_u64(b, place);
    }
}

static void put_item(struct fl_buf *b, struct fl_json item, unsigned place)
{
    struct fl_json first;
    struct fl_json_iter it = fl_json_iter(item);
    bool id = fl_json_get(item, FL_LIT("id")).type == FL_JSON_STRING;
    fl_put_comma(b);
    if (id || !fl_json_next(&it, NULL, &first)) {
        fl_buf_put(b, item.span);
        return;
    }
    fl_buf_put_cstr(b, "{\"id\":\"");
    put_id(b, item, place);
    fl_buf_put_cstr(b, "\",");
    fl_buf_put(b, fl_slice_from(item.span, 1));
}

/* A listing's state as it walks the items in the order asked for. */
struct listing {
    const struct page *page;
    struct fl_buf *b;
    bool begun; /* the item to begin after is behind */
    bool more;
    uint64_t listed;
    char first_memory[FL_MEMORY_ID_BYTES + 8], last_memory[FL_MEMORY_ID_BYTES + 8];
    struct fl_buf first, last; /* ids */
};

static void list(struct listing *l, struct fl_json item, unsigned place)
{
    char memory[FL_MEMORY_ID_BYTES + 8];
    struct fl_buf id;
    fl_buf_init_in(&id, memory, sizeof(memory));
    put_id(&id, item, place);
    if (!l->begun) {
        l->begun = fl_slice_eq(fl_buf_slice(&id), l->page->after);
        return;
    }
    l->more = l->listed == l->page->limit;
    if (l->more) {
        return;
    }
    put_item(l->b, item, place);
    fl_buf_put(&l->first, l->listed == 0 ? fl_buf_slice(&id) : FL_EMPTY);
    fl_buf_reset(&l->last);
    fl_buf_put(&l->last, fl_buf_slice(&id));
    l->listed++;
}

/* *items*: all of them, an array in the order they were said. */
static void put_listing(struct fl_slice items, const struct page *page, struct fl_buf *b)
{
    struct listing l = {.page = page, .b = b, .begun = page->after.len == 0};
    struct fl_json item;
    unsigned count = 0;
    fl_buf_init_in(&l.first, l.first_memory, sizeof(l.first_memory));
    fl_buf_init_in(&l.last, l.last_memory, sizeof(l.last_memory));
    fl_buf_put_cstr(b, "{\"object\":\"list\",\"data\":[");
    for (struct fl_json_iter it = fl_json_iter((struct fl_json){FL_JSON_ARRAY, items});
         fl_json_next(&it, NULL, &item);) {
        count++;
    }
    struct fl_json *all = count > 0 ? malloc(count * sizeof(*all)) : NULL;
    unsigned place = 0;
    for (struct fl_json_iter it = fl_json_iter((struct fl_json){FL_JSON_ARRAY, items});
         all && fl_json_next(&it, NULL, &item);) {
        all[place++] = item;
    }
    b->failed = b->failed || (count > 0 && !all);
    for (unsigned i = 0; i < place && !l.more; i++) {
        unsigned at = page->ascending ? i : place - 1 - i;
        list(&l, all[at], at);
    }
    free(all);
    fl_buf_putc(b, ']');
    fl_put_plain(b, "first_id", fl_buf_slice(&l.first));
    fl_put_plain(b, "last_id", fl_buf_slice(&l.last));
    fl_put_flag(b, "has_more", l.more);
    fl_buf_putc(b, '}');
}

static void answer_items(const struct visit *v)
{
    struct page page;
    struct fl_memory_gone gone;
    struct fl_buf items, body;
    size_t most = v->s->worker->current->snapshot->config->limits.body_bytes;
    if (!read_page(v->head, &page)) {
        refuse(v, FL_ERR_REQUEST,
               FL_LIT("'limit' is a number from 1 to 100, 'order' is asc or desc."));
        return;
    }
    fl_buf_init(&items, most);
    fl_buf_init(&body, 2 * most);
    fl_buf_putc(&items, '[');
    enum fl_err err = fl_memory_put_input(v->memory, &v->asker, v->id, &items, &gone);
    fl_buf_putc(&items, ']');
    if (err) {
        refuse_gone(v, err, fl_buf_slice(&gone.id));
    } else {
        if (fl_buf_ok(&items)) {
            put_listing(fl_buf_slice(&items), &page, &body);
        }
        body.failed = body.failed || items.failed;
        send(v, &body);
    }
    fl_buf_finish(&items);
    fl_buf_finish(&body);
}

/* --- the response --- */

static void answer_response(const struct visit *v)
{
    struct fl_memory_gone gone;
    struct fl_buf body;
    fl_buf_init(&body, 2 * FL_MEMORY_RESPONSE_BYTES);
    enum fl_err err = fl_memory_put_response(v->memory, &v->asker, v->id, &body, &gone);
    if (err) {
        refuse_gone(v, err, v->id);
    } else {
        send(v, &body);
    }
    fl_buf_finish(&body);
}

static void forget(const struct visit *v)
{
    char memory[FL_MEMORY_ID_BYTES + 64];
    struct fl_buf body;
    fl_buf_init_in(&body, memory, sizeof(memory));
    if (!fl_memory_forget(v->memory, &v->asker, v->id)) {
        refuse_gone(v, FL_ERR_RESPONSE_GONE, v->id);
        return;
    }
    fl_buf_putc(&body, '{');
    fl_put_plain(&body, "id", v->id);
    fl_put_word(&body, "object", "response");
    fl_put_flag(&body, "deleted", true);
    fl_buf_putc(&body, '}');
    send(v, &body);
}

void fl_responses_answer(struct fl_session *s, const struct fl_h1_head *head, struct fl_slice path,
                         const struct fl_client_key *key)
{
    size_t slash = fl_slice_find(path, '/');
    struct fl_slice what = fl_slice_from(path, slash);
    const struct visit v = {
        .s = s,
        .head = head,
        .memory = s->worker->options.memory,
        .asker = fl_recall_asker(s->worker, s->worker->current->snapshot->config, key),
        .id = fl_slice_first(path, slash)};
    bool forgets = head->method == FL_H1_DELETE;
    bool items = fl_slice_eq(what, FL_LIT("/input_items"));
    if (what.len > 0 && (!items || forgets)) {
        refuse(&v, FL_ERR_NOT_FOUND,
               FL_LIT("Of a response there are GET and DELETE /v1/responses/ID, and "
                      "GET /v1/responses/ID/input_items."));
    } else if (v.asker.bytes == 0) {
        refuse_gone(&v, FL_ERR_RESPONSE_GONE, v.id);
    } else if (forgets) {
        forget(&v);
    } else if (items) {
        answer_items(&v);
    } else {
        answer_response(&v);
    }
}

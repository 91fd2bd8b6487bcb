/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An entry is one allocation: itself, a node for each of its ids, its texts. Nodes hang in a hash
 * table by tenant and id; entries in a list by their last use, the latest first.
 */
#include "server/memory.h"

#include "base/hash.h"
#include "base/list.h"
#include "codec/json.h"
#include "dialect/openai.h"
#include "dialect/put.h"

#include <pthread.h>
#include <stdlib.h>

enum {
    buckets_count = 8192,
    items_max = 1024, /* of one response */
    line_max = 4096   /* responses that go on from one another */
};

struct entry;

struct node {
    struct node *next; /* in its bucket */
    struct entry *entry;
    uint64_t hash;
    struct fl_slice id;
    struct fl_slice item; /* raw; empty: the id is the response's, or a maker's */
};

struct entry {
    struct fl_list link;
    uint64_t tenant, used_ns;
    size_t bytes;
    struct fl_slice response, output; /* raw object and array */
    struct fl_slice input;            /* raw; empty: too long */
    struct fl_slice previous, maker;
    unsigned node_count;
    struct node nodes[]; /* the first: the response's own */
};

struct fl_memory {
    pthread_mutex_t mutex; /* of all below */
    struct fl_list used;
    size_t bytes;
    unsigned entries;
    struct node *buckets[buckets_count];
};

struct fl_memory *fl_memory_create(void)
{
    struct fl_memory *m = calloc(1, sizeof(*m));
    if (m && pthread_mutex_init(&m->mutex, NULL)) {
        free(m);
        m = NULL;
    }
    if (m) {
        fl_list_init(&m->used);
    }
    return m;
}

/* --- entries --- */

static uint64_t hash_of(uint64_t tenant, struct fl_slice id)
{
    return fl_hash((struct fl_hash_key){tenant, 0}, id);
}

static struct node **bucket_of(struct fl_memory *m, uint64_t hash)
{
    return &m->buckets[hash % buckets_count];
}

static void drop(struct fl_memory *m, struct entry *e)
{
    for (unsigned i = 0; i < e->node_count; i++) {
        struct node **at = bucket_of(m, e->nodes[i].hash);
        while (*at != &e->nodes[i]) {
            at = &(*at)->next;
        }
        *at = e->nodes[i].next;
    }
    fl_list_remove(&e->link);
    m->bytes -= e->bytes;
    m->entries--;
    free(e);
}

void fl_memory_destroy(struct fl_memory *m)
{
    while (m && !fl_list_empty(&m->used)) {
        drop(m, fl_container_of(m->used.next, struct entry, link));
    }
    if (m) {
        (void)pthread_mutex_destroy(&m->mutex);
        free(m);
    }
}

static bool too_old(const struct entry *e, const struct fl_memory_asker *asker)
{
    return asker->now_ns > e->used_ns && asker->now_ns - e->used_ns > asker->age_ns;
}

/* Lets go of what is too old, and of the least recently used until there is room for *bytes* more. */
static void make_room(struct fl_memory *m, const struct fl_memory_asker *asker, size_t bytes)
{
    while (!fl_list_empty(&m->used)) {
        struct entry *last = fl_container_of(m->used.prev, struct entry, link);
        if (m->bytes + bytes <= asker->bytes && !too_old(last, asker)) {
            return;
        }
        drop(m, last);
    }
}

static void use(struct fl_memory *m, const struct fl_memory_asker *asker, struct entry *e)
{
    e->used_ns = asker->now_ns;
    fl_list_remove(&e->link);
    fl_list_push(&m->used, &e->link);
}

/* NULL: not there (any more). */
static struct node *find(struct fl_memory *m, const struct fl_memory_asker *asker,
                         struct fl_slice id)
{
    uint64_t hash = hash_of(asker->tenant, id);
    for (struct node *n = *bucket_of(m, hash); n; n = n->next) {
        bool same = n->hash == hash && n->entry->tenant == asker->tenant && fl_slice_eq(n->id, id);
        if (same && asker->bytes > 0 && !too_old(n->entry, asker)) {
            return n;
        }
    }
    return NULL;
}

static struct node *find_response(struct fl_memory *m, const struct fl_memory_asker *asker,
                                  struct fl_slice id)
{
    struct node *n = find(m, asker, id);
    return n && n == n->entry->nodes && n->entry->response.len > 0 ? n : NULL;
}

/* --- putting --- */

static struct fl_slice id_of(struct fl_json object)
{
    return fl_get_escaped(fl_json_get(object, FL_LIT("id"))); /* ids need no escape */
}

static bool usable(struct fl_slice id)
{
    return id.len > 0 && id.len <= FL_MEMORY_ID_BYTES;
}

/* Moves a text into the entry's own memory. */
static struct fl_slice take(char **at, struct fl_slice text)
{
    struct fl_slice copy = fl_slice(*at, text.len);
    if (text.len > 0) {
        memcpy(*at, text.ptr, text.len);
    }
    *at += text.len;
    return copy;
}

static void add_node(struct entry *e, struct fl_slice id, struct fl_slice item)
{
    e->nodes[e->node_count++] =
        (struct node){.entry = e, .hash = hash_of(e->tenant, id), .id = id, .item = item};
}

/* The items of *output* that have an id; *copy_ids*: into the entry, since *output* does not stay. */
static void add_items(struct entry *e, struct fl_json output, unsigned most, char **copy_ids)
{
    struct fl_json_iter it = fl_json_iter(output);
    struct fl_json item;
    while (e->node_count < most && fl_json_next(&it, NULL, &item)) {
        struct fl_slice id = id_of(item);
        if (usable(id)) {
            add_node(e, copy_ids ? take(copy_ids, id) : id, copy_ids ? FL_EMPTY : item.span);
        }
    }
}

/* How many there are, and how long their ids are together. */
static unsigned count_items(struct fl_json output, size_t *ret_id_bytes)
{
    struct fl_json_iter it = fl_json_iter(output);
    struct fl_json item;
    unsigned count = 0;
    *ret_id_bytes = 0;
    while (count < items_max && fl_json_next(&it, NULL, &item)) {
        struct fl_slice id = id_of(item);
        count += usable(id);
        *ret_id_bytes += usable(id) ? id.len : 0;
    }
    return count;
}

static struct entry *make(const struct fl_memory_asker *asker, unsigned nodes, size_t text_bytes,
                          char **ret_texts)
{
    size_t bytes = sizeof(struct entry) + nodes * sizeof(struct node) + text_bytes;
    struct entry *e = bytes <= asker->bytes ? malloc(bytes) : NULL;
    if (e) {
        *e = (struct entry){.tenant = asker->tenant, .used_ns = asker->now_ns, .bytes = bytes};
        fl_list_init(&e->link);
        *ret_texts = (char *)&e->nodes[nodes];
    }
    return e;
}

static void insert(struct fl_memory *m, const struct fl_memory_asker *asker, struct entry *e)
{
    (void)pthread_mutex_lock(&m->mutex);
    struct node *old = find(m, asker, e->nodes[0].id);
    if (old) {
        drop(m, old->entry);
    }
    make_room(m, asker, e->bytes);
    for (unsigned i = 0; i < e->node_count; i++) {
        struct node **bucket = bucket_of(m, e->nodes[i].hash);
        e->nodes[i].next = *bucket;
        *bucket = &e->nodes[i];
    }
    fl_list_push(&m->used, &e->link);
    m->bytes += e->bytes;
    m->entries++;
    (void)pthread_mutex_unlock(&m->mutex);
}

void fl_memory_put(struct fl_memory *m, const struct fl_memory_asker *asker,
                   const struct fl_memory_response *r)
{
    struct fl_json whole = {FL_JSON_OBJECT, r->response}, output;
    size_t id_bytes;
    char *texts;
    output = fl_json_get(whole, FL_LIT("output"));
    size_t most =
        asker->bytes / 4 < FL_MEMORY_RESPONSE_BYTES ? asker->bytes / 4 : FL_MEMORY_RESPONSE_BYTES;
    struct fl_slice input = r->input.len <= most ? r->input : FL_EMPTY;
    if (!usable(id_of(whole)) || r->response.len > most) {
        return;
    }
    unsigned nodes = 1 + count_items(output, &id_bytes);
    struct entry *e = make(asker, nodes, r->response.len + input.len + r->previous.len, &texts);
    if (!e) {
        return;
    }
    e->response = whole.span = take(&texts, r->response);
    e->input = take(&texts, input);
    e->previous = take(&texts, r->previous);
    add_node(e, id_of(whole), FL_EMPTY);
    output = fl_json_get(whole, FL_LIT("output"));
    e->output = output.type == FL_JSON_ARRAY ? output.span : FL_EMPTY;
    add_items(e, output, nodes, NULL);
    insert(m, asker, e);
}

void fl_memory_put_maker(struct fl_memory *m, const struct fl_memory_asker *asker,
                         struct fl_slice response, struct fl_slice maker)
{
    struct fl_json whole = {FL_JSON_OBJECT, response};
    struct fl_json output = fl_json_get(whole, FL_LIT("output"));
    struct fl_slice id = id_of(whole);
    size_t id_bytes;
    char *texts;
    unsigned nodes = 1 + count_items(output, &id_bytes);
    struct entry *e = usable(id) ? make(asker, nodes, maker.len + id.len + id_bytes, &texts) : NULL;
    if (!e) {
        return;
    }
    e->maker = take(&texts, maker);
    add_node(e, take(&texts, id), FL_EMPTY);
    add_items(e, output, nodes, &texts);
    insert(m, asker, e);
}

void fl_memory_maker(struct fl_memory *m, const struct fl_memory_asker *asker, struct fl_slice id,
                     struct fl_buf *name)
{
    (void)pthread_mutex_lock(&m->mutex);
    struct node *n = find(m, asker, id);
    if (n) {
        use(m, asker, n->entry);
        fl_buf_put(name, n->entry->maker);
    }
    (void)pthread_mutex_unlock(&m->mutex);
}

bool fl_memory_holds(struct fl_memory *m, const struct fl_memory_asker *asker, struct fl_slice id)
{
    (void)pthread_mutex_lock(&m->mutex);
    struct node *n = find(m, asker, id);
    bool holds = n && n->entry->response.len > 0;
    (void)pthread_mutex_unlock(&m->mutex);
    return holds;
}

bool fl_memory_forget(struct fl_memory *m, const struct fl_memory_asker *asker, struct fl_slice id)
{
    (void)pthread_mutex_lock(&m->mutex);
    struct node *n = find_response(m, asker, id);
    if (n) {
        drop(m, n->entry);
    }
    (void)pthread_mutex_unlock(&m->mutex);
    return n != NULL;
}

struct fl_memory_stats fl_memory_stats(struct fl_memory *m)
{
    (void)pthread_mutex_lock(&m->mutex);
    struct fl_memory_stats stats = {m->bytes, m->entries};
    (void)pthread_mutex_unlock(&m->mutex);
    return stats;
}

/* --- what it knows, as JSON; the memory is locked --- */

struct teller {
    struct fl_memory *m;
    const struct fl_memory_asker *asker;
    struct fl_buf *b;
    struct fl_memory_gone *gone;
};

static enum fl_err is_gone(const struct teller *t, enum fl_err err, struct fl_slice id)
{
    fl_buf_init_in(&t->gone->id, t->gone->memory, sizeof(t->gone->memory));
    fl_buf_put(&t->gone->id, fl_slice_first(id, sizeof(t->gone->memory)));
    return err;
}

/* The elements of an array, all of them. */
static void put_elements(struct fl_buf *b, struct fl_slice array)
{
    struct fl_json first;
    struct fl_json_iter it = fl_json_iter((struct fl_json){FL_JSON_ARRAY, array});
    if (fl_json_next(&it, NULL, &first)) {
        fl_put_comma(b);
        fl_buf_put(b, fl_slice(array.ptr + 1, array.len - 2));
    }
}

static enum fl_err put_item(const struct teller *t, struct fl_json item)
{
    struct fl_slice id = id_of(item);
    bool refers = fl_get_is(fl_json_get(item, FL_LIT("type")), "item_reference");
    struct node *n = refers ? find(t->m, t->asker, id) : NULL;
    bool kept = n && n->item.len > 0;
    if (refers && !kept && fl_openai_made_id(id)) {
        return is_gone(t, FL_ERR_ITEM_GONE, id);
    }
    if (kept) {
        use(t->m, t->asker, n->entry);
    }
    fl_put_comma(t->b);
    fl_buf_put(t->b, kept ? n->item : item.span);
    return FL_OK;
}

static enum fl_err put_items(const struct teller *t, struct fl_slice input)
{
    struct fl_json list = {FL_JSON_ARRAY, input}, item;
    struct fl_json_iter it = fl_json_iter(list);
    enum fl_err err = FL_OK;
    if (input.len > 0 && input.ptr[0] == '"') {
        fl_put_comma(t->b);
        fl_buf_put(t->b, FL_LIT("{\"type\":\"message\",\"role\":\"user\",\"content\":"
                                "[{\"type\":\"input_text\",\"text\":"));
        fl_buf_put(t->b, input);
        fl_buf_put(t->b, FL_LIT("}]}"));
        return FL_OK;
    }
    while (!err && input.len > 0 && input.ptr[0] == '[' && fl_json_next(&it, NULL, &item)) {
        err = put_item(t, item);
    }
    return err;
}

static enum fl_err put_line(const struct teller *t, struct fl_slice id, bool own_output)
{
    struct entry *line[line_max];
    unsigned count = 0;
    enum fl_err err = FL_OK;
    for (struct fl_slice at = id; at.len > 0; at = line[count - 1]->previous) {
        struct node *n = find_response(t->m, t->asker, at);
        if (!n || count == line_max) {
            return is_gone(t, FL_ERR_RESPONSE_GONE, at);
        }
        if (n->entry->input.len == 0) {
            return is_gone(t, FL_ERR_TOO_BIG, at);
        }
        use(t->m, t->asker, n->entry); /* the first of the line last: it is forgotten last */
        line[count++] = n->entry;
    }
    for (unsigned i = count; !err && i > 0; i--) {
        err = put_items(t, line[i - 1]->input);
        if (!err && (i > 1 || own_output)) {
            put_elements(t->b, line[i - 1]->output);
        }
    }
    return err;
}

static enum fl_err put_response(const struct teller *t, struct fl_slice id)
{
    struct node *n = find_response(t->m, t->asker, id);
    if (!n) {
        return is_gone(t, FL_ERR_RESPONSE_GONE, id);
    }
    use(t->m, t->asker, n->entry);
    fl_buf_put(t->b, n->entry->response);
    return FL_OK;
}

enum fl_err fl_memory_put_response(struct fl_memory *m, const struct fl_memory_asker *asker,
                                   struct fl_slice id, struct fl_buf *b,
                                   struct fl_memory_gone *ret_gone)
{
    const struct teller t = {m, asker, b, ret_gone};
    (void)pthread_mutex_lock(&m->mutex);
    enum fl_err err = put_response(&t, id);
    (void)pthread_mutex_unlock(&m->mutex);
    return err;
}

enum fl_err fl_memory_put_context(struct fl_memory *m, const struct fl_memory_asker *asker,
                                  struct fl_slice id, struct fl_buf *b,
                                  struct fl_memory_gone *ret_gone)
{
    const struct teller t = {m, asker, b, ret_gone};
    (void)pthread_mutex_lock(&m->mutex);
    enum fl_err err = put_line(&t, id, true);
    (void)pthread_mutex_unlock(&m->mutex);
    return err;
}

enum fl_err fl_memory_put_input(struct fl_memory *m, const struct fl_memory_asker *asker,
                                struct fl_slice id, struct fl_buf *b,
                                struct fl_memory_gone *ret_gone)
{
    const struct teller t = {m, asker, b, ret_gone};
    (void)pthread_mutex_lock(&m->mutex);
    enum fl_err err = put_line(&t, id, false);
    (void)pthread_mutex_unlock(&m->mutex);
    return err;
}

enum fl_err fl_memory_put_items(struct fl_memory *m, const struct fl_memory_asker *asker,
                                struct fl_slice input, struct fl_buf *b,
                                struct fl_memory_gone *ret_gone)
{
    const struct teller t = {m, asker, b, ret_gone};
    (void)pthread_mutex_lock(&m->mutex);
    enum fl_err err = put_items(&t, input);
    (void)pthread_mutex_unlock(&m->mutex);
    return err;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes a stream of responses to a client (PROTOCOLS.md sections 2.1, 8.4): an item is opened when
 * its first piece comes, and its text kept, since .done events and the end tell it whole. Texts close
 * when something else begins, calls when the answer ends: their arguments may come mixed. What is
 * kept has a ceiling; an answer beyond it fails.
 */
#include "dialect/openai_responses_put.h"

#include "dialect/cite.h"

#include <stdlib.h>

enum { items_max = 1024 };

struct item {
    struct fl_block block; /* its words lie in *words*, its text in *text* */
    struct fl_piece piece;
    struct fl_buf text, logprobs;
    unsigned cited; /* how many citations */
    char *words;
    bool closed;
};

struct own {
    struct item *items;
    unsigned count, room;
    unsigned open; /* the text item that grows, + 1 */
    size_t kept_bytes;
    bool failed; /* more than can be kept */
};

static void free_own(void *memory)
{
    struct own *own = memory;
    for (unsigned i = 0; i < own->count; i++) {
        fl_buf_finish(&own->items[i].text);
        fl_buf_finish(&own->items[i].logprobs);
        free(own->items[i].words);
        for (struct fl_cited *c = own->items[i].block.cited, *next; c; c = next) {
            next = c->next;
            free(c);
        }
    }
    free(own->items);
}

/* The item as a block, with its text as it is now. */
static const struct fl_block *view(struct item *item)
{
    item->piece = (struct fl_piece){.text = fl_buf_slice(&item->text),
                                    .logprobs = fl_buf_slice(&item->logprobs)};
    item->block.pieces = item->text.len > 0 ? &item->piece : NULL;
    return &item->block;
}

/* --- Events --- */

static void begin_event(struct fl_encoder *e, struct fl_buf *out, const char *type)
{
    fl_buf_put(out, FL_LIT("event: "));
    fl_buf_put_cstr(out, type);
    fl_buf_put(out, FL_LIT("\ndata: {"));
    fl_put_word(out, "type", type);
    fl_put_number(out, "sequence_number", e->sequence++);
}

static void end_event(struct fl_buf *out)
{
    fl_buf_put(out, FL_LIT("}\n\n"));
}

/* With which item it is about. */
static void begin_item_event(struct fl_encoder *e, struct fl_buf *out, const char *type,
                             const struct item *item, unsigned index)
{
    begin_event(e, out, type);
    fl_put_key(out, "item_id");
    fl_responses_put_item_id(out, e, &item->block, index);
    fl_put_number(out, "output_index", index);
    if (item->block.kind == FL_BLOCK_THINKING) {
        fl_put_number(out, "summary_index", 0);
    } else if (item->block.kind != FL_BLOCK_CALL) {
        fl_put_number(out, "content_index", 0);
    }
}

static void put_response_event(struct fl_encoder *e, struct fl_buf *out, const char *type,
                               const struct fl_responses_end *end)
{
    struct own *own = e->own;
    const char *status = end ? fl_responses_status(end->finish) : NULL;
    begin_event(e, out, type);
    fl_put_key(out, "response");
    size_t begin = fl_responses_begin(out, e, end);
    for (unsigned i = 0; end && own && i < own->count; i++) {
        fl_put_comma(out);
        fl_responses_put_item(out, e, view(&own->items[i]), i,
                              strcmp(status, "failed") == 0 ? "incomplete" : status);
    }
    fl_responses_finish(out, e, begin, end, end ? &e->usage : NULL);
    end_event(out);
}

static void start(struct fl_encoder *e, struct fl_buf *out)
{
    if (!e->started) {
        e->started = true;
        put_response_event(e, out, "response.created", NULL);
        put_response_event(e, out, "response.in_progress", NULL);
    }
}

static void put_item_event(struct fl_encoder *e, struct fl_buf *out, const char *type,
                           struct item *item, unsigned index, const char *status)
{
    begin_event(e, out, type);
    fl_put_number(out, "output_index", index);
    fl_put_key(out, "item");
    fl_responses_put_item(out, e, view(item), index, status);
    end_event(out);
}

/* --- Items --- */

static bool grow(struct own *own)
{
    if (own->count < own->room) {
        return true;
    }
    unsigned room = own->room > 0 ? own->room * 2 : 8;
    struct item *items = own->count < items_max ? realloc(own->items, room * sizeof(*items)) : NULL;
    if (!items) {
        own->failed = true;
        return false;
    }
    own->items = items;
    own->room = room;
    return true;
}

/* Copies of an event's id, name and signature, in one allocation. */
static void keep_words(struct item *item, const struct fl_chat_event *event)
{
    size_t bytes = event->id.len + event->name.len + event->signature.len;
    item->words = malloc(bytes + 1);
    if (!item->words) {
        item->text.failed = true;
        return;
    }
    struct fl_buf b;
    fl_buf_init_in(&b, item->words, bytes + 1);
    fl_buf_put(&b, event->id);
    fl_buf_put(&b, event->name);
    fl_buf_put(&b, event->signature);
    item->block.id = fl_slice(item->words, event->id.len);
    item->block.name = fl_slice(item->words + event->id.len, event->name.len);
    item->block.signature =
        fl_slice(item->words + event->id.len + event->name.len, event->signature.len);
}

static void keep_text(struct fl_encoder *e, struct item *item, struct fl_slice text)
{
    struct own *own = e->own;
    own->kept_bytes += text.len;
    if (own->kept_bytes > e->kept_bytes_max) {
        own->failed = true;
        return;
    }
    fl_buf_put(&item->text, text);
    own->failed = own->failed || item->text.failed;
}

static void keep_logprobs(struct fl_encoder *e, struct item *item, struct fl_slice logprobs)
{
    struct own *own = e->own;
    own->kept_bytes += logprobs.len;
    fl_buf_put(&item->logprobs,
               item->logprobs.len > 0 && logprobs.len > 0 ? FL_LIT(",") : FL_EMPTY);
    fl_buf_put(&item->logprobs, logprobs);
    own->failed = own->failed || item->logprobs.failed || own->kept_bytes > e->kept_bytes_max;
}

/* A text's content part, or a thought's summary part, begins or is over. */
static void put_part_event(struct fl_encoder *e, struct fl_buf *out, struct item *item,
                           unsigned index, bool done)
{
    bool thinking = item->block.kind == FL_BLOCK_THINKING;
    const char *type = thinking ? done ? "response.reasoning_summary_part.done"
                                       : "response.reasoning_summary_part.added"
                       : done   ? "response.content_part.done"
                                : "response.content_part.added";
    begin_item_event(e, out, type, item, index);
    fl_put_key(out, "part");
    fl_responses_put_part(out, view(item), done);
    end_event(out);
}

/* A new item, told to the client. Its index, or -1. */
static int add_item(struct fl_encoder *e, enum fl_block_kind kind,
                    const struct fl_chat_event *event, struct fl_buf *out)
{
    struct own *own = e->own;
    if (!grow(own)) {
        return -1;
    }
    unsigned index = own->count++;
    struct item *item = &own->items[index];
    *item = (struct item){.block = {.kind = kind, .call = event->call}};
    fl_buf_init(&item->text, e->kept_bytes_max);
    fl_buf_init(&item->logprobs, e->kept_bytes_max);
    if (kind == FL_BLOCK_CALL) {
        keep_words(item, event);
        own->failed = own->failed || item->text.failed;
    }
    put_item_event(e, out, "response.output_item.added", item, index, "in_progress");
    return (int)index;
}

/* What a block's whole text is told by, at its end. */
static void put_text_done(struct fl_encoder *e, struct fl_buf *out, struct item *item,
                          unsigned index)
{
    static const struct {
        const char *type, *key;
    } rows[] = {[FL_BLOCK_TEXT] = {"response.output_text.done", "text"},
                [FL_BLOCK_REFUSAL] = {"response.refusal.done", "refusal"},
                [FL_BLOCK_THINKING] = {"response.reasoning_summary_text.done", "text"}};
    begin_item_event(e, out, rows[item->block.kind].type, item, index);
    fl_put_key(out, rows[item->block.kind].key);
    fl_put_pieces(out, view(item));
    if (item->block.kind == FL_BLOCK_TEXT) {
        fl_responses_put_logprobs(out, view(item));
    }
    end_event(out);
    put_part_event(e, out, item, index, true);
}

static void put_call_done(struct fl_encoder *e, struct fl_buf *out, struct item *item,
                          unsigned index)
{
    bool custom = fl_openai_is_custom(e->request, item->block.name);
    for (int done = custom ? 0 : 1; done < 2; done++) { /* a custom call's one delta is all of it */
        begin_item_event(e, out,
                         !custom ? "response.function_call_arguments.done"
                         : done  ? "response.custom_tool_call_input.done"
                                 : "response.custom_tool_call_input.delta",
                         item, index);
        fl_put_key(out, !custom ? "arguments" : done ? "input" : "delta");
        if (custom) {
            fl_responses_put_input(out, e, view(item));
        } else {
            fl_put_pieces(out, view(item));
        }
        end_event(out);
    }
}

static void close_item(struct fl_encoder *e, struct fl_buf *out, unsigned index)
{
    struct own *own = e->own;
    struct item *item = &own->items[index];
    if (item->closed) {
        return;
    }
    item->closed = true;
    if (item->block.kind == FL_BLOCK_CALL) {
        if (item->text.len == 0) {
            keep_text(e, item, FL_LIT("{}"));
        }
        put_call_done(e, out, item, index);
    } else if (item->block.kind != FL_BLOCK_REDACTED && item->text.len > 0) {
        put_text_done(e, out, item, index);
    }
    put_item_event(e, out, "response.output_item.done", item, index, "completed");
}

static void close_open(struct fl_encoder *e, struct fl_buf *out)
{
    struct own *own = e->own;
    if (own->open > 0) {
        close_item(e, out, own->open - 1);
        own->open = 0;
    }
}

/* --- What comes --- */

/* The text item of this kind that grows, begun if need be; NULL without memory. */
static struct item *text_item(struct fl_encoder *e, enum fl_block_kind kind,
                              const struct fl_chat_event *event, struct fl_buf *out)
{
    struct own *own = e->own;
    if (own->open == 0 || own->items[own->open - 1].block.kind != kind) {
        close_open(e, out);
        int index = add_item(e, kind, event, out);
        if (index < 0) {
            return NULL;
        }
        own->open = (unsigned)index + 1;
        put_part_event(e, out, &own->items[index], (unsigned)index, false);
    }
    return &own->items[own->open - 1];
}

static void put_text(struct fl_encoder *e, enum fl_block_kind kind,
                     const struct fl_chat_event *event, struct fl_buf *out)
{
    static const char *const deltas[] = {[FL_BLOCK_TEXT] = "response.output_text.delta",
                                         [FL_BLOCK_REFUSAL] = "response.refusal.delta",
                                         [FL_BLOCK_THINKING] =
                                             "response.reasoning_summary_text.delta"};
    struct own *own = e->own;
    struct item *item = event->text.len > 0 ? text_item(e, kind, event, out) : NULL;
    if (!item) {
        return;
    }
    keep_text(e, item, event->text);
    keep_logprobs(e, item, event->logprobs);
    begin_item_event(e, out, deltas[kind], item, own->open - 1);
    fl_put_text(out, "delta", event->text);
    if (kind == FL_BLOCK_TEXT) {
        fl_put_key(out, "logprobs");
        fl_buf_putc(out, '[');
        fl_buf_put(out, event->logprobs);
        fl_buf_putc(out, ']');
    }
    end_event(out);
}

/* A copy, in one allocation; NULL without memory. */
static struct fl_cited *copy_citation(const struct fl_citation *c)
{
    struct fl_cited *copy = malloc(sizeof(*copy) + c->url.len + c->title.len);
    char *text = (char *)(copy + 1);
    if (copy) {
        struct fl_buf b;
        fl_buf_init_in(&b, text, c->url.len + c->title.len);
        fl_buf_put(&b, c->url);
        fl_buf_put(&b, c->title);
        *copy = (struct fl_cited){.citation = *c};
        copy->citation.url = fl_slice(text, c->url.len);
        copy->citation.title = fl_slice(text + c->url.len, c->title.len);
    }
    return copy;
}

/* Characters of the texts before an item. */
static uint64_t text_before(const struct own *own, const struct item *item)
{
    uint64_t chars = 0;
    for (const struct item *i = own->items; i < item; i++) {
        chars += i->block.kind == FL_BLOCK_TEXT ? fl_escaped_chars(fl_buf_slice(&i->text)) : 0;
    }
    return chars;
}

/* Of the text that grows; one that comes before it begins it. */
static void put_citation(struct fl_encoder *e, const struct fl_chat_event *event,
                         struct fl_buf *out)
{
    struct own *own = e->own;
    struct item *item = text_item(e, FL_BLOCK_TEXT, event, out);
    struct fl_cited *cited = item ? copy_citation(event->citation) : NULL;
    if (!cited) {
        own->failed = true;
        return;
    }
    struct fl_cited **tail = &item->block.cited;
    while (*tail) {
        tail = &(*tail)->next;
    }
    *tail = cited;
    if (item->cited == 0) {
        item->block.text_from = text_before(own, item);
    }
    own->kept_bytes += sizeof(*cited) + cited->citation.url.len + cited->citation.title.len;
    own->failed = own->failed || own->kept_bytes > e->kept_bytes_max;
    begin_item_event(e, out, "response.output_text.annotation.added", item, own->open - 1);
    fl_put_number(out, "annotation_index", item->cited++);
    fl_put_key(out, "annotation");
    fl_responses_put_annotation(out, &cited->citation, item->block.text_from);
    end_event(out);
}

static void put_signature(struct fl_encoder *e, const struct fl_chat_event *event,
                          struct fl_buf *out)
{
    struct own *own = e->own;
    if (own->open == 0 || own->items[own->open - 1].block.kind != FL_BLOCK_THINKING) {
        close_open(e, out);
        int index = add_item(e, FL_BLOCK_THINKING, event, out);
        if (index < 0) {
            return;
        }
        own->open = (unsigned)index + 1;
    }
    struct fl_chat_event words = {.signature = event->text};
    keep_words(&own->items[own->open - 1], &words);
    own->failed = own->failed || own->items[own->open - 1].text.failed;
    close_open(e, out);
}

static void put_redacted(struct fl_encoder *e, const struct fl_chat_event *event,
                         struct fl_buf *out)
{
    struct own *own = e->own;
    close_open(e, out);
    int index = add_item(e, FL_BLOCK_REDACTED, event, out);
    if (index >= 0) {
        keep_text(e, &own->items[index], event->text);
        close_item(e, out, (unsigned)index);
    }
}

static void put_arguments(struct fl_encoder *e, const struct fl_chat_event *event,
                          struct fl_buf *out)
{
    struct own *own = e->own;
    unsigned i = own->count;
    while (i > 0 && !(own->items[i - 1].block.kind == FL_BLOCK_CALL &&
                      own->items[i - 1].block.call == event->call)) {
        i--;
    }
    if (i == 0 || own->items[i - 1].closed || event->text.len == 0) {
        return;
    }
    struct item *item = &own->items[i - 1];
    keep_text(e, item, event->text);
    if (!fl_openai_is_custom(e->request, item->block.name)) {
        begin_item_event(e, out, "response.function_call_arguments.delta", item, i - 1);
        fl_put_text(out, "delta", event->text);
        end_event(out);
    }
}

static void close_all(struct fl_encoder *e, struct fl_buf *out)
{
    struct own *own = e->own;
    close_open(e, out);
    for (unsigned i = 0; i < own->count; i++) {
        close_item(e, out, i);
    }
}

static void put_end(struct fl_encoder *e, const struct fl_responses_end *end, struct fl_buf *out)
{
    const char *status = fl_responses_status(end->finish);
    put_response_event(e, out,
                       strcmp(status, "failed") == 0       ? "response.failed"
                       : strcmp(status, "incomplete") == 0 ? "response.incomplete"
                                                           : "response.completed",
                       end);
    e->done = true;
}

static void put_first_choice(struct fl_encoder *e, const struct fl_chat_event *event,
                             struct fl_buf *out)
{
    struct fl_responses_end end = {.finish = e->finish};
    switch (event->kind) {
    case FL_CHAT_START:
        break;
    case FL_CHAT_TEXT:
        put_text(e, FL_BLOCK_TEXT, event, out);
        break;
    case FL_CHAT_REFUSAL:
        put_text(e, FL_BLOCK_REFUSAL, event, out);
        break;
    case FL_CHAT_THINKING:
        put_text(e, FL_BLOCK_THINKING, event, out);
        break;
    case FL_CHAT_SIGNATURE:
        put_signature(e, event, out);
        break;
    case FL_CHAT_REDACTED:
        put_redacted(e, event, out);
        break;
    case FL_CHAT_CITATION:
        put_citation(e, event, out);
        break;
    case FL_CHAT_CALL_BEGIN:
        close_open(e, out);
        (void)add_item(e, FL_BLOCK_CALL, event, out);
        break;
    case FL_CHAT_CALL_ARGUMENTS:
        put_arguments(e, event, out);
        break;
    case FL_CHAT_PING:
        fl_buf_put(out, FL_LIT(": ping\n\n"));
        break;
    case FL_CHAT_FINISH:
        e->finish = event->finish;
        close_all(e, out);
        break;
    case FL_CHAT_USAGE:
        e->usage = *event->usage;
        break;
    case FL_CHAT_ERROR:
        end = (struct fl_responses_end){FL_FINISH_ERROR, event->err, event->text, event->name};
        put_end(e, &end, out);
        break;
    case FL_CHAT_DONE:
        close_all(e, out);
        put_end(e, &end, out);
        break;
    }
}

void fl_openai_responses_put_event(struct fl_encoder *e, const struct fl_chat_event *event,
                                   struct fl_buf *out)
{
    static const struct fl_responses_end too_long = {.finish = FL_FINISH_ERROR,
                                                     .err = FL_ERR_TOO_BIG};
    if (!e->own) {
        e->own = calloc(1, sizeof(struct own));
        e->own_finish = free_own;
    }
    if (e->done || event->choice > 0) {
        return;
    }
    struct own *own = e->own;
    if (!own) {
        out->failed = true; /* no memory: the answer cannot go on */
        return;
    }
    if (event->kind != FL_CHAT_PING && event->kind != FL_CHAT_USAGE) {
        start(e, out);
    }
    put_first_choice(e, event, out);
    if (own->failed && !e->done) {
        put_end(e, &too_long, out);
    }
}

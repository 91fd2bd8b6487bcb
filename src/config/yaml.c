/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a parse: check the bytes -> events build the tree on a stack of open collections ->
 * merge keys are resolved as each mapping closes -> aliases are weighed. The first syntax error
 * ends it; duplicate keys are only marked, because a caller may know better what they mean.
 */
#include "config/yaml.h"

#include "base/assert.h"
#include "base/utf8.h"

#include <libfyaml.h>
#include <stdlib.h>

struct frame {
    struct fl_yaml *node;
    struct fl_yaml *key;    /* waits for its value */
    struct fl_slice anchor; /* to be defined when the collection closes */
};

struct anchor {
    struct fl_slice name;
    struct fl_yaml *node;
    struct anchor *next;
};

struct build {
    struct fl_slice text;
    struct fl_arena *arena;
    struct fl_findings *findings;
    struct fl_yaml_document *document;
    struct anchor *anchors;
    unsigned nodes, documents, depth, anchor_count, merged;
    bool overflow; /* of the pool: never, as far as YAML is known */
    struct frame frames[FL_YAML_DEPTH_MAX];
};

static struct fl_place place_of(const struct fl_yaml *node)
{
    return (struct fl_place){node->line, node->column, node->width};
}

static enum fl_err refuse(struct build *b, struct fl_place place, const char *message)
{
    fl_findings_add(b->findings, FL_CONFIG_ERROR, place, "%s", message);
    return FL_ERR_CONFIG;
}

static struct fl_place place_of_event(const struct fy_mark *start, const struct fy_mark *end)
{
    struct fl_place place = {0, 0, 0};
    if (start) {
        place.line = (unsigned)start->line + 1;
        place.column = (unsigned)start->column + 1;
        place.width = 1;
        if (end && end->line == start->line && end->column > start->column) {
            place.width = (unsigned)(end->column - start->column);
        }
    }
    return place;
}

static struct fl_slice keep_text(struct build *b, struct fl_slice text)
{
    struct fl_yaml_document *d = b->document;
    if (text.len > d->pool_cap - d->pool_len) {
        b->overflow = true;
        return FL_EMPTY;
    }
    char *at = d->pool + d->pool_len;
    if (text.len > 0) {
        memcpy(at, text.ptr, text.len);
    }
    d->pool_len += text.len;
    return fl_slice(at, text.len);
}

static struct fl_yaml *new_node(struct build *b, enum fl_yaml_kind kind, struct fy_event *event)
{
    struct fl_yaml *node = fl_arena_zero(b->arena, sizeof(*node));
    const struct fy_mark *start = fy_event_start_mark(event);
    if (!node) {
        return NULL;
    }
    struct fl_place place =
        place_of_event(start, kind == FL_YAML_SCALAR ? fy_event_end_mark(event) : NULL);
    node->kind = kind;
    node->line = place.line;
    node->column = place.column;
    node->width = place.width;
    node->offset = start ? start->input_pos : 0;
    node->size = 1;
    return node;
}

static struct fl_slice token_text(struct fy_token *token)
{
    size_t len = 0;
    const char *text = token ? fy_token_get_text(token, &len) : NULL;
    return text ? fl_slice(text, len) : FL_EMPTY;
}

static bool means_null(struct fl_slice text)
{
    return text.len == 0 || fl_slice_eq(text, FL_LIT("~")) || fl_slice_eq(text, FL_LIT("null")) ||
           fl_slice_eq(text, FL_LIT("Null")) || fl_slice_eq(text, FL_LIT("NULL"));
}

/* --- Mappings --- */

static struct fl_yaml_item *find_item(const struct fl_yaml *mapping, struct fl_slice key)
{
    for (struct fl_yaml_item *item = mapping->first; item; item = item->next) {
        if (item->key && fl_slice_eq(item->key->text, key)) {
            return item;
        }
    }
    return NULL;
}

const struct fl_yaml_item *fl_yaml_get(const struct fl_yaml *mapping, struct fl_slice key)
{
    return mapping && mapping->kind == FL_YAML_MAPPING ? find_item(mapping, key) : NULL;
}

static enum fl_err append(struct build *b, struct fl_yaml *parent, struct fl_yaml *key,
                          struct fl_yaml *value)
{
    struct fl_yaml_item *item = fl_arena_zero(b->arena, sizeof(*item));
    if (!item) {
        return FL_ERR_NOMEM;
    }
    if (key && parent->count >= FL_YAML_KEYS_MAX) {
        return refuse(b, place_of(key), "more than 2000 keys in one mapping");
    }
    struct fl_yaml_item *earlier = key ? find_item(parent, key->text) : NULL;
    if (earlier) {
        item->duplicate_of = earlier->key;
        if (b->document->duplicates++ == 0) {
            b->document->duplicate = item;
        }
    }
    item->key = key;
    item->value = value;
    if (parent->last) {
        parent->last->next = item;
    } else {
        parent->first = item;
    }
    parent->last = item;
    parent->count++;
    parent->size += value->size;
    if (parent->size > FL_YAML_NODES_MAX) {
        return refuse(b, place_of(value), "aliases stand for more than 100000 values in all");
    }
    return FL_OK;
}

static enum fl_err merge_from(struct build *b, struct fl_yaml *into, const struct fl_yaml *from)
{
    if (from->kind != FL_YAML_MAPPING) {
        return refuse(b, place_of(from), "'<<' merges a mapping or a list of mappings");
    }
    b->merged += from->count;
    if (b->merged > FL_YAML_MERGED_MAX) {
        return refuse(b, place_of(from), "'<<' merges more than 20000 entries in all");
    }
    for (const struct fl_yaml_item *item = from->first; item; item = item->next) {
        if (!find_item(into, item->key->text)) {
            enum fl_err err = append(b, into, item->key, item->value);
            if (err != FL_OK) {
                return err;
            }
        }
    }
    return FL_OK;
}

/* Takes "<<" out of a closed mapping and adds what it names; keys already there win. */
static enum fl_err resolve_merge(struct build *b, struct fl_yaml *mapping)
{
    struct fl_yaml_item *merge = NULL;
    struct fl_yaml_item **link = &mapping->first, *last = NULL;
    for (; *link; last = *link, link = &(*link)->next) {
        if (fl_slice_eq((*link)->key->text, FL_LIT("<<"))) {
            merge = *link;
            break;
        }
    }
    if (!merge) {
        return FL_OK;
    }
    *link = merge->next;
    if (!merge->next) {
        mapping->last = last;
    }
    mapping->count--;
    if (merge->value->kind != FL_YAML_SEQUENCE) {
        return merge_from(b, mapping, merge->value);
    }
    for (const struct fl_yaml_item *item = merge->value->first; item; item = item->next) {
        enum fl_err err = merge_from(b, mapping, item->value);
        if (err != FL_OK) {
            return err;
        }
    }
    return FL_OK;
}

/* --- Events --- */

/* Puts a finished value where it belongs: into the open collection, as a key, or as the root. */
static enum fl_err place_value(struct build *b, struct fl_yaml *value)
{
    if (b->depth == 0) {
        b->document->root = value;
        return FL_OK;
    }
    struct frame *top = &b->frames[b->depth - 1];
    if (top->node->kind == FL_YAML_SEQUENCE) {
        return append(b, top->node, NULL, value);
    }
    if (!top->key) {
        if (value->kind != FL_YAML_SCALAR) {
            return refuse(b, place_of(value), "a key must be plain text");
        }
        top->key = value;
        return FL_OK;
    }
    struct fl_yaml *key = top->key;
    top->key = NULL;
    if (value->line == 0) { /* an empty value has no mark of its own */
        value->line = key->line;
        value->column = key->column;
        value->width = key->width;
    }
    return append(b, top->node, key, value);
}

static enum fl_err define_anchor(struct build *b, struct fl_slice name, struct fl_yaml *node)
{
    if (name.len == 0) {
        return FL_OK;
    }
    if (b->anchor_count++ >= FL_YAML_ANCHORS_MAX) {
        return refuse(b, place_of(node), "more than 1000 anchors in the file");
    }
    struct anchor *anchor = fl_arena_zero(b->arena, sizeof(*anchor));
    if (!anchor) {
        return FL_ERR_NOMEM;
    }
    *anchor = (struct anchor){.name = name, .node = node, .next = b->anchors};
    b->anchors = anchor;
    return FL_OK;
}

static enum fl_err on_alias(struct build *b, struct fy_event *event)
{
    struct fl_slice name = token_text(event->alias.anchor);
    struct fl_place place = place_of_event(fy_event_start_mark(event), fy_event_end_mark(event));
    if (place.column > 1) { /* the mark stands behind the '*' */
        place.column--;
        place.width++;
    }
    for (const struct anchor *a = b->anchors; a; a = a->next) {
        if (fl_slice_eq(a->name, name)) {
            return place_value(b, a->node);
        }
    }
    fl_findings_add(b->findings, FL_CONFIG_ERROR, place,
                    "no anchor '&%.*s' stands before this alias (or the alias is inside of it)",
                    FL_TEXT(name));
    return FL_ERR_CONFIG;
}

static enum fl_err on_scalar(struct build *b, struct fy_event *event)
{
    struct fl_yaml *node = new_node(b, FL_YAML_SCALAR, event);
    if (!node) {
        return FL_ERR_NOMEM;
    }
    node->text = keep_text(b, token_text(event->scalar.value));
    node->null = fy_token_scalar_style(event->scalar.value) == FYSS_PLAIN && means_null(node->text);
    enum fl_err err = define_anchor(b, keep_text(b, token_text(event->scalar.anchor)), node);
    return err != FL_OK ? err : place_value(b, node);
}

static enum fl_err on_open(struct build *b, struct fy_event *event, enum fl_yaml_kind kind,
                           struct fy_token *anchor)
{
    struct fl_yaml *node = new_node(b, kind, event);
    if (!node) {
        return FL_ERR_NOMEM;
    }
    if (b->depth == FL_YAML_DEPTH_MAX) {
        return refuse(b, place_of(node), "nested more than 32 levels deep");
    }
    b->frames[b->depth++] =
        (struct frame){.node = node, .anchor = keep_text(b, token_text(anchor))};
    return FL_OK;
}

static enum fl_err on_close(struct build *b)
{
    fl_assert(b->depth > 0);
    struct frame frame = b->frames[--b->depth];
    enum fl_err err = FL_OK;
    if (frame.node->kind == FL_YAML_MAPPING) {
        err = resolve_merge(b, frame.node);
    }
    if (err == FL_OK) {
        err = define_anchor(b, frame.anchor, frame.node);
    }
    return err != FL_OK ? err : place_value(b, frame.node);
}

static enum fl_err on_event(struct build *b, struct fy_event *event)
{
    struct fl_place place = place_of_event(fy_event_start_mark(event), fy_event_end_mark(event));
    if (fy_event_get_tag_token(event)) {
        return refuse(b, place, "YAML tags (!name) have no meaning here; remove it");
    }
    if (b->nodes++ > FL_YAML_NODES_MAX) {
        return refuse(b, place, "more than 100000 values in the file");
    }
    switch (event->type) {
    case FYET_DOCUMENT_START:
        return b->documents++ == 0 ? FL_OK
                                   : refuse(b, place,
                                            "a second document ('---') in the file; "
                                            "keep everything in one");
    case FYET_MAPPING_START:
        return on_open(b, event, FL_YAML_MAPPING, event->mapping_start.anchor);
    case FYET_SEQUENCE_START:
        return on_open(b, event, FL_YAML_SEQUENCE, event->sequence_start.anchor);
    case FYET_MAPPING_END:
    case FYET_SEQUENCE_END:
        return on_close(b);
    case FYET_SCALAR:
        return on_scalar(b, event);
    case FYET_ALIAS:
        return on_alias(b, event);
    case FYET_NONE:
    case FYET_STREAM_START:
    case FYET_STREAM_END:
    case FYET_DOCUMENT_END:
        break;
    }
    return FL_OK;
}

/* --- Syntax errors --- */

static struct fl_slice line_at(struct fl_slice text, unsigned line)
{
    for (unsigned i = 1; i < line && text.len > 0; i++) {
        text = fl_slice_from(text, fl_slice_find(text, '\n') + 1);
    }
    return fl_slice_first(text, fl_slice_find(text, '\n'));
}

static bool has_tab_indent(struct fl_slice line, unsigned *ret_column)
{
    size_t i = 0;
    while (i < line.len && line.ptr[i] == ' ') {
        i++;
    }
    *ret_column = (unsigned)i + 1;
    return i < line.len && line.ptr[i] == '\t';
}

/* A tab in the indentation on the line of the error or up to two lines before it. */
static bool find_tab(struct fl_slice text, unsigned line, struct fl_place *ret_place)
{
    for (unsigned back = 0; back <= 2 && line > back; back++) {
        unsigned column = 0;
        if (has_tab_indent(line_at(text, line - back), &column)) {
            *ret_place = (struct fl_place){line - back, column, 1};
            return true;
        }
    }
    return false;
}

/* The library's words, where ours help more. */
static const struct {
    const char *theirs, *ours;
} wordings[] = {
    {"without a closing bracket", "this bracket is never closed"},
    {"missing comma", "expected ',' or a closing bracket"},
    {"mismatched flow", "this bracket does not match the one that is open"},
    {"multiline plain key",
     "expected 'key: value'; is a ':' missing, or is the next line indented too far?"},
    {"nested block mapping on the same line",
     "a second ': ' on one line; put the value in quotes, or the inner key on a line of its own"},
    {"escape", "an unknown escape; write \\\\ for a backslash, or use single quotes"},
    {"quoted scalar", "the quote that opens here is not closed, or its next line is not indented"},
    {"plain scalar cannot start", "a value cannot start with this character; put it in quotes"},
    {"did not find expected",
     "expected 'key: value' here; does the line start in the same column as "
     "its neighbours?"},
    {"indent", "wrong indentation; keys of one section start in the same column"},
};

static const char *wording_of(struct fl_slice line, struct fl_slice message)
{
    size_t variable = fl_slice_find_text(line, FL_LIT("${"));
    bool in_flow = fl_slice_find(line, '{') < variable || fl_slice_find(line, '[') < variable;
    if (variable < line.len && in_flow &&
        fl_slice_find_text(message, FL_LIT("flow")) < message.len) {
        return "inside { } and [ ] a variable needs quotes: \"${NAME}\"";
    }
    for (size_t i = 0; i < sizeof(wordings) / sizeof(*wordings); i++) {
        if (fl_slice_find_text(message, fl_slice_cstr(wordings[i].theirs)) < message.len) {
            return wordings[i].ours;
        }
    }
    return NULL;
}

static void report_syntax(struct build *b, struct fy_diag *diag)
{
    void *iter = NULL;
    const struct fy_diag_error *e = fy_diag_errors_iterate(diag, &iter);
    struct fl_slice message = e && e->msg ? fl_slice_cstr(e->msg) : FL_LIT("not valid YAML");
    struct fl_place place = {0, 0, 1}, tab;
    if (e && e->line > 0) {
        place.line = (unsigned)e->line;
        place.column = e->column > 0 ? (unsigned)e->column : 1;
    }
    for (unsigned i = 0; place.line > i && i <= 2; i++) {
        fl_findings_mask_line(b->findings, place.line - i, line_at(b->text, place.line - i));
    }
    if (place.line > 0 && find_tab(b->text, place.line, &tab)) {
        (void)refuse(b, tab, "YAML forbids tabs for indentation; use spaces");
        return;
    }
    const char *ours = wording_of(line_at(b->text, place.line), message);
    if (ours == wordings[0].ours && b->depth > 0) { /* found at the end; said where it opens */
        place = place_of(b->frames[b->depth - 1].node);
    }
    if (ours) {
        (void)refuse(b, place, ours);
    } else {
        fl_findings_add(b->findings, FL_CONFIG_ERROR, place, "YAML: %.*s", FL_TEXT(message));
    }
}

static enum fl_err run(struct build *b, struct fy_parser *parser, struct fy_diag *diag)
{
    enum fl_err err = FL_OK;
    bool ended = false;
    while (err == FL_OK && !ended) {
        struct fy_event *event = fy_parser_parse(parser);
        if (!event) {
            report_syntax(b, diag);
            return FL_ERR_CONFIG;
        }
        ended = event->type == FYET_STREAM_END;
        err = on_event(b, event);
        fy_parser_event_free(parser, event);
        if (err == FL_OK && b->overflow) {
            err = refuse(b, (struct fl_place){0, 0, 0}, "the texts are longer than the file");
        }
    }
    return err;
}

/* --- The whole --- */

static enum fl_err check_bytes(struct build *b)
{
    unsigned line = 1, column = 1;
    if (b->text.len > FL_YAML_BYTES_MAX) {
        return refuse(b, (struct fl_place){0, 0, 0}, "the file is larger than 4 MiB");
    }
    size_t valid = fl_utf8_check(b->text);
    for (size_t i = 0; i < b->text.len; i++) {
        unsigned char c = (unsigned char)b->text.ptr[i];
        if (i == valid) {
            return refuse(b, (struct fl_place){line, column, 1}, "not valid UTF-8");
        }
        if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f) {
            return refuse(b, (struct fl_place){line, column, 1},
                          "a control character; the file must be text");
        }
        line += c == '\n';
        column = c == '\n' ? 1 : column + ((c & 0xc0) != 0x80);
    }
    return FL_OK;
}

static enum fl_err parse_events(struct build *b)
{
    enum fl_err err = FL_ERR_NOMEM;
    struct fy_diag_cfg diag_cfg;
    fy_diag_cfg_default(&diag_cfg);
    diag_cfg.fp = NULL;
    diag_cfg.colorize = false;
    struct fy_diag *diag = fy_diag_create(&diag_cfg);
    struct fy_parse_cfg cfg = {.flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG | FYPCF_JSON_NONE |
                                        FYPCF_DISABLE_DEPTH_LIMIT,
                               .diag = diag};
    if (!diag) {
        return err;
    }
    fy_diag_set_collect_errors(diag, true);
    struct fy_parser *parser = fy_parser_create(&cfg);
    if (parser && fy_parser_set_string(parser, b->text.ptr, b->text.len) == 0) {
        err = run(b, parser, diag);
    }
    fy_parser_destroy(parser);
    fy_diag_destroy(diag);
    return err;
}

enum fl_err fl_yaml_parse(struct fl_slice text, struct fl_arena *arena,
                          struct fl_findings *findings, struct fl_yaml_document *ret_document)
{
    struct build b = {.text = text, .arena = arena, .findings = findings, .document = ret_document};
    *ret_document = (struct fl_yaml_document){0};
    enum fl_err err = check_bytes(&b);
    if (err != FL_OK || text.len == 0) {
        return err;
    }
    /* "\L" (2 bytes) is U+2028 (3 bytes): no text grows by more than half; anchors are parts of it.
     */
    ret_document->pool_cap = text.len * 2 + 16;
    ret_document->pool = malloc(ret_document->pool_cap);
    return ret_document->pool ? parse_events(&b) : FL_ERR_NOMEM;
}

void fl_yaml_finish(struct fl_yaml_document *d)
{
    if (d->pool) {
        explicit_bzero(d->pool, d->pool_cap);
        free(d->pool);
    }
    *d = (struct fl_yaml_document){0};
}

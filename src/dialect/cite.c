/* SPDX-License-Identifier: Apache-2.0 */
#include "dialect/cite.h"

#include "dialect/put.h"

#include <stdlib.h>

enum { held_max = 64, held_bytes = 64 * 1024 };

struct fl_cites {
    unsigned count;
    size_t len;
    struct fl_citation items[held_max]; /* into text */
    char text[held_bytes];
};

static bool begins_pair(struct fl_slice s, size_t at)
{
    return s.len - at >= 12 && (s.ptr[at + 2] | 0x20) == 'd' && strchr("89abAB", s.ptr[at + 3]) &&
           s.ptr[at + 6] == '\\' && s.ptr[at + 7] == 'u' && (s.ptr[at + 8] | 0x20) == 'd' &&
           strchr("cdefCDEF", s.ptr[at + 9]);
}

uint64_t fl_escaped_chars(struct fl_slice s)
{
    uint64_t chars = 0;
    if (s.len > 0 && !memchr(s.ptr, '\\', s.len)) { /* most texts */
        for (size_t i = 0; i < s.len; i++) {
            chars += ((unsigned char)s.ptr[i] & 0xc0) != 0x80;
        }
        return chars;
    }
    for (size_t i = 0; i < s.len;) {
        bool escape = s.ptr[i] == '\\' && i + 1 < s.len, wide = escape && s.ptr[i + 1] == 'u';
        chars += ((unsigned char)s.ptr[i] & 0xc0) != 0x80;
        i += wide ? begins_pair(s, i) ? 12 : 6 : escape ? 2 : 1;
    }
    return chars;
}

void fl_cite_take(struct fl_json citation, uint64_t base, unsigned choice,
                  const struct fl_chat_sink *sink)
{
    enum { URL, TITLE, START, END, CONTENT, COUNT };
    static const struct fl_slice keys[COUNT] = {
        {"url", 3}, {"title", 5}, {"start_index", 11}, {"end_index", 9}, {"content", 7}};
    struct fl_json v[COUNT];
    uint64_t from = 0, to = 0;
    fl_get_fields(citation, keys, COUNT, v);
    bool placed = fl_json_u64(v[START], &from) && fl_json_u64(v[END], &to) && to > from;
    struct fl_citation c = {.url = fl_get_escaped(v[URL]),
                            .title = fl_get_escaped(v[TITLE]),
                            .quote = fl_get_escaped(v[CONTENT]),
                            .from = placed ? base + from : 0,
                            .to = placed ? base + to : 0};
    struct fl_chat_event event = {.kind = FL_CHAT_CITATION, .choice = choice, .citation = &c};
    if (c.url.len > 0) {
        sink->event(sink->owner, &event);
    }
}

void fl_cite_put(struct fl_buf *b, const struct fl_citation *c, uint64_t base)
{
    bool placed = c->to > c->from && c->from >= base;
    fl_put_number(b, "start_index", placed ? c->from - base : 0);
    fl_put_number(b, "end_index", placed ? c->to - base : 0);
    fl_put_text(b, "url", c->url);
    fl_put_text(b, "title", c->title);
}

static struct fl_slice copied(struct fl_cites *cites, struct fl_slice text)
{
    struct fl_slice copy = fl_slice(cites->text + cites->len, text.len);
    if (text.len > 0) {
        memcpy(cites->text + cites->len, text.ptr, text.len);
    }
    cites->len += text.len;
    return copy;
}

void fl_cites_hold(struct fl_cites **cites, const struct fl_citation *c)
{
    struct fl_cites *held = *cites = *cites ? *cites : calloc(1, sizeof(**cites));
    size_t bytes = c->url.len + c->title.len + c->quote.len;
    if (held && held->count < held_max && bytes <= held_bytes - held->len) {
        held->items[held->count++] = (struct fl_citation){.url = copied(held, c->url),
                                                          .title = copied(held, c->title),
                                                          .quote = copied(held, c->quote)};
    }
}

void fl_cites_tell(struct fl_cites *cites, uint64_t from, uint64_t to,
                   const struct fl_chat_sink *sink)
{
    for (unsigned i = 0; cites && i < cites->count; i++) {
        struct fl_chat_event event = {.kind = FL_CHAT_CITATION, .citation = &cites->items[i]};
        cites->items[i].from = from;
        cites->items[i].to = to;
        sink->event(sink->owner, &event);
    }
    if (cites) {
        cites->count = 0;
        cites->len = 0;
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Providers, for whoever runs the gateway:
 *
 *   GET  /admin/v1/providers               all, with their targets and keys; /NAME: one
 *   POST /admin/v1/providers/NAME/drain    out of the choice; requests under way end as they would
 *   POST /admin/v1/providers/NAME/enable   in again, and well: ejections, pauses and refused keys are forgotten
 *
 * What is set by hand outlives a reload, not a restart.
 */
#include "server/internal.h"

enum { answer_bytes_max = 16 * 1024 * 1024 };

static void put_seconds_left(struct fl_buf *b, const char *key, uint64_t until_ns, uint64_t now_ns)
{
    if (until_ns > now_ns) {
        fl_buf_put_cstr(b, key);
        fl_buf_put_scaled(b, until_ns - now_ns, 9, 1);
    }
}

static void put_target(struct fl_buf *b, const struct fl_target *t, uint64_t now_ns)
{
    struct fl_target_view v;
    fl_target_read(t, now_ns, &v);
    fl_buf_put_cstr(b, "{\"id\":");
    fl_buf_put_json(b, t->id);
    fl_buf_put_cstr(b, ",\"health\":\"");
    fl_buf_put_cstr(b, v.drained ? "drained" : fl_health_name(v.health));
    fl_buf_put_cstr(b, "\",\"in_flight\":");
    fl_buf_put_u64(b, v.in_flight);
    fl_buf_put_cstr(b, ",\"attempts\":");
    fl_buf_put_u64(b, v.begun);
    fl_buf_put_cstr(b, ",\"failed\":");
    fl_buf_put_u64(b, v.failed);
    put_seconds_left(b, ",\"ejected_s\":", v.ejected_until_ns, now_ns);
    fl_buf_putc(b, '}');
}

/* Where each key comes from, never the key. */
static void put_keys(struct fl_buf *b, const struct fl_provider *p, const struct fl_target *t, uint64_t now_ns)
{
    fl_buf_put_cstr(b, "],\"keys\":[");
    for (unsigned i = 0; i < p->key_count; i++) {
        fl_buf_put_cstr(b, i > 0 ? ",{\"source\":" : "{\"source\":");
        fl_buf_put_json(b, p->keys[i].source);
        if (t && i < t->key_count) {
            const struct fl_key_state *key = t->keys[i].key;
            bool usable = fl_key_usable(key, now_ns);
            fl_buf_put_cstr(b, usable ? ",\"usable\":true" : ",\"usable\":false,\"why\":\"");
            fl_buf_put_cstr(b, usable ? "" : fl_err_name((enum fl_err)fl_get(key->why)));
            fl_buf_put_cstr(b, usable ? "" : "\"");
            put_seconds_left(b, ",\"disabled_s\":", fl_get(key->disabled_until_ns), now_ns);
        }
        fl_buf_putc(b, '}');
    }
    fl_buf_put_cstr(b, "]}");
}

static void put_provider(struct fl_buf *b, const struct fl_config *c, unsigned provider, uint64_t now_ns)
{
    const struct fl_provider *p = &c->providers[provider];
    const struct fl_target *first = NULL;
    fl_buf_put_cstr(b, "{\"name\":");
    fl_buf_put_json(b, p->name);
    fl_buf_put_cstr(b, ",\"type\":");
    fl_buf_put_json(b, p->type);
    fl_buf_put_cstr(b, ",\"base_url\":");
    fl_buf_put_json(b, p->base_url);
    fl_buf_put_cstr(b, ",\"targets\":[");
    for (unsigned i = 0; i < c->table.target_count; i++) {
        if (c->table.targets[i].provider_index == provider) {
            fl_buf_put_cstr(b, first ? "," : "");
            first = first ? first : &c->table.targets[i];
            put_target(b, &c->table.targets[i], now_ns);
        }
    }
    put_keys(b, p, first, now_ns);
}

static unsigned find_provider(const struct fl_config *c, struct fl_slice name)
{
    unsigned i = 0;
    while (i < c->provider_count && !fl_slice_eq(c->providers[i].name, name)) {
        i++;
    }
    return i;
}

static void set_by_hand(const struct fl_config *c, unsigned provider, bool drained, uint64_t now_ns)
{
    for (unsigned i = 0; i < c->table.target_count; i++) {
        const struct fl_target *t = &c->table.targets[i];
        if (t->provider_index != provider) {
            continue;
        }
        fl_route_drain(t, drained, now_ns);
        for (unsigned k = 0; !drained && k < t->key_count; k++) {
            fl_key_enable(t->keys[k].key);
        }
    }
}

void fl_admin_providers(struct fl_session *s, const struct fl_h1_head *head, struct fl_slice path)
{
    const struct fl_config *c = s->worker->current->snapshot->config;
    uint64_t now = s->worker->sys->now_ns;
    size_t slash = fl_slice_find(path, '/');
    struct fl_slice name = fl_slice_first(path, slash), verb = fl_slice_from(path, slash + 1);
    bool drain = fl_slice_eq(verb, FL_LIT("drain")), enable = fl_slice_eq(verb, FL_LIT("enable"));
    bool post = head->method == FL_H1_POST, known = post ? drain || enable : verb.len == 0;
    unsigned provider = find_provider(c, name);
    struct fl_buf b;
    if (!known || (name.len > 0 && provider == c->provider_count)) {
        fl_reply_plain_error(s, FL_ERR_NOT_FOUND,
                             FL_LIT("There is no such provider, or nothing of this kind to do with it. "
                                    "GET /admin/v1/providers lists them; POST .../NAME/drain and .../NAME/enable."),
                             head->keep_alive);
        return;
    }
    if (post) {
        set_by_hand(c, provider, drain, now);
    }
    fl_buf_init(&b, answer_bytes_max);
    fl_buf_put_cstr(&b, name.len > 0 ? "" : "{\"object\":\"list\",\"data\":[");
    for (unsigned i = 0; i < c->provider_count; i++) {
        if (name.len == 0 || i == provider) {
            fl_buf_put_cstr(&b, name.len == 0 && i > 0 ? "," : "");
            put_provider(&b, c, i, now);
        }
    }
    fl_buf_put_cstr(&b, name.len > 0 ? "\n" : "]}\n");
    if (fl_buf_ok(&b)) {
        fl_reply_plain(s, 200, FL_LIT("application/json"), fl_buf_slice(&b), head->keep_alive,
                       head->method == FL_H1_HEAD);
    } else {
        fl_reply_plain_error(s, FL_ERR_NOMEM, FL_EMPTY, false);
    }
    fl_buf_finish(&b);
}

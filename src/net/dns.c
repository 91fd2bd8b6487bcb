/* SPDX-License-Identifier: Apache-2.0 */
#include "net/dns.h"

#include "base/clock.h"

#include <stdlib.h>

struct name {
    struct fl_list node;
    struct fl_list waits; /* struct fl_dns_wait.node; only while there is no answer to serve */
    struct fl_dns_answer answer;
    uint64_t next_lookup_ns; /* not before */
    uint64_t good_until_ns;
    bool in_flight;
    size_t len;
    char text[FL_DNS_NAME_MAX + 1];
};

void fl_dns_init(struct fl_dns *dns, fl_dns_start_fn *start)
{
    *dns = (struct fl_dns){.start = start};
    fl_list_init(&dns->names);
}

static void forget(struct fl_dns *dns, struct name *n)
{
    while (!fl_list_empty(&n->waits)) {
        fl_list_remove(n->waits.next);
    }
    fl_list_remove(&n->node);
    dns->count--;
    free(n);
}

void fl_dns_finish(struct fl_dns *dns)
{
    struct fl_list *l = dns->names.next;
    while (l != &dns->names) {
        struct name *n = fl_container_of(l, struct name, node);
        l = l->next;
        forget(dns, n);
    }
}

static struct name *find(const struct fl_dns *dns, struct fl_slice text)
{
    for (struct fl_list *l = dns->names.next; l != &dns->names; l = l->next) {
        struct name *n = fl_container_of(l, struct name, node);
        if (fl_slice_eq_nocase(fl_slice(n->text, n->len), text)) {
            return n;
        }
    }
    return NULL;
}

/* Makes room by forgetting the name that was not asked for the longest; false when all are in
 * flight. */
static bool make_room(struct fl_dns *dns)
{
    if (dns->count < FL_DNS_NAMES_MAX) {
        return true;
    }
    for (struct fl_list *l = dns->names.prev; l != &dns->names; l = l->prev) {
        struct name *n = fl_container_of(l, struct name, node);
        if (!n->in_flight) {
            forget(dns, n);
            return true;
        }
    }
    return false;
}

static struct name *add(struct fl_dns *dns, struct fl_slice text)
{
    if (text.len == 0 || text.len > FL_DNS_NAME_MAX || memchr(text.ptr, '\0', text.len) ||
        !make_room(dns)) {
        return NULL;
    }
    struct name *n = calloc(1, sizeof(*n));
    if (!n) {
        return NULL;
    }
    fl_list_init(&n->waits);
    n->len = text.len;
    memcpy(n->text, text.ptr, text.len);
    fl_list_push(&dns->names, &n->node);
    dns->count++;
    return n;
}

static void look_up(struct fl_dns *dns, struct name *n, uint64_t now_ns)
{
    if (n->in_flight || now_ns < n->next_lookup_ns) {
        return;
    }
    n->in_flight = dns->start(dns, n->text);
    if (!n->in_flight) {
        n->next_lookup_ns = now_ns + FL_DNS_NEGATIVE_S * FL_NS_S;
    }
}

bool fl_dns_ask(struct fl_dns *dns, struct fl_slice name, uint64_t now_ns, struct fl_dns_wait *wait,
                struct fl_dns_answer *ret_answer)
{
    struct name *n = find(dns, name);
    if (n) {
        fl_list_remove(&n->node);
        fl_list_push(&dns->names, &n->node);
    } else {
        n = add(dns, name);
    }
    if (!n) {
        ret_answer->count = 0;
        return true;
    }
    look_up(dns, n, now_ns);
    if (n->answer.count > 0 && now_ns < n->good_until_ns) {
        *ret_answer = n->answer;
        return true;
    }
    if (!n->in_flight) {
        ret_answer->count = 0;
        return true;
    }
    fl_list_append(&n->waits, &wait->node);
    return false;
}

/* A waiter may ask again, cancel another one, or make the cache forget *n*: not used after the
 * first call. */
static void tell(struct name *n, const struct fl_dns_answer *answer)
{
    struct fl_list now;
    fl_list_init(&now);
    while (!fl_list_empty(&n->waits)) {
        struct fl_list *l = n->waits.next;
        fl_list_remove(l);
        fl_list_append(&now, l);
    }
    while (!fl_list_empty(&now)) {
        struct fl_dns_wait *wait = fl_container_of(now.next, struct fl_dns_wait, node);
        fl_list_remove(&wait->node);
        wait->done(wait, answer);
    }
}

void fl_dns_done(struct fl_dns *dns, struct fl_slice name, uint64_t now_ns,
                 const struct fl_dns_answer *answer)
{
    struct name *n = find(dns, name);
    fl_assert(n && n->in_flight && answer->count <= FL_DNS_ADDRS_MAX);
    if (answer->count > 0) {
        n->answer = *answer;
        n->next_lookup_ns = now_ns + FL_DNS_FRESH_S * FL_NS_S;
        n->good_until_ns = now_ns + FL_DNS_STALE_S * FL_NS_S;
    } else {
        n->next_lookup_ns = now_ns + FL_DNS_NEGATIVE_S * FL_NS_S;
    }
    n->in_flight = false;
    tell(n, answer);
}

void fl_dns_prefer(struct fl_dns *dns, struct fl_slice name, const struct fl_addr *addr)
{
    struct name *n = find(dns, name);
    if (!n) {
        return;
    }
    for (unsigned i = 1; i < n->answer.count; i++) {
        struct fl_addr *a = n->answer.addrs;
        if (a[i].family == addr->family && memcmp(a[i].bytes, addr->bytes, sizeof(a->bytes)) == 0) {
            struct fl_addr good = a[i];
            memmove(a + 1, a, i * sizeof(*a));
            a[0] = good;
            return;
        }
    }
}

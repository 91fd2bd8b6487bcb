/* SPDX-License-Identifier: Apache-2.0 */
#include "tls/internal.h"

#include <stdlib.h>
#include <string.h>

bool fl_tls_sessions_init(struct fl_tls_sessions *s)
{
    memset(s, 0, sizeof(*s));
    return pthread_mutex_init(&s->mutex, NULL) == 0;
}

static void clear(struct fl_tls_slot *slot)
{
    SSL_SESSION_free(slot->session);
    free(slot->key);
    *slot = (struct fl_tls_slot){0};
}

void fl_tls_sessions_finish(struct fl_tls_sessions *s)
{
    for (size_t i = 0; i < FL_TLS_SESSIONS_MAX; i++) {
        clear(&s->slots[i]);
    }
    pthread_mutex_destroy(&s->mutex);
}

static bool is_of(const struct fl_tls_slot *slot, const char *key)
{
    return slot->key && strcmp(slot->key, key) == 0;
}

/* Where a new session of *key* goes: the key's oldest when it has its share, else a free slot, else
 * the oldest of all. */
static struct fl_tls_slot *slot_for(struct fl_tls_sessions *s, const char *key)
{
    struct fl_tls_slot *oldest = &s->slots[0], *oldest_of_key = NULL;
    unsigned of_key = 0;
    for (size_t i = 0; i < FL_TLS_SESSIONS_MAX; i++) {
        struct fl_tls_slot *slot = &s->slots[i];
        if (slot->order < oldest->order) { /* free ones are 0 */
            oldest = slot;
        }
        if (is_of(slot, key)) {
            of_key++;
            oldest_of_key =
                !oldest_of_key || slot->order < oldest_of_key->order ? slot : oldest_of_key;
        }
    }
    return of_key >= FL_TLS_SESSIONS_KEY_MAX ? oldest_of_key : oldest;
}

void fl_tls_sessions_put(struct fl_tls_sessions *s, const char *key, const SSL_SESSION *session)
{
    char *own_key = SSL_SESSION_is_resumable(session) ? strdup(key) : NULL;
    SSL_SESSION *copy = own_key ? SSL_SESSION_dup(session) : NULL;
    if (!copy) {
        free(own_key);
        return; /* the next handshake is a full one */
    }
    pthread_mutex_lock(&s->mutex);
    struct fl_tls_slot *slot = slot_for(s, key);
    clear(slot);
    *slot = (struct fl_tls_slot){own_key, copy, ++s->order};
    pthread_mutex_unlock(&s->mutex);
}

SSL_SESSION *fl_tls_sessions_take(struct fl_tls_sessions *s, const char *key)
{
    struct fl_tls_slot *newest = NULL;
    SSL_SESSION *session = NULL;
    unsigned of_key = 0;
    pthread_mutex_lock(&s->mutex);
    for (size_t i = 0; i < FL_TLS_SESSIONS_MAX; i++) {
        struct fl_tls_slot *slot = &s->slots[i];
        if (is_of(slot, key)) {
            of_key++;
            newest = !newest || slot->order > newest->order ? slot : newest;
        }
    }
    if (newest) {
        session = SSL_SESSION_dup(newest->session);
        if (of_key > 1) {
            clear(newest);
        }
    }
    pthread_mutex_unlock(&s->mutex);
    return session;
}

void fl_tls_sessions_drop(struct fl_tls_sessions *s, const char *key)
{
    pthread_mutex_lock(&s->mutex);
    for (size_t i = 0; i < FL_TLS_SESSIONS_MAX; i++) {
        if (is_of(&s->slots[i], key)) {
            clear(&s->slots[i]);
        }
    }
    pthread_mutex_unlock(&s->mutex);
}

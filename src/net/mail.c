/* SPDX-License-Identifier: Apache-2.0 */
#include "net/internal.h"

#include <pthread.h>
#include <stdlib.h>

struct fl_mail {
    pthread_mutex_t mutex;
    unsigned refs;
    uv_async_t *bell; /* NULL once the loop is gone */
    struct fl_letter *first, **last;
};

struct fl_mail *fl_mail_create(uv_async_t *bell)
{
    struct fl_mail *mail = calloc(1, sizeof(*mail));
    if (!mail) {
        return NULL;
    }
    if (pthread_mutex_init(&mail->mutex, NULL) != 0) {
        free(mail);
        return NULL;
    }
    mail->refs = 1;
    mail->bell = bell;
    mail->last = &mail->first;
    return mail;
}

struct fl_mail *fl_mail_ref(struct fl_mail *mail)
{
    pthread_mutex_lock(&mail->mutex);
    mail->refs++;
    pthread_mutex_unlock(&mail->mutex);
    return mail;
}

void fl_mail_unref(struct fl_mail *mail)
{
    pthread_mutex_lock(&mail->mutex);
    unsigned left = --mail->refs;
    pthread_mutex_unlock(&mail->mutex);
    if (left == 0) {
        pthread_mutex_destroy(&mail->mutex);
        free(mail);
    }
}

bool fl_mail_send(struct fl_mail *mail, struct fl_letter *letter)
{
    pthread_mutex_lock(&mail->mutex);
    bool open = mail->bell != NULL;
    if (open) {
        letter->next = NULL;
        *mail->last = letter;
        mail->last = &letter->next;
        /* Under the lock: the loop cannot close the bell meanwhile. */
        int err = uv_async_send(mail->bell);
        fl_assert(err == 0);
    }
    pthread_mutex_unlock(&mail->mutex);
    return open;
}

static struct fl_letter *take_all(struct fl_mail *mail, bool shut)
{
    pthread_mutex_lock(&mail->mutex);
    struct fl_letter *letters = mail->first;
    mail->first = NULL;
    mail->last = &mail->first;
    if (shut) {
        mail->bell = NULL;
    }
    pthread_mutex_unlock(&mail->mutex);
    return letters;
}

void fl_mail_open(struct fl_mail *mail)
{
    struct fl_letter *letter = take_all(mail, false);
    while (letter) {
        struct fl_letter *next = letter->next;
        letter->open(letter);
        letter = next;
    }
}

void fl_mail_shut(struct fl_mail *mail)
{
    struct fl_letter *letter = take_all(mail, true);
    while (letter) {
        struct fl_letter *next = letter->next;
        letter->drop(letter);
        letter = next;
    }
}

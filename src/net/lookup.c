/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks the system's resolver, each time on a detached thread, and not in libuv's pool: a resolver
 * that hangs (half a minute is usual) would hold up the end of the loop and of the process, and the
 * pool runs two lookups at most.
 *
 *   waiting (too many run) -> running on its thread -> letter -> opened on the loop | dropped
 */
#include "net/internal.h"

#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#define RUNNING_MAX 16

struct lookup {
    struct fl_letter letter;
    struct fl_list node; /* in net->lookups_waiting */
    struct fl_net *net;  /* the loop's thread only */
    struct fl_mail *mail;
    struct fl_dns_answer answer;
    char name[FL_DNS_NAME_MAX + 1];
};

static void run_next(struct fl_net *net);

static void lookup_free(struct lookup *l)
{
    fl_mail_unref(l->mail);
    free(l);
}

static void lookup_drop(struct fl_letter *letter)
{
    lookup_free(fl_container_of(letter, struct lookup, letter));
}

static void lookup_open(struct fl_letter *letter)
{
    struct lookup *l = fl_container_of(letter, struct lookup, letter);
    struct fl_net *net = l->net;
    net->lookups_running--;
    run_next(net);
    fl_dns_done(&net->dns, fl_slice_cstr(l->name), net->sys.now_ns, &l->answer);
    lookup_free(l);
}

static void collect(struct fl_dns_answer *ret_answer, const struct addrinfo *found)
{
    for (; found && ret_answer->count < FL_DNS_ADDRS_MAX; found = found->ai_next) {
        struct sockaddr_storage storage = {0};
        if (found->ai_addrlen <= sizeof(storage) &&
            (found->ai_family == AF_INET || found->ai_family == AF_INET6)) {
            memcpy(&storage, found->ai_addr, found->ai_addrlen);
            ret_answer->addrs[ret_answer->count++] = fl_net_from_sockaddr(&storage);
        }
    }
}

static void *lookup_main(void *arg)
{
    struct lookup *l = arg;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG}, *found = NULL;
    if (getaddrinfo(l->name, NULL, &hints, &found) == 0) {
        collect(&l->answer, found);
        freeaddrinfo(found);
    }
    /* Once sent, the loop may free *l*: the mail is held by a reference of its own. */
    struct fl_mail *mail = fl_mail_ref(l->mail);
    if (!fl_mail_send(mail, &l->letter)) {
        lookup_free(l);
    }
    fl_mail_unref(mail);
    return NULL;
}

static bool run(struct lookup *l)
{
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t all, before;
    if (pthread_attr_init(&attr) != 0) {
        return false;
    }
    (void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    sigfillset(&all); /* signals are for the loops' threads */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool ok = pthread_create(&thread, &attr, lookup_main, l) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return ok;
}

static void run_next(struct fl_net *net)
{
    while (net->lookups_running < RUNNING_MAX && !fl_list_empty(&net->lookups_waiting)) {
        struct lookup *l = fl_container_of(net->lookups_waiting.next, struct lookup, node);
        fl_list_remove(&l->node);
        net->lookups_running++;
        if (!run(l)) { /* no thread: no answer */
            bool sent = fl_mail_send(l->mail, &l->letter);
            fl_assert(sent);
        }
    }
}

bool fl_lookup_start(struct fl_dns *dns, const char *name)
{
    struct fl_net *net = fl_container_of(dns, struct fl_net, dns);
    struct lookup *l = calloc(1, sizeof(*l));
    if (!l) {
        return false;
    }
    l->letter = (struct fl_letter){.open = lookup_open, .drop = lookup_drop};
    l->net = net;
    l->mail = fl_mail_ref(net->mail);
    memcpy(l->name, name, strlen(name) + 1);
    fl_list_append(&net->lookups_waiting, &l->node);
    run_next(net);
    return true;
}

void fl_lookup_drop_waiting(struct fl_net *net)
{
    struct fl_list *node = net->lookups_waiting.next;
    while (node != &net->lookups_waiting) {
        struct lookup *l = fl_container_of(node, struct lookup, node);
        node = node->next;
        lookup_free(l);
    }
    fl_list_init(&net->lookups_waiting);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Intrusive circular list. A head is a node that points to itself; so is a node in no list. */
#ifndef FL_BASE_LIST_H
#define FL_BASE_LIST_H

#include "base/assert.h"

#include <stdbool.h>
#include <stddef.h>

struct fl_list {
    struct fl_list *prev, *next;
};

static inline void fl_list_init(struct fl_list *l)
{
    l->prev = l->next = l;
}

static inline bool fl_list_empty(const struct fl_list *l)
{
    return l->next == l;
}

/* Puts *node* first (after the head). The node must be in no list. */
static inline void fl_list_push(struct fl_list *head, struct fl_list *node)
{
    node->next = head->next;
    node->prev = head;
    head->next->prev = node;
    head->next = node;
}

/* Puts *node* last. The node must be in no list. */
static inline void fl_list_append(struct fl_list *head, struct fl_list *node)
{
    fl_list_push(head->prev, node);
}

/* Takes *node* out; does nothing when it is in no list. */
static inline void fl_list_remove(struct fl_list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    fl_list_init(node);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of the catalogue only. */
#ifndef FL_ROUTE_CATALOG_INTERNAL_H
#define FL_ROUTE_CATALOG_INTERNAL_H

#include "route/catalog/catalog.h"

#define FL_NONE UINT32_MAX

/* Where a name leads: open addressing, half full at most. */
struct fl_slot {
    uint32_t hash;
    uint32_t model; /* index, or FL_NONE: free */
};

struct fl_index {
    struct fl_slot *slots;
    uint32_t mask; /* slots - 1 */
};

struct fl_catalog {
    atomic_uint refs;
    struct fl_arena arena; /* rules, prices, copies */
    struct fl_catalog_provider *providers;
    unsigned provider_count;
    struct fl_model *models; /* by provider */
    unsigned model_count;
    uint32_t *first_model;   /* of each provider, and one more */
    uint32_t *patterns;      /* models with patterns among their names, by provider */
    uint32_t *first_pattern; /* of each provider, and one more */
    struct fl_index exact;   /* provider and name -> model */
    struct fl_index bare;    /* bare name -> first model of its chain */
    uint32_t *next_bare;     /* of each model: the next one of its bare name */
    uint32_t *anyone;        /* of each model: the one that speaks for its chain */
    int32_t day;
};

char fl_name_lower(char c);
bool fl_name_eq(struct fl_slice a, struct fl_slice b); /* letters in any case */
/* Splits a list at its commas. */
bool fl_names_next(struct fl_slice *io_names, struct fl_slice *ret_name);
bool fl_name_is_pattern(struct fl_slice name);

const struct fl_family *fl_family_of_bare(struct fl_slice bare);

/* Over lower case. Not keyed: names come from files that the operator chose, not from clients. */
uint32_t fl_name_hash(uint32_t provider, struct fl_slice name);

/* A table for *count* names, all slots free. False: no memory. */
bool fl_index_init(struct fl_index *index, size_t count);
void fl_index_finish(struct fl_index *index);

/* Fills everything behind first_model, and the tiers. False: no memory. */
bool fl_catalog_index(struct fl_catalog *c);

#endif

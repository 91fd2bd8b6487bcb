/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of a chaos run: chaos_run.c (the world and its course), chaos_judge.c (the oracle). */
#ifndef FL_SIM_CHAOS_IMPL_H
#define FL_SIM_CHAOS_IMPL_H

#include "sim/chaos.h"
#include "sim/client.h"
#include "sim/gateway.h"
#include "sim/provider.h"

enum { CHAOS_NODES = 16, CHAOS_LIVE_MAX = 4096, CHAOS_PER_SESSION = 3 };
#define CHAOS_TOTAL_NS (20 * FL_NS_S) /* the gateway's timeouts.total */
#define CHAOS_SETTLE_NS (60 * FL_NS_S)
#define CHAOS_SLACK_NS (FL_NS_S) /* the way from the gateway to a client, in pieces, and back */

enum chaos_age { CHAOS_STORM, CHAOS_SETTLING, CHAOS_CALM };

/* One request that a client makes. */
struct chaos_exchange {
    uint64_t sent_ns; /* 0: not yet */
    uint64_t over_ns; /* 0: not yet */
    enum chaos_age age;
    bool stream, tools;
    bool queued;     /* sent before the answer to the one before it */
    bool impossible; /* no provider may ever see it */
    uint8_t asked[FL_CHAOS_PROVIDERS_MAX];
    unsigned asked_total;
};

struct chaos_session {
    struct fl_simclient *client;
    unsigned first, count, sent; /* its exchanges */
    unsigned kinds;              /* bits of enum fl_chaos_client */
    uint64_t settled_ns;         /* 0: not yet */
};

struct chaos_net {
    bool on;
    unsigned permille;
    struct fl_world_faults faults;
};

struct chaos_source { /* tells the watcher who was asked */
    struct chaos *run;
    unsigned index;
};

struct chaos {
    const struct fl_chaos_plan *plan;
    const struct fl_chaos_options *options;
    struct fl_chaos_verdict *verdict;
    struct fl_world *world;
    struct fl_simgateway gateway;
    bool serving;
    struct fl_rng dials;
    struct fl_sys *client_nodes[CHAOS_NODES];
    struct fl_sim_model model;
    struct fl_simprovider *providers[FL_CHAOS_PROVIDERS_MAX];
    struct fl_simprovider_options provider_options[FL_CHAOS_PROVIDERS_MAX];
    struct chaos_source sources[FL_CHAOS_PROVIDERS_MAX];
    struct chaos_net nets[FL_CHAOS_PROVIDERS_MAX];
    unsigned removed; /* bits: not in the newest configuration */
    unsigned removed_ever;
    uint64_t removed_ns[FL_CHAOS_PROVIDERS_MAX];
    bool hurt; /* the gateway itself has lost writes, dials or memory: clients may miss answers */
    bool endless; /* some answer was too long to be held: it may end in a RST */
    unsigned touched; /* bits: providers that some fault has befallen */
    unsigned laggards; /* bits: to which the network may bring late what was sent in time */
    struct chaos_exchange *exchanges;
    unsigned exchange_count;
    struct chaos_session *live;
    unsigned live_count;
    unsigned malformed; /* seen so far */
};

/* The first one stays. */
void chaos_broken(struct chaos *run, const char *invariant, unsigned exchange, const char *format,
                  ...) __attribute__((format(printf, 4, 5)));
bool chaos_is_broken(const struct chaos *run);
/* The prompt of an exchange, NUL-terminated. */
void chaos_prompt(unsigned exchange, char text[64]);

/* --- chaos_judge.c --- */
void chaos_judge_step(void *run);
/* A provider has got a request. */
void chaos_judge_asked(void *source, struct fl_slice head, struct fl_slice body);
/* A client has got all that it will get. */
void chaos_judge_session(struct chaos *run, const struct chaos_session *s);
/* Between slices of time. */
void chaos_judge_open(struct chaos *run);
/* When all clients are gone and all is quiet. */
void chaos_judge_end(struct chaos *run);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An even load on the real server in front of simulated providers at 10.0.1.1, 10.0.1.2, ...: an
 * open loop, each request with a client of its own, remembered with what became of it.
 *
 *   load_open -> load_provider* -> load_run* -> (counts) -> load_close
 */
#ifndef FL_TESTS_SIM_LOAD_H
#define FL_TESTS_SIM_LOAD_H

#include "unit/cm.h"

#include "base/clock.h"
#include "sim/client.h"
#include "sim/gateway.h"
#include "sim/provider.h"

enum { load_providers_max = 12, load_requests_max = 70000, load_live_max = 4096 };

struct load_request {
    uint64_t sent_ns, first_ns, end_ns; /* first: of the body */
    bool ok;                            /* 200, whole */
    int status;
};

struct load_live {
    struct fl_simclient *client;
    unsigned request;
};

struct load {
    uint64_t seed;
    struct fl_world *world;
    struct fl_simgateway gateway;
    struct fl_sim_model model;
    struct fl_simprovider *providers[load_providers_max];
    struct fl_simprovider_options options[load_providers_max];
    unsigned provider_count;
    struct fl_sys *clients;
    struct fl_rng rng;
    struct load_request requests[load_requests_max];
    unsigned request_count;
    struct load_live live[load_live_max];
    unsigned live_count;
    const char *headers; /* more header lines of each request, with CRLF */
    const char *(*headers_of)(unsigned request); /* instead, by its index; NULL: as above */
};

/* *more*: lines of the configuration beside listen, auth, providers. Providers are those that
 * load_provider() then starts, by *count*; their lines end in *each*. */
struct load *load_open(uint64_t seed, unsigned count, const char *each, const char *more);
void load_provider(struct load *l, struct fl_simprovider_options options);
/* Requests for *ns*, one each *gap_ns* on average (0: none). */
void load_run(struct load *l, uint64_t ns, uint64_t gap_ns, bool stream);
/* Waits until all have ended. */
void load_settle(struct load *l);
void load_close(struct load *l);

/* Share of those sent in [from, from + ns) that were answered whole, within *most_ns*. */
double load_success(const struct load *l, uint64_t from_ns, uint64_t ns, uint64_t most_ns);
/* Of the times to the first byte of the body of those that were answered. */
uint64_t load_first_quantile(struct load *l, double q);
uint64_t load_asked(const struct load *l, unsigned provider); /* so far */

/* Mean and half the width of the 95 % interval, printed with *what*. */
struct load_interval {
    double mean, half, least, most;
};
struct load_interval load_interval(const char *what, const double *values, unsigned count);
uint64_t load_seeds(uint64_t usual); /* or FL_SIM_SEEDS */

#endif

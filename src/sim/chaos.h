/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deterministic chaos: the real server in a world where everything fails that can, and an oracle
 * that sees both sides of it.
 *
 *   plan      all that a run does, as data: providers, clients, faults with their times. Drawn from
 *             a seed, written and read as text, made smaller line by line. The same plan gives the
 *             same run, byte for byte
 *   storm     the first storm_ms: faults come and go, clients of every kind come
 *   calm      from then on: one provider at least is whole (`healthy`), the others are too, or are
 *             broken for good in ways that show before an answer's first byte. After a minute of
 *             it, well-behaved clients must all get their answers
 *   verdict   the first invariant that did not hold, when, and for which exchange; or none
 *
 * The oracle knows nothing of the server's inside but what server.h tells. Its rules are in
 * chaos_judge.c; docs/simulate.md says them for users.
 */
#ifndef FL_SIM_CHAOS_H
#define FL_SIM_CHAOS_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/rng.h"

enum { FL_CHAOS_PROVIDERS_MAX = 5, FL_CHAOS_FAULTS_MAX = 32 };

/* X(id, "name"): what `arg`, `more` and `permille` mean stands behind it. */
#define FL_CHAOS_KINDS(X)                                                                          \
    X(REFUSE, "refuse")   /* does not listen */                                                    \
    X(ERROR, "error")     /* every request gets a 500 */                                           \
    X(STALL, "stall")     /* nothing is sent */                                                    \
    X(KILL, "kill")       /* a RST on all its connections, once */                                 \
    X(DNS, "dns")         /* its name does not resolve */                                          \
    X(SLOW, "slow")       /* arg: delays of so many thousandths */                                 \
    X(STATUS, "status")   /* arg: the status of so many permille of answers; more: retry-after, ms */ \
    X(MISDEED, "misdeed") /* arg: enum fl_sim_misdeed, by permille; more: tokens or bytes before */ \
    X(NET, "net")         /* arg: enum fl_chaos_net, of permille of the new connections */         \
    X(REMOVE, "remove")   /* the configuration is reloaded without it, and with it at the end */   \
    X(RELOAD, "reload")   /* the configuration is reloaded as it is */                             \
    X(WALL, "wall")       /* arg: the wall clock jumps so many seconds */                          \
    X(WRITE_FAILS, "write_fails") /* arg: the so-manieth next write of a worker */                 \
    X(DIAL_FAILS, "dial_fails")   /* arg: the so-manieth next dial of a worker */                  \
    X(NO_MEMORY, "no_memory")     /* arg: the so-manieth next allocation of the server */

enum fl_chaos_kind {
#define X(id, name) FL_CHAOS_##id,
    FL_CHAOS_KINDS(X)
#undef X
        FL_CHAOS_KIND_COUNT
};

#define FL_CHAOS_NETS(X)                                                                           \
    X(REFUSE, "refuse")                                                                            \
    X(BLACKHOLE, "blackhole")                                                                      \
    X(RESET, "reset")                                                                              \
    X(FIN, "fin")                                                                                  \
    X(STALL, "stall")                                                                              \
    X(SLOW, "slow")                                                                                \
    X(TIGHT, "tight")                                                                              \
    X(LATE, "late")

enum fl_chaos_net {
#define X(id, name) FL_CHAOS_NET_##id,
    FL_CHAOS_NETS(X)
#undef X
        FL_CHAOS_NET_COUNT
};

/* Kinds of clients; each is drawn with its own likelihood. */
#define FL_CHAOS_CLIENTS(X)                                                                        \
    X(CANCEL, "cancel")         /* goes away at some time */                                       \
    X(CUT, "cut")               /* goes away after some bytes of its answer */                     \
    X(SLOW_SEND, "slow_send")   /* sends in pieces */                                              \
    X(SLOW_READ, "slow_read")   /* reads a few bytes at a time */                                  \
    X(PIPELINE, "pipeline")     /* three requests at once */                                       \
    X(KEEP, "keep")             /* three requests, one after another */                            \
    X(MALFORMED, "malformed")   /* a request that is none */                                       \
    X(UNKNOWN, "unknown_model") /* asks for a model that nobody has */                             \
    X(REFUSED, "refused")       /* asks for what providers refuse: 400 */                          \
    X(TOOLS, "tools")           /* needs tools */

enum fl_chaos_client {
#define X(id, name) FL_CHAOS_CLIENT_##id,
    FL_CHAOS_CLIENTS(X)
#undef X
        FL_CHAOS_CLIENT_COUNT
};

struct fl_chaos_provider {
    unsigned ttft_ms, token_ms; /* medians */
    unsigned rpm;               /* 0: no limit */
    unsigned connections;       /* that the gateway may have to it */
    unsigned vendor;            /* those of the same one fail together */
    bool fallback;              /* else a primary */
    bool no_tools;
};

struct fl_chaos_fault {
    enum fl_chaos_kind kind;
    unsigned providers;      /* bits; 0: the gateway itself */
    unsigned at_ms, for_ms;  /* for_ms UINT32_MAX: for good */
    unsigned permille;
    int64_t arg;
    uint64_t more;
};

struct fl_chaos_plan {
    uint64_t seed;
    unsigned storm_ms, gap_ms; /* between arrivals, mean */
    unsigned first, exchanges; /* of the storm: those before *first* are left out */
    unsigned settling;         /* exchanges of the minute in which the calm sets in */
    unsigned calm;             /* exchanges after it */
    unsigned workers, attempts;
    unsigned selection;        /* of fl_selection_at() */
    unsigned hedge_ms;         /* 0: nobody is asked beside one that says nothing */
    unsigned resume;           /* 1: a stream that broke is continued, and all providers say the same */
    unsigned stream_permille;
    unsigned chop;             /* 0: bytes arrive as they were sent, 1: in pieces, 2: in tiny ones */
    unsigned healthy;          /* index of a provider */
    unsigned provider_count, fault_count;
    struct fl_chaos_provider providers[FL_CHAOS_PROVIDERS_MAX];
    struct fl_chaos_fault faults[FL_CHAOS_FAULTS_MAX];
    unsigned clients[FL_CHAOS_CLIENT_COUNT]; /* permille */
};

/* *exchanges* in all, those of the calm included. NO_MEMORY is drawn only if *memory_fails*. */
void fl_chaos_draw(uint64_t seed, unsigned exchanges, bool memory_fails,
                   struct fl_chaos_plan *ret_plan);
/* One line an item. */
void fl_chaos_put(const struct fl_chaos_plan *plan, struct fl_buf *b);
/* False: *ret_line* is the first line, from 1, that means nothing. */
bool fl_chaos_read(struct fl_slice text, struct fl_chaos_plan *ret_plan, unsigned *ret_line);

/* Lies told to the oracle about what a client saw, to see whether it notices: X(id, "name") */
#define FL_CHAOS_LIES(X)                                                                           \
    X(CLEAN_END, "clean_end")     /* a broken stream ends with [DONE] */                           \
    X(NO_END, "no_end")           /* its error event is missing */                                 \
    X(RETRACTION, "retraction")   /* after a failover the text begins anew */                      \
    X(AFTERTHOUGHT, "after_end")  /* a word follows the error event */                             \
    X(STORM, "retry_storm")       /* after a failover, ten attempts more */                        \
    X(LATE, "late")               /* after a failover, the answer comes a minute later */          \
    X(BLAME, "blame")             /* a client's malformed request counts against a provider */     \
    X(LOST, "lost")               /* of the calm's failovers, the answer is a 502 */               \
    X(REPEATED, "repeated")       /* a continued stream says its last bytes twice */               \
    X(UNPAID, "unpaid")           /* what broke before a stream was continued cost nothing */      \
    X(RUNAWAY, "runaway")         /* who lost a hedge goes on generating */

enum fl_chaos_lie {
    FL_CHAOS_HONEST,
#define X(id, name) FL_CHAOS_LIE_##id,
    FL_CHAOS_LIES(X)
#undef X
        FL_CHAOS_LIE_COUNT
};
const char *fl_chaos_lie_name(enum fl_chaos_lie lie);

/* Allocation failures need a program whose allocator can be told to fail. */
struct fl_chaos_heap {
    void (*inside)(bool server); /* the server's code runs from now on, or does not */
    void (*fail)(unsigned nth);  /* its nth allocation from now on; 0: none */
};

struct fl_chaos_options {
    enum fl_chaos_lie lie;
    const struct fl_chaos_heap *heap; /* NULL: NO_MEMORY is left out */
    void (*trace)(struct fl_slice line); /* all that happens; NULL: nobody wants to know */
};

struct fl_chaos_verdict {
    char invariant[72]; /* empty: all held */
    char what[240];
    uint64_t at_ns;
    unsigned exchange;  /* UINT32_MAX: none in particular */
    uint64_t bytes_hash;     /* over all that happened on the network */
    uint64_t decisions_hash; /* over the newest decision records */
    uint64_t steps, virtual_ns;
    uint64_t exchanges, answered, failed, cancelled, attempts, failovers;
    uint64_t calm, calm_failed;
    uint64_t failed_over; /* answered whole by another than the first that was asked */
    uint64_t hedged, continued; /* answers for which two were asked at once; streams that were joined */
};

void fl_chaos_run(const struct fl_chaos_plan *plan, const struct fl_chaos_options *options,
                  struct fl_chaos_verdict *ret_verdict);

/* Runs a plan, perhaps somewhere else, so that a crash is a verdict too. */
typedef void fl_chaos_run_fn(void *owner, const struct fl_chaos_plan *plan,
                             struct fl_chaos_verdict *ret_verdict);
/* Takes things out of *plan* one after another as long as the same invariant fails, at most
 * *runs_max* times. Returns the number of runs. *verdict* is that of *plan*, before and after. */
unsigned fl_chaos_shrink(struct fl_chaos_plan *plan, struct fl_chaos_verdict *verdict,
                         fl_chaos_run_fn *run, void *owner, unsigned runs_max);

#endif

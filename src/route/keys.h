/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys of a provider, each with what it may still do: so that a target is chosen only where a
 * key of it has headroom, and no request is spent on discovering a limit (ROUTING.md 2.3, 3.5).
 *
 *   key      one credential of a provider. Refused (401) or out of quota it is disabled until a
 *            time; its name, never the secret, is all that is known here
 *   meter    what one key has left of one model's limits: a mirror of what the provider's headers
 *            said, and a GCRA for each limit the configuration gives
 *   lease    what one attempt reserved; taken before dispatch, returned once at its end
 *
 * The mirror: an answer that tells *remaining* had seen all that was sent before it, so what is
 * left now is that, less what was sent after it. Answers that were dispatched earlier than the one
 * the mirror stands on are ignored. From its reset on it stands on the limit, if that is known.
 *
 * Written under a meter's or key's lock (nanoseconds, any worker); a decision reads atomics only.
 */
#ifndef FL_ROUTE_KEYS_H
#define FL_ROUTE_KEYS_H

#include "base/rates.h"
#include "route/gcra.h"
#include "route/lock.h"
#include "route/route.h"

struct fl_key_state {
    struct fl_key_state *next; /* in the registry's bucket */
    struct fl_slice id;        /* owned; "provider#0", no secret */
    struct fl_lock lock;
    _Atomic uint64_t disabled_until_ns; /* 0: is not */
    _Atomic uint8_t why;                /* enum fl_err that disabled it */
    _Atomic uint64_t probe_ns;          /* of the newest attempt let through after that time */
    _Atomic uint64_t in_flight;
};

/* Limits of a key by configuration: 0: none. */
struct fl_key_limits {
    uint64_t requests_per_minute, tokens_per_minute;
};

struct fl_mirror {
    _Atomic uint64_t remaining;  /* when *base* had been sent */
    _Atomic uint64_t base, sent; /* units, since the meter was made */
    _Atomic uint64_t reset_ns;   /* 0: nothing is known */
    _Atomic uint64_t limit;      /* 0: not known */
    _Atomic uint64_t order;      /* of the attempt it stands on */
};

struct fl_meter {
    struct fl_meter *next; /* in the registry's bucket */
    struct fl_slice id;    /* owned; "provider#0/model" */
    struct fl_lock lock;
    _Atomic unsigned known; /* bits: mirrors that say something */
    struct fl_mirror mirror[FL_RATE_KINDS];
    struct fl_gcra requests, tokens;
    uint64_t dispatched; /* attempts so far: the order of mirrors */
};

/* One key as one target uses it. An array of these hangs on struct fl_target, immutable. */
struct fl_target_key {
    struct fl_key_state *key;
    struct fl_meter *meter;
    struct fl_key_limits limits;
    unsigned index; /* of the key among its provider's, for whoever holds the secrets */
};

/* What an attempt is expected to take. */
struct fl_key_need {
    unsigned tokens_in, tokens_out;
};

enum fl_headroom {
    FL_HEADROOM,       /* a key can take it now; also where there are no keys to look after */
    FL_HEADROOM_LATER, /* none now; the first in *ret_wait_ns* */
    FL_HEADROOM_NEVER, /* more than any key's limit allows at once */
    FL_HEADROOM_NO_KEY /* every key is disabled; *ret_wait_ns* until the first may be tried */
};
/* For the filter: reads only. */
enum fl_headroom fl_keys_headroom(const struct fl_target_key *keys, unsigned count,
                                  struct fl_key_need need, uint64_t now_ns, uint64_t *ret_wait_ns);

/* Is there no key but such as the configuration's own limits hold back? What only a provider told of
 * its limits may be tried all the same: it is the provider that knows. */
bool fl_keys_held_here(const struct fl_target_key *keys, unsigned count, struct fl_key_need need,
                       uint64_t now_ns);

struct fl_lease {
    const struct fl_target_key *on; /* NULL: nothing is held */
    struct fl_key_need need;
    uint64_t order;
    uint64_t sent[FL_RATE_KINDS]; /* the mirrors' sent, this attempt included */
};

enum { FL_KEYS_MAX = 32 /* of a target; tried keys are bits of a word */ };

/* Before dispatch: chooses the key with most headroom (*turn* decides among equals: pass a number
 * that counts up), reserves, and returns it. Keys of the bits of *tried* are left out. NULL: none
 * can take it now; where *force*, the one that is soonest able is taken all the same (panic). */
const struct fl_target_key *fl_keys_take(const struct fl_target_key *keys, unsigned count,
                                         struct fl_key_need need, uint32_t tried, uint64_t turn,
                                         bool force, uint64_t now_ns, struct fl_lease *ret_lease);

struct fl_lease_end {
    enum fl_err err;
    uint64_t tokens_in, tokens_out; /* as reported; 0: unknown */
    const struct fl_rates *rates;   /* of the answer's head and body; NULL: none came */
};
/* Once for each lease taken, at the attempt's end: trues up what was reserved (an attempt that
 * never reached the provider gives all back), takes over what the answer told of the limits,
 * disables a key that was refused and enables one that was served. */
void fl_keys_return(struct fl_lease *lease, const struct fl_lease_end *end, uint64_t now_ns);
/* As soon as an answer's head is read: its rates count for those dispatched meanwhile. May be
 * called before fl_keys_return(), which then need not tell them again. */
void fl_keys_heard(const struct fl_lease *lease, const struct fl_rates *rates, uint64_t now_ns);

/* A check outside of any attempt found it refused: left alone as after an attempt. */
void fl_key_refused(struct fl_key_state *key, enum fl_err err, uint64_t now_ns);
/* By its operator: enable at once, whatever disabled it. */
void fl_key_enable(struct fl_key_state *key);
bool fl_key_usable(const struct fl_key_state *key, uint64_t now_ns);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gateway's memory of responses. Clients of OpenAI's responses refer to earlier answers by id
 * (previous_response_id, item_reference). Where the answer came from a provider of that API, its
 * provider resolves them; where the answer was translated, nobody but the gateway can: it keeps
 * what it answered, as the client got it.
 *
 *   entry   one response: its input as the client sent it, the response, the response it went on
 *           from; or, of a response that a provider keeps itself, only who that is
 *   tenant  whose entry it is: nobody finds another's. 0: everybody's, where no keys are asked for
 *   age     since it was last used. What a response goes on from is used with it, so that a
 *           conversation is forgotten from its end
 *
 * Bounded by bytes: the least recently used goes first. What is too old is let go of when the
 * memory is next used. In the process only: a restart forgets all.
 *
 * Threads: any; each call locks it for the time of its copying.
 */
#ifndef FL_SERVER_MEMORY_H
#define FL_SERVER_MEMORY_H

#include "base/buf.h"
#include "base/err.h"

enum {
    /* Of a response, and of its own input: what is longer, or a quarter of all that may be kept, is not. */
    FL_MEMORY_RESPONSE_BYTES = 1024 * 1024,
    FL_MEMORY_ID_BYTES = 128 /* of an id, at most */
};

struct fl_memory;

/* Who asks, when, and how much may be kept; the configuration's present word. */
struct fl_memory_asker {
    uint64_t tenant;
    uint64_t now_ns;
    uint64_t age_ns;
    size_t bytes; /* in all; 0: nothing is kept or found */
};

struct fl_memory_response {
    struct fl_slice response; /* raw JSON object with "id" and "output" */
    struct fl_slice input;    /* raw JSON: a string or an array of items; empty: not to be kept */
    struct fl_slice previous; /* id of the response it went on from; empty: none */
};

struct fl_memory *fl_memory_create(void);    /* NULL: no memory */
void fl_memory_destroy(struct fl_memory *m); /* NULL is fine */

/* Keeps a copy; a response of the same id is replaced. Without room or memory nothing is kept. */
void fl_memory_put(struct fl_memory *m, const struct fl_memory_asker *asker,
                   const struct fl_memory_response *response);
/* The ids of this response and of its items are known to *maker* (a provider's name). */
void fl_memory_put_maker(struct fl_memory *m, const struct fl_memory_asker *asker,
                         struct fl_slice response, struct fl_slice maker);
/* The maker of a response or of an item into *name*, or nothing. */
void fl_memory_maker(struct fl_memory *m, const struct fl_memory_asker *asker, struct fl_slice id,
                     struct fl_buf *name);
/* Is the response or the item with this id kept here? */
bool fl_memory_holds(struct fl_memory *m, const struct fl_memory_asker *asker, struct fl_slice id);
/* Forgets it. False: it is not there. */
bool fl_memory_forget(struct fl_memory *m, const struct fl_memory_asker *asker, struct fl_slice id);

/* The next four append JSON to *b*, elements behind a comma where one belongs (dialect/put.h).
 * FL_ERR_RESPONSE_GONE, FL_ERR_ITEM_GONE: *ret_gone has its id; FL_ERR_TOO_BIG: the response is
 * there, but its input was too long to be kept. Overflow of *b* is the caller's to see. */
struct fl_memory_gone {
    char memory[FL_MEMORY_ID_BYTES];
    struct fl_buf id;
};
/* The response object. */
enum fl_err fl_memory_put_response(struct fl_memory *m, const struct fl_memory_asker *asker,
                                   struct fl_slice id, struct fl_buf *b,
                                   struct fl_memory_gone *ret_gone) FL_CHECK_RESULT;
/* All that was said up to that response: inputs and outputs, from the first response of its line. */
enum fl_err fl_memory_put_context(struct fl_memory *m, const struct fl_memory_asker *asker,
                                  struct fl_slice id, struct fl_buf *b,
                                  struct fl_memory_gone *ret_gone) FL_CHECK_RESULT;
/* The same without its own output: what the response was made of. */
enum fl_err fl_memory_put_input(struct fl_memory *m, const struct fl_memory_asker *asker,
                                struct fl_slice id, struct fl_buf *b,
                                struct fl_memory_gone *ret_gone) FL_CHECK_RESULT;
/* The items of an input (a string or an array), references replaced by what they refer to; those to
 * items that others made, and keep, stay. */
enum fl_err fl_memory_put_items(struct fl_memory *m, const struct fl_memory_asker *asker,
                                struct fl_slice input, struct fl_buf *b,
                                struct fl_memory_gone *ret_gone) FL_CHECK_RESULT;

struct fl_memory_stats {
    size_t bytes;
    unsigned entries;
};
struct fl_memory_stats fl_memory_stats(struct fl_memory *m);

#endif

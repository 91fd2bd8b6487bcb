/* SPDX-License-Identifier: Apache-2.0 */
#include "route/understand.h"

#include "route/text/correction.h"
#include "route/text/estimate.h"
#include "route/text/length.h"
#include "route/text/prefix.h"

#include <stdlib.h>

enum {
    prefix_blocks = 1 << 16,
    learned_owners = 4096,
    cache_ttl_s = 300, /* the shortest that providers name */
    tokens_most = 100000000
};

struct fl_knowledge {
    struct fl_prefix_table prefixes;
    struct fl_lengths lengths;
    struct fl_corrections corrections;
    void *memory[3];
};

struct fl_knowledge *fl_knowledge_create(void)
{
    struct fl_knowledge *k = calloc(1, sizeof(*k));
    const size_t bytes[3] = {fl_prefix_table_bytes(prefix_blocks), fl_lengths_bytes(learned_owners),
                             fl_corrections_bytes(learned_owners)};
    for (unsigned i = 0; k && i < 3; i++) {
        k->memory[i] = calloc(1, bytes[i]);
        if (!k->memory[i]) {
            fl_knowledge_destroy(k);
            return NULL;
        }
    }
    if (k) {
        fl_prefix_table_init(&k->prefixes, k->memory[0], prefix_blocks);
        fl_lengths_init(&k->lengths, k->memory[1], learned_owners);
        fl_corrections_init(&k->corrections, k->memory[2], learned_owners);
    }
    return k;
}

void fl_knowledge_destroy(struct fl_knowledge *k)
{
    for (unsigned i = 0; k && i < 3; i++) {
        free(k->memory[i]);
    }
    free(k);
}

/* --- Reading --- */

/* The two ends of the user's last message, as the classifier wants them. */
static struct fl_windows windows_of(const struct fl_text_facts *text)
{
    struct fl_slice tail = text->user_tail;
    size_t cut = tail.len > FL_WINDOW_TAIL ? tail.len - FL_WINDOW_TAIL : 0;
    return (struct fl_windows){.head = fl_slice_first(text->user_head, FL_WINDOW_HEAD),
                               .tail = fl_slice_from(tail, cut),
                               .text_bytes = text->user_bytes};
}

void fl_understand_begin(struct fl_understanding *u)
{
    if (!u->ready) { /* checking the model takes longer than a thousand decisions */
        u->classifier = fl_classifier_default();
        u->ready = true;
    }
    u->needs = 0;
    u->streaming = false;
    u->tokens_out_max = 0;
    u->tokens_beside = 0;
    fl_scan_begin(&u->scan, 0, (struct fl_scan_window){u->window, FL_UNDERSTOOD_WINDOW});
}

void fl_understand_end(struct fl_understanding *u)
{
    fl_scan_end(&u->scan, &u->text);
    for (unsigned i = 0; i < FL_TEXT_TOKENIZERS; i++) {
        uint64_t tokens =
            fl_text_request_tokens(&u->text, (enum fl_text_tokenizer)i) + u->tokens_beside;
        u->tokens[i] = u->corrected[i] = (unsigned)(tokens < tokens_most ? tokens : tokens_most);
    }
    struct fl_windows windows = windows_of(&u->text);
    fl_features_extract(&windows, &u->features);
    fl_classify(&u->classifier, &windows, &u->features, u->probability);
}

/* --- Telling the engine --- */

/* A number that stays the target's across reloads. Two of one number are taken for each other, which
 * is a wrong guess about a cache. */
static uint32_t number_of(const struct fl_target *target)
{
    return (uint32_t)(fl_hash((struct fl_hash_key){0, 0}, target->id) % FL_PREFIX_TARGETS_MAX);
}

/* A cache that neither saves money nor time is none. */
static bool caches(const struct fl_target *t)
{
    return !t->priced || t->price_cached < t->price_in;
}

static void put_cached(struct fl_understanding *u, const struct fl_knowledge *k, uint64_t now_s,
                       const struct fl_table *t, const struct fl_route *route, struct fl_route_request *request)
{
    struct fl_prefix_hit hits[FL_PREFIX_WARM];
    unsigned count = fl_prefix_hits(&k->prefixes, u->text.prefix, u->text.prefix_count, now_s, hits);
    if (count == 0 || t->target_count > FL_UNDERSTOOD_TARGETS) {
        return;
    }
    for (unsigned i = 0; i < route->target_count; i++) {
        const struct fl_target *target = &t->targets[route->targets[i]];
        uint32_t number = caches(target) ? number_of(target) : FL_PREFIX_TARGETS_MAX;
        unsigned blocks = 0;
        for (unsigned h = 0; h < count; h++) {
            blocks = hits[h].target == number ? hits[h].blocks : blocks;
        }
        enum fl_text_tokenizer kind = (enum fl_text_tokenizer)target->tokenizer;
        u->cached[route->targets[i]] = blocks > 0 ? fl_prefix_tokens(&u->text, kind, blocks) : 0;
    }
    request->cached_tokens = u->cached;
}

static struct fl_correction_key correction_of(unsigned tokenizer, const struct fl_asker *asker)
{
    return (struct fl_correction_key){tokenizer + 1, asker->tenant};
}

static struct fl_length_key length_of(enum fl_task task, const struct fl_asker *asker)
{
    return (struct fl_length_key){(unsigned)task, fl_mix64(asker->tenant + asker->model)};
}

static void put_learned(struct fl_understanding *u, const struct fl_knowledge *k, const struct fl_asker *asker,
                        struct fl_route_request *request)
{
    for (unsigned i = 0; i < FL_TEXT_TOKENIZERS; i++) {
        uint64_t tokens = fl_corrections_apply(&k->corrections, correction_of(i, asker), u->tokens[i]);
        u->corrected[i] = (unsigned)(tokens < tokens_most ? tokens : tokens_most);
    }
    struct fl_length out =
        fl_lengths_predict(&k->lengths, length_of(request->task, asker), request->tokens_out_max);
    request->tokens_out = (unsigned)(out.mean + 0.5);
    request->tokens_out_p50 = (unsigned)(out.p50 + 0.5);
    request->tokens_out_p90 = (unsigned)(out.p90 + 0.5);
}

void fl_understood_put(struct fl_understanding *u, const struct fl_knowledge *k, const struct fl_asker *asker,
                       const struct fl_table *t, const struct fl_route *route, struct fl_route_request *request)
{
    request->needs = u->needs;
    request->streaming = u->streaming;
    request->tokens_out_max = (unsigned)(u->tokens_out_max < tokens_most ? u->tokens_out_max : tokens_most);
    request->task = fl_task_best(u->probability);
    request->task_known = true;
    memcpy(request->task_probability, u->probability, sizeof(u->probability));
    request->prefix = u->text.prefix;
    request->prefix_count = u->text.prefix_count;
    if (k) {
        put_learned(u, k, asker, request);
        put_cached(u, k, asker->now_s, t, route, request);
    }
    request->tokens_in = u->corrected[FL_TEXT_O200K];
    request->tokens_by_tokenizer = u->corrected;
    request->tokenizer_count = FL_TEXT_TOKENIZERS;
}

/* --- Learning --- */

void fl_understood_keep(const struct fl_understanding *u, struct fl_expected *ret)
{
    ret->task = fl_task_best(u->probability);
    memcpy(ret->tokens, u->tokens, sizeof(ret->tokens));
    ret->prefix_count = u->text.prefix_count;
    memcpy(ret->prefix, u->text.prefix, u->text.prefix_count * sizeof(ret->prefix[0]));
}

void fl_knowledge_learn(struct fl_knowledge *k, const struct fl_expected *expected, const struct fl_asker *asker,
                        const struct fl_target *target, const struct fl_usage *usage)
{
    if (!k) {
        return;
    }
    if (expected->prefix_count > 0 && caches(target)) {
        fl_prefix_note(&k->prefixes, expected->prefix, expected->prefix_count, number_of(target), cache_ttl_s,
                       asker->now_s);
    }
    if (usage->known && usage->tokens_out > 0) {
        fl_lengths_observe(&k->lengths, length_of(expected->task, asker), usage->tokens_out, false, asker->now_s);
    }
    if (usage->known && usage->tokens_in_image == 0 && usage->tokens_in_audio == 0 &&
        target->tokenizer < FL_TEXT_TOKENIZERS) {
        fl_corrections_observe(&k->corrections, correction_of(target->tokenizer, asker),
                               expected->tokens[target->tokenizer], usage->tokens_in, asker->now_s);
    }
}

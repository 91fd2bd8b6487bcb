/* SPDX-License-Identifier: Apache-2.0 */
#include "dialect/seal.h"

#include <string.h>

static const struct fl_slice mark_before = {FL_SEAL_MARK, sizeof(FL_SEAL_MARK) - 1};
static const struct fl_slice anthropic = {"anthropic", 9};

/* --- Who --- */

static bool speaks_claude(const struct fl_wire *provider, struct fl_slice model)
{
    bool form = provider == &fl_wire_anthropic || provider == &fl_wire_anthropic_bedrock ||
                provider == &fl_wire_anthropic_vertex;
    const struct fl_slice name = FL_LIT("claude");
    return form || (provider == &fl_wire_converse && fl_slice_find_text(model, name) < model.len);
}

struct fl_slice fl_seal_maker(const struct fl_wire *provider, struct fl_slice vendor,
                              struct fl_slice model)
{
    if (speaks_claude(provider, model)) {
        return anthropic;
    }
    return provider == &fl_wire_gemini ? FL_LIT("gemini") : vendor;
}

/* Is a bare proof from this client one of the provider's making? Bare ones came through from a provider of the
 * client's own dialect. Of OpenAI's there are many vendors: which of them is not known. */
static bool takes_bare(const struct fl_wire *client, const struct fl_wire *provider,
                       struct fl_slice maker)
{
    if (client == &fl_wire_anthropic) {
        return fl_slice_eq(maker, anthropic);
    }
    return provider == &fl_wire_openai_chat || provider == &fl_wire_openai_responses;
}

static bool gets_bare(const struct fl_wire *client, struct fl_slice maker)
{
    return client == &fl_wire_anthropic && fl_slice_eq(maker, anthropic);
}

/* --- To the client --- */

static struct fl_slice mark(struct fl_slice proof, struct fl_slice maker, struct fl_arena *arena)
{
    size_t bytes = mark_before.len + maker.len + 1 + proof.len;
    char *text = proof.len > 0 ? fl_arena_take(arena, bytes) : NULL;
    struct fl_buf b;
    if (!text) {
        return FL_EMPTY;
    }
    fl_buf_init_in(&b, text, bytes);
    fl_buf_put(&b, mark_before);
    fl_buf_put(&b, maker);
    fl_buf_putc(&b, ':');
    fl_buf_put(&b, proof);
    return fl_buf_slice(&b);
}

const struct fl_chat_event *fl_seal_mark(const struct fl_chat_event *event,
                                         const struct fl_wire *client, struct fl_slice maker,
                                         struct fl_arena *arena, struct fl_chat_event *storage)
{
    bool proof = event->kind == FL_CHAT_SIGNATURE || event->kind == FL_CHAT_REDACTED;
    bool call = event->kind == FL_CHAT_CALL_BEGIN && event->signature.len > 0;
    if ((!proof && !call) || gets_bare(client, maker)) {
        return event;
    }
    *storage = *event;
    if (proof) {
        storage->text = mark(event->text, maker, arena);
    } else {
        storage->signature = mark(event->signature, maker, arena);
    }
    return storage;
}

/* --- To the provider --- */

struct opener {
    const struct fl_wire *client, *provider;
    struct fl_slice maker;
    struct fl_arena *arena;
    struct fl_losses *losses;
};

/* The bare proof, or nothing when another made it. */
static struct fl_slice opened(const struct opener *o, struct fl_slice proof)
{
    if (!fl_slice_starts(proof, mark_before)) {
        return takes_bare(o->client, o->provider, o->maker) ? proof : FL_EMPTY;
    }
    struct fl_slice rest = fl_slice_from(proof, mark_before.len);
    size_t colon = fl_slice_find(rest, ':');
    return fl_slice_eq(fl_slice_first(rest, colon), o->maker) ? fl_slice_from(rest, colon + 1)
                                                              : FL_EMPTY;
}

static struct fl_slice proof_of(const struct fl_part *p)
{
    return p->kind == FL_PART_REDACTED ? p->text : p->signature;
}

static bool stays(const struct opener *o, const struct fl_message *m)
{
    for (const struct fl_part *p = m->parts; p; p = p->next) {
        struct fl_slice proof = proof_of(p);
        if (proof.len > 0 && opened(o, proof).len != proof.len) {
            return false;
        }
    }
    return true;
}

/* A copy of *p*, or NULL when nothing of it is left. */
static struct fl_part *open_part(const struct opener *o, const struct fl_part *p)
{
    struct fl_slice before = proof_of(p), proof = opened(o, before);
    if (before.len > 0 && proof.len == 0) { /* the form tells it when the text goes as well */
        fl_losses_add(o->losses, FL_LOSS_DROPPED,
                      p->kind == FL_PART_TOOL_CALL  ? "messages.thought_signature"
                      : p->kind == FL_PART_REDACTED ? "messages.thinking"
                                                    : "messages.thinking.signature");
    }
    if (p->kind == FL_PART_REDACTED && proof.len == 0) {
        return NULL;
    }
    struct fl_part *copy = fl_arena_take(o->arena, sizeof(*copy));
    if (copy) {
        *copy = *p;
        *(p->kind == FL_PART_REDACTED ? &copy->text : &copy->signature) = proof;
    }
    return copy;
}

static struct fl_part *open_parts(const struct opener *o, const struct fl_part *parts)
{
    struct fl_part *first = NULL, **tail = &first;
    for (const struct fl_part *p = parts; p && !o->arena->failed; p = p->next) {
        struct fl_part *copy = open_part(o, p);
        if (copy) {
            copy->next = NULL;
            *tail = copy;
            tail = &copy->next;
        }
    }
    return first;
}

static struct fl_message *open_messages(const struct opener *o, const struct fl_message *messages)
{
    struct fl_message *first = NULL, **tail = &first;
    for (const struct fl_message *m = messages; m && !o->arena->failed; m = m->next) {
        struct fl_message *copy = fl_arena_take(o->arena, sizeof(*copy));
        if (copy) {
            *copy = *m;
            copy->next = NULL;
            copy->parts = stays(o, m) ? m->parts : open_parts(o, m->parts);
            *tail = copy;
            tail = &copy->next;
        }
    }
    return first;
}

const struct fl_chat_request *fl_seal_open(const struct fl_chat_request *request,
                                           const struct fl_wire *client,
                                           const struct fl_wire *provider, struct fl_slice maker,
                                           struct fl_arena *arena, struct fl_losses *losses)
{
    const struct opener o = {client, provider, maker, arena, losses};
    const struct fl_message *m = request->messages;
    while (m && stays(&o, m)) {
        m = m->next;
    }
    if (!m) {
        return request;
    }
    struct fl_chat_request *copy = fl_arena_take(arena, sizeof(*copy));
    if (copy) {
        *copy = *request;
        copy->messages = open_messages(&o, request->messages);
    }
    return arena->failed ? NULL : copy;
}

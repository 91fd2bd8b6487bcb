/* SPDX-License-Identifier: Apache-2.0 */
/* Collects the events of an answer into blocks. Texts stay where they are: a block is a list of pieces. */
#include "chat/event.h"

#include "base/assert.h"

void fl_chat_answer_init(struct fl_chat_answer *answer, struct fl_arena *arena)
{
    *answer = (struct fl_chat_answer){.arena = arena};
    answer->tail = &answer->blocks;
    answer->choices = fl_arena_zero(arena, FL_CHOICES_MAX * sizeof(*answer->choices));
}

static struct fl_block *begin_block(struct fl_chat_answer *answer, enum fl_block_kind kind,
                                    const struct fl_chat_event *event)
{
    struct fl_block *block = fl_arena_zero(answer->arena, sizeof(*block));
    if (!block) {
        return NULL;
    }
    block->kind = kind;
    block->choice = event->choice;
    block->call = event->call;
    block->tail = &block->pieces;
    *answer->tail = block;
    answer->tail = &block->next;
    answer->last = block;
    return block;
}

static struct fl_piece *add_piece(struct fl_chat_answer *answer, struct fl_block *block, struct fl_slice text)
{
    struct fl_piece *piece = block ? fl_arena_zero(answer->arena, sizeof(*piece)) : NULL;
    if (piece) {
        piece->text = text;
        *block->tail = piece;
        block->tail = &piece->next;
    }
    return piece;
}

/* The block that a piece of this kind belongs to: the last one of its choice, if that is of the kind and not
 * signed yet. */
static struct fl_block *block_for(struct fl_chat_answer *answer, enum fl_block_kind kind,
                                  const struct fl_chat_event *event)
{
    struct fl_block *last = answer->last;
    if (last && last->choice != event->choice) {
        last = NULL;
        for (struct fl_block *b = answer->blocks; b; b = b->next) {
            last = b->choice == event->choice ? b : last;
        }
    }
    bool fits = last && last->kind == kind && last->signature.len == 0;
    return fits ? last : begin_block(answer, kind, event);
}

static struct fl_block *call_of(struct fl_chat_answer *answer, const struct fl_chat_event *event)
{
    struct fl_block *found = NULL;
    for (struct fl_block *b = answer->blocks; b; b = b->next) {
        if (b->kind == FL_BLOCK_CALL && b->choice == event->choice && b->call == event->call) {
            found = b;
        }
    }
    return found;
}

static void begin_call(struct fl_chat_answer *answer, const struct fl_chat_event *event)
{
    struct fl_block *block = begin_block(answer, FL_BLOCK_CALL, event);
    if (block) {
        block->id = event->id;
        block->name = event->name;
        block->signature = event->signature;
    }
}

static void finish_choice(struct fl_chat_answer *answer, const struct fl_chat_event *event)
{
    if (!answer->choices || event->choice >= FL_CHOICES_MAX) {
        return;
    }
    answer->choices[event->choice].finish = event->finish;
    answer->choices[event->choice].stop_sequence = event->stop_sequence;
    if (event->choice >= answer->choice_count) {
        answer->choice_count = event->choice + 1;
    }
}

static void take_text(struct fl_chat_answer *answer, enum fl_block_kind kind,
                      const struct fl_chat_event *event)
{
    if (event->text.len > 0 || event->logprobs.len > 0) {
        struct fl_piece *piece = add_piece(answer, block_for(answer, kind, event), event->text);
        if (piece) {
            piece->logprobs = event->logprobs;
        }
    }
}

/* Of the choice's last text. One that comes before any text begins it. */
static void cite(struct fl_chat_answer *answer, const struct fl_chat_event *event)
{
    struct fl_block *text = NULL;
    for (struct fl_block *b = answer->blocks; b; b = b->next) {
        text = b->kind == FL_BLOCK_TEXT && b->choice == event->choice ? b : text;
    }
    text = text ? text : begin_block(answer, FL_BLOCK_TEXT, event);
    struct fl_cited *cited = text ? fl_arena_zero(answer->arena, sizeof(*cited)) : NULL;
    if (cited) {
        struct fl_cited **tail = &text->cited;
        while (*tail) {
            tail = &(*tail)->next;
        }
        cited->citation = *event->citation;
        *tail = cited;
    }
}

static void sign(struct fl_chat_answer *answer, const struct fl_chat_event *event)
{
    struct fl_block *block = block_for(answer, FL_BLOCK_THINKING, event);
    if (block) {
        block->signature = event->text;
    }
}

void fl_chat_answer_take(void *owner, const struct fl_chat_event *event)
{
    struct fl_chat_answer *answer = owner;
    switch (event->kind) {
    case FL_CHAT_START:
        answer->id = event->id;
        answer->model = event->name;
        answer->created_s = event->created_s;
        break;
    case FL_CHAT_TEXT:
        take_text(answer, FL_BLOCK_TEXT, event);
        break;
    case FL_CHAT_REFUSAL:
        take_text(answer, FL_BLOCK_REFUSAL, event);
        break;
    case FL_CHAT_THINKING:
        take_text(answer, FL_BLOCK_THINKING, event);
        break;
    case FL_CHAT_SIGNATURE:
        sign(answer, event);
        break;
    case FL_CHAT_REDACTED:
        (void)add_piece(answer, begin_block(answer, FL_BLOCK_REDACTED, event), event->text);
        break;
    case FL_CHAT_CITATION:
        cite(answer, event);
        break;
    case FL_CHAT_CALL_BEGIN:
        begin_call(answer, event);
        break;
    case FL_CHAT_CALL_ARGUMENTS:
        if (event->text.len > 0) {
            (void)add_piece(answer, call_of(answer, event), event->text);
        }
        break;
    case FL_CHAT_PING:
        break;
    case FL_CHAT_FINISH:
        finish_choice(answer, event);
        break;
    case FL_CHAT_USAGE:
        answer->usage = *event->usage;
        break;
    case FL_CHAT_ERROR:
        answer->err = event->err;
        answer->error_text = event->text;
        answer->error_name = event->name;
        break;
    case FL_CHAT_DONE:
        answer->whole = true;
        break;
    }
}

size_t fl_block_bytes(const struct fl_block *block)
{
    size_t bytes = 0;
    for (const struct fl_piece *p = block->pieces; p; p = p->next) {
        bytes += p->text.len;
    }
    return bytes;
}

const char *fl_finish_name(enum fl_finish finish)
{
    static const char *const names[] = {
        [FL_FINISH_NONE] = "none",
        [FL_FINISH_STOP] = "stop",
        [FL_FINISH_STOP_SEQUENCE] = "stop_sequence",
        [FL_FINISH_LENGTH] = "length",
        [FL_FINISH_CONTEXT] = "context",
        [FL_FINISH_TOOL_CALLS] = "tool_calls",
        [FL_FINISH_CONTENT_FILTER] = "content_filter",
        [FL_FINISH_PAUSE] = "pause",
        [FL_FINISH_ERROR] = "error",
    };
    return names[finish];
}

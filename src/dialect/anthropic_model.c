/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a Claude takes, by its generation, which is read from its name:
 * "claude-3-5-sonnet-20241022", "claude-opus-4-1", "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
 * "claude-sonnet-4@20250514". A model of another name (a server that speaks this dialect for
 * models of its own) is taken for one that knows the oldest ways only.
 */
#include "dialect/anthropic_wire.h"

enum {
    BUDGET_MIN = 1024, /* Anthropic's */
    ANSWER_MIN = 1024  /* what an answer keeps beside its thinking */
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The next number of one or two digits at *at*, behind other signs; false at the name's end.
 * Longer ones are dates. */
static bool next_number(struct fl_slice name, size_t *at, unsigned *ret_number)
{
    while (*at < name.len) {
        size_t start = *at;
        unsigned number = 0;
        while (*at < name.len && is_digit(name.ptr[*at])) {
            number = *at - start < 3 ? number * 10 + (unsigned)(name.ptr[*at] - '0') : 100;
            (*at)++;
        }
        if (*at > start && *at - start <= 2) {
            *ret_number = number;
            return true;
        }
        *at += *at == start;
    }
    return false;
}

struct fl_claude fl_claude_of(struct fl_slice model)
{
    struct fl_claude c = {0, false};
    size_t start = fl_slice_find_text(model, FL_LIT("claude")), at = start;
    unsigned major, minor;
    if (start == model.len || !next_number(model, &at, &major)) {
        return c;
    }
    size_t after = at;
    c.version = major * 10;
    c.opus = fl_slice_find_text(model, FL_LIT("opus")) < model.len;
    /* A minor version stands right behind, not behind the "v" of Bedrock's own count. */
    if (after + 1 < model.len && is_digit(model.ptr[after + 1]) &&
        next_number(model, &at, &minor) && at <= after + 3 && minor < 10) {
        c.version += minor;
    }
    return c;
}

bool fl_claude_has_sampling(struct fl_claude c)
{
    return c.version < 47;
}

bool fl_claude_has_one_of(struct fl_claude c)
{
    return c.version >= 41;
}

bool fl_claude_has_thinking(struct fl_claude c)
{
    return c.version >= 37;
}

bool fl_claude_has_adaptive(struct fl_claude c)
{
    return c.version >= 46;
}

bool fl_claude_has_budget(struct fl_claude c)
{
    return fl_claude_has_thinking(c) && c.version < 47;
}

bool fl_claude_has_prefill(struct fl_claude c)
{
    return c.version < 46;
}

bool fl_claude_has_effort(struct fl_claude c)
{
    return c.version >= 46 || (c.version == 45 && c.opus);
}

bool fl_claude_has_schema(struct fl_claude c)
{
    return c.version >= 45 || (c.version == 41 && c.opus);
}

/* The greatest answers that models of an age give. */
uint64_t fl_claude_tokens_out(struct fl_claude c)
{
    return c.version >= 45 ? 64000 : c.version >= 37 ? 32000 : c.version >= 35 ? 8192 : 4096;
}

/* --- Sampling --- */

/* Thinking wants the model's own temperature. */
struct fl_sampling fl_claude_sampling(struct fl_claude c, const struct fl_chat_request *q,
                                      bool thinks, struct fl_losses *losses)
{
    struct fl_sampling s = {FL_EMPTY, FL_EMPTY, FL_EMPTY};
    double temperature = fl_number_value(q->temperature), top_p = fl_number_value(q->top_p);
    bool may = fl_claude_has_sampling(c);
    if (may && !thinks && q->temperature.len > 0) {
        s.temperature = temperature > 1 ? FL_LIT("1") : q->temperature;
        if (temperature > 1) {
            fl_losses_add(losses, FL_LOSS_APPROXIMATED, "temperature");
        }
    } else if (q->temperature.len > 0 && (temperature < 1 || temperature > 1)) {
        fl_losses_add(losses, FL_LOSS_DROPPED, "temperature");
    }
    if (may && (!thinks || top_p >= .95) && (s.temperature.len == 0 || !fl_claude_has_one_of(c))) {
        s.top_p = q->top_p;
    } else if (q->top_p.len > 0 && top_p < 1) {
        fl_losses_add(losses, FL_LOSS_DROPPED, "top_p");
    }
    if (may && !thinks) {
        s.top_k = q->top_k;
    } else if (q->top_k.len > 0) {
        fl_losses_add(losses, FL_LOSS_DROPPED, "top_k");
    }
    return s;
}

/* --- Thinking --- */

static uint64_t budget_of(enum fl_effort effort)
{
    switch (effort) {
    case FL_EFFORT_MEDIUM:
    case FL_EFFORT_ABSENT:
        return 4096;
    case FL_EFFORT_HIGH:
        return 16384;
    case FL_EFFORT_XHIGH:
    case FL_EFFORT_MAX:
        return 32768;
    case FL_EFFORT_NONE:
    case FL_EFFORT_MINIMAL:
    case FL_EFFORT_LOW:
        break;
    }
    return BUDGET_MIN;
}

static enum fl_effort effort_of(uint64_t budget)
{
    return budget < 2048     ? FL_EFFORT_LOW
           : budget <= 8192  ? FL_EFFORT_MEDIUM
           : budget <= 24576 ? FL_EFFORT_HIGH
                             : FL_EFFORT_XHIGH;
}

static const char *effort_word(struct fl_claude c, enum fl_effort effort, struct fl_losses *losses)
{
    static const char *const words[] = {[FL_EFFORT_LOW] = "low",
                                        [FL_EFFORT_MEDIUM] = "medium",
                                        [FL_EFFORT_HIGH] = "high",
                                        [FL_EFFORT_XHIGH] = "xhigh",
                                        [FL_EFFORT_MAX] = "max"};
    if (effort == FL_EFFORT_MINIMAL || (effort == FL_EFFORT_XHIGH && c.version < 47) ||
        (effort == FL_EFFORT_MAX && c.version < 46)) {
        fl_losses_add(losses, FL_LOSS_APPROXIMATED, "reasoning_effort");
        return effort == FL_EFFORT_MINIMAL ? "low" : "high";
    }
    return effort >= FL_EFFORT_LOW ? words[effort] : NULL;
}

/* The last turn of the model called tools, is answered now, and its thoughts are not there: a
 * model that thinks by budget refuses to go on from that. */
static bool lacks_thoughts(const struct fl_chat_request *q)
{
    bool in_turn = false, thoughts = false, calls = false;
    for (const struct fl_message *m = q->messages; m; m = m->next) {
        bool model = m->role == FL_CHAT_ASSISTANT;
        if (model && !in_turn) {
            thoughts = calls = false;
        }
        in_turn = model;
        for (const struct fl_part *p = model ? m->parts : NULL; p; p = p->next) {
            thoughts = thoughts || (p->kind == FL_PART_THINKING && p->signature.len > 0) ||
                       p->kind == FL_PART_REDACTED;
            calls = calls || p->kind == FL_PART_TOOL_CALL;
        }
    }
    return calls && !thoughts;
}

/* A budget below the limit of the answer; the limit gives way where it is too small for any. */
static void fit_budget(const struct fl_chat_request *q, struct fl_thought *t,
                       struct fl_losses *losses)
{
    t->tokens = t->tokens < BUDGET_MIN ? BUDGET_MIN : t->tokens;
    if (t->tokens < t->tokens_out &&
        (q->thinking_tokens > 0 || t->tokens + ANSWER_MIN <= t->tokens_out)) {
        return;
    }
    if (t->tokens_out >= BUDGET_MIN + ANSWER_MIN) {
        t->tokens = t->tokens_out - ANSWER_MIN;
    } else {
        t->tokens = BUDGET_MIN;
        t->tokens_out += BUDGET_MIN;
        fl_losses_add(losses, FL_LOSS_APPROXIMATED, "max_tokens");
    }
}

static void choose_budget(struct fl_claude c, const struct fl_chat_request *q, struct fl_thought *t,
                          struct fl_losses *losses)
{
    if (!fl_claude_has_budget(c) || lacks_thoughts(q)) {
        fl_losses_add(losses, FL_LOSS_DROPPED, "reasoning_effort");
        return;
    }
    if (q->thinking_tokens == 0) {
        fl_losses_add(losses, FL_LOSS_APPROXIMATED, "reasoning_effort");
    }
    t->enabled = true;
    t->tokens = q->thinking_tokens > 0 ? q->thinking_tokens : budget_of(q->effort);
    fit_budget(q, t, losses);
}

struct fl_thought fl_claude_thought(struct fl_claude c, const struct fl_chat_request *q,
                                    uint64_t tokens_out_default, bool forced,
                                    struct fl_losses *losses)
{
    struct fl_thought t = {.tokens_out = q->tokens_out_max};
    bool off = q->thinking_off || q->effort == FL_EFFORT_NONE;
    bool wanted = !off && (q->thinking || q->effort > FL_EFFORT_NONE);
    if (t.tokens_out == 0) {
        t.tokens_out = tokens_out_default > 0 ? tokens_out_default : fl_claude_tokens_out(c);
    } else if (tokens_out_default > 0 && t.tokens_out > tokens_out_default) {
        t.tokens_out = tokens_out_default;
        fl_losses_add(losses, FL_LOSS_APPROXIMATED, "max_tokens");
    }
    t.disabled = off && fl_claude_has_adaptive(c);
    if (fl_claude_has_effort(c) && q->effort > FL_EFFORT_NONE) {
        t.effort = effort_word(c, q->effort, losses);
    }
    if (wanted && forced) {
        fl_losses_add(losses, FL_LOSS_DROPPED, "reasoning_effort");
    } else if (wanted && fl_claude_has_adaptive(c) &&
               (q->thinking_tokens == 0 || !fl_claude_has_budget(c))) {
        t.adaptive = true;
        if (q->thinking_tokens > 0) {
            t.effort = t.effort ? t.effort : effort_word(c, effort_of(q->thinking_tokens), losses);
            fl_losses_add(losses, FL_LOSS_APPROXIMATED, "thinking.budget_tokens");
        }
    } else if (wanted) {
        choose_budget(c, q, &t, losses);
    }
    return t;
}

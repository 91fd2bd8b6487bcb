/* SPDX-License-Identifier: Apache-2.0 */
/* Bedrock's converse: a request's settings and tools, and the order of its body. */
#include "dialect/converse.h"

#include "dialect/lose.h"

static bool named(struct fl_slice model, const char *part)
{
    return fl_slice_find_text(model, fl_slice_cstr(part)) < model.len;
}

struct fl_converse_model fl_converse_model_of(struct fl_slice model)
{
    static const char *const with_schema[] = {"openai.",  "qwen.",    "deepseek.v",
                                              "mistral.", "minimax.", "moonshot",
                                              "nvidia.",  "google.",  "zai."};
    struct fl_converse_model m = {.claude = fl_claude_of(model)};
    m.is_claude = named(model, "anthropic.") || named(model, "claude");
    m.is_nova2 = named(model, "nova-2");
    m.is_gpt_oss = named(model, "gpt-oss");
    m.has_cache = m.is_claude || named(model, "amazon.nova");
    m.has_schema = m.is_claude && fl_claude_has_schema(m.claude);
    for (size_t i = 0; i < sizeof(with_schema) / sizeof(with_schema[0]); i++) {
        m.has_schema = m.has_schema || named(model, with_schema[i]);
    }
    return m;
}

/* --- Tools --- */

static void put_spec(struct fl_converse_writer *w, struct fl_slice name,
                     struct fl_slice description, struct fl_slice schema)
{
    fl_put_comma(w->out);
    fl_buf_put(w->out, FL_LIT("{\"toolSpec\":{"));
    fl_put_text(w->out, "name", name);
    fl_put_text_if(w->out, "description", description);
    fl_put_key(w->out, "inputSchema");
    fl_buf_put(w->out, FL_LIT("{\"json\":"));
    fl_put_tool_schema(w->out, schema);
    fl_buf_put(w->out, FL_LIT("}}}"));
}

static void put_tool(struct fl_converse_writer *w, const struct fl_tool *tool)
{
    if (tool->native.len > 0) {
        fl_losses_add(w->losses, FL_LOSS_DROPPED, "tools");
        return;
    }
    put_spec(w, tool->name, tool->description, tool->schema);
    if (tool->strict) {
        fl_losses_add(w->losses, FL_LOSS_APPROXIMATED, "tools.strict");
    }
    fl_converse_put_cache_point(w, tool->cache);
}

/* The history speaks of tools and the request brings none: those that were called are named, each
 * once. */
static void put_past_tools(struct fl_converse_writer *w)
{
    enum { PAST_MAX = 64 };
    struct fl_slice seen[PAST_MAX];
    unsigned count = 0;
    for (const struct fl_message *m = w->request->messages; m; m = m->next) {
        for (const struct fl_part *p = m->parts; p; p = p->next) {
            unsigned i = 0;
            while (i < count && !fl_slice_eq(seen[i], p->name)) {
                i++;
            }
            if (p->kind == FL_PART_TOOL_CALL && i == count && count < PAST_MAX && p->name.len > 0) {
                seen[count++] = p->name;
                put_spec(w, p->name, FL_EMPTY, FL_EMPTY);
            }
        }
    }
    if (count == 0) {
        put_spec(w, FL_LIT("unknown"), FL_EMPTY, FL_EMPTY);
    }
}

static void put_choice(struct fl_converse_writer *w, enum fl_tool_choice choice,
                       struct fl_slice name)
{
    if (choice == FL_TOOL_CHOICE_ABSENT || choice == FL_TOOL_CHOICE_NONE) {
        if (choice == FL_TOOL_CHOICE_NONE) {
            fl_losses_add(w->losses, FL_LOSS_DROPPED, "tool_choice");
        }
        return;
    }
    fl_put_key(w->out, "toolChoice");
    if (choice == FL_TOOL_CHOICE_NAMED) {
        fl_buf_put(w->out, FL_LIT("{\"tool\":{"));
        fl_put_text(w->out, "name", name);
        fl_buf_put(w->out, FL_LIT("}}"));
    } else {
        fl_buf_put_cstr(w->out, choice == FL_TOOL_CHOICE_AUTO ? "{\"auto\":{}}" : "{\"any\":{}}");
    }
}

static bool has_own_tools(const struct fl_chat_request *q)
{
    for (const struct fl_tool *t = q->tools; t; t = t->next) {
        if (t->native.len == 0) {
            return true;
        }
    }
    return false;
}

static void put_tools(struct fl_converse_writer *w, bool answer_tool)
{
    const struct fl_chat_request *q = w->request;
    bool own = has_own_tools(q);
    if (!own && !answer_tool && !w->tools_used) {
        if (q->tools) {
            fl_losses_add(w->losses, FL_LOSS_DROPPED, "tools");
        }
        return;
    }
    fl_put_key(w->out, "toolConfig");
    fl_buf_put(w->out, FL_LIT("{\"tools\":["));
    for (const struct fl_tool *t = q->tools; t; t = t->next) {
        put_tool(w, t);
    }
    if (!own && w->tools_used) {
        put_past_tools(w);
    }
    if (answer_tool) {
        put_spec(w, FL_LIT(FL_ANSWER_TOOL),
                 q->format_description.len > 0
                     ? q->format_description
                     : FL_LIT("Gives the final answer. Call it once, with the answer."),
                 q->format_schema);
    }
    fl_buf_putc(w->out, ']');
    if (answer_tool) {
        put_choice(w, own ? FL_TOOL_CHOICE_REQUIRED : FL_TOOL_CHOICE_NAMED, FL_LIT(FL_ANSWER_TOOL));
    } else if (own) {
        put_choice(w, q->tool_choice, q->tool_choice_name);
    }
    fl_buf_putc(w->out, '}');
}

/* --- Settings --- */

static void put_inference(struct fl_converse_writer *w, const struct fl_thought *t,
                          const struct fl_sampling *sampling)
{
    fl_put_key(w->out, "inferenceConfig");
    fl_buf_putc(w->out, '{');
    if (w->request->tokens_out_max > 0 || t->enabled) { /* else the model's own limit */
        fl_put_number(w->out, "maxTokens", t->tokens_out);
    }
    fl_put_raw_if(w->out, "temperature", sampling->temperature);
    fl_put_raw_if(w->out, "topP", sampling->top_p);
    fl_claude_put_stops(w->out, "stopSequences", w->request->stops, w->losses);
    fl_buf_putc(w->out, '}');
}

static void put_claude_fields(struct fl_converse_writer *w, const struct fl_thought *t,
                              struct fl_slice top_k, struct fl_buf *b)
{
    if (t->enabled || t->adaptive || t->disabled) {
        fl_put_key(b, "thinking");
        fl_buf_putc(b, '{');
        fl_put_word(b, "type", t->enabled ? "enabled" : t->adaptive ? "adaptive" : "disabled");
        if (t->enabled) {
            fl_put_number(b, "budget_tokens", t->tokens);
        }
        fl_buf_putc(b, '}');
    }
    if (t->effort) {
        fl_put_key(b, "output_config");
        fl_buf_putc(b, '{');
        fl_put_word(b, "effort", t->effort);
        fl_buf_putc(b, '}');
    }
    fl_put_raw_if(b, "top_k", top_k);
    if (w->request->parallel_off && has_own_tools(w->request)) {
        enum fl_tool_choice choice = w->request->tool_choice;
        bool any = choice == FL_TOOL_CHOICE_REQUIRED;
        if (choice == FL_TOOL_CHOICE_NAMED) {
            return; /* one call anyway */
        }
        fl_put_key(b, "tool_choice");
        fl_buf_putc(b, '{');
        fl_put_word(b, "type", any ? "any" : "auto");
        fl_put_flag(b, "disable_parallel_tool_use", true);
        fl_buf_putc(b, '}');
    }
}

static const char *effort_of_three(const struct fl_chat_request *q)
{
    return q->effort >= FL_EFFORT_HIGH ? "high" : q->effort == FL_EFFORT_MEDIUM ? "medium" : "low";
}

static void put_other_fields(struct fl_converse_writer *w, struct fl_slice top_k, struct fl_buf *b)
{
    const struct fl_chat_request *q = w->request;
    if (w->model.is_nova2 && q->effort > FL_EFFORT_NONE) {
        fl_put_key(b, "reasoningConfig");
        fl_buf_put(b, FL_LIT("{\"type\":\"enabled\""));
        fl_put_word(b, "maxReasoningEffort", effort_of_three(q));
        fl_buf_putc(b, '}');
    } else if (w->model.is_gpt_oss && q->effort > FL_EFFORT_NONE) {
        fl_put_word(b, "reasoning_effort", effort_of_three(q));
    } else if (q->effort > FL_EFFORT_NONE || q->thinking) {
        fl_losses_add(w->losses, FL_LOSS_DROPPED, "reasoning_effort");
    }
    if (top_k.len > 0) {
        fl_losses_add(w->losses, FL_LOSS_DROPPED, "top_k");
    }
    if (q->parallel_off) {
        fl_losses_add(w->losses, FL_LOSS_DROPPED, "parallel_tool_calls");
    }
}

static void put_additional(struct fl_converse_writer *w, const struct fl_thought *t,
                           struct fl_slice top_k)
{
    size_t start = w->out->len;
    fl_put_key(w->out, "additionalModelRequestFields");
    fl_buf_putc(w->out, '{');
    size_t before = w->out->len;
    if (w->model.is_claude) {
        put_claude_fields(w, t, top_k, w->out);
    } else {
        put_other_fields(w, top_k, w->out);
    }
    if (w->out->len == before && fl_buf_ok(w->out)) {
        w->out->len = start;
    } else {
        fl_buf_putc(w->out, '}');
    }
}

/* The schema is the text of a string here. */
static void put_output_config(struct fl_converse_writer *w)
{
    const struct fl_chat_request *q = w->request;
    struct fl_buf closed;
    fl_buf_init(&closed, q->format_schema.len * 4 + 64);
    fl_put_closed_schema(&closed, q->format_schema);
    fl_put_key(w->out, "outputConfig");
    fl_buf_put(w->out,
               FL_LIT("{\"textFormat\":{\"type\":\"json_schema\",\"structure\":{\"jsonSchema\":{"
                      "\"schema\":\""));
    fl_put_escaping(w->out, fl_buf_ok(&closed) ? fl_buf_slice(&closed) : q->format_schema);
    fl_buf_putc(w->out, '"');
    fl_put_text_if(w->out, "name", q->format_name);
    fl_put_text_if(w->out, "description", q->format_description);
    fl_buf_put(w->out, FL_LIT("}}}}"));
    fl_buf_finish(&closed);
}

static void put_rest(struct fl_converse_writer *w)
{
    const struct fl_chat_request *q = w->request;
    struct fl_slice tier = q->service_tier;
    if (fl_escaped_is(tier, "default") || fl_escaped_is(tier, "flex") ||
        fl_escaped_is(tier, "priority")) {
        fl_put_key(w->out, "serviceTier");
        fl_buf_putc(w->out, '{');
        fl_put_text(w->out, "type", tier);
        fl_buf_putc(w->out, '}');
    } else if (tier.len > 0 && !fl_escaped_is(tier, "auto")) {
        fl_losses_add(w->losses, FL_LOSS_DROPPED, "service_tier");
    }
    if (q->user.len > 0) {
        fl_losses_add(w->losses, FL_LOSS_DROPPED, "user");
    }
    if (q->cache != FL_CACHE_NONE) {
        fl_losses_add(w->losses, FL_LOSS_DROPPED, "cache_control");
    }
    fl_lose_others(q, w->losses);
}

static enum fl_err write(const struct fl_chat_request *q, const struct fl_write_options *options,
                         struct fl_buf *out, struct fl_losses *losses, struct fl_reterr *reterr)
{
    struct fl_converse_writer w = {
        .request = q, .model = fl_converse_model_of(options->model), .out = out, .losses = losses};
    if (!fl_claude_losses(q, losses)) {
        return fl_refuse(reterr, FL_ERR_UPSTREAM_REQUEST,
                         "n: this provider gives one answer at a time.");
    }
    enum fl_format_way way = fl_format_way(q, w.model.has_schema, losses);
    bool forced = way == FL_WAY_TOOL || q->tool_choice == FL_TOOL_CHOICE_REQUIRED ||
                  q->tool_choice == FL_TOOL_CHOICE_NAMED;
    struct fl_thought t = {.tokens_out = q->tokens_out_max};
    if (w.model.is_claude) {
        t = fl_claude_thought(w.model.claude, q, options->tokens_out_default, forced, losses);
    }
    struct fl_sampling sampling =
        fl_claude_sampling(w.model.claude, q, t.enabled || t.adaptive, losses);
    fl_buf_putc(out, '{');
    fl_converse_put_messages(&w);
    fl_converse_put_system(&w, way == FL_WAY_ORDER);
    put_inference(&w, &t, &sampling);
    put_tools(&w, way == FL_WAY_TOOL);
    put_additional(&w, &t, sampling.top_k);
    if (way == FL_WAY_NATIVE) {
        put_output_config(&w);
    }
    put_rest(&w);
    fl_buf_putc(out, '}');
    if (losses->fatal) {
        return fl_refuse(reterr, FL_ERR_UPSTREAM_REQUEST,
                         "The request holds what this provider cannot be asked.");
    }
    return fl_buf_ok(out)
               ? FL_OK
               : fl_refuse(reterr, FL_ERR_TOO_BIG, "The request is too large to be translated.");
}

const struct fl_wire fl_wire_converse = {
    .name = "bedrock/converse",
    .framing = FL_FRAMING_AMAZON,
    .write = write,
    .take_answer = fl_converse_take_answer,
    .take_frame = fl_converse_take_frame,
    .take_end = fl_converse_take_end,
};

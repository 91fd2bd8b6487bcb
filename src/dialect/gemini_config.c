/* SPDX-License-Identifier: Apache-2.0 */
/* Tools and generationConfig of a request to Gemini. What a model takes hangs on its generation. */
#include "dialect/gemini.h"

#include "dialect/put.h"

/* --- What the model's name says --- */

static bool mentions(struct fl_slice name, const char *word)
{
    return fl_slice_find_text(name, fl_slice_cstr(word)) < name.len;
}

static unsigned digit_at(struct fl_slice s, size_t i)
{
    return i < s.len && s.ptr[i] >= '0' && s.ptr[i] <= '9' ? (unsigned)(s.ptr[i] - '0') : 10;
}

struct fl_gemini_model fl_gemini_model_of(struct fl_slice name)
{
    enum { newest = 99 };
    struct fl_gemini_model model = {.pro = mentions(name, "-pro"), .lite = mentions(name, "-lite")};
    struct fl_slice word = FL_LIT("gemini-");
    size_t at = fl_slice_find_text(name, word);
    struct fl_slice version = fl_slice_from(name, at + word.len);
    if (at == name.len) {
        return model;
    }
    unsigned major = digit_at(version, 0), minor = digit_at(version, 2);
    bool has_minor = version.len > 1 && version.ptr[1] == '.' && minor < 10;
    model.generation = major > 9 ? newest : 10 * major + (has_minor ? minor : 0);
    return model;
}

/* --- Tools --- */

static void put_declaration(const struct fl_tool *tool, struct fl_buf *out)
{
    fl_put_comma(out);
    fl_buf_putc(out, '{');
    fl_put_text(out, "name", tool->name);
    fl_put_text_if(out, "description", tool->description);
    fl_put_raw_if(out, "parametersJsonSchema", tool->schema);
    fl_buf_putc(out, '}');
}

static unsigned declared(const struct fl_chat_request *request)
{
    unsigned count = 0;
    for (const struct fl_tool *t = request->tools; t; t = t->next) {
        count += t->native.len == 0;
    }
    return count;
}

static void put_choice(const struct fl_chat_request *request, struct fl_buf *out)
{
    static const char *const modes[] = {[FL_TOOL_CHOICE_ABSENT] = NULL,
                                        [FL_TOOL_CHOICE_AUTO] = "AUTO",
                                        [FL_TOOL_CHOICE_NONE] = "NONE",
                                        [FL_TOOL_CHOICE_REQUIRED] = "ANY",
                                        [FL_TOOL_CHOICE_NAMED] = "ANY"};
    if (!modes[request->tool_choice]) {
        return;
    }
    fl_put_key(out, "toolConfig");
    fl_buf_put(out, FL_LIT("{\"functionCallingConfig\":{"));
    fl_put_word(out, "mode", modes[request->tool_choice]);
    if (request->tool_choice == FL_TOOL_CHOICE_NAMED) {
        fl_put_key(out, "allowedFunctionNames");
        fl_buf_putc(out, '[');
        fl_put_quoted(out, request->tool_choice_name);
        fl_buf_putc(out, ']');
    }
    fl_buf_put(out, FL_LIT("}}"));
}

void fl_gemini_put_tools(const struct fl_chat_request *request, struct fl_buf *out,
                         struct fl_losses *losses)
{
    unsigned count = declared(request);
    for (const struct fl_tool *t = request->tools; t; t = t->next) {
        if (t->native.len > 0) {
            fl_losses_add(losses, FL_LOSS_DROPPED, "tools.native");
        } else if (t->strict) {
            fl_losses_add(losses, FL_LOSS_DROPPED, "tools.strict");
        }
    }
    if (count == 0) {
        return;
    }
    fl_put_key(out, "tools");
    fl_buf_put(out, FL_LIT("[{\"functionDeclarations\":["));
    for (const struct fl_tool *t = request->tools; t; t = t->next) {
        if (t->native.len == 0) {
            put_declaration(t, out);
        }
    }
    fl_buf_put(out, FL_LIT("]}]"));
    put_choice(request, out);
}

/* --- Thinking --- */

static uint64_t clamped(uint64_t n, uint64_t min, uint64_t max)
{
    return n < min ? min : n > max ? max : n;
}

/* Generation 2.5 counts in tokens; what each model allows differs. */
static uint64_t budget_of(const struct fl_chat_request *r, struct fl_gemini_model model,
                          struct fl_losses *losses)
{
    static const uint64_t by_effort[] = {
        [FL_EFFORT_ABSENT] = 0,    [FL_EFFORT_NONE] = 0,      [FL_EFFORT_MINIMAL] = 512,
        [FL_EFFORT_LOW] = 1024,    [FL_EFFORT_MEDIUM] = 8192, [FL_EFFORT_HIGH] = 24576,
        [FL_EFFORT_XHIGH] = 24576, [FL_EFFORT_MAX] = 24576};
    bool off = r->thinking_off || r->effort == FL_EFFORT_NONE;
    uint64_t wanted = off ? 0 : r->thinking_tokens > 0 ? r->thinking_tokens : by_effort[r->effort];
    uint64_t max = model.pro ? 32768 : 24576;
    uint64_t min = model.pro ? 128 : model.lite && !off ? 512 : 0;
    uint64_t given = clamped(wanted, min, max);
    if (given != wanted || r->effort == FL_EFFORT_XHIGH || r->effort == FL_EFFORT_MAX) {
        fl_losses_add(losses, FL_LOSS_APPROXIMATED,
                      r->thinking_tokens > 0 ? "thinking.budget_tokens" : "reasoning_effort");
    }
    return given;
}

/* From generation 3 on there are four levels, and no way to forbid thinking. */
static const char *level_of(const struct fl_chat_request *r, struct fl_gemini_model model,
                            struct fl_losses *losses)
{
    enum { low_tokens = 2048, medium_tokens = 12288 };
    static const char *const by_effort[] = {
        [FL_EFFORT_ABSENT] = NULL,  [FL_EFFORT_NONE] = "MINIMAL",  [FL_EFFORT_MINIMAL] = "MINIMAL",
        [FL_EFFORT_LOW] = "LOW",    [FL_EFFORT_MEDIUM] = "MEDIUM", [FL_EFFORT_HIGH] = "HIGH",
        [FL_EFFORT_XHIGH] = "HIGH", [FL_EFFORT_MAX] = "HIGH"};
    enum fl_effort effort = r->thinking_off ? FL_EFFORT_NONE : r->effort;
    const char *level = by_effort[effort];
    if (effort == FL_EFFORT_ABSENT && r->thinking_tokens > 0) {
        fl_losses_add(losses, FL_LOSS_APPROXIMATED, "thinking.budget_tokens");
        return r->thinking_tokens < low_tokens      ? "LOW"
               : r->thinking_tokens < medium_tokens ? "MEDIUM"
                                                    : "HIGH";
    }
    bool lowest = effort == FL_EFFORT_NONE || effort == FL_EFFORT_MINIMAL;
    if (effort == FL_EFFORT_NONE || effort > FL_EFFORT_HIGH || (lowest && model.pro)) {
        fl_losses_add(losses, FL_LOSS_APPROXIMATED,
                      r->thinking_off ? "thinking" : "reasoning_effort");
    }
    return lowest && model.pro ? "LOW" : level;
}

static void put_thinking(const struct fl_chat_request *r, struct fl_gemini_model model,
                         struct fl_buf *out, struct fl_losses *losses)
{
    bool off = r->thinking_off || r->effort == FL_EFFORT_NONE;
    bool counted = r->thinking_tokens > 0 || r->effort != FL_EFFORT_ABSENT;
    if (!r->thinking && !off && !counted) {
        return;
    }
    if (model.generation < 25) {
        if (!off) {
            fl_losses_add(losses, FL_LOSS_DROPPED, "reasoning_effort");
        }
        return;
    }
    fl_put_key(out, "thinkingConfig");
    fl_buf_putc(out, '{');
    if (model.generation < 30 && (off || counted)) {
        fl_put_number(out, "thinkingBudget", budget_of(r, model, losses));
    } else if (model.generation >= 30 && (off || counted)) {
        fl_put_word(out, "thinkingLevel", level_of(r, model, losses));
    }
    if (!off && !r->thinking_hidden) {
        fl_put_flag(out, "includeThoughts", true);
    }
    fl_buf_putc(out, '}');
}

/* --- The rest --- */

bool fl_gemini_format_in_words(const struct fl_chat_request *request, struct fl_gemini_model model)
{
    return request->format != FL_FORMAT_TEXT && model.generation < 30 && declared(request) > 0;
}

static void put_format(const struct fl_chat_request *r, struct fl_buf *out)
{
    if (r->format == FL_FORMAT_TEXT) {
        return;
    }
    fl_put_word(out, "responseMimeType", "application/json");
    if (r->format == FL_FORMAT_SCHEMA) {
        fl_put_raw_if(out, "responseJsonSchema", r->format_schema);
    }
}

static void put_stops(const struct fl_chat_request *r, struct fl_buf *out, struct fl_losses *losses)
{
    enum { stops_max = 5 };
    unsigned count = 0;
    if (!r->stops) {
        return;
    }
    fl_put_key(out, "stopSequences");
    fl_buf_putc(out, '[');
    for (const struct fl_text_item *s = r->stops; s && count < stops_max; s = s->next, count++) {
        fl_put_comma(out);
        fl_put_quoted(out, s->text);
        if (s->next && count + 1 == stops_max) {
            fl_losses_add(losses, FL_LOSS_APPROXIMATED, "stop");
        }
    }
    fl_buf_putc(out, ']');
}

/* A seed is a signed number of 32 bits there. */
static void put_seed(const struct fl_chat_request *r, struct fl_buf *out, struct fl_losses *losses)
{
    double seed = fl_number_value(r->seed);
    bool whole = fl_slice_find(r->seed, '.') == r->seed.len;
    if (r->seed.len > 0 && whole && seed >= INT32_MIN && seed <= INT32_MAX) {
        fl_put_raw(out, "seed", r->seed);
    } else if (r->seed.len > 0) {
        fl_losses_add(losses, FL_LOSS_DROPPED, "seed");
    }
}

static void put_choices(const struct fl_chat_request *r, struct fl_buf *out,
                        struct fl_losses *losses)
{
    enum { candidates_max = 8 };
    if (r->choices > candidates_max) {
        fl_losses_add(losses, FL_LOSS_FATAL, "n");
    } else if (r->choices > 1) {
        fl_put_number(out, "candidateCount", r->choices);
    }
}

void fl_gemini_put_config(const struct fl_chat_request *r, struct fl_gemini_model model,
                          bool logprobs, struct fl_buf *out, struct fl_losses *losses)
{
    size_t before = out->len;
    fl_put_key(out, "generationConfig");
    fl_buf_putc(out, '{');
    size_t start = out->len;
    fl_put_raw_if(out, "temperature", r->temperature);
    fl_put_raw_if(out, "topP", r->top_p);
    fl_put_raw_if(out, "topK", r->top_k);
    fl_put_raw_if(out, "presencePenalty", r->presence_penalty);
    fl_put_raw_if(out, "frequencyPenalty", r->frequency_penalty);
    if (r->tokens_out_max > 0) {
        fl_put_number(out, "maxOutputTokens", r->tokens_out_max);
    }
    if (logprobs && r->logprobs) {
        fl_put_flag(out, "responseLogprobs", true);
        if (r->top_logprobs > 0) {
            fl_put_number(out, "logprobs", r->top_logprobs);
        }
    }
    put_seed(r, out, losses);
    put_choices(r, out, losses);
    put_stops(r, out, losses);
    if (!fl_gemini_format_in_words(r, model)) {
        put_format(r, out);
    }
    put_thinking(r, model, out, losses);
    if (out->len == start && !out->failed) {
        out->len = before; /* nothing to say */
    } else {
        fl_buf_putc(out, '}');
    }
}

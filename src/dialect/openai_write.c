/* SPDX-License-Identifier: Apache-2.0 */
/* What writing requests for chat completions and for responses shares. */
#include "dialect/openai_wire.h"

#include "base/hash.h"

enum { openai_id_max = 64 };

void fl_openai_put_function(struct fl_buf *b, const struct fl_tool *tool, const struct fl_quirks *q,
                            struct fl_losses *losses)
{
    fl_put_text(b, "name", tool->name);
    fl_put_text_if(b, "description", tool->description);
    if (tool->schema.len > 0) {
        fl_put_raw(b, "parameters", tool->schema);
    } else if (!(q->takes & FL_TAKES_OTHERS)) { /* OpenAI itself may be told nothing */
        fl_put_raw(b, "parameters", FL_LIT("{\"type\":\"object\",\"properties\":{}}"));
    }
    if (tool->strict_given && (q->takes & FL_TAKES_STRICT)) {
        fl_put_flag(b, "strict", tool->strict);
    } else if (tool->strict_given && tool->strict) {
        fl_losses_add(losses, FL_LOSS_DROPPED, "tools.strict");
    }
}

/* o1, o3-mini, gpt-5, gpt-5.1-codex ...; the chat variants do not reason. */
bool fl_openai_reasons(const struct fl_quirks *q, struct fl_slice model)
{
    bool o = model.len >= 2 && model.ptr[0] == 'o' && model.ptr[1] >= '1' && model.ptr[1] <= '9' &&
             (model.len == 2 || model.ptr[2] == '-');
    bool gpt = fl_slice_starts(model, FL_LIT("gpt-")) && model.len > 4 && model.ptr[4] >= '5' &&
               model.ptr[4] <= '9';
    bool chat = fl_slice_find_text(model, FL_LIT("-chat")) < model.len;
    return q->openai_models && (o || (gpt && !chat));
}

/* A budget as a word: what the vendors' own tables give for each word. */
static enum fl_effort effort_of_budget(uint64_t tokens)
{
    return tokens == 0      ? FL_EFFORT_MEDIUM
           : tokens <= 2048 ? FL_EFFORT_LOW
           : tokens <= 8192 ? FL_EFFORT_MEDIUM
                            : FL_EFFORT_HIGH;
}

/* The word nearest to *effort* that the vendor knows. */
static enum fl_effort nearest(enum fl_effort effort, unsigned known)
{
    if (effort == FL_EFFORT_NONE) {
        return known & 1u << FL_EFFORT_NONE ? effort : FL_EFFORT_ABSENT;
    }
    for (int e = (int)effort; e >= (int)FL_EFFORT_MINIMAL; e--) {
        if (known & 1u << e) {
            return (enum fl_effort)e;
        }
    }
    return known & 1u << FL_EFFORT_LOW ? FL_EFFORT_LOW : FL_EFFORT_ABSENT;
}

/* A model that always reasons, told not to. */
static enum fl_effort least_of_openai(struct fl_slice model, struct fl_losses *losses)
{
    bool can = fl_slice_starts(model, FL_LIT("gpt-5.")) || fl_slice_starts(model, FL_LIT("gpt-6"));
    if (can) {
        return FL_EFFORT_NONE;
    }
    fl_losses_add(losses, FL_LOSS_APPROXIMATED, "thinking");
    return fl_slice_starts(model, FL_LIT("gpt-5")) ? FL_EFFORT_MINIMAL : FL_EFFORT_LOW;
}

enum fl_effort fl_openai_effort(const struct fl_chat_request *r, const struct fl_quirks *q,
                                struct fl_slice model, struct fl_losses *losses)
{
    enum fl_effort effort = r->effort;
    bool derived = effort == FL_EFFORT_ABSENT;
    if (derived && !r->thinking && !r->thinking_off) {
        return FL_EFFORT_ABSENT;
    }
    if (derived) {
        effort = r->thinking_off ? FL_EFFORT_NONE : effort_of_budget(r->thinking_tokens);
    }
    if (!(q->takes & FL_TAKES_EFFORT) ||
        (derived && q->openai_models && !fl_openai_reasons(q, model))) {
        if (effort != FL_EFFORT_NONE) { /* what does not reason need not be told not to */
            fl_losses_add(losses, FL_LOSS_DROPPED, derived ? "thinking" : "reasoning_effort");
        }
        return FL_EFFORT_ABSENT;
    }
    if (derived && q->openai_models && effort == FL_EFFORT_NONE) {
        return least_of_openai(model, losses);
    }
    enum fl_effort said = nearest(effort, q->efforts);
    if (said != effort) {
        fl_losses_add(losses, said ? FL_LOSS_APPROXIMATED : FL_LOSS_DROPPED,
                      derived ? "thinking" : "reasoning_effort");
    } else if (derived && effort != FL_EFFORT_NONE) {
        fl_losses_add(losses, FL_LOSS_APPROXIMATED, "thinking");
    }
    return said;
}

void fl_openai_put_number_or_lose(struct fl_buf *b, const char *key, struct fl_slice number,
                                  bool taken, struct fl_losses *losses)
{
    if (number.len > 0 && taken) {
        fl_put_raw(b, key, number);
    } else if (number.len > 0) {
        fl_losses_add(losses, FL_LOSS_DROPPED, key);
    }
}

static bool is_one(struct fl_slice number)
{
    double value = fl_number_value(number);
    return value > 0.999999 && value < 1.000001;
}

void fl_openai_put_sampling(struct fl_buf *b, const struct fl_chat_request *r,
                            const struct fl_quirks *q, struct fl_slice model,
                            struct fl_losses *losses)
{
    bool refuses = fl_openai_reasons(q, model) && r->effort != FL_EFFORT_NONE;
    fl_openai_put_number_or_lose(b, "temperature", r->temperature,
                                 !refuses || is_one(r->temperature), losses);
    fl_openai_put_number_or_lose(b, "top_p", r->top_p, !refuses || is_one(r->top_p), losses);
}

/* Names that losses may be told by; others are told together. */
static const char *const other_names[] = {"tool_choice",
                                          "response_format",
                                          "reasoning_effort",
                                          "verbosity",
                                          "modalities",
                                          "audio",
                                          "prediction",
                                          "web_search_options",
                                          "store",
                                          "safety_identifier",
                                          "prompt_cache_options",
                                          "prompt_cache_retention",
                                          "moderation",
                                          "include",
                                          "truncation",
                                          "max_tool_calls",
                                          "context_management",
                                          "container",
                                          "mcp_servers",
                                          "output_config",
                                          "prompt",
                                          "min_p",
                                          "repetition_penalty",
                                          "provider",
                                          "plugins",
                                          "models",
                                          "transforms",
                                          "text",
                                          "reasoning",
                                          "chat_template_kwargs"};

static const char *literal_of(struct fl_slice key)
{
    for (size_t i = 0; i < sizeof(other_names) / sizeof(*other_names); i++) {
        if (fl_slice_eq(key, fl_slice_cstr(other_names[i]))) {
            return other_names[i];
        }
    }
    return "unknown members";
}

void fl_openai_put_others(struct fl_buf *b, const struct fl_member *others,
                          const struct fl_slice *known, unsigned count, struct fl_losses *losses)
{
    for (const struct fl_member *m = others; m; m = m->next) {
        unsigned i = 0;
        while (i < count && !fl_slice_eq(m->key, known[i])) {
            i++;
        }
        if (i < count) {
            fl_put_comma(b);
            fl_buf_put_json(b, m->key);
            fl_buf_putc(b, ':');
            fl_buf_put(b, m->value);
        } else {
            fl_losses_add(losses, FL_LOSS_DROPPED, literal_of(m->key));
        }
    }
}

const struct fl_member *fl_openai_other(const struct fl_chat_request *r, const char *name)
{
    const struct fl_member *m = r->others;
    while (m && !fl_slice_eq(m->key, fl_slice_cstr(name))) {
        m = m->next;
    }
    return m;
}

static bool is_short_id(struct fl_slice id)
{
    bool plain = id.len == 9;
    for (size_t i = 0; plain && i < id.len; i++) {
        char c = id.ptr[i], lower = (char)(c | 0x20);
        plain = (c >= '0' && c <= '9') || (lower >= 'a' && lower <= 'z');
    }
    return plain;
}

/* The same id gives the same short one in every turn, so a call and its result keep together. The
 * vendor's own ids are short already and go to the client and back as they are. */
static void put_short_id(struct fl_buf *b, struct fl_slice id)
{
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    uint64_t h = fl_hash((struct fl_hash_key){UINT64_C(0x746f6f6c), UINT64_C(0x6964)}, id);
    for (unsigned i = 0; i < 9; i++, h /= 62) {
        fl_buf_putc(b, digits[h % 62]);
    }
}

void fl_openai_put_tool_id(struct fl_buf *b, const char *key, struct fl_slice id,
                           const struct fl_quirks *q)
{
    fl_put_key(b, key);
    fl_buf_putc(b, '"');
    if (q->short_ids && !is_short_id(id)) {
        put_short_id(b, id);
    } else if (id.len > openai_id_max || id.len == 0) {
        fl_buf_put(b, FL_LIT("call_"));
        put_short_id(b, id);
    } else {
        fl_buf_put(b, id);
    }
    fl_buf_putc(b, '"');
}

bool fl_openai_is_custom(const struct fl_chat_request *r, struct fl_slice name)
{
    const struct fl_tool *t = r ? r->tools : NULL;
    while (t && !(t->custom && fl_slice_eq(t->name, name))) {
        t = t->next;
    }
    return t != NULL;
}

enum fl_err fl_openai_written(const struct fl_losses *losses, struct fl_reterr *reterr)
{
    return losses->fatal ? fl_refuse(reterr, FL_ERR_UPSTREAM_REQUEST,
                                     "The provider's dialect cannot carry what the request holds.")
                         : FL_OK;
}

const char *fl_openai_audio_format(struct fl_slice media_type)
{
    static const struct {
        const char *type, *format;
    } formats[] = {{"audio/wav", "wav"},  {"audio/x-wav", "wav"}, {"audio/wave", "wav"},
                   {"audio/mpeg", "mp3"}, {"audio/mp3", "mp3"},   {"audio/flac", "flac"},
                   {"audio/ogg", "ogg"},  {"audio/opus", "opus"}, {"audio/aac", "aac"},
                   {"audio/mp4", "m4a"},  {"audio/webm", "webm"}};
    for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++) {
        if (fl_slice_eq(media_type, fl_slice_cstr(formats[i].type))) {
            return formats[i].format;
        }
    }
    return NULL;
}

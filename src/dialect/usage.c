/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One walk over the usage object: the path of each number ("prompt_tokens_details.cached_tokens",
 * "promptTokensDetails[AUDIO].tokenCount") is compared with the rows of the shape, and the number
 * goes to every field its row names: what a vendor keeps beside a total has the total's name in its
 * row, too.
 */
#include "dialect/usage.h"

#include "base/assert.h"
#include "base/slice.h"

/* X(bit, field) */
#define FIELDS(X)                                                                                  \
    X(IN, tokens_in)                                                                               \
    X(CACHED, tokens_cached)                                                                       \
    X(WRITE, tokens_cache_write)                                                                   \
    X(WRITE_1H, tokens_cache_write_1h)                                                             \
    X(IN_AUDIO, tokens_in_audio)                                                                   \
    X(IN_IMAGE, tokens_in_image)                                                                   \
    X(IN_VIDEO, tokens_in_video)                                                                   \
    X(CACHED_AUDIO, tokens_cached_audio)                                                           \
    X(CACHED_IMAGE, tokens_cached_image)                                                           \
    X(CACHED_VIDEO, tokens_cached_video)                                                           \
    X(OUT, tokens_out)                                                                             \
    X(REASONING, tokens_reasoning)                                                                 \
    X(OUT_AUDIO, tokens_out_audio)                                                                 \
    X(OUT_IMAGE, tokens_out_image)                                                                 \
    X(OUT_VIDEO, tokens_out_video)                                                                 \
    X(CITATION, tokens_citation)                                                                   \
    X(SEARCHES, searches)                                                                          \
    X(PAGES, pages)                                                                                \
    X(AUDIO_S, audio_ms)                                                                           \
    X(MESSAGES, text_messages)

enum field_bit {
#define X(bit, field) bit##_AT,
    FIELDS(X)
#undef X
        FIELD_COUNT
};
enum field {
    MUST = 1 << 30, /* without it the object has another shape */
    CACHED_TOO =
        1 << 29, /* another word for CACHED, which may stand there as well: the greater counts */
    OTHERS = 1 << 28, /* no number: that the word is there says that the object has another shape */
#define X(bit, field) bit = 1 << bit##_AT,
    FIELDS(X)
#undef X
};

static const size_t offsets[FIELD_COUNT] = {
#define X(bit, field) [bit##_AT] = offsetof(struct fl_usage, field),
    FIELDS(X)
#undef X
};

struct row {
    struct fl_slice path;
    unsigned fields;
};
#define ROW(path, fields)                                                                          \
    {                                                                                              \
        {path, sizeof(path) - 1}, fields                                                           \
    }
#define ROWS_END                                                                                   \
    {                                                                                              \
        {NULL, 0}, 0                                                                               \
    }

static const struct row chat[] = {ROW("prompt_tokens", IN | MUST),
                                  ROW("completion_tokens", OUT | MUST),
                                  ROW("prompt_tokens_details.cached_tokens", CACHED),
                                  ROW("prompt_tokens_details.cache_write_tokens", WRITE),
                                  ROW("prompt_tokens_details.audio_tokens", IN_AUDIO),
                                  ROW("completion_tokens_details.reasoning_tokens", REASONING),
                                  ROW("completion_tokens_details.audio_tokens", OUT_AUDIO),
                                  ROWS_END};
/* Beside these, where the vendor is not known: other words for the same. */
static const struct row chat_more[] = {ROW("prompt_cache_hit_tokens", CACHED_TOO), /* DeepSeek */
                                       ROW("cached_tokens", CACHED_TOO),           /* Moonshot */
                                       ROW("num_cached_tokens", CACHED_TOO),       /* Mistral */
                                       ROW("citation_tokens", OTHERS), /* CHAT_FLAT has them */
                                       ROW("num_search_queries", OTHERS),
                                       ROWS_END};
static const struct row chat_apart[] = {
    ROW("prompt_tokens", IN | MUST),
    ROW("completion_tokens", OUT | MUST),
    ROW("prompt_tokens_details.cached_tokens", CACHED),
    ROW("prompt_tokens_details.audio_tokens", IN_AUDIO),
    ROW("completion_tokens_details.reasoning_tokens", REASONING | OUT),
    ROW("completion_tokens_details.audio_tokens", OUT_AUDIO),
    ROWS_END};
static const struct row chat_flat[] = {ROW("prompt_tokens", IN | MUST),
                                       ROW("completion_tokens", OUT | MUST),
                                       ROW("cached_prompt_text_tokens", CACHED),
                                       ROW("reasoning_tokens", REASONING | OUT),
                                       ROW("citation_tokens", CITATION | OUT),
                                       ROW("num_search_queries", SEARCHES),
                                       ROWS_END};
static const struct row responses[] = {ROW("input_tokens", IN | MUST),
                                       ROW("output_tokens", OUT | MUST),
                                       ROW("input_tokens_details.cached_tokens", CACHED),
                                       ROW("input_tokens_details.cache_write_tokens", WRITE),
                                       ROW("output_tokens_details.reasoning_tokens", REASONING),
                                       ROWS_END};
static const struct row images[] = {ROW("input_tokens", IN | MUST),
                                    ROW("output_tokens", OUT | MUST),
                                    ROW("input_tokens_details.image_tokens", IN_IMAGE | MUST),
                                    ROW("output_tokens_details.image_tokens", OUT_IMAGE), ROWS_END};
static const struct row realtime[] = {
    ROW("input_tokens", IN | MUST),
    ROW("output_tokens", OUT),
    ROW("input_token_details.audio_tokens", IN_AUDIO),
    ROW("input_token_details.image_tokens", IN_IMAGE),
    ROW("input_token_details.cached_tokens", CACHED),
    ROW("input_token_details.cached_tokens_details.audio_tokens", CACHED_AUDIO),
    ROW("input_token_details.cached_tokens_details.image_tokens", CACHED_IMAGE),
    ROW("output_token_details.audio_tokens", OUT_AUDIO),
    ROW("billable_audio_seconds", AUDIO_S),
    ROW("input_text_messages", MESSAGES),
    ROWS_END};
static const struct row embeddings[] = {ROW("prompt_tokens", IN | MUST), ROWS_END};
static const struct row anthropic[] = {ROW("input_tokens", IN | MUST),
                                       ROW("output_tokens", OUT | MUST),
                                       ROW("cache_creation_input_tokens", IN | WRITE),
                                       ROW("cache_creation.ephemeral_1h_input_tokens", WRITE_1H),
                                       ROW("cache_read_input_tokens", IN | CACHED),
                                       ROW("output_tokens_details.thinking_tokens", REASONING),
                                       ROW("server_tool_use.web_search_requests", SEARCHES),
                                       ROWS_END};
static const struct row gemini[] = {
    ROW("promptTokenCount", IN),
    ROW("toolUsePromptTokenCount", IN),
    ROW("cachedContentTokenCount", CACHED),
    ROW("promptTokensDetails[AUDIO].tokenCount", IN_AUDIO),
    ROW("promptTokensDetails[IMAGE].tokenCount", IN_IMAGE),
    ROW("promptTokensDetails[DOCUMENT].tokenCount", IN_IMAGE),
    ROW("promptTokensDetails[VIDEO].tokenCount", IN_VIDEO),
    ROW("toolUsePromptTokensDetails[AUDIO].tokenCount", IN_AUDIO),
    ROW("toolUsePromptTokensDetails[IMAGE].tokenCount", IN_IMAGE),
    ROW("toolUsePromptTokensDetails[DOCUMENT].tokenCount", IN_IMAGE),
    ROW("toolUsePromptTokensDetails[VIDEO].tokenCount", IN_VIDEO),
    ROW("cacheTokensDetails[AUDIO].tokenCount", CACHED_AUDIO),
    ROW("cacheTokensDetails[IMAGE].tokenCount", CACHED_IMAGE),
    ROW("cacheTokensDetails[DOCUMENT].tokenCount", CACHED_IMAGE),
    ROW("cacheTokensDetails[VIDEO].tokenCount", CACHED_VIDEO),
    ROW("candidatesTokenCount", OUT),
    ROW("thoughtsTokenCount", OUT | REASONING),
    ROW("candidatesTokensDetails[AUDIO].tokenCount", OUT_AUDIO),
    ROW("candidatesTokensDetails[IMAGE].tokenCount", OUT_IMAGE),
    ROW("candidatesTokensDetails[DOCUMENT].tokenCount", OUT_IMAGE),
    ROW("candidatesTokensDetails[VIDEO].tokenCount", OUT_VIDEO),
    ROWS_END};
static const struct row bedrock[] = {ROW("inputTokens", IN | MUST),
                                     ROW("outputTokens", OUT | MUST),
                                     ROW("cacheReadInputTokens", IN | CACHED),
                                     ROW("cacheWriteInputTokens", IN | WRITE),
                                     ROW("cacheDetails[1h].inputTokens", WRITE_1H),
                                     ROWS_END};
static const struct row cohere[] = {
    ROW("billed_units.input_tokens", IN), ROW("billed_units.image_tokens", IN | IN_IMAGE),
    ROW("billed_units.output_tokens", OUT), ROW("billed_units.search_units", SEARCHES), ROWS_END};
static const struct row cohere_tokens[] = {ROW("tokens.input_tokens", IN),
                                           ROW("tokens.output_tokens", OUT),
                                           ROW("cached_tokens", CACHED), ROWS_END};
static const struct row ocr[] = {ROW("pages_processed", PAGES | MUST), ROWS_END};
static const struct row ollama[] = {ROW("eval_count", OUT | MUST), ROW("prompt_eval_count", IN),
                                    ROWS_END};

static const struct row *const shapes[FL_USAGE_SHAPE_COUNT] = {
    [FL_USAGE_CHAT] = chat,
    [FL_USAGE_CHAT_APART] = chat_apart,
    [FL_USAGE_CHAT_FLAT] = chat_flat,
    [FL_USAGE_RESPONSES] = responses,
    [FL_USAGE_IMAGES] = images,
    [FL_USAGE_REALTIME] = realtime,
    [FL_USAGE_EMBEDDINGS] = embeddings,
    [FL_USAGE_ANTHROPIC] = anthropic,
    [FL_USAGE_GEMINI] = gemini,
    [FL_USAGE_BEDROCK] = bedrock,
    [FL_USAGE_COHERE] = cohere,
    [FL_USAGE_COHERE_TOKENS] = cohere_tokens,
    [FL_USAGE_OCR] = ocr,
    [FL_USAGE_OLLAMA] = ollama,
};

/* --- The walk --- */

enum { PATH_MAX_BYTES = 96, DEPTH_MAX = 3 };

struct walk {
    const struct row *rows, *more; /* more: or NULL */
    struct fl_usage usage;
    uint64_t total;      /* total_tokens */
    uint64_t cached_too; /* the greatest */
    unsigned seen;       /* fields that were given */
    char path[PATH_MAX_BYTES];
    struct fl_slice service;
};

static uint64_t *field_of(struct fl_usage *usage, unsigned index)
{
    return (uint64_t *)(void *)((char *)usage + offsets[index]);
}

/* Sums stop at the greatest number instead of wrapping. */
static uint64_t plus(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static void take_number(struct walk *w, unsigned fields, uint64_t n)
{
    for (unsigned left = fields & ((1u << FIELD_COUNT) - 1); left != 0; left &= left - 1) {
        unsigned i = (unsigned)__builtin_ctz(left);
        uint64_t *field = field_of(&w->usage, i);
        *field =
            plus(*field, i == AUDIO_S_AT ? (n > UINT64_MAX / 1000 ? UINT64_MAX : n * 1000) : n);
    }
    if ((fields & CACHED_TOO) && n > w->cached_too) {
        w->cached_too = n;
    }
    w->seen |= fields;
}

/* The fields of the row with this path; 0: none. Lengths and last bytes tell nearly all paths apart. */
static unsigned match(const struct row *row, struct fl_slice path)
{
    char last = path.ptr[path.len - 1];
    for (; row && row->path.len > 0; row++) {
        if (row->path.len == path.len && row->path.ptr[path.len - 1] == last &&
            memcmp(row->path.ptr, path.ptr, path.len) == 0) {
            return row->fields;
        }
    }
    return 0;
}

static void visit_number(struct walk *w, size_t path_len, struct fl_json value)
{
    uint64_t n = 0;
    struct fl_slice path = fl_slice(w->path, path_len);
    if (!fl_json_u64(value, &n)) {
        return;
    }
    if (fl_slice_eq(path, FL_LIT("total_tokens"))) {
        w->total = n;
    }
    unsigned fields = match(w->rows, path) | match(w->more, path);
    if (fields != 0) {
        take_number(w, fields, n);
    }
}

/* The path with *text* (between *before* and *after*) behind it; 0: too long, which no row is. */
static size_t extend(struct walk *w, size_t len, char before, struct fl_slice text, char after)
{
    if (len + text.len + 2 > sizeof(w->path)) {
        return 0;
    }
    if (before && len > 0) {
        w->path[len++] = before;
    }
    if (text.len > 0) {
        memcpy(w->path + len, text.ptr, text.len);
    }
    len += text.len;
    if (after) {
        w->path[len++] = after;
    }
    return len;
}

/* A key or string without its quotes; escapes stay, and match no row. */
static struct fl_slice inside(struct fl_slice quoted)
{
    return quoted.len < 2 ? FL_EMPTY : fl_slice(quoted.ptr + 1, quoted.len - 2);
}

static void visit_object(struct walk *w, size_t path_len, struct fl_json object, unsigned depth);

/* Elements of Gemini's and Bedrock's lists are told apart by their modality or ttl. */
static void visit_list(struct walk *w, size_t path_len, struct fl_json list, unsigned depth)
{
    struct fl_json_iter it = fl_json_iter(list);
    struct fl_json element;
    while (fl_json_next(&it, NULL, &element)) {
        struct fl_json kind = fl_json_get(element, FL_LIT("modality"));
        if (kind.type != FL_JSON_STRING) {
            kind = fl_json_get(element, FL_LIT("ttl"));
        }
        if (kind.type == FL_JSON_STRING) {
            size_t len = extend(w, path_len, '[', inside(kind.span), ']');
            if (len > 0) {
                visit_object(w, len, element, depth);
            }
        }
    }
}

static void visit(struct walk *w, size_t len, struct fl_json value, unsigned depth)
{
    if (depth == 0 && value.type != FL_JSON_NUMBER) {
        w->seen |= match(w->more, fl_slice(w->path, len)) & OTHERS;
    }
    if (value.type == FL_JSON_NUMBER) {
        visit_number(w, len, value);
    } else if (value.type == FL_JSON_OBJECT && depth < DEPTH_MAX) {
        visit_object(w, len, value, depth + 1);
    } else if (value.type == FL_JSON_ARRAY && depth < DEPTH_MAX) {
        visit_list(w, len, value, depth + 1);
    } else if (value.type == FL_JSON_STRING &&
               (fl_slice_eq(fl_slice(w->path, len), FL_LIT("service_tier")) ||
                fl_slice_eq(fl_slice(w->path, len), FL_LIT("serviceTier")))) {
        w->service = inside(value.span);
    }
}

static void visit_object(struct walk *w, size_t path_len, struct fl_json object, unsigned depth)
{
    struct fl_json_iter it = fl_json_iter(object);
    struct fl_slice key;
    struct fl_json value;
    while (fl_json_next(&it, &key, &value)) {
        size_t len = extend(w, path_len, '.', inside(key), '\0');
        if (len > 0) {
            visit(w, len, value, depth);
        }
    }
}

/* --- What was read --- */

static enum fl_service service_of(struct fl_slice name)
{
    static const struct fl_slice names[FL_SERVICE_COUNT] = {
#define X(id, name) [id] = {name, sizeof(name) - 1},
        FL_SERVICES(X)
#undef X
    };
    for (unsigned i = 0; i < FL_SERVICE_COUNT; i++) {
        if (fl_slice_eq_nocase(name, names[i])) {
            return (enum fl_service)i;
        }
    }
    return FL_SERVICE_STANDARD; /* "default", "auto", "on_demand" */
}

static bool complete(const struct walk *w)
{
    for (const struct row *row = w->rows; row->path.len > 0; row++) {
        if ((row->fields & MUST) && (w->seen & row->fields) != row->fields) {
            return false;
        }
    }
    return (w->seen & ((1u << FIELD_COUNT) - 1)) != 0;
}

/* All but the path, which is written before it is read. */
static void clear(struct walk *w)
{
    w->more = NULL;
    w->usage = (struct fl_usage){0};
    w->total = w->cached_too = 0;
    w->seen = 0;
    w->service = FL_EMPTY;
}

static void walk(struct walk *w, enum fl_usage_shape shape, struct fl_json object)
{
    fl_assert((unsigned)shape < FL_USAGE_SHAPE_COUNT);
    w->rows = shapes[shape];
    if (object.type == FL_JSON_OBJECT) {
        visit_object(w, 0, object, 0);
    }
    w->usage.known = true;
    w->usage.requests = 1;
    w->usage.service = w->service.len > 0 ? service_of(w->service) : FL_SERVICE_STANDARD;
}

bool fl_usage_read(enum fl_usage_shape shape, struct fl_json object, struct fl_usage *usage)
{
    struct walk w;
    clear(&w);
    walk(&w, shape, object);
    if (!complete(&w)) {
        return false;
    }
    *usage = w.usage;
    return true;
}

/* Keys that tell the shapes apart. X(bit, "key") */
#define TELLING(X)                                                                                 \
    X(HAS_PROMPT, "prompt_tokens")                                                                 \
    X(HAS_COMPLETION, "completion_tokens")                                                         \
    X(HAS_CITATIONS, "citation_tokens")                                                            \
    X(HAS_QUERIES, "num_search_queries")                                                           \
    X(HAS_INPUT, "input_tokens")                                                                   \
    X(HAS_CACHE_READ, "cache_read_input_tokens")                                                   \
    X(HAS_CACHE_MADE, "cache_creation_input_tokens")                                               \
    X(HAS_CACHE_CREATION, "cache_creation")                                                        \
    X(HAS_INPUT_DETAILS, "input_token_details")                                                    \
    X(HAS_GEMINI_PROMPT, "promptTokenCount")                                                       \
    X(HAS_GEMINI_ANSWER, "candidatesTokenCount")                                                   \
    X(HAS_BEDROCK, "inputTokens")                                                                  \
    X(HAS_COHERE, "billed_units")                                                                  \
    X(HAS_PAGES, "pages_processed")

enum telling_at {
#define X(bit, key) bit##_AT,
    TELLING(X)
#undef X
        TELLING_COUNT
};
enum telling {
#define X(bit, key) bit = 1 << bit##_AT,
    TELLING(X)
#undef X
};

static unsigned telling_keys(struct fl_json object)
{
    static const struct fl_slice keys[TELLING_COUNT] = {
#define X(bit, key) {key, sizeof(key) - 1},
        TELLING(X)
#undef X
    };
    unsigned seen = 0;
    struct fl_json_iter it = fl_json_iter(object);
    struct fl_slice key;
    struct fl_json value;
    while (fl_json_next(&it, &key, &value)) {
        for (unsigned i = 0; i < TELLING_COUNT; i++) {
            seen |= fl_slice_eq(inside(key), keys[i]) ? 1u << i : 0;
        }
    }
    return seen;
}

static enum fl_usage_shape shape_of(struct fl_json object)
{
    unsigned seen = telling_keys(object);
    if (seen & HAS_PROMPT) {
        return !(seen & HAS_COMPLETION)               ? FL_USAGE_EMBEDDINGS
               : seen & (HAS_CITATIONS | HAS_QUERIES) ? FL_USAGE_CHAT_FLAT
                                                      : FL_USAGE_CHAT;
    }
    if (seen & HAS_INPUT) {
        return seen & (HAS_CACHE_READ | HAS_CACHE_MADE | HAS_CACHE_CREATION) ? FL_USAGE_ANTHROPIC
               : seen & HAS_INPUT_DETAILS                                    ? FL_USAGE_REALTIME
                                                                             : FL_USAGE_RESPONSES;
    }
    if (seen & (HAS_GEMINI_PROMPT | HAS_GEMINI_ANSWER)) {
        return FL_USAGE_GEMINI;
    }
    if (seen & HAS_BEDROCK) {
        return FL_USAGE_BEDROCK;
    }
    return seen & HAS_COHERE ? FL_USAGE_COHERE : seen & HAS_PAGES ? FL_USAGE_OCR : FL_USAGE_OLLAMA;
}

/* Most objects are CHAT's: read as that at once. False: it is something else. */
static bool read_chat(struct fl_json object, struct fl_usage *usage)
{
    struct walk w;
    clear(&w);
    w.more = chat_more;
    walk(&w, FL_USAGE_CHAT, object);
    if (!complete(&w) || (w.seen & OTHERS)) {
        return false;
    }
    struct fl_usage *u = &w.usage;
    u->tokens_cached = w.cached_too > u->tokens_cached ? w.cached_too : u->tokens_cached;
    uint64_t apart = plus(plus(u->tokens_in, u->tokens_out), u->tokens_reasoning);
    if (u->tokens_reasoning > 0 && w.total == apart) {
        u->tokens_out += u->tokens_reasoning;
    }
    *usage = *u;
    return true;
}

bool fl_usage_read_any(struct fl_json object, struct fl_usage *usage)
{
    if (object.type != FL_JSON_OBJECT) {
        return false;
    }
    if (read_chat(object, usage)) {
        return true;
    }
    enum fl_usage_shape shape = shape_of(object);
    return shape != FL_USAGE_CHAT && fl_usage_read(shape, object, usage);
}

bool fl_usage_update_anthropic(struct fl_json object, struct fl_usage *usage)
{
    struct walk w;
    struct fl_usage u = *usage;
    clear(&w);
    walk(&w, FL_USAGE_ANTHROPIC, object);
    if (!(w.seen & (IN | OUT))) {
        return false;
    }
    if (w.seen & IN) { /* input comes whole */
        u.tokens_in = w.usage.tokens_in;
        u.tokens_cached = w.usage.tokens_cached;
        u.tokens_cache_write = w.usage.tokens_cache_write;
        u.tokens_cache_write_1h =
            w.seen & WRITE_1H ? w.usage.tokens_cache_write_1h : u.tokens_cache_write_1h;
    }
    u.tokens_out = w.seen & OUT ? w.usage.tokens_out : u.tokens_out;
    u.tokens_reasoning = w.seen & REASONING ? w.usage.tokens_reasoning : u.tokens_reasoning;
    u.searches = w.seen & SEARCHES ? w.usage.searches : u.searches;
    u.service = w.service.len > 0 ? w.usage.service : u.service;
    u.requests = 1;
    u.known = true;
    *usage = u;
    return true;
}

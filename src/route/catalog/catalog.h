/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The catalogue: what providers sell under which names, at which price, with which abilities.
 *
 *   provider   who answers: API base, dialect, and the vendor that fails as one
 *   model      a name of a provider's API. A target of a configuration points at one
 *   family     who made the weights, and the tokenizer they read text with (family.c)
 *   rule       prices in force from a day on, in a window of the day, or above a number of input
 *              tokens; of all rules that apply, the last one counts, alone
 *
 * Prices are integers: pico-USD for a token, a call or an hour. USD per million tokens times 10^6
 * is pico-USD per token, exact to six decimals, and finer prices are rounded there.
 *
 * Immutable once built, shared by all threads, counted by reference. Built from rows in order: a
 * row with the provider and id of an earlier one replaces it.
 */
#ifndef FL_ROUTE_CATALOG_CATALOG_H
#define FL_ROUTE_CATALOG_CATALOG_H

#include "base/arena.h"
#include "base/err.h"
#include "base/slice.h"
#include "base/usage.h"

#include <stdatomic.h>

/* --- Prices --- */

/* X(id, "name in files", decimals, fallback, "unit of a price in files and for people")
 * decimals  a price in files times 10^decimals is the integer kept
 * fallback  the class whose price counts where this one has none; itself: none */
#define FL_PRICE_CLASSES(X)                                                                        \
    X(FL_PRICE_IN, "in", 6, FL_PRICE_IN, "USD per million tokens")                                 \
    X(FL_PRICE_CACHED, "cached", 6, FL_PRICE_IN, "USD per million tokens")                         \
    X(FL_PRICE_WRITE, "write", 6, FL_PRICE_IN, "USD per million tokens")                           \
    X(FL_PRICE_WRITE_1H, "write_1h", 6, FL_PRICE_WRITE, "USD per million tokens")                  \
    X(FL_PRICE_IN_AUDIO, "in_audio", 6, FL_PRICE_IN, "USD per million tokens")                     \
    X(FL_PRICE_IN_IMAGE, "in_image", 6, FL_PRICE_IN, "USD per million tokens")                     \
    X(FL_PRICE_IN_VIDEO, "in_video", 6, FL_PRICE_IN, "USD per million tokens")                     \
    X(FL_PRICE_CACHED_AUDIO, "cached_audio", 6, FL_PRICE_CACHED, "USD per million tokens")         \
    X(FL_PRICE_CACHED_IMAGE, "cached_image", 6, FL_PRICE_CACHED, "USD per million tokens")         \
    X(FL_PRICE_CACHED_VIDEO, "cached_video", 6, FL_PRICE_CACHED, "USD per million tokens")         \
    X(FL_PRICE_OUT, "out", 6, FL_PRICE_OUT, "USD per million tokens")                              \
    X(FL_PRICE_REASONING, "reasoning", 6, FL_PRICE_OUT, "USD per million tokens")                  \
    X(FL_PRICE_OUT_AUDIO, "out_audio", 6, FL_PRICE_OUT, "USD per million tokens")                  \
    X(FL_PRICE_OUT_IMAGE, "out_image", 6, FL_PRICE_OUT, "USD per million tokens")                  \
    X(FL_PRICE_OUT_VIDEO, "out_video", 6, FL_PRICE_OUT, "USD per million tokens")                  \
    X(FL_PRICE_CITATION, "citation", 6, FL_PRICE_OUT, "USD per million tokens")                    \
    X(FL_PRICE_REQUEST, "request", 9, FL_PRICE_REQUEST, "USD per thousand")                        \
    X(FL_PRICE_SEARCH, "search", 9, FL_PRICE_SEARCH, "USD per thousand")                           \
    X(FL_PRICE_FILE_SEARCH, "file_search", 9, FL_PRICE_FILE_SEARCH, "USD per thousand")            \
    X(FL_PRICE_PAGE, "page", 9, FL_PRICE_PAGE, "USD per thousand")                                 \
    X(FL_PRICE_ANNOTATED_PAGE, "annotated_page", 9, FL_PRICE_ANNOTATED_PAGE, "USD per thousand")   \
    X(FL_PRICE_AUDIO_HOUR, "audio_hour", 12, FL_PRICE_AUDIO_HOUR, "USD per hour")                  \
    X(FL_PRICE_TEXT_MESSAGE, "text_message", 9, FL_PRICE_TEXT_MESSAGE, "USD per thousand")

enum fl_price_class {
#define X(id, name, decimals, fallback, unit) id,
    FL_PRICE_CLASSES(X)
#undef X
        FL_PRICE_CLASS_COUNT
};

struct fl_price_class_row {
    struct fl_slice name;
    unsigned decimals;
    enum fl_price_class fallback;
    const char *unit;
};
extern const struct fl_price_class_row fl_price_classes[FL_PRICE_CLASS_COUNT];

#define FL_DAY_ALWAYS INT32_MIN

struct fl_price_rule {
    int32_t from_day;                /* days since 1970-01-01 UTC, or FL_DAY_ALWAYS */
    uint16_t from_minute, to_minute; /* of the UTC day, the last excluded; equal: all day; may pass
                                        midnight */
    uint32_t above_tokens;           /* counts when tokens_in is greater; 0: always */
    uint32_t classes;                /* bit 1 << class: has a price */
    const uint64_t *prices;          /* of these classes, in order */
};

/* The price of a class itself, without fallbacks. False: there is none. */
bool fl_price_get(const struct fl_price_rule *rule, enum fl_price_class c, uint64_t *ret_price);
/* The price that counts: the class's own or that of its nearest fallback, which *ret_by* (may be
 * NULL) names. False: there is none. */
bool fl_price_find(const struct fl_price_rule *rule, enum fl_price_class c, uint64_t *ret_price,
                   enum fl_price_class *ret_by);

/* (3 x input + output) / 4, the one number to compare models by, in pico-USD per token. False:
 * input has no price, or *rule* is NULL. */
bool fl_price_blended(const struct fl_price_rule *rule, uint64_t *ret_price);

/* --- Families --- */

/* X(id, "name") */
#define FL_TOKENIZERS(X)                                                                           \
    X(FL_TOKENIZER_UNKNOWN, "unknown")                                                             \
    X(FL_TOKENIZER_O200K, "o200k")                                                                 \
    X(FL_TOKENIZER_CL100K, "cl100k")                                                               \
    X(FL_TOKENIZER_CLAUDE, "claude")                                                               \
    X(FL_TOKENIZER_GEMINI, "gemini")                                                               \
    X(FL_TOKENIZER_LLAMA2, "llama2")                                                               \
    X(FL_TOKENIZER_LLAMA3, "llama3")                                                               \
    X(FL_TOKENIZER_MISTRAL, "mistral")                                                             \
    X(FL_TOKENIZER_QWEN, "qwen")                                                                   \
    X(FL_TOKENIZER_DEEPSEEK, "deepseek")                                                           \
    X(FL_TOKENIZER_COHERE, "cohere")                                                               \
    X(FL_TOKENIZER_GLM, "glm")                                                                     \
    X(FL_TOKENIZER_KIMI, "kimi")                                                                   \
    X(FL_TOKENIZER_MINIMAX, "minimax")                                                             \
    X(FL_TOKENIZER_GROK, "grok")                                                                   \
    X(FL_TOKENIZER_NOVA, "nova")

enum fl_tokenizer {
#define X(id, name) id,
    FL_TOKENIZERS(X)
#undef X
        FL_TOKENIZER_COUNT
};

struct fl_family {
    const char *name;  /* "gpt", "claude", "llama" */
    const char *maker; /* of the weights: "openai", "meta"; common cause of failures when two
                          providers sell the same maker's models */
    enum fl_tokenizer tokenizer;
};

/* By a model's name, in any spelling; never NULL ("other" when nothing fits). */
const struct fl_family *fl_family_of(struct fl_slice model_name);
const char *fl_tokenizer_name(enum fl_tokenizer t);

/* --- Models --- */

/* X(id, "name") */
#define FL_CAPABILITIES(X)                                                                         \
    X(FL_CAN_CHAT, "chat")        /* answers in text */                                            \
    X(FL_CAN_STREAM, "stream")    /* answers token by token */                                     \
    X(FL_CAN_TOOLS, "tools")      /* calls functions */                                            \
    X(FL_CAN_JSON, "json")        /* keeps to a JSON schema */                                     \
    X(FL_CAN_REASON, "reasoning") /* thinks before it answers */                                   \
    X(FL_CAN_SEE, "vision")       /* takes images */                                               \
    X(FL_CAN_HEAR, "audio")       /* takes sound */                                                \
    X(FL_CAN_VIDEO, "video")      /* takes film */                                                 \
    X(FL_CAN_PDF, "pdf")          /* takes documents */                                            \
    X(FL_CAN_SPEAK, "speech")     /* answers in sound */                                           \
    X(FL_CAN_DRAW, "images")      /* answers in images */                                          \
    X(FL_CAN_EMBED, "embeddings") /* answers in vectors */

enum fl_capability_bit {
#define X(id, name) id##_BIT,
    FL_CAPABILITIES(X)
#undef X
        FL_CAPABILITY_COUNT
};
enum fl_capability {
#define X(id, name) id = 1 << id##_BIT,
    FL_CAPABILITIES(X)
#undef X
};
extern const struct fl_slice fl_capability_names[FL_CAPABILITY_COUNT];

enum fl_model_status { FL_MODEL_ACTIVE, FL_MODEL_DEPRECATED, FL_MODEL_RETIRED };
enum fl_model_tier { FL_MODEL_TIER_NONE, FL_MODEL_LOW, FL_MODEL_MEDIUM, FL_MODEL_HIGH };
const char *fl_model_status_name(enum fl_model_status s);
const char *fl_model_tier_name(enum fl_model_tier t);

#define FL_DAY_UNKNOWN INT32_MIN
#define FL_PERMILLE    1000 /* a service's factor in thousandths: 500 = half price; 0: unknown */

struct fl_catalog_provider {
    struct fl_slice name;
    struct fl_slice aliases;   /* further names, separated by commas */
    struct fl_slice vendor;    /* failure domain; its own name when nothing else is said */
    struct fl_slice base_url;  /* empty: differs by customer */
    struct fl_slice dialect;   /* "openai", "anthropic", ...; empty: unknown */
    struct fl_slice fallbacks; /* providers whose models and prices it shares, by commas */
    uint16_t service_permille[FL_SERVICE_COUNT];
    unsigned model_count;
};

struct fl_model {
    struct fl_slice id;        /* as the provider knows it */
    struct fl_slice names;     /* further ones, separated by commas: 'x*' any end, '#' one digit,
                                  '!x' not these */
    struct fl_slice successor; /* id at the same provider, or empty */
    const struct fl_catalog_provider *provider; /* NULL: a user's own */
    const struct fl_family *family;
    const struct fl_price_rule *rules; /* the first one always applies, when there is any */
    unsigned rule_count;
    uint32_t context_tokens, output_tokens_max;  /* 0: unknown */
    uint32_t capabilities;                       /* enum fl_capability; 0: unknown */
    int32_t released_day, retired_day;           /* since 1970-01-01, or FL_DAY_UNKNOWN */
    uint16_t service_permille[FL_SERVICE_COUNT]; /* 0: the provider's */
    uint8_t status;                              /* enum fl_model_status */
    uint8_t tier;                                /* enum fl_model_tier */
    bool tier_given;                             /* by hand, not by the rule */
};

/*
 * The rule of quality tiers, the only one: p = (3 x input + output) / 4, in USD per million tokens
 * at the first rule of *model*; high from 3 USD, medium from 0.5 USD, else low; one step less for a
 * model that was released more than two years before *today*. In a catalogue, p is the price at
 * the model's maker where that one sells it, else the median of all who do, so that a discount or
 * a surcharge does not change what a model is. NONE: not priced, or free and of no known maker.
 */
enum fl_model_tier fl_model_tier_by_price(uint64_t picousd, int32_t released_day, int32_t today);
/* p of one model in pico-USD per token; 0: not priced. */
uint64_t fl_model_blended(const struct fl_model *model);

/* --- The catalogue --- */

struct fl_catalog;

struct fl_catalog *fl_catalog_ref(struct fl_catalog *c);
void fl_catalog_unref(struct fl_catalog *c); /* NULL is fine */

unsigned fl_catalog_provider_count(const struct fl_catalog *c);
unsigned fl_catalog_model_count(const struct fl_catalog *c);
int32_t fl_catalog_day(const struct fl_catalog *c); /* of its newest facts */
const struct fl_catalog_provider *fl_catalog_provider(const struct fl_catalog *c, unsigned index);
/* By provider, then in the order of the rows. */
const struct fl_model *fl_catalog_model(const struct fl_catalog *c, unsigned index);
/* By name or alias; NULL: unknown. */
const struct fl_catalog_provider *fl_catalog_find_provider(const struct fl_catalog *c,
                                                           struct fl_slice name);

/* How a name was understood, most certain first. */
enum fl_model_match {
    FL_MATCH_NONE,
    FL_MATCH_EXACT,    /* id or name, letters in any case */
    FL_MATCH_PATTERN,  /* a pattern among its names */
    FL_MATCH_BARE,     /* without maker, date, version, tag: "openai/gpt-4o-2024-05-13" */
    FL_MATCH_FALLBACK, /* another provider's, whose models this one shares */
    FL_MATCH_ANYONE    /* fl_catalog_find_any(): somebody's */
};

/* The model that *provider* (name or alias) means by *name*; NULL: unknown. Expected O(1) for exact
 * and bare names; patterns are those of one provider. *ret_match* may be NULL. */
const struct fl_model *fl_catalog_find(const struct fl_catalog *c, struct fl_slice provider,
                                       struct fl_slice name, enum fl_model_match *ret_match);
/* The same for a provider of *c* that is at hand. */
const struct fl_model *fl_catalog_find_at(const struct fl_catalog *c,
                                          const struct fl_catalog_provider *provider,
                                          struct fl_slice name, enum fl_model_match *ret_match);
/* Anyone's model of this bare name: its maker's if that one sells it, else the one of the median
 * price. NULL: nobody has it. */
const struct fl_model *fl_catalog_find_any(const struct fl_catalog *c, struct fl_slice name);

enum { FL_BARE_MAX = 128 };
/* What all spellings of a model have in common: lower case; without the maker before '/' or '.', a
 * tag behind ':' or '@', a date, "-latest"; '.' and '_' as '-'. Into *memory*. */
struct fl_slice fl_model_bare_name(struct fl_slice name, char memory[FL_BARE_MAX]);

/* Does *name* fit a list of names and patterns (struct fl_model.names)? Letters in any case. */
bool fl_names_match(struct fl_slice names, struct fl_slice name);

/* --- Building --- */

struct fl_catalog_draft;

/* Sizes are hints. NULL: no memory. */
struct fl_catalog_draft *fl_catalog_draft_create(unsigned provider_hint, unsigned model_hint);
void fl_catalog_draft_destroy(struct fl_catalog_draft *d); /* NULL is fine */
/* Owns copies and what rows point at; lives with the catalogue. */
struct fl_arena *fl_catalog_draft_arena(struct fl_catalog_draft *d);
void fl_catalog_draft_day(struct fl_catalog_draft *d, int32_t day); /* the latest counts */
/* The row replaces an earlier one of the name, whose models stay. The rows of models that follow
 * are this provider's. Slices must live as long as the catalogue: see arena. */
enum fl_err fl_catalog_draft_provider(struct fl_catalog_draft *d,
                                      const struct fl_catalog_provider *row) FL_CHECK_RESULT;
/* Continues with the provider of this name or alias; false: there is none. */
bool fl_catalog_draft_use(struct fl_catalog_draft *d, struct fl_slice name);
/* *rules* and their prices are copied. *model*'s provider, rules and tier (unless tier_given) are
 * filled in. */
enum fl_err fl_catalog_draft_model(struct fl_catalog_draft *d, const struct fl_model *model,
                                   const struct fl_price_rule *rules,
                                   unsigned rule_count) FL_CHECK_RESULT;
/* Takes the draft, also on failure (NULL: no memory). One reference. */
struct fl_catalog *fl_catalog_draft_finish(struct fl_catalog_draft *d);

#endif

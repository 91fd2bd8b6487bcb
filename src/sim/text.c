/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/text.h"

#include "base/assert.h"
#include "base/hash.h"
#include "base/rng.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { topics_max = 4, topic_bytes_max = 40 };

static const struct {
    const char *word; /* lower case, found anywhere in the prompt */
    enum fl_sim_task task;
} signs[] = {
    {"summar", FL_SIM_SUMMARIZE},
    {"tl;dr", FL_SIM_SUMMARIZE},
    {"classif", FL_SIM_CLASSIFY},
    {"sentiment", FL_SIM_CLASSIFY},
    {"positive or negative", FL_SIM_CLASSIFY},
    {"translat", FL_SIM_TRANSLATE},
    {"analy", FL_SIM_ANALYSE},
    {"compare", FL_SIM_ANALYSE},
    {"explain", FL_SIM_ANALYSE},
    {"generate", FL_SIM_GENERATE},
    {"write", FL_SIM_GENERATE},
    {"story", FL_SIM_GENERATE},
    {"poem", FL_SIM_GENERATE},
    {"create", FL_SIM_GENERATE},
};

/* '$' stands for a topic of the prompt, '@' for an adjective, '#' for a noun. */
static const char *const chat[] = {
    "As for $, the @ answer is that it depends on the #.",
    "Most people who ask about $ want a @ # first.",
    "A @ place to begin is the # behind $.",
    "If $ matters to you, keep the # @.",
};
static const char *const summarize[] = {
    "In short, $ makes the # more @.",
    "The main point about $ is a @ #.",
    "It also names the # that $ needs.",
    "What remains is a @ view of $.",
};
static const char *const generate[] = {
    "Once there was a @ # that dreamed of $.",
    "Every morning it carried $ past the @ #.",
    "Nobody had told the # that $ could be so @.",
    "Then the @ # fell silent, and only $ went on.",
    "In the end, $ found its own #, and it was @.",
    "\"Bring me the #,\" said the voice, \"and leave $ to me.\"",
};
static const char *const analyse[] = {
    "First, $ depends on a @ #.",
    "Second, the # grows faster than $ does.",
    "A @ comparison shows that $ wins where the # is small.",
    "Against it speaks one @ # that $ cannot hide.",
    "On balance, $ is the more @ choice.",
};
static const char *const translate[] = {
    "Here $ becomes a @ #.",
    "The # keeps its meaning, and $ stays @.",
};
static const char *const adjectives[] = {"careful", "quiet",  "robust", "simple", "bright",
                                         "patient", "useful", "small",  "steady", "modest",
                                         "quick",   "warm",   "clear",  "curious"};
static const char *const nouns[] = {"lighthouse", "budget", "harbour", "pattern", "river",
                                    "question",   "engine", "garden",  "letter",  "balance",
                                    "signal",     "rope",   "compass", "winter"};
static const char *const good_words[] = {"good",      "great", "love",  "excellent", "happy",
                                         "wonderful", "best",  "enjoy", "amazing",   "perfect"};
static const char *const bad_words[] = {"bad",   "terrible", "hate",  "awful",  "poor",
                                        "worst", "broken",   "angry", "boring", "disappoint"};
/* Not worth talking about. */
static const char *const stop_words[] = {
    "the",      "and",     "for",     "this",      "that",  "with",     "about",
    "from",     "what",    "text",    "into",      "write", "generate", "summarize",
    "classify", "analyse", "analyze", "translate", "tell",  "give",     "short",
    "please",   "explain", "compare", "create",    "there", "positive", "negative"};

static const struct {
    const char *name;
    const char *const *sentences;
    unsigned sentence_count;
    unsigned least, most; /* sentences of an answer */
} tasks[FL_SIM_TASKS] = {
    [FL_SIM_CHAT] = {"chat", chat, COUNT(chat), 2, 4},
    [FL_SIM_SUMMARIZE] = {"summarize", summarize, COUNT(summarize), 3, 5},
    [FL_SIM_CLASSIFY] = {"classify", NULL, 0, 0, 0},
    [FL_SIM_GENERATE] = {"generate", generate, COUNT(generate), 8, 16},
    [FL_SIM_ANALYSE] = {"analyse", analyse, COUNT(analyse), 5, 9},
    [FL_SIM_TRANSLATE] = {"translate", translate, COUNT(translate), 1, 3},
};

static bool starts_nocase(struct fl_slice s, struct fl_slice word)
{
    return s.len >= word.len && fl_slice_eq_nocase(fl_slice_first(s, word.len), word);
}

static bool contains(struct fl_slice text, const char *word)
{
    struct fl_slice needle = fl_slice_cstr(word);
    for (size_t i = 0; i + needle.len <= text.len; i++) {
        if (starts_nocase(fl_slice_from(text, i), needle)) {
            return true;
        }
    }
    return false;
}

static unsigned hits(struct fl_slice text, const char *const *words, size_t count)
{
    unsigned n = 0;
    for (size_t i = 0; i < count; i++) {
        n += contains(text, words[i]);
    }
    return n;
}

/* Only the beginning decides: a prompt may be megabytes. */
static struct fl_slice beginning(struct fl_slice prompt)
{
    return fl_slice_first(prompt, 2000);
}

enum fl_sim_task fl_sim_task(struct fl_slice prompt)
{
    for (size_t i = 0; i < COUNT(signs); i++) {
        if (contains(beginning(prompt), signs[i].word)) {
            return signs[i].task;
        }
    }
    return FL_SIM_CHAT;
}

const char *fl_sim_task_name(enum fl_sim_task task)
{
    fl_assert(task < FL_SIM_TASKS);
    return tasks[task].name;
}

/* --- Tokens --- */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_word(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (unsigned char)c >= 0x80;
}

struct fl_slice fl_sim_token(struct fl_slice text, size_t at)
{
    size_t end = at;
    while (end < text.len && is_space(text.ptr[end])) {
        end++;
    }
    if (end >= text.len) {
        return FL_EMPTY;
    }
    if (!is_word(text.ptr[end++])) {
        return fl_slice(text.ptr + at, end - at);
    }
    while (end < text.len && is_word(text.ptr[end])) {
        end++;
    }
    return fl_slice(text.ptr + at, end - at);
}

uint64_t fl_sim_tokens(struct fl_slice text)
{
    uint64_t count = 0;
    struct fl_slice token;
    for (size_t at = 0; (token = fl_sim_token(text, at)).len > 0; at += token.len) {
        count++;
    }
    return count;
}

/* --- Sentences --- */

struct topics {
    struct fl_slice words[topics_max];
    unsigned count;
};

static bool is_topic(struct fl_slice word, const struct topics *t)
{
    if (word.len < 4 || word.len > topic_bytes_max) {
        return false;
    }
    for (size_t i = 0; i < COUNT(stop_words); i++) {
        if (fl_slice_eq_nocase(word, fl_slice_cstr(stop_words[i]))) {
            return false;
        }
    }
    for (unsigned i = 0; i < t->count; i++) {
        if (fl_slice_eq_nocase(word, t->words[i])) {
            return false;
        }
    }
    return true;
}

static struct topics find_topics(struct fl_slice prompt)
{
    struct topics t = {.count = 0};
    struct fl_slice token;
    for (size_t at = 0; (token = fl_sim_token(prompt, at)).len > 0 && t.count < topics_max;
         at += token.len) {
        struct fl_slice word = token;
        while (word.len > 0 && is_space(word.ptr[0])) {
            word = fl_slice_from(word, 1);
        }
        if (is_topic(word, &t)) {
            t.words[t.count++] = word;
        }
    }
    return t;
}

static void put_sentence(const char *sentence, const struct topics *t, struct fl_rng *r,
                         struct fl_buf *b)
{
    for (const char *c = sentence; *c; c++) {
        if (*c == '@') {
            fl_buf_put_cstr(b, adjectives[fl_rng_below(r, COUNT(adjectives))]);
        } else if (*c == '#') {
            fl_buf_put_cstr(b, nouns[fl_rng_below(r, COUNT(nouns))]);
        } else if (*c == '$' && t->count == 0) {
            fl_buf_put_cstr(b, "the subject");
        } else if (*c == '$') {
            fl_buf_put(b, t->words[fl_rng_below(r, t->count)]);
        } else {
            fl_buf_putc(b, *c);
        }
    }
}

static void put_sentiment(struct fl_slice prompt, struct fl_rng *r, struct fl_buf *b)
{
    unsigned good = hits(prompt, good_words, COUNT(good_words));
    unsigned bad = hits(prompt, bad_words, COUNT(bad_words));
    bool positive = good != bad ? good > bad : fl_rng_below(r, 2) == 0;
    fl_buf_put_cstr(b, positive ? "positive" : "negative");
    fl_buf_put_cstr(b, " (simulated)");
}

/* Sentence number *index* of an answer: the task's in their order, again and again in new
 * paragraphs. */
static void put_next(enum fl_sim_task task, uint64_t index, const struct topics *t,
                     struct fl_rng *r, struct fl_buf *b)
{
    uint64_t at = index % tasks[task].sentence_count;
    fl_buf_put_cstr(b, at == 0 && index > 0 ? "\n\n" : " ");
    put_sentence(tasks[task].sentences[at], t, r, b);
}

void fl_sim_text(struct fl_slice prompt, struct fl_slice model, uint64_t seed, uint64_t tokens_min,
                 struct fl_buf *b)
{
    static const struct fl_hash_key key = {0x73696d, 0x74657874};
    struct fl_rng r;
    enum fl_sim_task task = fl_sim_task(prompt);
    size_t start = b->len;
    uint64_t index = 0, count = 0;
    fl_rng_seed(&r, fl_hash(key, prompt) ^ fl_mix64(fl_hash(key, model) + seed));
    struct topics t = find_topics(beginning(prompt));
    if (task == FL_SIM_CLASSIFY) {
        put_sentiment(beginning(prompt), &r, b);
        task = FL_SIM_CHAT;
    } else {
        fl_buf_put_cstr(b, "This is a simulated answer.");
        count = tasks[task].least + fl_rng_below(&r, tasks[task].most - tasks[task].least + 1);
    }
    while (index < count) {
        put_next(task, index++, &t, &r, b);
    }
    uint64_t tokens = tokens_min > 0 ? fl_sim_tokens(fl_slice_from(fl_buf_slice(b), start)) : 0;
    while (tokens < tokens_min && fl_buf_ok(b)) {
        size_t from = b->len;
        put_next(task, index++, &t, &r, b);
        tokens += fl_sim_tokens(fl_slice_from(fl_buf_slice(b), from));
    }
}

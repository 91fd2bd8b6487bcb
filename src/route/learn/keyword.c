/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keyword: which stems occur, each counted once, at the start of a word. Their log-odds add up: the
 * built-in ones follow from a stem's strength, those of a model file were counted on labelled
 * prompts with add-one smoothing. No stem at all means `other`, and says so with a probability that
 * is low enough not to be trusted.
 */
#include "base/assert.h"
#include "base/hash.h"
#include "route/learn/kinds.h"
#include "route/learn/scan.h"
#include "route/learn/stems.h"

struct stem {
    const char *text;
    uint8_t len, task, strength;
    bool open; /* the word may go on */
};

#define STEM(text, task, strength)                                                                 \
    {text, (uint8_t)(sizeof(text) - 1 - (text[sizeof(text) - 2] == '*')), task, strength,          \
     text[sizeof(text) - 2] == '*'},
static const struct stem stems[] = {FL_STEMS(STEM)};
enum { stem_count = sizeof(stems) / sizeof(stems[0]) };
_Static_assert(stem_count < 1024, "hits are 16 bits and found_bits() has 1,024");

unsigned fl_keyword_count(void)
{
    return stem_count;
}

/* The two bytes that a stem begins with; every stem has two. */
static unsigned first_two(const char *text)
{
    return (unsigned)(uint8_t)text[0] << 8 | (uint8_t)text[1];
}

/* The first stem that does not begin below *two*. */
static unsigned first_from(unsigned two)
{
    unsigned low = 0, high = stem_count;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (first_two(stems[middle].text) < two) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool is_word_byte(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c >= 0x80;
}

/* The longest stem at *at*, which has *room* readable bytes; stem_count when there is none. */
static unsigned longest_at(const uint8_t *at, size_t room)
{
    unsigned best = stem_count, two = (unsigned)at[0] << 8 | at[1];
    for (unsigned i = first_from(two); i < stem_count && first_two(stems[i].text) == two; i++) {
        const struct stem *s = &stems[i];
        if (s->len < room && memcmp(s->text, at, s->len) == 0 &&
            (s->open || !is_word_byte(at[s->len])) &&
            (best == stem_count || s->len > stems[best].len)) {
            best = i;
        }
    }
    return best;
}

unsigned fl_keyword_hits(const struct fl_windows *windows, uint16_t ret_stem[FL_KEYWORD_HITS_MAX])
{
    struct fl_scan scan;
    uint64_t found[16] = {0};
    unsigned hits = 0;
    fl_scan_windows(windows, &scan);
    for (unsigned i = 0; i < scan.tokens && hits < FL_KEYWORD_HITS_MAX; i++) {
        unsigned start = scan.token[i].start;
        unsigned stem = longest_at(scan.text + start, sizeof(scan.text) - start);
        if (stem < stem_count && (found[stem / 64] >> (stem % 64) & 1) == 0) {
            found[stem / 64] |= UINT64_C(1) << (stem % 64);
            ret_stem[hits++] = (uint16_t)stem;
        }
    }
    return hits;
}

/* Of the stems and their classes: a model file fits one table only. */
static uint64_t table_mark(void)
{
    uint64_t h = stem_count;
    for (unsigned i = 0; i < stem_count; i++) {
        h = fl_mix64(h ^
                     fl_hash((struct fl_hash_key){h, i}, fl_slice(stems[i].text, stems[i].len)));
    }
    return h;
}

/* A row a stem, then a row that is the mark of the table. */
static uint64_t payload_bytes(unsigned bits, unsigned count)
{
    (void)bits;
    return (uint64_t)(count + 1) * FL_MODEL_STRIDE;
}

void fl_keyword_mark(int8_t ret_row[FL_MODEL_STRIDE])
{
    uint64_t mark = table_mark();
    for (unsigned i = 0; i < FL_MODEL_STRIDE; i++) {
        ret_row[i] = (int8_t)(uint8_t)(mark >> (8 * i));
    }
}

static bool attach(struct fl_classifier *c, const uint8_t *payload)
{
    int8_t mark[FL_MODEL_STRIDE];
    fl_keyword_mark(mark);
    c->weights = (const int8_t *)payload;
    return c->count == stem_count &&
           memcmp(payload + (size_t)stem_count * FL_MODEL_STRIDE, mark, sizeof(mark)) == 0;
}

struct fl_classifier fl_classifier_keywords(void)
{
    return (struct fl_classifier){
        .kind = FL_CLASSIFIER_KEYWORD, .count = stem_count, .scale = 1, .sharpness = 1};
}

static void built_in_scores(const uint16_t *hit, unsigned hits, double score[FL_TASK_COUNT])
{
    for (unsigned i = 0; i < hits; i++) {
        const struct stem *s = &stems[hit[i]];
        /* what opens the prompt is more often the instruction than what comes later */
        score[s->task] += 0.8 * s->strength * (i == 0 ? 1.5 : 1.0);
    }
}

static void classify(const struct fl_classifier *c, const struct fl_windows *windows,
                     const struct fl_features *features, double ret_probability[FL_TASK_COUNT])
{
    uint16_t hit[FL_KEYWORD_HITS_MAX];
    unsigned hits = fl_keyword_hits(windows, hit);
    (void)features;
    for (unsigned k = 0; k < FL_TASK_COUNT; k++) {
        ret_probability[k] = hits == 0 ? (k == FL_TASK_OTHER ? 1.5 : 0) : c->bias[k];
    }
    if (!c->weights) {
        built_in_scores(hit, hits, ret_probability);
    }
    for (unsigned i = 0; c->weights && i < hits; i++) {
        const int8_t *row = c->weights + (size_t)hit[i] * FL_MODEL_STRIDE;
        for (unsigned k = 0; k < FL_TASK_COUNT; k++) {
            ret_probability[k] += c->scale * row[k];
        }
    }
    fl_softmax(ret_probability);
}

const struct fl_classifier_ops fl_keyword_ops = {
    .name = "keyword",
    .bits_min = 0,
    .bits_max = 0,
    .count_min = 1,
    .count_max = stem_count,
    .payload_bytes = payload_bytes,
    .attach = attach,
    .classify = classify,
};

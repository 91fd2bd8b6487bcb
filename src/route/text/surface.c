/* SPDX-License-Identifier: Apache-2.0 */
#include "route/text/surface.h"

#include <math.h>

static float share(double part, double whole)
{
    return whole > 0 ? (float)(part / whole) : 0;
}

void fl_surface(const struct fl_text_facts *facts, float ret_features[FL_SURFACES])
{
    const uint32_t *n = facts->user_count;
    double bytes = (double)facts->user_bytes, lines = n[FL_TEXT_LINE];
    double cjk = (double)n[FL_TEXT_IDEOGRAPH] + n[FL_TEXT_KANA] + n[FL_TEXT_HANGUL];
    double words = (double)n[FL_TEXT_WORD] + n[FL_TEXT_WORD_OTHER] + cjk / 2;
    uint32_t questions = n[FL_TEXT_QUESTION] < 3 ? n[FL_TEXT_QUESTION] : 3;
    memset(ret_features, 0, FL_SURFACES * sizeof(*ret_features));
    if (facts->user_bytes == 0) {
        return;
    }
    ret_features[FL_SURFACE_LENGTH] = (float)(log1p(bytes) / 10);
    ret_features[FL_SURFACE_WORDS] = (float)(log1p(words) / 8);
    ret_features[FL_SURFACE_WORD_LEN] = share(n[FL_TEXT_LETTER], 10.0 * n[FL_TEXT_WORD]);
    ret_features[FL_SURFACE_RARE] = share(n[FL_TEXT_RARE], n[FL_TEXT_WORD]);
    ret_features[FL_SURFACE_CAPITALS] = share(n[FL_TEXT_CAPITAL], n[FL_TEXT_WORD]);
    ret_features[FL_SURFACE_DIGITS] = share(n[FL_TEXT_DIGIT], bytes);
    ret_features[FL_SURFACE_PUNCT] = share((double)n[FL_TEXT_PUNCT] + n[FL_TEXT_PUNCT_MORE], bytes);
    ret_features[FL_SURFACE_MATH] = share(10.0 * n[FL_TEXT_MATH], bytes);
    ret_features[FL_SURFACE_HIGH] = share(n[FL_TEXT_HIGH], bytes);
    ret_features[FL_SURFACE_LINES] = (float)(log1p(lines) / 6);
    ret_features[FL_SURFACE_INDENT] = share(n[FL_TEXT_GAP], lines + 1);
    ret_features[FL_SURFACE_CODE] = n[FL_TEXT_FENCE] > 0 ? 1 : 0;
    ret_features[FL_SURFACE_QUESTIONS] = (float)questions / 3;
    ret_features[FL_SURFACE_TURNS] = (float)(log1p(facts->messages) / 5);
    ret_features[FL_SURFACE_CONTEXT] = share((double)facts->bytes - bytes, (double)facts->bytes);
}

enum fl_script fl_script_of(const struct fl_text_facts *facts)
{
    const uint32_t *n = facts->user_count;
    uint64_t han = n[FL_TEXT_IDEOGRAPH], kana = n[FL_TEXT_KANA];
    /* An ideograph says as much as two letters or so. */
    const uint64_t weight[FL_SCRIPTS] = {
        [FL_SCRIPT_LATIN] = n[FL_TEXT_LETTER],
        [FL_SCRIPT_HAN] = kana * 10 < han ? 2 * (han + kana) : 0,
        [FL_SCRIPT_JAPANESE] = kana * 10 < han ? 0 : 2 * (han + kana),
        [FL_SCRIPT_KOREAN] = 2 * (uint64_t)n[FL_TEXT_HANGUL],
        [FL_SCRIPT_CYRILLIC] = n[FL_TEXT_CYRILLIC],
        [FL_SCRIPT_GREEK] = n[FL_TEXT_GREEK],
        [FL_SCRIPT_HEBREW] = n[FL_TEXT_HEBREW],
        [FL_SCRIPT_ARABIC] = n[FL_TEXT_ARABIC],
        [FL_SCRIPT_INDIC] = n[FL_TEXT_INDIC],
        [FL_SCRIPT_THAI] = n[FL_TEXT_THAI],
        [FL_SCRIPT_OTHER] = n[FL_TEXT_OTHER],
    };
    enum fl_script best = FL_SCRIPT_NONE;
    for (unsigned s = 1; s < FL_SCRIPTS; s++) {
        best = weight[s] > weight[best] ? s : best;
    }
    return best;
}

/* --- Language --- */

enum language { lang_en, lang_de, lang_fr, lang_es, lang_it, lang_pt, lang_nl, lang_pl, languages };

enum {
    word_max = 7,         /* bytes of the longest word below */
    head_bytes_max = 256, /* what is read of a message */
    votes_min = 2
};

static const char *const codes[languages] = {"en", "de", "fr", "es", "it", "pt", "nl", "pl"};

/* Frequent words that few of the other languages have. */
static const char *const words_of[languages] = {
    "the and of to is in for that with are what how you this write from be not it an which please",
    "der die und das ist nicht ein eine zu den von mit auf wie was sich f\u00fcr dem ich wir bitte "
    "sie",
    "le les des et est une dans que pour qui sur pas avec du au quel comment nous vous cette ce je",
    "el los las y es una que para con por del como cu\u00e1l qu\u00e9 se su lo m\u00e1s est\u00e1 "
    "son al",
    "il che di e per una con del della sono non come gli \u00e8 nel alla le quali cosa questo "
    "pi\u00f9 si",
    "o os as e um uma que para com n\u00e3o do da em como por mais dos qual voc\u00ea s\u00e3o "
    "\u00e9 ao na",
    "het een van en dat is niet op te voor met zijn wat hoe aan er ik je ook maar deze naar",
    "i w na z nie si\u0119 jest do to \u017ce jak co dla czy od po jakie o a kt\u00f3re s\u0105 "
    "oraz tym",
};

static bool is_in(const char *list, const char *word, size_t len)
{
    for (const char *at = list; *at != '\0';) {
        size_t n = 0;
        while (at[n] != ' ' && at[n] != '\0') {
            n++;
        }
        if (n == len && memcmp(at, word, len) == 0) {
            return true;
        }
        at += at[n] == ' ' ? n + 1 : n;
    }
    return false;
}

/* Small letters: ASCII, and the second byte of the Latin-1 letters. */
static size_t small_word(struct fl_slice text, size_t at, char ret_word[word_max + 1])
{
    size_t len = 0;
    while (at + len < text.len && len <= word_max) {
        unsigned char c = (unsigned char)text.ptr[at + len];
        if (c < 0x80 && !((c | 0x20) >= 'a' && (c | 0x20) <= 'z')) {
            break;
        }
        bool capital = (c >= 'A' && c <= 'Z') ||
                       (c >= 0x80 && c <= 0x9e && len > 0 && ret_word[len - 1] == '\xc3');
        ret_word[len++] = (char)(capital ? c + 0x20 : c);
    }
    return len;
}

static void vote(struct fl_slice text, unsigned votes[languages])
{
    char word[word_max + 1];
    for (size_t at = 0; at < text.len;) {
        size_t len = small_word(text, at, word);
        for (unsigned l = 0; len > 0 && len <= word_max && l < languages; l++) {
            votes[l] += is_in(words_of[l], word, len);
        }
        at += len > 0 ? len : 1;
        while (len > word_max && at < text.len && small_word(text, at, word) > 0) {
            at++; /* to the end of a long word */
        }
    }
}

static const char *latin_language(struct fl_slice text)
{
    unsigned votes[languages] = {0}, best = 0, second = 0;
    vote(fl_slice_first(text, head_bytes_max), votes);
    for (unsigned l = 1; l < languages; l++) {
        best = votes[l] > votes[best] ? l : best;
    }
    for (unsigned l = 0; l < languages; l++) {
        second = l != best && votes[l] > second ? votes[l] : second;
    }
    return votes[best] > second && votes[best] >= votes_min ? codes[best] : "und";
}

/* Letters that Ukrainian has and Russian has not. */
static bool is_ukrainian(struct fl_slice text)
{
    return fl_slice_find_text(text, FL_LIT("\u0456")) < text.len ||
           fl_slice_find_text(text, FL_LIT("\u0457")) < text.len ||
           fl_slice_find_text(text, FL_LIT("\u0454")) < text.len;
}

const char *fl_language_of(const struct fl_text_facts *facts)
{
    static const char *const of_script[FL_SCRIPTS] = {
        [FL_SCRIPT_HAN] = "zh",   [FL_SCRIPT_JAPANESE] = "ja", [FL_SCRIPT_KOREAN] = "ko",
        [FL_SCRIPT_GREEK] = "el", [FL_SCRIPT_HEBREW] = "he",   [FL_SCRIPT_ARABIC] = "ar",
        [FL_SCRIPT_INDIC] = "hi", [FL_SCRIPT_THAI] = "th",
    };
    enum fl_script script = fl_script_of(facts);
    if (script == FL_SCRIPT_LATIN) {
        return latin_language(facts->user_head);
    }
    if (script == FL_SCRIPT_CYRILLIC) {
        return is_ukrainian(facts->user_head) ? "uk" : "ru";
    }
    return of_script[script] != NULL ? of_script[script] : "und";
}

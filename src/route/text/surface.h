/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the user's last message looks like from outside: numbers for classifiers and quality heads
 * (ROUTING.md 4.2, 4.5), the script it is written in, and a guess at its language. All from counts
 * that the scan has made anyway, but for the language, which reads the message's first words.
 */
#ifndef FL_ROUTE_TEXT_SURFACE_H
#define FL_ROUTE_TEXT_SURFACE_H

#include "route/text/facts.h"

/* Each roughly between 0 and 1, so that none outweighs the others. An empty message has zeros. */
enum fl_surface {
    FL_SURFACE_LENGTH,    /* log(1 + bytes) / 10 */
    FL_SURFACE_WORDS,     /* log(1 + words) / 8; an ideograph, kana or syllable is half a word */
    FL_SURFACE_WORD_LEN,  /* bytes a word / 10 */
    FL_SURFACE_RARE,      /* uncommon words / words */
    FL_SURFACE_CAPITALS,  /* words with a capital / words */
    FL_SURFACE_DIGITS,    /* digits / bytes */
    FL_SURFACE_PUNCT,     /* ASCII punctuation / bytes */
    FL_SURFACE_MATH,      /* mathematical symbols / bytes, ten times */
    FL_SURFACE_HIGH,      /* bytes outside ASCII / bytes */
    FL_SURFACE_LINES,     /* log(1 + lines) / 6 */
    FL_SURFACE_INDENT,    /* runs of spaces / lines */
    FL_SURFACE_CODE,      /* 1: it has a code fence */
    FL_SURFACE_QUESTIONS, /* question marks, 3 at most, / 3 */
    FL_SURFACE_TURNS,     /* log(1 + messages) / 5 */
    FL_SURFACE_CONTEXT,   /* share of the request's bytes that are not this message */
    FL_SURFACES
};

enum fl_script {
    FL_SCRIPT_NONE, /* no letters */
    FL_SCRIPT_LATIN,
    FL_SCRIPT_HAN,
    FL_SCRIPT_JAPANESE,
    FL_SCRIPT_KOREAN,
    FL_SCRIPT_CYRILLIC,
    FL_SCRIPT_GREEK,
    FL_SCRIPT_HEBREW,
    FL_SCRIPT_ARABIC,
    FL_SCRIPT_INDIC,
    FL_SCRIPT_THAI,
    FL_SCRIPT_OTHER,
    FL_SCRIPTS
};

void fl_surface(const struct fl_text_facts *facts, float ret_features[FL_SURFACES]);
/* The script of most of the user's letters. */
enum fl_script fl_script_of(const struct fl_text_facts *facts);
/* ISO 639-1 code of the likeliest language of facts->user_head ("en"), "und" where nothing says so.
 * Latin letters by function words; other scripts name their commonest language. Takes microseconds:
 * for labels and reports, not for every decision. */
const char *fl_language_of(const struct fl_text_facts *facts);

#endif

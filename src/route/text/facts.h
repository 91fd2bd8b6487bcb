/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one pass over a request's text tells the rest of the routing engine: a plain value of fixed
 * size (about 1 KB), filled by fl_scan_end() of scan.h and read by everybody.
 *
 * Vocabulary. A *word* is a run of ASCII letters and of Latin letters with marks, cut where a
 * capital follows a small letter, as the pre-tokenisers of current models cut it. A *run* ends at
 * the first byte of another class. All counts are sums over the messages; no run goes from one
 * message into the next.
 */
#ifndef FL_ROUTE_TEXT_FACTS_H
#define FL_ROUTE_TEXT_FACTS_H

#include "base/slice.h"

enum {
    FL_PREFIX_BYTES = 256, /* of the canonical prompt in one prefix block */
    FL_PREFIX_BLOCKS = 64  /* hashed at most, from the front */
};

enum fl_text_count {
    /* the classes of a token estimate */
    FL_TEXT_WORD,        /* words */
    FL_TEXT_LONG,        /* letters of words beyond the sixth */
    FL_TEXT_CASE,        /* words that begin inside a run of letters: "camelCase" has one */
    FL_TEXT_NUMBER,      /* groups of at most three digits */
    FL_TEXT_PUNCT,       /* runs of ASCII punctuation and control bytes */
    FL_TEXT_PUNCT_MORE,  /* further bytes of those runs */
    FL_TEXT_BREAK,       /* runs of line ends */
    FL_TEXT_GAP,         /* runs of two or more spaces or tabs */
    FL_TEXT_IDEOGRAPH,   /* CJK ideographs */
    FL_TEXT_KANA,        /* hiragana and katakana */
    FL_TEXT_HANGUL,      /* hangul syllables and letters */
    FL_TEXT_CYRILLIC,    /* Cyrillic letters */
    FL_TEXT_MARKED,      /* Latin letters with marks */
    FL_TEXT_OTHER,       /* characters outside ASCII of no class here, and stray bytes */
    FL_TEXT_BASE64,      /* bytes in runs of more than 64 of A-Z a-z 0-9 + / = with a capital */
    FL_TEXT_HEX,         /* the same without a capital */
    FL_TEXT_CAPITAL,     /* words that begin with an ASCII capital */
    FL_TEXT_CAPITALS,    /* ASCII capitals after an ASCII capital */
    FL_TEXT_RARE,        /* words of six bytes or more that no common vocabulary has */
    FL_TEXT_RARE_MORE,   /* their bytes beyond the sixth */
    FL_TEXT_RARE_JOINED, /* those of them that do not follow a space */
    FL_TEXT_FOREIGN, /* words of six bytes or more that a vocabulary of many languages has, but not
                        one of mostly English */
    FL_TEXT_SPACE_DIGIT, /* runs of digits after a space */
    FL_TEXT_JOINED, /* single punctuation before a word and after neither space nor punctuation */
    FL_TEXT_PUNCT_BREAK, /* runs of line ends after punctuation */
    FL_TEXT_PAIR,        /* pairs of ideographs that the common vocabularies have */
    FL_TEXT_UNUSUAL,     /* ideographs that are no token of their own */
    FL_TEXT_CJK_PUNCT,   /* CJK and full-width punctuation */
    FL_TEXT_GREEK,
    FL_TEXT_HEBREW,
    FL_TEXT_ARABIC,
    FL_TEXT_INDIC,  /* scripts of India and Sri Lanka */
    FL_TEXT_THAI,   /* Thai and Lao */
    FL_TEXT_SYMBOL, /* general punctuation, arrows, mathematics, box drawing: U+2000 to U+2FFF */
    FL_TEXT_ASTRAL, /* characters of four bytes: emoji, rare ideographs */
    FL_TEXT_WORD_OTHER, /* runs of letters outside ASCII, Latin and CJK: words of those scripts */
    FL_TEXT_DIGIT,
    FL_TEXT_TOKEN_COUNTS, /* the classes above make the estimate */
    /* surface */
    FL_TEXT_LETTER = FL_TEXT_TOKEN_COUNTS, /* bytes of words */
    FL_TEXT_SPACE,                         /* spaces and tabs */
    FL_TEXT_LINE,                          /* line ends */
    FL_TEXT_QUESTION,
    FL_TEXT_FENCE, /* ``` */
    FL_TEXT_MATH,  /* any of + / = * ^ \ < > */
    FL_TEXT_HIGH,  /* bytes outside ASCII */
    FL_TEXT_COUNTS
};

/* Who speaks in a message. FL_TEXT_TOOLS: the definitions of tools and of an answer's schema. */
enum fl_text_role {
    FL_TEXT_SYSTEM,
    FL_TEXT_USER,
    FL_TEXT_ASSISTANT,
    FL_TEXT_TOOL,
    FL_TEXT_TOOLS,
    FL_TEXT_ROLES
};

/* Kinds of tokenizer whose counts can be estimated. */
enum fl_text_tokenizer {
    FL_TEXT_O200K,  /* OpenAI from GPT-4o on; the one taken for unknown models */
    FL_TEXT_CL100K, /* GPT-4, GPT-3.5, OpenAI's embeddings */
    FL_TEXT_CLAUDE,
    FL_TEXT_LLAMA3,
    FL_TEXT_GEMMA3, /* and Gemini */
    FL_TEXT_QWEN3,
    FL_TEXT_DEEPSEEK3,
    FL_TEXT_TOKENIZERS
};

struct fl_text_facts {
    uint64_t bytes; /* of text */
    uint32_t messages;
    uint32_t messages_of[FL_TEXT_ROLES];
    uint32_t count[FL_TEXT_COUNTS]; /* of all messages; stops at UINT32_MAX */
    uint32_t tokens[FL_TEXT_TOKENIZERS]; /* estimate of the text alone, see fl_text_request_tokens() */

    /* The last message of the user; all 0 without one. */
    uint64_t user_bytes;
    uint32_t user_count[FL_TEXT_COUNTS];
    struct fl_slice user_head, user_tail; /* its first bytes, and the last of what follows them; in
                                             the window that fl_scan_begin() was given */

    /* prefix[k] stands for all of the canonical prompt up to and with its block k. */
    unsigned prefix_count;
    uint64_t prefix[FL_PREFIX_BLOCKS];
};

#endif

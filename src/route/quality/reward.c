/* SPDX-License-Identifier: Apache-2.0 */
#include "route/quality/reward.h"

#include "base/assert.h"

enum { whole_opinion = 8, looked_at = 200 };

static void vote(struct fl_reward *r, double value, double weight)
{
    r->value += value * weight;
    r->confidence += weight;
}

struct fl_reward fl_reward_of(const struct fl_signals *s)
{
    struct fl_reward r = {0, 0};
    if (s->scored) {
        fl_assert(s->score >= 0 && s->score <= 1);
        vote(&r, s->score, whole_opinion);
    }
    if (s->schema != FL_VALID_UNKNOWN) {
        vote(&r, s->schema == FL_VALID_YES, s->schema == FL_VALID_YES ? 2 : 4);
    }
    if (s->refused) {
        vote(&r, 0, 3);
    }
    if (s->truncated) {
        vote(&r, 0.2, 2);
    }
    if (s->regenerated) {
        vote(&r, 0.1, 3);
    }
    if (!(r.confidence > 0) && s->ended) {
        vote(&r, 0.75, 0.5);
    }
    if (!(r.confidence > 0)) {
        return (struct fl_reward){0.5, 0};
    }
    r.value /= r.confidence;
    r.confidence = r.confidence > whole_opinion ? 1 : r.confidence / whole_opinion;
    return r;
}

/* Lower case; an apostrophe is '. */
static const char *const refusals[] = {
    "i can't help with",
    "i can't assist with",
    "i can't provide",
    "i can't comply",
    "i can't fulfill",
    "i can't do that",
    "i cannot help with",
    "i cannot assist with",
    "i cannot provide",
    "i cannot comply",
    "i cannot fulfill",
    "i can not help with",
    "i'm unable to help",
    "i'm unable to assist",
    "i'm not able to help",
    "i'm not able to assist",
    "i am unable to help",
    "i am unable to assist",
    "i am not able to help",
    "i am not able to assist",
    "i won't be able to help",
    "i won't help",
    "i must decline",
    "as an ai language model, i can't",
    "as an ai language model, i cannot",
    "ich kann dabei nicht helfen",
    "ich kann dir dabei nicht helfen",
    "ich kann ihnen dabei nicht helfen",
    "dabei kann ich nicht helfen",
    "dabei kann ich dir nicht helfen",
    "dabei kann ich ihnen nicht helfen",
    "je ne peux pas vous aider",
    "je ne peux pas t'aider",
    "je ne peux pas aider",
    "je ne suis pas en mesure de",
    "no puedo ayudarte con",
    "no puedo ayudar con",
    "no puedo ayudarle con",
    "no puedo proporcionar",
    "não posso ajudar com",
    "não posso ajudá-lo com",
    "não posso fornecer",
    "non posso aiutarti con",
    "non posso aiutarla con",
    "non posso fornire",
    "ik kan je daar niet mee helpen",
    "ik kan daar niet mee helpen",
    "ik kan u daar niet mee helpen",
    "nie mogę pomóc",
    "nie mogę ci pomóc",
    "я не могу помочь",
    "я не могу с этим помочь",
    "我无法提供",
    "我无法帮助",
    "我不能提供",
    "我不能帮助",
    "我無法提供",
    "我無法協助",
    "お手伝いできません",
    "お手伝いすることはできません",
    "お答えできません",
    "도와드릴 수 없습니다",
    "도와 드릴 수 없습니다",
    "제공할 수 없습니다",
};

/* These languages put the verb last: the phrase stands anywhere. */
static bool verb_last(const char *pattern)
{
    unsigned char first = (unsigned char)pattern[0];
    unsigned char second = (unsigned char)pattern[1];
    return (first == 0xe3 && second >= 0x81) || first == 0xeb || first == 0xec || first == 0xed;
}

/* The beginning of *answer* in lower case: ASCII, Latin-1 and Cyrillic; U+2019 becomes '. */
static struct fl_slice fold(struct fl_slice answer, char *ret)
{
    size_t n = 0;
    answer = fl_slice_first(answer, looked_at);
    for (size_t i = 0; i < answer.len; i++) {
        unsigned char c = (unsigned char)answer.ptr[i];
        unsigned char next = i + 1 < answer.len ? (unsigned char)answer.ptr[i + 1] : 0;
        if (c >= 'A' && c <= 'Z') {
            ret[n++] = (char)(c + 32);
        } else if (c == 0xe2 && next == 0x80 && i + 2 < answer.len &&
                   (unsigned char)answer.ptr[i + 2] == 0x99) {
            ret[n++] = '\'';
            i += 2;
        } else if (c == 0xc3 && next >= 0x80 && next <= 0x9e) {
            ret[n++] = (char)c;
            ret[n++] = (char)(next + 0x20);
            i++;
        } else if (c == 0xd0 && next >= 0x90 && next <= 0x9f) {
            ret[n++] = (char)c;
            ret[n++] = (char)(next + 0x20);
            i++;
        } else if (c == 0xd0 && next >= 0xa0 && next <= 0xaf) {
            ret[n++] = (char)0xd1;
            ret[n++] = (char)(next - 0x20);
            i++;
        } else {
            ret[n++] = (char)c;
        }
    }
    return fl_slice(ret, n);
}

/* Is *at* where a sentence, or a clause behind "sorry," and the like, begins? */
static bool begins_clause(struct fl_slice text, size_t at)
{
    while (at > 0 && (text.ptr[at - 1] == ' ' || text.ptr[at - 1] == '\n')) {
        at--;
    }
    struct fl_slice before = fl_slice_first(text, at);
    if (at == 0 || strchr(".!?,;:", text.ptr[at - 1])) {
        return true;
    }
    static const char *const joints[] = {" but",  " aber", " mais", " pero", " mas", " ma",
                                         " maar", " ale",  " но",   "。",    "，",   "但"};
    for (size_t i = 0; i < sizeof(joints) / sizeof(joints[0]); i++) {
        struct fl_slice joint = fl_slice_cstr(joints[i]);
        if (before.len >= joint.len &&
            fl_slice_eq(fl_slice_from(before, before.len - joint.len), joint)) {
            return true;
        }
    }
    return false;
}

bool fl_reward_refusal(struct fl_slice answer)
{
    char folded[looked_at];
    struct fl_slice text = fold(answer, folded);
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        struct fl_slice pattern = fl_slice_cstr(refusals[i]);
        size_t at = fl_slice_find_text(text, pattern);
        if (at < text.len && (verb_last(refusals[i]) || begins_clause(text, at))) {
            return true;
        }
    }
    return false;
}

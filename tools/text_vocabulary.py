#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes src/route/text/vocabulary.c from two rank files in tiktoken's format.

usage: text_vocabulary.py O200K CL100K > src/route/text/vocabulary.c

The sets and their hash functions are described in src/route/text/vocabulary.h; both must agree.
"""
import base64
import re
import sys

WORD_BITS, PAIR_BITS, WORD_MIN = 18, 15, 6
FIRST, IDEOGRAPHS = 0x4E00, 0x5200
MASK = (1 << 64) - 1
A, B = 0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93


def word_hash(w):
    def four(at):
        return int.from_bytes(w[at:at + 4], "little")
    ends = four(0) | four(len(w) - 4) << 32
    middle = (four(len(w) // 2 - 2) + (len(w) << 32)) & MASK
    return ((ends ^ middle * A & MASK) * B & MASK) >> (64 - WORD_BITS)


def pair_hash(first, second):
    return ((first << 32 | second) * A & MASK) >> (64 - PAIR_BITS)


def texts(path):
    with open(path, encoding="ascii") as ranks:
        for line in ranks:
            try:
                yield base64.b64decode(line.split()[0]).decode()
            except UnicodeDecodeError:
                pass


def table(name, size, bits):
    words = [0] * (size // 64)
    for bit in bits:
        words[bit >> 6] |= 1 << (bit & 63)
    print("const uint64_t %s[%d] = {" % (name, size // 64))
    for at in range(0, len(words), 4):
        print("    " + " ".join("0x%016x," % w for w in words[at:at + 4]))
    print("};")


def words_of(path):
    found = set()
    for text in texts(path):
        word = text[1:] if text[:1] == " " else ""
        if re.fullmatch("[A-Za-z\u00c0-\u024f\u1e00-\u1eff]+", word) and not re.search("[a-z][A-Z]", word):
            if len(word.encode()) >= WORD_MIN:
                found.add(word_hash(word.encode()))
    return found


def main():
    pairs, singles = set(), set()
    for text in texts(sys.argv[1]):
        if re.fullmatch("[\u3400-\u9fff]{2}", text):
            pairs.add(pair_hash(ord(text[0]), ord(text[1])))
        if len(text) == 1 and FIRST <= ord(text) < FIRST + IDEOGRAPHS:
            singles.add(ord(text) - FIRST)
    words = {(h >> 5) * 64 + (h & 31) for h in words_of(sys.argv[1])}
    words |= {(h >> 5) * 64 + 32 + (h & 31) for h in words_of(sys.argv[2])}
    print("/* SPDX-License-Identifier: Apache-2.0 */")
    print("/* Made by tools/text_vocabulary.py: not for reading, hence its length. */")
    print('#include "route/text/vocabulary.h"\n')
    print("/* clang-format off */")
    table("fl_vocabulary_words", 2 << WORD_BITS, words)
    table("fl_vocabulary_pairs", 1 << PAIR_BITS, pairs)
    table("fl_vocabulary_singles", IDEOGRAPHS, singles)


if __name__ == "__main__":
    main()

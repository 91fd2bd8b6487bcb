#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fits the token estimate and makes src/route/text/coefficients.c.

usage: fit_tokens.py BENCH_TEXT DATA [EXTRA] > src/route/text/coefficients.c
       fit_tokens.py --check BENCH_TEXT DATA [EXTRA]

BENCH_TEXT  the program bench_text, which counts classes and, with a rank file, tokens
DATA        folder with token_texts.jsonl, token_counts.csv and *.tiktoken.xz
EXTRA       folder of folders of texts, one a kind: scripts and formats that DATA has not. The shipped
            coefficients were fitted with Debian's translated manual pages and message catalogues in 24
            languages, Python's library, C headers, and generated base64, hexadecimal, UUIDs, numbers,
            logs and JSON, all together weighing as much as a quarter of DATA.

Least squares on the relative error, with outliers down-weighted (Huber) and each coefficient drawn to a
prior: for o200k and cl100k rough values of ROUTING's kind, for the others, whose tokens only DATA
tells, the fit of the nearer of those two. --check prints five-fold errors a kind instead.
"""
import csv
import json
import lzma
import os
import random
import subprocess
import sys
import tempfile

FAMILIES = ["o200k_base", "cl100k_base", "claude_legacy", "llama3_1", "gemma3", "qwen3", "deepseek_v3"]
NEAR = {"claude_legacy": "cl100k_base", "llama3_1": "cl100k_base", "gemma3": "o200k_base",
        "qwen3": "cl100k_base", "deepseek_v3": "cl100k_base"}
HEADER = os.path.join(os.path.dirname(__file__), "../src/route/text/facts.h")
PRIOR = dict(WORD=1, NUMBER=1, PUNCT=.6, PUNCT_MORE=.2, BREAK=.6, GAP=1, IDEOGRAPH=.67, KANA=.65,
             HANGUL=.76, CYRILLIC=.3, MARKED=.5, OTHER=1, BASE64=.3, HEX=.3, RARE=1, RARE_MORE=.2,
             CJK_PUNCT=.8, GREEK=.5, HEBREW=.5, ARABIC=.4, INDIC=.5, THAI=.5, SYMBOL=1, ASTRAL=1.5)
ONE, FOLDS, ROUNDS, HUBER = 4096, 5, 40, .08


def names():
    found = []
    with open(HEADER, encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("    FL_TEXT_TOKEN_COUNTS"):
                return found
            if line.startswith("    FL_TEXT_"):
                found.append(line.split(",")[0].strip()[len("FL_TEXT_"):])
    raise SystemExit("no counts in " + HEADER)


def ask(bench, arguments, texts):
    blob = b"".join(b"%d\n" % len(t) + t for t in texts)
    done = subprocess.run([bench] + arguments, input=blob, stdout=subprocess.PIPE, check=True)
    return [[int(x) for x in line.split()] for line in done.stdout.splitlines()]


def exact(bench, data, family, texts):
    with lzma.open(os.path.join(data, family + ".tiktoken.xz")) as packed, \
            tempfile.NamedTemporaryFile() as ranks:
        ranks.write(packed.read())
        ranks.flush()
        return [row[0] for row in ask(bench, ["--tokens", family.split("_")[0], ranks.name], texts)]


class Sample:
    """Texts with their kind, weight and tokens by family (None where unknown)."""

    def __init__(self, bench, data, extra):
        with open(os.path.join(data, "token_counts.csv"), newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        with open(os.path.join(data, "token_texts.jsonl"), encoding="utf-8") as file:
            by_id = {row["id"]: row["text"] for row in map(json.loads, file)}
        texts = [by_id[row["id"]].encode() for row in rows]
        self.given = len(rows)
        self.kinds = [row["kind"] for row in rows]
        self.weights = [1.0] * len(rows)
        self.tokens = {f: [int(row[f]) for row in rows] for f in FAMILIES}
        for kind in sorted(os.listdir(extra)) if extra else []:
            folder = os.path.join(extra, kind)
            more = [open(os.path.join(folder, n), "rb").read() for n in sorted(os.listdir(folder))]
            texts += more
            self.kinds += [kind] * len(more)
            self.weights += [10.0 / len(more)] * len(more)
        for f in FAMILIES:
            self.tokens[f] += (exact(bench, data, f, texts[self.given:])
                               if f not in NEAR and extra else [None] * (len(texts) - self.given))
        self.rows = [[(i, c) for i, c in enumerate(row) if c] for row in ask(bench, ["--counts"], texts)]


def solve(matrix, right):
    n = len(right)
    for i in range(n):
        pivot = max(range(i, n), key=lambda r: abs(matrix[r][i]))
        matrix[i], matrix[pivot] = matrix[pivot], matrix[i]
        right[i], right[pivot] = right[pivot], right[i]
        for r in range(i + 1, n):
            factor = matrix[r][i] / matrix[i][i]
            if factor:
                for c in range(i, n):
                    matrix[r][c] -= factor * matrix[i][c]
                right[r] -= factor * right[i]
    for i in reversed(range(n)):
        right[i] = (right[i] - sum(matrix[i][c] * right[c] for c in range(i + 1, n))) / matrix[i][i]
    return right


def estimate(coefficients, row):
    return sum(coefficients[i] * c for i, c in row)


def fit(sample, family, prior, pull, use):
    n = len(prior)
    used = [(sample.rows[r], sample.tokens[family][r], sample.weights[r]) for r in use
            if sample.tokens[family][r] is not None]
    coefficients, trust = prior, [1.0] * len(used)
    for _ in range(ROUNDS):
        matrix = [[pull if i == c else 0.0 for c in range(n)] for i in range(n)]
        right = [0.0] * n
        for (row, tokens, weight), v in zip(used, trust):
            w = weight * v / tokens ** 2
            rest = tokens - estimate(prior, row)
            for i, a in row:
                right[i] += w * a * rest
                line = matrix[i]
                for c, b in row:
                    line[c] += w * a * b
        coefficients = [p + d for p, d in zip(prior, solve(matrix, right))]
        trust = [min(1.0, HUBER / max(abs(estimate(coefficients, row) - t) / t, 1e-9))
                 for row, t, _ in used]
    return coefficients


def fit_all(sample, families, use):
    order = names()
    found = {}
    for family in families:
        near = NEAR.get(family)
        prior = found[near] if near else [float(PRIOR.get(name, 0)) for name in order]
        found[family] = fit(sample, family, prior, 30e-3 if near else 1e-3, use)
    return found


def check(sample):
    random.seed(1)
    fold = [random.randrange(FOLDS) for _ in range(sample.given)]
    guess = [0.0] * sample.given
    for held in range(FOLDS):
        use = [r for r in range(len(sample.rows)) if r >= sample.given or fold[r] != held]
        coefficients = fit_all(sample, FAMILIES[:1], use)[FAMILIES[0]]
        for r in range(sample.given):
            if fold[r] == held:
                guess[r] = max(1, round(estimate(coefficients, sample.rows[r])))
    for kind in dict.fromkeys(sample.kinds[:sample.given]):
        real = sample.tokens[FAMILIES[0]]
        errors = sorted(abs(guess[r] - real[r]) / real[r] for r in range(sample.given)
                        if sample.kinds[r] == kind)
        print("%-12s median %5.1f %%  p90 %5.1f %%" % (
            kind, 100 * errors[len(errors) // 2], 100 * errors[len(errors) * 9 // 10]))


def main():
    arguments = sys.argv[1:]
    only_check = arguments[:1] == ["--check"]
    bench, data, *extra = arguments[only_check:]
    sample = Sample(bench, data, extra[0] if extra else None)
    if only_check:
        check(sample)
        return
    found = fit_all(sample, FAMILIES, range(len(sample.rows)))
    print("/* SPDX-License-Identifier: Apache-2.0 */")
    print("/* Made by tools/fit_tokens.py: what a count is worth for each tokenizer, in 1/%d token. */" % ONE)
    print('#include "route/text/coefficients.h"\n')
    print("/* clang-format off */")
    print("const int32_t fl_token_coefficients[FL_TEXT_TOKEN_COUNTS][FL_TEXT_TOKENIZERS] = {")
    for i, name in enumerate(names()):
        print("    %-27s {%s}," % ("[FL_TEXT_%s] =" % name, ", ".join(
            "%5d" % round(found[f][i] * ONE) for f in FAMILIES)))
    print("};")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the classifier's own training prompts from training/templates.txt and training/slots.txt.

usage: tools/make_prompts.py [--each N] [--seed S] > prompts.jsonl

Every template is drawn N times its group's weight; a line of output is {"prompt",
"label", "source", "group"}, a group being a template. The
same seed gives the same file on every Python 3.
"""
import argparse
import json
import pathlib
import random
import sys

TRAINING = pathlib.Path(__file__).resolve().parent.parent / "training"


def read_slots(path):
    slots, name = {}, None
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("#") or not line:
            continue
        if line.startswith("@"):
            name = line[1:]
            slots[name] = []
        else:
            slots[name].append(line)
    return slots


def read_templates(path):
    groups, label, weight = [], None, 0
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("# ") and line.split()[-1].isdigit() and len(line.split()) == 3:
            label, weight = line.split()[1], int(line.split()[2])
        elif line and not line.startswith("#"):
            if label is None:
                sys.exit(f"templates.txt:{number}: a template before the first group")
            groups.append((label, weight, line))
    return groups


class Writer:
    """Expands [a|b|c] and {slot}, inside out, left to right."""

    def __init__(self, slots, seed):
        self.slots = slots
        self.random = random.Random(seed)

    def pick(self, options):
        return options[int(self.random.random() * len(options))]

    def choose(self, text, at):
        """The alternatives of the bracket that opens at *at*, and the offset behind it."""
        options, depth, start = [], 0, at + 1
        for i in range(at, len(text)):
            if text[i] == "[":
                depth += 1
            elif text[i] == "|" and depth == 1:
                options.append(text[start:i])
                start = i + 1
            elif text[i] == "]":
                depth -= 1
                if depth == 0:
                    options.append(text[start:i])
                    return options, i + 1
        sys.exit("unbalanced bracket in: " + text)

    def write(self, text):
        out, i = [], 0
        while i < len(text):
            if text[i] == "[":
                options, i = self.choose(text, i)
                out.append(self.write(self.pick(options)))
            elif text[i] == "{" and text.find("}", i) > 0 and text[i + 1:text.find("}", i)] in self.slots:
                end = text.find("}", i)
                out.append(self.write(self.pick(self.slots[text[i + 1:end]])))
                i = end + 1
            else:
                out.append(text[i])
                i += 1
        return "".join(out)


def shaken(prompt, rng):
    """People also write without capitals, marks or care."""
    chance = rng.random()
    if chance < 0.06:
        prompt = prompt.lower()
    elif chance < 0.10 and prompt.endswith((".", "?")):
        prompt = prompt[:-1]
    elif chance < 0.12 and len(prompt) < 200:
        prompt = prompt.upper()
    return prompt


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--each", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    writer = Writer(read_slots(TRAINING / "slots.txt"), args.seed)
    seen = set()
    for number, (label, weight, template) in enumerate(read_templates(TRAINING / "templates.txt")):
        for _ in range(args.each * weight):
            prompt = shaken(writer.write(template).replace("\\n", "\n"), writer.random).strip()
            if prompt and prompt not in seen:
                seen.add(prompt)
                row = {"prompt": prompt, "label": label, "source": "own", "group": f"template {number}"}
                print(json.dumps(row, ensure_ascii=False))


if __name__ == "__main__":
    main()

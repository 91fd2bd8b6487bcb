#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes src/route/text/properties.c: which characters are letters, marks, numbers, white space.

usage: text_properties.py > src/route/text/properties.c

A table of two stages: which block of 128 characters, then four bits a character. Blocks that are
alike are one. The classes and the look-up are in src/route/text/properties.h.
"""
import unicodedata

BLOCK, END = 128, 0x32400  # from here on only the variation selectors of plane 14 matter
OTHER, UPPER, LOWER, LETTER, MARK, NUMBER, SPACE = range(7)
# White_Space of the Unicode Character Database; categories do not say it.
SPACES = {*range(9, 14), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F,
          0x205F, 0x3000}


def class_of(code):
    category = unicodedata.category(chr(code))
    if code in SPACES:
        return SPACE
    if category in ("Lu", "Lt"):
        return UPPER
    if category == "Ll":
        return LOWER
    return {"L": LETTER, "M": MARK, "N": NUMBER}.get(category[0], OTHER)


def rows(values, form, a_line):
    for at in range(0, len(values), a_line):
        print("    " + " ".join(form % v for v in values[at:at + a_line]))


def main():
    for code in range(END, 0x110000):
        assert class_of(code) == (MARK if 0xE0100 <= code <= 0xE01EF else OTHER), hex(code)
    blocks, index = {}, []
    for first in range(0, END, BLOCK):
        block = tuple(class_of(c) for c in range(first, first + BLOCK))
        index.append(blocks.setdefault(block, len(blocks)))
    assert len(blocks) < 256
    packed = [b[i] | b[i + 1] << 4 for b in blocks for i in range(0, BLOCK, 2)]
    print("/* SPDX-License-Identifier: Apache-2.0 */")
    print("/* Made by tools/text_properties.py from Unicode %s. */" % unicodedata.unidata_version)
    print('#include "route/text/properties.h"\n')
    print("/* clang-format off */")
    print("const unsigned char fl_properties_index[%d] = {" % len(index))
    rows(index, "%3d,", 19)
    print("};")
    print("const unsigned char fl_properties_blocks[%d] = {" % len(packed))
    rows(packed, "0x%02x,", 19)
    print("};")


if __name__ == "__main__":
    main()

/* SPDX-License-Identifier: Apache-2.0 */
/* What the pre-tokenisers ask of a character: \p{L} with its case, \p{M}, \p{N}, \s. */
#ifndef FL_ROUTE_TEXT_PROPERTIES_H
#define FL_ROUTE_TEXT_PROPERTIES_H

#include <stdint.h>

enum fl_property {
    FL_PROPERTY_OTHER,
    FL_PROPERTY_UPPER,  /* Lu, Lt */
    FL_PROPERTY_LOWER,  /* Ll */
    FL_PROPERTY_LETTER, /* Lm, Lo */
    FL_PROPERTY_MARK,   /* M */
    FL_PROPERTY_NUMBER, /* N */
    FL_PROPERTY_SPACE   /* White_Space */
};

enum {
    fl_properties_block = 128, /* characters */
    fl_properties_end = 0x32400
};

extern const unsigned char fl_properties_index[];
extern const unsigned char fl_properties_blocks[];

static inline enum fl_property fl_property_of(uint32_t code)
{
    if (code >= fl_properties_end) {
        return code >= 0xe0100 && code <= 0xe01ef ? FL_PROPERTY_MARK : FL_PROPERTY_OTHER;
    }
    uint32_t at = (uint32_t)fl_properties_index[code / fl_properties_block] * fl_properties_block +
                  code % fl_properties_block;
    return (enum fl_property)(fl_properties_blocks[at / 2] >> (at & 1) * 4 & 0xf);
}

#endif

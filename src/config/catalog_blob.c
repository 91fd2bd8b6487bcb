/* SPDX-License-Identifier: Apache-2.0 */
/* catalog/catalog.txt as packed by the build, whose path FL_CATALOG_GZ is. Compiled without
 * link-time optimisation, which does not see names that an assembler defines. */
#include "config/catalog_blob.h"

__asm__(".section .rodata,\"a\"\n"
        ".global fl_catalog_blob\n"
        ".hidden fl_catalog_blob\n"
        ".global fl_catalog_blob_end\n"
        ".hidden fl_catalog_blob_end\n"
        "fl_catalog_blob:\n"
        ".incbin \"" FL_CATALOG_GZ "\"\n"
        "fl_catalog_blob_end:\n"
        ".byte 0\n"
        ".previous\n");

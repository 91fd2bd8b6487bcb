/* SPDX-License-Identifier: Apache-2.0 */
/* The packed built-in catalogue, from fl_catalog_blob to fl_catalog_blob_end. */
#ifndef FL_CONFIG_CATALOG_BLOB_H
#define FL_CONFIG_CATALOG_BLOB_H

extern const char fl_catalog_blob[] __attribute__((visibility("hidden")));
extern const char fl_catalog_blob_end[] __attribute__((visibility("hidden")));

#endif

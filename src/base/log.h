/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines. Only server and cli log; lower layers return errors. A line is one line: control bytes
 * are escaped. Never a key, never prompt text. The sink is set once at start (stderr by default) and
 * must be safe to call from any thread.
 */
#ifndef FL_BASE_LOG_H
#define FL_BASE_LOG_H

#include "base/slice.h"

enum fl_log_level { FL_LOG_ERROR, FL_LOG_WARN, FL_LOG_NOTICE, FL_LOG_INFO, FL_LOG_DEBUG };

typedef void fl_log_sink_fn(enum fl_log_level level, struct fl_slice line);

/* NULL restores stderr. Levels above *max* are dropped. */
void fl_log_setup(enum fl_log_level max, fl_log_sink_fn *sink);
bool fl_log_enabled(enum fl_log_level level);
/* At most 2,048 bytes; longer lines end in "...". */
void fl_log(enum fl_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif

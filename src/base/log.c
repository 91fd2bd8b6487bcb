/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

enum { line_max = 2048 };

static enum fl_log_level level_max = FL_LOG_NOTICE;
static fl_log_sink_fn *current_sink;

void fl_log_setup(enum fl_log_level max, fl_log_sink_fn *sink)
{
    level_max = max;
    current_sink = sink;
}

bool fl_log_enabled(enum fl_log_level level)
{
    return level <= level_max;
}

static void to_stderr(enum fl_log_level level, struct fl_slice line)
{
    static const char *const names[] = {"error", "warning", "notice", "info", "debug"};
    char bytes[line_max + 32];
    struct fl_buf b;
    fl_buf_init_in(&b, bytes, sizeof(bytes));
    fl_buf_put_cstr(&b, "fairlead: ");
    fl_buf_put_cstr(&b, names[level]);
    fl_buf_put_cstr(&b, ": ");
    fl_buf_put(&b, line);
    fl_buf_putc(&b, '\n');
    ssize_t written = write(STDERR_FILENO, b.ptr, b.len);
    (void)written; /* nobody is left to tell */
}

void fl_log(enum fl_log_level level, const char *format, ...)
{
    char line[line_max];
    va_list args;
    if (!fl_log_enabled(level)) {
        return;
    }
    va_start(args, format);
    int len = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    if (len < 0) {
        return;
    }
    if ((size_t)len >= sizeof(line)) {
        len = (int)sizeof(line) - 1;
        memcpy(line + len - 3, "...", 3);
    }
    for (int i = 0; i < len; i++) {
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f) {
            line[i] = '?';
        }
    }
    (current_sink ? current_sink : to_stderr)(level, fl_slice(line, (size_t)len));
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two steps, each linear: lines are followed until an empty one, remembering between calls how far
 * they were; then the lines of the whole event are read for their fields.
 *
 *   [BOM] { line eol } eol        eol = LF | CRLF | CR
 *
 * A CR that is the last byte there is ends its line at once, since waiting for a possible LF would
 * hold back a finished event. The LF that may follow comes as an event of its own, one byte without
 * data.
 */
#include "codec/sse.h"

#include "codec/scan.h"

#include "base/assert.h"

static const struct fl_slice bom = {"\xef\xbb\xbf", 3};

/* Length of the BOM at the front of a stream's first event. */
static size_t bom_len(const struct fl_sse *sse, struct fl_slice bytes)
{
    return !sse->started && fl_slice_starts(bytes, bom) ? bom.len : 0;
}

/* Is *line* the field *name*? Its value is what follows the colon and at most one space. */
static bool field_is(struct fl_slice line, struct fl_slice name, struct fl_slice *ret_value)
{
    size_t at = name.len;
    if (!fl_slice_starts(line, name) || (at < line.len && line.ptr[at] != ':')) {
        return false;
    }
    at += at < line.len;
    at += at < line.len && line.ptr[at] == ' ';
    *ret_value = fl_slice(line.ptr + at, line.len - at);
    return true;
}

/* One more data line: the first stands in place, from the second on they are joined. */
static void add_data(struct fl_sse_event *event, struct fl_slice line, struct fl_slice value,
                     struct fl_buf *joined)
{
    if (event->data_lines == 0) {
        event->data = value;
    } else if (joined) {
        if (event->data_lines == 1) {
            fl_buf_reset(joined);
            fl_buf_put(joined, event->data);
        }
        fl_buf_putc(joined, '\n');
        fl_buf_put(joined, value);
    } else {
        event->data.len = (size_t)(line.ptr + line.len - event->data.ptr);
    }
    event->data_lines++;
}

static void read_line(struct fl_slice line, struct fl_buf *joined, struct fl_sse_event *event)
{
    struct fl_slice value;
    if (field_is(line, FL_LIT("data"), &value)) {
        add_data(event, line, value, joined);
    } else if (field_is(line, FL_LIT("event"), &value)) {
        event->name = value;
    }
}

/* Reads the fields of *lines*, the whole lines of one event. */
static enum fl_err read_event(struct fl_slice lines, struct fl_buf *joined,
                              struct fl_sse_event *event)
{
    const char *at = lines.ptr, *end = lines.ptr + lines.len;
    while (at < end) {
        const char *eol = fl_scan_eol(at, end);
        read_line(fl_slice(at, (size_t)(eol - at)), joined, event);
        at = eol < end ? eol + 1 : end; /* the LF of a CRLF reads as one more line, an empty one */
    }
    if (event->data_lines > 1 && joined) {
        if (!fl_buf_ok(joined)) {
            return lines.len > joined->max ? FL_ERR_SSE_LONG : FL_ERR_NOMEM;
        }
        event->data = fl_buf_slice(joined);
    }
    return FL_OK;
}

/* Follows lines from where the last call stopped. True: an empty line ends at *ret_end*, not
 * counting the LF after a CR. */
static bool find_end(struct fl_sse *sse, struct fl_slice bytes, size_t *ret_end)
{
    const char *start = bytes.ptr, *end = start + bytes.len;
    for (;;) {
        const char *eol = fl_scan_eol(start + sse->scanned, end);
        size_t at = (size_t)(eol - start);
        sse->scanned = at;
        if (at == bytes.len) {
            return false;
        }
        if (at == sse->line_start) {
            *ret_end = at + 1;
            return true;
        }
        if (*eol == '\r') {
            if (at + 1 == bytes.len) {
                return false;
            }
            at += eol[1] == '\n';
        }
        if (sse->lines++ == 0) {
            sse->first_end = (size_t)(eol - start);
        }
        sse->scanned = sse->line_start = at + 1;
    }
}

/* Gives the event that is the first *end* bytes and forgets how far the search was. *whole*: it ends
 * with its empty line, so that an event of one line needs no second look for where that ends. */
static enum fl_err give(struct fl_sse *sse, struct fl_slice bytes, size_t end, bool whole,
                        struct fl_buf *joined, struct fl_sse_event *ret_event)
{
    struct fl_sse_event event = {.raw = fl_slice_first(bytes, end)};
    size_t skip = bom_len(sse, bytes);
    if (whole && sse->lines == 1) {
        read_line(fl_slice(bytes.ptr + skip, sse->first_end - skip), joined, &event);
    } else {
        enum fl_err err = read_event(fl_slice(bytes.ptr + skip, end - skip), joined, &event);
        if (err) {
            return err;
        }
    }
    bool cr = bytes.ptr[end - 1] == '\r';
    if (cr && end < bytes.len && bytes.ptr[end] == '\n') {
        event.raw.len++;
        cr = false;
    }
    *sse = (struct fl_sse){.started = true, .skip_lf = cr};
    *ret_event = event;
    return FL_OK;
}

/* No more bytes come: what is left is an event when it has data, else it stays where it is. */
static enum fl_err give_rest(struct fl_sse *sse, struct fl_slice bytes, struct fl_buf *joined,
                             struct fl_sse_event *ret_event)
{
    struct fl_sse after = *sse;
    struct fl_sse_event event;
    enum fl_err err = give(&after, bytes, bytes.len, false, joined, &event);
    if (err) {
        return err;
    }
    if (event.data_lines > 0) {
        *sse = after;
        *ret_event = event;
    } else {
        *ret_event = (struct fl_sse_event){0};
    }
    return FL_OK;
}

enum fl_err fl_sse_next(struct fl_sse *sse, struct fl_slice bytes, bool at_end, size_t max,
                        struct fl_buf *joined, struct fl_sse_event *ret_event)
{
    struct fl_sse_event none = {0};
    size_t end = 0;
    if (bytes.len == 0) {
        *ret_event = none;
        return FL_OK;
    }
    fl_assert(sse->line_start <= sse->scanned && sse->scanned <= bytes.len);
    if (sse->skip_lf && bytes.ptr[0] == '\n') {
        sse->skip_lf = false;
        none.raw = fl_slice_first(bytes, 1);
        *ret_event = none;
        return FL_OK;
    }
    sse->skip_lf = false;
    if (sse->line_start == 0 && sse->scanned <= bom.len) {
        /* The first bytes again, because a BOM may have become whole. */
        sse->scanned = sse->line_start = bom_len(sse, bytes);
    }
    if (find_end(sse, bytes, &end)) {
        return end > max ? FL_ERR_SSE_LONG : give(sse, bytes, end, true, joined, ret_event);
    }
    if (bytes.len > max) {
        return FL_ERR_SSE_LONG;
    }
    if (at_end) {
        return give_rest(sse, bytes, joined, ret_event);
    }
    *ret_event = none;
    return FL_OK;
}

void fl_sse_put_without_id(struct fl_slice raw, struct fl_buf *b)
{
    const char *start = raw.ptr, *at = start, *end = start + raw.len;
    while (at < end) {
        struct fl_slice value;
        const char *eol = fl_scan_eol(at, end), *next = eol < end ? eol + 1 : end;
        if (*at == 'i' && field_is(fl_slice(at, (size_t)(eol - at)), FL_LIT("id"), &value)) {
            fl_buf_put(b, fl_slice(start, (size_t)(at - start)));
            start = next < end && *eol == '\r' && *next == '\n' ? next + 1 : next;
            next = start;
        }
        at = next;
    }
    fl_buf_put(b, fl_slice(start, (size_t)(end - start)));
}

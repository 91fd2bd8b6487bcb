/* SPDX-License-Identifier: Apache-2.0 */
#include "server/understand.h"

/* What vendors bill of a picture lies between 85 and 1600 tokens, by its size and theirs, of a page of a document near
 * 2000. Neither's bytes tell: they are compressed. */
enum { image_tokens = 1000, file_tokens = 2000 };

static void on_message(void *owner, enum fl_role role)
{
    static const enum fl_text_role roles[FL_ROLE_COUNT] = {[FL_ROLE_SYSTEM] = FL_TEXT_SYSTEM,
                                                           [FL_ROLE_USER] = FL_TEXT_USER,
                                                           [FL_ROLE_ASSISTANT] = FL_TEXT_ASSISTANT,
                                                           [FL_ROLE_TOOL] = FL_TEXT_TOOL,
                                                           [FL_ROLE_DEFINITION] = FL_TEXT_TOOLS};
    fl_scan_message(owner, roles[role]);
}

static void on_text(void *owner, struct fl_slice piece)
{
    fl_scan_text(owner, piece);
}

void fl_understand(const struct fl_dialect *dialect, const struct fl_facts *facts, struct fl_understanding *u)
{
    const struct fl_text_sink sink = {&u->scan, on_message, on_text};
    struct fl_needs needs;
    fl_understand_begin(u);
    dialect->read_texts(facts, &sink, &needs);
    u->needs = (needs.tools ? FL_NEED_TOOLS : 0u) | (needs.vision ? FL_NEED_VISION : 0u) |
               (needs.audio ? FL_NEED_AUDIO : 0u) | (needs.json_schema ? FL_NEED_JSON_SCHEMA : 0u) |
               (facts->stream ? FL_NEED_STREAMING : 0u);
    u->streaming = facts->stream;
    u->tokens_out_max = facts->tokens_out_max;
    u->tokens_beside = (uint64_t)needs.images * image_tokens + (uint64_t)needs.files * file_tokens;
    fl_understand_end(u);
}

void fl_plain_put(const struct fl_facts *facts, struct fl_route_request *request)
{
    request->needs = facts->stream ? FL_NEED_STREAMING : 0u;
    request->streaming = facts->stream;
    request->tokens_out_max = facts->tokens_out_max < UINT32_MAX ? (unsigned)facts->tokens_out_max : UINT32_MAX;
    request->task = FL_TASK_OTHER;
}

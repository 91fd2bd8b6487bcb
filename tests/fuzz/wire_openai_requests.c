/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a client's request in OpenAI's two forms: no crash; a refusal says why; what is accepted is
 * written as valid JSON for every vendor in both forms, and what is written is accepted again.
 */
#include "base/assert.h"
#include "dialect/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void write_for(const struct fl_wire *to, const struct fl_chat_request *r, const char *vendor,
                      const char *model)
{
    struct fl_write_options options = {
        .model = fl_slice_cstr(model), .vendor = fl_slice_cstr(vendor), .ask_usage = true};
    struct fl_losses losses = {0};
    struct fl_reterr reterr;
    struct fl_arena arena;
    struct fl_chat_request again;
    struct fl_buf out;
    struct fl_json whole;
    fl_buf_init(&out, 1 << 24);
    fl_arena_init(&arena, 1 << 12, 1 << 24);
    enum fl_err err = to->write(r, &options, &out, &losses, &reterr);
    fl_assert((err == FL_ERR_UPSTREAM_REQUEST) == losses.fatal);
    if (fl_buf_ok(&out)) {
        fl_assert(fl_json_scan(fl_buf_slice(&out), FL_JSON_LIMITS, NULL, 0, &whole, NULL) == FL_OK);
    }
    if (!err) { /* what lies deeper now is another matter: it may be too deep */
        (void)to->read(fl_buf_slice(&out), &arena, &again, &reterr);
    }
    fl_arena_finish(&arena);
    fl_buf_finish(&out);
}

static void read_as(const struct fl_wire *from, struct fl_slice body)
{
    static const char *const vendors[] = {"openai", "mistral", "deepseek", "openrouter", "groq", ""};
    struct fl_arena arena;
    struct fl_chat_request r;
    struct fl_reterr reterr = {0};
    fl_arena_init(&arena, 1 << 12, 1 << 24);
    enum fl_err err = from->read(body, &arena, &r, &reterr);
    fl_assert(!err || err == FL_ERR_NOMEM || reterr.message[0] != '\0');
    for (unsigned i = 0; !err && i < 6; i++) {
        write_for(&fl_wire_openai_chat, &r, vendors[i], "gpt-5");
        write_for(&fl_wire_openai_responses, &r, vendors[i], "m");
    }
    fl_arena_finish(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct fl_slice body = fl_slice((const char *)bytes, len);
    read_as(&fl_wire_openai_chat, body);
    read_as(&fl_wire_openai_responses, body);
    return 0;
}

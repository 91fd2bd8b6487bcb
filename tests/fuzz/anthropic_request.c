/* SPDX-License-Identifier: Apache-2.0 */
/* Any body as a messages request, written for each host of Claude and for converse: no crash, and
 * what is written is JSON. The first byte chooses the model. */
#include "base/assert.h"
#include "dialect/dialect.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void ignore_message(void *owner, enum fl_role role)
{
    (void)owner;
    fl_assert((unsigned)role < FL_ROLE_COUNT);
}

static void ignore_text(void *owner, struct fl_slice piece)
{
    *(size_t *)owner += piece.len;
}

static void read_raw(struct fl_slice body)
{
    char memory[512];
    size_t bytes = 0;
    struct fl_text_sink sink = {&bytes, ignore_message, ignore_text};
    struct fl_buf scratch;
    struct fl_facts facts;
    struct fl_needs needs;
    struct fl_reterr reterr;
    fl_buf_init_in(&scratch, memory, sizeof(memory));
    if (fl_dialect_anthropic.read_request(FL_ENDPOINT_MESSAGES, body, &scratch, &facts, &reterr) ==
        FL_OK) {
        struct fl_request_body out;
        fl_dialect_anthropic.read_texts(&facts, &sink, &needs);
        fl_dialect_anthropic.write_request(&facts, FL_LIT("m"), true, &scratch, &out);
        fl_assert(bytes <= 2 * body.len && out.bytes <= body.len + 64);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static const struct fl_wire *const forms[] = {&fl_wire_anthropic, &fl_wire_anthropic_bedrock,
                                                  &fl_wire_anthropic_vertex, &fl_wire_converse};
    static const struct fl_slice models[] = {
        {"claude-3-haiku-20240307", 23}, {"claude-sonnet-4-20250514", 24},
        {"claude-opus-4-6", 15},         {"us.anthropic.claude-opus-5", 26},
        {"amazon.nova-lite-v1:0", 21},   {"openai.gpt-oss-20b-1:0", 22}};
    struct fl_slice body = fl_slice((const char *)bytes + 1, len - 1);
    struct fl_arena arena;
    struct fl_chat_request request;
    struct fl_reterr reterr;
    if (len == 0) {
        return 0;
    }
    read_raw(body);
    fl_arena_init(&arena, 4096, 1 << 24);
    if (fl_wire_anthropic.read(body, &arena, &request, &reterr) == FL_OK) {
        for (unsigned i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
            struct fl_write_options options = {.model = models[bytes[0] % 6]};
            struct fl_losses losses = {.count = 0};
            struct fl_buf out;
            struct fl_json whole;
            fl_buf_init(&out, 1 << 24);
            enum fl_err err = forms[i]->write(&request, &options, &out, &losses, &reterr);
            fl_assert((err == FL_ERR_UPSTREAM_REQUEST) == losses.fatal);
            fl_assert(err || fl_json_scan(fl_buf_slice(&out), FL_JSON_LIMITS, NULL, 0, &whole,
                                          NULL) == FL_OK);
            fl_buf_finish(&out);
        }
    }
    fl_arena_finish(&arena);
    return 0;
}

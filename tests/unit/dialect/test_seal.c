/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two turns: a vendor thinks and signs, the client sends that back, another turn goes to some vendor. The proof
 * comes to its own maker as it was, and to nobody else; no mark ever leaves.
 */
#include "unit/cm.h"

#include "dialect/dialect.h"
#include "dialect/seal.h"

#include <stdlib.h>

struct vendor {
    const struct fl_wire *wire;
    const char *type, *model, *maker;
    const char *proof; /* as the form has it in an event */
};

static const struct vendor vendors[] = {
    {&fl_wire_anthropic, "anthropic", "claude-sonnet-4-5", "anthropic", "UFJPT0Y="},
    {&fl_wire_anthropic_bedrock, "bedrock", "anthropic.claude-sonnet-4-5-v1:0", "anthropic",
     "UFJPT0Y="},
    {&fl_wire_anthropic_vertex, "vertex", "claude-sonnet-4-5", "anthropic", "UFJPT0Y="},
    {&fl_wire_converse, "bedrock", "us.anthropic.claude-sonnet-4-5-v1:0", "anthropic", "UFJPT0Y="},
    {&fl_wire_converse, "bedrock", "amazon.nova-2-lite-v1:0", "bedrock", "UFJPT0Y="},
    {&fl_wire_gemini, "gemini", "gemini-3-pro", "gemini", "UFJPT0Y="},
    {&fl_wire_gemini, "vertex", "gemini-3-pro", "gemini", "UFJPT0Y="},
    {&fl_wire_openai_chat, "openrouter", "some/model", "openrouter", "UFJPT0Y="},
    {&fl_wire_openai_responses, "openai", "gpt-5", "openai", "rs_1#UFJPT0Y="},
    {&fl_wire_openai_responses, "azure", "gpt-5", "azure", "rs_1#UFJPT0Y="},
    {&fl_wire_ollama, "ollama_native", "qwen3", "ollama_native", ""},
};
enum { vendor_count = sizeof(vendors) / sizeof(*vendors) };

static const struct fl_wire *const clients[] = {&fl_wire_anthropic, &fl_wire_openai_chat,
                                                &fl_wire_openai_responses};
enum { client_count = sizeof(clients) / sizeof(*clients) };

struct rig {
    struct fl_arena arena;
    struct fl_buf answer, body, out;
    struct fl_losses losses;
};

static int setup(void **state)
{
    struct rig *r = calloc(1, sizeof(*r));
    assert_non_null(r);
    fl_arena_init(&r->arena, 4096, 1 << 20);
    fl_buf_init(&r->answer, 1 << 20);
    fl_buf_init(&r->body, 1 << 20);
    fl_buf_init(&r->out, 1 << 20);
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    struct rig *r = *state;
    fl_arena_finish(&r->arena);
    fl_buf_finish(&r->answer);
    fl_buf_finish(&r->body);
    fl_buf_finish(&r->out);
    free(r);
    return 0;
}

static struct fl_slice maker_of(const struct vendor *v)
{
    return fl_seal_maker(v->wire, fl_slice_cstr(v->type), fl_slice_cstr(v->model));
}

static bool has(const struct fl_buf *b, const char *text)
{
    return fl_slice_find_text(fl_buf_slice(b), fl_slice_cstr(text)) < b->len;
}

/* --- the first turn: what the client gets --- */

struct teller {
    struct rig *rig;
    const struct fl_wire *client;
    struct fl_slice maker;
    struct fl_chat_answer answer;
};

static void tell(struct teller *t, struct fl_chat_event event)
{
    struct fl_chat_event storage;
    fl_chat_answer_take(&t->answer,
                        fl_seal_mark(&event, t->client, t->maker, &t->rig->arena, &storage));
}

static void first_turn(struct rig *r, const struct fl_wire *client, const struct vendor *v)
{
    struct teller t = {r, client, maker_of(v), {0}};
    struct fl_slice proof = fl_slice_cstr(v->proof);
    struct fl_encoder e = {.wire = client,
                           .model = FL_LIT("m"),
                           .id = FL_LIT("0123456789abcdefghijklmn"),
                           .kept_bytes_max = 1 << 16};
    bool signs_calls = v->wire == &fl_wire_gemini || v->wire == &fl_wire_openai_chat;
    fl_chat_answer_init(&t.answer, &r->arena);
    tell(&t, (struct fl_chat_event){.kind = FL_CHAT_START});
    tell(&t, (struct fl_chat_event){.kind = FL_CHAT_THINKING, .text = FL_LIT("hm")});
    if (proof.len > 0) {
        tell(&t, (struct fl_chat_event){.kind = FL_CHAT_SIGNATURE, .text = proof});
    }
    tell(&t, (struct fl_chat_event){.kind = FL_CHAT_CALL_BEGIN,
                                    .id = FL_LIT("call_1"),
                                    .name = FL_LIT("f"),
                                    .signature = signs_calls ? FL_LIT("Q0FMTA==") : FL_EMPTY});
    tell(&t, (struct fl_chat_event){.kind = FL_CHAT_CALL_ARGUMENTS, .text = FL_LIT("{}")});
    tell(&t, (struct fl_chat_event){.kind = FL_CHAT_FINISH, .finish = FL_FINISH_TOOL_CALLS});
    tell(&t, (struct fl_chat_event){.kind = FL_CHAT_DONE});
    fl_buf_reset(&r->answer);
    client->put_answer(&e, &t.answer, &r->answer);
    fl_encoder_finish(&e);
    assert_true(fl_buf_ok(&r->answer));
}

/* --- the second: the client sends it back --- */

static void put_member(struct fl_buf *b, struct fl_slice answer, const struct fl_slice *path,
                       unsigned path_len)
{
    struct fl_json whole;
    assert_int_equal(fl_json_scan(answer, FL_JSON_LIMITS, NULL, 0, &whole, NULL), FL_OK);
    struct fl_json value = fl_json_at(whole, path, path_len);
    assert_true(value.type == FL_JSON_ARRAY);
    fl_buf_put(b, value.span);
}

static void put_request(struct rig *r, const struct fl_wire *client)
{
    static const struct fl_slice content[] = {{"content", 7}}, choices[] = {{"choices", 7}},
                                 output[] = {{"output", 6}};
    struct fl_slice answer = fl_buf_slice(&r->answer);
    struct fl_buf *b = &r->body;
    fl_buf_reset(b);
    if (client == &fl_wire_anthropic) {
        fl_buf_put_cstr(
            b, "{\"model\":\"m\",\"max_tokens\":9000,\"thinking\":{\"type\":\"enabled\","
               "\"budget_tokens\":2000},\"tools\":[{\"name\":\"f\",\"input_schema\":{\"type\":"
               "\"object\"}}],\"messages\":[{\"role\":\"user\",\"content\":\"hi\"},{\"role\":"
               "\"assistant\",\"content\":");
        put_member(b, answer, content, 1);
        fl_buf_put_cstr(b, "},{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\","
                           "\"tool_use_id\":\"call_1\",\"content\":\"1\"}]}]}");
    } else if (client == &fl_wire_openai_chat) {
        struct fl_json whole, choice;
        assert_int_equal(fl_json_scan(answer, FL_JSON_LIMITS, NULL, 0, &whole, NULL), FL_OK);
        struct fl_json_iter it = fl_json_iter(fl_json_at(whole, choices, 1));
        assert_true(fl_json_next(&it, NULL, &choice));
        fl_buf_put_cstr(
            b, "{\"model\":\"m\",\"reasoning_effort\":\"high\",\"tools\":[{\"type\":\"function\","
               "\"function\":{\"name\":\"f\"}}],\"messages\":[{\"role\":\"user\",\"content\":"
               "\"hi\"},");
        fl_buf_put(b, fl_json_get(choice, FL_LIT("message")).span);
        fl_buf_put_cstr(b, ",{\"role\":\"tool\",\"tool_call_id\":\"call_1\",\"content\":\"1\"}]}");
    } else {
        struct fl_buf items;
        fl_buf_init(&items, 1 << 16);
        put_member(&items, answer, output, 1);
        fl_buf_put_cstr(
            b, "{\"model\":\"m\",\"store\":false,\"reasoning\":{\"effort\":\"high\"},\"tools\":[{"
               "\"type\":\"function\",\"name\":\"f\",\"parameters\":{}}],\"input\":[{\"role\":"
               "\"user\",\"content\":\"hi\"},");
        fl_buf_put(b, fl_slice(items.ptr + 1, items.len - 2));
        fl_buf_put_cstr(
            b, ",{\"type\":\"function_call_output\",\"call_id\":\"call_1\",\"output\":\"1\"}]}");
        fl_buf_finish(&items);
    }
}

static void second_turn(struct rig *r, const struct fl_wire *client, const struct vendor *v)
{
    struct fl_chat_request request = {0};
    struct fl_reterr reterr = {0};
    struct fl_slice body = fl_buf_slice(&r->body);
    if (client->read(body, &r->arena, &request, &reterr) != FL_OK) {
        fail_msg("%s: %s", client->name, reterr.message);
    }
    r->losses = (struct fl_losses){0};
    const struct fl_chat_request *opened =
        fl_seal_open(&request, client, v->wire, maker_of(v), &r->arena, &r->losses);
    struct fl_write_options options = {.model = fl_slice_cstr(v->model),
                                       .vendor = fl_slice_cstr(v->type),
                                       .tokens_out_default = 9000};
    fl_buf_reset(&r->out);
    assert_non_null(opened);
    if (v->wire->write(opened, &options, &r->out, &r->losses, &reterr) != FL_OK) {
        fail_msg("%s -> %s: %s", client->name, v->model, reterr.message);
    }
}

/* As the client's dialect says it of a request. */
static bool sealed(struct rig *r, const struct fl_wire *client)
{
    const struct fl_dialect *dialect = client == &fl_wire_anthropic ? &fl_dialect_anthropic : &fl_dialect_openai;
    struct fl_facts facts;
    struct fl_buf scratch;
    fl_buf_init(&scratch, 1024);
    assert_int_equal(dialect->read_request(FL_ENDPOINT_CHAT, fl_buf_slice(&r->body), &scratch, &facts, NULL), FL_OK);
    fl_buf_finish(&scratch);
    return facts.sealed;
}

static void check(struct rig *r, const struct fl_wire *client, const struct vendor *from,
                  const struct vendor *to)
{
    bool same = strcmp(from->maker, to->maker) == 0 && from->proof[0] != '\0';
    bool bare = client == &fl_wire_anthropic && strcmp(from->maker, "anthropic") == 0;
    first_turn(r, client, from);
    put_request(r, client);
    assert_true(sealed(r, client) == (from->proof[0] != '\0' && !bare));
    second_turn(r, client, to);
    bool proof = has(&r->out, "UFJPT0Y="), call = has(&r->out, "Q0FMTA=="), told = false;
    for (unsigned i = 0; i < r->losses.count; i++) {
        const char *what = r->losses.items[i].what;
        told = told || strncmp(what, "messages.thinking", 17) == 0 ||
               strcmp(what, "input.thinking") == 0;
    }
    if (proof != same || (call && !same) || has(&r->out, "fairlead:") ||
        (from->proof[0] != '\0' && told == same)) {
        fail_msg("%s: %s (%s) then %s (%s): proof %d, told %d\n%.*s\n%.*s", client->name,
                 from->wire->name, from->type, to->wire->name, to->type, proof, told,
                 (int)r->body.len, r->body.ptr, (int)r->out.len, r->out.ptr);
    }
    fl_arena_finish(&r->arena);
}

static void every_pair_over_two_turns(void **state)
{
    for (unsigned c = 0; c < client_count; c++) {
        for (unsigned i = 0; i < vendor_count * vendor_count; i++) {
            check(*state, clients[c], &vendors[i / vendor_count], &vendors[i % vendor_count]);
        }
    }
}

static void gemini_gets_its_calls_signature_back(void **state)
{
    struct rig *r = *state;
    for (unsigned c = 0; c < client_count; c++) {
        if (clients[c] == &fl_wire_anthropic) {
            continue; /* a block of a call has no place for one */
        }
        first_turn(r, clients[c], &vendors[5]);
        put_request(r, clients[c]);
        second_turn(r, clients[c], &vendors[6]);
        assert_true(has(&r->out, "\"thoughtSignature\":\"Q0FMTA==\""));
        second_turn(r, clients[c], &vendors[7]);
        assert_false(has(&r->out, "Q0FMTA=="));
    }
}

/* What came through from the client's own dialect has no mark. */
static void bare_proofs_stay_in_their_dialect(void **state)
{
    struct rig *r = *state;
    for (unsigned i = 0; i < vendor_count; i++) {
        const struct vendor *v = &vendors[i];
        first_turn(r, &fl_wire_anthropic, &vendors[0]);
        assert_true(has(&r->answer, "\"signature\":\"UFJPT0Y=\""));
        put_request(r, &fl_wire_anthropic);
        second_turn(r, &fl_wire_anthropic, v);
        assert_true(has(&r->out, "UFJPT0Y=") == (strcmp(v->maker, "anthropic") == 0));
        fl_buf_reset(&r->body);
        fl_buf_put_cstr(
            &r->body,
            "{\"model\":\"m\",\"input\":[{\"type\":\"reasoning\",\"id\":\"rs_7\",\"summary\":"
            "[],\"encrypted_content\":\"UFJPT0Y=\"},{\"role\":\"user\",\"content\":\"hi\"}]}");
        second_turn(r, &fl_wire_openai_responses, v);
        assert_true(has(&r->out, "UFJPT0Y=") ==
                    (v->wire == &fl_wire_openai_responses || v->wire == &fl_wire_openai_chat));
        fl_arena_finish(&r->arena);
    }
}

static void redacted_thinking_is_dropped_or_returned(void **state)
{
    struct rig *r = *state;
    struct fl_chat_event event = {.kind = FL_CHAT_REDACTED, .text = FL_LIT("T1BBUVVF")}, storage;
    const struct fl_chat_event *marked =
        fl_seal_mark(&event, &fl_wire_anthropic, FL_LIT("openrouter"), &r->arena, &storage);
    assert_true(fl_slice_eq(marked->text, FL_LIT("fairlead:openrouter:T1BBUVVF")));
    fl_buf_put_cstr(
        &r->body, "{\"model\":\"m\",\"max_tokens\":99,\"messages\":[{\"role\":\"user\",\"content\":"
                  "\"hi\"},{\"role\":\"assistant\",\"content\":[{\"type\":\"redacted_thinking\","
                  "\"data\":\"fairlead:openrouter:T1BBUVVF\"},{\"type\":\"text\",\"text\":"
                  "\"yes\"}]},{\"role\":\"user\",\"content\":\"go\"}]}");
    second_turn(r, &fl_wire_anthropic, &vendors[7]);
    assert_true(has(&r->out, "\"T1BBUVVF\""));
    second_turn(r, &fl_wire_anthropic, &vendors[0]);
    assert_false(has(&r->out, "T1BB"));
    assert_true(has(&r->out, "yes"));
    assert_string_equal(r->losses.items[0].what, "messages.thinking");
}

static void without_memory_nothing_is_sent(void **state)
{
    struct rig *r = *state;
    struct fl_chat_request request = {0};
    struct fl_reterr reterr;
    struct fl_arena none;
    first_turn(r, &fl_wire_openai_chat, &vendors[0]);
    put_request(r, &fl_wire_openai_chat);
    assert_int_equal(fl_wire_openai_chat.read(fl_buf_slice(&r->body), &r->arena, &request, &reterr),
                     FL_OK);
    fl_arena_init(&none, 64, 0);
    assert_null(fl_seal_open(&request, &fl_wire_openai_chat, &fl_wire_gemini, FL_LIT("gemini"),
                             &none, &r->losses));
    fl_arena_finish(&none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_pair_over_two_turns, setup, teardown),
        cmocka_unit_test_setup_teardown(gemini_gets_its_calls_signature_back, setup, teardown),
        cmocka_unit_test_setup_teardown(bare_proofs_stay_in_their_dialect, setup, teardown),
        cmocka_unit_test_setup_teardown(redacted_thinking_is_dropped_or_returned, setup, teardown),
        cmocka_unit_test_setup_teardown(without_memory_nothing_is_sent, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

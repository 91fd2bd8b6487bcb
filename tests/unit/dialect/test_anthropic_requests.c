/* SPDX-License-Identifier: Apache-2.0 */
/* Requests between Anthropic's messages and OpenAI's chat, both ways, as written by hand. */
#include "unit/dialect/wire_rig.h"

#include "dialect/anthropic_wire.h"

struct row {
    const char *model, *in, *out;
};

static void check(const struct fl_wire *client, const struct fl_wire *provider,
                  const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char *out = rig_request(client, provider, rows[i].model, fl_slice_cstr(rows[i].in));
        if (strcmp(out, rows[i].out) != 0) {
            print_error("case %zu: %s\n", i, rows[i].in);
        }
        assert_string_equal(out, rows[i].out);
        free(out);
    }
}

#define OLD    "claude-3-haiku-20240307"
#define BUDGET "claude-sonnet-4-20250514"
#define NEW    "claude-opus-4-6"
#define NEWER  "claude-opus-4-8"
#define HI     "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]"
#define HI_OUT                                                                                     \
    "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"hi\"}]}]"
#define USER(text) "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"" text "\"}]}"

static void models_are_known_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        unsigned version;
        bool opus;
    } cases[] = {
        {"claude-3-haiku-20240307", 30, false},
        {"claude-3-5-sonnet-latest", 35, false},
        {"us.anthropic.claude-3-7-sonnet-20250219-v1:0", 37, false},
        {"claude-sonnet-4-20250514", 40, false},
        {"claude-sonnet-4@20250514", 40, false},
        {"claude-sonnet-4-0", 40, false},
        {"claude-opus-4-1-20250805", 41, true},
        {"anthropic.claude-opus-4-6-v1", 46, true},
        {"claude-haiku-4-5@20251001", 45, false},
        {"claude-opus-4.8", 48, true},
        {"claude-opus-5", 50, true},
        {"anthropic.claude-v2:1", 21, false},
        {"claude-2.1", 21, false},
        {"claude-instant-v1", 10, false},
        {"arn:aws:bedrock:us-east-1:012345678901:inference-profile/"
         "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
         45, false},
        {"claude", 0, false},
        {"kimi-k2-0905", 0, false},
        {"", 0, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fl_claude c = fl_claude_of(fl_slice_cstr(cases[i].name));
        if (c.version != cases[i].version || c.opus != cases[i].opus) {
            print_error("%s: %u\n", cases[i].name, c.version);
            fail();
        }
    }
}

static void messages_are_written(void **state)
{
    (void)state;
    static const struct row rows[] = {
        /* the system texts first, turns merged, empty ones dropped */
        {OLD,
         "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"system\",\"content\":\"be\"},"
         "{\"role\":\"developer\",\"content\":\"kind\"},{\"role\":\"user\",\"content\":\"a\"},"
         "{\"role\":\"user\",\"content\":\"b\"},{\"role\":\"assistant\",\"content\":\"\"},"
         "{\"role\":\"user\",\"content\":\" \\n\"},{\"role\":\"user\",\"content\":\"c\"}]}",
         "{\"model\":\"" OLD "\",\"max_tokens\":9,\"system\":[{\"type\":\"text\",\"text\":\"be\"},"
         "{\"type\":\"text\",\"text\":\"kind\"}],\"messages\":[{\"role\":\"user\",\"content\":["
         "{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"text\",\"text\":\"b\"},{\"type\":\"text\","
         "\"text\":\"c\"}]}]}"},
        /* a later system text stands where it stood; the first word is the user's */
        {OLD,
         "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"assistant\",\"content\":"
         "\"yes?\"},"
         "{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"system\",\"content\":\"now\"}]}",
         "{\"model\":\"" OLD "\",\"max_tokens\":9,\"messages\":[" USER(
             ".") ",{\"role\":\"assistant\",\"content\":["
                  "{\"type\":\"text\",\"text\":\"yes?\"}]},{\"role\":\"user\",\"content\":[{"
                  "\"type\":\"text\",\"text\":\"a\"},"
                  "{\"type\":\"text\",\"text\":\"now\"}]}]} [messages.system=approximated, "
                  "messages=approximated]"},
        /* parallel results in one turn, before the text; ids that Anthropic refuses are made anew */
        {OLD,
         "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":\"q\"},{"
         "\"role\":\"assistant\","
         "\"content\":null,\"tool_calls\":[{\"id\":\"c1\",\"type\":\"function\",\"function\":{"
         "\"name\":\"f\","
         "\"arguments\":\"{\\\"a\\\":1}\"}},{\"id\":\"c2\",\"type\":\"function\",\"function\":{"
         "\"name\":\"g\","
         "\"arguments\":\"\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":\"r1\"},{"
         "\"role\":\"tool\","
         "\"tool_call_id\":\"c2\",\"content\":\"r2\"},{\"role\":\"user\",\"content\":\"go\"}]}",
         "{\"model\":\"" OLD "\",\"max_tokens\":9,\"messages\":[" USER(
             "q") ",{\"role\":\"assistant\",\"content\":["
                  "{\"type\":\"tool_use\",\"id\":\"c1\",\"name\":\"f\",\"input\":{\"a\":1}},{"
                  "\"type\":\"tool_use\",\"id\":\"c2\","
                  "\"name\":\"g\",\"input\":{}}]},{\"role\":\"user\",\"content\":[{\"type\":\"tool_"
                  "result\",\"tool_use_id\":"
                  "\"c1\",\"content\":[{\"type\":\"text\",\"text\":\"r1\"}]},{\"type\":\"tool_"
                  "result\",\"tool_use_id\":\"c2\","
                  "\"content\":[{\"type\":\"text\",\"text\":\"r2\"}]},{\"type\":\"text\",\"text\":"
                  "\"go\"}]}]}"},
        /* images */
        {OLD,
         "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":[{"
         "\"type\":\"image_url\","
         "\"image_url\":{\"url\":\"data:image/"
         "png;base64,iVBORw==\"}},{\"type\":\"image_url\",\"image_url\":{\"url\":"
         "\"https://x.test/a.jpg\"}}]}]}",
         "{\"model\":\"" OLD
         "\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image\","
         "\"source\":{\"type\":\"base64\",\"media_type\":\"image/"
         "png\",\"data\":\"iVBORw==\"}},{\"type\":\"image\","
         "\"source\":{\"type\":\"url\",\"url\":\"https://x.test/a.jpg\"}}]}]}"},
        /* white space at the end of a prefill is refused */
        {OLD,
         "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":\"q\"},"
         "{\"role\":\"assistant\",\"content\":\"so \\n\"}]}",
         "{\"model\":\"" OLD
         "\",\"max_tokens\":9,\"messages\":[" USER("q") ",{\"role\":\"assistant\",\"content\":["
                                                        "{\"type\":\"text\",\"text\":\"so\"}]}]}"},
        /* a turn of nothing but what another vendor knows is left out, and told */
        {OLD,
         "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":\"a\"},"
         "{\"role\":\"assistant\",\"content\":[{\"type\":\"theirs\",\"x\":1}]},"
         "{\"role\":\"user\",\"content\":\"b\"}]}",
         "{\"model\":\"" OLD "\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":["
         "{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"text\",\"text\":\"b\"}]}]} "
         "[messages.content]"},
        /* hints that have no place */
        {OLD,
         "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"name\":\"joe\","
         "\"content\":"
         "[{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://x.test/"
         "a\",\"detail\":\"low\"}}]}]}",
         "{\"model\":\"" OLD
         "\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":"
         "\"image\",\"source\":{\"type\":\"url\",\"url\":\"https://x.test/a\"}}]}]} "
         "[messages.name, "
         "messages.image.detail]"},
        {OLD, "{\"model\":\"m\",\"n\":2," HI "}",
         "refused: n: this provider gives one answer at a time. [n=impossible]"},
        {OLD,
         "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_audio\","
         "\"input_audio\":"
         "{\"data\":\"AA==\",\"format\":\"wav\"}}]}]}",
         "refused: The request holds what this provider cannot be asked. "
         "[messages.audio=impossible]"},
    };
    check(&fl_wire_openai_chat, &fl_wire_anthropic, rows, sizeof(rows) / sizeof(rows[0]));
}

static void settings_are_written(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {OLD,
         "{\"model\":\"m\",\"temperature\":1.5,\"top_p\":0.5,\"seed\":7,\"stop\":[\"END\",\" "
         "\"],\"stream\":true,"
         "\"logit_bias\":{\"1\":2},\"presence_penalty\":0,\"frequency_penalty\":1,\"user\":\"u\","
         "\"store\":true," HI "}",
         "{\"model\":\"" OLD "\",\"max_tokens\":4096,\"stream\":true," HI_OUT
         ",\"stop_sequences\":[\"END\"],"
         "\"temperature\":1,\"top_p\":0.5,\"metadata\":{\"user_id\":\"u\"}} [seed, "
         "frequency_penalty, logit_bias, "
         "stop, temperature=approximated, store]"},
        {BUDGET,
         "{\"model\":\"m\",\"max_completion_tokens\":20000,\"reasoning_effort\":\"high\","
         "\"temperature\":0," HI "}",
         "{\"model\":\"" BUDGET "\",\"max_tokens\":20000," HI_OUT
         ",\"thinking\":{\"type\":\"enabled\","
         "\"budget_tokens\":16384}} [reasoning_effort=approximated, temperature]"},
        {BUDGET, "{\"model\":\"m\",\"max_tokens\":100,\"reasoning_effort\":\"low\"," HI "}",
         "{\"model\":\"" BUDGET "\",\"max_tokens\":1124," HI_OUT
         ",\"thinking\":{\"type\":\"enabled\","
         "\"budget_tokens\":1024}} [reasoning_effort=approximated, max_tokens=approximated]"},
        {BUDGET, "{\"model\":\"m\",\"max_tokens\":9,\"reasoning_effort\":\"none\"," HI "}",
         "{\"model\":\"" BUDGET "\",\"max_tokens\":9," HI_OUT "}"},
        {OLD, "{\"model\":\"m\",\"max_tokens\":9,\"reasoning_effort\":\"high\"," HI "}",
         "{\"model\":\"" OLD "\",\"max_tokens\":9," HI_OUT "} [reasoning_effort]"},
        {NEW, "{\"model\":\"m\",\"max_tokens\":9,\"reasoning_effort\":\"minimal\"," HI "}",
         "{\"model\":\"" NEW "\",\"max_tokens\":9," HI_OUT ",\"thinking\":{\"type\":\"adaptive\"},"
         "\"output_config\":{\"effort\":\"low\"}} [reasoning_effort=approximated]"},
        {NEW, "{\"model\":\"m\",\"max_tokens\":9,\"reasoning_effort\":\"none\"," HI "}",
         "{\"model\":\"" NEW "\",\"max_tokens\":9," HI_OUT
         ",\"thinking\":{\"type\":\"disabled\"}}"},
        {NEWER,
         "{\"model\":\"m\",\"max_tokens\":9,\"reasoning_effort\":\"xhigh\",\"temperature\":0.2,"
         "\"top_p\":1," HI "}",
         "{\"model\":\"" NEWER "\",\"max_tokens\":9," HI_OUT
         ",\"thinking\":{\"type\":\"adaptive\"},"
         "\"output_config\":{\"effort\":\"xhigh\"}} [temperature]"},
        {NEWER, "{\"model\":\"m\",\"max_tokens\":9,\"temperature\":1," HI "}",
         "{\"model\":\"" NEWER "\",\"max_tokens\":9," HI_OUT "}"},
        {NEWER, "{\"model\":\"m\"," HI "}",
         "{\"model\":\"" NEWER "\",\"max_tokens\":64000," HI_OUT "}"},
        /* a model that thinks by budget goes on from calls only with the thoughts that led there */
        {BUDGET,
         "{\"model\":\"m\",\"max_tokens\":9000,\"reasoning_effort\":\"low\",\"messages\":[{"
         "\"role\":\"user\",\"content\":\"q\"},"
         "{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"c\",\"type\":\"function\",\"function\":"
         "{\"name\":\"f\","
         "\"arguments\":\"{}\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"c\",\"content\":\"r\"}]}",
         "{\"model\":\"" BUDGET "\",\"max_tokens\":9000,\"messages\":[" USER(
             "q") ",{\"role\":\"assistant\",\"content\":["
                  "{\"type\":\"tool_use\",\"id\":\"c\",\"name\":\"f\",\"input\":{}}]},{\"role\":"
                  "\"user\",\"content\":["
                  "{\"type\":\"tool_result\",\"tool_use_id\":\"c\",\"content\":[{\"type\":\"text\","
                  "\"text\":\"r\"}]}]}]} "
                  "[reasoning_effort]"},
    };
    check(&fl_wire_openai_chat, &fl_wire_anthropic, rows, sizeof(rows) / sizeof(rows[0]));
}

#define TOOL_IN                                                                                    \
    "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"description\":\"d\","        \
    "\"parameters\":"                                                                              \
    "{\"type\":\"object\",\"properties\":{}}}}]"
#define TOOL_OUT                                                                                   \
    "{\"name\":\"f\",\"description\":\"d\",\"input_schema\":{\"type\":\"object\",\"properties\":{" \
    "}}}"
#define SCHEMA_IN(extra)                                                                           \
    "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\",\"schema\":{"   \
    "\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"object\",\"properties\":{}}}" extra     \
    "}}}"

static void tools_and_schemas_are_written(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {OLD,
         "{\"model\":\"m\",\"max_tokens\":9," TOOL_IN
         ",\"tool_choice\":\"required\",\"parallel_tool_calls\":false," HI "}",
         "{\"model\":\"" OLD "\",\"max_tokens\":9,\"tools\":[" TOOL_OUT
         "],\"tool_choice\":{\"type\":\"any\","
         "\"disable_parallel_tool_use\":true}," HI_OUT "}"},
        {OLD, "{\"model\":\"m\",\"max_tokens\":9," TOOL_IN ",\"parallel_tool_calls\":false," HI "}",
         "{\"model\":\"" OLD "\",\"max_tokens\":9,\"tools\":[" TOOL_OUT
         "],\"tool_choice\":{\"type\":\"auto\","
         "\"disable_parallel_tool_use\":true}," HI_OUT "}"},
        {OLD,
         "{\"model\":\"m\",\"max_tokens\":9," TOOL_IN
         ",\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"f\"}}," HI "}",
         "{\"model\":\"" OLD "\",\"max_tokens\":9,\"tools\":[" TOOL_OUT
         "],\"tool_choice\":{\"type\":\"tool\","
         "\"name\":\"f\"}," HI_OUT "}"},
        {OLD, "{\"model\":\"m\",\"max_tokens\":9," TOOL_IN ",\"tool_choice\":\"none\"," HI "}",
         "{\"model\":\"" OLD "\",\"max_tokens\":9,\"tools\":[" TOOL_OUT
         "],\"tool_choice\":{\"type\":\"none\"}," HI_OUT "}"},
        /* parameters may be missing or of no type */
        {OLD,
         "{\"model\":\"m\",\"max_tokens\":9,\"tools\":[{\"type\":\"function\",\"function\":{"
         "\"name\":\"f\"}},{\"type\":"
         "\"function\",\"function\":{\"name\":\"g\",\"parameters\":{\"properties\":{\"x\":{}}}}}]"
         "," HI "}",
         "{\"model\":\"" OLD
         "\",\"max_tokens\":9,\"tools\":[{\"name\":\"f\",\"input_schema\":{\"type\":\"object\","
         "\"properties\":{}}},{\"name\":\"g\",\"input_schema\":{\"type\":\"object\",\"properties\":"
         "{\"x\":{}}}}]," HI_OUT "}"},
        /* a forced tool forbids thinking */
        {NEW,
         "{\"model\":\"m\",\"max_tokens\":9,\"reasoning_effort\":\"high\"," TOOL_IN
         ",\"tool_choice\":\"required\"," HI "}",
         "{\"model\":\"" NEW "\",\"max_tokens\":9,\"tools\":[" TOOL_OUT
         "],\"tool_choice\":{\"type\":\"any\"}," HI_OUT
         ",\"output_config\":{\"effort\":\"high\"}} [reasoning_effort]"},
        /* a schema by the provider's own way, closed where it says nothing */
        {NEW, "{\"model\":\"m\",\"max_tokens\":9," SCHEMA_IN("") "," HI "}",
         "{\"model\":\"" NEW "\",\"max_tokens\":9," HI_OUT
         ",\"output_config\":{\"format\":{\"type\":\"json_schema\","
         "\"schema\":{\"additionalProperties\":false,\"type\":\"object\",\"properties\":{\"a\":{"
         "\"additionalProperties\":false,\"type\":\"object\",\"properties\":{}}}}}}}"},
        /* by a tool, where the model knows no other way or the schema is open */
        {NEW,
         "{\"model\":\"m\",\"max_tokens\":9," SCHEMA_IN(",\"additionalProperties\":true") "," HI
                                                                                          "}",
         "{\"model\":\"" NEW
         "\",\"max_tokens\":9,\"tools\":[{\"name\":\"fairlead_answer\",\"description\":\"Gives the "
         "final answer. Call it once, with the "
         "answer.\",\"input_schema\":{\"type\":\"object\",\"properties\":{\"a\":{"
         "\"type\":\"object\",\"properties\":{}}},\"additionalProperties\":true}}],\"tool_choice\":"
         "{\"type\":\"tool\","
         "\"name\":\"fairlead_answer\"}," HI_OUT "} [response_format=emulated]"},
        {OLD, "{\"model\":\"m\",\"max_tokens\":9," TOOL_IN "," SCHEMA_IN("") "," HI "}",
         "{\"model\":\"" OLD "\",\"max_tokens\":9,\"tools\":[" TOOL_OUT
         ",{\"name\":\"fairlead_answer\",\"description\":"
         "\"Gives the final answer. Call it once, with the "
         "answer.\",\"input_schema\":{\"type\":\"object\","
         "\"properties\":{\"a\":{\"type\":\"object\",\"properties\":{}}}}}],\"tool_choice\":{"
         "\"type\":\"any\"}," HI_OUT "} [response_format=emulated]"},
        {OLD,
         "{\"model\":\"m\",\"max_tokens\":9,\"response_format\":{\"type\":\"json_object\"}," HI "}",
         "{\"model\":\"" OLD
         "\",\"max_tokens\":9,\"system\":[{\"type\":\"text\",\"text\":\"Answer with one JSON value "
         "and nothing else: no prose, no code fence.\"}]," HI_OUT "} [response_format=emulated]"},
    };
    check(&fl_wire_openai_chat, &fl_wire_anthropic, rows, sizeof(rows) / sizeof(rows[0]));
}

/* What only Anthropic knows goes on to Bedrock and Vertex, and is told as lost elsewhere. */
static void the_other_hosts_differ(void **state)
{
    (void)state;
    static const char body[] = "{\"model\":\"m\",\"max_tokens\":4096,\"stream\":true,\"system\":[{"
                               "\"type\":\"text\",\"text\":\"be\","
                               "\"cache_control\":{\"type\":\"ephemeral\",\"ttl\":\"1h\"}}],"
                               "\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":"
                               "2000},\"tools\":[{\"name\":\"f\",\"input_schema\":{\"type\":"
                               "\"object\"}},{\"type\":\"web_search_20250305\","
                               "\"name\":\"web_search\"},{\"type\":\"bash_20250124\",\"name\":"
                               "\"bash\"}],\"context_management\":{\"edits\":[]},"
                               "\"messages\":[{\"role\":\"user\",\"content\":\"q\"},{\"role\":"
                               "\"assistant\",\"content\":[{\"type\":\"thinking\","
                               "\"thinking\":\"hm\",\"signature\":\"Sig=\"},{\"type\":\"redacted_"
                               "thinking\",\"data\":\"Xx\"},{\"type\":\"tool_use\","
                               "\"id\":\"t1\",\"name\":\"f\",\"input\":{}}]},{\"role\":\"user\","
                               "\"content\":[{\"type\":\"tool_result\","
                               "\"tool_use_id\":\"t1\",\"is_error\":true,\"content\":\"bad\"}]}]}";
    static const char rest[] = "{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\","
                               "\"thinking\":\"hm\",\"signature\":\"Sig=\"},"
                               "{\"type\":\"redacted_thinking\",\"data\":\"Xx\"},{\"type\":\"tool_"
                               "use\",\"id\":\"t1\",\"name\":\"f\",\"input\":{}}]},"
                               "{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_"
                               "use_id\":\"t1\",\"content\":[{\"type\":\"text\","
                               "\"text\":\"bad\"}],\"is_error\":true}]}],\"thinking\":{\"type\":"
                               "\"enabled\",\"budget_tokens\":2000},"
                               "\"context_management\":{\"edits\":[]}}";
    static const char system[] =
        "\"system\":[{\"type\":\"text\",\"text\":\"be\",\"cache_control\":{\"type\":\"ephemeral\","
        "\"ttl\":\"1h\"}}],\"messages\":[" USER("q") ",";
    char expected[4096];
    char *out = rig_request(&fl_wire_anthropic, &fl_wire_anthropic_bedrock,
                            "anthropic." BUDGET "-v1:0", fl_slice_cstr(body));
    (void)snprintf(expected, sizeof(expected),
                   "{\"anthropic_version\":\"bedrock-2023-05-31\",\"max_tokens\":4096,\"tools\":[{"
                   "\"name\":\"f\","
                   "\"input_schema\":{\"type\":\"object\"}},{\"type\":\"bash_20250124\",\"name\":"
                   "\"bash\"}],%s%s [tools]",
                   system, rest);
    assert_string_equal(out, expected);
    free(out);
    out = rig_request(&fl_wire_anthropic, &fl_wire_anthropic_vertex, "claude-sonnet-4@20250514",
                      fl_slice_cstr(body));
    (void)snprintf(
        expected, sizeof(expected),
        "{\"anthropic_version\":\"vertex-2023-10-16\",\"max_tokens\":4096,\"stream\":true,"
        "\"tools\":["
        "{\"name\":\"f\",\"input_schema\":{\"type\":\"object\"}},{\"type\":\"web_search_20250305\","
        "\"name\":\"web_search\"},{\"type\":\"bash_20250124\",\"name\":\"bash\"}],%s%s",
        system, rest);
    assert_string_equal(out, expected);
    free(out);
}

static void betas_reach_bedrock(void **state)
{
    (void)state;
    struct fl_chat_request q = {.tokens_out_max = 9};
    struct fl_write_options o = {
        .model = FL_LIT(OLD),
        .betas = FL_LIT("oauth-2025-04-20, context-1m-2025-08-07,interleaved-thinking-2025-05-14")};
    struct fl_losses losses = {.count = 0};
    struct fl_reterr e;
    char text[1024];
    struct fl_buf b;
    fl_buf_init_in(&b, text, sizeof(text));
    assert_int_equal(fl_wire_anthropic_bedrock.write(&q, &o, &b, &losses, &e), FL_OK);
    struct fl_slice tail = FL_LIT(
        "\"anthropic_beta\":[\"context-1m-2025-08-07\",\"interleaved-thinking-2025-05-14\"]}");
    assert_true(fl_slice_eq(fl_slice_from(fl_buf_slice(&b), b.len - tail.len), tail));
    assert_string_equal(losses.items[1].what, "anthropic-beta");
    /* an image that must be fetched cannot be asked there */
    char *out = rig_request(
        &fl_wire_anthropic, &fl_wire_anthropic_bedrock, OLD,
        FL_LIT("{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":[{"
               "\"type\":\"image\",\"source\":{\"type\":\"url\",\"url\":\"https://x.test/"
               "a.png\"}}]}]}"));
    assert_string_equal(out, "refused: The request holds what this provider cannot be asked. "
                             "[messages.image=impossible]");
    free(out);
}

static void requests_are_read(void **state)
{
    (void)state;
    static const char body[] = "{\"model\":\"m\",\"max_tokens\":5,\"system\":\"be\",\"stop_"
                               "sequences\":[\"X\"],\"temperature\":0.5,\"top_k\":3,"
                               "\"metadata\":{\"user_id\":\"u1\"},\"tool_choice\":{\"type\":"
                               "\"any\",\"disable_parallel_tool_use\":true},"
                               "\"tools\":[{\"name\":\"f\",\"description\":\"d\",\"input_schema\":{"
                               "\"type\":\"object\",\"properties\":{}}}],"
                               "\"messages\":[{\"role\":\"user\",\"content\":\"q\"},{\"role\":"
                               "\"assistant\",\"content\":[{\"type\":\"text\","
                               "\"text\":\"let "
                               "me\"},{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"f\","
                               "\"input\":{\"k\":\"v\\u00e9\\\"\"}}]},"
                               "{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_"
                               "use_id\":\"t1\",\"content\":[{\"type\":\"text\","
                               "\"text\":\"res\"}]},{\"type\":\"text\",\"text\":\"and?\"}]}]}";
    char *out = rig_request(&fl_wire_anthropic, &fl_wire_openai_chat, "gpt", fl_slice_cstr(body));
    static const char *const parts[] = {"{\"role\":\"system\",\"content\":\"be\"}",
                                        "{\"role\":\"user\",\"content\":\"q\"}",
                                        ("\"tool_calls\":[{\"id\":\"t1\",\"type\":\"function\","
                                         "\"function\":{\"name\":\"f\",\"arguments\":"
                                         "\"{\\\"k\\\":\\\"v\\\\u00e9\\\\\\\"\\\"}\"}}]"),
                                        ("{\"role\":\"tool\",\"tool_call_id\":\"t1\",\"content\":"
                                         "\"res\"},{\"role\":\"user\",\"content\":\"and?\"}"),
                                        "\"stop\":[\"X\"]",
                                        "\"temperature\":0.5",
                                        "\"tool_choice\":\"required\"",
                                        "\"parallel_tool_calls\":false"};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (!strstr(out, parts[i])) {
            print_error("%s\n is not in %s\n", parts[i], out);
            fail();
        }
    }
    free(out);
    static const char *const refused[] = {
        "{\"model\":\"m\"}",
        "{\"model\":\"m\",\"messages\":\"x\"}",
        "{\"model\":\"m\",\"messages\":[1]}",
        "{\"model\":\"m\",\"messages\":[{\"role\":\"tool\",\"content\":\"x\"}]}",
        "{\"model\":\"m\",\"messages\":[{\"role\":\"user\"}]}",
        "[]",
        "{\"messages\":[],\"messages\":[]}"};
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        out =
            rig_request(&fl_wire_anthropic, &fl_wire_openai_chat, "gpt", fl_slice_cstr(refused[i]));
        assert_true(strncmp(out, "refused: ", 9) == 0 && strlen(out) > 12);
        free(out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(models_are_known_by_name),
        cmocka_unit_test(messages_are_written),
        cmocka_unit_test(settings_are_written),
        cmocka_unit_test(tools_and_schemas_are_written),
        cmocka_unit_test(the_other_hosts_differ),
        cmocka_unit_test(betas_reach_bedrock),
        cmocka_unit_test(requests_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

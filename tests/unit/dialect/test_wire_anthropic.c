/* SPDX-License-Identifier: Apache-2.0 */
/* Anthropic's messages against OpenAI's chat, both ways: requests, answers and streams, as written
 * by hand. */
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

/* --- Answers --- */

static void assert_line(const struct fl_wire *wire, const char *body, enum fl_err err,
                        const char *line)
{
    struct rig g;
    rig_init(&g, wire, NULL);
    /* the answer's slices point into what was read: the arena keeps copies */
    rig_whole(&g, fl_slice_cstr(body));
    assert_int_equal(g.err, err);
    assert_slice(rig_answer(&g), line);
    rig_finish(&g);
}

static void whole_answers_are_read(void **state)
{
    (void)state;
    assert_line(
        &fl_wire_anthropic,
        "{\"id\":\"msg_1\",\"type\":\"message\",\"model\":\"claude\",\"content\":[{\"type\":"
        "\"thinking\",\"thinking\":"
        "\"hm\",\"signature\":\"S\"},{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"T\"},"
        "{\"type\":"
        "\"server_tool_use\",\"id\":\"s\",\"name\":\"web_search\",\"input\":{}},{\"type\":\"web_"
        "search_tool_result\","
        "\"content\":[]},{\"type\":\"text\",\"text\":\"a\\ud83d\"},{\"type\":\"tool_use\",\"id\":"
        "\"t\",\"name\":\"f\","
        "\"input\":{\"x\":\"\\n\"}}],\"stop_reason\":\"tool_use\",\"usage\":{\"input_tokens\":1,"
        "\"cache_creation_input_tokens\":2,\"cache_read_input_tokens\":3,\"output_tokens\":4}}",
        FL_OK,
        "thinking \"hm\" signed S thinking \"\" signed T text \"a\\ud83d\" call t:f "
        "\"{\\\"x\\\":\\\"\\\\n\\\"}\" "
        "finish tool_calls usage 6/4");
    /* the answer tool's input is the text */
    assert_line(&fl_wire_anthropic,
                "{\"content\":[{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"fairlead_answer\","
                "\"input\":{\"a\":1}}],"
                "\"stop_reason\":\"tool_use\",\"usage\":{\"input_tokens\":1,\"output_tokens\":2}}",
                FL_OK, "text \"{\\\"a\\\":1}\" finish stop usage 1/2");
    assert_line(&fl_wire_anthropic, "{\"content\":[],\"stop_reason\":\"refusal\"}", FL_OK,
                "finish content_filter");
    assert_line(&fl_wire_anthropic,
                "{\"content\":[],\"stop_reason\":\"stop_sequence\",\"stop_sequence\":\"X\"}", FL_OK,
                "finish stop_sequence=X");
    assert_line(
        &fl_wire_anthropic,
        "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Busy\"}}",
        FL_ERR_ERROR_IN_200, "error provider_overloaded: Busy (cut)");
    assert_line(&fl_wire_anthropic, "{\"object\":\"x\"}", FL_ERR_BAD_RESPONSE, " (cut)");
    assert_line(&fl_wire_anthropic, "oops", FL_ERR_BAD_RESPONSE, " (cut)");
}

#define EVENT(name, data) "event: " name "\ndata: {\"type\":\"" name "\"" data "}\n\n"
#define START                                                                                      \
    EVENT("message_start",                                                                         \
          ",\"message\":{\"id\":\"msg_1\",\"model\":\"claude\",\"usage\":{\"input_tokens\":10,"    \
          "\"cache_read_input_tokens\":5,\"output_tokens\":1}}")
#define BLOCK(i, block)                                                                            \
    EVENT("content_block_start", ",\"index\":" #i ",\"content_block\":{" block "}")
#define DELTA(i, delta) EVENT("content_block_delta", ",\"index\":" #i ",\"delta\":{" delta "}")
#define STOP(i)         EVENT("content_block_stop", ",\"index\":" #i)
#define TEXT(i, text)   DELTA(i, "\"type\":\"text_delta\",\"text\":\"" text "\"")
#define JSON(i, text)   DELTA(i, "\"type\":\"input_json_delta\",\"partial_json\":\"" text "\"")
#define END(reason, usage)                                                                         \
    EVENT("message_delta", ",\"delta\":{\"stop_reason\":\"" reason                                 \
                           "\",\"stop_sequence\":null},\"usage\":{" usage "}")                     \
    EVENT("message_stop", "")

/* The stream without its "event:" lines. The caller frees it. */
static char *without_names(const char *stream)
{
    char *copy = strdup(stream), *to = copy;
    assert_non_null(copy);
    for (const char *line = stream; *line;) {
        size_t len = strcspn(line, "\n") + 1;
        if (strncmp(line, "event:", 6) != 0) {
            memmove(to, line, len);
            to += len;
        }
        line += len;
    }
    *to = '\0';
    return copy;
}

static void streams_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *stream, *line;
    } cases[] = {
        {START EVENT("ping", "") BLOCK(0, "\"type\":\"text\",\"text\":\"\"") TEXT(0, "Hel")
             TEXT(0, "lo") STOP(0) END("end_turn", "\"output_tokens\":7"),
         "text \"Hello\" finish stop usage 15/7"},
        /* thinking, its proof, two calls, one without arguments; usage that grew */
        {START BLOCK(0, "\"type\":\"thinking\",\"thinking\":\"\"") DELTA(
             0, "\"type\":\"thinking_delta\",\"thinking\":\"hm\"")
             DELTA(0, "\"type\":\"signature_delta\",\"signature\":\"Sg\"") STOP(0) BLOCK(
                 1, "\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"f\",\"input\":{}") JSON(1, "")
                 JSON(1, "{\\\"a\\\":") JSON(1, "1}") STOP(1) BLOCK(
                     2, "\"type\":\"tool_use\",\"id\":\"t2\",\"name\":\"g\",\"input\":{}")
                     JSON(2, "") STOP(2) END(
                         "tool_use",
                         "\"input_tokens\":400,\"cache_read_input_tokens\":5,\"output_tokens\":9"),
         "thinking \"hm\" signed Sg call t1:f \"{\\\"a\\\":1}\" call t2:g \"{}\" finish tool_calls "
         "usage 405/9"},
        /* omitted thinking; a redacted block; a provider's own tool; unknown events and deltas */
        {START BLOCK(0, "\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"")
             DELTA(0, "\"type\":\"signature_delta\",\"signature\":\"Sg\"") STOP(0)
                 BLOCK(1, "\"type\":\"redacted_thinking\",\"data\":\"Rd\"") STOP(1)
                     EVENT("of_tomorrow", ",\"x\":1")
                         BLOCK(2, "\"type\":\"server_tool_use\",\"id\":\"s\",\"name\":\"web_"
                                  "search\",\"input\":{}") JSON(2, "{\\\"q\\\":1}") STOP(2)
                             BLOCK(3, "\"type\":\"text\",\"text\":\"\"")
                                 DELTA(3, "\"type\":\"citations_delta\",\"citation\":{}")
                                     TEXT(3, "ok") STOP(3) END("end_turn", "\"output_tokens\":9"),
         "thinking \"\" signed Sg redacted \"Rd\" text \"ok\" finish stop usage 15/9"},
        /* a server that puts the whole input into the block's start, and one that says stop to a
         * call */
        {START BLOCK(0, "\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"f\",\"input\":{\"a\":2}")
             STOP(0) END("end_turn", "\"output_tokens\":9"),
         "call t1:f \"{\\\"a\\\":2}\" finish tool_calls usage 15/9"},
        {START BLOCK(
             0, "\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"fairlead_answer\",\"input\":{}")
             JSON(0, "{\\\"a\\\":") JSON(0, "1}") STOP(0) END("tool_use", "\"output_tokens\":9"),
         "text \"{\\\"a\\\":1}\" finish stop usage 15/9"},
        {START END("max_tokens", "\"output_tokens\":0"), "finish length usage 15/0"},
        /* the four ends: an error, and two that are cut off */
        {START EVENT("error",
                     ",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}"),
         "usage 15/1 error provider_overloaded: Overloaded (cut)"},
        {START TEXT(0, "a"), "text \"a\" usage 15/1 (cut)"},
        {START TEXT(0, "a")
             EVENT("message_delta",
                   ",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":3}"),
         "text \"a\" finish stop usage 15/3 (cut)"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *line = rig_all_cuts(&fl_wire_anthropic, NULL, fl_slice_cstr(cases[i].stream), 1 + i);
        assert_string_equal(line, cases[i].line);
        free(line);
        /* names are not needed: the data says what it is */
        char *nameless = without_names(cases[i].stream);
        line = rig_output(&fl_wire_anthropic, NULL, fl_slice_cstr(nameless), NULL, 0);
        assert_string_equal(line, cases[i].line);
        free(line);
        free(nameless);
    }
}

static void a_cut_stream_is_told(void **state)
{
    (void)state;
    struct rig g;
    rig_init(&g, &fl_wire_anthropic, NULL);
    rig_stream(&g, FL_LIT(START TEXT(0, "a")), NULL, 0);
    assert_int_equal(g.err, FL_ERR_CLOSED);
    rig_finish(&g);
    rig_init(&g, &fl_wire_anthropic, NULL);
    rig_stream(&g, FL_LIT("data: {\"choices\":[]}\n\n"), NULL, 0);
    assert_int_equal(g.err, FL_ERR_CLOSED); /* nothing of this dialect */
    rig_finish(&g);
    rig_init(&g, &fl_wire_anthropic, NULL);
    rig_stream(&g, FL_LIT("data: oops\n\n"), NULL, 0);
    assert_int_equal(g.err, FL_ERR_BAD_RESPONSE);
    rig_finish(&g);
    rig_init(&g, &fl_wire_anthropic, NULL);
    rig_stream(&g,
               FL_LIT(START "data: oops\n\n" TEXT(0, "a") END("end_turn", "\"output_tokens\":2")),
               NULL, 0);
    assert_int_equal(g.err, FL_OK); /* one bad frame does not end an answer that has begun */
    assert_slice(rig_answer(&g), "text \"a\" finish stop usage 15/2");
    rig_finish(&g);
}

/* --- What clients get --- */

#define CHUNK(delta)                                                                               \
    "data: "                                                                                       \
    "{\"id\":\"c\",\"created\":1,\"model\":\"gpt\",\"choices\":[{\"index\":0,\"delta\":{" delta    \
    "}}]}\n\n"
#define CALL(i, rest) CHUNK("\"tool_calls\":[{\"index\":" #i "," rest "}]")
#define OVER(reason)                                                                               \
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"" reason "\"}]}\n\n"        \
    "data: "                                                                                       \
    "{\"choices\":[],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":4,\"total_tokens\":14," \
    "\"prompt_tokens_details\":{\"cached_tokens\":3}}}\n\ndata: [DONE]\n\n"
#define OUT_START                                                                                  \
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_" RIG_ID    \
    "\",\"type\":"                                                                                 \
    "\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":[],\"stop_reason\":null,"      \
    "\"stop_sequence\":null,"                                                                      \
    "\"usage\":{\"input_tokens\":0,\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":" \
    "0,"                                                                                           \
    "\"output_tokens\":0}}}\n\n"
#define OUT_END(reason)                                                                            \
    EVENT("message_delta",                                                                         \
          ",\"delta\":{\"stop_reason\":\"" reason "\",\"stop_sequence\":null},\"usage\":{"         \
          "\"input_tokens\":7,\"cache_creation_input_tokens\":0,"                                  \
          "\"cache_read_input_tokens\":3,\"output_tokens\":4}")                                    \
    EVENT("message_stop", "")
#define OUT_CALL(i, id, name)                                                                      \
    BLOCK(i, "\"type\":\"tool_use\",\"id\":\"" id "\",\"name\":\"" name "\",\"input\":{}")

static void clients_get_blocks_one_after_another(void **state)
{
    (void)state;
    static const struct {
        const char *stream, *out;
    } cases[] = {
        {CHUNK("\"role\":\"assistant\",\"content\":\"\"") CHUNK("\"content\":\"Hi\"") OVER("stop"),
         OUT_START BLOCK(0, "\"type\":\"text\",\"text\":\"\"") TEXT(0, "Hi") STOP(0)
             OUT_END("end_turn")},
        {CHUNK("\"role\":\"assistant\"") OVER("stop"), OUT_START OUT_END("end_turn")},
        /* text, then two calls as they come */
        {CHUNK("\"content\":\"a\"")
             CALL(0, "\"id\":\"x\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}")
                 CALL(0, "\"function\":{\"arguments\":\"{}\"}")
                     CALL(1, "\"id\":\"y\",\"function\":{\"name\":\"g\",\"arguments\":\"{\\\"b\\\":"
                             "[\\\"}\\\"]}\"}") OVER("stop"),
         OUT_START BLOCK(0, "\"type\":\"text\",\"text\":\"\"") TEXT(0, "a") STOP(0)
             OUT_CALL(1, "x", "f") JSON(1, "{}") STOP(1) OUT_CALL(2, "y", "g")
                 JSON(2, "{\\\"b\\\":[\\\"}\\\"]}") STOP(2) OUT_END("tool_use")},
        /* arguments of two calls mixed: the later call waits for the open one */
        {CALL(0, "\"id\":\"x\",\"function\":{\"name\":\"f\",\"arguments\":\"{\"}")
             CALL(1, "\"id\":\"y\",\"function\":{\"name\":\"g\",\"arguments\":\"[\"}")
                 CALL(0, "\"function\":{\"arguments\":\"}\"}")
                     CALL(1, "\"function\":{\"arguments\":\"]\"}") OVER("tool_calls"),
         OUT_START OUT_CALL(0, "x", "f") JSON(0, "{") JSON(0, "}") STOP(0) OUT_CALL(1, "y", "g")
             JSON(1, "[") JSON(1, "]") STOP(1) OUT_END("tool_use")},
        /* white space behind a value that is over is nothing */
        {CALL(0, "\"id\":\"x\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}")
             CALL(1, "\"id\":\"y\",\"function\":{\"name\":\"g\",\"arguments\":\"{}\"}")
                 CALL(0, "\"function\":{\"arguments\":\" \\n\"}") OVER("tool_calls"),
         OUT_START OUT_CALL(0, "x", "f") JSON(0, "{}") STOP(0) OUT_CALL(1, "y", "g") JSON(1, "{}")
             STOP(1) OUT_END("tool_use")},
        /* a call that never gets arguments holds back the next only to the end */
        {CALL(0, "\"id\":\"x\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}")
             CALL(1, "\"id\":\"y\",\"function\":{\"name\":\"g\",\"arguments\":\"{}\"}")
                 OVER("tool_calls"),
         OUT_START OUT_CALL(0, "x", "f") JSON(0, "{}") STOP(0) OUT_CALL(1, "y", "g") JSON(1, "{}")
             STOP(1) OUT_END("tool_use")},
        /* text ends a call that has no arguments */
        {CALL(0, "\"id\":\"x\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}")
             CHUNK("\"content\":\"a\"") OVER("tool_calls"),
         OUT_START OUT_CALL(0, "x", "f") STOP(0) BLOCK(1, "\"type\":\"text\",\"text\":\"\"")
             TEXT(1, "a") STOP(1) OUT_END("tool_use")},
        /* a refusal is text, and told by the reason: OpenAI's models stop with it */
        {CHUNK("\"role\":\"assistant\",\"refusal\":\"N\"") CHUNK("\"refusal\":\"o\"") OVER("stop"),
         OUT_START BLOCK(0, "\"type\":\"text\",\"text\":\"\"") TEXT(0, "N") TEXT(0, "o") STOP(0)
             OUT_END("refusal")},
        {CHUNK("\"content\":\"a\"") OVER("length"),
         OUT_START BLOCK(0, "\"type\":\"text\",\"text\":\"\"") TEXT(0, "a") STOP(0)
             OUT_END("max_tokens")},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *out = rig_all_cuts(&fl_wire_openai_chat, &fl_wire_anthropic,
                                 fl_slice_cstr(cases[i].stream), i);
        assert_string_equal(out, cases[i].out);
        free(out);
    }
}

/* Where the provider tells that a call is over, one without arguments is over there. */
static void calls_without_arguments_end_where_they_end(void **state)
{
    (void)state;
#define ITEM(event, i, item)                                                                       \
    "data: {\"type\":\"response.output_item." event "\",\"output_index\":" #i ",\"item\":" item    \
    "}\n\n"
#define F(id, name)                                                                                \
    "{\"type\":\"function_call\",\"call_id\":\"" id "\",\"name\":\"" name "\",\"arguments\":\"\"}"
    static const char stream[] =
        ITEM("added", 0, F("x", "f")) ITEM("done", 0, F("x", "f")) ITEM("added", 1, F("y", "g"));
    static const char out[] =
        OUT_START OUT_CALL(0, "x", "f") JSON(0, "{}") STOP(0) OUT_CALL(1, "y", "g");
    struct rig g;
    rig_init(&g, &fl_wire_openai_responses, &fl_wire_anthropic);
    rig_stream(&g, FL_LIT(stream), NULL, 0);
    assert_int_equal(g.err, FL_ERR_CLOSED);
    assert_slice(fl_buf_slice(&g.out), out);
    rig_finish(&g);
#undef F
#undef ITEM
}

static void refusals_are_told_by_the_reason(void **state)
{
    (void)state;
    static const struct {
        const struct fl_wire *provider;
        const char *body;
    } cases[] = {
        {&fl_wire_openai_chat, "{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\","
                               "\"content\":null,\"refusal\":"
                               "\"No.\"},\"finish_reason\":\"stop\"}]}"},
        {&fl_wire_openai_responses, "{\"status\":\"completed\",\"output\":[{\"type\":\"message\","
                                    "\"content\":[{\"type\":\"refusal\","
                                    "\"refusal\":\"No.\"}]}]}"},
        {&fl_wire_openai_chat,
         "{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"No.\"},"
         "\"finish_reason\":\"content_filter\"}]}"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct rig g;
        struct fl_buf out;
        fl_buf_init(&out, 1 << 16);
        rig_init(&g, cases[i].provider, NULL);
        rig_whole(&g, fl_slice_cstr(cases[i].body));
        assert_int_equal(g.err, FL_OK);
        fl_wire_anthropic.put_answer(&g.encoder, &g.answer, &out);
        struct fl_slice wanted = FL_LIT("\"content\":[{\"type\":\"text\",\"text\":\"No.\"}],"
                                        "\"stop_reason\":\"refusal\"");
        assert_true(fl_slice_find_text(fl_buf_slice(&out), wanted) < out.len);
        fl_buf_finish(&out);
        rig_finish(&g);
    }
}

static void what_waits_is_bounded(void **state)
{
    (void)state;
    struct fl_encoder e = {.wire = &fl_wire_anthropic, .id = FL_LIT(RIG_ID), .kept_bytes_max = 100};
    struct fl_buf out;
    char text[64];
    memset(text, 'x', sizeof(text));
    fl_buf_init(&out, 1 << 16);
    struct fl_chat_event events[] = {
        {.kind = FL_CHAT_START},
        {.kind = FL_CHAT_CALL_BEGIN, .call = 0, .id = FL_LIT("a"), .name = FL_LIT("f")},
        {.kind = FL_CHAT_CALL_BEGIN, .call = 1, .id = FL_LIT("b"), .name = FL_LIT("g")},
        {.kind = FL_CHAT_CALL_ARGUMENTS, .call = 1, .text = fl_slice(text, sizeof(text))},
        {.kind = FL_CHAT_CALL_ARGUMENTS, .call = 1, .text = fl_slice(text, sizeof(text))},
        {.kind = FL_CHAT_TEXT, .text = FL_LIT("never")},
    };
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        fl_wire_anthropic.put_event(&e, &events[i], &out);
    }
    assert_true(e.done);
    struct fl_slice error = FL_LIT("event: error\n");
    size_t at = fl_slice_find_text(fl_buf_slice(&out), error);
    assert_true(at < out.len);
    assert_int_equal(fl_slice_find_text(fl_buf_slice(&out), FL_LIT("never")), out.len);
    fl_encoder_finish(&e);
    fl_buf_finish(&out);
}

static void clients_get_thoughts_and_errors(void **state)
{
    (void)state;
    struct fl_encoder e = {.wire = &fl_wire_anthropic, .id = FL_LIT(RIG_ID), .model = FL_LIT("m")};
    struct fl_buf out;
    fl_buf_init(&out, 1 << 16);
    struct fl_chat_event events[] = {
        {.kind = FL_CHAT_START},
        {.kind = FL_CHAT_PING},
        {.kind = FL_CHAT_THINKING, .text = FL_LIT("hm")},
        {.kind = FL_CHAT_SIGNATURE, .text = FL_LIT("Sg")},
        {.kind = FL_CHAT_SIGNATURE, .text = FL_LIT("T")}, /* thoughts that are not shown */
        {.kind = FL_CHAT_REDACTED, .text = FL_LIT("Rd")},
        {.kind = FL_CHAT_TEXT, .choice = 1, .text = FL_LIT("of another choice")},
        {.kind = FL_CHAT_ERROR, .err = FL_ERR_UPSTREAM_OVERLOADED, .text = FL_LIT("busy")},
        {.kind = FL_CHAT_TEXT, .text = FL_LIT("never")},
    };
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        fl_wire_anthropic.put_event(&e, &events[i], &out);
    }
#define THOUGHT(i) BLOCK(i, "\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"")
    assert_slice(
        fl_buf_slice(&out),
        OUT_START EVENT("ping",
                        "") THOUGHT(0) DELTA(0, "\"type\":\"thinking_delta\",\"thinking\":\"hm\"")
            DELTA(0, "\"type\":\"signature_delta\",\"signature\":\"Sg\"") STOP(0) THOUGHT(1)
                DELTA(1, "\"type\":\"signature_delta\",\"signature\":\"T\"") STOP(1)
                    BLOCK(2, "\"type\":\"redacted_thinking\",\"data\":\"Rd\"") STOP(2)
                        EVENT("error",
                              ",\"error\":{\"type\":\"overloaded_error\",\"message\":\"busy\"}"));
    fl_encoder_finish(&e);
    fl_buf_finish(&out);
}

static void clients_get_whole_answers(void **state)
{
    (void)state;
    static const char body[] = "{\"id\":\"c\",\"model\":\"gpt\",\"choices\":[{\"index\":0,"
                               "\"message\":{\"role\":\"assistant\",\"content\":\"a\\u00e9\","
                               "\"tool_calls\":[{\"id\":\"x\",\"type\":\"function\",\"function\":{"
                               "\"name\":\"f\",\"arguments\":\"{\\\"k\\\":1}\"}},"
                               "{\"id\":\"y\",\"type\":\"function\",\"function\":{\"name\":\"g\","
                               "\"arguments\":\"\"}}]},\"finish_reason\":\"stop\"}],"
                               "\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":4,\"prompt_"
                               "tokens_details\":{\"cached_tokens\":3},"
                               "\"completion_tokens_details\":{\"reasoning_tokens\":2}}}";
    struct rig g;
    struct fl_buf out;
    rig_init(&g, &fl_wire_openai_chat, NULL);
    rig_whole(&g, fl_slice_cstr(body));
    assert_int_equal(g.err, FL_OK);
    fl_buf_init(&out, 1 << 16);
    fl_wire_anthropic.put_answer(&g.encoder, &g.answer, &out);
    assert_slice(
        fl_buf_slice(&out),
        "{\"id\":\"msg_" RIG_ID
        "\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":["
        "{\"type\":\"text\",\"text\":\"a\\u00e9\"},{\"type\":\"tool_use\",\"id\":\"x\",\"name\":"
        "\"f\",\"input\":{\"k\":1}},"
        "{\"type\":\"tool_use\",\"id\":\"y\",\"name\":\"g\",\"input\":{}}],\"stop_reason\":\"tool_"
        "use\","
        "\"stop_sequence\":null,\"usage\":{\"input_tokens\":7,\"cache_creation_input_tokens\":0,"
        "\"cache_read_input_tokens\":3,\"output_tokens\":4,\"output_tokens_details\":{\"thinking_"
        "tokens\":2}}}");
    fl_buf_finish(&out);
    rig_finish(&g);
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
        cmocka_unit_test(whole_answers_are_read),
        cmocka_unit_test(streams_are_read),
        cmocka_unit_test(a_cut_stream_is_told),
        cmocka_unit_test(clients_get_blocks_one_after_another),
        cmocka_unit_test(calls_without_arguments_end_where_they_end),
        cmocka_unit_test(refusals_are_told_by_the_reason),
        cmocka_unit_test(what_waits_is_bounded),
        cmocka_unit_test(clients_get_thoughts_and_errors),
        cmocka_unit_test(clients_get_whole_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

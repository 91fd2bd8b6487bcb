/* SPDX-License-Identifier: Apache-2.0 */
/* A request's settings for Claude, and the order of its body. */
#include "dialect/anthropic_write.h"
#include "dialect/lose.h"

static void put_output_config(struct fl_anthropic_writer *w, const char *effort,
                              enum fl_format_way way)
{
    if (!effort && way != FL_WAY_NATIVE) {
        return;
    }
    fl_put_key(w->out, "output_config");
    fl_buf_putc(w->out, '{');
    if (effort) {
        fl_put_word(w->out, "effort", effort);
    }
    if (way == FL_WAY_NATIVE) {
        fl_put_key(w->out, "format");
        fl_buf_put(w->out, FL_LIT("{\"type\":\"json_schema\",\"schema\":"));
        fl_put_closed_schema(w->out, w->request->format_schema);
        fl_buf_putc(w->out, '}');
    }
    fl_buf_putc(w->out, '}');
}

static void put_thinking(struct fl_anthropic_writer *w, const struct fl_thought *t)
{
    if (!t->enabled && !t->adaptive && !t->disabled) {
        return;
    }
    fl_put_key(w->out, "thinking");
    fl_buf_putc(w->out, '{');
    fl_put_word(w->out, "type", t->enabled ? "enabled" : t->adaptive ? "adaptive" : "disabled");
    if (t->enabled) {
        fl_put_number(w->out, "budget_tokens", t->tokens);
    }
    if (t->adaptive && w->request->thinking_hidden) {
        fl_put_word(w->out, "display", "omitted");
    }
    fl_buf_putc(w->out, '}');
}

static void put_service(struct fl_anthropic_writer *w)
{
    struct fl_slice tier = w->request->service_tier;
    bool standard = fl_escaped_is(tier, "default"), automatic = fl_escaped_is(tier, "auto");
    if (w->host == FL_ANTHROPIC_DIRECT && (standard || automatic)) {
        fl_put_word(w->out, "service_tier", standard ? "standard_only" : "auto");
    } else if (tier.len > 0 && !standard && !automatic) {
        fl_losses_add(w->losses, FL_LOSS_DROPPED, "service_tier");
    }
}

/* Members that only Anthropic's own servers know, from a client that speaks to them. */
static void put_others(struct fl_anthropic_writer *w)
{
    static const char *const ours[] = {"context_management", "mcp_servers", "container",
                                       "inference_geo", "anthropic_beta"};
    bool beta = w->host == FL_ANTHROPIC_BEDROCK;
    for (const struct fl_member *m = w->request->others; m; m = m->next) {
        const char *key = NULL;
        for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
            bool here = w->host != FL_ANTHROPIC_BEDROCK || i == 0 || i == 4;
            key = here && fl_slice_eq(m->key, fl_slice_cstr(ours[i])) ? ours[i] : key;
        }
        if (key) {
            fl_put_raw(w->out, key, m->value);
            beta = beta && strcmp(key, "anthropic_beta") != 0;
        } else {
            fl_lose_member(m, w->losses);
        }
    }
    if (beta) {
        fl_anthropic_put_betas(w);
    }
}

/* The words of the client's anthropic-beta that Bedrock knows. It refuses requests with others. */
void fl_anthropic_put_betas(struct fl_anthropic_writer *w)
{
    static const struct fl_slice known[] = {{"computer-use-", 13},
                                            {"token-efficient-tools-", 22},
                                            {"interleaved-thinking-", 21},
                                            {"output-128k-", 12},
                                            {"dev-full-thinking-", 18},
                                            {"context-1m-", 11},
                                            {"context-management-", 19},
                                            {"effort-", 7},
                                            {"tool-search-tool-", 17},
                                            {"tool-examples-", 14},
                                            {"fine-grained-tool-streaming-", 28}};
    struct fl_slice rest = w->betas;
    bool begun = false;
    while (rest.len > 0) {
        size_t comma = fl_slice_find(rest, ',');
        struct fl_slice word = fl_slice_trim(fl_slice_first(rest, comma));
        bool here = false;
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
            here = here || fl_slice_starts(word, known[i]);
        }
        rest = fl_slice_from(rest, comma + 1);
        if (!here) {
            if (word.len > 0) {
                fl_losses_add(w->losses, FL_LOSS_DROPPED, "anthropic-beta");
            }
            continue;
        }
        if (!begun) {
            fl_put_key(w->out, "anthropic_beta");
            fl_buf_putc(w->out, '[');
        }
        begun = true;
        fl_put_comma(w->out);
        fl_buf_put_json(w->out, word);
    }
    if (begun) {
        fl_buf_putc(w->out, ']');
    }
}

static void put_user(struct fl_anthropic_writer *w)
{
    if (w->request->user.len == 0) {
        return;
    }
    if (w->host == FL_ANTHROPIC_BEDROCK) {
        fl_losses_add(w->losses, FL_LOSS_DROPPED, "user");
        return;
    }
    fl_put_key(w->out, "metadata");
    fl_buf_putc(w->out, '{');
    fl_put_text(w->out, "user_id", w->request->user);
    fl_buf_putc(w->out, '}');
}

static void put_head(struct fl_anthropic_writer *w, struct fl_slice model)
{
    if (w->host == FL_ANTHROPIC_DIRECT) {
        fl_put_plain(w->out, "model", model);
    } else {
        fl_put_word(w->out, "anthropic_version",
                    w->host == FL_ANTHROPIC_BEDROCK ? "bedrock-2023-05-31" : "vertex-2023-10-16");
    }
}

static void put_cache_of_all(struct fl_anthropic_writer *w)
{
    if (w->request->cache != FL_CACHE_NONE && w->host == FL_ANTHROPIC_DIRECT) {
        w->cache_marks++;
        fl_anthropic_put_cache(w->out, w->request->cache);
    } else if (w->request->cache != FL_CACHE_NONE) {
        fl_losses_add(w->losses, FL_LOSS_DROPPED, "cache_control");
    }
}

enum fl_err fl_anthropic_write(enum fl_anthropic_host host, const struct fl_chat_request *q,
                               const struct fl_write_options *options, struct fl_buf *out,
                               struct fl_losses *losses, struct fl_reterr *reterr)
{
    struct fl_anthropic_writer w = {.host = host, .request = q, .out = out, .losses = losses};
    struct fl_claude c = fl_claude_of(options->model);
    if (!fl_claude_losses(q, losses)) {
        return fl_refuse(reterr, FL_ERR_UPSTREAM_REQUEST,
                         "n: this provider gives one answer at a time.");
    }
    enum fl_format_way way = fl_format_way(q, fl_claude_has_schema(c), losses);
    bool forced = way == FL_WAY_TOOL || q->tool_choice == FL_TOOL_CHOICE_REQUIRED ||
                  q->tool_choice == FL_TOOL_CHOICE_NAMED;
    struct fl_thought t = fl_claude_thought(c, q, options->tokens_out_default, forced, losses);
    w.betas = options->betas;
    fl_buf_putc(out, '{');
    put_head(&w, options->model);
    fl_put_number(out, "max_tokens", t.tokens_out);
    if (q->stream && host != FL_ANTHROPIC_BEDROCK) {
        fl_put_flag(out, "stream", true);
    }
    put_cache_of_all(&w);
    fl_anthropic_put_tools(&w, way == FL_WAY_TOOL);
    fl_anthropic_put_system(&w, way == FL_WAY_ORDER);
    fl_anthropic_put_messages(&w);
    fl_claude_put_stops(w.out, "stop_sequences", w.request->stops, w.losses);
    put_thinking(&w, &t);
    put_output_config(&w, t.effort, way);
    struct fl_sampling sampling = fl_claude_sampling(c, q, t.enabled || t.adaptive, losses);
    fl_put_raw_if(out, "temperature", sampling.temperature);
    fl_put_raw_if(out, "top_p", sampling.top_p);
    fl_put_raw_if(out, "top_k", sampling.top_k);
    put_user(&w);
    put_service(&w);
    put_others(&w);
    fl_buf_putc(out, '}');
    if (losses->fatal) {
        return fl_refuse(reterr, FL_ERR_UPSTREAM_REQUEST,
                         "The request holds what this provider cannot be asked.");
    }
    return fl_buf_ok(out)
               ? FL_OK
               : fl_refuse(reterr, FL_ERR_TOO_BIG, "The request is too large to be translated.");
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON that a simulated provider's answers are made of. */
#include "sim/provider_impl.h"

#include "base/hash.h"
#include "base/rng.h"

void sim_put_string(struct fl_buf *b, const char *text)
{
    if (text) {
        fl_buf_put_json(b, fl_slice_cstr(text));
    } else {
        fl_buf_put(b, FL_LIT("null"));
    }
}

static void put_usage(const struct sim_conn *c, struct fl_buf *b)
{
    bool embeds = c->ask.endpoint == SIM_EMBEDDINGS;
    if (c->misdeed == FL_SIM_WRONG_USAGE) {
        fl_buf_put(b, FL_LIT(SIM_WRONG_USAGE));
        return;
    }
    fl_buf_put(b, FL_LIT("\"usage\":{\"prompt_tokens\":"));
    fl_buf_put_u64(b, c->ask.prompt_tokens);
    if (!embeds) {
        fl_buf_put(b, FL_LIT(",\"completion_tokens\":"));
        fl_buf_put_u64(b, c->tokens_total);
    }
    fl_buf_put(b, FL_LIT(",\"total_tokens\":"));
    fl_buf_put_u64(b, c->ask.prompt_tokens + (embeds ? 0 : c->tokens_total));
    fl_buf_putc(b, '}');
}

/* {"id":...,"object":...,"created":...,"model":..., */
static void put_opening(const struct sim_conn *c, const char *object, struct fl_buf *b)
{
    struct fl_simprovider *p = c->provider;
    bool chat = c->ask.endpoint == SIM_CHAT;
    uint64_t wall_ns = p->sys->ops->wall_ns(p->sys) - (p->sys->now_ns - c->asked_ns);
    fl_buf_put(b, chat ? FL_LIT("{\"id\":\"chatcmpl-sim-") : FL_LIT("{\"id\":\"cmpl-sim-"));
    fl_buf_put_hex(b, fl_mix64(fl_mix64(p->options.seed) + c->serial), 16);
    fl_buf_put(b, FL_LIT("\",\"object\":"));
    sim_put_string(b, object);
    fl_buf_put(b, FL_LIT(",\"created\":"));
    fl_buf_put_u64(b, wall_ns / FL_NS_S);
    fl_buf_put(b, FL_LIT(",\"model\":"));
    fl_buf_put_json(b, c->ask.model->id);
    fl_buf_put(b, FL_LIT(",\"system_fingerprint\":\"fp_simulated\","));
}

void sim_put_completion(const struct sim_conn *c, struct fl_buf *b)
{
    bool chat = c->ask.endpoint == SIM_CHAT;
    put_opening(c, chat ? "chat.completion" : "text_completion", b);
    fl_buf_put(
        b,
        chat ? FL_LIT("\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":")
             : FL_LIT("\"choices\":[{\"index\":0,\"text\":"));
    fl_buf_put_json(b, fl_buf_slice(&c->text));
    fl_buf_put(b, chat ? FL_LIT(",\"refusal\":null}") : FL_EMPTY);
    fl_buf_put(b, FL_LIT(",\"logprobs\":null,\"finish_reason\":"));
    sim_put_string(b, c->finish_reason);
    fl_buf_put(b, FL_LIT("}],"));
    put_usage(c, b);
    fl_buf_putc(b, '}');
}

static uint64_t root(uint64_t x)
{
    uint64_t low = 0, high = UINT64_C(1) << 31;
    while (low < high) {
        uint64_t middle = (low + high + 1) / 2;
        if (middle * middle <= x) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    return low;
}

static void put_base64(struct fl_buf *b, const unsigned char *bytes, size_t count)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < count; i += 3) {
        size_t left = count - i;
        uint32_t bits = (uint32_t)bytes[i] << 16;
        bits |= left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0;
        bits |= left > 2 ? (uint32_t)bytes[i + 2] : 0;
        fl_buf_putc(b, digits[bits >> 18]);
        fl_buf_putc(b, digits[(bits >> 12) & 63]);
        fl_buf_putc(b, left > 1 ? digits[(bits >> 6) & 63] : '=');
        fl_buf_putc(b, left > 2 ? digits[bits & 63] : '=');
    }
}

static void put_millionths(struct fl_buf *b, int64_t value)
{
    if (value < 0) {
        fl_buf_putc(b, '-');
    }
    fl_buf_put_scaled(b, (uint64_t)(value < 0 ? -value : value), 6, 6);
}

/* A unit vector that depends on the text alone, in millionths. */
static void put_vector(const struct sim_conn *c, struct fl_slice text, struct fl_buf *b)
{
    static const struct fl_hash_key key = {0x656d626564, 7};
    int64_t v[SIM_DIMENSIONS_MAX];
    unsigned char bytes[SIM_DIMENSIONS_MAX * 4];
    uint64_t count = c->ask.dimensions, squares = 0;
    struct fl_rng r;
    fl_rng_seed(&r, fl_hash(key, text));
    for (uint64_t i = 0; i < count; i++) {
        v[i] = (int64_t)fl_rng_below(&r, 20001) - 10000;
        squares += (uint64_t)(v[i] * v[i]);
    }
    int64_t norm = (int64_t)root(squares) + (squares == 0);
    for (uint64_t i = 0; i < count; i++) {
        v[i] = v[i] * 1000000 / norm;
        float number = (float)v[i] / 1000000.0F;
        uint32_t bits;
        memcpy(&bits, &number, sizeof(bits));
        for (unsigned k = 0; k < 4; k++) {
            bytes[i * 4 + k] = (unsigned char)(bits >> (8 * k));
        }
        if (!c->ask.base64) {
            fl_buf_putc(b, i == 0 ? '[' : ',');
            put_millionths(b, v[i]);
        }
    }
    fl_buf_putc(b, c->ask.base64 ? '"' : ']');
    if (c->ask.base64) {
        put_base64(b, bytes, (size_t)count * 4);
        fl_buf_putc(b, '"');
    }
}

static void put_embedding(const struct sim_conn *c, struct fl_json input, uint64_t index,
                          struct fl_buf *b)
{
    struct fl_buf scratch;
    struct fl_slice text = input.span;
    fl_buf_init(&scratch, c->content.max);
    (void)fl_json_text(input, &scratch, &text);
    fl_buf_put(b, index > 0 ? FL_LIT(",") : FL_EMPTY);
    fl_buf_put(b, FL_LIT("{\"object\":\"embedding\",\"index\":"));
    fl_buf_put_u64(b, index);
    fl_buf_put(b, FL_LIT(",\"embedding\":"));
    put_vector(c, text, b);
    fl_buf_putc(b, '}');
    fl_buf_finish(&scratch);
}

void sim_put_embeddings(const struct sim_conn *c, struct fl_buf *b)
{
    struct fl_json_iter it = fl_json_iter(c->ask.input);
    struct fl_json item;
    uint64_t index = 0;
    fl_buf_put(b, FL_LIT("{\"object\":\"list\",\"data\":["));
    if (c->ask.input.type == FL_JSON_STRING) {
        put_embedding(c, c->ask.input, 0, b);
    }
    while (fl_json_next(&it, NULL, &item)) {
        if (item.type == FL_JSON_NUMBER) { /* one input, given as tokens */
            put_embedding(c, c->ask.input, 0, b);
            break;
        }
        put_embedding(c, item, index++, b);
    }
    fl_buf_put(b, FL_LIT("],\"model\":"));
    fl_buf_put_json(b, c->ask.model->id);
    fl_buf_putc(b, ',');
    put_usage(c, b);
    fl_buf_putc(b, '}');
}

void sim_put_event(const struct sim_conn *c, const char *key, struct fl_slice token,
                   const char *finish)
{
    struct fl_buf *out = &c->provider->out;
    bool chat = c->ask.endpoint == SIM_CHAT;
    fl_buf_put(out, FL_LIT("data: "));
    put_opening(c, chat ? "chat.completion.chunk" : "text_completion", out);
    fl_buf_put(out, FL_LIT("\"choices\":[{\"index\":0,"));
    fl_buf_put(out, chat ? FL_LIT("\"delta\":{") : FL_LIT("\"text\":"));
    if (chat && key) {
        fl_buf_put_cstr(out, key);
    }
    if (key || !chat) {
        fl_buf_put_json(out, token);
    }
    fl_buf_put(out, chat ? FL_LIT("},") : FL_LIT(","));
    fl_buf_put(out, FL_LIT("\"logprobs\":null,\"finish_reason\":"));
    sim_put_string(out, finish);
    fl_buf_put(out, FL_LIT("}]"));
    fl_buf_put(out, c->ask.include_usage ? FL_LIT(",\"usage\":null") : FL_EMPTY);
    fl_buf_put(out, FL_LIT("}\n\n"));
}

void sim_put_usage_event(const struct sim_conn *c, struct fl_buf *out)
{
    bool chat = c->ask.endpoint == SIM_CHAT;
    fl_buf_put(out, FL_LIT("data: "));
    put_opening(c, chat ? "chat.completion.chunk" : "text_completion", out);
    fl_buf_put(out, FL_LIT("\"choices\":[],"));
    put_usage(c, out);
    fl_buf_put(out, FL_LIT("}\n\n"));
}

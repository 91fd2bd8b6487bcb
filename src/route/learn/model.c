/* SPDX-License-Identifier: Apache-2.0 */
/* The model file: written by the trainer, read from bytes that nobody has vouched for. */
#include "base/assert.h"
#include "base/hash.h"
#include "route/learn/kinds.h"
#include "route/learn/train.h"

enum {
    at_version = 8,
    at_kind = 12,
    at_bits = 16,
    at_count = 20,
    at_bias = 24,
    at_scale = 56,
    at_sharpness = 60,
    at_payload_bytes = 64,
    at_checksum = 72
};

static const char magic[8] = {'\x89', 'F', 'L', 'T', 'A', 'S', 'K', '\n'};
static const struct fl_hash_key key = {UINT64_C(0x7461736b206d6f64), UINT64_C(0x656c206669726d21)};

static uint64_t get(const uint8_t *p, unsigned bytes)
{
    uint64_t x = 0;
    for (unsigned i = 0; i < bytes; i++) {
        x |= (uint64_t)p[i] << (8 * i);
    }
    return x;
}

static void set(uint8_t *p, unsigned bytes, uint64_t x)
{
    for (unsigned i = 0; i < bytes; i++) {
        p[i] = (uint8_t)(x >> (8 * i));
    }
}

static uint64_t checksum(const uint8_t *file, size_t payload_bytes)
{
    struct fl_hash_key second = {key.k0, fl_hash(key, fl_slice((const char *)file, at_checksum))};
    return fl_hash(second, fl_slice((const char *)file + FL_MODEL_HEADER, payload_bytes));
}

static enum fl_err refuse(struct fl_reterr *reterr, size_t offset, const char *why)
{
    if (reterr) {
        struct fl_buf b;
        *reterr = (struct fl_reterr){.err = FL_ERR_CONFIG, .offset = offset};
        fl_buf_init_in(&b, reterr->message, sizeof(reterr->message) - 1);
        fl_buf_put_cstr(&b, why);
    }
    return FL_ERR_CONFIG;
}

static void read_numbers(const uint8_t *p, struct fl_classifier *c)
{
    for (unsigned i = 0; i < FL_TASK_COUNT; i++) {
        c->bias[i] = (double)(int32_t)(uint32_t)get(p + at_bias + 4 * i, 4) * 0x1p-16;
    }
    c->scale = (double)get(p + at_scale, 4) * 0x1p-24;
    c->sharpness = (double)get(p + at_sharpness, 4) * 0x1p-16;
}

static enum fl_err read_head(const uint8_t *p, struct fl_classifier *c, struct fl_reterr *reterr)
{
    uint64_t kind = get(p + at_kind, 4), bits = get(p + at_bits, 4), count = get(p + at_count, 4);
    if (memcmp(p, magic, sizeof(magic)) != 0) {
        return refuse(reterr, 0, "not a model file");
    }
    if (get(p + at_version, 4) != 1) {
        return refuse(reterr, at_version, "a model file of another version");
    }
    if (kind >= FL_CLASSIFIER_COUNT) {
        return refuse(reterr, at_kind, "an unknown kind of classifier");
    }
    const struct fl_classifier_ops *ops = fl_classifier_ops((enum fl_classifier_kind)kind);
    if (bits < ops->bits_min || bits > ops->bits_max) {
        return refuse(reterr, at_bits, "a table size that this kind cannot have");
    }
    if (count < ops->count_min || count > ops->count_max) {
        return refuse(reterr, at_count, "a count that this kind cannot have");
    }
    *c = (struct fl_classifier){
        .kind = (enum fl_classifier_kind)kind, .bits = (unsigned)bits, .count = (unsigned)count};
    read_numbers(p, c);
    return c->sharpness > 0 && c->sharpness <= 64
               ? FL_OK
               : refuse(reterr, at_sharpness, "a sharpness out of range");
}

enum fl_err fl_classifier_load(struct fl_slice bytes, struct fl_classifier *ret_classifier,
                               struct fl_reterr *reterr)
{
    const uint8_t *p = (const uint8_t *)bytes.ptr;
    struct fl_classifier c;
    if (bytes.len < FL_MODEL_HEADER) {
        return refuse(reterr, bytes.len, "too short for a model file");
    }
    enum fl_err err = read_head(p, &c, reterr);
    if (err) {
        return err;
    }
    const struct fl_classifier_ops *ops = fl_classifier_ops(c.kind);
    uint64_t payload = ops->payload_bytes(c.bits, c.count);
    if (get(p + at_payload_bytes, 8) != payload || bytes.len - FL_MODEL_HEADER != payload) {
        return refuse(reterr, at_payload_bytes, "the file is cut, or longer than it says");
    }
    if (get(p + at_checksum, 8) != checksum(p, (size_t)payload)) {
        return refuse(reterr, at_checksum, "the checksum does not match: the file is damaged");
    }
    if (!ops->attach(&c, p + FL_MODEL_HEADER)) {
        return refuse(reterr, FL_MODEL_HEADER, "a table holds what this version does not know");
    }
    *ret_classifier = c;
    return FL_OK;
}

/* Nearest integer of x * 2^bits, kept within +-(2^31 - 1). */
static int64_t fixed(double x, double one)
{
    double scaled = x * one + (x < 0 ? -0.5 : 0.5);
    return scaled > 2147483647.0    ? 2147483647
           : scaled < -2147483647.0 ? -2147483647
                                    : (int64_t)scaled;
}

void fl_model_put(const struct fl_model_head *head, struct fl_slice payload, struct fl_buf *b)
{
    uint8_t h[FL_MODEL_HEADER] = {0};
    memcpy(h, magic, sizeof(magic));
    set(h + at_version, 4, 1);
    set(h + at_kind, 4, head->kind);
    set(h + at_bits, 4, head->bits);
    set(h + at_count, 4, head->count);
    for (unsigned i = 0; i < FL_TASK_COUNT; i++) {
        set(h + at_bias + 4 * i, 4, (uint64_t)fixed(head->bias[i], 0x1p16));
    }
    set(h + at_scale, 4, (uint64_t)fixed(head->scale, 0x1p24));
    set(h + at_payload_bytes, 8, payload.len);
    fl_buf_reset(b);
    fl_buf_put(b, fl_slice((const char *)h, sizeof(h)));
    fl_buf_put(b, payload);
    if (fl_buf_ok(b)) {
        fl_model_sharpen(b, head->sharpness);
    }
}

void fl_model_sharpen(struct fl_buf *model, double sharpness)
{
    fl_assert(model->len >= FL_MODEL_HEADER && sharpness > 0);
    uint8_t *p = (uint8_t *)model->ptr;
    set(p + at_sharpness, 4, (uint64_t)fixed(sharpness, 0x1p16));
    set(p + at_checksum, 8, checksum(p, model->len - FL_MODEL_HEADER));
}

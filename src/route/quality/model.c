/* SPDX-License-Identifier: Apache-2.0 */
#include "route/quality/model.h"

#include "base/assert.h"
#include "base/hash.h"

enum {
    at_version = 8,
    at_heads = 12,
    at_bits = 16,
    at_strong = 20,
    at_weak = 24,
    at_names = 28,
    at_payload = 32,
    at_checksum = 40,
    pair_numbers = 1 + 3 * FL_PAIR_SIGNALS
};

static const char magic[8] = {'\x89', 'F', 'L', 'Q', 'U', 'A', 'L', '\n'};
static const struct fl_hash_key key = {UINT64_C(0x7175616c69747920), UINT64_C(0x6d6f64656c203121)};
static const uint32_t none = UINT32_MAX;

/* --- Bytes --- */

static uint64_t get(const uint8_t *p, unsigned bytes)
{
    uint64_t x = 0;
    for (unsigned i = 0; i < bytes; i++) {
        x |= (uint64_t)p[i] << (8 * i);
    }
    return x;
}

static double get_number(const uint8_t *p)
{
    uint64_t bits = get(p, 8);
    double x;
    memcpy(&x, &bits, sizeof(x));
    return x;
}

static void put(struct fl_buf *b, unsigned bytes, uint64_t x)
{
    for (unsigned i = 0; i < bytes; i++) {
        fl_buf_putc(b, (char)(x >> (8 * i)));
    }
}

static void put_number(struct fl_buf *b, double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof(bits));
    put(b, 8, bits);
}

static uint64_t checksum(struct fl_slice file)
{
    struct fl_hash_key second = {key.k0, fl_hash(key, fl_slice_first(file, at_checksum))};
    return fl_hash(second, fl_slice_from(file, FL_QUALITY_HEADER));
}

/* --- Reading --- */

struct reading {
    struct fl_slice file;
    struct fl_reterr *reterr;
};

static enum fl_err refuse(const struct reading *r, size_t offset, const char *why)
{
    if (r->reterr) {
        struct fl_buf b;
        *r->reterr = (struct fl_reterr){.err = FL_ERR_CONFIG, .offset = offset};
        fl_buf_init_in(&b, r->reterr->message, sizeof(r->reterr->message) - 1);
        fl_buf_put_cstr(&b, why);
    }
    return FL_ERR_CONFIG;
}

static size_t means_bytes(unsigned heads)
{
    return (size_t)heads * (1 + FL_BIAS_CLASSES) * 16;
}

static size_t weights_bytes(unsigned heads, unsigned bits)
{
    return ((size_t)(heads + 1) << bits) * 2;
}

static enum fl_err read_sizes(const struct reading *r, struct fl_quality_model *m,
                              uint64_t *ret_names)
{
    const uint8_t *p = (const uint8_t *)r->file.ptr;
    if (r->file.len < FL_QUALITY_HEADER || memcmp(p, magic, sizeof(magic)) != 0) {
        return refuse(r, 0, "not a quality model");
    }
    if (get(p + at_version, 4) != 1) {
        return refuse(r, at_version, "a quality model of another version");
    }
    uint64_t heads = get(p + at_heads, 4), bits = get(p + at_bits, 4);
    if (heads < 1 || heads > FL_HEADS_MAX) {
        return refuse(r, at_heads, "a number of models that cannot be");
    }
    if (bits < FL_HEAD_BITS_MIN || bits > FL_HEAD_BITS_MAX) {
        return refuse(r, at_bits, "a table size that cannot be");
    }
    m->head_count = (unsigned)heads;
    m->row_bits = (unsigned)bits;
    *ret_names = get(p + at_names, 4);
    uint64_t payload = *ret_names + 8 * pair_numbers + means_bytes(m->head_count) +
                       weights_bytes(m->head_count, m->row_bits);
    if (get(p + at_payload, 8) != payload || r->file.len - FL_QUALITY_HEADER != payload) {
        return refuse(r, at_payload, "the file is cut, or longer than it says");
    }
    if (get(p + at_checksum, 8) != checksum(r->file)) {
        return refuse(r, at_checksum, "the checksum does not match: the file is damaged");
    }
    return FL_OK;
}

static enum fl_err read_names(const struct reading *r, struct fl_slice names,
                              struct fl_quality_model *m)
{
    size_t at = 0;
    for (unsigned i = 0; i < m->head_count; i++) {
        size_t len = at < names.len ? (unsigned char)names.ptr[at] : 0;
        if (len < 1 || len > FL_QUALITY_NAME_MAX || at + 1 + len > names.len) {
            return refuse(r, FL_QUALITY_HEADER + at, "a model's name is missing");
        }
        m->names[i] = fl_slice(names.ptr + at + 1, len);
        at += 1 + len;
    }
    return at == names.len ? FL_OK : refuse(r, FL_QUALITY_HEADER + at, "more names than models");
}

/* NaN is not within any bounds. */
static bool within(double x, double low, double high)
{
    return x >= low && x <= high;
}

static enum fl_err read_pair(const struct reading *r, const uint8_t *p, struct fl_quality_model *m)
{
    const uint8_t *file = (const uint8_t *)r->file.ptr;
    uint64_t strong = get(file + at_strong, 4), weak = get(file + at_weak, 4);
    m->has_pair = strong != none || weak != none;
    if (!m->has_pair) {
        return FL_OK;
    }
    if (strong >= m->head_count || weak >= m->head_count || strong == weak) {
        return refuse(r, at_strong, "a pair of models that are not there");
    }
    m->pair = (struct fl_pair){
        .strong = (unsigned)strong, .weak = (unsigned)weak, .mean_gain = get_number(p)};
    bool ok = within(m->pair.mean_gain, -1, 1);
    for (unsigned i = 0; i < FL_PAIR_SIGNALS; i++) {
        m->pair.centre[i] = get_number(p + 8 * (1 + i));
        m->pair.spread[i] = get_number(p + 8 * (1 + FL_PAIR_SIGNALS + i));
        m->pair.weight[i] = get_number(p + 8 * (1 + 2 * FL_PAIR_SIGNALS + i));
        ok = ok && within(m->pair.centre[i], -256, 256) && within(m->pair.spread[i], 1e-9, 256) &&
             within(m->pair.weight[i], 0, 1e6);
    }
    size_t offset = (size_t)(p - file);
    return ok ? FL_OK : refuse(r, offset, "a number of the pair is out of range");
}

static enum fl_err read_means(const struct reading *r, const struct fl_quality_model *m)
{
    for (size_t i = 0; i < means_bytes(m->head_count); i += 16) {
        double weight = get_number(m->means + i), sum = get_number(m->means + i + 8);
        if (!within(weight, 0, FL_BIAS_MEMORY) || !within(sum, 0, weight)) {
            size_t offset = (size_t)(m->means - (const uint8_t *)r->file.ptr) + i;
            return refuse(r, offset, "a mean is out of range");
        }
    }
    return FL_OK;
}

enum fl_err fl_quality_read(struct fl_slice bytes, struct fl_quality_model *ret_model,
                            struct fl_reterr *reterr)
{
    struct reading r = {bytes, reterr};
    struct fl_quality_model m = {0};
    uint64_t names = 0;
    enum fl_err err = read_sizes(&r, &m, &names);
    if (err) {
        return err;
    }
    const uint8_t *pair = (const uint8_t *)bytes.ptr + FL_QUALITY_HEADER + names;
    m.means = pair + 8 * pair_numbers;
    m.weights = m.means + means_bytes(m.head_count);
    err = read_names(&r, fl_slice(bytes.ptr + FL_QUALITY_HEADER, (size_t)names), &m);
    err = err ? err : read_pair(&r, pair, &m);
    err = err ? err : read_means(&r, &m);
    if (!err) {
        *ret_model = m;
    }
    return err;
}

static const uint8_t *take_mean(const uint8_t *p, struct fl_bias_node *node)
{
    *node = (struct fl_bias_node){get_number(p), get_number(p + 8)};
    return p + 16;
}

void fl_quality_apply(const struct fl_quality_model *m, struct fl_heads *h)
{
    fl_assert(h->shape.head_count == m->head_count && h->shape.row_bits == m->row_bits);
    const uint8_t *p = m->means;
    for (unsigned i = 0; i < m->head_count; i++) {
        p = take_mean(p, &h->bias.global[i]);
    }
    for (unsigned i = 0; i < m->head_count * FL_BIAS_CLASSES; i++) {
        p = take_mean(p, &h->bias.classes[i]);
    }
    p = m->weights;
    for (uint32_t row = 0; row < 1u << m->row_bits; row++) {
        for (unsigned i = 0; i <= m->head_count; i++, p += 2) {
            double units = (int16_t)(uint16_t)get(p, 2);
            fl_heads_set(h, row, i, units / FL_HEAD_ONE);
        }
    }
}

/* --- Writing --- */

static void put_means(const struct fl_heads *h, struct fl_buf *b)
{
    for (unsigned i = 0; i < h->shape.head_count * (1 + FL_BIAS_CLASSES); i++) {
        put_number(b, h->bias.global[i].weight); /* the classes stand behind */
        put_number(b, h->bias.global[i].sum);
    }
}

static void put_pair(const struct fl_pair *pair, struct fl_buf *b)
{
    static const struct fl_pair no_pair = {0};
    const struct fl_pair *p = pair ? pair : &no_pair;
    put_number(b, p->mean_gain);
    for (unsigned i = 0; i < FL_PAIR_SIGNALS; i++) {
        put_number(b, p->centre[i]);
    }
    for (unsigned i = 0; i < FL_PAIR_SIGNALS; i++) {
        put_number(b, p->spread[i]);
    }
    for (unsigned i = 0; i < FL_PAIR_SIGNALS; i++) {
        put_number(b, p->weight[i]);
    }
}

void fl_quality_seal(char *file, size_t len)
{
    fl_assert(len >= FL_QUALITY_HEADER);
    uint64_t sum = checksum(fl_slice(file, len));
    for (unsigned i = 0; i < 8; i++) {
        file[at_checksum + i] = (char)(sum >> (8 * i));
    }
}

void fl_quality_write(const struct fl_heads *h, const struct fl_pair *pair,
                      const struct fl_slice *names, struct fl_buf *b)
{
    unsigned heads = h->shape.head_count, bits = h->shape.row_bits;
    size_t names_bytes = 0;
    for (unsigned i = 0; i < heads; i++) {
        fl_assert(names[i].len >= 1 && names[i].len <= FL_QUALITY_NAME_MAX);
        names_bytes += 1 + names[i].len;
    }
    fl_buf_reset(b);
    fl_buf_put(b, fl_slice(magic, sizeof(magic)));
    put(b, 4, 1);
    put(b, 4, heads);
    put(b, 4, bits);
    put(b, 4, pair ? pair->strong : none);
    put(b, 4, pair ? pair->weak : none);
    put(b, 4, names_bytes);
    put(b, 8, names_bytes + 8 * pair_numbers + means_bytes(heads) + weights_bytes(heads, bits));
    put(b, 8, 0);
    for (unsigned i = 0; i < heads; i++) {
        fl_buf_putc(b, (char)names[i].len);
        fl_buf_put(b, names[i]);
    }
    put_pair(pair, b);
    put_means(h, b);
    for (uint32_t row = 0; row < 1u << bits; row++) {
        for (unsigned i = 0; i <= heads; i++) {
            put(b, 2, (uint16_t)h->weights[(size_t)row * h->stride + i]);
        }
    }
    if (fl_buf_ok(b)) {
        fl_quality_seal(b->ptr, b->len);
    }
}

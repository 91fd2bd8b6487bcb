/* SPDX-License-Identifier: Apache-2.0 */
#include "route/catalog/price.h"

#include "base/assert.h"

__extension__ typedef unsigned __int128 wide; /* products of two counts never wrap */

#define S_PER_DAY   86400
#define MS_PER_HOUR 3600000u

/* --- Which prices --- */

bool fl_price_get(const struct fl_price_rule *rule, enum fl_price_class c, uint64_t *ret_price)
{
    uint32_t bit = 1u << c;
    if (!(rule->classes & bit)) {
        return false;
    }
    *ret_price = rule->prices[__builtin_popcount(rule->classes & (bit - 1))];
    return true;
}

bool fl_price_find(const struct fl_price_rule *rule, enum fl_price_class c, uint64_t *ret_price,
                   enum fl_price_class *ret_by)
{
    for (;;) {
        if (fl_price_get(rule, c, ret_price)) {
            if (ret_by) {
                *ret_by = c;
            }
            return true;
        }
        if (fl_price_classes[c].fallback == c) {
            return false;
        }
        c = fl_price_classes[c].fallback;
    }
}

bool fl_price_blended(const struct fl_price_rule *rule, uint64_t *ret_price)
{
    uint64_t in = 0, out = 0;
    if (!rule || !fl_price_find(rule, FL_PRICE_IN, &in, NULL)) {
        return false;
    }
    (void)fl_price_find(rule, FL_PRICE_OUT, &out, NULL);
    *ret_price = (uint64_t)(((wide)in * 3 + out) / 4); /* a mean: fits as its terms do */
    return true;
}

static bool in_window(const struct fl_price_rule *rule, unsigned minute)
{
    if (rule->from_minute == rule->to_minute) {
        return true;
    }
    if (rule->from_minute < rule->to_minute) {
        return minute >= rule->from_minute && minute < rule->to_minute;
    }
    return minute >= rule->from_minute || minute < rule->to_minute;
}

const struct fl_price_rule *fl_price_rule(const struct fl_model *model, uint64_t tokens_in,
                                          int64_t when_s)
{
    int64_t day = when_s / S_PER_DAY, second = when_s % S_PER_DAY;
    if (second < 0) {
        second += S_PER_DAY;
        day--;
    }
    unsigned minute = (unsigned)second / 60;
    for (unsigned i = model->rule_count; i > 0; i--) {
        const struct fl_price_rule *rule = &model->rules[i - 1];
        bool above = rule->above_tokens == 0 || tokens_in > rule->above_tokens;
        if (above && day >= rule->from_day && in_window(rule, minute)) {
            return rule;
        }
    }
    return NULL;
}

/* --- Into cells --- */

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Moves up to *want* from *io_from*. */
static uint64_t take(uint64_t *io_from, uint64_t want)
{
    uint64_t n = least(*io_from, want);
    *io_from -= n;
    return n;
}

static void divide_input(const struct fl_usage *u, uint64_t cells[FL_PRICE_CLASS_COUNT])
{
    enum { KINDS = 4 };
    static const enum fl_price_class fresh[KINDS] = {FL_PRICE_IN, FL_PRICE_IN_AUDIO,
                                                     FL_PRICE_IN_IMAGE, FL_PRICE_IN_VIDEO};
    static const enum fl_price_class cached[KINDS] = {FL_PRICE_CACHED, FL_PRICE_CACHED_AUDIO,
                                                      FL_PRICE_CACHED_IMAGE, FL_PRICE_CACHED_VIDEO};
    uint64_t rest = u->tokens_in, hit = least(u->tokens_cached, rest);
    const uint64_t said[KINDS] = {0, u->tokens_in_audio, u->tokens_in_image, u->tokens_in_video};
    const uint64_t read[KINDS] = {0, u->tokens_cached_audio, u->tokens_cached_image,
                                  u->tokens_cached_video};
    for (unsigned k = 1; k < KINDS; k++) {
        cells[fresh[k]] = take(&rest, said[k]);
        cells[cached[k]] = take(&hit, least(read[k], cells[fresh[k]]));
        cells[fresh[k]] -= cells[cached[k]];
    }
    cells[FL_PRICE_IN] = rest;
    for (unsigned k = 0; k < KINDS;
         k++) { /* what is cached without a kind is text while there is any */
        uint64_t moved = take(&cells[fresh[k]], hit);
        cells[cached[k]] += moved;
        hit -= moved;
    }
    uint64_t written = u->tokens_cache_write, taken = 0;
    for (unsigned k = 0; k < KINDS; k++) {
        taken += take(&cells[fresh[k]], written - taken);
    }
    cells[FL_PRICE_WRITE_1H] = least(u->tokens_cache_write_1h, taken);
    cells[FL_PRICE_WRITE] = taken - cells[FL_PRICE_WRITE_1H];
}

static void divide(const struct fl_usage *u, uint64_t cells[FL_PRICE_CLASS_COUNT])
{
    uint64_t rest = u->tokens_out;
    memset(cells, 0, FL_PRICE_CLASS_COUNT * sizeof(*cells));
    divide_input(u, cells);
    cells[FL_PRICE_REASONING] = take(&rest, u->tokens_reasoning);
    cells[FL_PRICE_OUT_AUDIO] = take(&rest, u->tokens_out_audio);
    cells[FL_PRICE_OUT_IMAGE] = take(&rest, u->tokens_out_image);
    cells[FL_PRICE_OUT_VIDEO] = take(&rest, u->tokens_out_video);
    cells[FL_PRICE_CITATION] = take(&rest, u->tokens_citation);
    cells[FL_PRICE_OUT] = rest;
    cells[FL_PRICE_REQUEST] = u->requests;
    cells[FL_PRICE_SEARCH] = u->searches;
    cells[FL_PRICE_FILE_SEARCH] = u->file_searches;
    cells[FL_PRICE_PAGE] = u->pages;
    cells[FL_PRICE_ANNOTATED_PAGE] = u->pages_annotated;
    cells[FL_PRICE_AUDIO_HOUR] = u->audio_ms;
    cells[FL_PRICE_TEXT_MESSAGE] = u->text_messages;
}

/* --- The bill --- */

static bool add(uint64_t *io_sum, wide amount)
{
    wide sum = (wide)*io_sum + amount;
    if (sum > UINT64_MAX) {
        return false;
    }
    *io_sum = (uint64_t)sum;
    return true;
}

static wide divide_round(wide value, unsigned by)
{
    return (value + by / 2) / by;
}

static uint64_t *part_of(struct fl_bill *bill, enum fl_price_class c)
{
    if (c < FL_PRICE_OUT) {
        return &bill->in_picousd;
    }
    return c < FL_PRICE_REQUEST ? &bill->out_picousd : &bill->calls_picousd;
}

/* False: too much. */
static bool add_line(struct fl_bill *bill, enum fl_price_class c, uint64_t count)
{
    struct fl_bill_line *line = &bill->lines[bill->line_count];
    *line = (struct fl_bill_line){.what = c, .count = count};
    if (!fl_price_find(bill->rule, c, &line->price, &line->by)) {
        bill->unpriced |= c == FL_PRICE_REQUEST ? 0 : 1u << c;
        return true;
    }
    wide amount = (wide)count * line->price;
    if (c == FL_PRICE_AUDIO_HOUR) {
        amount = divide_round(amount, MS_PER_HOUR);
    }
    bill->line_count++;
    return add(&line->picousd, amount) && add(part_of(bill, c), amount);
}

static void set_factor(struct fl_bill *bill, const struct fl_model *model, enum fl_service service)
{
    unsigned permille = model->service_permille[service];
    if (permille == 0 && model->provider) {
        permille = model->provider->service_permille[service];
    }
    bill->service_unknown = permille == 0 && service != FL_SERVICE_STANDARD;
    bill->permille = (uint16_t)(permille > 0 ? permille : FL_PERMILLE);
}

static bool apply_factor(struct fl_bill *bill)
{
    wide in = divide_round((wide)bill->in_picousd * bill->permille, FL_PERMILLE);
    wide out = divide_round((wide)bill->out_picousd * bill->permille, FL_PERMILLE);
    bill->in_picousd = bill->out_picousd = 0;
    return add(&bill->in_picousd, in) && add(&bill->out_picousd, out) &&
           add(&bill->picousd, (wide)bill->in_picousd + bill->out_picousd) &&
           add(&bill->picousd, bill->calls_picousd);
}

enum fl_err fl_price_usage(const struct fl_model *model, const struct fl_usage *usage,
                           int64_t when_s, struct fl_bill *ret_bill)
{
    uint64_t cells[FL_PRICE_CLASS_COUNT];
    struct fl_bill bill = {.rule = fl_price_rule(model, usage->tokens_in, when_s)};
    fl_assert((unsigned)usage->service < FL_SERVICE_COUNT);
    if (!bill.rule) {
        return FL_ERR_INVALID;
    }
    divide(usage, cells);
    set_factor(&bill, model, usage->service);
    for (unsigned c = 0; c < FL_PRICE_CLASS_COUNT; c++) {
        if (cells[c] > 0 && !add_line(&bill, (enum fl_price_class)c, cells[c])) {
            return FL_ERR_TOO_BIG;
        }
    }
    if (!apply_factor(&bill)) {
        return FL_ERR_TOO_BIG;
    }
    *ret_bill = bill;
    return FL_OK;
}

/* --- Before it is sent --- */

enum fl_err fl_price_estimate(const struct fl_model *model, const struct fl_price_request *request,
                              int64_t when_s, struct fl_estimate *ret_estimate)
{
    enum { MILLION = 1000000 };
    struct fl_bill cold, warm, high;
    struct fl_usage usage = {.known = true,
                             .service = request->service,
                             .tokens_in = request->tokens_in,
                             .tokens_cache_write = request->tokens_cache_write,
                             .tokens_out = request->tokens_out_p50,
                             .requests = 1};
    usage.tokens_cache_write_1h = request->cache_write_1h ? usage.tokens_cache_write : 0;
    enum fl_err err = fl_price_usage(model, &usage, when_s, &cold);
    if (err) {
        return err;
    }
    usage.tokens_out = request->tokens_out_p90;
    err = fl_price_usage(model, &usage, when_s, &high);
    if (err) {
        return err;
    }
    usage.tokens_out = request->tokens_out_p50;
    usage.tokens_cached = request->tokens_prefix;
    err = fl_price_usage(model, &usage, when_s, &warm);
    if (err) {
        return err;
    }
    unsigned ppm = request->prefix_ppm < MILLION ? request->prefix_ppm : MILLION;
    wide in = (wide)warm.in_picousd * ppm + (wide)cold.in_picousd * (MILLION - ppm);
    uint64_t in_picousd = (uint64_t)divide_round(in, MILLION); /* a mean: fits as its terms do */
    *ret_estimate = (struct fl_estimate){.picousd_p50 = cold.picousd - cold.in_picousd + in_picousd,
                                         .picousd_p90 = high.picousd,
                                         .picousd_in = in_picousd,
                                         .unpriced = cold.unpriced | warm.unpriced};
    return FL_OK;
}

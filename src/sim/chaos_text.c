/* SPDX-License-Identifier: Apache-2.0 */
/* A plan as text: a word, then key=value. '#' begins a comment. */
#include "sim/chaos.h"
#include "sim/provider.h"

#include "route/route.h"

static const char *const kind_names[] = {
#define X(id, name) name,
    FL_CHAOS_KINDS(X)
#undef X
};
static const char *const net_names[] = {
#define X(id, name) name,
    FL_CHAOS_NETS(X)
#undef X
};
static const char *const client_names[] = {
#define X(id, name) name,
    FL_CHAOS_CLIENTS(X)
#undef X
};

const char *fl_chaos_lie_name(enum fl_chaos_lie lie)
{
    static const char *const names[] = {"honest",
#define X(id, name) name,
                                        FL_CHAOS_LIES(X)
#undef X
    };
    return lie < FL_CHAOS_LIE_COUNT ? names[lie] : "?";
}

/* --- writing --- */

static void put(struct fl_buf *b, const char *key, uint64_t n)
{
    fl_buf_putc(b, ' ');
    fl_buf_put_cstr(b, key);
    fl_buf_putc(b, '=');
    fl_buf_put_u64(b, n);
}

static void put_word(struct fl_buf *b, const char *key, const char *word)
{
    fl_buf_putc(b, ' ');
    fl_buf_put_cstr(b, key);
    fl_buf_putc(b, '=');
    fl_buf_put_cstr(b, word);
}

static void put_fault(const struct fl_chaos_fault *f, struct fl_buf *b)
{
    fl_buf_put_cstr(b, "fault");
    put_word(b, "kind", kind_names[f->kind]);
    put(b, "at_ms", f->at_ms);
    if (f->for_ms == UINT32_MAX) {
        put_word(b, "for_ms", "ever");
    } else {
        put(b, "for_ms", f->for_ms);
    }
    if (f->providers != 0) {
        put(b, "providers", f->providers);
    }
    put(b, "permille", f->permille);
    if (f->kind == FL_CHAOS_MISDEED) {
        put_word(b, "arg", fl_sim_misdeed_name((enum fl_sim_misdeed)f->arg));
    } else if (f->kind == FL_CHAOS_NET) {
        put_word(b, "arg", net_names[f->arg]);
    } else {
        fl_buf_put_cstr(b, " arg=");
        fl_buf_put_i64(b, f->arg);
    }
    put(b, "more", f->more);
    fl_buf_putc(b, '\n');
}

void fl_chaos_put(const struct fl_chaos_plan *plan, struct fl_buf *b)
{
    fl_buf_put_cstr(b, "plan");
    put(b, "seed", plan->seed);
    put(b, "storm_ms", plan->storm_ms);
    put(b, "gap_ms", plan->gap_ms);
    put(b, "first", plan->first);
    put(b, "exchanges", plan->exchanges);
    put(b, "settling", plan->settling);
    put(b, "calm", plan->calm);
    put(b, "healthy", plan->healthy);
    fl_buf_put_cstr(b, "\ngateway");
    put(b, "workers", plan->workers);
    put(b, "attempts", plan->attempts);
    put_word(b, "by", fl_selection_word(plan->selection));
    put(b, "hedge_ms", plan->hedge_ms);
    put(b, "resume", plan->resume);
    fl_buf_put_cstr(b, "\nclients");
    put(b, "stream", plan->stream_permille);
    put(b, "chop", plan->chop);
    for (unsigned i = 0; i < FL_CHAOS_CLIENT_COUNT; i++) {
        if (plan->clients[i] > 0) {
            put(b, client_names[i], plan->clients[i]);
        }
    }
    fl_buf_putc(b, '\n');
    for (unsigned i = 0; i < plan->provider_count; i++) {
        const struct fl_chaos_provider *p = &plan->providers[i];
        fl_buf_put_cstr(b, "provider");
        put(b, "ttft_ms", p->ttft_ms);
        put(b, "token_ms", p->token_ms);
        put(b, "rpm", p->rpm);
        put(b, "connections", p->connections);
        put(b, "vendor", p->vendor);
        put(b, "fallback", p->fallback);
        put(b, "no_tools", p->no_tools);
        fl_buf_putc(b, '\n');
    }
    for (unsigned i = 0; i < plan->fault_count; i++) {
        put_fault(&plan->faults[i], b);
    }
}

/* --- reading --- */

/* Takes what stands before the next space. */
static struct fl_slice take_word(struct fl_slice *rest)
{
    *rest = fl_slice_trim(*rest);
    struct fl_slice word = fl_slice_first(*rest, fl_slice_find(*rest, ' '));
    *rest = fl_slice_from(*rest, word.len);
    return word;
}

static bool index_of(const char *const *names, unsigned count, struct fl_slice name, unsigned *ret)
{
    for (unsigned i = 0; i < count; i++) {
        if (fl_slice_eq(name, fl_slice_cstr(names[i]))) {
            *ret = i;
            return true;
        }
    }
    return false;
}

/* Reads key=value; false: it is not this key, or its value is no number up to *most*. */
static bool is_number(struct fl_slice word, const char *key, uint64_t most, unsigned *ret)
{
    size_t at = fl_slice_find(word, '=');
    uint64_t n = 0;
    if (!fl_slice_eq(fl_slice_first(word, at), fl_slice_cstr(key)) ||
        !fl_slice_u64(fl_slice_from(word, at + 1), &n) || n > most) {
        return false;
    }
    *ret = (unsigned)n;
    return true;
}

static bool read_plan_word(struct fl_slice word, struct fl_chaos_plan *plan)
{
    size_t at = fl_slice_find(word, '=');
    if (fl_slice_eq(fl_slice_first(word, at), FL_LIT("seed"))) {
        return fl_slice_u64(fl_slice_from(word, at + 1), &plan->seed);
    }
    return is_number(word, "storm_ms", 86400000, &plan->storm_ms) ||
           is_number(word, "gap_ms", 3600000, &plan->gap_ms) ||
           is_number(word, "first", 1000000, &plan->first) ||
           is_number(word, "exchanges", 1000000, &plan->exchanges) ||
           is_number(word, "settling", 1000000, &plan->settling) ||
           is_number(word, "calm", 1000000, &plan->calm) ||
           is_number(word, "healthy", FL_CHAOS_PROVIDERS_MAX - 1, &plan->healthy);
}

static bool read_gateway_word(struct fl_slice word, struct fl_chaos_plan *plan)
{
    if (fl_slice_starts(word, FL_LIT("by="))) {
        struct fl_slice name = fl_slice_from(word, 3);
        for (unsigned i = 0; fl_selection_word(i); i++) {
            if (fl_slice_eq(name, fl_slice_cstr(fl_selection_word(i)))) {
                plan->selection = i;
                return true;
            }
        }
        return false;
    }
    return is_number(word, "workers", 4, &plan->workers) ||
           is_number(word, "attempts", 16, &plan->attempts) ||
           is_number(word, "hedge_ms", 600000, &plan->hedge_ms) ||
           is_number(word, "resume", 1, &plan->resume);
}

static bool read_client_word(struct fl_slice word, struct fl_chaos_plan *plan)
{
    for (unsigned i = 0; i < FL_CHAOS_CLIENT_COUNT; i++) {
        if (is_number(word, client_names[i], 1000, &plan->clients[i])) {
            return true;
        }
    }
    return is_number(word, "stream", 1000, &plan->stream_permille) ||
           is_number(word, "chop", 2, &plan->chop);
}

static bool read_provider_word(struct fl_slice word, struct fl_chaos_provider *p)
{
    unsigned flag = 0;
    if (is_number(word, "fallback", 1, &flag)) {
        p->fallback = flag == 1;
        return true;
    }
    if (is_number(word, "no_tools", 1, &flag)) {
        p->no_tools = flag == 1;
        return true;
    }
    return is_number(word, "ttft_ms", 600000, &p->ttft_ms) ||
           is_number(word, "token_ms", 600000, &p->token_ms) ||
           is_number(word, "rpm", 10000000, &p->rpm) ||
           is_number(word, "connections", 10000, &p->connections) ||
           is_number(word, "vendor", 100, &p->vendor);
}

static bool read_arg(struct fl_slice value, struct fl_chaos_fault *f)
{
    unsigned index = 0;
    uint64_t n = 0;
    if (f->kind == FL_CHAOS_MISDEED) {
        for (unsigned i = 0; i < FL_SIM_MISDEED_COUNT; i++) {
            if (fl_slice_eq(value, fl_slice_cstr(fl_sim_misdeed_name((enum fl_sim_misdeed)i)))) {
                f->arg = i;
                return true;
            }
        }
        return false;
    }
    if (f->kind == FL_CHAOS_NET) {
        bool known = index_of(net_names, FL_CHAOS_NET_COUNT, value, &index);
        f->arg = index;
        return known;
    }
    bool negative = fl_slice_starts(value, FL_LIT("-"));
    if (!fl_slice_u64(fl_slice_from(value, negative), &n) || n > INT64_MAX) {
        return false;
    }
    f->arg = negative ? -(int64_t)n : (int64_t)n;
    return true;
}

static bool read_fault_word(struct fl_slice word, struct fl_chaos_fault *f)
{
    size_t at = fl_slice_find(word, '=');
    struct fl_slice key = fl_slice_first(word, at), value = fl_slice_from(word, at + 1);
    unsigned index = 0;
    if (fl_slice_eq(key, FL_LIT("kind"))) {
        bool known = index_of(kind_names, FL_CHAOS_KIND_COUNT, value, &index);
        f->kind = (enum fl_chaos_kind)index;
        return known;
    }
    if (fl_slice_eq(key, FL_LIT("arg"))) {
        return read_arg(value, f);
    }
    if (fl_slice_eq(word, FL_LIT("for_ms=ever"))) {
        f->for_ms = UINT32_MAX;
        return true;
    }
    if (fl_slice_eq(key, FL_LIT("more"))) {
        return fl_slice_u64(value, &f->more);
    }
    return is_number(word, "at_ms", 86400000, &f->at_ms) ||
           is_number(word, "for_ms", 86400000, &f->for_ms) ||
           is_number(word, "providers", (1U << FL_CHAOS_PROVIDERS_MAX) - 1, &f->providers) ||
           is_number(word, "permille", 1000, &f->permille);
}

/* One line: the first word says whose words the others are. */
static bool read_line(struct fl_slice line, struct fl_chaos_plan *plan)
{
    struct fl_slice rest = line, what = take_word(&rest);
    bool ok = true, provider = fl_slice_eq(what, FL_LIT("provider")),
         fault = fl_slice_eq(what, FL_LIT("fault"));
    if ((provider && plan->provider_count == FL_CHAOS_PROVIDERS_MAX) ||
        (fault && plan->fault_count == FL_CHAOS_FAULTS_MAX)) {
        return false;
    }
    plan->provider_count += provider;
    plan->fault_count += fault;
    for (;;) {
        struct fl_slice word = take_word(&rest);
        if (word.len == 0 || !ok) {
            return ok;
        }
        if (provider) {
            ok = read_provider_word(word, &plan->providers[plan->provider_count - 1]);
        } else if (fault) {
            ok = read_fault_word(word, &plan->faults[plan->fault_count - 1]);
        } else if (fl_slice_eq(what, FL_LIT("plan"))) {
            ok = read_plan_word(word, plan);
        } else if (fl_slice_eq(what, FL_LIT("gateway"))) {
            ok = read_gateway_word(word, plan);
        } else {
            ok = fl_slice_eq(what, FL_LIT("clients")) && read_client_word(word, plan);
        }
    }
}

bool fl_chaos_read(struct fl_slice text, struct fl_chaos_plan *ret_plan, unsigned *ret_line)
{
    *ret_plan = (struct fl_chaos_plan){.workers = 1, .attempts = 3, .gap_ms = 100};
    for (unsigned line = 1; text.len > 0; line++) {
        struct fl_slice now = fl_slice_first(text, fl_slice_find(text, '\n'));
        text = fl_slice_from(text, now.len + 1);
        now = fl_slice_trim(fl_slice_first(now, fl_slice_find(now, '#')));
        *ret_line = line;
        if (now.len > 0 && !read_line(now, ret_plan)) {
            return false;
        }
    }
    *ret_line = 0;
    return ret_plan->provider_count > ret_plan->healthy && ret_plan->workers > 0 &&
           ret_plan->attempts > 0 && ret_plan->gap_ms > 0;
}

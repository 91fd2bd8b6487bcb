/* SPDX-License-Identifier: Apache-2.0 */
/* What a request's x-fairlead-* headers ask for. A value that means nothing is refused: who limits the
 * cost of a request must not find out from the bill that the limit was misspelt. */
#include "server/internal.h"

static void wrong(struct fl_wishes *w, const char *header, const char *allowed)
{
    w->wrong = header;
    w->allowed = allowed;
}

static void read_explain(struct fl_slice value, struct fl_wishes *w)
{
    if (fl_slice_eq_nocase(value, FL_LIT("true"))) {
        w->explain = FL_EXPLAIN_HEADER;
    } else if (fl_slice_eq_nocase(value, FL_LIT("only"))) {
        w->explain = FL_EXPLAIN_ONLY;
    } else if (!fl_slice_eq_nocase(value, FL_LIT("false"))) {
        wrong(w, "x-fairlead-explain", "true, only or false");
    }
}

/* "0.01" USD. */
static void read_max_cost(struct fl_slice value, struct fl_wishes *w)
{
    uint64_t e9 = 0;
    w->max_cost_given = fl_slice_decimal_e9(value, &e9);
    w->max_cost_picousd = e9 < UINT64_MAX / 1000 ? e9 * 1000 : UINT64_MAX;
    if (!w->max_cost_given) {
        wrong(w, "x-fairlead-max-cost-usd", "a number of USD such as 0.01");
    }
}

static void read_strategy(struct fl_slice value, struct fl_wishes *w)
{
    w->strategy_given = fl_selection_parse(value, &w->selection);
    if (!w->strategy_given) {
        wrong(w, "x-fairlead-strategy",
              "hybrid, cost, performance, quality, classification, priority, adaptive, load_balance, or "
              "an algorithm of load_balance such as spd");
    }
}

static void read_tier(struct fl_slice value, struct fl_wishes *w)
{
    if (!fl_tier_parse(value, &w->tier)) {
        wrong(w, "x-fairlead-tier", "low, medium or high");
    }
}

static void read_session(struct fl_slice value, struct fl_wishes *w)
{
    enum { session_bytes_max = 256 };
    w->session = fl_slice_first(value, session_bytes_max);
}

static void read_resume(struct fl_slice value, struct fl_wishes *w)
{
    w->resume = fl_slice_eq_nocase(value, FL_LIT("continue"));
    w->resume_off = fl_slice_eq_nocase(value, FL_LIT("off"));
    if (!w->resume && !w->resume_off) {
        wrong(w, "x-fairlead-resume", "continue or off");
    }
}

static void read_replay(struct fl_slice value, struct fl_wishes *w)
{
    w->replay = fl_slice_eq_nocase(value, FL_LIT("on"));
    w->replay_off = fl_slice_eq_nocase(value, FL_LIT("off"));
    if (!w->replay && !w->replay_off) {
        wrong(w, "x-fairlead-replay", "on or off");
    }
}

static void read_priority(struct fl_slice value, struct fl_wishes *w)
{
    w->class_given = fl_class_parse(value, &w->class);
    if (!w->class_given) {
        wrong(w, "x-fairlead-priority", "critical, high, normal or low");
    }
}

static const struct {
    struct fl_slice name; /* behind "x-fairlead-" */
    void (*read)(struct fl_slice value, struct fl_wishes *w);
} wishes[] = {{{"strategy", 8}, read_strategy},
              {{"tier", 4}, read_tier},
              {{"max-cost-usd", 12}, read_max_cost},
              {{"session", 7}, read_session},
              {{"resume", 6}, read_resume},
              {{"replay", 6}, read_replay},
              {{"priority", 8}, read_priority},
              {{"explain", 7}, read_explain}};

/* One header of ours; the first of its name counts. */
static void read_wish(struct fl_slice name, struct fl_slice value, unsigned *seen, struct fl_wishes *w)
{
    for (unsigned i = 0; i < sizeof(wishes) / sizeof(*wishes); i++) {
        if (!(*seen & 1U << i) && fl_slice_eq_nocase(name, wishes[i].name)) {
            *seen |= 1U << i;
            wishes[i].read(value, w);
        }
    }
}

void fl_wishes_read(struct fl_exchange *x, const struct fl_h1_head *head)
{
    const struct fl_slice ours = FL_LIT("x-fairlead-");
    unsigned seen = 0;
    for (unsigned i = 0; i < head->header_count; i++) {
        struct fl_slice name = head->headers[i].name;
        bool maybe = name.len > ours.len && (name.ptr[2] | 0x20) == 'f';
        if (maybe && fl_slice_eq_nocase(fl_slice_first(name, ours.len), ours)) {
            read_wish(fl_slice_from(name, ours.len), head->headers[i].value, &seen, &x->wishes);
        }
    }
    x->wishes.session = fl_arena_copy(&x->arena, x->wishes.session);
}

bool fl_wishes_refused(struct fl_exchange *x)
{
    char text[320];
    struct fl_buf b;
    if (x->wishes.explain == FL_EXPLAIN_ONLY && !x->config->expose_decisions) {
        fl_exchange_refuse(x, FL_ERR_DENIED, FL_LIT("This gateway does not show its decisions."),
                           "x-fairlead-explain");
        return true;
    }
    if (!x->wishes.wrong) {
        return false;
    }
    fl_buf_init_in(&b, text, sizeof(text));
    fl_buf_put_cstr(&b, "The value of the header '");
    fl_buf_put_cstr(&b, x->wishes.wrong);
    fl_buf_put_cstr(&b, "' means nothing here. It is one of: ");
    fl_buf_put_cstr(&b, x->wishes.allowed);
    fl_buf_putc(&b, '.');
    fl_exchange_refuse(x, FL_ERR_REQUEST, fl_buf_slice(&b), x->wishes.wrong);
    return true;
}

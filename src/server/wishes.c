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

void fl_wishes_read(struct fl_exchange *x, const struct fl_h1_head *head)
{
    enum { session_bytes_max = 256 };
    struct fl_wishes *w = &x->wishes;
    const struct fl_h1_header *h = fl_h1_find_text(head, FL_LIT("x-fairlead-strategy"));
    w->strategy_given = h && fl_selection_parse(h->value, &w->selection);
    if (h && !w->strategy_given) {
        wrong(w, "x-fairlead-strategy",
              "hybrid, cost, performance, quality, classification, priority, adaptive, load_balance, or "
              "an algorithm of load_balance such as spd");
    }
    h = fl_h1_find_text(head, FL_LIT("x-fairlead-tier"));
    if (h && !fl_tier_parse(h->value, &w->tier)) {
        wrong(w, "x-fairlead-tier", "low, medium or high");
    }
    h = fl_h1_find_text(head, FL_LIT("x-fairlead-max-cost-usd"));
    if (h) {
        read_max_cost(h->value, w);
    }
    h = fl_h1_find_text(head, FL_LIT("x-fairlead-session"));
    if (h) {
        w->session = fl_arena_copy(&x->arena, fl_slice_first(h->value, session_bytes_max));
    }
    h = fl_h1_find_text(head, FL_LIT("x-fairlead-resume"));
    w->resume = h && fl_slice_eq_nocase(h->value, FL_LIT("continue"));
    if (h && !w->resume && !fl_slice_eq_nocase(h->value, FL_LIT("off"))) {
        wrong(w, "x-fairlead-resume", "continue or off");
    }
    w->resume_off = h && !w->resume;
    h = fl_h1_find_text(head, FL_LIT("x-fairlead-explain"));
    if (h) {
        read_explain(h->value, w);
    }
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

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The oracle: what clients were told and what providers were asked, held against what must always
 * hold. Each rule is one call of chaos_broken(). A lie (chaos.h) changes what it sees.
 */
#include "sim/chaos_impl.h"

/* What a client saw of one answer. */
struct seen {
    const struct fl_simanswer *answer;
    unsigned exchange;
    bool stream, complete;
    int status;
    unsigned attempts; /* as the gateway says; 0: it does not */
    int provider;      /* that answered, as the gateway says; -1: it does not */
    unsigned errors, dones, after; /* events; those behind an error or an end */
    bool hedged;                   /* as the gateway says: two were asked at once */
    bool joined;                   /* the same: another went on with a stream that broke */
    bool unpaid;                   /* a lie */
    uint64_t end_ns;
    struct fl_buf text;
};

void chaos_judge_step(void *owner)
{
    struct chaos *run = owner;
    if (run->options->heap) {
        run->options->heap->inside(false);
    }
    const char *broken = run->serving ? fl_simgateway_check(&run->gateway) : NULL;
    if (broken) {
        chaos_broken(run, broken, UINT32_MAX, "seen between two events");
    }
}

/* --- what providers are asked --- */

static bool exchange_of(struct fl_slice body, unsigned *ret_exchange)
{
    uint64_t n = 0;
    body = fl_slice_from(body, fl_slice_find(body, '#') + 1);
    bool found = fl_slice_u64(fl_slice_first(body, fl_slice_find(body, '#')), &n);
    *ret_exchange = (unsigned)n;
    return found;
}

/* Where there is one target only, its provider tells what it cannot. */
static bool had_choice(const struct chaos *run)
{
    unsigned left = ((1U << run->plan->provider_count) - 1) & ~run->removed_ever;
    return (left & (left - 1)) != 0;
}

void chaos_judge_asked(void *owner, struct fl_slice head, struct fl_slice body)
{
    struct chaos_source *source = owner;
    struct chaos *run = source->run;
    uint64_t now_ns = fl_world_now(run->world);
    unsigned n = 0;
    if (!fl_slice_starts(head, FL_LIT("POST "))) {
        return; /* a health check */
    }
    if (!exchange_of(body, &n) || n >= run->exchange_count || run->exchanges[n].sent_ns == 0) {
        chaos_broken(run, "providers are asked what clients ask", UINT32_MAX, "p%u", source->index);
        return;
    }
    struct chaos_exchange *x = &run->exchanges[n];
    x->asked[source->index]++;
    x->asked_total++;
    if (x->impossible) {
        chaos_broken(run, "no ineligible target", n, "p%u was asked what is no request",
                     source->index);
    }
    if (x->tools && run->plan->providers[source->index].no_tools && had_choice(run)) {
        chaos_broken(run, "no ineligible target", n, "p%u cannot use tools", source->index);
    }
    if ((run->removed >> source->index & 1) && x->sent_ns > run->removed_ns[source->index]) {
        chaos_broken(run, "no ineligible target", n, "p%u is not configured any more",
                     source->index);
    }
    if ((run->laggards >> source->index & 1) || x->queued) {
        /* it may have been on its way for long */
    } else if (now_ns > x->sent_ns + CHAOS_TOTAL_NS + CHAOS_SLACK_NS && x->over_ns == 0) {
        chaos_broken(run, "no attempt beyond the deadline", n, "p%u was asked %llu ms after",
                     source->index, (unsigned long long)((now_ns - x->sent_ns) / FL_NS_MS));
    } else if (x->over_ns > 0 && now_ns > x->over_ns + CHAOS_SLACK_NS) {
        chaos_broken(run, "no attempt outlives its exchange", n, "p%u was asked %llu ms after its end",
                     source->index, (unsigned long long)((now_ns - x->over_ns) / FL_NS_MS));
    }
    /* Each attempt may be made twice: a kept connection may have been closed in the meantime. */
    unsigned lied = run->options->lie == FL_CHAOS_LIE_STORM && x->asked_total > 1 ? 10 : 0;
    if (x->asked_total + lied > 2 * run->plan->attempts) {
        chaos_broken(run, "attempts <= limit", n, "%u requests to providers, attempts: %u",
                     x->asked_total + lied, run->plan->attempts);
    }
}

/* --- what clients are told --- */

static void count_events(struct seen *s)
{
    const struct fl_simanswer *a = s->answer;
    for (unsigned i = 0; i < a->event_count; i++) {
        struct fl_slice text = fl_slice(a->body.ptr + a->events[i].offset, a->events[i].len);
        if (text.len == 0) {
            continue; /* a comment */
        }
        s->after += s->errors + s->dones > 0;
        s->dones += fl_slice_eq(text, FL_LIT("[DONE]"));
        s->errors += fl_slice_starts(text, FL_LIT("{\"error\":"));
    }
}

static void lie(struct seen *s, enum fl_chaos_lie lie, enum chaos_age age)
{
    bool broke = s->stream && s->status == 200 && s->errors > 0, moved = s->attempts > 1;
    struct fl_buf twice;
    switch ((int)lie) {
    case FL_CHAOS_LIE_CLEAN_END:
        s->dones = broke ? 1 : s->dones;
        s->complete = broke || s->complete;
        s->errors = 0;
        break;
    case FL_CHAOS_LIE_NO_END:
        s->errors = 0;
        break;
    case FL_CHAOS_LIE_AFTERTHOUGHT:
        s->after += broke;
        break;
    case FL_CHAOS_LIE_RETRACTION:
        if (moved && s->status == 200 && s->text.len > 4) {
            fl_buf_init(&twice, 1 << 20);
            fl_buf_put(&twice, fl_slice_first(fl_buf_slice(&s->text), 4));
            fl_buf_put(&twice, fl_buf_slice(&s->text));
            fl_buf_finish(&s->text);
            s->text = twice;
        }
        break;
    case FL_CHAOS_LIE_LATE:
        s->end_ns += moved ? 60 * FL_NS_S : 0;
        break;
    case FL_CHAOS_LIE_REPEATED:
        if (s->joined && s->text.len > 20) {
            fl_buf_init(&twice, 1 << 20);
            fl_buf_put(&twice, fl_slice_from(fl_buf_slice(&s->text), s->text.len - 20));
            fl_buf_put(&s->text, fl_buf_slice(&twice));
            fl_buf_finish(&twice);
        }
        break;
    case FL_CHAOS_LIE_UNPAID:
        s->unpaid = s->joined;
        break;
    case FL_CHAOS_LIE_LOST:
        s->status = moved && age == CHAOS_CALM ? 502 : s->status;
        break;
    default:
        break;
    }
}

static void look(struct chaos *run, const struct fl_simanswer *a, unsigned exchange, struct seen *s)
{
    uint64_t n = 0;
    struct fl_slice provider = fl_simanswer_header(a, "x-fairlead-provider");
    *s = (struct seen){.answer = a,
                       .exchange = exchange,
                       .stream = run->exchanges[exchange].stream,
                       .complete = a->complete,
                       .status = a->status,
                       .provider = -1,
                       .end_ns = a->end_ns};
    if (fl_slice_u64(fl_simanswer_header(a, "x-fairlead-attempts"), &n)) {
        s->attempts = (unsigned)n;
    }
    if (provider.len == 2 && provider.ptr[0] == 'p') {
        s->provider = provider.ptr[1] - '0';
    }
    s->hedged = fl_simanswer_header(a, "x-fairlead-hedged").len > 0;
    s->joined = fl_slice_find_text(fl_buf_slice(&a->body), FL_LIT(": x-fairlead-spliced: ")) < a->body.len;
    fl_buf_init(&s->text, 1 << 22);
    if (a->status == 200) {
        count_events(s);
        fl_simanswer_text(a, &s->text);
    }
    lie(s, run->options->lie, run->exchanges[exchange].age);
}

/* Whole: is *text* what p<index> says to this; else: is it a beginning of it. */
static bool says(struct chaos *run, unsigned index, unsigned exchange, struct fl_slice text,
                 bool whole)
{
    char prompt[64];
    struct fl_buf wanted;
    chaos_prompt(exchange, prompt);
    fl_buf_init(&wanted, 1 << 22);
    fl_simprovider_text(&run->provider_options[index], FL_LIT("m"), fl_slice_cstr(prompt), 0,
                        &wanted);
    struct fl_slice all = fl_buf_slice(&wanted);
    bool so = whole ? fl_slice_eq(all, text) : fl_slice_starts(all, text);
    fl_buf_finish(&wanted);
    return so;
}

static bool somebody_says(struct chaos *run, const struct seen *s, bool whole)
{
    for (unsigned i = 0; i < run->plan->provider_count; i++) {
        if (run->exchanges[s->exchange].asked[i] > 0 &&
            says(run, i, s->exchange, fl_buf_slice(&s->text), whole)) {
            return true;
        }
    }
    return s->text.len == 0 && !whole;
}

/* What looks whole is what one provider says, and the one that is named. */
static void judge_whole(struct chaos *run, const struct seen *s)
{
    struct fl_slice text = fl_buf_slice(&s->text);
    if (!somebody_says(run, s, true)) {
        chaos_broken(run,
                     somebody_says(run, s, false) ? "no clean end of a broken stream"
                                                  : "an answer is one provider's",
                     s->exchange, "%zu bytes of text, from p%d as is said", text.len, s->provider);
    } else if (s->provider >= 0 && s->provider < (int)run->plan->provider_count &&
               !says(run, (unsigned)s->provider, s->exchange, text, true)) {
        chaos_broken(run, "the provider named is the one that answered", s->exchange, "p%d",
                     s->provider);
    }
}

static void judge_stream(struct chaos *run, const struct seen *s, bool gone)
{
    if (s->after > 0) {
        chaos_broken(run, "nothing after the terminal event", s->exchange, "%u events", s->after);
    }
    if (s->dones > 0 && s->errors == 0) {
        judge_whole(run, s);
    } else if (!somebody_says(run, s, false)) {
        chaos_broken(run, "no retraction", s->exchange,
                     "%zu bytes of text that begin nobody's answer", s->text.len);
    }
    if (!gone && s->errors + s->dones != 1) {
        chaos_broken(run, "exactly one terminal event", s->exchange, "%u errors, %u ends, %s",
                     s->errors, s->dones, s->complete ? "complete" : "cut");
    }
}

static void judge_plain(struct chaos *run, const struct seen *s, bool gone)
{
    if (s->complete) {
        judge_whole(run, s);
    } else if (!gone) {
        chaos_broken(run, "exactly one terminal event", s->exchange, "a plain answer is cut");
    }
}

static void judge_answer(struct chaos *run, const struct seen *s, bool gone, bool timely)
{
    const struct chaos_exchange *x = &run->exchanges[s->exchange];
    struct fl_slice body = fl_buf_slice(&s->answer->body);
    if (s->attempts > run->plan->attempts) {
        chaos_broken(run, "attempts <= limit", s->exchange, "the gateway says %u", s->attempts);
    }
    if (timely && s->end_ns > x->sent_ns + CHAOS_TOTAL_NS + CHAOS_SLACK_NS) {
        chaos_broken(run, "no exchange beyond its deadline", s->exchange, "%llu ms",
                     (unsigned long long)((s->end_ns - x->sent_ns) / FL_NS_MS));
    }
    if ((s->status == 200 || s->status == 0) && run->endless && !s->complete &&
        s->answer->err == FL_ERR_RESET) {
        return; /* too long to be held, and then bad: told by a RST, which may
                 overtake all that was said before */
    }
    if (s->status == 200 && s->stream) {
        judge_stream(run, s, gone);
    } else if (s->status == 200) {
        judge_plain(run, s, gone);
    } else if (s->status == 0 && !gone) {
        chaos_broken(run, "exactly one terminal event", s->exchange, "no answer: %s",
                     fl_err_name(s->answer->err));
    } else if (s->status > 0 && s->complete && !(run->hurt && body.len == 0) &&
               (s->status < 400 || !fl_slice_starts(body, FL_LIT("{\"error\":")))) {
        chaos_broken(run, "a failure says so", s->exchange, "status %d", s->status);
    }
}

/* Both of two that were asked at once are on record, and what was said before a stream was joined is paid for. */
static void judge_record(struct chaos *run, const struct seen *s)
{
    uint64_t id = 0;
    struct fl_buf json;
    if ((!s->hedged && !s->joined) ||
        !fl_decision_id_parse(fl_simanswer_header(s->answer, "x-fairlead-decision"), &id)) {
        return;
    }
    fl_buf_init(&json, 1 << 20);
    if (fl_decisions_put_one(run->gateway.decisions, id, &json)) {
        struct fl_slice whole = fl_buf_slice(&json);
        struct fl_slice record = fl_slice_from(whole, fl_slice_find_text(whole, FL_LIT("\"actual\":")));
        bool two = fl_slice_find_text(record, FL_LIT("\"tries\":[")) < record.len;
        bool lost = fl_slice_find_text(record, FL_LIT("\"lost_cost_usd\":")) < record.len;
        bool loser = fl_slice_find_text(record, FL_LIT("\"outcome\":\"gateway_hedged\"")) < record.len;
        if (!two || (s->hedged && !loser)) {
            chaos_broken(run, "all that was asked is on record", s->exchange, "%.*s", (int)record.len, record.ptr);
        } else if (s->joined && (!lost || s->unpaid)) {
            chaos_broken(run, "what was said is paid for", s->exchange, "%.*s", (int)record.len, record.ptr);
        }
    }
    fl_buf_finish(&json);
}

/* "; p0 healthy, p1 open" */
static void put_health(struct chaos *run, struct fl_buf *b)
{
    for (unsigned i = 0; i < run->plan->provider_count; i++) {
        struct fl_target_view view = {0};
        char id[8] = "p0/m";
        id[1] = (char)('0' + i);
        if (fl_simgateway_target(&run->gateway, id, &view)) {
            fl_buf_put_cstr(b, i > 0 ? ", " : "; ");
            fl_buf_put(b, fl_slice(id, 2));
            fl_buf_putc(b, ' ');
            fl_buf_put_cstr(b, fl_health_name(view.health));
        }
    }
}

/* Some are told apart from the rest: they have nobody to blame but a provider that is well. */
static void count(struct chaos *run, const struct seen *s)
{
    struct fl_chaos_verdict *v = run->verdict;
    bool served = s->status == 200 && s->complete && s->errors == 0;
    v->failed_over += served && s->attempts > 1;
    if (run->exchanges[s->exchange].age == CHAOS_CALM) {
        v->calm++;
        v->calm_failed += !served;
        /* One in a thousand; of a few, one is no rate: that is for who adds up the seeds. */
        if (!served && v->calm_failed > 1 + run->plan->calm / 1000) {
            struct fl_slice why = fl_simanswer_header(s->answer, "x-fairlead-reason");
            char memory[200];
            struct fl_buf b;
            fl_buf_init_in(&b, memory, sizeof(memory));
            fl_buf_put(&b, fl_slice_first(why, 100));
            put_health(run, &b);
            chaos_broken(run, "all is well a minute after the storm", s->exchange,
                         "status %d, %u attempts, %.*s", s->status, s->attempts, (int)b.len, b.ptr);
        }
    }
}

void chaos_judge_session(struct chaos *run, const struct chaos_session *s)
{
    bool gone = fl_simclient_aborted(s->client);
    bool slow = (s->kinds & (1U << FL_CHAOS_CLIENT_SLOW_SEND | 1U << FL_CHAOS_CLIENT_SLOW_READ |
                             1U << FL_CHAOS_CLIENT_PIPELINE)) != 0;
    bool cut = false; /* behind an answer that broke off, none is owed */
    for (unsigned i = 0; i < fl_simclient_answers(s->client) && i < s->sent; i++) {
        const struct fl_simanswer *a = fl_simclient_answer(s->client, i);
        struct chaos_exchange *x = &run->exchanges[s->first + i];
        struct seen seen;
        x->over_ns = a->end_ns;
        if (cut && a->status == 0) {
            continue;
        }
        look(run, a, s->first + i, &seen);
        judge_answer(run, &seen, gone || run->hurt, !slow);
        judge_record(run, &seen);
        run->verdict->hedged += seen.hedged;
        run->verdict->continued += seen.joined;
        if (!gone) {
            count(run, &seen);
        }
        cut = cut || !a->complete || !a->keep_alive;
        fl_buf_finish(&seen.text);
    }
    if (fl_simclient_surplus(s->client) > 0) {
        chaos_broken(run, "nothing after the terminal event", s->first, "%llu bytes nobody asked for",
                     (unsigned long long)fl_simclient_surplus(s->client));
    }
}

/* --- what is open --- */

/* Nobody generates what nobody waits for: who lost a hedge, whose client left, whose time is over. */
static void judge_work(struct chaos *run)
{
    for (unsigned i = 0; i < run->plan->provider_count; i++) {
        uint64_t left = fl_simprovider_stats(run->providers[i])->in_flight;
        left += run->options->lie == FL_CHAOS_LIE_RUNAWAY && run->verdict->hedged > 0;
        if (left > 0 && !(run->laggards >> i & 1)) { /* a bad network may not have told it */
            chaos_broken(run, "nobody works for nobody", UINT32_MAX, "p%u has %llu requests", i,
                         (unsigned long long)left);
        }
    }
}

void chaos_judge_open(struct chaos *run)
{
    struct fl_worker_stats stats = fl_simgateway_stats(&run->gateway);
    if (stats.exchanges_open > run->live_count) {
        chaos_broken(run, "a client that goes away ends its exchange", UINT32_MAX,
                     "%u open of %u clients", stats.exchanges_open, run->live_count);
    }
}

void chaos_judge_end(struct chaos *run)
{
    struct fl_worker_stats stats = fl_simgateway_stats(&run->gateway);
    if (stats.sessions_open + stats.exchanges_open + stats.attempts_open > 0) {
        chaos_broken(run, "all ends", UINT32_MAX, "%u sessions, %u exchanges, %u attempts are left",
                     stats.sessions_open, stats.exchanges_open, stats.attempts_open);
    }
    judge_work(run);
    for (unsigned i = 0; i < run->plan->provider_count; i++) {
        struct fl_target_view view = {0};
        char id[8] = "p0/m";
        id[1] = (char)('0' + i);
        if ((run->touched >> i & 1) || !fl_simgateway_target(&run->gateway, id, &view)) {
            continue;
        }
        if (run->options->lie == FL_CHAOS_LIE_BLAME) {
            view.failed += run->malformed;
        }
        if (view.failed > 0) {
            chaos_broken(run, "nobody is blamed for what others did", UINT32_MAX,
                         "%llu failures of p%u, to which nothing happened",
                         (unsigned long long)view.failed, i);
        }
    }
}

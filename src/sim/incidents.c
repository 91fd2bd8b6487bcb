/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/incidents.h"

#include "sim/client.h"
#include "sim/gateway.h"
#include "sim/provider.h"

#include <stdio.h>
#include <stdlib.h>

enum { past_s = 600, open_max = 256, columns_max = 32 };

/* --- reading --- */

struct columns {
    unsigned provider, service, start, end, severity;
};

static unsigned split(struct fl_slice line, struct fl_slice *ret_cells)
{
    unsigned count = 0;
    while (count < columns_max) {
        struct fl_slice cell = fl_slice_first(line, fl_slice_find(line, ','));
        ret_cells[count++] = fl_slice_trim(cell);
        if (cell.len == line.len) {
            break;
        }
        line = fl_slice_from(line, cell.len + 1);
    }
    return count;
}

static bool find_columns(const struct fl_slice *cells, unsigned count, struct columns *ret)
{
    static const char *const names[] = {"provider", "service", "start_unix", "end_unix", "severity"};
    unsigned *const to[] = {&ret->provider, &ret->service, &ret->start, &ret->end, &ret->severity};
    for (unsigned i = 0; i < 5; i++) {
        *to[i] = columns_max;
        for (unsigned k = 0; k < count; k++) {
            *to[i] = fl_slice_eq(cells[k], fl_slice_cstr(names[i])) ? k : *to[i];
        }
        if (*to[i] == columns_max) {
            return false;
        }
    }
    return true;
}

struct named {
    struct fl_slice name;
    unsigned rows;
};

static unsigned index_of(struct named *names, unsigned *count, struct fl_slice name)
{
    unsigned i = 0;
    while (i < *count && !fl_slice_eq(names[i].name, name)) {
        i++;
    }
    if (i == *count && i < columns_max) {
        names[(*count)++] = (struct named){name, 0};
    }
    return i;
}

static unsigned permille_of(uint64_t severity, bool total)
{
    static const unsigned parts[] = {0, 200, 600, 1000};
    unsigned part = parts[severity < 4 ? severity : 3];
    return total && part > 0 ? 1000 : part;
}

/* The two with the most rows keep their incidents. */
static void keep_two(struct fl_incident_list *list, const struct named *names, unsigned count)
{
    unsigned best[2] = {0, 0}, kept = 0;
    for (unsigned i = 0; i < count; i++) {
        best[0] = names[i].rows > names[best[0]].rows ? i : best[0];
    }
    best[1] = best[0] == 0 ? 1 : 0;
    for (unsigned i = 0; i < count; i++) {
        best[1] = i != best[0] && names[i].rows > names[best[1]].rows ? i : best[1];
    }
    for (unsigned k = 0; k < 2; k++) {
        (void)snprintf(list->names[k], sizeof(list->names[k]), "%.*s", (int)names[best[k]].name.len,
                       names[best[k]].name.ptr);
    }
    for (unsigned i = 0; i < list->count; i++) {
        struct fl_incident x = list->items[i];
        if (x.provider == best[0] || x.provider == best[1]) {
            x.provider = x.provider == best[1];
            list->items[kept++] = x;
        }
    }
    list->count = kept;
}

/* From the later of the two first incidents to the earlier of the two last ones. */
static void set_window(struct fl_incident_list *list)
{
    uint64_t first[2] = {UINT64_MAX, UINT64_MAX}, last[2] = {0, 0};
    for (unsigned i = 0; i < list->count; i++) {
        const struct fl_incident *x = &list->items[i];
        first[x->provider] = x->start_s < first[x->provider] ? x->start_s : first[x->provider];
        last[x->provider] = x->end_s > last[x->provider] ? x->end_s : last[x->provider];
    }
    list->start_s = first[0] > first[1] ? first[0] : first[1];
    list->end_s = last[0] < last[1] ? last[0] : last[1];
    list->start_s -= list->start_s > 3600 ? 3600 : 0;
    list->end_s += 3600;
}

bool fl_incidents_read(struct fl_slice csv, bool total, struct fl_incident_list *ret_list,
                       char ret_why[120])
{
    struct fl_slice cells[columns_max];
    struct named names[columns_max];
    struct columns at;
    unsigned name_count = 0;
    ret_list->count = 0;
    for (unsigned line = 1; csv.len > 0; line++) {
        struct fl_slice text = fl_slice_first(csv, fl_slice_find(csv, '\n'));
        csv = fl_slice_from(csv, text.len + 1);
        unsigned count = split(text, cells);
        struct fl_incident x = {0};
        uint64_t severity = 0;
        if (line == 1 && !find_columns(cells, count, &at)) {
            (void)snprintf(ret_why, 120, "the first line does not name provider, service, "
                                         "start_unix, end_unix, severity");
            return false;
        }
        if (line == 1 || fl_slice_trim(text).len == 0) {
            continue;
        }
        unsigned most = at.provider > at.severity ? at.provider : at.severity;
        if (count <= most || count <= at.service || count <= at.end ||
            !fl_slice_u64(cells[at.start], &x.start_s) || !fl_slice_u64(cells[at.end], &x.end_s) ||
            !fl_slice_u64(cells[at.severity], &severity) || x.end_s < x.start_s) {
            (void)snprintf(ret_why, 120, "line %u is no incident", line);
            return false;
        }
        if (!fl_slice_eq(cells[at.service], FL_LIT("api"))) {
            continue;
        }
        x.permille = permille_of(severity, total);
        x.provider = index_of(names, &name_count, cells[at.provider]);
        if (x.provider == columns_max || ret_list->count == FL_INCIDENTS_MAX) {
            (void)snprintf(ret_why, 120, "too many incidents or providers at line %u", line);
            return false;
        }
        names[x.provider].rows++;
        ret_list->items[ret_list->count++] = x;
    }
    if (name_count < 2) {
        (void)snprintf(ret_why, 120, "there are not two providers with incidents of an api");
        return false;
    }
    keep_two(ret_list, names, name_count);
    set_window(ret_list);
    if (ret_list->end_s <= ret_list->start_s) {
        (void)snprintf(ret_why, 120, "the records of the two do not overlap");
        return false;
    }
    return true;
}

/* --- replaying --- */

struct request {
    struct fl_simclient *client;
    uint64_t at_s, weight_ms;
    unsigned permille[2];
    bool streamed;
};

struct replay {
    const struct fl_incident_list *list;
    const struct fl_incident_options *options;
    struct fl_incident_report *report;
    struct fl_world *world;
    struct fl_simgateway gateway;
    struct fl_simprovider *providers[2];
    struct fl_sys *clients;
    struct fl_sim_model model;
    struct fl_rng rng;
    struct request open[open_max];
    unsigned open_count;
    unsigned permille[2];
    uint64_t born_ns; /* the world's clock at list->start_s */
};

static uint64_t ns_of(const struct replay *r, uint64_t unix_s)
{
    return r->born_ns + (unix_s - r->list->start_s) * FL_NS_S;
}

static uint64_t unix_of(const struct replay *r, uint64_t ns)
{
    return r->list->start_s + (ns - r->born_ns) / FL_NS_S;
}

/* What is on at *at_s*, how near an incident is, and when that changes next. */
static void look(const struct replay *r, uint64_t at_s, unsigned ret_permille[2], bool *ret_busy,
                 uint64_t *ret_next_s)
{
    ret_permille[0] = ret_permille[1] = 0;
    *ret_busy = false;
    *ret_next_s = r->list->end_s;
    for (unsigned i = 0; i < r->list->count; i++) {
        const struct fl_incident *x = &r->list->items[i];
        uint64_t edges[] = {x->start_s, x->end_s, x->end_s + past_s};
        if (x->permille == 0) {
            continue;
        }
        for (unsigned k = 0; k < 3; k++) {
            *ret_next_s = edges[k] > at_s && edges[k] < *ret_next_s ? edges[k] : *ret_next_s;
        }
        *ret_busy = *ret_busy || (x->start_s <= at_s && at_s < x->end_s + past_s);
        if (x->start_s <= at_s && at_s < x->end_s && x->permille > ret_permille[x->provider]) {
            ret_permille[x->provider] = x->permille;
        }
    }
}

static void befall(struct replay *r, const unsigned permille[2])
{
    static const int statuses[] = {500, 503};
    for (unsigned i = 0; i < 2; i++) {
        if (permille[i] != r->permille[i]) {
            fl_simprovider_refuse(
                r->providers[i],
                (struct fl_sim_refusals){.status = statuses[i], .permille = permille[i]});
            r->permille[i] = permille[i];
        }
    }
}

static bool is_open(const struct replay *r, const char *id)
{
    struct fl_target_view view = {0};
    return fl_simgateway_target(&r->gateway, id, &view) && view.health == FL_OPEN;
}

static void note_failure(struct replay *r, const struct request *q, const struct fl_simanswer *a)
{
    struct fl_incident_report *report = r->report;
    struct fl_slice body = fl_buf_slice(&a->body), key = FL_LIT("\"code\":\"");
    uint64_t attempts = 0;
    report->failed++;
    report->failed_ms += (double)q->weight_ms;
    if (report->failure_count == FL_INCIDENT_FAILURES_KEPT) {
        return;
    }
    struct fl_incident_failure *f = &report->failures[report->failure_count++];
    struct fl_slice code = fl_slice_from(body, fl_slice_find_text(body, key) + key.len);
    code = fl_slice_first(code, fl_slice_find(code, '"'));
    (void)fl_slice_u64(fl_simanswer_header(a, "x-fairlead-attempts"), &attempts);
    *f = (struct fl_incident_failure){.at_s = q->at_s,
                                      .weight_ms = q->weight_ms,
                                      .permille = {q->permille[0], q->permille[1]},
                                      .down = {is_open(r, "p0/m"), is_open(r, "p1/m")},
                                      .status = a->status,
                                      .streamed = q->streamed,
                                      .broken = a->status == 200,
                                      .attempts = (unsigned)attempts};
    (void)snprintf(f->said, sizeof(f->said), "%.*s", (int)(code.len < 90 ? code.len : 90),
                   code.ptr ? code.ptr : "");
}

static bool served(const struct fl_simanswer *a, bool streamed)
{
    return a->status == 200 && a->complete && (!streamed || a->done_marker);
}

static void sweep(struct replay *r)
{
    for (unsigned i = r->open_count; i-- > 0;) {
        struct request *q = &r->open[i];
        if (!fl_simclient_settled(q->client)) {
            continue;
        }
        const struct fl_simanswer *a = fl_simclient_answer(q->client, 0);
        r->report->requests++;
        r->report->weight_ms += (double)q->weight_ms;
        for (unsigned k = 0; k < 2; k++) {
            r->report->alone_ms[k] += (double)q->weight_ms * q->permille[k] / 1000;
        }
        if (!served(a, q->streamed)) {
            note_failure(r, q, a);
        }
        fl_simclient_destroy(q->client);
        *q = r->open[--r->open_count];
    }
}

static void ask(struct replay *r, uint64_t weight_ms)
{
    struct fl_simclient_options options = fl_simclient_options("10.0.0.1", 80);
    if (r->open_count == open_max) {
        return; /* nothing answers any more: those that wait say so */
    }
    struct request *q = &r->open[r->open_count++];
    *q = (struct request){.client = fl_simclient_create(r->clients, &options),
                          .at_s = unix_of(r, fl_world_now(r->world)),
                          .weight_ms = weight_ms,
                          .permille = {r->permille[0], r->permille[1]},
                          .streamed = fl_rng_below(&r->rng, 2) == 0};
    fl_simclient_chat(q->client, "auto", "Summarize the tides", q->streamed);
}

static void run(struct replay *r)
{
    uint64_t now_s = r->list->start_s;
    while (now_s < r->list->end_s) {
        unsigned permille[2];
        bool busy;
        uint64_t next_s;
        look(r, now_s, permille, &busy, &next_s);
        befall(r, permille);
        r->report->both_down_s += permille[0] > 0 && permille[1] > 0 ? next_s - now_s : 0;
        uint64_t gap_ms = busy ? r->options->busy_gap_ms : r->options->quiet_gap_ms;
        uint64_t end_ns = ns_of(r, next_s);
        while (fl_world_now(r->world) < end_ns) {
            uint64_t left_ns = end_ns - fl_world_now(r->world);
            uint64_t step_ns = gap_ms * FL_NS_MS < left_ns ? gap_ms * FL_NS_MS : left_ns;
            ask(r, step_ns / FL_NS_MS);
            fl_world_run_for(r->world, step_ns);
            sweep(r);
        }
        now_s = next_s;
    }
    fl_world_run_for(r->world, 700 * FL_NS_S);
    sweep(r);
}

static bool start(struct replay *r)
{
    static const char yaml[] =
        "listen: \"10.0.0.1:80\"\nauth: {insecure_no_auth: true}\nproviders:\n"
        "  p0: {type: openai_compatible, api_key: k, models: [m], base_url: \"http://10.0.1.1:80/v1\"}\n"
        "  p1: {type: openai_compatible, api_key: k, models: [m], base_url: \"http://10.0.1.2:80/v1\"}\n";
    static const char *const ips[] = {"10.0.1.1", "10.0.1.2"};
    struct fl_buf why;
    bool ok = fl_simgateway_open(&r->gateway, r->world, FL_LIT(yaml), 1, r->options->seed, 0, &why);
    fl_buf_finish(&why);
    for (unsigned i = 0; i < 2 && ok; i++) {
        struct fl_addr addr;
        struct fl_simprovider_options options = {.name = FL_LIT("p"),
                                                 .models = &r->model,
                                                 .model_count = 1,
                                                 .seed = r->options->seed + i,
                                                 .ttft_median_ns = 300 * FL_NS_MS,
                                                 .ttft_sigma_permille = 300,
                                                 .token_ns = 5 * FL_NS_MS};
        ok = fl_addr_parse_ip(fl_slice_cstr(ips[i]), &addr);
        addr.port = 80;
        ok = ok && fl_simprovider_create(fl_world_sys(r->world, ips[i]), &addr, &options,
                                         &r->providers[i]) == FL_OK;
    }
    r->clients = fl_world_sys(r->world, "10.0.2.1");
    return ok;
}

bool fl_incidents_replay(const struct fl_incident_list *list,
                         const struct fl_incident_options *options,
                         struct fl_incident_report *ret_report)
{
    struct replay r = {.list = list,
                       .options = options,
                       .report = ret_report,
                       .model = {.id = FL_LIT("m"), .input_picousd = 1, .output_picousd = 1}};
    *ret_report = (struct fl_incident_report){0};
    r.world = fl_world_create(options->seed);
    *fl_world_mix(r.world) = (struct fl_world_mix){.latency_min_ns = 5 * FL_NS_MS,
                                                   .latency_max_ns = 20 * FL_NS_MS,
                                                   .window_min = 65536,
                                                   .window_max = 65536,
                                                   .chop_weight = {1, 0, 0}};
    r.born_ns = fl_world_now(r.world);
    fl_rng_seed(&r.rng, options->seed);
    bool ok = start(&r);
    if (ok) {
        run(&r);
    }
    while (r.open_count > 0) {
        fl_simclient_destroy(r.open[--r.open_count].client);
    }
    fl_simgateway_close(&r.gateway);
    fl_simprovider_destroy(r.providers[0]);
    fl_simprovider_destroy(r.providers[1]);
    fl_world_destroy(r.world);
    return ok;
}

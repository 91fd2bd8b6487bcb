/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/load.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void put_config(unsigned count, const char *each, const char *more, struct fl_buf *b)
{
    fl_buf_put_cstr(b, "listen: \"10.0.0.1:80\"\nauth: {insecure_no_auth: true}\n");
    fl_buf_put_cstr(b, more ? more : "");
    fl_buf_put_cstr(b, "providers:\n");
    for (unsigned i = 0; i < count; i++) {
        char line[256];
        (void)snprintf(line, sizeof(line),
                       "  p%u: {type: openai_compatible, models: [m], base_url: "
                       "\"http://10.0.1.%u:80/v1\"%s}\n",
                       i, i + 1, each ? each : ", api_key: k");
        fl_buf_put_cstr(b, line);
    }
}

struct load *load_open(uint64_t seed, unsigned count, const char *each, const char *more)
{
    struct load *l = calloc(1, sizeof(*l));
    struct fl_buf yaml, why;
    assert_non_null(l);
    l->seed = seed;
    l->headers = "";
    l->model = (struct fl_sim_model){.id = FL_LIT("m"), .input_picousd = 1, .output_picousd = 1};
    l->world = fl_world_create(seed);
    *fl_world_mix(l->world) = (struct fl_world_mix){.latency_min_ns = FL_NS_MS / 2,
                                                    .latency_max_ns = FL_NS_MS,
                                                    .window_min = 65536,
                                                    .window_max = 65536,
                                                    .chop_weight = {1, 0, 0}};
    fl_rng_seed(&l->rng, seed);
    fl_buf_init(&yaml, 65536);
    put_config(count, each, more, &yaml);
    bool ok =
        fl_simgateway_open(&l->gateway, l->world, fl_buf_slice(&yaml), 1, seed, 0, &why);
    if (!ok) {
        print_error("%.*s\n", (int)why.len, why.ptr ? why.ptr : "");
    }
    assert_true(ok);
    fl_buf_finish(&yaml);
    fl_buf_finish(&why);
    l->clients = fl_world_sys(l->world, "10.0.2.1");
    return l;
}

void load_provider(struct load *l, struct fl_simprovider_options options)
{
    unsigned i = l->provider_count++;
    char ip[32];
    struct fl_addr addr;
    (void)snprintf(ip, sizeof(ip), "10.0.1.%u", i + 1);
    assert_true(fl_addr_parse_ip(fl_slice_cstr(ip), &addr));
    addr.port = 80;
    options.name = FL_LIT("p");
    options.models = &l->model;
    options.model_count = 1;
    options.seed = l->seed * 100 + i;
    l->options[i] = options;
    assert_int_equal(fl_simprovider_create(fl_world_sys(l->world, ip), &addr, &l->options[i],
                                           &l->providers[i]),
                     FL_OK);
}

static void sweep(struct load *l)
{
    for (unsigned i = l->live_count; i-- > 0;) {
        struct load_live *live = &l->live[i];
        if (!fl_simclient_settled(live->client)) {
            continue;
        }
        const struct fl_simanswer *a = fl_simclient_answer(live->client, 0);
        struct load_request *q = &l->requests[live->request];
        bool told = fl_slice_find_text(fl_buf_slice(&a->body), FL_LIT("{\"error\":")) < a->body.len;
        q->end_ns = a->end_ns;
        q->first_ns = a->first_ns;
        for (unsigned e = 1; e < a->event_count && e < 2; e++) { /* behind the role */
            q->first_ns = a->events[e].at_ns;
        }
        q->status = a->status;
        q->ok = a->status == 200 && a->complete && !told;
        fl_simclient_destroy(live->client);
        *live = l->live[--l->live_count];
    }
}

static void arrive(struct load *l, bool stream)
{
    struct fl_simclient_options options = fl_simclient_options("10.0.0.1", 80);
    assert_true(l->live_count < load_live_max && l->request_count < load_requests_max);
    struct load_live *live = &l->live[l->live_count++];
    *live = (struct load_live){fl_simclient_create(l->clients, &options), l->request_count};
    const char *headers = l->headers_of ? l->headers_of(l->request_count) : l->headers;
    l->requests[l->request_count++].sent_ns = fl_world_now(l->world);
    const struct fl_slice body =
        stream ? FL_LIT("{\"model\":\"auto\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],"
                        "\"max_tokens\":4,\"stream\":true}")
               : FL_LIT("{\"model\":\"auto\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],"
                        "\"max_tokens\":4}");
    fl_simclient_request(live->client, "POST", "/v1/chat/completions", headers, body);
}

void load_run(struct load *l, uint64_t ns, uint64_t gap_ns, bool stream)
{
    uint64_t end_ns = fl_world_now(l->world) + ns;
    while (fl_world_now(l->world) < end_ns) {
        uint64_t left_ns = end_ns - fl_world_now(l->world);
        uint64_t step_ns = gap_ns > 0 ? 1 + fl_rng_below(&l->rng, 2 * gap_ns) : left_ns;
        if (gap_ns > 0 && step_ns < left_ns) {
            fl_world_run_for(l->world, step_ns);
            arrive(l, stream);
        } else {
            fl_world_run_for(l->world, left_ns);
        }
        if (l->live_count > 64 || gap_ns == 0 || l->request_count % 16 == 0) {
            sweep(l);
        }
    }
}

void load_settle(struct load *l)
{
    for (unsigned i = 0; l->live_count > 0 && i < 700; i++) {
        fl_world_run_for(l->world, FL_NS_S);
        sweep(l);
    }
    assert_int_equal(l->live_count, 0);
    assert_null(fl_simgateway_check(&l->gateway));
}

void load_close(struct load *l)
{
    fl_simgateway_close(&l->gateway);
    for (unsigned i = 0; i < l->provider_count; i++) {
        fl_simprovider_destroy(l->providers[i]);
    }
    fl_world_destroy(l->world);
    free(l);
}

double load_success(const struct load *l, uint64_t from_ns, uint64_t ns, uint64_t most_ns)
{
    unsigned all = 0, good = 0;
    for (unsigned i = 0; i < l->request_count; i++) {
        const struct load_request *q = &l->requests[i];
        if (q->sent_ns >= from_ns && q->sent_ns < from_ns + ns) {
            all++;
            good += q->ok && q->end_ns - q->sent_ns < most_ns;
        }
    }
    assert_true(all > 0);
    return (double)good / all;
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

uint64_t load_first_quantile(struct load *l, double q)
{
    uint64_t *times = calloc(load_requests_max, sizeof(*times));
    unsigned count = 0;
    assert_non_null(times);
    for (unsigned i = 0; i < l->request_count; i++) {
        if (l->requests[i].ok) {
            times[count++] = l->requests[i].first_ns - l->requests[i].sent_ns;
        }
    }
    assert_true(count > 0);
    qsort(times, count, sizeof(*times), by_size);
    uint64_t at = times[(unsigned)(q * (count - 1))];
    free(times);
    return at;
}

uint64_t load_asked(const struct load *l, unsigned provider)
{
    return fl_simprovider_stats(l->providers[provider])->requests;
}

struct load_interval load_interval(const char *what, const double *values, unsigned count)
{
    struct load_interval i = {.least = HUGE_VAL, .most = -HUGE_VAL};
    double squares = 0;
    for (unsigned k = 0; k < count; k++) {
        i.mean += values[k] / count;
        i.least = values[k] < i.least ? values[k] : i.least;
        i.most = values[k] > i.most ? values[k] : i.most;
    }
    for (unsigned k = 0; k < count; k++) {
        squares += (values[k] - i.mean) * (values[k] - i.mean);
    }
    i.half = count > 1 ? 2.093 * sqrt(squares / (count - 1) / count) : 0;
    print_message("%s: %.5f +- %.5f (95 %%, %u seeds; %.5f to %.5f)\n", what, i.mean, i.half, count,
                  i.least, i.most);
    return i;
}

uint64_t load_seeds(uint64_t usual)
{
    const char *text = getenv("FL_SIM_SEEDS");
    uint64_t n = usual;
    return text && fl_slice_u64(fl_slice_cstr(text), &n) && n > 0 && n <= 100 ? n : usual;
}

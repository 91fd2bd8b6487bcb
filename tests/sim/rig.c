/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/rig.h"

#include "base/assert.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#define RIG_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RIG_ASAN 1
#endif
#endif
#ifdef RIG_ASAN
size_t __sanitizer_get_current_allocated_bytes(void);
#endif

/* --- the server --- */

static bool no_variable(void *owner, struct fl_slice name, struct fl_slice *ret_value)
{
    (void)owner;
    (void)name;
    (void)ret_value;
    return false;
}

const char *rig_file_text;

static enum fl_err read_file(struct fl_slice path, struct fl_buf *ret)
{
    (void)path;
    fl_buf_put_cstr(ret, rig_file_text ? rig_file_text : "");
    return rig_file_text ? FL_OK : FL_ERR_FILE;
}

static enum fl_err any_file(void *owner, struct fl_slice path, struct fl_buf *ret)
{
    (void)owner;
    return read_file(path, ret);
}

static void print_note(void *owner, const struct fl_world_note *note)
{
    struct fl_buf b;
    (void)owner;
    fl_buf_init(&b, 4096);
    fl_world_put_note(note, &b);
    (void)fprintf(stderr, "%.*s\n", (int)b.len, b.ptr);
    fl_buf_finish(&b);
}

void rig_open(struct rig *r, uint64_t seed)
{
    *r = (struct rig){.seed = seed};
    r->world = fl_world_create(seed);
    r->registry = fl_registry_create();
    r->memory = fl_memory_create();
    assert_non_null(r->registry);
    assert_non_null(r->memory);
    r->replays = fl_replays_create();
    assert_non_null(r->replays);
    if (rig_number("FL_SIM_TRACE", 0) > 0) {
        fl_world_on_note(r->world, print_note, NULL);
    }
}

void rig_exact(struct rig *r)
{
    *fl_world_mix(r->world) = (struct fl_world_mix){.latency_min_ns = FL_NS_MS,
                                                    .latency_max_ns = FL_NS_MS,
                                                    .dns_min_ns = FL_NS_MS,
                                                    .dns_max_ns = FL_NS_MS,
                                                    .window_min = 65536,
                                                    .window_max = 65536,
                                                    .chop_weight = {1, 0, 0}};
}

static void put_setup(const struct rig_setup *setup, struct fl_buf *b)
{
    fl_buf_put_cstr(b, "listen: \"10.0.0.1:80\"\nauth: {insecure_no_auth: true}\n");
    fl_buf_put_cstr(b, setup->more ? setup->more : "");
    fl_buf_put_cstr(b, "models:\n  chat: {targets: [p0/m], fallback: [");
    for (unsigned i = 1; i < setup->providers; i++) {
        fl_buf_put_cstr(b, i > 1 ? ", p" : "p");
        fl_buf_put_u64(b, i);
        fl_buf_put_cstr(b, "/m");
    }
    fl_buf_put_cstr(b, "]}\nproviders:\n");
    for (unsigned i = 0; i < setup->providers; i++) {
        fl_buf_put_cstr(b, "  p");
        fl_buf_put_u64(b, i);
        fl_buf_put_cstr(
            b,
            ": {type: openai_compatible, api_key: sk-sim, models: [m], base_url: \"http://10.0.1.");
        fl_buf_put_u64(b, i + 1);
        fl_buf_put_cstr(b, ":80/v1\"");
        fl_buf_put_cstr(b, setup->provider ? setup->provider : "");
        fl_buf_put_cstr(b, setup->checked ? "" : ", health: {enabled: false}");
        fl_buf_put_cstr(b, "}\n");
    }
}

static void know_target(struct rig *r, const struct fl_target *t)
{
    for (unsigned i = 0; i < r->target_count; i++) {
        if (r->targets[i].state == t->state) {
            return;
        }
    }
    assert_true(r->target_count < rig_targets_max);
    r->targets[r->target_count++] = *t;
}

/* The newest snapshot becomes the one of *yaml*. */
static void load(struct rig *r, struct fl_slice yaml)
{
    struct fl_findings findings;
    struct fl_reterr reterr;
    struct fl_config_env env = {.variable = no_variable, .file = any_file, .registry = r->registry, .hash_key = {1, 2}};
    struct fl_config *config = NULL;
    fl_findings_init(&findings);
    enum fl_err err = fl_config_load(yaml, FL_LIT("rig"), &env, &config, &findings);
    if (err) {
        struct fl_buf text;
        fl_buf_init(&text, 65536);
        fl_findings_put(&findings, FL_LIT("rig"), yaml, &text);
        print_error("%.*s\n", (int)text.len, text.ptr);
    }
    fl_findings_finish(&findings);
    assert_int_equal(err, FL_OK);
    fl_snapshot_unref(r->snapshot);
    assert_int_equal(fl_snapshot_create(config, &r->snapshot, &reterr), FL_OK);
    r->config = config;
    for (unsigned i = 0; i < config->table.target_count; i++) {
        know_target(r, &config->table.targets[i]);
    }
}

void rig_check_step(void *owner)
{
    struct rig *r = owner;
    unsigned open = 0, in_flight = 0;
    for (unsigned i = 0; i < r->worker_count; i++) {
        struct fl_worker_stats stats;
        if (!r->workers[i]) {
            return;
        }
        fl_worker_check(r->workers[i]);
        fl_worker_read(r->workers[i], &stats);
        open += stats.attempts_open;
    }
    for (unsigned i = 0; i < r->target_count; i++) {
        struct fl_target_view v;
        fl_target_read(&r->targets[i], fl_world_now(r->world), &v);
        rig_equal(r, v.begun, v.succeeded + v.failed + v.uncounted + v.in_flight);
        in_flight += v.in_flight;
    }
    rig_equal(r, in_flight, open); /* each attempt is counted once, and ends once */
    if (r->watches_heap) {
        uint64_t bytes = rig_heap_bytes();
        r->heap_peak = bytes > r->heap_peak ? bytes : r->heap_peak;
    }
}

void rig_serve_file(struct rig *r, struct fl_slice yaml, unsigned workers)
{
    load(r, yaml);
    r->worker_count = workers;
    for (unsigned i = 0; i < workers; i++) {
        struct fl_worker_options options = {
            .index = i, .seed = r->seed + i, .memory = r->memory, .replays = r->replays, .file = read_file};
        r->nodes[i] = fl_world_sys(r->world, "10.0.0.1");
        assert_int_equal(fl_worker_create(r->nodes[i], r->snapshot, options, &r->workers[i]),
                         FL_OK);
        assert_int_equal(fl_worker_listen(r->workers[i], NULL), FL_OK);
    }
    fl_world_on_step(r->world, rig_check_step, r);
}

void rig_serve(struct rig *r, const struct rig_setup *setup, unsigned workers)
{
    struct fl_buf yaml;
    fl_buf_init(&yaml, 65536);
    put_setup(setup, &yaml);
    rig_serve_file(r, fl_buf_slice(&yaml), workers);
    fl_buf_finish(&yaml);
}

void rig_reload_file(struct rig *r, struct fl_slice yaml)
{
    load(r, yaml);
    for (unsigned i = 0; i < r->worker_count; i++) {
        fl_worker_adopt(r->workers[i], r->snapshot);
    }
}

void rig_stop(struct rig *r)
{
    for (unsigned i = 0; i < r->worker_count; i++) {
        struct fl_worker *w = r->workers[i];
        r->workers[i] = NULL;
        fl_worker_destroy(w);
        struct fl_world_stats stats = fl_world_stats(r->nodes[i]);
        rig_equal(r, stats.streams_open, 0);
        rig_equal(r, stats.listeners, 0);
    }
}

void rig_close(struct rig *r)
{
    rig_stop(r);
    fl_replays_destroy(r->replays);
    fl_snapshot_unref(r->snapshot);
    fl_world_destroy(r->world);
    fl_registry_destroy(r->registry);
    fl_memory_destroy(r->memory);
}

/* --- looking in --- */

struct fl_target_view rig_target(const struct rig *r, const char *id)
{
    struct fl_target_view view = {0};
    for (unsigned i = 0; i < r->config->table.target_count; i++) {
        const struct fl_target *t = &r->config->table.targets[i];
        if (fl_slice_eq(t->id, fl_slice_cstr(id))) {
            fl_target_read(t, fl_world_now(r->world), &view);
            return view;
        }
    }
    fail_msg("no target %s", id);
    return view;
}

struct fl_worker_stats rig_stats(const struct rig *r)
{
    struct fl_worker_stats sum = {0};
    for (unsigned i = 0; i < r->worker_count; i++) {
        struct fl_worker_stats s;
        fl_worker_read(r->workers[i], &s);
        sum.sessions += s.sessions;
        sum.exchanges += s.exchanges;
        sum.attempts += s.attempts;
        sum.answered += s.answered;
        sum.failed += s.failed;
        sum.cancelled += s.cancelled;
        sum.failovers += s.failovers;
        sum.stale_retries += s.stale_retries;
        sum.hedges += s.hedges;
        sum.heartbeats += s.heartbeats;
        sum.sessions_open += s.sessions_open;
        sum.exchanges_open += s.exchanges_open;
        sum.attempts_open += s.attempts_open;
        sum.connections_open += s.connections_open;
        sum.connections_idle += s.connections_idle;
    }
    return sum;
}

bool rig_idle(void *rig)
{
    struct fl_worker_stats s = rig_stats(rig);
    return s.sessions_open + s.exchanges_open + s.attempts_open == 0;
}

uint64_t rig_heap_bytes(void)
{
#ifdef RIG_ASAN
    return __sanitizer_get_current_allocated_bytes();
#else
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
#endif
}

void rig_watch_heap(struct rig *r)
{
    r->watches_heap = true;
    r->heap_from = r->heap_peak = rig_heap_bytes();
}

uint64_t rig_heap_growth(const struct rig *r)
{
    return r->heap_peak - r->heap_from;
}

uint64_t rig_number(const char *variable, uint64_t otherwise)
{
    const char *text = getenv(variable);
    uint64_t n = otherwise;
    return text && fl_slice_u64(fl_slice_cstr(text), &n) ? n : otherwise;
}

/* --- clients --- */

struct fl_simclient *rig_client(struct rig *r, unsigned index,
                                const struct fl_simclient_options *options)
{
    struct fl_simclient_options plain = fl_simclient_options("10.0.0.1", 80);
    assert_true(index < rig_clients_max);
    if (!r->client_nodes[index]) {
        char ip[16];
        (void)snprintf(ip, sizeof(ip), "10.0.2.%u", index + 1);
        r->client_nodes[index] = fl_world_sys(r->world, ip);
    }
    return fl_simclient_create(r->client_nodes[index], options ? options : &plain);
}

void rig_post(struct fl_simclient *c, int minor, bool stream, const char *headers)
{
    static const char body[] =
        "{\"model\":\"chat\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]";
    char memory[1024];
    struct fl_buf b;
    fl_buf_init_in(&b, memory, sizeof(memory));
    fl_buf_put_cstr(&b, "POST /v1/chat/completions HTTP/1.");
    fl_buf_put_u64(&b, (uint64_t)minor);
    fl_buf_put_cstr(&b, "\r\nhost: 10.0.0.1\r\n");
    fl_buf_put_cstr(&b, headers);
    fl_buf_put_cstr(&b, "content-length: ");
    fl_buf_put_u64(&b, sizeof(body) - 1 + (stream ? 15 : 1));
    fl_buf_put_cstr(&b, "\r\n\r\n");
    fl_buf_put_cstr(&b, body);
    fl_buf_put_cstr(&b, stream ? ",\"stream\":true}" : "}");
    fl_assert(fl_buf_ok(&b));
    fl_simclient_send(c, fl_buf_slice(&b), 1, false);
}

void rig_settle(struct rig *r, struct fl_simclient *c, uint64_t ns)
{
    rig_check(r, fl_world_run_until(r->world, fl_simclient_until, c, ns));
}

void rig_leave(struct rig *r, struct fl_simclient *c)
{
    rig_equal(r, fl_simclient_surplus(c), 0);
    fl_simclient_destroy(c);
    fl_world_run_for(r->world, 5 * FL_NS_MS);
}

/* --- asserting --- */

void rig_say(struct rig *r, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(r->what, sizeof(r->what), format, args);
    va_end(args);
}

void rig_checked(const struct rig *r, bool ok, const char *text, const char *file, int line)
{
    if (!ok) {
        print_error("case '%s': not so: %s\n", r->what, text);
        _fail(file, line);
    }
}

void rig_equal_(const struct rig *r, uint64_t got, uint64_t wanted, const char *text,
                const char *file, int line)
{
    if (got != wanted) {
        print_error("case '%s': %s: got %llu, wanted %llu\n", r->what, text,
                    (unsigned long long)got, (unsigned long long)wanted);
        _fail(file, line);
    }
}

bool rig_has(struct fl_slice text, const char *part)
{
    return fl_slice_find_text(text, fl_slice_cstr(part)) < text.len;
}

static void print_answer(const struct rig *r, const struct fl_simanswer *a)
{
    struct fl_slice body = fl_buf_slice(&a->body);
    size_t skipped = body.len > 1000 ? body.len - 1000 : 0;
    print_error("case '%s': status %d, %s, %s\n%.*s... %zu bytes ...%.*s\n", r->what, a->status,
                a->complete ? "complete" : "not complete", fl_err_name(a->err), (int)a->head.len,
                a->head.ptr ? a->head.ptr : "", skipped, (int)(body.len - skipped),
                body.ptr ? body.ptr + skipped : "");
}

static bool has_code(struct fl_slice text, const char *code)
{
    char quoted[80];
    (void)snprintf(quoted, sizeof(quoted), "\"code\":\"%s\"", code);
    return rig_has(text, quoted);
}

void rig_check_error(const struct rig *r, const struct fl_simanswer *a, int status,
                     const char *code)
{
    struct fl_slice body = fl_buf_slice(&a->body);
    bool ok = a->complete && a->status == status && fl_slice_starts(body, FL_LIT("{\"error\":{")) &&
              has_code(body, code);
    if (!ok) {
        print_error("wanted %d %s\n", status, code);
        print_answer(r, a);
        fail();
    }
}

void rig_check_broken(const struct rig *r, const struct fl_simanswer *a, int minor,
                      const char *code)
{
    const struct fl_simevent *last = a->event_count > 0 ? &a->events[a->event_count - 1] : NULL;
    struct fl_slice told = last ? fl_slice(a->body.ptr + last->offset, last->len) : FL_EMPTY;
    bool ok = a->status == 200 && !a->done_marker &&
              fl_slice_starts(told, FL_LIT("{\"error\":{")) && has_code(told, code) &&
              a->complete == (minor == 0);
    if (!ok) {
        print_error("wanted a broken stream, %s\n", code);
        print_answer(r, a);
        fail();
    }
}

void rig_check_text(const struct rig *r, const struct fl_simanswer *a, const char *text)
{
    struct fl_buf said;
    fl_buf_init(&said, 1 << 20);
    fl_simanswer_text(a, &said);
    bool ok =
        a->complete && a->status == 200 && fl_slice_eq(fl_buf_slice(&said), fl_slice_cstr(text));
    if (!ok) {
        print_error("wanted the text '%.100s'\n", text);
        print_answer(r, a);
        fail();
    }
    fl_buf_finish(&said);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Providers that share an account, a region or a limit: what one is told holds for those it touches. */
#include "sim/rig.h"
#include "sim/upstream.h"

#include <stdio.h>

enum { upstreams_max = 3 };

struct scene {
    struct rig rig;
    struct upstream up[upstreams_max];
    struct fl_buf good;
};

#define LIMITED                                                                                    \
    "HTTP/1.1 429 Too Many Requests\r\nretry-after: 60\r\ncontent-type: application/json\r\n"      \
    "content-length: 50\r\n\r\n{\"error\":{\"message\":\"Slow.\",\"type\":\"rate_limit\"}}\n"
#define SPENT                                                                                      \
    "HTTP/1.1 429 Too Many Requests\r\ncontent-type: application/json\r\ncontent-length: 60\r\n\r\n" \
    "{\"error\":{\"message\":\"Pay.\",\"code\":\"insufficient_quota\"}}\n\n\n\n"
#define FAILED "HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n"

/* p0, p1, p2 with these keys more; the name "chat" tries them in this order. */
static void open_scene(struct scene *s, const char *what, const char *const more[upstreams_max])
{
    char file[2048];
    int len = snprintf(file, sizeof(file),
                       "listen: \"10.0.0.1:80\"\nauth: {insecure_no_auth: true}\n"
                       "models:\n  chat: {targets: [p0/m], fallback: [p1/m, p2/m]}\nproviders:\n");
    for (unsigned i = 0; i < upstreams_max; i++) {
        len += snprintf(file + len, sizeof(file) - (size_t)len,
                        "  p%u: {base_url: \"http://10.0.1.%u:80/v1\", api_key: sk-sim-%u, models: [m], health: "
                        "{enabled: false}%s}\n",
                        i, i + 1, i, more[i]);
    }
    rig_open(&s->rig, 1);
    rig_exact(&s->rig);
    rig_say(&s->rig, "%s", what);
    fl_buf_init(&s->good, 4096);
    put_plain(&s->good, BY_LENGTH, "good");
    for (unsigned i = 0; i < upstreams_max; i++) {
        char ip[16];
        (void)snprintf(ip, sizeof(ip), "10.0.1.%u", i + 1);
        upstream_open(&s->up[i], fl_world_sys(s->rig.world, ip));
        upstream_say(&s->up[i], fl_buf_slice(&s->good), UPSTREAM_KEEP);
    }
    rig_serve_file(&s->rig, fl_slice(file, (size_t)len), 1);
}

static void close_scene(struct scene *s)
{
    fl_world_run_for(s->rig.world, 80 * FL_NS_S);
    rig_check(&s->rig, rig_idle(&s->rig));
    rig_stop(&s->rig);
    for (unsigned i = 0; i < upstreams_max; i++) {
        upstream_close(&s->up[i]);
    }
    fl_buf_finish(&s->good);
    rig_close(&s->rig);
}

static void ask(struct scene *s)
{
    struct fl_simclient *c = rig_client(&s->rig, 0, NULL);
    rig_post(c, 1, false, "");
    rig_settle(&s->rig, c, 100 * FL_NS_S);
    rig_check_text(&s->rig, fl_simclient_answer(c, 0), "good");
    rig_leave(&s->rig, c);
}

static void asked(struct scene *s, unsigned first, unsigned second, unsigned third)
{
    rig_equal(&s->rig, s->up[0].requests, first);
    rig_equal(&s->rig, s->up[1].requests, second);
    rig_equal(&s->rig, s->up[2].requests, third);
}

static void a_limit_that_is_shared_is_hit_once(void **state)
{
    static const char *const alone[] = {"", "", ""};
    static const char *const shared[] = {", quota: ours", ", quota: ours", ""};
    struct scene s;
    (void)state;
    open_scene(&s, "limits of their own", alone);
    upstream_say(&s.up[0], FL_LIT(LIMITED), UPSTREAM_KEEP);
    ask(&s);
    asked(&s, 1, 1, 0);
    close_scene(&s);

    open_scene(&s, "one limit", shared);
    upstream_say(&s.up[0], FL_LIT(LIMITED), UPSTREAM_KEEP);
    ask(&s);
    asked(&s, 1, 0, 1);
    ask(&s); /* and it is known */
    asked(&s, 1, 0, 2);
    upstream_say(&s.up[0], fl_buf_slice(&s.good), UPSTREAM_KEEP);
    fl_world_run_for(s.rig.world, 61 * FL_NS_S); /* it is over */
    ask(&s);
    asked(&s, 2, 0, 2);
    close_scene(&s);
}

static void what_is_spent_is_spent_for_the_account(void **state)
{
    static const char *const alone[] = {"", "", ""};
    static const char *const shared[] = {", account: corp", ", account: corp", ""};
    struct scene s;
    (void)state;
    open_scene(&s, "accounts of their own", alone);
    upstream_say(&s.up[0], FL_LIT(SPENT), UPSTREAM_KEEP);
    ask(&s);
    asked(&s, 1, 1, 0);
    close_scene(&s);

    open_scene(&s, "one account", shared);
    upstream_say(&s.up[0], FL_LIT(SPENT), UPSTREAM_KEEP);
    ask(&s);
    asked(&s, 1, 0, 1);
    close_scene(&s);

    open_scene(&s, "one account, an address that is gone", shared);
    upstream_close(&s.up[0]);
    ask(&s);
    rig_equal(&s.rig, s.up[1].requests + s.up[2].requests, 1);
    rig_equal(&s.rig, rig_target(&s.rig, "p1/m").health, FL_SUSPECT); /* told, not out */
    upstream_open(&s.up[0], s.up[0].sys);
    close_scene(&s);
}

static void another_region_goes_first(void **state)
{
    static const char *const alone[] = {"", "", ""};
    static const char *const shared[] = {", region: here", ", region: here", ", region: there"};
    struct scene s;
    (void)state;
    open_scene(&s, "no regions", alone);
    upstream_say(&s.up[0], FL_LIT(FAILED), UPSTREAM_KEEP);
    ask(&s);
    asked(&s, 1, 1, 0);
    close_scene(&s);

    open_scene(&s, "two regions", shared);
    upstream_say(&s.up[0], FL_LIT(FAILED), UPSTREAM_KEEP);
    ask(&s);
    asked(&s, 1, 0, 1);
    close_scene(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_limit_that_is_shared_is_hit_once),
        cmocka_unit_test(what_is_spent_is_spent_for_the_account),
        cmocka_unit_test(another_region_goes_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

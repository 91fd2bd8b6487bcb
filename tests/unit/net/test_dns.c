/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/cm.h"

#include "base/clock.h"
#include "net/dns.h"

#include <stdio.h>

struct asker {
    struct fl_dns_wait wait;
    struct fl_dns_answer answer;
    unsigned calls;
};

static unsigned starts;
static bool can_start;

static bool start(struct fl_dns *dns, const char *name)
{
    (void)dns;
    assert_true(strlen(name) > 0);
    starts += can_start;
    return can_start;
}

static void done(struct fl_dns_wait *wait, const struct fl_dns_answer *answer)
{
    struct asker *a = fl_container_of(wait, struct asker, wait);
    a->answer = *answer;
    a->calls++;
}

static void init(struct fl_dns *dns)
{
    fl_dns_init(dns, start);
    starts = 0;
    can_start = true;
}

static struct fl_dns_answer answer_of(const char *first, const char *second)
{
    struct fl_dns_answer answer = {0};
    if (first) {
        assert_true(fl_addr_parse_ip(fl_slice_cstr(first), &answer.addrs[answer.count++]));
    }
    if (second) {
        assert_true(fl_addr_parse_ip(fl_slice_cstr(second), &answer.addrs[answer.count++]));
    }
    return answer;
}

/* Asks at *s*: -1 = waits, else the number of addresses. */
static int ask(struct fl_dns *dns, struct asker *a, const char *name, uint64_t s)
{
    *a = (struct asker){.wait.done = done};
    fl_list_init(&a->wait.node);
    bool known = fl_dns_ask(dns, fl_slice_cstr(name), s * FL_NS_S, &a->wait, &a->answer);
    return known ? (int)a->answer.count : -1;
}

static void tell(struct fl_dns *dns, const char *name, uint64_t s, const char *first,
                 const char *second)
{
    struct fl_dns_answer answer = answer_of(first, second);
    fl_dns_done(dns, fl_slice_cstr(name), s * FL_NS_S, &answer);
}

static void askers_share_a_lookup_and_it_stays_fresh(void **state)
{
    (void)state;
    struct fl_dns dns;
    struct asker a, b, c, d;
    init(&dns);
    assert_int_equal(ask(&dns, &a, "api.example", 100), -1);
    assert_int_equal(ask(&dns, &b, "API.example", 100), -1);
    assert_int_equal(ask(&dns, &c, "api.example", 101), -1);
    assert_int_equal(starts, 1);
    fl_dns_cancel(&b.wait);
    tell(&dns, "api.example", 102, "192.0.2.1", "2001:db8::1");
    assert_int_equal(a.calls, 1);
    assert_int_equal(b.calls, 0);
    assert_int_equal(c.calls, 1);
    assert_int_equal(c.answer.count, 2);
    assert_int_equal(c.answer.addrs[0].bytes[3], 1);
    assert_int_equal(c.answer.addrs[1].family, 6);
    assert_int_equal(ask(&dns, &d, "api.example", 131), 2);
    assert_int_equal(starts, 1);
    fl_dns_finish(&dns);
}

static void a_stale_answer_is_served_while_it_is_refreshed(void **state)
{
    (void)state;
    struct fl_dns dns;
    struct asker a;
    init(&dns);
    assert_int_equal(ask(&dns, &a, "api.example", 0), -1);
    tell(&dns, "api.example", 0, "192.0.2.1", NULL);
    assert_int_equal(ask(&dns, &a, "api.example", 30), 1);
    assert_int_equal(starts, 2);
    assert_int_equal(ask(&dns, &a, "api.example", 31), 1);
    assert_int_equal(starts, 2);
    tell(&dns, "api.example", 32, "192.0.2.7", NULL);
    assert_int_equal(ask(&dns, &a, "api.example", 33), 1);
    assert_int_equal(a.answer.addrs[0].bytes[3], 7);
    assert_int_equal(starts, 2);
    fl_dns_finish(&dns);
}

static void a_dead_resolver_is_survived_for_ten_minutes(void **state)
{
    (void)state;
    struct fl_dns dns;
    struct asker a;
    init(&dns);
    assert_int_equal(ask(&dns, &a, "api.example", 0), -1);
    tell(&dns, "api.example", 0, "192.0.2.1", NULL);
    assert_int_equal(ask(&dns, &a, "api.example", 40), 1);
    tell(&dns, "api.example", 45, NULL, NULL);
    assert_int_equal(ask(&dns, &a, "api.example", 46), 1); /* not asked again yet */
    assert_int_equal(starts, 2);
    assert_int_equal(ask(&dns, &a, "api.example", 47), 1);
    assert_int_equal(starts, 3);
    assert_int_equal(ask(&dns, &a, "api.example", 599), 1);
    assert_int_equal(ask(&dns, &a, "api.example", 600), -1);
    tell(&dns, "api.example", 600, NULL, NULL);
    assert_int_equal(a.calls, 1);
    assert_int_equal(a.answer.count, 0);
    fl_dns_finish(&dns);
}

static void no_such_name_is_believed_for_two_seconds(void **state)
{
    (void)state;
    struct fl_dns dns;
    struct asker a;
    init(&dns);
    assert_int_equal(ask(&dns, &a, "nowhere.invalid", 10), -1);
    tell(&dns, "nowhere.invalid", 10, NULL, NULL);
    assert_int_equal(a.calls, 1);
    assert_int_equal(ask(&dns, &a, "nowhere.invalid", 11), 0);
    assert_int_equal(starts, 1);
    assert_int_equal(ask(&dns, &a, "nowhere.invalid", 12), -1);
    assert_int_equal(starts, 2);
    fl_dns_finish(&dns);
}

static void the_address_that_works_comes_first(void **state)
{
    (void)state;
    struct fl_dns dns;
    struct asker a;
    init(&dns);
    assert_int_equal(ask(&dns, &a, "api.example", 0), -1);
    tell(&dns, "api.example", 0, "2001:db8::1", "192.0.2.1");
    fl_dns_prefer(&dns, FL_LIT("api.example"), &a.answer.addrs[1]);
    assert_int_equal(ask(&dns, &a, "api.example", 1), 2);
    assert_int_equal(a.answer.addrs[0].family, 4);
    assert_int_equal(a.answer.addrs[1].family, 6);
    fl_dns_finish(&dns);
}

static void names_are_bounded_and_bad_ones_refused(void **state)
{
    (void)state;
    struct fl_dns dns;
    struct asker a, first;
    char name[300];
    init(&dns);
    memset(name, 'a', sizeof(name));
    name[254] = '\0';
    assert_int_equal(ask(&dns, &a, name, 0), 0);
    assert_int_equal(ask(&dns, &a, "", 0), 0);
    assert_true(fl_dns_ask(&dns, fl_slice("a\0b", 3), 0, &a.wait, &a.answer));
    assert_int_equal(starts, 0);
    for (unsigned i = 0; i < FL_DNS_NAMES_MAX; i++) {
        (void)snprintf(name, sizeof(name), "n%u.example", i);
        assert_int_equal(ask(&dns, i == 0 ? &first : &a, name, 0), -1);
        if (i > 0) {
            fl_dns_cancel(&a.wait);
        }
    }
    assert_int_equal(ask(&dns, &a, "one.more.example", 0), 0); /* all are in flight */
    tell(&dns, "n0.example", 0, "192.0.2.1", NULL);
    assert_int_equal(first.calls, 1);
    assert_int_equal(ask(&dns, &a, "one.more.example", 0), -1); /* in n0's place */
    fl_dns_cancel(&a.wait);
    assert_int_equal(dns.count, FL_DNS_NAMES_MAX);
    fl_dns_finish(&dns);
}

static void a_lookup_that_cannot_start_is_no_answer(void **state)
{
    (void)state;
    struct fl_dns dns;
    struct asker a;
    init(&dns);
    can_start = false;
    assert_int_equal(ask(&dns, &a, "api.example", 0), 0);
    can_start = true;
    assert_int_equal(ask(&dns, &a, "api.example", 1), 0);
    assert_int_equal(ask(&dns, &a, "api.example", 2), -1);
    fl_dns_finish(&dns); /* with a waiter */
    assert_true(fl_list_empty(&a.wait.node));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(askers_share_a_lookup_and_it_stays_fresh),
        cmocka_unit_test(a_stale_answer_is_served_while_it_is_refreshed),
        cmocka_unit_test(a_dead_resolver_is_survived_for_ten_minutes),
        cmocka_unit_test(no_such_name_is_believed_for_two_seconds),
        cmocka_unit_test(the_address_that_works_comes_first),
        cmocka_unit_test(names_are_bounded_and_bad_ones_refused),
        cmocka_unit_test(a_lookup_that_cannot_start_is_no_answer),
    };
    return cmocka_run_group_tests_name("dns", tests, NULL, NULL);
}

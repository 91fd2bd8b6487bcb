/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The web platform's URL vectors as a differential: what the URL Standard refuses must be refused
 * here, and what is accepted here must mean what the standard says: the same host, port and path,
 * with nothing repaired. Accepting less is meant; the count shows how much less.
 */
#include "unit/cm.h"

#include "codec/url.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

static json_t *load(const char *name)
{
    char path[1024];
    const char *attack = getenv("FAIRLEAD_ATTACK");
    (void)snprintf(path, sizeof(path), "%s/wpt-url/%s", attack ? attack : "../shared/attack", name);
    json_error_t error;
    FILE *f = fopen(path, "rb");
    if (!f) {
        print_message("skipped: no data\n");
        skip();
    }
    json_t *root = json_loadf(f, JSON_ALLOW_NUL, &error);
    assert_int_equal(fclose(f), 0);
    if (!root) {
        print_error("%s: %s\n", name, error.text);
    }
    assert_non_null(root);
    return root;
}

static struct fl_slice member(const json_t *vector, const char *key)
{
    const json_t *s = json_object_get(vector, key);
    return json_is_string(s) ? fl_slice(json_string_value(s), json_string_length(s)) : FL_EMPTY;
}

/* Is what we read what the standard reads? Its host is lower case, and has IPv6 in brackets and in
 * its shortest form (compared only for names and IPv4). */
static bool same_meaning(const struct fl_url *url, const json_t *vector)
{
    struct fl_slice host = member(vector, "hostname"), path = member(vector, "pathname");
    struct fl_slice port_text = member(vector, "port");
    uint64_t port = url->tls ? 443 : 80;
    if (port_text.len > 0 && !fl_slice_u64(port_text, &port)) {
        return false;
    }
    if (path.len > 0 && path.ptr[path.len - 1] == '/') {
        path.len--;
    }
    return port == url->port && fl_slice_eq(path, url->path) &&
           (url->host_is_ipv6 ? host.len > 2 && host.ptr[0] == '['
                              : fl_slice_eq_nocase(host, url->host)) &&
           fl_slice_eq(member(vector, "protocol"), url->tls ? FL_LIT("https:") : FL_LIT("http:")) &&
           member(vector, "username").len + member(vector, "search").len +
                   member(vector, "hash").len ==
               0;
}

/* A few vectors fail because the base they are relative to does; there is no base here. */
static bool base_is_bad(const json_t *vector)
{
    struct fl_slice base = member(vector, "base");
    struct fl_url url;
    return fl_slice_starts(base, FL_LIT("http")) && fl_url_parse(base, &url, NULL) != FL_OK;
}

static void compare_file(const char *name, unsigned vectors_min)
{
    json_t *root = load(name);
    unsigned must_fail = 0, accepted = 0, stricter = 0;
    for (size_t i = 0; i < json_array_size(root); i++) {
        const json_t *vector = json_array_get(root, i);
        struct fl_slice input = member(vector, "input");
        struct fl_url url;
        if (!json_is_object(vector)) {
            continue; /* a comment */
        }
        bool refused = fl_url_parse(input, &url, NULL) != FL_OK;
        bool fails = json_is_true(json_object_get(vector, "failure")) && !base_is_bad(vector);
        bool judged = fails || json_object_get(vector, "href");
        if (!refused && judged && (fails || !same_meaning(&url, vector))) {
            print_error("%s: '%.*s' must be %s\n", name, (int)input.len, input.ptr,
                        fails ? "refused" : "read as the standard does");
            fail();
        }
        must_fail += fails;
        accepted += !refused;
        stricter += refused && !fails;
    }
    print_message("%s: both refuse %u, both accept %u, stricter here %u\n", name, must_fail,
                  accepted, stricter);
    assert_true(must_fail + accepted + stricter >= vectors_min);
    json_decref(root);
}

static void urltestdata(void **state)
{
    (void)state;
    compare_file("urltestdata.json", 800);
}

static void more_vectors(void **state)
{
    (void)state;
    compare_file("ada_extra_urltestdata.json", 25);
}

/* Hosts that toascii.json refuses. */
static void hosts(void **state)
{
    (void)state;
    json_t *root = load("toascii.json");
    unsigned refused = 0;
    for (size_t i = 0; i < json_array_size(root); i++) {
        const json_t *vector = json_array_get(root, i);
        struct fl_slice input = member(vector, "input");
        char text[4096];
        struct fl_url url;
        if (!json_is_object(vector) || !json_is_null(json_object_get(vector, "output"))) {
            continue;
        }
        int len = snprintf(text, sizeof(text), "http://%.*s/", (int)input.len, input.ptr);
        assert_true(len > 0 && (size_t)len < sizeof(text));
        if (fl_url_parse(fl_slice(text, (size_t)len), &url, NULL) == FL_OK) {
            print_error("%s must be refused\n", text);
            fail();
        }
        refused++;
    }
    print_message("toascii.json: both refuse %u\n", refused);
    assert_true(refused >= 15);
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urltestdata),
        cmocka_unit_test(more_vectors),
        cmocka_unit_test(hosts),
    };
    return cmocka_run_group_tests_name("url_wpt", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Incidents of two providers replayed: a fixture of our own, and the recorded ones where they are
 * (FAIRLEAD_DATA, else ../shared/data).
 */
#include "sim/incidents.h"

#include "unit/cm.h"

#include <stdio.h>
#include <stdlib.h>

static const char fixture[] =
    "provider,service,start_unix,end_unix,severity,title\n"
    "north,api,1700000000,1700003600,3,down for an hour\n"
    "south,api,1700010000,1700011800,3,down for half an hour\n"
    "north,api,1700020000,1700020600,3,both at once\n"
    "south,api,1700020300,1700020900,3,both at once\n"
    "south,chat,1700000000,1700090000,3,another service\n"
    "north,api,1700030000,1700031000,0,nothing to speak of\n"
    "south,api,1700040000,1700041000,1,a part\n";

struct scene {
    struct fl_incident_list list;
    struct fl_incident_report report;
};

static struct scene *replay(struct fl_slice csv, bool total, uint64_t busy_ms, uint64_t quiet_ms)
{
    struct scene *s = calloc(1, sizeof(*s));
    struct fl_incident_options options = {1, busy_ms, quiet_ms};
    char why[120] = "";
    assert_non_null(s);
    if (!fl_incidents_read(csv, total, &s->list, why)) {
        fail_msg("%s", why);
    }
    assert_true(fl_incidents_replay(&s->list, &options, &s->report));
    return s;
}

static void only_what_befalls_both_is_lost(void **state)
{
    (void)state;
    struct scene *s = replay(FL_LIT(fixture), false, 10000, 60000);
    const struct fl_incident_report *r = &s->report;
    assert_string_equal(s->list.names[0], "north");
    assert_string_equal(s->list.names[1], "south");
    assert_int_equal(s->list.count, 6);
    assert_int_equal(r->both_down_s, 300);
    assert_true(r->failed > 0 && r->failed == r->failure_count);
    for (unsigned i = 0; i < r->failure_count; i++) {
        const struct fl_incident_failure *f = &r->failures[i];
        assert_true(f->permille[0] == 1000 && f->permille[1] == 1000);
        assert_true(f->at_s >= 1700020300 && f->at_s < 1700020600);
        assert_true(f->status >= 500);
    }
    double alone = r->alone_ms[0] / r->weight_ms;
    assert_true(alone > 0.019 && alone < 0.024); /* 600 of the 28,200 s that both have */
    assert_true(r->failed_ms / r->weight_ms < 0.012);
    free(s);
}

static void the_recorded_ones(void **state)
{
    const char *folder = getenv("FAIRLEAD_DATA");
    char path[512];
    (void)state;
    (void)snprintf(path, sizeof(path), "%s/incident_events.csv", folder ? folder : "../shared/data");
    FILE *file = fopen(path, "rb");
    if (!file) {
        print_message("skipped: no data\n");
        return;
    }
    char *text = malloc(1 << 20);
    assert_non_null(text);
    size_t len = fread(text, 1, 1 << 20, file);
    (void)fclose(file);
    struct scene *s = replay(fl_slice(text, len), false, 30000, 1800000);
    const struct fl_incident_report *r = &s->report;
    double success = 1 - r->failed_ms / r->weight_ms;
    print_message("%s alone %.5f, %s alone %.5f, through the gateway %.6f (%u of %u failed)\n",
                  s->list.names[0], 1 - r->alone_ms[0] / r->weight_ms, s->list.names[1],
                  1 - r->alone_ms[1] / r->weight_ms, success, (unsigned)r->failed,
                  (unsigned)r->requests);
    assert_true(success >= 0.999);
    for (unsigned i = 0; i < r->failure_count; i++) { /* none without a reason at both */
        assert_true(r->failures[i].permille[0] > 0 && r->failures[i].permille[1] > 0);
    }
    free(s);
    free(text);
}

static void what_is_no_list_is_refused(void **state)
{
    static const char *const texts[] = {
        "", "provider,service,start_unix,end_unix\n", "provider,service,start_unix,end_unix,severity\n",
        "provider,service,start_unix,end_unix,severity\na,api,1,2,3\nb,api,x,2,3\n",
        "provider,service,start_unix,end_unix,severity\na,api,2,1,3\nb,api,1,2,3\n",
        "provider,service,start_unix,end_unix,severity\na,api,1,2,3\na,api,1,2,3\n",
        "provider,service,start_unix,end_unix,severity\na,api,1,2\n"};
    (void)state;
    struct scene *s = calloc(1, sizeof(*s));
    assert_non_null(s);
    for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        char why[120] = "";
        assert_false(fl_incidents_read(fl_slice_cstr(texts[i]), false, &s->list, why));
        assert_true(why[0] != '\0');
    }
    free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_list_is_refused),
        cmocka_unit_test(only_what_befalls_both_is_lost),
        cmocka_unit_test(the_recorded_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

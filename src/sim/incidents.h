/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recorded outages replayed: the real server before two providers, each unavailable as two real ones
 * were, over the time for which both have records.
 *
 * An incident makes a part of its provider's requests fail, by its severity: 1 (minor) 20 %, 2 (major)
 * 60 %, 3 and more (critical) all; 0 (none) none. Several at a time: the worst counts. Time is not
 * compressed: health checks, ejections and cool-downs take as long as they would have. Requests come
 * one each busy_gap_ms while an incident is on or less than ten minutes past, one each quiet_gap_ms
 * else; each counts for the time until the next, so that the result is that of an even stream.
 */
#ifndef FL_SIM_INCIDENTS_H
#define FL_SIM_INCIDENTS_H

#include "base/buf.h"
#include "base/clock.h"

enum { FL_INCIDENTS_MAX = 2048, FL_INCIDENT_FAILURES_KEPT = 4096 };

struct fl_incident {
    unsigned provider; /* 0 or 1 */
    uint64_t start_s, end_s; /* since 1970 */
    unsigned permille;
};

struct fl_incident_list {
    struct fl_incident items[FL_INCIDENTS_MAX];
    unsigned count;
    char names[2][32];
    uint64_t start_s, end_s; /* for which both have records */
};

/* Reads CSV with a header line that names provider, service, start_unix, end_unix, severity; rows of
 * another service than "api" are left out, and so are all but the two providers with the most rows.
 * *total*: every incident but those of severity 0 is a total outage. False: *ret_why* says what is
 * wrong. */
bool fl_incidents_read(struct fl_slice csv, bool total, struct fl_incident_list *ret_list,
                       char ret_why[120]);

struct fl_incident_failure {
    uint64_t at_s;        /* since 1970 */
    uint64_t weight_ms;
    unsigned permille[2]; /* of requests that failed at each provider then */
    unsigned down[2];     /* not asked for its health */
    int status;
    bool streamed, broken; /* broken: after the head */
    unsigned attempts;
    char said[96]; /* the error's code */
};

struct fl_incident_options {
    uint64_t seed;
    uint64_t busy_gap_ms, quiet_gap_ms;
};

struct fl_incident_report {
    uint64_t requests, failed;
    double weight_ms, failed_ms;
    double alone_ms[2];   /* unavailability of each by itself: weighted by its share of failures */
    uint64_t both_down_s; /* both with an incident at once */
    unsigned failure_count;
    struct fl_incident_failure failures[FL_INCIDENT_FAILURES_KEPT];
};

/* False: no memory. */
bool fl_incidents_replay(const struct fl_incident_list *list,
                         const struct fl_incident_options *options,
                         struct fl_incident_report *ret_report);

#endif

# SPDX-License-Identifier: Apache-2.0
# Counts the cases in a ctest LastTest.log: "PASSED FAILED SKIPPED", then one line for each failure.
# A cmocka program counts by its cases, any other test as one. A case that began and never ended (a crash, a
# time-out), and a program that failed without naming a case (a leak, a bad exit code), each count as failed.
# The order of cmocka's lines is not relied on: it writes them to two streams.
# usage: awk -f count_tests.awk build/PRESET/Testing/Temporary/LastTest.log

function start(test_name) {
    name = test_name
    in_output = began = ok = 0
    split("", failed_here)
    split("", skipped_here)
}

function finish(good,    i, bad, skips) {
    for (i in failed_here) { bad++; failures[++failure_count] = name ": " i }
    for (i in skipped_here) skips++
    if (began > ok + bad + skips) {
        failures[++failure_count] = name ": " (began - ok - bad - skips) " case(s) began and never ended"
        bad = began - ok - skips
    }
    if (!good && !bad) {
        bad++
        failures[++failure_count] = name ": the program failed"
    }
    if (!began && good) ok = 1
    passed += ok
    failed += bad
    skipped += skips
    name = ""
}

/^[0-9]+\/[0-9]+ Testing: / { if (name != "") finish(0); start($3); next }
name == "" { next }
/^Command: ""$/ { if (!in_output) { failures[++failure_count] = name ": not built"; failed++; name = "" } next }
/^Output:$/ { in_output = 1; next }
/^<end of output>/ { in_output = 0; next }
in_output && /^\[ RUN      \] / { began++; next }
in_output && /^\[       OK \] / { ok++; next }
in_output && /^\[  (FAILED|SKIPPED)  ?\] / {
    rest = $0
    sub(/^\[ *[A-Z]+ *\] /, "", rest)
    sub(/^.*: /, "", rest) # cmocka 1.1.6 and later put the group's name before the summary
    if (rest !~ /^[0-9]+ test\(s\)/ && rest != "") {
        if ($2 == "FAILED") failed_here[rest] = 1
        else skipped_here[rest] = 1
    }
    next
}
!in_output && /^Test Passed\.$/ { finish(1); next }
!in_output && /^Test Failed\.$/ { finish(0); next }

END {
    if (name != "") finish(0)
    print passed + 0, failed + 0, skipped + 0
    for (i = 1; i <= failure_count; i++) print failures[i]
}

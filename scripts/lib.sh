# SPDX-License-Identifier: Apache-2.0
# What the scripts beside it share. Sourced from the project's root. Messages go to standard error,
# so that a script's standard output is the output of the program it runs.

say() { printf '%s\n' "$*" >&2; }

die() {
    printf '%s: %s\n' "${0##*/}" "$1" >&2
    shift
    for hint in "$@"; do
        printf '    %s\n' "$hint" >&2
    done
    exit 1
}

now() { date +%s; }

# quietly TITLE COMMAND ...: one line of progress; the command's output is shown (its end) only when it fails.
quietly() {
    title=$1
    shift
    log=build/log/$(printf '%s' "$title" | tr -cs 'A-Za-z0-9' '-').log
    mkdir -p build/log
    printf '%s ... ' "$title" >&2
    began=$(now)
    if "$@" >"$log" 2>&1 </dev/null; then
        say "$(($(now) - began)) s"
        return 0
    fi
    say "failed. The end of $log:"
    tail -n 40 "$log" | sed 's/^/    /' >&2
    return 1
}

# build PRESET [-DNAME=VALUE ...]: configures and builds build/PRESET.
build() {
    preset=$1
    shift
    quietly "configure $preset" cmake --preset "$preset" "$@" || return 1
    quietly "build $preset" cmake --build --preset "$preset"
}

# build_shipped: builds build/shipped for the paths that a first build of it was seen to take at work.
build_shipped() {
    mkdir -p build/shipped
    find build/shipped -name '*.gcda' -exec rm -f {} +
    quietly "configure shipped, to watch it" cmake --preset shipped -DFL_PROFILE=collect || return 1
    quietly "build shipped, to watch it" cmake --build --preset shipped --target fairlead bench_load bench_mock ||
        return 1
    quietly "watch it at work" tools/exercise build/shipped || return 1
    build shipped -DFL_PROFILE=use
}

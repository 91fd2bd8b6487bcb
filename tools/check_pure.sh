#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Fails when a library that must be pure refers to a symbol that does I/O, reads a clock, rolls dice,
# prints, or makes threads: it may use memory, strings, mathematics, the compiler's own arithmetic and fl_
# functions only.
# usage: check_pure.sh LIBRARY.a ...
bad=0
for library in "$@"; do
    found=$(nm -u "$library" 2>/dev/null | awk '$1 == "U" { print $2 }' | sort -u |
        grep -Ev '^(__[a-z]+[sdt]i[0-9]$|fl_|__(asan|ubsan|tsan|sanitizer|stack_chk|sancov)|_GLOBAL_OFFSET_TABLE_|__tls_get_addr)' |
        grep -Ev '^(__cpu_model|mem(cpy|move|set|cmp|chr|mem|rchr)|__mem(cpy|move|set)_chk|str(len|cmp|ncmp|chr|nlen)|malloc|calloc|realloc|free|abort|qsort|bsearch|exp|exp2|log|log2|log1p|pow|sqrtf?|floor|ceil|trunc|fabs|fmin|fmax|round|lround|llround|inflate(Init2_|End)?|crc32)$')
    [ -z "$found" ] || { echo "$library refers to:"; echo "$found" | sed 's/^/    /'; bad=1; }
done
exit $bad

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# fairlead train as a user meets it: bad lines with their numbers, figures, the same file twice.
# usage: train.sh FAIRLEAD
set -u
fairlead=$1
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
failed=0
check() { # DESCRIPTION CONDITION...
    what=$1
    shift
    "$@" || { echo "FAILED: $what"; failed=1; }
}
expect() { # CODE command...: its exit code is CODE
    code=$1
    shift
    "$@" >"$folder/out" 2>"$folder/err"
    got=$?
    [ $got -eq "$code" ] || { echo "exit code $got, not $code: $*"; cat "$folder/out" "$folder/err"; failed=1; }
}

for i in 1 2 3 4 5 6 7 8 9 10; do
    cat <<END
{"prompt": "Summarize letter $i", "label": "summarization", "source": "a"}
{"prompt": "Translate letter $i to German", "label": "translation", "source": "a"}
{"prompt": "Write a poem about \\u00e9 $i", "label": "generation", "source": "b", "weight": 0.5}
{"prompt": "What is $i + $i?", "label": "other", "source": "b", "group": "sums", "more": [1, {}]}
END
done >"$folder/good.jsonl"

expect 0 "$fairlead" train --labels "$folder/good.jsonl" --output "$folder/one.model" --seed 7
check "rows per source" grep -Eq '^a +20 ' "$folder/out"
check "calibration is printed" grep -q '^calibration: expected error 0\.' "$folder/out"
check "kind and size" grep -q 'one.model: tfidf_linear, 262224 bytes' "$folder/out"
expect 0 "$fairlead" train --labels - --output "$folder/two.model" --seed 7 <"$folder/good.jsonl"
check "the same seed, the same file" cmp -s "$folder/one.model" "$folder/two.model"
for kind in keyword kmeans knn; do
    expect 0 "$fairlead" train --labels "$folder/good.jsonl" --output "$folder/$kind.model" --kind $kind
    check "$kind" grep -q ": $kind, " "$folder/out"
done
expect 0 "$fairlead" train --labels "$folder/good.jsonl" --hold-out b
check "only the source held out is scored" grep -Eq '^all +20 ' "$folder/out"

{
    cat "$folder/good.jsonl"
    printf '%s\n' '{"prompt": "x", "label": "summary"}' '' '{"prompt": 3, "label": "other"}' '{"prompt": "x"' \
        '["prompt"]' '{"prompt": "x", "label": "other", "weight": -1}'
} >"$folder/bad.jsonl"
expect 1 "$fairlead" train --labels "$folder/bad.jsonl" --output "$folder/bad.model"
check "line 41" grep -q 'bad.jsonl:41: "label" is none of summarization' "$folder/err"
check "line 43" grep -q 'bad.jsonl:43: "prompt" is not a string' "$folder/err"
check "line 44" grep -q 'bad.jsonl:44: ' "$folder/err"
check "line 45" grep -q 'bad.jsonl:45: not a JSON object' "$folder/err"
check "line 46" grep -q 'bad.jsonl:46: "weight" is not a number' "$folder/err"
check "their count" grep -q '5 bad lines; nothing is written' "$folder/err"
check "nothing is written" [ ! -e "$folder/bad.model" ]
expect 0 "$fairlead" train --labels "$folder/bad.jsonl" --output "$folder/bad.model" --skip-bad-lines --seed 7
check "the good rows are all" cmp -s "$folder/one.model" "$folder/bad.model"

expect 2 "$fairlead" train
expect 2 "$fairlead" train --labels "$folder/good.jsonl"
expect 2 "$fairlead" train --labels "$folder/good.jsonl" --output x --kind fancy
expect 1 "$fairlead" train --labels "$folder/none.jsonl" --output "$folder/x"
expect 1 "$fairlead" train --labels "$folder/good.jsonl" --hold-out c
check "which source" grep -q "no row has the source 'c'" "$folder/err"
expect 1 "$fairlead" train --labels "$folder/good.jsonl" --output "$folder/none/x"
exit $failed

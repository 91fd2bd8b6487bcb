#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# fairlead train --quality as a user meets it. usage: train_quality.sh FAIRLEAD
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

for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
    cat <<END
{"prompt": "Say hello to friend $i", "scores": {"big": 1, "small": 0.9}, "source": "easy $i"}
{"prompt": "Prove theorem $i about \\u00e9tale maps, lemma by lemma", "scores": {"big": 0.75, "small": 0.0}}
{"prompt": "Only one was asked $i", "scores": {"small": 5e-1}, "more": [1, {}]}
END
done | sed 's/5e-1/0.5/' >"$folder/good.jsonl"

expect 0 "$fairlead" train --quality "$folder/good.jsonl" --output "$folder/one.model" --seed 7 --bits 10
check "mean of the strong model" grep -Eq '^big +mean score 0\.875 of 24 rows' "$folder/out"
check "mean of the weak one" grep -Eq '^small +mean score 0\.467 of 36 rows' "$folder/out"
check "the pair" grep -q '^strong big, weak small, on 24 rows held out, whole sources:' "$folder/out"
check "its figure" grep -q 'APGR' "$folder/out"
check "what was written" grep -Eq 'one.model: 2 models, [0-9]+ bytes' "$folder/out"
expect 0 "$fairlead" train --output "$folder/two.model" --seed 7 --bits 10 --quality - <"$folder/good.jsonl"
check "the same seed, the same file" cmp -s "$folder/one.model" "$folder/two.model"
expect 0 "$fairlead" train --quality "$folder/good.jsonl" --output "$folder/three.model" --strong small --weak big
check "the pair that was asked for" grep -q '^strong small, weak big' "$folder/out"

{
    cat "$folder/good.jsonl"
    printf '%s\n' '{"prompt": "x", "scores": {"big": 1.5}}' '' '{"prompt": 3, "scores": {"big": 1}}' '{"prompt": "x"' \
        '{"prompt": "x", "scores": [1]}' '{"prompt": "x", "scores": {"": 1}}' '{"prompt": "x", "scores": {"big": "1"}}' \
        '{"prompt": "x", "scores": {"big": 1}, "source": 2}'
} >"$folder/bad.jsonl"
expect 1 "$fairlead" train --quality "$folder/bad.jsonl" --output "$folder/bad.model"
check "line 37" grep -q 'bad.jsonl:37: a score is not a number from 0 to 1' "$folder/err"
check "line 39" grep -q 'bad.jsonl:39: "prompt" is not a string' "$folder/err"
check "line 40" grep -q 'bad.jsonl:40: ' "$folder/err"
check "line 41" grep -q 'bad.jsonl:41: "scores" is not an object' "$folder/err"
check "line 42" grep -q "bad.jsonl:42: a model's name is empty" "$folder/err"
check "line 43" grep -q 'bad.jsonl:43: a score is not a number' "$folder/err"
check "line 44" grep -q 'bad.jsonl:44: "source" is not a string' "$folder/err"
check "their count" grep -q '7 bad lines; nothing is written' "$folder/err"
check "nothing is written" [ ! -e "$folder/bad.model" ]

expect 2 "$fairlead" train --quality "$folder/good.jsonl"
expect 2 "$fairlead" train --quality "$folder/good.jsonl" --output x --bits 99
expect 2 "$fairlead" train --quality
expect 1 "$fairlead" train --quality "$folder/none.jsonl" --output "$folder/x"
expect 1 "$fairlead" train --quality /dev/null --output "$folder/x"
expect 1 "$fairlead" train --quality "$folder/good.jsonl" --output "$folder/x" --strong huge
check "which model" grep -q "no row has a score of 'huge'" "$folder/err"
expect 1 "$fairlead" train --quality "$folder/good.jsonl" --output "$folder/none/x"
exit $failed

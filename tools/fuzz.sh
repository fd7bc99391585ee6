#!/bin/sh
# Fuzzes with clang's libFuzzer, address and undefined behaviour sanitizers, one target at a time.
#
#     tools/fuzz.sh [BUILD [TARGET...]]
#
# BUILD is a folder of its own (default build/fuzz). Without TARGETs (names as in tests/fuzz, without
# "_fuzz.c") all of them. SNUG_FUZZ_SECONDS (default 60) is for each target. What was found by an earlier
# run lies in BUILD/corpus/TARGET and is where the next one begins; a crash stays in BUILD/crashes.
# Prints a line for each target: seconds, executions, edges covered, crashes. Ends with 1 when one crashed.
# An input that takes SNUG_FUZZ_TIMEOUT seconds (default 10) is a crash as well: give it more where the
# machine is busy, as the clock does not stop while the fuzzer waits for a core.
set -u

cd "$(dirname "$0")/.." || exit 1
build=${1:-build/fuzz}
[ $# -gt 0 ] && shift
seconds=${SNUG_FUZZ_SECONDS:-60}
timeout=${SNUG_FUZZ_TIMEOUT:-10}
data=${SNUG_DATA_DIR:-../shared/data}
failed=0

if ! command -v clang >/dev/null; then
    echo "fuzz: skipped: clang is not installed" >&2
    exit 77
fi
if [ $# -eq 0 ]; then
    for source in tests/fuzz/*_fuzz.c; do
        name=$(basename "$source" _fuzz.c)
        set -- "$@" "$name"
    done
fi
mkdir -p "$build/crashes"
cmake -G Ninja -B "$build" -DCMAKE_C_COMPILER=clang -DCMAKE_BUILD_TYPE=RelWithDebInfo -DSNUG_FUZZER=ON \
    -DSNUG_SANITIZE=address,undefined,fuzzer-no-link . >"$build/configure.log" 2>&1 || {
    echo "fuzz: cmake failed; see $build/configure.log" >&2
    exit 1
}
targets=""
for name in "$@"; do
    targets="$targets ${name}_fuzz"
done
# shellcheck disable=SC2086
cmake --build "$build" --parallel "${SNUG_JOBS:-2}" --target $targets >"$build/build.log" 2>&1 || {
    echo "fuzz: the build failed; see $build/build.log" >&2
    exit 1
}
for name in "$@"; do
    mkdir -p "$build/corpus/$name"
    log="$build/$name.log"
    seeds=""
    for folder in "tests/fixtures/$name" "$data/formats/$name"; do
        [ -d "$folder" ] && seeds="$seeds $folder"
    done
    # shellcheck disable=SC2086
    "$build/tests/${name}_fuzz" -max_total_time="$seconds" -timeout="$timeout" -rss_limit_mb=3072 -print_final_stats=1 \
        -artifact_prefix="$build/crashes/$name-" "$build/corpus/$name" $seeds >"$log" 2>&1
    status=$?
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    edges=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -1)
    echo "fuzz: $name: $seconds s, ${runs:-0} executions, ${edges:-0} edges, $([ "$status" -eq 0 ] && echo clean || echo "CRASH, see $log")"
    [ "$status" -eq 0 ] || failed=1
done
exit "$failed"

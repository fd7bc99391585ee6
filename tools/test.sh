#!/bin/sh
# All tests of a release build, after the sanitizer build's; ends with ctest's closing summary.
#
#     tools/test.sh BUILD
#
# SNUG_FAST=1 leaves the sanitizer build out. SNUG_JOBS sets how many tests run at once.
set -u

build=${1:?usage: tools/test.sh BUILD}
jobs=${SNUG_JOBS:-2}
failed=0
cd "$(dirname "$0")/.." || exit 1

if [ "${SNUG_FAST:-0}" = 1 ]; then
    echo "test: sanitizer build left out, because SNUG_FAST=1"
else
    echo "test: address and undefined behaviour sanitizers, labels unit, op, data, fuzz"
    sanitized="$build/asan-ubsan"
    if cmake --preset asan-ubsan -B "$sanitized" >"$build/asan-configure.log" 2>&1 &&
        cmake --build "$sanitized" --parallel "$jobs"; then
        ctest --test-dir "$sanitized" --output-on-failure -j "$jobs" -L 'unit|op|data|fuzz' ||
            failed=1
    else
        echo "test: the sanitizer build failed; see $build/asan-configure.log" >&2
        failed=1
    fi
fi

echo "test: release build, all labels"
ctest --test-dir "$build" --output-on-failure -j "$jobs" || failed=1
if [ "$failed" -ne 0 ]; then
    exit 1
fi

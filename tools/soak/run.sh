#!/bin/sh
# The long soak: a thousand random configurations, each inside a kernel limit that is its budget.
#
#     tools/soak/run.sh BUILD
#
# SOAK_COUNT and SOAK_SEED choose how many and which; the report is BUILD/soak.json. The second run
# is a tenth of them where no control group can be made. See tools/soak/budget.
set -eu

build=${1:?usage: tools/soak/run.sh BUILD}
count=${SOAK_COUNT:-1000}
seed=${SOAK_SEED:-1}
soak="$(dirname "$0")/budget"

"$soak" --snug "$build/snug" --count "$count" --seed "$seed" --scale 2 --json "$build/soak.json"
"$soak" --snug "$build/snug" --count "$(((count + 9) / 10))" --seed "$seed" --limit rlimit \
    --json "$build/soak-rlimit.json"

#!/usr/bin/env bats
# Runs inside a limit that the kernel enforces and that is the budget itself: nothing is killed, the
# peak is below the budget, and it is the one that was predicted.
load promise_words

setup_file() {
  make_promise_data
  "$SNUG" data generate timeseries --out "$BATS_FILE_TMPDIR/full" --sessions 3 --rows 30000 \
    --channels 16 --targets 20 --rate 2000 --seed 4 >/dev/null
}

# limited RUN BYTES WORDS...: the run of these words in a limit of so many bytes.
limited() {
  local run="$1" bytes="$2"
  shift 2
  code=0
  LIMIT_REPORT="$run.limit" "$SOURCE_DIR/tools/limit.sh" "${bytes}B" "$SNUG" train "$@" \
    --budget "${bytes}B" --out "$run" --quiet >.out 2>.err || code=$?
  out="$(cat .out)"
  err="$(cat .err)"
  expect 0 || return 1
  says "limit: $bytes bytes by"
  # Not one process was killed; where the kernel tells its own peak, that is within the limit.
  ! grep -E '^oom_kills=[1-9]' "$run.limit" || return 1
  jq -e '.allocations_after_seal == 0' "$run/summary.json" >/dev/null || return 1
  jq -e '.peak_rss_bytes <= .budget_bytes' "$run/summary.json" >/dev/null || return 1
  jq -e '.predicted_peak_bytes <= .budget_bytes' "$run/summary.json" >/dev/null || return 1
  # The promise: 2 % or 4 MiB, whichever is more.
  jq -e '(.predicted_peak_bytes - .peak_rss_bytes | fabs)
         <= ([0.02 * .peak_rss_bytes, 4194304] | max)' "$run/summary.json" >/dev/null ||
    { jq -c '[.predicted_peak_bytes, .peak_rss_bytes, .budget_bytes]' "$run/summary.json"; return 1; }
  echo "$run: $(head -1 "$run.limit"), peak $(jq -r .peak_rss_bytes "$run/summary.json") of $bytes"
}

# at_budgets NAME WORDS...: at the smallest budget, half as much again, and three times it.
at_budgets() {
  local name="$1" least times
  shift
  least="$("$SNUG" plan "$@" --budget 1MiB --json | jq -er .minimum_budget_bytes)"
  for times in 2 3 6; do
    limited "$name-$times" $((least * times / 2)) "$@" || return 1
  done
  same_bits "$name-2" "$name-3"
  same_bits "$name-2" "$name-6"
}

@test "a small network without and with workers" {
  # shellcheck disable=SC2046
  at_budgets alone $(tiny) data.num_workers=0
  # shellcheck disable=SC2046
  at_budgets helped $(tiny) data.num_workers=3 threads=2
}

@test "the small configuration" {
  # shellcheck disable=SC2046
  at_budgets small $(base)
}

@test "a large batch" {
  # shellcheck disable=SC2046
  at_budgets batch $(base) training.batch_size=64 training.max_steps=3 training.eval_every_steps=2
}

@test "the full network on short windows" {
  # shellcheck disable=SC2046
  at_budgets full timeseries "data.path=$BATS_FILE_TMPDIR/full" data.window=2000 data.num_workers=2 \
    training.batch_size=8 training.max_steps=2 training.eval_every_steps=1000 threads=2 \
    data.split_ratio=[0.7,0.3,0]
}

@test "a run that is stopped and resumed in the limit" {
  least="$(minimum)"
  # shellcheck disable=SC2046
  limited first "$least" $(base) training.checkpoint_every_steps=2 training.keep_checkpoints=9
  cp -a first second
  ln -sfn step-4 second/checkpoints/last
  # shellcheck disable=SC2046
  limited second "$least" $(base) training.checkpoint_every_steps=2 training.keep_checkpoints=9 --resume
  same_bits first second
}

@test "a run without its budget in the limit is killed or refused, never quietly larger" {
  least="$(minimum)"
  # shellcheck disable=SC2046
  LIMIT_REPORT=over.limit "$SOURCE_DIR/tools/limit.sh" "$((least / 2))B" "$SNUG" train $(base) \
    --budget "$((least * 2))B" --out over --quiet >.out 2>.err && code=0 || code=$?
  [ "$code" -ne 0 ] || { cat over.limit; cat over/summary.json; false; }
}

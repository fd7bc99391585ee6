#!/usr/bin/env bats
# Activations stored as bf16: less memory, about the same losses, the same bits whatever the plan.
load helper

setup_file() {
  "$SNUG" data generate text --out "$BATS_FILE_TMPDIR/texts" --rows 240 -q >/dev/null
  "$SNUG" data generate timeseries --out "$BATS_FILE_TMPDIR/sessions" --sessions 3 --rows 4000 \
    --seed 3 -q >/dev/null
}

setup() {
  DIR="$BATS_TEST_TMPDIR"
  cd "$DIR" || return 1
  export XDG_CACHE_HOME="$BATS_FILE_TMPDIR/cache"
  ln -s "$BATS_FILE_TMPDIR/texts" texts
  ln -s "$BATS_FILE_TMPDIR/sessions" sessions
}

few() {
  echo text data.path=texts model.path=texts/model model.pretrained=false data.max_length=64 \
    training.batch_size=16 training.max_steps=8 training.eval_every_steps=4 \
    training.checkpoint_every_steps=4 optimizer.lr=2e-3 scheduler.name=none \
    scheduler.warmup_ratio=0 threads=1
}

# Hashes of weights and losses of a run.
bits() {
  jq -c '[.weights_sha256, .loss_sha256]' "$1/summary.json"
}

@test "the plan says what is stored how, and takes less" {
  # shellcheck disable=SC2046
  wide="$("$SNUG" plan $(few) --json | jq .categories.activations)"
  # shellcheck disable=SC2046
  snug plan $(few) --use_amp --json
  expect 0
  [ "$(json .precision)" = bf16_activations ]
  [ "$(json .categories.activations)" -lt "$((wide * 4 / 5))" ]
  # shellcheck disable=SC2046
  snug plan $(few) training.precision=bf16_activations
  expect 0
  prints "rounded to bf16"
  # shellcheck disable=SC2046
  snug plan $(few) training.use_amp=false --json
  [ "$(json .precision)" = fp32 ]
  # shellcheck disable=SC2046
  snug plan $(few) training.use_amp=maybe
  complains 2 "training.use_amp is 'maybe'"
  # shellcheck disable=SC2046
  snug plan $(few) training.precision=fp8
  complains 2 "training.precision"
}

@test "text: the same bits over budgets, threads, instruction sets and a resume" {
  # shellcheck disable=SC2046
  snug train $(few) --use_amp --out a -q
  expect 0
  want="$(bits a)"
  # shellcheck disable=SC2046
  plan="$("$SNUG" plan $(few) --use_amp --json)"
  smallest="$(jq .minimum_budget_bytes <<<"$plan")"
  largest="$(jq .predicted_peak_bytes <<<"$plan")"
  for part in 0 1 2 3 4; do
    budget=$((smallest + (1 << 20) + (largest - smallest) * part / 4))
    # shellcheck disable=SC2046
    snug train $(few) --use_amp --budget "${budget}B" threads=$((1 + part % 2)) --out "b$part" -q
    expect 0
    [ "$(bits "b$part")" = "$want" ]
    [ "$(jq '.peak_rss_bytes <= .budget_bytes' "b$part/summary.json")" = true ] || sanitized
  done
  for isa in scalar avx2; do
    # shellcheck disable=SC2046
    SNUG_ISA=$isa snug train $(few) --use_amp --out "$isa" -q
    expect 0
    [ "$(bits "$isa")" = "$want" ]
  done
  # shellcheck disable=SC2046
  snug train $(few) --use_amp training.max_steps=4 --out d -q
  # shellcheck disable=SC2046
  snug train $(few) --resume_from_checkpoint d/latest_model -q
  complains 2 "other settings that change the result"
  # shellcheck disable=SC2046
  snug train $(few) --use_amp --resume_from_checkpoint d/latest_model -q
  expect 0
  [ "$(jq .weights_sha256 d/summary.json)" = "$(jq .weights_sha256 a/summary.json)" ]
  # Another result than fp32, and a near one.
  # shellcheck disable=SC2046
  snug train $(few) --out wide -q
  [ "$(bits wide)" != "$want" ]
  [ "$(jq -s '(.[0].loss - .[1].loss) / .[1].loss | (. < 0.05 and . > -0.05)' \
    a/summary.json wide/summary.json)" = true ]
}

@test "time series: the same bits over budgets and threads" {
  words="timeseries data.path=sessions data.window=2000 data.stride=500 training.batch_size=4 \
    training.max_steps=2 training.eval_every_steps=100 training.checkpoint_every_steps=100 --use_amp"
  # shellcheck disable=SC2086
  snug train $words threads=1 --out a -q
  expect 0
  # shellcheck disable=SC2086
  smallest="$("$SNUG" plan $words threads=2 --json | jq .minimum_budget_bytes)"
  # shellcheck disable=SC2086
  snug train $words threads=2 --budget "$((smallest + (2 << 20)))B" --out b -q
  expect 0
  [ "$(bits a)" = "$(bits b)" ]
}

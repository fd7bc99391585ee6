#!/usr/bin/env bats
# Clipping in one pass and in two: the same bits, less memory, and the choice between them.
load promise_words

# A text model whose gradients are a good part of what it needs, with dropout, and long batches.
setup_file() {
  cd "$BATS_FILE_TMPDIR" || return 1
  make_promise_data
  "$SNUG" data generate text --out texts --rows 120 -q >/dev/null
  jq '.hidden_size = 256 | .intermediate_size = 1024 | .num_hidden_layers = 4 | .vocab_size = 4000' \
    texts/model/config.json >config.json
  mv config.json texts/model/config.json
}

setup() {
  cd "$BATS_TEST_TMPDIR" || return 1
  export XDG_CACHE_HOME="$BATS_FILE_TMPDIR/cache"
  ln -sf "$BATS_FILE_TMPDIR/texts" texts
}

# texts: four lengths in one arena, gradients that are clipped in every step.
texts() {
  echo text data.path=texts model.path=texts/model model.pretrained=false data.max_length=64 \
    data.length_buckets=4 model.dropout_rate=0.1 training.batch_size=4 training.max_steps=6 \
    training.eval_every_steps=3 training.checkpoint_every_steps=3 training.log_every_steps=1 \
    training.clip_norm=0.2 optimizer.lr=2e-3 scheduler.name=none scheduler.warmup_ratio=0 threads=1
}

# least WORDS...: the smallest budget of these words, in bytes.
least() {
  "$SNUG" plan "$@" --budget 1MiB --json | jq -er .minimum_budget_bytes
}

@test "a series has the same bits in one pass and in two, with threads, and resumed" {
  # Without a schedule a run may be cut short and go on.
  clip="training.clip_norm=0.05 scheduler.name=none scheduler.warmup_epochs=0"
  # shellcheck disable=SC2086
  train one $clip training.clip_passes=1
  expect 0
  for threads in 1 2; do
    # shellcheck disable=SC2086
    train "two-$threads" $clip training.clip_passes=2 "threads=$threads" data.num_workers=2
    expect 0
    same_bits "two-$threads" one
    [ "$(losses "two-$threads")" = "$(losses one)" ]
    [ "$(metrics "two-$threads")" = "$(metrics one)" ]
    jq -e '.allocations_after_seal == 0' "two-$threads/summary.json" >/dev/null
  done
  # Begun in two passes and ended in one, and the other way round.
  for first in 1 2; do
    # shellcheck disable=SC2086
    train "changed-$first" $clip training.clip_passes=$first training.max_steps=4
    expect 0
    # shellcheck disable=SC2086
    train "changed-$first" $clip training.clip_passes=$((3 - first)) --resume
    expect 0
    same_bits "changed-$first" one
  done
  # It is clipping that is compared here.
  # shellcheck disable=SC2086
  train free $clip training.clip_norm=0
  [ "$(bits free)" != "$(bits one)" ]
}

@test "a text model has the same bits in one pass and in two, in any bucket, and resumed" {
  # shellcheck disable=SC2046
  snug train $(texts) training.clip_passes=1 --out one -q
  expect 0
  for threads in 1 2; do
    # shellcheck disable=SC2046
    snug train $(texts) training.clip_passes=2 "threads=$threads" --out "two-$threads" -q
    expect 0
    same_bits "two-$threads" one
    [ "$(losses "two-$threads")" = "$(losses one)" ]
  done
  for first in 1 2; do
    # shellcheck disable=SC2046
    snug train $(texts) training.clip_passes=$first training.max_steps=3 --out "changed-$first" -q
    expect 0
    # shellcheck disable=SC2046
    snug train $(texts) training.clip_passes=$((3 - first)) --out "changed-$first" --resume -q
    expect 0
    same_bits "changed-$first" one
  done
}

@test "two passes are taken where one does not fit" {
  # shellcheck disable=SC2046
  one="$(least $(texts) training.clip_passes=1)"
  # shellcheck disable=SC2046
  two="$(least $(texts))"
  echo "one pass from $one, two from $two"
  [ $((one - two)) -gt $((2 << 20)) ]
  # Both numbers have room in them for a floor that differs from run to run.
  budget=$(((one + 3 * two) / 4))
  # shellcheck disable=SC2046
  snug plan $(texts) training.clip_passes=1 --budget "${budget}B"
  expect 3
  # shellcheck disable=SC2046
  snug plan $(texts) --budget "${budget}B" --json
  expect 0
  json '.passes == 2 and .fits and .time_ratio > 1' >/dev/null
  # shellcheck disable=SC2046
  snug plan $(texts) --budget "${budget}B"
  prints "First pass, measures gradients:"
  prints "Second pass, applies them:"
  # shellcheck disable=SC2046
  snug plan $(texts) --budget "${budget}B" --explain passes
  prints "passes = 2: "
  # shellcheck disable=SC2046
  snug plan $(texts) --json
  json '.passes == 1 and .time_ratio == 1' >/dev/null
  # shellcheck disable=SC2046
  snug train $(texts) --out free -q
  for bytes in "$two" "$budget"; do
    # shellcheck disable=SC2046
    snug train $(texts) --budget "${bytes}B" --out "tight-$bytes" -q
    expect 0
    same_bits "tight-$bytes" free
    jq -e '.peak_rss_bytes <= .budget_bytes' "tight-$bytes/summary.json" >/dev/null || sanitized
  done
}

@test "the curve, the picture and the certificate have both passes" {
  # shellcheck disable=SC2046
  snug plan $(texts) --curve --json
  expect 0
  json '.points | (first.passes == 2) and (last.passes == 1) and
    ([.[].budget_bytes] | . == sort) and ([.[].time_ratio] | . == (sort | reverse))' >/dev/null
  # shellcheck disable=SC2046
  snug plan $(texts) training.clip_passes=2 --certificate plan.json --picture plan.svg
  expect 0
  [ "$(jq -c 'map(.mode)' plan.json)" = '[3,4]' ]
  [ "$(grep -c '<svg' plan.svg)" = 5 ] && [ "$(grep -c '</svg>' plan.svg)" = 5 ]
  grep -q 'first pass, measures gradients' plan.svg
  # shellcheck disable=SC2046
  snug plan $(texts) training.clip_passes=2 --verify-certificate plan.json
  expect 0
  # Each by itself is no step.
  jq -c '.[1]' plan.json >second.json
  # shellcheck disable=SC2046
  snug plan $(texts) --verify-certificate second.json
  expect 1
  says "one of two passes is missing"
  jq -c 'reverse' plan.json >turned.json
  # shellcheck disable=SC2046
  snug plan $(texts) --verify-certificate turned.json
  expect 1
  says "they are not the two passes of a step"
}

@test "the plan of two passes keeps its promise" {
  # shellcheck disable=SC2046
  snug plan $(texts) training.clip_passes=2 --verify 4 --json
  if sanitized; then skip "a sanitizer's memory is not the plan's"; fi
  expect 0
  json .kept >/dev/null
}

#!/usr/bin/env bats
# shellcheck disable=SC2086
# Optimizers with small states keep the promises as well: the same bits over budgets, threads,
# accumulation and a restart from their codes.
load promise_words

# Resuming with more steps is another result under a schedule that ends with them.
constant="scheduler.name=none scheduler.warmup_epochs=0"

setup_file() {
  make_promise_data
  cd "$BATS_FILE_TMPDIR" || return 1
  for name in adamw adamw8 adafactor; do
    train "$name" "optimizer.name=$name" $constant
    expect 0
  done
}

@test "threads, the smallest budget and accumulation do not change the result" {
  for name in adamw8 adafactor; do
    train "$name-threads" "optimizer.name=$name" $constant threads=2
    expect 0
    same_bits "$name-threads" "$BATS_FILE_TMPDIR/$name"
    least="$(minimum "optimizer.name=$name")"
    train "$name-least" "optimizer.name=$name" $constant --budget "${least}B"
    expect 0
    same_bits "$name-least" "$BATS_FILE_TMPDIR/$name"
    train "$name-four" "optimizer.name=$name" $constant training.batch_size=4 \
      training.gradient_accumulation_steps=4
    expect 0
    same_bits "$name-four" "$BATS_FILE_TMPDIR/$name"
  done
}

@test "a run that goes on from its codes ends with the same bits" {
  for name in adamw8 adafactor; do
    train "$name-part" "optimizer.name=$name" $constant training.max_steps=4
    expect 0
    train "$name-part" "optimizer.name=$name" $constant --resume
    expect 0
    same_bits "$name-part" "$BATS_FILE_TMPDIR/$name"
  done
  cmp adamw8-part/checkpoints/last/optimizer.safetensors \
    "$BATS_FILE_TMPDIR/adamw8/checkpoints/last/optimizer.safetensors"
}

@test "states take less and results are others" {
  states() {
    # shellcheck disable=SC2046
    "$SNUG" plan $(base) "optimizer.name=$1" --budget 200MiB --json | jq -er .categories.optimizer
  }
  plain="$(states adamw)"
  [ "$(states adamw8)" -lt $((plain / 2)) ]
  [ "$(states adafactor)" -lt $((plain / 8)) ]
  for name in adamw8 adafactor; do
    [ "$(bits "$BATS_FILE_TMPDIR/$name")" != "$(bits "$BATS_FILE_TMPDIR/adamw")" ]
    jq -e '.loss > 0' "$BATS_FILE_TMPDIR/$name/summary.json" >/dev/null
  done
}

@test "biases and norms may be left out of the decay" {
  train kept $constant optimizer.weight_decay=0.5 optimizer.no_decay=bias_norm
  expect 0
  train decayed $constant optimizer.weight_decay=0.5
  expect 0
  [ "$(bits kept)" != "$(bits decayed)" ]
  # A resumed run may not change its mind.
  train kept $constant optimizer.weight_decay=0.5 training.max_steps=12 --resume
  [ "$code" -ne 0 ]
}

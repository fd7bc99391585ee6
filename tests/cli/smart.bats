#!/usr/bin/env bats
# Smart training: rounds, targets, reasons; and what every run leaves to look at.
load helper

setup_file() {
  "$SNUG" data generate text --out "$BATS_FILE_TMPDIR/texts" --rows 120 -q >/dev/null
}

setup() {
  DIR="$BATS_TEST_TMPDIR"
  cd "$DIR" || return 1
  export XDG_CACHE_HOME="$BATS_FILE_TMPDIR/cache"
}

words() {
  echo text "data.path=$BATS_FILE_TMPDIR/texts" "model.path=$BATS_FILE_TMPDIR/texts/model" \
    model.pretrained=false data.max_length=64 training.batch_size=16 training.epochs=9 \
    optimizer.lr=1e-7 training.early_stopping=false scheduler.name=none scheduler.warmup_ratio=0
}

@test "a target that is met ends the run, with its reason" {
  # shellcheck disable=SC2046
  snug train $(words) --smart --target 'loss<100' --out run
  expect 0
  says "done: the target loss<100 is met"
  [ "$(jq .stopped_early run/summary.json)" = true ]
  [ "$(jq -s 'map(select(.event == "smart_target")) | length' run/metrics.jsonl)" = 1 ]
  # A run that has decided to end does not start again.
  steps="$(jq .steps run/summary.json)"
  # shellcheck disable=SC2046
  snug train $(words) --smart --target 'loss<100' --out run --resume -q
  expect 0
  [ "$(jq .steps run/summary.json)" = "$steps" ]
}

@test "rounds that bring nothing end the run" {
  # shellcheck disable=SC2046
  snug train $(words) --smart training.round_epochs=2 training.round_patience=1 \
    training.min_delta=10 --out run
  expect 0
  says "round 1 ends after epoch 2: the first; another one"
  says "round 2 ends after epoch 4: no progress in 1 rounds; done"
  [ "$(jq .stopped_early run/summary.json)" = true ]
}

@test "a target that is none is refused before any work" {
  # shellcheck disable=SC2046
  snug train $(words) --smart --target 'acuracy>0.8' --out run
  complains 2 "there is no 'acuracy'; did you mean accuracy"
  # shellcheck disable=SC2046
  snug train $(words) --smart --target 'accuracy' --out run
  complains 2 "write it like accuracy>0.9"
  # shellcheck disable=SC2046
  snug train $(words) --smart --target 'accuracy>high' --out run
  complains 2 "'high' is no number"
}

@test "a run leaves a page, a memory log and events" {
  # shellcheck disable=SC2046
  snug train $(words) training.max_steps=6 --out run
  expect 0
  prints "report.html"
  grep -q '<svg' run/report.html
  head -1 run/memory.jsonl | jq -e . >/dev/null
  [ "$(tail -1 run/memory.jsonl | jq -r .type)" = summary ]
  [ "$(find run -name 'events.out.tfevents.*' | wc -l)" -eq 1 ]
  snug analyze run
  expect 0
  # shellcheck disable=SC2046
  snug train $(words) training.max_steps=6 training.tensorboard=false --out quiet -q
  [ "$(find quiet -name 'events.out.tfevents.*' | wc -l)" -eq 0 ]
}

#!/usr/bin/env bats
# The same bits whatever the workers, budget, threads or accumulation, and whatever stopped the run.
load promise_words

setup_file() {
  make_promise_data
  cd "$BATS_FILE_TMPDIR" || return 1
  train whole
  expect 0
  # Long enough to be killed in: a checkpoint every second step.
  train long training.max_steps=30 training.eval_every_steps=10
  expect 0
}

# The words of the run called long, with checkpoints.
long_words() {
  echo training.max_steps=30 training.eval_every_steps=10 training.checkpoint_every_steps=2
}

@test "workers do not change the result" {
  for workers in 0 1 2 7; do
    train "workers-$workers" "data.num_workers=$workers"
    expect 0
    same_bits "workers-$workers" "$BATS_FILE_TMPDIR/whole"
    [ "$(metrics "workers-$workers")" = "$(metrics "$BATS_FILE_TMPDIR/whole")" ]
  done
}

@test "budgets do not change the result" {
  least="$(minimum)"
  plans=""
  for share in 0 1 2 4 100; do
    budget=$((least + share * least / 8))
    train "budget-$share" --budget "${budget}B"
    expect 0
    same_bits "budget-$share" "$BATS_FILE_TMPDIR/whole"
    [ "$(metrics "budget-$share")" = "$(metrics "$BATS_FILE_TMPDIR/whole")" ]
    jq -e '.peak_rss_bytes <= .budget_bytes and .predicted_peak_bytes <= .budget_bytes' \
      "budget-$share/summary.json" >/dev/null
    # shellcheck disable=SC2046
    plans+="$("$SNUG" plan $(base) --budget "${budget}B" --json | jq .arena_bytes) "
  done
  # Else the budgets were not different to the planner, and nothing is shown.
  [ "$(tr ' ' '\n' <<<"$plans" | sort -u | grep -c .)" -ge 3 ] || { echo "arenas: $plans"; false; }
}

@test "threads do not change the result" {
  for threads in 2 3; do
    train "threads-$threads" "threads=$threads"
    expect 0
    same_bits "threads-$threads" "$BATS_FILE_TMPDIR/whole"
  done
}

@test "accumulation does not change the result" {
  train four training.batch_size=4 training.gradient_accumulation_steps=4
  expect 0
  same_bits four "$BATS_FILE_TMPDIR/whole"
  train two training.batch_size=8 training.gradient_accumulation_steps=2 data.num_workers=2 \
    --budget "$(minimum training.batch_size=8 training.gradient_accumulation_steps=2 data.num_workers=2)B"
  expect 0
  same_bits two "$BATS_FILE_TMPDIR/whole"
}

@test "evaluations between steps do not change the result" {
  train often training.eval_every_steps=1
  expect 0
  same_bits often "$BATS_FILE_TMPDIR/whole"
  train once training.eval_every_steps=1000
  expect 0
  same_bits once "$BATS_FILE_TMPDIR/whole"
}

@test "another seed does change the result" {
  train other seed=12
  expect 0
  [ "$(bits other)" != "$(bits "$BATS_FILE_TMPDIR/whole")" ]
}

@test "metrics that are collected are those computed online" {
  train collected training.compute_metrics_online=false
  expect 0
  same_bits collected "$BATS_FILE_TMPDIR/whole"
  # What is shown to people as well.
  grep '^Validation' <<<"$out" >collected.txt
  train online
  grep '^Validation' <<<"$out" | cmp - collected.txt
  [ "$(metrics collected)" = "$(metrics "$BATS_FILE_TMPDIR/whole")" ]
  [ ! -e collected/predictions.collected ]
}

@test "killed with -9 at random moments and resumed" {
  RANDOM=${SNUG_TEST_SEED:-$$}
  echo "SNUG_TEST_SEED=${SNUG_TEST_SEED:-$$}"
  kills=0
  for round in 1 2 3; do
    run="killed-$round"
    resume=""
    kept=0
    for _ in 1 2 3; do
      # Far enough from the end that a fast machine is not there first.
      [ "$kept" -lt 20 ] || break
      # shellcheck disable=SC2046,SC2086
      start "$run" $(long_words) "data.num_workers=$((RANDOM % 3))" $resume
      line=$((kept + 1 + RANDOM % (20 - kept)))
      until_lines "$run/metrics.jsonl" "$line"
      sleep "0.0$(printf %02d $((RANDOM % 60)))"
      kill -9 "$pid" 2>/dev/null || true
      finish
      [ "$code" -eq 137 ] || { expect 0; break; }
      kills=$((kills + 1))
      echo "$run: killed after line $line, $(wc -l <"$run/metrics.jsonl") lines"
      resume=--resume
      # Whatever the instant: what `last` points to is whole.
      if [ -e "$run/checkpoints/last" ]; then
        [ -s "$run/checkpoints/last/model.safetensors" ]
        kept="$(jq -e .step "$run/checkpoints/last/state.json")"
      fi
    done
    # shellcheck disable=SC2046
    train "$run" $(long_words) --resume
    expect 0
    same_bits "$run" "$BATS_FILE_TMPDIR/long"
    [ "$(losses "$run")" = "$(losses "$BATS_FILE_TMPDIR/long")" ]
    [ "$(metrics "$run")" = "$(metrics "$BATS_FILE_TMPDIR/long")" ]
  done
  [ "$kills" -ge 3 ] || { echo "only $kills kills hit a running program"; false; }
}

@test "Ctrl-C and SIGTERM save, end with 130, and the run goes on with the same bits" {
  for signal in INT TERM; do
    run="stopped-$signal"
    # shellcheck disable=SC2046
    start "$run" $(long_words)
    until_there "$run/metrics.jsonl"
    kill -s "$signal" "$pid"
    finish
    expect 130
    says "saved"
    step="$(jq .step "$run/checkpoints/last/state.json")"
    [ "$(jq .steps "$run/summary.json")" -eq "$step" ]
    [ "$(jq .interrupted "$run/summary.json")" = true ]
    [ "$(losses "$run" | wc -l)" -eq "$step" ]
    # With other workers, threads and budget than before.
    # shellcheck disable=SC2046
    train "$run" $(long_words) --resume data.num_workers=0 threads=2 --budget 100MiB
    expect 0
    same_bits "$run" "$BATS_FILE_TMPDIR/long"
    [ "$(losses "$run")" = "$(losses "$BATS_FILE_TMPDIR/long")" ]
    [ "$(jq .interrupted "$run/summary.json")" = false ]
  done
}

@test "a finished run that is resumed stays as it is" {
  train done
  expect 0
  cp done/metrics.jsonl before.jsonl
  train done --resume
  expect 0
  cmp before.jsonl done/metrics.jsonl
  same_bits done "$BATS_FILE_TMPDIR/whole"
  figures='[.loss, .validation_loss, .validation_mae, .validation_r2, .steps, .samples]'
  [ "$(jq -c "$figures" done/summary.json)" = "$(jq -c "$figures" "$BATS_FILE_TMPDIR/whole/summary.json")" ]
}

@test "early stopping gives the best weights, and stays stopped" {
  stop="training.early_stopping=true training.early_stopping_patience=1 training.min_delta=100"
  # shellcheck disable=SC2086
  train early training.max_steps=100 $stop
  expect 0
  [ "$(jq .stopped_early early/summary.json)" = true ]
  [ "$(jq .steps early/summary.json)" = 8 ]
  [ "$(jq .allocations_after_seal early/summary.json)" = 0 ]
  [ "$(readlink early/checkpoints/best)" = step-4 ]
  cp early/summary.json before.json
  # shellcheck disable=SC2086
  train early training.max_steps=100 $stop --resume
  expect 0
  [ "$(jq .steps early/summary.json)" = 8 ]
  [ "$(bits early)" = "$(jq -r '.loss_sha256 + " " + .weights_sha256' before.json)" ]
}

@test "a checkpoint of a save that was cut short is never taken for the last" {
  # As if killed after the folder step-8 had its name and before `last` pointed there; then stopped
  # by hand at an odd step, whose checkpoint is older than the one left over.
  train again training.checkpoint_every_steps=2 training.keep_checkpoints=4
  expect 0
  ln -sfn step-2 again/checkpoints/last
  ln -sfn step-2 again/checkpoints/best
  mkdir again/checkpoints/.partial-step-6
  touch again/checkpoints/.partial-step-6/model.safetensors.partial
  train again training.checkpoint_every_steps=3 training.keep_checkpoints=1 --resume
  expect 0
  same_bits again "$BATS_FILE_TMPDIR/whole"
  [ ! -e again/checkpoints/.partial-step-6 ]
  [ -s again/checkpoints/last/model.safetensors ]
}

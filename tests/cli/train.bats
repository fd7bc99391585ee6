#!/usr/bin/env bats
# Plan, train, resume, evaluate, predict: every exit code, every file, nothing lost.
load helper

setup_file() {
  make_sessions
}

# run_small RUN WORDS...: a run of six steps.
run_small() {
  local run="$1"
  shift
  # shellcheck disable=SC2046
  snug train $(small_run) --budget 64MiB --out "$run" "$@"
}

@test "a plan has the fields that scripts use" {
  # shellcheck disable=SC2046
  snug plan $(small_run) --budget 64MiB --json
  expect 0
  [ "$(json .schema)" = snug.plan/1 ]
  [ "$(json .fits)" = true ]
  [ "$(json .budget_bytes)" = $((64 << 20)) ]
  json '.predicted_peak_bytes <= .budget_bytes' >/dev/null
  json '.minimum_budget_bytes > 0 and .minimum_budget_bytes <= .budget_bytes' >/dev/null
  json '.categories | [.weights, .gradients, .optimizer, .activations, .workspace, .data, .runtime]
        | all(. >= 0)' >/dev/null
  json '([.categories[]] | add) == .predicted_peak_bytes' >/dev/null
  json '.tiers | .file == 0 and .memory > 0' >/dev/null
  json '.micro_batch * .accumulation >= 8 and .time_ratio >= 1 and .threads == 1' >/dev/null
  [[ "$(json .isa)" =~ ^(scalar|avx2|avx512)$ ]]
}

@test "a plan for people ends with the next command" {
  # shellcheck disable=SC2046
  snug plan $(small_run) --budget 64MiB
  expect 0
  prints activations
  prints "Next      snug train timeseries_small"
  # shellcheck disable=SC2046
  snug plan $(small_run) --budget 64MiB --explain activations
  expect 0
  prints activations
  # shellcheck disable=SC2046
  snug plan $(small_run) --budget 64MiB --explain activatons
  complains 2 activations
}

@test "what does not fit is 3 and names the smallest budget" {
  # shellcheck disable=SC2046
  snug plan $(small_run) --budget 4MiB --json
  expect 3
  [ "$(jq -r .fits <<<"$out")" = false ]
  minimum="$(json .minimum_budget_bytes)"
  # shellcheck disable=SC2046
  snug train $(small_run) --budget 4MiB --out small
  expect 3
  [ -n "$err" ]
  [ ! -e small/metrics.jsonl ]
  # shellcheck disable=SC2046
  snug plan $(small_run) --budget "${minimum}B"
  expect 0
}

@test "a run writes what it promises" {
  run_small run --json
  expect 0
  [ "$(json .schema)" = snug.run/1 ]
  [ "$(json .steps)" = 6 ]
  [ "$(json .samples)" = 46 ]
  [ "$(json .allocations_after_seal)" = 0 ]
  sanitized || json '.peak_rss_bytes <= .budget_bytes' >/dev/null
  [[ "$(json .weights_sha256)" =~ ^[0-9a-f]{64}$ ]]
  [[ "$(json .loss_sha256)" =~ ^[0-9a-f]{64}$ ]]
  [ "$(jq -r .loss_sha256 run/summary.json)" = "$(json .loss_sha256)" ]
  [ "$(jq -r .weights_sha256 run/summary.json)" = "$(json .weights_sha256)" ]
  [ "$(jq -s 'map(select(.loss != null and .evaluation == null)) | length' run/metrics.jsonl)" = 6 ]
  [ "$(jq -s 'map(select(.evaluation)) | length' run/metrics.jsonl)" = 2 ]
  [ -s run/checkpoints/last/model.safetensors ]
  [ -e run/checkpoints/best ]
  grep -q '<svg' run/report.svg
  says "step 6/6"
  says "RSS"
  [[ "$err" != *$'\r'* ]]
}

@test "quiet runs say nothing" {
  run_small run --quiet
  expect 0
  [ -z "$err" ]
}

@test "a run keeps its configuration" {
  run_small run --quiet
  snug config show run/config.yaml --json
  expect 0
  [ "$(json '.settings["data.window"].value')" = 400 ]
  grep -q "# command line" run/config.yaml
}

@test "conditions decide the exit code" {
  run_small run --quiet --fail-on 'loss<0'
  expect 0
  run_small other --fail-on 'peak>1MiB' --quiet
  expect 4
  says "condition peak>1MiB holds: peak is"
  snug eval run --fail-on 'mae>0' --quiet
  expect 4
  snug eval run --fail-on 'mae<0' --quiet
  expect 0
}

@test "evaluation gives the numbers of training" {
  run_small run --quiet
  snug eval run --checkpoint last --json
  expect 0
  [ "$(json .schema)" = snug.eval/1 ]
  [ "$(json .mae)" = "$(jq .validation_mae run/summary.json)" ]
  [ "$(json .loss)" = "$(jq .validation_loss run/summary.json)" ]
  [ "$(json '.target_mae | length')" = 2 ]
  snug eval run --part test
  expect 0
  prints mae
  snug eval nothing
  complains 2 "'nothing' is no run: it has no readable config.yaml"
  snug eval run --checkpoint step-999
  expect 1
  says step-999
}

@test "metrics are the same when everything is collected first" {
  run_small online --quiet
  run_small collected --quiet training.compute_metrics_online=false
  expect 0
  a="$(jq -c '[.validation_mse, .validation_mae, .validation_r2]' online/summary.json)"
  b="$(jq -c '[.validation_mse, .validation_mae, .validation_r2]' collected/summary.json)"
  [ "$a" = "$b" ]
}

@test "predictions as CSV and HDF5" {
  run_small run --quiet
  file="$(find "$BATS_FILE_TMPDIR/sessions" -name '*.hdf5' | sort | head -1)"
  snug predict run "$file" --output p.csv
  expect 0
  [ "$(wc -l <p.csv)" -gt 10 ]
  snug predict run "$file"
  expect 0
  [ "$(head -1 <<<"$out")" = "$(head -1 p.csv)" ]
  snug predict run "$file" --output p.hdf5 --json
  expect 0
  [ "$(json .rows)" = "$(($(wc -l <p.csv) - 1))" ]
  head -c 8 p.hdf5 | od -An -c | grep -q 'H   D   F'
  snug predict run "$file" --json
  complains 2 "--json needs --output FILE"
}

@test "two runs in one folder are refused" {
  run_small run --quiet
  run_small run
  expect 1
  says "run"
  says "--resume"
}

@test "resuming ends with the same bits" {
  run_small whole --quiet
  expect 0
  run_small cut --quiet training.checkpoint_every_steps=3
  expect 0
  # As if it had been killed after the checkpoint of step 3.
  rm -rf cut/checkpoints/step-6 cut/summary.json
  ln -sfn step-3 cut/checkpoints/last
  ln -sfn step-3 cut/checkpoints/best
  run_small cut --quiet training.checkpoint_every_steps=3 --resume
  expect 0
  [ "$(jq -r .weights_sha256 cut/summary.json)" = "$(jq -r .weights_sha256 whole/summary.json)" ]
  [ "$(jq -r .loss_sha256 cut/summary.json)" = "$(jq -r .loss_sha256 whole/summary.json)" ]
  losses cut >cut.txt
  losses whole >whole.txt
  cmp cut.txt whole.txt
}

# losses RUN: step and loss of every logged step, in the order of the journal.
losses() {
  jq -c 'select(.loss != null and .evaluation == null) | [.step, .loss]' "$1/metrics.jsonl"
}

# interrupt SIGNAL RUN: starts a long run and sends the signal once it has made a step.
interrupt() {
  # shellcheck disable=SC2046
  "$SNUG" train $(small_run) --budget 64MiB --out "$2" training.max_steps=1000000 \
    training.eval_every_steps=1000000 >.out 2>.err &
  local pid=$!
  for _ in $(seq 200); do
    [ -s "$2/metrics.jsonl" ] && break
    sleep 0.05
  done
  kill -s "$1" "$pid"
  code=0
  wait "$pid" || code=$?
  out="$(cat .out)"
  err="$(cat .err)"
}

@test "Ctrl-C and SIGTERM save and stop with 130" {
  for signal in INT TERM; do
    rm -rf run
    # Background jobs of a script ignore SIGINT; the program must catch it all the same.
    interrupt "$signal" run
    expect 130
    says "saved"
    [ -s run/checkpoints/last/model.safetensors ]
    [ "$(jq .interrupted run/summary.json)" = true ]
  done
}

@test "a killed run goes on from its last checkpoint, with the same losses" {
  long="training.max_steps=1000000 training.eval_every_steps=1000000
    training.checkpoint_every_steps=4"
  # shellcheck disable=SC2046,SC2086
  "$SNUG" train $(small_run) --budget 64MiB --out run $long >/dev/null 2>&1 &
  pid=$!
  for _ in $(seq 400); do
    [ -e run/checkpoints/last/model.safetensors ] && break
    sleep 0.05
  done
  kill -9 "$pid"
  wait "$pid" || true
  # shellcheck disable=SC2046,SC2086
  "$SNUG" train $(small_run) --budget 64MiB --out run $long --resume >.out 2>.err &
  pid=$!
  sleep 1
  kill "$pid"
  code=0
  wait "$pid" || code=$?
  err="$(cat .err)"
  expect 130
  losses run >run.txt
  steps="$(wc -l <run.txt)"
  [ "$steps" -ge 4 ]
  [ "$steps" -le 40 ] || steps=40
  # shellcheck disable=SC2046,SC2086
  snug train $(small_run) --budget 64MiB --out whole --quiet $long training.max_steps="$steps"
  expect 0
  losses whole >whole.txt
  head -n "$steps" run.txt | cmp - whole.txt
}

@test "what is wrong with the data is said in one line" {
  snug train timeseries_small
  complains 2 "data.path"
  snug plan timeseries_small data.path=nowhere
  complains 1 "nowhere"
  # shellcheck disable=SC2046
  snug plan $(small_run) data.inputs=emgg
  complains 1 "emgg"
  says "emg"
  mkdir cut
  file="$(find "$BATS_FILE_TMPDIR/sessions" -name '*.hdf5' | sort | head -1)"
  head -c 2000 "$file" >cut/a.hdf5
  # shellcheck disable=SC2046
  snug plan $(small_run) data.path=cut
  complains 1 "cut/a.hdf5"
}

@test "a folder that cannot be written" {
  [ "$(id -u)" -ne 0 ] || skip "root may write everywhere"
  mkdir locked
  chmod 500 locked
  run_small locked/run
  expect 1
  says locked
}

@test "a dry run plans and writes nothing" {
  # shellcheck disable=SC2046
  snug train $(small_run) --budget 64MiB --out run --dry-run --json
  expect 0
  [ "$(json .schema)" = snug.plan/1 ]
  [ ! -e run ]
}

@test "without --out a run finds a free name" {
  # shellcheck disable=SC2046
  snug train $(small_run) --budget 64MiB
  expect 0
  says "run folder: runs/timeseries_small-1"
  [ -s runs/timeseries_small-1/summary.json ]
}

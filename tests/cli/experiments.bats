#!/usr/bin/env bats
# The experiment manager: what a file expands to, one process each inside the budget, results,
# failures, going on, and what is wrong in a file.
load helper

setup_file() {
  make_sessions
}

# write_sweep FILE: four small trainings.
write_sweep() {
  cat >"$1" <<YAML
base: timeseries_small
profile: quick_demo
budget: 100MiB
settings:
  data: {path: $BATS_FILE_TMPDIR/sessions, window: 400, stride: 200, num_workers: 0}
  training.max_steps: 4
  training.eval_every_steps: 2
  threads: 1
  data.split_ratio: "[0.5,0.25,0.25]"
grid:
  training.batch_size: [4, 8]
  optimizer.lr: [0.001, 0.01]
YAML
}

# write_commands FILE: two that work, one that fails, one more that works; each counts its starts.
write_commands() {
  cat >"$1" <<'YAML'
name: own
command: [sh, -c, 'echo x >>{run}/starts; echo "{\"loss\": {n}, \"accuracy\": 0.{n}, \"note\": \"words\", \"list\": [1]}" >{run}/summary.json; echo said {name} {resume}; exit {code}', sh, "{resume}"]
budget: 64MiB
best: highest accuracy
columns: [accuracy, loss]
list:
  - {name: one, n: 1, code: 0}
  - {name: two, n: 2, code: 0}
  - {name: bad, n: 3, code: 3}
  - {name: four, n: 4, code: 0}
YAML
}

@test "a grid of trainings runs, one process each, within the budget" {
  write_sweep sweep.yaml
  snug experiments sweep.yaml --dry-run
  expect 0
  [ "$(grep -c '^00' <<<"$out")" = 4 ]
  prints "snug train timeseries_small data.path="
  prints "training.batch_size=8 optimizer.lr=0.01 --budget 104857600B --out experiments/sweep/runs/004-"
  [ ! -e experiments ]

  snug experiments sweep.yaml --out exp
  expect 0
  says "001-batch_size=4,lr=0.001: finished, status 0"
  prints "validation_loss"
  prints "* the lowest validation_loss"
  prints "memory back: "
  [ "$(jq -r '.schema' exp/results.json)" = snug.experiments/1 ]
  jq -e '[.experiments[].status] == ["done", "done", "done", "done"]' exp/results.json
  # Each within its limit, by the kernel where it can be; the run's own figures are there.
  jq -e 'all(.experiments[]; .figures.validation_loss > 0 and .figures.steps == 4)' exp/results.json
  sanitized || jq -e 'all(.experiments[]; .peak_bytes <= .limit_bytes and .limit_bytes <= 104857600)' exp/results.json
  # The best one is the one with the least loss.
  jq -e '.best as $b | ([.experiments[] | .figures.validation_loss] | min) ==
    (.experiments[] | select(.name == $b) | .figures.validation_loss)' exp/results.json
  jq -e 'all(.experiments[]; has("memory_left_bytes") and has("memory_back"))' exp/results.json
  grep -q "001-batch_size=4,lr=0.001" exp/report.html
  ! grep -qE '(src|href)="http|<script' exp/report.html || false
  [ -s "exp/logs/001-batch_size=4,lr=0.001.log" ]
  # The settings reached the runs.
  grep -q 'batch_size: 4' "exp/runs/001-batch_size=4,lr=0.001/config.yaml"
}

@test "what is done is skipped, what was broken off goes on" {
  write_sweep sweep.yaml
  snug experiments sweep.yaml --out exp --only 1,3 --quiet
  expect 0
  jq -e '[.experiments[].status] == ["done", "waiting", "done", "waiting"]' exp/results.json
  snug experiments sweep.yaml --out exp
  complains 2 "'exp' has results already: go on with --resume, or choose another --out"
  before="$(stat -c %Y.%i exp/runs/001*/summary.json)"
  # One looks as after kill -9: running, with a checkpoint, without an end.
  cp -a exp/runs/003* kept
  jq '(.experiments[2] | .status) = "running"' exp/results.json >changed
  cp changed exp/results.json
  rm exp/runs/003*/summary.json
  ln -sfn step-2 exp/runs/003*/checkpoints/last
  snug experiments sweep.yaml --out exp --resume
  expect 0
  [ "$(stat -c %Y.%i exp/runs/001*/summary.json)" = "$before" ]
  jq -e '[.experiments[].status] == ["done", "done", "done", "done"]' exp/results.json
  # It went on from the checkpoint and ended with the same bits.
  [ "$(jq -r .weights_sha256 exp/runs/003*/summary.json)" = "$(jq -r .weights_sha256 kept/summary.json)" ]
  # Another value is another experiment.
  sed 's/0.001, 0.01/0.001, 0.02/' sweep.yaml >other.yaml
  snug experiments other.yaml --out exp --resume --dry-run --json
  [ "$(json '[.experiments[].status] | join(" ")')" = "done waiting done waiting" ]
}

@test "any command is an experiment" {
  write_commands own.yaml
  snug experiments own.yaml --out exp --keep-going
  expect 5
  says "1 experiment failed; the output is in exp/logs"
  says "003-bad: finished, status 3"
  prints "* 004-four"
  prints "failed (3)"
  jq -e '[.experiments[].status] == ["done", "done", "failed", "done"]' exp/results.json
  jq -e '.experiments[0].figures == {"loss": 1, "accuracy": 0.1}' exp/results.json
  [ "$(cat exp/logs/001-one.log)" = "said 001-one {resume}" ]
  [ "$(cat exp/runs/001-one/starts)" = x ]
}

@test "what a failed experiment said last is shown" {
  write_sweep sweep.yaml
  sed -i 's/training.batch_size/training.batchsize/' sweep.yaml
  snug experiments sweep.yaml
  expect 5
  says "001-batchsize=4,lr=0.001: its last words: snug: command line: unknown key 'training.batchsize'; did you mean 'training.batch_size'?"
  # What is no text does not reach the terminal.
  cat >odd.yaml <<'YAML'
command: [sh, -c, "printf '\\033[31mred\\377'; exit 3", sh, "{changes}"]
budget: 64MiB
grid: {n: [1]}
YAML
  snug experiments odd.yaml
  expect 5
  says "its last words:  [31mred?"
}

@test "a failure ends the set, unless it is to go on" {
  write_commands own.yaml
  snug experiments own.yaml --out exp --quiet
  expect 5
  jq -e '[.experiments[].status] == ["done", "done", "failed", "waiting"]' exp/results.json
  sed -i 's/n: 3, code: 3/n: 3, code: 3 /; s/exit {code}/exit 0/' own.yaml
  # The command is another one now: all of it is run again.
  snug experiments own.yaml --out exp --resume --quiet
  expect 0
  [ "$(wc -l <exp/runs/001-one/starts)" = 2 ]
  snug experiments own.yaml --out exp --resume --quiet --json
  expect 0
  [ "$(json .best)" = 004-four ]
  [ "$(wc -l <exp/runs/001-one/starts)" = 2 ]
}

@test "an experiment that takes more than the budget is ended, the next one is not" {
  command -v python3 >/dev/null || skip "no python3"
  cat >hog.yaml <<'YAML'
command: python3 -c x=bytearray({mib}<<20)
budget: 100MiB
grid: {mib: [500, 1, 2]}
YAML
  snug experiments hog.yaml --out exp --keep-going
  expect 5
  [ "$(jq -r '.experiments[0].status' exp/results.json)" = failed ]
  jq -e '.experiments[0].exit_code != 0' exp/results.json
  jq -e '[.experiments[1,2].status] == ["done", "done"]' exp/results.json
}

@test "Ctrl-C stops the set, and it goes on later" {
  cat >slow.yaml <<'YAML'
command: [sh, -c, 'echo x >{run}/began; sleep {s}']
budget: 64MiB
grid: {s: [0, 20, 0]}
YAML
  "$SNUG" experiments slow.yaml --out exp --quiet >.out 2>.err 3>&- &
  pid=$!
  for _ in $(seq 100); do
    [ -s exp/runs/002-s=20/began ] && break
    sleep 0.05
  done
  kill -TERM "$pid"
  code=0
  wait "$pid" || code=$?
  [ "$code" -eq 130 ] || { cat .err; echo "$code"; return 1; }
  grep -q "stopped at 002-s=20; --resume goes on from here" .err
  jq -e '[.experiments[].status] == ["done", "stopped", "waiting"]' exp/results.json
}

@test "what is wrong in a file is named with its place" {
  check() {
    snug experiments bad.yaml --dry-run
    complains "$1" "$2" || return 1
  }
  printf 'base: timeseries\nbudgt: 3\n' >bad.yaml
  check 2 "bad.yaml:2:1: unknown key 'budgt'; did you mean 'budget'?"
  printf 'base: timeseries\ngrid:\n  a: 3\n' >bad.yaml
  check 2 "bad.yaml:3:6: grid needs a list of values: a: [3, ...]"
  printf 'base: timeseries\nlist: [a, b]\n' >bad.yaml
  check 2 "bad.yaml:2:8: list needs mappings: - {KEY: VALUE, ...}"
  printf 'budget: 1GiB\n' >bad.yaml
  check 2 "bad.yaml: give either a base configuration or a command"
  printf 'base: a\ncommand: b\n' >bad.yaml
  check 2 "bad.yaml: give either a base configuration or a command"
  printf 'command: a\nenforce: hope\n' >bad.yaml
  check 2 "enforce must be auto, cgroup, rlimit or watch, not 'hope'"
  printf 'command: a\ntime_limit: soon\n' >bad.yaml
  check 2 "bad.yaml:2:13: time_limit must be a number from 0 to 1e+09, not 'soon'"
  printf 'command: a\nname: ../x\n' >bad.yaml
  check 2 "'../x' is no name for a folder"
  printf 'command: a\nbudget: 5\n' >bad.yaml
  check 2 "'5' has no unit"
  printf 'command: [a\n' >bad.yaml
  check 2 "bad.yaml:"
  printf '\377\376\001' >bad.yaml
  check 2 "bad.yaml: not YAML text"
  rm bad.yaml
  check 1 "cannot open 'bad.yaml': No such file or directory"
  {
    echo 'command: a'
    echo 'grid:'
    for key in a b c; do
      printf '  %s: [%s]\n' "$key" "$(seq -s, 1 20)"
    done
  } >bad.yaml
  check 1 "more than 1024 experiments"
  write_commands own.yaml
  snug experiments own.yaml --only nine --dry-run
  complains 1 "no experiment is 'nine'; --dry-run lists them"
}

@test "JSON is a file of experiments, too" {
  echo '{"command": "true {a}", "budget": "64MiB", "grid": {"a": [1, 2]}, "list": [{"b": 1}, {"b": 2}]}' >e.json
  snug experiments e.json --dry-run --json
  expect 0
  [ "$(json '[.experiments[].name] | join(" ")')" = "001-b=1,a=1 002-b=1,a=2 003-b=2,a=1 004-b=2,a=2" ]
  [ "$(json '.experiments[3].command | join(" ")')" = "true 2" ]
}

@test "results that cannot be read are said so" {
  write_commands own.yaml
  mkdir exp
  echo '{"experiments": [{"name": ' >exp/results.json
  snug experiments own.yaml --out exp --resume
  complains 1 "'exp/results.json' cannot be read"
}

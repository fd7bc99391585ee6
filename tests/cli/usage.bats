#!/usr/bin/env bats
# The command line: help, suggestions, and what is refused with exit code 2.
load helper

@test "no words show what there is" {
  snug
  expect 0
  prints "Examples:"
  prints "Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 does not fit,"
}

@test "help of every command opens with examples and names its options" {
  for command in check plan train eval predict "data describe" "data convert" "data generate" \
    "config show" "config list" "config keys" demo analyze run experiments help version completion; do
    # shellcheck disable=SC2086
    snug $command --help
    expect 0
    [ -z "$err" ]
    [[ "$out" == "Examples:"* ]]
    prints "Usage: snug $command"
    prints "-h, --help"
    # shellcheck disable=SC2086
    short="$("$SNUG" $command -h)"
    [ "$short" = "$out" ]
    # shellcheck disable=SC2086
    [ "$("$SNUG" help $command)" = "$out" ]
  done
}

@test "help needs no other words to be right" {
  snug train --help
  expect 0
  snug data --help
  expect 0
  prints "snug data convert"
  snug help config
  expect 0
  prints "snug config show"
}

@test "every line of help fits into 100 columns" {
  for command in check plan train eval predict "data describe" "data convert" "data generate" \
    "config show" demo analyze run experiments completion; do
    # shellcheck disable=SC2086
    "$SNUG" $command --help | awk -v c="$command" \
      '!/^  snug/ && length($0) > 110 { print c ": " $0; bad = 1 } END { exit bad }'
  done
}

@test "unknown commands name the nearest" {
  snug trian
  complains 2 "there is no command 'trian'; did you mean 'train'?"
  snug data convrt x
  complains 2 "there is no command 'data convrt'; did you mean 'data convert'?"
  snug data
  complains 2 "'snug data' needs one of these words: describe, convert, generate"
  snug help nothing
  complains 2 "there is no command 'nothing'"
}

@test "unknown options name the nearest" {
  snug train timeseries --bugdet 600MiB
  complains 2 "unknown option '--bugdet' of 'snug train'; did you mean '--budget'?"
  snug check --out x
  complains 2 "unknown option '--out' of 'snug check'"
  snug check -z
  complains 2 "unknown option '-z' of 'snug check'"
}

@test "values of options are checked" {
  snug train timeseries --budget
  complains 2 "--budget needs a value: --budget SIZE"
  snug check --json=yes
  complains 2 "--json takes no value"
  snug check --color sometimes
  complains 2 "--color must be one of auto|always|never, not 'sometimes'"
  snug plan timeseries --memory-usage-ratio 1.5
  complains 2 "--memory-usage-ratio must be above 0 and at most 1, not 1.5"
  snug plan timeseries --max-memory-mb 0.5
  complains 2 "--max-memory-mb must be a whole number of MiB"
  snug check --require 600
  complains 2 "'600' has no unit; did you mean '600MiB' or '600B'?"
  snug plan timeseries --profile fast
  complains 2 "--profile must be one of default|low_memory|high_performance|quick_demo|ultra_low_memory|safe|original, not 'fast'"
}

@test "words that are missing or too many" {
  snug train
  complains 2 "'snug train' needs more: snug train CONFIG [KEY=VALUE ...]"
  snug config list extra
  complains 2 "'extra' is one word too many for 'snug config list'"
  snug train timeseries --resume
  complains 2 "--resume needs the folder of the run: --out RUN"
  snug completion tcsh
  complains 2 "there is no completion for 'tcsh'; there is one for bash, zsh and fish"
}

@test "conditions are checked before any work" {
  snug plan timeseries --fail-on mae
  complains 2 "--fail-on 'mae' is no condition; write it like 'mae>0.2'"
  snug plan timeseries --fail-on 'paek>3'
  complains 2 "--fail-on knows no 'paek'; did you mean peak"
  snug train timeseries --fail-on 'loss>low'
  complains 2 "--fail-on 'loss>low': 'low' is neither a number nor a size"
}

@test "version in both forms" {
  snug version
  expect 0
  text="$out"
  snug --version
  [ "$out" = "$text" ]
  snug version --json
  [ "$(json .schema)" = snug.version/1 ]
  [ "snug $(json .version)" = "$text" ]
}

@test "a result that cannot be written is a failure" {
  [ -w /dev/full ] || skip "no /dev/full here"
  code=0
  "$SNUG" config keys >/dev/full 2>.err || code=$?
  [ "$code" -eq 1 ]
  grep -q "cannot write the result to standard output" .err
}

# colored WORDS...: how many coloured lines a wrong command gives in this environment.
colored() {
  env -u NO_COLOR -u FORCE_COLOR -u CLICOLOR_FORCE -u CLICOLOR "$@" "$SNUG" chek 2>&1 >/dev/null |
    grep -c $'\033' || true
}

@test "colours follow the environment" {
  [ "$(colored)" = 0 ]
  [ "$(colored NO_COLOR=1)" = 0 ]
  [ "$(colored CLICOLOR_FORCE=1)" = 1 ]
  [ "$(colored FORCE_COLOR=1)" = 1 ]
  [ "$(colored NO_COLOR=1 CLICOLOR_FORCE=1)" = 0 ]
}

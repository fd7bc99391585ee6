#!/usr/bin/env bats
# What the machine has.
load helper

@test "check says what binds and what to run" {
  snug check
  expect 0
  prints "CPU"
  prints "Budget"
  prints "snug train timeseries data.path=FOLDER --profile"
  prints "snug train text --train_file FILE.csv --model_name FOLDER --profile"
  for line in Features Swap Disk GPU Heat Free Profile; do
    grep -q "^$line  *[^ ]" <<<"$out" || { echo "no line of $line"; return 1; }
  done
}

@test "check as JSON" {
  snug check --json
  expect 0
  [ "$(json .schema)" = snug.check/1 ]
  json '.headroom_bytes > 0 and .budget_bytes > 0 and .budget_bytes <= .headroom_bytes' >/dev/null
  json '.cores >= 1 and .meets' >/dev/null
  [[ "$(json .isa)" =~ ^(scalar|avx2|avx512)$ ]]
  json '.swap_total_bytes >= .swap_free_bytes and .disk_free_bytes > 0 and .usable_bytes > 0' >/dev/null
  json '(.gpus | length > 0) == (.gpu_reason == null) and (.warnings | type) == "array"' >/dev/null
  json '.commands.text | contains("--train_file FILE.csv --model_name FOLDER --profile")' >/dev/null
  snug check --budget 123MiB --json
  [ "$(json .budget_bytes)" = $((123 << 20)) ]
}

@test "the recommended command has a profile and a budget that exist" {
  snug check
  command="$(sed -n 's/^Next  *snug train //p' <<<"$out")"
  profile="$(sed 's/.*--profile \([a-z_]*\).*/\1/' <<<"$command")"
  snug config show timeseries --profile "$profile"
  expect 0
}

@test "the recommended command for text runs as it stands" {
  "$SNUG" data generate text --out texts --rows 60 -q >/dev/null
  snug check --json
  command="$(json .commands.text)"
  profile="$(json .text_profile)"
  [[ "$profile" =~ ^(ultra_low_memory|safe|original)$ ]]
  [[ "$command" == *"--profile $profile --budget $(($(json .budget_bytes) >> 20))MiB" ]]
  command="${command/FILE.csv/texts/train.csv}"
  command="${command/FOLDER/texts/model}"
  # The made model is a small one: it has no weights and 128 positions.
  # shellcheck disable=SC2086
  snug ${command#snug } model.pretrained=false data.max_length=64 training.max_steps=1 --out run
  expect 0
}

@test "a small limit asks for the smallest profile" {
  sanitized && skip "a sanitizer does not start in so little"
  out="$(bash -c 'ulimit -v 6000000 && exec "$0" check --json' "$SNUG")"
  [ "$(json .text_profile)" = ultra_low_memory ]
  [ "$(json .usable_bytes)" -le $((6000000 << 10)) ]
  snug check --help
  prints "below 8 GiB low_memory and ultra_low_memory"
}

@test "a requirement that is not met is 3" {
  snug check --require 1B
  expect 0
  snug check --require 900TiB
  expect 3
  says "less than 900TiB is free for us here"
  prints "Budget"
  snug check --require 900TiB --json
  expect 3
  [ "$(jq -r .meets <<<"$out")" = false ]
}

@test "a budget that is none" {
  snug check --budget 0%
  complains 2 "'0%' is not a budget"
  SNUG_ISA=avx1024 snug check
  expect 2
  says avx1024
}

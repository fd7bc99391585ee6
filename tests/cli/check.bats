#!/usr/bin/env bats
# What the machine has.
load helper

@test "check says what binds and what to run" {
  snug check
  expect 0
  prints "CPU"
  prints "Budget"
  prints "snug train timeseries data.path=FOLDER --profile"
}

@test "check as JSON" {
  snug check --json
  expect 0
  [ "$(json .schema)" = snug.check/1 ]
  json '.headroom_bytes > 0 and .budget_bytes > 0 and .budget_bytes <= .headroom_bytes' >/dev/null
  json '.cores >= 1 and .meets' >/dev/null
  [[ "$(json .isa)" =~ ^(scalar|avx2|avx512)$ ]]
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

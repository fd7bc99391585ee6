#!/usr/bin/env bats
# Measured costs: kept in the cache, made anew when damaged, never in the way.
# shellcheck disable=SC2046,SC2314
load helper

setup_file() {
  make_sessions
}

# plan_json ARGS...: the plan of a small run as JSON, with costs measured and a cache of one's own.
plan_json() {
  SNUG_COSTS=measured XDG_CACHE_HOME="$DIR/cache" snug plan $(small_run) --budget 100MiB --json "$@"
}

@test "costs are measured once and kept" {
  plan_json
  expect 0
  json '.costs == "measured" and .step_seconds > 0 and .time_ratio >= 1' >/dev/null
  set -- "$DIR"/cache/snug/costs-*.json
  [ $# -eq 1 ]
  cp "$1" first.json
  seconds="$(json .step_seconds)"
  plan_json
  expect 0
  [ "$(json .step_seconds)" = "$seconds" ]
  cmp "$1" first.json
}

@test "a damaged file is made anew" {
  plan_json
  set -- "$DIR"/cache/snug/costs-*.json
  head -c 300 "$1" >cut.json
  cp cut.json "$1"
  plan_json
  expect 0
  json '.costs == "measured"' >/dev/null
  jq -e '.points | length > 0' "$1" >/dev/null
}

@test "--recalibrate measures again" {
  plan_json
  set -- "$DIR"/cache/snug/costs-*.json
  cp "$1" first.json
  plan_json --recalibrate
  expect 0
  ! cmp -s "$1" first.json
}

@test "no place for a cache is no failure" {
  SNUG_COSTS=measured XDG_CACHE_HOME=/proc/none snug plan $(small_run) --budget 100MiB --json
  expect 0
  json '.costs == "measured"' >/dev/null
}

@test "SNUG_COSTS=default measures nothing and always plans the same" {
  SNUG_COSTS=default XDG_CACHE_HOME="$DIR/cache" snug plan $(small_run) --budget 100MiB --json
  expect 0
  json '.costs == "default" and .step_seconds > 0' >/dev/null
  [ ! -e "$DIR/cache" ]
  SNUG_COSTS=guess snug plan $(small_run)
  complains 2 "SNUG_COSTS=guess"
}

@test "weights do not depend on costs, and the summary holds the prediction" {
  SNUG_COSTS=measured XDG_CACHE_HOME="$DIR/cache" snug train $(small_run) --budget 100MiB --out a
  expect 0
  SNUG_COSTS=default snug train $(small_run) --budget 100MiB --out b
  expect 0
  [ "$(jq -r .weights_sha256 a/summary.json)" = "$(jq -r .weights_sha256 b/summary.json)" ]
  jq -e '.predicted_step_seconds > 0' a/summary.json >/dev/null
}

#!/usr/bin/env bats
# The demo is what a newcomer sees first.
load helper

@test "the demo makes data, plans, trains and reports inside its budget" {
  snug demo --out d
  expect 0
  prints "1. Data: 6 sessions"
  prints "2. Plan"
  prints "3. Training"
  prints "The picture of loss and memory is d/run/report.svg"
  grep -q '<svg' d/run/report.svg
  jq -e '.peak_rss_bytes <= .budget_bytes and .allocations_after_seal == 0' d/run/summary.json
  # It learns: the last losses are well below the first.
  jq -es '[.[] | select(.loss != null and .evaluation == null) | .loss] |
    (.[-10:] | add / 10) < 0.7 * (.[:10] | add / 10)' d/run/metrics.jsonl
}

@test "the demo as JSON is the summary of its run" {
  snug demo --json --quiet
  expect 0
  [ -z "$err" ]
  [ "$(json .schema)" = snug.run/1 ]
}

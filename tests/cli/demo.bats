#!/usr/bin/env bats
# The demo is what a newcomer sees first.
load helper

@test "the demo makes data, plans, trains and reports inside its budget" {
  snug demo --out d
  expect 0
  prints "1. Data: 8 sessions"
  prints "2. Plan"
  prints "3. Training"
  prints "The picture of loss and memory is d/run/report.svg"
  grep -q '<svg' d/run/report.svg
  jq -e '.allocations_after_seal == 0' d/run/summary.json
  sanitized || jq -e '.peak_rss_bytes <= .budget_bytes' d/run/summary.json
  # It learns: the last losses are well below the first.
  jq -es '[.[] | select(.loss != null and .evaluation == null) | .loss] |
    (.[-10:] | add / 10) < 0.7 * (.[:10] | add / 10)' d/run/metrics.jsonl
}

@test "a demo that does not fit says so" {
  snug demo --budget 2MiB --out d
  expect 3
  prints "does not fit"
}

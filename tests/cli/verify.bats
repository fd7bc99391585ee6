#!/usr/bin/env bats
# `snug plan --verify N`: the plan against a few steps, part by part.
load promise_words

setup_file() {
  make_promise_data
}

@test "the plan is verified: parts add up, the peak is as promised" {
  sanitized && skip "a sanitizer's own memory is in no plan"
  for words in "" "data.num_workers=3 threads=2" "training.compute_metrics_online=false"; do
    # shellcheck disable=SC2046,SC2086
    snug plan $(base) $words --budget 64MiB --verify 2 --json
    expect 0
    [ "$(json .schema)" = snug.verify/1 ]
    [ "$(json .kept)" = true ]
    [ "$(json .steps)" = 2 ]
    json '.allocations_after_seal == 0' >/dev/null
    json '([.parts[].predicted_bytes] | add) == .predicted_peak_bytes' >/dev/null
    json '([.parts[].measured_bytes] | add) == .peak_rss_bytes' >/dev/null
    json '([.categories[]] | add) == .predicted_peak_bytes' >/dev/null
    json '(.predicted_peak_bytes - .peak_rss_bytes | fabs)
          <= ([0.02 * .peak_rss_bytes, 4194304] | max)' >/dev/null
    # What the heap counts is planned to the page; the planner's own last pages may be given back.
    json '.parts | [.arena, .data] | all((.predicted_bytes - .measured_bytes | fabs) <= 8192)' \
      >/dev/null
    json '.parts.runtime | (.predicted_bytes - .measured_bytes | fabs) <= 262144' >/dev/null
  done
}

@test "nothing is written, and the table ends with the next command" {
  sanitized && skip "a sanitizer's own memory is in no plan"
  mkdir empty
  cd empty
  # shellcheck disable=SC2046
  snug plan $(base) --budget 64MiB --verify 1
  expect 0
  prints "as promised"
  [[ "${out##*$'\n'}" == "Next      snug train timeseries"* ]]
  [ -z "$(ls -A .)" ]
}

@test "at the smallest budget it is kept as well" {
  sanitized && skip "a sanitizer's own memory is in no plan"
  # shellcheck disable=SC2046
  snug plan $(base) --budget "$(minimum)B" --verify 1 --json
  expect 0
  json '.kept and .peak_rss_bytes <= .budget_bytes' >/dev/null
}

@test "what does not fit is not tried, and a bad number is a usage error" {
  # shellcheck disable=SC2046
  snug plan $(base) --budget 3MiB --verify 1 --json
  expect 3
  [ "$(json .schema)" = snug.plan/1 ]
  for number in 0 -1 x 1.5 1000001; do
    # shellcheck disable=SC2046
    snug plan $(base) --budget 64MiB "--verify=$number"
    complains 2 "--verify"
  done
}

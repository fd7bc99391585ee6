#!/usr/bin/env bats
# A text classifier in just the memory that its plan names, and in a little more.
load helper

# A model whose arena is most of the process: 92 MiB.
setup_file() {
  cd "$BATS_FILE_TMPDIR" || return 1
  "$SNUG" data generate text --out texts --rows 60 -q >/dev/null
  jq '.hidden_size = 256 | .intermediate_size = 1024 | .num_hidden_layers = 4 | .vocab_size = 8000' \
    texts/model/config.json >config.json
  mv config.json texts/model/config.json
}

setup() {
  cd "$BATS_FILE_TMPDIR" || return 1
  export XDG_CACHE_HOME="$PWD/cache"
}

@test "the peak stays within the smallest budget, and within a little more" {
  run="text data.path=texts model.path=texts/model model.pretrained=false data.max_length=64
    training.batch_size=4 training.max_steps=6 threads=1"
  # shellcheck disable=SC2086
  smallest="$("$SNUG" plan $run --json | jq .minimum_budget_bytes)"
  for more in 0 2 6; do
    # shellcheck disable=SC2086
    snug train $run --budget "$((smallest + (more << 20)))B" --out "run-$more" -q
    expect 0
    jq -c '{budget_bytes, predicted_peak_bytes, peak_rss_bytes}' "run-$more/summary.json"
    [ "$(jq '.peak_rss_bytes <= .budget_bytes' "run-$more/summary.json")" = true ] || sanitized
  done
}

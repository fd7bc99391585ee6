#!/usr/bin/env bats
# A limit that shrinks around a run: it adapts or stops with a checkpoint, and the bits stay.
load helper

setup_file() {
  make_sessions
}

# The words of a run of some seconds, whose fastest plan is far from its smallest.
words() {
  echo timeseries_small "data.path=$BATS_FILE_TMPDIR/sessions" data.window=800 data.stride=40 \
    data.split_ratio=[0.5,0.25,0.25] data.num_workers=1 data.chunk_cache_size=1MiB \
    training.batch_size=32 training.max_steps=400 training.epochs=100000 \
    training.eval_every_steps=1000000 training.checkpoint_every_steps=1000000 \
    training.early_stopping=false threads=1 --budget 120MiB
}

# clipped: a text model whose gradients are a good part of what it needs, in the budget of one pass.
clipped() {
  echo text "data.path=$PWD/texts" "model.path=$PWD/texts/model" model.pretrained=false \
    data.max_length=64 data.length_buckets=1 training.batch_size=4 training.max_steps=200 \
    training.epochs=100000 training.eval_every_steps=1000000 \
    training.checkpoint_every_steps=1000000 training.early_stopping=false \
    training.clip_norm=0.2 threads=1
}

# make_group: an empty control group of v1 or v2 in $group, and the names of its files.
make_group() {
  if [ -w /sys/fs/cgroup/memory ]; then
    group=/sys/fs/cgroup/memory/snug-squeeze-$$ limit_file=memory.limit_in_bytes
    kills_file=memory.oom_control
  else
    group=/sys/fs/cgroup/snug-squeeze-$$ limit_file=memory.max kills_file=memory.events
  fi
  mkdir "$group" 2>/dev/null || skip "no control group may be made here"
  [ -w "$group/$limit_file" ] || { rmdir "$group"; skip "no control group with memory here"; }
}

# squeeze RUN MIB WORDS...: runs $kind inside a control group that leaves so much more than the run
# holds.
kind=words
squeeze() {
  local run="$1" room=$(($2 << 20)) group used
  shift 2
  make_group
  # shellcheck disable=SC2046
  sh -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$group" "$SNUG" train $("$kind") --out "$run" "$@" \
    >squeeze.out 2>squeeze.err 3>&- &
  local child=$!
  for _ in $(seq 200); do
    [ -s "$run/memory.jsonl" ] && [ "$(grep -c . "$run/metrics.jsonl")" -gt 0 ] && break
    sleep 0.05
  done
  tight_for=0
  for _ in $(seq 400); do
    kill -0 "$child" 2>/dev/null || break
    # What the run holds, without the page cache.
    used="$(awk '$1 == "total_rss" || $1 == "anon" { print $2 }' "$group/memory.stat")"
    echo $((used + room)) >"$group/$limit_file" 2>/dev/null && tight_for=$((tight_for + 1))
    grep -q pressure_ "$run/metrics.jsonl" && break
    sleep 0.1
  done
  code=0
  wait "$child" || code=$?
  kills="$(awk '$1 == "oom_kill" { print $2 }' "$group/$kills_file")"
  rmdir "$group"
}

# answered RUN EVENT: the run said so. One that was tight for four seconds and said nothing is wrong.
answered() {
  if ! grep -q "\"event\":\"$2\"" "$1/metrics.jsonl"; then
    [ "$tight_for" -lt 40 ] || { echo "no $2 in $tight_for looks"; return 1; }
    skip "the run was over before the limit could be felt"
  fi
}

@test "a shrinking limit makes the plan smaller and leaves the bits" {
  if sanitized; then skip "a sanitizer's memory is not the plan's"; fi
  # shellcheck disable=SC2046
  snug train $(words) --out free -q
  expect 0
  squeeze tight 5
  [ "$code" -eq 0 ] || { cat squeeze.err; false; }
  [ "$kills" = 0 ]
  answered tight pressure_shrink
  [ "$(jq -c '[.weights_sha256, .loss_sha256]' tight/summary.json)" = \
    "$(jq -c '[.weights_sha256, .loss_sha256]' free/summary.json)" ]
  [ "$(jq .allocations_after_seal tight/summary.json)" = 0 ]
  [ "$(jq -s 'map(select(.rss_bytes)) | (first.rss_bytes > last.rss_bytes)' tight/metrics.jsonl)" = true ]
}

@test "where it may not adapt it stops with a checkpoint, and goes on with the same bits" {
  if sanitized; then skip "a sanitizer's memory is not the plan's"; fi
  squeeze stopped 1 training.on_pressure=stop training.strict_memory_check=true
  answered stopped pressure_stop
  [ "$code" -eq 130 ] || { cat squeeze.err; false; }
  [ "$kills" = 0 ]
  [ -e stopped/checkpoints/last/model.safetensors ]
  # shellcheck disable=SC2046
  snug train $(words) training.on_pressure=stop training.strict_memory_check=true --out stopped \
    --resume -q
  expect 0
  # shellcheck disable=SC2046
  snug train $(words) --out free -q
  [ "$(jq -c '[.weights_sha256, .loss_sha256]' stopped/summary.json)" = \
    "$(jq -c '[.weights_sha256, .loss_sha256]' free/summary.json)" ]
}

@test "a shrinking limit makes a run that clips go over to two passes and leaves the bits" {
  if sanitized; then skip "a sanitizer's memory is not the plan's"; fi
  "$SNUG" data generate text --out texts --rows 120 -q >/dev/null
  jq '.hidden_size = 256 | .intermediate_size = 1024 | .num_hidden_layers = 4 | .vocab_size = 4000' \
    texts/model/config.json >config.json
  mv config.json texts/model/config.json
  # The least that one pass needs: a quarter less is only there with two.
  # shellcheck disable=SC2046
  one="$("$SNUG" plan $(clipped) training.clip_passes=1 --budget 1MiB --json |
    jq -er .minimum_budget_bytes)"
  # shellcheck disable=SC2046
  snug train $(clipped) --out free -q
  expect 0
  kind=clipped
  squeeze tight 3 --budget "${one}B"
  [ "$code" -eq 0 ] || { cat squeeze.err; false; }
  [ "$kills" = 0 ]
  answered tight pressure_shrink
  grep '"event":"pressure_shrink"' tight/metrics.jsonl | grep -q 'two passes'
  [ "$(jq -c '[.weights_sha256, .loss_sha256]' tight/summary.json)" = \
    "$(jq -c '[.weights_sha256, .loss_sha256]' free/summary.json)" ]
  [ "$(jq .allocations_after_seal tight/summary.json)" = 0 ]
}

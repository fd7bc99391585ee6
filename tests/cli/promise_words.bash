# Words for the files that hold the program to its promises: runs, their bits, and what they took.

load helper

# Six sessions of 2,400 rows, once for each file of tests.
make_promise_data() {
  "$SNUG" data generate timeseries --out "$BATS_FILE_TMPDIR/sessions" --sessions 6 --rows 2400 \
    --channels 4 --targets 2 --rate 1000 --seed 11 >/dev/null
}

# base: a configuration with every layer of the small model, eight steps of 16 windows.
base() {
  echo timeseries_small "data.path=$BATS_FILE_TMPDIR/sessions" data.window=400 data.stride=100 \
    data.split_ratio=[0.5,0.25,0.25] data.num_workers=1 training.batch_size=16 \
    training.max_steps=8 training.eval_every_steps=4 training.log_every_steps=1 threads=1
}

# tiny: the same data, a network of some ten thousand parameters.
tiny() {
  echo "$(base)" --profile quick_demo data.num_workers=1 training.batch_size=8
}

# train RUN WORDS...: a quiet run of base; a budget among the words wins over the one here.
train() {
  local run="$1"
  shift
  # shellcheck disable=SC2046
  snug train $(base) --budget 200MiB --out "$run" --quiet "$@"
}

# bits RUN: both hashes.
bits() {
  jq -er '.loss_sha256 + " " + .weights_sha256' "$1/summary.json"
}

# same_bits RUN OTHER
same_bits() {
  local one other
  one="$(bits "$1")" && other="$(bits "$2")" || return 1
  [ "$one" = "$other" ] || { echo "$1: $one"; echo "$2: $other"; return 1; }
}

# losses RUN: step and loss of every logged step, in the order of the journal.
losses() {
  jq -c 'select(.loss != null and .evaluation == null) | [.step, .loss, .gradient_norm]' \
    "$1/metrics.jsonl"
}

# metrics RUN: every evaluation of the journal but its time.
metrics() {
  jq -c 'select(.evaluation) | del(.evaluation.seconds)' "$1/metrics.jsonl"
}

# start RUN WORDS...: the run in the background; $pid. What it says goes to files of its own.
start() {
  local run="$1"
  shift
  # shellcheck disable=SC2046
  "$SNUG" train $(base) --budget 200MiB --out "$run" "$@" >.start.out 2>.start.err \
    3>&- &
  pid=$!
}

# finish: waits for it; $code, $out and $err as after snug.
finish() {
  code=0
  wait "$pid" || code=$?
  out="$(cat .start.out)"
  err="$(cat .start.err)"
}

# until_there FILE: waits until the file has content, 20 s at most, or the run has ended.
until_there() {
  for _ in $(seq 1000); do
    [ -s "$1" ] && return 0
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.02
  done
  [ -s "$1" ]
}

# until_lines FILE COUNT: waits until the file has so many lines, 20 s at most, or the run has ended.
until_lines() {
  for _ in $(seq 1000); do
    [ -e "$1" ] && [ "$(wc -l <"$1")" -ge "$2" ] && return 0
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.02
  done
}

# minimum WORDS...: the smallest budget, in bytes.
minimum() {
  # shellcheck disable=SC2046
  "$SNUG" plan $(base) "$@" --budget 1MiB --json | jq -er .minimum_budget_bytes
}

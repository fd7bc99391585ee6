# Words for all bats files: the program, a folder of one's own, and what a run printed where.

if [ -z "${SNUG:-}" ]; then
  echo "set SNUG to the path of the program" >&2
  exit 1
fi
# Plans are the same on every machine, and nothing is written to the user's cache.
export SNUG_COSTS="${SNUG_COSTS:-default}"
# What is compared is English, whatever the locale of who runs the tests.
export SNUG_LANG=en
SOURCE_DIR="${SNUG_SOURCE_DIR:-$(cd "$BATS_TEST_DIRNAME/../.." && pwd)}"

setup() {
  DIR="$BATS_TEST_TMPDIR"
  cd "$DIR" || return 1
}

# snug ARGS...: runs the program; $code, $out and $err hold what came of it.
snug() {
  code=0
  "$SNUG" "$@" >"$BATS_TEST_TMPDIR/.out" 2>"$BATS_TEST_TMPDIR/.err" || code=$?
  out="$(cat "$BATS_TEST_TMPDIR/.out")"
  err="$(cat "$BATS_TEST_TMPDIR/.err")"
}

# expect CODE: the exit code of the last run.
expect() {
  if [ "$code" -ne "$1" ]; then
    echo "exit code $code instead of $1"
    echo "stdout: $out"
    echo "stderr: $err"
    return 1
  fi
}

# says TEXT: the text is in what went to stderr.
says() {
  if [[ "$err" != *"$1"* ]]; then
    echo "stderr lacks: $1"
    echo "stderr: $err"
    return 1
  fi
}

# prints TEXT: the text is in what went to stdout.
prints() {
  if [[ "$out" != *"$1"* ]]; then
    echo "stdout lacks: $1"
    echo "stdout: $out"
    return 1
  fi
}

# complains CODE TEXT: refused with this code, one line on stderr, nothing on stdout.
complains() {
  expect "$1" || return 1
  says "$2" || return 1
  [ -z "$out" ] || { echo "stdout is not empty: $out"; return 1; }
  [ "$(wc -l <"$BATS_TEST_TMPDIR/.err")" -eq 1 ] || { echo "not one line: $err"; return 1; }
}

# json FILTER: what jq -r says about stdout; fails when it is no JSON or the answer is null or false.
json() {
  jq -er "$1" <<<"$out"
}

# Whether the program was built with a sanitizer, whose own memory no budget knows.
sanitized() {
  grep -qaE '__(asan|tsan|msan)_init' "$SNUG"
}

# Four small sessions in ./sessions, once per file of tests.
make_sessions() {
  "$SNUG" data generate timeseries --out "$BATS_FILE_TMPDIR/sessions" --sessions 4 --rows 4000 \
    --channels 4 --targets 2 --rate 1000 --seed 3 >/dev/null
}

# The settings of a run that takes a second or two, for the sessions above.
small_run() {
  echo timeseries_small "data.path=$BATS_FILE_TMPDIR/sessions" --profile quick_demo data.window=400 \
    data.stride=200 data.num_workers=1 training.batch_size=8 training.max_steps=6 \
    training.eval_every_steps=3 training.log_every_steps=1 data.split_ratio=[0.5,0.25,0.25] threads=1
}

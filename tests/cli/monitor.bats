#!/usr/bin/env bats
# Watching memory: targets, exit codes, the log, what a reader of it sees.
load helper

# log FILTER: what jq says about all lines of m.jsonl at once.
log() {
  jq -ers "$1" m.jsonl
}

@test "the exit code is the command's own" {
  snug monitor --log-file none -- sh -c 'exit 7'
  expect 7
  snug monitor --log-file none -- true
  expect 0
  snug monitor --log-file none -- sh -c 'kill -TERM $$'
  expect 143
  snug monitor --log-file none -- sh -c 'kill -KILL $$'
  expect 137
}

@test "a command that does not start is 127 or 126, and leaves no log behind" {
  snug monitor --log-file m.jsonl -- no-such-command-here
  complains 127 "no-such-command-here"
  [ ! -e m.jsonl ]
  touch plain
  snug monitor --log-file none -- ./plain
  complains 126 "./plain"
  snug monitor --log-file no/such/folder/m.jsonl -- touch started
  complains 1 "no/such/folder/m.jsonl"
  [ ! -e started ]
}

@test "a number where a command is expected brings --pid to mind" {
  snug monitor --log-file none 123456
  expect 127
  says "no command '123456'"
  says "snug monitor --pid 123456"
}

@test "the kernel's mark of one process is not set against the sum of many" {
  snug monitor --interval 50ms --log-file none -- sh -c 'sleep 0.6 & sleep 0.6 & sleep 0.6 & sleep 0.6 & sleep 0.6 & wait'
  expect 0
  says "sampled, "
  [[ "$err" != *"by the kernel"* ]]
}

@test "a picture that could not be drawn is not named, a command too short for a sample has no peak of 0" {
  mkdir taken.svg
  snug monitor --interval 50ms --duration 200ms --log-file none --plot taken.svg
  expect 1
  says "taken.svg"
  [[ "$err" != *"picture taken.svg"* ]]
  snug monitor --interval 10s --log-file none -- true
  expect 0
  [[ "$err" != *"peak 0 B"* ]]
}

@test "the command's streams are untouched" {
  echo input >in
  "$SNUG" monitor --quiet --interval 20ms --log-file none --report -- \
    sh -c 'cat; sleep 0.2; echo words >&2' <in >out.txt 2>err.txt
  [ "$(cat out.txt)" = input ]
  # Whatever else runs here may bring the machine to a level that is told.
  [ "$(grep -v '^snug: ' err.txt | head -n 1)" = words ]
  grep -q resident err.txt
}

@test "the log: a header, samples, an end, a summary" {
  snug monitor --interval 50ms --log-file m.jsonl -- sh -c 'sleep 0.5; exit 3'
  expect 3
  says "m.jsonl"
  [ "$(log '.[0].type + " " + .[0].schema')" = "header memlog/1" ]
  log '.[0] | .target == "command" and .pid > 0 and (.command | test("sleep 0.5")) and .machine.memory > 0' >/dev/null
  log '[.[] | select(.type == "sample")] | length >= 5' >/dev/null
  log '[.[] | select(.type == "sample") | .rss] | max > 100000' >/dev/null
  log '[.[] | select(.type == "sample") | .t] | . == sort' >/dev/null
  log '[.[] | select(.type == "event" and .event == "target_exited")] | length == 1 and .[0].status == 3' >/dev/null
  log '.[-1] | .type == "summary" and .exit_status == 3 and .own.rss > 0' >/dev/null
  # What was not measured has no key.
  log '[.[] | .. | nulls] | length == 0' >/dev/null
}

@test "the tree of the command is one sum" {
  snug monitor --interval 100ms --log-file m.jsonl -- sh -c 'sleep 2.3 & sleep 2.3 & sh -c "sleep 2.3" & wait'
  expect 0
  log '[.[] | select(.type == "sample") | .procs // 0] | max >= 4' >/dev/null
}

@test "a process that lives is watched, and its end ends the log" {
  sleep 1 3>&- &
  snug monitor --pid $! --interval 50ms --log-file m.jsonl
  expect 0
  says "the process has ended"
  log '.[0] | .target == "pid" and (.command | test("sleep 1"))' >/dev/null
  log '[.[] | select(.event == "target_exited")] | length == 1' >/dev/null
  log '.[-1].reason == "target_exited"' >/dev/null
}

@test "a name is one process, or a list and 2" {
  cp "$(command -v sleep)" uncommonname
  ./uncommonname 30 3>&- & first=$!
  sleep 0.2
  snug monitor --name uncommonname --duration 200ms --log-file m.jsonl
  expect 0
  [ "$(log '.[0].pid')" = "$first" ]
  ./uncommonname 30 3>&- & second=$!
  sleep 0.2
  snug monitor --name uncommonname --duration 1s --log-file none
  kill "$first" "$second"
  complains 2 "2 processes are called 'uncommonname'"
  says "$first"
  says "$second"
  snug monitor --name no-such-process-here --log-file none
  complains 1 "no-such-process-here"
}

@test "bad targets and numbers: one line each" {
  snug monitor --pid 4194303 --log-file none
  complains 1 "4194303"
  snug monitor --pid 0
  complains 2 "--pid"
  snug monitor --pid 1 --name x
  complains 2 "one target only"
  snug monitor --interval 0
  complains 2 "--interval"
  snug monitor --duration soon
  complains 2 "--duration"
  snug monitor --threshold 90,80,70
  complains 2 "--threshold"
  snug monitor --limit 10
  complains 2 "--limit"
}

@test "an old log stays unless --force says so" {
  echo old >m.jsonl
  snug monitor --duration 100ms --log-file m.jsonl
  complains 1 "is there already"
  [ "$(cat m.jsonl)" = old ]
  snug monitor --duration 100ms --log-file m.jsonl --force
  expect 0
  log '.[0].type == "header"' >/dev/null
}

@test "without a name the log has the date in it" {
  snug monitor --duration 100ms
  expect 0
  ls memory-20*.jsonl
}

@test "kill -9 leaves a log of whole lines, and the command lives on" {
  "$SNUG" monitor --interval 10ms --log-file m.jsonl -- sleep 3 3>&- >/dev/null 2>&1 & watcher=$!
  sleep 0.7
  child="$(log '.[0].pid')"
  kill -9 "$watcher"
  wait "$watcher" || true
  [ "$(tail -c 1 m.jsonl | od -An -c | tr -d ' ')" = '\n' ]
  log '[.[] | select(.type == "sample")] | length > 5' >/dev/null
  kill -0 "$child"
  kill "$child"
}

@test "signals: a watch ends well, a command gets them" {
  "$SNUG" monitor --interval 50ms --log-file m.jsonl 3>&- >/dev/null 2>&1 & watcher=$!
  sleep 0.5
  kill -TERM "$watcher"
  code=0
  wait "$watcher" || code=$?
  [ "$code" -eq 0 ]
  log '.[-1] | .type == "summary" and .reason == "interrupted"' >/dev/null
  "$SNUG" monitor --log-file none -- sh -c 'trap "exit 9" TERM; while :; do sleep 0.1; done' 3>&- >/dev/null 2>&1 & watcher=$!
  sleep 0.5
  kill -TERM "$watcher"
  code=0
  wait "$watcher" || code=$?
  [ "$code" -eq 9 ]
}

@test "after the duration the command goes on and its exit code is kept" {
  snug monitor --duration 200ms --interval 50ms --log-file m.jsonl -- sh -c 'sleep 1; exit 5'
  expect 5
  log '[.[] | select(.type == "sample")] | length < 10 and .[-1].t < 1' >/dev/null
}

@test "a full disk is a warning and the watch goes on" {
  [ -w /dev/full ] || skip "no /dev/full"
  snug monitor --interval 50ms --log-file /dev/full -- sh -c 'sleep 0.4; exit 4'
  expect 4
  says "warning"
  says "No space left"
  [ "$(grep -c "the watch goes on" <<<"$err")" -eq 1 ]
}

@test "JSON and report on stdout" {
  snug monitor --duration 1200ms --interval 100ms --log-file none --json
  expect 0
  [ "$(json .schema)" = snug.monitor/1 ]
  json '.samples >= 10 and .fields.used.max >= .fields.used.min and .own.us_per_sample > 0' >/dev/null
  snug monitor --duration 300ms --interval 100ms --log-file none --report
  expect 0
  prints "lowest"
  prints "Levels"
  prints "of a core"
}

@test "levels: an alarm limit that is too low is danger" {
  snug monitor --interval 50ms --limit 100KiB --log-file m.jsonl -- sleep 0.5
  expect 0
  says "danger"
  log '[.[] | select(.event == "level") | .level] | index("danger") != null' >/dev/null
  log '.[-1].level == "danger"' >/dev/null
  snug monitor --interval 50ms --limit 100KiB --warn off --log-file none -- sleep 0.3
  [[ "$err" != *danger* ]]
}

@test "a picture at the end, named after the log when only its interval is given" {
  snug monitor --interval 50ms --plot p.svg --log-file none -- sleep 0.4
  expect 0
  grep -q '</svg>' p.svg
  snug monitor --interval 50ms --plot-interval 100ms --log-file m.jsonl -- sleep 0.4
  expect 0
  grep -q '</svg>' m.svg
  snug monitor --plot p.jpg --log-file none -- touch started
  complains 2 ".svg"
  [ ! -e started ]
}

@test "a picture as PNG where cairo is, and a hint before anything is started where it is not" {
  if sanitized; then skip "a sanitizer's loader"; fi
  if ldconfig -p | grep -q libcairo.so.2; then
    snug monitor --interval 50ms --plot p.png --log-file none -- sleep 0.4
    expect 0
    [ "$(head -c 8 p.png | od -An -tx1 | tr -d ' ')" = 89504e470d0a1a0a ]
    # Two pixels for each unit of the SVG.
    [ "$(head -c 24 p.png | tail -c 8 | od -An -tx1 | tr -d ' ')" = 0000078000000348 ]
    [ ! -e p.png.tmp ]
    snug monitor --quiet --duration 100ms --plot no/such/folder/p.png --log-file none
    complains 1 "no/such/folder/p.png"
  fi
  touch libcairo.so.2
  LD_LIBRARY_PATH="$PWD" snug monitor --plot q.png --log-file none -- touch started
  complains 2 "libcairo2"
  [ ! -e started ]
}

@test "the watch takes less than 2 MiB and says so" {
  if sanitized; then skip "a sanitizer's memory"; fi
  sleep 30 3>&- &
  target=$!
  snug monitor --pid "$target" --duration 3500ms --log-file m.jsonl
  expect 0
  log '.[-1].own.rss < 2097152' >/dev/null
  snug monitor --pid "$target" --duration 2s --interval 100ms --log-file none --plot p.svg --json
  kill "$target"
  expect 0
  json '.own.rss < 2097152' >/dev/null
}

@test "keys: the picture stands still, a moment is marked, q ends the watch and gives the terminal back" {
  if sanitized; then skip "the time of a sanitizer"; fi
  script -qec true /dev/null </dev/null >/dev/null 2>&1 || skip "no script(1)"
  # What is typed waits until the watch has the terminal.
  (sleep 1; printf ' '; sleep 0.5; printf 'm?+'; sleep 0.5; printf '?'; sleep 0.5; printf 'q'; sleep 0.5) |
    TERM=xterm LANG=C.UTF-8 timeout 20 script -qec "stty rows 24 cols 80; '$SNUG' monitor --interval 100ms \
      --duration 15s --log-file m.jsonl; stty -a" /dev/null >typescript
  grep -q 'paused' typescript
  grep -q 'q quit' typescript
  grep -q 'last 24 h' typescript
  grep -q 'm mark' typescript
  tail -n 5 typescript | grep -qE '(^|[ ;])icanon'
  log '[.[] | select(.event == "mark")] | length == 1' >/dev/null
  log '.[-1] | .reason == "interrupted" and .seconds < 10' >/dev/null
  # A pipe is not read, and ends nothing.
  printf 'qqq' | "$SNUG" monitor --duration 300ms --interval 100ms --log-file n.jsonl 2>/dev/null
  jq -ers '.[-1].reason == "duration"' n.jsonl >/dev/null
}

@test "the GPU's figures come from the driver's library" {
  cc -shared -fPIC -o libnvidia-ml.so.1 "$SOURCE_DIR/tests/fixtures/nvml/fake_nvml.c" 2>/dev/null || skip "no compiler"
  if sanitized; then skip "a sanitizer's loader"; fi
  LD_LIBRARY_PATH="$PWD" snug monitor --duration 300ms --interval 100ms --log-file m.jsonl
  expect 0
  log '[.[] | select(.type == "sample")][0] | .gpu_used == 8589934592 and .gpu_percent == 75 and .gpu_util == 80' >/dev/null
  log '.[0].gpus == ["Fake 0", "Fake 1"]' >/dev/null
  rm m.jsonl
  # Of one process: absent before the driver lists it, which is not 0.
  sleep 30 3>&- &
  target=$!
  LD_LIBRARY_PATH="$PWD" snug monitor --pid "$target" --duration 300ms --interval 100ms --log-file m.jsonl
  log '[.[] | has("gpu_own")] | any | not' >/dev/null
  log '.[0].unavailable.gpu_own | test("lists no process")' >/dev/null
  rm m.jsonl
  FAKE_NVML_PID="$target" LD_LIBRARY_PATH="$PWD" snug monitor --pid "$target" --duration 300ms --interval 100ms \
    --log-file m.jsonl
  kill "$target"
  log '[.[] | select(.type == "sample")][0].gpu_own == 3221225472' >/dev/null
  rm m.jsonl
  LD_LIBRARY_PATH="$PWD" snug monitor --gpu off --duration 300ms --log-file m.jsonl
  log '[.[] | select(.type == "sample")][0] | has("gpu_used") | not' >/dev/null
}

@test "a pipe gets plain lines, NO_COLOR or not, and --quiet nothing" {
  snug monitor --duration 300ms --log-file none
  expect 0
  says "used"
  [[ "$err" != *$'\033'* ]]
  snug monitor --quiet --duration 300ms --log-file none
  [ -z "$err" ]
  [ -z "$out" ]
}

@test "help opens with examples" {
  snug monitor --help
  expect 0
  [ "$(head -n 1 <<<"$out")" = "Examples:" ]
  prints "snug monitor --chart"
}

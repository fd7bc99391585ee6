#!/usr/bin/env bats
# A command inside a limit: what ends it and what is said about it, retries, signals, and that
# nothing is left behind, for every way of keeping the limit that this machine has.
load helper

setup_file() {
  if command -v cc >/dev/null; then
    cc -O2 -o "$BATS_FILE_TMPDIR/hog" "${SNUG_SOURCE_DIR:-$BATS_TEST_DIRNAME/../..}/tests/fixtures/hog.c"
  fi
  # The ways that work here.
  WAYS=watch
  ulimit -d >/dev/null 2>&1 && WAYS="rlimit $WAYS"
  "$SNUG" run --limit 64MiB --enforce cgroup -- true 2>/dev/null && WAYS="cgroup $WAYS"
  export WAYS
  echo "# ways: $WAYS" >&3
}

setup() {
  DIR="$BATS_TEST_TMPDIR"
  cd "$DIR" || return 1
  HOG="$BATS_FILE_TMPDIR/hog"
}

needs_hog() {
  [ -x "$HOG" ] || skip "no C compiler for the program that takes memory"
}

# gone PID: the process is not there, or a zombie whose reaper is not us; waits a little for that.
gone() {
  for _ in $(seq 40); do
    [ -e "/proc/$1/stat" ] || return 0
    grep -q ') Z ' "/proc/$1/stat" 2>/dev/null && return 0
    sleep 0.05
  done
  echo "process $1 is still there"
  return 1
}

# no_groups: no control group of ours is left where this process may see one.
no_groups() {
  ! find /sys/fs/cgroup -maxdepth 6 -type d -name 'snug-run-*' 2>/dev/null | grep . || return 1
}

# waits_for FILE: until it is there and has something in it.
waits_for() {
  for _ in $(seq 100); do
    [ -s "$1" ] && return 0
    sleep 0.05
  done
  echo "no $1"
  return 1
}

@test "the status of the command is passed on, and its streams are its own" {
  snug run --limit 64MiB -- sh -c 'cat; echo out; echo problem >&2; exit 7' <<<in
  expect 7
  [ "$out" = "in
out" ]
  says "problem"
  says "limit 64.0 MiB kept by "
  says "finished, status 7 after"
  snug run --limit 64MiB --quiet -- true
  expect 0
  [ -z "$err" ]
  snug run --limit 64MiB -- sh -c 'kill -SEGV $$'
  expect 139
  says "ended by SIGSEGV (11) of its own"
}

@test "a command that does not start" {
  snug run --limit 64MiB --quiet -- no-such-command
  complains 127 "there is no command 'no-such-command'"
  : >plain
  snug run --limit 64MiB --quiet -- ./plain
  complains 126 "cannot run './plain': Permission denied"
  snug run --limit 64MiB --quiet -- "$DIR"
  complains 126 "cannot run '$DIR': "
  no_groups
}

@test "what is wrong on the command line is status 2" {
  snug run -- true
  complains 2 "'snug run' needs a limit: snug run --limit SIZE -- COMMAND ..."
  snug run --limit 600 -- true
  complains 2 "--limit: '600' has no unit; did you mean '600MiB' or '600B'?"
  snug run --limit 0MiB -- true
  complains 2 "the limit must be above 0"
  snug run --limit 1GiB
  complains 2 "'snug run' needs more"
  snug run --limit 1GiB --retry 99 -- true
  complains 2 "--retry must be a whole number from 0 to 31"
  snug run --limit 1GiB --time-limit soon -- true
  complains 2 "--time-limit must be a time above 0"
  snug run --limit 1GiB --enforce hope -- true
  complains 2 "--enforce must be one of auto|cgroup|rlimit|watch, not 'hope'"
  snug run --limit 1GiB --shrink bs -- true '{bs=8}'
  complains 2 "the rule 'bs' is wrong; write it like bs=/2,min=1 or accum=*2"
  snug run --limit 1GiB --shrink bs=/2,most=3 -- true '{bs=8}'
  complains 2 "is wrong after the comma; write min=N or max=N"
  snug run --limit 1GiB --shrink 'bs=*2' -- true '{bs=8}'
  complains 2 "--shrink takes rules with / or -, not with '*'"
  snug run --limit 1GiB --shrink bs=/2 -- true '{bsz=8}'
  complains 2 "there is a rule for 'bs' and no {bs=NUMBER} in the command"
  snug run --limit 1GiB --shrink bs=/2 -- true '{bs=0.5}'
  complains 2 "'{bs=0.5}' must hold a whole number"
  snug run --limit 1GiB --shrink bs=/2 -- true '{bs=8}' '{bs=9}'
  complains 2 "bs has two values, 8 and 9"
}

@test "a command that takes more is ended by the limit, and the peak is told" {
  needs_hog
  for way in $WAYS; do
    [ "$way" != rlimit ] || continue
    snug run --limit 200MiB --enforce "$way" --json "$way.json" -- "$HOG" fill 4000
    expect 122
    says "killed by the limit"
    [ "$(jq -r '.attempts[0].cause' "$way.json")" = limit ]
    [ "$(jq -r '.attempts[0].clean' "$way.json")" = true ]
    peak="$(jq -r '.attempts[0].peak_bytes' "$way.json")"
    over=$((peak - 200 * 1048576))
    echo "# $way: $((over / 1024)) KiB over" >&3
    if [ "$way" = cgroup ]; then
      # The kernel enforces: not a page more.
      [ "$over" -le 0 ]
    else
      # Sampled: 50 MiB at full speed on a machine that has time for us; here it may not have.
      [ "$over" -le $((400 * 1048576)) ]
    fi
  done
  no_groups
}

@test "a command that stays below is left alone" {
  needs_hog
  for way in $WAYS; do
    snug run --limit 200MiB --enforce "$way" -- "$HOG" fill 150
    expect 0
    says "finished, status 0 after"
  done
}

@test "an rlimit is suspected, not accused" {
  needs_hog
  [[ "$WAYS" == *rlimit* ]] || skip "no rlimits here"
  snug run --limit 200MiB --enforce rlimit --json r.json -- "$HOG" data 4000
  expect 3
  says "failed, likely because of the limit: a process had"
  [ "$(jq -r '.attempts[0].cause' r.json)" = limit_likely ]
  # Shared memory is not what RLIMIT_DATA counts; the watch sees it.
  snug run --limit 200MiB --enforce rlimit -- "$HOG" shared 2000
  expect 122
  # A failure far from the limit has nothing to do with it.
  snug run --limit 200MiB --enforce rlimit -- sh -c 'exit 3'
  expect 3
  says "finished, status 3 after"
  # One request that is larger than all before it cannot be told from that: both are said to be possible.
  says "leaves no trace of one large request"
}

@test "several processes count together, shared pages once" {
  needs_hog
  for way in $WAYS; do
    snug run --limit 200MiB --enforce "$way" -- "$HOG" fork 80 4
    expect 122
    snug run --limit 200MiB --enforce "$way" -- "$HOG" inherit 120 4
    expect 0
    snug run --limit 200MiB --enforce "$way" -- "$HOG" copy 120 4
    expect 122
  done
  no_groups
}

@test "processes that outlive the command are ended, daemons too" {
  needs_hog
  for way in $WAYS; do
    rm -f pid
    snug run --limit 64MiB --enforce "$way" -- sh -c "'$HOG' daemon pid 60; while [ ! -s pid ]; do :; done"
    expect 0
    says "1 process outlived the command and was killed"
    gone "$(cat pid)"
  done
}

@test "a crowd of processes is ended whole" {
  needs_hog
  # 511 processes; the second run is over its limit while they still multiply.
  for way in $WAYS; do
    snug run --limit 2GiB --enforce "$way" --time-limit 1 --grace 0.1 -- "$HOG" tree 8
    expect 124
    snug run --limit 8MiB --enforce "$way" -- "$HOG" tree 8
    expect 122
    [ -z "$(pgrep -f "$HOG tree")" ] || { pgrep -f "$HOG tree" | wc -l; return 1; }
  done
  no_groups
}

@test "kill -9 of snug ends the command and removes the group" {
  needs_hog
  for way in $WAYS; do
    rm -f pid
    "$SNUG" run --limit 64MiB --enforce "$way" -- sh -c "'$HOG' daemon pid 60; sleep 60" 2>/dev/null 3>&- &
    snug_pid=$!
    waits_for pid
    kill -9 "$snug_pid"
    wait "$snug_pid" || true
    gone "$(cat pid)"
  done
  for _ in $(seq 40); do
    no_groups >/dev/null && break
    sleep 0.05
  done
  no_groups
}

@test "signals go on to the command, the second one kills" {
  for way in $WAYS; do
    rm -f ready
    "$SNUG" run --limit 64MiB --enforce "$way" --quiet -- \
      sh -c 'trap "exit 9" TERM; echo 1 >ready; while :; do sleep 0.02; done' 2>.err 3>&- &
    snug_pid=$!
    waits_for ready
    kill -TERM "$snug_pid"
    code=0
    wait "$snug_pid" || code=$?
    [ "$code" -eq 9 ] || { echo "$way: $code"; return 1; }
    rm -f ready
    "$SNUG" run --limit 64MiB --enforce "$way" --quiet -- \
      sh -c 'trap "" TERM; echo 1 >ready; while :; do sleep 0.02; done' 2>.err 3>&- &
    snug_pid=$!
    waits_for ready
    kill -TERM "$snug_pid"
    sleep 0.1
    kill -TERM "$snug_pid"
    code=0
    wait "$snug_pid" || code=$?
    [ "$code" -eq 137 ] || { echo "$way: $code"; return 1; }
    grep -q "stopped on request" .err
  done
}

@test "a command that is out of time is asked, then killed" {
  snug run --limit 64MiB --time-limit 0.2 --grace 0.2 -- \
    sh -c 'trap "" TERM; while :; do sleep 0.02; done'
  expect 124
  says "stopped because its time was over"
  snug run --limit 64MiB --time-limit 0.2s -- sh -c 'sleep 20 & wait'
  expect 124
}

@test "a death from outside is not put on the limit" {
  snug run --limit 64MiB -- sh -c 'kill -9 $$'
  expect 137
  says "killed by SIGKILL from outside"
}

@test "smaller attempts keep the product, and the values are remembered" {
  needs_hog
  # shellcheck disable=SC2016
  command=(sh -c '"$0" fill $(({bs=24}*25)) && echo {bs} {accum=1} $SNUG_RUN_bs $SNUG_RUN_ATTEMPT' "$HOG")
  for way in $WAYS; do
    [ "$way" != rlimit ] || continue
    rm -f state
    snug run --limit 200MiB --enforce "$way" --retry 5 --shrink bs=/2,min=1 --grow 'accum=*2' \
      --state state -- "${command[@]}"
    expect 0
    [ "$out" = "6 4 6 3" ] || { echo "$out"; return 1; }
    says "attempt 2: bs=12 accum=2, global 24 kept"
    says "attempt 3 (bs=6 accum=4) finished, status 0"
    jq -e '.schema == "snug.run.state/1" and .values == {"bs": 6, "accum": 4}' state
    snug run --limit 200MiB --enforce "$way" --retry 5 --shrink bs=/2,min=1 --grow 'accum=*2' \
      --state state -- "${command[@]}"
    expect 0
    says "starting with bs=6 accum=4, as 'state' remembers"
    [ "$out" = "6 4 6 1" ]
    # What fitted 200 MiB says nothing about 900.
    snug run --limit 900MiB --enforce "$way" --retry 5 --shrink bs=/2,min=1 --grow 'accum=*2' \
      --state state -- "${command[@]}"
    expect 0
    [ "$out" = "24 1 24 1" ]
  done
}

@test "retries end: at the smallest value, and at their number" {
  needs_hog
  snug run --limit 100MiB --enforce watch --retry 9 --shrink n=/2,min=4 -- "$HOG" fill 1000 '{n=16}'
  expect 122
  says "attempt 3 (n=4) killed by the limit"
  says "nothing can shrink any further"
  snug run --limit 100MiB --enforce watch --retry 1 --shrink n=/2 --json r.json -- "$HOG" fill 1000 '{n=16}'
  expect 122
  says "no attempt is left of 2"
  [ "$(jq '.attempts | length' r.json)" = 2 ]
  # A failure of the command itself is not repeated.
  snug run --limit 100MiB --retry 3 --json r.json -- false
  expect 1
  [ "$(jq '.attempts | length' r.json)" = 1 ]
}

@test "braces without a rule are left alone" {
  snug run --limit 64MiB --quiet --shrink bs=/2 -- echo '{x=1}' '{bs=3}' '{bs}' '{}' '{"a":{bs}}' a{bs}b
  expect 0
  [ "$out" = '{x=1} 3 3 {} {"a":3} a3b' ] || { echo "$out"; return 1; }
  snug run --limit 64MiB --quiet -- echo '{bs=3}'
  [ "$out" = '{bs=3}' ]
}

@test "a state file that is none is said so" {
  echo '{"schema": "something/1"}' >state
  snug run --limit 64MiB --state state --shrink n=/2 -- true '{n=4}'
  expect 125
  says "'state' is no state file: its schema is not snug.run.state/1"
  echo '{"schema": ' >state
  snug run --limit 64MiB --state state --shrink n=/2 -- true '{n=4}'
  expect 125
}

@test "a limit inside a limit" {
  needs_hog
  [[ "$WAYS" == *cgroup* ]] || skip "no control group may be made here"
  snug run --limit 300MiB --enforce cgroup -- "$SNUG" run --limit 100MiB --enforce cgroup -- "$HOG" fill 200
  expect 122
  says "limit 100.0 MiB kept by"
  no_groups
}

@test "the log is that of the monitor, one for each attempt" {
  needs_hog
  # shellcheck disable=SC2016
  snug run --limit 100MiB --enforce watch --log-file run.jsonl --interval 50ms --retry 1 --shrink n=/4 -- \
    sh -c '"$0" hold {n=160} 1' "$HOG"
  expect 0
  for log in run.jsonl run-2.jsonl; do
    [ "$(head -1 "$log" | jq -r '.type + " " + .schema')" = "header memlog/1" ]
    [ "$(tail -1 "$log" | jq -r .type)" = summary ]
    jq -es 'any(.[]; .type == "sample" and .rss > 0)' "$log"
  done
  grep -q 'killed by the limit' run.jsonl
  jq -es '[.[] | select(.type == "sample") | .rss] | max > 40000000' run-2.jsonl
  snug run --limit 100MiB --log-file no/such/folder/x -- true
  expect 125
  says "cannot open 'no/such/folder/x'"
}

#!/usr/bin/env bats
# Control groups of a real kernel, nested: what binds is found at every depth, and it is what the kernel enforces. The layouts of
# tests/fixtures/cgroup have no kernel behind them. tools/vm/run has a kernel with v2 for a machine without.
load helper

setup_file() {
  own="$(sed -n 's/^0:://p' /proc/self/cgroup)"
  # Where groups may be made: at the top for root, beside our own group for whom it is delegated to.
  if [ -w /sys/fs/cgroup/memory/cgroup.procs ]; then
    VERSION=1 MOUNT=/sys/fs/cgroup/memory TOP=/sys/fs/cgroup/memory
  else
    VERSION=2 MOUNT=/sys/fs/cgroup TOP="/sys/fs/cgroup${own%/*}"
    [ -w /sys/fs/cgroup/cgroup.subtree_control ] && TOP=/sys/fs/cgroup
  fi
  export VERSION MOUNT TOP
  cc -O2 -o "$BATS_FILE_TMPDIR/hog" "$SOURCE_DIR/tests/fixtures/hog.c" 2>/dev/null || true
}

setup() {
  DIR="$BATS_TEST_TMPDIR"
  cd "$DIR" || return 1
  HOG="$BATS_FILE_TMPDIR/hog"
  A="$TOP/snug-groups-$$" B="$TOP/snug-groups-$$/b" C="$TOP/snug-groups-$$/b/c"
  mkdir "$A" 2>/dev/null || skip "no control group may be made here"
  hand_down "$A"
  mkdir "$B" && hand_down "$B" && mkdir "$C"
  [ "$VERSION" = 1 ] || [ -w "$C/memory.max" ] || skip "no memory controller is handed down here"
  sh -c 'echo $$ >"$0/cgroup.procs"' "$C" 2>/dev/null || skip "no process may be moved here"
}

teardown() {
  for _ in $(seq 100); do
    rmdir "$C" "$B" "$A" 2>/dev/null
    [ -e "$A" ] || return 0
    sleep 0.05
  done
}

hand_down() {
  [ "$VERSION" = 1 ] || echo +memory >"$1/cgroup.subtree_control" 2>/dev/null || true
}

# set_limit GROUP MIB: the hard limit.
set_limit() {
  if [ "$VERSION" = 1 ]; then
    echo $(($2 << 20)) >"$1/memory.limit_in_bytes"
  else
    echo $(($2 << 20)) >"$1/memory.max"
  fi
}

# inside GROUP WORDS...: snug in this group; $code, $out, $err as ever.
inside() {
  local group="$1"
  shift
  code=0
  sh -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$group" "$SNUG" "$@" >.out 2>.err || code=$?
  out="$(cat .out)"
  err="$(cat .err)"
}

# binds GROUP MIB: what `check` says in $C, the deepest: this group, this limit, and nearly all of it free.
binds() {
  inside "$C" check --json
  expect 0 || return 1
  [ "$(json .bound_by) $(json .limit_bytes)" = "cgroup ${1#"$MOUNT"} $(($2 << 20))" ] || { json .explanation; return 1; }
  json ".headroom_bytes <= ($2 * 1048576) and .headroom_bytes > ($2 - 40) * 1048576" >/dev/null || { json .explanation; return 1; }
}

@test "the group itself binds, or the one above, or the one above that" {
  set_limit "$C" 300
  binds "$C" 300
  set_limit "$B" 200
  binds "$B" 200
  set_limit "$A" 150
  binds "$A" 150
  # A wider limit below a tighter one says nothing.
  set_limit "$C" 900
  binds "$A" 150
}

@test "a limit that changes while the group lives is read again" {
  for mib in 400 120 800; do
    set_limit "$B" "$mib"
    binds "$B" "$mib"
  done
}

@test "memory.high binds where it is the lower one" {
  [ "$VERSION" = 2 ] || skip "only v2 has it"
  set_limit "$C" 300
  echo $((180 << 20)) >"$B/memory.high"
  binds "$B" 180
  json '.explanation | contains("memory.high")'
}

@test "what siblings use is not free" {
  [ -x "$HOG" ] || skip "no C compiler"
  set_limit "$A" 400
  mkdir "$B/sibling"
  sh -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$B/sibling" "$HOG" hold 150 30 3>&- &
  holder=$!
  for _ in $(seq 200); do
    [ "$(awk '/^VmRSS/ { print $2 }' "/proc/$holder/status")" -gt 153600 ] && break
    sleep 0.1
  done
  inside "$C" check --json
  kill "$holder"
  wait "$holder" || true
  rmdir "$B/sibling"
  json '.headroom_bytes < 252 * 1048576 and .headroom_bytes > 200 * 1048576' || { json .explanation; false; }
}

@test "page cache of the group is free" {
  set_limit "$C" 300
  # Written and clean: the kernel drops it rather than kills.
  sh -c 'echo $$ >"$0/cgroup.procs" && head -c 100000000 /dev/zero >cached && sync cached' "$C"
  inside "$C" check --json
  json '.headroom_bytes > 240 * 1048576' || { json .explanation; false; }
}

@test "the budget that is found fits the kernel's limit, with nothing killed" {
  sanitized && skip "a sanitizer's own memory is in no plan"
  make_sessions
  set_limit "$B" 90
  # shellcheck disable=SC2046
  inside "$C" train $(small_run) --out run -q
  expect 0
  jq -e '.budget_bytes < 90 * 1048576 and .peak_rss_bytes <= .budget_bytes' run/summary.json
  for group in "$A" "$B" "$C"; do
    kills="$(cat "$group/memory.events" "$group/memory.oom_control" 2>/dev/null | awk '$1 == "oom_kill" { print $2 }')"
    [ "$kills" = 0 ]
  done
}

@test "a command's limit inside a tighter group: that one holds, and is said" {
  [ -x "$HOG" ] || skip "no C compiler"
  set_limit "$C" 100
  inside "$C" run --limit 500MiB --enforce cgroup -- "$HOG" fill 300
  if [ "$VERSION" = 2 ]; then
    # The new group is beside the own one, which has a process: that limit is passed over and must hold there too.
    expect 122
    says "limit 100.0 MiB kept by cgroup v2"
    says "a group above has less"
  else
    expect 137
    says "by the machine or by a control group above"
  fi
  set_limit "$B" 60
  inside "$C" run --limit 80MiB --enforce cgroup -- "$HOG" fill 300
  expect 137
  says "by the machine or by a control group above"
}

@test "no swap is used behind the limit" {
  [ "$VERSION" = 2 ] || skip "v2"
  [ -x "$HOG" ] || skip "no C compiler"
  [ "$(awk '/^SwapTotal/ { print $2 }' /proc/meminfo)" -gt 0 ] || skip "no swap here"
  inside "$C" run --limit 100MiB --enforce cgroup --json r.json -- "$HOG" fill 180
  expect 122
  jq -e '.attempts[0].peak_bytes <= 104857600' r.json
}

@test "a log has the usage, the limit and the pressure of the group" {
  [ -x "$HOG" ] || skip "no C compiler"
  set_limit "$B" 200
  inside "$C" monitor --interval 50ms --log-file m.jsonl --quiet -- "$HOG" hold 60 1
  expect 0
  jq -es '[.[] | select(.type == "sample")] | all(.[]; .cgroup > 0 and .cgroup_limit == 200 * 1048576) and
    (map(.cgroup) | max) > 60 * 1048576' m.jsonl
  [ "$VERSION" = 1 ] || [ ! -e "$C/memory.pressure" ] ||
    jq -es '[.[] | select(.type == "sample")] | any(.[]; has("psi_some"))' m.jsonl
}

#!/usr/bin/env bats
# tools/soak/budget finds what it looks for: a program that breaks a promise is not passed.
load helper

# soak_with LINE: the soak of two configurations with a program that runs LINE after each training.
soak_with() {
  cat >broken <<EOT
#!/bin/bash
"$SNUG" "\$@" || exit \$?
[ "\$1" = train ] || exit 0
run="\$(sed 's/.* --out \([^ ]*\).*/\1/' <<<"\$*")"
$1
EOT
  chmod +x broken
  code=0
  python3 "$SOURCE_DIR/tools/soak/budget" --snug ./broken --count 2 --seed 3 --json - \
    >.out 2>.err || code=$?
  out="$(cat .out)"
  err="$(cat .err)"
}

# finds FAILURE: it was reported, with the words that run it again.
finds() {
  expect 1 || return 1
  json ".failures.$1 > 0" >/dev/null || { jq .failures <<<"$out"; return 1; }
  json '.failed[0].command | contains("limit.sh")' >/dev/null
}

# change FILTER: the line that changes the summary of a run.
change() {
  echo "jq '$1' \"\$run/summary.json\" >s.\$\$ && mv s.\$\$ \"\$run/summary.json\""
}

setup() {
  command -v python3 >/dev/null || skip "no python3"
  DIR="$BATS_TEST_TMPDIR"
  cd "$DIR" || return 1
}

@test "a program that keeps its promises passes" {
  sanitized && skip "a sanitizer's own memory is in no plan"
  soak_with true
  expect 0
  json '[.failures[]] | add == 0' >/dev/null
  json '.runs >= 4 and .configurations == 2' >/dev/null
}

@test "each broken promise is found" {
  sanitized && skip "a sanitizer's own memory is in no plan"
  soak_with "$(change '.weights_sha256 = (.weights_sha256 + "\(now)")')"
  finds bits
  soak_with "$(change '.predicted_peak_bytes += 5000000')"
  finds prediction
  soak_with "$(change '.peak_rss_bytes = .budget_bytes + 1')"
  finds over
  soak_with "$(change '.allocations_after_seal = 1')"
  finds asked_after_seal
  soak_with "exit 3"
  finds refused
  soak_with "exit 1"
  finds failed
}

@test "a program that takes more than its limit is killed, and that is found" {
  "$SOURCE_DIR/tools/limit.sh" 64MiB true 2>&1 | grep -q cgroup || skip "no cgroup can be made"
  sanitized && skip "a sanitizer's own memory is in no plan"
  soak_with "head -c 300000000 /dev/zero | tail -c 300000000 >/dev/null; exit 0"
  finds killed
}

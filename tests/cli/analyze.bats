#!/usr/bin/env bats
# snug analyze: verdicts, conditions, reports, and what is refused.
load helper

# A log of schema memlog/1: SECONDS, MiB at the start, MiB an hour.
make_log() {
  awk -v n="$1" -v level="$2" -v rate="$3" 'BEGIN {
    print "{\"type\":\"header\",\"schema\":\"memlog/1\",\"command\":[\"train\",\"<script>alert(1)</script>\"]}"
    for (i = 0; i < n; i++) {
      anon = (level + rate * i / 3600) * 1048576 + (i * 7919) % 1000003
      printf "{\"type\":\"sample\",\"t\":%d,\"rss\":%.0f,\"anon\":%.0f,\"file\":52428800}\n",
        i, anon + 52428800, anon
    }
  }'
}

@test "a leak is named first, with its rate and the time that is left" {
  make_log 3600 1000 400 >leak.jsonl
  snug analyze leak.jsonl --limit 2GiB
  expect 0
  [[ "$out" == "leak  leak.jsonl"* ]]
  prints "private memory grows by +400."
  prints "reaches the limit of 2.00 GiB in"
  prints "mapped file memory"
  snug analyze leak.jsonl --json
  expect 0
  [ "$(json .schema)" = "snug.analysis/1" ]
  [ "$(json '.logs[0].verdict')" = "leak" ]
  [ "$(json '.logs[0].source')" = "anon" ]
  json '.logs[0] | .bytes_per_hour_low < 419430400 and 419430400 < .bytes_per_hour_high'
}

@test "a moment is too short for a rate, however many samples it has" {
  make_log 300 500 4000 | sed -E 's/"t":([0-9]*)([0-9]{2}),/"t":\1.\2,/; s/"t":([0-9]),/"t":0.0\1,/; s/"t":\./"t":0./' >short.jsonl
  snug analyze short.jsonl
  expect 0
  [[ "$out" == "not enough data  "* ]]
  prints "are too short a time to say anything: it takes 15 s"
  [[ "$out" != *"/h"* ]]
  snug analyze short.jsonl --json
  expect 0
  [ "$(json '.logs[0].bytes_per_hour == null')" = true ]
}

@test "a stable program fits" {
  make_log 1800 500 0 >stable.jsonl
  snug analyze stable.jsonl --budget 1GiB --fail-on leak --fail-on exceed
  expect 0
  [[ "$out" == "stable  "* ]]
  prints "fits: the peak of"
}

@test "conditions end with 4, wrong ones with 2" {
  make_log 3600 1000 400 >leak.jsonl
  snug analyze leak.jsonl --fail-on leak
  expect 4
  says "condition leak holds"
  snug analyze leak.jsonl --limit 1200MiB --fail-on exceed
  expect 4
  snug analyze leak.jsonl --fail-on 'peak>1GiB'
  expect 4
  snug analyze leak.jsonl --fail-on 'peak>8GiB' --fail-on 'growth>1GiB'
  expect 0
  snug analyze leak.jsonl --fail-on 'leek'
  complains 2 "is no condition"
  snug analyze leak.jsonl --fail-on 'peek>1GiB'
  complains 2 "did you mean peak"
  snug analyze leak.jsonl --limit 12
  expect 2
}

@test "the report is one page that needs nothing from outside" {
  make_log 3600 1000 400 >leak.jsonl
  snug analyze leak.jsonl --report page.html --limit 2GiB
  expect 0
  says "wrote page.html"
  [[ "$(head -c 15 page.html)" == "<!doctype html>" ]]
  grep -q "<svg" page.html
  grep -q "prefers-color-scheme:dark" page.html
  # Words of the log are words, and nothing is fetched.
  ! grep -q "<script" page.html
  grep -q "&#60;script&#62;" page.html
  ! grep -Eq '(src|href)=' page.html
  ! grep -q '@import' page.html
  [ "$(wc -c <page.html)" -lt 512000 ]
  snug analyze leak.jsonl --report no/such/folder/page.html
  expect 1
}

@test "two logs are before and after" {
  make_log 1800 1000 0 >before.jsonl
  make_log 1800 600 0 >after.jsonl
  snug analyze before.jsonl after.jsonl
  expect 0
  prints "Before and after"
  prints "-400.0 MiB"
  snug analyze before.jsonl after.jsonl --json
  json '.difference.level_bytes | .sure and .high < 0'
}

@test "logs of other programs and compressed ones" {
  for name in psrecord.txt psrecord.csv mprofile.dat prmon.txt; do
    snug analyze "$SOURCE_DIR/tests/fixtures/other_log/$name"
    expect 0
    prints "30 samples"
  done
  snug analyze "$SOURCE_DIR/tests/fixtures/monitor_log/whole.jsonl"
  expect 0
  plain="$(json_of whole.jsonl)"
  [ -n "$plain" ]
  make_log 600 100 0 | gzip >log.gz
  snug analyze log.gz
  if [ "$code" -eq 0 ]; then
    prints "600 samples"
  else
    complains 1 "cannot unpack it"
  fi
}

json_of() {
  "$SNUG" analyze --json "$SOURCE_DIR/tests/fixtures/monitor_log/$1" | jq -er '.logs[0].log.samples'
}

@test "bad input is one clear line" {
  snug analyze
  complains 2 "needs a log"
  snug analyze none.jsonl
  complains 1 "there is no file 'none.jsonl'"
  : >empty.jsonl
  snug analyze empty.jsonl
  complains 1 "empty.jsonl: the file is empty"
  head -c 3000 /dev/urandom >rubbish
  snug analyze rubbish
  complains 1 "no memory log"
  mkdir folder
  snug analyze folder
  complains 1 "is no run"
}

@test "what could not be used is said" {
  { make_log 60 100 0; echo "rubbish"; echo '{"type":"sample","t":3,"rss":1}'; printf '{"type":"sam'; } >odd.jsonl
  snug analyze odd.jsonl
  expect 0
  prints "1 lines left out (the first is line 62)"
  prints "1 samples left out whose clock went back"
  prints "the last line is cut"
}

@test "colours only where they are wanted" {
  make_log 600 100 0 >log.jsonl
  snug analyze log.jsonl
  [[ "$out" != *$'\e'* ]]
  snug analyze log.jsonl --color always
  [[ "$out" == *$'\e[1;32mstable'* ]]
  NO_COLOR=1 snug analyze log.jsonl --color auto
  [[ "$out" != *$'\e'* ]]
}

@test "a log cannot move the cursor" {
  { printf '{"type":"header","schema":"memlog/1","command":["a\\u001b[2Jb\\u009bc"]}\n'; make_log 60 100 0 | tail -n +2; } >evil.jsonl
  snug analyze evil.jsonl
  expect 0
  prints "a?[2Jb?c"
}

@test "a run has a report" {
  make_sessions
  # shellcheck disable=SC2046
  "$SNUG" train $(small_run) --out run -q >/dev/null
  snug analyze run
  expect 0
  prints "samples over"
  snug analyze run --report run.html
  expect 0
  grep -q "validation loss" run.html
  grep -q "peak memory is" run.html
  # The page of a run that crashed.
  rm run/summary.json
  snug analyze run --report crashed.html
  expect 0
  grep -q "not finished" crashed.html
}

@test "of a short run the steps are judged, and what is too little is said with what it takes" {
  mkdir run
  "$SNUG" monitor --duration 300ms --interval 100ms --log-file run/memory.jsonl --quiet
  snug analyze run
  expect 0
  prints "too few to say anything: it takes 24 over 15 s"
  for step in $(seq 60); do
    printf '{"step":%d,"epoch":0,"samples":%d,"loss":0.5,"seconds":%d,"rss_bytes":300000000,"peak_rss_bytes":310000000}\n' \
      "$step" "$step" "$step"
  done >run/metrics.jsonl
  snug analyze run --json
  expect 0
  json '.logs[0].log.samples == 60 and .logs[0].path == "run/metrics.jsonl" and .logs[0].verdict == "stable"' >/dev/null
}

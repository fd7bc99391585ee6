#!/usr/bin/env bats
# Messages in Chinese: which variables choose them, what stays in English, and that tables align.
load helper

setup_file() {
  make_sessions
}

setup() {
  DIR="$BATS_TEST_TMPDIR"
  cd "$DIR" || return 1
  unset LC_ALL LC_MESSAGES LANGUAGE SNUG_LOCALEDIR
  export LANG=C SNUG_LANG=zh_CN
  [ -e "$(dirname "$SNUG")/locale/zh_CN/LC_MESSAGES/snug.mo" ] ||
    skip "the program was built without msgfmt (Debian package gettext)"
}

# chooses ENVIRONMENT...: the language of an error there, zh or en.
chooses() {
  local text
  text="$(env -u SNUG_LANG "$@" "$SNUG" trian 2>&1 || true)"
  case "$text" in
  *"没有命令"*) echo zh ;;
  *"there is no command"*) echo en ;;
  *) echo "$text" ;;
  esac
}

@test "the language follows the environment, installed locale or not" {
  [ "$(chooses LANG=C)" = en ]
  [ "$(chooses LANG=zh_CN.UTF-8)" = zh ]
  [ "$(chooses LANG=zh_CN)" = zh ]
  [ "$(chooses LANG=zh_TW.UTF-8)" = en ]
  [ "$(chooses LANG=zh_CN.GB18030)" = en ]
  [ "$(chooses LANG=en_US.UTF-8 LC_MESSAGES=zh_CN.UTF-8)" = zh ]
  [ "$(chooses LANG=zh_CN.UTF-8 LC_ALL=C)" = en ]
  [ "$(chooses LANG=C.UTF-8 LANGUAGE=zh_CN:en)" = zh ]
  [ "$(chooses LANG=zh_CN.UTF-8 LANGUAGE=en)" = en ]
  [ "$(chooses LANG=C LANGUAGE=zh_CN)" = en ]
  [ "$(chooses LANG=zh_CN.UTF-8 SNUG_LANG=en)" = en ]
  [ "$(chooses LANG=C SNUG_LANG=zh_CN)" = zh ]
}

@test "a language that is not there is said once, a damaged catalogue too" {
  SNUG_LANG=xx snug version
  expect 0
  says "messages stay in English"
  mkdir -p bad/zh_CN/LC_MESSAGES
  echo "no catalogue" >bad/zh_CN/LC_MESSAGES/snug.mo
  SNUG_LOCALEDIR="$DIR/bad" snug version
  expect 0
  says "is no catalogue of messages, or damaged"
}

@test "help is in Chinese, names and examples are not" {
  snug
  prints "退出码：0 完成"
  prints "  train            在预算之内训练"
  snug train --help
  expect 0
  [[ "$out" == "示例："* ]]
  prints "  snug train timeseries data.path=sessions"
  prints "用法：snug train CONFIG [KEY=VALUE ...]"
  prints "-b, --budget SIZE"
  snug config keys
  prints "全部随机数的种子"
}

@test "errors of program and library are in Chinese, with the same exit codes" {
  snug trian
  complains 2 "没有命令 'trian'；是不是想用 'train'？"
  snug check --require 600
  complains 2 "'600' 没有单位；是不是想写 '600MiB' 或 '600B'？"
  snug data describe missing.h5
  complains 1 "没有文件 'missing.h5'"
  mkdir -p folder/config.yaml
  snug plan folder/config.yaml
  [ "$code" -ne 0 ]
  says "无法打开"
}

@test "check and plan are in Chinese" {
  snug check
  expect 0
  prints "内存      "
  prints "下一步    snug train timeseries"
  # shellcheck disable=SC2046
  snug plan $(small_run) --budget 60MiB
  expect 0
  prints "放得下。"
  # Every line of the table ends its bytes in the same column: a Chinese character fills two.
  python3 - "$out" <<'EOF'
import sys
import unicodedata

ends = set()
names = ("权重", "梯度", "优化器", "激活值", "工作区", "数据 ", "运行时", "峰值 ")
for line in sys.argv[1].split("\n"):
    if line.startswith(names) and "iB" in line and ("%" in line or "预算" in line):
        until = line[:line.index("iB") + 2]
        ends.add(sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in until))
assert len(ends) == 1, ends
EOF
}

# The document without its numbers, which are measured anew in every run.
words() {
  jq -S 'walk(if type == "number" then 0 else . end) | del(.budget_origin)' <<<"$out"
}

@test "JSON is the same in every language, also what is said beside it" {
  # shellcheck disable=SC2046
  snug plan $(small_run) --budget 60MiB --json
  expect 0
  chinese="$(words)"
  # shellcheck disable=SC2046
  SNUG_LANG=en snug plan $(small_run) --budget 60MiB --json
  [ "$chinese" = "$(words)" ]
  snug config keys --json
  chinese="$out"
  SNUG_LANG=en snug config keys --json
  [ "$chinese" = "$out" ]
  snug check --json
  expect 0
  json '.budget_origin | test("free now")'
  snug plan missing.yaml --json
  complains 2 "there is no configuration file 'missing.yaml'"
}

@test "a run has the same bits in every language, and numbers keep their point" {
  for language in en zh_CN; do
    # shellcheck disable=SC2046
    SNUG_LANG=$language LANG=de_DE.UTF-8 snug train $(small_run) --out "run_$language"
    expect 0
  done
  says "第 6/6 步"
  prints "下一步    snug eval run_zh_CN --part test"
  for key in weights_sha256 loss_sha256 loss allocations_after_seal; do
    [ "$(jq ".$key" run_en/summary.json)" = "$(jq ".$key" run_zh_CN/summary.json)" ]
  done
  [ "$(jq .allocations_after_seal run_zh_CN/summary.json)" = 0 ]
  cmp run_en/config.yaml run_zh_CN/config.yaml
  for language in en zh_CN; do
    SNUG_LANG=$language snug predict "run_$language" --output "$language.csv"
    expect 0
  done
  cmp en.csv zh_CN.csv
}

#!/usr/bin/env bats
# Where texts of a classifier come from: formats, label maps, parts, pipes, and tokens that are kept.
load helper

setup_file() {
  "$SNUG" data generate text --out "$BATS_FILE_TMPDIR/texts" --rows 64 -q >/dev/null
}

setup() {
  cd "$BATS_TEST_TMPDIR" || return 1
  export XDG_CACHE_HOME="$BATS_TEST_TMPDIR/cache"
  TEXTS="$BATS_FILE_TMPDIR/texts"
}

# train OUT WORDS...: three steps; $hashes is what came of it.
train() {
  local folder="$1"
  shift
  snug train text "model.path=$TEXTS/model" model.pretrained=false data.max_length=32 \
    training.batch_size=8 training.max_steps=3 threads=1 --out "$folder" -q "$@"
  expect 0 || return 1
  hashes="$(jq -c '[.weights_sha256, .loss_sha256]' "$folder/summary.json")"
}

@test "the format of a file does not change a bit of the result" {
  train csv "data.path=$TEXTS/train.csv"
  want="$hashes"
  tail -n +2 "$TEXTS/train.csv" | awk -F, '{ printf "%s\t%s\r\n", $2, $1 }' >rows.tsv
  train tsv data.path=rows.tsv data.text_field=0 data.label_field=1
  [ "$hashes" = "$want" ]
  tail -n +2 "$TEXTS/train.csv" | jq -cR 'split(",") | {text: .[1], label: .[0]}' >rows.jsonl
  train jsonl data.path=rows.jsonl
  [ "$hashes" = "$want" ]
  (printf '\xef\xbb\xbf' && cat "$TEXTS/train.csv") >bom.csv
  train bom data.path=bom.csv
  [ "$hashes" = "$want" ]
}

@test "tokens are made once, and again when the text changes" {
  cp "$TEXTS/train.csv" mine.csv
  train a data.path=mine.csv data.cache_dir=kept
  [ "$(find kept -name '*.tokens' | wc -l)" -eq 1 ]
  [ ! -e cache/snug/tokens ]
  want="$hashes"
  before="$(stat -c '%n %Y %i' kept/*.tokens)"
  train b data.path=mine.csv data.cache_dir=kept
  [ "$hashes" = "$want" ]
  [ "$(stat -c '%n %Y %i' kept/*.tokens)" = "$before" ]
  sed -i 's/word1/word2/g' mine.csv
  train c data.path=mine.csv data.cache_dir=kept
  [ "$hashes" != "$want" ]
  [ "$(find kept -name '*.tokens' | wc -l)" -eq 2 ]
  # A damaged file is made anew.
  for file in kept/*.tokens; do
    printf 'x' | dd of="$file" bs=1 seek=300 conv=notrunc status=none
  done
  want="$hashes"
  train d data.path=mine.csv data.cache_dir=kept
  [ "$hashes" = "$want" ]
}

@test "a map of labels decides their order, and rows may use numbers" {
  printf 'good\nbad\nfair\n' >order.txt
  train named "data.path=$TEXTS/train.csv" data.label_map=order.txt
  [ "$(jq -c .id2label named/latest_model/config.json)" = '{"0":"good","1":"bad","2":"fair"}' ]
  want="$hashes"
  sed -e 's/^good,/0,/' -e 's/^bad,/1,/' -e 's/^fair,/2,/' "$TEXTS/train.csv" >numbers.csv
  train numbers data.path=numbers.csv data.label_map=order.txt
  [ "$hashes" = "$want" ]
  printf 'good\nbad\n' >short.txt
  snug plan text "data.path=$TEXTS/train.csv" "model.path=$TEXTS/model" model.pretrained=false \
    data.label_map=short.txt data.max_length=32
  complains 1 "'fair'"
}

@test "what was tokenised to be predicted is read again to be judged" {
  train run "data.path=$TEXTS"
  printf 'label,text\ngood,word1 good2\n,word2\n' >part.csv
  snug predict run part.csv --output part.jsonl
  expect 0
  [ "$(jq -s length part.jsonl)" -eq 2 ]
  snug eval run --data part.csv --part all
  complains 1 "part.csv"
  says "line 3"
  printf 'label,text\ngood,word1 good2\nbad,word2\n' >whole.csv
  snug predict run whole.csv --output whole.jsonl
  expect 0
  snug eval run --data whole.csv --part all --json
  expect 0
  [ "$(json .samples)" = 2 ]
}

@test "a pipe leaves nothing behind" {
  train run "data.path=$TEXTS" data.cache_dir=kept
  rm -rf kept cache
  "$SNUG" predict run - -q data.cache_dir=kept <"$TEXTS/test.csv" >piped.csv
  snug predict run "$TEXTS/test.csv" --output file.csv
  expect 0
  cmp piped.csv file.csv
  [ -z "$(find cache -name '*-[0-9]*.tokens' 2>/dev/null)" ]
  [ -z "$(find kept -name '*-[0-9]*.tokens' 2>/dev/null)" ]
}

@test "parts of a folder are its files, all of it is all of them" {
  train run "data.path=$TEXTS"
  for part in train:64 validation:16 test:16; do
    snug eval run --part "${part%:*}" --json
    expect 0
    [ "$(json .samples)" = "${part#*:}" ]
  done
  snug eval run --part all --json
  expect 0
  [ "$(json .samples)" = 96 ]
  snug eval run --data "$TEXTS/test.csv" --part all --json
  expect 0
  [ "$(json .samples)" = 16 ]
  mkdir none
  snug plan text data.path=none "model.path=$TEXTS/model" model.pretrained=false data.max_length=32
  complains 1 "holds no train.csv"
  # One file and a share of it for each part.
  snug plan text "data.path=$TEXTS/train.csv" "model.path=$TEXTS/model" model.pretrained=false \
    data.max_length=32 "data.split_ratio=[0.75,0.125,0.125]"
  expect 0
  prints "48 training, 8 validation and 8 test texts"
  # The same named one by one.
  snug plan text "data.path=$TEXTS/train.csv" "data.valid_path=$TEXTS/valid.csv" \
    "data.test_path=$TEXTS/test.csv" "model.path=$TEXTS/model" model.pretrained=false \
    data.max_length=32
  expect 0
  prints "64 training, 16 validation and 16 test texts"
}

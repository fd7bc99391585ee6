#!/usr/bin/env bats
# Predictions of a text classifier: odd names of classes, both formats, and what is refused.
load helper

# A run on texts whose classes have a comma, quotes, a tab and Chinese in their names.
setup_file() {
  cd "$BATS_FILE_TMPDIR" || return 1
  export XDG_CACHE_HOME="$PWD/cache"
  "$SNUG" data generate text --out texts --rows 60 -q >/dev/null
  for part in train valid test; do
    sed -e 's/^bad,/"so, ""so""",/' -e 's/^fair,/"tab\there",/' -e 's/^good,/很好 ü,/' \
      "texts/$part.csv" >"texts/$part.new" && mv "texts/$part.new" "texts/$part.csv"
  done
  "$SNUG" train text data.path=texts model.path=texts/model model.pretrained=false \
    data.max_length=32 training.batch_size=8 training.max_steps=3 threads=1 --out run -q
}

setup() {
  cd "$BATS_FILE_TMPDIR" || return 1
  export XDG_CACHE_HOME="$PWD/cache"
  printf 'word1 good2\n"quoted, text" bad1\nword5\n' >lines.txt
}

@test "the names of classes are the same in every file" {
  names='["so, \"so\"","tab\there","很好 ü"]'
  [ "$(jq -c 'keys' run/best_model/label2id.json)" = "$names" ]
  [ "$(jq -c '[.id2label[]]' run/best_model/config.json)" = "$names" ]
  snug eval run --part validation --json
  expect 0
  [ "$(json ".names | tojson")" = "$names" ]
}

@test "predictions in CSV read back with the names and probabilities" {
  snug predict run lines.txt --output out.csv
  expect 0
  [ "$(head -1 out.csv)" = "$(printf 'row,label,probability,"so, ""so""","tab\there","很好 ü"')" ]
  [ "$(wc -l <out.csv)" -eq 4 ]
  "$SNUG" predict run lines.txt -q >said.csv
  cmp said.csv out.csv
  # The last three numbers of a row add up to one, and the largest is the third field.
  tail -3 out.csv | awk -F, '{ s = $(NF-2) + $(NF-1) + $NF; m = $(NF-2)
    for (i = NF - 1; i <= NF; i++) if ($i > m) m = $i
    if (s < 0.99999 || s > 1.00001 || m != $(NF-3)) exit 1 }'
}

@test "predictions in JSONL say the same" {
  snug predict run lines.txt --output out.jsonl
  expect 0
  [ "$(jq -s 'length' out.jsonl)" -eq 3 ]
  jq -es 'all(.probability == (.probabilities[.label]) and .probability == ([.probabilities[]] | max))' out.jsonl
  jq -es 'all((.probabilities | keys) == ["so, \"so\"", "tab\there", "很好 ü"])' out.jsonl
  jq -es '[.[].row] == [0, 1, 2]' out.jsonl
}

@test "a file, a pipe and an end without a newline give the same rows" {
  snug predict run lines.txt --output out.csv
  expect 0
  "$SNUG" predict run - -q <lines.txt >pipe.csv
  cmp out.csv pipe.csv
  head -c -1 lines.txt >cut.txt
  "$SNUG" predict run cut.txt -q >cut.csv
  cmp out.csv cut.csv
}

@test "what cannot be predicted is refused in one line" {
  for name in out.txt out.json out.h5 out; do
    snug predict run lines.txt --output "$name"
    complains 2 "end it in .csv or .jsonl"
    [ ! -e "$name" ]
  done
  snug predict run missing.txt
  complains 1 missing.txt
  : >empty.txt
  snug predict run empty.txt
  complains 1 empty.txt
  printf 'good\nbroken \xff\n' >broken.txt
  snug predict run broken.txt --output broken.csv
  complains 1 "broken.txt: line 2, byte 8"
  [ ! -e broken.csv ]
  snug predict run lines.txt --output no/such/out.csv
  complains 1 no/such/out.csv
}

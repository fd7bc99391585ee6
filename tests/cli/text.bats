#!/usr/bin/env bats
# Text classification: data, training, resume, evaluation, prediction, and what goes wrong in it.
load helper

setup_file() {
  "$SNUG" data generate text --out "$BATS_FILE_TMPDIR/texts" --rows 240 -q >/dev/null
}

setup() {
  DIR="$BATS_TEST_TMPDIR"
  cd "$DIR" || return 1
  export XDG_CACHE_HOME="$BATS_FILE_TMPDIR/cache"
  ln -s "$BATS_FILE_TMPDIR/texts" texts
}

# The words of a run of few steps that says what it learns.
few() {
  echo text data.path=texts model.path=texts/model model.pretrained=false data.max_length=64 \
    training.batch_size=16 training.max_steps=8 training.eval_every_steps=4 \
    training.checkpoint_every_steps=4 optimizer.lr=2e-3 threads=1
}

@test "generated text is learnt, judged and predicted" {
  snug train text data.path=texts model.path=texts/model model.pretrained=false \
    data.max_length=64 training.batch_size=16 training.epochs=12 optimizer.lr=2e-3 \
    training.early_stopping=false --budget 48MiB --out run
  expect 0
  [ "$(jq '.validation_accuracy > 0.55' run/summary.json)" = true ]
  [ "$(jq '.peak_rss_bytes <= .budget_bytes or .threads == 0' run/summary.json)" = true ] || sanitized
  snug eval run --part test --json
  expect 0
  json '.schema == "snug.eval/1" and .accuracy > 0.5 and (.names == ["bad", "fair", "good"])' >/dev/null
  json '([.confusion[][]] | add) == .samples and (.class_f1 | length) == 3' >/dev/null
  # Accuracy is what the confusion says.
  json '([.confusion[0][0], .confusion[1][1], .confusion[2][2]] | add) / .samples == .accuracy' >/dev/null
  printf 'good1 good2 good3 word4\nbad1 bad2 bad3 word5 bad4\n' >lines.txt
  snug predict run lines.txt
  expect 0
  [ "$(head -1 <<<"$out")" = 'row,label,probability,"bad","fair","good"' ]
  [ "$(wc -l <<<"$out")" -eq 3 ]
  file_says="$out"
  out="$("$SNUG" predict run - -q <lines.txt)"
  [ "$out" = "$file_says" ]
  snug predict run lines.txt --output out.jsonl
  expect 0
  [ "$(jq -s 'length == 2 and (map(.probabilities | add) | all(. > 0.999 and . < 1.001))' out.jsonl)" = true ]
}

@test "a checkpoint is a folder that others can open" {
  # shellcheck disable=SC2046
  snug train $(few) --out run -q
  expect 0
  folder=run/checkpoints/last
  [ "$(jq -c .id2label $folder/config.json)" = '{"0":"bad","1":"fair","2":"good"}' ]
  [ "$(jq -r '.architectures[0]' $folder/config.json)" = BertForSequenceClassification ]
  [ "$(jq -c . $folder/label2id.json)" = '{"bad":0,"fair":1,"good":2}' ]
  cmp $folder/vocab.txt texts/model/vocab.txt
  [ -e run/best_model/model.safetensors ] && [ -e run/latest_model/model.safetensors ]
  [ "$(jq '.val_accuracy | length' run/training_history.json)" = 2 ]
  # It is a model to start from, too: its weights, not those of a seed.
  # shellcheck disable=SC2046
  snug train $(few) model.pretrained=true --model_name run/best_model training.max_steps=1 --out next
  expect 0
  says "41 of 41 tensors found"
}

@test "the same bits over budgets, threads, buckets kept and a resume" {
  # shellcheck disable=SC2046
  snug train $(few) --out a -q
  expect 0
  want="$(jq -c '[.weights_sha256, .loss_sha256]' a/summary.json)"
  smallest="$("$SNUG" plan $(few) --json | jq .minimum_budget_bytes)"
  # shellcheck disable=SC2046
  snug train $(few) --budget "$((smallest + (1 << 20)))B" --out b -q
  expect 0
  [ "$(jq -c '[.weights_sha256, .loss_sha256]' b/summary.json)" = "$want" ]
  # shellcheck disable=SC2046
  snug train $(few) threads=2 data.num_workers=3 --out c -q
  expect 0
  [ "$(jq -c '[.weights_sha256, .loss_sha256]' c/summary.json)" = "$want" ]
  # Stopped after four steps, then continued in the words of the scripts that users know.
  # shellcheck disable=SC2046
  snug train $(few) training.max_steps=4 scheduler.name=none scheduler.warmup_ratio=0 --out d -q
  # shellcheck disable=SC2046
  snug train $(few) scheduler.name=none scheduler.warmup_ratio=0 --out e -q
  # shellcheck disable=SC2046
  snug train $(few) scheduler.name=none scheduler.warmup_ratio=0 --resume_from_checkpoint d/latest_model -q
  expect 0
  [ "$(jq -c .weights_sha256 d/summary.json)" = "$(jq -c .weights_sha256 e/summary.json)" ]
}

@test "the flags of the requirement document are accepted" {
  snug plan text --train_file texts/train.csv --valid_file texts/valid.csv --model_name texts/model \
    model.pretrained=false --batch_size 1 --max_length 128 --gradient_accumulation_steps 16 \
    --use_amp --gradient_checkpointing --num_epochs 1 --learning_rate 2e-5 \
    --dataloader_num_workers 0 --warmup_ratio 0.1 --weight_decay 0.01 --json
  expect 0
  [ "$(json .batch)" = 16 ]
  for profile in ultra_low_memory:16 safe:16 original:8; do
    snug plan text --data texts --model_name texts/model model.pretrained=false data.max_length=64 \
      --profile "${profile%:*}" data.max_length=64 --json
    expect 0
    [ "$(json .batch)" = "${profile#*:}" ]
  done
}

@test "what is wrong with text is said in one line" {
  snug plan text data.path=texts
  complains 2 "model.path is not set"
  snug plan text data.path=texts model.path=bert-base-chinese
  complains 1 "'bert-base-chinese' is no folder; snug fetches nothing from the net"
  plan="plan text model.path=texts/model model.pretrained=false data.max_length=64"
  printf 'label,text\ngood,\xff\xfe\n' >bad.csv
  snug $plan data.path=bad.csv
  complains 1 "bad.csv: line 2, byte 6"
  printf 'a,b\n1,2\n' >columns.csv
  snug $plan data.path=columns.csv
  complains 1 "columns.csv"
  : >empty.csv
  snug $plan data.path=empty.csv
  complains 1 "empty.csv"
  printf 'label,text\ngood,one\ngood,two\n' >one.csv
  snug $plan data.path=one.csv
  complains 1 "one.csv"
  mkdir model && cp texts/model/config.json model
  printf '[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n' >model/vocab.txt
  seq 1 300 >>model/vocab.txt
  snug $plan data.path=texts model.path=model
  complains 1 "they are not of one model"
  snug $plan data.path=texts data.max_length=500
  complains 2 "128 positions"
  printf 'garbage' >model/config.json
  snug $plan data.path=texts model.path=model
  complains 1 "config.json"
  # Without weights a pretrained start is refused before anything is written.
  snug train text data.path=texts model.path=texts/model data.max_length=64 --out none
  expect 1
  says "model.safetensors"
}

@test "rows that are no rows are said in one line" {
  plan="plan text model.path=texts/model model.pretrained=false data.max_length=64"
  refuse() { # FILE MESSAGE; the file is written beforehand
    # shellcheck disable=SC2086
    snug $plan data.path="$1"
    complains 1 "$1: $2"
  }
  { printf '{"label":"good","text":' && head -c 100000 /dev/zero | tr '\0' '[' && echo; } >deep.jsonl
  refuse deep.jsonl "line 1: JSON is nested deeper than 64"
  printf '{"label":"good","text":"a"}\n{"label":"bad","text":"\\ud800"}\n' >half.jsonl
  refuse half.jsonl "line 2: JSON has an escape at byte 23 that is no character"
  printf '{"label":"good","text":"a"}\n{"text":"b"}\n' >field.jsonl
  refuse field.jsonl "line 2: no field 'label'"
  printf '[{"label":"good","text":"a"}]\n' >array.jsonl
  refuse array.jsonl "line 1: a JSON array"
  { printf '{"label":"good","text":"a"}\n{"label":"bad","text":"' && head -c 50000000 /dev/zero | tr '\0' a &&
    echo '"}'; } >long.jsonl
  refuse long.jsonl "line 2 is longer than 1048576 bytes"
  rm long.jsonl
  printf 'label,text\ngood,a\nbad,"open\n' >quote.csv
  refuse quote.csv "line 3: a quote that does not end"
  yes 'more,lines' | head -200000 >>quote.csv
  refuse quote.csv "line 3 is longer than 1048576 bytes, in a quote that did not end by then"
  printf 'label,text\ngood,a\nbad\n' >short.csv
  refuse short.csv "line 3 has 1 field; the first row has 2"
  printf 'label,text\ngood,a\0b\n' >zero.csv
  refuse zero.csv "line 2, byte 7: a zero byte"
  printf 'label,text\n' >header.csv
  refuse header.csv "there is a header but no row"
  printf '\xff\xfel\0a\0' >wide.csv
  refuse wide.csv "the text is UTF-16"
  printf 'label,text\n,one\ngood,two\n' >label.csv
  refuse label.csv "line 2: the label is empty"
  mkdir folder.csv
  # shellcheck disable=SC2086
  snug $plan data.path=folder.csv
  complains 1 "'folder.csv' holds no train.csv"
}

@test "weights that are none are said in one line" {
  # shellcheck disable=SC2046
  snug train $(few) --out run -q
  expect 0
  cp -rL run/checkpoints/last model
  refuse() { # MESSAGE
    snug train text data.path=texts model.path=model data.max_length=64 --out none --quiet
    complains 1 "$1"
  }
  truncate -s 20000 model/model.safetensors
  refuse "model/model.safetensors: tensor 'bert.embeddings.word_embeddings.weight'"
  : >model/model.safetensors
  refuse "model/model.safetensors: 0 bytes are too few for a safetensors file"
  printf '\xff\xff\xff\xff\xff\xff\xff\x7f{}' >model/model.safetensors
  refuse "model/model.safetensors: the header claims 9223372036854775807 bytes, but 2 follow"
  rm model/model.safetensors
  mkdir model/model.safetensors
  refuse "'model' holds neither model.safetensors nor model.safetensors.index.json"
}

@test "the confusion is drawn" {
  printf 'label,text\n' >named.csv
  for i in $(seq 40); do
    printf '\xe9\x85\x92\xe5\xba\x97,good%d word%d\n"a <b> & ""c""",bad%d word3\n' $((i % 12)) "$i" $((i % 12))
  done >>named.csv
  # shellcheck disable=SC2046
  snug train $(few) data.path=named.csv training.max_steps=2 --out run -q
  expect 0
  snug eval run --picture confusion.svg --json
  expect 0
  counts="$(json '[.confusion[][] | select(. > 0)] | length')"
  [ "$(grep -c '<g><title>' confusion.svg)" = "$counts" ]
  [ "$(grep -c '<rect class="right"' confusion.svg)" = "$(json '[.confusion[0][0], .confusion[1][1] | select(. > 0)] | length')" ]
  grep -q "of $(json .samples) right: accuracy $(printf %.4f "$(json .accuracy)")" confusion.svg
  grep -q '>酒店</text>' confusion.svg
  grep -q '>a &lt;b&gt; &amp; "c"</text>' confusion.svg
  python3 -c 'import sys, xml.dom.minidom; xml.dom.minidom.parse("confusion.svg")'
  snug eval run --picture no/where.svg
  expect 1
  says "no/where.svg"
}

@test "a run without classes has no such picture" {
  make_sessions
  # shellcheck disable=SC2046
  snug train $(small_run) training.max_steps=1 --out numbers -q
  expect 0
  snug eval numbers --picture confusion.svg
  complains 2 "--picture draws which classes were confused; this run predicts numbers"
  [ ! -e confusion.svg ]
}

@test "a label that training did not know is named at evaluation" {
  # shellcheck disable=SC2046
  snug train $(few) training.max_steps=1 --out run -q
  printf 'label,text\ngood,word1\nunheard,word2\n' >new.csv
  snug eval run --data new.csv --part all
  complains 1 "new.csv: line 3"
  says unheard
}

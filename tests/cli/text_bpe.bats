#!/usr/bin/env bats
# A RoBERTa folder with a byte-level BPE tokenizer: trained, judged, predicted with, written back.
load helper

setup_file() {
  "$SNUG" data generate text --out "$BATS_FILE_TMPDIR/texts" --rows 120 -q >/dev/null
}

setup() {
  DIR="$BATS_TEST_TMPDIR"
  cd "$DIR" || return 1
  export XDG_CACHE_HOME="$BATS_FILE_TMPDIR/cache"
  ln -s "$BATS_FILE_TMPDIR/texts" texts
  ln -s "$SNUG_SOURCE_DIR/tests/fixtures/bpe/roberta" model
}

few() {
  echo text data.path=texts data.max_length=64 training.batch_size=8 training.max_steps=4 \
    training.checkpoint_every_steps=2 training.eval_every_steps=2 optimizer.lr=1e-3 threads=1
}

@test "RoBERTa with its tokenizer goes there and back" {
  # shellcheck disable=SC2046
  snug train $(few) model.path=model --out run -q
  expect 0
  for file in tokenizer.json tokenizer_config.json; do
    cmp "run/checkpoints/last/$file" "model/$file"
  done
  [ "$(jq -r .model_type run/checkpoints/last/config.json)" = roberta ]
  snug eval run --part test --json
  expect 0
  [ "$(json .samples)" = 30 ]
  printf 'good1 <mask> \xe4\xb8\x8d\xe9\x94\x99\nbad1 bad2\n' >lines.txt
  snug predict run lines.txt --output out.jsonl
  expect 0
  [ "$(jq -s 'length == 2 and (map(.probabilities | add) | all(. > 0.999 and . < 1.001))' out.jsonl)" = true ]
  # What was written is a model to start from; the same tokens are found again.
  # shellcheck disable=SC2046
  snug train $(few) model.path=run/best_model training.max_steps=1 --out next
  expect 0
  says "41 of 41 tensors found"
}

@test "vocab.json and merges.txt are as good as tokenizer.json" {
  mkdir two
  cp model/config.json model/model.safetensors two
  cp "$SNUG_SOURCE_DIR"/tests/fixtures/bpe/files/{vocab.json,merges.txt} two
  # shellcheck disable=SC2046
  snug train $(few) model.path=model --out one -q
  expect 0
  # shellcheck disable=SC2046
  snug train $(few) model.path=two --out other -q
  expect 0
  [ "$(jq -r .loss_sha256 one/summary.json)" = "$(jq -r .loss_sha256 other/summary.json)" ]
  cmp other/checkpoints/last/merges.txt two/merges.txt
  cmp other/checkpoints/last/vocab.json two/vocab.json
}

@test "two texts are joined by RoBERTa's template" {
  printf 'label,sentence1,sentence2\n' >pairs.csv
  for i in $(seq 20); do
    printf 'good,good%d,word%d\nbad,bad%d,\n' $((i % 7)) "$i" $((i % 7)) >>pairs.csv
  done
  # shellcheck disable=SC2046
  snug train $(few) model.path=model data.path=pairs.csv --out run -q
  expect 0
}

@test "all of a folder is its files one after the other" {
  # shellcheck disable=SC2046
  snug train $(few) model.path=model --out run -q
  expect 0
  snug eval run --part all --json
  expect 0
  [ "$(json .samples)" = 180 ]
  snug predict run --part all --output all.jsonl
  expect 0
  [ "$(wc -l <all.jsonl)" = 180 ]
  for part in train valid test; do
    snug predict run "texts/$part.csv" --output "$part.jsonl"
    expect 0
  done
  [ "$(cat train.jsonl valid.jsonl test.jsonl | jq -c .probabilities)" = "$(jq -c .probabilities all.jsonl)" ]
}

@test "a tokenizer that is no good is said in one line" {
  cp -rL model bad
  plan="plan text data.path=texts data.max_length=64 model.path=bad"
  jq -c '.model.merges += [["q", "zz"]]' model/tokenizer.json >bad/tokenizer.json
  snug $plan
  complains 1 "which the vocabulary lacks"
  jq -c '.model.vocab["more"] = 5000' model/tokenizer.json >bad/tokenizer.json
  snug $plan
  complains 1 "they are not of one model"
  jq -c '.normalizer = {"type": "NFC"}' model/tokenizer.json >bad/tokenizer.json
  snug $plan
  complains 1 "a normalizer of type 'NFC'"
}

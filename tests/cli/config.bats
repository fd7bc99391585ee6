#!/usr/bin/env bats
# Configurations: shown, listed, laid over each other, and refused with their exact place.
load helper

@test "what is shown loads again" {
  snug config show timeseries --profile low_memory training.learning_rate=0.003
  expect 0
  printf '%s\n' "$out" >again.yaml
  first="$out"
  snug config show again.yaml
  expect 0
  [ "$out" = "$first" ]
  prints "lr: 0.003"
  prints "batch_size: 16"
}

@test "every value says where it comes from" {
  printf 'extends: timeseries\ndata:\n  num_workers: 3\n' >my.yaml
  snug config show my.yaml --profile low_memory --batch_size 8 threads=1 --json
  expect 0
  [ "$(json .schema)" = snug.config/1 ]
  [ "$(json '.settings["data.num_workers"].origin')" = "profile low_memory" ]
  [ "$(json '.settings["data.window"].origin')" = "built-in timeseries" ]
  [ "$(json '.settings["training.batch_size"].origin')" = "command line" ]
  [ "$(json '.settings["training.batch_size"].value')" = 8 ]
  [ "$(json '.settings["optimizer.beta1"].origin')" = "default" ]
  snug config show my.yaml --origin
  prints "num_workers: 3"
  prints "# my.yaml:3:3"
}

@test "a profile in the file lies below the file, on the command line above" {
  printf 'profile: low_memory\ntraining:\n  batch_size: 5\n' >my.yaml
  snug config show my.yaml --json
  [ "$(json '.settings["training.batch_size"].value')" = 5 ]
  [ "$(json '.settings["training.gradient_accumulation_steps"].value')" = 4 ]
  snug config show my.yaml --profile high_performance --json
  [ "$(json '.settings["training.batch_size"].value')" = 128 ]
}

@test "spellings of other projects" {
  snug config show --dataset_path d --num_epochs 7 --gradient_accumulation_steps 2 \
    --window-size=300 training.optimizer=adam training.loss_type=mse+mae --json
  expect 0
  [ "$(json '.settings["data.path"].value')" = d ]
  [ "$(json '.settings["training.epochs"].value')" = 7 ]
  [ "$(json '.settings["training.gradient_accumulation_steps"].value')" = 2 ]
  [ "$(json '.settings["data.window"].value')" = 300 ]
  [ "$(json '.settings["optimizer.name"].value')" = adam ]
  [ "$(json '.settings["training.loss"].value')" = mse_mae ]
}

@test "settings without effect are named" {
  snug config show data.shuffle=true
  expect 0
  says "data.shuffle has no effect: training windows are always shuffled by the seed"
  snug config show data.shuffle=true --quiet
  expect 0
  [ -z "$err" ]
  snug config show data.shuffle=false
  complains 2 "data.shuffle is 'false', but only 'true' is supported"
}

@test "mistakes in a file have file, line and column" {
  printf 'training:\n  batchsize: 4\n' >bad.yaml
  snug config show bad.yaml
  complains 2 "bad.yaml:2:3: unknown key 'training.batchsize'; did you mean 'training.batch_size'?"
  printf 'training:\n  batch_size: four\n' >bad.yaml
  snug config show bad.yaml
  complains 2 "bad.yaml:2:15: training.batch_size must be a whole number, not 'four'"
  printf 'a: [\n' >bad.yaml
  snug train bad.yaml
  complains 2 "bad.yaml:2:1: not YAML"
}

@test "mistakes on the command line" {
  snug plan timeseries trainig.epochs=3
  complains 2 "command line: unknown key 'trainig.epochs'; did you mean 'training.epochs'?"
  snug plan timeseries budget=600
  complains 2 "command line: budget: '600' has no unit"
  snug plan nothing.yaml
  complains 2 "there is no configuration file 'nothing.yaml'"
  snug plan low_memory
  complains 2 "'low_memory' is a profile, not a configuration"
  snug plan .
  expect 2
}

@test "lists" {
  snug config list
  expect 0
  prints timeseries_small
  prints high_performance
  snug config list --json
  [ "$(json '.configs | map(.name) | sort | join(" ")')" = "text timeseries timeseries_small" ]
  [ "$(json '.profiles | length')" = 7 ]
  snug config keys
  expect 0
  prints "training.batch_size"
  snug config keys --json
  [ "$(json '.keys[] | select(.key == "optimizer.name") | .choices')" = "adamw|adam|sgd|adamw8|adafactor" ]
}

@test "the examples are configurations" {
  for file in "$SOURCE_DIR"/examples/*.yaml; do
    snug config show "$file"
    expect 0
    [ -z "$err" ]
  done
}

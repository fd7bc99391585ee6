#!/usr/bin/env bats
# Data sets: generated, converted, described.
load helper

@test "generated sessions have the layout that was asked for" {
  snug data generate timeseries --out s --sessions 2 --rows 500 --channels 3 --targets 2 --rate 100 \
    --seed 5
  expect 0
  prints "2 files with 1000 rows"
  [ "$(find s -name '*.hdf5' | wc -l)" -eq 2 ]
  file="$(find s -name '*.hdf5' | sort | head -1)"
  snug data describe "$file"
  expect 0
  prints "3 inputs, 2 targets"
  prints "500 at 100 Hz"
  snug data describe "$file" --json
  [ "$(json .schema)" = snug.data/1 ]
  [ "$(json .rows)" = 500 ]
  [ "$(json .rate)" = 100 ]
  [ "$(json '.channels | length')" = 5 ]
  [ "$(json '[.channels[].bad_count] | add')" = 0 ]
}

@test "one seed gives one data set" {
  "$SNUG" data generate timeseries --out a --sessions 1 --rows 300 --seed 9
  "$SNUG" data generate timeseries --out b --sessions 1 --rows 300 --seed 9
  "$SNUG" data generate timeseries --out c --sessions 1 --rows 300 --seed 10
  cmp a/*.hdf5 b/*.hdf5
  if cmp -s a/*.hdf5 c/*.hdf5; then
    return 1
  fi
}

@test "nothing is written over without --force" {
  "$SNUG" data generate timeseries --out s --sessions 1 --rows 100 >/dev/null
  snug data generate timeseries --out s --sessions 1 --rows 100
  complains 1 "'s' holds 1 sessions already; --force writes over them"
  snug data generate timeseries --out s --sessions 1 --rows 200 --force --json
  expect 0
  [ "$(json .rows)" = 200 ]
}

@test "options of generate" {
  snug data generate sound --out s
  complains 2 "'sound' cannot be generated; 'timeseries' and 'text' can"
  snug data generate timeseries
  complains 2 "where to? give --out FOLDER"
  snug data generate timeseries --out s --rows many
  complains 2 "--rows must be a whole number from 2 to 1000000000, not 'many'"
  snug data generate timeseries --out s --rate 0
  complains 2 "--rate must be above 0 Hz, not 0"
}

make_csv() {
  {
    echo t,emg1,emg2,emg3,force
    for i in $(seq 0 99); do
      echo "0.$(printf %02d "$i"),$i,$((i * 2)),-$i,$((i % 7)).5"
    done
  } >day1.csv
}

@test "CSV becomes a session" {
  make_csv
  snug data convert day1.csv --inputs emg1..emg3 --targets force --rate 100 --out s
  expect 0
  prints "1 file with 100 rows in 's'"
  snug data describe s/day1.hdf5 --json
  expect 0
  [ "$(json .inputs)" = 3 ]
  [ "$(json .targets)" = 1 ]
  [ "$(json .rows)" = 100 ]
  [ "$(json '.channels[1].maximum')" = 198 ]
  [ "$(json '.channels[2].minimum')" = -99 ]
  snug data convert day1.csv --inputs emg1..emg3 --targets force --rate 100 --out s
  complains 1 "'s/day1.hdf5' is there already; --force writes over it"
}

@test "what convert refuses" {
  make_csv
  snug data convert day1.csv --targets force --rate 100
  complains 2 "which columns? give --inputs and --targets"
  snug data convert day1.csv --inputs emg1 --targets force
  complains 2 "how fast are the rows? give --rate HZ"
  snug data convert day1.csv --inputs emg1,emg2 --targets forse --rate 100 --out s
  complains 1 "forse"
  says "force"
  [ ! -e s/day1.hdf5 ]
  sed -i '5s/,[^,]*$/,abc/' day1.csv
  snug data convert day1.csv --inputs emg1,emg2 --targets force --rate 100 --out s
  complains 1 "abc"
  [ -z "$(ls s)" ]
  snug data convert none.csv --inputs emg1 --targets force --rate 100 --out s
  complains 1 "none.csv"
}

@test "files that are no sessions" {
  snug data describe none.hdf5
  complains 1 "there is no file 'none.hdf5'"
  echo "no hdf5" >text.hdf5
  snug data describe text.hdf5
  complains 1 "text.hdf5"
  "$SNUG" data generate timeseries --out s --sessions 1 --rows 100 >/dev/null
  file="$(find s -name '*.hdf5')"
  head -c 1000 "$file" >cut.hdf5
  snug data describe cut.hdf5
  expect 1
  says cut.hdf5
  snug data describe "$file" --inputs emgg
  expect 0
  prints "No session:"
  prints "timeseries"
}

#!/usr/bin/env bats
# What goes wrong says so in one clear line, with its exit code, and nothing is lost.
load promise_words

setup_file() {
  make_promise_data
}

# refused CODE TEXT WORDS...: base with these words fails; nothing on stdout, one line on stderr.
refused() {
  local wanted="$1" text="$2"
  shift 2
  train refused "$@"
  complains "$wanted" "$text"
}

# The first session file.
session() {
  find "$BATS_FILE_TMPDIR/sessions" -name '*.hdf5' | sort | head -1
}

# small_disk MOUNT OPTIONS: a file system of its own, or a skip that says why.
small_disk() {
  mkdir -p "$1"
  mount -t tmpfs -o "$2" tmpfs "$1" 2>mount.err || skip "no tmpfs can be mounted: $(head -1 mount.err)"
  mounted="$1"
}

teardown() {
  if [ -n "${pid:-}" ]; then
    kill -9 "$pid" 2>/dev/null || true
  fi
  if [ -n "${mounted:-}" ]; then
    umount "$mounted" || umount -l "$mounted"
  fi
}

@test "a file that is not there" {
  refused 1 "nowhere" data.path=nowhere
  snug data describe nowhere.hdf5
  complains 1 "nowhere.hdf5"
  snug train nowhere.yaml
  complains 2 "nowhere.yaml"
  refused 1 "gone.csv" data.metadata=gone.csv
  mkdir empty
  refused 1 "empty" data.path=empty
}

@test "a member that is not in the file, with the nearest" {
  refused 1 "'emgs'" data.inputs=emgs
  says "emg"
  refused 1 "'joint_angle'" data.targets=joint_angle
  says "joint_angles"
  refused 1 "'timeserie'" data.dataset=timeserie
  refused 1 "'emg2poze'" data.group=emg2poze
}

@test "a number that is none: file, row and channel" {
  command -v python3 >/dev/null || skip "no python3 to change a byte with"
  mkdir nan
  cp "$(session)" nan/a.hdf5
  # Rows of time f8, two targets f8, four inputs f4, one after the other: row 1234, input 2.
  python3 - nan/a.hdf5 <<'PY'
import struct, sys
data = bytearray(open(sys.argv[1], "rb").read())
row_bytes, row, input_offset = 8 + 2 * 8 + 4 * 4, 1234, 8 + 2 * 8 + 2 * 4
def is_start(at):
    times = [struct.unpack_from("<d", data, at + i * row_bytes)[0] for i in (0, 1, 2, 2399)]
    return all(abs(t - times[0] - i / 1000) < 1e-9 for t, i in zip(times, (0, 1, 2, 2399)))
starts = [at for at in range(len(data) - 2400 * row_bytes + 1) if is_start(at)]
assert len(starts) == 1, starts
struct.pack_into("<f", data, starts[0] + row * row_bytes + input_offset, float("nan"))
open(sys.argv[1], "wb").write(data)
PY
  refused 1 "nan/a.hdf5: row 1234, input channel 2 is NaN" data.path=nan
  [ ! -e refused/checkpoints/last ]
  # Found by whoever looks, and no half of a result is left.
  snug data describe nan/a.hdf5 --json
  expect 0
  [ "$(json '[.channels[].bad_count] | add')" = 1 ]
  train good training.max_steps=1
  expect 0
  snug predict good nan/a.hdf5 --output predictions.csv
  complains 1 "row 1234, input channel 2 is NaN"
  [ -z "$(find . -name 'predictions.csv*')" ]
}

@test "a truncated HDF5 file" {
  bytes="$(stat -c %s "$(session)")"
  for keep in 0 7 100 2000 $((bytes / 2)) $((bytes - 1)); do
    rm -rf cut
    mkdir cut
    head -c "$keep" "$(session)" >cut/a.hdf5
    refused 1 "cut/a.hdf5" data.path=cut
    # describe may list what is whole; it must not succeed silently on a file that is cut.
    snug data describe cut/a.hdf5
    [ "$code" -le 1 ]
  done
  echo "not HDF5 at all" >cut/a.hdf5
  refused 1 "cut/a.hdf5" data.path=cut
}

@test "an unknown key on the command line" {
  refused 2 "training.batchsize" training.batchsize=4
  says "training.batch_size"
  refused 2 "data.windows" data.windows=4
  says "data.window"
  refused 2 "training.batch_size" training.batch_size=many
}

@test "an unknown key in a file, with its place" {
  printf 'extends: timeseries_small\ntraining:\n  batch_size: 4\n  max_stepz: 5\n' >bad.yaml
  snug train bad.yaml "data.path=$BATS_FILE_TMPDIR/sessions" --out run --quiet
  complains 2 "bad.yaml:4:3"
  says "max_stepz"
  says "max_steps"
  printf 'extends: timeseries_small\ndata:\n  window: wide\n' >bad.yaml
  snug train bad.yaml --out run --quiet
  complains 2 "bad.yaml:3:11"
  printf 'data: [1, 2\n' >bad.yaml
  snug train bad.yaml --out run --quiet
  complains 2 "bad.yaml:"
  [ ! -e run ]
}

@test "unknown commands and options, with the nearest" {
  snug trian timeseries_small
  complains 2 "train"
  snug train timeseries_small --buget 60MiB
  complains 2 "--budget"
  snug data descrbe x
  complains 2 "describe"
}

@test "a budget that is too small names the smallest, and that one works" {
  train small --budget 5MiB
  complains 3 "too small"
  [ ! -e small/metrics.jsonl ]
  [[ "$err" =~ --budget\ ([0-9]+)MiB ]]
  least="${BASH_REMATCH[1]}"
  train small --budget "${least}MiB"
  expect 0
  jq -e '.peak_rss_bytes <= .budget_bytes and .predicted_peak_bytes <= .budget_bytes' \
    small/summary.json >/dev/null
  # To the byte as well, again and again: the figure allows for what differs from run to run.
  bytes="$(minimum)"
  for _ in 1 2 3 4 5 6; do
    # shellcheck disable=SC2046
    snug plan $(base) --budget "${bytes}B" --json
    expect 0
    json '.predicted_peak_bytes <= .budget_bytes' >/dev/null
  done
  # And it is not far from the truth: 4 MiB less do not fit.
  # shellcheck disable=SC2046
  snug plan $(base) --budget "$((bytes - (4 << 20)))B" --json
  expect 3
}

@test "a disk that is full when a checkpoint is due" {
  # Room for one checkpoint of 3.2 MiB and a bit, not for two.
  small_disk disk size=5m
  words="training.checkpoint_every_steps=2 training.eval_every_steps=1000"
  # shellcheck disable=SC2086
  train disk/run $words
  complains 1 "free"
  says "--resume"
  [ "$(readlink disk/run/checkpoints/last)" = step-2 ]
  [ "$(ls -A disk/run/checkpoints)" = "$(printf 'last\nstep-2')" ]
  # What was saved is whole: it can be judged where it is.
  snug eval disk/run --checkpoint last --quiet
  expect 0
  mount -o remount,size=64m disk
  # shellcheck disable=SC2086
  train disk/run $words --resume
  expect 0
  # shellcheck disable=SC2086
  train whole $words
  same_bits disk/run whole
  [ "$(losses disk/run)" = "$(losses whole)" ]
}

@test "a disk that fills up in the middle of a checkpoint" {
  # Files, not bytes, run out: the room that is asked for before is there.
  small_disk disk size=64m
  words="training.checkpoint_every_steps=2 training.eval_every_steps=1000"
  # shellcheck disable=SC2086
  start disk/run $words training.max_steps=1000000 --quiet
  until_there disk/run/checkpoints/last/model.safetensors
  kill -9 "$pid"
  finish
  rm -f disk/run/checkpoints/*.partial
  before="$(readlink disk/run/checkpoints/last)"
  used="$(df --output=iused disk | tail -1)"
  # A folder and two files more: the third file of a checkpoint has no room.
  mount -o "remount,nr_inodes=$((used + 3))" disk || skip "the number of files cannot be limited"
  # shellcheck disable=SC2086
  train disk/run $words training.max_steps=1000000 --resume
  complains 1 "checkpoints/"
  [ "$(readlink disk/run/checkpoints/last)" = "$before" ]
  [ -z "$(find disk/run/checkpoints -name '.partial*')" ]
  mount -o remount,nr_inodes=1000 disk
  # shellcheck disable=SC2086
  start disk/run $words training.max_steps=1000000 --resume --quiet
  sleep 1
  kill -TERM "$pid"
  finish
  expect 130
}

@test "a disk that is full to the last byte" {
  small_disk disk size=16m
  train disk/run training.checkpoint_every_steps=4 training.max_steps=8
  expect 0
  ln -sfn step-4 disk/run/checkpoints/last
  dd if=/dev/zero of=disk/filler bs=4k 2>/dev/null || true
  # Rounds the journal's page up, so that the first new line has no place.
  train disk/run training.checkpoint_every_steps=4 --resume
  expect 1
  [ "$(wc -l <.err)" -eq 1 ]
  [ "$(readlink disk/run/checkpoints/last)" = step-4 ]
  rm disk/filler
  train disk/run training.checkpoint_every_steps=4 --resume
  expect 0
}

@test "two runs in one folder at once" {
  # shellcheck disable=SC2046
  start busy training.max_steps=1000000 training.eval_every_steps=1000000
  until_there busy/metrics.jsonl
  train busy
  complains 1 "'busy/.lock' is locked by another process, pid $pid"
  train busy --resume
  complains 1 "'busy/.lock' is locked by another process, pid $pid"
  kill -TERM "$pid"
  finish
  expect 130
  jq -e . busy/metrics.jsonl >/dev/null
  # Once it is free, a run is still not written over.
  cp busy/metrics.jsonl before.jsonl
  train busy
  complains 1 "--resume"
  cmp before.jsonl busy/metrics.jsonl
}

@test "a folder that cannot be written" {
  if [ "$(id -u)" -ne 0 ]; then
    mkdir disk
    chmod 500 disk
    train disk/run
    complains 1 "disk/run"
    says "ermission denied"
    return
  fi
  # Permissions do not bind root.
  small_disk disk size=1m
  mount -o remount,ro disk
  train disk/run
  complains 1 "disk/run"
  says "ead-only"
}

@test "a run folder that became read-only" {
  small_disk disk size=64m
  train disk/run training.checkpoint_every_steps=4
  expect 0
  mount -o remount,ro disk
  train disk/run --resume
  complains 1 "disk/run"
  snug eval disk/run --quiet
  expect 0
}

@test "a loss that is not finite" {
  train wild optimizer.lr=1000 optimizer.name=sgd training.clip_norm=0 scheduler.warmup_epochs=0 \
    training.max_steps=200 training.checkpoint_every_steps=1
  complains 1 "not finite"
  says "optimizer.lr"
  # What was saved before is still there, and is all numbers.
  if [ -e wild/checkpoints/last ]; then
    jq -e .step wild/checkpoints/last/state.json >/dev/null
  fi
}

@test "a damaged checkpoint" {
  train run training.checkpoint_every_steps=4
  expect 0
  cp -a run kept
  for file in model.safetensors optimizer.safetensors state.json; do
    bytes="$(stat -c %s "kept/checkpoints/step-8/$file")"
    for keep in 0 6 $((bytes / 2)) $((bytes - 3)); do
      rm -rf run
      cp -a kept run
      head -c "$keep" "kept/checkpoints/step-8/$file" >"run/checkpoints/step-8/$file"
      train run --resume
      complains 1 "run/checkpoints/last/$file"
      cmp run/metrics.jsonl kept/metrics.jsonl
    done
  done
  rm -rf run
  cp -a kept run
  rm run/checkpoints/step-8/optimizer.safetensors
  train run --resume
  complains 1 "optimizer.safetensors"
  # The one before it is good.
  ln -sfn step-4 run/checkpoints/last
  train run --resume
  expect 0
  same_bits run kept
}

@test "a run that is resumed with other settings or data" {
  train run training.checkpoint_every_steps=4
  expect 0
  cp run/metrics.jsonl before.jsonl
  train run --resume optimizer.lr=0.01
  complains 2 "other settings"
  train run --resume model.hidden=64
  [ "$code" -ne 0 ]
  train run --resume data.window=500
  [ "$code" -ne 0 ]
  train run --resume data.max_files=4
  [ "$code" -ne 0 ]
  cmp before.jsonl run/metrics.jsonl
}

#!/usr/bin/env python3
"""Trains snug on real recordings inside a budget and compares it with simple baselines.

  real_data.py --snug build/snug --data FOLDER [--sets emg_force,etth1,...] [--seeds 1,2,3]
               [--out FOLDER] [--json FILE] [--convert] [KEY=VALUE ...]

FOLDER holds emg_force/csv/*.csv and ett/ETTh1.csv. The data are converted with `snug data convert`,
trained with examples/emg_force.yaml and examples/etth1.yaml once for every seed, and predicted with
`snug predict`. Sets:

  emg_force    grip force from 8 EMG channels, 200 Hz, 11 recordings, split by recording
  etth1        oil temperature from six loads, hourly, sessions of two weeks, split by session
  etth1_time   the same as one session, split by time: what was learned must hold a winter later
  etth1_ahead  the change of the oil temperature in the next 6 hours from all seven channels

The baselines get the same channels, fit on the rows of the training part that snug predicts, and
are measured on exactly the validation and test rows that snug predicts:

  mean       the mean of the training targets (of a session, where targets are scaled by session)
  ridge RMS  linear regression with an L2 penalty on the RMS of every channel over trailing windows
  ridge all  the same with mean absolute value and mean beside it
  no change  etth1_ahead only: the oil temperature stays what it is

Penalty and windows of a ridge are the best on the validation rows; snug keeps its best evaluation
on them. KEY=VALUE is handed to `snug train`. Exit status 1 when a seed of any set but etth1_time
does not beat every baseline on validation. Needs numpy and h5py.
"""
import argparse
import csv
import glob
import json
import os
import subprocess
import sys
import tempfile

import h5py
import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
PENALTIES = tuple(10.0 ** power for power in range(-3, 7))
AHEAD = 6        # Hours from the newest row of the inputs to the temperature of etth1_ahead.
FORTNIGHT = 336  # Hours of a session of ETTh1.
LOADS = ("HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL")


def run(arguments):
    """Standard output of a command; its standard error goes to the caller's terminal."""
    done = subprocess.run(arguments, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        sys.exit("'%s' ended with %d" % (" ".join(arguments), done.returncode))
    return done.stdout


def convert_emg_force(snug, data, folder):
    files = sorted(glob.glob(os.path.join(data, "emg_force", "csv", "*.csv")))
    if not files:
        sys.exit("there are no recordings in '%s'" % os.path.join(data, "emg_force", "csv"))
    run([snug, "data", "convert", *files, "--inputs", "emg1..emg8", "--targets", "force",
         "--time", "t", "--rate", "200", "--out", folder, "--force"])


def read_etth1(data):
    """[hours, 7]: six loads, then the oil temperature."""
    with open(os.path.join(data, "ett", "ETTh1.csv"), newline="") as file:
        rows = list(csv.DictReader(file))
    return np.array([[float(row[name]) for name in (*LOADS, "OT")] for row in rows])


def convert_columns(snug, folder, names, table, session, gap):
    """Sessions of so many rows, the last `gap` of them left out; all columns but the last go in."""
    with tempfile.TemporaryDirectory() as scratch:
        paths = []
        for first in range(0, len(table) - session + 1, session):
            paths.append(os.path.join(scratch, "part%02d.csv" % (first // session + 1)))
            with open(paths[-1], "w", newline="") as file:
                out = csv.writer(file)
                out.writerow(names)
                for row in table[first:first + session - gap]:
                    out.writerow([repr(float(value)) for value in row])
        run([snug, "data", "convert", *paths, "--inputs", ",".join(names[:-1]), "--targets",
             names[-1], "--rate", repr(1 / 3600), "--out", folder, "--force"])


def convert_etth1(snug, data, folder):
    convert_columns(snug, folder, [*LOADS, "OT"], read_etth1(data), FORTNIGHT, 0)


def convert_etth1_time(snug, data, folder):
    table = read_etth1(data)
    convert_columns(snug, folder, [*LOADS, "OT"], table, len(table), 0)


def convert_etth1_ahead(snug, data, folder):
    """All seven channels, each less its mean of the past week; the target is OT(t+6) - OT(t)."""
    table = read_etth1(data)
    recent = table - trailing_mean(table, 168)
    change = np.zeros((len(table), 1))
    change[:-AHEAD, 0] = table[AHEAD:, 6] - table[:-AHEAD, 6]
    # The first week has no week before it; the last hours of a session look into the next one.
    rows = np.hstack([recent, change])[168:]
    convert_columns(snug, folder, [*LOADS, "OT", "change"], rows, FORTNIGHT, AHEAD)


EMG_SPANS = ((40, 100, 200), (20, 40, 100, 200), (40, 100, 200, 400))
HOUR_SPANS = ((6, 24, 84), (1, 6, 24, 84), (1, 3, 6, 12, 24, 48, 84), (6, 24, 168))
SETS = {
    "emg_force": {"config": "emg_force", "convert": convert_emg_force, "by_session": True,
                  "unit": "standard deviations of the session's force", "spans": EMG_SPANS},
    "etth1": {"config": "etth1", "convert": convert_etth1, "by_session": False,
              "unit": "degrees C", "spans": HOUR_SPANS},
    "etth1_time": {"config": "etth1", "convert": convert_etth1_time, "by_session": False,
                   "unit": "degrees C", "spans": HOUR_SPANS},
    "etth1_ahead": {"config": "etth1", "convert": convert_etth1_ahead, "by_session": False,
                    "unit": "degrees C", "spans": HOUR_SPANS, "persist": True},
}


def read_sessions(folder):
    """{file name: (inputs [rows, C], target [rows])}"""
    sessions = {}
    for path in sorted(glob.glob(os.path.join(folder, "*.hdf5"))):
        with h5py.File(path, "r") as file:
            (group,) = file.values()
            rows = group["timeseries"][:]
        sessions[os.path.basename(path)] = (rows["emg"].astype(np.float64),
                                            rows["joint_angles"].astype(np.float64).ravel())
    return sessions


def read_predictions(text):
    """{file name: (row numbers, predictions)} of what `snug predict` printed."""
    found = {}
    for row in csv.DictReader(text.splitlines()):
        rows, values = found.setdefault(row["file"], ([], []))
        rows.append(int(row["row"]))
        values.append(float(row["prediction1"]))
    return {name: (np.array(rows), np.array(values)) for name, (rows, values) in found.items()}


def trailing_mean(x, span):
    """The mean of the last `span` rows, of fewer at the start; nothing of the future."""
    count = np.arange(1, len(x) + 1)
    first = np.maximum(count - span, 0)
    sums = np.cumsum(np.vstack([np.zeros((1, x.shape[1])), x]), axis=0)
    return (sums[1:] - sums[first]) / (count - first)[:, None]


def features(x, spans, rms_only):
    """[rows, C] -> [rows, features]: trailing moments of every channel, and a constant."""
    out = [np.ones((len(x), 1))]
    for span in spans:
        out.append(np.sqrt(np.maximum(trailing_mean(x * x, span), 0)))
        if not rms_only:
            out += [trailing_mean(np.abs(x), span), trailing_mean(x, span)]
    return np.concatenate(out, axis=1)


def scales(sessions, parts, by_session):
    """{file name: (input mean, input std, target mean, target std)}: of itself, or of training."""
    def of(x, y):
        return x.mean(0), x.std(0) + 1e-8, y.mean(), y.std()

    if by_session:
        return {name: of(x, y) for name, (x, y) in sessions.items()}
    train = parts["train"]
    joined = of(np.concatenate([sessions[name][0][rows] for name, (rows, _) in train.items()]),
                np.concatenate([sessions[name][1][rows] for name, (rows, _) in train.items()]))
    return {name: joined for name in sessions}


def ridge(sessions, scale, parts, all_spans, rms_only):
    """The best penalty and windows on validation: errors of every part in scaled units."""
    best = None
    for spans in all_spans:
        data = {}
        for part, files in parts.items():
            x = [features((sessions[f][0] - scale[f][0]) / scale[f][1], spans, rms_only)[rows]
                 for f, (rows, _) in files.items()]
            y = [(sessions[f][1][rows] - scale[f][2]) / scale[f][3]
                 for f, (rows, _) in files.items()]
            data[part] = np.concatenate(x), np.concatenate(y)
        x, y = data["train"]
        gram, right = x.T @ x, x.T @ y
        for penalty in PENALTIES:
            weights = np.linalg.solve(gram + penalty * np.eye(len(gram)), right)
            errors = {part: px @ weights - py for part, (px, py) in data.items()}
            mae = np.abs(errors["validation"]).mean()
            if best is None or mae < best[0]:
                best = (mae, errors, {"penalty": penalty, "spans": spans})
    return best[1], best[2]


def measure(errors, truth, scale, by_session):
    """Figures of errors in scaled units: MAE as reported, MAE in the data's own units, R2."""
    reported = errors if by_session else errors * scale
    return {"mae": float(np.abs(reported).mean()), "mae_own": float(np.abs(errors * scale).mean()),
            "r2": float(1 - (errors ** 2).sum() / ((truth - truth.mean()) ** 2).sum())}


def baselines(name, sessions, parts):
    """{baseline: {part: figures}}, and how to scale the errors of a model."""
    of = SETS[name]
    scale = scales(sessions, parts, of["by_session"])
    truth, stds = {}, {}
    for part, files in parts.items():
        truth[part] = np.concatenate([(sessions[f][1][rows] - scale[f][2]) / scale[f][3]
                                      for f, (rows, _) in files.items()])
        stds[part] = np.concatenate([np.full(len(rows), scale[f][3])
                                     for f, (rows, _) in files.items()])
    rms, rms_choice = ridge(sessions, scale, parts, of["spans"], True)
    full, full_choice = ridge(sessions, scale, parts, of["spans"], False)
    errors = {"mean": {part: -truth[part] for part in parts}, "ridge RMS": rms, "ridge all": full}
    if of.get("persist"):
        zero = {f: -mean / std for f, (_, _, mean, std) in scale.items()}
        errors["no change"] = {part: np.concatenate([np.full(len(rows), zero[f]) for f, (rows, _)
                                                     in files.items()]) - truth[part]
                               for part, files in parts.items()}
    figures = {which: {part: measure(e, truth[part], stds[part], of["by_session"])
                       for part, e in found.items()} for which, found in errors.items()}
    figures["ridge RMS"]["chosen"], figures["ridge all"]["chosen"] = rms_choice, full_choice
    return figures, truth, scale, stds


def model_figures(name, sessions, parts, scale, truth, stds):
    out = {}
    for part, files in parts.items():
        errors = np.concatenate([(values - sessions[f][1][rows]) / scale[f][3]
                                 for f, (rows, values) in files.items()])
        out[part] = measure(errors, truth[part], stds[part], SETS[name]["by_session"])
    return out


def check_own_figure(snug, folder, figures):
    """What `snug eval` says must be what its predictions say: both look at every row once."""
    told = json.loads(run([snug, "eval", folder, "--part", "validation", "--json", "--quiet"]))
    mae = told["mae"] if "mae" in told else told["evaluation"]["mae"]
    if abs(mae - figures["mae_own"]) > 1e-4 * mae:
        sys.exit("snug eval says MAE %g, its predictions give %g" % (mae, figures["mae_own"]))
    return mae


def bench_set(name, options, out):
    sessions_folder = os.path.join(out, name)
    SETS[name]["convert"](options.snug, options.data, sessions_folder)
    if options.convert:
        return None
    sessions = read_sessions(sessions_folder)
    config = os.path.join(HERE, "..", "examples", SETS[name]["config"] + ".yaml")
    result = {"set": name, "unit": SETS[name]["unit"], "runs": []}
    for seed in options.seeds:
        folder = os.path.join(out, "runs", "%s-%d" % (name, seed))
        run([options.snug, "train", config, "data.path=" + sessions_folder, "seed=%d" % seed,
             *options.override, "--out", folder, "--quiet"])
        parts = {part: read_predictions(run([options.snug, "predict", folder, "--part", part,
                                             "--quiet"]))
                 for part in ("train", "validation", "test")}
        if "baselines" not in result:
            figures, truth, scale, stds = baselines(name, sessions, parts)
            result["baselines"] = figures
            result["files"] = {part: sorted(files) for part, files in parts.items()}
            result["rows"] = {part: len(truth[part]) for part in parts}
        figures = model_figures(name, sessions, parts, scale, truth, stds)
        with open(os.path.join(folder, "summary.json")) as file:
            summary = json.load(file)
        result["runs"].append({"seed": seed, "figures": figures,
                               "eval_mae": check_own_figure(options.snug, folder,
                                                            figures["validation"]),
                               **{key: summary.get(key) for key in (
                                   "steps", "seconds", "budget_bytes", "predicted_peak_bytes",
                                   "peak_rss_bytes", "isa", "threads", "weights_sha256")}})
    return result


def print_set(result):
    print("%s: MAE in %s; rows: %s" % (result["set"], result["unit"], ", ".join(
        "%d %s" % (count, part) for part, count in result["rows"].items())))
    print("  %-10s %10s %8s %10s %10s %8s" % ("", "validation", "R2", "own units", "test", "R2"))
    for name, figures in result["baselines"].items():
        print_line(name, figures["validation"], figures["test"])
    for one in result["runs"]:
        print_line("seed %d" % one["seed"], one["figures"]["validation"], one["figures"]["test"],
                   "%d steps, %.0f s, peak %.1f of %.0f MiB" % (
                       one["steps"], one["seconds"], one["peak_rss_bytes"] / 2**20,
                       one["budget_bytes"] / 2**20))
    mae = np.array([one["figures"]["validation"]["mae"] for one in result["runs"]])
    print("  snug       %10.4f +- %.4f (mean and deviation of %d seeds), %s" % (
        mae.mean(), mae.std(), len(mae), ", ".join(
            "%.3f x %s" % (mae.mean() / figures["validation"]["mae"], which)
            for which, figures in result["baselines"].items())))


def print_line(name, validation, test, rest=""):
    print("  %-10s %10.4f %8.3f %10.4f %10.4f %8.3f  %s" % (
        name, validation["mae"], validation["r2"], validation["mae_own"], test["mae"], test["r2"],
        rest))


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--snug", default=os.path.join(HERE, "..", "build", "snug"))
    parser.add_argument("--data", required=True)
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--out", help="kept; without it a temporary folder")
    parser.add_argument("--json", help="file for all figures")
    parser.add_argument("--convert", action="store_true", help="convert into --out and stop")
    parser.add_argument("override", nargs="*", metavar="KEY=VALUE")
    options = parser.parse_args()
    options.seeds = [int(seed) for seed in options.seeds.split(",")]
    with tempfile.TemporaryDirectory() as scratch:
        results = [bench_set(name, options, options.out or scratch)
                   for name in options.sets.split(",")]
    if options.convert:
        return 0
    for result in results:
        print_set(result)
    if options.json:
        with open(options.json, "w") as file:
            json.dump(results, file, indent=1)
    beaten = all(one["figures"]["validation"]["mae"] < figures["validation"]["mae"]
                 for result in results if result["set"] != "etth1_time"
                 for one in result["runs"]
                 for figures in result["baselines"].values())
    return 0 if beaten else 1


if __name__ == "__main__":
    sys.exit(main())

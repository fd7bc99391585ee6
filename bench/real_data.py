#!/usr/bin/env python3
"""Trains snug on real recordings inside a budget and compares it with simple baselines.

  real_data.py --snug build/snug --data FOLDER [--sets emg_force,etth1] [--seeds 1,2,3]
               [--out FOLDER] [--json FILE] [KEY=VALUE ...]

FOLDER holds emg_force/csv/*.csv and ett/ETTh1.csv. The data are converted with `snug data convert`,
trained with examples/emg_force.yaml and examples/etth1.yaml, once for every seed, and predicted
with `snug predict`. The baselines get the same channels, the rows of the same training files to fit
on, and are measured on exactly the rows that snug predicted:

  mean     the mean of the training targets (of a session, where targets are scaled by session)
  ridge    linear regression with an L2 penalty on RMS, mean absolute value and mean of every
           channel over trailing windows; penalty and windows are the best on the validation rows
           themselves, which is an advantage that snug does not have
  persist  etth1 only: the oil temperature stays what it is

KEY=VALUE is handed to `snug train`. Needs numpy and h5py.
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
PENALTIES = (1e-1, 1e0, 1e1, 1e2, 1e3, 1e4, 1e5)
AHEAD = 24  # Hours from the newest row of the inputs to the oil temperature that is asked for.
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


def convert_etth1(snug, data, folder):
    """The target is how much the oil temperature changes within AHEAD hours: OT(t+24) - OT(t)."""
    with open(os.path.join(data, "ett", "ETTh1.csv"), newline="") as file:
        rows = list(csv.DictReader(file))
    with tempfile.TemporaryDirectory() as scratch:
        path = os.path.join(scratch, "ETTh1.csv")
        with open(path, "w", newline="") as file:
            out = csv.writer(file)
            out.writerow([*LOADS, "OT", "change"])
            for now, later in zip(rows, rows[AHEAD:]):
                change = float(later["OT"]) - float(now["OT"])
                out.writerow([*(now[name] for name in LOADS), now["OT"], repr(change)])
        run([snug, "data", "convert", path, "--inputs", ",".join((*LOADS, "OT")),
             "--targets", "change", "--rate", "1", "--out", folder, "--force"])


SETS = {
    "emg_force": {
        "convert": convert_emg_force, "by_session": True, "unit": "deviations of the session",
        "spans": ((40, 100, 200), (20, 40, 100, 200), (40, 100, 200, 400)),
    },
    "etth1": {
        "convert": convert_etth1, "by_session": False, "unit": "degrees C",
        "spans": ((6, 24, 168), (1, 6, 24, 168), (1, 3, 6, 12, 24, 48, 168)),
    },
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


def features(x, spans):
    """[rows, C] -> [rows, 3 C spans + 1]: trailing moments of every channel, nothing of the future."""
    out = []
    count = np.arange(1, len(x) + 1)
    for span in spans:
        first = np.maximum(count - span, 0)
        for name, signal in (("rms", x * x), ("mav", np.abs(x)), ("mean", x)):
            sums = np.cumsum(np.vstack([np.zeros((1, x.shape[1])), signal]), axis=0)
            mean = (sums[1:] - sums[first]) / (count - first)[:, None]
            out.append(np.sqrt(np.maximum(mean, 0)) if name == "rms" else mean)
    return np.concatenate(out + [np.ones((len(x), 1))], axis=1)


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


def ridge(sessions, scale, parts, spans):
    """The best penalty on validation: (its MAE there, {part: errors in scaled units}, penalty)."""
    table = {name: features((x - scale[name][0]) / scale[name][1], spans)
             for name, (x, _) in sessions.items()}

    def gather(part):
        x = [table[name][rows] for name, (rows, _) in parts[part].items()]
        y = [(sessions[name][1][rows] - scale[name][2]) / scale[name][3]
             for name, (rows, _) in parts[part].items()]
        return np.concatenate(x), np.concatenate(y)

    data = {part: gather(part) for part in parts}
    x, y = data["train"]
    gram, right = x.T @ x, x.T @ y
    best = None
    for penalty in PENALTIES:
        weights = np.linalg.solve(gram + penalty * np.eye(len(gram)), right)
        errors = {part: px @ weights - py for part, (px, py) in data.items()}
        mae = np.abs(errors["validation"]).mean()
        if best is None or mae < best[0]:
            best = (mae, errors, penalty)
    return best


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
    best, spans = min(((ridge(sessions, scale, parts, spans), spans) for spans in of["spans"]),
                      key=lambda found: found[0][0])
    errors = {"mean": {part: -truth[part] for part in parts}, "ridge": best[1]}
    if name == "etth1":
        errors["persist"] = {part: -(truth[part] + next(iter(scale.values()))[2] / stds[part])
                             for part in parts}
    figures = {which: {part: measure(e, truth[part], stds[part], of["by_session"])
                       for part, e in found.items()} for which, found in errors.items()}
    figures["ridge"]["penalty"], figures["ridge"]["spans"] = best[2], spans
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
    sessions = read_sessions(sessions_folder)
    config = os.path.join(HERE, "..", "examples", name + ".yaml")
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
    print("  snug       %10.4f +- %.4f (mean and deviation of %d seeds), %.3f x mean, %.3f x ridge" % (
        mae.mean(), mae.std(), len(mae), mae.mean() / result["baselines"]["mean"]["validation"]["mae"],
        mae.mean() / result["baselines"]["ridge"]["validation"]["mae"]))


def print_line(name, validation, test, rest=""):
    print("  %-10s %10.4f %8.3f %10.4f %10.4f %8.3f  %s" % (
        name, validation["mae"], validation["r2"], validation["mae_own"], test["mae"], test["r2"],
        rest))


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--snug", default=os.path.join(HERE, "..", "build", "snug"))
    parser.add_argument("--data", required=True)
    parser.add_argument("--sets", default="emg_force,etth1")
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--out", help="kept; without it a temporary folder")
    parser.add_argument("--json", help="file for all figures")
    parser.add_argument("override", nargs="*", metavar="KEY=VALUE")
    options = parser.parse_args()
    options.seeds = [int(seed) for seed in options.seeds.split(",")]
    with tempfile.TemporaryDirectory() as scratch:
        results = [bench_set(name, options, options.out or scratch)
                   for name in options.sets.split(",")]
    for result in results:
        print_set(result)
    if options.json:
        with open(options.json, "w") as file:
            json.dump(results, file, indent=1)
    beaten = all(one["figures"]["validation"]["mae"] < figures["validation"]["mae"]
                 for result in results for one in result["runs"]
                 for figures in result["baselines"].values())
    return 0 if beaten else 1


if __name__ == "__main__":
    sys.exit(main())

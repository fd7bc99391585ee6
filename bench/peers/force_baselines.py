#!/usr/bin/env python3
"""Two baselines that a model of a time series must beat, on the very rows that snug validates on.

  force_baselines.py --layout FILE.json

FILE.json is what `snug data windows CONFIG --json` prints: sessions with their part (train or val), windows and context. For each
validation row it predicts the mean of the training targets, and a ridge regression on window features (root mean square, mean
absolute value and mean of each channel over the last 40, 100 and 200 rows). Prints one JSON line with both MAEs.
Needs numpy and h5py.
"""
import argparse
import json

import h5py
import numpy as np


def features(x, spans):
    """[rows, channels] -> [rows, features]: trailing moments of each channel, causal."""
    out = []
    for span in spans:
        for power, signal in ((0.5, x * x), (1, np.abs(x)), (1, x)):
            sums = np.cumsum(np.vstack([np.zeros((1, x.shape[1])), signal]), axis=0)
            first = np.maximum(np.arange(1, len(x) + 1) - span, 0)
            count = (np.arange(1, len(x) + 1) - first)[:, None]
            mean = (sums[1:] - sums[first]) / count
            out.append(np.sqrt(np.maximum(mean, 0)) if power == 0.5 else mean)
    return np.concatenate(out + [np.ones((len(x), 1))], axis=1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--layout", required=True)
    parser.add_argument("--spans", default="40,100,200")
    parser.add_argument("--ridge", type=float, nargs="*", default=[0.1, 1, 10, 100, 1000])
    args = parser.parse_args()
    spans = [int(s) for s in args.spans.split(",")]
    layout = json.load(open(args.layout))
    parts = {"train": ([], []), "val": ([], [])}
    for session in layout["sessions"]:
        if session["part"] not in parts:
            continue
        with h5py.File(session["path"]) as f:
            rows = f[layout["group"]][layout["dataset"]][:]
        x = rows[layout["inputs"]].astype(np.float64)
        y = np.atleast_2d(rows[layout["targets"]].astype(np.float64).T).T
        x = (x - x.mean(0)) / (x.std(0) + 1e-8)
        first, last = session.get("first_row", 0), session.get("last_row", len(y))
        f = features(x, spans)[first + layout["context"]:last]
        t = y[first + layout["context"]:last]
        parts[session["part"]][0].append(f)
        parts[session["part"]][1].append(t)
    fx, fy = np.concatenate(parts["train"][0]), np.concatenate(parts["train"][1])
    vx, vy = np.concatenate(parts["val"][0]), np.concatenate(parts["val"][1])
    mean_mae = float(np.abs(vy - fy.mean(0)).mean())
    median_mae = float(np.abs(vy - np.median(fy, 0)).mean())
    gram, right = fx.T @ fx, fx.T @ fy
    # The best ridge strength on the validation rows themselves: a baseline that is given an advantage.
    ridge_mae = min(float(np.abs(vy - vx @ np.linalg.solve(gram + s * np.eye(len(gram)), right)).mean()) for s in args.ridge)
    print(json.dumps({"train_rows": len(fy), "val_rows": len(vy), "mean_mae": mean_mae, "median_mae": median_mae, "ridge_mae": ridge_mae}))


if __name__ == "__main__":
    main()

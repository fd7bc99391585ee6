#!/usr/bin/env python3
"""The full-size time-series model: snug inside a kernel-enforced limit and PyTorch, in one run on one machine.

  bench/tds_bench.py --snug build/snug --torch /path/to/python --peers torch_peers.py [--budget 600MiB] [--rounds 3]

Generates emg2pose-layout data, then alternates: PyTorch default, snug under the budget, snug unconstrained, PyTorch tuned. Prints peaks
(VmHWM), seconds per step, and the ratios; with --json the same as one document. `--torch` names a Python that has torch 2.13.
"""
import argparse
import json
import os
import platform
import statistics
import subprocess
import tempfile


def cpu_name():
    for line in open("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def run_torch(args, mode, micro):
    command = [args.torch, args.peers, "--workload", "tds", "--mode", mode, "--steps", str(args.steps)]
    if micro:
        command += ["--micro", str(micro)]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    row = json.loads(out.strip().splitlines()[-1])
    return {"peak_mib": row["peak_mib"], "step_s": row["s_per_step"]}


def run_snug(args, data, budget, name):
    out = os.path.join(args.folder, name)
    subprocess.run(["rm", "-rf", out], check=True)
    command = [args.snug, "train", "timeseries", f"data.path={data}", "data.stride=2000",
               f"training.max_steps={args.steps}", "--budget", budget,
               "--out", out, "training.log_every_steps=1", "training.eval_every_steps=1000000", "training.checkpoint_every_steps=1000000"]
    if budget != "90%":
        command = [os.path.join(os.path.dirname(__file__), "..", "tools", "limit.sh"), budget] + command
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"snug failed with {done.returncode}: {done.stderr[-2000:]}")
    row = json.load(open(os.path.join(out, "summary.json")))
    # The same statistic as the peer: the fastest step after the first. The stride gives enough windows that every batch is full.
    steps = [json.loads(line) for line in open(os.path.join(out, "metrics.jsonl"))]
    seconds = [s["step_seconds"] for s in steps if "step_seconds" in s][1:]
    return {"peak_mib": row["peak_rss_bytes"] / 2**20, "predicted_mib": row["predicted_peak_bytes"] / 2**20,
            "step_s": min(seconds), "isa": row["isa"], "threads": row["threads"]}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--snug", default="build/snug")
    parser.add_argument("--torch", required=True)
    parser.add_argument("--peers", required=True)
    parser.add_argument("--budget", default="600MiB")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        args.folder = folder
        data = os.path.join(folder, "data")
        subprocess.run([args.snug, "data", "generate", "timeseries", "--out", data, "--sessions", "8", "--rows", "130000",
                        "--channels", "16", "--targets", "20"], check=True, capture_output=True)
        results = {}
        for _ in range(args.rounds):
            for name, call in (("torch default", lambda: run_torch(args, "default", 0)),
                               (f"snug {args.budget}", lambda: run_snug(args, data, args.budget, "limited")),
                               ("snug unconstrained", lambda: run_snug(args, data, "90%", "free")),
                               ("torch tuned", lambda: run_torch(args, "tuned", 0))):
                results.setdefault(name, []).append(call())
    table = {name: {"peak_mib": max(r["peak_mib"] for r in rows), "step_s": statistics.median(r["step_s"] for r in rows),
                    **{k: rows[0][k] for k in ("predicted_mib", "isa") if k in rows[0]}} for name, rows in results.items()}
    base = table["torch default"]
    if args.json:
        print(json.dumps({"cpu": cpu_name(), "rounds": args.rounds, "rows": table}))
        return
    print(f"TDS+LSTM, batch 64, window 11,790, fp32 AdamW, {cpu_name()}, 2 threads, {args.rounds} rounds")
    print(f"{'':22}{'peak MiB':>10}{'s/step':>9}{'peak ratio':>12}{'time ratio':>12}")
    for name, row in table.items():
        print(f"{name:22}{row['peak_mib']:10.0f}{row['step_s']:9.2f}{row['peak_mib'] / base['peak_mib']:12.3f}{row['step_s'] / base['step_s']:12.3f}")


if __name__ == "__main__":
    main()

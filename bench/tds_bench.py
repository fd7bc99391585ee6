#!/usr/bin/env python3
"""The full-size time-series model: snug inside kernel-enforced limits and PyTorch, in one run.

  bench/tds_bench.py --snug build/snug --torch /path/to/python --peers torch_peers.py
                     [--rounds 3] [--steps 3] [--gemm build/bench/gemm_bench]

5.98 M parameters, 16 channels, 20 targets, window 11,790, batch 64, fp32 AdamW, clipping, on generated
data. Each round runs PyTorch default and tuned, snug without a budget, and snug inside limits of 600
and 200 MiB. Peaks are VmHWM of the whole process, seconds the fastest step after the first; how rows
are compared says bench/beside.py. Exit status 1 when something does not hold.
"""
import argparse
import functools
import os
import subprocess
import sys
import tempfile

import beside

GIGAFLOPS = 706  # Useful work of a step, as bench/step_bench counts it.
PEER_BAR, ROOF_BAR, LOW_BAR = 0.65, 0.60, 1.35


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    beside.arguments(parser)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.scratch) as args.folder:
        data = os.path.join(args.folder, "data")
        subprocess.run([args.snug, "data", "generate", "timeseries", "--out", data, "--sessions", "8", "--rows", "130000",
                        "--channels", "16", "--targets", "20"], check=True, capture_output=True)
        # The stride gives enough windows that every batch is full.
        settings = ["timeseries", "data.path=%s" % data, "data.stride=2000"]
        sides = {"torch " + mode: functools.partial(beside.torch_row, args, "tds", mode) for mode in ("default", "tuned")}
        for name, budget in (("snug free", 0), ("snug 600 MiB", 600), ("snug 200 MiB", 200)):
            sides[name] = functools.partial(beside.snug_row, args, settings, budget)
        rows = beside.run_rounds(args, sides, {})
    found = [
        ("free: step over the faster of PyTorch", beside.ratio(rows, "snug free", ["torch default", "torch tuned"]),
         PEER_BAR, "most"),
        ("200 MiB: step over the one without a budget", beside.ratio(rows, "snug 200 MiB", ["snug free"]), LOW_BAR, "most"),
        ("600 MiB: peak MiB", beside.peak(rows, "snug 600 MiB"), 600, "most"),
        ("200 MiB: peak MiB", beside.peak(rows, "snug 200 MiB"), 200, "most"),
    ]
    if args.gemm:
        found.append(("free: share of the roof", beside.roof_share(rows, "snug free", GIGAFLOPS), ROOF_BAR, "least"))
    title = "TDS+LSTM, batch 64, window 11,790, fp32 AdamW, %s, %d threads, %d rounds" % (
        beside.cpu_name(), args.threads, args.rounds)
    return 0 if beside.show(title, rows, "torch default", found) else 1


if __name__ == "__main__":
    sys.exit(main())

"""What the benchmarks beside PyTorch share: one row of either side, the roof around it, ratios within rounds.

The machines these run on are shared, and their speed moves by a third from second to second. So nothing is compared across
minutes: a round runs every side once, one after the other; a ratio is taken within its round, and what is reported is the
median over the rounds. The roof, the best rate of a product of 2048 cubed by any library, is measured right before and right
after each row of snug's without a limit, and the better of the two counts.
"""
import json
import os
import platform
import statistics
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))


def cpu_name():
    with open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()


def arguments(parser):
    parser.add_argument("--snug", default=os.path.join(HERE, "..", "build", "snug"))
    parser.add_argument("--torch", required=True)
    parser.add_argument("--peers", required=True)
    parser.add_argument("--gemm", help="build/bench/gemm_bench: measures the roof")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--scratch", help="where the temporary folder is made")


def torch_row(args, workload, mode, *more):
    """One run of the peers' script: the peak in MiB and the fastest step after the first."""
    command = [args.torch, args.peers, "--workload", workload, "--mode", mode, "--steps", str(args.steps),
               "--threads", str(args.threads), *more]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return {"failed": done.returncode, "why": done.stderr.strip()[-300:]}
    row = json.loads(done.stdout.strip().splitlines()[-1])
    return {"peak_mib": row["peak_mib"], "step_s": row["s_per_step"], "isa": row["isa"]}


def roof(args):
    """GF/s of the best product of 2048 cubed, whoever's; None without --gemm."""
    if not args.gemm:
        return None
    isa = "avx512" if "avx512vl" in open("/proc/cpuinfo").read() else "avx2"
    path = os.path.join(args.folder, "gemm.jsonl")
    subprocess.run([args.gemm, isa, path, "square"], check=True, stdout=subprocess.DEVNULL)
    with open(path) as file:
        rows = [json.loads(line) for line in file]
    return max(value for row in rows if row["threads"] == args.threads for key, value in row.items()
               if key.endswith("_gflops"))


def snug_row(args, settings, budget_mib):
    """One run of snug; with a budget inside a limit of the kernel that is just as large."""
    out, report = (os.path.join(args.folder, name) for name in ("run", "limit"))
    subprocess.run(["rm", "-rf", out, report], check=True)
    budget = "%dMiB" % budget_mib if budget_mib else "90%"
    command = [args.snug, "train", *settings, "training.max_steps=%d" % args.steps, "training.log_every_steps=1",
               "training.eval_every_steps=1000000", "training.checkpoint_every_steps=1000000",
               "threads=%d" % args.threads, "--budget", budget, "--out", out]
    if budget_mib:
        command = [os.path.join(HERE, "..", "tools", "limit.sh"), budget] + command
    before = None if budget_mib else roof(args)  # No bar of a limited row is a share of the roof.
    done = subprocess.run(command, capture_output=True, text=True, check=False,
                          env=dict(os.environ, LIMIT_REPORT=report))
    after = None if before is None else roof(args)
    if done.returncode != 0:
        return {"failed": done.returncode, "why": done.stderr.strip()[-300:]}
    with open(os.path.join(out, "summary.json")) as file:
        summary = json.load(file)
    with open(os.path.join(out, "metrics.jsonl")) as file:
        steps = [json.loads(line) for line in file]
    seconds = [step["step_seconds"] for step in steps if "step_seconds" in step]
    row = {"peak_mib": summary["peak_rss_bytes"] / 2**20, "step_s": min(seconds[1:] or seconds),
           "predicted_mib": summary["predicted_peak_bytes"] / 2**20,
           "predicted_step_s": summary.get("predicted_step_seconds"), "isa": summary["isa"]}
    if before is not None:
        row["roof_gflops"] = max(before, after)
    if budget_mib:
        row["budget_mib"] = budget_mib
        with open(report) as file:
            row["limit"] = dict(line.strip().split("=", 1) for line in file)
    return row


def run_rounds(args, sides, about):
    """`sides`: {name: call without arguments}. {name: [row of each round]}, each printed as JSON."""
    rows = {}
    for turn in range(args.rounds):
        for name, call in sides.items():
            row = call()
            rows.setdefault(name, []).append(row)
            print(json.dumps({**about, "round": turn, "name": name, **row}), flush=True)
    return rows


def whole(rows, name):
    """Whether every round of this side went through."""
    return name in rows and not any("failed" in row for row in rows[name])


def peak(rows, name):
    return max(row["peak_mib"] for row in rows[name]) if whole(rows, name) else None


def ratio(rows, name, others):
    """Median over the rounds of the step's time over the fastest of `others` in the same round."""
    others = [other for other in others if whole(rows, other)]
    if not whole(rows, name) or not others:
        return None
    return statistics.median(row["step_s"] / min(rows[other][turn]["step_s"] for other in others)
                             for turn, row in enumerate(rows[name]))


def roof_share(rows, name, gigaflops):
    """Median over the rounds of the rate reached over the roof beside it."""
    if not whole(rows, name) or "roof_gflops" not in rows[name][0]:
        return None
    return statistics.median(gigaflops / row["step_s"] / row["roof_gflops"] for row in rows[name])


def show(title, rows, base, found):
    """The table, then what has to hold: [(what, figure or None, bound, "most" or "least")]. Whether all holds."""
    print("\n%s" % title)
    print("%-24s%10s%10s%12s%12s" % ("", "peak MiB", "s/step", "peak ratio", "time ratio"))
    for name in rows:
        if not whole(rows, name):
            print("%-24s%10s" % (name, "failed"))
            continue
        step = statistics.median(row["step_s"] for row in rows[name])
        there = whole(rows, base)
        print("%-24s%10.0f%10.3f%12.3f%12.3f" % (
            name, peak(rows, name), step, peak(rows, name) / peak(rows, base) if there else float("nan"),
            ratio(rows, name, [base]) if there else float("nan")))
    all_hold = True
    for what, figure, bound, side in found:
        holds = figure is not None and (figure <= bound if side == "most" else figure >= bound)
        all_hold = all_hold and holds
        print("%-6s %s: %s, at %s %.4g" % ("holds" if holds else "FAILS", what,
                                           "not measured" if figure is None else "%.4g" % figure, side, bound))
    return all_hold

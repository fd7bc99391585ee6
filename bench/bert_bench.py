#!/usr/bin/env python3
"""BERT-base classification: snug inside kernel-enforced limits and PyTorch, in one run.

  bench/bert_bench.py --snug build/snug --torch /path/to/python --peers torch_peers.py
                      [--lengths 128,512] [--rounds 2] [--steps 3] [--gemm build/bench/gemm_bench]

Vocabulary 21,128, 12 layers of 768, 10 labels, batch 16, fp32 AdamW, dropout 0.1, random weights,
every text as long as the batch is wide. Each round runs, at each length, PyTorch in five modes and
snug under four conditions, one after the other, nothing else running:

  default, tuned, ckpt, accum, inbwd   see the peers' script; accum clips, inbwd does not
  budget           clipping, 1,640 MiB at 128 tokens and 1,720 MiB at 512
  budget, no clip  training.clip_norm=0, 1,320 and 1,430 MiB
  free, free, no clip                  without a limit

A budget is the limit of tools/limit.sh, too. Peaks are VmHWM of the whole process, seconds the
fastest step after the first. Every measurement is printed as one line of JSON; a table of ratios
and what has to hold follow. `--torch` names a Python with torch 2.13 and transformers; `--gemm`
measures the rate of the largest matrix products, which the roof is. Exit status 1 when something
does not hold.

For a look at whether it runs at all: --batch 1 --steps 2 --rounds 1 --lengths 128 --shape tiny,
which shows no bars: PyTorch's model stays BERT-base.
"""
import argparse
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
LABELS = 10
ROWS = 64  # Whole batches of 16 in every pass.
BUDGETS = {128: {"clip": 1640, "no clip": 1320}, 512: {"clip": 1720, "no clip": 1430}}
MICRO = {128: 2, 512: 1}  # Samples at once of accum: where its peak is least.
FREE_BAR = {128: 0.85, 512: 0.7}
BUDGET_BAR, ROOF_BAR = 0.75, 0.75
SHAPES = {
    "base": {"num_hidden_layers": 12, "hidden_size": 768, "num_attention_heads": 12,
             "intermediate_size": 3072, "vocab_size": 21128},
    "tiny": {"num_hidden_layers": 2, "hidden_size": 64, "num_attention_heads": 4,
             "intermediate_size": 128, "vocab_size": 500},
}


def cpu_name():
    with open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()


def write_model(folder, shape):
    """config.json and vocab.txt of a model without weights; every word is one token."""
    os.makedirs(folder)
    config = {"architectures": ["BertForSequenceClassification"], "model_type": "bert",
              "max_position_embeddings": 512, "type_vocab_size": 2, "hidden_act": "gelu",
              "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1,
              "layer_norm_eps": 1e-12, "pad_token_id": 0, **shape}
    with open(os.path.join(folder, "config.json"), "w") as file:
        json.dump(config, file, indent=1)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words += ["w%d" % i for i in range(shape["vocab_size"] - len(words))]
    with open(os.path.join(folder, "vocab.txt"), "w") as file:
        file.write("\n".join(words) + "\n")
    return words[5:]


def write_texts(path, words, length):
    draw = random.Random(length)
    with open(path, "w") as file:
        file.write("label,text\n")
        for row in range(ROWS):
            file.write("c%d,%s\n" % (row % LABELS, " ".join(draw.choices(words, k=length))))


def run_torch(args, length, mode):
    command = [args.torch, args.peers, "--workload", "bert%d" % length, "--mode", mode,
               "--steps", str(args.steps), "--batch", str(args.batch), "--threads",
               str(args.threads)]
    if mode == "accum":
        command += ["--micro", str(MICRO[length])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return {"failed": done.returncode, "why": done.stderr.strip()[-300:]}
    row = json.loads(done.stdout.strip().splitlines()[-1])
    return {"peak_mib": row["peak_mib"], "step_s": row["s_per_step"], "isa": row["isa"]}


def run_snug(args, length, clip, budget_mib):
    out, report = (os.path.join(args.folder, name) for name in ("run", "limit"))
    subprocess.run(["rm", "-rf", out, report], check=True)
    budget = "%dMiB" % budget_mib if budget_mib else "90%"
    command = [
        args.snug, "train", "text", "data.path=%s/%d.csv" % (args.folder, length),
        "model.path=%s/model" % args.folder, "model.pretrained=false",
        "data.cache_dir=%s/tokens" % args.folder, "data.max_length=%d" % length,
        "data.length_buckets=1", "data.split_ratio=[1,0,0]", "optimizer.lr=1e-4",
        "training.batch_size=%d" % args.batch, "training.max_steps=%d" % args.steps,
        "training.clip_norm=%d" % clip, "training.log_every_steps=1",
        "training.checkpoint_every_steps=1000000", "threads=%d" % args.threads,
        "--budget", budget, "--out", out]
    if budget_mib:
        command = [os.path.join(HERE, "..", "tools", "limit.sh"), budget] + command
    done = subprocess.run(command, capture_output=True, text=True, check=False,
                          env=dict(os.environ, LIMIT_REPORT=report))
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
    if budget_mib:
        row["budget_mib"] = budget_mib
        with open(report) as file:
            row["limit"] = dict(line.strip().split("=", 1) for line in file)
    return row


def gigaflops(length, batch, shape):
    """Of a step: three times the forward pass; the products of the layers, attention included."""
    h, i = shape["hidden_size"], shape["intermediate_size"]
    token = 2 * (4 * h * h + 2 * h * i) + 4 * length * h
    return 3 * token * length * batch * shape["num_hidden_layers"] / 1e9


def roof_rate(args):
    """The best rate of a large product with two threads, by whatever library."""
    isa = "avx512" if "avx512vl" in open("/proc/cpuinfo").read() else "avx2"
    path = os.path.join(args.folder, "gemm.jsonl")
    subprocess.run([args.gemm, isa, path], check=True, stdout=subprocess.DEVNULL)
    with open(path) as file:
        rows = [json.loads(line) for line in file]
    return max(value for row in rows if row["threads"] == 2 for key, value in row.items()
               if key.endswith("_gflops"))


def measure(args, length):
    """{name: [row of each round]}"""
    names = {"torch " + mode: (run_torch, (length, mode)) for mode in args.modes}
    for clip, word in ((1, "clip"), (0, "no clip")):
        tail = "" if clip else ", no clip"
        names["snug budget" + tail] = (run_snug, (length, clip, BUDGETS[length][word]))
        names["snug free" + tail] = (run_snug, (length, clip, 0))
    rows = {}
    for turn in range(args.rounds):
        for name, (call, arguments) in names.items():
            row = call(args, *arguments)
            rows.setdefault(name, []).append(row)
            print(json.dumps({"length": length, "round": turn, "name": name, **row}), flush=True)
    return rows


def summarise(rows):
    """{name: peak over the rounds, median step}; without what failed."""
    table = {}
    for name, all_rounds in rows.items():
        good = [row for row in all_rounds if "failed" not in row]
        if len(good) == len(all_rounds):
            table[name] = {"peak_mib": max(row["peak_mib"] for row in good),
                           "step_s": statistics.median(row["step_s"] for row in good),
                           "isa": good[0]["isa"]}
    return table


def bars(length, table, roof, flops):
    """[(what has to hold, figure, bound)]; a figure of None: it could not be measured."""
    def of(name, key):
        return table[name][key] if name in table else None

    def ratio(a, b):
        return a / b if a is not None and b is not None else None

    torch = {name: row for name, row in table.items() if name.startswith("torch ")}
    fastest = min((row["step_s"] for row in torch.values()), default=None)
    small = [row for name, row in torch.items() if name in ("torch accum", "torch inbwd")]
    found = [("free: step over the fastest PyTorch mode", ratio(of("snug free", "step_s"), fastest),
              FREE_BAR[length])]
    for word, name in (("clip", "snug budget"), ("no clip", "snug budget, no clip")):
        peak = of(name, "peak_mib")
        near = min(small, key=lambda row: abs(row["peak_mib"] - (peak or 0)), default=None)
        found.append(("%s: peak MiB" % name[5:], peak, BUDGETS[length][word]))
        found.append(("%s: step over PyTorch's nearest in memory" % name[5:],
                      ratio(of(name, "step_s"), near and near["step_s"]), BUDGET_BAR))
    if roof and length == 128:
        reached = ratio(flops, of("snug free", "step_s"))
        # As a bound from above, like the others.
        found.append(("free: roof over the rate reached (%.0f GF/s)" % roof, ratio(roof, reached),
                      1 / ROOF_BAR))
    return found


def show(length, args, table, found):
    print("\nBERT, %d tokens, batch %d, fp32 AdamW, %s, %d threads, %d rounds" % (
        length, args.batch, cpu_name(), args.threads, args.rounds))
    base = table.get("torch default")
    print("%-24s%10s%10s%12s%12s" % ("", "peak MiB", "s/step", "peak ratio", "time ratio"))
    for name, row in table.items():
        ratios = [row[key] / base[key] if base else float("nan") for key in ("peak_mib", "step_s")]
        print("%-24s%10.0f%10.3f%12.3f%12.3f" % (name, row["peak_mib"], row["step_s"], *ratios))
    for what, figure, bound in found:
        holds = figure is not None and figure <= bound
        print("%-6s %s: %s, at most %.4g" % (
            "holds" if holds else "FAILS", what, "not measured" if figure is None else
            "%.4g" % figure, bound))


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--snug", default=os.path.join(HERE, "..", "build", "snug"))
    parser.add_argument("--torch", required=True)
    parser.add_argument("--peers", required=True)
    parser.add_argument("--gemm")
    parser.add_argument("--lengths", default="128,512")
    parser.add_argument("--modes", default="default,tuned,ckpt,accum,inbwd")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--shape", choices=SHAPES, default="base", help="of snug's model")
    parser.add_argument("--scratch", help="where the temporary folder is made: 5 GB")
    args = parser.parse_args()
    args.modes = [mode for mode in args.modes.split(",") if mode]
    shape, all_hold = SHAPES[args.shape], True
    with tempfile.TemporaryDirectory(dir=args.scratch) as args.folder:
        words = write_model(os.path.join(args.folder, "model"), shape)
        roof = roof_rate(args) if args.gemm else None
        for length in map(int, args.lengths.split(",")):
            write_texts(os.path.join(args.folder, "%d.csv" % length), words, length)
            table = summarise(measure(args, length))
            found = []
            if args.shape == "base":
                found = bars(length, table, roof, gigaflops(length, args.batch, shape))
            show(length, args, table, found)
            all_hold = all_hold and all(f is not None and f <= b for _, f, b in found)
    return 0 if all_hold else 1


if __name__ == "__main__":
    sys.exit(main())

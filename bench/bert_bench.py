#!/usr/bin/env python3
"""BERT-base classification: snug inside kernel-enforced limits and PyTorch, in one run.

  bench/bert_bench.py --snug build/snug --torch /path/to/python --peers torch_peers.py
                      [--lengths 128,512] [--rounds 3] [--steps 3] [--gemm build/bench/gemm_bench]

Vocabulary 21,128, 12 layers of 768, 10 labels, batch 16, fp32 AdamW, dropout 0.1, random weights,
every text as long as the batch is wide. Each round runs, at each length, PyTorch in five modes and
snug under four conditions, one after the other, nothing else running:

  default, tuned, ckpt, accum, inbwd   see the peers' script; accum clips, inbwd does not
  budget                               clipping, 1,640 MiB at 128 tokens and 1,720 MiB at 512
  budget unclipped                     training.clip_norm=0, 1,320 and 1,430 MiB
  free, free unclipped                 without a limit

A budget is the limit of tools/limit.sh, too. Peaks are VmHWM of the whole process, seconds the
fastest step after the first. Every measurement is printed as one line of JSON; a table of ratios
and what has to hold follow; how rows are compared says bench/beside.py. `--torch` names a Python
with torch 2.13 and transformers. `--sides` runs a part: `--sides default,free` compares the fastest
modes alone. Exit status 1 when something does not hold.

For a look at whether it runs at all: --batch 1 --steps 2 --rounds 1 --lengths 128 --shape tiny,
which shows no bars: PyTorch's model stays BERT-base.
"""
import argparse
import functools
import json
import os
import random
import sys
import tempfile

import beside

LABELS = 10
ROWS = 64  # Whole batches of 16 in every pass.
BUDGETS = {128: {"clip": 1640, "no clip": 1320}, 512: {"clip": 1720, "no clip": 1430}}
MICRO = {128: 2, 512: 1}  # Samples at once of accum: where its peak is least.
FREE_BAR = {128: 0.85, 512: 0.7}
BUDGET_BAR, ROOF_BAR = 0.75, 0.75
MODES = ("default", "tuned", "ckpt", "accum", "inbwd")
SHAPES = {
    "base": {"num_hidden_layers": 12, "hidden_size": 768, "num_attention_heads": 12,
             "intermediate_size": 3072, "vocab_size": 21128},
    "tiny": {"num_hidden_layers": 2, "hidden_size": 64, "num_attention_heads": 4,
             "intermediate_size": 128, "vocab_size": 500},
}


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


def snug_settings(args, length, clip):
    return ["text", "data.path=%s/%d.csv" % (args.folder, length), "model.path=%s/model" % args.folder,
            "model.pretrained=false", "data.cache_dir=%s/tokens" % args.folder, "data.max_length=%d" % length,
            "data.length_buckets=1", "data.split_ratio=[1,0,0]", "optimizer.lr=1e-4",
            "training.batch_size=%d" % args.batch, "training.clip_norm=%d" % clip]


def gigaflops(length, batch, shape):
    """Of a step: three times the forward pass; the products of the layers, attention included."""
    h, i = shape["hidden_size"], shape["intermediate_size"]
    token = 2 * (4 * h * h + 2 * h * i) + 4 * length * h
    return 3 * token * length * batch * shape["num_hidden_layers"] / 1e9


def sides_of(args, length):
    """{name: call that runs it}, in the order of a round."""
    sides = {}
    for mode in MODES:
        more = ["--batch", str(args.batch)] + (["--micro", str(MICRO[length])] if mode == "accum" else [])
        sides["torch " + mode] = functools.partial(beside.torch_row, args, "bert%d" % length, mode, *more)
    for clip, word, tail in ((1, "clip", ""), (0, "no clip", " unclipped")):
        settings = snug_settings(args, length, clip)
        for name, budget in (("snug budget", BUDGETS[length][word]), ("snug free", 0)):
            sides[name + tail] = functools.partial(beside.snug_row, args, settings, budget)
    chosen = args.sides.split(",") if args.sides else [name.split(" ", 1)[1] for name in sides]
    return {name: call for name, call in sides.items() if name.split(" ", 1)[1] in chosen}


def bars(args, length, rows):
    """[(what has to hold, figure, bound, side)] of the sides that ran; a figure of None: it failed."""
    torch = [name for name in rows if name.startswith("torch ")]
    found = []
    if "snug free" in rows:
        found.append(("free: step over the fastest PyTorch mode", beside.ratio(rows, "snug free", torch),
                      FREE_BAR[length], "most"))
    for word, name in (("clip", "snug budget"), ("no clip", "snug budget unclipped")):
        if name not in rows:
            continue
        peak = beside.peak(rows, name)
        small = [other for other in ("torch accum", "torch inbwd") if beside.whole(rows, other)]
        near = min(small, key=lambda other: abs(beside.peak(rows, other) - (peak or 0)), default=None)
        found.append(("%s: peak MiB" % name[5:], peak, BUDGETS[length][word], "most"))
        found.append(("%s: step over PyTorch's nearest in memory" % name[5:],
                      beside.ratio(rows, name, [near]), BUDGET_BAR, "most"))
    if args.gemm and length == 128 and "snug free" in rows:
        flops = gigaflops(length, args.batch, SHAPES[args.shape])
        found.append(("free: share of the roof", beside.roof_share(rows, "snug free", flops), ROOF_BAR, "least"))
    return found


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    beside.arguments(parser)
    parser.add_argument("--lengths", default="128,512")
    parser.add_argument("--sides", help="with commas, as above; without it all")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--shape", choices=SHAPES, default="base", help="of snug's model")
    args = parser.parse_args()
    all_hold = True
    with tempfile.TemporaryDirectory(dir=args.scratch) as args.folder:
        words = write_model(os.path.join(args.folder, "model"), SHAPES[args.shape])
        for length in map(int, args.lengths.split(",")):
            write_texts(os.path.join(args.folder, "%d.csv" % length), words, length)
            rows = beside.run_rounds(args, sides_of(args, length), {"length": length})
            title = "BERT, %d tokens, batch %d, fp32 AdamW, %s, %d threads, %d rounds" % (
                length, args.batch, beside.cpu_name(), args.threads, args.rounds)
            found = bars(args, length, rows) if args.shape == "base" else []
            all_hold = beside.show(title, rows, "torch default", found) and all_hold
    return 0 if all_hold else 1


if __name__ == "__main__":
    sys.exit(main())

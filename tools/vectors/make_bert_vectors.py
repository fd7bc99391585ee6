#!/usr/bin/env python3
"""Golden vectors of the BERT family, made with transformers and PyTorch in double precision.

    make_bert_vectors.py OUTPUT_FOLDER

Writes two folders, OUTPUT_FOLDER/bert (a pooler, pairs of texts, two token types) and
OUTPUT_FOLDER/roberta (positions from 2, classifier.dense and classifier.out_proj, one token type):

    config.json, model.safetensors, vocab.txt   a model to start from, as transformers writes it,
                                                its random weights in bf16
    train.csv                                   eight labelled rows whose words are one token each
    vectors.safetensors                         the rows' tokens; logits, loss and the gradient of
                                                every parameter; the losses of 20 steps of AdamW
    narrow.safetensors                          logits and losses again, with every activation of
                                                the encoder rounded to bf16 where it is made

Every step sees all rows, so that no order matters. The rows have different lengths, one has no
padding. Weights are what bf16 holds, all after that is double: what differs in the test is the
rounding of the code under test. Needs torch, transformers, numpy and safetensors; their versions
are in the metadata of the vectors.
"""
import csv
import json
import os
import sys

import numpy
import safetensors.numpy
import torch
import transformers
from torch import nn

LABELS = ["plain", "bad", "good"]  # Not in the order of the alphabet: the model's order counts.
WORDS = 55
LENGTH = 16
STEPS, WARMUP, RATE, DECAY, CLIP, EPSILON = 20, 4, 2e-3, 0.01, 1.0, 1e-8
SHAPE = dict(vocab_size=WORDS + 5, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
             intermediate_size=48, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
             id2label=dict(enumerate(LABELS)), label2id={n: i for i, n in enumerate(LABELS)})
# Words of the first and of the second text of a row.
PAIRS = [(6, 7), (1, 1), (2, 5), (5, 1), (3, 3), (4, 6), (1, 8), (7, 2)]
SINGLES = [14, 1, 7, 2, 10, 4, 13, 5]


def make_model(kind):
    if kind == "bert":
        config = transformers.BertConfig(max_position_embeddings=24, pad_token_id=0, **SHAPE)
        model = transformers.BertForSequenceClassification(config)
    else:
        config = transformers.RobertaConfig(max_position_embeddings=26, pad_token_id=1,
                                            type_vocab_size=1, layer_norm_eps=1e-5, **SHAPE)
        model = transformers.RobertaForSequenceClassification(config)
    with torch.no_grad():
        for name, p in model.named_parameters():
            # Norms that are not 1 and 0 and biases that are not 0, or they would show nothing.
            one = 1.0 if name.endswith("LayerNorm.weight") else 0.0
            p.copy_(one + 0.15 * torch.randn_like(p))
    return model.to(torch.bfloat16)


def vocabulary(kind):
    special = ["[PAD]", "[UNK]"] if kind == "bert" else ["[UNK]", "[PAD]"]
    return special + ["[CLS]", "[SEP]", "[MASK]"] + ["word%d" % i for i in range(WORDS)]


def make_rows(kind):
    """[(label, text, second text or None)]"""
    generator = numpy.random.default_rng(7)

    def words(count):
        return " ".join("word%d" % i for i in generator.integers(0, WORDS, count))

    texts = [(words(a), words(b)) for a, b in PAIRS] if kind == "bert" else [
        (words(n), None) for n in SINGLES]
    return [(LABELS[(i * 5 + i // 3) % 3], *pair) for i, pair in enumerate(texts)]


def encode(kind, rows):
    """Tokens and token types of the rows, and how many tokens are no padding."""
    vocab = vocabulary(kind)
    pad, cls, sep = (vocab.index(name) for name in ("[PAD]", "[CLS]", "[SEP]"))
    ids = numpy.full((len(rows), LENGTH), pad, dtype=numpy.int32)
    types = numpy.zeros((len(rows), LENGTH), dtype=numpy.int32)
    lengths = numpy.zeros((len(rows), 1), dtype=numpy.int32)
    for i, (_, text, pair) in enumerate(rows):
        row = [cls, *map(vocab.index, text.split()), sep]
        if pair is not None:
            types[i, len(row):len(row) + len(pair.split()) + 1] = 1
            row += [*map(vocab.index, pair.split()), sep]
        ids[i, :len(row)] = row
        lengths[i] = len(row)
    assert lengths.max() == LENGTH
    return ids, types, lengths


def write_folder(folder, kind, model, rows):
    model.save_pretrained(folder)
    with open(os.path.join(folder, "vocab.txt"), "w") as file:
        file.write("\n".join(vocabulary(kind)) + "\n")
    with open(os.path.join(folder, "train.csv"), "w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        paired = rows[0][2] is not None
        out.writerow(["label", "text", "text_pair"] if paired else ["label", "text"])
        out.writerows(row if paired else row[:2] for row in rows)


class Narrow(torch.autograd.Function):
    """Rounds to bf16 on the way forward; the gradient goes through as it is."""

    @staticmethod
    def forward(_context, x):
        return x.to(torch.bfloat16).to(x.dtype)

    @staticmethod
    def backward(_context, dy):
        return dy


def store_narrow(model):
    """Every tensor of the encoder that has a row a token is rounded as it is made: outputs of
    linear layers, attention, activations and norms, and the sums that norms read."""
    encoder = model.base_model
    for name, module in encoder.named_modules():
        if name.startswith("pooler"):
            continue
        if isinstance(module, (nn.Linear, nn.LayerNorm)) or name.endswith("intermediate_act_fn"):
            module.register_forward_hook(lambda _m, _i, y: Narrow.apply(y))
        if isinstance(module, nn.LayerNorm):
            module.register_forward_pre_hook(lambda _m, x: (Narrow.apply(x[0]),))
        if name.endswith("attention.self"):
            module.register_forward_hook(lambda _m, _i, y: (Narrow.apply(y[0]), *y[1:]))


def rate(step):
    """Of step 1, 2, ...: a straight rise, then a straight fall that would end after the last."""
    k = step - 1
    return RATE * ((k + 1) / WARMUP if k < WARMUP else 1 - (k - WARMUP) / (STEPS - WARMUP))


def train(folder, ids, types, lengths, labels, narrow, out):
    """Fills `out` with what is compared; answers losses and gradient norms."""
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        folder, dtype=torch.float64, attn_implementation="eager")
    model.train()
    if narrow:
        store_narrow(model)
    batch = {"input_ids": torch.from_numpy(ids).long(),
             "token_type_ids": torch.from_numpy(types).long(),
             "attention_mask": (torch.arange(LENGTH) < torch.from_numpy(lengths)).long(),
             "labels": torch.from_numpy(labels).long().ravel()}
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=DECAY, eps=EPSILON)
    losses, norms = [], []
    for step in range(1, STEPS + 1):
        for group in optimizer.param_groups:
            group["lr"] = rate(step)
        optimizer.zero_grad()
        result = model(**batch)
        result.loss.backward()
        losses.append(result.loss.item())
        if step == 1:
            out["logits"] = result.logits.detach().float().numpy()
            for name, p in model.named_parameters() if not narrow else ():
                out["grad." + name] = p.grad.float().contiguous().numpy()
        norms.append(float(nn.utils.clip_grad_norm_(model.parameters(), CLIP)))
        optimizer.step()
    out["losses"] = numpy.array(losses, dtype=numpy.float64)
    return losses, norms


def make(kind, seed, folder):
    torch.manual_seed(seed)
    rows = make_rows(kind)
    ids, types, lengths = encode(kind, rows)
    labels = numpy.array([[LABELS.index(row[0])] for row in rows], dtype=numpy.int32)
    write_folder(folder, kind, make_model(kind), rows)
    vectors = {"ids": ids, "types": types, "length": lengths, "label": labels}
    rounded = {}
    losses, norms = train(folder, ids, types, lengths, labels, False, vectors)
    train(folder, ids, types, lengths, labels, True, rounded)
    for name, out in (("vectors", vectors), ("narrow", rounded)):
        safetensors.numpy.save_file(out, os.path.join(folder, name + ".safetensors"), metadata={
            "generator": "tools/vectors/make_bert_vectors.py", "torch": torch.__version__,
            "transformers": transformers.__version__, "numpy": numpy.__version__,
            "seed": str(seed)})
    for name in os.listdir(folder):
        os.chmod(os.path.join(folder, name), 0o644)
    print(json.dumps({"folder": folder, "losses": losses, "norms": norms, "bytes": sum(
        os.path.getsize(os.path.join(folder, name)) for name in os.listdir(folder))}))


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    for kind, seed in (("bert", 1), ("roberta", 2)):
        make(kind, seed, os.path.join(sys.argv[1], kind))


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Golden vectors of the ops of text models, made with PyTorch in double precision.

    make_text_op_vectors.py OUTPUT_FOLDER

Writes text_ops.safetensors: `embed.*` a sum of three embeddings with a padding index, its output and the
gradients of the tables; `gelu.*` and `tanh.*` activations with their gradients; `entropy.*` cross-entropy of
[5 samples, 7 rows, 9 classes] with ignored rows and label smoothing 0.1, the loss and its gradient. Inputs are
f32 values. Needs torch and safetensors; the version is in the file's metadata.
"""
import os
import sys

import safetensors.torch
import torch
import torch.nn.functional as F

torch.manual_seed(11)
out = {}


def values(*shape, scale=1.0):
    """Random f32 values kept in double, with a gradient."""
    return (torch.randn(*shape) * scale).float().double().requires_grad_()


def embed():
    words, positions, types = values(13, 20), values(9, 20), values(2, 20)
    ids, kinds = torch.randint(0, 13, (4, 7)), torch.randint(0, 2, (4, 7))
    ids[1, 3:] = 5
    y = F.embedding(ids, words, padding_idx=5) + F.embedding(torch.arange(7) + 2, positions) + F.embedding(kinds, types)
    dy = values(4, 7, 20)
    (y * dy).sum().backward()
    for name, tensor in (("words", words), ("positions", positions), ("types", types)):
        out[f"embed.{name}"] = tensor
        out[f"embed.{name}.gradient"] = tensor.grad
    out.update({"embed.ids": ids, "embed.kinds": kinds, "embed.y": y, "embed.dy": dy})


def activation(name, function):
    x, dy = values(301, scale=3.0), values(301)
    y = function(x)
    (y * dy).sum().backward()
    out.update({f"{name}.x": x, f"{name}.dy": dy, f"{name}.y": y, f"{name}.dx": x.grad})


def entropy():
    logits = values(5, 7, 9, scale=4.0)
    labels = torch.randint(-1, 9, (5, 7))
    loss = F.cross_entropy(logits.reshape(-1, 9), labels.reshape(-1), ignore_index=-1, label_smoothing=float(torch.tensor(0.1)))
    loss.backward()
    out.update({"entropy.logits": logits, "entropy.labels": labels, "entropy.loss": loss.reshape(1), "entropy.gradient": logits.grad})


embed()
activation("gelu", F.gelu)
activation("gelu_new", lambda x: F.gelu(x, approximate="tanh"))
activation("tanh", torch.tanh)
entropy()
path = os.path.join(sys.argv[1], "text_ops.safetensors")
tensors = {k: (v.to(torch.int32) if v.dtype == torch.int64 else v.detach().float()).contiguous() for k, v in out.items()}
safetensors.torch.save_file(tensors, path, metadata={"torch": torch.__version__})
print(path, os.path.getsize(path), "bytes, torch", torch.__version__)

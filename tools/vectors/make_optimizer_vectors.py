#!/usr/bin/env python3
"""Golden vectors of the optimizers with small states.

    make_optimizer_vectors.py OUTPUT_FOLDER

Writes optimizers.safetensors. `factored.*` and `plain.*`: five steps of transformers.Adafactor without
parameter scaling and relative steps, in double, on a matrix [23, 37] and a vector [61]; gradients of the
steps, the weights before and after, the moments after. `map.*`: the 256 values of the signed and the unsigned
dynamic map of bitsandbytes.
`adamw8.*`: four steps of bitsandbytes' blockwise 8-bit AdamW on 4,097 weights, without weight decay: weights,
codes and scales after them. Codes are those of the nearest value, as on a GPU: the CPU code of bitsandbytes
0.50 looks them up in a table that is coarse for small numbers, and is replaced here.

Needs torch, transformers, bitsandbytes and safetensors; their versions are in the file's metadata.
"""
import os
import sys

import bitsandbytes
import bitsandbytes.backends.cpu.ops
import safetensors.torch
import torch
import transformers

STEPS = 5
torch.manual_seed(7)
out = {}


def adafactor(name, *shape):
    """Gradients of very different size by row, so that the factors matter."""
    w = torch.nn.Parameter(torch.randn(*shape).double())
    size = torch.logspace(-3, 1, shape[0]).reshape(-1, *[1] * (len(shape) - 1))
    gradients = (torch.randn(STEPS, *shape) * size).double()
    optimizer = transformers.Adafactor(
        [w], lr=float(torch.tensor(1e-2)), scale_parameter=False, relative_step=False, weight_decay=float(torch.tensor(0.1)))
    out[f"{name}.start"] = w.detach().clone()
    out[f"{name}.gradients"] = gradients
    for gradient in gradients:
        w.grad = gradient.clone()
        optimizer.step()
    state = optimizer.state[w]
    out[f"{name}.end"] = w.detach().clone()
    for key in ("exp_avg_sq", "exp_avg_sq_row", "exp_avg_sq_col"):
        if key in state:
            out[f"{name}.{key}"] = state[key]


def nearest_codes(numbers, values, blocksize=256):
    """Codes and scales of blocks, by the middles between the values."""
    blocks = torch.nn.functional.pad(numbers.flatten(), (0, -numbers.numel() % blocksize)).reshape(-1, blocksize)
    scales = blocks.abs().max(1)[0]
    relative = blocks / scales.clamp(min=1e-38)[:, None]
    codes = torch.bucketize(relative, (values[:-1] + values[1:]) / 2).to(torch.uint8)
    return codes.flatten()[:numbers.numel()].reshape(numbers.shape), scales


def quantize_direct(numbers, values, scales, codes, blocksize):
    new_codes, new_scales = nearest_codes(numbers, values, blocksize)
    codes.copy_(new_codes)
    scales.copy_(new_scales)


bitsandbytes.backends.cpu.ops._quant_blockwise_fp32_direct = quantize_direct


def dynamic_map(name, is_signed):
    values = bitsandbytes.functional.create_dynamic_map(is_signed)
    out[f"map.{name}"] = values


def adamw8():
    w = torch.nn.Parameter(torch.randn(4097))
    gradients = torch.randn(4, 4097) * torch.logspace(-3, 0, 4097)
    optimizer = bitsandbytes.optim.AdamW8bit([w], lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0)
    out["adamw8.start"] = w.detach().clone()
    out["adamw8.gradients"] = gradients
    for gradient in gradients:
        w.grad = gradient.clone()
        optimizer.step()
    state = optimizer.state[w]
    out["adamw8.end"] = w.detach().clone()
    for key, name in (("state1", "m"), ("absmax1", "m.scale"), ("state2", "v"), ("absmax2", "v.scale")):
        out[f"adamw8.{name}"] = state[key].flatten()


adafactor("factored", 23, 37)
adafactor("plain", 61)
dynamic_map("signed", True)
dynamic_map("unsigned", False)
adamw8()
versions = {module.__name__: module.__version__ for module in (torch, transformers, bitsandbytes)}
path = os.path.join(sys.argv[1], "optimizers.safetensors")
safetensors.torch.save_file({k: (v if v.dtype == torch.uint8 else v.float()).contiguous() for k, v in out.items()}, path, metadata=versions)
print(path, os.path.getsize(path), "bytes", versions)

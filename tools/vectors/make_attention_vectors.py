#!/usr/bin/env python3
"""Makes tests/fixtures/vectors/attention_*.bin with PyTorch: outputs and gradients of attention.

  make_attention_vectors.py OUTPUT_FOLDER

mask: self attention under a key mask, the scale 1/sqrt(D), torch.nn.functional.scaled_dot_product_attention.
bias: T5's attention: no scale, a relative position bias by buckets, cross lengths, a causal mask is not used;
the bias is given as its Toeplitz row [heads, L + Lk - 1], and so is its gradient.

Little endian: the magic "SNUGATTN", seven int64 (N, L, Lk, heads, D, whether queries are another sequence,
whether there is a bias), the scale as f32 and four bytes of zero, int32 lengths [N] padded to a multiple of 8
bytes, then f32 arrays: q [N,L,H], k, v [N,Lk,H], bias [heads,L+Lk-1], dy [N,L,H], y [N,L,H], lse [N,heads,L],
dq, dk, dv, dbias. Rows of queries that are padding are 0 in dy, y and lse. Computed in float64, rounded to f32
at the end; inputs are f32 values. Made with torch 2.13.0.
"""
import math
import struct
import sys

import torch
import torch.nn.functional as F


def as_f32_values(tensor):
    """The same numbers, rounded to f32 and kept in float64."""
    return tensor.float().double()


def t5_bucket(relative, buckets=8, most=20):
    """T5's buckets in both directions (Raffel et al. 2020): exact when near, logarithmic when far."""
    half = buckets // 2
    result = half if relative > 0 else 0
    distance = abs(relative)
    if distance < half // 2:
        return result + distance
    far = half // 2 + int(math.log(distance / (half // 2)) / math.log(most / (half // 2)) * (half - half // 2))
    return result + min(far, half - 1)


def heads_of(x, heads):
    n, rows, width = x.shape
    return x.reshape(n, rows, heads, width // heads).transpose(1, 2)


def make(name, folder, lengths, L, Lk, heads, D, cross, with_bias, seed):
    torch.manual_seed(seed)
    N, H = len(lengths), heads * D
    scale = 1.0 if with_bias else 1.0 / math.sqrt(D)
    scale = struct.unpack("f", struct.pack("f", scale))[0]
    q = as_f32_values(torch.randn(N, L, H)).requires_grad_()
    k = as_f32_values(torch.randn(N, Lk, H)).requires_grad_()
    v = as_f32_values(torch.randn(N, Lk, H)).requires_grad_()
    dy = as_f32_values(torch.randn(N, L, H))
    table = as_f32_values(torch.randn(8, heads))
    toeplitz = torch.stack([table[t5_bucket(t - (L - 1))] for t in range(L + Lk - 1)], 1).contiguous()
    toeplitz = (toeplitz if with_bias else torch.zeros_like(toeplitz)).requires_grad_()
    mask = torch.zeros(N, 1, 1, Lk).double()
    for n, valid in enumerate(lengths):
        mask[n, :, :, valid:] = -math.inf
        if not cross:
            dy[n, valid:] = 0
    index = torch.arange(Lk)[None, :] - torch.arange(L)[:, None] + L - 1
    bias = mask + toeplitz[:, index][None]
    qh, kh, vh = heads_of(q, heads), heads_of(k, heads), heads_of(v, heads)
    out = F.scaled_dot_product_attention(qh, kh, vh, attn_mask=bias, scale=scale)
    y = out.transpose(1, 2).reshape(N, L, H)
    y.backward(dy)
    with torch.no_grad():
        lse = torch.logsumexp(scale * qh @ kh.transpose(2, 3) + bias, 3)
        for n, valid in enumerate(lengths):
            if not cross:
                y[n, valid:] = 0
                lse[n, :, valid:] = 0
    dbias = toeplitz.grad if with_bias else torch.zeros_like(toeplitz)
    arrays = [q, k, v, toeplitz, dy, y, lse, q.grad, k.grad, v.grad, dbias]
    with open(f"{folder}/attention_{name}.bin", "wb") as file:
        file.write(b"SNUGATTN" + struct.pack("<7q", N, L, Lk, heads, D, cross, with_bias))
        file.write(struct.pack("<ff", scale, 0.0))
        file.write(struct.pack(f"<{N}i", *lengths) + bytes(-4 * N % 8))
        for array in arrays:
            file.write(array.detach().float().contiguous().numpy().tobytes())


if __name__ == "__main__":
    make("mask", sys.argv[1], [19, 7, 12], 19, 19, 2, 5, 0, 0, 1)
    make("bias", sys.argv[1], [23, 9], 14, 23, 3, 4, 1, 1, 2)

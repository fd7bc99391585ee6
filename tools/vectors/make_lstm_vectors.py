#!/usr/bin/env python3
"""Makes tests/fixtures/vectors/lstm_*.bin with PyTorch: the decoder's outputs and gradients.

  make_lstm_vectors.py OUTPUT_FOLDER

One file per mode. Little endian: the magic "SNUGLSTM", nine int64 (mode, N, S, F, K, H, layers, switch step,
whether s0 is there), slope and scale as f32, then f32 arrays:
parameters (per layer w_ih, w_hh, b_ih, b_hh; head w, b), x [N,S,F], s0 [N,K], dy [N,S,K], y [N,S,K],
dx [N,S,F], ds0 [N,K], and the gradients in the order of the parameters. Computed in float64 by
torch.nn.LSTMCell and rounded to f32 at the end; inputs are f32 values. Made with torch 2.13.0.
"""
import struct
import sys

import numpy as np
import torch
from torch import nn
import torch.nn.functional as F

PLAIN, POSITION, VELOCITY, POSITION_THEN_VELOCITY = range(4)
N, S, FEATURES, K, H, LAYERS, SWITCH = 2, 19, 5, 3, 9, 2, 7
SLOPE, SCALE = float(np.float32(0.01)), float(np.float32(0.3))


def as_f32_values(tensor):
    """The same numbers, rounded to f32 and kept in float64."""
    return tensor.float().double()


def run(mode, with_s0):
    torch.manual_seed(100 + mode)
    feedback = mode != PLAIN
    outputs = 2 * K if mode == POSITION_THEN_VELOCITY else K
    cells = nn.ModuleList([nn.LSTMCell(FEATURES + (K if feedback else 0) if i == 0 else H, H) for i in range(LAYERS)]).double()
    head = nn.Linear(H, outputs).double()
    parameters = [p for cell in cells for p in (cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh)]
    parameters += [head.weight, head.bias]
    with torch.no_grad():
        for p in parameters:
            p.copy_(as_f32_values(p * 1.5))
    x = as_f32_values(torch.randn(N, S, FEATURES)).requires_grad_()
    s0 = as_f32_values(torch.randn(N, K) if with_s0 else torch.zeros(N, K)).requires_grad_()
    dy = as_f32_values(torch.randn(N, S, K))
    h = [torch.zeros(N, H).double() for _ in range(LAYERS)]
    c = [torch.zeros(N, H).double() for _ in range(LAYERS)]
    state, ys = s0, []
    for t in range(S):
        inp = torch.cat([x[:, t], state], 1) if feedback else x[:, t]
        for i, cell in enumerate(cells):
            h[i], c[i] = cell(inp, (h[i], c[i]))
            inp = h[i]
        o = SCALE * head(F.leaky_relu(inp, SLOPE))
        if mode in (PLAIN, POSITION):
            state = o
        elif mode == VELOCITY:
            state = state + o
        else:
            state = o[:, :K] if t < SWITCH else state + o[:, K:]
        ys.append(state)
    y = torch.stack(ys, 1)
    (y * dy).sum().backward()
    ds0 = s0.grad if s0.grad is not None else torch.zeros_like(s0)
    arrays = parameters + [x, s0, dy, y, x.grad, ds0] + [p.grad for p in parameters]
    header = struct.pack("<8s9q2f", b"SNUGLSTM", mode, N, S, FEATURES, K, H, LAYERS, SWITCH, int(with_s0),
                         SLOPE, SCALE)
    return header + b"".join(a.detach().float().numpy().astype("<f4").tobytes() for a in arrays)


for mode, name in enumerate(("plain", "position", "velocity", "position_then_velocity")):
    data = run(mode, mode >= VELOCITY)
    with open(f"{sys.argv[1]}/lstm_{name}.bin", "wb") as file:
        file.write(data)
    print(name, len(data), "bytes, torch", torch.__version__)

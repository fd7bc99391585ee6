#!/usr/bin/env python3
"""Golden vectors of the TDS + LSTM family, made with PyTorch in double precision.

    make_tds_lstm_vectors.py OUTPUT_FOLDER

Writes tds_lstm_<mode>.safetensors for each decoder mode: two batches of inputs, targets and masks,
initial weights, prediction, loss and gradients of the first batch, and the weights after five steps
of AdamW with clipping and a cosine schedule. Weights and inputs are rounded to f32 first, all after
that is double, so that what differs in the test is the rounding of the code under test.

The modules below are the documented layout of the parameters' names:

    encoder.<i>.conv.{weight [out, in, k], bias}, .norm.{weight, bias}      a strided convolution
    encoder.<i>.conv.{weight [ch, ch, 1, k], bias}, .norm1, .linear1,       a TDS block
               .linear2, .norm2
    projection.{weight [out, in], bias}
    decoder.cells.<l>.{weight_ih [4H, in], weight_hh [4H, H], bias_ih, bias_hh}
    decoder.head.{weight [outputs, H], bias}

Needs torch, numpy and safetensors; the versions used are in the files' metadata.
"""
import math
import os
import sys

import numpy
import safetensors.numpy
import torch
import torch.nn.functional as F
from torch import nn


class Norm(nn.LayerNorm):
    """Over the channels of [N, C, T]."""

    def forward(self, x):
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


class ConvLayer(nn.Module):
    def __init__(self, inputs, outputs, kernel, stride):
        super().__init__()
        self.conv = nn.Conv1d(inputs, outputs, kernel, stride)
        self.norm = Norm(outputs)

    def forward(self, x):
        return self.norm(F.relu(self.conv(x)))


class TdsLayer(nn.Module):
    def __init__(self, channels, width, kernel):
        super().__init__()
        features = channels * width
        self.channels, self.width = channels, width
        self.conv = nn.Conv2d(channels, channels, (1, kernel))
        self.norm1 = Norm(features)
        self.linear1 = nn.Linear(features, features)
        self.linear2 = nn.Linear(features, features)
        self.norm2 = Norm(features)

    def forward(self, x):
        n, features, rows = x.shape
        y = F.relu(self.conv(x.reshape(n, self.channels, self.width, rows)))
        y = y.reshape(n, features, -1)
        y = self.norm1(y + x[..., -y.shape[-1]:])
        z = self.linear2(F.relu(self.linear1(y.transpose(1, 2)))).transpose(1, 2)
        return self.norm2(y + z)


class Decoder(nn.Module):
    def __init__(self, inputs, hidden, layers, outputs):
        super().__init__()
        self.cells = nn.ModuleList(
            nn.LSTMCell(inputs if i == 0 else hidden, hidden) for i in range(layers))
        self.head = nn.Linear(hidden, outputs)


class TdsLstm(nn.Module):
    def __init__(self, options):
        super().__init__()
        self.options = options
        layers, features = [], options["inputs"]
        for stage in options["stages"]:
            layers.append(ConvLayer(features, stage["features"], stage["conv_kernel"],
                                    stage["conv_stride"]))
            features = stage["features"]
            for _ in range(stage["blocks"]):
                layers.append(TdsLayer(stage["channels"], stage["width"], stage["kernel"]))
        self.encoder = nn.ModuleList(layers)
        self.projection = nn.Linear(features, options["projection"])
        targets, mode = options["targets"], options["mode"]
        self.decoder = Decoder(options["projection"] + (0 if mode == "plain" else targets),
                               options["hidden"], options["layers"],
                               targets * (2 if mode == "position_then_velocity" else 1))

    def forward(self, x, initial):
        o = self.options
        for layer in self.encoder:
            x = layer(x)
        x = self.projection(x.transpose(1, 2)).transpose(1, 2)
        x = F.interpolate(x, o["rollout_steps"], mode="linear", align_corners=True)
        n, targets = x.shape[0], o["targets"]
        h = [x.new_zeros(n, o["hidden"]) for _ in self.decoder.cells]
        c = [x.new_zeros(n, o["hidden"]) for _ in self.decoder.cells]
        state = x.new_zeros(n, targets) if initial is None else initial
        outputs = []
        for t in range(o["rollout_steps"]):
            y = x[..., t] if o["mode"] == "plain" else torch.cat([x[..., t], state], 1)
            for i, cell in enumerate(self.decoder.cells):
                h[i], c[i] = cell(y, (h[i], c[i]))
                y = h[i]
            y = o["scale"] * self.decoder.head(F.leaky_relu(y, 0.01))
            if o["mode"] in ("plain", "position"):
                state = y
            elif o["mode"] == "velocity":
                state = state + y
            else:
                state = y[:, :targets] if t < o["switch_step"] else state + y[:, targets:]
            outputs.append(state)
        return F.interpolate(torch.stack(outputs, -1), o["target_rows"], mode="linear",
                             align_corners=True)


OPTIONS = {
    "inputs": 4, "targets": 3, "window": 70, "projection": 6, "hidden": 16, "layers": 2,
    "stages": [
        {"features": 12, "conv_kernel": 5, "conv_stride": 2, "blocks": 1, "channels": 3,
         "width": 4, "kernel": 5},
        {"features": 8, "conv_kernel": 3, "conv_stride": 2, "blocks": 2, "channels": 4,
         "width": 2, "kernel": 3},
    ],
    "scale": 0.5,
}
# Context: 4 + 2 * 4 + 2 * 2 + 4 * 2 * 2 = 32 rows; 38 target rows at 100 Hz are 9 steps at 25 Hz.
TARGET_ROWS, ROLLOUT_STEPS, SWITCH_STEP = 38, 9, 2
STEPS, WARMUP, TOTAL = 5, 2, 7
RATE, DECAY, CLIP, EPSILON = 2e-3, 0.01, 0.01, 1e-6
BATCH = 3


def learning_rate(step):
    k = step - 1
    if k < WARMUP:
        return RATE * (k + 1) / WARMUP
    return RATE * 0.5 * (1 + math.cos(math.pi * min(1.0, (k - WARMUP) / (TOTAL - WARMUP))))


def loss_of(prediction, target, mask, weights):
    error = (prediction - target)[mask[:, None, :].expand_as(target)]
    return (weights[0] * (error ** 2).sum() + weights[1] * error.abs().sum()) / error.numel()


def make(mode, seed, initial, masked, weights, folder):
    torch.manual_seed(seed)
    options = dict(OPTIONS, mode=mode, target_rows=TARGET_ROWS, rollout_steps=ROLLOUT_STEPS,
                   switch_step=SWITCH_STEP)
    model = TdsLstm(options).float()
    # Norms that are not 1 and 0, so that the gradients through them say something.
    for name, p in model.named_parameters():
        if "norm" in name:
            p.data.add_(0.2 * torch.randn_like(p))
    model = model.double()
    out = {}

    def keep(name, tensor):
        out[name] = tensor.detach().to(torch.float32).contiguous().numpy()

    for name, p in model.named_parameters():
        keep("weights." + name, p)
    batches = []
    for b in range(2):
        x = torch.randn(BATCH, options["inputs"], options["window"]).double()
        y = torch.randn(BATCH, options["targets"], TARGET_ROWS).double()
        s0 = torch.randn(BATCH, options["targets"]).double() if initial else None
        mask = torch.rand(BATCH, TARGET_ROWS) < 0.7 if masked else torch.ones(
            BATCH, TARGET_ROWS, dtype=torch.bool)
        batches.append((x, y, mask, s0))
        keep(f"input.{b}", x.transpose(1, 2))
        keep(f"target.{b}", y.transpose(1, 2))
        keep(f"mask.{b}", mask)
        if initial:
            keep(f"initial.{b}", s0)

    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=DECAY, eps=EPSILON)
    losses, norms = [], []
    for step in range(1, STEPS + 1):
        x, y, mask, s0 = batches[(step - 1) % 2]
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step)
        optimizer.zero_grad()
        prediction = model(x, s0)
        loss = loss_of(prediction, y, mask, weights)
        loss.backward()
        losses.append(loss.item())
        if step == 1:
            keep("prediction", prediction.transpose(1, 2))
            for name, p in model.named_parameters():
                keep("grad." + name, p.grad)
        norms.append(float(nn.utils.clip_grad_norm_(model.parameters(), CLIP)))
        optimizer.step()
    for name, p in model.named_parameters():
        keep("after." + name, p)
    out["losses"] = numpy.array(losses, dtype=numpy.float64)
    path = os.path.join(folder, f"tds_lstm_{mode}.safetensors")
    safetensors.numpy.save_file(out, path, metadata={
        "generator": "tools/vectors/make_tds_lstm_vectors.py", "torch": torch.__version__,
        "numpy": numpy.__version__, "seed": str(seed)})
    os.chmod(path, 0o644)
    print(path, os.path.getsize(path), "bytes, losses", losses, "norms", norms)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    make("plain", 1, False, False, (1.0, 0.5), sys.argv[1])
    make("position", 2, False, True, (1.0, 0.5), sys.argv[1])
    make("velocity", 3, True, False, (0.0, 1.0), sys.argv[1])
    make("position_then_velocity", 4, False, True, (1.0, 0.0), sys.argv[1])


if __name__ == "__main__":
    main()

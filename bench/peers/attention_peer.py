"""Attention beside PyTorch's scaled_dot_product_attention, in one run on one machine.

    python3 bench/peers/attention_peer.py --driver build/bench/attention_bench [--isa avx512] [--threads 2]

Needs torch. For every line of the driver the same shape runs in PyTorch with a key mask (additive, all keys
valid, as a BERT layer passes it), forward and backward, in turns with the driver; each figure is the best of
--repeats. PyTorch's dropout is its own (its fused kernel refuses dropout and falls back). The bias of the driver's
lines with one is given to PyTorch as the full mask it must then be, with its gradient.
"""
import argparse
import json
import subprocess
import time

import torch
import torch.nn.functional as F


def torch_ms(line, repeats):
    n, length, heads, dim = line["samples"], line["length"], line["heads"], line["head_dim"]
    shape = (n, length, heads, dim)
    q, k, v = (torch.randn(shape).transpose(1, 2).requires_grad_() for _ in range(3))
    mask = torch.zeros(n, 1, 1, length)
    bias = torch.randn(1, heads, length, length).requires_grad_() if line["bias"] else None
    dy = torch.randn(shape).transpose(1, 2) * 1e-3
    best = [1e9, 1e9]
    for _ in range(repeats):
        for x in (q, k, v, bias):
            if x is not None:
                x.grad = None
        start = time.perf_counter()
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask if bias is None else mask + bias,
                                           dropout_p=line["dropout"], scale=0.125)
        middle = time.perf_counter()
        y.backward(dy)
        end = time.perf_counter()
        best = [min(best[0], middle - start), min(best[1], end - middle)]
    return best[0] * 1e3, best[1] * 1e3


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--driver", required=True)
    parser.add_argument("--isa", default="avx512")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=8)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    best = {}
    for _ in range(2):
        out = subprocess.run([options.driver, options.isa, str(options.threads), str(options.repeats)],
                             check=True, capture_output=True, text=True).stdout
        for index, text in enumerate(out.splitlines()):
            line = json.loads(text)
            forward, backward = torch_ms(line, options.repeats)
            line.update(torch_forward_ms=forward, torch_backward_ms=backward)
            old = best.setdefault(index, line)
            for key in ("forward_ms", "backward_ms", "torch_forward_ms", "torch_backward_ms"):
                old[key] = min(old[key], line[key])
    for line in best.values():
        ours = line["forward_ms"] + line["backward_ms"]
        theirs = line["torch_forward_ms"] + line["torch_backward_ms"]
        print(json.dumps({key: line[key] for key in ("bench", "threads", "samples", "length", "heads", "head_dim",
                                                     "dropout", "bias", "forward_ms", "backward_ms")}
                         | {"torch_forward_ms": round(line["torch_forward_ms"], 2),
                            "torch_backward_ms": round(line["torch_backward_ms"], 2),
                            "torch_over_snug": round(theirs / ours, 2)}))


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Writes tests/fixtures/token_file: two small files of tokens for the fuzz target, which puts their
hashes right itself. The layout is that of src/data/text/token_file.h."""

import pathlib
import struct

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "tests" / "fixtures" / "token_file"


def make(id_count, samples):
    """Header with zero hashes, ids padded to 8 bytes, index."""
    wide = id_count > 65536
    ids = b"".join(struct.pack(f"<{len(s[0])}{'i' if wide else 'H'}", *s[0]) for s in samples)
    ids += bytes(-len(ids) % 8)
    index = b""
    first = 0
    for tokens, label, first_pair in samples:
        index += struct.pack("<qiiiI", first, len(tokens), label, first_pair, 0)
        first += len(tokens)
    header = struct.pack("<8sIi4q4i64s6Q2Q", b"snugtok", 1, 4 if wide else 2, len(samples),
                         sum(s[1] >= 0 for s in samples), first, id_count, 8,
                         max(len(s[0]) for s in samples), 3, 0, b"k" * 64, *[0] * 8)
    assert len(header) == 192
    return header + ids + index


FOLDER.mkdir(parents=True, exist_ok=True)
for name, id_count in (("narrow.tokens", 100), ("wide.tokens", 70000)):
    rows = [([1, 2, id_count - 1], 0, 3), ([], -1, 0), ([5] * 8, 2, 4), ([7], 1, 0)]
    (FOLDER / name).write_bytes(make(id_count, rows))

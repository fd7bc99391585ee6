"""Compares our HDF5 reader with h5py, value by value, on whole folders of files.

    python compare_hdf5.py HDF5_DIGEST FOLDER...

HDF5_DIGEST is the program built from hdf5_digest.c. For every data set member that both sides read,
the SHA-256 of all values (numbers as little-endian f64 with one NaN, texts ended by a zero) must
agree. Prints what differs, and totals. Versions used last: h5py 3.16.0, HDF5 2.0.0, NumPy 2.4.6.
"""

import hashlib
import pathlib
import subprocess
import sys

import h5py
import numpy as np


def text_bytes(value):
    if isinstance(value, str):
        value = value.encode("utf-8", "surrogateescape")
    return bytes(value).split(b"\0")[0]


def digest(array):
    array = np.asarray(array)
    hasher = hashlib.sha256()
    if array.dtype.kind in "iufb":
        with np.errstate(all="ignore"):
            values = array.astype("<f8")
        values[np.isnan(values)] = np.frombuffer(bytes.fromhex("000000000000f87f"), "<f8")[0]
        hasher.update(np.ascontiguousarray(values).tobytes())
    else:
        for value in array.reshape(-1):
            hasher.update(text_bytes(value if value is not None else b"") + b"\0")
    return hasher.hexdigest()


def member_of(array, name):
    for part in name.split(".") if name else []:
        if array.dtype.kind == "c":  # A compound of r and i is a complex number to h5py.
            array = array.real if part == "r" else array.imag
        else:
            array = array[part]
    return array



def compare(program, path):
    """Yields (verdict, text) for each line of our program's output."""
    lines = subprocess.run([program, path], capture_output=True, timeout=60).stdout
    lines = lines.decode("utf-8", "replace").splitlines()
    try:
        file = h5py.File(path, "r")
    except OSError as problem:
        yield ("h5py refuses", f"{problem}; ours: {lines[:1]}")
        return
    ours = set()
    for line in lines:
        fields = line.split("\t")
        ours.add(fields[1] if len(fields) > 1 else "")
        if fields[0] != "data":
            yield (fields[0], " ".join(fields[1:]))
            continue
        name, member, sha = fields[1], fields[2], fields[5]
        try:
            data = file[name]
            values = data[()]
        except Exception as problem:  # h5py raises whatever NumPy or HDF5 does
            yield ("h5py cannot", f"{name}: {problem}")
            continue
        try:
            values = np.asarray(values) if not hasattr(values, "dtype") else values
            if data.shape is None:
                values = np.zeros(0, data.dtype)
            same = digest(member_of(values, member)) == sha
        except Exception as problem:
            yield ("h5py cannot", f"{name} {member}: {type(problem).__name__} {problem}")
            continue
        yield ("same" if same else "DIFFERENT", f"{name} {member} {fields[3]}")

    # We visit each object once, whatever its names: two names of one object share an address.
    address = lambda name: h5py.h5o.get_info(file[name].id).addr
    known = {address(name) for name in ours if name in file}
    missing = []
    file.visititems(lambda name, item: missing.append(name)
                    if isinstance(item, h5py.Dataset) and "/" + name not in ours else None)
    for name in missing:
        if address("/" + name) not in known:
            yield ("MISSING", "/" + name)


def main():
    program, folders = sys.argv[1], sys.argv[2:]
    totals = {}
    for folder in folders:
        for path in sorted(pathlib.Path(folder).rglob("*")):
            if not path.is_file() or path.suffix in (".md", ".txt", ".csv"):
                continue
            for verdict, text in compare(program, str(path)):
                totals[verdict] = totals.get(verdict, 0) + 1
                if verdict != "same":
                    print(f"{path.name}: {verdict}: {text}")
    print(totals)
    return 1 if "DIFFERENT" in totals or "MISSING" in totals else 0


if __name__ == "__main__":
    sys.exit(main())

"""The time series loader beside PyTorch's DataLoader over h5py, in one run on one machine.

    python3 bench/peers/loader_peer.py --driver build/bench/loader_bench [--folder FOLDER]

Needs torch, h5py and numpy, and for row 4 Debian's python3-h5py. The data is generated (--files sessions of --rows rows, 16 channels, 20
angles, 232 bytes a row), once contiguous and once in gzip + shuffle chunks of 1000 rows. Every figure
is the best of --repeats short runs; for both sides the better of 0 and 2 workers counts. The peer is
well written: it slices rows first and fields afterwards, and keeps its files open. "As written" is
the loader of the replaced project, which slices a field of the whole recording. Row 4 has two peers: the
h5py of Debian 12 (3.7, in --debian-python), which picks single rows slowly and is what the floor was set
against, and the h5py of this Python, for which no floor was set: one snug program is beside both.
"""
import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time

import h5py
import numpy as np

try:
    import torch
    from torch.utils.data import Dataset
except ImportError:  # The child for row 4 may be a Python without it.
    Dataset = object


class Windows(Dataset):
    def __init__(self, folder, window, as_written=False):
        self.paths = [os.path.join(folder, name) for name in sorted(os.listdir(folder))]
        self.window, self.as_written, self.files = window, as_written, {}
        stride = window // 2
        self.windows = []
        for number, path in enumerate(self.paths):
            with h5py.File(path) as file:
                series = file["emg2pose/timeseries"]
                rows = len(series)
                sample = series[: min(rows, 10000)]["emg"]
            self.windows += [(number, first) for first in range(0, rows - window + 1, stride)]
            self.mean, self.std = sample.mean(0), sample.std(0) + 1e-8

    def __len__(self):
        return len(self.windows)

    def __getitem__(self, index):
        number, first = self.windows[index]
        if number not in self.files:
            self.files[number] = h5py.File(self.paths[number])["emg2pose/timeseries"]
        series = self.files[number]
        if self.as_written:
            emg = series["emg"][first : first + self.window]
            angles = series["joint_angles"][first : first + self.window]
        else:
            rows = series[first : first + self.window]
            emg, angles = rows["emg"], rows["joint_angles"]
        mask = ~np.isclose(angles, 0).all(1)
        emg = (emg - self.mean) / self.std
        return (torch.from_numpy(np.ascontiguousarray(emg.T)),
                torch.from_numpy(np.ascontiguousarray(angles.T, dtype=np.float32)),
                torch.from_numpy(mask))


def torch_rate(folder, window, workers, seconds, as_written=False):
    loader = torch.utils.data.DataLoader(Windows(folder, window, as_written), batch_size=64,
                                         shuffle=True, num_workers=workers,
                                         persistent_workers=workers > 0)
    done, start, first = 0, None, True
    while True:
        for emg, _, _ in loader:
            if first:  # The start of the workers does not count.
                start, first = time.perf_counter(), False
                continue
            done += len(emg)
            if time.perf_counter() - start > seconds:
                return done / (time.perf_counter() - start)


def in_child(arguments, python=sys.executable):
    """Runs a peer measurement in a process of its own, so that its memory is its own."""
    output = subprocess.run([python, __file__, "--child", json.dumps(arguments)],
                            check=True, capture_output=True, text=True).stdout
    return json.loads(output.splitlines()[-1])


def child(arguments):
    if arguments["what"] == "windows":
        rate = torch_rate(arguments["folder"], arguments["window"], arguments["workers"],
                          arguments["seconds"], arguments["as_written"])
        peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
                + arguments["workers"] * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
        print(json.dumps({"samples_per_second": rate, "peak_rss_bytes": peak * 1024}))
        return
    path = os.path.join(arguments["folder"], sorted(os.listdir(arguments["folder"]))[0])
    start = time.perf_counter()
    with h5py.File(path) as file:
        series = file["emg2pose/timeseries"]
        picked = np.linspace(0, len(series) - 1, min(10000, len(series)), dtype=int)
        sample = series[picked]
        for name in ("emg", "joint_angles"):
            sample[name].mean(0), sample[name].std(0)
    print(json.dumps({"seconds_per_file": time.perf_counter() - start,
                      "h5py": h5py.version.version}))


def pack(source, target):
    os.makedirs(target, exist_ok=True)
    for name in sorted(os.listdir(source)):
        with h5py.File(os.path.join(source, name)) as old, \
                h5py.File(os.path.join(target, name), "w") as new:
            new.create_group("emg2pose").create_dataset(
                "timeseries", data=old["emg2pose/timeseries"][:], chunks=(1000,),
                compression="gzip", shuffle=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--driver")
    parser.add_argument("--folder")
    parser.add_argument("--files", type=int, default=8)
    parser.add_argument("--rows", type=int, default=120000)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--debian-python", default="/usr/bin/python3")
    parser.add_argument("--child")
    options = parser.parse_args()
    if options.child:
        child(json.loads(options.child))
        return
    temporary = None if options.folder else tempfile.TemporaryDirectory()
    folder = options.folder or temporary.name
    plain, packed = os.path.join(folder, "plain"), os.path.join(folder, "packed")
    if not os.path.isdir(packed):
        subprocess.run([options.driver, "generate", plain, str(options.files), str(options.rows)],
                       check=True)
        pack(plain, packed)

    def ours(*arguments):
        return json.loads(subprocess.run([options.driver, *map(str, arguments)], check=True,
                                         capture_output=True, text=True).stdout)

    def best_ours(path, window):
        runs = [dict(ours("windows", path, window, 64, workers, options.seconds), workers=workers)
                for workers in (0, 1, 2) for _ in range(options.repeats)]
        return max(runs, key=lambda run: run["samples_per_second"])

    def best_torch(path, window, as_written=False):
        repeats = 1 if as_written else options.repeats
        runs = [dict(in_child(dict(what="windows", folder=path, window=window, workers=workers,
                                   seconds=options.seconds, as_written=as_written)),
                     workers=workers)
                for workers in (0, 2) for _ in range(repeats)]
        return max(runs, key=lambda run: run["samples_per_second"])

    results = []
    for row, name, path, window, floor in ((1, "contiguous, 500 rows", plain, 500, 5),
                                           (2, "contiguous, 10000 rows", plain, 10000, 3),
                                           (3, "gzip + shuffle, 500 rows", packed, 500, 2)):
        mine, peer = best_ours(path, window), best_torch(path, window)
        result = dict(row=row, name=name, unit="windows/s", ours=mine["samples_per_second"],
                      torch=peer["samples_per_second"], floor=floor, workers=mine["workers"],
                      torch_workers=peer["workers"], ours_rss=mine["peak_rss_bytes"],
                      torch_rss=peer["peak_rss_bytes"])
        result["ratio"] = result["ours"] / result["torch"]
        if row == 1:
            result["as_written"] = best_torch(path, window, True)["samples_per_second"]
            result["ratio_as_written"] = result["ours"] / result["as_written"]
        results.append(result)
    indexing = dict(what="index", folder=plain)
    # Alternated, so that a busy moment meets all three.
    sides = [(ours("index", plain), in_child(indexing, options.debian_python), in_child(indexing))
             for _ in range(options.repeats)]
    mine, debian, newest = (min(side, key=lambda run: run["seconds_per_file"])
                            for side in zip(*sides))
    for row, peer, floor in (("4", debian, 50), ("4b", newest, 0)):
        results.append(dict(row=row, name=f"sampled normalisation, h5py {peer['h5py']}",
                            unit="s/file", ours=mine["seconds_per_file"],
                            torch=peer["seconds_per_file"], floor=floor,
                            ratio=peer["seconds_per_file"] / mine["seconds_per_file"]))
    for result in results:
        print(json.dumps(result))
    print(f"\n{'row':>3} {'workload':34} {'ours':>12} {'peer':>12} {'ratio':>8} {'floor':>6} unit")
    for r in results:
        print(f"{r['row']:>3} {r['name']:34} {r['ours']:12.4f} {r['torch']:12.4f} "
              f"{r['ratio']:7.1f}x {r['floor']:>5}x {r['unit']}")
    if any(r["ratio"] < r["floor"] for r in results):
        print("below the floor")
        return


if __name__ == "__main__":
    main()

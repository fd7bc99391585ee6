#!/usr/bin/env python3
"""Real programs whose memory behaves in known ways, sampled ten times a second and judged.

    memory_programs.py run --snug build/snug [--seconds 90] [--out FOLDER] [NAME ...]
    memory_programs.py program NAME SECONDS [LIVE_FILE]

Programs: leak (losses kept with their graph), clean (the same loop, loss.item()), fragments
(live bytes constant, pages not given back), workers (forked readers touch reference counts), loader
(a torch DataLoader with two workers over a list of Python objects), shared (the same DataLoader
over one tensor: nothing to copy), cache (a growing mapped file), warm (pools that fill and stay).
Needs PyTorch and numpy. `run` prints what `snug analyze` says of each, and whether that is the name
it should have.
"""

import argparse
import ctypes
import json
import os
import subprocess
import sys
import tempfile
import time

EXPECTED = {
    "leak": ["leak"],
    "clean": ["stable"],
    "fragments": ["fragmentation"],
    "workers": ["copy on write"],
    "loader": ["copy on write"],
    "shared": ["stable"],
    "cache": ["cache growth"],
    "warm": ["stable", "warming up"],
}

# The watch begins with so many processes: a fork counts every page again in the sum of resident
# memory, a step that is rightly called one.
PROCESSES_FIRST = {"loader": 3, "shared": 3}


def train(keep_graph, seconds):
    """A small model; `keep_graph` keeps every loss with everything that made it."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(256, 512), torch.nn.ReLU(),
                                torch.nn.Linear(512, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    losses = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        x = torch.randn(128, 256)
        y = torch.randint(0, 10, (128,))
        loss = torch.nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward(retain_graph=keep_graph)
        optimizer.step()
        losses.append(loss if keep_graph else loss.item())
        time.sleep(0.02)


class MallInfo(ctypes.Structure):
    """struct mallinfo2 of glibc."""
    _fields_ = [(name, ctypes.c_size_t) for name in
                "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
                .split()]


def fragment(seconds, live_file):
    """Blocks shrink in place to a few bytes: behind each stays a hole, and the next blocks are a
    bit larger than every hole. What is live hardly grows, what is resident does."""
    libc = ctypes.CDLL(None)
    libc.mallinfo2.restype = MallInfo
    libc.mallopt(-3, 1 << 30)  # M_MMAP_THRESHOLD: everything from the heap.
    size = 32 << 10
    kept = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        blocks = [bytearray(size) for _ in range((8 << 20) // size)]
        for block in blocks:
            del block[600:]
        kept.extend(blocks)
        size = int(size * 1.02) + 64
        info = libc.mallinfo2()
        if live_file:
            with open(live_file + ".new", "w", encoding="ascii") as file:
                file.write(str(info.uordblks + info.hblkhd))
            os.replace(live_file + ".new", live_file)
        time.sleep(1.0)


def read_with_workers(seconds):
    """A list of Python objects, read by forked workers: every look writes a reference count."""
    data = [str(i) * 3 for i in range(3_000_000)]
    children = []
    for worker in range(3):
        pid = os.fork()
        if pid == 0:
            end = time.monotonic() + seconds
            at = worker
            while time.monotonic() < end:
                total = 0
                for item in data[at:at + 9000]:
                    total += len(item)
                at = (at + 9000) % len(data)
                time.sleep(0.2)
            os._exit(0)
        children.append(pid)
    for pid in children:
        os.waitpid(pid, 0)


def load_with_workers(seconds, as_list):
    """One epoch as long as the watch: every item that a worker takes from the list gets its count
    written, and so its page copied. A tensor has one count for all of its rows."""
    import torch

    class Rows(torch.utils.data.Dataset):
        def __init__(self):
            self.rows = ([str(at) * 3 for at in range(3_000_000)] if as_list else
                         torch.arange(30_000_000))

        def __len__(self):
            return 3_000_000

        def __getitem__(self, at):
            return float(len(self.rows[at]) if as_list else self.rows[at * 10])

    torch.set_num_threads(1)
    torch.manual_seed(0)
    rows = Rows()
    loader = torch.utils.data.DataLoader(rows, batch_size=len(rows) // int(seconds * 10),
                                         num_workers=2, multiprocessing_context="fork")
    for values in loader:
        values.mean()
        time.sleep(0.1)


def read_files(seconds):
    """A mapped file that is read further and further."""
    import mmap

    chunk = 4 << 20
    with tempfile.NamedTemporaryFile() as file:
        file.truncate(8 << 30)
        for _ in range(40):
            file.write(os.urandom(1 << 20))
        file.flush()
        view = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        end = time.monotonic() + seconds
        at = 0
        while time.monotonic() < end:
            for page in range(at, at + chunk, 4096):
                view[page]
            at += chunk
            time.sleep(0.5)


def fill_pools(seconds):
    """Pools fill for the first tenth and are used from then on."""
    pools = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if len(pools) < 40:
            pools.append(bytearray(4 << 20))
        time.sleep(seconds / 500)


def run_program(name, seconds, live_file):
    programs = {
        "leak": lambda: train(True, seconds),
        "clean": lambda: train(False, seconds),
        "fragments": lambda: fragment(seconds, live_file),
        "workers": lambda: read_with_workers(seconds),
        "loader": lambda: load_with_workers(seconds, True),
        "shared": lambda: load_with_workers(seconds, False),
        "cache": lambda: read_files(seconds),
        "warm": lambda: fill_pools(seconds),
    }
    programs[name]()


def tree_of(pid):
    """The process and all below it."""
    found = [pid]
    for parent in found:
        try:
            with open(f"/proc/{parent}/task/{parent}/children", encoding="ascii") as file:
                found.extend(int(word) for word in file.read().split())
        except OSError:
            continue
    return found


def fields_of(path, names):
    """Values in bytes of lines like "RssAnon:  12 kB"."""
    found = {}
    try:
        with open(path, encoding="utf-8") as file:
            for line in file:
                key, _, value = line.partition(":")
                if key in names:
                    found[names[key]] = int(value.split()[0]) * 1024
    except OSError:
        pass
    return found


def sample(pid, want_share):
    total = {}
    for process in tree_of(pid):
        values = fields_of(f"/proc/{process}/status",
                           {"VmRSS": "rss", "RssAnon": "anon", "RssFile": "file",
                            "RssShmem": "shmem", "VmSwap": "swap"})
        if want_share:
            values.update(fields_of(f"/proc/{process}/smaps_rollup", {"Pss": "pss"}))
        for key, value in values.items():
            total[key] = total.get(key, 0) + value
    return total


def watch(name, seconds, path):
    """Runs a program and writes a log of schema memlog/1."""
    live_file = path + ".live"
    child = subprocess.Popen([sys.executable, os.path.abspath(__file__), "program", name,
                              str(seconds), live_file])
    while child.poll() is None and len(tree_of(child.pid)) < PROCESSES_FIRST.get(name, 1):
        time.sleep(0.1)
    start = time.monotonic()
    with open(path, "w", encoding="utf-8") as log:
        log.write(json.dumps({"type": "header", "schema": "memlog/1", "program": "memory_programs",
                              "command": name, "pid": child.pid, "interval": 0.1}) + "\n")
        count = 0
        while child.poll() is None:
            values = sample(child.pid, count % 5 == 0)
            try:
                with open(live_file, encoding="ascii") as file:
                    values["live"] = int(file.read())
            except (OSError, ValueError):
                pass
            if values.get("rss"):
                record = {"type": "sample", "t": round(time.monotonic() - start, 3)}
                record.update(values)
                log.write(json.dumps(record, separators=(",", ":")) + "\n")
            count += 1
            time.sleep(max(0.0, start + 0.1 * count - time.monotonic()))
    if os.path.exists(live_file):
        os.remove(live_file)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("action", choices=["run", "program"])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--snug", default="snug")
    parser.add_argument("--seconds", type=float, default=90)
    parser.add_argument("--out", default=".")
    options = parser.parse_intermixed_args()
    if options.action == "program":
        live_file = options.names[2] if len(options.names) > 2 else None
        run_program(options.names[0], float(options.names[1]), live_file)
        return 0
    wrong = 0
    for name in options.names or list(EXPECTED):
        path = os.path.join(options.out, name + ".jsonl")
        watch(name, options.seconds, path)
        answer = subprocess.run([options.snug, "analyze", "--json", path], capture_output=True,
                                text=True, check=False)
        if answer.returncode != 0:
            print(f"{name:10} {answer.stderr.strip()}")
            wrong += 1
            continue
        log = json.loads(answer.stdout)["logs"][0]
        good = log["verdict"] in EXPECTED[name]
        wrong += not good
        print(f"{name:10} {'ok   ' if good else 'WRONG'} {log['verdict']}: {log['sentence']}",
              flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

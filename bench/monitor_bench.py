#!/usr/bin/env python3
"""What watching costs: snug monitor beside psrecord, mprof, a reader of whole smaps (as prmon) and earlyoom.

Each watcher looks at the same target (bench/monitor_target.c: memory in small pages, short mmap, touch and munmap all the
time) for some seconds. Printed: CPU of the watcher in percent of a core after its start, its resident memory, the kernel's
mark of its peak, its private memory, and the target's own times. The first row is the target alone; on a busy machine its
longest time says how much of the others' is noise.

    bench/monitor_bench.py --snug build/snug [--mib 1024] [--seconds 12] [--python PYTHON-WITH-PEERS]
                           [--only WORDS]
"""
import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time

SMAPS = r"""
import sys, time
# One look a second at every mapping, as prmon does for its proportional share.
while True:
    try:
        total = sum(int(l.split()[1]) for l in open(f"/proc/{sys.argv[1]}/smaps") if l.startswith("Pss:"))
    except (FileNotFoundError, ProcessLookupError):
        break
    time.sleep(1)
"""


def cpu_seconds(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    ran = int(open(f"/proc/{pid}/schedstat").read().split()[0]) * 1e-9
    children = (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")
    return ran + children


def tree(pid):
    """The process and its children, by parent."""
    found, parents = [pid], {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                parents[int(name)] = int(open(f"/proc/{name}/stat").read().rsplit(")", 1)[1].split()[1])
            except OSError:
                pass
    grew = True
    while grew:
        grew = False
        for child, parent in parents.items():
            if parent in found and child not in found:
                found.append(child)
                grew = True
    return found


def memory_kib(pid, key):
    for line in open(f"/proc/{pid}/status"):
        if line.startswith(key + ":"):
            return int(line.split()[1])
    return 0


def measure(target, mib, seconds, watcher):
    """Runs the target with the watcher beside it; None where the watcher is not installed."""
    process = subprocess.Popen([target, str(mib), str(seconds)], stdout=subprocess.PIPE, text=True)
    while memory_kib(process.pid, "VmRSS") < mib * 1000:
        time.sleep(0.02)
    result = {"cpu": 0.0, "rss": 0.0, "peak": 0.0, "private": 0.0}
    beside = None
    if watcher:
        beside = subprocess.Popen([w.replace("PID", str(process.pid)) for w in watcher], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL)
        time.sleep(2)
        pids = [p for p in tree(beside.pid) if p != process.pid]
        before, start = sum(cpu_seconds(p) for p in pids), time.monotonic()
        time.sleep(seconds - 4)
        after, took = sum(cpu_seconds(p) for p in pids), time.monotonic() - start
        result["cpu"] = 100 * (after - before) / took
        result["rss"] = sum(memory_kib(p, "VmRSS") for p in pids) / 1024
        result["peak"] = sum(memory_kib(p, "VmHWM") for p in pids) / 1024
        result["private"] = sum(memory_kib(p, "RssAnon") for p in pids) / 1024
    operations, median, high, longest = process.communicate()[0].split()
    if beside:
        beside.terminate()
        beside.wait()
    return dict(result, operations=int(operations), median=float(median), high=float(high), longest=float(longest))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--snug", default="build/snug")
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--seconds", type=float, default=12)
    parser.add_argument("--python", default=sys.executable, help="one that has psrecord and memory_profiler")
    parser.add_argument("--only", default="", help="watchers whose line holds these words")
    args = parser.parse_args()
    here = os.path.dirname(os.path.abspath(__file__))
    beside_python = os.path.dirname(args.python)
    with tempfile.TemporaryDirectory() as folder:
        target = os.path.join(folder, "target")
        subprocess.run(["cc", "-O2", "-D_GNU_SOURCE", "-o", target, os.path.join(here, "monitor_target.c")], check=True)
        log = os.path.join(folder, "log")
        snug = [os.path.abspath(args.snug), "monitor", "--quiet", "--pid", "PID", "--log-file"]
        psrecord = shutil.which("psrecord", path=f"{beside_python}:{os.environ['PATH']}")
        mprof = shutil.which("mprof", path=f"{beside_python}:{os.environ['PATH']}")
        earlyoom = shutil.which("earlyoom")
        watchers = [
            ("nobody", None),
            ("snug monitor, 1 Hz", snug + [log + "1"]),
            ("snug monitor, 10 Hz", snug + [log + "2", "--interval", "100ms"]),
            ("snug monitor, 1 Hz, --pss always", snug + [log + "3", "--pss", "always"]),
            ("psrecord, 1 Hz", psrecord and [psrecord, "PID", "--interval", "1", "--log", log + "4"]),
            ("psrecord, as fast as it goes", psrecord and [psrecord, "PID", "--log", log + "5"]),
            ("mprof attach, 10 Hz (its default)", mprof and [mprof, "attach", "--output", log + "6", "PID"]),
            ("smaps in whole, 1 Hz (as prmon)", [args.python, "-c", SMAPS, "PID"]),
            ("earlyoom (the machine, no log)", earlyoom and [earlyoom, "--dryrun", "-r", "3600"]),
        ]
        print(f"target: {args.mib} MiB in small pages, {args.seconds:g} s each; times of mmap + touch + munmap")
        print(f"{'watcher':36} {'CPU %':>7} {'RSS MiB':>8} {'peak':>7} {'private':>8} {'median ms':>10} {'99.99 %':>8} {'longest':>8}")
        for name, command in watchers:
            if args.only not in name:
                continue
            if command is None and name != "nobody":
                print(f"{name:36} not installed")
                continue
            row = measure(target, args.mib, args.seconds, command)
            print(f"{name:36} {row['cpu']:7.3f} {row['rss']:8.2f} {row['peak']:7.2f} {row['private']:8.1f} {row['median']:10.4f} "
                  f"{row['high']:8.3f} {row['longest']:8.2f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

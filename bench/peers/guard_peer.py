#!/usr/bin/env python3
"""Memory guards side by side: how far a program that fills memory gets above its limit, and what the guard costs at rest.

  bench/peers/guard_peer.py --snug build/snug [--limit 500] [--fill 3000] [--repeat 3] [--json FILE]

Each guard runs tests/fixtures/hog.c: once filling at full speed (overshoot: VmHWM or the kernel's peak minus the limit; the
least and the most of the runs), once holding half the limit for two seconds (CPU time of the guard itself, its resident memory).
earlyoom looks at the whole machine; it runs with --dryrun and a threshold that the limit would give, and only its
report is timed: nothing is killed. A guard that is not there or cannot work here is said so.
"""
import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

MIB = 1 << 20


def status_of(pid, key):
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8") as file:
            for line in file:
                if line.startswith(key + ":"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return None


def cpu_of(pid):
    """User and system seconds of the process itself."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except OSError:
        return None


def run_fill(words, result=None):
    """Exit status, seconds, and the peak that the guard's report has."""
    start = time.monotonic()
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    seconds = time.monotonic() - start
    peak = None
    if result and os.path.exists(result):
        with open(result, encoding="utf-8") as file:
            attempts = json.load(file)["attempts"]
        peak = attempts[-1]["peak_bytes"] if attempts else None
    return done.returncode, seconds, peak


def run_hold(words):
    """CPU seconds of the first process over two seconds, and its resident bytes."""
    child = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(0.7)
    before, at = cpu_of(child.pid), time.monotonic()
    time.sleep(1.5)
    after, seconds = cpu_of(child.pid), time.monotonic() - at
    rss = status_of(child.pid, "VmRSS")
    child.wait(timeout=60)
    return (after - before) / seconds if before is not None and after is not None else None, rss


def snug_guard(options, hog, way, folder):
    result = os.path.join(folder, "result.json")
    base = [options.snug, "run", "--limit", f"{options.limit}MiB", "--enforce", way, "--quiet"]
    overs, codes, seconds = [], [], []
    for _ in range(options.repeat):
        if os.path.exists(result):
            os.remove(result)
        code, took, peak = run_fill(base + ["--json", result, "--", hog, "fill", str(options.fill)], result)
        if peak is None:
            return {"guard": f"snug {way}", "note": f"cannot work here (exit {code})"}
        overs.append(peak - options.limit * MIB)
        codes.append(code)
        seconds.append(took)
    share, rss = run_hold(base + ["--", hog, "hold", str(options.limit // 2), "4"])
    return {"guard": f"snug {way}", "over_mib": [round(min(overs) / MIB, 1), round(max(overs) / MIB, 1)], "exit": codes,
            "seconds": round(min(seconds), 3), "cpu_percent": share and round(100 * share, 2), "rss_mib": rss and round(rss / MIB, 1)}


def ulimit_guard(options, hog, letter):
    kib = options.limit * 1024
    words = ["bash", "-c", f"ulimit -{letter} {kib} && exec \"$@\"", "bash", hog, "fill", str(options.fill)]
    code, seconds, _ = run_fill(words)
    small = ["bash", "-c", f"ulimit -{letter} {kib} && exec \"$@\"", "bash", hog, "fork", str(options.limit * 6 // 10), "2"]
    both, _, _ = run_fill(small)
    return {"guard": f"ulimit -{letter}", "exit": [code], "seconds": round(seconds, 3), "over_mib": [0, 0],
            "note": f"each process by itself: two of 60 % end with {both}; the program must cope with a refused request"}


def systemd_guard(options, hog):
    words = ["systemd-run", "--user", "--scope", "--quiet", "-p", f"MemoryMax={options.limit}M", "-p", "MemorySwapMax=0", "--"]
    if shutil.which(words[0]) is None:
        return {"guard": "systemd-run", "note": "not installed"}
    done = subprocess.run(words + ["true"], capture_output=True, text=True, timeout=30, check=False)
    if done.returncode != 0:
        return {"guard": "systemd-run", "note": "cannot work here: " + done.stderr.strip().split("\n")[-1][:60]}
    code, seconds, _ = run_fill(words + [hog, "fill", str(options.fill)])
    return {"guard": "systemd-run", "exit": [code], "seconds": round(seconds, 3), "over_mib": [0, 0]}


def available_kib():
    with open("/proc/meminfo", encoding="utf-8") as file:
        return int(re.search(r"MemAvailable:\s+(\d+)", file.read()).group(1))


def earlyoom_guard(options, hog):
    if shutil.which("earlyoom") is None:
        return {"guard": "earlyoom", "note": "not installed"}
    overs = []
    for _ in range(options.repeat):
        least = available_kib() - options.limit * 1024
        guard = subprocess.Popen(["earlyoom", "--dryrun", "-M", f"{least},{least - 1}", "-r", "0"], stdout=subprocess.DEVNULL,
                                 stderr=subprocess.PIPE, text=True)
        time.sleep(0.5)
        child = subprocess.Popen([hog, "hold", str(options.fill), "1"])
        over = None
        for line in guard.stderr:
            if "low memory" in line or "dryrun" in line:
                over = (status_of(child.pid, "VmRSS") or 0) - options.limit * MIB
                break
            if child.poll() is not None:
                break
        share, rss = cpu_of(guard.pid), status_of(guard.pid, "VmRSS")
        child.kill()
        child.wait()
        guard.kill()
        guard.wait()
        # It looks at the whole machine: others may have made it speak before the program had anything.
        if over is not None and over > -options.limit * MIB // 2:
            overs.append(over)
    if not overs:
        return {"guard": "earlyoom", "note": "no run that others did not disturb: it looks at the whole machine"}
    return {"guard": "earlyoom", "over_mib": [round(min(overs) / MIB, 1), round(max(overs) / MIB, 1)], "rss_mib": round(rss / MIB, 1),
            "note": f"the whole machine; {share:.2f} s of CPU in its life; dry run"}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--snug", required=True)
    parser.add_argument("--limit", type=int, default=500, help="MiB")
    parser.add_argument("--fill", type=int, default=3000, help="MiB")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--json")
    options = parser.parse_args()
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tests", "fixtures", "hog.c")
    with tempfile.TemporaryDirectory() as folder:
        hog = os.path.join(folder, "hog")
        subprocess.run(["cc", "-O2", "-o", hog, source], check=True)
        _, seconds, _ = run_fill([hog, "fill", str(options.fill)])
        rate = options.fill / 1024 / seconds
        rows = [snug_guard(options, hog, way, folder) for way in ("cgroup", "rlimit", "watch")]
        rows += [ulimit_guard(options, hog, "v"), ulimit_guard(options, hog, "d"), systemd_guard(options, hog),
                 earlyoom_guard(options, hog)]
    print(f"limit {options.limit} MiB, filled at {rate:.1f} GiB/s, {options.repeat} runs each; load {os.getloadavg()[0]:.1f}")
    print(f"{'guard':14} {'over MiB':>16} {'exit':>16} {'seconds':>8} {'CPU %':>7} {'RSS MiB':>8}  note")
    for row in rows:
        print(f"{row['guard']:14} {str(row.get('over_mib', '-')):>16} {str(row.get('exit', '-')):>16} {str(row.get('seconds', '-')):>8} "
              f"{str(row.get('cpu_percent', '-')):>7} {str(row.get('rss_mib', '-')):>8}  {row.get('note', '')}")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"schema": "snug.bench.guard/1", "limit_mib": options.limit, "gib_per_s": rate, "guards": rows}, file, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())

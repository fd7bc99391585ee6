#!/usr/bin/env python3
"""Runs every example of the documentation: lines that start with "$ " inside console blocks, in order, in an empty folder.

  tools/doc_examples.py PROGRAM FILE.md ...

A comment "# exit N" at the end of a line says that N is expected instead of 0. `snug` is PROGRAM. A block after a line
"<!-- not run: REASON -->" is left out and counted. Prints what failed and exits 1.
"""
import os
import re
import subprocess
import sys
import tempfile


def examples(path):
    """Line number, command, and whether it is to be run."""
    inside = marked = False
    for number, line in enumerate(open(path, encoding="utf-8"), 1):
        if line.startswith("```"):
            opened = not inside and line.strip() == "```console"
            marked = marked and opened
            inside = opened
        elif inside and line.startswith("$ "):
            yield number, line[2:].rstrip("\n"), not marked
        elif not inside and line.strip():
            marked = re.fullmatch(r"<!-- not run: \S.* -->", line.strip()) is not None


def main():
    program, files = os.path.abspath(sys.argv[1]), [os.path.abspath(f) for f in sys.argv[2:]]
    failed = count = left_out = 0
    for path in files:
        with tempfile.TemporaryDirectory() as folder:
            os.mkdir(os.path.join(folder, ".bin"))
            os.symlink(program, os.path.join(folder, ".bin", "snug"))
            env = dict(os.environ, PATH=os.path.join(folder, ".bin") + ":" + os.environ["PATH"], HOME=folder)
            for number, command, run in examples(path):
                if not run:
                    left_out += 1
                    continue
                wanted = re.search(r"#\s*exit (\d+)\s*$", command)
                wanted = int(wanted.group(1)) if wanted else 0
                done = subprocess.run(["sh", "-c", command], cwd=folder, env=env, capture_output=True, text=True, timeout=240)
                count += 1
                if done.returncode != wanted:
                    failed += 1
                    print(f"{path}:{number}: exit {done.returncode}, expected {wanted}: {command}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    print(f"{count} examples run, {failed} failed, {left_out} marked as not run")
    return 1 if failed or count == 0 else 0


if __name__ == "__main__":
    sys.exit(main())

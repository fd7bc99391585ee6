#!/usr/bin/env python3
"""Checks what compilers do not: layers, doors, header and file rules. See doc and CONTRIBUTING.

Prints "file:line: rule: message" for every finding and ends with status 1 when there is one.
Lines that start with "warning:" are advice and do not fail.

    tools/tidy.py [--root DIR] [--cc gcc] [--cxx g++] [--no-compile]
"""

import argparse
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys

# Which folders of src/ a folder may include, itself aside. The order is the order of the house.
LAYERS = {
    "base": "",
    "sys": "base",
    "tensor": "base",
    "mem": "base sys",
    "graph": "base tensor",
    "plan": "base tensor graph mem",
    "ops": "base tensor graph",
    "exec": "base sys tensor graph mem plan ops",
    "models": "base tensor graph",
    "optim": "base tensor graph",
    "data": "base sys tensor mem",
    "config": "base sys",
    "monitor": "base sys mem",
    "train": "base sys tensor mem graph plan ops exec models optim data config monitor",
    "api": "base sys tensor mem graph plan ops exec models optim data config monitor train",
}
# Headers below api/ that may include a public header: the status, and the words of a session.
PUBLIC_FROM_INSIDE = {"src/base/status.h": {"snug/status.h"},
                      "src/train/journal.h": {"snug/session.h"},
                      "src/train/session.h": {"snug/session.h"}}

C_HEADERS = set(
    "ctype.h errno.h float.h inttypes.h iso646.h limits.h math.h stdalign.h stdarg.h stdatomic.h "
    "stdbool.h stddef.h stdint.h stdio.h stdlib.h stdnoreturn.h string.h".split())
INTRINSICS = set(
    "immintrin.h x86intrin.h xmmintrin.h emmintrin.h smmintrin.h tmmintrin.h nmmintrin.h "
    "avxintrin.h cpuid.h arm_neon.h".split())
# A foreign header lives in one folder. What is in no set here belongs to the system: src/sys.
FOREIGN_HOMES = {"yaml.h": "src/config/", "libdeflate.h": "src/data/"}
FOREIGN_HOMES.update({name: "src/ops/cpu/" for name in INTRINSICS})
# A program may look at its terminal and its options.
PROGRAM_HEADERS = set("unistd.h getopt.h sys/ioctl.h termios.h time.h locale.h signal.h".split())

MEMORY_CALLS = (
    "malloc calloc realloc reallocarray free aligned_alloc posix_memalign memalign valloc pvalloc "
    "alloca mmap mmap64 munmap mremap brk sbrk strdup strndup asprintf vasprintf getline getdelim "
    "_mm_malloc _mm_free").split()
FILE_CALLS = "fopen fdopen freopen fclose fread fwrite tmpfile popen opendir scandir".split()
PRINT_CALLS = (
    "printf vprintf fprintf vfprintf puts fputs putchar putc fputc perror exit _exit _Exit "
    "quick_exit abort").split()
HIDDEN_CALLS = {"qsort": "may allocate; sort in place", "qsort_r": "may allocate; sort in place",
                "strtok": "has hidden state; use strtok_r", "rand": "is not addressed; use philox",
                "srand": "is not addressed; use philox", "setlocale": "changes how numbers read"}

LINE_MAX = 100
FILE_LINES_WARN = 800
FUNCTION_LINES_WARN = 70
# Written in pieces, so that this file passes its own check.
MACHINE_PATHS = ["/wo" + "rk/", "/tmp/" + "team", "/ro" + "ot/", "/ho" + "me/"]
SKIPPED_FOLDERS = {".git", "__pycache__", ".venv", "node_modules"}
CODE_FOLDERS = ("src", "include", "cli", "tests", "bench", "examples", "tools", "cmake")
LINE_KINDS = (".c", ".h", ".inc", ".py", ".sh", ".cmake", ".bats", "CMakeLists.txt")


class Findings:
    """What was found, in the order it was found."""

    def __init__(self):
        self.lines = []
        self.warnings = []

    def add(self, path, line, rule, message):
        self.lines.append(f"{path}:{line}: {rule}: {message}")

    def warn(self, path, line, rule, message):
        self.warnings.append(f"warning: {path}:{line}: {rule}: {message}")


def list_files(root):
    """Paths below root with '/', sorted; build folders and caches are left out."""
    found = []
    for folder, names, files in os.walk(root):
        names[:] = sorted(n for n in names if n not in SKIPPED_FOLDERS
                          and not (folder == root and n.startswith("build")))
        for name in files:
            found.append(os.path.relpath(os.path.join(folder, name), root).replace(os.sep, "/"))
    return sorted(found)


def read_text(root, path):
    """The content, or None for a file that is not text."""
    with open(os.path.join(root, path), "rb") as file:
        data = file.read()
    if b"\0" in data:
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


_TOKENS = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def strip_code(text):
    """C without comments and without what is inside strings; every line stays where it was."""

    def blank(match):
        token = match.group(0)
        if token[0] in "\"'":
            return token[0] + token[0]
        return "\n" * token.count("\n") + " "

    return _TOKENS.sub(blank, text)


def includes(text):
    """(line, kind, name) of every #include that is not in a comment; kind is '<' or '"'."""
    code = re.sub(r"/\*.*?\*/", lambda m: "\n" * m.group(0).count("\n"), text, flags=re.S)
    for number, line in enumerate(code.split("\n"), 1):
        match = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
        if match:
            yield number, match.group(1), match.group(2)


def check_own_include(path, line, name, found):
    """Layers: a quoted include."""
    parts = path.split("/")
    if parts[0] == "include":
        if not name.startswith("snug/"):
            found.add(path, line, "layer", f"a public header includes public headers only: {name}")
        return
    if parts[0] == "cli":
        if "/" in name and not name.startswith("snug/"):
            found.add(path, line, "layer", f"cli sees include/snug only: {name}")
        return
    if parts[0] != "src" or len(parts) < 3:
        return
    layer = parts[1]
    if layer not in LAYERS:
        found.add(path, line, "layer", f"folder src/{layer} has no row in the table of tidy.py")
        return
    target = name.split("/")[0]
    if target == "snug":
        if layer != "api" and name not in PUBLIC_FROM_INSIDE.get(path, set()):
            found.add(path, line, "layer", f"only api and cli include public headers: {name}")
    elif "/" not in name:
        found.add(path, line, "layer", f"write the include relative to src/: {name}")
    elif target != layer and target not in LAYERS[layer].split():
        found.add(path, line, "layer", f"{layer} may not include {name}")


def check_foreign_include(path, line, name, found):
    """Foreign headers: an include in angle brackets."""
    top = path.split("/")[0]
    if top not in ("src", "include", "cli") or name in C_HEADERS:
        return
    if name in FOREIGN_HOMES:
        home = FOREIGN_HOMES[name]
        if not path.startswith(home):
            found.add(path, line, "foreign", f"<{name}> lives in {home} only")
        return
    if path.startswith("src/sys/") or (top == "cli" and name in PROGRAM_HEADERS):
        return
    found.add(path, line, "foreign", f"<{name}> belongs to the system: src/sys only")


def door_rules(path):
    """(calls, message) pairs that are forbidden in this file."""
    rules = []
    if path.startswith("src/") and not path.startswith("src/sys/"):
        rules.append((MEMORY_CALLS, "memory comes through sys/heap or an arena"))
        rules.append((FILE_CALLS, "files are opened through sys/file"))
    if path.startswith("cli/"):
        rules.append((MEMORY_CALLS, "the program needs no memory of its own"))
    if path.startswith("src/") and path != "src/base/assert.c":
        allowed = {"_exit"} if path == "src/sys/child.c" else set()
        rules.append(([c for c in PRINT_CALLS if c not in allowed],
                      "library code never prints or ends the process"))
    return rules


def check_doors(path, code, found):
    """Doors: calls that only one place may make."""
    compiled = [(re.compile(r"(?<![\w.>])(" + "|".join(map(re.escape, calls)) + r")\s*\("), why)
                for calls, why in door_rules(path)]
    if path.startswith("src/"):
        compiled.append((re.compile(r"(?<![\w.>])(" + "|".join(HIDDEN_CALLS) + r")\s*\("), None))
    for number, line in enumerate(code.split("\n"), 1):
        for pattern, why in compiled:
            for match in pattern.finditer(line):
                name = match.group(1)
                found.add(path, number, "door", f"{name}(): {why or HIDDEN_CALLS[name]}")


def check_header_comment(path, text, found):
    """A header starts with a sentence that says what the module is for."""
    match = re.match(r"/\*+\s+(.*?)\*/", text, re.S)
    sentence = re.sub(r"\s*\n\s*\*?\s*", " ", match.group(1)).strip() if match else ""
    if not match or not re.match(r"\S.*?[.!?:](\s|$)", sentence):
        found.add(path, 1, "header", "starts with no sentence that says what it is for")
    guard = re.search(r"^#ifndef (SNUG_\w+)\n#define \1$", text, re.M)
    if guard is None:
        found.add(path, 1, "header", "has no include guard SNUG_..._H")


def check_lines(path, text, found):
    """Length, spaces, the last newline."""
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        if len(line) > LINE_MAX and path.endswith((".c", ".h", ".inc")):
            found.add(path, number, "length", f"{len(line)} columns; {LINE_MAX} are the limit")
        if line != line.rstrip():
            found.add(path, number, "space", "ends in white space")
        if "\t" in line and path.endswith((".c", ".h", ".inc", ".py")):
            found.add(path, number, "space", "has a tab")
    if text and not text.endswith("\n"):
        found.add(path, len(lines), "space", "does not end with a newline")


def check_todo(path, text, found):
    """An open end names its issue."""
    marks = re.compile(r"\b(" + "TO" + "DO|" + "FIX" + "ME|" + "XX" + r"X)\b(?!\(#\d+\))")
    for number, line in enumerate(text.split("\n"), 1):
        match = marks.search(line)
        if match:
            found.add(path, number, "todo", f"{match.group(1)} without (#issue)")


def check_words(path, text, found):
    """Nothing in the tree names a path of one machine."""
    for number, line in enumerate(text.split("\n"), 1):
        for word in MACHINE_PATHS:
            if word in line:
                found.add(path, number, "words", f"names a path of one machine: {word}")


def check_sizes(path, text, found):
    """Advice: long files and functions."""
    lines = text.split("\n")
    if len(lines) > FILE_LINES_WARN:
        found.warn(path, 1, "size", f"{len(lines)} lines; {FILE_LINES_WARN} can be held in a head")
    start = 0
    for number, line in enumerate(lines, 1):
        if line == "{":
            start = number
        elif line == "}" and start:
            if number - start + 1 > FUNCTION_LINES_WARN:
                found.warn(path, start, "size", f"a function of {number - start + 1} lines")
            start = 0


def check_names(files, found):
    """A file name says which file is meant. Public headers may share theirs with the inside."""
    seen = {}
    for path in files:
        parts = path.split("/")
        if not path.endswith((".c", ".h", ".inc", ".bats")) or "fixtures" in parts:
            continue
        if parts[0] == "include" or parts[0] not in CODE_FOLDERS:
            continue
        name = parts[-1]
        if name in seen:
            found.add(path, 1, "name", f"has the same name as {seen[name]}")
        seen.setdefault(name, path)
    for path in files:
        parts = path.split("/")
        test_folder = parts[0] == "tests" and len(parts) == 3 and path.endswith(".c")
        if test_folder and parts[1] not in ("fuzz", "fixtures") and "_test" not in parts[-1]:
            found.add(path, 1, "name", "a test ends in _test.c")


def compile_header(root, path, compiler, language):
    """What the compiler says about the header alone; empty when nothing."""
    command = [compiler, "-x", language, "-fsyntax-only", "-Wall", "-Wextra", "-Werror",
               "-D_GNU_SOURCE", "-Iinclude"]
    command += ["-std=c17"] if language == "c" else ["-std=c++17"]
    if not path.startswith("include/"):
        command += ["-iquote", "src", "-iquote", "tests", "-iquote", os.path.dirname(path)]
    if path.startswith("src/ops/cpu/") and os.uname().machine == "x86_64":
        command += ["-mavx2", "-mfma", "-mavx512f", "-mavx512dq", "-mavx512bw", "-mavx512vl"]
    text = f'#include "{path}"\n'
    result = subprocess.run(command + ["-I.", "-"], input=text, text=True, capture_output=True,
                            cwd=root, check=False)
    if result.returncode == 0:
        return ""
    errors = [line for line in result.stderr.split("\n") if "error" in line]
    return errors[0] if errors else result.stderr.strip().split("\n")[0]


def check_headers_alone(root, files, compiler, cxx, found):
    """Every header compiles alone; a public one as C++ too."""
    jobs = []
    for path in files:
        if not path.endswith(".h") or path.split("/")[0] not in ("src", "include", "cli"):
            continue
        jobs.append((path, compiler, "c"))
        if path.startswith("include/") and cxx:
            jobs.append((path, cxx, "c++"))
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        answers = pool.map(lambda job: compile_header(root, *job), jobs)
        for (path, _, language), answer in zip(jobs, answers):
            if answer:
                found.add(path, 1, "alone", f"does not compile alone as {language}: {answer}")


def check_tree(root, compiler, cxx):
    """All checks over the tree at root. compiler None leaves out what needs one."""
    found = Findings()
    files = list_files(root)
    for path in files:
        text = read_text(root, path)
        if text is None:
            continue
        check_words(path, text, found)
        in_code = path.split("/")[0] in CODE_FOLDERS or "/" not in path
        if "fixtures" in path.split("/") or not in_code:
            continue
        if path.endswith(LINE_KINDS):
            check_lines(path, text, found)
            check_todo(path, text, found)
        if path.endswith((".c", ".h", ".inc")):
            for line, kind, name in includes(text):
                (check_own_include if kind == '"' else check_foreign_include)(path, line, name,
                                                                              found)
            check_doors(path, strip_code(text), found)
            check_sizes(path, text, found)
        if path.endswith(".h"):
            check_header_comment(path, text, found)
    check_names(files, found)
    if compiler:
        check_headers_alone(root, files, compiler, cxx, found)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    parser.add_argument("--root", default=here, help="the tree to check")
    parser.add_argument("--cc", default="gcc", help="C compiler for headers alone")
    parser.add_argument("--cxx", default="g++", help="C++ compiler for public headers")
    parser.add_argument("--no-compile", action="store_true", help="leave out headers alone")
    options = parser.parse_args()
    compiler = None if options.no_compile else options.cc
    if compiler and shutil.which(compiler) is None:
        print(f"tidy: no compiler '{compiler}'; use --no-compile or --cc", file=sys.stderr)
        return 2
    cxx = options.cxx if shutil.which(options.cxx) else None
    found = check_tree(os.path.abspath(options.root), compiler, cxx)
    for line in found.warnings + found.lines:
        print(line)
    print(f"tidy: {len(found.lines)} findings, {len(found.warnings)} warnings", file=sys.stderr)
    return 1 if found.lines else 0


if __name__ == "__main__":
    sys.exit(main())

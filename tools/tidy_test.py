#!/usr/bin/env python3
"""Each rule of tidy.py fails on a small tree that breaks it, and a clean tree passes."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

TIDY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tidy.py")

STATUS_H = """/* What a call answers. */
#ifndef SNUG_STATUS_H
#define SNUG_STATUS_H
typedef int snug_status;
#endif
"""
BASE_H = """/* The status inside. */
#ifndef SNUG_BASE_STATUS_H
#define SNUG_BASE_STATUS_H
#include "snug/status.h"
#endif
"""
HEAP_H = """/* The door to memory. */
#ifndef SNUG_SYS_HEAP_H
#define SNUG_SYS_HEAP_H
#include "base/status.h"
snug_status snug_heap(void);
#endif
"""
HEAP_C = """#include "sys/heap.h"

#include <sys/mman.h>

snug_status snug_heap(void)
{
    return mmap(0, 1, 0, 0, -1, 0) != MAP_FAILED; /* malloc() here would be fine as well. */
}
"""
CLEAN = {
    "include/snug/status.h": STATUS_H,
    "src/base/status.h": BASE_H,
    "src/sys/heap.h": HEAP_H,
    "src/sys/heap.c": HEAP_C,
    "src/mem/budget.c": '#include "sys/heap.h"\n\n#include <string.h>\n',
    "cli/main.c": '#include <stdio.h>\n\n#include "snug/status.h"\n\nint main(void)\n'
                  '{\n    printf("malloc(1)\\n");\n    return 0;\n}\n',
    "tests/unit/heap_test.c": '#include <stdlib.h>\n\n#include "sys/heap.h"\n',
}


class TidyTest(unittest.TestCase):
    """Every test writes the clean tree and one change."""

    def setUp(self):
        self.root = tempfile.mkdtemp()
        for path, text in CLEAN.items():
            self.put(path, text)

    def tearDown(self):
        shutil.rmtree(self.root)

    def put(self, path, text):
        full = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as file:
            file.write(text)

    def run_tidy(self, *options):
        return subprocess.run([sys.executable, TIDY, "--root", self.root, *options],
                              capture_output=True, text=True, check=False)

    def check_clean(self, *options):
        result = self.run_tidy(*options)
        self.assertEqual((result.returncode, result.stdout), (0, ""))

    def check_finds(self, start, *options):
        """Exactly one finding, and it starts so."""
        result = self.run_tidy(*(options or ("--no-compile",)))
        lines = result.stdout.splitlines()
        self.assertEqual(result.returncode, 1, result.stdout)
        self.assertEqual(len(lines), 1, result.stdout)
        self.assertTrue(lines[0].startswith(start), lines[0])

    def test_clean_tree_passes(self):
        self.check_clean()

    def test_layer_may_not_look_up(self):
        self.put("src/base/text.c", '\n#include "sys/heap.h"\n')
        self.check_finds("src/base/text.c:2: layer: base may not include sys/heap.h")

    def test_layer_beside(self):
        self.put("src/models/tds.c", '#include "plan/plan.h"\n')
        self.check_finds("src/models/tds.c:1: layer:")

    def test_layer_without_a_row(self):
        self.put("src/misc/odd.c", '#include "base/status.h"\n')
        self.check_finds("src/misc/odd.c:1: layer: folder src/misc has no row")

    def test_public_header_from_inside(self):
        self.put("src/mem/probe.c", '#include "snug/status.h"\n')
        self.check_finds("src/mem/probe.c:1: layer: only api and cli")

    def test_api_may_include_public_headers(self):
        self.put("src/api/plan_api.c", '#include "mem/budget.h"\n#include "snug/status.h"\n')
        self.check_clean("--no-compile")

    def test_include_relative_to_src(self):
        self.put("src/mem/probe.c", '#include "budget.h"\n')
        self.check_finds("src/mem/probe.c:1: layer: write the include relative to src/")

    def test_cli_sees_public_headers_only(self):
        self.put("cli/plan.c", '#include "mem/budget.h"\n')
        self.check_finds("cli/plan.c:1: layer: cli sees include/snug only")

    def test_public_header_includes_public_only(self):
        self.put("include/snug/plan.h", STATUS_H.replace("typedef", '#include "base/a.h"\ntypedef'))
        self.check_finds("include/snug/plan.h:4: layer:")

    def test_include_in_a_comment_is_none(self):
        self.put("src/base/text.c", '/*\n#include "sys/heap.h"\n*/\n// #include <yaml.h>\n')
        self.check_clean("--no-compile")

    def test_foreign_header_lives_in_one_folder(self):
        self.put("src/train/loop.c", "#include <yaml.h>\n")
        self.check_finds("src/train/loop.c:1: foreign: <yaml.h> lives in src/config/ only")

    def test_foreign_header_at_home(self):
        self.put("src/config/yaml.c", "#include <yaml.h>\n")
        self.put("src/data/hdf5/filter.c", "#include <libdeflate.h>\n")
        self.put("src/ops/cpu/gemm_avx2.c", "#include <immintrin.h>\n")
        self.check_clean("--no-compile")

    def test_intrinsics_live_in_ops_cpu(self):
        self.put("src/ops/ref/gemm_ref.c", "#include <immintrin.h>\n")
        self.check_finds("src/ops/ref/gemm_ref.c:1: foreign: <immintrin.h> lives in src/ops/cpu/")

    def test_system_header_outside_sys(self):
        self.put("src/data/loader.c", "#include <pthread.h>\n")
        self.check_finds("src/data/loader.c:1: foreign: <pthread.h> belongs to the system")

    def test_memory_door(self):
        for call in ("malloc(1)", "free (p)", "mmap(0, 1, 0, 0, 0, 0)", "strdup(p)", "alloca(3)"):
            self.put("src/mem/probe.c", f"\nvoid *f(void *p)\n{{\n    return {call};\n}}\n")
            self.check_finds("src/mem/probe.c:4: door: " + call.split("(")[0].strip())

    def test_file_door(self):
        self.put("src/data/reader.c", 'void *f(void)\n{\n    return fopen("a", "r");\n}\n')
        self.check_finds("src/data/reader.c:3: door: fopen(): files are opened through sys/file")

    def test_print_door(self):
        for call in ('printf("x")', 'fprintf(f, "x")', "exit(1)", "abort()"):
            self.put("src/sys/clock.c", f"void f(void)\n{{\n    {call};\n}}\n")
            self.check_finds("src/sys/clock.c:3: door: " + call.split("(")[0])

    def test_assert_may_abort(self):
        self.put("src/base/assert.c", "void f(void)\n{\n    abort();\n}\n")
        self.check_clean("--no-compile")

    def test_hidden_state_door(self):
        self.put("src/sys/folder.c", "void f(void)\n{\n    qsort(0, 0, 0, 0);\n}\n")
        self.check_finds("src/sys/folder.c:3: door: qsort(): may allocate")

    def test_names_that_only_look_like_doors(self):
        self.put("src/mem/probe.c", 'int f(struct a *a)\n{\n    /* free(x) */\n    a->free(1);\n'
                 '    a.printf(2); snug_free(3); // exit(1)\n    return "malloc(1)"[0];\n}\n')
        self.check_clean("--no-compile")

    def test_header_without_a_sentence(self):
        self.put("src/base/text.h", "#ifndef SNUG_BASE_TEXT_H\n#define SNUG_BASE_TEXT_H\n#endif\n")
        self.check_finds("src/base/text.h:1: header: starts with no sentence")

    def test_header_without_a_guard(self):
        self.put("src/base/text.h", "/* Text. */\n#pragma once\n")
        self.check_finds("src/base/text.h:1: header: has no include guard")

    def test_header_that_does_not_compile_alone(self):
        self.put("src/base/text.h", "/* Text. */\n#ifndef SNUG_TEXT_H\n#define SNUG_TEXT_H\n"
                 "int64_t snug_text(void);\n#endif\n")
        self.check_finds("src/base/text.h:1: alone: does not compile alone as c:", "--cc", "gcc")

    @unittest.skipIf(shutil.which("g++") is None, "no C++ compiler")
    def test_public_header_that_is_no_cpp(self):
        self.put("include/snug/run.h", "/* Runs. */\n#ifndef SNUG_RUN_H\n#define SNUG_RUN_H\n"
                 "int snug_run(int class);\n#endif\n")
        self.check_finds("include/snug/run.h:1: alone: does not compile alone as c++:", "--cc",
                         "gcc")

    def test_names_are_unique(self):
        self.put("src/mem/heap.c", '#include "sys/heap.h"\n')
        self.check_finds("src/sys/heap.c:1: name: has the same name as src/mem/heap.c")

    def test_a_test_is_called_one(self):
        self.put("tests/unit/heap.c", "int x;\n")
        os.remove(os.path.join(self.root, "src/sys/heap.c"))
        self.check_finds("tests/unit/heap.c:1: name: a test ends in _test.c")

    def test_open_end_without_issue(self):
        mark = "TO" + "DO"
        self.put("src/mem/probe.c", f"/* {mark}(#12): fine. */\n/* {mark}: not. */\n")
        self.check_finds(f"src/mem/probe.c:2: todo: {mark} without (#issue)")

    def test_long_line(self):
        self.put("src/mem/probe.c", "/* " + "x" * 98 + " */\n")
        self.check_finds("src/mem/probe.c:1: length: 104 columns")

    def test_white_space(self):
        for text, line in (("int x; \n", 1), ("int x;\n\tint y;\n", 2), ("int x;\nint y;", 2)):
            self.put("src/mem/probe.c", text)
            self.check_finds(f"src/mem/probe.c:{line}: space:")

    def test_machine_paths(self):
        self.put("doc/guide.md", "See\n" + "/wo" + "rk/shared.\n")
        self.check_finds("doc/guide.md:2: words:")

    def test_sizes_are_advice(self):
        body = "    x++;\n" * 80
        self.put("src/mem/probe.c", "int x;\nvoid f(void)\n{\n" + body + "}\n")
        result = self.run_tidy("--no-compile")
        self.assertEqual(result.returncode, 0)
        self.assertIn("warning: src/mem/probe.c:3: size: a function of 82 lines", result.stdout)

    def test_missing_compiler_is_said(self):
        result = self.run_tidy("--cc", "no-such-compiler")
        self.assertEqual(result.returncode, 2)
        self.assertIn("no-such-compiler", result.stderr)


if __name__ == "__main__":
    unittest.main()

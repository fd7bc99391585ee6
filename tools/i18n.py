#!/usr/bin/env python3
"""Keeps the catalogues of messages in step with the source, with gettext's own tools.

    tools/i18n.py pot              write po/snug.pot from src/ and cli/
    tools/i18n.py update           the same, then merge it into po/*.po; what is gone is dropped
    tools/i18n.py check            coverage, formats, order of arguments; what is missing is printed
    tools/i18n.py compile DIR      DIR/LANGUAGE/LC_MESSAGES/snug.mo

Messages are the first texts of the functions in KEYWORDS and the tables in TABLES. The source is
read through a copy in which PRId64 is written out: what is looked up at run time has "%ld".
"""

import errno
import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TEMPLATE = os.path.join(ROOT, "po", "snug.pot")
COVERAGE_MIN = 0.90
FORMAT_KEYWORDS = ["SNUG_FAIL:3", "SNUG_FAIL_DONE:3", "snug_error_prefix:2", "snug_text_say:2",
                   "snug_session_message:3", "add_reason:2", "say:3", "cli_error:1", "cli_note:1",
                   "cli_say:1", "snug_translated_format:1", "snug_translate_format:1",
                   "snug_error_set:5", "add:2", "add_fact:3"]
TEXT_KEYWORDS = ["T_:1", "snug_translated:1", "N_:1", "snug_html_headline:3",
                 "snug_html_paragraph:2", "snug_html_section:2",
                 "snug_html_card:3", "snug_html_card:5", "snug_html_end:2", "add_row:1",
                 "add_number_cards:4"]
# Texts that are looked up where they are shown: (file, where the table begins, where it ends).
TABLES = [
    ("src/train/session_plan.c", r"\} EXPLANATIONS\[\] = \{", r"\n\};"),
    ("src/train/session_verify.c", r"out\[0\] = \(verify_part\)", r"\n    for "),
    ("src/train/session_verify.c", r"verify_part peak = \{", r"\};"),
    ("src/train/session_verify.c", r"heads\[\] = \{", r"\};"),
    ("src/monitor/verdict.c", r"names\[\] = \{", r"\};"),
    ("src/monitor/verdict.c", r"words\[\] = \{", r"\};"),
    ("src/monitor/verdict.c", r"advice\[\] = \{", r"\};"),
    ("src/monitor/memory_report.c", r"SNUG_FIELD_RSS, ", r"\n\};"),
    ("src/monitor/memory_report.c", r"heads\[\] = \{", r"\};"),
    ("src/monitor/analysis_text.c", r"heads\[\] = \{", r"\};"),
    ("src/monitor/analysis_text.c", r"difference_text\(\"", r"[,;]"),
    ("src/monitor/analysis_page.c", r"headings\[\] = \{", r"\};"),
    ("src/api/experiments_report.c", r"last\[\] = \{", r"\};"),
    ("src/train/experiment_results.c", r"STATUS_NAMES\[\] = \{", r"\};"),
    ("src/api/experiments_api.c", r"\*out_words = ", r";"),
    ("src/monitor/memory_plot.c", r"curve_words\[SNUG_CURVE_COUNT\] = \{", r"\};"),
    ("src/monitor/chart.c", r"\badd_bytes\(recorder, list, [^\"]*", r"[,;]"),
    ("src/monitor/levels.c", r"names\[SNUG_LEVEL_COUNT\] = \{", r"\};"),
    ("src/monitor/levels.c", r"basis_words\[BASIS_COUNT\] = \{", r"\};"),
    ("src/monitor/recorder.c", r"names\[\] = \{", r"\};"),
    ("src/monitor/sampler.c", r"why_not\[\w+\] = ", r";"),
    ("src/monitor/supervise.c", r"peak_source = ", r";"),
    ("src/sys/file.c", r"(?:snug_file_fail|close_and_fail)\(\w+, ", r"[,;]"),
    ("src/sys/folder.c", r"(?:snug_file_fail|close_and_fail)\(\w+, ", r"[,;]"),
    ("src/sys/writer.c", r"(?:snug_file_fail|close_and_fail)\(\w+, ", r"[,;]"),
    ("src/train/session_eval.c", r"names\[SNUG_PARTS\] = \{", r"\};"),
    ("src/train/family_text.c", r"\.sample = ", r","),
    ("src/train/family_timeseries.c", r"\.sample = ", r","),
    ("src/sys/kept.c", r"words\[\] = \{", r"\};"),
    ("src/sys/nvml.c", r"\*out_reason = ", r";"),
    ("src/train/family_text.c", r"knobs\[\] = \{", r"\n\};"),
    ("src/train/family_timeseries.c", r"knobs\[\] = \{", r"\n\};"),
    ("src/api/data_api.c", r"heads\[\] = \{", r"\};"),
    ("src/api/machine_api.c", r"warn(?:_of_\w+)?\(", r"\);"),
    ("src/base/category.c", r"\] = \{", r"\};"),
    ("src/plan/explain.c", r"mode_text\(snug_keep_mode mode\)\n\{", r"\n\}"),
]
STRING = r'"(?:\\.|[^"\\\n])*"'
STRINGS = rf"{STRING}(?:\s*{STRING})*"
# What the C library says, as far as our calls can meet it.
REASONS = [errno.ENOENT, errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENOTDIR, errno.ENOSPC,
           errno.EIO, errno.EROFS, errno.EMFILE, errno.ENOMEM, errno.EINVAL, errno.EEXIST,
           errno.EBUSY, errno.ENAMETOOLONG, errno.ELOOP, errno.EDQUOT, errno.EFBIG, errno.EAGAIN,
           errno.ESRCH, errno.ENOEXEC, errno.E2BIG, errno.ENODEV, errno.ENXIO, errno.ENOTEMPTY]


def sources():
    """The C files whose messages people see, relative to the root, sorted."""
    found = []
    for top in ("src", "cli"):
        for folder, _, names in os.walk(os.path.join(ROOT, top)):
            found += [os.path.relpath(os.path.join(folder, n), ROOT) for n in names
                      if n.endswith(".c")]
    return sorted(found)


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def written_out(text):
    """int64_t formats as they are on 64-bit Linux."""
    for name, length in (("PRId64", "ld"), ("PRIu64", "lu"), ("PRId32", "d"), ("PRIu32", "u")):
        text = re.sub(rf'"\s*{name}\s*"', length, text)
        text = re.sub(rf'"\s*{name}\b', length + '"', text)
    return text


def is_words(literal):
    """Whether a text of a table is for people: a name of a key or a lone figure is not."""
    bare = re.sub(r"%[-+ #0-9.*$]*(?:ll|l|z)?[a-zA-Z]|\\\\n", " ", literal)
    return (re.search(r"[A-Za-z]{2,}", bare) is not None
            and re.fullmatch(r'"(?:\w+[._][\w.]+|\d+MiB|NaN)"', literal) is None)


def table_texts(path, text):
    """The texts of the tables of a file, as C literals."""
    found = []
    for where, begin, end in TABLES:
        if where == path:
            for match in re.finditer(begin, text):
                rest = text[match.start():]
                stop = re.search(end, rest[len(match.group(0)):])
                part = rest[:len(match.group(0)) + stop.end()] if stop else rest
                found += re.findall(STRINGS, part)
    if path == "cli/commands.c":
        found += re.findall(rf"\.help = ({STRINGS})", text)
        found += re.findall(rf'SETTING\({STRING},\s*(?:NULL|{STRING}),\s*{STRING},\s*({STRINGS})\)',
                            text)
        rows = text[text.index("commands[] = {"):]
        for row in re.finditer(rf'\{{({STRING}),\s*({STRINGS}),\s*({STRINGS}),\s*({STRINGS}),',
                               rows):
            # Commands are the same in every language; only what is said below them is not.
            found += [row.group(2)] + [e for e in [row.group(4)] if re.search(r'(?m)^ *"\\n"', e)]
    if path == "src/config/schema.c":
        found += setting_texts(text)
    if path == "src/config/builtin.c":
        found += re.findall(rf'\{{{STRING}, (?:true|false), ({STRINGS}),', text)
    # xgettext takes the first text of a call; one that chooses between two has more.
    for inside in calls(text, "T_|snug_translated|snug_html_headline|cli_say"):
        found += re.findall(STRINGS, inside) if "?" in inside else []
    return [f for f in found if is_words(f)]


def calls(text, names):
    """What stands between the parentheses of every call of one of the names."""
    for match in re.finditer(rf"\b(?:{names})\(", text):
        depth, at = 1, match.end()
        while depth > 0 and at < len(text):
            literal = re.match(STRING, text[at:])
            at += literal.end() if literal else 1
            depth += 0 if literal else {"(": 1, ")": -1}.get(text[at - 1], 0)
        yield text[match.end():at - 1]


def setting_texts(text):
    """What a key of the configuration means: the last text of its row."""
    kinds = "INT|REAL|BOOL|TEXT|CHOICE|BYTES"
    rows = text[text.index("rows[] = {"):]
    found = re.findall(rf"\.help = ({STRINGS})", rows)
    found += [re.findall(STRINGS, row)[-1] for row in calls(rows, kinds)]
    stages = re.search(r"#define STAGE\(n\)(.*?)\n\n", text, re.S).group(1).replace("\\\n", "\n")
    for number in re.findall(r"\bSTAGE\((\d)\)", rows):
        plain = re.sub(r'"\s*#n\s*"', number, stages)
        plain = re.sub(r'"\s*#n(?=\s*[,)]|$)', number + '"', plain)
        found += [re.findall(STRINGS, row)[-1] for row in calls(plain + ")", "INT")]
    return found


def run_xgettext(files, keywords, out, more):
    command = ["xgettext", "--from-code=UTF-8", "--language=C", "--keyword", "--no-wrap",
               "--package-name=snug", "--add-comments=i18n:", "--output=" + out] + more
    command += ["--keyword=" + k for k in keywords] + files
    subprocess.run(command, check=True, cwd=os.path.dirname(out))


def make_template(target):
    """xgettext over a copy of the source."""
    with tempfile.TemporaryDirectory() as folder:
        files, tables = [], []
        for path in sources():
            text = written_out(read(path))
            copy = os.path.join(folder, path)
            os.makedirs(os.path.dirname(copy), exist_ok=True)
            with open(copy, "w", encoding="utf-8") as file:
                file.write(text)
            files.append(path)
            found = table_texts(path, text)
            if found:
                table = path[:-2] + "_table.c"
                with open(os.path.join(folder, table), "w", encoding="utf-8") as file:
                    file.write("".join(f"N_({t})\n" for t in found))
                tables.append(table)
        with open(os.path.join(folder, "reasons.c"), "w", encoding="utf-8") as file:
            file.write("".join(f'N_("{os.strerror(r)}")\n' for r in REASONS))
        flags = [f"--flag={k}:c-format" for k in FORMAT_KEYWORDS]
        flags += [f"--flag={k}:no-c-format" for k in TEXT_KEYWORDS]
        out = os.path.join(folder, "all.pot")
        run_xgettext(files + tables + ["reasons.c"], FORMAT_KEYWORDS + TEXT_KEYWORDS, out, flags)
        with open(out, encoding="utf-8") as file:
            text = file.read()
    text = text.replace("charset=CHARSET", "charset=UTF-8").replace("_table.c:", ".c:")
    text = re.sub(r'"POT-Creation-Date:.*\n', "", text)
    # Line numbers change with every edit and say little; the file stays.
    text = re.sub(r"^#: .*$", lambda m: "#: " + " ".join(
        dict.fromkeys(w.split(":")[0] for w in m.group(0)[3:].split())), text, flags=re.M)
    head, *blocks = text.rstrip("\n").split("\n\n")
    blocks = [b for b in blocks if is_words(b[b.index("msgid"):b.rindex("msgstr")][6:])]
    with open(target, "w", encoding="utf-8") as file:
        file.write("\n\n".join([head] + blocks) + "\n")


def catalogues():
    folder = os.path.join(ROOT, "po")
    return sorted(os.path.join(folder, n) for n in os.listdir(folder) if n.endswith(".po"))


def merge(po, template, out):
    subprocess.run(["msgmerge", "--quiet", "--no-fuzzy-matching", "--no-wrap", "-o", out, po,
                    template], check=True)
    subprocess.run(["msgattrib", "--no-obsolete", "--no-wrap", "-o", out, out], check=True)


def update():
    make_template(TEMPLATE)
    for po in catalogues():
        merge(po, TEMPLATE, po)


def compile_all(target):
    for po in catalogues():
        language = os.path.basename(po)[:-3]
        folder = os.path.join(target, language, "LC_MESSAGES")
        os.makedirs(folder, exist_ok=True)
        subprocess.run(["msgfmt", "--no-hash", "--endianness=little", "-o",
                        os.path.join(folder, "snug.mo"), po], check=True)


def entries(path):
    """(key, translation, is it a C format) of a catalogue."""
    text = subprocess.run(["msgattrib", "--no-wrap", "--no-obsolete", path], check=True,
                          capture_output=True, text=True).stdout
    for block in text.split("\n\n"):
        quoted = {}
        name = None
        for line in block.split("\n"):
            match = re.match(r'(msgid|msgstr) "', line)
            name = match.group(1) if match else name if line.startswith('"') else None
            if name:
                quoted[name] = quoted.get(name, "") + line[line.index('"') + 1:-1]
        if quoted.get("msgid"):
            flags = re.search(r"^#,.*", block, re.M)
            c_format = bool(flags and re.search(r"(?<!no-)c-format", flags.group(0)))
            yield quoted["msgid"], quoted.get("msgstr", ""), c_format


def conversions(text):
    """The conversions of a format in the order of its arguments, as the program compares them."""
    found, number = {}, 0
    for match in re.finditer(r"%(?:%|(?:(\d+)\$)?[-+ #0']*(\*|\d+)?(?:\.(\*|\d*))?"
                             r"((?:hh|h|ll|l|j|z|t|L)?[diouxXeEfFgGaAcsp]))", text):
        if match.group(4) is None:
            continue
        for star in (match.group(2), match.group(3)):
            if star == "*":
                number += 1
                found[number] = "*"
        number += 1
        found[int(match.group(1) or number)] = match.group(4)
    return [found[k] for k in sorted(found)]


def check():
    """Prints what is missing or wrong; status 1 when a catalogue cannot be used as it is."""
    bad = False
    with tempfile.TemporaryDirectory() as folder:
        template = os.path.join(folder, "snug.pot")
        make_template(template)
        for po in catalogues():
            name = os.path.basename(po)
            done = subprocess.run(["msgfmt", "--check", "-o", os.devnull, po], check=False,
                                  capture_output=True, text=True)
            if done.returncode != 0:
                print(f"{name}: msgfmt refuses it\n{done.stderr}")
                bad = True
                continue
            merged = os.path.join(folder, name)
            before = {key for key, _, _ in entries(po)}
            merge(po, template, merged)
            all_of_it = list(entries(merged))
            missing = [key for key, words, _ in all_of_it if not words]
            now = {key for key, _, _ in all_of_it}
            for key in missing:
                print(f"{name}: missing: {key}")
            for key in sorted(before - now):
                print(f"{name}: obsolete: {key}")
            for key, words, c_format in all_of_it:
                if c_format and words and conversions(key) != conversions(words):
                    print(f"{name}: other arguments: {key}\n    {words}")
                    bad = True
            share = 1 - len(missing) / max(len(all_of_it), 1)
            print(f"{name}: {len(all_of_it) - len(missing)} of {len(all_of_it)} messages "
                  f"({100 * share:.1f} %), {len(before - now)} obsolete")
            bad = bad or share < COVERAGE_MIN
    return 1 if bad else 0


def main():
    words = sys.argv[1:]
    tools = ["xgettext", "msgmerge", "msgattrib", "msgfmt"]
    missing = [t for t in tools if shutil.which(t) is None]
    if missing:
        print(f"skipped: {', '.join(missing)} is not installed (Debian package gettext)")
        return 77
    if words == ["pot"]:
        make_template(TEMPLATE)
    elif words == ["update"]:
        update()
    elif words == ["check"]:
        return check()
    elif len(words) == 2 and words[0] == "compile":
        compile_all(words[1])
    else:
        print(__doc__)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Makes src/data/token/unicode_tables.inc: what BERT's normaliser and GPT-2's splitter do to every character.

  make_tables.py [OUTPUT]        writes the tables (default: src/data/token/unicode_tables.inc)
  make_tables.py --compare       prints where `tokenizers` and this Python's Unicode differ

The fast tokenizer of Hugging Face mixes several versions of Unicode: its general categories are those
of Unicode 8, its decompositions those of 12, its lower case and white space those of the Rust it was
built with. Equal ids need exactly these, so the tables are measured, character by character, with
`tokenizers` (made with 0.23.3), and compared with unicodedata (14.0.0 in Python 3.11), whose
combining classes are used as they are: they never change.
"""
import os
import sys
import unicodedata

import tokenizers
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers

CODES = 0x110000
REMOVED, SPACE, PUNCTUATION, MARK, LATER, DECOMPOSED, LOWERED, WORD = (1 << i for i in range(8))
FLAG_SHIFT, MAP_SHIFT = 7, 6
OTHER, LETTER, NUMBER, BLANK = range(4)  # What the pattern of ByteLevel tells apart.
HANGUL = range(0xAC00, 0xAC00 + 11172)
LAST_PART = 1 << 31  # No further character of the mapping follows.


def characters():
    return (code for code in range(CODES) if not 0xD800 <= code <= 0xDFFF)


def bert(**on):
    options = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    options.update(on)
    return normalizers.BertNormalizer(**options).normalize_str


def is_later(code, nfd):
    """Whether `tokenizers` moves this character behind others when it orders marks."""
    order = unicodedata.combining(chr(code))
    if order == 0:
        return False
    low, high = "\u0334", "\u0301"  # Classes 1 and 230.
    if order > 1:
        return nfd("a" + chr(code) + low) == nfd("a" + low + chr(code))
    return nfd("a" + high + chr(code)) == nfd("a" + chr(code) + high)


def measure():
    """flags, decompositions (Hangul left to arithmetic), lower case: of every character."""
    clean, strip, lower = bert(clean_text=True), bert(strip_accents=True), bert(lowercase=True)
    nfd = normalizers.NFD().normalize_str
    split = pre_tokenizers.BertPreTokenizer().pre_tokenize_str
    alone = Tokenizer(models.WordPiece({"?": 0, "@": 1}, unk_token="?"))
    alone.add_tokens([AddedToken("@", single_word=True, normalized=False)])
    flags, decomposed, lowered = bytearray(CODES), {}, {}
    for code in characters():
        text = chr(code)
        value = REMOVED if clean(text) == "" else 0
        pieces = len(split("a" + text + "a"))
        value |= {1: 0, 2: SPACE, 3: PUNCTUATION}[pieces]
        parts = nfd(text)
        if parts == text:
            value |= MARK if strip(text) == "" else 0
        elif code in HANGUL:
            assert parts == unicodedata.normalize("NFD", text)
        else:
            value |= DECOMPOSED
            decomposed[code] = [ord(c) for c in parts]
        value |= LATER if is_later(code, nfd) else 0
        small = lower(text)
        if small != text:
            value |= LOWERED
            lowered[code] = [ord(c) for c in small]
        value |= WORD if 1 not in alone.encode(text + "@").ids else 0
        flags[code] = value
    return flags, decomposed, lowered


def measure_classes():
    """\\p{L}, \\p{N}, \\s and the rest, as the pattern of ByteLevel runs over them."""
    split = pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str
    classes = bytearray(CODES)
    for code in characters():
        for kind, before in ((LETTER, "a"), (NUMBER, "1"), (OTHER, "!")):
            if len(split(before + chr(code))) == 1:
                classes[code] = kind
                break
        else:
            classes[code] = BLANK
    return classes


def compare_classes(classes):
    """Where Python's Unicode puts a character elsewhere."""
    kinds = {"L": LETTER, "N": NUMBER}
    return [code for code in characters()
            if classes[code] != (BLANK if chr(code).isspace() and not 0x1C <= code <= 0x1F else
                                 kinds.get(unicodedata.category(chr(code))[0], OTHER))]


def ranges(codes):
    found = []
    for code in codes:
        if found and found[-1][1] == code - 1:
            found[-1][1] = code
        else:
            found.append([code, code])
    return [f"{a:04X}" if a == b else f"{a:04X}-{b:04X}" for a, b in found]


def compare(flags, decomposed, lowered):
    """Where Python's Unicode says something else; a list of (what, codes)."""
    differ = {"removed": [], "space": [], "punctuation": [], "mark": [], "lower": [], "NFD": []}
    for code in characters():
        text = chr(code)
        kind = unicodedata.category(text)
        removed = (kind in ("Cc", "Cf", "Co") and text not in "\t\n\r") or code in (0, 0xFFFD)
        punctuation = kind[0] == "P" or 33 <= code <= 47 or 58 <= code <= 64 or 91 <= code <= 96 or 123 <= code <= 126
        parts = unicodedata.normalize("NFD", text)
        one = parts == text
        for name, mine, theirs in (
                ("removed", flags[code] & REMOVED, removed),
                ("space", flags[code] & SPACE, text.isspace()),
                ("punctuation", flags[code] & PUNCTUATION, punctuation),
                ("mark", flags[code] & MARK, one and kind == "Mn"),
                ("lower", lowered.get(code, [code]), [ord(c) for c in text.lower()]),
                ("NFD", decomposed.get(code, [code]), [code] if code in HANGUL else [ord(c) for c in parts])):
            if (bool(mine) != theirs) if isinstance(theirs, bool) else mine != theirs:
                differ[name].append(code)
    return differ


def two_stages(values, shift):
    """(which block of 1 << shift a code is in, the blocks one after the other)"""
    size, blocks, index = 1 << shift, {}, []
    for first in range(0, len(values), size):
        index.append(blocks.setdefault(tuple(values[first:first + size]), len(blocks)))
    assert len(blocks) <= 256
    return index, [v for block in blocks for v in block]


def mapping(table, shift):
    """Two stages whose values are places in a pool; 0 is no mapping."""
    pool, places, values = [0], {}, [0] * ((max(table) >> shift) + 1 << shift)
    for code, parts in sorted(table.items()):
        key = tuple(parts)
        if key not in places:
            places[key] = len(pool)
            pool += [*parts[:-1], parts[-1] | LAST_PART]
        values[code] = places[key]
    assert len(pool) < 65536
    return (*two_stages(values, shift), pool)


def array(kind, name, values):
    lines, line = [f"static const {kind} {name}[{len(values)}] = {{"], "   "
    for value in values:
        word = f" {value:#x}," if value > 9 else f" {value},"
        if len(line) + len(word) > 100:
            lines.append(line)
            line = "   "
        line += word
    return "\n".join([*lines, line, "};", ""])


def main():
    flags, decomposed, lowered = measure()
    classes = measure_classes()
    differ = compare(flags, decomposed, lowered)
    differ["class"] = compare_classes(classes)
    if "--compare" in sys.argv[1:]:
        for name, codes in differ.items():
            print(f"{name}: {len(codes)} characters differ: {' '.join(ranges(codes))}")
        return
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
    output = sys.argv[1] if len(sys.argv) > 1 else os.path.join(root, "src/data/token/unicode_tables.inc")
    flag_index, flag_blocks = two_stages(flags, FLAG_SHIFT)
    nfd_index, nfd_blocks, nfd_pool = mapping(decomposed, MAP_SHIFT)
    low_index, low_blocks, low_pool = mapping(lowered, MAP_SHIFT)
    class_index, class_blocks = two_stages(classes, FLAG_SHIFT)
    kept = [code for code in characters() if flags[code] & LATER and not flags[code] & MARK]
    counts = ", ".join(f"{name} {len(codes)}" for name, codes in differ.items())
    text = "\n".join([
        f"/* Made by tools/unicode/make_tables.py with tokenizers {tokenizers.__version__}; do not edit.",
        f" * Characters for which unicodedata {unicodedata.unidata_version} says something else:",
        f" * {counts}.",
        " */",
        "",
        f"enum {{ FLAG_SHIFT = {FLAG_SHIFT}, MAP_SHIFT = {MAP_SHIFT} }};",
        "",
        array("uint8_t", "flag_index", flag_index),
        array("uint8_t", "flag_blocks", flag_blocks),
        array("uint8_t", "nfd_index", nfd_index),
        array("uint16_t", "nfd_blocks", nfd_blocks),
        array("uint32_t", "nfd_pool", nfd_pool),
        array("uint8_t", "lower_index", low_index),
        array("uint16_t", "lower_blocks", low_blocks),
        array("uint32_t", "lower_pool", low_pool),
        "/* Characters that are moved behind others and are no mark: code * 256 + combining class. */",
        array("uint32_t", "late_codes", [code << 8 | unicodedata.combining(chr(code)) for code in kept]),
        "/* 0 other, 1 letter, 2 number, 3 white space. */",
        array("uint8_t", "class_index", class_index),
        array("uint8_t", "class_blocks", class_blocks)])
    with open(output, "w", encoding="ascii") as file:
        file.write(text)
    size = len(flag_index) + len(flag_blocks) + len(nfd_index) + 2 * len(nfd_blocks) + 4 * len(nfd_pool) + \
        len(low_index) + 2 * len(low_blocks) + 4 * len(low_pool) + 4 * len(kept) + \
        len(class_index) + len(class_blocks)
    print(f"{output}: {size} bytes of tables, {len(decomposed)} decompositions, {len(lowered)} lower cases, "
          f"{len(kept)} late characters")


if __name__ == "__main__":
    main()

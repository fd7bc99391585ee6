#!/usr/bin/env python3
"""Makes tests/fixtures/wordpiece/: what the fast tokenizer of transformers makes of hard texts.

  make_wordpiece_vectors.py OUTPUT_FOLDER [DATA_FOLDER]

OUTPUT_FOLDER gets one folder per tokenizer (a made vocabulary of some 1,100 entries; nothing of any real one)
with cases.txt: a text in hexadecimal UTF-8, a tab, its ids without [CLS] and [SEP]; one has pairs.txt: two texts,
length_max, the number of ids of type 0, all ids. With DATA_FOLDER (textcls/ inside), digests.txt: for
every real file its name, its number of lines and tokens, and the SHA-256 of its ids under the vocabulary of
bert-base-chinese: int32, little endian, every line followed by -1. No text of it is stored.
Made with transformers 5.23.0, tokenizers 0.23.3.
"""
import csv
import hashlib
import json
import os
import random
import struct
import sys
import unicodedata

os.environ["TOKENIZERS_PARALLELISM"] = "false"

from tokenizers import AddedToken  # noqa: E402
from transformers import BertTokenizerFast  # noqa: E402

SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
PIECES = ("the of and to in play ##ing ##ed un ##able ##want run ##ning ##s ##er snow ##ball straße strasse stra "
          "##sse ##ße istanbul i̇stanbul caf ##e ##é cafe ΑΒΓ οδυσσευσ οδυσσευς ##σ ##ς москва ##ва ##мос hello world "
          "##ld 12 ##34 ##5 co ##co ##coa aa aaa aaaa ##aa ##aaa ##a abc ##abcd ##abc").split()

TORTURE = [
    "", " ", "\t\n\r", "a", "A", "[", "##", "##ing", "a##ing", "Hello, World!", "unwantedly playing runnings", "don't 12345 5",
    "a b c　d e　", "a\u0000b\u0001c\u0007d\u007fe\u0080f\u009fg", "a\ufffdb\ufeffc\u00add\u200be\u200cf\u200dg\u2060h",
    "a\u000bb\u000cc\u001cd\u001fe\u0085f\u2028g\u2029h\u180ei\u2000j\u3000k\u1680l\u00a0m\u202fn\u205fo",
    "\u200e\u200fאב\u202aגד\u202c\u2066שלום\u2069 مرحبا بالعالم ـــ", "עִבְרִית نَصٌّ عَرَبِيّ",
    "café CAFÉ cafe\u0301 e\u0301\u0302 \u0301 \u0301a a\u0301\u0323 a\u0323\u0301", "ÀÉÎÕÜ àéîõü ĄĆĘŁŃÓŚŹŻ ąćęłńóśźż ñ Ñ ç Ç å Å Å",
    "İstanbul Istanbul ıstanbul i̇stanbul İ I ı i", "STRASSE Straße STRAẞE ẞ ß", "ΟΔΥΣΣΕΥΣ Οδυσσεύς ΑΣ ΑΣΑ Σ σ ς", "ŉ ǰ ΐ ΰ և ẖ ẗ ẘ ẙ ẚ ﬁ ﬂ ﬃ ﬄ ﬅ Ǆ ǅ ǆ Ω K Å",
    "한국어 각 힣 가 ᄀ ᄀ\u1161 ᄀ\u1161\u11a8 ㄱ ㅏ ﾡ", "がぎぐ ガギグ ﾊﾟ か\u3099 は\u309a ー々〆〇 ｱｲｳ",
    "\u302e\u302f a\u302f\u302e\U0001d165b \U0001d165\u302e \U0001d15e \U0001d16d\U0001d165\u302a a\u302e\u0301\u0941\U0001d165",
    "\U00016ff0\U0001d165\u302f \U0001d166\u0334\u302e\u0300x", "q\u0323\u0307 q\u0307\u0323 \u0344 \u0f73 \u0f75\u0f81 \u0cc0\u0ccb",
    "नमस्ते हिन्दी কথা தமிழ் తెలుగు ไทยภาษา ພາສາລາວ བོད་སྐད မြန်မာ ភាសាខ្មែរ", "ⴰⵎⴰⵣⵉⵖ ᏣᎳᎩ ꭰꭱ Ა ა ᲀ Ꙋ ꙋ 𐐀 𐐨 𞤀 𞤢 𐓀 𖹀",
    "中文测试，汉字！", "abc中文def漢字ghi", "㐀㿿䶿一龥鿿𠀀𪛟𪛠𪜀𫜿𫝀𫠟𫠠𫢸𫤟𫤠𬺯𬺰豈金並𦾷", "﨎﨏﨑 ⺀⼀ 㐅 〇 〡 ㈠ ㊀ ㍿", "a𫠠b a𫤠b a𬺯b",
    "。，、；：？！「」『』（）【】《》〈〉〔〕…—～·￥＄％＆", "a–b—c‘d’e“f”g…h‹i›j«k»l¿m¡n§o¶p·q", "$+<=>^`|~ ©®™°±²³¼×÷€£¥₿ №℃ ←→ ∀∂ ■● ☃",
    "⁅⁆⸺⹂⹏⹐⹝ ꣎꣏ ꤮ 𐄀𐄁 𑁇𑁈 𑅀 𒑰 𛲟 𞥞 ꘍ ꫰ ﴾﴿ ︐︙ ﹏ ＿", ";`·´΅ ʹ", "👍 👍🏽 👨‍👩‍👧‍👦 🏳️‍🌈 🇩🇪 1️⃣ ❤️ ☎︎ 🧑🏿‍🚀", "a👍b中👍文",
    "\ue000\uf8ff\U000f0000\U0010fffd a\ue000b", "\u0378\u0380\u05ff\u2065\U0001ffff\U000e0001\U000e0100 a\u0378b a\U000e0100b \uffff \ufffe",
    "a\ufe0fb a\u034fb a\u180bb a\u061cb a\u06ddb a\u070fb a\u08e2b a\U000110bdb a\U000110cdb a\U00013430b a\U0001d173b",
    "\u0898\u08d3\u1abf\u1ac0a \u0b55x \U00011938x \U00010efdx \U0001e08f", "[MASK]", "[mask]", "[MASK][SEP] [CLS]", "a[MASK]b", "中[MASK]文", "[MASK", "[[MASK]]",
    "[MASK ]", "[ MASK]", "e\u0301[UNK]\u0301e", "[PAD]x[PAD]", "\u302f[SEP]\u302e", "<joined>a <joined> a<joined> <joined>", "<joined>é é<joined> 中<joined> <joined>.",
    "<joined>\u200d_<joined> \u0301<joined>\u0301 <joined><joined>", "<any>a<any>", "x<any>y <ANY> <any", "new token newtoken", "naïve<é>tag <é <é>",
    "a" * 99, "a" * 100, "a" * 101, "a" * 100 + " b", "é" * 100, "é" * 101, "e\u0301" * 100, "\u0301" * 300 + "a", "a" + "\u302e" * 99, "a" + "\u302e" * 100,
    "a" + "\u302e" * 300 + "b c", "İ" * 50, "İ" * 51, "각" * 33, "각" * 34, "中" * 300, "abc" * 33 + "d", "!" * 200, "\u200b" * 300 + "the", "x" * 5000 + " the",
    "aaaaaaa aaaaab abcabcabcd cococoa ab abcd", "The OF and TO in", "http://example.com/?a=b&c=d#e user@host.org C++ C# .NET", "3.14 1,000,000 50% -1 2^10 a_b a-b",
]


def random_texts(count, seed):
    draw = random.Random(seed)
    pools = [[c for c in range(0x20, 0x2FA20) if not 0xD800 <= c <= 0xDFFF], list(range(32, 127)), list(range(97, 123)), list(range(0x300, 0x370)),
             list(range(0xA0, 0x250)), [0x302A, 0x302B, 0x302E, 0x302F, *range(0x1D15E, 0x1D16E)], list(range(0x4E00, 0x4E40)), list(range(0xAC00, 0xAC80)),
             list(range(0x1F300, 0x1F340)), list(range(0x5B0, 0x700)), list(range(0x900, 0xE00)), [c for c in range(0x30000) if unicodedata.combining(chr(c))],
             list(range(0xF900, 0xFB00)), list(range(0, 33)), list(range(0x2000, 0x2070))]
    for _ in range(count):
        chosen = draw.sample(pools, draw.randint(1, 4))
        text = "".join(chr(draw.choice(draw.choice(chosen))) for _ in range(draw.choice((1, 3, 8, 20))))
        if draw.random() < 0.2:
            half = len(text) // 2
            text = text[:half] + draw.choice(("[MASK]", "[SEP]", "<joined>", "[CLS", " [PAD]]", "<any>")) + text[half:]
        yield text


def make_vocabulary(texts):
    """Specials, some words, and half of the characters that normalising the texts gives, alone and after others."""
    characters = set(map(chr, range(33, 127)))
    for text in texts:
        for form in (text, text.lower(), unicodedata.normalize("NFD", text), unicodedata.normalize("NFD", text).lower()):
            characters.update(c for c in form if not c.isspace() and c != "\0")
    kept = sorted(characters)
    random.Random(3).shuffle(kept)
    tokens = dict.fromkeys(SPECIALS + PIECES + kept[:520] + ["##" + c for c in kept[:440]] + ["the" + c for c in kept[:40]] + sorted(map(chr, range(33, 127))))
    return list(tokens)


def write_cases(path, tokenizer, texts):
    with open(path, "w", encoding="ascii") as file:
        for text in texts:
            ids = tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids
            file.write(text.encode().hex() + "\t" + " ".join(map(str, ids)) + "\n")


def write_pairs(path, tokenizer):
    draw = random.Random(9)
    with open(path, "w", encoding="ascii") as file:
        for _ in range(100):
            first, second = (" ".join(draw.choice(["the", "of", "playing", "中", "unwanted", "[MASK]"])
                                      for _ in range(draw.randint(1, 9))) for _ in range(2))
            limit = draw.randint(3, 20)
            both = tokenizer(first, second, truncation=True, max_length=limit)
            file.write("\t".join([first.encode().hex(), second.encode().hex(), str(limit), str(both["token_type_ids"].count(0)),
                                  " ".join(map(str, both["input_ids"]))]) + "\n")


def make_folder(folder, vocabulary, texts, options, with_json):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "vocab.txt"), "w", encoding="utf-8", newline="\n") as file:
        file.write("\n".join(vocabulary) + "\n")
    with open(os.path.join(folder, "tokenizer_config.json"), "w", encoding="ascii") as file:
        json.dump({"tokenizer_class": "BertTokenizer", **options}, file)
    tokenizer = BertTokenizerFast.from_pretrained(folder)
    if with_json:
        tokenizer.add_tokens([AddedToken("<joined>", single_word=True, normalized=False),
                              AddedToken("<any>", lstrip=True, rstrip=True, normalized=False),
                              AddedToken("<é>", normalized=False), AddedToken("new token", normalized=False)])
        tokenizer.backend_tokenizer.save(os.path.join(folder, "tokenizer.json"), pretty=False)
        os.remove(os.path.join(folder, "vocab.txt"))
    write_cases(os.path.join(folder, "cases.txt"), tokenizer, texts)
    if with_json:  # Last: it leaves its truncation behind.
        write_pairs(os.path.join(folder, "pairs.txt"), tokenizer)


def real_texts(path):
    if path.endswith(".csv"):
        with open(path, encoding="utf-8", newline="") as file:
            yield from (row[-1] for row in csv.reader(file) if row)
    else:
        with open(path, encoding="utf-8", newline="\n") as file:
            yield from (line.rstrip("\n").split("\t")[0] for line in file)


def write_digests(path, data):
    tokenizer = BertTokenizerFast.from_pretrained(os.path.join(data, "textcls/vocab_bert_base_chinese")).backend_tokenizer
    names = ["chnsenticorp_htl/ChnSentiCorp_htl_all.csv", "waimai_10k/waimai_10k.csv", "online_shopping_10_cats/online_shopping_10_cats.csv",
             "thucnews_titles/train.txt", "thucnews_titles/dev.txt"]
    with open(path, "w", encoding="ascii") as file:
        for name in names:
            digest, lines, tokens = hashlib.sha256(), 0, 0
            texts = list(real_texts(os.path.join(data, "textcls", name)))
            for encoded in tokenizer.encode_batch(texts, add_special_tokens=False):
                digest.update(struct.pack(f"<{len(encoded.ids) + 1}i", *encoded.ids, -1))
                lines, tokens = lines + 1, tokens + len(encoded.ids)
            file.write(f"{name} {lines} {tokens} {digest.hexdigest()}\n")


def main():
    output = sys.argv[1]
    texts = TORTURE + list(random_texts(260, 4))
    vocabulary = make_vocabulary(texts)
    make_folder(os.path.join(output, "uncased"), vocabulary, texts, {}, True)
    make_folder(os.path.join(output, "cased"), vocabulary, texts, {"do_lower_case": False}, False)
    make_folder(os.path.join(output, "accents"), vocabulary, texts, {"strip_accents": False, "tokenize_chinese_chars": False}, False)
    make_folder(os.path.join(output, "bare"), vocabulary, texts, {"do_lower_case": False, "strip_accents": True}, False)
    print(len(vocabulary), "tokens,", len(texts), "texts")
    if len(sys.argv) > 2:
        write_digests(os.path.join(output, "digests.txt"), sys.argv[2])


if __name__ == "__main__":
    main()

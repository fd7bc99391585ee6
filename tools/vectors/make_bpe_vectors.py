#!/usr/bin/env python3
"""Makes tests/fixtures/bpe/: what the fast tokenizer of transformers makes of hard texts by byte-level BPE.

  make_bpe_vectors.py OUTPUT_FOLDER DATA_FOLDER

Trains a small byte-level BPE on texts of DATA_FOLDER/textcls and on the hard texts. OUTPUT_FOLDER gets one folder per
tokenizer, each with cases.txt: a text in hexadecimal UTF-8, a tab, its ids without special tokens.

    roberta   a model folder for RobertaForSequenceClassification with random weights (float16): tokenizer.json
              with merges as pairs, tokenizer_config.json; pairs.txt, singles.txt, long.txt
    files     the same as vocab.json and merges.txt; pairs.txt
    gpt2      as tokenizer.json of the tokenizers library alone: a prefix blank, merges as strings, some bytes unknown,
              added tokens of every kind
    uncut     ByteLevel without its pattern; ignore_merges
    bert      WordPiece with added tokens that are matched in normalised text

digests.txt: for every real file its name, its number of lines and tokens, and the SHA-256 of its ids under
roberta and under DATA_FOLDER/t5chat/tokenizers/minimind: int32, little endian, every line followed by -1. No text is stored.
Made with transformers 5.23.0, tokenizers 0.23.3.
"""
import hashlib
import json
import os
import random
import shutil
import struct
import sys

os.environ["TOKENIZERS_PARALLELISM"] = "false"

import torch  # noqa: E402
import transformers  # noqa: E402
from make_wordpiece_vectors import TORTURE, random_texts, real_texts  # noqa: E402
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers  # noqa: E402

SPECIALS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
FILES = ["chnsenticorp_htl/ChnSentiCorp_htl_all.csv", "waimai_10k/waimai_10k.csv",
         "online_shopping_10_cats/online_shopping_10_cats.csv", "thucnews_titles/train.txt", "thucnews_titles/dev.txt"]
MORE = ["don't DON'T I'll we've they're he'd 's 't'm 'll'd ''s '' '", "a  b   c    d", " a", "  a", "\ta", " \ta", "a \n\n b", "a\n", "\n\n", "   ",
        "x\u00a0y\u3000z \u2003w", "１２３ 12３4 ⅷ½² abc123def", "a1b2c3", "!!! ?!?! ...a ,.b", "a'b 'c d' e''f", "'s's's", " 's", "!'s",
        "<s>a</s>", "<s> a </s> <pad>", "a <mask> b", "a<mask>b", "a \t<mask>\u3000 b", "<mask><mask> <mask>", "<s", "<s>>", "<<s>", "<S>",
        "a<x>   b c", "a <m> b", "<x>  <m>", "a WW b", "aWW", "WWWW", "nnn<x>nn", "<x> \t z", "WW WWW", "WWé", "x\u3000<m>\u00a0y", "<x>", "a<x>",
        "<x> \t \t q", "WW,WW WW中 中WW _WW WW1", "NN nn Nn <both> a<both>b <BOTH> a <both> b", "new Token NEW TOKEN  new  token newtoken", "日本 日本語 x日本y",
        "ÀB àb a\u0300b ab", "\u0300nn nn\u0300 n\u0301n nńn", "word words sword WORD", "[mask] <m>word<x>word"]

LONG = [[("z", 5000), (" q", 1)], [("ab", 3000)], [("哈", 4000)], [(" ", 5000), ("a", 1)], [("!", 4500)], [("aab", 1500), ("12", 2500)],
        [("é", 4097)], [("\t", 4100)], [("1", 4096)], [("1", 4095), ("2", 4097)], [("不错", 1200), ("好吃", 700)], [("aaab", 3000), ("b", 1)],
        [("x", 1), ("the", 2000), ("ing", 1500)]]


def train(texts, size, special):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=size, special_tokens=special, show_progress=False,
                                                             initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    model = json.loads(tokenizer.to_str())["model"]
    return model["vocab"], [tuple(m) if isinstance(m, list) else tuple(m.split(" ")) for m in model["merges"]]


def write_cases(path, encode, texts):
    with open(path, "w", encoding="ascii") as file:
        for text in texts:
            file.write(text.encode().hex() + "\t" + " ".join(map(str, encode(text))) + "\n")


def write_long(path, encode):
    """Repeated texts: UNIT*COUNT+UNIT*COUNT with units in hexadecimal, a tab, how many ids, their SHA-256."""
    with open(path, "w", encoding="ascii") as file:
        for parts in LONG:
            ids = encode("".join(unit * count for unit, count in parts))
            said = "+".join(f"{unit.encode().hex()}*{count}" for unit, count in parts)
            file.write(f"{said}\t{len(ids)} {hashlib.sha256(struct.pack(f'<{len(ids)}i', *ids)).hexdigest()}\n")


def low(tokenizer):
    backend = getattr(tokenizer, "backend_tokenizer", tokenizer)
    return lambda text: backend.encode(text, add_special_tokens=False).ids


def write_pairs(path, tokenizer, words):
    draw = random.Random(9)
    with open(path, "w", encoding="ascii") as file:
        for _ in range(60):
            first, second = (" ".join(draw.choice(words) for _ in range(draw.randint(0, 9))) for _ in range(2))
            limit = draw.randint(4, 24)
            both = tokenizer([first], [second], truncation=True, max_length=limit, return_token_type_ids=True)  # As data sets do.
            file.write("\t".join([first.encode().hex(), second.encode().hex(), str(limit), str(both["token_type_ids"][0].count(0)),
                                  " ".join(map(str, both["input_ids"][0]))]) + "\n")


def write_singles(path, tokenizer, words):
    draw = random.Random(10)
    with open(path, "w", encoding="ascii") as file:
        for _ in range(30):
            text = " ".join(draw.choice(words) for _ in range(draw.randint(0, 9)))
            limit = draw.randint(2, 16)
            ids = tokenizer(text, truncation=True, max_length=limit)["input_ids"]
            file.write("\t".join([text.encode().hex(), str(limit), " ".join(map(str, ids))]) + "\n")


def make_roberta(out, vocab, merges, texts, words):
    """The model folder, then the same tokenizer as two files."""
    folder, files = os.path.join(out, "roberta"), os.path.join(out, "files")
    tokenizer = transformers.RobertaTokenizer(vocab=vocab, merges=merges)
    tokenizer.model_max_length = 64
    config = transformers.RobertaConfig(
        vocab_size=len(vocab), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24,
        max_position_embeddings=66, type_vocab_size=1, layer_norm_eps=1e-5, num_labels=3)
    torch.manual_seed(7)
    transformers.RobertaForSequenceClassification(config).to(torch.float16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    assert type(tokenizer).__name__ == "RobertaTokenizer"
    write_cases(os.path.join(folder, "cases.txt"), low(tokenizer), texts)
    write_long(os.path.join(folder, "long.txt"), low(tokenizer))
    write_pairs(os.path.join(folder, "pairs.txt"), tokenizer, words)
    write_singles(os.path.join(folder, "singles.txt"), tokenizer, words)
    os.makedirs(files)
    with open(os.path.join(files, "vocab.json"), "w", encoding="ascii") as file:
        json.dump(vocab, file)
    with open(os.path.join(files, "merges.txt"), "w", encoding="utf-8") as file:
        file.write("#version: 0.2\n" + "".join(" ".join(merge) + "\n" for merge in merges))
    with open(os.path.join(files, "tokenizer_config.json"), "w", encoding="ascii") as file:
        json.dump({"tokenizer_class": "RobertaTokenizer", "add_prefix_space": True}, file)
    again = transformers.RobertaTokenizer.from_pretrained(files)
    write_cases(os.path.join(files, "cases.txt"), low(again), texts[:len(texts) // 2])
    write_pairs(os.path.join(files, "pairs.txt"), again, words)
    return tokenizer


def make_gpt2(out, vocab, merges, texts):
    """The library alone: no byte of U+00E9, an unknown token, every kind of added token."""
    lost = [c for c in vocab if c in ("\u00c3", "\u00a9")]
    kept = {t: i for i, t in enumerate(t for t in sorted(vocab, key=vocab.get) if not any(c in t for c in lost))}
    fewer = [m for m in merges if m[0] in kept and m[1] in kept and m[0] + m[1] in kept]
    tokenizer = Tokenizer(models.BPE(kept, fewer, unk_token="<unk>", fuse_unk=True))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=True), processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", kept["<s>"])])])
    tokenizer.add_special_tokens(["<s>"])
    tokenizer.add_tokens([AddedToken("<x>", rstrip=True, normalized=False), AddedToken(" b", normalized=False),
                          AddedToken("<m>", lstrip=True, normalized=False), AddedToken("WW", single_word=True, normalized=False),
                          AddedToken("nn", normalized=True), AddedToken("WWW", normalized=False), AddedToken("\t", normalized=False),
                          AddedToken("<both>", lstrip=True, rstrip=True, normalized=True), AddedToken("日本", single_word=True, normalized=True)])
    folder = os.path.join(out, "gpt2")
    os.makedirs(folder)
    said = json.loads(tokenizer.to_str())
    said["model"]["merges"] = [" ".join(m) for m in fewer]
    with open(os.path.join(folder, "tokenizer.json"), "w", encoding="ascii") as file:
        json.dump(said, file)
    write_cases(os.path.join(folder, "cases.txt"), low(Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))), texts)


def make_uncut(out, vocab, merges, texts):
    few = sorted(vocab.items(), key=lambda pair: pair[1])[:400]
    few = dict(few)
    tokenizer = Tokenizer(models.BPE(few, [m for m in merges if m[0] + m[1] in few][20:], ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    folder = os.path.join(out, "uncut")
    os.makedirs(folder)
    tokenizer.save(os.path.join(folder, "tokenizer.json"), pretty=False)
    write_cases(os.path.join(folder, "cases.txt"), low(tokenizer), texts)
    write_long(os.path.join(folder, "long.txt"), low(tokenizer))


def make_bert(out, texts):
    """Normalised added tokens in WordPiece, with accents, capitals, Chinese and white space in them."""
    characters = sorted(set("".join(MORE).lower()) - set(" \t\n\u3000\u00a0\u2003"))
    words = dict.fromkeys(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "new", "token", "word", "##s", "ab", "##ww", "ww"] + characters +
                          ["##" + c for c in characters if c.isalnum()])
    tokenizer = Tokenizer(models.WordPiece({w: i for i, w in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    tokenizer.add_tokens([AddedToken("<x>", rstrip=True, normalized=False), AddedToken("<m>", lstrip=True, normalized=True),
                          AddedToken("WW", single_word=True, normalized=True), AddedToken("nn", normalized=True), AddedToken("New Token", normalized=True),
                          AddedToken("<both>", lstrip=True, rstrip=True, normalized=True), AddedToken("日本", normalized=True),
                          AddedToken("Àb", normalized=True), AddedToken("word", single_word=True, normalized=False)])
    folder = os.path.join(out, "bert")
    os.makedirs(folder)
    tokenizer.save(os.path.join(folder, "tokenizer.json"), pretty=False)
    write_cases(os.path.join(folder, "cases.txt"), low(tokenizer), texts)


def write_digests(path, data, tokenizers):
    with open(path, "w", encoding="ascii") as file:
        for label, encode_batch in tokenizers.items():
            for name in FILES:
                digest, lines, tokens = hashlib.sha256(), 0, 0
                for encoded in encode_batch(list(real_texts(os.path.join(data, "textcls", name))), add_special_tokens=False):
                    digest.update(struct.pack(f"<{len(encoded.ids) + 1}i", *encoded.ids, -1))
                    lines, tokens = lines + 1, tokens + len(encoded.ids)
                file.write(f"{label} {name} {lines} {tokens} {digest.hexdigest()}\n")


def main():
    out, data = sys.argv[1], sys.argv[2]
    for name in ("roberta", "files", "gpt2", "uncut", "bert"):
        shutil.rmtree(os.path.join(out, name), ignore_errors=True)
    real = list(real_texts(os.path.join(data, "textcls", FILES[1])))
    short = [t for t in TORTURE if len(t) < 1000]
    hard = short + MORE + list(random_texts(120, 6))
    vocab, merges = train(real + (short + MORE[:30]) * 40, 900, SPECIALS)
    words = ["the", "of", "don't", "playing", "中", "不错", "送餐", "<mask>", "1234", "é", "!?"]
    tokenizer = make_roberta(out, vocab, merges, hard, words)
    make_gpt2(out, vocab, merges, short + MORE + list(random_texts(60, 8)))
    make_uncut(out, vocab, merges, short[:60] + MORE)
    make_bert(out, MORE)
    minimind = Tokenizer.from_file(os.path.join(data, "t5chat/tokenizers/minimind/tokenizer.json"))
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()
    write_digests(os.path.join(out, "digests.txt"), data, {"roberta": backend.encode_batch, "minimind": minimind.encode_batch})
    print(len(vocab), "tokens,", len(hard), "texts")


if __name__ == "__main__":
    main()

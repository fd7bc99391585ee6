"""snug's tokenizers beside the fast tokenizer of transformers: one thread each, alternating, one run.

    python3 bench/peers/tokenizer_peer.py --driver build/bench/tokenizer_bench --data DATA [--model FOLDER] [--bpe BPE_FOLDER]

Needs transformers. DATA holds chnsenticorp_htl/, waimai_10k/, online_shopping_10_cats/, thucnews_titles/ and
vocab_bert_base_chinese/. FOLDER is a further Hugging Face folder with an uncased English WordPiece tokenizer; its
text is made of its own words. BPE_FOLDER holds a byte-level BPE tokenizer; when it is not there,
one of 30,000 tokens is trained into it, on the real lines and the prose of this project, which are what it reads. Every figure is the best of --rounds; the peer is the faster of
encode_batch and encode one by one, and of its Python class and the library below it. The ids are compared.
"""
import argparse
import csv
import json
import os
import random
import subprocess
import tempfile
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"

from tokenizers import Tokenizer, models, pre_tokenizers, trainers  # noqa: E402
from transformers import AutoTokenizer, BertTokenizerFast, RobertaTokenizer  # noqa: E402


def real_lines(data):
    for name in ("chnsenticorp_htl/ChnSentiCorp_htl_all.csv", "waimai_10k/waimai_10k.csv",
                 "online_shopping_10_cats/online_shopping_10_cats.csv"):
        with open(os.path.join(data, name), encoding="utf-8", newline="") as file:
            yield from (row[-1] for row in csv.reader(file))
    for name in ("train.txt", "dev.txt"):
        with open(os.path.join(data, "thucnews_titles", name), encoding="utf-8") as file:
            yield from (line.split("\t")[0] for line in file)


def english_lines(tokenizer, count):
    """Sentences of 8 to 40 words: vocabulary words by a law of Zipf, some joined, some capitals."""
    draw = random.Random(5)
    words = [w for w, _ in sorted(tokenizer.get_vocab().items(), key=lambda pair: pair[1]) if w.isascii() and w.isalpha()]
    weights = [1 / (rank + 3) for rank in range(len(words))]
    for _ in range(count):
        line = []
        for word in draw.choices(words, weights, k=draw.randint(8, 40)):
            chance = draw.random()
            word = word + draw.choice(words[:3000]) if chance < 0.08 else word
            line.append(word.capitalize() if chance > 0.9 else word)
        yield " ".join(line) + draw.choice(".?!")


def prose_lines():
    """The English of this project's documents, ten times over."""
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../doc")
    for _ in range(10):
        for name in sorted(os.listdir(folder)):
            if name.endswith(".md"):
                with open(os.path.join(folder, name), encoding="utf-8") as file:
                    yield from (line.strip() for line in file if line.strip())


def train_bpe(folder, lines):
    specials = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.train_from_iterator(lines, trainers.BpeTrainer(vocab_size=30000, special_tokens=specials, show_progress=False,
                                                        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    model = json.loads(made.to_str())["model"]
    RobertaTokenizer(vocab=model["vocab"], merges=[tuple(merge) for merge in model["merges"]]).save_pretrained(folder)


def timed(call):
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def measure(name, driver, folder, lines, rounds):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    low = tokenizer.backend_tokenizer
    low.no_truncation()
    low.no_padding()
    lines = [line.replace("\n", " ") for line in lines]
    peers = {
        "library, batches of 1000": lambda: [e.ids for i in range(0, len(lines), 1000)
                                             for e in low.encode_batch_fast(lines[i:i + 1000], add_special_tokens=False)],
        "library, one by one": lambda: [low.encode(line, add_special_tokens=False).ids for line in lines],
        "class, batches of 1000": lambda: [ids for i in range(0, len(lines), 1000) for ids in tokenizer(
            lines[i:i + 1000], add_special_tokens=False, return_attention_mask=False,
            return_token_type_ids=False)["input_ids"]],
    }
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".txt") as file:
        file.write("\n".join(lines) + "\n")
        file.flush()
        best = {key: float("inf") for key in peers}
        ours = None
        for _ in range(rounds):
            output = subprocess.run([driver, folder, file.name, "3"], check=True, capture_output=True, text=True).stdout
            run = json.loads(output)
            ours = run if ours is None or run["seconds"] < ours["seconds"] else ours
            for key, call in peers.items():
                seconds, ids = timed(call)
                best[key] = min(best[key], seconds)
                tokens, total = sum(map(len, ids)), sum(map(sum, ids))
                assert (tokens, total) == (run["tokens"], run["sum"]), "ids differ"
    print(f"{name}: {ours['lines']} lines, {ours['tokens']} tokens, the same ids")
    print(f"  snug {ours['tokens_s'] / 1e6:.1f} Mtok/s, {ours['bytes'] / ours['seconds'] / 1e6:.0f} MB/s; open "
          f"{ours['open_ms']:.1f} ms, {ours['tokenizer_bytes']} bytes kept, {ours['open_peak_bytes']} at most")
    for key, seconds in best.items():
        print(f"  {key}: {ours['tokens'] / seconds / 1e6:.2f} Mtok/s, snug is {seconds / ours['seconds']:.1f}x")
    ratio = min(best.values()) / ours["seconds"]
    print(json.dumps({"name": name, "ratio": round(ratio, 1), **ours, "peer_seconds": best}))
    return ratio


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--driver", default="build/bench/tokenizer_bench")
    parser.add_argument("--data", required=True)
    parser.add_argument("--model", help="a Hugging Face folder with an uncased English tokenizer")
    parser.add_argument("--bpe", metavar="BPE_FOLDER", help="a folder with a byte-level BPE tokenizer, or for one")
    parser.add_argument("--lines", type=int, default=30000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    lines = list(real_lines(options.data))
    random.Random(1).shuffle(lines)
    lines = lines[:options.lines]
    if options.bpe and not os.path.isfile(os.path.join(options.bpe, "tokenizer.json")):
        train_bpe(options.bpe, lines + list(prose_lines()))
    if options.bpe:
        measure("byte-level BPE, real lines", options.driver, options.bpe, lines, options.rounds)
        measure("byte-level BPE, English prose", options.driver, options.bpe, list(prose_lines()), options.rounds)
    measure("bert-base-chinese, real lines", options.driver, os.path.join(options.data, "vocab_bert_base_chinese"),
            lines, options.rounds)
    if options.model:
        measure("uncased English, made lines", options.driver, options.model,
                english_lines(BertTokenizerFast.from_pretrained(options.model), options.lines // 2), options.rounds)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Small model folders as transformers writes them, with what reading them must give.

    make_hf_fixtures.py OUTPUT_FOLDER

Writes below OUTPUT_FOLDER/hf:

    f32, f16, bf16   BertForSequenceClassification, 3 labels, prefix "bert."
    sharded          the f16 one in shards with model.safetensors.index.json
    encoder          bf16, no prefix, as very old files are: gamma and beta, position_ids, cls.*
    roberta          RobertaForSequenceClassification in f16, prefix "roberta."
    digests.txt      for each folder the SHA-256 of all its tensors as f32, in the order of their
                     names, and for 65,536 f32 bit patterns what torch narrows them to

and for the fuzz targets OUTPUT_FOLDER/safetensors (one small file of many types),
OUTPUT_FOLDER/hf_config and OUTPUT_FOLDER/tensor_index (the JSON files of the above).

Only random numbers, no trained weights. The versions used are in digests.txt.
"""
import hashlib
import json
import os
import shutil
import sys

import numpy
import safetensors
import safetensors.torch
import torch
import transformers

SIZES = dict(vocab_size=40, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
             intermediate_size=24, max_position_embeddings=16)
LABELS = {0: "bad", 1: "s\u00f6 l\u00e4l\u00e4", 2: "\u597d"}


def tensors_of(folder):
    found = {}
    for name in sorted(os.listdir(folder)):
        if name.endswith(".safetensors"):
            found.update(safetensors.torch.load_file(os.path.join(folder, name)))
    return found


def digest(folder):
    """Floating point tensors only, widened to f32, little-endian, in byte order of the names."""
    hash = hashlib.sha256()
    tensors = tensors_of(folder)
    for name in sorted(tensors):
        if tensors[name].is_floating_point():
            hash.update(name.encode())
            hash.update(tensors[name].float().numpy().astype("<f4").tobytes())
    return hash.hexdigest()


def narrowing_digest(dtype):
    """Bit pattern i is i * 65537 + (i * 40503 mod 65536), mod 2^32; a NaN counts as 0x7fff."""
    i = numpy.arange(65536, dtype=numpy.uint64)
    bits = ((i * 65537 + (i * 40503) % 65536) % 2**32).astype(numpy.uint32)
    wide = torch.from_numpy(bits.view(numpy.float32).copy())
    narrow = wide.to(dtype)
    words = narrow.view(torch.int16).numpy().view(numpy.uint16).copy()
    words[numpy.isnan(wide.numpy())] = 0x7fff
    return hashlib.sha256(words.astype("<u2").tobytes()).hexdigest()


def write_words(folder):
    """A tokenizer's files: read by nobody here, only copied."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = special + [f"w{i}" for i in range(SIZES["vocab_size"] - len(special))]
    with open(os.path.join(folder, "vocab.txt"), "w", encoding="utf-8") as file:
        file.write("\n".join(words) + "\n")
    with open(os.path.join(folder, "tokenizer_config.json"), "w", encoding="utf-8") as file:
        json.dump({"do_lower_case": True, "tokenizer_class": "BertTokenizer"}, file)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    out = os.path.join(sys.argv[1], "hf")
    torch.manual_seed(20)
    names = ["f32", "f16", "bf16", "sharded", "encoder", "roberta"]
    for name in names:
        shutil.rmtree(os.path.join(out, name), ignore_errors=True)
    label2id = {v: k for k, v in LABELS.items()}
    config = transformers.BertConfig(**SIZES, id2label=LABELS, label2id=label2id)
    bert = transformers.BertForSequenceClassification(config)
    for parameter in bert.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    bert.save_pretrained(os.path.join(out, "f32"))
    write_words(os.path.join(out, "f32"))
    bert.to(torch.bfloat16).save_pretrained(os.path.join(out, "bf16"))
    half = transformers.BertForSequenceClassification.from_pretrained(os.path.join(out, "f32"))
    half = half.to(torch.float16)
    half.save_pretrained(os.path.join(out, "f16"))
    half.save_pretrained(os.path.join(out, "sharded"), max_shard_size="4KB")

    old = {}
    for name, tensor in tensors_of(os.path.join(out, "bf16")).items():
        if name.startswith("bert."):
            name = name[5:].replace("LayerNorm.weight", "LayerNorm.gamma")
            old[name.replace("LayerNorm.bias", "LayerNorm.beta")] = tensor
    old["embeddings.position_ids"] = torch.arange(SIZES["max_position_embeddings"])[None]
    old["cls.seq_relationship.weight"] = torch.zeros(2, SIZES["hidden_size"], dtype=torch.bfloat16)
    os.makedirs(os.path.join(out, "encoder"))
    safetensors.torch.save_file(old, os.path.join(out, "encoder", "model.safetensors"))
    early = {"architectures": ["BertForMaskedLM"], "hidden_act": "gelu", "layer_norm_eps": 1e-12,
             "type_vocab_size": 2, "pad_token_id": 0, "directionality": "bidi", **SIZES}
    with open(os.path.join(out, "encoder", "config.json"), "w", encoding="utf-8") as file:
        json.dump(early, file)

    sizes = dict(SIZES, max_position_embeddings=18, type_vocab_size=1, layer_norm_eps=1e-5)
    config = transformers.RobertaConfig(**sizes, num_labels=4)
    roberta = transformers.RobertaForSequenceClassification(config).to(torch.float16)
    roberta.save_pretrained(os.path.join(out, "roberta"))

    seeds = os.path.join(sys.argv[1], "safetensors")
    os.makedirs(seeds, exist_ok=True)
    types = [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32,
             torch.uint8, torch.bool]
    small = {str(t)[6:]: torch.arange(6).reshape(2, 3).to(t) for t in types}
    small.update(scalar=torch.tensor(2.0), empty=torch.zeros(0, 3))
    safetensors.torch.save_file(small, os.path.join(seeds, "types.safetensors"), {"format": "pt"})
    os.makedirs(os.path.join(sys.argv[1], "hf_config"), exist_ok=True)
    for name in ["f32", "encoder", "roberta"]:
        shutil.copyfile(os.path.join(out, name, "config.json"),
                        os.path.join(sys.argv[1], "hf_config", name + ".json"))
    os.makedirs(os.path.join(sys.argv[1], "tensor_index"), exist_ok=True)
    shutil.copyfile(os.path.join(out, "sharded", "model.safetensors.index.json"),
                    os.path.join(sys.argv[1], "tensor_index", "sharded.json"))

    for name in names:
        for file in os.listdir(os.path.join(out, name)):
            os.chmod(os.path.join(out, name, file), 0o644)
    with open(os.path.join(out, "digests.txt"), "w", encoding="utf-8") as file:
        for name in names:
            file.write(f"{name} {digest(os.path.join(out, name))}\n")
        file.write(f"narrow_f16 {narrowing_digest(torch.float16)}\n")
        file.write(f"narrow_bf16 {narrowing_digest(torch.bfloat16)}\n")
        file.write(f"# transformers {transformers.__version__}, torch {torch.__version__}, "
                   f"safetensors {safetensors.__version__}\n")


if __name__ == "__main__":
    main()

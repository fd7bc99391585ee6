"""Text classification for the budget soak: texts of several kinds and tiny models of random shape."""

import json
import os
import shutil
import subprocess

WORDS = 160
SETS = {"made": 3, "long": 7, "pairs": 2}  # Classes.


def vocabulary(folder):
    with open(os.path.join(folder, "made", "model", "vocab.txt"), encoding="utf-8") as file:
        return file.read().split("\n")[:-1]


def make_texts(snug, folder, rng):
    """Sets of texts, and one folder of a model that has weights."""
    subprocess.run([snug, "data", "generate", "text", "--out", f"{folder}/made", "--rows", "160",
                    "--seed", "5"], check=True, stdout=subprocess.DEVNULL)
    word = lambda: rng.choice(["word%d" % rng.randrange(WORDS), "good%d" % rng.randrange(12),
                               "\u4f60\u597d", "Stra\u00dfe", "unheard-of"])
    text = lambda most: " ".join(word() for _ in range(rng.randrange(1, most)))
    # One file, cut by the seed; quotes with line ends in them; far longer than what is kept.
    with open(f"{folder}/long.csv", "w", encoding="utf-8", newline="\r\n") as file:
        file.write("label,text\n")
        for row in range(210):
            file.write(f'{row % SETS["long"]},"{text(180)}, ""{word()}""\n{word()}"\n')
    with open(f"{folder}/pairs.jsonl", "w", encoding="utf-8") as file:
        for row in range(90):
            file.write(json.dumps({"text": text(20), "text_pair": text(9),
                                   "label": "no" if row % 3 else "yes"},
                                  ensure_ascii=bool(row % 2)) + "\n")
    subprocess.run([snug, "train", "text", f"data.path={folder}/made", "training.max_steps=1",
                    f"model.path={folder}/made/model", "model.pretrained=false",
                    "data.max_length=64", "--out", f"{folder}/started", "--quiet"],
                   check=True, stdout=subprocess.DEVNULL)


def write_model(rng, folder, model, length):
    """A folder with a shape and a tokenizer, without weights."""
    shutil.rmtree(model, ignore_errors=True)
    os.makedirs(model)
    words = vocabulary(folder) + [f"##{n}" for n in range(rng.choice([0, 0, 1, 500, 3001]))]
    heads = rng.choice([1, 2, 4])
    width = heads * rng.choice([w for w in (4, 5, 8, 16, 32, 64) if 16 <= heads * w <= 64])
    with open(f"{model}/vocab.txt", "w", encoding="utf-8") as file:
        file.write("\n".join(words) + "\n")
    with open(f"{model}/config.json", "w", encoding="utf-8") as file:
        json.dump({"architectures": ["BertForSequenceClassification"], "model_type": "bert",
                   "vocab_size": len(words), "hidden_size": width,
                   "num_hidden_layers": rng.choice([1, 2, 3]), "num_attention_heads": heads,
                   "intermediate_size": rng.choice([16, 33, 64, 100, 128, 256]),
                   "max_position_embeddings": length + rng.choice([0, 1, 40]),
                   "type_vocab_size": 2, "hidden_act": rng.choice(["gelu", "gelu_new", "relu"]),
                   "hidden_dropout_prob": rng.choice([0, 0.1]),
                   "attention_probs_dropout_prob": rng.choice([0, 0.1]),
                   "layer_norm_eps": 1e-12, "pad_token_id": 0}, file)


def draw_text(rng, folder, model, scale):
    """The words of a configuration and its steps; `model` is a folder that may be written."""
    name = rng.choice(sorted(SETS))
    length = rng.choice([16, 21, 32, 48, 64, 100, 128])
    words = ["text", {"made": f"data.path={folder}/made", "long": f"data.path={folder}/long.csv",
                      "pairs": f"data.path={folder}/pairs.jsonl"}[name]]
    if rng.random() < 0.2:
        length = min(length, 64)
        words.append(f"model.path={folder}/started/checkpoints/last")
        words.append(f"model.pretrained={'true' if name == 'made' else 'false'}")
    else:
        write_model(rng, folder, model, length)
        words += [f"model.path={model}", "model.pretrained=false"]
    if rng.random() < 0.3:
        words += ["--profile", rng.choice(["ultra_low_memory", "safe", "original"])]
    batch = min(rng.choice([1, 2, 3, 5, 8, 16]), max(1, int(1500 * scale / length)))
    accumulation = rng.choice([1, 1, 1, 2, 3])
    steps = rng.choice([1, 2, 2, 3, 4])
    words += [f"data.max_length={length}", f"data.length_buckets={rng.choice([1, 2, 3, 4])}",
              f"data.group_by_length={rng.choice(['true', 'false'])}",
              f"data.prefetch_factor={rng.choice([1, 2, 4])}",
              f"data.split_seed={rng.randrange(5)}",
              "data.split_ratio=" + rng.choice(["[0.8,0.1,0.1]", "[0.7,0.3,0]"]),
              f"model.dropout_rate={rng.choice([-1, 0, 0.1])}",
              f"training.batch_size={batch}",
              f"training.gradient_accumulation_steps={accumulation}",
              f"training.max_steps={steps}",
              f"training.eval_every_steps={rng.choice([0, 1, 2, 3])}",
              f"training.clip_norm={rng.choice([0, 0.1, 1.0])}",
              f"training.label_smoothing={rng.choice([0, 0, 0.1])}",
              f"training.compute_metrics_online={rng.choice(['true', 'true', 'true', 'false'])}",
              f"training.log_every_steps={rng.choice([1, 10])}",
              "optimizer.name=" + rng.choice(["adamw", "adamw", "adam", "adamw8", "adafactor",
                                              "sgd"]),
              f"optimizer.momentum={rng.choice([0, 0.9])}",
              f"optimizer.no_decay={rng.choice(['none', 'bias_norm'])}",
              f"optimizer.lr={rng.choice([0.0001, 0.001])}",
              f"scheduler.name={rng.choice(['none', 'cosine', 'linear'])}",
              f"seed={rng.randrange(1000)}"]
    return words, steps

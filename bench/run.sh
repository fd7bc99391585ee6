#!/usr/bin/env bash
# Every benchmark beside its peers, one after the other, with nothing else running:
#
#   bench/run.sh BUILD
#
# Peers that are missing are left out, and said so: OpenBLAS, BLIS and oneDNN are loaded when installed; TORCH_PYTHON names a Python
# with torch 2.13 and h5py, TORCH_PEERS the script that trains the same models there.
set -eu

build=${1:-build}
isa=$(grep -q -m1 avx512vl /proc/cpuinfo && echo avx512 || echo avx2)
grep -m1 'model name' /proc/cpuinfo
date -u +%Y-%m-%d

part() {
    printf '\n== %s\n' "$1"
    shift
    "$@" || echo "failed with $?: $*"
}

part "matrix products, $isa" "$build/bench/gemm_bench" "$isa"
part "1-D convolutions, $isa" "$build/bench/conv_bench" "$isa"
part "recurrent decoder, 2 threads" "$build/bench/lstm_bench" 2
part "attention, $isa, 2 threads" "$build/bench/attention_bench" "$isa" 2
part "planner" "$build/bench/plan_bench"

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$build/snug" data generate timeseries --out "$folder/data" --sessions 8 --rows 130000 --channels 16 --targets 20
for budget in 3GiB 600MiB 200MiB; do
    part "one step of the full-size model, $budget" "$build/bench/step_bench" timeseries "$budget" 3 "data.path=$folder/data"
done

if [ -n "${TORCH_PYTHON:-}" ]; then
    part "attention beside PyTorch" "$TORCH_PYTHON" bench/peers/attention_peer.py --driver "$build/bench/attention_bench" --isa "$isa"
    part "loader" "$TORCH_PYTHON" bench/peers/loader_peer.py --driver "$build/bench/loader_bench"
    texts=${SNUG_DATA_DIR:-../shared/data}/textcls # TOKENIZER_MODEL: a Hugging Face folder with an uncased English tokenizer.
    if [ -d "$texts" ]; then
        part "Tokenizers beside transformers, one thread" "$TORCH_PYTHON" bench/peers/tokenizer_peer.py \
            --driver "$build/bench/tokenizer_bench" --data "$texts" --bpe "$build/bpe" ${TOKENIZER_MODEL:+--model "$TOKENIZER_MODEL"}
        part "fine-tuning MiniLM beside PyTorch" "$TORCH_PYTHON" bench/textcls_real.py --snug "$build/snug" --data "$texts"
    else
        echo "left out: WordPiece and fine-tuning (no '$texts'; set SNUG_DATA_DIR)"
    fi
    part "Hugging Face folders there and back" "$TORCH_PYTHON" bench/hf_check.py --snug "$build/snug"
    if [ -n "${TORCH_PEERS:-}" ]; then
        part "training beside PyTorch" python3 bench/tds_bench.py --snug "$build/snug" --torch "$TORCH_PYTHON" \
            --peers "$TORCH_PEERS" --gemm "$build/bench/gemm_bench"
        part "BERT-base beside PyTorch" python3 bench/bert_bench.py --snug "$build/snug" --torch "$TORCH_PYTHON" \
            --peers "$TORCH_PEERS" --gemm "$build/bench/gemm_bench"
    fi
else
    echo "left out: attention, loader, WordPiece and training beside PyTorch (set TORCH_PYTHON and TORCH_PEERS)"
fi

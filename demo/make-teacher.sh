#!/usr/bin/env bash
# Makes demo/teacher from demo/clinc150 and all-MiniLM-L6-v2, which the program downloads: fine-tunes that encoder on the
# sentences with labels, learns a vocabulary, teaches 12 fresh layers the encoder's answers to all sentences, and writes
# them in half precision. Half an hour on 2 cores, after `cargo build --release --bins --examples`.
set -euo pipefail
cd "$(dirname "$0")"
binaries=../target/release
trap 'rm -rf build' EXIT

data=(--train clinc150/train.jsonl --dev clinc150/dev.jsonl --max-tokens 32)
judge() {
  "$binaries/tinybert-compress" eval --model "$1" --test clinc150/test.jsonl --split test --max-tokens 32
}

"$binaries/tinybert-compress" fine-tune --model sentence-transformers/all-MiniLM-L6-v2 "${data[@]}" \
  --epochs 30 --lr 2e-4 --batch-size 16 --evaluations-per-epoch 1 --out build/minilm
judge build/minilm
"$binaries/tinybert-compress" init --layers 12 --hidden 120 --heads 12 --ffn 480 --positions 64 \
  --train-vocab-from clinc150/unlabelled.jsonl --vocab-size 4096 --seed 1 --out build/fresh
"$binaries/tinybert-compress" distill --stage task --teacher build/minilm --student build/fresh "${data[@]}" \
  --batch-size 32 --unlabelled clinc150/unlabelled.jsonl --intermediate-epochs 0 --prediction-epochs 12 \
  --prediction-lr 5e-4 --teacher-cache 1G --out build/teacher
"$binaries/examples/half_precision" build/teacher teacher
judge teacher

#!/usr/bin/env bash
# Makes demo/teacher from nothing but demo/snips: learns a vocabulary, trains 12 layers from random weights, and writes
# them in half precision. Four minutes on one core, after `cargo build --release --bins --examples`.
set -euo pipefail
cd "$(dirname "$0")"
binaries=../target/release
trap 'rm -rf build' EXIT

"$binaries/tinybert-compress" init --layers 12 --hidden 120 --heads 12 --ffn 480 --positions 64 \
  --train-vocab-from snips/train.jsonl --vocab-size 4096 --seed 1 --out build/fresh
"$binaries/tinybert-compress" fine-tune --model build/fresh --train snips/train.jsonl --dev snips/dev.jsonl \
  --epochs 8 --lr 5e-4 --max-tokens 48 --seed 1 --out build/teacher
"$binaries/examples/half_precision" build/teacher teacher
"$binaries/tinybert-compress" eval --model teacher --test snips/test.jsonl --split test --max-tokens 48

#!/usr/bin/env bash
# Answers sentences with one model on every instruction set there is, on this x86-64 machine and, under QEMU, on three
# 64-bit ARM CPUs, and compares the outputs' bits. Each uses the image in its own weight layout, as a device would.
#
#   scripts/test-identity.sh MODEL_FOLDER TEXTS.jsonl [COUNT [OPTION...]]     COUNT sentences, 1000 if it is not given
#
# TEXTS.jsonl has a "text" in each line and, for calibration, what the model's task needs; OPTIONs such as --tagging say how it
# lies there, others such as --weights int4 how the image is made. Needs scripts/setup-cross.sh once.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/toolchain.sh
model=$1 data=$2 count=${3:-1000} options=("${@:4}")

make_work_folder
head -n "$count" "$data" | sed -n 's/.*"text": *"\([^"]*\)".*/\1/p' >"$work/texts"
positions=$(sed -n 's/.*"max_position_embeddings": *\([0-9]*\).*/\1/p' "$model/config.json")
tokens=$((positions < 128 ? positions : 128))
# Calibration decides scales, not bits: a few examples do.
head -n 100 "$data" >"$work/calibration.jsonl"
for layout in portable x86 neon cortex-m dotprod i8mm; do
  target/release/tinybert-compress quantize --quiet --model "$model" --dev "$work/calibration.jsonl" --layout $layout \
    "${options[@]}" --max-tokens $tokens --out "$work/$layout.tbim" >"$work/log"
done

host=$(host_target)
arm=aarch64-unknown-linux-gnu
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target/identity}
cargo build --quiet --release -p tinybert-run --target "$host"
use_compiler_for $arm
cargo build --quiet --release -p tinybert-run --target $arm

# compare LAYOUT ISA COMMAND...: answers, and says whether they are those of the scalar kernels.
compare() {
  local layout=$1 isa=$2
  shift 2
  if ! "$@" "$work/$layout.tbim" --isa "$isa" <"$work/texts" >"$work/answers" 2>"$work/log"; then
    if grep -q "lacks" "$work/log"; then
      echo "$isa: not on this CPU"
      return
    fi
    cat "$work/log" >&2
    exit 1
  fi
  if [ "$isa" = scalar ]; then cp "$work/answers" "$work/expected"; fi
  cmp "$work/expected" "$work/answers"
  echo "$isa: $(wc -l <"$work/answers") answers, the same bits"
}

compare portable scalar "$CARGO_TARGET_DIR/$host/release/tinybert-run"
for isa in avx2 avx-vnni avx512-vnni; do compare x86 $isa "$CARGO_TARGET_DIR/$host/release/tinybert-run"; done
run=$CARGO_TARGET_DIR/$arm/release/tinybert-run
# No -L: with Debian's libc6:arm64 installed it would mix two C libraries.
compare neon neon qemu-aarch64 -cpu cortex-a53 "$run"
compare dotprod neon-dotprod qemu-aarch64 -cpu cortex-a76 "$run"
compare dotprod neon-dotprod-a55 qemu-aarch64 -cpu cortex-a76 "$run"
compare i8mm neon-i8mm qemu-aarch64 -cpu max,sve=off "$run"
# Layouts that a family does not read: another family's kernels, or the scalar ones.
compare neon neon-dotprod qemu-aarch64 -cpu cortex-a76 "$run"
grep -q "passed on neon$" "$work/log" || { cat "$work/log" >&2; fail "an image for NEON on a Cortex-A76"; }
compare x86 neon-dotprod qemu-aarch64 -cpu cortex-a76 "$run"
grep -q "passed on scalar$" "$work/log" || { cat "$work/log" >&2; fail "an image for x86-64 on a Cortex-A76"; }

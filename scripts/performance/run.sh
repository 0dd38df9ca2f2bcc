#!/usr/bin/env bash
# Measures everything that docs/performance.md shows and prints it as Markdown. Nothing else should run on the machine.
#
#   scripts/performance/run.sh [CACHE]      CACHE holds what is made for it, target/performance otherwise
set -euo pipefail
cd "$(dirname "$0")/../.."
here=scripts/performance
cache=${1:-target/performance}
$here/prepare.sh "$cache" >&2
cache=$(realpath "$cache")
program=target/release/tinybert-compress
count=$cache/aarch64/aarch64-unknown-linux-gnu/release/examples/count
runner=$cache/run/device/tinybert-run

heading() { printf '\n## %s\n\n' "$1"; }

machine() {
  local model flags vnni
  model=$(sed -n 's/^model name\s*: //p' /proc/cpuinfo | head -n 1)
  flags=$(sed -n 's/^flags\s*: //p' /proc/cpuinfo | head -n 1)
  vnni=$(grep -ow 'avx512_vnni\|avx_vnni' <<<"$flags" | paste -sd ' ')
  echo "* $(date -u +%F), commit $(git rev-parse --short HEAD), $(rustc --version), $(qemu-aarch64 --version | head -n 1)"
  echo "* $(llvm-mca-19 --version | grep -o 'LLVM version.*'), ONNX Runtime $(
    sed -n 's/onnxruntime==//p' $here/requirements.txt), rten $(sed -n 's/^rten = "=\(.*\)"/\1/p' $here/rten-bench/Cargo.toml)"
  echo "* $model, family $(sed -n 's/^cpu family\s*: //p' /proc/cpuinfo | head -n 1), $(nproc) CPUs, ${vnni:-no VNNI}"
  echo "* load average before the x86-64 measurements: $(cut -d ' ' -f 1-3 /proc/loadavg)"
}

compare() {
  python3 $here/compare.py --cache "$cache" --program "$program" --image "$cache/x86-256.tbim" "$@"
}

bytes_of_code() {
  aarch64-linux-gnu-size -A "$1" | awk '$1 == ".text" { print $2 }'
}

# Code of runtime, kernels, tokenizer and start-up, without an operating system.
code_size() {
  local cpu compiler=()
  if ! rustup target list --installed 2>/dev/null | grep -qx aarch64-unknown-none; then
    compiler=(RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1)
  fi
  for cpu in cortex-a53 cortex-a76; do
    (cd targets/aarch64-bare && env "${compiler[@]}" TINYBERT_IMAGE="$cache/dotprod.tbim" cargo build -q --release \
      --no-default-features \
      --target-dir "$cache/bare" --config "target.aarch64-unknown-none.rustflags=[\"-Ctarget-cpu=$cpu\"]") >&2
    echo "$cpu: $(bytes_of_code "$cache/bare/aarch64-unknown-none/release/tinybert-bare") bytes"
  done
}

startup() {
  echo "play some jazz" | python3 $here/startup.py 200 "$@"
}

heading "Machine and versions"
machine
heading "x86-64, one thread"
if peak=$("$cache/peak"); then
  echo "The limit is $peak thousand million multiply-adds a second. One core reaches it with VPDPBUSD ($here/peak.c)."
  echo
  compare --peak "$peak"
else
  compare
fi
heading "x86-64, two threads"
compare --threads 2
heading "Start, memory, code"
echo "* process start to first answer, image mapped, median and best of 200 (ms): $(startup "$runner" "$cache/x86.tbim")"
echo "* starting a process that does nothing (ms): $(startup true)"
echo "* $("$program" inspect "$cache/x86.tbim" | grep workspace | tr -s ' ')"
echo "* code on aarch64 without an operating system: $(code_size | paste -sd ';')"
heading "aarch64: executed instructions"
python3 $here/instructions.py --cache "$cache" --count "$count"
heading "aarch64: inner loops, modelled multiply-adds per cycle"
python3 $here/loops.py "$count"

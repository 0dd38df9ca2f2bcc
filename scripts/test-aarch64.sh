#!/usr/bin/env bash
# Runs the tests of the crates that go onto a device for 64-bit ARM, under QEMU's user-mode emulation of three CPUs, and
# checks that each CPU gets the kernels it should. scripts/setup-cross.sh installs what this needs.
#
#   scripts/test-aarch64.sh                   all three CPUs
#   scripts/test-aarch64.sh cortex-a53        one of them
#
# KERNEL_CASES (default 64 here) is the number of random shapes per property, TINYBERT_TOKENIZER_STRINGS (default 1000
# here) that of strings compared with Hugging Face. Every scalar value is compared on the host alone: the tokenizer has no
# code of its own for any CPU.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/toolchain.sh

target=aarch64-unknown-linux-gnu
# What depends on the CPU is tested on each; the other crates have the same code on all of them, and the first is enough.
crates=(tinybert-kernels tinybert-runtime)
crates_without_kernels=(tinybert-layout tinybert-image tinybert-tokenizer)

# Instruction set that Kernels::detect must find on each CPU model. QEMU refuses the instructions a model lacks.
declare -A expected=(
  [cortex-a53]=neon
  [cortex-a76]=neon-dotprod
  [max,sve=off]=neon-i8mm
)
cpus=("$@")
[ ${#cpus[@]} -gt 0 ] || cpus=(cortex-a53 cortex-a76 max,sve=off)

use_compiler_for $target
# A folder of its own keeps two compilers' artifacts apart.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target/aarch64}
export KERNEL_CASES=${KERNEL_CASES:-64}
export TINYBERT_TOKENIZER_STRINGS=${TINYBERT_TOKENIZER_STRINGS:-1000}

for cpu in "${cpus[@]}"; do
  if [ -z "${expected[$cpu]:-}" ]; then
    echo "test-aarch64: no expectation for CPU $cpu; known: ${!expected[*]}" >&2
    exit 2
  fi
  echo "== $cpu: ${expected[$cpu]}"
  packages=()
  for crate in "${crates[@]}"; do packages+=(-p "$crate"); done
  if [ "$cpu" = "${cpus[0]}" ]; then
    for crate in "${crates_without_kernels[@]}"; do packages+=(-p "$crate"); done
  fi
  # No -L: with Debian's libc6:arm64 installed it would mix two C libraries.
  CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64 -cpu $cpu" EXPECT_ISA=${expected[$cpu]} \
    cargo test --release --target $target "${packages[@]}" --features tinybert-kernels/std,tinybert-layout/alloc --quiet -- --skip scalars::
done

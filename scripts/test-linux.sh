#!/usr/bin/env bash
# Builds tinybert-run for 64- and 32-bit ARM Linux, runs it under QEMU's user-mode emulation, and compares its answers bit by bit
# with this machine's. Also: that it is static and how large it is. Needs scripts/setup-cross.sh once.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/toolchain.sh

# Of which the C library is 0.6 MB, the kernels of all kinds of core 0.36 MB.
size_limit=1400000
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "test-linux: $*" >&2; exit 1; }

cargo run --quiet --release -p tinybert-runtime --example toy_image -- "$work/model.tbim" neon
write_texts "$work/texts"
answer_on_host "$work/model.tbim" <"$work/texts" >"$work/expected"

# test_on TARGET COMMAND...: COMMAND emulates.
test_on() {
  local target=$1 build_std=() program bytes
  shift
  use_compiler_for "$target"
  # A compiler that brings the target's standard library needs no -Zbuild-std.
  [ -z "${RUSTC:-}" ] || [ -d "$("$RUSTC" --print sysroot)/lib/rustlib/$target/lib" ] ||
    build_std=(-Zbuild-std=std,panic_abort)
  (cd targets/aarch64-linux && cargo build --quiet --release --target "$target" "${build_std[@]}")
  program=${CARGO_TARGET_DIR:-targets/aarch64-linux/target}/$target/release/tinybert-run
  file "$program" | grep -q "statically linked" || fail "$target: not static"
  bytes=$(stat -c %s "$program")
  [ "$bytes" -le $size_limit ] || fail "$target: $bytes bytes, more than $size_limit"
  "$@" "$program" "$work/model.tbim" <"$work/texts" >"$work/answers" 2>"$work/log" || { cat "$work/log" >&2; exit 1; }
  cmp "$work/expected" "$work/answers" || fail "$target gave other bits than this machine"
  echo "$target: static, $bytes bytes; $(cat "$work/log"); the same bits"
}

test_on aarch64-unknown-linux-gnu qemu-aarch64 -cpu cortex-a53
test_on armv7-unknown-linux-gnueabihf qemu-arm -cpu cortex-a7

#!/usr/bin/env bash
# Builds for ARM Linux with cross (docs/targets.md), where it and a container engine are installed: tinybert-run and the C library
# for three targets, and compares what kind of file each is.
#
#   scripts/test-cross.sh [--whole]      --whole: tinybert-compress, too, which takes ten minutes of a CPU for each target
set -euo pipefail
cd "$(dirname "$0")/.."
fail() { echo "test-cross: $*" >&2; exit 1; }

if ! command -v cross >/dev/null || ! { command -v podman || command -v docker; } >/dev/null; then
  echo "test-cross: cross or a container engine is not installed; nothing was checked"
  exit 0
fi
# A folder of its own: the images have another C library than this machine, and so have build scripts in it.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target/cross}

# expect FILE WORDS: what `file` says of FILE has WORDS.
expect() { file "$1" | grep -q "$2" || fail "$(file "$1"); expected: $2"; }

for target in aarch64-unknown-linux-gnu:"ARM aarch64.*dynamically linked" aarch64-unknown-linux-musl:"ARM aarch64.*static" \
  armv7-unknown-linux-gnueabihf:"32-bit.*ARM.*statically linked"; do
  kind=${target#*:}
  target=${target%%:*}
  cross build --profile device --target "$target" -p tinybert-run
  expect "$CARGO_TARGET_DIR/$target/device/tinybert-run" "$kind"
  cross build --profile device --target "$target" -p tinybert-capi --features std
  expect "$CARGO_TARGET_DIR/$target/device/libtinybert.a" "ar archive"
  if [ "${1:-}" = --whole ]; then
    cross build --release --target "$target"
    expect "$CARGO_TARGET_DIR/$target/release/tinybert-compress" "$kind"
  fi
  echo "test-cross: $target"
done

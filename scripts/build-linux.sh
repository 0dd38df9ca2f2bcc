#!/usr/bin/env bash
# Builds tinybert-run (targets/aarch64-linux), one static file, and prints where it is. Needs scripts/setup-cross.sh once.
#
#   scripts/build-linux.sh                                  64-bit ARM, with musl
#   scripts/build-linux.sh armv7-unknown-linux-gnueabihf    32-bit ARM, with glibc
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/toolchain.sh
target=${1:-aarch64-unknown-linux-musl}
built=${CARGO_TARGET_DIR:-$PWD/target}

use_compiler_for "$target"
options=()
if [ -n "${RUSTC:-}" ]; then
  # Debian's packages lack the target's standard library: it is built from source, with panics that end the program at once.
  flags="-Cpanic=immediate-abort -Zunstable-options -Ctarget-feature=+crt-static"
  if [[ $target == *-musl ]]; then
    # Start-up files and C library are those of Debian's musl. Rust's library names an unwinder, of which nothing is used.
    mkdir -p "$built/unwinder"
    ar rc "$built/unwinder/libunwind.a"
    flags+=" -Clink-self-contained=no -L$built/unwinder"
  fi
  export RUSTFLAGS=$flags
  options=(-Zbuild-std=std,panic_abort -Zbuild-std-features=optimize_for_size)
fi
cargo build --quiet --profile device -p tinybert-run --target "$target" --target-dir "$built" "${options[@]}"
echo "$built/$target/device/tinybert-run"

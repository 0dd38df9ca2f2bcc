#!/usr/bin/env bash
# Checks that the device crates compile with the lowest Rust version that their Cargo.toml states, on x86-64, 64-bit ARM and
# a Cortex-M. Where rustup cannot fetch that version, clippy's lint `incompatible_msrv` is the only check (`cargo clippy`).
set -euo pipefail
cd "$(dirname "$0")/.."

version=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' crates/runtime/Cargo.toml).0
targets=(aarch64-unknown-linux-gnu thumbv7em-none-eabihf)
if ! rustup toolchain install "$version" --profile minimal $(printf -- '--target %s ' "${targets[@]}") >/dev/null 2>&1; then
  echo "test-rust-version: rustup has no Rust $version here; clippy's incompatible_msrv has checked the interfaces"
  exit 0
fi
# A folder of its own keeps two compilers' artifacts apart.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target/rust-$version}
crates=()
for crate in layout image tokenizer kernels runtime capi; do crates+=(-p "tinybert-$crate"); done
features=tinybert-layout/alloc,tinybert-image/keys,tinybert-image/toy,tinybert-tokenizer/alloc,tinybert-kernels/std
features+=,tinybert-runtime/threads,tinybert-runtime/embed,tinybert-runtime/embedded-storage,tinybert-capi/status-text
cargo "+$version" check --quiet "${crates[@]}" --features "$features"
cargo "+$version" check --quiet "${crates[@]}" --features "$features" --target aarch64-unknown-linux-gnu
cargo "+$version" check --quiet -p tinybert-runtime --features signature --target thumbv7em-none-eabihf
echo "the device crates compile with Rust $version"

#!/usr/bin/env bash
# Builds the runtime as bare-metal firmware, boots it on QEMU's virt board, and compares its answers bit by bit with
# the host's. Needs scripts/setup-cross.sh once. Usage: test-bare-metal.sh [IMAGE [TEXT]]
set -euo pipefail
cd "$(dirname "$0")/.."
image=${1:-target/toy.tbim}
text=${2:-Play some jazz!}

if [ $# -eq 0 ]; then
    cargo run --quiet --release -p tinybert-runtime --example toy_image -- "$image"
fi
image=$(realpath "$image")
host=$(rustc -vV | sed -n 's/^host: //p')
# --manifest-path, not the folder: the folder's own settings would build for ARM.
expected=$(cargo run --quiet --release --manifest-path targets/aarch64-linux/Cargo.toml --target "$host" \
    -- "$image" <<<"$text")
echo "host: $expected"

if ! rustup target list --installed 2>/dev/null | grep -qx aarch64-unknown-none; then
    # Debian's compiler brings the sources of core; .cargo/config.toml tells cargo to build them for the board.
    export RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1
fi
export TINYBERT_IMAGE=$image
cd targets/aarch64-bare
for cpu in cortex-a53 cortex-a76; do
    # Added to the flags of .cargo/config.toml: without an operating system the build decides which kernels run.
    cargo build --quiet --release --config "target.aarch64-unknown-none.rustflags=[\"-Ctarget-cpu=$cpu\"]"
    # Semihosting writes to QEMU's standard error; a comma in an option's value is written twice.
    output=$(timeout 60 qemu-system-aarch64 -M virt -cpu "$cpu" -m 128M -nic none \
        -nographic -monitor none -serial none \
        -semihosting-config "enable=on,target=native,arg=${text//,/,,}" \
        -kernel target/aarch64-unknown-none/release/tinybert-bare 2>&1)
    echo "$cpu: $output"
    if [ "$(tail -n 1 <<<"$output")" != "$expected" ]; then
        echo "error: $cpu gave other bits than the host" >&2
        exit 1
    fi
done

#!/usr/bin/env bash
# Builds the runtime as firmware for a Cortex-M4 and a Cortex-M33, boots it on QEMU's MPS2 boards, and compares its answers bit
# by bit with the host's; then the same with a key built in, a signed image and a forged one. Needs scripts/setup-cross.sh once.
#
#   scripts/test-cortex-m.sh [IMAGE [TEXTS]]   a toy image without one; image and workspace must fit 4 MiB each
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/toolchain.sh

stack_limit=8192
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "test-cortex-m: $*" >&2; exit 1; }

if [ $# -gt 0 ]; then
  ln -s "$(realpath "$1")" "$work/model.tbim"
else
  toy_image "$work/model.tbim"
fi
if [ $# -gt 1 ]; then cp "$2" "$work/texts"; else write_texts "$work/texts"; write_bad_lines "$work/texts"; fi
answer_on_host "$work/model.tbim" <"$work/texts" >"$work/expected"
make_keys "$work"
sign_image sign "$work/model.tbim" "$work/key.pem" "$work/signed.tbim"

# build IMAGE [OPTION...]: the firmware for $target, and its sizes.
build() {
  local image=$1
  shift
  (cd targets/cortex-m && TINYBERT_IMAGE=$image cargo build --quiet --release --target "$target" "$@")
  firmware=targets/cortex-m/target/$target/release/tinybert-cortex-m
  arm-linux-gnueabihf-size -A "$firmware" | awk '$1 ~ /^\.(text|rodata|data|bss)$/ { printf "  %s %d", $1, $2 } END { print "" }'
}

# boot FIRMWARE: on $board, asked $work/texts; what it prints goes to $work/output.
boot() {
  { cat "$work/texts"; printf '\4'; } | timeout 120 qemu-system-arm -M "$board" -icount shift=0 -display none -monitor none -serial stdio \
    -semihosting-config enable=on,target=native -kernel "$1" >"$work/output"
}

declare -A boards=([thumbv7em-none-eabihf]=mps2-an386 [thumbv8m.main-none-eabihf]=mps2-an505)
for target in "${!boards[@]}"; do
  board=${boards[$target]}
  use_compiler_for "$target"
  build "$work/model.tbim"
  boot "$firmware" || { cat "$work/output" >&2; fail "$board: the firmware failed"; }
  check_answers "$board" "$work/expected" "$work/output" $stack_limit

  TINYBERT_PUBLIC_KEY=$work/public.pem build "$work/signed.tbim" --features signature
  boot "$firmware" || { cat "$work/output" >&2; fail "$board: the signed image was refused"; }
  check_answers "$board, signed" "$work/expected" "$work/output" $stack_limit
  cp "$firmware" "$work/forged"
  sign_image forge "$work/forged"
  if boot "$work/forged"; then fail "$board: a forged image was taken"; fi
  check_refused "$board" "$work/output"
done

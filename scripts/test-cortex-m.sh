#!/usr/bin/env bash
# Builds the runtime as firmware for Cortex-M0+, M4, M7, M33 and M55 and boots it on QEMU's MPS2 and MPS3 boards. Its kernels are compared with the
# scalar ones over random operands, and its answers bit by bit with the host's; then the same with a key built in, a signed image
# and a forged one. Needs scripts/setup-cross.sh once.
#
#   scripts/test-cortex-m.sh [IMAGE [TEXTS]]   a toy image without one; program with image and workspace must fit 2 MiB each
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/toolchain.sh

stack_limit=8192
# Of code and constants of a firmware besides the image, without a signature and with one.
code_limit=$((160 * 1024))
signed_limit=$((180 * 1024))
make_work_folder

if [ $# -gt 0 ]; then
  ln -s "$(realpath "$1")" "$work/model.tbim"
else
  toy_image "$work/model.tbim" cortex-m
fi
if [ $# -gt 1 ]; then cp "$2" "$work/texts"; else write_texts "$work/texts"; write_bad_lines "$work/texts"; fi
answer_on_host "$work/model.tbim" <"$work/texts" >"$work/expected"
make_keys "$work"
sign_image sign "$work/model.tbim" "$work/key.pem" "$work/signed.tbim"

# compile FLAGS OPTION...: cargo build of the firmware for $target, with flags for the compiler.
compile() {
  local name=CARGO_TARGET_$(tr 'a-z.-' 'A-Z__' <<<"$target")_RUSTFLAGS flags=$1
  shift
  (cd targets/cortex-m && env "$name=$flags" cargo build --quiet --release --target "$target" "$@")
}

# build IMAGE [OPTION...]: the firmware for $target and $core.
build() {
  local image=$1 folder=$PWD/targets/cortex-m/target flags=
  shift
  if [ "$core" != any ]; then
    folder=$folder/$core
    flags=-Ctarget-cpu=$core
  fi
  TINYBERT_IMAGE=$image compile "$flags" --target-dir "$folder" "$@"
  firmware=$folder/$target/release/tinybert-cortex-m
}

# boot FIRMWARE: on $board, asked $work/texts; what it prints goes to $work/output.
boot() {
  { cat "$work/texts"; printf '\4'; } | timeout 120 qemu-system-arm -M "$board" -icount shift=0 -display none -monitor none -serial stdio \
    -semihosting-config enable=on,target=native -kernel "$1" >"$work/output"
}

# check_kernels: random operands for the firmware $kernels on $board, whose core must choose the kernels $isa.
check_kernels() {
  boot "$kernels" || { cat "$work/output" >&2; fail "$board: the kernels differ from the scalar ones"; }
  grep -qx "$isa was chosen" "$work/output" || { cat "$work/output" >&2; fail "$board: expected the kernels $isa"; }
  echo "$board: $(grep -c "^$isa, " "$work/output") operations of $isa, the bits of the scalar kernels"
}

# test_boards TARGET CORE ISA BOARD...: the boards that run the firmware of the target, for any of its cores or for CORE.
test_boards() {
  local target=$1 core=$2 isa=$3 board
  shift 3
  use_compiler_for "$target"
  build "$work/model.tbim"
  check_code "firmware for $target, core $core" "$firmware" "$work/model.tbim" $code_limit
  kernels=$work/kernels
  cp "$(dirname "$firmware")/kernels" "$kernels"
  for board in "$@"; do
    check_kernels
    boot "$firmware" || { cat "$work/output" >&2; fail "$board: the firmware failed"; }
    check_answers "$board" "$work/expected" "$work/output" $stack_limit
  done

  TINYBERT_PUBLIC_KEY=$work/public.pem build "$work/signed.tbim" --bin tinybert-cortex-m --features signature
  check_code "the same with a key" "$firmware" "$work/signed.tbim" $signed_limit
  cp "$firmware" "$work/forged"
  sign_image forge "$work/forged"
  for board in "$@"; do
    boot "$firmware" || { cat "$work/output" >&2; fail "$board: the signed image was refused"; }
    check_answers "$board, signed" "$work/expected" "$work/output" $stack_limit
    if boot "$work/forged"; then fail "$board: a forged image was taken"; fi
    check_refused "$board" "$work/output"
  done
}

# test_detection TARGET FLAGS [BOARD ISA]...: firmware that asks the core, and what it must choose on each board.
test_detection() {
  local target=$1 flags=$2 folder=$PWD/targets/cortex-m/target/detection board isa
  shift 2
  use_compiler_for "$target"
  TINYBERT_IMAGE=$work/model.tbim compile "$flags" --target-dir "$folder" --bin kernels --features id-registers
  kernels=$folder/$target/release/kernels
  while [ $# -gt 0 ]; do
    board=$1 isa=$2
    shift 2
    check_kernels
  done
}

# Code of a Cortex-M0+, on a Cortex-M3: QEMU has no board with a Cortex-M0 and memory for it.
test_boards thumbv6m-none-eabi any scalar mps2-an385
test_boards thumbv7em-none-eabihf any arm-dsp mps2-an386 mps2-an500
test_boards thumbv8m.main-none-eabihf cortex-m33 arm-dsp mps2-an505
test_boards thumbv8m.main-none-eabihf cortex-m55 arm-mve mps3-an547
# For a Cortex-M3. QEMU's Cortex-M4 states the identification registers of its Cortex-M3.
test_detection thumbv7m-none-eabi "" mps2-an385 scalar mps2-an500 arm-dsp
# For a core that may lack MVE: without it, and with it (the flags also choose the board that the firmware is linked for).
test_detection thumbv8m.main-none-eabihf -Ctarget-cpu=cortex-m33 mps2-an505 arm-dsp
test_detection thumbv8m.main-none-eabihf "-Ctarget-cpu=cortex-m55 -Ctarget-feature=-mve" mps3-an547 arm-mve

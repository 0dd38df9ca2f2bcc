#!/usr/bin/env bash
# Builds targets/slices for a Cortex-M4 and runs it on QEMU's mps2-an386, where an instruction takes a nanosecond: answers in slices
# under a watchdog, with the host's bits, and beside a blinking lamp; then shows that both programs fail if they answer at once.
# Needs scripts/setup-cross.sh once.
#
#   scripts/test-slices.sh [IMAGE]   a toy image in the demo's sizes without one
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/toolchain.sh

target=thumbv7em-none-eabihf
make_work_folder

if [ $# -gt 0 ]; then ln -s "$(realpath "$1")" "$work/model.tbim"; else toy_image "$work/model.tbim" cortex-m demo; fi
use_compiler_for "$target"

# build [OPTION...]: both programs into $work.
build() {
  (cd targets/slices && TINYBERT_IMAGE=$work/model.tbim cargo build --quiet --release --locked --target-dir target "$@")
  cp targets/slices/target/$target/release/{watchdog,embassy} "$work"
}

# boot PROGRAM: on the board; what it prints goes to $work/output.
boot() {
  timeout 120 qemu-system-arm -M mps2-an386 -icount shift=0 -display none -monitor none -serial none \
    -semihosting-config enable=on,target=native -kernel "$work/$1" >"$work/output" 2>&1
}

build
for program in watchdog embassy; do
  boot $program || { cat "$work/output" >&2; fail "$program"; }
  echo "$program: $(cat "$work/output")"
done
build --features at-once
for program in watchdog:barks embassy:"did not blink"; do
  if boot "${program%:*}"; then fail "${program%:*} does not notice an answer at once"; fi
  grep -q "${program#*:}" "$work/output" || { cat "$work/output" >&2; fail "${program%:*} failed for another reason"; }
  echo "${program%:*}, at once: $(cat "$work/output")"
done

#!/usr/bin/env bash
# Builds the runtime as firmware, boots it on QEMU's virt board with four CPUs and on its Raspberry Pi 3, and compares its answers
# bit by bit with the host's. Also: that it boots at EL1, EL2 and EL3, that a build with a panic path is refused, that no allocator
# is linked, how deep the stack gets, the size of the code, and that a firmware with a key takes no image but a signed one. Needs
# scripts/setup-cross.sh once.
#
#   scripts/test-bare-metal.sh                 toy images, each in the weight layout of the CPU; one of each other kind
#   scripts/test-bare-metal.sh IMAGE [TEXTS]   a given image on every CPU; TEXTS: a file of lines
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/toolchain.sh

stack_limit=8192
# Of code and constants of our crates, the Unicode tables included: for one kind of core, and with all kernels.
one_core_limit=160000
every_core_limit=212000
# With the curve and the hashes that verify a signature.
key_limit=226000
make_work_folder

# The weight layout of each CPU.
declare -A layouts=([cortex-a53]=neon [cortex-a72]=neon [cortex-a76]=dotprod [max,sve=off]=i8mm)
if [ $# -gt 0 ]; then
  given=$(realpath "$1")
  layouts=([cortex-a53]=given [cortex-a72]=given [cortex-a76]=given [max,sve=off]=given)
  ln -s "$given" "$work/given.tbim"
else
  for layout in neon dotprod i8mm; do
    toy_image "$work/$layout.tbim" $layout
  done
fi
if [ $# -gt 1 ]; then cp "$2" "$work/texts"; else write_texts "$work/texts"; write_bad_lines "$work/texts"; fi


for image in "$work"/*.tbim; do answer_on_host "$image" <"$work/texts" >"${image%.tbim}.expected"; done

use_compiler_for aarch64-unknown-none
built=$PWD/targets/aarch64-bare/target/aarch64-unknown-none/release/tinybert-bare
# build LAYOUT [OPTION...]
build() {
  local layout=$1
  shift
  (cd targets/aarch64-bare && TINYBERT_IMAGE=$work/$layout.tbim cargo build --quiet --release "$@" 2>"$work/log")
}

# sizes LIMIT: what the firmware that was built last takes, by section and by crate; LIMIT bytes for these crates together.
sizes() {
  aarch64-linux-gnu-size -A "$built" | awk '{ size[$1] = $2 }
    END { printf "  sections, the image and its workspace included: .text %d, .rodata %d, .data %d, .bss %d\n",
      size[".text"], size[".rodata"], size[".data"], size[".bss"] }'
  aarch64-linux-gnu-nm -C -S -t d "$built" | awk -v limit="$1" '
    NF > 3 && $3 ~ /^[tTwWrR]$/ && match($0, /tinybert_(layout|kernels|image|runtime|tokenizer)|curve25519_dalek|sha2/) {
      crate = substr($0, RSTART, RLENGTH); sub("tinybert_", "", crate); bytes[crate] += $2; all += $2
    }
    END {
      for (crate in bytes) printf "  %-16s %7d bytes of code and constants\n", crate, bytes[crate]
      printf "  %-16s %7d\n", "together", all
      exit all > limit
    }' || fail "more code than $1 bytes"
}

# wait_for_console: until the firmware reads its console or has ended. A serial port loses what it receives before it is set up.
wait_for_console() {
  local tries=0
  until grep -aqE 'self-tests passed|of stack used' "$work/output" || [ $((tries += 1)) -gt 1000 ]; do sleep 0.02; done
}

# emulate OPTION...: the machine is asked $work/texts; what it prints goes to $work/output.
emulate() {
  : >"$work/output"
  { wait_for_console; cat "$work/texts"; printf '\4'; } | timeout 120 qemu-system-aarch64 "$@" -nic none -display none -monitor none \
    -serial stdio -semihosting-config enable=on,target=native >"$work/output"
}

# boot CPU [OPTION_OF_VIRT]: $work/firmware.
boot() { emulate -M "virt${2:-}" -cpu "$1" -m 64M -bios "$work/firmware"; }

for layout in $(printf '%s\n' "${layouts[@]}" | sort -u); do
  build "$layout" || { cat "$work/log" >&2; fail "the firmware does not build"; }
  if aarch64-linux-gnu-nm "$built" | grep -E '__rust_alloc|__rg_|__rdl_|\b(malloc|calloc|realloc)\b'; then
    fail "an allocator is linked"
  fi
  aarch64-linux-gnu-objcopy -O binary "$built" "$work/firmware"
  for cpu in "${!layouts[@]}"; do
    [ "${layouts[$cpu]}" = "$layout" ] || continue
    boot "$cpu" || { cat "$work/output" >&2; fail "$cpu: the firmware failed"; }
    check_answers "$cpu" "$work/$layout.expected" "$work/output" $stack_limit
  done
done
echo "firmware for every core:"
sizes $every_core_limit

# The cores of one board at each exception level, and a second board, which starts them at EL2 if it is given the bare code, and at
# EL3 if it is given the ELF file. `max` has what newer cores could trap.
for level in EL2,virtualization=on EL3,secure=on EL3,virtualization=on,secure=on; do
  for cpu in cortex-a53 max,sve=off; do
    boot $cpu ",${level#*,}" || { cat "$work/output" >&2; fail "$cpu at ${level%%,*}: the firmware failed"; }
    check_answers "$cpu from ${level%%,*}" "$work/$layout.expected" "$work/output" $stack_limit
  done
done
TINYBERT_BOARD=raspi3b build "$layout" || { cat "$work/log" >&2; fail "the firmware for raspi3b does not build"; }
aarch64-linux-gnu-objcopy -O binary "$built" "$work/kernel8.img"
for kernel in "$work/kernel8.img" "$built"; do
  emulate -M raspi3b -kernel "$kernel" || { cat "$work/output" >&2; fail "raspi3b: the firmware failed"; }
  check_answers "raspi3b" "$work/$layout.expected" "$work/output" $stack_limit
done

# The control: a firmware with a line that can panic must not link, for that reason.
if build "$layout" --features negative-control; then fail "a firmware that can panic was linked"; fi
grep -q a_panic_path_was_linked "$work/log" || { cat "$work/log" >&2; fail "the control failed for another reason"; }
echo "a firmware that can panic is refused by the linker"

for cpu in cortex-a53 cortex-a76; do
  build "$layout" --no-default-features --config "target.aarch64-unknown-none.rustflags=[\"-Ctarget-cpu=$cpu\"]"
  echo "firmware for $cpu alone:"
  sizes $one_core_limit
done

# With a key built in, on one CPU: the signed image, then a forged one with right checksums.
make_keys "$work"
sign_image sign "$work/$layout.tbim" "$work/key.pem" "$work/signed.tbim"
TINYBERT_PUBLIC_KEY=$work/public.pem build signed --features signature || { cat "$work/log" >&2; fail "the firmware with a key"; }
echo "firmware for every core, with a key:"
sizes $key_limit
aarch64-linux-gnu-objcopy -O binary "$built" "$work/firmware"
boot cortex-a76 || { cat "$work/output" >&2; fail "the signed image was refused"; }
check_answers "signed, on cortex-a76" "$work/$layout.expected" "$work/output" $stack_limit
sign_image forge "$work/firmware"
if boot cortex-a76; then fail "a forged image was taken"; fi
check_refused "firmware with a key" "$work/output"

# Models of other kinds and of a real one's size. Pairs are for classifiers: a tagger's answer is an error.
if [ $# = 0 ]; then
  for kind in tags embedding labels demo; do
    toy_image "$work/$kind.tbim" dotprod $kind
    answer_on_host "$work/$kind.tbim" <"$work/texts" >"$work/$kind.expected"
    build $kind || { cat "$work/log" >&2; fail "$kind: the firmware does not build"; }
    aarch64-linux-gnu-objcopy -O binary "$built" "$work/firmware"
    boot cortex-a76 || { cat "$work/output" >&2; fail "$kind: the firmware failed"; }
    check_answers $kind "$work/$kind.expected" "$work/output" $stack_limit
  done
fi

#!/usr/bin/env bash
# Boots the firmware with two slots for images (docs/updates.md) on QEMU's virt board. The slots hold whole images, parts of
# images as a power failure leaves them, an older, a forged and a broken image, and one that needs too much workspace.
# Needs scripts/setup-cross.sh once.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/toolchain.sh

stack_limit=8192
make_work_folder

# The image that is built in has version 1.0.0 and security version 3. An update gives any number of labels for a text, so that
# its answers are others.
make_keys "$work"
# signed NAME VERSION SECURITY_VERSION OPTION...: $work/NAME.tbim, a toy image.
signed() {
  toy_image "$work/unsigned.tbim" dotprod "${@:4}"
  sign_image sign "$work/unsigned.tbim" "$work/key.pem" "$work/$1.tbim" "$2" "$3"
}
signed built-in 1.0.0 3 demo
signed old 1.1.0 3 demo calibrated
signed new 1.2.0 7 demo labels
signed newest 1.10.0 7 demo labels
signed older 9.9.9 2 demo labels
signed wrong 1.2.0 7 demo labels wrong
# Its file is smaller, and its layers are wider.
signed wide 1.2.0 7 labels
# The same key signs the image of another product.
sign_image sign "$work/new.tbim" "$work/key.pem" "$work/product.tbim" 1.2.0 7 thermostat
cp "$work/new.tbim" "$work/forged.tbim"
sign_image forge "$work/forged.tbim"
write_texts "$work/texts"
for image in built-in old new; do answer_on_host "$work/$image.tbim" <"$work/texts" >"$work/$image.expected"; done
cmp --quiet "$work/old.expected" "$work/new.expected" && fail "the answers do not tell the images apart"

use_compiler_for aarch64-unknown-none
(cd targets/aarch64-bare && TINYBERT_IMAGE=$work/built-in.tbim TINYBERT_PUBLIC_KEY=$work/public.pem \
  cargo build --quiet --release --features slots 2>"$work/log") || { cat "$work/log" >&2; fail "the firmware does not build"; }
built=targets/aarch64-bare/target/aarch64-unknown-none/release/tinybert-bare
aarch64-linux-gnu-objcopy -O binary "$built" "$work/firmware"
address() { echo "0x$(aarch64-linux-gnu-nm "$built" | awk -v name="$1" '$3 == name { print $1 }')"; }
slots=("$(address slot_0)" "$(address slot_1)")
least_at=$(address least_security_version)

# Slots are 2 MiB of erased flash with an image at the beginning.
# erased FILE: writes standard input and erased flash behind it.
erased() {
  cat >"$1"
  head -c $((2 * 1024 * 1024 - $(stat -c %s "$1"))) /dev/zero | tr '\0' '\377' >>"$1"
}
for image in built-in old new newest older wrong wide product forged; do erased "$work/$image.slot" <"$work/$image.tbim"; done
erased "$work/empty.slot" </dev/null

# boot LEAST SLOT_0 SLOT_1: boots with these slots and this least security version; what it prints goes to $work/output.
boot() {
  { cat "$work/texts"; printf '\4'; } | timeout 120 qemu-system-aarch64 -M virt -cpu cortex-a76 -m 64M -nic none \
    -display none -monitor none -serial stdio -semihosting-config enable=on,target=native -bios "$work/firmware" \
    -device "loader,addr=$least_at,data=$1,data-len=4" \
    -device "loader,file=$work/$2.slot,addr=${slots[0]},force-raw=on" \
    -device "loader,file=$work/$3.slot,addr=${slots[1]},force-raw=on" >"$work/output"
}

# answers NAME LEAST SLOT_0 SLOT_1 IMAGE MESSAGE...: after this boot IMAGE answers, and each message was printed.
answers() {
  local name=$1 image=$5 message
  boot "$2" "$3" "$4" || { cat "$work/output" >&2; fail "$name: the firmware failed"; }
  for message in "${@:6}"; do
    grep -qF "$message" "$work/output" || { cat "$work/output" >&2; fail "$name: expected \"$message\""; }
  done
  check_answers "$name: $image" "$work/$image.expected" "$work/output" $stack_limit
}

answers "empty slots" 0 empty empty built-in "slot 0: not a model image" "slot 1: not a model image" "no slot"
answers "one update" 3 old empty old "slot 0: accepted"
answers "a newer update" 3 old new new "slot 1: accepted" "the least security version is now 7"
answers "the same in the other order" 3 new old new "slot 0: accepted"
answers "the security version decides first" 0 older old old "slot 1: accepted" "the least security version is now 3"
answers "then the version, number by number" 7 new newest new "slot 1: accepted"
grep -q "now 7" "$work/output" && fail "a version that is not larger was written"

# A power failure while the new image is written: over erased flash, and over an older image.
size=$(stat -c %s "$work/new.tbim")
for written in 1 64 512 $((size / 2)) $((size - 64)); do
  head -c "$written" "$work/new.tbim" | erased "$work/cut.slot"
  answers "cut after $written bytes" 3 old cut old "slot 0: accepted"
  { head -c "$written" "$work/new.tbim"; tail -c +$((written + 1)) "$work/older.slot"; } >"$work/cut.slot"
  answers "cut after $written bytes, over another image" 3 old cut old "slot 0: accepted"
done

answers "an older image" 3 old older old "slot 0: accepted"
answers "an older image alone" 3 older empty built-in "slot 0: the image has security version 2, but 3 is the oldest"
answers "a forged image" 3 old forged old "slot 1: the image was changed after it was signed" "slot 0: accepted"
answers "a self-test that fails" 3 old wrong old "slot 1: self-test 2 gave other bits" "slot 0: accepted"
grep -q "now 7" "$work/output" && fail "an image that fails has raised the least security version"
answers "another model" 3 old product old "slot 1: the image is of another model" "slot 0: accepted"
grep -q "now 7" "$work/output" && fail "the image of another model has raised the least security version"
answers "two that are equally new" 3 old old old "slot 0: accepted" "slot 1: not tried"
answers "too much workspace" 3 old wide old "slot 1: the workspace has" "slot 0: accepted"

# Behind an update that has raised the version nothing older answers, not even the image that was built in.
if boot 7 old empty; then fail "an older image was accepted"; fi
grep -qF "error: the image has security version 3, but 7 is the oldest" "$work/output" || { cat "$work/output" >&2; fail "the built-in image"; }
echo "a device that has seen security version 7 refuses everything older"

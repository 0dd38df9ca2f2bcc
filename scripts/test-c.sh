#!/usr/bin/env bash
# The C interface: libtinybert.a with every wrong argument under AddressSanitizer on this machine, then as firmware in C11 and
# C++17 on QEMU's virt board and on boards with a Cortex-M4, M33 and M55, bit by bit against the host; models of every kind, word
# rows in flash that is not mapped, and with a key built in a signed image and a forged one. Needs scripts/setup-cross.sh once, and
# the release build of the program.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/toolchain.sh

stack_limit=8192
# Of code and constants of a firmware for a Cortex-M besides the image.
code_limit=$((160 * 1024))
make_work_folder

toy_image "$work/model.tbim" dotprod
make_keys "$work"
target/release/tinybert-compress sign --model "$work/model.tbim" --key "$work/key.pem" --out "$work/signed.tbim" \
  --model-version 1.2.0 --security-version 7
cp "$work/signed.tbim" "$work/forged.tbim"
sign_image forge "$work/forged.tbim"
crates/image/tests/reference/verify.sh "$work/signed.tbim" "$work/public.pem" || fail "OpenSSL does not verify what sign has signed"
if crates/image/tests/reference/verify.sh "$work/forged.tbim" "$work/public.pem"; then fail "OpenSSL verifies a forgery"; fi
# That of the signed image has another size.
mkdir "$work/build" "$work/build-signed"
target/release/tinybert-compress inspect --header "$work/model.tbim" >"$work/build/model.h"
target/release/tinybert-compress inspect --header --verify "$work/public.pem" "$work/signed.tbim" >"$work/build-signed/model.h"
write_texts "$work/good"
cp "$work/good" "$work/texts"
write_bad_lines "$work/texts"
answer_on_host "$work/model.tbim" <"$work/texts" >"$work/expected"

# library TARGET FEATURES: builds libtinybert.a into $work/TARGET.a.
library() {
  packaging/install.sh "$1" "$work/installed" "$2" || fail "the library"
  cp "$work/installed/lib/libtinybert.a" "$work/$1.a"
}

host=$(host_target)
# Where enums are as small as can be and where they are not, the library's are four bytes; in C up to 17, in C23 and in C++.
cat >"$work/sizes.c" <<'END'
#include "tinybert.h"
#ifdef __cplusplus
#define _Static_assert static_assert
#endif
_Static_assert(sizeof(tinybert_kind) == 4, "");
_Static_assert(sizeof(tinybert_status) == 4, "");
END
for enums in -fshort-enums -fno-short-enums; do
  for language in c:c11 c:c2x c++:c++17; do
    clang --target=arm-none-eabi -ffreestanding -Wall -Wextra -Wpedantic -Werror -fsyntax-only -Icrates/capi $enums \
      -x "${language%:*}" -std="${language#*:}" "$work/sizes.c" || fail "sizes of enums: $language, $enums"
  done
done

library "$host" std,status-text,signature,sha256
gcc -std=c11 -Wall -Wextra -Wpedantic -Werror -g -fsanitize=address,undefined $(PKG_CONFIG_PATH=$work/installed/lib/pkgconfig pkg-config --cflags tinybert) \
  -Icrates/capi -I"$work/build-signed" -o "$work/interface" targets/c-firmware/interface.c "$work/$host.a" -lm
"$work/interface" "$work/model.tbim" "$work/good" "$work/signed.tbim" "$work/forged.tbim" >"$work/answers" 2>"$work/log" || { cat "$work/log" >&2; fail "the interface on the host"; }
grep -q "$(sha256sum <"$work/model.tbim" | cut -d " " -f 1)" "$work/log" || fail "the interface on the host: another SHA-256 than sha256sum's"
cmp <(head -n "$(wc -l <"$work/good")" "$work/expected" | cut -f 1,2) "$work/answers" || fail "the interface on the host: other bits"
# A temperature and a threshold change no logit.
toy_image "$work/calibrated.tbim" dotprod calibrated
"$work/interface" "$work/calibrated.tbim" "$work/good" "$work/signed.tbim" "$work/forged.tbim" >"$work/answers" 2>"$work/log" || { cat "$work/log" >&2; fail "the interface on the host: a calibrated image"; }
cmp <(head -n "$(wc -l <"$work/good")" "$work/expected" | cut -f 1,2) "$work/answers" || fail "the interface on the host: other bits when calibrated"
sed '/\t/d' "$work/good" >"$work/single"
toy_image "$work/detached.tbim" dotprod --word-rows "$work/rows"
gcc -std=c11 -Wall -Wextra -Wpedantic -Werror -g -fsanitize=address,undefined -Icrates/capi \
  -o "$work/word_rows" targets/c-firmware/word_rows.c "$work/$host.a" -lm
"$work/word_rows" "$work/model.tbim" "$work/detached.tbim" "$work/rows" "$work/single" || fail "word rows on the host"
echo "interface under AddressSanitizer: every wrong argument has its status; the same bits"

g++ -std=c++17 -Wall -Wextra -Wpedantic -Werror -g -fsanitize=address,undefined -Icrates/capi -o "$work/readable" targets/c-firmware/readable.cpp "$work/$host.a"
# readable_as_run KIND FILE: the words, entities and cosines that C++ gets are those that the program prints.
readable_as_run() {
  toy_image "$work/$1.tbim" dotprod "$1"
  "$work/readable" "$work/$1.tbim" "$2" >"$work/answers" || fail "$1 in C++"
  target/release/tinybert-compress run --model "$work/$1.tbim" <"$2" >"$work/printed"
  diff "$work/printed" "$work/answers" || fail "$1 in C++: other answers than the program's"
}
readable_as_run tags "$work/single"
grep -q "thing: " "$work/answers" || fail "the toy tagger finds no entity"
printf '%s\n' $'play some\tturn on' $'jazz\tjazz' $'the lamp\tnaïve LAMPS' >"$work/pairs"
readable_as_run embedding "$work/pairs"
echo "words, entities and cosines in C++17 under AddressSanitizer: those of the program"

bare=aarch64-unknown-none
library $bare id-registers
make --quiet -C targets/c-firmware MODEL="$work/model.tbim" LIBRARY="$work/$bare.a" BUILD="$work/build"

# boot CPU FIRMWARE: asked $work/texts; what it prints goes to $work/output.
boot() {
  { cat "$work/texts"; printf '\4'; } | timeout 120 qemu-system-aarch64 -M virt -cpu "$1" -m 64M -nic none -display none \
    -monitor none -serial stdio -semihosting-config enable=on,target=native -bios "$2" >"$work/output"
}
for language in c cpp; do
  for cpu in cortex-a53 cortex-a76; do
    boot $cpu "$work/build/firmware-$language.bin" || { cat "$work/output" >&2; fail "$language firmware on $cpu"; }
    check_answers "firmware in $language on $cpu" "$work/expected" "$work/output" $stack_limit
  done
done

library $bare id-registers,status-text,signature
make --quiet -C targets/c-firmware MODEL="$work/signed.tbim" LIBRARY="$work/$bare.a" BUILD="$work/build-signed" \
  FEATURES="SIGNATURE STATUS_TEXT"
for language in c cpp; do
  firmware=$work/build-signed/firmware-$language.bin
  boot cortex-a53 "$firmware" || { cat "$work/output" >&2; fail "$language firmware: the signed image was refused"; }
  check_answers "firmware in $language with a key" "$work/expected" "$work/output" $stack_limit
  sign_image forge "$firmware"
  if boot cortex-a53 "$firmware"; then fail "$language firmware: a forged image was taken"; fi
  check_refused "firmware in $language with a key" "$work/output"
done

# firmware_of NAME IMAGE [OPTION...]: in both languages, with answers as the host gives them with $work/NAME.tbim.
firmware_of() {
  local name=$1 image=$2
  shift 2
  answer_on_host "$work/$name.tbim" <"$work/texts" >"$work/expected"
  mkdir "$work/$name"
  target/release/tinybert-compress inspect --header "$image" >"$work/$name/model.h"
  make --quiet -C targets/c-firmware MODEL="$image" LIBRARY="$work/$bare.a" BUILD="$work/$name" "$@"
  for language in c cpp; do
    boot cortex-a76 "$work/$name/firmware-$language.bin" || { cat "$work/output" >&2; fail "$name in $language"; }
    check_answers "$name in $language" "$work/expected" "$work/output" $stack_limit
  done
}
firmware_of model "$work/detached.tbim" WORD_ROWS="$work/rows"
# Pairs are for classifiers: the answer of taggers and sentence encoders is an error.
toy_image "$work/labels.tbim" dotprod labels
for kind in tags embedding labels; do firmware_of $kind "$work/$kind.tbim"; done

# Cortex-M: the start-up code is C, too.
answer_on_host "$work/model.tbim" <"$work/texts" >"$work/expected"
declare -A machines=([an386]=mps2-an386 [an505]=mps2-an505 [an547]=mps3-an547)
declare -A targets=([an386]=thumbv7em-none-eabihf [an505]=thumbv8m.main-none-eabihf [an547]=thumbv8m.main-none-eabihf)
declare -A cores=([an386]=cortex-m4 [an505]=cortex-m33 [an547]=cortex-m55)
declare -A kernels=([an386]=arm-dsp [an505]=arm-dsp [an547]=arm-mve)
toy_image "$work/cortex-m.tbim" cortex-m
# One folder for all boards: make has to see that the board has changed.
cortex=$work/cortex-m
mkdir "$cortex"
target/release/tinybert-compress inspect --header "$work/cortex-m.tbim" >"$cortex/model.h"
for board in an386 an505 an547; do
  target=${targets[$board]}
  (export "CARGO_TARGET_$(tr 'a-z.-' 'A-Z__' <<<"$target")_RUSTFLAGS=-Ctarget-cpu=${cores[$board]}"; library "$target" "")
  make --quiet -C targets/c-firmware BOARD=$board MODEL="$work/cortex-m.tbim" LIBRARY="$work/$target.a" BUILD="$cortex"
  for language in c cpp; do
    { cat "$work/texts"; printf '\4'; } | timeout 120 qemu-system-arm -M "${machines[$board]}" -display none -monitor none \
      -serial stdio -semihosting-config enable=on,target=native -icount shift=0 -kernel "$cortex/firmware-$language.elf" \
      >"$work/output" || { cat "$work/output" >&2; fail "$language firmware on $board"; }
    check_answers "firmware in $language on $board" "$work/expected" "$work/output" $stack_limit
    grep -q "passed on ${kernels[$board]}$" "$work/output" || fail "$language firmware on $board: other kernels than ${kernels[$board]}"
    check_code "firmware in $language on $board" "$cortex/firmware-$language.elf" "$work/cortex-m.tbim" $code_limit
  done
done

# make_refuses MESSAGE VARIABLE...: make ends with this message.
make_refuses() {
  if make --quiet -C targets/c-firmware BUILD="$cortex" "${@:2}" >"$work/log" 2>&1; then fail "make was to end with \"$1\""; fi
  grep -qF "$1" "$work/log" || { cat "$work/log" >&2; fail "make was to end with \"$1\""; }
}
last=(BOARD=$board MODEL="$work/cortex-m.tbim" LIBRARY="$work/$target.a")
if make -C targets/c-firmware BUILD="$cortex" "${last[@]}" | grep -q gcc; then fail "make builds anew what has not changed"; fi
make_refuses "MODEL, the image, is missing" BOARD=$board LIBRARY="$work/$target.a"
make_refuses "model.h is of another image" "${last[@]}" MODEL="$work/tags.tbim"
make_refuses "TINYBERT_PUBLIC_KEY" "${last[@]}" FEATURES=SIGNATURE
echo "make builds anew what depends on board, image and features"

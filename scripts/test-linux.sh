#!/usr/bin/env bash
# Builds tinybert-run for 64- and 32-bit ARM Linux, runs it under QEMU's user-mode emulation, and compares its answers bit by bit
# with this machine's. Also: that it is static and how large it is, and what systemd says of the units, where it is installed.
# Needs scripts/setup-cross.sh once.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/toolchain.sh

size_limit=1000000
make_work_folder

toy_image "$work/model.tbim" neon
write_texts "$work/texts"
write_bad_lines "$work/texts"
# Longer than the program reads.
{ head -c 70000 /dev/zero | tr '\0' x; printf '\nplay some jazz'; } >>"$work/texts"
run_on_host -- "$work/model.tbim" <"$work/texts" >"$work/expected"
[ "$(replies "$work/expected" | grep -n '^error$' | tr '\n' ' ')" = "7:error 10:error " ] || fail "errors for other lines than the two"
[ "$(tail -n 1 "$work/expected")" = "$(sed -n 9p "$work/expected")" ] || fail "the last line, which has no end, was not answered"
# A pair, which a tagger does not take.
toy_image "$work/tags.tbim" tags
printf 'play\tturn on\nplay\n' | run_on_host -- "$work/tags.tbim" >"$work/answers"
[ "$(replies "$work/answers" | cut -f 1 | tr '\n' ' ')" = "error tags " ] || fail "a tagger's answers to a pair and a text"
# What a person reads: a probability between one and the number of labels, and a word with its tag.
[ "$(grep -c $'\t0\.[0-9]\{4\}$' "$work/expected")" = 9 ] || fail "a probability behind each answer"
tail -n 1 "$work/answers" | cut -f 3 | grep -qxE 'play/[^ ]+' || fail "a word with its tag behind a tagger's answer"
run_on_host -- --help | grep -q '^usage: tinybert-run IMAGE' || fail "--help"
for option in --help --version; do
  if run_on_host -- $option >/dev/full 2>"$work/log"; then fail "$option to a full disk succeeds"; fi
  grep -q '^error: ' "$work/log" || { cat "$work/log" >&2; fail "$option to a full disk"; }
done
# refuses MESSAGE ARGUMENT...: the program names what is wrong.
refuses() {
  if run_on_host -- "${@:2}" </dev/null 2>"$work/log"; then fail "expected: $1"; fi
  grep -qF -- "$1" "$work/log" || { cat "$work/log" >&2; fail "expected: $1"; }
}
refuses "first argument is the image, not --isa" --isa scalar
refuses "--nosuch is no option" "$work/model.tbim" --nosuch x
refuses "it has scalar" "$work/model.tbim" --isa nosuch
refuses "/dev/null: " /dev/null
refuses "targets: " targets
run_on_host -- --version | grep -qxE 'tinybert-run [0-9.]+' || fail "--version"
make_keys "$work"
sign_image sign "$work/model.tbim" "$work/key.pem" "$work/signed.tbim"
cp "$work/signed.tbim" "$work/forged.tbim"
sign_image forge "$work/forged.tbim"

# test_on TARGET COMMAND...: COMMAND emulates.
test_on() {
  local target=$1 program bytes
  shift
  program=$(scripts/build-linux.sh "$target")
  file "$program" | grep -q "statically linked" || fail "$target: not static"
  bytes=$(stat -c %s "$program")
  [ "$bytes" -le $size_limit ] || fail "$target: $bytes bytes, more than $size_limit"
  "$@" "$program" "$work/model.tbim" <"$work/texts" >"$work/answers" 2>"$work/log" || { cat "$work/log" >&2; exit 1; }
  cmp "$work/expected" "$work/answers" || fail "$target gave other bits than this machine"
  echo "$target: static, $bytes bytes; $(cat "$work/log"); the same bits"
}

test_on aarch64-unknown-linux-musl qemu-aarch64 -cpu cortex-a53
test_on armv7-unknown-linux-gnueabihf qemu-arm -cpu cortex-a7

# A program that knows keys, on this machine.
run_with_key() { run_on_host --features signature -- "$1" --public-key "$work/public.pem" <"$work/texts"; }
run_with_key "$work/signed.tbim" >"$work/answers" 2>"$work/log" || { cat "$work/log" >&2; fail "the signed image was refused"; }
cmp "$work/expected" "$work/answers" || fail "the signed image gave other bits"
if run_with_key "$work/forged.tbim" 2>"$work/log"; then fail "a forged image was taken"; fi
check_refused tinybert-run "$work/log"

if command -v systemd-analyze >/dev/null; then
  mkdir "$work/units"
  cp targets/aarch64-linux/tinybert.socket "$work/units"
  # A program that is there: the real one is not installed.
  sed 's,^ExecStart=.*,ExecStart=/bin/true,' targets/aarch64-linux/tinybert@.service >"$work/units/tinybert@.service"
  said=$(systemd-analyze verify --man=no "$work"/units/* 2>&1) && [ -z "$said" ] || fail "systemd-analyze: $said"
  echo "systemd-analyze verify: the units are in order"
fi

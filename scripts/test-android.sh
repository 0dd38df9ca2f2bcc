#!/usr/bin/env bash
# The Android example as far as it can be checked without Android's SDK: the Java code and the JNI layer run on this machine, bit
# by bit against tinybert-run; for 64-bit Android the C library is built, and the JNI layer is compiled and linked to it. Needs
# scripts/setup-cross.sh once, and a JDK; without one it does nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/toolchain.sh

if ! command -v javac >/dev/null; then
  echo "test-android: there is no JDK; nothing was checked"
  exit 0
fi
make_work_folder
module=targets/android/library/src/main
jdk=$(dirname "$(dirname "$(realpath "$(command -v javac)")")")
jni=(-Icrates/capi -I"$jdk/include" -I"$jdk/include/linux" -DTINYBERT_STATUS_TEXT -std=c11 -Wall -Wextra -Wpedantic -Werror -O2
  -fPIC "$module/cpp/tinybert_jni.c")
built=${CARGO_TARGET_DIR:-target}

toy_image "$work/model.tbim"
# Lines that a classifier of single texts answers.
write_texts "$work/lines"
grep -v -P '\t' "$work/lines" >"$work/texts"
run_on_host -- "$work/model.tbim" <"$work/texts" >"$work/expected"
head -c 1000 "$work/model.tbim" >"$work/cut.tbim"

host=$(host_target)
cargo_here build --quiet --profile device -p tinybert-capi --target "$host" --features std,status-text
gcc -shared "${jni[@]}" "$built/$host/device/libtinybert.a" -o "$work/libtinybert_jni.so" -lm
javac -d "$work" $module/java/org/tinybert/Model.java targets/android/test/Answer.java
answer() { java -cp "$work" -Djava.library.path="$work" -Xcheck:jni Answer "$@"; }
answer "$work/model.tbim" "$work/texts" >"$work/answers"
cmp "$work/expected" "$work/answers" || fail "Java gave other answers than tinybert-run"
if answer "$work/cut.tbim" "$work/texts" 2>"$work/log"; then fail "a cut image was opened"; fi
grep -q IllegalArgumentException "$work/log" || { cat "$work/log" >&2; fail "a cut image has no exception of its own"; }
echo "test-android: Java over JNI: $(wc -l <"$work/answers") answers, the bits of tinybert-run; a cut image is refused"

android=aarch64-linux-android
if rustup target add $android 2>/dev/null; then
  cargo build --quiet --profile device -p tinybert-capi --target $android --features std,status-text
  # The C headers are this machine's, as nothing of them but types is used; the C library is left out.
  clang --target=${android}24 -nostdlib -shared --ld-path="$(command -v aarch64-linux-gnu-ld)" -isystem /usr/aarch64-linux-gnu/include "${jni[@]}" \
    "$built/$android/device/libtinybert.a" -Wl,--gc-sections,--exclude-libs,ALL -o "$work/android.so"
  file "$work/android.so" | grep -q "ARM aarch64" || fail "the JNI layer for Android"
  [ "$(aarch64-linux-gnu-nm -D --defined-only "$work/android.so" | grep -c ' T Java_org_tinybert')" = 3 ] || fail "the functions of the JNI layer for Android"
  echo "test-android: the JNI layer for $android, $(stat -c %s "$work/android.so") bytes"
else
  echo "test-android: rustup has no $android here"
fi

#!/usr/bin/env bash
# Makes everything that run.sh measures with, and what it measures: tools, peers, programs and images of random weights.
# For Debian 12 on x86-64 with a Rust toolchain; idempotent; needs root where a package is missing.
#
#   scripts/performance/prepare.sh CACHE
set -euo pipefail
cache=$(mkdir -p "$1" && realpath "$1")
cd "$(dirname "$0")/../.."
source scripts/packages.sh
here=scripts/performance

install_packages() {
  scripts/setup-cross.sh
  apt_install gcc libc6-dev llvm-19 python3-venv util-linux xz-utils
}

# The counting plugin is compiled against a header that only QEMU's source package has. Lists of source packages are kept
# apart, so that the machine's own settings stay as they are.
build_plugin() {
  local sources=$cache/qemu-source release mirror
  if [ ! -f "$sources/qemu-plugin.h" ]; then
    release=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
    # The machine's own mirror.
    mirror=$(apt-get indextargets --format '$(SITE) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
      awk -v release="$release" '$2 == release && $3 == "main" { print $1; exit }')
    mkdir -p "$sources/lists/partial"
    echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $release main" \
      >"$sources/sources.list"
    (
      cd "$sources"
      options=(-q -o "Dir::Etc::SourceList=$sources/sources.list" -o Dir::Etc::SourceParts=/dev/null
        -o "Dir::State::Lists=$sources/lists")
      apt-get "${options[@]}" update
      apt-get "${options[@]}" source --download-only qemu
      tar xf qemu_*.orig.tar.xz --wildcards '*/include/qemu/qemu-plugin.h' --strip-components=3
    )
  fi
  gcc -O2 -Wall -Wextra -fPIC -shared -I "$sources" -o "$cache/libcount.so" $here/count.c
  gcc -O2 -Wall -Wextra -fPIC -shared -I "$sources" -o "$cache/libcount_thumb.so" $here/count_thumb.c
}

build_peers() {
  if [ ! -x "$cache/venv/bin/python" ]; then
    python3 -m venv "$cache/venv"
  fi
  "$cache/venv/bin/pip" install -q -r $here/requirements.txt
  [ -f "$cache/tinybert-4l-312-int8.onnx" ] ||
    "$cache/venv/bin/python" $here/make_onnx.py "$cache/tinybert-4l-312-int8.onnx"
  cargo build -q --release --locked --manifest-path $here/rten-bench/Cargo.toml --target-dir "$cache/rten"
}

build_programs() {
  local linux=aarch64-unknown-linux-gnu compiler=()
  cargo build -q --release --bin tinybert-compress
  cargo build -q --profile device -p tinybert-run --target-dir "$cache/run"
  gcc -O2 -o "$cache/peak" $here/peak.c

  if ! rustup target list --installed 2>/dev/null | grep -qx $linux; then
    compiler=(RUSTC=/usr/bin/rustc)
  fi
  # Line tables change no instruction.
  env "${compiler[@]}" \
    cargo build -q --release --target $linux -p tinybert-runtime --features std --example count \
    --config 'profile.release.debug="line-tables-only"' --target-dir "$cache/aarch64"
}

two_labels() {
  sed -E 's/"label": "[a-m]\w*"/"label": "first"/; s/"label": "[n-z]\w*"/"label": "second"/' "demo/clinc150/$1.jsonl"
}

# TinyBERT-4L-312 with random weights and a head of two labels, calibrated on the shipped sentences. The shipped vocabulary
# is filled up to BERT's size, so that the image has a real one's size.
make_images() {
  local layout program=target/release/tinybert-compress
  local data=(--train "$cache/data/train.jsonl" --dev "$cache/data/dev.jsonl")
  mkdir -p "$cache/data"
  awk '{ print } END { for (piece = NR; piece < 30522; piece++) print "[unused" piece "]" }' \
    demo/teacher/vocab.txt >"$cache/data/vocab.txt"
  two_labels train >"$cache/data/train.jsonl"
  # The accuracy that `quantize` reports means nothing here.
  two_labels dev | sed -n 1,20p >"$cache/data/dev.jsonl"
  rm -rf "$cache/model"
  $program -q init --preset tinybert-4l-312 --vocab-from "$cache/data" --labels first,second --out "$cache/model"
  for layout in neon dotprod i8mm x86; do
    $program -q quantize --model "$cache/model" "${data[@]}" --layout $layout --out "$cache/$layout.tbim" >/dev/null
  done
  # For the longest input of the comparison.
  $program -q quantize --model "$cache/model" "${data[@]}" --layout x86 --max-tokens 256 --out "$cache/x86-256.tbim" \
    >/dev/null
}

install_packages
build_plugin
build_peers
build_programs
make_images

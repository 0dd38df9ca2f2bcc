#!/usr/bin/env bash
# Builds libtinybert.a for a target and installs it with its header and the files by which pkg-config and CMake find it.
#
#   packaging/install.sh TARGET PREFIX [FEATURES]
#
# TARGET is a triple of Rust, such as thumbv7em-none-eabihf, and FEATURES are features of crates/capi with commas between them:
# docs/c-interface.md has both. PREFIX gets include, lib, lib/pkgconfig and lib/cmake/tinybert, and may be moved afterwards.
# The flags for a core come from the environment, as cargo reads them: CARGO_TARGET_THUMBV8M_MAIN_NONE_EABIHF_RUSTFLAGS.
set -euo pipefail
if [ $# -lt 2 ] || [ $# -gt 3 ]; then echo "usage: packaging/install.sh TARGET PREFIX [FEATURES]" >&2; exit 2; fi
target=$1
mkdir -p "$2"
prefix=$(realpath "$2")
features=${3:-}
cd "$(dirname "$0")/.."
source scripts/toolchain.sh
use_compiler_for "$target"

# The crate type: with the other one that the crate has, rlib, cargo leaves the optimization over all crates out, and a program
# that is linked without --gc-sections misses a function (docs/c-interface.md).
# Debian's compiler has no standard library for boards. Standard error has the names of the system's libraries to link to.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
cargo rustc --profile device -p tinybert-capi --target "$target" --features "$features" --crate-type staticlib \
  ${RUSTC_BOOTSTRAP:+-Zbuild-std=core} -- --print native-static-libs 2>"$log" || { cat "$log" >&2; exit 1; }
libraries=$(sed -n 's/^note: native-static-libs: //p' "$log" | tail -n 1)

# What the header must know of the features.
definitions=()
for feature in ${features//,/ }; do
  case $feature in
    signature|sha256|status-text) feature=${feature^^}; definitions+=("TINYBERT_${feature//-/_}") ;;
  esac
done
version=$(sed -n 's/^#define TINYBERT_VERSION "\(.*\)"$/\1/p' crates/capi/tinybert.h)

# fill FROM TO: with @NAMES@ replaced.
fill() {
  mkdir -p "$(dirname "$2")"
  sed -e "s|@VERSION@|$version|g" -e "s|@CFLAGS@|${definitions[*]/#/-D}|g" -e "s|@LIBRARIES@|$libraries|g" \
    -e "s|@CMAKE_DEFINITIONS@|$(IFS=';'; echo "${definitions[*]}")|g" -e "s|@CMAKE_LIBRARIES@|${libraries// /;}|g" \
    "packaging/$1.in" >"$2"
}
install -D -m 644 crates/capi/tinybert.h "$prefix/include/tinybert.h"
install -D -m 644 "${CARGO_TARGET_DIR:-target}/$target/device/libtinybert.a" "$prefix/lib/libtinybert.a"
fill tinybert.pc "$prefix/lib/pkgconfig/tinybert.pc"
fill tinybert-config.cmake "$prefix/lib/cmake/tinybert/tinybert-config.cmake"
fill tinybert-config-version.cmake "$prefix/lib/cmake/tinybert/tinybert-config-version.cmake"

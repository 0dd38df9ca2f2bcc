#!/usr/bin/env bash
# Compiles the device crates, the C library among them, for every target that docs/targets.md lists. rustup fetches the target's
# standard library; where it cannot, Debian's compiler makes `core` from source, and `std` is left out. Needs scripts/setup-cross.sh
# once.
#
#   scripts/test-targets.sh [TARGET...]     all of the list, or these of it
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/toolchain.sh

# The rows of the list: the target between backticks, then whether it has `std`.
listed=$(sed -n 's/^| `\([a-z0-9_.-]*\)` | \(std\|no_std\) |.*/\1 \2/p' docs/targets.md)
[ "$(wc -l <<<"$listed")" -ge 20 ] || fail "docs/targets.md has no list of targets"
if [ $# -gt 0 ]; then
  for target in "$@"; do grep -q "^$target " <<<"$listed" || fail "$target is not in docs/targets.md"; done
  listed=$(grep -xF "$(for target in "$@"; do printf '%s std\n%s no_std\n' "$target" "$target"; done)" <<<"$listed")
fi
# A folder of its own keeps two compilers' artifacts apart.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target/targets}

# check NAME TARGETS [OPTION...]: all device crates, in one call of cargo.
check() {
  local name=$1 targets=$2 options=()
  shift 2
  [ -n "$targets" ] || return 0
  for target in $targets; do options+=(--target "$target"); done
  cargo check --quiet -p tinybert-capi "${options[@]}" "$@" || fail "the device crates do not compile"
  echo "test-targets: $(wc -w <<<"$targets") targets, $name"
}

with_std='' without_std='' from_source=''
while read -r target std; do
  if ! rustup target list --installed 2>/dev/null | grep -qx "$target" && ! rustup target add "$target" 2>/dev/null; then
    from_source+=" $target"
  elif [ "$std" = std ]; then
    with_std+=" $target"
  else
    without_std+=" $target"
  fi
done <<<"$listed"
check "with std, signatures and texts" "$with_std" --features std,signature,status-text
check "no_std, with signatures and texts" "$without_std" --features signature,status-text
if [ -n "$from_source" ]; then
  use_compiler_for "${from_source##* }"
  check "no_std, core from source" "$from_source" --features signature,status-text -Zbuild-std=core
fi

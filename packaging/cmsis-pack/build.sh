#!/usr/bin/env bash
# Makes the CMSIS-Pack in a folder: the description, and the files that it names. Needs Python.
#
#   packaging/cmsis-pack/build.sh FOLDER
set -euo pipefail
if [ $# -ne 1 ]; then echo "usage: packaging/cmsis-pack/build.sh FOLDER" >&2; exit 2; fi
mkdir -p "$1"
folder=$(realpath "$1")
cd "$(dirname "$0")/../.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for target in thumbv7em-none-eabihf thumbv8m.main-none-eabihf; do
  packaging/install.sh $target "$work/$target"
  install -D -m 644 "$work/$target/lib/libtinybert.a" "$work/pack/lib/$target/libtinybert.a"
done
install -D -m 644 crates/capi/tinybert.h "$work/pack/include/tinybert.h"
install -D -m 644 docs/c-interface.md "$work/pack/docs/c-interface.md"
cp LICENSE-MIT LICENSE-APACHE packaging/cmsis-pack/*.pdsc "$work/pack"
version=$(sed -n 's/^#define TINYBERT_VERSION "\(.*\)"$/\1/p' crates/capi/tinybert.h)
pack=$folder/tinybert-compress.tinybert.$version.pack
rm -f "$pack"
(cd "$work/pack" && python3 -m zipfile -c "$pack" *)

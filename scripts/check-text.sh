#!/usr/bin/env bash
# Fails for conflict markers, and for comments and prose of more than 120 characters. Tables, code blocks, pictures and lines
# with addresses may be longer.
set -euo pipefail
source "$(dirname "$0")/packages.sh"
cd "$(dirname "$0")/.."
apt_install gawk
export LC_ALL=C.UTF-8

if git grep -nE '^(<<<<<<<|>>>>>>>) '; then
  echo "conflict markers: resolve them" >&2
  exit 1
fi
long=$(
  git ls-files '*.rs' | xargs gawk 'length($0) > 120 && /^[[:space:]]*\/\// && !/\/\/[\/!] \|/ && !/https?:/ {
    print FILENAME ":" FNR }'
  git ls-files '*.md' | xargs gawk 'FNR == 1 { fence = 0 } /^[[:space:]]*```/ { fence = !fence }
    length($0) > 120 && !fence && !/^\|/ && !/^!\[/ && !/https?:/ { print FILENAME ":" FNR }'
)
if [ -n "$long" ]; then
  printf 'longer than 120 characters:\n%s\n' "$long" >&2
  exit 1
fi

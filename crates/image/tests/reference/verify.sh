#!/usr/bin/env bash
# Verifies a signed image with OpenSSL alone, as docs/image-format.md describes it.
#
#   verify.sh IMAGE.tbim PUBLIC_KEY.pem
set -euo pipefail
image=$1 key=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# range START END: those bytes of the image.
range() { dd if="$image" bs=64K iflag=skip_bytes,count_bytes skip="$1" count=$(($2 - $1)) status=none; }

bytes=$(stat -c %s "$image")
sections=$(range 6 8 | od -An -tu2 --endian=little)
table_end=$((64 + 32 * sections))
end=$((bytes - 128))
{
  printf 'TBIM signature 1'
  { range 0 56; range 64 $((table_end - 32)); range $table_end $end; } | openssl dgst -sha256 -binary
} >"$work/message"
range $((end + 64)) "$bytes" >"$work/signature"
cmp <(range $((end + 32)) $((end + 64))) <(openssl pkey -pubin -in "$key" -outform DER | tail -c 32)
openssl pkeyutl -verify -rawin -pubin -inkey "$key" -in "$work/message" -sigfile "$work/signature"

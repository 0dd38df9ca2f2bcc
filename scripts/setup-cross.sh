#!/usr/bin/env bash
# Installs what building and testing for ARM needs on a Debian or Ubuntu x86-64 machine: linkers and C libraries, QEMU, OpenSSL, and
# Rust's standard library. Idempotent; needs root where a package is missing.
#
# Rust's part comes from rustup where it can be fetched, otherwise from Debian's packages (rustc-web, 1.95 or later).
set -euo pipefail
source "$(dirname "$0")/packages.sh"

targets=(aarch64-unknown-linux-gnu aarch64-unknown-linux-musl aarch64-unknown-none armv7-unknown-linux-gnueabihf
  thumbv6m-none-eabi thumbv7m-none-eabi thumbv7em-none-eabihf thumbv8m.main-none-eabihf)

rustup_has() { rustup target list --installed 2>/dev/null | grep -qx "$1"; }

apt_install gcc-aarch64-linux-gnu g++-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user qemu-system-arm make openssl
apt_install gcc-arm-linux-gnueabihf libc6-dev-armhf-cross
# Builds firmware in C for a Cortex-M, and checks packages of the C library.
apt_install gcc-arm-none-eabi cmake pkg-config libxml2-utils python3-yaml
# Compiles the C header as compilers for boards do.
apt_install clang
# What emulated programs are linked to at run time, where QEMU looks for it.
apt_install libc6:arm64 libgcc-s1:arm64
# Links static programs for 64-bit ARM.
apt_install musl-dev:arm64

for target in "${targets[@]}"; do
  if rustup_has "$target" || rustup target add "$target" 2>/dev/null; then
    echo "setup-cross: rustup has $target"
    continue
  fi
  # Debian's packages carry the standard library of aarch64 Linux, and the sources from which cargo -Zbuild-std makes that of
  # every other target.
  apt_install rustc-web rust-web-src
  if [ "$target" = aarch64-unknown-linux-gnu ]; then apt_install libstd-rust-web-dev:arm64; fi
  echo "setup-cross: $(/usr/bin/rustc --version) for $target"
done

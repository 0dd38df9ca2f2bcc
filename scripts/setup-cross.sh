#!/usr/bin/env bash
# Installs what building and testing for 64-bit ARM needs on a Debian or Ubuntu x86-64 machine: a linker and C library,
# QEMU, and Rust's standard library for aarch64. Idempotent; needs root where a package is missing.
#
# Rust's part comes from rustup where it can be fetched, otherwise from Debian's packages (rustc-web, 1.95 or later).
set -euo pipefail

linux=aarch64-unknown-linux-gnu
bare=aarch64-unknown-none

have() { dpkg -s "$@" >/dev/null 2>&1; }

apt_install() {
  if have "$@"; then return; fi
  if [ "$(id -u)" != 0 ]; then
    echo "setup-cross: run as root, or install: $*" >&2
    exit 1
  fi
  case "$*" in *:arm64*) dpkg --add-architecture arm64 ;; esac
  apt-get update -q
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@"
}

rustup_has() { rustup target list --installed 2>/dev/null | grep -qx "$1"; }

apt_install gcc-aarch64-linux-gnu g++-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user qemu-system-arm make
# What emulated programs are linked to at run time, where QEMU looks for it.
apt_install libc6:arm64 libgcc-s1:arm64

if rustup_has $linux && rustup_has $bare; then
  echo "setup-cross: rustup's targets are installed"
elif rustup target add $linux $bare 2>/dev/null; then
  echo "setup-cross: rustup's targets were added"
else
  # Debian's packages carry the standard library for Linux, and the sources from which cargo -Zbuild-std makes `core`
  # for bare metal.
  apt_install rustc-web rust-web-src libstd-rust-web-dev:arm64
  echo "setup-cross: using $(/usr/bin/rustc --version)"
fi

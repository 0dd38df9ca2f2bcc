# Sourced by the scripts that build for boards: which compiler builds for a target.

# use_compiler_for TARGET: rustup's where it has the target's standard library. Otherwise Debian's, which brings the sources
# that the target folder's .cargo/config.toml has cargo build the library from. scripts/setup-cross.sh installs both.
use_compiler_for() {
  if rustup target list --installed 2>/dev/null | grep -qx "$1"; then
    unset RUSTC RUSTDOC RUSTC_BOOTSTRAP
  else
    export RUSTC=/usr/bin/rustc RUSTDOC=/usr/bin/rustdoc RUSTC_BOOTSTRAP=1
  fi
}

# host_target: the triple of this machine.
host_target() { rustc -vV | sed -n 's/^host: //p'; }

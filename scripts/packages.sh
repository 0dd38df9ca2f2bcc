# Sourced by the scripts that install Debian packages.

# apt_install PACKAGE...: installs what is missing, which needs root.
apt_install() {
  if dpkg -s "$@" >/dev/null 2>&1; then return; fi
  if [ "$(id -u)" != 0 ]; then
    echo "$(basename "$0"): run as root, or install: $*" >&2
    exit 1
  fi
  case "$*" in *:arm64*) dpkg --add-architecture arm64 ;; esac
  apt-get update -q
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@"
}

# Sourced by the scripts that build for boards: how a script ends, which compiler builds for a target, and what firmware is asked
# and checked for.

# fail MESSAGE: ends the script with a message behind the script's name.
fail() { echo "$(basename "$0" .sh): $*" >&2; exit 1; }

# make_work_folder: $work, a folder that is removed when the script ends.
make_work_folder() {
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
}

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

# cargo_here ARGUMENT...: cargo with this machine's usual compiler, whichever use_compiler_for has chosen for a target.
cargo_here() { env -u RUSTC -u RUSTDOC -u RUSTC_BOOTSTRAP cargo "$@"; }

# toy_image ARGUMENT...: crates/runtime/examples/toy_image.rs.
toy_image() { cargo_here run --quiet --release -p tinybert-runtime --example toy_image -- "$@"; }

# write_texts FILE: lines that firmware is asked.
write_texts() {
  printf '%s\n' "Play some jazz!" "turn on the lamp" "" "Jäzz, 爵士 and naïve LAMPS" $'play\tturn on' \
    "the lamp the lamp the lamp the lamp the lamp the lamp the lamp the lamp" >"$1"
}

# write_bad_lines FILE: adds lines that cannot be answered, of which one is longer than a board's buffer, and one that can.
write_bad_lines() {
  printf '%s\n' $'turn on \xff' "$(printf 'lamp %.0s' {1..205})" "play some jazz" >>"$1"
}

# run_on_host [CARGO_OPTION...] -- IMAGE [OPTION...]: tinybert-run on this machine.
run_on_host() { cargo_here run --quiet --release -p tinybert-run "$@"; }

# answer_on_host IMAGE: answers standard input as the targets do. A line that is too long for a board is made one that no machine
# can read.
answer_on_host() { LC_ALL=C sed 's/^.\{1025,\}$/\xff/' | run_on_host -- "$1"; }

# replies FILE: label and bits of what a target printed, the two columns that all targets have, or that there was an error.
replies() { LC_ALL=C grep -aP '\t|^error: ' "$1" | cut -f 1,2 | sed 's/^error: .*/error/'; }

# check_answers NAME EXPECTED OUTPUT STACK_LIMIT: the bits of what a firmware printed, or that it cannot answer a line, and how deep
# its stack was.
check_answers() {
  local name=$1 expected=$2 output=$3 limit=$4 stack
  if ! cmp <(replies "$expected") <(replies "$output"); then
    echo "error: $name gave other bits than the host" >&2
    exit 1
  fi
  if grep -aq $'\t0 cycles$' "$output"; then
    echo "error: $name has a counter of cycles that does not count" >&2
    exit 1
  fi
  stack=$(sed -n 's/^\([0-9]*\) bytes of stack used$/\1/p' "$output")
  echo "$name: $(grep -m 1 passed "$output"); $(wc -l <"$expected") answers, the host's bits; stack $stack bytes"
  if [ "$stack" -gt "$limit" ]; then
    echo "error: $name used $stack bytes of stack, more than $limit" >&2
    exit 1
  fi
}

# check_code NAME FIRMWARE IMAGE LIMIT: bytes of code and constants besides the image, in an ELF file for a Cortex-M.
check_code() {
  local bytes
  bytes=$(arm-linux-gnueabihf-size -A "$2" | awk -v image="$(stat -L -c %s "$3")" '
    $1 == ".text" || $1 == ".rodata" || $1 == ".data" { bytes += $2 } END { print bytes - image }')
  echo "$1: $bytes bytes of code and constants"
  if [ "$bytes" -gt "$4" ]; then
    echo "error: $1 has $bytes bytes of code and constants, more than $4" >&2
    exit 1
  fi
}

# make_keys FOLDER: FOLDER/key.pem and the public.pem that belongs to it.
make_keys() {
  openssl genpkey -algorithm ed25519 -out "$1/key.pem"
  openssl pkey -in "$1/key.pem" -pubout -out "$1/public.pem"
}

# sign_image sign|forge ARGUMENT...: crates/image/examples/sign_image.rs.
sign_image() { cargo_here run --quiet --release -p tinybert-image --example sign_image -- "$@"; }

# check_refused NAME FILE: FILE is what was printed where a forged image was opened.
check_refused() {
  if ! grep -q "the image was changed after it was signed" "$2" || grep -q "passed" "$2"; then
    cat "$2" >&2
    echo "error: $1 did not refuse a forged image for its signature" >&2
    exit 1
  fi
  echo "$1: refuses a forged image"
}

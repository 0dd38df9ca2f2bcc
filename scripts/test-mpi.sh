#!/usr/bin/env bash
# Builds the program with MPI and runs two ranks of it on this machine, on toy models: both stages of distillation,
# masked-LM training and augmentation, each against a second run or a single process; then runs that lose a rank, are
# stopped on one, or are started with different settings. Installs Debian's Open MPI and libclang where they are
# missing, which needs root. Prints nothing of the runs unless one ends as it should not.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/packages.sh
apt_install libopenmpi-dev openmpi-bin clang libclang-dev

cargo build --release --features mpi
program=$PWD/target/release/tinybert-compress
demo=$PWD/demo
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

# ranks N COMMAND...: the program on N ranks. Each leaves its process id in pid.RANK; `exec` keeps it.
ranks() {
  local n=$1
  shift
  mpirun --oversubscribe --bind-to none -n "$n" \
    sh -c 'echo $$ > "pid.$OMPI_COMM_WORLD_RANK"; exec "$0" "$@"' "$program" "$@" --threads 1
}

# must CODE COMMAND...: the command has to end with this code.
must() {
  local expected=$1 code=0
  shift
  "$@" >said 2>&1 || code=$?
  if [ "$code" != "$expected" ]; then
    cat said
    echo "test-mpi: expected exit code $expected, got $code: $*" >&2
    exit 1
  fi
}

says() { grep -qF -- "$1" said || { cat said; echo "test-mpi: the output lacks: $1" >&2; exit 1; }; }

same() { cmp "$1/model.safetensors" "$2/model.safetensors"; echo "test-mpi: $3"; }

# signalled SIGNAL RANK OUT COMMAND...: sends a rank a signal after the first checkpoint in OUT.run, and gives the code.
signalled() {
  local signal=$1 rank=$2 out=$3
  shift 3
  rm -f pid.*
  "$@" &
  local run=$! waited=0
  until compgen -G "$out.run/step-*" >/dev/null; do
    sleep 0.1
    waited=$((waited + 1))
    if [ $waited = 600 ] || ! kill -0 $run 2>/dev/null; then
      echo "test-mpi: no checkpoint in $out.run" >&2
      return 1
    fi
  done
  kill "-$signal" "$(cat "pid.$rank")"
  wait $run
}

awk 'NR % 4 == 1' "$demo/clinc150/train.jsonl" >train.jsonl
awk 'NR % 10 == 1' "$demo/clinc150/dev.jsonl" >dev.jsonl
sed 's/.*"text": *"\([^"]*\)".*/\1\n/' train.jsonl >corpus.txt
data=(--train train.jsonl --dev dev.jsonl --max-tokens 24)
must 0 "$program" init --layers 2 --hidden 24 --heads 12 --ffn 48 --positions 32 --vocab-from "$demo/teacher" --out fresh

general=(distill --stage general --teacher "$demo/teacher" --student fresh --corpus corpus.txt --max-tokens 24
  --epochs 2 --batch-size 16 --checkpoint-steps 4)
for out in general general-again; do must 0 ranks 2 "${general[@]}" --out $out; done
same general general-again "general stage: two ranks give the same bits twice"

task=(distill --stage task --teacher "$demo/teacher" --student general "${data[@]}" --intermediate-epochs 3
  --prediction-epochs 3 --batch-size 16 --checkpoint-steps 2)
must 0 ranks 2 "${task[@]}" --out task
for rank in 0 1; do
  must 137 signalled KILL $rank lost-$rank ranks 2 "${task[@]}" --out lost-$rank
  must 0 ranks 2 "${task[@]}" --out lost-$rank --resume
  same task lost-$rank "task stage: the loss of rank $rank ends the run, which goes on to the same bits"
done
must 130 signalled TERM 1 stopped ranks 2 "${task[@]}" --out stopped
says "--resume goes on from"
must 0 ranks 2 "${task[@]}" --out stopped --resume
same task stopped "task stage: a stop of one rank stops both with a checkpoint, and goes on to the same bits"

for out in cached cached-again; do must 0 ranks 2 "${task[@]}" --teacher-cache 64M --out $out; done
same cached cached-again "task stage: the teacher's cache is filled by one rank, heard by the other, and read by both"

must 0 ranks 2 fine-tune --objective mlm --train-encoder --model general --corpus corpus.txt --max-tokens 24 --epochs 1 \
  --out masked-lm
augment=(augment --model masked-lm --train "$demo/clinc150/dev.jsonl" --variants 2)
must 0 "$program" "${augment[@]}" --out one.jsonl
must 0 ranks 2 "${augment[@]}" --out two.jsonl
cmp one.jsonl two.jsonl
echo "test-mpi: augment: two ranks write the bytes of one"

must 2 mpirun --oversubscribe -n 1 "$program" "${general[@]}" --out other : \
  -n 1 "$program" "${general[@]}" --seed 7 --out other
says "seed: rank 0 has 42, rank 1 has 7"
must 2 ranks 2 eval --model task "${data[@]}"
says "works in one"
echo "test-mpi: ranks that do not belong together are refused"

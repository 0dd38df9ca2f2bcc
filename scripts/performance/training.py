#!/usr/bin/env python3
"""Times a distillation step beside PyTorch's, in turn; prints medians, ratios and peak memory as Markdown.

    training.py --python VENV/bin/python --program TRAIN_STEP [--rounds 5] [--seconds 3]

Each round runs both programs once per work, in processes of their own. Memory is the peak resident set of such a
process, interpreter and libraries included. Ratios are medians over the rounds."""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
OURS, THEIRS = "tinybert-compress", "PyTorch"
WORKS = ["32 x 64", "32 x 8 to 64, bucketed", "32 x 128"]


def run(command, environment):
    """The measurement that a command prints, with its peak memory in MB."""
    with subprocess.Popen(
        [str(part) for part in command], stdout=subprocess.PIPE, text=True, env=os.environ | environment
    ) as process:
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"training: {command[0]} failed")
    return json.loads(output) | {"megabytes": usage.ru_maxrss / 1024}


def measure(arguments, name):
    """What both programs do in one round."""
    threads, seconds = str(arguments.threads), str(arguments.seconds)
    # As the program sets them for itself.
    ours = {"RAYON_NUM_THREADS": threads, "CANDLE_NUM_THREADS": "1", "MIMALLOC_PURGE_DELAY": "-1"}
    torch = [arguments.python, HERE / "torch_step.py", "--threads", threads, "--seconds", seconds]
    return {
        THEIRS: run([*torch, "--filter", name], {}),
        OURS: run([arguments.program, name, seconds], ours),
    }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--python", type=pathlib.Path, required=True)
    parser.add_argument("--program", type=pathlib.Path, required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    arguments = parser.parse_args()

    columns = ["batch", "tokens/s", "ratio", "tokens per CPU second", "ratio", "peak memory, MB", "ratio"]
    print(f"{OURS} / {THEIRS}, {arguments.threads} threads, {arguments.rounds} rounds:\n")
    print("| " + " | ".join(columns) + " |")
    print("| --- " * len(columns) + "|")
    for work in WORKS:
        rounds = [measure(arguments, f"distillation step, {work}") for _ in range(arguments.rounds)]
        cells = [work]
        for field in ("tokens_per_second", "tokens_per_cpu_second", "megabytes"):
            ours, theirs = (
                statistics.median(one[name][field] for one in rounds) for name in (OURS, THEIRS)
            )
            ratio = statistics.median(one[OURS][field] / one[THEIRS][field] for one in rounds)
            cells += [f"{ours:.0f} / {theirs:.0f}", f"{ratio:.2f}"]
        print("| " + " | ".join(cells) + " |", flush=True)


main()

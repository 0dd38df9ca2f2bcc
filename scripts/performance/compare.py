#!/usr/bin/env python3
"""Times an image beside its strongest peers on the same work, in turn; prints medians and ratios.

    compare.py --cache FOLDER --program tinybert-compress --image M.tbim [--threads 2]

Work: TinyBERT-4L-312, two-label classifier, batch 1, [CLS], ids, [SEP], no padding; int8 everywhere. With
one thread all are pinned to one CPU. FOLDER is what prepare.sh has filled: peers' programs and model."""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
OURS = "tinybert-compress"


def contestants(arguments):
    """Commands by name; each takes --seq, --threads and --min-time and prints a JSON object per length."""
    cache = arguments.cache
    model = cache / "tinybert-4l-312-int8.onnx"
    return {
        "ONNX Runtime": [cache / "venv/bin/python", HERE / "bench_onnxruntime.py", model],
        "rten": [cache / "rten/release/rten-bench", model],
        OURS: [arguments.program, "bench", arguments.image, "--json"],
    }


def run(command, arguments):
    """The (median, best) milliseconds of a contestant by length."""
    cpus = os.sched_getaffinity(0)
    cpus = ",".join(map(str, sorted(cpus)[-arguments.threads :]))
    options = ["--seq", arguments.seq, "--threads", arguments.threads, "--min-time", arguments.min_time]
    pinned = ["taskset", "-c", cpus, *command, *options]
    result = subprocess.run([str(part) for part in pinned], capture_output=True, text=True, check=False)
    if result.returncode:
        sys.exit(f"compare: {command[0]} failed:\n{result.stderr[-2000:]}")
    lines = [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]
    return {line["seq"]: (line["median_ms"], line["min_ms"]) for line in lines}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cache", type=pathlib.Path, required=True)
    parser.add_argument("--program", type=pathlib.Path, required=True)
    parser.add_argument("--image", type=pathlib.Path, required=True)
    parser.add_argument("--seq", default="16,32,64,128")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--min-time", type=float, default=0.6)
    arguments = parser.parse_args()

    commands = contestants(arguments)
    times = {name: {} for name in commands}
    for _ in range(arguments.rounds):
        for name, command in commands.items():
            for seq, pair in run(command, arguments).items():
                times[name].setdefault(seq, []).append(pair)

    names = list(commands)
    print(
        "| tokens | "
        + " | ".join(f"{name}, ms" for name in names)
        + " | best peer / ours | of the best times |"
    )
    print("| --- " * (3 + len(names)) + "|")
    for seq in map(int, arguments.seq.split(",")):
        median = {name: statistics.median(pair[0] for pair in times[name][seq]) for name in names}
        best = {name: min(pair[1] for pair in times[name][seq]) for name in names}
        ratios = [min(t[name] for name in names if name != OURS) / t[OURS] for t in (median, best)]
        cells = [f"{median[name]:.3f}" for name in names] + [f"{ratio:.2f}" for ratio in ratios]
        print(f"| {seq} | " + " | ".join(cells) + " |")


main()

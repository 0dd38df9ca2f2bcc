#!/usr/bin/env python3
"""Times an image beside its strongest peers on the same work, in turn; prints medians and ratios.

    compare.py --cache FOLDER --program tinybert-compress --image M.tbim [--threads 2] [--peak RATE]

Work: TinyBERT-4L-312, two-label classifier, batch 1, [CLS], ids, [SEP], no padding; int8 everywhere. With
one thread all are pinned to one CPU. FOLDER is what prepare.sh has filled: peers' programs and model. RATE is
the most multiply-adds a core does, in thousand million a second; with it the share of that limit is shown."""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

from model import multiply_adds

HERE = pathlib.Path(__file__).resolve().parent
OURS = "tinybert-compress"
ALONE = "the same, one thread"


def contestants(arguments):
    """Commands and threads by name; a command takes --seq, --threads and --min-time and prints a JSON object
    per length."""
    cache, threads = arguments.cache, arguments.threads
    model = cache / "tinybert-4l-312-int8.onnx"
    ours = [arguments.program, "bench", arguments.image, "--json"]
    found = {
        "ONNX Runtime": ([cache / "venv/bin/python", HERE / "bench_onnxruntime.py", model], threads),
        "rten": ([cache / "rten/release/rten-bench", model], threads),
        OURS: (ours, threads),
    }
    return found if threads == 1 else {**found, ALONE: (ours, 1)}


def run(command, threads, arguments):
    """The (median, best) milliseconds of a contestant by length."""
    cpus = ",".join(map(str, sorted(os.sched_getaffinity(0))[-threads:]))
    options = ["--seq", arguments.seq, "--threads", threads, "--min-time", arguments.min_time]
    pinned = ["taskset", "-c", cpus, *command, *options]
    result = subprocess.run([str(part) for part in pinned], capture_output=True, text=True, check=False)
    if result.returncode:
        sys.exit(f"compare: {command[0]} failed:\n{result.stderr[-2000:]}")
    lines = [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]
    return {line["seq"]: (line["median_ms"], line["min_ms"]) for line in lines}


def show(times, arguments):
    """Prints the table of {name: {tokens: [(median, best), ...]}}."""
    names = list(times)
    columns = ["tokens", *(f"{name}, ms" for name in names), "best peer / ours", "by best times"]
    columns += [f"{ALONE} / ours"] if ALONE in names else []
    columns += ["share of the limit, best time"] if arguments.peak else []
    print("| " + " | ".join(columns) + " |")
    print("| --- " * len(columns) + "|")
    peers = [name for name in names if name not in (OURS, ALONE)]
    for seq in map(int, arguments.seq.split(",")):
        median = {name: statistics.median(pair[0] for pair in times[name][seq]) for name in names}
        best = {name: min(pair[1] for pair in times[name][seq]) for name in names}
        cells = [str(seq), *(f"{median[name]:.3f}" for name in names)]
        cells += [f"{min(t[name] for name in peers) / t[OURS]:.2f}" for t in (median, best)]
        cells += [f"{median[ALONE] / median[OURS]:.2f}"] if ALONE in names else []
        if arguments.peak:
            cells.append(f"{multiply_adds(seq) / (arguments.peak * 1e6) / best[OURS]:.0%}")
        print("| " + " | ".join(cells) + " |")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cache", type=pathlib.Path, required=True)
    parser.add_argument("--program", type=pathlib.Path, required=True)
    parser.add_argument("--image", type=pathlib.Path, required=True)
    parser.add_argument("--seq", default="16,32,64,128,256")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--min-time", type=float, default=0.6)
    parser.add_argument("--peak", type=float)
    arguments = parser.parse_args()

    commands = contestants(arguments)
    times = {name: {} for name in commands}
    for _ in range(arguments.rounds):
        for name, (command, threads) in commands.items():
            for seq, pair in run(command, threads, arguments).items():
                times[name].setdefault(seq, []).append(pair)
    show(times, arguments)


main()

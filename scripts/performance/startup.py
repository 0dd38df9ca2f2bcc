#!/usr/bin/env python3
"""Prints the median and the least milliseconds from starting a process to its end, its answer read.

    startup.py RUNS COMMAND ... < TEXT

The command answers the text on its standard input."""

import statistics
import subprocess
import sys
import time


def main():
    runs, command, text = int(sys.argv[1]), sys.argv[2:], sys.stdin.buffer.read()
    times = []
    for _ in range(runs):
        begun = time.perf_counter()
        subprocess.run(command, input=text, capture_output=True, check=True)
        times.append((time.perf_counter() - begun) * 1e3)
    print(f"{statistics.median(times):.2f} {min(times):.2f}")


main()

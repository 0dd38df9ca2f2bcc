#!/usr/bin/env python3
"""Prints how many instructions an answer takes on a Cortex-M, in all and by function.

    cortex_m.py --plugin libcount_thumb.so --board mps2-an386 [--multiply-adds N] PROGRAM

PROGRAM is targets/cortex-m/src/bin/count.rs, prepare.sh builds the plugin. The count is of one answer after two others;
it is the same in every run. N is the number of multiply-adds of the answer."""

import argparse
import bisect
import pathlib
import subprocess
import sys
import tempfile
from collections import Counter

# Functions that take less are one row.
LEAST_SHARE = 0.002


def executed(plugin, board, program, *options):
    """How often each address was executed; prints what the program prints to standard error. The options are QEMU's."""
    with tempfile.TemporaryDirectory() as folder:
        report = pathlib.Path(folder, "report")
        machine = ["-M", board, "-display", "none", "-monitor", "none", "-serial", "stdio"]
        semihosting = ["-semihosting-config", "enable=on,target=native"]
        command = ["qemu-system-arm", *machine, *semihosting, "-kernel", program, "-plugin", f"{plugin},out={report}"]
        subprocess.run([*command, *options], check=True, timeout=600, stdout=sys.stderr)
        counts = Counter()
        for line in report.read_text(encoding="ascii").splitlines():
            address, count = line.split()
            counts[int(address, 16)] += int(count)
        return counts


def functions(program):
    """The addresses of functions in ascending order, and their names."""
    lines = subprocess.check_output(["arm-linux-gnueabihf-nm", "-nC", program], text=True).splitlines()
    fields = (line.split(" ", 2) for line in lines)
    # The lowest bit of an address says that it is Thumb code.
    found = [(int(field[0], 16) & ~1, field[2]) for field in fields if len(field) == 3 and field[1] in "tTwW"]
    return [address for address, _ in found], [name for _, name in found]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plugin", required=True)
    parser.add_argument("--board", required=True)
    parser.add_argument("--multiply-adds", type=float, default=5_855_904)
    parser.add_argument("program")
    arguments = parser.parse_args()

    counts = executed(arguments.plugin, arguments.board, arguments.program)
    addresses, names = functions(arguments.program)
    by_function, total = Counter(), counts.total()
    for address, count in counts.items():
        by_function[names[max(bisect.bisect_right(addresses, address) - 1, 0)]] += count
    print("| function | instructions | per multiply-add |\n| --- | --- | --- |")
    rows = [(name, count) for name, count in by_function.most_common() if count >= LEAST_SHARE * total]
    rest = total - sum(count for _, count in rows)
    for name, count in [*rows, ("others", rest), ("in all", total)]:
        print(f"| {name} | {count:,} | {count / arguments.multiply_adds:.3f} |")


if __name__ == "__main__":
    main()

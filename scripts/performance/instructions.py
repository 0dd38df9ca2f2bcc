#!/usr/bin/env python3
"""Prints tables of executed aarch64 instructions: in all, by class, and by operation of the model.

    instructions.py --cache FOLDER --count PROGRAM

PROGRAM is crates/runtime/examples/count.rs for aarch64, FOLDER is what prepare.sh has filled. Counts are of
one answer after two others; they are the same in every run."""

import argparse
import dataclasses
import pathlib

import executed
from model import multiply_adds

LENGTHS = (32, 64, 128)


@dataclasses.dataclass(frozen=True)
class Target:
    """A CPU model of QEMU and what runs on it."""

    name: str
    cpu: str
    layout: str
    isa: str
    # Multiply-adds of an instruction; NEON needs two multiplications and a pairwise addition for 16.
    rate: float


TARGETS = (
    Target("NEON baseline", "cortex-a72", "neon", "neon", 16 / 3),
    Target("SDOT", "cortex-a76", "dotprod", "neon-dotprod", 16),
    Target("SDOT, in order", "cortex-a76", "dotprod", "neon-dotprod-a55", 16),
    Target("SMMLA", "max,sve=off", "i8mm", "neon-i8mm", 32),
)


def row(cells):
    print("| " + " | ".join(str(cell) for cell in cells) + " |")


def head(cells):
    row(cells)
    print("| --- " * len(cells) + "|")


def millions(count):
    return f"{count / 1e6:.2f}" if count else ""


def totals(profiles):
    head(["kernels", "CPU model", "image layout", *(f"{length} tokens" for length in LENGTHS)])
    for target in TARGETS:
        cells = []
        for length in LENGTHS:
            total, least = profiles[target, length].total, multiply_adds(length) / target.rate
            cells.append(f"{total / 1e6:.1f} ({least / total:.0%})")
        row([target.name, f"`{target.cpu}`", f"`{target.layout}`", *cells])


def classes(profiles, length):
    counted = {target: profiles[target, length].classes for target in TARGETS}
    names = sorted(set().union(*counted.values()), key=lambda name: -sum(c[name] for c in counted.values()))
    head(["class", *(target.name for target in TARGETS)])
    for name in names:
        row([name, *(millions(counted[target][name]) for target in TARGETS)])


def operations(profiles, length):
    counted = {target: profiles[target, length].operations for target in TARGETS}
    names = {name for counts in counted.values() for name, _ in counts}

    def whole(target, name):
        return counted[target][name, True] + counted[target][name, False]

    head(["operation", *(f"{target.name}: all, in the micro-kernel" for target in TARGETS)])
    for name in sorted(names, key=lambda name: -sum(whole(target, name) for target in TARGETS)):
        cells = []
        for target in TARGETS:
            inner = millions(counted[target][name, True])
            cells.append(millions(whole(target, name)) + (f", {inner}" if inner else ""))
        row([name, *cells])


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cache", type=pathlib.Path, required=True)
    parser.add_argument("--count", required=True)
    arguments = parser.parse_args()

    cache, profiles = arguments.cache, {}
    for target in TARGETS:
        image = cache / f"{target.layout}.tbim"
        for length in LENGTHS:
            command = [arguments.count, image, str(length), target.isa]
            report = cache / "executed.txt"
            profiles[target, length] = executed.run(cache / "libcount.so", target.cpu, command, report)

    longest = LENGTHS[-1]
    print(
        "The table gives millions of instructions for one answer, and in brackets the share that its products need "
        "at least:\n"
    )
    totals(profiles)
    print(f"\nMillions of instructions by class, at {longest} tokens:\n")
    classes(profiles, longest)
    print(
        f"\nMillions of instructions by operation, at {longest} tokens. The micro-kernel is the innermost part of a "
        "product:\n"
    )
    operations(profiles, longest)


main()

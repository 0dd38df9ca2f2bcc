#!/usr/bin/env python3
"""Prints the modelled multiply-adds per cycle of the inner loops in a compiled aarch64 program.

    loops.py PROGRAM

Of each file crates/kernels/src/aarch64/i8_*.rs the innermost loop with the most multiply-adds counts.
Out-of-order cores are llvm-mca's, in-order ones inorder.py's; neither is a time on a board."""

import pathlib
import re
import subprocess
import sys

import executed
import inorder

# Multiply-adds of an instruction on full vectors.
MULTIPLY_ADDS = {"smull": 8, "smull2": 8, "smlal": 8, "smlal2": 8, "sdot": 16, "smmla": 32}
# What a core can do at best, in multiply-adds per cycle: vector units that multiply times multiply-adds of an
# instruction. Of SMULL and SMLAL, A53 and A55 do one in a cycle, and SADALP for each two in another; A72 and
# A76 have one unit for them, and another for SADALP. Arm's Software Optimization Guides of these cores.
LIMITS = {
    "smull": {"cortex-a53": 16 / 3, "cortex-a55": 16 / 3, "cortex-a72": 8, "neoverse-n1": 8},
    "sdot": {"cortex-a55": 16, "neoverse-n1": 32, "neoverse-v1": 64},
    "smmla": {"neoverse-v1": 128},
}
LLVM_MCA = "llvm-mca-19"
LONGEST_LOOP = 500


def instructions(program):
    """(address, mnemonic, operands) of the whole program."""
    command = [executed.TOOLS + "objdump", "-d", "--no-show-raw-insn", program]
    for line in subprocess.check_output(command, text=True).splitlines():
        if found := re.match(r"\s+([0-9a-f]+):\s+(\S+)\s*([^/<]*)", line):
            yield int(found[1], 16), found[2], found[3].strip()


def innermost_loops(program):
    """Bodies of the loops that multiply and hold no other loop, from the branch's target to the branch."""
    code = list(instructions(program))
    index = {address: position for position, (address, _, _) in enumerate(code)}
    end = -1
    for position, (_, mnemonic, operands) in enumerate(code):
        if not re.fullmatch(r"b(\..*)?|cbn?z|tbn?z", mnemonic):
            continue
        begin = index.get(int(operands.split(",")[-1], 16), position + 1)
        body = code[begin : position + 1]
        # The first branch back over a stretch is that of its innermost loop.
        if body and len(body) <= LONGEST_LOOP and begin > end and multiply_adds(body):
            yield body
        if body:
            end = position


def multiply_adds(body):
    """Multiply-adds of an iteration."""
    return sum(MULTIPLY_ADDS.get(mnemonic, 0) for _, mnemonic, _ in body)


def largest_by_file(program):
    """The loop with the most multiply-adds of each micro-kernel's file."""
    loops = {}
    bodies = [
        (next(a for a, name, _ in body if name in MULTIPLY_ADDS), body) for body in innermost_loops(program)
    ]
    known = executed.Symbols(program).frames([address for address, _ in bodies])
    for address, body in bodies:
        files = [pathlib.Path(frame.file).stem for frame in known[address] if executed.is_micro_kernel(frame)]
        if files and multiply_adds(body) > multiply_adds(loops.get(files[0], [])):
            loops[files[0]] = body
    return dict(sorted(loops.items()))


def cycles(body, core):
    """Modelled cycles of an iteration."""
    loop = [(mnemonic, operands) for _, mnemonic, operands in body]
    if core in inorder.CORES:
        return inorder.cycles(loop, core)
    *straight, (branch, condition) = loop
    condition = ", ".join([*condition.split(",")[:-1], "again"])
    text = "\n".join(["again:", *(" ".join(line) for line in straight), f"{branch} {condition}", ""])
    rounds = 200
    command = [
        LLVM_MCA,
        "-mtriple=aarch64",
        f"-mcpu={core}",
        "-mattr=+dotprod,+i8mm",
        f"-iterations={rounds}",
    ]
    report = subprocess.check_output(command, input=text, text=True, stderr=subprocess.DEVNULL)
    return int(re.search(r"Total Cycles:\s+(\d+)", report)[1]) / rounds


def main():
    cores = ["cortex-a53", "cortex-a55", "cortex-a72", "neoverse-n1", "neoverse-v1"]
    print("| micro-kernel | instructions / multiply-adds | " + " | ".join(cores) + " |")
    print("| --- " * (2 + len(cores)) + "|")
    for name, body in largest_by_file(sys.argv[1]).items():
        work = multiply_adds(body)
        limits = next(LIMITS[mnemonic] for _, mnemonic, _ in body if mnemonic in LIMITS)
        rates = {core: work / cycles(body, core) for core in limits}
        cells = [
            f"{rates[core]:.1f} ({rates[core] / limits[core]:.0%})" if core in rates else "" for core in cores
        ]
        print(f"| `{name}` | {len(body)} / {work} | " + " | ".join(cells) + " |")


main()

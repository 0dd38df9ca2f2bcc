"""Cycles of a loop on Arm's dual-issue in-order cores, Cortex-A53 and A55: a model, not checked on hardware.

llvm-mca cannot stand in here: it lets an addressing mode's base register wait for the loaded data.

Rules, as published in ncnn's docs/developer-guide/arm-a53-a55-dual-issue.md, in ONNX Runtime's pull request
10754 (int8 kernels for A55), and in Arm's Cortex-A55 Software Optimization Guide:

* Instructions issue in order, at most two in a cycle, at most one of them 128-bit vector arithmetic.
* Vector arithmetic pairs with a 64-bit load to a general register, integer arithmetic, a branch, or INS from
  a general register; on A55 with a 64-bit vector load, too. On A53 that load pairs only with the others of
  the list.
* There is one load unit: two loads do not pair. A 128-bit vector load takes two cycles for each register and
  pairs with nothing.
* Results are ready after 3 cycles (loads), 4 (multiply, dot product; 1 if only accumulated onto), 2 (other
  vector arithmetic, INS), 1 (integer, a load's updated base).
"""

import dataclasses
import re

MULTIPLIES = {"sdot", "udot", "smmla", "smull", "smull2", "smlal", "smlal2", "mul", "mla"}
ACCUMULATING = {"sdot", "udot", "smmla", "smlal", "smlal2", "mla", "sadalp", "uadalp", "fmla"}
CORES = ("cortex-a53", "cortex-a55")

VECTOR, VECTOR_LOAD, WIDE_LOAD, LOAD, INTEGER, INSERT, BRANCH = range(7)
LOADS = {VECTOR_LOAD, WIDE_LOAD, LOAD}
WARM_UP, ITERATIONS = 10, 60


@dataclasses.dataclass
class Instruction:
    """What the model knows of an instruction. Registers are named `v7` and `x7` whatever their width."""

    kind: int
    reads: list
    writes: list
    latency: int
    cycles: int = 1
    accumulator: str = ""
    base: str = ""


def register(text):
    """The register in an operand such as `v3.4s`, `q3`, `w9` or `[x2`, if there is one."""
    found = re.search(r"\b([vqdsbhxw])(\d+|zr)\b|\bsp\b", text)
    if not found:
        return ""
    return (("x" if found[1] in "xw" else "v") + found[2]) if found[1] else "sp"


def parse(mnemonic, operands):
    """An instruction as objdump prints it."""
    if mnemonic in ("ldr", "ldp", "ldur", "ld1"):
        return parse_load(operands)
    if mnemonic.startswith("b") or mnemonic in ("cbz", "cbnz", "tbz", "tbnz"):
        return Instruction(BRANCH, [register(operands.split(",")[0])], [], 0)
    if mnemonic.startswith(("ld", "st", "prf")):
        raise ValueError(f"no rule for {mnemonic} {operands}")
    target, *sources = [part.strip() for part in operands.split(",")]
    reads = [register(source) for source in sources]
    if not register(target).startswith("v"):
        return Instruction(INTEGER, reads, [register(target)], 1)
    if mnemonic in ("ins", "mov") and reads and reads[-1].startswith("x"):
        return Instruction(INSERT, [*reads, register(target)], [register(target)], 2)
    latency = 4 if mnemonic in MULTIPLIES else 2
    accumulator = register(target) if mnemonic in ACCUMULATING else ""
    return Instruction(VECTOR, reads, [register(target)], latency, accumulator=accumulator)


def parse_load(operands):
    """LDR, LDUR, LDP, or LD1 of whole registers."""
    targets, _, address = operands.partition("[")
    found = re.findall(r"\b([vqdxw])(\d+)(?:\.(\w+))?", targets)
    numbers = [int(number) for _, number, _ in found]
    if "-" in targets:
        numbers = range(numbers[0], numbers[-1] + 1)
    letter, _, shape = found[0]
    general = letter in "xw"
    wide = letter == "q" or shape in ("16b", "8h", "4s", "2d")
    kind = LOAD if general else WIDE_LOAD if wide or len(numbers) > 1 else VECTOR_LOAD
    base = register(address)
    return Instruction(
        kind,
        [base],
        [("x" if general else "v") + str(number) for number in numbers],
        3,
        len(numbers) * (2 if wide else 1),
        base="" if address.strip().endswith("]") else base,
    )


def pairs(first, second, core):
    """Whether two neighbours can issue in one cycle."""
    kinds = {first.kind, second.kind}
    if (
        first.cycles > 1
        or second.cycles > 1
        or len(kinds) < 2
        or WIDE_LOAD in kinds
        or len(kinds & LOADS) > 1
    ):
        return False
    return core == "cortex-a55" or kinds != {VECTOR, VECTOR_LOAD}


def cycles(loop, core):
    """Cycles of one iteration of `loop`, a list of (mnemonic, operands), in the steady state."""
    instructions = [parse(*instruction) for instruction in loop]
    ready, accumulated = {}, {}
    now = begun = 0
    single = None
    for iteration in range(ITERATIONS):
        if iteration == WARM_UP:
            begun = now
        for instruction in instructions:
            operands = [ready.get(name, 0) for name in instruction.reads]
            if instruction.accumulator:
                name = instruction.accumulator
                operands.append(accumulated.get(name, ready.get(name, 0)))
            data = max(operands, default=0)
            if single and data <= now - 1 and pairs(single, instruction, core):
                issued, single = now - 1, None
            else:
                issued = max(now, data)
                now = issued + instruction.cycles
                single = instruction
            for name in instruction.writes:
                ready[name] = issued + instruction.cycles - 1 + instruction.latency
                accumulated.pop(name, None)
            if instruction.accumulator:
                accumulated[instruction.accumulator] = issued + 1
            if instruction.base:
                ready[instruction.base] = issued + 1
    return (now - begun) / (ITERATIONS - WARM_UP)

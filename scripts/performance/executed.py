"""Reads the reports of count.c and says which operation of the model each executed instruction belongs to."""

import dataclasses
import functools
import itertools
import pathlib
import re
import subprocess
from collections import Counter

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOLS = "aarch64-linux-gnu-"
MARKED_REGION = 1


@dataclasses.dataclass(frozen=True)
class Frame:
    """A function and the line in it, as the compiler recorded them."""

    function: str
    file: str
    line: int


@dataclasses.dataclass(frozen=True)
class Profile:
    """What a program executed in its marked region."""

    # Instructions by class.
    classes: Counter
    # Instructions by (operation, whether in a micro-kernel).
    operations: Counter

    @property
    def total(self):
        return self.classes.total()


class Symbols:
    """Source positions of a program's addresses, inlined calls included."""

    def __init__(self, program):
        self.program = program

    def link_address(self):
        """Lowest executable address that the program was linked for."""
        headers = subprocess.check_output([TOOLS + "readelf", "-lW", self.program], text=True)
        loads = re.findall(r"LOAD\s+\S+\s+(0x\w+)\s+\S+\s+\S+\s+\S+\s+(.*?)\s+0x", headers)
        return min(int(address, 16) for address, flags in loads if "E" in flags)

    def frames(self, addresses):
        """A list of frames for each address, the innermost first."""
        command = [TOOLS + "addr2line", "-aifC", "-e", self.program]
        wanted = "".join(f"{address:#x}\n" for address in addresses)
        found, lines = {}, iter(subprocess.check_output(command, input=wanted, text=True).splitlines())
        for line in lines:
            if line.startswith("0x"):
                frames = found.setdefault(int(line, 16), [])
                continue
            file, _, number = next(lines).split(" (")[0].rpartition(":")
            frames.append(Frame(line, file, int(number) if number.isdigit() else 0))
        return found


def run(plugin, cpu, command, report):
    """Runs `command` on the CPU model under the counting plugin; gives the profile of its marked region."""
    emulate(plugin, cpu, command, report)
    return read(report, Symbols(command[0]))


def total(plugin, cpu, command, report):
    """The same; gives the number of instructions alone."""
    emulate(plugin, cpu, command, report)
    lines = pathlib.Path(report).read_text(encoding="ascii").splitlines()
    counts = (line.split() for line in lines if line.startswith(f"class {MARKED_REGION} "))
    return sum(int(fields[-1]) for fields in counts)


def emulate(plugin, cpu, command, report):
    """Runs `command` on the CPU model; the counting plugin writes the report."""
    emulator = ["qemu-aarch64", "-cpu", cpu, "-plugin", f"{plugin},out={report}"]
    subprocess.run([*emulator, *command], check=True, stdout=subprocess.DEVNULL)


def read(report, symbols):
    """The profile in a report of count.c."""
    classes, parents, calls, blocks, start = Counter(), {}, {}, [], 0
    for line in pathlib.Path(report).read_text(encoding="ascii").splitlines():
        kind, *fields = line.split()
        if kind == "start":
            start = int(fields[0], 16)
        elif kind == "class" and int(fields[0]) == MARKED_REGION:
            classes[" ".join(fields[1:-1])] += int(fields[-1])
        elif kind == "node" and int(fields[2]) == MARKED_REGION:
            parents[int(fields[0])], calls[int(fields[0])] = int(fields[1]), int(fields[3], 16)
        elif kind == "block" and int(fields[0]) in parents:
            blocks.append((int(fields[0]), int(fields[1], 16), int(fields[2]) * int(fields[3])))

    moved = start - symbols.link_address()
    addresses = {address - moved for _, address, _ in blocks} | {
        call - moved for call in calls.values() if call
    }
    known = symbols.frames(sorted(address for address in addresses if address > 0))

    @functools.cache
    def callers(node):
        """Frames of the calls that led to a context, the innermost first."""
        if not calls.get(node):
            return ()
        return (*known.get(calls[node] - moved, ()), *callers(parents[node]))

    operations = Counter()
    for node, address, instructions in blocks:
        frames = (*known.get(address - moved, ()), *callers(node))
        inner = any(is_micro_kernel(frame) for frame in frames)
        operations[operation(frames), inner] += instructions
    return Profile(classes, operations)


def is_micro_kernel(frame):
    """Whether the frame is in a file that holds a micro-kernel."""
    return re.search(r"/kernels/src/\w+/i8_\w+\.rs$", frame.file) is not None


# Functions of the kernels' public interface, crates/kernels/src/kernels.rs.
INTERFACE = re.compile(r"Kernels>?::(\w+)$")


def operation(frames):
    """The model's operation: the call of the kernels' interface, and for a linear layer the one it is."""
    for called, caller in itertools.pairwise(frames):
        name = INTERFACE.search(called.function)
        if name and called.file.endswith("/kernels.rs"):
            return name[1].replace("_", " ") + layer(name[1], caller)
    return "runtime"


def layer(name, caller):
    """Which linear layer a call in the runtime is for, by the weights that it names."""
    if name != "linear":
        return ""
    file, function = pathlib.Path(caller.file).stem, caller.function.rpartition("::")[2]
    if file != "encoder":
        return f", {file}"
    if function != "after_attention":
        return f", {function}"
    weights = re.search(r"linear\(.*&(\w+), ", source_line(caller.file, caller.line))
    return f", {weights[1]}" if weights else f", line {caller.line}"


@functools.cache
def source_line(file, number):
    """A line of a source file; empty where it is not there."""
    path = ROOT / file
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return lines[number - 1] if 0 < number <= len(lines) else ""

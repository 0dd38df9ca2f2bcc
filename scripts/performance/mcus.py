#!/usr/bin/env python3
"""Prints the table of microcontrollers in docs/porting.md: which model fits, and how long an answer is modelled to take.

    scripts/performance/mcus.py

Modelled milliseconds = instructions per multiply-add x multiply-adds / clock, at one instruction per cycle.
"""

from dataclasses import dataclass

KIB, MIB = 1024, 1024 * 1024

# Executed instructions per multiply-add of a whole answer (demo's student, 16 tokens) with the kernels of the core, counted
# under QEMU. None: not counted yet, and the table has a gap.
INSTRUCTIONS_PER_MULTIPLY_ADD = {
    "Cortex-M4": 1.49,
    "Cortex-M7": 1.49,
    "Cortex-M33": 1.50,
    "Cortex-M55": 0.241,
}

# Code and constants of a firmware, and its stack: the limits that scripts/test-cortex-m.sh enforces.
CODE_BYTES, STACK_BYTES = 160 * KIB, 8 * KIB


@dataclass
class Model:
    """Bytes of the images and of the workspace, and multiply-adds of the answer that is modelled."""

    name: str
    images: dict[str, int]
    workspace: int
    tokens: int
    multiply_adds: float


# `inspect` prints the bytes. Word rows of TinyBERT-4L-312 are in flash that need not be memory-mapped.
STUDENT = Model("demo's student", {"int8": 967_936, "int4": 576_512}, 48_255, 16, 5.86e6)
TINYBERT = Model("TinyBERT-4L-312", {"int8": 5_527_808, "int4": 3_446_528}, 341_631, 32, 118e6)


@dataclass
class Mcu:
    """One microcontroller: clock in MHz; flash and the largest block of RAM in bytes."""

    name: str
    core: str
    mhz: int
    flash: int
    flash_text: str
    ram: int
    ram_text: str
    mapped: bool  # whether external flash can be memory-mapped


MCUS = [
    Mcu("STM32F407", "Cortex-M4", 168, 1 * MIB, "1 MB", 128 * KIB, "192 KB, of which 128 KB are one block", False),
    Mcu("STM32H743", "Cortex-M7", 480, 2 * MIB, "2 MB", 512 * KIB, "1 MB, of which 512 KB are one block", True),
    Mcu("nRF5340, application core", "Cortex-M33", 128, 1 * MIB, "1 MB", 512 * KIB, "512 KB", True),
    Mcu("RP2350, one of two cores", "Cortex-M33", 150, 0, "none; up to 16 MB outside", 520 * KIB, "520 KB", True),
    Mcu("STM32N657", "Cortex-M55", 800, 0, "none; outside", 4 * MIB, "4.2 MB", True),
    Mcu("Alif Ensemble E7, fast core", "Cortex-M55", 400, 5632 * KIB, "5.5 MB MRAM", 4 * MIB, "13.5 MB, of which 4 MB are one block", True),
]


def fits(model: Model, mcu: Mcu) -> str:
    """Which image of the model fits, and where."""
    if model.workspace + STACK_BYTES > mcu.ram:
        return "no: RAM"
    for encoding, image in model.images.items():
        if image + CODE_BYTES <= mcu.flash:
            return encoding
    return "in external flash" if mcu.mapped else "no: flash"


def milliseconds(model: Model, mcu: Mcu) -> str:
    """Modelled milliseconds, or a gap."""
    instructions = INSTRUCTIONS_PER_MULTIPLY_ADD[mcu.core]
    if instructions is None:
        return "…"
    return f"{float(f'{instructions * model.multiply_adds / (mcu.mhz * 1e3):.3g}'):g} ms"


def main() -> None:
    """Prints the table."""
    models = (STUDENT, TINYBERT)
    modelled = [f"{model.name}, {model.tokens} tokens" for model in models]
    print("|", " | ".join(["microcontroller", "core, clock", "flash", "RAM", *(model.name for model in models), *modelled]), "|")
    print("|", " | ".join(["---"] * 8), "|")
    for mcu in MCUS:
        row = [mcu.name, f"{mcu.core}, {mcu.mhz} MHz", mcu.flash_text, mcu.ram_text]
        row += [fits(model, mcu) for model in models]
        row += [milliseconds(model, mcu) if not fits(model, mcu).startswith("no") else "–" for model in models]
        print("|", " | ".join(row), "|")


if __name__ == "__main__":
    main()

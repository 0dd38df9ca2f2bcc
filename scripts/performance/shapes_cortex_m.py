#!/usr/bin/env python3
"""Counts the instructions of answers of random models of many shapes on Cortex-M, as rows that shapes.py's table has, too.

    shapes_cortex_m.py --plugin libcount_thumb.so --image PROGRAM --kernels arm-dsp --firmware PROGRAM
    shapes_cortex_m.py --plugin libcount_thumb.so --image PROGRAM --kernels arm-mve --firmware PROGRAM

The firmware is targets/cortex-m/src/bin/count.rs for the board of the kernels, built with any image: each shape's image is
loaded into memory of the emulated board. PROGRAM of --image is crates/runtime/examples/random_image.rs for this machine."""

import argparse
import pathlib
import struct
import tempfile

import cortex_m
from shapes import IN_FOUR_BITS, SHAPES, write_image

# hidden, layers, heads, head dim, neurons: of models for microcontrollers.
SMALL_SHAPES = (
    (64, 2, 4, 16, 256),
    (128, 2, 2, 64, 512),
    (128, 4, 4, 32, 512),
    (160, 2, 5, 32, 320),
    (256, 1, 8, 32, 1024),
    (96, 1, 1, 8, 96),
)
SMALL_IN_FOUR_BITS = ((96, 4, 12, 8, 384), (128, 2, 2, 64, 512), (64, 2, 4, 16, 256))
LENGTHS = (8, 16, 19, 32, 64, 128)
# Of each shape the shortest answer is counted, and longer ones up to this: more take minutes under QEMU.
MOST_MULTIPLY_ADDS = 30e6
# QEMU's board, and the address of `loaded` in its linker script.
BOARDS = {"arm-dsp": ("mps2-an386", 0x21000000), "arm-mve": ("mps3-an547", 0x60000000)}
# Bytes before the image.
IMAGE_OFFSET = 64


def multiply_adds(shape, tokens):
    """About as many as an answer takes."""
    hidden, layers, heads, head_dim, neurons = shape
    width = heads * head_dim
    return layers * tokens * (4 * hidden * width + 2 * hidden * neurons + 2 * tokens * width)


def counted(arguments, image, tokens):
    """Instructions of an answer of the image in a file."""
    board, address = BOARDS[arguments.kernels]
    with tempfile.NamedTemporaryFile() as loaded:
        header = struct.pack("<4sII", b"TBIM", tokens, len(image))
        loaded.write(header.ljust(IMAGE_OFFSET, b"\0") + image)
        loaded.flush()
        device = f"loader,file={loaded.name},addr={address:#x},force-raw=on"
        return cortex_m.executed(arguments.plugin, board, arguments.firmware, "-device", device).total()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plugin", required=True)
    parser.add_argument("--image", required=True)
    parser.add_argument("--kernels", choices=BOARDS, required=True)
    parser.add_argument("--firmware", required=True)
    arguments = parser.parse_args()

    shapes = [("int8", shape) for shape in (*SHAPES, *SMALL_SHAPES)]
    shapes += [("int4", shape) for shape in (*IN_FOUR_BITS, *SMALL_IN_FOUR_BITS)]
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder, "shape.tbim")
        for encoding, shape in shapes:
            lengths = [tokens for tokens in LENGTHS if multiply_adds(shape, tokens) <= MOST_MULTIPLY_ADDS]
            lengths = lengths or LENGTHS[:1]
            write_image(arguments.image, file, "cortex-m", encoding, shape, max(lengths))
            for tokens in lengths:
                instructions = counted(arguments, file.read_bytes(), tokens)
                print(arguments.kernels, encoding, *shape, tokens, instructions, sep=",", flush=True)


if __name__ == "__main__":
    main()

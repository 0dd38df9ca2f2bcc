#!/usr/bin/env python3
"""Counts the instructions of answers of random models of many shapes, as CSV: what the latency model is fitted to.

    shapes.py --cache FOLDER --count PROGRAM --image PROGRAM > crates/search/src/cost/latency/counted.csv
    shapes_cortex_m.py ... >> crates/search/src/cost/latency/counted.csv

The programs are crates/runtime/examples/count.rs for aarch64 and random_image.rs for this machine; FOLDER is what prepare.sh
has filled. Then `cargo run --release -p tinybert-search --example fit_latency` prints the coefficients."""

import argparse
import itertools
import pathlib
import subprocess

import executed

# hidden, layers, heads, head dim, neurons
SHAPES = (
    (312, 4, 12, 26, 1200),
    (312, 4, 6, 26, 600),
    (312, 4, 4, 26, 120),
    (312, 2, 3, 26, 300),
    (312, 1, 1, 26, 1200),
    (312, 1, 12, 26, 60),
    (384, 2, 12, 32, 1536),
    (256, 2, 4, 64, 512),
    (128, 6, 2, 64, 256),
    (768, 1, 12, 64, 1536),
    (96, 4, 12, 8, 384),
    (96, 2, 6, 8, 192),
    (120, 3, 12, 10, 480),
    (200, 3, 5, 20, 700),
)
IN_FOUR_BITS = SHAPES[1:4]
LENGTHS = (8, 19, 32, 64, 128)
# Kernels, CPU model, image layout.
FAMILIES = (
    ("neon", "cortex-a72", "neon"),
    ("neon-dotprod", "cortex-a76", "dotprod"),
    ("neon-dotprod-a55", "cortex-a76", "dotprod"),
    ("neon-i8mm", "max,sve=off", "i8mm"),
)


def write_image(program, file, layout, encoding, shape, tokens):
    """Writes an image of a shape for inputs of at most as many tokens."""
    sizes = [str(size) for size in (*shape, tokens)]
    subprocess.run([program, file, layout, encoding, *sizes], check=True)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cache", type=pathlib.Path, required=True)
    parser.add_argument("--count", required=True)
    parser.add_argument("--image", required=True)
    arguments = parser.parse_args()

    cache, image = arguments.cache, arguments.cache / "shape.tbim"
    print("kernels,encoding,hidden,layers,heads,head_dim,neurons,tokens,instructions")
    for isa, cpu, layout in FAMILIES:
        for encoding, shape in itertools.chain(
            (("int8", shape) for shape in SHAPES), (("int4", shape) for shape in IN_FOUR_BITS)
        ):
            write_image(arguments.image, image, layout, encoding, shape, max(LENGTHS))
            for tokens in LENGTHS:
                command = [arguments.count, image, str(tokens), isa]
                counted = executed.total(cache / "libcount.so", cpu, command, cache / "executed.txt")
                print(isa, encoding, *shape, tokens, counted, sep=",", flush=True)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Prints the least milliseconds that TinyBERT-4L-312's multiply-adds take.

    floor.py RATE TOKENS        RATE in thousand million multiply-adds a second

Counted is what a classifier needs: of the last layer only the first token's query, output and feed-forward
network."""

import sys

LAYERS, HIDDEN, FFN = 4, 312, 1200


def multiply_adds(tokens):
    projection, feed_forward = HIDDEN * HIDDEN, 2 * HIDDEN * FFN
    of_a_query = 2 * projection + 2 * tokens * HIDDEN + feed_forward
    keys_and_values = tokens * 2 * projection
    return LAYERS * keys_and_values + ((LAYERS - 1) * tokens + 1) * of_a_query + projection


def main():
    rate, tokens = float(sys.argv[1]), int(sys.argv[2])
    print(f"{tokens} tokens {multiply_adds(tokens) / rate * 1e-6:.3f} ms;")


main()

"""The generator of the inputs of reference scripts, so that committed numbers do not depend on that of a library.

Scripts find it by `PYTHONPATH`; each says how it is called.
"""

import itertools


def draws(seed):
    """Endless whole numbers from 0 to 2**31 - 1."""
    while True:
        seed = (seed * 6364136223846793005 + 1442695040888963407) % 2**64
        yield seed >> 33


def numbers(seed, count, below):
    """The first `count` of them, each modulo `below`."""
    return [number % below for number in itertools.islice(draws(seed), count)]

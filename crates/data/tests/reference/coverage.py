"""How often the percentile bootstrap of 1,000 resamples holds the mean of normal samples: what LEAST_SAMPLES of
crates/data/src/metrics/intervals.rs goes by. Prints the number of samples and the share of 4,000 draws.

Usage: python coverage.py
"""

import numpy

generator = numpy.random.default_rng(0)
for samples in (2, 3, 5, 8, 10, 15, 20, 50):
    held = 0
    for _ in range(4000):
        drawn = generator.normal(size=samples)
        means = drawn[generator.integers(0, samples, (1000, samples))].mean(1)
        low, high = numpy.percentile(means, [2.5, 97.5])
        held += low <= 0 <= high
    print(samples, held / 4000)

#!/usr/bin/env python3
"""Fits the polynomials of crates/kernels/src/math.rs (standard library only).

Weighted least squares on Chebyshev nodes with Lawson's reweighting, which tends to the minimax fit. Prints the
coefficients, lowest degree first, and the largest error of the fit in f64; the tests bound the error in f32.

    python3 fit_polynomials.py
"""

import itertools
import math


def solve(matrix, right):
    """Gaussian elimination with partial pivoting."""
    n = len(right)
    rows = [row[:] + [value] for row, value in zip(matrix, right)]
    for i in range(n):
        pivot = max(range(i, n), key=lambda r: abs(rows[r][i]))
        rows[i], rows[pivot] = rows[pivot], rows[i]
        for r in range(i + 1, n):
            factor = rows[r][i] / rows[i][i]
            for c in range(i, n + 1):
                rows[r][c] -= factor * rows[i][c]
    solution = [0.0] * n
    for i in reversed(range(n)):
        known = sum(rows[i][c] * solution[c] for c in range(i + 1, n))
        solution[i] = (rows[i][n] - known) / rows[i][i]
    return solution


def minimax(points, basis, target, error_weight, rounds=400):
    """Coefficients c that make max |error_weight(x) * (sum c_i basis_i(x) - target(x))| small over the points."""
    phi = [basis(x) for x in points]
    goal = [target(x) for x in points]
    scale = [error_weight(x) for x in points]
    terms = len(phi[0])
    weights = [1.0] * len(points)
    best = (math.inf, None)
    for _ in range(rounds):
        normal = [[0.0] * terms for _ in range(terms)]
        right = [0.0] * terms
        for w, s, row, y in zip(weights, scale, phi, goal):
            for i in range(terms):
                right[i] += w * s * s * row[i] * y
                for j in range(terms):
                    normal[i][j] += w * s * s * row[i] * row[j]
        coefficients = solve(normal, right)
        errors = [abs(s * (sum(c * f for c, f in zip(coefficients, row)) - y)) for s, row, y in zip(scale, phi, goal)]
        if max(errors) < best[0]:
            best = (max(errors), coefficients)
        mean = sum(errors) / len(errors)
        weights = [w * (e / mean + 1e-3) for w, e in zip(weights, errors)]
        total = sum(weights) / len(weights)
        weights = [w / total for w in weights]
    return best


def chebyshev(low, high, count):
    return [(low + high) / 2 + (high - low) / 2 * math.cos(math.pi * (i + 0.5) / count) for i in range(count)]


def exp2(degree):
    """2^f on [-1/2, 1/2], relative error."""
    error, c = minimax(
        chebyshev(-0.5, 0.5, 300),
        lambda f: [f**i for i in range(degree + 1)],
        lambda f: 2.0**f,
        lambda f: 2.0**-f,
        rounds=100,
    )
    print(f"exp2 degree {degree}: relative error {error:.2e}\n  {c}")


def probability():
    """64 * 255 * 2^f on [0, 1) in integers: the search around the best real coefficients that keeps f = 0 exact."""
    steps = 2048
    _, (c1, c2, c3) = minimax(
        [i / steps for i in range(4, steps, 8)],
        lambda f: [f, f**2, f**3],
        lambda f: 64 * 255 * (2.0**f - 1),
        lambda f: 2.0**-f / (64 * 255),
        rounds=100,
    )
    multiply = lambda a, b: (a * b + (1 << 14)) >> 15
    fractions = [(i << 4, 64 * 255 * 2.0 ** (i / steps)) for i in range(steps)]

    def worst(a1, a2, a3):
        power = lambda f: multiply(multiply(multiply(a3, f) + a2, f) + a1, f) + 16320
        return max(abs(power(f) / exact - 1) for f, exact in fractions)

    centre = tuple(map(round, (c1, c2, c3)))
    best = (worst(*centre), centre)
    while True:
        near = itertools.product(*(range(c - 2, c + 3) for c in best[1]))
        better = min((worst(*c), c) for c in near)
        if better >= best:
            break
        best = better
    print(f"probability: relative error {best[0]:.2e}\n  {(16320, *best[1])}")


def gelu(degree, clamp):
    """x * (1/2 + p(x)), p odd with p(clamp) = 1/2, so that GELU is x above the clamp and 0 below it."""
    powers = range(3, degree + 1, 2)
    # p(x) = x/(2 clamp) + sum c_k (u^k - u), u = x/clamp: every term but the first vanishes at the clamp.
    error, c = minimax(
        chebyshev(0.0, clamp, 300),
        lambda x: [(x / clamp) ** k - x / clamp for k in powers],
        lambda x: 0.5 * math.erf(x / math.sqrt(2)) - 0.5 * x / clamp,
        lambda x: x,
        rounds=100,
    )
    linear = (0.5 - sum(c)) / clamp
    coefficients = [linear] + [value / clamp**k for value, k in zip(c, powers)]
    tail = clamp * 0.5 * math.erfc(clamp / math.sqrt(2))
    print(f"gelu degree {degree}, clamp {clamp}: absolute error {max(error, tail):.2e}\n  {coefficients}")


if __name__ == "__main__":
    exp2(6)  # EXP2
    probability()
    gelu(11, 3.640625)  # GELU; near the best clamp, and one where f32 meets 1/2 exactly

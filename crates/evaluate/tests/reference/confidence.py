"""Reference values for temperatures and thresholds of confidence: SciPy 1.17.1, numpy 2.4.6.

    PYTHONPATH=../../../testing/reference python confidence.py > confidence.json

Temperatures minimise the mean negative log-likelihood by SciPy's minimize_scalar over log T. Thresholds are found by
trying each. Logits are drawn by `crates/testing/reference/generator.py`.
"""

import json

import numpy
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from generator import numbers


def temperature(logits, classes):
    def likelihood(log_t):
        return -log_softmax(logits / numpy.exp(log_t), axis=1)[numpy.arange(len(classes)), classes].mean()
    found = minimize_scalar(likelihood, bounds=(numpy.log(0.05), numpy.log(20)), method="bounded",
                            options={"xatol": 1e-10, "maxiter": 1000})
    # A parabola through three points around it takes it below the rounding of the likelihood.
    step = 1e-4
    low, middle, high = [likelihood(found.x + delta) for delta in (-step, 0, step)]
    return float(numpy.exp(found.x - step * (high - low) / (2 * (high - 2 * middle + low))))


temperatures = []
for seed, count, labels, scale in [(1, 200, 5, 1.0), (4, 120, 12, 4.0), (8, 300, 3, 0.2), (12, 60, 2, 2.0)]:
    noise = numpy.array(numbers(seed, count * labels, 1281)).reshape(count, labels) / 256 - 2.5
    classes = numpy.array(numbers(seed + 1, count, labels))
    logits = noise.copy()
    # The right label is above the others, in most cases.
    logits[numpy.arange(count), classes] += numpy.array(numbers(seed + 2, count, 1025)) / 256
    logits = (scale * logits).astype(numpy.float32).astype(float)
    temperatures.append({"logits": logits.tolist(), "classes": classes.tolist(),
                         "temperature": temperature(logits, classes)})

thresholds = []
for seed, count, steps in [(1, 120, 1009), (6, 80, 12), (11, 40, 5)]:
    probabilities = ((numpy.array(numbers(seed, count, steps)) + 1) / (steps + 1)).astype(numpy.float32)
    in_scope = numpy.array(numbers(seed + 1, count, 10)) < 6
    # What is out of scope is less probable.
    probabilities = numpy.where(in_scope, numpy.sqrt(probabilities), probabilities).astype(numpy.float32)
    right = numpy.array(numbers(seed + 2, count, 10)) < 8
    accepted = numpy.array(numbers(seed + 3, count, 10)) > 0
    unknown = ~in_scope & (numpy.array(numbers(seed + 4, count, 2)) == 0)

    def score(threshold):
        kept = accepted & (probabilities >= threshold)
        right_and_kept, rejected = (right & kept & in_scope).sum(), (~kept & ~in_scope).sum()
        return int(right_and_kept) * int((~in_scope).sum()) + int(rejected) * int(in_scope.sum())

    candidates = [numpy.float32(0), *sorted(set(probabilities))]
    best = max(candidates, key=lambda threshold: (score(threshold), -threshold))

    def covering(share):
        enough = [t for t in candidates if (accepted & in_scope & (probabilities >= t)).sum() >= share * in_scope.sum()]
        among = [p for p, a, s in zip(probabilities, accepted, in_scope) if a and s]
        return max((t for t in enough if t in among), default=numpy.float32(0))

    thresholds.append({
        "probabilities": probabilities.astype(float).tolist(), "accepted": accepted.tolist(),
        "right": [None if u else bool(r) for u, r in zip(unknown, right)], "in_scope": in_scope.tolist(),
        "best_for_scope": float(best),
        "coverage": [[share, float(covering(share))] for share in (0.1, 0.5, 0.8, 0.95, 1.0)],
    })
print(json.dumps({"temperatures": temperatures, "thresholds": thresholds}))

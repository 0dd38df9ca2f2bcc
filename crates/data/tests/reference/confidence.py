"""Reference values for the metrics of confidence: numpy 2.4.6.

    PYTHONPATH=../../../testing/reference python confidence.py > confidence.json

Answers are drawn by `crates/testing/reference/generator.py`. The expected calibration error is that of Guo et al. (2017)
with bins found by numpy.digitize. The bins of the reliability diagram and the points of the risk-coverage curve are
counted from their definitions. The area under the risk-coverage curve is the mean over all orders of answers with equal
probability, which are permuted one by one.
"""

import itertools
import json

import numpy

from generator import numbers

BINS = 15


def calibration_error(probabilities, right):
    edges = numpy.arange(1, BINS) / BINS
    bins = numpy.digitize(probabilities, edges, right=True)
    error = 0.0
    for bin in numpy.unique(bins):
        there = bins == bin
        error += there.mean() * abs(right[there].mean() - probabilities[there].mean())
    return error


def reliability(probabilities, right):
    bins = numpy.digitize(probabilities, numpy.arange(1, BINS) / BINS, right=True)
    rows = []
    for bin in range(BINS):
        there = bins == bin
        rows.append((int(there.sum()), int(right[there].sum()), mean(probabilities[there])))
    return rows


def risk_coverage(probabilities, right):
    points = []
    for least in sorted(set(probabilities), reverse=True):
        covered = probabilities >= least
        points.append((mean(covered), mean(~right[covered])))
    return points


def area(probabilities, right):
    groups = [[r for p, r in zip(probabilities, right) if p == value]
              for value in sorted(set(probabilities), reverse=True)]
    areas = []
    for orders in itertools.product(*[set(itertools.permutations(group)) for group in groups]):
        wrong = 1 - numpy.concatenate([numpy.array(order, dtype=float) for order in orders])
        areas.append(numpy.mean(numpy.cumsum(wrong) / numpy.arange(1, len(wrong) + 1)))
    return numpy.mean(areas)


def mean(values):
    return None if len(values) == 0 else float(numpy.mean(values))


cases = []
for seed, count, steps, unknown in [(1, 300, 100003, 0), (5, 400, 90001, 40), (9, 12, 5, 3), (13, 9, 4, 0)]:
    # Few steps make ties; single precision, as models answer.
    probabilities = ((numpy.array(numbers(seed, count, steps)) + 1) / (steps + 1)).astype(numpy.float32)
    probabilities = probabilities.astype(float)
    chance = (numpy.array(numbers(seed + 1, count, 1000)) + 0.5) / 1000
    right = chance < 0.3 + 0.6 * probabilities**2
    in_scope = numpy.arange(count) % 3 != 0 if unknown else numpy.full(count, True)
    known = numpy.arange(count) >= unknown
    in_scope &= known
    accepted = (probabilities > 0.4) & (numpy.array(numbers(seed + 2, count, 10)) > 0)
    values = {
        "expected_calibration_error": calibration_error(probabilities[known], right[known]),
        "area_under_risk_coverage": area(probabilities[known], right[known]),
        "coverage": mean(accepted[in_scope]),
        "accepted_accuracy": mean(right[in_scope & accepted]),
        "in_scope_accuracy": mean((right & accepted)[in_scope]),
        "out_of_scope_recall": mean(~accepted[~in_scope]),
    }
    cases.append({"probabilities": probabilities.tolist(), "accepted": accepted.tolist(),
                  "right": [bool(r) if k else None for r, k in zip(right, known)], "in_scope": in_scope.tolist(),
                  "values": {name: value for name, value in values.items() if value is not None},
                  "reliability": reliability(probabilities[known], right[known]),
                  "risk_coverage": risk_coverage(probabilities[known], right[known])})
print("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]")

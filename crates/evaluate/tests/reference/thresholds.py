"""Reference values for the choice of thresholds: scikit-learn 1.9.1, numpy 2.4.6.

    PYTHONPATH=../../../testing/reference python thresholds.py > thresholds.json

Every candidate is tried with scikit-learn's F1. Logits are drawn by `crates/testing/reference/generator.py`.
"""

import json
import warnings

import numpy
from sklearn.metrics import f1_score

from generator import numbers


def choose(logits, gold):
    if not gold.any():
        return 0.5
    probabilities = 1 / (1 + numpy.exp(-logits))
    # Those nearest to 0.5 first, and of two that are as near the lower one.
    candidates = sorted(range(1, 100), key=lambda step: (abs(step - 50), step))
    scores = [f1_score(gold, probabilities >= step / 100) for step in candidates]
    return candidates[int(numpy.argmax(scores))] / 100


warnings.simplefilter("ignore")
cases = []
for seed, count, labels in [(1, 60, 5), (5, 400, 4), (9, 8, 6)]:
    logits = numpy.array(numbers(seed, count * labels, 641)).reshape(count, labels) / 64 - 5
    noise = numpy.array(numbers(seed + 1, count * labels, 641)).reshape(count, labels) / 64 - 5
    offsets = numpy.array(numbers(seed + 2, labels, 9)) - 3
    gold = logits + noise > offsets
    gold[:, -1] = False
    cases.append({"logits": logits.tolist(),
                  "sets": [[label for label, there in enumerate(row) if there] for row in gold],
                  "thresholds": [choose(logits[:, label], gold[:, label]) for label in range(labels)]})
print("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]")

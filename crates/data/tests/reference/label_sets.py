"""Reference values for the metrics of sets of labels: scikit-learn 1.9.1, numpy 2.4.6.

    PYTHONPATH=../../../testing/reference python label_sets.py > label_sets.json

Predictions and targets are drawn by `crates/testing/reference/generator.py`.
"""

import json
import warnings

import numpy
from sklearn.metrics import accuracy_score, f1_score

from generator import numbers


def indicators(seed, count, labels, below):
    return numpy.array([n == 0 for n in numbers(seed, count * labels, below)]).reshape(count, labels)


def sets(rows):
    return [[label for label, there in enumerate(row) if there] for row in rows]


warnings.simplefilter("ignore")  # A label without predictions and targets has the F1 0.
cases = []
for seed, count, labels, below in [(1, 40, 3, 2), (4, 200, 6, 4), (7, 25, 12, 30), (10, 9, 1, 2)]:
    targets = indicators(seed, count, labels, below)
    # Right in most cases.
    predictions = numpy.where(indicators(seed + 1, count, labels, 4), indicators(seed + 2, count, labels, 2), targets)
    cases.append({"labels": labels, "predictions": sets(predictions), "targets": sets(targets),
                  "micro_f1": f1_score(targets, predictions, average="micro"),
                  # The mean of the binary F1 of each label: with a single label scikit-learn takes average for classes.
                  "macro_f1": numpy.mean([f1_score(targets[:, i], predictions[:, i]) for i in range(labels)]),
                  "exact_match": accuracy_score(targets, predictions)})
    if labels > 1:
        assert abs(cases[-1]["macro_f1"] - f1_score(targets, predictions, average="macro")) < 1e-12
    else:
        cases[-1]["micro_f1"] = f1_score(targets[:, 0], predictions[:, 0])
print("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]")

"""Reference values for the metrics: scikit-learn 1.9.1, scipy 1.17.1, numpy 2.4.6.

    PYTHONPATH=../../../testing/reference python metrics.py > metrics.json

Predictions and targets are drawn by `crates/testing/reference/generator.py`. Scores are multiples of 1/8 with many ties,
exact in f32.
"""

import json

from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef

from generator import numbers


def classes(seed, count, classes):
    targets = numbers(seed, count, classes)
    # Right in about two thirds of the cases.
    return [t if r else p for t, p, r in zip(targets, numbers(seed + 1, count, classes), numbers(seed + 2, count, 2))], targets


cases = []
for seed, count, kinds in [(1, 50, 2), (2, 277, 2), (3, 64, 3), (4, 500, 7)]:
    predictions, targets = classes(seed, count, kinds)
    case = {"kind": "classes", "predictions": predictions, "targets": targets,
            "accuracy": accuracy_score(targets, predictions), "matthews": matthews_corrcoef(targets, predictions),
            "macro_f1": f1_score(targets, predictions, average="macro")}
    if kinds == 2:
        case["f1"] = f1_score(targets, predictions)
    cases.append(case)
for seed, count in [(5, 20), (6, 300)]:
    targets = [n / 8 for n in numbers(seed, count, 41)]
    predictions = [t + n / 8 - 1.5 for t, n in zip(targets, numbers(seed + 1, count, 25))]
    cases.append({"kind": "scores", "predictions": predictions, "targets": targets,
                  "pearson": pearsonr(predictions, targets).statistic,
                  "spearman": spearmanr(predictions, targets).statistic})
print("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]")

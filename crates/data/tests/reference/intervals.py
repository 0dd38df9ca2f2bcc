"""Reference values for intervals and paired tests: scipy 1.17.1, scikit-learn 1.9.1, numpy 2.4.6.

    PYTHONPATH=../../../testing/reference python intervals.py > intervals.json

The bootstrap is computed with resamples that stand in the file, as the indices of their examples. Answers and resamples are
drawn by `crates/testing/reference/generator.py`.
"""

import json
import warnings

import numpy
from scipy.stats import binomtest, pearsonr, spearmanr
from seqeval.metrics import f1_score as entity_f1
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef

from generator import numbers

warnings.simplefilter("ignore")  # Scores that are undefined are 0.


def wilson(part, count):
    interval = binomtest(part, count).proportion_ci(confidence_level=0.95, method="wilson")
    return {"part": part, "count": count, "interval": [float(interval.low), float(interval.high)]}


def mcnemar(first, second):
    p = float(binomtest(min(first, second), first + second).pvalue) if first + second else 1.0
    return {"first": first, "second": second, "p_value": p}


def bootstrap(metric, predictions, targets, resamples):
    """The percentile interval of a metric."""
    values = [metric([predictions[i] for i in indices], [targets[i] for i in indices]) for indices in resamples]
    return [float(end) for end in numpy.percentile(values, [2.5, 97.5])]


COUNT, KINDS = 24, 3
targets = numbers(11, COUNT, KINDS)
predictions = [t if r else p for t, p, r in zip(targets, numbers(12, COUNT, KINDS), numbers(13, COUNT, 2))]
rivals = [t if r else p for t, p, r in zip(targets, numbers(14, COUNT, KINDS), numbers(15, COUNT, 3))]
# The last one has a single example, again and again.
resamples = [numbers(100 + n, COUNT, COUNT) for n in range(40)] + [[5] * COUNT]


def macro(p, t):
    return f1_score(t, p, average="macro")


def f1(p, t):
    return f1_score(t, p, labels=[1], average="macro")


def mean(p, t):
    return (accuracy_score(t, p) + f1(p, t)) / 2


classes = {"predictions": predictions, "rivals": rivals, "targets": targets,
           "macro_f1": bootstrap(macro, predictions, targets, resamples),
           "f1": bootstrap(f1, predictions, targets, resamples),
           "accuracy_f1": bootstrap(mean, predictions, targets, resamples),
           "matthews": bootstrap(lambda p, t: matthews_corrcoef(t, p), predictions, targets, resamples)}
values = [macro([predictions[i] for i in r], [targets[i] for i in r]) - macro([rivals[i] for i in r], [targets[i] for i in r])
          for r in resamples]
classes["difference"] = [float(end) for end in numpy.percentile(values, [2.5, 97.5])]


def correlation(of):
    def value(p, t):
        return float(of(p, t).statistic) if len(set(p)) > 1 and len(set(t)) > 1 else 0.0
    return value


true_scores = [n / 8 for n in numbers(21, COUNT, 17)]
scores = [t + n / 8 - 1.5 for t, n in zip(true_scores, numbers(22, COUNT, 25))]
score_values = {"predictions": scores, "targets": true_scores,
                "pearson": bootstrap(correlation(pearsonr), scores, true_scores, resamples),
                "spearman": bootstrap(correlation(spearmanr), scores, true_scores, resamples),
                "pearson_spearman": bootstrap(
                    lambda p, t: (correlation(pearsonr)(p, t) + correlation(spearmanr)(p, t)) / 2, scores, true_scores,
                    resamples)}

LABELS = 4


def sets(seed, below):
    there = [n == 0 for n in numbers(seed, COUNT * LABELS, below)]
    return [[label for label in range(LABELS) if there[row * LABELS + label]] for row in range(COUNT)]


def table(rows):
    return numpy.array([[label in row for label in range(LABELS)] for row in rows])


true_sets = sets(31, 2)
predicted_sets = [t if r else p for t, p, r in zip(true_sets, sets(32, 2), numbers(33, COUNT, 2))]
label_sets = {"labels": LABELS, "predictions": predicted_sets, "targets": true_sets,
              "micro_f1": bootstrap(lambda p, t: f1_score(table(t), table(p), average="micro"), predicted_sets, true_sets,
                                    resamples),
              "macro_f1": bootstrap(lambda p, t: f1_score(table(t), table(p), average="macro"), predicted_sets, true_sets,
                                    resamples)}

TAGS = ["B-x", "B-y", "I-x", "I-y", "O"]
true_tags = [[TAGS[n] for n in numbers(200 + row, 1 + row % 7, 5)] for row in range(COUNT)]
other_tags = [[TAGS[n] for n in numbers(300 + row, 1 + row % 7, 5)] for row in range(COUNT)]
predicted_tags = [t if r else o for t, o, r in zip(true_tags, other_tags, numbers(41, COUNT, 2))]
tags = {"labels": TAGS, "predictions": [[TAGS.index(tag) for tag in row] for row in predicted_tags],
        "targets": [[TAGS.index(tag) for tag in row] for row in true_tags],
        "f1": bootstrap(lambda p, t: entity_f1(t, p), predicted_tags, true_tags, resamples),
        "accuracy": bootstrap(lambda p, t: accuracy_score(sum(t, []), sum(p, [])), predicted_tags, true_tags, resamples)}

result = {
    "wilson": [wilson(*case) for case in [(683, 700), (0, 10), (10, 10), (1, 1), (0, 1), (5, 9), (8123, 10_000), (1, 872)]],
    "mcnemar": [mcnemar(*case) for case in [(5, 2), (2, 5), (0, 0), (7, 7), (0, 6), (30, 12), (400, 520), (5000, 5300),
                                            (1, 40), (0, 2000)]],
    "resamples": resamples, "classes": classes, "scores": score_values, "label_sets": label_sets, "tags": tags,
}
print("{" + ",\n".join(f'"{name}": {json.dumps(value)}' for name, value in result.items()) + "}")

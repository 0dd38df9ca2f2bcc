"""Reference values for entity F1: seqeval 1.2.2 in its default mode, numpy 2.4.6.

    PYTHONPATH=../../../testing/reference python entities.py > entities.json

Tags are drawn by `crates/testing/reference/generator.py`. The first cases are BIO as a careful annotator writes it, the
next ones any sequence of BIO tags (I without B, types that change inside), the last any of IOBES.
"""

import json
import warnings

from seqeval.metrics import accuracy_score, f1_score, precision_score, recall_score

from generator import draws

warnings.simplefilter("ignore")  # nothing predicted, nothing there: 0


def careful(draw, words):
    tags = []
    while len(tags) < words:
        kind = ["artist", "city", "a-b"][next(draw) % 3]
        entity = [f"B-{kind}"] + [f"I-{kind}"] * (next(draw) % 3)
        tags += entity if next(draw) % 3 == 0 else ["O"]
    return tags[:words]


def any_of(labels):
    return lambda draw, words: [labels[next(draw) % len(labels)] for _ in range(words)]


BIO = ["O", "B-x", "I-x", "B-y", "I-y"]
IOBES = BIO + ["E-x", "S-x", "E-y", "S-y"]

cases = []
for seed, sentences, tags in [(1, 30, careful), (2, 40, careful), (3, 30, any_of(BIO)), (4, 60, any_of(IOBES)),
                              (5, 3, any_of(["O"]))]:
    draw = draws(seed)
    targets = [tags(draw, 1 + next(draw) % 9) for _ in range(sentences)]
    # Another sequence of the same length in about one sentence of two.
    predictions = [t if next(draw) % 2 else tags(draw, len(t)) for t in targets]
    cases.append({"targets": targets, "predictions": predictions,
                  "precision": float(precision_score(targets, predictions)),
                  "recall": float(recall_score(targets, predictions)), "f1": float(f1_score(targets, predictions)),
                  "accuracy": float(accuracy_score(targets, predictions))})
print("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]")

#!/usr/bin/env python3
"""Reference values for the loss of gold labels with class weights, from PyTorch.

    pip install torch scikit-learn
    python gold.py > gold.json

The weights are scaled to a mean of 1 over the training labels; the loss is the sum over the rows with a label, divided
by the number of all rows. Made with torch 2.15 and scikit-learn 1.9.1.
"""

import json

import numpy
import torch
from sklearn.utils.class_weight import compute_class_weight

torch.manual_seed(7)
labels = [0, 0, 0, 1, 2, 0, 1, 0]
logits = torch.randn(8, 3, dtype=torch.float64) * 2
has_label = [True, True, False, True, True, False, True, True]
known = [label for label, there in zip(labels, has_label) if there]
cases = []
for name in ("balanced", "a=0.5,c=4"):
    if name == "balanced":
        weights = compute_class_weight("balanced", classes=numpy.arange(3), y=known)
    else:
        weights = numpy.array([0.5, 1.0, 4.0])
        weights = weights * len(known) / sum(weights[label] for label in known)
    rows = torch.tensor([row for row, there in enumerate(has_label) if there])
    sums = torch.nn.functional.cross_entropy(
        logits[rows], torch.tensor(known), weight=torch.tensor(weights), reduction="sum")
    cases.append({"weights": name, "loss": (sums / len(labels)).item()})
print(json.dumps({"labels": labels, "has_label": has_label, "logits": logits.flatten().tolist(), "cases": cases}))

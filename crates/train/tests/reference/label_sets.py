#!/usr/bin/env python3
"""Reference values for the loss of gold labels where an answer has any number of them, from PyTorch.

    pip install torch
    python label_sets.py > label_sets.json

The loss is BCEWithLogitsLoss over the rows with labels, times their share of all rows. Balanced weights are the answers
without a label by those with it; a label that no answer has keeps the weight 1. Made with torch 2.15.
"""

import json

import torch

torch.manual_seed(9)
ROWS, LABELS = 7, 4
sets = [[0], [], [0, 1], None, [1, 0, 2], [2], [0]]
logits = torch.randn(ROWS, LABELS, dtype=torch.float64) * 4
logits[0, 0], logits[1, 1] = 60.0, -60.0  # where exp() of single precision would not be exact
logits = torch.tensor(logits.float().tolist(), dtype=torch.float64)
there = [row for row, labels in enumerate(sets) if labels is not None]
targets = torch.tensor([[float(label in sets[row]) for label in range(LABELS)] for row in there], dtype=torch.float64)
positive = targets.sum(0)
balanced = torch.where(positive > 0, (len(there) - positive) / positive, 1.0)
cases = []
for name, weights in (("", None), ("balanced", balanced), ("a=0.5,c=4", torch.tensor([0.5, 1.0, 4.0, 1.0]).double())):
    variable = logits.clone().requires_grad_()
    loss = torch.nn.BCEWithLogitsLoss(pos_weight=weights)(variable[there], targets) * len(there) / ROWS
    loss.backward()
    cases.append({"weights": name, "loss": loss.item(), "gradient": variable.grad.flatten().tolist()})
print(json.dumps({"sets": sets, "logits": logits.flatten().tolist(), "cases": cases}))

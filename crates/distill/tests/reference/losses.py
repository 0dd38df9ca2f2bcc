"""Reference values of the distillation losses and their gradients, with PyTorch.

Written from the formulas of the TinyBERT article, over real positions only: sequences are cut to their length
before anything is computed, so no masking takes place here. Prints the JSON committed as losses.json.
"""

import json

import torch
import torch.nn.functional as F

torch.manual_seed(11)
B, H, L, D_S, D_T, CLASSES, T = 3, 2, 5, 4, 6, 3, 2.5
LENGTHS = [5, 2, 3]


def values(t):
    return t.detach().flatten().tolist()


def pooled_mse(pairs):
    """Sum of squares over all real elements of the batch, divided by their number."""
    pairs = list(pairs)
    return sum(F.mse_loss(s, t, reduction="sum") for s, t in pairs) / sum(s.numel() for s, _ in pairs)


hidden_s = torch.randn(B, L, D_S, requires_grad=True)
hidden_t = torch.randn(B, L, D_T)
projection = torch.randn(D_S, D_T, requires_grad=True)
hidden = pooled_mse((hidden_s[i, :n] @ projection, hidden_t[i, :n]) for i, n in enumerate(LENGTHS))
hidden.backward()

scores_s = torch.randn(B, H, L, L, requires_grad=True)
scores_t = torch.randn(B, H, L, L)
attention = sum(
    pooled_mse((scores_s[i, h, :n, :n], scores_t[i, h, :n, :n]) for i, n in enumerate(LENGTHS)) for h in range(H)
) / H
attention.backward()

logits_s = torch.randn(B, CLASSES, requires_grad=True)
logits_t = 3 * torch.randn(B, CLASSES)
prediction = -(F.softmax(logits_t / T, -1) * F.log_softmax(logits_s / T, -1)).sum(-1).mean()
prediction.backward()

score_s = torch.randn(B, 1, requires_grad=True)
score_t = torch.randn(B, 1)
score = F.mse_loss(score_s, score_t)
score.backward()

print(json.dumps({
    "lengths": LENGTHS,
    "temperature": T,
    "hidden": {"student": values(hidden_s), "teacher": values(hidden_t), "projection": values(projection),
               "loss": hidden.item(), "gradient": values(hidden_s.grad),
               "projection_gradient": values(projection.grad)},
    "attention": {"student": values(scores_s), "teacher": values(scores_t), "loss": attention.item(),
                  "gradient": values(scores_s.grad)},
    "prediction": {"student": values(logits_s), "teacher": values(logits_t), "loss": prediction.item(),
                   "gradient": values(logits_s.grad)},
    "score": {"student": values(score_s), "teacher": values(score_t), "loss": score.item(),
              "gradient": values(score_s.grad)},
}, indent=1))

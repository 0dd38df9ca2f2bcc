"""Reference values of the loss between the answers of a student and its teacher where an answer has any number of
labels, and its gradient, with PyTorch.

    python label_sets.py > label_sets.json

Computed as the divergence of two classes for each label, plus the teacher's entropy. Made with torch 2.15.
"""

import json

import torch
import torch.nn.functional as F

torch.manual_seed(12)
ANSWERS, LABELS, T = 4, 5, 2.5
student = torch.randn(ANSWERS, LABELS, requires_grad=True)
teacher = 3 * torch.randn(ANSWERS, LABELS)


def both(logits):
    """Probabilities of having a label and of not having it."""
    return torch.stack([torch.sigmoid(logits / T), torch.sigmoid(-logits / T)], -1)


p_t, p_s = both(teacher), both(student)
divergence = F.kl_div(p_s.log(), p_t, reduction="none").sum(-1)
entropy = -(p_t * p_t.log()).sum(-1)
losses = (divergence + entropy).mean(-1)
losses.mean().backward()
values = lambda tensor: tensor.detach().flatten().tolist()
print(json.dumps({"temperature": T, "labels": LABELS, "student": values(student), "teacher": values(teacher),
                  "losses": values(losses), "gradient": values(student.grad)}))

#!/usr/bin/env python3
"""Reference values for the masked-LM head, from Hugging Face transformers.

    python3 -m venv /tmp/reference && /tmp/reference/bin/pip install torch transformers
    /tmp/reference/bin/python masked_lm.py        # writes masked_lm.json

A random BertForMaskedLM (hidden 16, 1 layer, vocabulary 30): weights, logits at the masked positions, the loss and all
gradients, that of the word embeddings being the sum of both uses. Computed in f64, rounded at the end; made with torch
2.15 and transformers 5.23.
"""

import json
import pathlib

import torch
from transformers import BertConfig, BertForMaskedLM

from bert import flat, flat_ints

HERE = pathlib.Path(__file__).parent

torch.manual_seed(22)
config = BertConfig(
    vocab_size=30, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=24,
    max_position_embeddings=8, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, initializer_range=0.2,
    layer_norm_eps=1e-12,
)
model = BertForMaskedLM(config)
with torch.no_grad():  # biases and LayerNorm off their trivial values
    for p in model.parameters():
        if p.dim() == 1:
            p.add_(0.1 * torch.randn_like(p))
        p.copy_(torch.tensor(flat(p, 4), dtype=torch.float32).view_as(p))
model = model.double().eval()
# The second sample is padded by two tokens; 4 is the mask.
ids = torch.tensor([[2, 17, 4, 12, 4, 3], [2, 4, 8, 3, 0, 0]])
lengths = [6, 4]
mask = torch.tensor([[1] * n + [0] * (6 - n) for n in lengths])
# One target that is not masked (row 1, column 2).
positions, pieces = [2, 4, 7, 8], [5, 29, 11, 8]
labels = torch.full((2, 6), -100)
labels.view(-1)[positions] = torch.tensor(pieces)
output = model(input_ids=ids, attention_mask=mask, labels=labels)
output.loss.backward()
named = dict(model.named_parameters())
json.dump({
    "ids": flat_ints(ids), "type_ids": [0] * 12, "lengths": lengths, "positions": positions, "pieces": pieces,
    "weights": {n: {"shape": list(p.shape), "values": flat(p, 4)} for n, p in named.items()},
    "logits": flat(output.logits.view(12, -1)[positions], 9), "loss": output.loss.item(),
    "gradients": {n: flat(p.grad, 7) for n, p in named.items() if p.grad is not None},
}, open(HERE / "masked_lm.json", "w"), separators=(",", ":"))
print(sorted(named))

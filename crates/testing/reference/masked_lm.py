#!/usr/bin/env python3
"""Reference values for the masked-LM heads of BERT and MPNet, from Hugging Face transformers.

    python3 -m venv /tmp/reference && /tmp/reference/bin/pip install torch transformers
    /tmp/reference/bin/python masked_lm.py        # writes masked_lm.json and mpnet_masked_lm.json

A random BertForMaskedLM (hidden 16, 1 layer, vocabulary 30): weights, logits at the masked positions, the loss and all
gradients, that of the word embeddings being the sum of both uses; and a random MPNetForMaskedLM of the same sizes over
25 pieces of BERT's and its own 5: weights by stored name, logits and loss. Computed in f64, rounded at the end; made with torch
2.15 and transformers 5.23.
"""

import json
import pathlib

import torch
from transformers import BertConfig, BertForMaskedLM, MPNetConfig, MPNetForMaskedLM

from bert import flat, flat_ints

HERE = pathlib.Path(__file__).parent



def randomise(model):
    """Biases and LayerNorm off their trivial values, and no more digits than the file holds."""
    with torch.no_grad():
        for p in model.parameters():
            if p.dim() == 1:
                p.add_(0.1 * torch.randn_like(p))
            p.copy_(torch.tensor(flat(p, 4), dtype=torch.float32).view_as(p))
    return model.double().eval()


def stored(model):
    return {n: {"shape": list(p.shape), "values": flat(p, 4)} for n, p in model.named_parameters()}


SIZES = dict(
    vocab_size=30, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=24,
    hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, initializer_range=0.2,
)
# The second sample is padded by two tokens; 4 is the mask.
ids = torch.tensor([[2, 17, 4, 12, 4, 3], [2, 4, 8, 3, 0, 0]])
lengths = [6, 4]
mask = torch.tensor([[1] * n + [0] * (6 - n) for n in lengths])
# One target that is not masked (row 1, column 2).
positions, pieces = [2, 4, 7, 8], [5, 24, 11, 8]


def run(model, ids, pieces):
    labels = torch.full((2, 6), -100)
    labels.view(-1)[positions] = torch.tensor(pieces)
    return model(input_ids=ids, attention_mask=mask, labels=labels)


def write(file, output, **more):
    json.dump({
        "ids": flat_ints(ids), "type_ids": [0] * 12, "lengths": lengths, "positions": positions, "pieces": pieces,
        "loss": output.loss.item(), **more,
    }, open(HERE / file, "w"), separators=(",", ":"))


torch.manual_seed(22)
model = randomise(BertForMaskedLM(BertConfig(max_position_embeddings=8, layer_norm_eps=1e-12, **SIZES)))
output = run(model, ids, pieces)
output.loss.backward()
write(
    "masked_lm.json", output, weights=stored(model), logits=flat(output.logits.view(12, -1)[positions], 9),
    gradients={n: flat(p.grad, 7) for n, p in model.named_parameters() if p.grad is not None},
)

model = randomise(MPNetForMaskedLM(MPNetConfig(max_position_embeddings=10, layer_norm_eps=1e-5, **SIZES)))
# [PAD] [UNK] [CLS] [SEP] [MASK] are 0 1 2 3 4 of BERT's 25 pieces.
rows = [{0: 1, 2: 0, 3: 2, 4: 29}.get(i, i + 4) for i in range(25)]
output = run(model, torch.tensor(rows)[ids], [rows[piece] for piece in pieces])
write(
    "mpnet_masked_lm.json", output, weights=stored(model),
    # In the order of BERT's pieces.
    logits=flat(output.logits.view(12, -1)[positions][:, rows], 9),
)

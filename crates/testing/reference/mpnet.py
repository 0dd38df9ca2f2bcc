#!/usr/bin/env python3
"""Reference values for MPNet, from Hugging Face transformers.

    python3 -m venv /tmp/reference && /tmp/reference/bin/pip install torch transformers
    /tmp/reference/bin/python mpnet.py tiny                           # writes mpnet_tiny.json
    /tmp/reference/bin/python mpnet.py teacher PATH/TO/all-mpnet-base-v2   # writes mpnet_base.json

`tiny` is a random model (hidden 16, 2 layers, 2 heads, 45 pieces of BERT's and MPNet's own 5, 3 labels) with all its
weights by their stored names, outputs and gradients; `teacher` is a sample of the outputs of the real all-mpnet-base-v2.
Computed on the CPU in f32 (tiny: f64, rounded at the end); made with torch 2.15 and transformers 5.23.
"""

import json
import pathlib
import sys

import torch
from transformers import AutoTokenizer, MPNetConfig, MPNetForSequenceClassification, MPNetModel

from bert import SENTENCES, flat, flat_ints

HERE = pathlib.Path(__file__).parent


def raw_scores(model, run):
    """The result of `run()` and QK^T/sqrt(d) + position bias of every layer."""
    seen = {}
    hooks = []
    for i, layer in enumerate(model.encoder.layer):
        for name in ("q", "k"):
            hook = lambda module, args, output, at=(i, name): seen.__setitem__(at, output)
            hooks.append(getattr(layer.attention.attn, name).register_forward_hook(hook))
    result = run()
    for hook in hooks:
        hook.remove()
    heads = model.config.num_attention_heads
    scores = []
    for i in range(model.config.num_hidden_layers):
        split = lambda x: x.view(*x.shape[:2], heads, -1).transpose(1, 2)
        q, k = split(seen[i, "q"]), split(seen[i, "k"])
        bias = model.encoder.compute_position_bias(seen[i, "q"])
        scores.append(q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5 + bias)
    return result, scores


def own_ids(ids):
    """MPNet's ids of BERT's, where [PAD] [UNK] [CLS] [SEP] [MASK] are 0 1 2 3 4 of 45 pieces."""
    special = {0: 1, 2: 0, 3: 2, 4: 49}
    return torch.tensor([[special.get(i, i + 4) for i in row] for row in ids])


def tiny():
    torch.manual_seed(21)
    config = MPNetConfig(
        vocab_size=50, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24,
        max_position_embeddings=34, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, num_labels=3,
        initializer_range=0.2, layer_norm_eps=1e-5,
    )
    model = MPNetForSequenceClassification(config)
    with torch.no_grad():  # biases and LayerNorm off their trivial values
        for name, p in model.named_parameters():
            if p.dim() == 1:
                p.add_(0.1 * torch.randn_like(p))
            # Four digits: the file holds exactly the numbers that torch computes with.
            p.copy_(torch.tensor(flat(p, 4), dtype=torch.float32).view_as(p))
    model = model.double().eval()
    # In BERT's numbering. Long enough for distances beyond the exact buckets; the second sample is padded by five
    # tokens and has a mask and a second sentence, the first an unknown word.
    ids = [
        [2, 17, 5, 33, 44, 1, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 19, 3],
        [2, 8, 4, 3, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 3, 0, 0, 0, 0, 0],
    ]
    types = [[0] * 20, [0] * 4 + [1] * 11 + [0] * 5]
    lengths = [20, 15]
    mask = torch.tensor([[1] * n + [0] * (20 - n) for n in lengths])
    run = lambda: model(input_ids=own_ids(ids), attention_mask=mask, output_hidden_states=True)
    output, scores = raw_scores(model.mpnet, run)
    # A loss over everything that distillation looks at, real positions only.
    token = mask.double()
    pair = token[:, None, :, None] * token[:, None, None, :]
    loss = sum((h * token[..., None]).pow(2).sum() / 100 for h in output.hidden_states)
    loss = loss + sum((s * pair).pow(2).sum() / 10 for s in scores)
    loss = loss + torch.nn.functional.cross_entropy(output.logits, torch.tensor([2, 0]))
    loss.backward()
    keep = lambda t: flat(t, 9)
    json.dump({
        "ids": sum(ids, []), "type_ids": sum(types, []), "lengths": lengths, "classes": [2, 0],
        "weights": {n: {"shape": list(p.shape), "values": flat(p, 4)} for n, p in model.named_parameters()},
        "states": [keep(h) for h in output.hidden_states], "scores": [keep(s) for s in scores],
        "logits": keep(output.logits), "loss": float(loss),
        # Every fifth element of each.
        "gradients": {n: flat(p.grad, 7)[::5] for n, p in model.named_parameters()},
    }, open(HERE / "mpnet_tiny.json", "w"), separators=(",", ":"))


def teacher(folder):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = MPNetModel.from_pretrained(folder, attn_implementation="eager").eval()
    cases = []
    # Single sentences only: transformers puts two separators between the sentences of a pair.
    texts = [text for text, _ in SENTENCES] + [" ".join(pair for _, pair in SENTENCES if pair) * 8]
    for text in texts:
        encoded = tokenizer(text, return_tensors="pt")
        with torch.no_grad():
            output, scores = raw_scores(model, lambda: model(**encoded, output_hidden_states=True))
        length = encoded["input_ids"].shape[1]
        cases.append({
            "text": text, "own_ids": flat_ints(encoded["input_ids"]),
            # Of every state the first 8 columns of the first and the last token; of every layer's scores row 1 of
            # heads 0 and 11.
            "states": [flat(h[0, [0, length - 1], :8], 7) for h in output.hidden_states],
            "scores": [flat(s[0, [0, 11], 1], 7) for s in scores],
        })
    json.dump({"cases": cases}, open(HERE / "mpnet_base.json", "w"), separators=(",", ":"))


if __name__ == "__main__":
    {"tiny": tiny, "teacher": teacher}[sys.argv[1]](*sys.argv[2:])

#!/usr/bin/env python3
"""Reference values for the BERT encoder, from Hugging Face transformers.

    python3 -m venv /tmp/reference && /tmp/reference/bin/pip install torch transformers
    /tmp/reference/bin/python bert.py tiny                      # writes bert_tiny.json
    /tmp/reference/bin/python bert.py teacher PATH/TO/all-MiniLM-L6-v2   # writes bert_minilm.json

`tiny` is a random model (hidden 32, 2 layers, 4 heads, vocabulary 50, 3 labels) with all its weights, outputs and
gradients; `teacher` is a sample of the outputs of the real all-MiniLM-L6-v2. Computed on the CPU in f32 (tiny: f64,
rounded at the end); made with torch 2.15 and transformers 5.23.
"""

import json
import pathlib
import sys

import torch
from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification, BertModel

HERE = pathlib.Path(__file__).parent


def flat(tensor, digits=None):
    values = tensor.detach().double().flatten().tolist()
    return values if digits is None else [float(f"{v:.{digits}g}") for v in values]


def flat_ints(tensor):
    return tensor.flatten().tolist()


def raw_scores(model, run):
    """The result of `run()` and QK^T/sqrt(d) of every layer, from hooks on the query and key projections."""
    seen = {}
    hooks = []
    for i, layer in enumerate(model.encoder.layer):
        attention = layer.attention.self
        for name in ("query", "key"):
            hook = lambda module, args, output, at=(i, name): seen.__setitem__(at, output)
            hooks.append(getattr(attention, name).register_forward_hook(hook))
    result = run()
    for hook in hooks:
        hook.remove()
    heads = model.config.num_attention_heads
    scores = []
    for i in range(model.config.num_hidden_layers):
        split = lambda x: x.view(*x.shape[:2], heads, -1).transpose(1, 2)
        q, k = split(seen[i, "query"]), split(seen[i, "key"])
        scores.append(q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5)
    return result, scores


def tiny():
    torch.manual_seed(20)
    config = BertConfig(
        vocab_size=50, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48,
        max_position_embeddings=16, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, num_labels=3,
        initializer_range=0.2, layer_norm_eps=1e-12, attn_implementation="eager",
    )
    model = BertForSequenceClassification(config)
    with torch.no_grad():  # biases and LayerNorm off their trivial values
        for name, p in model.named_parameters():
            if p.dim() == 1:
                p.add_(0.1 * torch.randn_like(p))
            # Four digits: the file holds exactly the numbers that torch computes with.
            p.copy_(torch.tensor(flat(p, 4), dtype=torch.float32).view_as(p))
    model = model.double().eval()
    # The second sample is padded by two tokens.
    ids = torch.tensor([[2, 17, 5, 33, 49, 3], [2, 8, 8, 3, 0, 0]])
    types = torch.tensor([[0, 0, 0, 1, 1, 1], [0, 0, 1, 1, 0, 0]])
    lengths = [6, 4]
    mask = torch.tensor([[1] * n + [0] * (6 - n) for n in lengths])
    run = lambda: model(input_ids=ids, token_type_ids=types, attention_mask=mask, output_hidden_states=True)
    output, scores = raw_scores(model.bert, run)
    # A loss over everything that distillation looks at, real positions only.
    token = mask.double()
    pair = token[:, None, :, None] * token[:, None, None, :]
    loss = sum((h * token[..., None]).pow(2).sum() / 100 for h in output.hidden_states)
    loss = loss + sum((s * pair).pow(2).sum() / 10 for s in scores)
    loss = loss + torch.nn.functional.cross_entropy(output.logits, torch.tensor([2, 0]))
    loss.backward()
    keep = lambda t: flat(t, 9)
    json.dump({
        "ids": flat_ints(ids), "type_ids": flat_ints(types), "lengths": lengths, "classes": [2, 0],
        "weights": {n: {"shape": list(p.shape), "values": flat(p, 4)} for n, p in model.named_parameters()},
        "states": [keep(h) for h in output.hidden_states], "scores": [keep(s) for s in scores],
        "logits": keep(output.logits), "loss": float(loss),
        # Every fifth element of each.
        "gradients": {n: flat(p.grad, 7)[::5] for n, p in model.named_parameters()},
    }, open(HERE / "bert_tiny.json", "w"), separators=(",", ":"))


SENTENCES = [
    ["the cat sat on the mat", None],
    ["Transformers are slow on small boards, aren't they?", None],
    ["a quick brown fox", "jumps over the lazy dog and runs away into the dark forest"],
]


def teacher(folder):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = BertModel.from_pretrained(folder, attn_implementation="eager").eval()
    cases = []
    for text, pair in SENTENCES:
        encoded = tokenizer(text, pair, return_tensors="pt")
        with torch.no_grad():
            output, scores = raw_scores(model, lambda: model(**encoded, output_hidden_states=True))
        length = encoded["input_ids"].shape[1]
        cases.append({
            "ids": flat_ints(encoded["input_ids"]), "type_ids": flat_ints(encoded["token_type_ids"]),
            # Of every state the first 8 columns of the first and the last token; of every layer's scores row 1 of
            # heads 0 and 11.
            "states": [flat(h[0, [0, length - 1], :8], 7) for h in output.hidden_states],
            "scores": [flat(s[0, [0, 11], 1], 7) for s in scores],
        })
    json.dump({"cases": cases}, open(HERE / "bert_minilm.json", "w"), separators=(",", ":"))


if __name__ == "__main__":
    {"tiny": tiny, "teacher": teacher}[sys.argv[1]](*sys.argv[2:])

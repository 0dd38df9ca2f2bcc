#!/usr/bin/env python3
"""Times TinyBERT's intermediate distillation step in PyTorch on the CPU: a JSON object per work, with the names and
fields of benches/train_step.rs.

    torch_step.py [--filter TEXT] [--seconds 5] [--threads 2] [--compile]

Teacher: 6 layers, hidden 384, 12 heads, FFN 1536, without gradients. Student: 4 layers, hidden 312, 12 heads, FFN
1200, dropout 0.1, learning from teacher layers 1, 3, 5, 6. Losses over real tokens: embeddings and hidden states
through learned projections, raw attention scores. AdamW over every parameter, global norm clipped to 1. Fused where
PyTorch has it: queries, keys and values in one product, LayerNorm, GELU, softmax, AdamW, foreach clipping. The scores
that no loss looks at go through scaled_dot_product_attention."""

import argparse
import json
import statistics
import time

import torch
from torch import nn
from torch.nn import functional

VOCABULARY, POSITIONS, HEADS = 30_522, 512, 12
LAYER_MAP = [1, 3, 5, 6]


class Layer(nn.Module):
    """A Transformer layer; gives its state and, if asked, the raw scores before mask and softmax."""

    def __init__(self, hidden, wide, dropout):
        super().__init__()
        self.qkv = nn.Linear(hidden, 3 * hidden)
        self.output = nn.Linear(hidden, hidden)
        self.output_norm = nn.LayerNorm(hidden, eps=1e-12)
        self.up = nn.Linear(hidden, wide)
        self.down = nn.Linear(wide, hidden)
        self.norm = nn.LayerNorm(hidden, eps=1e-12)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, mask, with_scores):
        batch, tokens, hidden = x.shape
        qkv = self.qkv(x).view(batch, tokens, 3, HEADS, hidden // HEADS)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        scores = None
        if with_scores:
            scores = (query * (hidden // HEADS) ** -0.5) @ key.transpose(-1, -2)
            masked = scores if mask is None else scores + mask
            context = self.dropout(masked.softmax(-1)) @ value
        else:
            context = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        context = context.transpose(1, 2).reshape(batch, tokens, hidden)
        x = self.output_norm(x + self.dropout(self.output(context)))
        return self.norm(x + self.dropout(self.down(functional.gelu(self.up(x))))), scores


class Bert(nn.Module):
    """States 0 to N and, of the layers in `scored` (from 1), the raw scores."""

    def __init__(self, layers, hidden, wide, dropout, scored):
        super().__init__()
        self.words = nn.Embedding(VOCABULARY, hidden)
        self.positions = nn.Embedding(POSITIONS, hidden)
        self.types = nn.Embedding(2, hidden)
        self.norm = nn.LayerNorm(hidden, eps=1e-12)
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.ModuleList(Layer(hidden, wide, dropout) for _ in range(layers))
        self.scored = scored
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, std=0.02)

    def forward(self, ids, types, mask):
        tokens = ids.shape[1]
        x = self.words(ids) + self.positions.weight[:tokens] + self.types(types)
        states, scores = [self.dropout(self.norm(x))], []
        for number, layer in enumerate(self.layers, 1):
            state, raw = layer(states[-1], mask, number in self.scored)
            states.append(state)
            if raw is not None:
                scores.append(raw)
        return states, scores


class Distillation(nn.Module):
    """The student, the projections, and their losses against a teacher's states and scores."""

    def __init__(self):
        super().__init__()
        self.student = Bert(4, 312, 1200, 0.1, scored=[1, 2, 3, 4])
        self.embedding = nn.Linear(312, 384, bias=False)
        self.hidden = nn.Linear(312, 384, bias=False)

    def forward(self, batch, states, scores):
        own_states, own_scores = self.student(batch["ids"], batch["types"], batch["mask"])
        real, pairs = batch["real"], batch["pairs"]

        def mean_square(ours, theirs, region):
            if region is None:
                return functional.mse_loss(ours, theirs)
            return functional.mse_loss(ours[region], theirs[region])

        def attention(ours, theirs):
            if pairs is None:
                return functional.mse_loss(ours, theirs)
            return ((ours - theirs).square() * pairs).sum() / (HEADS * batch["pair_count"])

        loss = mean_square(self.embedding(own_states[0]), states[0], real)
        for own, theirs in zip(own_states[1:], LAYER_MAP):
            loss = loss + mean_square(self.hidden(own), states[theirs], real)
        for own, theirs in zip(own_scores, scores):
            loss = loss + attention(own, theirs)
        return loss


def batch_of(lengths):
    """Sequences of these lengths, padded to the longest. Without padding there is nothing to mask."""
    tokens = max(lengths)
    real = torch.arange(tokens) < torch.tensor(lengths)[:, None]
    ids = (torch.arange(len(lengths) * tokens) * 2_654_435_761 % 2**32 % VOCABULARY).view(-1, tokens) * real
    batch = {"ids": ids, "types": torch.zeros_like(ids), "real_tokens": sum(lengths)}
    if real.all():
        return batch | {"mask": None, "real": None, "pairs": None}
    mask = torch.zeros(len(lengths), 1, 1, tokens).masked_fill(~real[:, None, None, :], -1e9)
    pairs = (real[:, None, :, None] & real[:, None, None, :]).float()
    return batch | {"mask": mask, "real": real, "pairs": pairs, "pair_count": sum(n * n for n in lengths)}


def works():
    """Batches that are stepped through in turn, by name: those of train_step.rs."""

    def bucket(longest):
        return batch_of([longest - longest * i // 124 for i in range(32)])

    return {
        "32 x 64": [batch_of([64] * 32)],
        "32 x 8 to 64, bucketed": [bucket(8 * i) for i in range(1, 9)],
        "32 x 128": [batch_of([128] * 32)],
    }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--filter", default="")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--compile", action="store_true", help="torch.compile teacher and student")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(1)
    teacher = Bert(6, 384, 1536, 0.0, scored=LAYER_MAP).eval().requires_grad_(False)
    model = Distillation().train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-5, weight_decay=0.01, fused=True)
    if arguments.compile:
        teacher, model = torch.compile(teacher), torch.compile(model)

    def step(batch):
        with torch.no_grad():
            states, scores = teacher(batch["ids"], batch["types"], batch["mask"])
        model(batch, states, scores).backward()
        nn.utils.clip_grad_norm_(optimizer.param_groups[0]["params"], 1.0)
        optimizer.step()
        optimizer.zero_grad()

    for name, batches in works().items():
        name = f"distillation step, {name}"
        if arguments.filter not in name:
            continue
        for _ in range(2):
            for batch in batches:
                step(batch)
        times, start, cpu_start = [], time.perf_counter(), time.process_time()
        while len(times) < 3 or time.perf_counter() - start < arguments.seconds:
            begun = time.perf_counter()
            for batch in batches:
                step(batch)
            times.append(time.perf_counter() - begun)
        cpu = (time.process_time() - cpu_start) / len(times)
        tokens = sum(batch["real_tokens"] for batch in batches)
        line = {
            "name": name,
            "tokens_per_second": tokens / statistics.median(times),
            "tokens_per_cpu_second": tokens / cpu,
        }
        print(json.dumps(line), flush=True)


main()

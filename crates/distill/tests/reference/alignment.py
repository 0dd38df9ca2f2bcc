#!/usr/bin/env python3
"""Reference values for the comparison by words, from NumPy and PyTorch.

    python3 -m venv /tmp/reference && /tmp/reference/bin/pip install torch
    /tmp/reference/bin/python alignment.py     # writes alignment.json

Two texts, the second shorter. `student` and `teacher` are the bytes of each token in its text, `null` for a special piece.
Words are white-space and punctuation runs, joined where a piece of the teacher reaches across; the script finds them by
the characters that tokens share: tokens of one word are connected through the word's characters. States and scores are
random; the loss is the mean squared difference of pooled states (without projection) and pooled scores, each a mean over
its real entries, with the gradient for the student's.
"""

import json
import pathlib
import re

import numpy as np
import torch

HERE = pathlib.Path(__file__).parent
SAMPLES = [
    {
        "text": "I can't tokenize  it.",
        # can ' t token ##ize it .
        "student": [None, [0, 1], [2, 5], [5, 6], [6, 7], [8, 13], [13, 16], [18, 20], [20, 21], None],
        # I can 't tok en ize it.  -- the piece 't joins two words, and so does "it.".
        "teacher": [None, [0, 1], [2, 5], [5, 7], [8, 11], [11, 13], [13, 16], [18, 21], None],
    },
    {
        "text": "set alarm",
        "student": [None, [0, 3], [4, 9], None],
        # Cut off after the first word.
        "teacher": [None, [0, 1], [1, 3], None],
    },
]


def words(sample):
    """The token sets of each word that both sides have: [(student tokens, teacher tokens)]."""
    text = sample["text"]
    group = list(range(len(text)))

    def join(start, end):
        first = group[start]
        for at in range(start, end):
            old = group[at]
            for i, g in enumerate(group):
                if g == old:
                    group[i] = first

    for match in re.finditer(r"\w+|[^\w\s]", text):
        join(*match.span())
    for side in ("student", "teacher"):
        for span in filter(None, sample[side]):
            join(*span)
    found = []
    last = lambda side: len(sample[side]) - 1
    for special in (lambda side: 0, last):
        found.append(([special("student")], [special("teacher")]))
    for g in sorted(set(group)):
        tokens = [[i for i, span in enumerate(sample[side]) if span and group[span[0]] == g] for side in ("student", "teacher")]
        if all(tokens):
            found.append(tuple(tokens))
    return found


def main():
    rng = np.random.default_rng(7)
    b, heads, hidden = 2, 2, 3
    lengths = {side: max(len(s[side]) for s in SAMPLES) for side in ("student", "teacher")}
    values = lambda *shape: np.round(rng.normal(size=shape), 3)
    states = {side: values(b, l, hidden) for side, l in lengths.items()}
    scores = {side: values(b, heads, l, l) for side, l in lengths.items()}
    x = {side: torch.tensor(v, requires_grad=side == "student") for side, v in states.items()}
    a = {side: torch.tensor(v, requires_grad=side == "student") for side, v in scores.items()}
    hidden_terms, attention_terms, counts = [], [], []
    for row, sample in enumerate(SAMPLES):
        found = words(sample)
        counts.append(len(found))
        mean = lambda side, tokens: torch.stack([x[side][row, t] for t in tokens]).mean(0)
        pooled = lambda side, query, key: torch.stack(
            [torch.stack([a[side][row, :, q, k] for k in key]).sum(0) for q in query]).mean(0)
        for ours, theirs in found:
            hidden_terms.append((mean("student", ours) - mean("teacher", theirs)).pow(2))
            for our_key, their_key in found:
                attention_terms.append(
                    (pooled("student", ours, our_key) - pooled("teacher", theirs, their_key)).pow(2))
    losses = {"hidden": torch.stack(hidden_terms).mean(), "attention": torch.stack(attention_terms).mean()}
    (losses["hidden"] + losses["attention"]).backward()
    flat = lambda t: t.detach().flatten().tolist()
    json.dump({
        "samples": SAMPLES, "counts": counts,
        "states": {side: flat(x[side]) for side in x}, "scores": {side: flat(a[side]) for side in a},
        "losses": {name: loss.item() for name, loss in losses.items()},
        "gradients": {"states": flat(x["student"].grad), "scores": flat(a["student"].grad)},
    }, open(HERE / "alignment.json", "w"), indent=None, separators=(",", ":"))
    print(counts, losses)


if __name__ == "__main__":
    main()

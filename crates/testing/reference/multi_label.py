#!/usr/bin/env python3
"""A small random BERT with a multi-label head, made by transformers: its folder, probabilities and loss.

    python3 -m venv /tmp/reference && /tmp/reference/bin/pip install torch transformers
    /tmp/reference/bin/python multi_label.py > multi_label.json

The folder's config.json and vocab.txt are there as they are, the weights as numbers with four digits. Made with torch
2.15 and transformers 5.24; computed on the CPU in f64.
"""

import json
import pathlib
import tempfile

import torch
from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "play", "some", "jazz", "will", "it", "rain", "and", "book", "a",
          "table", "##s", "##ing", ".", ","]
TEXTS = ["play some jazz", "will it rain and book a table", "Booking tables, playing.", "", "xyzzy jazz it rains"]
LABELS = ["music", "weather", "restaurant"]
SETS = [[0], [1, 2], [0, 2], [], [0, 1]]


def main():
    torch.manual_seed(23)
    config = BertConfig(
        vocab_size=len(PIECES), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24,
        max_position_embeddings=16, problem_type="multi_label_classification", initializer_range=0.3,
        id2label=dict(enumerate(LABELS)), label2id={label: at for at, label in enumerate(LABELS)},
    )
    model = BertForSequenceClassification(config).eval()
    with torch.no_grad():
        for p in model.parameters():
            if p.dim() == 1:  # biases and LayerNorm off their trivial values
                p.add_(0.1 * torch.randn_like(p))
            p.copy_(torch.tensor([float(f"{v:.4g}") for v in p.flatten().tolist()]).view_as(p))
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        model.save_pretrained(folder)
        written = json.loads((folder / "config.json").read_text())
        (folder / "vocab.txt").write_text("\n".join(PIECES) + "\n")
        tokenizer = BertTokenizer.from_pretrained(folder)
        batch = tokenizer(TEXTS, padding=True, return_tensors="pt")
    targets = torch.tensor([[float(label in labels) for label in range(len(LABELS))] for labels in SETS]).double()
    with torch.no_grad():
        output = model.double()(**batch, labels=targets)
    weights = {name: {"shape": list(p.shape), "values": [float(f"{v:.4g}") for v in p.flatten().tolist()]}
               for name, p in model.state_dict().items() if p.is_floating_point()}
    print(json.dumps({
        "config": written, "pieces": PIECES, "texts": TEXTS, "sets": SETS, "weights": weights,
        "tokens": [int(row.sum()) for row in batch["attention_mask"]],
        "logits": output.logits.tolist(), "probabilities": torch.sigmoid(output.logits).tolist(), "loss": output.loss.item(),
    }))


if __name__ == "__main__":
    main()

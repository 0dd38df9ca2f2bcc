#!/usr/bin/env python3
"""Reference values for the teacher families that read BERT's or their own pieces, from Hugging Face transformers.

    python3 -m venv /tmp/reference && /tmp/reference/bin/pip install torch transformers
    /tmp/reference/bin/python families.py     # writes distilbert.json, electra.json, roberta.json, xlm_roberta.json

Each file has random models of one family (hidden 8, 2 layers, 2 heads) that share their encoder: without a head, and with
heads of classification, regression, token classification and masked LM. `config` is what transformers writes, `encoder`
and `weights` are the tensors by the names that transformers stores. The models of RoBERTa and XLM-RoBERTa have as many
pieces as the tokenizers of own_pieces.json, the others 30 of BERT's. Computed in f64 and rounded at the end; made with
torch 2.15 and transformers 5.24.
"""

import json
import pathlib

import torch
import transformers

from bert import flat

HERE = pathlib.Path(__file__).parent
COMMON = dict(
    vocab_size=30, hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=12,
    max_position_embeddings=16, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, initializer_range=0.3,
)
FAMILIES = {
    "distilbert": ("DistilBert", dict(
        vocab_size=30, dim=8, n_layers=2, n_heads=2, hidden_dim=12, max_position_embeddings=16, dropout=0.0,
        attention_dropout=0.0, seq_classif_dropout=0.0, initializer_range=0.3,
    )),
    "electra": ("Electra", {**COMMON, "embedding_size": 6}),
    "roberta": ("Roberta", {**COMMON, "vocab_size": 321, "type_vocab_size": 1, "layer_norm_eps": 1e-5}),
    "xlm_roberta": ("XLMRoberta", {**COMMON, "vocab_size": 125, "type_vocab_size": 1, "layer_norm_eps": 1e-5}),
}
LABELS = {"0": "a", "1": "b", "2": "c"}
HEADS = {
    "Model": {},
    "ForSequenceClassification": {"id2label": LABELS},
    "Regression": {"id2label": {"0": "LABEL_0"}, "problem_type": "regression"},
    "ForTokenClassification": {"id2label": LABELS},
    "ForMaskedLM": {},
}
# The second sample is padded by two tokens; the ids are ordinary pieces of every vocabulary but for the special ones.
LENGTHS = [6, 4]
TYPES = [[0, 0, 0, 1, 1, 1], [0, 0, 1, 1, 0, 0]]
BERT_IDS = [[2, 17, 5, 13, 29, 3], [2, 8, 8, 3, 0, 0]]
OWN_IDS = [[0, 17, 5, 2, 2, 100], [0, 8, 3, 2, 1, 1]]
POSITIONS, PIECES = [1, 4, 8], [9, 21, 12]


def raw_scores(encoder, prefixes, run):
    """The result of `run()` and QK^T/sqrt(d) of every layer, from hooks on the query and key projections."""
    seen, hooks = {}, []
    for name, module in encoder.named_modules():
        if name.endswith(prefixes):
            hooks.append(module.register_forward_hook(lambda _, args, output, at=name: seen.__setitem__(at, output)))
    result = run()
    for hook in hooks:
        hook.remove()
    split = lambda x: x.view(*x.shape[:2], 2, -1).transpose(1, 2)
    by_layer = lambda suffix: [split(seen[name]) for name in sorted(seen) if name.endswith(suffix)]
    pairs = zip(by_layer(prefixes[0]), by_layer(prefixes[1]))
    return result, [q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5 for q, k in pairs]


def stored(state):
    """The tensors as `save_pretrained` stores them: each once."""
    return {name: {"shape": list(p.shape), "values": flat(p, 4)} for name, p in state.items()}


def family(name, prefix, sizes):
    own = name in ("roberta", "xlm_roberta")
    ids = torch.tensor(OWN_IDS if own else BERT_IDS)
    mask = torch.tensor([[1] * n + [0] * (6 - n) for n in LENGTHS])
    types = torch.tensor(TYPES)
    inputs = {"input_ids": ids, "attention_mask": mask}
    if name == "electra":
        inputs["token_type_ids"] = types
    projections = ("q_lin", "k_lin") if name == "distilbert" else ("query", "key")
    encoder, heads, written = None, {}, None
    for head, more in HEADS.items():
        torch.manual_seed(30)
        config = getattr(transformers, prefix + "Config")(**sizes, **more, attn_implementation="eager")
        class_name = prefix + ("ForSequenceClassification" if head == "Regression" else head)
        model = getattr(transformers, class_name)(config)
        base = getattr(model, model.base_model_prefix, model)
        with torch.no_grad():  # biases and LayerNorm off their trivial values
            for p in model.parameters():
                if p.dim() == 1:
                    p.add_(0.1 * torch.randn_like(p))
                # Four digits: the file holds exactly the numbers that torch computes with.
                p.copy_(torch.tensor(flat(p, 4), dtype=torch.float32).view_as(p))
        if encoder is None:
            # The pooler of a bare RoBERTa is no part of what teaches.
            encoder = {n: p for n, p in base.state_dict().items() if not n.startswith("pooler.")}
        base.load_state_dict(encoder, strict=False)
        if head == "ForMaskedLM":
            # As checkpoints have it; not every class ties a fresh model.
            model.get_output_embeddings().weight = model.get_input_embeddings().weight
        model = model.double().eval()
        run = lambda: model(**inputs, output_hidden_states=True)
        output, scores = raw_scores(base, projections, run)
        if head == "Model":
            written = json.loads(config.to_json_string(use_diff=False))
            states = [flat(h, 9) for h in output.hidden_states]
            raw = [flat(s, 9) for s in scores]
            continue
        # What is left of the model without its encoder, tied tensors once.
        tied = set(getattr(model, "_tied_weights_keys", None) or ())
        encoders = model.base_model_prefix + "."
        own_state = {n: p for n, p in model.named_parameters() if not n.startswith(encoders) and n not in tied}
        entry = {"class": class_name, "config": more, "weights": stored(own_state)}
        if head == "ForMaskedLM":
            logits = output.logits.reshape(12, -1)[POSITIONS]
            entry["logits"] = flat(logits, 9)
            entry["loss"] = torch.nn.functional.cross_entropy(logits, torch.tensor(PIECES)).item()
        else:
            entry["logits"] = flat(output.logits, 9)
        if head == "ForSequenceClassification":
            # A loss over everything that distillation looks at, real positions only.
            token = mask.double()
            pair = token[:, None, :, None] * token[:, None, None, :]
            loss = sum((h * token[..., None]).pow(2).sum() / 100 for h in output.hidden_states)
            loss = loss + sum((s * pair).pow(2).sum() / 10 for s in scores)
            loss = loss + torch.nn.functional.cross_entropy(output.logits, torch.tensor([2, 0]))
            loss.backward()
            entry["loss"] = loss.item()
            # Every fifth element of each.
            entry["gradients"] = {n: flat(p.grad, 7)[::5] for n, p in model.named_parameters() if p.grad is not None}
        heads[head] = entry
    drop = ("transformers_version", "dtype", "torch_dtype", "id2label", "label2id", "problem_type", "architectures")
    json.dump({
        "prefix": model.base_model_prefix, "config": {k: v for k, v in written.items() if k not in drop},
        "ids": sum(ids.tolist(), []), "type_ids": sum([[0] * 6] * 2 if own else TYPES, []), "lengths": LENGTHS,
        "classes": [2, 0], "positions": POSITIONS, "pieces": PIECES, "encoder": stored(encoder), "states": states,
        "scores": raw, "heads": heads,
    }, open(HERE / f"{name}.json", "w"), separators=(",", ":"))


if __name__ == "__main__":
    for name, (prefix, sizes) in FAMILIES.items():
        family(name, prefix, sizes)

"""Reference values of the optimizers: PyTorch's AdamW, and TinyBERT's BertAdam step written out on PyTorch tensors.

Run with torch installed; prints the JSON that is committed beside this file as optimizer.json.
"""

import json

import torch

torch.manual_seed(7)
STEPS, RATES = 4, [1e-2, 5e-3, 1e-2, 2e-3]
START = {"dense.bias": torch.randn(3), "dense.weight": torch.randn(3, 4), "LayerNorm.weight": torch.ones(4)}
# The first gradients are far above the clipping norm of 1, the last ones below it.
GRADIENTS = [{n: torch.randn_like(p) * s for n, p in START.items()} for s in (5.0, 1.0, 0.2, 0.05)]


def decays(name):
    return not (name.endswith("bias") or "LayerNorm" in name)


def adamw():
    parameters = {n: p.clone().requires_grad_() for n, p in START.items()}
    groups = [
        {"params": [p for n, p in parameters.items() if decays(n)], "weight_decay": 0.01},
        {"params": [p for n, p in parameters.items() if not decays(n)], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.999), eps=1e-8)
    for gradients, rate in zip(GRADIENTS, RATES):
        for name, parameter in parameters.items():
            parameter.grad = gradients[name].clone()
        torch.nn.utils.clip_grad_norm_(parameters.values(), 1.0)
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
    return {n: p.detach().flatten().tolist() for n, p in parameters.items()}


def paper():
    result = {}
    for name, start in START.items():
        parameter = start.clone().requires_grad_()
        first, second = torch.zeros_like(start), torch.zeros_like(start)
        for gradients, rate in zip(GRADIENTS, RATES):
            parameter.grad = gradients[name].clone()
            torch.nn.utils.clip_grad_norm_([parameter], 1.0)
            first.mul_(0.9).add_(parameter.grad, alpha=0.1)
            second.mul_(0.999).addcmul_(parameter.grad, parameter.grad, value=0.001)
            update = first / (second.sqrt() + 1e-6)
            if decays(name):
                update = update + 0.01 * parameter.data
            parameter.data.add_(update, alpha=-rate)
        result[name] = parameter.detach().flatten().tolist()
    return result


print(json.dumps({
    "rates": RATES,
    "shapes": {n: list(p.shape) for n, p in START.items()},
    "start": {n: p.flatten().tolist() for n, p in START.items()},
    "gradients": [{n: g.flatten().tolist() for n, g in step.items()} for step in GRADIENTS],
    "adamw": adamw(),
    "paper": paper(),
}, indent=1))

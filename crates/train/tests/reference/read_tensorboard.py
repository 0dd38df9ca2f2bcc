#!/usr/bin/env python3
"""Compares the event files of a run with its metrics.jsonl, by the reader of the package `tensorboard` from PyPI.

    pip install tensorboard
    tinybert-compress fine-tune ... --tensorboard events --out model
    python3 read_tensorboard.py events model/metrics.jsonl

Every real number of metrics.jsonl must be a scalar of TensorBoard with the value of the nearest f32, at the step that
counts the steps of all sessions before; and TensorBoard must have no other scalar.
"""

import json
import sys

import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray


def numbers(value, path):
    """The real numbers of a JSON value by their paths."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from numbers(inner, f"{path}/{name}")
    elif isinstance(value, float):
        yield path, value


def from_metrics(path):
    """Scalars by tag: a list of (step, value)."""
    scalars, before, last = {}, 0, None
    with open(path, encoding="utf-8") as lines:
        for line in map(json.loads, lines):
            if last and last["session"] != line["session"]:
                before += last["step"]
            last = line
            for tag, value in numbers(line, line["session"]):
                scalars.setdefault(tag, []).append((before + line["step"], float(np.float32(value))))
    return scalars


def from_events(folder):
    """Scalars by tag, as TensorBoard shows them: a list of (step, value)."""
    events = EventAccumulator(folder, size_guidance={"scalars": 0, "tensors": 0}).Reload()
    tags = events.Tags()
    scalars = {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in tags["scalars"]}
    for tag in tags["tensors"]:
        scalars[tag] = [(event.step, make_ndarray(event.tensor_proto).item()) for event in events.Tensors(tag)]
    return scalars


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    expected, found = from_metrics(sys.argv[2]), from_events(sys.argv[1])
    for tag in sorted(expected.keys() | found.keys()):
        if expected.get(tag) != found.get(tag):
            sys.exit(f"{tag}: metrics.jsonl has {expected.get(tag)}, TensorBoard has {found.get(tag)}")
    print(f"{sum(map(len, found.values()))} values of {len(found)} scalars agree")


main()

#!/usr/bin/env python3
"""Writes events.out.tfevents.reference, an event file, with the writer of the package `tensorboard` from PyPI.

    pip install tensorboard
    python3 write_events.py

The test of crates/train/src/tensorboard/event.rs compares our bytes with the file.
"""

from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

WALL_TIME = 1.7e9


def summary(**scalars):
    """A summary of scalars; `__` in a name stands for `/`."""
    values = [Summary.Value(tag=tag.replace("__", "/"), simple_value=value) for tag, value in scalars.items()]
    return Summary(value=values)


EVENTS = [
    Event(wall_time=WALL_TIME, file_version="brain.Event:2"),
    Event(wall_time=WALL_TIME, step=301, session_log=SessionLog(status=SessionLog.START)),
    Event(
        wall_time=WALL_TIME + 0.25,
        step=320,
        summary=summary(prediction__loss=0.41, prediction__learning_rate=3e-5),
    ),
    Event(wall_time=WALL_TIME + 0.5, step=1 << 40, summary=summary(prediction__dev__values__accuracy=0.0)),
]

with open(Path(__file__).with_name("events.out.tfevents.reference"), "wb") as file:
    writer = RecordWriter(file)
    for event in EVENTS:
        writer.write(event.SerializeToString(deterministic=True))
    writer.flush()

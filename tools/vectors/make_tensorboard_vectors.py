#!/usr/bin/env python3
"""Writes tests/fixtures/tensorboard/scalars.bin with the TensorBoard package, and checks our files.

    make_tensorboard_vectors.py                 write the fixture
    make_tensorboard_vectors.py check FOLDER    print what TensorBoard's reader finds in FOLDER

Made with tensorboard 2.21.0, protobuf 7.36.2.
"""

import os
import sys

from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.summary.writer.record_writer import RecordWriter

WALL = 1700000000.5
SCALARS = [("loss/train", 1, 0.5), ("loss/train", 2, 0.25), ("memory/rss", 300, 123456789.0),
           ("精度/val", 70000, -1.5)]


def write_fixture(path):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        writer = RecordWriter(file)
        writer.write(event_pb2.Event(wall_time=WALL,
                                     file_version="brain.Event:2").SerializeToString())
        for tag, step, value in SCALARS:
            summary = summary_pb2.Summary(
                value=[summary_pb2.Summary.Value(tag=tag, simple_value=value)])
            writer.write(event_pb2.Event(wall_time=WALL + step, step=step,
                                         summary=summary).SerializeToString())
        writer.flush()


def check(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(folder)
    accumulator.Reload()
    for tag in accumulator.Tags()["scalars"]:
        for event in accumulator.Scalars(tag):
            print(tag, event.step, event.wall_time, event.value)


if __name__ == "__main__":
    if len(sys.argv) > 2 and sys.argv[1] == "check":
        check(sys.argv[2])
    else:
        ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        write_fixture(os.path.join(ROOT, "tests/fixtures/tensorboard/scalars.bin"))

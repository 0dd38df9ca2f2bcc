#!/usr/bin/env python3
"""Times a BERT classifier in ONNX Runtime: a JSON object per length with `seq`, `median_ms`, `min_ms`.

    bench_onnxruntime.py MODEL.onnx --seq 16,32 --threads 1 --min-time 0.6

All graph optimizations are on but SkipLayerNormFusion, whose kernel is scalar and makes this model a fifth
slower."""

import argparse
import json
import time

import numpy
import onnxruntime


def session(model, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    providers = ["CPUExecutionProvider"]
    return onnxruntime.InferenceSession(
        model, options, providers=providers, disabled_optimizers=["SkipLayerNormFusion"]
    )


def milliseconds(run, min_time):
    """Times of the calls of `run`, sorted, after a quarter of the time as warm-up."""
    begun = time.perf_counter()
    while time.perf_counter() - begun < min_time / 4:
        run()
    times, begun = [], time.perf_counter()
    while time.perf_counter() - begun < min_time or len(times) < 5:
        start = time.perf_counter()
        run()
        times.append((time.perf_counter() - start) * 1e3)
    return sorted(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--seq", required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--min-time", type=float, required=True)
    arguments = parser.parse_args()
    model = session(arguments.model, arguments.threads)
    for seq in map(int, arguments.seq.split(",")):
        ids = [101, *(1000 + i * 7919 % 28000 for i in range(1, seq - 1)), 102]
        ids = numpy.array([ids], dtype=numpy.int64)
        feed = {"input_ids": ids, "attention_mask": ids * 0 + 1, "token_type_ids": ids * 0}
        times = milliseconds(lambda feed=feed: model.run(None, feed), arguments.min_time)
        line = {"seq": seq, "median_ms": round(times[len(times) // 2], 4), "min_ms": round(times[0], 4)}
        print(json.dumps(line), flush=True)


main()

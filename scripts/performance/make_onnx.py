#!/usr/bin/env python3
"""Writes TinyBERT-4L-312 with two labels and random weights as an int8 ONNX model, for the peers.

    make_onnx.py OUT.onnx

The graph is the one that exporters write for a Hugging Face BERT: inputs input_ids, attention_mask and
token_type_ids, int64 `[batch, tokens]`; output logits `[batch, 2]`. ONNX Runtime's own quantizer makes it
int8: linears dynamically, embedding tables by weight. Speed does not depend on the weights' values."""

import pathlib
import sys
import tempfile

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

from model import FFN, HEADS, HIDDEN, LABELS, LAYERS, POSITIONS, TYPES, VOCABULARY


HEAD_DIM = HIDDEN // HEADS
OPSET = 17


class Graph:
    """Nodes and weights, as they are added."""

    def __init__(self):
        self.nodes, self.weights = [], []
        self.random = numpy.random.default_rng(42)

    def add(self, operation, *inputs, **attributes):
        """Adds a node with one output; gives the output's name."""
        name = f"{operation}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operation, inputs, [name], name=name, **attributes))
        return name

    def constant(self, values, kind):
        """Adds a constant; gives its name."""
        name = f"constant_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(numpy.array(values, dtype=kind), name))
        return name

    def ints(self, *values):
        return self.constant(values, numpy.int64)

    def random_weights(self, *shape):
        return self.constant(self.random.normal(0.0, 0.02, shape), numpy.float32)

    def linear(self, x, inputs, outputs):
        product = self.add("MatMul", x, self.random_weights(inputs, outputs))
        return self.add("Add", product, self.random_weights(outputs))

    def layer_norm(self, x):
        gamma, beta = self.constant(numpy.ones(HIDDEN), numpy.float32), self.random_weights(HIDDEN)
        return self.add("LayerNormalization", x, gamma, beta, axis=-1, epsilon=1e-12)

    def gelu(self, x):
        error = self.add("Erf", self.add("Div", x, self.constant(2**0.5, numpy.float32)))
        scaled = self.add("Mul", x, self.add("Add", error, self.constant(1.0, numpy.float32)))
        return self.add("Mul", scaled, self.constant(0.5, numpy.float32))

    def embeddings(self):
        """[batch, tokens, hidden]."""
        tokens = self.add("Shape", "input_ids", start=1, end=2)
        positions = self.constant(numpy.arange(POSITIONS)[None], numpy.int64)
        positions = self.add("Slice", positions, self.ints(0), tokens, self.ints(1))
        word, kind, position = (self.random_weights(rows, HIDDEN) for rows in (VOCABULARY, TYPES, POSITIONS))
        x = self.add("Add", self.add("Gather", word, "input_ids"), self.add("Gather", kind, "token_type_ids"))
        return self.layer_norm(self.add("Add", x, self.add("Gather", position, positions)))

    def mask(self):
        """0 where a token counts, a large negative number where it does not: [batch, 1, 1, tokens]."""
        mask = self.add("Unsqueeze", self.add("Unsqueeze", "attention_mask", self.ints(1)), self.ints(2))
        mask = self.add("Cast", mask, to=TensorProto.FLOAT)
        mask = self.add("Sub", self.constant(1.0, numpy.float32), mask)
        return self.add("Mul", mask, self.constant(numpy.finfo(numpy.float32).min, numpy.float32))

    def attention(self, x, mask):
        split, order = self.ints(0, 0, HEADS, HEAD_DIM), [0, 2, 1, 3]

        def heads(order):
            return self.add(
                "Transpose", self.add("Reshape", self.linear(x, HIDDEN, HIDDEN), split), perm=order
            )

        query, key, value = heads(order), heads([0, 2, 3, 1]), heads(order)
        scores = self.add("Div", self.add("MatMul", query, key), self.constant(HEAD_DIM**0.5, numpy.float32))
        shares = self.add("Softmax", self.add("Add", scores, mask), axis=-1)
        context = self.add("Transpose", self.add("MatMul", shares, value), perm=order)
        return self.linear(self.add("Reshape", context, self.ints(0, 0, HIDDEN)), HIDDEN, HIDDEN)

    def classifier(self):
        x, mask = self.embeddings(), self.mask()
        for _ in range(LAYERS):
            x = self.layer_norm(self.add("Add", self.attention(x, mask), x))
            inner = self.gelu(self.linear(x, HIDDEN, FFN))
            x = self.layer_norm(self.add("Add", self.linear(inner, FFN, HIDDEN), x))
        first = self.add("Gather", x, self.constant(0, numpy.int64), axis=1)
        logits = self.linear(self.add("Tanh", self.linear(first, HIDDEN, HIDDEN)), HIDDEN, LABELS)
        self.nodes.append(helper.make_node("Identity", [logits], ["logits"]))


def main():
    out = pathlib.Path(sys.argv[1])
    graph = Graph()
    graph.classifier()
    names = ("input_ids", "attention_mask", "token_type_ids")
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"]) for name in names]
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", LABELS])
    whole = helper.make_graph(graph.nodes, "tinybert-4l-312", inputs, [logits], graph.weights)
    model = helper.make_model(whole, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    with tempfile.TemporaryDirectory() as folder:
        floats = pathlib.Path(folder, "float.onnx")
        onnx.save(model, floats)
        quantize_dynamic(floats, out, op_types_to_quantize=["MatMul", "Gather"], weight_type=QuantType.QInt8)


main()

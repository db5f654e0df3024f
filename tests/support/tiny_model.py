"""A model of Omnilingual ASR's shape and of no use: it writes "lo" for a low tone and "hi" for a high one.

It has the inputs and outputs of the real one, so that the library and all that feeds it run as they do with that.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

TOKENS = ("<s>", "<pad>", "</s>", "<unk>", "lo", "hi", " ")
FRAME = 320
RATE_HZ = 16_000
LOW_HZ, HIGH_HZ = 150.0, 1_600.0


def write_tiny_model(folder: Path) -> None:
    """Write model and tokens as they are published."""
    at = np.arange(FRAME) / RATE_HZ
    filters = np.zeros((2 * len(TOKENS), 1, FRAME), np.float32)
    for token, hertz in (("lo", LOW_HZ), ("hi", HIGH_HZ)):
        for half, wave in enumerate((np.sin, np.cos)):
            filters[2 * TOKENS.index(token) + half, 0] = wave(2 * np.pi * hertz * at)
    # The energy of each tone in each frame; a blank wins where there is neither.
    sums = np.kron(np.eye(len(TOKENS)), np.ones((1, 2))).astype(np.float32)
    blank = np.zeros((1, 1, len(TOKENS)), np.float32)
    blank[0, 0, 0] = 200.0
    weights = {"filters": filters, "sums": sums.T.copy(), "blank": blank}
    nodes = [
        helper.make_node("Unsqueeze", ["x", "axis"], ["wave"]),
        helper.make_node("Conv", ["wave", "filters"], ["tones"], strides=[FRAME]),
        helper.make_node("Mul", ["tones", "tones"], ["energies"]),
        helper.make_node("Transpose", ["energies"], ["by_frame"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["by_frame", "sums"], ["summed"]),
        helper.make_node("Add", ["summed", "blank"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", "T"])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", "frames", len(TOKENS)])],
        [
            *(numpy_helper.from_array(values, name) for name, values in weights.items()),
            numpy_helper.from_array(np.array([1], np.int64), "axis"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, str(folder / "model.int8.onnx"))
    (folder / "tokens.txt").write_text("".join(f"{token} {number}\n" for number, token in enumerate(TOKENS)))


def write_another_model(folder: Path) -> None:
    """Write a model that is sound and does something else."""
    text = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("a", "b")]
    graph = helper.make_graph([helper.make_node("Identity", ["a"], ["b"])], "another", text[:1], text[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, str(folder / "model.int8.onnx"))
    (folder / "tokens.txt").write_text("a 0\nb 1\n")

"""A voice of VITS' shape and of no use: for each letter 50 ms of a tone; a pause where there is a blank.

It has the inputs, the output and the marks of the voices that sherpa-onnx publishes, so that the library and all that
feeds it run as they do with one of those.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

RATE_HZ = 16_000
LETTER = RATE_HZ // 20
TONE_HZ = 200
LETTERS = "_ abcdefghijklmnopqrstuvwxyz'-"
MARKS = {
    "model_type": "vits", "frontend": "characters", "comment": "mms", "language": "Somali",
    "sample_rate": str(RATE_HZ), "n_speakers": "0", "add_blank": "0", "punctuation": "",
}  # fmt: skip


def write_tiny_voice(folder: Path, marks: dict[str, str] | None = None, *, level: float = 0.4) -> None:
    """Write model and tokens as they are published; `marks` are the model's own notes of what it is.

    With a `level` of 0 it makes nothing but silence.
    """
    tone = (level * np.sin(2 * np.pi * TONE_HZ * np.arange(LETTER) / RATE_HZ)).astype(np.float32)
    constants = {"one": [1], "two": [2], "form": [1, 1, -1]}
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Slice", ["shape", "one", "two"], ["letters"]),
        helper.make_node("Tile", ["tone", "letters"], ["tones"]),
        helper.make_node("Reshape", ["tones", "form"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [
            helper.make_tensor_value_info("x", TensorProto.INT64, ["N", "L"]),
            helper.make_tensor_value_info("x_length", TensorProto.INT64, ["N"]),
            *(
                helper.make_tensor_value_info(name, TensorProto.FLOAT, [1])
                for name in ("noise_scale", "length_scale", "noise_scale_w")
            ),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1, "T"])],
        [
            numpy_helper.from_array(tone, "tone"),
            *(numpy_helper.from_array(np.array(values, np.int64), name) for name, values in constants.items()),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    helper.set_model_props(model, MARKS if marks is None else marks)
    onnx.save(model, str(folder / "model.onnx"))
    (folder / "tokens.txt").write_text("".join(f"{letter} {number}\n" for number, letter in enumerate(LETTERS)))

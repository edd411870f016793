"""A perceptron as an ONNX file, for onnxruntime and what else reads the format. It needs the package onnx."""

import numpy as np

from .errors import StraitError
from .tensors import put

# onnx writes its newest version of the format, which runtimes of the same month may not read.
_FORMAT, _OPERATIONS = 10, 17


def write_onnx(path, mlp, event):
    """Writes `velocity(x, t)`, or of a flow map `average_velocity(x, s, t)`, of float32 samples (B, *event) and times (B,)."""
    try:
        import onnx
        from onnx import TensorProto, helper, numpy_helper
    except ImportError as error:
        raise StraitError(f"{path}: the package onnx is needed to write it; pip install onnx") from error
    if mlp.condition:
        raise StraitError(f"{path}: a velocity under a condition is not written as ONNX")
    nodes, constants = [], []

    def constant(name, array):
        constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def apply(operation, inputs, name, **attributes):
        nodes.append(helper.make_node(operation, inputs, [name], name, **attributes))
        return name

    def features(t):
        column = apply("Unsqueeze", [t, "one"], f"{t}.column")
        if not mlp.time_octaves:
            return [column]
        angle = apply("Mul", [column, "frequencies"], f"{t}.angle")
        return [column, apply("Sin", [angle], f"{t}.sin"), apply("Cos", [angle], f"{t}.cos")]

    constant("one", np.array([1]))
    constant("event", np.array([-1, *event]))
    constant("flat", np.array([-1, mlp.dimension]))
    if mlp.time_octaves:
        constant("frequencies", (2.0 ** np.arange(mlp.time_octaves) * np.pi).astype("f4"))
    # The second time of a flow map enters as what is left of it.
    times = ["s", apply("Sub", ["t", "s"], "span")] if mlp.is_flow_map else ["t"]
    h = apply("Concat", [apply("Reshape", ["x", "flat"], "x.flat"), *(f for t in times for f in features(t))], "seen", axis=1)
    for i, (weight, bias) in enumerate(mlp.layers):
        if i:
            h = _activation(mlp.name_of_activation, h, i, apply)
        h = apply("Gemm", [h, constant(f"{i}.weight", weight), constant(f"{i}.bias", bias)], f"{i}.sum", transB=1)
    result = "average_velocity" if mlp.is_flow_map else "velocity"
    apply("Reshape", [h, "event"], result)

    def value(name, *shape):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *shape])

    inputs = [value("x", *event), *(value(t) for t in (["s", "t"] if mlp.is_flow_map else ["t"]))]
    graph = helper.make_graph(nodes, result, inputs, [value(result, *event)], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPERATIONS)], ir_version=_FORMAT)
    onnx.checker.check_model(model, full_check=True)
    put(path, model.SerializeToString(deterministic=True))


def _activation(name, h, i, apply):
    if name == "silu":
        return apply("Mul", [h, apply("Sigmoid", [h], f"{i}.gate")], f"{i}.seen")
    return apply({"selu": "Selu", "tanh": "Tanh"}[name], [h], f"{i}.seen")

"""A network as an ONNX file, for onnxruntime and what else reads the format. It needs the package onnx."""

import numpy as np

from .errors import StraitError
from .operations import Operations
from .tensors import put

# onnx writes its newest version of the format, which runtimes of the same month may not read.
_FORMAT, _OPERATIONS = 10, 17


def write_onnx(path, network, event):
    """Writes `velocity(x, t)`, or of a flow map `average_velocity(x, s, t)`, of float32 samples (B, *event) and times (B,).

    A network with a condition takes that as its last input, `condition`: labels (B,) of int64, -1 for none, or vectors (B, n)
    of float32, with NaN for none.
    """
    try:
        import onnx
        from onnx import TensorProto, helper
    except ImportError as error:
        raise StraitError(f"{path}: the package onnx is needed to write it; pip install onnx") from error
    times = ["s", "t"] if network.is_flow_map else ["t"]
    result = "average_velocity" if network.is_flow_map else "velocity"
    graph = _Graph()
    given = network.condition.trace(graph, "condition") if network.condition else None
    graph.node("Identity", [network.trace(graph, "x", times, given, event)], result)

    def value(name, *shape, kind=TensorProto.FLOAT):
        return helper.make_tensor_value_info(name, kind, ["batch", *shape])

    inputs, outputs = [value("x", *event), *map(value, times)], [value(result, *event)]
    if network.condition:
        kind = TensorProto.FLOAT if network.condition.event else TensorProto.INT64
        inputs.append(value("condition", *network.condition.event, kind=kind))
    graph = helper.make_graph(graph.nodes, result, inputs, outputs, graph.constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPERATIONS)], ir_version=_FORMAT)
    onnx.checker.check_model(model, full_check=True)
    put(path, model.SerializeToString(deterministic=True))


class _Graph(Operations):
    """Nodes and constants; what an operation takes and gives are names."""

    def __init__(self):
        self.nodes, self.constants, self.kept = [], [], {}

    def node(self, operation, inputs, name=None, **attributes):
        from onnx import helper

        name = name or f"{operation.lower()}.{len(self.nodes)}"
        self.nodes.append(helper.make_node(operation, inputs, [name], name, **attributes))
        return name

    def constant(self, array, kind=np.float32):
        from onnx import numpy_helper

        array = np.ascontiguousarray(array, kind)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self.kept:
            self.kept[key] = f"constant.{len(self.constants)}"
            self.constants.append(numpy_helper.from_array(array, self.kept[key]))
        return self.kept[key]

    def add(self, a, b):
        return self.node("Add", [a, b])

    def sub(self, a, b):
        return self.node("Sub", [a, b])

    def mul(self, a, b):
        return self.node("Mul", [a, b])

    def matmul(self, a, b):
        return self.node("MatMul", [a, b])

    def concat(self, parts, axis):
        return self.node("Concat", parts, axis=axis)

    def reshape(self, x, shape):
        return self.node("Reshape", [x, self.constant(shape, np.int64)])

    def transpose(self, x, axes):
        return self.node("Transpose", [x], perm=axes)

    def part(self, x, axis, start, stop):
        return self.node("Slice", [x, *(self.constant([n], np.int64) for n in (start, stop, axis))])

    def mean(self, x, axis):
        return self.node("ReduceMean", [x], axes=[axis], keepdims=1)

    def rsqrt(self, x):
        return self.node("Reciprocal", [self.node("Sqrt", [x])])

    def sigmoid(self, x):
        return self.node("Sigmoid", [x])

    def erf(self, x):
        return self.node("Erf", [x])

    def sin(self, x):
        return self.node("Sin", [x])

    def cos(self, x):
        return self.node("Cos", [x])

    def tanh(self, x):
        return self.node("Tanh", [x])

    def selu(self, x):
        return self.node("Selu", [x])

    def softmax(self, x):
        return self.node("Softmax", [x], axis=-1)

    def row_after(self, table, numbers):
        return self.node("Gather", [table, self.add(numbers, self.constant(1, np.int64))], axis=0)

    def is_nan(self, x):
        return self.node("IsNaN", [x])

    def choose(self, which, a, b):
        return self.node("Where", [which, a, b])

    def conv(self, x, weight, bias, stride=1):
        around, inputs = weight.shape[-1] // 2, [x, self.constant(weight), self.constant(bias)]
        return self.node("Conv", inputs, pads=[around] * 4, strides=[stride] * 2)

#!/usr/bin/env bash
# onnxruntime has Tanh, Sigmoid, Sin and Swish in double precision, and not Softplus, Elu, Selu, Erf or Gelu: a checked model does not load.
#
# Expected: what onnx.checker passes in full, onnxruntime's CPU provider computes, or it refuses double precision as a whole.
# Seen: onnx 1.23.2, onnxruntime 1.32.0: of one-node models of tensor(double), all passed by check_model(full_check=True), Tanh, Sigmoid, Sin,
# Exp, Softmax and Swish run; Softplus, Elu, Selu, Erf, Gelu and LeakyRelu end in NOT_IMPLEMENTED when the session is made. In float all run.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'END'
import numpy as np, onnx, onnxruntime
from onnx import TensorProto, helper

def runs(operation, kind):
    x, y = (helper.make_tensor_value_info(name, kind, ["n", 2]) for name in "xy")
    graph = helper.make_graph([helper.make_node(operation, ["x"], ["y"])], "one", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 24)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    except Exception as error:
        assert "NOT_IMPLEMENTED" in str(error), error
        return False
    session.run(None, {"x": np.zeros((1, 2), np.float64 if kind == TensorProto.DOUBLE else np.float32)})
    return True
there = "Tanh Sigmoid Sin Exp Softmax Swish".split()
missing = "Softplus Elu Selu Erf Gelu LeakyRelu".split()
in_double = {operation: runs(operation, TensorProto.DOUBLE) for operation in there + missing}
print("in double:", in_double)
assert all(runs(operation, TensorProto.FLOAT) for operation in there + missing)
assert in_double == {operation: operation in there for operation in there + missing}
END

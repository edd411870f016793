"""`python -m strait.export RUN FILE.onnx`: writes a run's velocity or flow map, and holds the file to onnxruntime.

`cargo xtask export` calls it with the packages that it needs.
"""

import sys
from pathlib import Path

import numpy as np

from .errors import StraitError
from .run import Run

_POINTS, _TOLERANCE = 16, 1e-5


def export(run, path):
    """Writes the file and returns a line that says what it is, and how far onnxruntime's outputs are from the run's own."""
    run, path = Run(run), Path(path)
    if path.suffix != ".onnx":
        raise StraitError(f"{path}: the name of the file ends in .onnx")
    velocity = run.velocity()
    whole = path.with_name(f".{path.name}.partial")
    try:
        run.write_onnx(whole)
        signature, off = _off(velocity, whole)
        if not off <= _TOLERANCE:
            raise StraitError(f"{path}: onnxruntime's outputs are off by {off:.1e} of the run's own: nothing is written")
        whole.replace(path)
    finally:
        whole.unlink(missing_ok=True)
    return f"{path}: {signature}, in the units that the run is trained in; onnxruntime is within {off:.1e} of it"


def _off(velocity, path):
    """The inputs and outputs of a file, and the largest difference from the network, relative to its largest output."""
    try:
        import onnxruntime
    except ImportError as error:
        raise StraitError(f"{path}: the package onnxruntime is needed to check it; pip install onnxruntime") from error
    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    draws = np.random.default_rng(0)
    (output,) = session.get_outputs()
    shape = [_POINTS if isinstance(n, str) else n for n in session.get_inputs()[0].shape]
    x = draws.normal(size=shape).astype("f4")
    times = np.sort(draws.uniform(size=(2, _POINTS)).astype("f4"), axis=0)
    given = {"x": x, "s": times[0], "t": times[1]} if velocity.is_flow_map else {"x": x, "t": times[1]}
    if velocity.condition:
        given["condition"] = _conditions(velocity.condition, draws)
    own = velocity.average_velocity(*given.values()) if velocity.is_flow_map else velocity(*given.values())
    (found,) = session.run([output.name], given)
    names = ", ".join(f"{entry.name} {tuple(entry.shape)}" for entry in session.get_inputs())
    off = np.abs(found.reshape(own.shape) - own).max() / np.abs(own).max()
    return f"{output.name} of {names}".replace("'", ""), float(off)


def _conditions(of, draws):
    """Of every kind, none among them."""
    if not of.event:
        return draws.permutation(np.arange(_POINTS) % (len(of.classes) + 1) - 1)
    vectors = draws.normal(size=(_POINTS, *of.event)).astype("f4")
    vectors[::3] = np.nan
    return vectors


def main(arguments):
    if len(arguments) != 2:
        print("usage: python -m strait.export RUN FILE.onnx", file=sys.stderr)
        return 2
    try:
        print(export(*arguments))
    except StraitError as error:
        print(f"strait: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

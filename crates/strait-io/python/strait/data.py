"""Data files that `train --data` reads."""

import io
from pathlib import Path

import numpy as np

from .errors import StraitError
from .tensors import put


def write_data(path, train, test=None, validation=None, **labels):
    """Writes points to an `.npz` for `train --data PATH`; the first axis is the sample.

    With `train` alone the file has one array `data`, which the run's seed splits 8 : 1 : 1. Labels, one whole number a sample,
    are `train_labels`, `validation_labels` and `test_labels`, or `labels` beside `train` alone.
    """
    path = Path(path)
    if path.suffix != ".npz":
        raise StraitError(f"{path}: the name of a data file ends in .npz")
    if test is None and validation is not None:
        raise StraitError(f"{path}: where there is a validation split there is a test split")
    splits = {"train": train, "validation": validation, "test": test}
    points = {"data": train} if test is None else {name: x for name, x in splits.items() if x is not None}
    names = {"data": "labels"} if test is None else {name: f"{name}_labels" for name in points}
    arrays = {name: _points(path, name, x) for name, x in points.items()}
    events = {name: x.shape[1:] for name, x in arrays.items()}
    if len(set(events.values())) > 1:
        raise StraitError(f"{path}: the samples of the splits differ in shape: {events}")
    for name, of in labels.items():
        split = next((split for split, known in names.items() if known == name), None)
        if split is None:
            raise StraitError(f"{path}: `{name}` is no array of labels here; there are: {', '.join(names.values())}")
        of = np.asarray(of)
        if of.dtype.kind not in "iu" or of.shape != arrays[split].shape[:1]:
            found = f"{of.dtype} of shape {of.shape}"
            raise StraitError(f"{path}: `{name}` is {found}; labels are whole numbers, ({len(arrays[split])},)")
        arrays[name] = of.astype(np.int64)
    whole = io.BytesIO()
    np.savez(whole, **arrays)
    put(path, whole.getvalue())
    return path


def _points(path, name, x):
    x = np.asarray(x)
    if x.dtype.kind not in "fiu" or x.dtype.itemsize > 8:
        raise StraitError(f"{path}: `{name}` is {x.dtype}; points are real numbers, as float32")
    if x.ndim < 2 or 0 in x.shape:
        raise StraitError(f"{path}: `{name}` has shape {x.shape}; points are (n, ...), one row a sample")
    finite = np.isfinite(x).reshape(len(x), -1).all(1)
    if not finite.all():
        raise StraitError(f"{path}: row {int(np.argmin(finite))} of `{name}` is not finite; leave such rows out")
    return np.ascontiguousarray(x)

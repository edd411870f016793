"""Named tensors in safetensors files, bit for bit."""

import os
from pathlib import Path

import numpy as np
import safetensors
import safetensors.numpy

from .errors import StraitError

# Of a file to numpy. BF16 is apart: numpy has no such kind.
_READ = {
    "BOOL": np.dtype("bool"),
    "U8": np.dtype("u1"),
    "I8": np.dtype("i1"),
    "I16": np.dtype("<i2"),
    "I32": np.dtype("<i4"),
    "I64": np.dtype("<i8"),
    "F16": np.dtype("<f2"),
    "F32": np.dtype("<f4"),
    "F64": np.dtype("<f8"),
}


def read_tensors(path):
    """The tensors of a safetensors file, a dict of arrays in the order of their names; bfloat16 as float32."""
    path = Path(path)
    try:
        entries = safetensors.deserialize(path.read_bytes())
    except OSError as error:
        raise StraitError(f"{path}: {error.strerror}") from error
    except safetensors.SafetensorError as error:
        raise StraitError(f"{path}: it is damaged, or no safetensors file ({error})") from error
    return {name: _array(path, name, entry) for name, entry in sorted(entries)}


def _array(path, name, entry):
    shape, data = entry["shape"], entry["data"]
    if entry["dtype"] == "BF16":
        # The upper half of a float32.
        wide = np.frombuffer(data, "<u2").astype("<u4") << 16
        return wide.view("<f4").reshape(shape)
    if entry["dtype"] not in _READ:
        raise StraitError(f"{path}: tensor `{name}` is {entry['dtype']}; save it as F32")
    return np.frombuffer(data, _READ[entry["dtype"]]).reshape(shape).copy()


def write_tensors(path, tensors):
    """Writes arrays under their names. The file appears whole or not at all.

    Without metadata, which safetensors would write in another order each time: equal arrays are equal files.
    """
    path = Path(path)
    arrays = {}
    for name in sorted(tensors):
        array = np.asarray(tensors[name])
        if array.dtype.newbyteorder("<") not in _READ.values():
            raise StraitError(f"{path}: tensor `{name}` is {array.dtype}, which Strait does not read; make it float32")
        # safetensors 0.8 writes memory as it lies: rows first, and the low byte first.
        arrays[name] = np.array(array, array.dtype.newbyteorder("<"), order="C")
    put(path, safetensors.numpy.save(arrays))


def put(path, data):
    """Writes bytes under a temporary name and renames the file."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise StraitError(f"{path}: {error.strerror}") from error

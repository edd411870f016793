"""Runs that Strait has trained, read in Python; and data files that Strait reads.

    import strait
    run = strait.Run("runs/moons")
    samples = run.sample(1000, evaluations=4)   # in the data's own units
    loss = run.metrics()                        # a pandas data frame, or a dict of arrays without pandas
    module = run.module()                       # a torch.nn.Module, where torch is installed

numpy and safetensors are all that it needs.
"""

from .data import write_data
from .errors import StraitError
from .run import Run
from .tensors import read_tensors, write_tensors

__all__ = ["Run", "StraitError", "read_tensors", "write_data", "write_tensors"]

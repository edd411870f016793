"""Networks as functions of numpy arrays, and the multilayer perceptron of `strait-nets`."""

import numpy as np

from .errors import StraitError
from .operations import NUMPY

ACTIVATIONS = ("silu", "selu", "tanh")


class Condition:
    """One of so many classes, labels (B,), or a vector (B, n); and a vector of its own for none: (B, width).

    A sample has none where its label is -1, or where its vector begins with NaN.
    """

    def __init__(self, parameters):
        self.none = parameters["none"]
        self.classes = parameters.get("classes")
        self.vector = None if self.classes is not None else (parameters["vector.weight"], parameters["vector.bias"])
        #: Of each sample.
        self.event = () if self.vector is None else self.vector[0].shape[1:]

    def __call__(self, condition, batch, path):
        if condition is None:
            return np.broadcast_to(self.none, (batch, len(self.none)))
        condition = np.asarray(condition)
        if self.vector is not None:
            if condition.shape != (batch, *self.event):
                raise StraitError(f"{path}: the condition is {condition.shape}, not ({batch}, {self.event[0]})")
            return self.trace(NUMPY, condition.astype(np.float32))
        classes = len(self.classes)
        if condition.dtype.kind not in "iu" or condition.shape != (batch,):
            raise StraitError(f"{path}: the condition is {condition.dtype} {condition.shape}, not ({batch},) of whole numbers")
        condition = condition.astype(np.int64)
        if strange := sorted(set(condition.tolist()) - set(range(-1, classes))):
            raise StraitError(f"{path}: the {classes} classes are 0 to {classes - 1}, or -1 for none, and a label is {strange[-1]}")
        return self.trace(NUMPY, condition)

    def trace(self, o, condition):
        """Of labels, or of vectors."""
        if self.vector is None:
            return o.row_after(o.constant(np.concatenate([self.none[None], self.classes])), condition)
        none = o.is_nan(o.part(condition, 1, 0, 1))
        return o.choose(none, o.constant(self.none[None]), o.linear(condition, *self.vector))


def layers(parameters, path):
    """[(weight, bias), ...] of `0.weight`, `0.bias`, `1.weight`, ..., checked to fit together."""
    found = []
    while f"{len(found)}.weight" in parameters:
        i = len(found)
        weight, bias = parameters[f"{i}.weight"], parameters.get(f"{i}.bias")
        for name, tensor in ((f"{i}.weight", weight), (f"{i}.bias", bias)):
            if tensor is not None and tensor.dtype != np.float32:
                raise StraitError(f"{path}: tensor `{name}` is {tensor.dtype}; a run's parameters are float32")
        before = found[-1][0].shape[0] if found else weight.shape[-1]
        if weight.ndim != 2 or bias is None or bias.shape != weight.shape[:1] or weight.shape[1] != before:
            raise StraitError(f"{path}: `{i}.weight` {weight.shape} and `{i}.bias` fit neither each other nor the layer before")
        found.append((weight, bias))
    strange = [name for name in parameters if name not in {f"{i}.{of}" for i in range(len(found)) for of in ("weight", "bias")}]
    if not found or strange:
        raise StraitError(f"{path}: these are no layers of a perceptron: {', '.join(strange) or 'no `0.weight`'}")
    return found


class Network:
    """v(x, t) over a batch: `network(x, t)`, with x (B, ...) and t (B,) of float32.

    Of a flow map also `average_velocity(x, s, t)`, of which the velocity is the diagonal, and `carry(x, s, t)`. Each takes a
    `condition` where the run has one: labels (B,), or vectors (B, n); see `Condition` for none of it. A subclass says by `trace` how it is computed.
    """

    condition, is_flow_map = None, False

    def __call__(self, x, t, condition=None):
        return self.average_velocity(x, t, t, condition) if self.is_flow_map else self._evaluate(x, (t,), condition)

    def average_velocity(self, x, s, t, condition=None):
        """u(x, s, t), with which x is carried from time s to t."""
        if not self.is_flow_map:
            raise StraitError("a velocity of one time has no average; train with velocity.map = true")
        return self._evaluate(x, (s, t), condition)

    def carry(self, x, s, t, condition=None):
        """x + (t - s) u(x, s, t)."""
        x, span = np.asarray(x, np.float32), np.subtract(t, s).astype(np.float32)
        return x + span.reshape(-1, *(1,) * (x.ndim - 1)) * self.average_velocity(x, s, t, condition)

    def _evaluate(self, x, times, condition):
        x, times = np.asarray(x, np.float32), [np.asarray(t, np.float32) for t in times]
        if not self.takes(x.shape[1:]) or any(t.shape != (len(x),) for t in times):
            shapes = [t.shape for t in times]
            raise StraitError(f"x is {x.shape} and times are {shapes}; x is {self.shape}, times (B,)")
        vector = None
        if self.condition:
            vector = self.condition(condition, len(x), self.path)
        elif condition is not None:
            raise StraitError(f"{self.path}: it takes no condition")
        return self.trace(NUMPY, x, times, vector, x.shape[1:])


class Mlp(Network):
    """A perceptron over a sample of any shape, flattened, and features of its times; a flow map's second time enters as t - s."""

    def __init__(self, parameters, activation="silu", time_octaves=0, is_flow_map=False, path="the velocity"):
        if activation not in ACTIVATIONS:
            raise StraitError(f"{path}: no activation is called {activation}; there are: {', '.join(ACTIVATIONS)}")
        of_condition = {name[10:]: tensor for name, tensor in parameters.items() if name.startswith("condition.")}
        self.condition = Condition(of_condition) if of_condition else None
        self.layers = layers({name: x for name, x in parameters.items() if not name.startswith("condition.")}, path)
        self.path, self.activation = path, activation
        self.time_octaves = time_octaves
        self.is_flow_map = is_flow_map
        self.dimension = self.layers[-1][0].shape[0]
        self.shape = f"(B, ...) with {self.dimension} in all"
        seen = self.dimension + (1 + is_flow_map) * (1 + 2 * time_octaves)
        seen += len(self.condition.none) if self.condition else 0
        if self.layers[0][0].shape[1] != seen:
            raise StraitError(f"{path}: `0.weight` sees {self.layers[0][0].shape[1]} numbers, not the {seen} of x and its times")

    def takes(self, event):
        return np.prod(event, dtype=int) == self.dimension

    def trace(self, o, x, times, condition, event):
        times = [times[0], *(o.sub(t, times[0]) for t in times[1:])]
        parts = [o.reshape(x, (-1, self.dimension)), *(o.time_features(t, self.time_octaves) for t in times)]
        h = o.concat(parts if condition is None else [*parts, condition], 1)
        for i, (weight, bias) in enumerate(self.layers):
            h = o.linear(getattr(o, self.activation)(h) if i else h, weight, bias)
        return o.reshape(h, (-1, *event))

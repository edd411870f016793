"""The multilayer perceptron of `strait-nets`, in numpy."""

import numpy as np

from .errors import StraitError

_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772, 1.0507009873554805


def _silu(x):
    # exp overflows where the result is 0 all the same.
    with np.errstate(over="ignore"):
        return x / (1 + np.exp(-x))


def _selu(x):
    return _SELU_SCALE * np.where(x > 0, x, _SELU_ALPHA * np.expm1(np.minimum(x, 0)))


ACTIVATIONS = {"silu": _silu, "selu": _selu, "tanh": np.tanh}


def time_features(t, octaves):
    """t, and sin(2^k pi t), cos(2^k pi t) for k below `octaves`: (B,) to (B, 1 + 2 octaves)."""
    t = t[:, None]
    if not octaves:
        return t
    angle = t * (2.0 ** np.arange(octaves) * np.pi).astype(t.dtype)
    return np.concatenate([t, np.sin(angle), np.cos(angle)], 1)


class Condition:
    """One of so many classes, labels (B,), or a vector (B, n); and a vector of its own for none: (B, width)."""

    def __init__(self, parameters):
        self.none = parameters["none"]
        self.classes = parameters.get("classes")
        self.vector = None if self.classes is not None else (parameters["vector.weight"], parameters["vector.bias"])

    def __call__(self, condition, batch, path):
        if condition is None:
            return np.broadcast_to(self.none, (batch, len(self.none)))
        condition = np.asarray(condition)
        if self.vector is not None:
            weight, bias = self.vector
            if condition.shape != (batch, weight.shape[1]):
                raise StraitError(f"{path}: the condition is {condition.shape}, not ({batch}, {weight.shape[1]})")
            return condition.astype(np.float32) @ weight.T + bias
        classes = len(self.classes)
        if condition.dtype.kind not in "iu" or condition.shape != (batch,):
            raise StraitError(f"{path}: the condition is {condition.dtype} {condition.shape}, not ({batch},) of whole numbers")
        if batch and not (0 <= condition.min() and condition.max() < classes):
            raise StraitError(f"{path}: the {classes} classes are 0 to {classes - 1}, and labels reach {condition.max()}")
        return self.classes[condition]


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


def of_config(config, parameters, path="the velocity"):
    """The network of a `[velocity]` with its parameters."""
    family = config.get("family", "mlp")
    if family != "mlp":
        raise StraitError(f"{path}: a {family} is not computed in numpy; take Run.module(), or the program's `sample`")
    mlp = Mlp(
        parameters,
        activation=config.get("activation", "silu"),
        time_octaves=config.get("time_octaves", 0),
        is_flow_map=config.get("map", False),
        path=path,
    )
    if "hidden" in config and [weight.shape[0] for weight, _ in mlp.layers[:-1]] != list(config["hidden"]):
        raise StraitError(f"{path}: the layers are not of the widths {config['hidden']} that the config says")
    return mlp


class Mlp:
    """v(x, t) over samples of any shape, flattened: `mlp(x, t)`, with x (B, ...) and t (B,) of float32.

    Of a flow map also `average_velocity(x, s, t)`, of which the velocity is the diagonal, and `carry(x, s, t)`. Each takes a
    `condition` where the run has one: labels (B,), or vectors (B, n).
    """

    def __init__(self, parameters, activation="silu", time_octaves=0, is_flow_map=False, path="the velocity"):
        if activation not in ACTIVATIONS:
            raise StraitError(f"{path}: no activation is called {activation}; there are: {', '.join(ACTIVATIONS)}")
        of_condition = {name[10:]: tensor for name, tensor in parameters.items() if name.startswith("condition.")}
        self.condition = Condition(of_condition) if of_condition else None
        self.layers = layers({name: x for name, x in parameters.items() if not name.startswith("condition.")}, path)
        self.path = path
        self.name_of_activation, self.activation = activation, ACTIVATIONS[activation]
        self.time_octaves = time_octaves
        self.is_flow_map = is_flow_map
        self.dimension = self.layers[-1][0].shape[0]
        seen = self.dimension + (1 + is_flow_map) * (1 + 2 * time_octaves)
        seen += len(self.condition.none) if self.condition else 0
        if self.layers[0][0].shape[1] != seen:
            raise StraitError(f"{path}: `0.weight` sees {self.layers[0][0].shape[1]} numbers, not the {seen} of x and its times")

    def __call__(self, x, t, condition=None):
        return self.average_velocity(x, t, t, condition) if self.is_flow_map else self._evaluate(x, (t,), condition)

    def average_velocity(self, x, s, t, condition=None):
        """u(x, s, t), with which x is carried from time s to t."""
        if not self.is_flow_map:
            raise StraitError("a velocity of one time has no average; train with velocity.map = true")
        return self._evaluate(x, (s, np.subtract(t, s)), condition)

    def carry(self, x, s, t, condition=None):
        """x + (t - s) u(x, s, t)."""
        x, span = np.asarray(x, np.float32), np.subtract(t, s).astype(np.float32)
        return x + span.reshape(-1, *(1,) * (x.ndim - 1)) * self.average_velocity(x, s, t, condition)

    def _evaluate(self, x, times, condition):
        x = np.asarray(x, np.float32)
        flat = x.reshape(len(x), -1)
        times = [np.asarray(t, np.float32) for t in times]
        if flat.shape[1] != self.dimension or any(t.shape != (len(x),) for t in times):
            shapes = [t.shape for t in times]
            raise StraitError(f"x is {x.shape} and times are {shapes}; x is (B, ...) with {self.dimension} in all, times (B,)")
        parts = [flat, *(time_features(t, self.time_octaves) for t in times)]
        if self.condition:
            parts.append(self.condition(condition, len(x), self.path))
        elif condition is not None:
            raise StraitError(f"{self.path}: it takes no condition")
        h = np.concatenate(parts, 1)
        for i, (weight, bias) in enumerate(self.layers):
            h = (self.activation(h) if i else h) @ weight.T + bias
        return h.reshape(x.shape)

"""Following a velocity, or taking a flow map's steps, in numpy."""

import numpy as np


def integrate(velocity, x, evaluations, condition=None):
    """x_0 carried from t = 0 to 1 in equal steps: by Euler's method, or by maps x + (t - s) u(x, s, t)."""
    times = np.linspace(0, 1, evaluations + 1).astype(x.dtype)
    for s, t in zip(times[:-1], times[1:]):
        start = np.full(len(x), s)
        if velocity.is_flow_map:
            u = velocity.average_velocity(x, start, np.full(len(x), t), condition)
        else:
            u = velocity(x, start, condition)
        x = x + (t - s) * u
    return x


def put_back(z, units):
    """Samples in the data's own units, as the program puts them back: constants are constant, whole numbers whole."""
    units = {name: tensor.astype(np.float64) for name, tensor in units.items()}
    x = units["mean"] + units["scale"] * z.astype(np.float64)
    if "constant" in units:
        x = np.where(units["constant"] > 0, units["mean"], x)
    if "step" in units:
        step = np.where(units["step"] > 0, units["step"], 1)
        whole = step * (np.floor if "down" in units else np.round)(x / step)
        if "least" in units:
            whole = np.clip(whole, units["least"], units["greatest"])
        x = np.where(units["step"] > 0, whole, x)
    return x

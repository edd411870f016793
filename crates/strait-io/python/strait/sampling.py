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

"""Whole training steps and sampling in JAX, compiled by jax.jit over jax.lax.scan: the peer of benches/peer_training_step.rs,
benches/peer_sampling.rs and benches/flow_map_step.rs.

Answers each line of standard input with the seconds that it took, compilation left out:

- `velocity COUNT`: steps of a 3x64 MLP of a point and a time on the flow-matching loss, with a moving average;
- `flow_matching SHARE COUNT`, `lagrangian SHARE COUNT`, `mean_flow SHARE COUNT`: steps of a 3x64 flow map of a point and two
  times, a part SHARE of the batch off the diagonal;
- `sample POINTS REPEATS`: 100 Euler steps through a 3x64 SELU MLP.

    pip install jax==0.7.2
"""
import os
import sys
import time
from functools import partial

# JAX 0.7.2 computes by as many threads as it may have cores, whatever these say: findings/jax-flags-of-one-thread.sh.
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

import jax
import jax.numpy as jnp

jax.config.update("jax_platforms", "cpu")
BATCH, DIMENSION, WIDTH, RATE, DECAY, CLIP = 512, 2, 64, 1e-4, 1e-2, 1.0
HALF_LIFE, EULER = 700.0, 100
angles = jnp.arange(8) * jnp.pi / 4
centres = 5.0 * jnp.stack([jnp.cos(angles), jnp.sin(angles)], 1)


def start(key, times):
    """A 3x64 MLP of points and some times."""
    widths = [DIMENSION + times, WIDTH, WIDTH, WIDTH, DIMENSION]
    layers = []
    for i, o in zip(widths, widths[1:]):
        key, weight, bias = jax.random.split(key, 3)
        bound = i**-0.5
        layers.append((
            jax.random.uniform(weight, (i, o), minval=-bound, maxval=bound),
            jax.random.uniform(bias, (o,), minval=-bound, maxval=bound),
        ))
    return layers


def perceptron(layers, activation, *parts):
    """Of points (n, 2) and times (n, 1)."""
    x = jnp.concatenate(parts, 1)
    for weight, bias in layers[:-1]:
        x = activation(x @ weight + bias)
    weight, bias = layers[-1]
    return x @ weight + bias


def strata(key, n):
    """Times (n, 1), each uniform in its own n-th of the unit interval."""
    return (jnp.arange(n)[:, None] + jax.random.uniform(key, (n, 1))) / max(n, 1)


def loss(layers, key, objective, off):
    """Draws of data, source and times; the linear path; the objective with `off` pairs off the diagonal."""
    keys = jax.random.split(key, 6)
    x1 = centres[jax.random.randint(keys[0], (BATCH,), 0, 8)] + 0.316 * jax.random.normal(keys[1], (BATCH, DIMENSION))
    x0 = jax.random.normal(keys[2], (BATCH, DIMENSION))
    on = BATCH - off
    a, b = strata(keys[3], BATCH), strata(keys[4], off)
    s = jnp.concatenate([a[:on], jnp.minimum(a[on:], b)])
    later = jnp.maximum(a[on:], b)
    x, velocity = (1 - s) * x0 + s * x1, x1 - x0
    average = partial(perceptron, layers, jax.nn.silu)
    if objective == "velocity":
        return jnp.square(average(x, s) - velocity).sum(1).mean()
    if objective == "flow_matching":
        return jnp.square(average(x, s, s) - velocity).sum(1).mean()
    x_off, v_off, s_off = x[on:], velocity[on:], s[on:]
    if objective == "mean_flow":
        tangents = (v_off, jnp.ones_like(s_off))
        _, slope = jax.jvp(lambda x, s: average(x, s, later), (x_off, s_off), tangents)
        target = jax.lax.stop_gradient(jnp.concatenate([velocity[:on], v_off + (later - s_off) * slope]))
        u = average(x, s, jnp.concatenate([s[:on], later]))
        return jnp.square(u - target).sum(1).mean()
    matched = jnp.square(average(x[:on], s[:on], s[:on]) - velocity[:on]).sum()
    carried = lambda t: x_off + (t - s_off) * average(x_off, s_off, t)
    to, slope = jax.jvp(carried, (later,), (jnp.ones_like(later),))
    field = jax.lax.stop_gradient(average(to, later, later))
    return (matched + jnp.square(slope - field).sum()) / BATCH


def step(objective, off, averaged, state, _):
    """A step, its gradient clipped, by AdamW; what a log takes in: the loss and the gradient's norm."""
    layers, first, second, mean, count, key = state
    key, own = jax.random.split(key)
    value, gradients = jax.value_and_grad(loss)(layers, own, objective, off)
    norm = jnp.sqrt(sum(jnp.square(g).sum() for g in jax.tree.leaves(gradients)))
    divisor = jnp.maximum(1.0, norm / CLIP)
    gradients = jax.tree.map(lambda g: g / divisor, gradients)
    count = count + 1
    first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, gradients)
    second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, gradients)
    unbiased = (1 - 0.9**count, 1 - 0.999**count)
    moved = lambda p, m, v: p * (1 - RATE * DECAY) - RATE * (m / unbiased[0]) / (jnp.sqrt(v / unbiased[1]) + 1e-8)
    layers = jax.tree.map(moved, layers, first, second)
    if averaged:
        weight = jnp.maximum(1 - 2 ** (-1 / HALF_LIFE), 1 / count)
        mean = jax.tree.map(lambda m, p: m + weight * (p - m), mean, layers)
    return (layers, first, second, mean, count, key), (value, norm)


class Steps:
    """So many steps of one objective, one after the other."""

    def __init__(self, objective, share, count):
        averaged = objective == "velocity"
        off = round(BATCH * share)
        one = partial(step, objective, off, averaged)
        self.run = jax.jit(lambda state: jax.lax.scan(one, state, None, length=count), donate_argnums=0)
        zeros = lambda: jax.tree.map(jnp.zeros_like, layers)
        layers = start(jax.random.PRNGKey(0), 1 if averaged else 2)
        self.state = (layers, zeros(), zeros(), zeros() if averaged else (), jnp.float32(0), jax.random.PRNGKey(1))

    def __call__(self):
        self.state, logged = self.run(self.state)
        jax.block_until_ready((self.state, logged))


class Sampling:
    """Euler steps of some points, some times over."""

    def __init__(self, points, repeats):
        self.layers, self.repeats = start(jax.random.PRNGKey(0), 1), repeats
        self.x = jax.random.normal(jax.random.PRNGKey(1), (points, DIMENSION))

        def euler(layers, x, t):
            return x + perceptron(layers, jax.nn.selu, x, jnp.full((points, 1), t)) / EULER, None

        times = jnp.arange(EULER) / EULER
        self.run = jax.jit(lambda layers, x: jax.lax.scan(partial(euler, layers), x, times)[0])

    def __call__(self):
        for _ in range(self.repeats):
            jax.block_until_ready(self.run(self.layers, self.x))


def made(line):
    """What a line asks for."""
    match line.split():
        case ["sample", points, repeats]:
            return Sampling(int(points), int(repeats))
        case ["velocity", count]:
            return Steps("velocity", 0.0, int(count))
        case [objective, share, count]:
            return Steps(objective, float(share), int(count))


known = {}
print(jax.__version__, flush=True)
for line in sys.stdin:
    if line not in known:
        known[line] = made(line)
        known[line]()
    begun = time.perf_counter()
    known[line]()
    print(time.perf_counter() - begun, flush=True)

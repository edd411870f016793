"""Training steps of a flow map in JAX, compiled by jax.jit: the peer of benches/flow_map_step.rs.

Reads `OBJECTIVE SHARE COUNT` on each line of standard input, OBJECTIVE one of `flow_matching`, `lagrangian` and `mean_flow`, SHARE
the part of a batch off the diagonal, and answers with the seconds that so many steps took, compilation left out.

    pip install jax==0.7.2
"""
import os
import sys
import time

os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

import jax
import jax.numpy as jnp

jax.config.update("jax_platforms", "cpu")
BATCH, DIMENSION, WIDTH, RATE, DECAY, CLIP = 512, 2, 64, 1e-4, 1e-2, 1.0
angles = jnp.arange(8) * jnp.pi / 4
centres = 5.0 * jnp.stack([jnp.cos(angles), jnp.sin(angles)], 1)


def start(key):
    """A 3x64 MLP of points and two times."""
    widths = [DIMENSION + 2, WIDTH, WIDTH, WIDTH, DIMENSION]
    layers = []
    for i, o in zip(widths, widths[1:]):
        key, weight, bias = jax.random.split(key, 3)
        bound = i**-0.5
        layers.append((
            jax.random.uniform(weight, (i, o), minval=-bound, maxval=bound),
            jax.random.uniform(bias, (o,), minval=-bound, maxval=bound),
        ))
    return layers


def average(layers, x, s, t):
    """u(x, s, t)."""
    x = jnp.concatenate([x, s, t], 1)
    for weight, bias in layers[:-1]:
        x = jax.nn.silu(x @ weight + bias)
    weight, bias = layers[-1]
    return x @ weight + bias


def loss(layers, key, objective, off):
    """Draws of data, source and times; the linear path; the objective with `off` pairs off the diagonal."""
    keys = jax.random.split(key, 6)
    x1 = centres[jax.random.randint(keys[0], (BATCH,), 0, 8)] + 0.316 * jax.random.normal(keys[1], (BATCH, DIMENSION))
    x0 = jax.random.normal(keys[2], (BATCH, DIMENSION))
    on = BATCH - off
    a, b = jax.random.uniform(keys[3], (BATCH, 1)), jax.random.uniform(keys[4], (off, 1))
    s = jnp.concatenate([a[:on], jnp.minimum(a[on:], b)])
    later = jnp.maximum(a[on:], b)
    x, velocity = (1 - s) * x0 + s * x1, x1 - x0
    if objective == "flow_matching":
        return jnp.square(average(layers, x, s, s) - velocity).sum(1).mean()
    x_off, v_off, s_off = x[on:], velocity[on:], s[on:]
    if objective == "mean_flow":
        tangents = (v_off, jnp.ones_like(s_off))
        _, slope = jax.jvp(lambda x, s: average(layers, x, s, later), (x_off, s_off), tangents)
        target = jax.lax.stop_gradient(jnp.concatenate([velocity[:on], v_off + (later - s_off) * slope]))
        u = average(layers, x, s, jnp.concatenate([s[:on], later]))
        return jnp.square(u - target).sum(1).mean()
    matched = jnp.square(average(layers, x[:on], s[:on], s[:on]) - velocity[:on]).sum()
    carried = lambda t: x_off + (t - s_off) * average(layers, x_off, s_off, t)
    to, slope = jax.jvp(carried, (later,), (jnp.ones_like(later),))
    field = jax.lax.stop_gradient(average(layers, to, later, later))
    return (matched + jnp.square(slope - field).sum()) / BATCH


def step(objective, off):
    """A step, its gradient clipped, by AdamW."""

    def taken(state, key):
        layers, first, second, count = state
        gradients = jax.grad(loss)(layers, key, objective, off)
        norm = jnp.sqrt(sum(jnp.square(g).sum() for g in jax.tree.leaves(gradients)))
        scale = jnp.minimum(1.0, CLIP / (norm + 1e-6))
        gradients = jax.tree.map(lambda g: g * scale, gradients)
        count = count + 1
        first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, gradients)
        second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, gradients)
        unbiased = (1 - 0.9**count, 1 - 0.999**count)
        moved = lambda p, m, v: p * (1 - RATE * DECAY) - RATE * (m / unbiased[0]) / (jnp.sqrt(v / unbiased[1]) + 1e-8)
        return jax.tree.map(moved, layers, first, second), first, second, count

    return jax.jit(taken, donate_argnums=0)


steps = {}
key = jax.random.PRNGKey(0)
print(jax.__version__, flush=True)
for line in sys.stdin:
    objective, share, count = line.split()
    case = (objective, share)
    if case not in steps:
        layers = start(key)
        zeros = lambda: jax.tree.map(jnp.zeros_like, layers)
        off = 0 if objective == "flow_matching" else round(BATCH * float(share))
        state = (layers, zeros(), zeros(), jnp.float32(0))
        steps[case] = [step(objective, off), state]
        steps[case][1] = jax.block_until_ready(steps[case][0](state, key))
    taken, state = steps[case]
    keys = list(jax.random.split(key, int(count) + 1))
    key = keys.pop()
    jax.block_until_ready(keys)
    begun = time.perf_counter()
    for each in keys:
        state = taken(state, each)
    jax.block_until_ready(state)
    print(time.perf_counter() - begun, flush=True)
    steps[case][1] = state

"""Iterations that learn an affine path, in eager PyTorch: the peer of benches/peer_iterations.rs.

Takes the width of the path's network. Reads `TURN COUNT` on each line of standard input, and answers with the seconds that
so many iterations took.

    pip install torch==2.13.0
"""
import math
import sys
import time

import torch
from torch.autograd.forward_ad import dual_level, make_dual, unpack_dual
from torch.func import jvp

torch.set_num_threads(1)
torch.manual_seed(0)
BATCH, POINTS, CANDIDATES, TIMES, UNTIL = 256, 128, 64, 8, 0.9
BOUND, ACCELERATION, STEP = 50.0, 2e-3, 5e-3
angles = torch.arange(8) * torch.pi / 4
centres = torch.stack([angles.cos(), angles.sin()], 1)


def mlp(*widths):
    """Linear maps between widths, SiLU between them."""
    layers = []
    for i, o in zip(widths, widths[1:]):
        layers += [torch.nn.Linear(i, o), torch.nn.SiLU()]
    return torch.nn.Sequential(*layers[:-1])


width = int(sys.argv[1])
velocity, network = mlp(3, 64, 64, 64, 2), mlp(3, width, width, 5)
fused = {"lr": 1e-4, "fused": True}
optimizers = {net: torch.optim.AdamW(net.parameters(), **fused) for net in (velocity, network)}


def parts(x1, t):
    """Log-scales, the entry below the diagonal, and m."""
    numbers = network(torch.cat([x1, t], -1))
    log_scale = BOUND * torch.tanh(numbers[..., :2] / BOUND) * t
    return log_scale, numbers[..., 4:] * t, numbers[..., 2:4]


def place(of, x0, x1, t):
    """(1 - t) L x0 + t x1 + t (1 - t) m."""
    log_scale, below, shift = of
    first, second = x0[..., :1], x0[..., 1:]
    scale = log_scale.exp()
    moved = torch.cat([scale[..., :1] * first, scale[..., 1:] * second + below * first], -1)
    return (1 - t) * moved + t * x1 + t * (1 - t) * shift


def position(x0, x1):
    """The path as a function of t."""
    return lambda t: place(parts(x1, t), x0, x1, t)


def derivative(function, *moving):
    """What a function gives, with its derivatives, for arguments that are each a value and a derivative."""
    with dual_level():
        found = function(*(make_dual(value, slope) for value, slope in moving))
        return unpack_dual(found) if isinstance(found, torch.Tensor) else [unpack_dual(part) for part in found]


def pairs(n):
    """Independent pairs of source and data."""
    return torch.randn(n, 2), centres[torch.randint(8, (n,))] + 0.1 * torch.randn(n, 2)


def follow(x, t):
    """The velocity network."""
    return velocity(torch.cat([x, t], 1))


def step(net, loss):
    """The gradient of one network's parameters, clipped; AdamW."""
    ours = list(net.parameters())
    for parameter, gradient in zip(ours, torch.autograd.grad(loss, ours)):
        parameter.grad = gradient
    torch.nn.utils.clip_grad_norm_(ours, 1.0)
    optimizers[net].step()


def linear():
    """A velocity step on the linear path."""
    x0, x1 = pairs(BATCH)
    t = torch.rand(BATCH, 1)
    step(velocity, (follow((1 - t) * x0 + t * x1, t) - (x1 - x0)).square().sum(1).mean())


def velocity_step():
    """A velocity step on the affine path."""
    x0, x1 = pairs(BATCH)
    t = torch.rand(BATCH, 1)
    with torch.no_grad():
        x_t, u = derivative(position(x0, x1), (t, torch.ones_like(t)))
    step(velocity, (follow(x_t, t) - u).square().sum(1).mean())


def energy():
    """Two velocity steps, and one of the path."""
    velocity_step()
    velocity_step()
    x0, x1 = pairs(BATCH)
    t = torch.rand(BATCH, 1)
    one = torch.ones_like(t)
    (x_t, u), (_, acceleration) = jvp(lambda t: jvp(position(x0, x1), (t,), (one,)), (t,), (one,))
    v = follow(x_t, t)
    penalty = acceleration.square().sum(1).mean()
    step(network, (v * (2 * u - v)).sum(1).mean() + ACCELERATION * penalty)


def field(x, t, x1):
    """The exact field at x (T, Q, 2) of times t (T,) over candidates x1 (K, 2). The network sees T K rows."""
    endpoints = x1.expand(len(t), -1, -1)
    times = t.view(-1, 1, 1).repeat(1, CANDIDATES, 1)
    moving = derivative(lambda t: parts(endpoints, t), (times, torch.ones_like(times)))
    moving = [(value.unsqueeze(1), slope.unsqueeze(1)) for value, slope in moving]
    endpoints, times = endpoints.unsqueeze(1), times.unsqueeze(1)
    (log_scale, _), (below, _), (shift, _) = moving
    moved = (x.unsqueeze(2) - times * endpoints) / (1 - times) - times * shift
    inverse = (-log_scale).exp()
    first = moved[..., :1] * inverse[..., :1]
    y = torch.cat([first, (moved[..., 1:] - below * first) * inverse[..., 1:]], -1)
    log_det = -(2 * (1 - times[..., 0]).log() + log_scale.sum(-1))
    weights = torch.softmax(-0.5 * y.square().sum(-1) - math.log(2 * math.pi) + log_det, -1)
    _, u = derivative(lambda t, *of: place(of, y, endpoints, t), (times, torch.ones_like(times)), *moving)
    return (weights.unsqueeze(-1) * u).sum(2)


def straightness():
    """A step of the path on the exact field's straightness, by a central difference along the flow."""
    x0, x1 = pairs(POINTS + CANDIDATES)
    t = UNTIL * (torch.arange(TIMES) + torch.rand(TIMES)) / TIMES
    each = t.repeat_interleave(POINTS // TIMES).unsqueeze(1)
    x = position(x0[CANDIDATES:], x1[CANDIDATES:])(each).view(TIMES, -1, 2)
    candidates = x1[:CANDIDATES]
    v = field(x, t, candidates)
    both = field(torch.cat([x + STEP * v, x - STEP * v]), torch.cat([t + STEP, t - STEP]), candidates)
    step(network, ((both[:TIMES] - both[TIMES:]) / (2 * STEP)).square().sum(-1).mean())


iterations = {"linear": linear, "velocity": velocity_step, "energy": energy, "straightness": straightness}
print(torch.__version__, flush=True)
for line in sys.stdin:
    iteration, count = line.split()
    begun = time.perf_counter()
    for _ in range(int(count)):
        iterations[iteration]()
    print(time.perf_counter() - begun, flush=True)

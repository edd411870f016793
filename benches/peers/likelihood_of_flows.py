"""Densities in zuko and normflows: the peers of benches/likelihood.rs.

    pip install torch==2.13.0 numpy normflows zuko
    python likelihood_of_flows.py PEER FOLDER LEVELS STEPS BATCH RATE SEED

Trains on FOLDER/train.npy by maximum likelihood and judges on FOLDER/test.npy (levels of images where LEVELS is not 0,
which are dequantised); prints the mean log-density in nats, the number of parameters, and the seconds that a step took.
"""
import math
import sys
import time

import numpy as np
import torch

torch.set_num_threads(1)
peer, folder, levels, steps, batch, rate, seed = sys.argv[1:]
levels, steps, batch, rate = int(levels), int(steps), int(batch), float(rate)
torch.manual_seed(int(seed))
train, test = (torch.from_numpy(np.load(f"{folder}/{name}.npy")) for name in ("train", "test"))


def points(x):
    return (x + torch.rand(x.shape)) / levels if levels else x


def minibatch(n):
    return points(train[torch.randint(len(train), (n,))])


def zuko_splines():
    """Six autoregressive transforms of eight bins, as `zuko.flows.NSF` builds them; data are within its [-5, 5]."""
    import zuko

    flow = zuko.flows.NSF(features=2, transforms=6, bins=8, hidden_features=(64, 64))
    return flow, lambda x: flow().log_prob(x)


def normflows_splines():
    """Five couplings of eight bins on [-3, 3] with residual networks, each with an LU map, as its own example has them."""
    import normflows as nf

    flows = []
    for _ in range(5):
        spline = nf.flows.CoupledRationalQuadraticSpline(2, 1, 64, num_bins=8, tail_bound=3.0)
        flows += [spline, nf.flows.LULinearPermute(2)]
    flow = nf.NormalizingFlow(nf.distributions.DiagGaussian(2), flows)
    return flow, flow.log_prob


def normflows_glow():
    """Two levels of four steps with hidden layers of 64."""
    import normflows as nf

    channels, side = train.shape[1], train.shape[2]
    bases, merges, flows = [], [], []
    for level in range(2):
        c, s = channels * 2 ** (3 - level), side // 2 ** (2 - level)
        flows.append([nf.flows.GlowBlock(c, 64, scale_map="exp") for _ in range(4)] + [nf.flows.Squeeze()])
        if level > 0:
            merges.append(nf.flows.Merge())
        bases.append(nf.distributions.DiagGaussian((c if level == 0 else c // 2, s, s)))
    flow = nf.MultiscaleFlow(bases, flows, merges, class_cond=False)
    return flow, lambda x: flow.log_prob(x, None)


build = {"zuko": zuko_splines, "normflows": normflows_glow if levels else normflows_splines}[peer]
flow, log_prob = build()
with torch.no_grad():
    log_prob(minibatch(1024))  # ActNorm takes its first batch
optimizer = torch.optim.Adam(flow.parameters(), lr=rate)
begun = time.perf_counter()
for step in range(1, steps + 1):
    for group in optimizer.param_groups:
        group["lr"] = rate * 0.5 * (1 + math.cos(math.pi * step / steps))
    loss = -log_prob(minibatch(batch)).mean()
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(flow.parameters(), 5.0)
    optimizer.step()
seconds = (time.perf_counter() - begun) / steps
passes = 20 if levels == 17 else 1
with torch.no_grad():
    total = sum(log_prob(points(part)).double().sum().item() for _ in range(passes) for part in test.split(1000))
print(total / passes / len(test), sum(p.numel() for p in flow.parameters()), seconds)

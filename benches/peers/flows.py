"""Glow in normflows: the peer of benches/peer_flows.rs.

    pip install torch==2.13.0 numpy normflows

Reads `CASE DIRECTION COUNT` on each line of standard input, and answers with the seconds that COUNT passes took: value,
log-determinant and the gradients of all parameters, from data to source (`density`) or back (`sample`).
"""
import sys
import time
from importlib.metadata import version

import normflows as nf
import torch

torch.set_num_threads(1)
torch.manual_seed(0)


def vector(batch, d, steps, hidden):
    """Affine coupling, linear map in LU form, ActNorm; `steps` times."""
    flows = []
    for i in range(steps):
        net = nf.nets.MLP([d // 2, hidden, hidden, d], init_zeros=True)
        mode = "channel" if i % 2 == 0 else "channel_inv"
        flows += [nf.flows.AffineCouplingBlock(net, split_mode=mode), nf.flows.InvertibleAffine(d), nf.flows.ActNorm(d)]
    return nf.NormalizingFlow(nf.distributions.DiagGaussian(d, trainable=False), flows), torch.randn(batch, d)


def splines(batch, steps, hidden):
    """Rational-quadratic couplings of 8 bins and linear maps of the plane."""
    flows = []
    for _ in range(steps):
        flows += [nf.flows.CoupledRationalQuadraticSpline(2, 1, hidden, num_bins=8, tail_bound=5.0)]
        flows += [nf.flows.LULinearPermute(2), nf.flows.ActNorm(2)]
    return nf.NormalizingFlow(nf.distributions.DiagGaussian(2, trainable=False), flows), torch.randn(batch, 2)


def image(batch, channels, side, levels, steps, hidden):
    """Multi-scale, as the library's own example builds it."""
    bases, merges, flows = [], [], []
    for level in range(levels):
        c, s = channels * 2 ** (levels + 1 - level), side // 2 ** (levels - level)
        blocks = [nf.flows.GlowBlock(c, hidden, scale_map="exp") for _ in range(steps)]
        flows.append(blocks + [nf.flows.Squeeze()])
        if level > 0:
            merges.append(nf.flows.Merge())
        shape = (c if level == 0 else c // 2, s, s)
        bases.append(nf.distributions.DiagGaussian(shape, trainable=False))
    return nf.MultiscaleFlow(bases, flows, merges, class_cond=False), torch.randn(batch, channels, side, side)


# The same shapes as in peer_flows.rs.
CASES = {
    "vector-small": lambda: vector(256, 2, 8, 64),
    "vector-large": lambda: vector(4096, 64, 8, 64),
    "spline-small": lambda: splines(256, 8, 64),
    "spline-large": lambda: splines(4096, 8, 64),
    "image-small": lambda: image(16, 1, 8, 1, 4, 32),
    "image-large": lambda: image(32, 1, 28, 1, 4, 64),
    "image-2-level": lambda: image(32, 1, 28, 2, 4, 64),
}


def log_det_of_noise(z):
    """A scalar that sees value and log-determinant."""
    x, log_det = z
    parts = x if isinstance(x, list) else [x]
    return sum(0.5 * part.square().sum() for part in parts) / len(log_det) - log_det.mean()


def passes(model, x, direction):
    """One pass, as a function."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    model.inverse_and_log_det(x)  # ActNorm takes its first batch
    with torch.no_grad():
        for p in parameters:
            p += 0.05 * torch.randn_like(p)
        z = model.inverse_and_log_det(x)[0]
    source = [torch.randn_like(part) for part in z] if isinstance(z, list) else torch.randn_like(z)
    run, start = {
        "density": (model.inverse_and_log_det, x),
        "sample": (model.forward_and_log_det, source),
    }[direction]

    def one():
        loss = log_det_of_noise(run(start))
        return torch.autograd.grad(loss, parameters)

    return one


def main():
    ready = {}
    print(f"normflows {version('normflows')} on torch {torch.__version__}", flush=True)
    for line in sys.stdin:
        name, direction, count = line.split()
        if (name, direction) not in ready:
            ready[name, direction] = passes(*CASES[name](), direction)
        one = ready[name, direction]
        begun = time.perf_counter()
        for _ in range(int(count)):
            one()
        print(time.perf_counter() - begun, flush=True)


if __name__ == "__main__":
    main()

"""A Glow path of normflows' layers: the peer of benches/glow_path.rs.

    pip install torch==2.13.0 numpy normflows

Reads `DEPTH COUNT` on each line of standard input, and answers with the seconds that COUNT training steps took: draws, the
path t x1 + (1 - t) F_t(x0; x1) with its derivative in t by forward mode, the mean of its square, its gradient clipped, AdamW.
"""
import sys
import time
from importlib.metadata import version

import normflows as nf
import torch

torch.set_num_threads(1)
torch.manual_seed(0)
BATCH, HIDDEN = 32, 32


class Conditioned(torch.nn.Module):
    """normflows' network of a Glow block over the passive channels, x1 and features of t; zero at t = 0."""

    def __init__(self, seen, context, output):
        super().__init__()
        channels = [seen + context + 5, HIDDEN, HIDDEN, output]
        self.net = nf.nets.ConvNet2d(channels, [3, 1, 3], 0.0, init_zeros=True)
        self.context = self.t = None

    def forward(self, x):
        t = self.t.view(-1, 1, 1, 1)
        waves = [t, (torch.pi * t).cos(), (torch.pi * t).sin(), (2 * torch.pi * t).cos(), (2 * torch.pi * t).sin()]
        planes = torch.cat(waves, 1).expand(-1, -1, *x.shape[2:])
        return self.net(torch.cat([x, self.context, planes], 1)) * t


class Path(torch.nn.Module):
    """Two levels: half of the channels leave after the first, as in Glow."""

    def __init__(self, depth):
        super().__init__()
        self.networks = torch.nn.ModuleList()
        self.levels = torch.nn.ModuleList(self.level(depth, channels, context) for channels, context in [(4, 4), (8, 16)])

    def level(self, depth, channels, context):
        layers = []
        for _ in range(depth):
            network = Conditioned(channels // 2, context, channels)
            self.networks.append(network)
            layers += [
                nf.flows.AffineCouplingBlock(network, scale_map="exp"),
                nf.flows.Invertible1x1Conv(channels, True),
                nf.flows.ActNorm((channels, 1, 1)),
            ]
        return torch.nn.ModuleList(layers)

    def flow(self, x, x1, t):
        squeeze = torch.nn.functional.pixel_unshuffle
        kept, context = [], x1
        for i, level in enumerate(self.levels):
            x, context = squeeze(x, 2), squeeze(context, 2)
            if i > 0:
                x, out = x.chunk(2, 1)
                kept.append(out)
            for layer in level:
                if isinstance(layer, nf.flows.AffineCouplingBlock):
                    network = layer.flows[1].param_map
                    network.context, network.t = context, t
                x = layer(x)[0]
        up = torch.nn.functional.pixel_shuffle
        for out in reversed(kept):
            x = up(torch.cat([x, out], 1), 2)
        return up(x, 2)

    def forward(self, x0, x1, t):
        s = t.view(-1, 1, 1, 1)
        return s * x1 + (1 - s) * self.flow(x0, x1, t)


def trainer(depth):
    path = Path(depth)
    draw = lambda: torch.randn(BATCH, 1, 28, 28)
    with torch.no_grad():
        path(draw(), draw(), torch.rand(BATCH))  # ActNorm takes its first batch
    optimizer = torch.optim.AdamW(path.parameters(), 1e-4, weight_decay=1e-2, foreach=True)

    def step():
        x0, x1, t = draw(), draw(), torch.rand(BATCH)
        _, u = torch.func.jvp(lambda t: path(x0, x1, t), (t,), (torch.ones_like(t),))
        loss = u.flatten(1).square().sum(1).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(path.parameters(), 1.0)
        optimizer.step()

    return step


def main():
    ready = {}
    print(f"normflows {version('normflows')} on torch {torch.__version__}", flush=True)
    for line in sys.stdin:
        depth, count = map(int, line.split())
        if depth not in ready:
            ready[depth] = trainer(depth)
        begun = time.perf_counter()
        for _ in range(count):
            ready[depth]()
        print(time.perf_counter() - begun, flush=True)


if __name__ == "__main__":
    main()

"""A flow-matching training step in eager PyTorch: the peer of benches/peer_training_step.rs.

Reads a count of steps on each line of standard input, and answers with the seconds that they took.

    pip install torch==2.13.0
"""
import sys
import time

import torch

torch.set_num_threads(1)
torch.manual_seed(0)
batch, dimension, width = 512, 2, 64
layers = []
for i, o in [(dimension + 1, width), (width, width), (width, width)]:
    layers += [torch.nn.Linear(i, o), torch.nn.SiLU()]
velocity = torch.nn.Sequential(*layers, torch.nn.Linear(width, dimension))
parameters = list(velocity.parameters())
optimizer = torch.optim.AdamW(parameters, lr=1e-4, fused=sys.argv[1:] == ["fused"])
averages, weight = [p.detach().clone() for p in parameters], 1 - 2 ** (-1 / 700)
centres = torch.stack([torch.cos(torch.arange(8) * torch.pi / 4), torch.sin(torch.arange(8) * torch.pi / 4)], 1)


def step():
    """Draws of data, source and time; the linear path; the loss, its gradient clipped; AdamW; a moving average."""
    x1 = centres[torch.randint(8, (batch,))] + 0.1 * torch.randn(batch, dimension)
    x0 = torch.randn(batch, dimension)
    t = torch.rand(batch, 1)
    x_t, u = (1 - t) * x0 + t * x1, x1 - x0
    loss = (velocity(torch.cat([x_t, t], 1)) - u).square().sum(1).mean()
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(parameters, 1.0)
    optimizer.step()
    torch._foreach_lerp_(averages, [p.detach() for p in parameters], weight)


print(torch.__version__, flush=True)
for line in sys.stdin:
    begun = time.perf_counter()
    for _ in range(int(line)):
        step()
    print(time.perf_counter() - begun, flush=True)

"""100 Euler steps through a 3x64 MLP in eager PyTorch: the peer of benches/peer_sampling.rs.

Reads a count of points and a count of repeats on each line of standard input, and answers with the seconds that they
took.

    pip install torch==2.13.0
"""
import sys
import time

import torch

torch.set_num_threads(1)
torch.manual_seed(0)
STEPS, DIMENSION, WIDTH = 100, 2, 64
layers = []
for i, o in [(DIMENSION + 1, WIDTH), (WIDTH, WIDTH), (WIDTH, WIDTH)]:
    layers += [torch.nn.Linear(i, o), torch.nn.SELU()]
velocity = torch.nn.Sequential(*layers, torch.nn.Linear(WIDTH, DIMENSION))


@torch.inference_mode()
def sample(x):
    """Where 100 Euler steps of the velocity lead."""
    for step in range(STEPS):
        t = torch.full((x.shape[0], 1), step / STEPS)
        x = x + velocity(torch.cat([x, t], 1)) / STEPS
    return x


print(torch.__version__, flush=True)
for line in sys.stdin:
    points, repeats = map(int, line.split())
    x = torch.randn(points, DIMENSION)
    begun = time.perf_counter()
    for _ in range(repeats):
        sample(x)
    print(time.perf_counter() - begun, flush=True)

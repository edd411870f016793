"""A training step of a U-Net in PyTorch: the peer of benches/peer_unet_step.rs.

Arguments: threads, memory format (contiguous or channels_last), kind (float32 or bfloat16, by autocast), and `compile` for
torch.compile. Reads a count of steps on each line of standard input, and answers with the seconds that they took.

    pip install torch==2.13.0
"""
import math
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

threads, layout, kind = int(sys.argv[1]), sys.argv[2], sys.argv[3]
torch.set_num_threads(threads)
torch.manual_seed(0)
memory_format = torch.channels_last if layout == "channels_last" else torch.contiguous_format
batch, event, stem, channels, multipliers, blocks, width, groups, heads, octaves = 128, (1, 28, 28), 2, 32, (1, 2), 1, 64, 8, 4, 6


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.norm, self.qkv, self.out = nn.GroupNorm(groups, c), nn.Linear(c, 3 * c), nn.Linear(c, c)

    def forward(self, x):
        b, c, h, w = x.shape
        y = self.norm(x).flatten(2).transpose(1, 2)
        q, k, v = self.qkv(y).view(b, h * w, 3, heads, c // heads).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, h * w, c)
        return x + self.out(y).transpose(1, 2).view(b, c, h, w)


class Block(nn.Module):
    def __init__(self, i, o, attends):
        super().__init__()
        self.norm0, self.conv0 = nn.GroupNorm(groups, i), nn.Conv2d(i, o, 3, padding=1)
        self.film = nn.Linear(width, 2 * o)
        self.norm1, self.conv1 = nn.GroupNorm(groups, o), nn.Conv2d(o, o, 3, padding=1)
        self.skip = nn.Conv2d(i, o, 1) if i != o else nn.Identity()
        self.attention = Attention(o) if attends else nn.Identity()

    def forward(self, x, e):
        scale, shift = self.film(e)[:, :, None, None].chunk(2, 1)
        h = self.conv0(F.silu(self.norm0(x)))
        h = self.conv1(F.silu(self.norm1(h) * (1 + scale) + shift))
        return self.attention(self.skip(x) + h)


class Unet(nn.Module):
    def __init__(self):
        super().__init__()
        squares = event[0] * stem**2
        self.time = nn.Sequential(nn.Linear(1 + 2 * octaves, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())
        c, left = channels, [channels]
        self.into = nn.Conv2d(squares, c, 3, padding=1)
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        for level, by in enumerate(multipliers):
            for _ in range(blocks):
                self.down.append(Block(c, by * channels, level > 0))
                c = by * channels
                left.append(c)
            if level + 1 < len(multipliers):
                self.down.append(nn.Conv2d(c, c, 3, stride=2, padding=1))
                left.append(c)
        self.middle = nn.ModuleList([Block(c, c, True), Block(c, c, False)])
        for level, by in reversed(list(enumerate(multipliers))):
            for _ in range(blocks + 1):
                self.up.append(Block(c + left.pop(), by * channels, level > 0))
                c = by * channels
            if level > 0:
                above = multipliers[level - 1] * channels
                self.up.append(nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(c, above, 3, padding=1)))
                c = above
        self.norm, self.out = nn.GroupNorm(groups, c), nn.Conv2d(c, squares, 3, padding=1)

    def forward(self, x, t):
        angle = t[:, None] * (2.0 ** torch.arange(octaves) * math.pi)
        e = self.time(torch.cat([t[:, None], angle.sin(), angle.cos()], 1))
        h = self.into(F.pixel_unshuffle(x, stem).contiguous(memory_format=memory_format))
        left = [h]
        for part in self.down:
            h = part(h, e) if isinstance(part, Block) else part(h)
            left.append(h)
        for block in self.middle:
            h = block(h, e)
        for part in self.up:
            h = part(torch.cat([h, left.pop()], 1), e) if isinstance(part, Block) else part(h)
        return F.pixel_shuffle(self.out(F.silu(self.norm(h))), stem)


velocity = Unet().to(memory_format=memory_format)
parameters = list(velocity.parameters())
average = [p.detach().clone() for p in parameters]
optimizer = torch.optim.AdamW(parameters, lr=1e-4, fused=True)
network = torch.compile(velocity) if sys.argv[4:] == ["compile"] else velocity


def step():
    """Draws of data, source and time; the linear path; the loss, its gradient clipped; AdamW; a moving average."""
    x0, x1 = torch.randn(batch, *event), torch.randn(batch, *event)
    t = torch.rand(batch)
    s = t[:, None, None, None]
    x_t, u = (1 - s) * x0 + s * x1, x1 - x0
    with torch.autocast("cpu", torch.bfloat16, enabled=kind == "bfloat16"):
        v = network(x_t, t)
    loss = (v.float() - u).square().flatten(1).sum(1).mean()
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(parameters, 1.0)
    optimizer.step()
    with torch.no_grad():
        torch._foreach_lerp_(average, parameters, 1e-3)


count = sum(p.numel() for p in parameters)
print(f"{torch.__version__} with {count} parameters", flush=True)
for line in sys.stdin:
    begun = time.perf_counter()
    for _ in range(int(line)):
        step()
    print(time.perf_counter() - begun, flush=True)

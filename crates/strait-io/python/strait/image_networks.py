"""The networks of images of `strait-nets`: the U-Net and the transformer. Their blocks are those that their parameters name."""

import math

import numpy as np

from .errors import StraitError
from .networks import Condition, Network


class _Weights:
    """Parameters below a prefix."""

    def __init__(self, all, path, prefix="", used=None):
        self.all, self.path, self.prefix, self.used = all, path, prefix, set() if used is None else used

    def below(self, name):
        return _Weights(self.all, self.path, f"{self.prefix}{name}.", self.used)

    def __contains__(self, name):
        return any(known.startswith(f"{self.prefix}{name}") for known in self.all)

    def __getitem__(self, name):
        if self.prefix + name not in self.all:
            raise StraitError(f"{self.path}: there is no tensor `{self.prefix}{name}`")
        self.used.add(self.prefix + name)
        return self.all[self.prefix + name]

    def linear(self, o, x, name):
        return o.linear(x, self[f"{name}.weight"], self[f"{name}.bias"])

    def conv(self, o, x, name, stride=1):
        return o.conv(x, self[f"{name}.weight"], self[f"{name}.bias"], stride)


class ImageNetwork(Network):
    """A network over images (B, *event), whose times and condition are one vector."""

    def __init__(self, family, parameters, event, times=1, time_octaves=6, path="the velocity"):
        self.event, self.path, self.time_octaves, self.is_flow_map = tuple(event), path, time_octaves, times == 2
        self.shape = f"(B, {', '.join(map(str, self.event))})"
        for name, tensor in parameters.items():
            if tensor.dtype != np.float32:
                raise StraitError(f"{path}: tensor `{name}` is {tensor.dtype}; a run's parameters are float32")
        self.weights = _Weights(parameters, path, f"{family}.")
        start = f"{family}.embedding.condition."
        of_condition = {name.removeprefix(start): x for name, x in parameters.items() if name.startswith(start)}
        self.condition = Condition(of_condition) if of_condition else None

    def takes(self, event):
        return tuple(event) == self.event

    def check(self):
        """Refuses tensors that do not fit together, and those that are none of the network; it is computed once for that."""
        x, t = np.zeros((1, *self.event), np.float32), np.zeros(1, np.float32)
        try:
            self(x, t)
        except ValueError as error:
            raise StraitError(f"{self.path}: its tensors do not fit together ({error})") from error
        known = (self.weights.used, tuple(f"{self.weights.prefix}embedding.condition.{of}" for of in ("none", "classes", "vector.")))
        strange = [name for name in self.weights.all if name not in known[0] and not name.startswith(known[1])]
        if strange:
            raise StraitError(f"{self.path}: these are no tensors of this network: {', '.join(strange)}")
        return self

    def vector(self, o, times, condition):
        """SiLU of the sum of a small network's vector of the times and that of the condition."""
        p = self.weights.below("embedding")
        h = o.concat([o.time_features(t, self.time_octaves) for t in times], 1)
        h = p.linear(o, o.silu(p.linear(o, h, "0")), "1")
        return o.silu(h if condition is None else o.add(h, condition))


class Unet(ImageNetwork):
    """`strait_nets::Unet`."""

    def __init__(self, parameters, event, stem=2, heads=4, groups=8, **others):
        super().__init__("unet", parameters, event, **others)
        self.stem, self.heads, self.groups = stem, heads, groups

    def trace(self, o, x, times, condition, event):
        p, vector = self.weights, self.vector(o, times, condition)
        side = [n // self.stem for n in event[1:]]
        h = p.conv(o, _unshuffle(o, x, event, self.stem), "in")
        left, levels = [h], [level for level in range(64) if f"down{level}." in p]
        for level in levels:
            down = p.below(f"down{level}")
            for i in _numbered(down):
                h = self.block(o, down.below(i), h, vector, side)
                left.append(h)
            if "shrink." in down:
                h, side = down.conv(o, h, "shrink", stride=2), [(n + 1) // 2 for n in side]
                left.append(h)
        for name in ("middle0", "middle1"):
            h = self.block(o, p.below(name), h, vector, side)
        for level in reversed(levels):
            up = p.below(f"up{level}")
            for i in _numbered(up):
                h = self.block(o, up.below(i), o.concat([h, left.pop()], 1), vector, side)
            if "grow." in up:
                h, side = _twice(o, h, len(up["grow.weight"][0]), side), [2 * n for n in side]
                h = up.conv(o, h, "grow")
        h = p.conv(o, o.silu(self.norm(o, p.below("norm"), h, side)), "out")
        return _shuffle(o, h, event, self.stem)

    def block(self, o, p, x, vector, side):
        """Two convolutions beside the identity, the second weighted and shifted by the network's vector."""
        h = p.conv(o, o.silu(self.norm(o, p.below("norm0"), x, side)), "conv0")
        made, film = len(p["conv0.bias"]), p.linear(o, vector, "film")
        scale, shift = (o.reshape(o.part(film, 1, i * made, (i + 1) * made), (-1, made, 1, 1)) for i in (0, 1))
        h = o.add(o.mul(self.norm(o, p.below("norm1"), h, side), o.add(scale, o.number(1))), shift)
        h = p.conv(o, o.silu(h), "conv1")
        h = o.add(h, p.conv(o, x, "skip") if "skip." in p else x)
        if "attention." not in p:
            return h
        p, places = p.below("attention"), side[0] * side[1]
        flat = o.reshape(self.norm(o, p.below("norm"), h, side), (-1, made, places))
        seen = _attention(o, p, o.transpose(flat, (0, 2, 1)), self.heads, places)
        return o.add(h, o.reshape(o.transpose(seen, (0, 2, 1)), (-1, made, *side)))

    def norm(self, o, p, x, side):
        """In at most `groups` groups: fewer where they do not divide the channels."""
        channels = len(p["weight"])
        groups = next(n for n in range(min(self.groups, channels), 0, -1) if channels % n == 0)
        x = o.reshape(x, (-1, groups, channels // groups * side[0] * side[1]))
        x = o.sub(x, o.mean(x, 2))
        x = o.mul(x, o.rsqrt(o.add(o.mean(o.mul(x, x), 2), o.number(1e-5))))
        weight, bias = (o.constant(p[name].reshape(channels, 1, 1)) for name in ("weight", "bias"))
        return o.add(o.mul(o.reshape(x, (-1, channels, *side)), weight), bias)


class Transformer(ImageNetwork):
    """`strait_nets::Transformer`."""

    def __init__(self, parameters, event, patch=4, heads=4, **others):
        super().__init__("transformer", parameters, event, **others)
        self.patch, self.heads = patch, heads

    def trace(self, o, x, times, condition, event):
        p, vector = self.weights, self.vector(o, times, condition)
        grid = [n // self.patch for n in event[1:]]
        places, pixels = grid[0] * grid[1], event[0] * self.patch**2
        patches = o.reshape(_unshuffle(o, x, event, self.patch), (-1, pixels, places))
        h = o.add(p.linear(o, o.transpose(patches, (0, 2, 1)), "in"), o.constant(p["places.weight"]))
        for i in _numbered(p):
            h = self.block(o, p.below(i), h, vector, places)
        scale, shift = _moves(o, p, vector, 2)
        out = o.transpose(p.linear(o, _normalised(o, h, scale, shift), "out"), (0, 2, 1))
        return _shuffle(o, o.reshape(out, (-1, pixels, *grid)), event, self.patch)

    def block(self, o, p, x, vector, places):
        """Attention and a network over each position, both gated by the network's vector."""
        scale0, shift0, gate0, scale1, shift1, gate1 = _moves(o, p, vector, 6)
        seen = _attention(o, p.below("attention"), _normalised(o, x, scale0, shift0), self.heads, places)
        x = o.add(x, o.mul(seen, gate0))
        wide = o.gelu(p.linear(o, _normalised(o, x, scale1, shift1), "wide"))
        return o.add(x, o.mul(p.linear(o, wide, "back"), gate1))


def _numbered(p):
    """`0`, `1`, ..., as many as there are below."""
    count = 0
    while f"{count}." in p:
        yield str(count)
        count += 1


def _attention(o, p, x, heads, places):
    """softmax(q k' / sqrt(c)) v with several heads over (B, N, C)."""
    channels = len(p["out.bias"])
    qkv, each = p.linear(o, x, "qkv"), channels // heads
    parts = (o.part(qkv, 2, i * channels, (i + 1) * channels) for i in range(3))
    q, k, v = (o.reshape(part, (-1, places, heads, each)) for part in parts)
    scores = o.matmul(o.transpose(q, (0, 2, 1, 3)), o.transpose(k, (0, 2, 3, 1)))
    seen = o.matmul(o.softmax(o.mul(scores, o.number(1 / math.sqrt(each)))), o.transpose(v, (0, 2, 1, 3)))
    return p.linear(o, o.reshape(o.transpose(seen, (0, 2, 1, 3)), (-1, places, channels)), "out")


def _moves(o, p, vector, count):
    """As many vectors (B, 1, C) of the network's."""
    moves, width = p.linear(o, vector, "moves"), len(p["moves.bias"]) // count
    return [o.reshape(o.part(moves, 1, i * width, (i + 1) * width), (-1, 1, width)) for i in range(count)]


def _normalised(o, x, scale, shift):
    x = o.mul(x, o.rsqrt(o.add(o.mean(o.mul(x, x), 2), o.number(1e-6))))
    return o.add(o.mul(x, o.add(scale, o.number(1))), shift)


def _unshuffle(o, x, event, by):
    """Squares of so many pixels a side become channels."""
    channels, height, width = event[0], event[1] // by, event[2] // by
    x = o.transpose(o.reshape(x, (-1, channels, height, by, width, by)), (0, 1, 3, 5, 2, 4))
    return o.reshape(x, (-1, channels * by * by, height, width))


def _shuffle(o, x, event, by):
    channels, height, width = event[0], event[1] // by, event[2] // by
    x = o.transpose(o.reshape(x, (-1, channels, by, by, height, width)), (0, 1, 4, 2, 5, 3))
    return o.reshape(x, (-1, *event))


def _twice(o, x, channels, side):
    """Each pixel twice, in both directions."""
    height, width = side
    x = o.reshape(x, (-1, channels, height, 1, width, 1))
    x = o.concat([x, x], 3)
    return o.reshape(o.concat([x, x], 5), (-1, channels, 2 * height, 2 * width))

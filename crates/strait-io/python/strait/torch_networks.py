"""The networks of `strait-nets` as torch modules, of the same names of parameters and the same outputs."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from . import velocities
from .errors import StraitError


def of_config(config, parameters, path="the velocity"):
    """The network of a `[velocity]` with its parameters, for evaluation or to go on training with."""
    family = config.get("family", "mlp")
    kinds = {"mlp": _mlp_of, "unet": _unet_of, "transformer": _transformer_of}
    if family not in kinds:
        raise StraitError(f"{path}: a velocity of the family {family} is no module here; there are: {', '.join(kinds)}")
    return load(kinds[family](config, parameters, path), parameters, path)


def load(module, parameters, path="the parameters"):
    """Gives a module parameters by their names, all of them and no others."""
    own = dict(module.named_parameters())
    missing = [name for name in own if name not in parameters]
    strange = [name for name in parameters if name not in own]
    if missing or strange:
        raise StraitError(f"{path}: parameters {missing} are missing, {strange} are none of this network")
    with torch.no_grad():
        for name, of in own.items():
            array = torch.as_tensor(parameters[name])
            if array.shape != of.shape or array.dtype != torch.float32:
                found = f"{array.dtype} of shape {tuple(array.shape)}"
                raise StraitError(f"{path}: tensor `{name}` is {found}, not float32 of shape {tuple(of.shape)}")
            of.copy_(array)
    return module


def tensors(module):
    """A module's parameters as arrays, for `write_tensors`."""
    return {name: of.detach().cpu().numpy() for name, of in module.named_parameters()}


class TimeFeatures(nn.Module):
    """t, and sin(2^k pi t), cos(2^k pi t) for k below `octaves`."""

    def __init__(self, octaves):
        super().__init__()
        self.count = 1 + 2 * octaves
        self.register_buffer("frequencies", 2.0 ** torch.arange(octaves) * math.pi, persistent=False)

    def forward(self, t):
        t = t[:, None]
        angle = t * self.frequencies
        return torch.cat([t, angle.sin(), angle.cos()], 1)


class Velocity(nn.Module):
    """A network of one time or two. `module(x, t)` is the velocity; of a flow map `module(x, s, t)` the average velocity.

    A condition, labels or vectors, is the keyword `condition` where the network was built for one.
    """

    is_flow_map = False

    def forward(self, x, *times, condition=None):
        if self.is_flow_map and len(times) == 1:
            times = times * 2
        if len(times) != 1 + self.is_flow_map:
            raise StraitError(f"{len(times)} times for a network of {1 + self.is_flow_map}")
        return self.evaluate(x, times, condition)

    @torch.no_grad()
    def sample(self, x0, evaluations=4, condition=None):
        """x0 carried from t = 0 to 1 in equal steps: by Euler's method, or by a flow map's maps."""
        x, times = x0, torch.linspace(0, 1, evaluations + 1, dtype=x0.dtype).tolist()
        for s, t in zip(times[:-1], times[1:]):
            at = [x.new_full((len(x),), time) for time in ([s, t] if self.is_flow_map else [s])]
            x = x + (t - s) * self(x, *at, condition=condition)
        return x


class Mlp(Velocity):
    """A perceptron over a flattened sample and features of its times; a flow map's second time enters as t - s."""

    ACTIVATIONS = {"silu": F.silu, "selu": F.selu, "tanh": torch.tanh}

    def __init__(self, dimension, hidden, activation="silu", time_octaves=0, is_flow_map=False, condition=None):
        super().__init__()
        self.condition = condition
        self.is_flow_map, self.features = is_flow_map, TimeFeatures(time_octaves)
        self.activation = self.ACTIVATIONS[activation]
        seen = dimension + (1 + is_flow_map) * self.features.count + (0 if condition is None else len(condition.none))
        widths = [seen, *hidden, dimension]
        for i, (seen, made) in enumerate(zip(widths[:-1], widths[1:])):
            self.add_module(str(i), nn.Linear(seen, made))
        self.depth = len(widths) - 1

    def evaluate(self, x, times, condition=None):
        times = [times[0], *(t - times[0] for t in times[1:])]
        parts = [x.flatten(1), *(self.features(t) for t in times)]
        if self.condition is not None:
            parts.append(self.condition(condition, len(x)))
        elif condition is not None:
            raise StraitError("this network was not built for a condition")
        h = torch.cat(parts, 1)
        for i in range(self.depth):
            h = self.get_submodule(str(i))(self.activation(h) if i else h)
        return h.view_as(x)


class Embedding(nn.Module):
    """SiLU of the sum of a small network's vector of the times and that of the condition."""

    def __init__(self, width, octaves, times, classes=None, vector=None):
        super().__init__()
        self.features = TimeFeatures(octaves)
        self.add_module("0", nn.Linear(times * self.features.count, width))
        self.add_module("1", nn.Linear(width, width))
        self.condition = Condition(width, classes, vector) if classes or vector else None

    def forward(self, times, condition, batch):
        h = torch.cat([self.features(t) for t in times], 1)
        h = self.get_submodule("1")(F.silu(self.get_submodule("0")(h)))
        if self.condition is not None:
            h = h + self.condition(condition, batch)
        elif condition is not None:
            raise StraitError("this network was not built for a condition")
        return F.silu(h)


class Condition(nn.Module):
    """One of so many classes, or a vector; and `none` in the place of a label -1, and of a vector that begins with NaN."""

    def __init__(self, width, classes=None, vector=None):
        super().__init__()
        self.none = nn.Parameter(torch.zeros(width))
        if classes:
            self.classes = nn.Parameter(torch.zeros(classes, width))
        else:
            self.vector = nn.Linear(vector, width)
        self.is_table = bool(classes)

    def forward(self, condition, batch):
        if condition is None:
            return self.none.expand(batch, -1)
        if self.is_table:
            return F.embedding(condition + 1, torch.cat([self.none[None], self.classes]))
        given = ~condition[:, :1].isnan()
        return torch.where(given, self.vector(condition.where(given, 0.0)), self.none)


class GroupNorm(nn.GroupNorm):
    """In at most `groups` groups: fewer where they do not divide the channels."""

    def __init__(self, channels, groups):
        super().__init__(next(n for n in range(min(groups, channels), 0, -1) if channels % n == 0), channels, eps=1e-5)


class Attention(nn.Module):
    """softmax(q k' / sqrt(c)) v with several heads over (B, N, C)."""

    def __init__(self, channels, heads):
        super().__init__()
        self.heads = heads
        self.qkv, self.out = nn.Linear(channels, 3 * channels), nn.Linear(channels, channels)

    def forward(self, x):
        batch, positions, channels = x.shape
        q, k, v = self.qkv(x).view(batch, positions, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        seen = torch.softmax(q @ k.mT / math.sqrt(q.shape[-1]), -1) @ v
        return self.out(seen.transpose(1, 2).reshape(batch, positions, channels))


class ImageAttention(Attention):
    """Attention over the positions of images, beside the identity."""

    def __init__(self, channels, heads, groups):
        super().__init__(channels, heads)
        self.norm = GroupNorm(channels, groups)

    def forward(self, x):
        seen = super().forward(self.norm(x).flatten(2).transpose(1, 2))
        return x + seen.transpose(1, 2).unflatten(2, x.shape[2:])


class ResidualBlock(nn.Module):
    """Two convolutions beside the identity, the second weighted and shifted by the network's vector."""

    def __init__(self, seen, made, embedding, groups, heads, attends):
        super().__init__()
        self.norm0, self.conv0 = GroupNorm(seen, groups), nn.Conv2d(seen, made, 3, padding=1)
        self.film = nn.Linear(embedding, 2 * made)
        self.norm1, self.conv1 = GroupNorm(made, groups), nn.Conv2d(made, made, 3, padding=1)
        self.skip = nn.Conv2d(seen, made, 1) if seen != made else None
        self.attention = ImageAttention(made, heads, groups) if attends else None

    def forward(self, x, vector):
        h = self.conv0(F.silu(self.norm0(x)))
        scale, shift = self.film(vector)[:, :, None, None].chunk(2, 1)
        h = self.conv1(F.silu(self.norm1(h) * (1 + scale) + shift))
        h = h + (x if self.skip is None else self.skip(x))
        return h if self.attention is None else self.attention(h)


class Unet(Velocity):
    """`strait_nets::Unet`; its parameters stand under `unet`."""

    def __init__(self, event, stem=2, channels=32, multipliers=(1, 2), blocks=1, attention=7, heads=4, groups=8, **embedding):
        super().__init__()
        self.is_flow_map = embedding.get("times", 1) == 2
        self.unet = _UnetLayers(event, stem, channels, multipliers, blocks, attention, heads, groups, embedding)

    def evaluate(self, x, times, condition=None):
        return self.unet(x, times, condition)


class _UnetLayers(nn.Module):
    def __init__(self, event, stem, channels, multipliers, blocks, attention, heads, groups, embedding):
        super().__init__()
        self.stem, self.blocks = stem, blocks
        squares, height = event[0] * stem**2, event[1] // stem
        self.embedding = _embedding(embedding)
        width = _width(embedding)

        def block(seen, made, level, attends=True):
            return ResidualBlock(seen, made, width, groups, heads, attends and height >> level <= attention)

        wide = [by * channels for by in multipliers]
        lowest, now = len(wide) - 1, wide[0]
        self.add_module("in", nn.Conv2d(squares, now, 3, padding=1))
        left = [now]
        for level in range(len(wide)):
            down = nn.Module()
            for i in range(blocks):
                down.add_module(str(i), block(now, wide[level], level))
                now = wide[level]
                left.append(now)
            if level < lowest:
                down.shrink = nn.Conv2d(now, now, 3, stride=2, padding=1)
                left.append(now)
            self.add_module(f"down{level}", down)
        self.middle0, self.middle1 = block(now, now, lowest), block(now, now, lowest, attends=False)
        for level in reversed(range(len(wide))):
            up = nn.Module()
            for i in range(blocks + 1):
                up.add_module(str(i), block(now + left.pop(), wide[level], level))
                now = wide[level]
            if level:
                up.grow = nn.Conv2d(now, wide[level - 1], 3, padding=1)
                now = wide[level - 1]
            self.add_module(f"up{level}", up)
        self.levels = len(wide)
        self.norm, self.out = GroupNorm(now, groups), nn.Conv2d(now, squares, 3, padding=1)

    def forward(self, x, times, condition):
        vector = self.embedding(times, condition, len(x))
        h = self.get_submodule("in")(F.pixel_unshuffle(x, self.stem))
        left = [h]
        for level in range(self.levels):
            down = self.get_submodule(f"down{level}")
            for i in range(self.blocks):
                h = down.get_submodule(str(i))(h, vector)
                left.append(h)
            if level < self.levels - 1:
                h = down.shrink(h)
                left.append(h)
        h = self.middle1(self.middle0(h, vector), vector)
        for level in reversed(range(self.levels)):
            up = self.get_submodule(f"up{level}")
            for i in range(self.blocks + 1):
                h = up.get_submodule(str(i))(torch.cat([h, left.pop()], 1), vector)
            if level:
                h = up.grow(F.interpolate(h, scale_factor=2, mode="nearest"))
        return F.pixel_shuffle(self.out(F.silu(self.norm(h))), self.stem)


class Transformer(Velocity):
    """`strait_nets::Transformer`; its parameters stand under `transformer`."""

    def __init__(self, event, patch=4, width=64, depth=4, heads=4, expansion=4, **embedding):
        super().__init__()
        self.is_flow_map = embedding.get("times", 1) == 2
        self.transformer = _TransformerLayers(event, patch, width, depth, heads, expansion, embedding)

    def evaluate(self, x, times, condition=None):
        return self.transformer(x, times, condition)


class _TransformerLayers(nn.Module):
    def __init__(self, event, patch, width, depth, heads, expansion, embedding):
        super().__init__()
        self.patch, self.depth = patch, depth
        self.grid = (event[1] // patch, event[2] // patch)
        pixels, vector = event[0] * patch**2, _width(embedding)
        self.embedding = _embedding(embedding)
        self.add_module("in", nn.Linear(pixels, width))
        self.places = nn.Embedding(self.grid[0] * self.grid[1], width)
        for i in range(depth):
            self.add_module(str(i), TransformerBlock(width, vector, heads, expansion))
        self.moves, self.out = nn.Linear(vector, 2 * width), nn.Linear(width, pixels)

    def forward(self, x, times, condition):
        vector = self.embedding(times, condition, len(x))
        patches = F.pixel_unshuffle(x, self.patch).flatten(2).transpose(1, 2)
        h = self.get_submodule("in")(patches) + self.places.weight
        for i in range(self.depth):
            h = self.get_submodule(str(i))(h, vector)
        out = self.out(_normalised(h, *self.moves(vector)[:, None].chunk(2, -1)))
        return F.pixel_shuffle(out.transpose(1, 2).unflatten(2, self.grid), self.patch)


class TransformerBlock(nn.Module):
    """Attention and a network over each position, both gated by the network's vector."""

    def __init__(self, width, vector, heads, expansion):
        super().__init__()
        self.moves, self.attention = nn.Linear(vector, 6 * width), Attention(width, heads)
        self.wide, self.back = nn.Linear(width, expansion * width), nn.Linear(expansion * width, width)

    def forward(self, x, vector):
        scale0, shift0, gate0, scale1, shift1, gate1 = self.moves(vector)[:, None].chunk(6, -1)
        x = x + self.attention(_normalised(x, scale0, shift0)) * gate0
        return x + self.back(F.gelu(self.wide(_normalised(x, scale1, shift1)))) * gate1


def _normalised(x, scale, shift):
    return x * (x.square().mean(-1, keepdim=True) + 1e-6).rsqrt() * (1 + scale) + shift


def _width(embedding):
    return embedding.get("embedding_width", 64)


def _embedding(embedding):
    known = {"times", "time_octaves", "embedding_width", "classes", "vector"}
    if strange := set(embedding) - known:
        raise StraitError(f"{', '.join(sorted(strange))}: no settings of a network")
    return Embedding(
        _width(embedding),
        embedding.get("time_octaves", 6),
        embedding.get("times", 1),
        embedding.get("classes"),
        embedding.get("vector"),
    )


def _mlp_of(config, parameters, path):
    arrays = velocities.of_config(config, parameters, path)
    hidden = [weight.shape[0] for weight, _ in arrays.layers[:-1]]
    condition = Condition(len(arrays.condition.none), **_condition_of(parameters, "")) if arrays.condition else None
    activation = config.get("activation", "silu")
    return Mlp(arrays.dimension, hidden, activation, arrays.time_octaves, arrays.is_flow_map, condition)


def _condition_of(parameters, prefix):
    """What a network was conditioned on, by its parameters."""
    classes, vector = (parameters.get(f"{prefix}condition.{name}") for name in ("classes", "vector.weight"))
    return {"classes": None if classes is None else len(classes), "vector": None if vector is None else vector.shape[1]}


def _image_settings(config, parameters, path, prefix, names):
    width, condition = config.get("embedding", 64), _condition_of(parameters, f"{prefix}.embedding.")
    return {**velocities.image_settings(config, path, names), "embedding_width": width, **condition}


def _unet_of(config, parameters, path):
    names = ("stem", "channels", "multipliers", "blocks", "attention", "heads")
    return Unet(**_image_settings(config, parameters, path, "unet", names))


def _transformer_of(config, parameters, path):
    return Transformer(**_image_settings(config, parameters, path, "transformer", ("patch", "width", "depth", "heads")))

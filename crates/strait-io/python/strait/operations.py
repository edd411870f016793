"""What networks are written in, so that a network is described once: it is computed in numpy, or written as an ONNX graph."""

import math

import numpy as np


class Operations:
    """Made of the elementary operations that a subclass has. Batches are first, and the only axis of unknown length."""

    def linear(self, x, weight, bias):
        return self.add(self.matmul(x, self.constant(weight.T)), self.constant(bias))

    def silu(self, x):
        return self.mul(x, self.sigmoid(x))

    def gelu(self, x):
        half, wide = self.number(0.5), self.number(1 / math.sqrt(2))
        return self.mul(self.mul(x, half), self.add(self.erf(self.mul(x, wide)), self.number(1)))

    def time_features(self, t, octaves):
        """t, and sin(2^k pi t), cos(2^k pi t) for k below `octaves`: (B,) to (B, 1 + 2 octaves)."""
        t = self.reshape(t, (-1, 1))
        if not octaves:
            return t
        angle = self.mul(t, self.constant(2.0 ** np.arange(octaves) * np.pi))
        return self.concat([t, self.sin(angle), self.cos(angle)], 1)

    def number(self, value):
        return self.constant(np.array(value))


class Numpy(Operations):
    """On arrays of float32."""

    def constant(self, array):
        return np.asarray(array, np.float32)

    def add(self, a, b):
        return a + b

    def sub(self, a, b):
        return a - b

    def mul(self, a, b):
        return a * b

    def matmul(self, a, b):
        return a @ b

    def concat(self, parts, axis):
        return np.concatenate(parts, axis)

    def reshape(self, x, shape):
        return x.reshape(shape)

    def transpose(self, x, axes):
        return x.transpose(axes)

    def part(self, x, axis, start, stop):
        return x[(slice(None),) * axis + (slice(start, stop),)]

    def mean(self, x, axis):
        return x.mean(axis, keepdims=True)

    def rsqrt(self, x):
        return 1 / np.sqrt(x)

    def sigmoid(self, x):
        # exp overflows where the result is 0 all the same.
        with np.errstate(over="ignore"):
            return 1 / (1 + np.exp(-x))

    def erf(self, x):
        return np.vectorize(math.erf, otypes="f")(x)

    def sin(self, x):
        return np.sin(x)

    def cos(self, x):
        return np.cos(x)

    def tanh(self, x):
        return np.tanh(x)

    def selu(self, x):
        alpha, scale = np.float32(1.6732632423543772), np.float32(1.0507009873554805)
        return scale * np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))

    def softmax(self, x):
        """Over the last axis."""
        weights = np.exp(x - x.max(-1, keepdims=True))
        return weights / weights.sum(-1, keepdims=True)

    def row_after(self, table, numbers):
        """Of the number -1 the first row, and so on."""
        return table[numbers + 1]

    def is_nan(self, x):
        return np.isnan(x)

    def choose(self, which, a, b):
        return np.where(which, a, b)

    def conv(self, x, weight, bias, stride=1):
        """Over squares of an odd side, with as many zeros around the image as keep its size at stride 1."""
        made, _, side, _ = weight.shape
        around = (side // 2, side // 2)
        padded = np.pad(x, ((0, 0), (0, 0), around, around))
        squares = np.lib.stride_tricks.sliding_window_view(padded, (side, side), (2, 3))[:, :, ::stride, ::stride]
        batch, _, height, width = squares.shape[:4]
        seen = squares.transpose(0, 2, 3, 1, 4, 5).reshape(batch * height * width, -1)
        return (seen @ weight.reshape(made, -1).T + bias).reshape(batch, height, width, made).transpose(0, 3, 1, 2)


NUMPY = Numpy()

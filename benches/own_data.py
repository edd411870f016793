"""Twelve files of kinds that no preset was made for: `python own_data.py FOLDER`, with numpy alone.

Each is an npz of 5,000 rows `train` and 1,000 rows `test`, of one seed.
"""

import pathlib
import sys

import numpy as np

folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
r, n = np.random.default_rng(7), 6000
files = {}

first = r.integers(0, 2, n)[:, None] == 0
left = r.normal(size=(n, 2)) @ np.array([[3, 0], [2.5, 0.4]]) + [-8, 0]
files["aniso"] = np.where(first, left, r.normal(size=(n, 2)) @ np.array([[0.4, 0], [-1, 3]]) + [8, 3])

t = r.uniform(0.5, 3.5, n) * np.pi
files["spiral3"] = np.stack([t * np.cos(t), t * np.sin(t), 2 * t], 1) + 0.05 * r.normal(size=(n, 3))

files["heavy"] = r.standard_t(3, size=(n, 2)) @ np.array([[1, 0.5], [0, 1]])

turn, _ = np.linalg.qr(r.normal(size=(5, 5)))
files["cond1e4"] = r.normal(size=(n, 5)) * np.logspace(0, -2, 5) @ turn.T

centres = r.normal(size=(6, 32)) * 2
files["mix32"] = centres[r.integers(0, 6, n)] + 0.5 * r.normal(size=(n, 32))

files["one"] = np.where(r.random(n) < 0.3, r.normal(-3, 0.3, n), r.normal(1, 1, n))[:, None]

z = r.random(n)[:, None]
rare, one, other = (
    r.normal(size=(n, 2)) * 0.2 + [6, 6],
    r.normal(size=(n, 2)) * 0.5 + [-2, 0],
    r.normal(size=(n, 2)) * 0.5 + [2, 0],
)
files["rare"] = np.where(z < 0.01, rare, np.where(z < 0.5, one, other))

rate = r.gamma(2, 2, size=(n, 1))
files["counts"] = r.poisson(rate * np.array([1, 2, 0.5, 4])).astype(np.int64)

mixed = r.normal(size=(n, 4)) @ np.array([[1, 0.8, 0, 0], [0, 0.6, 0, 0], [0, 0, 1, -0.9], [0, 0, 0, 0.4]])
files["scales"] = mixed * np.array([1e-6, 1, 1e3, 1e6])

a, b = r.uniform(0, 2 * np.pi, (2, n))
files["torus"] = np.stack([(3 + np.cos(b)) * np.cos(a), (3 + np.cos(b)) * np.sin(a), np.sin(b)], 1)

files["bimodal8"] = r.choice([-1, 1], size=(n, 8)) + 0.2 * r.normal(size=(n, 8))

files["lognormal"] = np.exp(r.normal(size=(n, 3)) @ np.array([[0.8, 0.3, 0], [0, 0.6, 0.2], [0, 0, 0.7]]))

for name, x in files.items():
    np.savez(folder / f"{name}.npz", train=x[:5000], test=x[5000:])

#!/usr/bin/env bash
# ot.dist in single precision puts points that are .28 apart at distance 0, where the data's mean is far from zero.
#
# Expected: squared distances from differences, right to a few parts in 10^7, as SciPy's cdist.
# Seen: POT 0.9.7, numpy 2.4.6, SciPy 1.17.1: 64 float32 points of 784 coordinates, mean 100, variance 1, each beside a copy moved by .01
# in every coordinate: cdist gives .0784 for each pair, ot.dist 0 for 37 of the 64 and up to 5.5 for others (|x|^2 - 2xy + |y|^2, near 7.8 million each).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check POT==0.9.7 numpy==2.4.6 scipy==1.17.1
"$folder/venv/bin/python" - <<'END'
import numpy as np, ot
from scipy.spatial.distance import cdist

x = (np.random.default_rng(0).normal(size=(64, 784)) + 100).astype(np.float32)
y = x + np.float32(0.01)
by_differences = np.diag(cdist(x, y, "sqeuclidean"))
by_products = np.diag(ot.dist(x, y))
print(f"by differences {by_differences.min():.4f} to {by_differences.max():.4f}")
print(f"ot.dist        {by_products.min():.4f} to {by_products.max():.4f}; zero for {(by_products == 0).sum()} of 64")
assert np.allclose(by_differences, 0.0784, atol=5e-4)
assert (by_products == 0).any() and by_products.max() > 0.5
END

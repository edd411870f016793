#!/usr/bin/env bash
# ot.sinkhorn(method="greenkhorn") counts single rows and columns as iterations, and by default stops far from both marginals.
#
# Expected: method names the algorithm; under the same defaults the plan is that of "sinkhorn" or close to it.
# Seen: POT 0.9.7, numpy 2.4.6: 64 against 64 normal points, regularisation 0.1, numItermax = 1,000: "sinkhorn" leaves its worst column .09%
# off, "greenkhorn" rows 57% and columns 64%. Its 1,000 updates mend one row or column each: under 8 sweeps over 128 of them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check POT==0.9.7 numpy==2.4.6 scipy==1.17.1
"$folder/venv/bin/python" - <<'END'
import warnings
import numpy as np, ot

warnings.simplefilter("ignore")
draw = np.random.default_rng(0)
x, y = draw.normal(size=(64, 2)), draw.normal(size=(64, 2)) + 1
mass = np.full(64, 1 / 64)
worst = {}
for method in "sinkhorn", "greenkhorn":
    plan = ot.sinkhorn(mass, mass, ot.dist(x, y), 0.1, method=method)
    worst[method] = max(64 * abs(plan.sum(axis) - mass).max() for axis in (0, 1))
    print(f"{method}: worst marginal off by {worst[method]:.1e} of itself")
assert worst["sinkhorn"] < 2e-3 and worst["greenkhorn"] > 0.3
END

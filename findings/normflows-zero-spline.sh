#!/usr/bin/env bash
# A rational-quadratic spline of zero logits is the identity in zuko and is not in normflows, nor is a coupling that starts from them.
#
# Expected: equal bins and zero for every free slope is the identity, the usual start of a flow.
# Seen: normflows 1.7.3, zuko 1.6.0, torch 2.13.0: normflows gives 1.3238 for 1.3 and a log-derivative of -.365 at 0 (its inner slopes are
# .001 + softplus(0) = .694, its end slopes 1); zuko gives 1.3. CoupledRationalQuadraticSpline(2, 1, 16), whose autoregressive sibling starts
# at the identity, moves 100 normal points by up to .73 with seed 0. A state dict moved from one to the other is another density.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 normflows==1.7.3 zuko==1.6.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'END'
import torch, zuko, normflows
from normflows.utils.splines import unconstrained_rational_quadratic_spline

x = torch.tensor([-1.0, 0.0, 1.3])
flat, slopes = torch.zeros(3, 8), torch.zeros(3, 7)
y, log_slope = unconstrained_rational_quadratic_spline(x, flat, flat, slopes, tails="linear", tail_bound=3.0)
same = zuko.transforms.MonotonicRQSTransform(flat, flat, slopes, bound=3.0)(x)
print("normflows", y.tolist(), "log-derivatives", log_slope.tolist())
print("zuko     ", same.tolist())
torch.manual_seed(0)
flows = [kind(2, 1, 16) for kind in (normflows.flows.CoupledRationalQuadraticSpline,
                                     normflows.flows.AutoregressiveRationalQuadraticSpline)]
points = torch.randn(100, 2)
moved = [(flow(points)[0] - points).abs().max().item() for flow in flows]
print("moved at the start: coupled %.3f, autoregressive %.1e" % tuple(moved))
assert torch.allclose(same, x, atol=1e-6)
assert abs(y[2] - 1.3238) < 1e-3 and abs(log_slope[1] + 0.365) < 1e-3
assert moved[0] > 0.05 and moved[1] < 1e-5
END

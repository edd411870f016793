#!/usr/bin/env bash
# torchdiffeq's adaptive solvers ask a field on [0, 1] for its velocity at times past 1, and fail where there is none.
#
# Expected: the last step ends at the last time asked for, as SciPy's solve_ivp and every fixed-step solver do.
# Seen: torchdiffeq 0.2.5, torch 2.13.0, CPU, y' = -y from t = 0 to 1, rtol = atol = 1e-3: dopri5 evaluates 4 of 14 times past 1, up to
# t = 1.26; dopri8 17 of 41, up to t = 2.84. The answer is interpolated within the step that passes the end. y' = sqrt(1 - t), which is
# smooth before 1, ends in "underflow in dt 0.0".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 torchdiffeq==0.2.5 numpy==2.4.6
"$folder/venv/bin/python" - <<'END'
import torch
from torchdiffeq import odeint

times = []
def decay(t, y):
    times.append(float(t))
    return -y
start, span = torch.ones(1, dtype=torch.float64), torch.tensor([0.0, 1.0], dtype=torch.float64)
past = {}
for method in "dopri5", "dopri8":
    times.clear()
    odeint(decay, start, span, method=method, rtol=1e-3, atol=1e-3)
    past[method] = (max(times), sum(t > 1 for t in times), len(times))
    print(method, "evaluates to t = %.3f; %d of %d times past 1" % past[method])
try:
    odeint(lambda t, y: torch.sqrt(1 - t) * torch.ones_like(y), start, span, rtol=1e-3, atol=1e-3)
except AssertionError as error:
    print("sqrt(1 - t):", error)
    underflow = "underflow" in str(error)
else:
    underflow = False
assert past["dopri5"][0] > 1.2 and past["dopri8"][0] > 2 and underflow
END

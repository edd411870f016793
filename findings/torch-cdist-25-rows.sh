#!/usr/bin/env bash
# torch.cdist(x, x) has zeros on its diagonal for 25 rows and not for 26.
#
# Expected: a point is at distance 0 from itself, or at the same rounding error at every number of rows.
# Seen: torch 2.13.0, CPU, float32, normal points of 64 coordinates about 10: the largest diagonal entry is 0 for 25 rows and .054 for
# 26: from there on cdist multiplies matrices. Of 1,000 points 388 are not at 0 from themselves, by up to .070, so that "the nearest other
# point" found by `> 0` is the point itself. compute_mode="donot_use_mm_for_euclid_dist" gives zeros.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'END'
import torch

x = torch.randn(1000, 64, generator=torch.Generator().manual_seed(0)) + 10
for n in 25, 26, 1000:
    diagonal = torch.cdist(x[:n], x[:n]).diagonal()
    print(n, "rows: largest", diagonal.max().item(), "non-zero", (diagonal > 0).sum().item())
    assert (diagonal.max() == 0) == (n == 25)
assert (diagonal > 0).sum() > 300 and diagonal.max() > 0.01
assert (torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist").diagonal() == 0).all()
END

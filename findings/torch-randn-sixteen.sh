#!/usr/bin/env bash
# torch.randn(17) begins like neither randn(16) nor randn(15): normal numbers of one seed depend on how many are asked for.
#
# Expected: a longer draw begins with the shorter one of the same seed, as numpy's and JAX's do, and as torch.rand does.
# Seen: torch 2.13.0, CPU, seed 0: randn(15) begins 1.5410, -.2934; randn(16) begins -1.1258, -1.1524; randn(17) begins -1.1258, -1.6959.
# Below 16 numbers come one by one; from 16 in blocks; the last 16 of a length that 16 does not divide are drawn again, over those already
# there. A batch of one row more is other noise in all of a small batch.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'END'
import torch

def draw(law, n):
    return law(n, generator=torch.Generator().manual_seed(0))
for n in 15, 16, 17, 32, 33:
    print(n, draw(torch.randn, n)[:3].tolist())
assert torch.equal(draw(torch.rand, 15), draw(torch.rand, 33)[:15])
assert torch.equal(draw(torch.randn, 16), draw(torch.randn, 32)[:16])
assert not (draw(torch.randn, 15) == draw(torch.randn, 16)[:15]).any()
assert not (draw(torch.randn, 17)[1:16] == draw(torch.randn, 16)[1:]).any()
END

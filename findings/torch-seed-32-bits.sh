#!/usr/bin/env bash
# torch's CPU generator draws by the lower 32 bits of its seed, and says that it has all 64.
#
# Expected: manual_seed takes a 64-bit seed, initial_seed() gives it back, so different seeds draw different numbers.
# Seen: torch 2.13.0, CPU: seeds 5 and 5 + 2^32 give the same rand, randn and randperm to the bit, while initial_seed() is 4294967301 for the
# second. 64-bit keys that are hashed for each step meet after some 2^16 steps, not 2^32.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'END'
import torch

low, high = (torch.Generator().manual_seed(seed) for seed in (5, 5 + 2**32))
print("initial seeds:", low.initial_seed(), high.initial_seed())
for draw in torch.rand, torch.randn:
    a, b = draw(100, generator=low), draw(100, generator=high)
    print(draw.__name__, "alike:", torch.equal(a, b))
    assert torch.equal(a, b)
assert torch.equal(torch.randperm(100, generator=low), torch.randperm(100, generator=high))
assert (low.initial_seed(), high.initial_seed()) == (5, 4294967301)
END

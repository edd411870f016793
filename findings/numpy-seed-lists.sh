#!/usr/bin/env bash
# numpy's generators take lists of seeds that differ for the same seed: 5, [5], [5, 0], [5, 0, 0] and [5, 0, 0, 0] draw alike.
#
# Expected: default_rng([seed, step]) gives each pair a stream of its own, and none that of default_rng(seed).
# Seen: numpy 2.4.6: the five above draw the same numbers ([5, 0, 0, 0, 0] does not), and default_rng(2**32 + 7) draws what default_rng([7, 1])
# does: an entry is cut into words of 32 bits, and up to four words are filled with zeros. Step 0 of [seed, step] is the seed alone.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6
"$folder/venv/bin/python" - <<'END'
import numpy as np

def first(seed):
    return np.random.default_rng(seed).random()
alike = [5, [5], [5, 0], [5, 0, 0], [5, 0, 0, 0]]
for seed in [*alike, [5, 0, 0, 0, 0], 2**32 + 7, [7, 1]]:
    print(seed, first(seed))
assert len({first(seed) for seed in alike}) == 1 and first([5, 0, 0, 0, 0]) != first(5)
assert first(2**32 + 7) == first([7, 1]) != first(7)
END

#!/usr/bin/env bash
# jax.random.fold_in(key, i) is split(key)[i]: the two ways to new keys give the same ones.
#
# Expected: keys derived in two ways are as good as independent, so that one part of a program may split what another folds a step into.
# Seen: jax 0.7.2, default settings: fold_in(key, 0..4) equals split(key, 5) to the bit, whatever number split was asked for.
# A loop that folds its step into a key that it also splits draws the same noise twice.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check jax==0.7.2 jaxlib==0.7.2 ml_dtypes==0.5.3 numpy==2.3.4 scipy==1.17.1
"$folder/venv/bin/python" - <<'END'
import jax, numpy as np

key = jax.random.key(7)
folded = np.stack([jax.random.key_data(jax.random.fold_in(key, i)) for i in range(5)])
split = np.asarray(jax.random.key_data(jax.random.split(key, 5)))
print("fold_in:", folded.tolist())
print("split:  ", split.tolist())
assert (folded == split).all()
assert (np.asarray(jax.random.key_data(jax.random.split(key, 2))) == folded[:2]).all()
END

#!/usr/bin/env bash
# safetensors.numpy saves bfloat16 and cannot load the file that it has written.
#
# Expected: a kind that `save` takes is one that `load` gives, or both refuse it by name.
# Seen: safetensors 0.8.0, ml_dtypes 0.6.0, numpy 2.4.6: `save` writes a right file with dtype BF16; `load` of it ends in KeyError: 'BF16',
# and with it all other tensors of the file are out of reach.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check safetensors==0.8.0 numpy==2.4.6 ml_dtypes==0.6.0
"$folder/venv/bin/python" - <<'END'
import ml_dtypes, numpy as np, safetensors.numpy

saved = safetensors.numpy.save({"weights": np.array([1.5, -2.0], ml_dtypes.bfloat16), "step": np.array([3])})
assert b'"dtype":"BF16"' in saved
try:
    print(safetensors.numpy.load(saved))
except KeyError as error:
    print("load says KeyError:", error)
    assert error.args == ("BF16",)
else:
    raise SystemExit("it is read now")
END

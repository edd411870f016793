#!/usr/bin/env bash
# The same tensors with the same metadata give a safetensors file of other bytes in each process.
#
# Expected: equal input, equal bytes: the header sorts its tensors, and the numbers lie as they are.
# Seen: safetensors 0.8.0, numpy 2.4.6: six processes save one array with six metadata entries and give six different SHA-256 sums;
# without metadata one. The entries of "__metadata__" stand in the order of a hash map that is seeded anew in each process.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check safetensors==0.8.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'END'
import subprocess, sys

SAVE = """
import hashlib, numpy, safetensors.numpy
metadata = {name: name for name in %r} or None
print(hashlib.sha256(safetensors.numpy.save({"a": numpy.ones(1)}, metadata=metadata)).hexdigest())
"""
def sums(names):
    return {subprocess.check_output([sys.executable, "-c", SAVE % names], text=True) for _ in range(6)}
with_metadata, without = sums("abcdef"), sums("")
print("different files of 6:", len(with_metadata), "with metadata,", len(without), "without")
# Of 720 orders six are all equal once in 2e14 tries.
assert len(with_metadata) > 1 and len(without) == 1
END

#!/usr/bin/env bash
# pandas.read_json does not read back the floats that Python, Rust and JavaScript write, and takes a column of seconds for dates.
#
# Expected: JSON holds the shortest digits that name a double, and a reader finds that double, as json.loads does.
# Seen: pandas 3.1.1, numpy 2.4.6, Python 3.11, x86-64: of 100,000 numbers drawn from [0, 1) and written by json.dumps, 92,199 come
# back as another double, off by up to 9.99e-16, nine units in the last place. `precise_float=True`, off by default, reads all right.
# And {"saved_at": 1600000000} comes back as 2020-09-13, because the name ends in "_at".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pandas==3.1.1 numpy==2.4.6
"$folder/venv/bin/python" - <<'END'
import io, json
import numpy as np, pandas as pd

written = np.random.default_rng(0).random(100_000)
lines = "\n".join(json.dumps({"loss": float(number)}) for number in written)
assert [json.loads(line)["loss"] for line in lines.splitlines()] == written.tolist()
read = pd.read_json(io.StringIO(lines), lines=True)["loss"].to_numpy()
precise = pd.read_json(io.StringIO(lines), lines=True, precise_float=True)["loss"].to_numpy()
print("others of 100,000:", (read != written).sum(), "by up to", abs(read - written).max())
print("with precise_float:", (precise != written).sum())
seconds = pd.read_json(io.StringIO('{"saved_at": 1600000000}\n{"saved_at": 1600000001}'), lines=True)["saved_at"]
print("seconds as", seconds.dtype, "from", seconds[0])
assert (read != written).sum() == 92_199 and (precise == written).all()
assert str(seconds[0]) == "2020-09-13 12:26:40"
END

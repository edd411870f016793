#!/usr/bin/env bash
# jax.jit on the CPU computes on several cores where its flags ask for one thread; the cores that the process may use hold it.
#
# Expected: with XLA_FLAGS="--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1", which benchmarks set for one thread,
# a compiled function takes as many seconds of the CPU as seconds on the clock.
# Seen: jax 0.7.2 and jaxlib 0.7.2, x86-64, two cores: 1.8 to 1.95 seconds of the CPU each second; with one
# core in the affinity of the process before jax is imported 1.0.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet jax==0.7.2 jaxlib==0.7.2
cat > "$folder/cores.py" <<'END'
import os, sys, time
if sys.argv[1] == "affinity":
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
if sys.argv[1] == "flags":
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
import jax, jax.numpy as jnp
jax.config.update("jax_platforms", "cpu")
w = jnp.ones((64, 64)) / 64
step = lambda _, x: jnp.tanh(jax.nn.selu(jax.nn.selu(x @ w) @ w) @ w)
f = jax.jit(lambda x: jax.lax.fori_loop(0, 300, step, x))
x = jnp.ones((10_000, 64))
f(x).block_until_ready()
clock, cpu = time.perf_counter(), time.process_time()
f(x).block_until_ready()
print((time.process_time() - cpu) / (time.perf_counter() - clock))
END
if [ "$(nproc)" -lt 2 ]; then
    echo "this machine has one core: nothing to see" >&2
    exit 1
fi
found() { "$folder/venv/bin/python" "$folder/cores.py" "$1"; }
flags=$(found flags) affinity=$(found affinity)
echo "seconds of the CPU each second: $flags with the flags, $affinity on one core"
python3 -c "import sys; flags, affinity = map(float, sys.argv[1:]); sys.exit(not (flags > 1.3 and affinity < 1.1))" "$flags" "$affinity"

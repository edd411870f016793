"""Exact assignment beside POT's network simplex and SciPy, on the same cost matrices in the same run.

    pip install pot scipy
    python benches/peers/assignment.py                   # 2-D and 3,072-D, n = 256, 512, 1024
    python benches/peers/assignment.py --sizes 2048 --dimensions 2 --rounds 3
    python benches/peers/assignment.py --keep DIR        # leaves the matrices there as .npy

Builds the Rust example `assignment` of strait-transport and feeds it one matrix at a time; the solvers take turns, one
solution each a round. A time is a solution alone: without reading files, without making costs. One thread each.
The points: a standard normal against eight Gaussians (standard deviation .32) on a circle of radius 5; in other
dimensions against a mixture of ten Gaussians on a 32-dimensional subspace with noise of standard deviation .1.
"""

import argparse
import os
import pathlib
import statistics
import subprocess
import tempfile
import time

for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[threads] = "1"

import numpy as np
import ot
import scipy.optimize

ROOT = pathlib.Path(__file__).resolve().parents[2]


def costs(n, dimension, seed):
    r = np.random.default_rng(seed)
    x = r.standard_normal((n, dimension))
    if dimension == 2:
        angle = 2 * np.pi * r.integers(0, 8, n) / 8
        y = 5 * np.stack([np.cos(angle), np.sin(angle)], 1) + np.sqrt(0.1) * r.standard_normal((n, 2))
    else:
        centres, subspace = 2 * r.standard_normal((10, 32)), r.standard_normal((32, dimension)) / 6
        y = (centres[r.integers(0, 10, n)] + r.standard_normal((n, 32))) @ subspace
        y += 0.1 * r.standard_normal((n, dimension))
    squares = (x * x).sum(1)[:, None] + (y * y).sum(1)[None] - 2 * x @ y.T
    return np.ascontiguousarray(np.maximum(squares, 0))


def timed(f):
    start = time.perf_counter()
    value = f()
    return 1e3 * (time.perf_counter() - start), value


def spread(times):
    return f"{statistics.median(times):8.2f} [{min(times):.2f}, {max(times):.2f}]"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512, 1024])
    parser.add_argument("--dimensions", type=int, nargs="+", default=[2, 3072])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--keep", type=pathlib.Path, help="a folder for the matrices; else they are thrown away")
    args = parser.parse_args()

    example = ["cargo", "run", "--quiet", "--release", "-p", "strait-transport", "--example", "assignment"]
    subprocess.run(example, cwd=ROOT, check=True, stdin=subprocess.DEVNULL)  # builds it
    ours = subprocess.Popen(example, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    print(f"POT {ot.__version__}, SciPy {scipy.__version__}; milliseconds: median [min, max] of {args.rounds} rounds")
    print(f"{'d':>5} {'n':>5}  {'strait':<28} {'POT emd':<28} {'SciPy':<28} strait/POT")
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.keep or pathlib.Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        for dimension in args.dimensions:
            for n in args.sizes:
                matrix, path = costs(n, dimension, n), (folder / f"costs-{dimension}d-{n}.npy").resolve()
                np.save(path, matrix)
                weights = np.full(n, 1 / n)
                times = {"strait": [], "pot": [], "scipy": []}
                for _ in range(args.rounds):
                    print(path, file=ours.stdin, flush=True)
                    _, milliseconds, cost, violation = ours.stdout.readline().split()
                    times["strait"].append(float(milliseconds))
                    t, (_, log) = timed(lambda: ot.emd(weights, weights, matrix, numItermax=10**9, log=True))
                    times["pot"].append(t)
                    t, (rows, columns) = timed(lambda: scipy.optimize.linear_sum_assignment(matrix))
                    times["scipy"].append(t)
                exact = matrix[rows, columns].sum()
                assert abs(float(cost) - exact) < 1e-9 * exact, (cost, exact)
                assert abs(log["cost"] * n - exact) < 1e-9 * exact, (log["cost"] * n, exact)
                assert float(violation) < 1e-12 * matrix.max(), violation
                ratio = statistics.median(times["strait"]) / statistics.median(times["pot"])
                columns = "  ".join(f"{spread(times[name]):<27}" for name in ("strait", "pot", "scipy"))
                print(f"{dimension:>5} {n:>5} {columns} {ratio:.2f}", flush=True)
    ours.stdin.close()
    ours.wait()


if __name__ == "__main__":
    main()

"""Exact assignment beside POT's network simplex and SciPy, on the same cost matrices in the same run.

    pip install pot scipy
    python benches/peers/assignment.py                   # 2-D and 3,072-D, n = 256, 512, 1024
    python benches/peers/assignment.py --sizes 2048 --dimensions 2 --rounds 3
    python benches/peers/assignment.py --structured      # clusters, ties, lines, grids, duplicates instead; n = 256, 1024
    python benches/peers/assignment.py --keep DIR        # leaves the matrices there as .npy

Builds the Rust example `assignment` of strait-transport and feeds it one matrix at a time; the solvers take turns, one
solution each a round. A time is a solution alone: without reading files, without making costs. One thread each. The ratios
are of ours to the better peer's: of the medians, and of the least times, which a busy machine disturbs less.
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


def squares(x, y):
    return ((x[:, None] - y[None]) ** 2).sum(-1)


def structured(n):
    """Costs whose optima are crowded: (name, matrix)."""
    r = np.random.default_rng(n)
    normal, side, line = lambda *shape: r.standard_normal(shape), int(round(n**0.5)), np.arange(n)
    apart = lambda share, distance: distance * (r.random(n) < share)[:, None] * np.array([[1.0, 0.0]])
    some, other = (lambda points: points[r.integers(0, len(points), n)]), normal(n // 8, 2)
    far, elsewhere = 100 * normal(16, 2), 100 * normal(16, 2)
    half = 1000.0 * (line % 2)[:, None] * np.array([[1.0, 0.0]])
    cells = r.integers(0, side, (2, n, 2)).astype(float)
    yield "points on a line, squares", squares(normal(n, 1), normal(n, 1))
    yield "points on a line, distances", np.abs(normal(n, 1) - normal(1, n))
    yield "points on a circle", 1 - np.cos(2 * np.pi * (r.random((n, 1)) - r.random((1, n))))
    yield "products i j", np.outer(line, line).astype(float)
    yield "equal clusters 1,000 apart", squares(normal(n, 2) + half, normal(n, 2) + half)
    yield "unequal clusters 1,000 apart", squares(normal(n, 2) + apart(0.5, 1e3), normal(n, 2) + apart(0.3, 1e3))
    yield "unequal clusters 1e6 apart", squares(normal(n, 2) + apart(0.5, 1e6), normal(n, 2) + apart(0.3, 1e6))
    yield "sixteen clusters, shared", squares(normal(n, 2) + some(far), normal(n, 2) + some(far))
    yield "sixteen clusters, others", squares(normal(n, 2) + some(far), normal(n, 2) + some(elsewhere))
    for most in (2, 3, 10, 100, 1000):
        yield f"whole numbers below {most:,}", r.integers(0, most, (n, n)).astype(float)
    yield "equal costs", np.full((n, n), 3.0)
    yield "row plus column", normal(n, 1) + normal(n, 1).T
    yield "cells of a grid, squares", squares(*cells)
    yield "cells of a grid, steps", np.abs(cells[0][:, None] - cells[1][None]).sum(-1)
    yield "a grid to normal points", squares(np.argwhere(np.ones((side, side)))[:n], side / 2 + side / 4 * normal(n, 2))
    yield "duplicates on both sides", squares(some(other), some(normal(n // 8, 2)))
    yield "duplicates of the same points", squares(some(other), some(other))
    yield "duplicates on one side", squares(some(other), normal(n, 2))
    yield "ten targets", squares(normal(n, 2), some(normal(10, 2)))
    yield "one point far off", squares(np.vstack([normal(n - 1, 2), [[1e6, 0]]]), np.vstack([normal(n - 1, 2), [[1e6, 1]]]))
    yield "blocks of zeros and ones", (r.integers(0, 16, (n, 1)) != r.integers(0, 16, (1, n))).astype(float)
    yield "one in twenty allowed", np.where((r.random((n, n)) < 0.05) | np.eye(n, dtype=bool), r.random((n, n)), 1e6)


def timed(f):
    start = time.perf_counter()
    value = f()
    return 1e3 * (time.perf_counter() - start), value


def spread(times):
    return f"{statistics.median(times):8.2f} [{min(times):.2f}, {max(times):.2f}]"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", help="256 512 1024; structured costs 256 1024")
    parser.add_argument("--dimensions", type=int, nargs="+", default=[2, 3072])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--keep", type=pathlib.Path, help="a folder for the matrices; else they are thrown away")
    parser.add_argument("--structured", action="store_true")
    args = parser.parse_args()

    example = ["cargo", "run", "--quiet", "--release", "-p", "strait-transport", "--example", "assignment"]
    subprocess.run(example, cwd=ROOT, check=True, stdin=subprocess.DEVNULL)  # builds it
    ours = subprocess.Popen(example, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    print(f"POT {ot.__version__}, SciPy {scipy.__version__}; milliseconds: median [min, max] of {args.rounds} rounds")
    print(f"{'costs':<30} {'n':>5}  {'strait':<28} {'POT emd':<28} {'SciPy':<28} of the better peer")
    if args.structured:
        sizes = args.sizes or [256, 1024]
        problems = ((name, n, matrix) for n in sizes for name, matrix in structured(n))
    else:
        sizes = args.sizes or [256, 512, 1024]
        problems = ((f"{d} dimensions", n, costs(n, d, n)) for d in args.dimensions for n in sizes)
    worst = 0.0
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.keep or pathlib.Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        for name, n, matrix in problems:
            path = (folder / f"costs-{name}-{n}.npy".replace(" ", "-")).resolve()
            matrix = np.ascontiguousarray(matrix)
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
            exact, largest = matrix[rows, columns].sum(), np.abs(matrix).max()
            assert abs(float(cost) - exact) <= 1e-9 * abs(exact) + 1e-14 * n * largest, (name, cost, exact)
            assert float(violation) <= 1e-12 * largest, (name, violation)
            middle = {name: statistics.median(values) for name, values in times.items()}
            least = {name: min(values) for name, values in times.items()}
            ratio, of_least = (t["strait"] / min(t["pot"], t["scipy"]) for t in (middle, least))
            worst = max(worst, of_least)
            columns = "  ".join(f"{spread(times[name]):<27}" for name in ("strait", "pot", "scipy"))
            print(f"{name:<30} {n:>5} {columns} {ratio:.2f} {of_least:.2f}", flush=True)
    print(f"the largest ratio of least times is {worst:.2f}")
    ours.stdin.close()
    ours.wait()


if __name__ == "__main__":
    main()

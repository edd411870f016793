#!/usr/bin/env bash
# A maximum over Gloo keeps a NaN in some places of a tensor and loses it in others.
#
# Expected: all_reduce with MAX gives NaN where one rank has NaN, as torch.max, torch.maximum and all_reduce with SUM do.
# Seen: torch 2.13.0, CPU, Gloo, two ranks: of a rank that has NaN in all 3 places two places are NaN after MAX if that is rank 0, and the
# third if that is rank 1; the others hold the other rank's number. MIN does the same. Each rank gets the same result. Each place is
# reduced on one rank, by a comparison that is false of NaN and keeps its first argument: so a flag or a largest norm by MAX misses a NaN.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
cat > "$folder/ranks.py" <<'END'
import sys
import torch
import torch.distributed as dist
import torch.multiprocessing as processes


def rank_of_two(rank, file):
    dist.init_process_group("gloo", init_method=f"file://{file}", rank=rank, world_size=2)
    for has_nan, places in (0, [True, True, False]), (1, [False, False, True]):
        for name in "SUM", "MAX", "MIN":
            x = torch.full((3,), float("nan") if rank == has_nan else 7.0)
            dist.all_reduce(x, op=getattr(dist.ReduceOp, name))
            if rank == 0:
                print(f"{name}, rank {has_nan} has NaN: {x.tolist()}", flush=True)
            expected = [True] * 3 if name == "SUM" else places
            assert x.isnan().tolist() == expected and x[~x.isnan()].eq(7.0).all(), (name, rank, x)
    dist.destroy_process_group()


if __name__ == "__main__":
    x, y = torch.full((3,), float("nan")), torch.full((3,), 7.0)
    assert torch.maximum(x, y).isnan().all() and torch.maximum(y, x).isnan().all()
    processes.spawn(rank_of_two, args=(sys.argv[1],), nprocs=2)
END
"$folder/venv/bin/python" "$folder/ranks.py" "$folder/store"

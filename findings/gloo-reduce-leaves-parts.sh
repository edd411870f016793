#!/usr/bin/env bash
# A reduction to rank 0 over Gloo changes the tensors of the other ranks.
#
# Expected: dist.reduce(x, 0) gives rank 0 the sum, and leaves x of every other rank as it was.
# Seen: torch 2.13.0, CPU, Gloo, two ranks, each place of rank r is r + 1: rank 0 has 3, 3, 3, and rank 1 has 2, 2, 3. A place that is
# reduced on rank 1 on the way keeps its partial sum there. A loss that is reduced for the log and used again on each rank is then another.
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
    x = torch.full((3,), rank + 1.0)
    dist.reduce(x, 0)
    print(f"rank {rank}: {x.tolist()}", flush=True)
    assert x.tolist() == [[3, 3, 3], [2, 2, 3]][rank]
    dist.destroy_process_group()


if __name__ == "__main__":
    processes.spawn(rank_of_two, args=(sys.argv[1],), nprocs=2)
END
"$folder/venv/bin/python" "$folder/ranks.py" "$folder/store"

#!/usr/bin/env bash
# Modules of tch start otherwise than the modules of PyTorch with the same name and the default settings.
#
# Expected: nn::linear, nn::conv2d and nn::batch_norm2d of tch draw their parameters from the laws of Linear, Conv2d and BatchNorm2d.
# Seen: tch 0.26.0, torch 2.13.0: weights of tch's linear and convolution are uniform up to (6 / inputs)^.5, and PyTorch's up to
# (1 / inputs)^.5: 2.45 times narrower. tch's convolution begins with biases of 0, and PyTorch's with those of the weights' law. The scales
# of tch's batch norm are drawn between 0 and 1, and PyTorch's are 1. So a training that is brought over begins elsewhere, at its rate.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
mkdir -p "$folder/package/src"
cd "$folder/package"
cat > Cargo.toml <<'END'
[package]
name = "initial"
version = "0.1.0"
edition = "2024"

[dependencies]
tch = "=0.26.0"

[workspace]
END
cat > src/main.rs <<'END'
use tch::nn::{self, VarStore};
use tch::{Device, Tensor};

fn main() {
    tch::manual_seed(0);
    let store = VarStore::new(Device::Cpu);
    let linear = nn::linear(&store.root() / "linear", 600, 200, Default::default());
    let conv = nn::conv2d(&store.root() / "conv", 24, 200, 5, Default::default());
    let norm = nn::batch_norm2d(&store.root() / "norm", 10_000, Default::default());
    let tensors: [(&str, &Tensor); 5] = [
        ("linear.weight", &linear.ws),
        ("linear.bias", linear.bs.as_ref().unwrap()),
        ("conv.weight", &conv.ws),
        ("conv.bias", conv.bs.as_ref().unwrap()),
        ("norm.weight", norm.ws.as_ref().unwrap()),
    ];
    for (name, x) in tensors {
        println!("{name} {:.4} {:.4}", x.min().double_value(&[]), x.max().double_value(&[]));
    }
}
END
export LIBTORCH_USE_PYTORCH=1 PATH="$folder/venv/bin:$PATH"
libraries=$(python -c 'import os, torch; print(os.path.join(os.path.dirname(torch.__file__), "lib"))')
LD_LIBRARY_PATH="$libraries" cargo run --quiet > tch.txt
python - <<'END'
import torch

torch.manual_seed(0)
linear, conv, norm = torch.nn.Linear(600, 200), torch.nn.Conv2d(24, 200, 5), torch.nn.BatchNorm2d(10_000)
theirs = {"linear.weight": linear.weight, "linear.bias": linear.bias, "conv.weight": conv.weight, "conv.bias": conv.bias,
          "norm.weight": norm.weight}
narrow, wide = (1 / 600) ** .5, (6 / 600) ** .5
expected = {"linear.weight": ((-wide, wide), (-narrow, narrow)), "linear.bias": ((-narrow, narrow),) * 2,
            "conv.weight": ((-wide, wide), (-narrow, narrow)), "conv.bias": ((0, 0), (-narrow, narrow)),
            "norm.weight": ((0, 1), (1, 1))}
for line in open("tch.txt"):
    name, *ours = line.split()
    ranges = tuple(map(float, ours)), (theirs[name].min().item(), theirs[name].max().item())
    print(f"{name}: tch {ranges[0][0]:.4f} to {ranges[0][1]:.4f}, PyTorch {ranges[1][0]:.4f} to {ranges[1][1]:.4f}")
    for seen, ends in zip(ranges, expected[name]):
        assert all(abs(a - b) <= .03 * abs(ends[1]) for a, b in zip(seen, ends)), (name, seen, ends)
END

// A kernel's reverse derivative where it is itself to be differentiated: through the same made of libtorch's operations.
#pragma once
#include "common.h"
#include <torch/csrc/autograd/autograd.h>

namespace strait {

// The gradients in `inputs` of what `make` makes of them, under cotangents; null where an input wants none or is not there.
// What comes of inputs that want none has nothing to give.
template <typename F>
std::vector<at::Tensor> pull_again(F&& make, at::TensorList inputs, const std::vector<at::Tensor>& cotangents) {
  // Under other names: an input may have been made from another, and its gradient is not the other's.
  const auto wants = [](const at::Tensor& x) { return x.defined() && x.requires_grad(); };
  std::vector<at::Tensor> own, wanted;
  for (const auto& x : inputs) {
    own.push_back(x.defined() ? x.view_as(x) : x);
    if (wants(x)) wanted.push_back(own.back());
  }
  const auto made = make(own);
  std::vector<at::Tensor> moving, given;
  for (size_t i = 0; i < made.size(); ++i) {
    if (!made[i].requires_grad()) continue;
    moving.push_back(made[i]);
    given.push_back(cotangents[i]);
  }
  const auto found = torch::autograd::grad(moving, wanted, given, /*retain_graph=*/true, /*create_graph=*/true,
                                           /*allow_unused=*/true);
  std::vector<at::Tensor> result(inputs.size());
  for (size_t i = 0, k = 0; i < inputs.size(); ++i) {
    if (wants(inputs[i])) result[i] = found[k++];
  }
  return result;
}

}  // namespace strait

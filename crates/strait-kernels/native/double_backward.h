// A kernel's reverse derivative where it is itself to be differentiated: through the same made of libtorch's operations.
#pragma once
#include "common.h"
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <vector>

namespace strait {

// Whether what comes of these cotangents is to be differentiated: it is recorded, or, inside a JVP, one of them carries a
// tangent, which a kernel that reads numbers would drop.
inline bool differentiated(const std::vector<at::Tensor>& cotangents) {
  const auto moves = [](const at::Tensor& g) { return g.defined() && g._fw_grad(0).defined(); };
  return at::GradMode::is_enabled() || std::any_of(cotangents.begin(), cotangents.end(), moves);
}

// The gradients in `inputs` of what `make` makes of them, under cotangents; null where an input wants none or is not there.
// What comes of inputs that want none has nothing to give.
template <typename F>
std::vector<at::Tensor> double_backward(F&& make, at::TensorList inputs, const std::vector<at::Tensor>& cotangents) {
  const bool recorded = at::GradMode::is_enabled();
  const at::AutoGradMode anew(true);
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
  const auto found = torch::autograd::grad(moving, wanted, given, /*retain_graph=*/true, /*create_graph=*/recorded,
                                           /*allow_unused=*/true);
  std::vector<at::Tensor> result(inputs.size());
  for (size_t i = 0, k = 0; i < inputs.size(); ++i) {
    if (wants(inputs[i])) result[i] = found[k++];
  }
  return result;
}

}  // namespace strait

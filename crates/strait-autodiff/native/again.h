// A kernel's reverse derivative where it is itself to be differentiated: through the same made of libtorch's operations.
#pragma once
#include "common.h"
#include <torch/csrc/autograd/autograd.h>

namespace strait {

// The gradients in `inputs` of `outputs`, made of them, under cotangents; null where an input wants none.
inline std::vector<at::Tensor> pull_again(const std::vector<at::Tensor>& outputs, at::TensorList inputs,
                                          const std::vector<at::Tensor>& cotangents) {
  std::vector<at::Tensor> wanted;
  for (const auto& x : inputs) {
    if (x.requires_grad()) wanted.push_back(x);
  }
  const auto found = torch::autograd::grad(outputs, wanted, cotangents, /*retain_graph=*/true, /*create_graph=*/true,
                                           /*allow_unused=*/true);
  std::vector<at::Tensor> result(inputs.size());
  for (size_t i = 0, k = 0; i < inputs.size(); ++i) {
    if (inputs[i].requires_grad()) result[i] = found[k++];
  }
  return result;
}

}  // namespace strait

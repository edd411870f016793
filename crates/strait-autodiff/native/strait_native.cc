// What tch does not expose of libtorch. Every function returns null, or an error message that the caller
// frees with strait_free: no C++ exception crosses into Rust.
#include "common.h"

#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_lerp.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/stack.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/forward_grad.h>
#include <torch/csrc/autograd/grad_mode.h>

#include <string>
#include <typeindex>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#ifdef STRAIT_KEEP_CUDA
// libtorch finds a GPU only if libtorch_cuda is loaded, and the linker drops a library that nothing refers to.
namespace at::cuda {
int warp_size();
}
__attribute__((constructor)) static void strait_keep_cuda() {
  asm volatile("" : : "r"(&at::cuda::warp_size));
}
#endif

using at::Tensor;
using strait::guarded;

namespace {

std::vector<Tensor> list(Tensor** tensors, size_t n) {
  std::vector<Tensor> out;
  out.reserve(n);
  for (size_t i = 0; i < n; ++i) out.push_back(tensors[i] ? *tensors[i] : Tensor());
  return out;
}

// The fused kernels walk memory and never look at strides, so gradients must lie as their parameters do; autograd
// returns those of a convolution's weights in the layout of its input. And they divide a gradient where it lies, but
// autograd returns one tensor for both terms of a sum.
std::vector<Tensor> laid_out_as(const std::vector<Tensor>& params, std::vector<Tensor> grads) {
  std::unordered_set<const void*> seen;
  for (size_t i = 0; i < grads.size(); ++i) {
    const bool again = !seen.insert(grads[i].const_data_ptr()).second;
    if (again || grads[i].strides() != params[i].strides()) grads[i] = at::empty_like(params[i]).copy_(grads[i]);
  }
  return grads;
}

// Operations the gradient of whose tangent libtorch 2.13 gets wrong without a word: their second derivatives lose terms, or
// the graph of their tangent. By the names of their nodes.
const char* fragile(const std::string& node) {
  static const std::unordered_map<std::string, const char*> all{
      {"NativeLayerNormBackward0", "layer_norm"},
      {"NativeBatchNormBackward0", "batch_norm"},
      {"CudnnBatchNormBackward0", "batch_norm"},
      {"LinalgDetBackward0", "det"},
      {"LinalgSlogdetBackward0", "slogdet"},
      {"LinalgSolveExBackward0", "linalg_solve"},
      {"LinalgHouseholderProductBackward0", "householder_product"},
      {"CholeskyInverseBackward0", "cholesky_inverse"},
      {"ScatterReduceBackward0", "scatter_reduce"},
  };
  const auto found = all.find(node);
  return found == all.end() ? nullptr : found->second;
}

// The same of a node, whose name is asked for once for each type.
const char* fragile(const torch::autograd::Node& node) {
  thread_local std::unordered_map<std::type_index, const char*> known;
  const auto [at, is_new] = known.try_emplace(std::type_index(typeid(node)), nullptr);
  if (is_new) at->second = fragile(node.name());
  return at->second;
}

}  // namespace

extern "C" {

void strait_free(char* text) { free(text); }

char* strait_dual_enter(uint64_t* level) {
  return guarded([&] { *level = torch::autograd::ForwardADLevel::get_next_idx(); });
}

char* strait_dual_exit(uint64_t level) {
  return guarded([&] { torch::autograd::ForwardADLevel::release_idx(level); });
}

// `name` is null where no fragile operation is in the graphs of the tensors; else it is static.
char* strait_fragile(Tensor** outputs, size_t n, const char** name) {
  return guarded([&] {
    *name = nullptr;
    std::vector<const torch::autograd::Node*> open;
    std::unordered_set<const torch::autograd::Node*> seen;
    const auto reach = [&](const torch::autograd::Node* node) {
      if (node && seen.insert(node).second) open.push_back(node);
    };
    for (size_t i = 0; i < n; ++i) reach(outputs[i]->grad_fn().get());
    while (!open.empty() && !*name) {
      const auto* node = open.back();
      open.pop_back();
      *name = fragile(*node);
      for (const auto& edge : node->next_edges()) reach(edge.function.get());
    }
  });
}

// results[i] is null where an input does not reach an output.
char* strait_vjp(Tensor** outputs, Tensor** cotangents, size_t n_outputs, Tensor** inputs, size_t n_inputs,
                 bool retain_graph, bool create_graph, Tensor** results) {
  return guarded([&] {
    auto grads = torch::autograd::grad(list(outputs, n_outputs), list(inputs, n_inputs), list(cotangents, n_outputs),
                                       retain_graph, create_graph, /*allow_unused=*/true);
    for (size_t i = 0; i < n_inputs; ++i) results[i] = grads[i].defined() ? new Tensor(grads[i]) : nullptr;
  });
}

// The total 2-norm of the gradients, the divisor that clips it to max_norm, and 1 where it is not finite.
char* strait_clip(Tensor** grads, size_t n, double max_norm, Tensor** norm, Tensor** divisor, Tensor** found_inf) {
  return guarded([&] {
    at::NoGradGuard no_grad;
    auto total = at::linalg_vector_norm(at::stack(at::_foreach_norm(list(grads, n), 2)), 2);
    auto clipped = total.div(max_norm).clamp_min(1).to(at::kFloat);
    auto bad = at::isfinite(total).logical_not().to(at::kFloat);
    *norm = new Tensor(total);
    *divisor = new Tensor(clipped);
    *found_inf = new Tensor(bad);
  });
}

char* strait_adamw(Tensor** params, Tensor** grads, Tensor** exp_avg, Tensor** exp_avg_sq, size_t n, Tensor* step,
                   double lr, double beta1, double beta2, double weight_decay, double eps, Tensor* divisor,
                   Tensor* found_inf) {
  return guarded([&] {
    at::NoGradGuard no_grad;
    step->add_(1);
    if (found_inf) step->sub_(*found_inf);
    std::vector<Tensor> steps(n, *step);
    auto optional = [](Tensor* t) { return t ? std::optional<Tensor>(*t) : std::nullopt; };
    auto p = list(params, n);
    auto g = laid_out_as(p, list(grads, n));
    at::_fused_adamw_(p, g, list(exp_avg, n), list(exp_avg_sq, n), {}, steps, lr, beta1,
                      beta2, weight_decay, eps, /*amsgrad=*/false, /*maximize=*/false, optional(divisor),
                      optional(found_inf));
  });
}

char* strait_lerp(Tensor** averages, Tensor** params, size_t n, double weight) {
  return guarded([&] {
    at::NoGradGuard no_grad;
    at::_foreach_lerp_(list(averages, n), list(params, n), weight);
  });
}

}  // extern "C"

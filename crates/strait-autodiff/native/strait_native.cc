// What tch does not expose of libtorch. Every function returns null, or an error message that the caller
// frees with strait_free: no C++ exception crosses into Rust.
// libtorch is built without the assertions of its debug builds, with which its records of functions have another layout.
#ifndef NDEBUG
#define NDEBUG
#endif
#include "common.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/ones_like.h>
#include <ATen/record_function.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/engine.h>
#include <torch/csrc/autograd/forward_grad.h>
#include <torch/csrc/autograd/grad_mode.h>
#include <torch/csrc/autograd/graph_task.h>

#include <climits>
#include <memory>
#include <string>
#include <string_view>
#include <typeindex>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#ifdef __GLIBC__
#include <malloc.h>
#endif

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
  for (size_t i = 0; i < n; ++i) out.push_back(*tensors[i]);
  return out;
}

// The number 1 of the kind of a scalar.
Tensor one_like(const Tensor& x) {
  if (!x.is_cpu() || x.dim() > 0) return at::ones_like(x);
  auto one = at::empty({}, x.options());
  switch (x.scalar_type()) {
    case at::kFloat: *one.mutable_data_ptr<float>() = 1; return one;
    case at::kDouble: *one.mutable_data_ptr<double>() = 1; return one;
    default: return at::ones_like(x);
  }
}

// The pull-back through a graph of one node between an output and leaves, as that of a loss with its gradient at hand:
// libtorch's engine takes several times as long to start. False for other graphs, which are left to the engine.
bool pulled_at_once(const Tensor& output, const Tensor& cotangent, Tensor** inputs, size_t n, bool retain_graph,
                    Tensor** results) {
  using torch::autograd::Node;
  const auto node = output.grad_fn();
  if (!node || !output.is_cpu() || torch::autograd::get_current_graph_task_id() != -1 ||
      cotangent.scalar_type() != output.scalar_type() || cotangent.sizes() != output.sizes()) {
    return false;
  }
  const auto hooked = [](Node& x) {
    return !x.pre_hooks().empty() || !x.post_hooks().empty() || !x.tensor_pre_hooks().empty() ||
           !x.retains_grad_hooks().empty();
  };
  if (hooked(*node)) return false;
  for (const auto& edge : node->next_edges()) {
    if (edge.is_valid() && (edge.function->num_outputs() > 0 || hooked(*edge.function))) return false;
  }
  std::vector<torch::autograd::Edge> wanted;
  for (size_t i = 0; i < n; ++i) {
    if (!inputs[i]->requires_grad() || !inputs[i]->is_leaf()) return false;
    wanted.push_back(torch::autograd::impl::gradient_edge(*inputs[i]));
  }
  const at::AutoGradMode unrecorded(false);
  torch::autograd::variable_list cotangents(node->num_inputs());
  cotangents[output.output_nr()] = cotangent;
  auto found = (*node)(std::move(cotangents));
  torch::autograd::validate_outputs(node->next_edges(), found, [](const std::string& problem) { return problem; });
  if (!retain_graph) node->release_variables();
  for (size_t i = 0; i < n; ++i) {
    Tensor sum;
    for (size_t j = 0; j < found.size(); ++j) {
      if (found[j].defined() && node->next_edge(j) == wanted[i]) sum = sum.defined() ? sum.add(found[j]) : found[j];
    }
    results[i] = sum.defined() ? new Tensor(sum) : nullptr;
  }
  return true;
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
      {"TriangularSolveBackward0", "triangular_solve"},
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

// The operation of this thread's dual level whose tangent libtorch 2.13 gets wrong, or drops, without a word.
thread_local const char* wrong = nullptr;

bool carries(const c10::IValue& input) {
  return input.isTensor() && input.toTensor().defined() && input.toTensor()._fw_grad(/*level=*/0).defined();
}

enum class Form { symmetric, lower, upper };

// Whether matrices and their tangent have the form that an operation takes for granted, but for rounding. It reads a part of them
// alone, and its tangent takes the other part for what it should be.
bool has_form(const Tensor& x, Form form) {
  const at::AutoDispatchBelowADInplaceOrView below;
  const auto of = [form](const Tensor& m) {
    if (m.numel() == 0) return true;
    const Tensor rest = form == Form::symmetric ? m.sub(m.mH()) : form == Form::lower ? m.triu(1) : m.tril(-1);
    const double eps = m.scalar_type() == at::kDouble || m.scalar_type() == at::kComplexDouble ? 2.2e-16 : 1.2e-7;
    return !(rest.abs().max().item<double>() > 1e3 * eps * m.abs().max().item<double>());
  };
  const Tensor tangent = x._fw_grad(/*level=*/0);
  return of(x) && of(tangent);
}

// Looks at each operation before it is computed.
std::unique_ptr<at::ObserverContext> look(const at::RecordFunction& call) {
  const auto inputs = call.inputs();
  const std::string_view name = call.name();
  if (name == "aten::cholesky_inverse" && carries(inputs[0])) {
    wrong = "cholesky_inverse";
  } else if (name == "aten::triangular_solve" && (carries(inputs[0]) || carries(inputs[1]))) {
    wrong = "triangular_solve";
  } else if ((name == "aten::linalg_cholesky_ex" || name == "aten::cholesky") && carries(inputs[0]) &&
             !has_form(inputs[0].toTensor(), Form::symmetric)) {
    wrong = "cholesky of a matrix that is not symmetric";
  } else if (name == "aten::_linalg_eigh" && carries(inputs[0]) && !has_form(inputs[0].toTensor(), Form::symmetric)) {
    wrong = "eigh of a matrix that is not symmetric";
  } else if (name == "aten::cholesky_solve" && carries(inputs[1]) &&
             !has_form(inputs[1].toTensor(), inputs[2].toBool() ? Form::upper : Form::lower)) {
    wrong = "cholesky_solve of a matrix that is not triangular";
  } else if ((name == "aten::scatter_reduce" || name == "aten::scatter_reduce_") && inputs[4].toStringView() == "prod" &&
             (carries(inputs[0]) || carries(inputs[3]))) {
    wrong = "scatter_reduce";
  } else if (name == "aten::as_strided_scatter" && (carries(inputs[0]) || carries(inputs[1]))) {
    // Its pull-back takes the strides of a cotangent for those of its input, so that the gradient of the tangent is of others.
    wrong = "as_strided_scatter";
  }
  return nullptr;
}

}  // namespace

extern "C" {

void strait_free(char* text) { free(text); }

// A step frees what the next one asks for. Without this, glibc returns it to the system in between, which clears it each time.
void strait_keep_freed_memory() {
#ifdef __GLIBC__
  constexpr int mapped = 256 << 20, limit_of_old = 32 << 20, trimmed = INT_MAX;
  // Both or neither: one alone ends the rule by which glibc moves the other.
  if (mallopt(M_MMAP_THRESHOLD, mapped) == 0) mallopt(M_MMAP_THRESHOLD, limit_of_old);
  mallopt(M_TRIM_THRESHOLD, trimmed);
#endif
}

char* strait_dual_enter(uint64_t* level, uint64_t* watch) {
  return guarded([&] {
    *level = torch::autograd::ForwardADLevel::get_next_idx();
    wrong = nullptr;
    *watch = at::addThreadLocalCallback(
        at::RecordFunctionCallback(look).needsInputs(true).scopes({at::RecordScope::FUNCTION}));
  });
}

char* strait_dual_exit(uint64_t level, uint64_t watch) {
  return guarded([&] {
    at::removeCallback(watch);
    torch::autograd::ForwardADLevel::release_idx(level);
  });
}

// `name` is null where no operation since this thread entered its dual level has a wrong tangent; else it is static.
char* strait_wrong_tangent(const char** name) {
  return guarded([&] { *name = wrong; });
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

// A cotangent that is null is 1, of a scalar. results[i] is null where an input does not reach an output.
char* strait_vjp(Tensor** outputs, Tensor** cotangents, size_t n_outputs, Tensor** inputs, size_t n_inputs,
                 bool retain_graph, bool create_graph, Tensor** results) {
  return guarded([&] {
    std::vector<Tensor> given;
    for (size_t i = 0; i < n_outputs; ++i) given.push_back(cotangents[i] ? *cotangents[i] : one_like(*outputs[i]));
    if (n_outputs == 1 && !create_graph &&
        pulled_at_once(*outputs[0], given[0], inputs, n_inputs, retain_graph, results)) {
      return;
    }
    auto grads = torch::autograd::grad(list(outputs, n_outputs), list(inputs, n_inputs), given, retain_graph, create_graph,
                                       /*allow_unused=*/true);
    for (size_t i = 0; i < n_inputs; ++i) results[i] = grads[i].defined() ? new Tensor(grads[i]) : nullptr;
  });
}

}  // extern "C"

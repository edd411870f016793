// Gradient checkpointing: what a function computes on its way is computed again when its gradient is asked for.
#include "common.h"

#include <ATen/core/ivalue.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/custom_class.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

extern "C" {

// Of Rust: null and a result to own, or a text from strait_text.
typedef char* (*strait_call)(void* closure, Tensor** inputs, size_t n, Tensor** result);
typedef void (*strait_drop)(void* closure);

char* strait_text(const char* text, size_t n) { return strndup(text, n); }
}

namespace {

// A closure of Rust's. The engine may call it from a thread of its own, as backward passes on a GPU are.
struct Closure final : torch::CustomClassHolder {
  Closure(strait_call call, strait_drop drop, void* of) : call(call), drop(drop), of(of) {}
  ~Closure() override { drop(of); }

  Tensor operator()(variable_list inputs) const {
    std::vector<Tensor*> handles;
    for (auto& input : inputs) handles.push_back(&input);
    Tensor* result = nullptr;
    if (char* text = call(of, handles.data(), handles.size(), &result)) {
      const std::string words(text);
      free(text);
      throw std::runtime_error(words);
    }
    const std::unique_ptr<Tensor> owned(result);
    return *owned;
  }

  strait_call call;
  strait_drop drop;
  void* of;
};

// Of the inputs the first `n` are arguments, the others parameters that the closure holds itself.
class Recomputed : public torch::autograd::Function<Recomputed> {
 public:
  static Tensor forward(AutogradContext* ctx, at::TensorList inputs, int64_t n, const c10::intrusive_ptr<Closure>& f) {
    ctx->save_for_backward(inputs.vec());
    ctx->saved_data["n"] = n;
    ctx->saved_data["f"] = c10::IValue::make_capsule(f);
    return (*f)(variable_list(inputs.begin(), inputs.begin() + n));
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const bool recorded = at::GradMode::is_enabled();
    const at::AutoGradMode anew(true);
    const auto saved = ctx->get_saved_variables();
    const size_t n = ctx->saved_data["n"].toInt();
    const auto f = c10::static_intrusive_pointer_cast<Closure>(ctx->saved_data["f"].toCapsule());
    variable_list own, wanted, result(saved.size() + 2);
    for (size_t i = 0; i < n; ++i) {
      const auto& x = saved[i];
      // Under another name where the result is differentiated: one argument may have been made from another.
      own.push_back(recorded ? x.view_as(x) : x.detach().requires_grad_(ctx->needs_input_grad(i)));
    }
    for (size_t i = 0; i < saved.size(); ++i) {
      if (ctx->needs_input_grad(i)) wanted.push_back(i < n ? own[i] : saved[i]);
    }
    const Tensor y = (*f)(own);
    if (!y.requires_grad() || !grads[0].defined()) return result;
    const auto found = torch::autograd::grad({y}, wanted, {grads[0]}, /*retain_graph=*/recorded,
                                             /*create_graph=*/recorded, /*allow_unused=*/true);
    for (size_t i = 0, k = 0; i < saved.size(); ++i) {
      if (ctx->needs_input_grad(i)) result[i] = found[k++];
    }
    return result;
  }
};

}  // namespace

extern "C" {

// Takes the closure over, also where it fails.
char* strait_recomputed(strait_call call, strait_drop drop, void* of, Tensor** inputs, size_t n_inputs,
                        size_t n_arguments, Tensor** result) {
  return strait::guarded([&] {
    const auto f = c10::make_intrusive<Closure>(call, drop, of);
    variable_list all;
    for (size_t i = 0; i < n_inputs; ++i) all.push_back(*inputs[i]);
    *result = new Tensor(Recomputed::apply(at::TensorList(all), static_cast<int64_t>(n_arguments), f));
  });
}

}  // extern "C"

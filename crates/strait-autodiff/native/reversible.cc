// Nodes whose gradient is computed from their outputs: the inputs and all that lies between are not kept.
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

// Of Rust: of outputs and then their cotangents, the gradients of the inputs; null, or a text from strait_text.
typedef char* (*strait_pull)(void* closure, Tensor** tensors, size_t n_outputs, Tensor** results, size_t n_inputs);
typedef void (*strait_drop)(void* closure);
}

namespace {

struct Pull final : torch::CustomClassHolder {
  Pull(strait_pull call, strait_drop drop, void* of) : call(call), drop(drop), of(of) {}
  ~Pull() override { drop(of); }

  strait_pull call;
  strait_drop drop;
  void* of;
};

class Reversible : public torch::autograd::Function<Reversible> {
 public:
  static variable_list forward(AutogradContext* ctx, at::TensorList inputs, const variable_list* outputs,
                               const c10::intrusive_ptr<Pull>& pull) {
    // The inputs as well: libtorch refuses what was changed in place since, as parameters that a step has moved.
    variable_list kept(*outputs);
    kept.insert(kept.end(), inputs.begin(), inputs.end());
    ctx->save_for_backward(kept);
    ctx->saved_data["n"] = static_cast<int64_t>(inputs.size());
    ctx->saved_data["pull"] = c10::IValue::make_capsule(pull);
    return *outputs;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    if (at::GradMode::is_enabled()) throw std::runtime_error("a reversible function has no gradient of its gradient");
    const size_t n = ctx->saved_data["n"].toInt();
    const auto pull = c10::static_intrusive_pointer_cast<Pull>(ctx->saved_data["pull"].toCapsule());
    variable_list tensors;
    const variable_list kept = ctx->get_saved_variables();
    const size_t n_outputs = kept.size() - n;
    for (size_t i = 0; i < n_outputs; ++i) tensors.push_back(kept[i].detach());
    for (size_t i = 0; i < n_outputs; ++i) {
      tensors.push_back(grads[i].defined() ? grads[i] : at::zeros_like(tensors[i]));
    }
    std::vector<Tensor*> handles;
    for (auto& tensor : tensors) handles.push_back(&tensor);
    std::vector<Tensor*> found(n, nullptr);
    char* text = nullptr;
    {
      const at::AutoGradMode anew(true);
      text = pull->call(pull->of, handles.data(), n_outputs, found.data(), n);
    }
    variable_list result(n + 2);
    for (size_t i = 0; i < n; ++i) {
      const std::unique_ptr<Tensor> owned(found[i]);
      if (owned && ctx->needs_input_grad(i)) result[i] = *owned;
    }
    if (text) {
      const std::string words(text);
      free(text);
      throw std::runtime_error(words);
    }
    return result;
  }
};

}  // namespace

extern "C" {

// Takes the closure over, also where it fails. `results` are the outputs with their history.
char* strait_reversible(strait_pull call, strait_drop drop, void* of, Tensor** inputs, size_t n_inputs,
                        Tensor** outputs, size_t n_outputs, Tensor** results) {
  return strait::guarded([&] {
    const auto pull = c10::make_intrusive<Pull>(call, drop, of);
    variable_list all, made;
    for (size_t i = 0; i < n_inputs; ++i) all.push_back(*inputs[i]);
    for (size_t i = 0; i < n_outputs; ++i) made.push_back(outputs[i]->detach());
    const auto with_history = Reversible::apply(at::TensorList(all), &made, pull);
    for (size_t i = 0; i < n_outputs; ++i) results[i] = new Tensor(with_history[i]);
  });
}

}  // extern "C"

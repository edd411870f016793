// The jet of a perceptron with SiLU between its layers, one call each way. Value and derivatives of all samples are the
// rows of one matrix, so that a layer is one product of matrices forward and two in reverse.
#include "again.h"
#include "elementwise.h"
#include "silu.h"
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <vector>

using at::Tensor;
using strait::guarded;
using strait::of_kind;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace strait::perceptron {
namespace {

// A list of tensors: of each part of the input its value and derivatives, then weight and bias of each layer.
struct Layout {
  std::vector<int64_t> derivatives;  // of each part: 0, 1 or 2
  int64_t order;

  // Calls f(part, derivative, index in the list).
  template <typename F>
  void each(F&& f) const {
    size_t index = 0;
    for (size_t part = 0; part < derivatives.size(); ++part) {
      for (int64_t k = 0; k <= derivatives[part]; ++k) f(part, k, index++);
    }
  }
  size_t inputs() const {
    size_t count = derivatives.size();
    for (auto k : derivatives) count += k;
    return count;
  }
  // The value and the derivatives that move, in the input and after a nonlinearity.
  int64_t given() const { return 1 + *std::max_element(derivatives.begin(), derivatives.end()); }
  int64_t made() const { return given() == 1 ? 1 : order + 1; }
};

template <typename T>
T* at_row(const Tensor& x, int64_t row) {
  return x.mutable_data_ptr<T>() + row * x.size(1);
}

// (k, n) by k, from the jet in the rows of `a`, of `given` parts; and back.
template <typename T>
void silu(const Tensor& a, int64_t given, const Tensor& y, int64_t made) {
  const int64_t n = y.size(0) / made, all = n * y.size(1);
  auto in = [&](int64_t k) { return k < given ? at_row<T>(a, k * n) : nullptr; };
  auto out = [&](int64_t k) { return k < made ? at_row<T>(y, k * n) : nullptr; };
  strait::silu_jet(all, in(0), in(1), in(2), out(0), out(1), out(2));
}

template <typename T>
void silu_pull(const Tensor& a, int64_t given, const Tensor& g, int64_t made, const Tensor& ga) {
  const int64_t n = g.size(0) / made, all = n * g.size(1);
  auto in = [&](int64_t k) { return k < given ? at_row<T>(a, k * n) : nullptr; };
  auto cotangent = [&](int64_t k) { return k < made ? at_row<T>(g, k * n) : nullptr; };
  auto out = [&](int64_t k) { return k < given ? at_row<T>(ga, k * n) : nullptr; };
  strait::silu_jet_pull(all, in(0), in(1), in(2), cotangent(0), cotangent(1), cotangent(2), out(0), out(1), out(2));
}

// The parts side by side, value over derivatives.
Tensor stacked(const Layout& layout, at::TensorList all) {
  const int64_t n = all[0].size(0);
  int64_t width = 0;
  layout.each([&](size_t, int64_t k, size_t i) { width += k == 0 ? all[i].size(1) : 0; });
  Tensor x = at::zeros({layout.given() * n, width}, all[0].options());
  int64_t column = 0;
  layout.each([&](size_t, int64_t k, size_t i) {
    const int64_t of = all[i].size(1);
    column += k == 0 ? of : 0;
    x.narrow(0, k * n, n).narrow(1, column - of, of).copy_(all[i]);
  });
  return x;
}

class Perceptron : public torch::autograd::Function<Perceptron> {
 public:
  static variable_list forward(AutogradContext* ctx, at::TensorList all, const Layout& layout) {
    const int64_t n = all[0].size(0), layers = (all.size() - layout.inputs()) / 2;
    variable_list saved(all.begin(), all.end());
    Tensor h = stacked(layout, all);
    int64_t rows = layout.given();
    for (int64_t l = 0; l < layers; ++l) {
      const Tensor &w = all[layout.inputs() + 2 * l], &b = all[layout.inputs() + 2 * l + 1];
      saved.push_back(h);
      Tensor a = at::mm(h, w.t());
      a.narrow(0, 0, n).add_(b);
      if (l + 1 == layers) {
        h = a;
        break;
      }
      saved.push_back(a);
      h = at::empty({layout.made() * n, a.size(1)}, a.options());
      of_kind(a, [&]<typename T>(T) { silu<T>(a, rows, h, layout.made()); });
      rows = layout.made();
    }
    ctx->save_for_backward(std::move(saved));
    ctx->saved_data["derivatives"] = layout.derivatives;
    ctx->saved_data["order"] = layout.order;
    variable_list jet;
    for (int64_t k = 0; k < rows; ++k) jet.push_back(h.narrow(0, k * n, n).clone());
    return jet;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const Layout layout{ctx->saved_data["derivatives"].toIntVector(), ctx->saved_data["order"].toInt()};
    const auto saved = ctx->get_saved_variables();
    const size_t inputs = layout.inputs();
    // For each layer its weight, its bias and what it saw, and what came of it unless it is the last.
    const int64_t layers = (saved.size() - inputs + 1) / 4, n = saved[0].size(0);
    const auto weight = [&](int64_t l) { return saved[inputs + 2 * l]; };
    const auto seen = [&](int64_t l) { return saved[inputs + 2 * layers + 2 * l]; };
    for (auto& g : grads) g = g.defined() ? g : at::zeros({n, weight(layers - 1).size(0)}, saved[0].options());
    if (strait::differentiated(grads)) return differentiable(layout, saved, layers, grads);
    variable_list result(inputs + 2 * layers + 1);
    Tensor g = at::cat(grads, 0);
    for (int64_t l = layers - 1; l >= 0; --l) {
      result[inputs + 2 * l] = at::mm(g.t(), seen(l));
      result[inputs + 2 * l + 1] = g.narrow(0, 0, n).sum(0);
      if (l == 0) break;
      const Tensor gh = at::mm(g, weight(l)), a = saved[inputs + 2 * layers + 2 * l - 1];
      g = at::empty_like(a);
      const int64_t given = l == 1 ? layout.given() : layout.made();
      of_kind(a, [&]<typename T>(T) { silu_pull<T>(a, given, gh, layout.made(), g); });
    }
    bool wanted = false;
    for (size_t i = 0; i < inputs; ++i) wanted = wanted || ctx->needs_input_grad(i);
    if (!wanted) return result;
    const Tensor gx = at::mm(g, weight(0));
    int64_t column = 0;
    layout.each([&](size_t, int64_t k, size_t i) {
      const int64_t of = saved[i].size(1);
      column += k == 0 ? of : 0;
      result[i] = gx.narrow(0, k * n, n).narrow(1, column - of, of);
    });
    return result;
  }

 private:
  // The same of operations that have derivatives themselves, for derivatives of derivatives.
  static variable_list differentiable(const Layout& layout, const variable_list& saved, int64_t layers,
                                      const variable_list& grads) {
    const variable_list all(saved.begin(), saved.begin() + layout.inputs() + 2 * layers);
    auto result = strait::pull_again([&](const variable_list& own) { return plain(layout, own, layers); }, all, grads);
    result.resize(all.size() + 1);
    return result;
  }

  static variable_list plain(const Layout& layout, const variable_list& all, int64_t layers) {
    std::vector<variable_list> parts(layout.given());
    layout.each([&](size_t part, int64_t k, size_t i) {
      parts[k].push_back(all[i]);
      for (int64_t rest = k + 1; k == layout.derivatives[part] && rest < layout.given(); ++rest) {
        parts[rest].push_back(at::zeros_like(all[i]));
      }
    });
    variable_list h;
    for (const auto& part : parts) h.push_back(at::cat(part, 1));
    for (int64_t l = 0; l < layers; ++l) {
      const Tensor &w = all[layout.inputs() + 2 * l], &b = all[layout.inputs() + 2 * l + 1];
      h[0] = at::linear(h[0], w, b);
      for (size_t k = 1; k < h.size(); ++k) h[k] = at::linear(h[k], w);
      if (l + 1 == layers) break;
      const Tensor x = h[0], s = x.sigmoid(), p = s * (1 - s), slope = s + x * p;
      h[0] = x * s;
      if (layout.made() == 3) {
        const Tensor bend = p * (2 + x * (1 - 2 * s)) * h[1] * h[1];
        h.size() == 3 ? void(h[2] = bend + slope * h[2]) : h.push_back(bend);
      }
      if (layout.made() > 1) h[1] = slope * h[1];
    }
    return h;
  }
};

}  // namespace

extern "C" {

// `tensors` holds the value and the derivatives of each part, `derivatives` says how many, and then weight and bias of
// each layer. `jet` has room for three; what does not move is null.
char* strait_perceptron(Tensor** tensors, size_t count, const int64_t* derivatives, size_t parts, int64_t order,
                        Tensor** jet) {
  return guarded([&] {
    variable_list all;
    for (size_t i = 0; i < count; ++i) all.push_back(*tensors[i]);
    const Layout layout{{derivatives, derivatives + parts}, order};
    const auto made = Perceptron::apply(at::TensorList(all), layout);
    for (size_t k = 0; k < 3; ++k) jet[k] = k < made.size() ? new Tensor(made[k]) : nullptr;
  });
}

}  // extern "C"

}  // namespace strait::perceptron

// A perceptron, its value or its jet, one call each way (perceptron_pass.h).
#include "double_backward.h"
#include "elementwise.h"
#include "perceptron_pass.h"
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/selu.h>
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
  Between between;

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

// The tensors with their numbers one after the other, and the network and the columns of its input in them.
template <typename T>
struct Given {
  variable_list tensors;
  Network<T> net;
  std::vector<Columns<const T>> x;

  Given(const Layout& layout, at::TensorList all) {
    for (const auto& x : all) tensors.push_back(x.contiguous());
    net = {{}, layout.between, layout.given(), layout.made()};
    int64_t column = 0;
    layout.each([&](size_t, int64_t k, size_t i) {
      const int64_t width = tensors[i].size(1);
      column += k == 0 ? width : 0;
      x.push_back({read<T>(tensors[i]), width, column - width, k});
    });
    for (size_t i = layout.inputs(); i + 1 < tensors.size(); i += 2) {
      net.layers.push_back({tensors[i].size(1), tensors[i].size(0), read<T>(tensors[i]), read<T>(tensors[i + 1])});
    }
  }
};

// One tensor of numbers for each value and derivative, as columns.
template <typename T>
std::vector<Columns<T>> each_of(const variable_list& jet) {
  std::vector<Columns<T>> columns;
  for (size_t k = 0; k < jet.size(); ++k) {
    columns.push_back({const_cast<T*>(read<std::remove_const_t<T>>(jet[k])), jet[k].size(1), 0, static_cast<int64_t>(k)});
  }
  return columns;
}

// The jet; and what its reverse needs, where `kept` is not null.
variable_list forth(const Layout& layout, at::TensorList all, Tensor* kept) {
  variable_list jet;
  of_kind(all[0], [&]<typename T>(T) {
    const Given<T> given(layout, all);
    const int64_t n = all[0].size(0), count = given.net.count();
    for (int64_t k = 0; k < given.net.before(count - 1); ++k) {
      jet.push_back(at::empty({n, given.net.layers[count - 1].out}, all[0].options()));
    }
    if (kept) *kept = at::empty({in_fours(n) * given.net.kept()}, all[0].options());
    go(Forth<T>{given.net, n, given.x, each_of<T>(jet), kept ? write<T>(*kept) : nullptr});
  });
  return jet;
}

// The network of operations that have derivatives themselves.
variable_list plain(const Layout& layout, const variable_list& all) {
  const int64_t layers = (all.size() - layout.inputs()) / 2;
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
    if (layout.between == Between::selu) {
      h[0] = at::selu(h[0]);
      continue;
    }
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

class Perceptron : public torch::autograd::Function<Perceptron> {
 public:
  static variable_list forward(AutogradContext* ctx, at::TensorList all, const Layout& layout) {
    Tensor kept;
    auto jet = forth(layout, all, &kept);
    variable_list saved(all.begin(), all.end());
    saved.push_back(std::move(kept));
    ctx->save_for_backward(std::move(saved));
    ctx->saved_data["derivatives"] = layout.derivatives;
    ctx->saved_data["order"] = layout.order;
    ctx->saved_data["between"] = static_cast<int64_t>(layout.between);
    return jet;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const Layout layout{ctx->saved_data["derivatives"].toIntVector(), ctx->saved_data["order"].toInt(),
                        static_cast<Between>(ctx->saved_data["between"].toInt())};
    const auto saved = ctx->get_saved_variables();
    const variable_list all(saved.begin(), saved.end() - 1);
    const size_t inputs = layout.inputs();
    const int64_t n = all[0].size(0);
    for (auto& g : grads) g = g.defined() ? g.contiguous() : at::zeros({n, all.back().size(0)}, all[0].options());
    if (strait::differentiated(grads)) return differentiable(layout, all, grads);
    // One more: the layout has none.
    variable_list result(all.size() + 1);
    // Of the input, and of the layers.
    bool wanted[2] = {};
    for (size_t i = 0; i < all.size(); ++i) wanted[i < inputs ? 0 : 1] |= ctx->needs_input_grad(i);
    for (size_t i = 0; i < all.size(); ++i) {
      if (wanted[i < inputs ? 0 : 1]) result[i] = at::empty(all[i].sizes(), all[i].options());
    }
    of_kind(all[0], [&]<typename T>(T) {
      const Given<T> given(layout, all);
      Back<T> task{given.net, n, given.x, each_of<const T>(grads), write<T>(saved.back()), {}, {}, {}};
      for (size_t i = 0; wanted[0] && i < inputs; ++i) {
        const auto& x = given.x[i];
        task.to.push_back({write<T>(result[i]), x.width, x.first, x.k});
      }
      for (size_t i = inputs; wanted[1] && i < all.size(); i += 2) {
        task.weights.push_back(write<T>(result[i]));
        task.biases.push_back(write<T>(result[i + 1]));
      }
      go(task);
    });
    return result;
  }

 private:
  // The same of operations that have derivatives themselves, for derivatives of derivatives.
  static variable_list differentiable(const Layout& layout, const variable_list& all, const variable_list& grads) {
    auto result = strait::double_backward([&](const variable_list& own) { return plain(layout, own); }, all, grads);
    result.resize(all.size() + 1);
    return result;
  }
};

// What the values of a perceptron are held to: a target, and for the last samples, as many as `span` has, an identity. `end` are
// the parts of the input of its right side but for the first.
struct Held {
  Tensor target;
  Identity identity = Identity::none;
  Tensor span = {};
  variable_list end = {};
};

// The mean over samples of |f(x) - y|^2, whose derivative in the layers is made with it: a reverse has no more to do than to
// hand it out. Inputs and targets have none. Beside it the distance of each sample, which has none either.
class Regressed : public torch::autograd::Function<Regressed> {
 public:
  static variable_list forward(AutogradContext* ctx, at::TensorList all, const Held& held, const Layout& layout) {
    const int64_t n = all[0].size(0), off = held.span.defined() ? held.span.size(0) : 0;
    Tensor loss = at::empty({}, all[0].options()), of_each = at::empty({n}, all[0].options());
    // An identity writes its right side.
    const Tensor y = off ? held.target.clone(at::MemoryFormat::Contiguous) : held.target.contiguous();
    const Tensor h = off ? held.span.contiguous() : held.span;
    variable_list saved(all.begin(), all.end()), end;
    for (const auto& part : held.end) end.push_back(part.contiguous());
    saved.push_back(y);
    saved.push_back(held.identity == Identity::lagrangian ? h : Tensor());
    of_kind(all[0], [&]<typename T>(T) {
      const Given<T> given(layout, all);
      const Network<T> values{given.net.layers, layout.between, 1, 1};
      Regression<T> task{values, n, given.x, const_cast<T*>(read<T>(y)), write<T>(of_each), {}, {}};
      task.identity = held.identity;
      task.off = off;
      task.span = read<T>(h);
      for (int64_t i = 0, column = all[0].size(1); i < static_cast<int64_t>(end.size()); ++i) {
        task.end.push_back({read<T>(end[i]), end[i].size(1), column, 0});
        column += end[i].size(1);
      }
      for (size_t i = layout.inputs(); i < all.size(); ++i) {
        saved.push_back(at::empty(all[i].sizes(), all[i].options()));
        (i - layout.inputs()) % 2 ? task.biases.push_back(write<T>(saved.back()))
                                  : task.weights.push_back(write<T>(saved.back()));
      }
      *write<T>(loss) = go(task);
    });
    ctx->save_for_backward(std::move(saved));
    ctx->saved_data["derivatives"] = layout.derivatives;
    ctx->saved_data["between"] = static_cast<int64_t>(layout.between);
    ctx->mark_non_differentiable({of_each});
    ctx->set_materialize_grads(false);
    return {loss, of_each};
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const Layout layout{ctx->saved_data["derivatives"].toIntVector(), 1,
                        static_cast<Between>(ctx->saved_data["between"].toInt())};
    const size_t inputs = layout.inputs(), layers = (saved.size() - inputs - 2) / 2, count = inputs + layers;
    const variable_list all(saved.begin(), saved.begin() + count);
    Tensor& g = grads[0];
    if (!g.defined()) g = at::zeros({}, all[0].options());
    // Two more: the target and the layout.
    variable_list result(count + 2);
    if (strait::differentiated({g})) {
      const auto of = [&](const variable_list& own) -> variable_list {
        const auto u = plain(layout, own);
        const Tensor &y = saved[count], &h = saved[count + 1];
        if (!h.defined()) return {(u[0] - y).square().sum(1).mean()};
        // On the diagonal the derivative counts nothing.
        const auto weight = at::cat({h.new_zeros({y.size(0) - h.size(0)}), h}).unsqueeze(1);
        return {(u[0] + weight * u[1] - y).square().sum(1).mean()};
      };
      const auto found = strait::double_backward(of, all, {g});
      std::copy(found.begin(), found.end(), result.begin());
      return result;
    }
    bool whole = false;
    of_kind(g, [&]<typename T>(T) { whole = *read<T>(g) == 1; });
    for (size_t i = inputs; i < count; ++i) {
      const Tensor& own = saved[i + 2 + layers];
      if (ctx->needs_input_grad(i)) result[i] = whole ? own : own * g;
    }
    return result;
  }
};

}  // namespace

extern "C" {

// `tensors` holds the value and the derivatives of each part, `derivatives` says how many, and then weight and bias of
// each layer. `jet` has room for three; what does not move is null.
char* strait_perceptron(Tensor** tensors, size_t count, const int64_t* derivatives, size_t parts, int64_t between,
                        int64_t order, Tensor** jet) {
  return guarded([&] {
    variable_list all;
    bool recorded = false;
    for (size_t i = 0; i < count; ++i) {
      all.push_back(*tensors[i]);
      recorded = recorded || (at::GradMode::is_enabled() && tensors[i]->requires_grad());
    }
    const Layout layout{{derivatives, derivatives + parts}, order, static_cast<Between>(between)};
    const auto made = recorded ? Perceptron::apply(at::TensorList(all), layout) : forth(layout, all, nullptr);
    for (size_t k = 0; k < 3; ++k) jet[k] = k < made.size() ? new Tensor(made[k]) : nullptr;
  });
}

// The squared distance of the values to a target, of parts and layers as above: its mean, and that of each sample; null where
// nothing is recorded. `held` are the target and, for an identity, the spans and the parts of the input of its right side.
char* strait_perceptron_regressed(Tensor** tensors, size_t count, const int64_t* derivatives, size_t parts, int64_t between,
                                  int64_t identity, Tensor** held, size_t count_held, Tensor** made) {
  return guarded([&] {
    const Layout layout{{derivatives, derivatives + parts}, 1, static_cast<Between>(between)};
    variable_list all;
    bool recorded = false;
    for (size_t i = 0; i < count; ++i) {
      all.push_back(*tensors[i]);
      if (i < layout.inputs() && tensors[i]->requires_grad()) return;
      recorded = recorded || tensors[i]->requires_grad();
    }
    if (!recorded || !at::GradMode::is_enabled()) return;
    for (size_t i = 0; i < count_held; ++i) {
      if (held[i]->requires_grad()) return;
    }
    Held to{*held[0], static_cast<Identity>(identity)};
    if (count_held > 1) to.span = *held[1];
    for (size_t i = 2; i < count_held; ++i) to.end.push_back(*held[i]);
    const auto found = Regressed::apply(at::TensorList(all), to, layout);
    for (size_t i = 0; i < 2; ++i) made[i] = new Tensor(found[i]);
  });
}

}  // extern "C"

}  // namespace strait::perceptron

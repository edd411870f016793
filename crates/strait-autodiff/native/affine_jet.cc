// The affine map of a coupling for points that move under a network and a gate that move: all derivatives along one
// scalar in one pass each way.
#include "again.h"
#include "elementwise.h"
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <vector>

using at::Tensor;
using strait::bounded;
using strait::exponential;
using strait::guarded;
using strait::like;
using strait::read;
using strait::write;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace {

// A value and its derivatives along the scalar; null is zero.
template <typename P>
struct Three {
  P* at[3];
  template <typename T = std::remove_const_t<P>>
  INLINE T get(int k, int64_t i) const {
    return at[k] ? at[k][i] : T(0);
  }
  template <typename T>
  INLINE void put(int k, int64_t i, T x) const {
    if (at[k]) at[k][i] = x;
  }
};

// y = e^{g s} x + g m at one number, with s = c tanh(r / c).
template <typename T>
struct Number {
  T bound, g, g1, g2, x, x1, x2, r1, r2, m, m1, m2;
  T tanh, slope, p1, p2, e;

  INLINE Number(T bound, const Three<const T>& gate, const Three<const T>& xs, const Three<const T>& raw, int64_t row,
                int64_t n, int64_t j)
      : bound(bound) {
    g = gate.at[0] ? gate.at[0][row] : T(1), g1 = gate.get(1, row), g2 = gate.get(2, row);
    x = xs.get(0, row * n + j), x1 = xs.get(1, row * n + j), x2 = xs.get(2, row * n + j);
    const int64_t scale = row * 2 * n + j, shift = scale + n;
    r1 = raw.get(1, scale), r2 = raw.get(2, scale);
    m = raw.get(0, shift), m1 = raw.get(1, shift), m2 = raw.get(2, shift);
    tanh = bounded(raw.get(0, scale), bound);
    slope = T(1) - tanh * tanh;
    const T s = bound * tanh, s1 = slope * r1, s2 = slope * (r2 - T(2) / bound * tanh * r1 * r1);
    p1 = g1 * s + g * s1;
    p2 = g2 * s + T(2) * g1 * s1 + g * s2;
    e = exponential(g * s);
  }

  INLINE T value() const { return e * x + g * m; }
  INLINE T first() const { return e * (p1 * x + x1) + g1 * m + g * m1; }
  INLINE T second() const {
    return e * ((p2 + p1 * p1) * x + T(2) * p1 * x1 + x2) + g2 * m + T(2) * g1 * m1 + g * m2;
  }

  // The derivatives in x and in the network's numbers from those in the three.
  INLINE void pull(T gy, T gy1, T gy2, const Three<T>& gx, const Three<T>& graw, int64_t row, int64_t n,
                   int64_t j) const {
    const T a = e * gy, b = e * gy1, c = e * gy2;
    gx.put(0, row * n + j, a + b * p1 + c * (p2 + p1 * p1));
    gx.put(1, row * n + j, b + T(2) * c * p1);
    gx.put(2, row * n + j, c);
    const T gp = a * x + b * (p1 * x + x1) + c * ((p2 + p1 * p1) * x + T(2) * p1 * x1 + x2);
    const T gp1 = b * x + T(2) * c * (p1 * x + x1), gp2 = c * x;
    const T gs = g * gp + g1 * gp1 + g2 * gp2, gs1 = g * gp1 + T(2) * g1 * gp2, gs2 = g * gp2;
    const T bend = T(-2) / bound * tanh, squares = T(2) / (bound * bound) * (T(2) * tanh * tanh - slope) * r1 * r1;
    const int64_t scale = row * 2 * n + j, shift = scale + n;
    graw.put(0, scale, slope * (gs + bend * (r1 * gs1 + r2 * gs2) + gs2 * squares));
    graw.put(1, scale, slope * (gs1 + T(2) * bend * r1 * gs2));
    graw.put(2, scale, slope * gs2);
    graw.put(0, shift, g * gy + g1 * gy1 + g2 * gy2);
    graw.put(1, shift, g * gy1 + T(2) * g1 * gy2);
    graw.put(2, shift, g * gy2);
  }
};

// How many derivatives x and the network's numbers have, and how many are asked for.
struct Layout {
  int64_t x, raw, order;
};

template <typename T>
Three<const T> three(at::TensorList of, int64_t from, int64_t derivatives) {
  Three<const T> all{};
  for (int64_t k = 0; k <= derivatives; ++k) all.at[k] = read<T>(of[from + k]);
  return all;
}

template <typename T>
Three<T> room(const variable_list& of, int64_t from, int64_t derivatives) {
  Three<T> all{};
  for (int64_t k = 0; k <= derivatives; ++k) all.at[k] = write<T>(of[from + k]);
  return all;
}

// of: x and its derivatives, the numbers and theirs, and those of the gate, if any.
template <typename T>
void forward(const Layout& layout, T bound, const variable_list& of, const variable_list& out) {
  const auto x = three<T>(of, 0, layout.x), raw = three<T>(of, layout.x + 1, layout.raw);
  const int64_t gates = layout.x + layout.raw + 2, batch = of[0].size(0);
  const int64_t n = of[0].numel() / std::max<int64_t>(batch, 1);
  const auto gate = three<T>(of, gates, static_cast<int64_t>(of.size()) - gates - 1);
  const auto y = room<T>(out, 0, layout.order);
  for (int64_t i = 0; i < batch; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      const Number<T> at(bound, gate, x, raw, i, n, j);
      y.put(0, i * n + j, at.value());
      y.put(1, i * n + j, at.first());
      y.put(2, i * n + j, at.second());
    }
  }
}

template <typename T>
void backward(const Layout& layout, T bound, const variable_list& of, const variable_list& g,
              const variable_list& out) {
  const auto x = three<T>(of, 0, layout.x), raw = three<T>(of, layout.x + 1, layout.raw);
  const int64_t gates = layout.x + layout.raw + 2, batch = of[0].size(0);
  const int64_t n = of[0].numel() / std::max<int64_t>(batch, 1);
  const auto gate = three<T>(of, gates, static_cast<int64_t>(of.size()) - gates - 1);
  const auto gy = three<T>(g, 0, layout.order);
  const auto gx = room<T>(out, 0, layout.x), graw = room<T>(out, layout.x + 1, layout.raw);
  for (int64_t i = 0; i < batch; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      const int64_t k = i * n + j;
      const Number<T> at(bound, gate, x, raw, i, n, j);
      at.pull(gy.get(0, k), gy.get(1, k), gy.get(2, k), gx, graw, i, n, j);
    }
  }
}

class AffineJet : public torch::autograd::Function<AffineJet> {
 public:
  static variable_list forward(AutogradContext* ctx, at::TensorList all, const Layout& layout, double bound) {
    variable_list in, out;
    for (const auto& x : all) in.push_back(x.contiguous());
    for (int64_t k = 0; k <= layout.order; ++k) out.push_back(like(in[0]));
    in[0].scalar_type() == at::kFloat ? ::forward<float>(layout, static_cast<float>(bound), in, out)
                                      : ::forward<double>(layout, bound, in, out);
    ctx->save_for_backward({all.begin(), all.end()});
    ctx->saved_data["layout"] = std::vector<int64_t>{layout.x, layout.raw, layout.order};
    ctx->saved_data["bound"] = bound;
    return out;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto all = ctx->get_saved_variables();
    const auto numbers = ctx->saved_data["layout"].toIntVector();
    const Layout layout{numbers[0], numbers[1], numbers[2]};
    const double bound = ctx->saved_data["bound"].toDouble();
    for (auto& g : grads) g = g.defined() ? g.contiguous() : at::zeros_like(all[0]).contiguous();
    variable_list out;
    if (at::GradMode::is_enabled()) {
      out = strait::pull_again([&](const variable_list& own) { return plain(layout, bound, own); }, all, grads);
    } else {
      variable_list in;
      for (const auto& x : all) in.push_back(x.contiguous());
      for (int64_t i = 0; i < layout.x + layout.raw + 2; ++i) out.push_back(like(in[i]));
      in[0].scalar_type() == at::kFloat
          ? ::backward<float>(layout, static_cast<float>(bound), in, grads, out)
          : ::backward<double>(layout, bound, in, grads, out);
    }
    out.resize(all.size() + 2);
    return out;
  }

 private:
  static variable_list plain(const Layout& layout, double bound, const variable_list& all) {
    const int64_t half = all[0].size(1), gates = layout.x + layout.raw + 2;
    std::vector<int64_t> wide(all[0].dim(), 1);
    wide[0] = all[0].size(0);
    const Tensor zero = at::zeros_like(all[0]);
    const auto x = [&](int64_t k) { return k <= layout.x ? all[k] : zero; };
    const auto raw = [&](int64_t k, int64_t from) {
      return k <= layout.raw ? all[layout.x + 1 + k].narrow(1, from, half) : zero;
    };
    const auto g = [&](int64_t k) {
      const bool there = gates + k < static_cast<int64_t>(all.size());
      return there ? all[gates + k].view(wide) : k == 0 && gates == static_cast<int64_t>(all.size()) ? zero + 1 : zero;
    };
    const Tensor u = (raw(0, 0) / bound).tanh(), q = 1 - u * u, s = bound * u, s1 = q * raw(1, 0);
    const Tensor s2 = q * (raw(2, 0) - 2 / bound * u * raw(1, 0) * raw(1, 0));
    const Tensor e = (g(0) * s).exp(), p1 = g(1) * s + g(0) * s1, p2 = g(2) * s + 2 * g(1) * s1 + g(0) * s2;
    variable_list y{e * x(0) + g(0) * raw(0, half)};
    y.push_back(e * (p1 * x(0) + x(1)) + g(1) * raw(0, half) + g(0) * raw(1, half));
    if (layout.order == 2) {
      y.push_back(e * ((p2 + p1 * p1) * x(0) + 2 * p1 * x(1) + x(2)) + g(2) * raw(0, half) + 2 * g(1) * raw(1, half) +
                  g(0) * raw(2, half));
    }
    return y;
  }
};

}  // namespace

extern "C" {

// `tensors`: x and its derivatives, so many as `x` says, the numbers and theirs, and then those of the gate, if any.
char* strait_affine_jet(Tensor** tensors, size_t count, int64_t x, int64_t raw, int64_t order, double bound,
                        Tensor** jet) {
  return guarded([&] {
    variable_list all;
    for (size_t i = 0; i < count; ++i) all.push_back(*tensors[i]);
    const auto made = AffineJet::apply(at::TensorList(all), Layout{x, raw, order}, bound);
    for (size_t k = 0; k < 3; ++k) jet[k] = k < made.size() ? new Tensor(made[k]) : nullptr;
  });
}

}  // extern "C"

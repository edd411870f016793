// The affine map of a coupling for points that move under a network and a gate that move: all derivatives along one
// scalar in one pass each way.
#include "double_backward.h"
#include "jets.h"
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
using strait::Jets;
using strait::like;
using strait::Moving;
using strait::of_kind;
using strait::Series;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace strait::affine_jet {
namespace {

// y = e^{g s} x + g m at one number, with s = c tanh(r / c).
template <typename T, int N>
struct Number {
  using S = Series<T, N>;
  S gate, x, tanh, shift, factor;

  INLINE S value() const { return factor * x + gate * shift; }

  // The derivatives in x, r and m from those in y.
  INLINE void pull(const S& g, S& gx, S& gr, S& gm) const {
    gx = factor * g;
    gr = gate * gx * x * (T(1) - tanh * tanh);
    gm = gate * g;
  }
};

// B samples of n numbers; each has its r, and n places on its m, and each sample a gate, or 1.
template <typename T, int N>
struct Samples {
  int64_t batch, n;
  T bound;
  Jets<const T> x, raw, gate;

  // of: x and its derivatives, the numbers and theirs, and those of the gate, if any.
  Samples(const Moving& moving, double bound, const variable_list& of)
      : batch(of[0].size(0)), n(of[0].numel() / std::max<int64_t>(batch, 1)), bound(static_cast<T>(bound)),
        x(of, 0, moving.x), raw(of, moving.of_numbers(), moving.numbers),
        gate(of, moving.rest(), static_cast<int64_t>(of.size()) - moving.rest() - 1) {}

  // Calls f(number, its place, that of its r, that of its m).
  template <typename F>
  INLINE void each(const F& f) const {
    for (int64_t i = 0; i < batch; ++i) {
      const Series<T, N> g = gate.at[0] ? gate.template get<N>(i) : Series<T, N>(T(1));
      for (int64_t j = 0; j < n; ++j) {
        const int64_t at = i * n + j, scale = 2 * i * n + j, shift = scale + n;
        const auto tanh = bounded(raw.template get<N>(scale), bound);
        const auto factor = exponential(bound * (g * tanh));
        f(Number<T, N>{g, x.template get<N>(at), tanh, raw.template get<N>(shift), factor}, at, scale, shift);
      }
    }
  }
};

template <typename T, int N>
void forward(const Moving& moving, double bound, const variable_list& of, const variable_list& out) {
  const Jets<T> y(out, 0, N);
  Samples<T, N>(moving, bound, of).each([&](const auto& number, int64_t at, int64_t, int64_t)
                                            __attribute__((always_inline)) { y.put(at, number.value()); });
}

template <typename T, int N>
void backward(const Moving& moving, double bound, const variable_list& of, const variable_list& g,
              const variable_list& out) {
  const Jets<const T> gy(g, 0, N);
  const Jets<T> gx(out, 0, moving.x), graw(out, moving.of_numbers(), moving.numbers);
  Samples<T, N>(moving, bound, of).each([&](const auto& number, int64_t at, int64_t scale, int64_t shift)
                                            __attribute__((always_inline)) {
    Series<T, N> x, r, m;
    number.pull(gy.template cotangent<N>(at), x, r, m);
    gx.put_cotangent(at, x);
    graw.put_cotangent(scale, r);
    graw.put_cotangent(shift, m);
  });
}

class AffineJet : public torch::autograd::Function<AffineJet> {
 public:
  static variable_list forward(AutogradContext* ctx, at::TensorList all, const Moving& moving, double bound) {
    variable_list in, out;
    for (const auto& x : all) in.push_back(x.contiguous());
    for (int64_t k = 0; k <= moving.order; ++k) out.push_back(like(in[0]));
    of_kind(in[0], [&]<typename T>(T) {
      moving.order == 1 ? affine_jet::forward<T, 1>(moving, bound, in, out) : affine_jet::forward<T, 2>(moving, bound, in, out);
    });
    ctx->save_for_backward({all.begin(), all.end()});
    ctx->saved_data["moving"] = moving.kept();
    ctx->saved_data["bound"] = bound;
    return out;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto all = ctx->get_saved_variables();
    const Moving moving(ctx->saved_data["moving"].toIntVector());
    const double bound = ctx->saved_data["bound"].toDouble();
    for (auto& g : grads) g = g.defined() ? g.contiguous() : at::zeros_like(all[0]).contiguous();
    variable_list out;
    if (strait::differentiated(grads)) {
      out = strait::double_backward([&](const variable_list& own) { return plain(moving, bound, own); }, all, grads);
    } else {
      variable_list in;
      for (const auto& x : all) in.push_back(x.contiguous());
      for (int64_t i = 0; i < moving.rest(); ++i) out.push_back(like(in[i]));
      of_kind(in[0], [&]<typename T>(T) {
        moving.order == 1 ? affine_jet::backward<T, 1>(moving, bound, in, grads, out)
                          : affine_jet::backward<T, 2>(moving, bound, in, grads, out);
      });
    }
    out.resize(all.size() + 2);
    return out;
  }

 private:
  static variable_list plain(const Moving& moving, double bound, const variable_list& all) {
    const int64_t half = all[0].size(1), gates = moving.rest();
    std::vector<int64_t> wide(all[0].dim(), 1);
    wide[0] = all[0].size(0);
    const Tensor zero = at::zeros_like(all[0]);
    const auto x = [&](int64_t k) { return k <= moving.x ? all[k] : zero; };
    const auto raw = [&](int64_t k, int64_t from) {
      return k <= moving.numbers ? all[moving.of_numbers() + k].narrow(1, from, half) : zero;
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
    if (moving.order == 2) {
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
    const auto made = AffineJet::apply(at::TensorList(all), Moving(x, raw, order), bound);
    for (size_t k = 0; k < 3; ++k) jet[k] = k < made.size() ? new Tensor(made[k]) : nullptr;
  });
}

}  // extern "C"

}  // namespace strait::affine_jet

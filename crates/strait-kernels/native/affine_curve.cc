// The conditional paths of an affine interpolant, x = A y + b, with their derivatives in t, each sample at its own time: all
// in one pass each way, where libtorch takes some forty operations on tensors that are small.
#include "affine_frame.h"
#include "double_backward.h"
#include "linear_path.cc"
#include <ATen/TensorOperators.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/custom_function.h>

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace {

using namespace strait;

struct Sizes {
  int64_t batch;
  int d, numbers;
};

// What comes of it, x with its derivatives: null where they are not asked for.
template <typename P>
struct Three {
  P* at[3];
};
template <typename T>
INLINE void in_packs(Sizes z, const Given<T>& in, const Three<T>* out, const Three<const T>* cotangent,
                     const Pulled<T>* pulled) {
  using V = Pack<T>;
  const int d = z.d;
  for (int64_t from = 0; from < z.batch; from += LANES<T>) {
    const Numbers<T, const T> n{in.value, in.first, in.second, from, z.batch, z.numbers};
    const Moment<V> moment(at_rows<T>(in.t, from, z.batch, 1, 0));
    Frame<V> f;
    build(d, in.bound, moment, n, in.x1, f);
    const Triangle<V>* matrices[3] = {&f.a, &f.a1, &f.a2};
    const V* offsets[3] = {f.b, f.b1, f.b2};
    V y[MOST];
    for (int i = 0; i < d; ++i) y[i] = at_rows<T>(in.x, from, z.batch, d, i);
    if (!pulled) {
      for (int k = 0; k < 3 && out->at[k]; ++k) {
        V x[MOST];
        std::copy_n(offsets[k], d, x);
        multiply(d, *matrices[k], y, x);
        for (int i = 0; i < d; ++i) put_at_rows(out->at[k], from, z.batch, d, i, x[i]);
      }
      continue;
    }
    Frame<V> g{};
    Triangle<V>* to_matrices[3] = {&g.a, &g.a1, &g.a2};
    V* to_offsets[3] = {g.b, g.b1, g.b2};
    V gy[MOST] = {};
    for (int k = 0; k < 3 && cotangent->at[k]; ++k) {
      V* gx = to_offsets[k];
      for (int i = 0; i < d; ++i) gx[i] = at_rows<T>(cotangent->at[k], from, z.batch, d, i);
      add_outer(d, gx, y, *to_matrices[k]);
      multiply_transposed(d, *matrices[k], gx, gy);
    }
    for (int i = 0; i < d; ++i) put_at_rows(pulled->x, from, z.batch, d, i, gy[i]);
    const Numbers<T, T> to{pulled->value, pulled->first, pulled->second, from, z.batch, z.numbers};
    pull(d, in.bound, moment, n, f, g, to);
  }
}

STRAIT_VECTOR void run(Sizes z, const Given<float>& in, const Three<float>* out, const Three<const float>* g,
                       const Pulled<float>* pulled) {
  in_packs(z, in, out, g, pulled);
}
void run(Sizes z, const Given<double>& in, const Three<double>* out, const Three<const double>* g,
         const Pulled<double>* pulled) {
  in_packs(z, in, out, g, pulled);
}

template <typename T>
void forward(Sizes z, const variable_list& in, double bound, const variable_list& out) {
  Three<T> made{};
  for (size_t k = 0; k < out.size(); ++k) made.at[k] = write<T>(out[k]);
  run(z, Given<T>(in, bound), &made, nullptr, nullptr);
}

template <typename T>
void backward(Sizes z, const variable_list& in, double bound, const variable_list& g, const variable_list& out) {
  Three<const T> cotangent{};
  for (size_t k = 0; k < g.size(); ++k) cotangent.at[k] = read<T>(g[k]);
  const Pulled<T> pulled(out);
  run(z, Given<T>(in, bound), nullptr, &cotangent, &pulled);
}

class AffineCurve : public torch::autograd::Function<AffineCurve> {
 public:
  static variable_list forward(AutogradContext* ctx, const Tensor& value, const std::optional<Tensor>& first,
                               const std::optional<Tensor>& second, const Tensor& y, const Tensor& x1, const Tensor& t,
                               double bound, int64_t order) {
    const auto laid = [](const std::optional<Tensor>& x) { return x ? x->contiguous() : Tensor(); };
    variable_list in{value.contiguous(), laid(first),     laid(second),
                     y.contiguous(),     x1.contiguous(), t.contiguous()};
    variable_list out;
    for (int64_t k = 0; k <= order; ++k) out.push_back(like(in[3]));
    of_kind(y, [&]<typename T>(T) { ::forward<T>(sizes(in), in, bound, out); });
    ctx->save_for_backward({value, first.value_or(Tensor()), second.value_or(Tensor()), y, x1, t});
    ctx->saved_data["bound"] = bound;
    return out;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    auto in = ctx->get_saved_variables();
    const double bound = ctx->saved_data["bound"].toDouble();
    for (auto& g : grads) g = g.defined() ? g.contiguous() : at::zeros_like(in[3]);
    variable_list out(8);
    if (differentiated(grads)) {
      auto found = double_backward([&](const variable_list& own) { return plain(own, bound, grads.size()); }, in, grads);
      std::copy(found.begin(), found.end(), out.begin());
      return out;
    }
    for (auto& x : in) x = x.defined() ? x.contiguous() : x;
    variable_list made(4);
    for (size_t i = 0; i < 4; ++i) {
      if (in[i].defined()) made[i] = like(in[i]);
    }
    of_kind(in[3], [&]<typename T>(T) { ::backward<T>(sizes(in), in, bound, grads, made); });
    std::copy(made.begin(), made.end(), out.begin());
    return out;
  }

 private:
  static Sizes sizes(const variable_list& in) {
    return {in[3].size(0), static_cast<int>(in[3].size(1)), static_cast<int>(in[0].size(1))};
  }

  static variable_list plain(const variable_list& in, double bound, size_t count) {
    const int64_t d = in[3].size(1);
    const auto column = [](const Tensor& of, int64_t i) { return of.select(1, i); };
    const Tensor zero = at::zeros_like(in[5]), &t = in[5], rest = 1 - t, gate = t * rest, slope = 1 - 2 * t;
    const auto number = [&](size_t k, int64_t i) { return in[k].defined() ? column(in[k], i) : zero; };
    // A product with t (1 - t), and its derivatives.
    const auto gated = [&](int64_t i) {
      const Tensor n = number(0, i), n1 = number(1, i), n2 = number(2, i);
      return variable_list{gate * n, gate * n1 + slope * n, gate * n2 + 2 * slope * n1 - 2 * n};
    };
    std::vector<variable_list> x(3);
    for (int64_t i = 0, at = 2 * d; i < d; ++i) {
      const Tensor u = (number(0, i) / bound).tanh(), q = 1 - u * u, n1 = number(1, i), s1 = q * n1;
      const Tensor s2 = q * (number(2, i) - 2 / bound * u * n1 * n1);
      const Tensor v = t * bound * u, v1 = bound * u + t * s1, v2 = 2 * s1 + t * s2, e = v.exp(), y = column(in[3], i);
      const Tensor end = column(in[4], i);
      variable_list row = gated(d + i);
      row[0] = row[0] + t * end + rest * e * y;
      row[1] = row[1] + end + e * (rest * v1 - 1) * y;
      row[2] = row[2] + e * (rest * (v2 + v1 * v1) - 2 * v1) * y;
      for (int64_t j = 0; j < i && 2 * d < in[0].size(1); ++j) {
        const variable_list below = gated(at++);
        for (size_t k = 0; k < 3; ++k) row[k] = row[k] + below[k] * column(in[3], j);
      }
      for (size_t k = 0; k < 3; ++k) x[k].push_back(row[k]);
    }
    variable_list made;
    for (size_t k = 0; k < count; ++k) made.push_back(at::stack(x[k], 1));
    return made;
  }
};

}  // namespace

extern "C" {

// numbers: value, first and second, null where they are nothing. in: y, x1, t. out: so many as the order says.
char* strait_affine_curve(Tensor** numbers, Tensor** in, double bound, int64_t order, Tensor** out) {
  return guarded([&] {
    const auto given = [&](size_t k) { return numbers[k] ? std::optional<Tensor>(*numbers[k]) : std::nullopt; };
    const auto made = AffineCurve::apply(*numbers[0], given(1), given(2), *in[0], *in[1], *in[2], bound, order);
    for (size_t k = 0; k < made.size(); ++k) out[k] = new Tensor(made[k]);
  });
}

}  // extern "C"

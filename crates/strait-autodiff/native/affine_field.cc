// The marginal field of an affine path with its derivative along its own flow, and the reverse derivative of both, pair
// by pair of a point and an end (strait-paths says what it is for). libtorch takes some hundred operations on tensors
// that are small.
//
// At fixed time an end's path is x = A y + b with A lower triangular, and with ' for d/dt at fixed y and end
//
//   y = A^-1 (x - b), u = A' y + b', w = softmax(-log det A - |y|^2 / 2), v = sum w u,
//   dy = A^-1 (v - u), du = A'' y + b'' + A' dy, slope = -y.dy - tr A^-1 A',
//   dv = sum w (du + (slope - sum w slope) u),
//
// where what is the same for all ends drops out of weights and slopes: powers of 1 - t.
#include "affine_frame.h"
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <limits>
#include <memory>

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace {

using namespace strait;

constexpr double LOG_TWO_PI = 1.8378770664093453;

struct Sizes {
  int64_t times, points, ends;
  int d, numbers;
};

// A point and some ends.
template <typename V>
struct Pair {
  V y[MOST], u[MOST], dy[MOST], du[MOST], gy[MOST], gu[MOST];
  V w, slope, gw, gslope;
};

// What comes of a point.
template <typename T>
struct Point {
  T v[MOST], dv[MOST], log_weight, square, mean_slope;
};

template <typename T>
INLINE Point<T> through(int d, T log_rest, int64_t packs, const Frame<Pack<T>>* frames, const T* x, Pair<Pack<T>>* pairs) {
  using V = Pack<T>;
  Point<T> at{};
  V tops = V{} - std::numeric_limits<T>::infinity();
  for (int64_t c = 0; c < packs; ++c) {
    const Frame<V>& f = frames[c];
    Pair<V>& p = pairs[c];
    for (int i = 0; i < d; ++i) {
      p.y[i] = x[i] - f.b[i];
      p.u[i] = f.b1[i];
    }
    f.solve(d, p.y);
    multiply(d, f.a1, p.y, p.u);
    V square = {};
    for (int i = 0; i < d; ++i) square += p.y[i] * p.y[i];
    p.w = -f.logs - square / 2;
    tops = p.w > tops ? p.w : tops;
  }
  T top = tops[0];
  for (int l = 1; l < LANES<T>; ++l) top = std::max(top, tops[l]);
  V sums = {}, squares = {}, vs[MOST] = {};
  for (int64_t c = 0; c < packs; ++c) sums += pairs[c].w = exponentials<T>(pairs[c].w - top);
  const T sum = total<T>(sums), share = 1 / sum;
  for (int64_t c = 0; c < packs; ++c) {
    Pair<V>& p = pairs[c];
    p.w *= share;
    p.w = p.w <= T(1e-20) ? V{} : p.w;  // as strait_core::weights
    squares += p.w * p.w;
    for (int i = 0; i < d; ++i) vs[i] += p.w * p.u[i];
  }
  at.log_weight = top + std::log(sum) - T(d * LOG_TWO_PI / 2) - d * log_rest;
  at.square = std::log(total<T>(squares)) + 2 * at.log_weight;
  for (int i = 0; i < d; ++i) at.v[i] = total<T>(vs[i]);

  V slopes = {}, dvs[MOST] = {};
  for (int64_t c = 0; c < packs; ++c) {
    const Frame<V>& f = frames[c];
    Pair<V>& p = pairs[c];
    for (int i = 0; i < d; ++i) {
      p.dy[i] = at.v[i] - p.u[i];
      p.du[i] = f.b2[i];
    }
    f.solve(d, p.dy);
    multiply(d, f.a2, p.y, p.du);
    multiply(d, f.a1, p.dy, p.du);
    p.slope = -f.slopes;
    for (int i = 0; i < d; ++i) p.slope -= p.y[i] * p.dy[i];
    slopes += p.w * p.slope;
  }
  at.mean_slope = total<T>(slopes);
  for (int64_t c = 0; c < packs; ++c) {
    const Pair<V>& p = pairs[c];
    for (int i = 0; i < d; ++i) dvs[i] += p.w * (p.du[i] + (p.slope - at.mean_slope) * p.u[i]);
  }
  for (int i = 0; i < d; ++i) at.dv[i] = total<T>(dvs[i]);
  return at;
}

// The derivatives in the frames, added to `to`, and those in the point, to `gx`, from those in what came of it.
template <typename T>
INLINE void pull_through(int d, int64_t packs, const Frame<Pack<T>>* frames, const Point<T>& at, const Point<T>& g,
                         Pair<Pack<T>>* pairs, Frame<Pack<T>>* to, T* gx) {
  using V = Pack<T>;
  V turns = {};
  for (int64_t c = 0; c < packs; ++c) {
    Pair<V>& p = pairs[c];
    const V turn = p.slope - at.mean_slope;
    V along = {};
    p.gw = V{};
    for (int i = 0; i < d; ++i) {
      along += g.dv[i] * p.u[i];
      p.gw += g.dv[i] * (p.du[i] + turn * p.u[i]);
    }
    p.gslope = p.w * along;
    turns += p.gslope;
  }
  const T of_mean = -total<T>(turns);
  V vs[MOST] = {};
  for (int64_t c = 0; c < packs; ++c) {
    const Frame<V>& f = frames[c];
    Pair<V>& p = pairs[c];
    p.gslope += p.w * of_mean;
    p.gw += of_mean * p.slope;
    const V turn = p.w * (p.slope - at.mean_slope);
    V gdu[MOST], gdy[MOST];
    for (int i = 0; i < d; ++i) {
      gdu[i] = p.w * g.dv[i];
      p.gu[i] = turn * g.dv[i];
      p.gy[i] = -p.gslope * p.dy[i];
      gdy[i] = -p.gslope * p.y[i];
      to[c].b2[i] += gdu[i];
    }
    to[c].slopes -= p.gslope;
    add_outer(d, gdu, p.y, to[c].a2);
    add_outer(d, gdu, p.dy, to[c].a1);
    multiply_transposed(d, f.a2, gdu, p.gy);
    multiply_transposed(d, f.a1, gdu, gdy);
    f.solve_transposed(d, gdy);
    add_outer(d, gdy, p.dy, to[c].a);
    for (int i = 0; i < d; ++i) {
      p.gu[i] += gdy[i];
      vs[i] -= gdy[i];
    }
  }
  T gv[MOST];
  for (int i = 0; i < d; ++i) gv[i] = g.v[i] + total<T>(vs[i]);
  V weights = {};
  for (int64_t c = 0; c < packs; ++c) {
    Pair<V>& p = pairs[c];
    for (int i = 0; i < d; ++i) {
      p.gu[i] += p.w * gv[i];
      p.gw += gv[i] * p.u[i];
    }
    weights += p.w * p.gw;
  }
  const T of_total = g.log_weight + 2 * g.square - total<T>(weights);
  V xs[MOST] = {};
  for (int64_t c = 0; c < packs; ++c) {
    const Frame<V>& f = frames[c];
    Pair<V>& p = pairs[c];
    const V of_log = p.w * (p.gw + of_total);
    to[c].logs -= of_log;
    for (int i = 0; i < d; ++i) {
      p.gy[i] -= of_log * p.y[i];
      to[c].b1[i] += p.gu[i];
    }
    add_outer(d, p.gu, p.y, to[c].a1);
    multiply_transposed(d, f.a1, p.gu, p.gy);
    f.solve_transposed(d, p.gy);
    add_outer(d, p.gy, p.y, to[c].a);
    for (int i = 0; i < d; ++i) {
      to[c].b[i] += p.gy[i];
      xs[i] -= p.gy[i];
    }
  }
  for (int i = 0; i < d; ++i) gx[i] = total<T>(xs[i]);
}

// Of velocity and derivative (T, Q, d), of log-weight and log-square (T, Q).
template <typename T, typename P>
struct Made {
  P *v, *dv, *log_weight, *square;
};

// One time after another, forward, and in reverse where `pulled` is there.
template <typename T>
INLINE void at_times(Sizes z, int64_t from, int64_t to, const Given<T>& in, const Made<T, T>* out,
                     const Made<T, const T>* cotangent, const Pulled<T>* pulled) {
  using V = Pack<T>;
  const int d = z.d;
  const int64_t packs = (z.ends + LANES<T> - 1) / LANES<T>;
  const std::unique_ptr<Frame<V>[]> frames(new Frame<V>[packs]), grads(pulled ? new Frame<V>[packs] : nullptr);
  const std::unique_ptr<Pair<V>[]> pairs(new Pair<V>[packs]);
  for (int64_t time = from; time < to; ++time) {
    const int64_t rows = time * z.ends * z.numbers;
    const Moment<V> moment(V{} + in.t[time]);
    const T log_rest = std::log(1 - in.t[time]);
    const auto numbers = [&](int64_t c) {
      return Numbers<T, const T>{in.value + rows, in.first + rows, in.second + rows, c * LANES<T>, z.ends, z.numbers};
    };
    for (int64_t c = 0; c < packs; ++c) {
      Frame<V>& f = frames[c];
      build(d, in.bound, moment, numbers(c), in.x1, f);
      for (int i = 0; i < d; ++i) f.inverse[i] = 1 / f.a.diagonal[i];
      // Lanes beyond the last end have no weight.
      for (int l = 0; l < LANES<T>; ++l) f.logs[l] = c * LANES<T> + l < z.ends ? f.logs[l] : T(1e30);
    }
    if (pulled) std::fill_n(grads.get(), packs, Frame<V>{});
    for (int64_t q = time * z.points; q < (time + 1) * z.points; ++q) {
      const Point<T> at = through(d, log_rest, packs, frames.get(), in.x + q * d, pairs.get());
      if (!pulled) {
        std::copy_n(at.v, d, out->v + q * d);
        std::copy_n(at.dv, d, out->dv + q * d);
        out->log_weight[q] = at.log_weight;
        out->square[q] = at.square;
        continue;
      }
      Point<T> g{};
      std::copy_n(cotangent->v + q * d, d, g.v);
      std::copy_n(cotangent->dv + q * d, d, g.dv);
      g.log_weight = cotangent->log_weight[q];
      g.square = cotangent->square[q];
      pull_through(d, packs, frames.get(), at, g, pairs.get(), grads.get(), pulled->x + q * d);
    }
    for (int64_t c = 0; pulled && c < packs; ++c) {
      const Numbers<T, T> into{pulled->value + rows, pulled->first + rows, pulled->second + rows, c * LANES<T>, z.ends,
                               z.numbers};
      pull(d, in.bound, moment, numbers(c), frames[c], grads[c], into);
    }
  }
}

STRAIT_VECTOR void run(Sizes z, int64_t from, int64_t to, const Given<float>& in, const Made<float, float>* out,
                       const Made<float, const float>* g, const Pulled<float>* pulled) {
  at_times(z, from, to, in, out, g, pulled);
}
void run(Sizes z, int64_t from, int64_t to, const Given<double>& in, const Made<double, double>* out,
         const Made<double, const double>* g, const Pulled<double>* pulled) {
  at_times(z, from, to, in, out, g, pulled);
}

template <typename T>
void forward(Sizes z, const variable_list& in, double bound, const variable_list& out) {
  const Made<T, T> made{write<T>(out[0]), write<T>(out[1]), write<T>(out[2]), write<T>(out[3])};
  const Given<T> from(in, bound);
  at::parallel_for(0, z.times, 1, [&](int64_t a, int64_t b) { run(z, a, b, from, &made, nullptr, nullptr); });
}

template <typename T>
void backward(Sizes z, const variable_list& in, double bound, const variable_list& g, const variable_list& out) {
  const Made<T, const T> cotangent{read<T>(g[0]), read<T>(g[1]), read<T>(g[2]), read<T>(g[3])};
  const Pulled<T> pulled(out);
  const Given<T> from(in, bound);
  at::parallel_for(0, z.times, 1, [&](int64_t a, int64_t b) { run(z, a, b, from, nullptr, &cotangent, &pulled); });
}

class AffineField : public torch::autograd::Function<AffineField> {
 public:
  // The network's numbers (T K, n) with two derivatives in t, points (T, Q, d), ends (K, d), times (T,).
  static variable_list forward(AutogradContext* ctx, const Tensor& value, const Tensor& first, const Tensor& second,
                               const Tensor& x, const Tensor& x1, const Tensor& t, double bound) {
    variable_list in{value.contiguous(), first.contiguous(), second.contiguous(),
                     x.contiguous(),     x1.contiguous(),    t.contiguous()};
    const Tensor log_weight = at::empty({x.size(0), x.size(1)}, x.options());
    const variable_list out{like(in[3]), like(in[3]), log_weight, like(log_weight)};
    const Sizes z = sizes(in);
    x.scalar_type() == at::kFloat ? ::forward<float>(z, in, bound, out) : ::forward<double>(z, in, bound, out);
    ctx->save_for_backward(std::move(in));
    ctx->saved_data["bound"] = bound;
    return out;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "the kernel of the affine path's field has no second derivative");
    const auto in = ctx->get_saved_variables();
    const double bound = ctx->saved_data["bound"].toDouble();
    for (size_t i = 0; i < 4; ++i) {
      const auto shape = i < 2 ? in[3].sizes() : in[3].sizes().slice(0, 2);
      grads[i] = grads[i].defined() ? grads[i].contiguous() : at::zeros(shape, in[3].options());
    }
    const variable_list out{like(in[0]), like(in[1]), like(in[2]), like(in[3])};
    const Sizes z = sizes(in);
    in[3].scalar_type() == at::kFloat ? ::backward<float>(z, in, bound, grads, out)
                                      : ::backward<double>(z, in, bound, grads, out);
    return {out[0], out[1], out[2], out[3], Tensor(), Tensor(), Tensor()};
  }

 private:
  static Sizes sizes(const variable_list& in) {
    return {in[3].size(0), in[3].size(1), in[4].size(0), static_cast<int>(in[4].size(1)),
            static_cast<int>(in[0].size(1))};
  }
};

}  // namespace

extern "C" {

// in: value, first, second, x, x1, t. out: velocity, derivative, log-weight, log-square.
char* strait_affine_field(Tensor** in, double bound, Tensor** out) {
  return guarded([&] {
    const auto made = AffineField::apply(*in[0], *in[1], *in[2], *in[3], *in[4], *in[5], bound);
    for (size_t i = 0; i < 4; ++i) out[i] = new Tensor(made[i]);
  });
}

}  // extern "C"

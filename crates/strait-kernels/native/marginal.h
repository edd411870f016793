// The marginal field of paths to several endpoints with its derivative along its own flow, and the reverse derivative of both,
// point by point (strait-paths says what it is for). A family of paths gives, for the endpoints of a pack side by side,
//
//   first:   the source point y of the path through x, its velocity u, and the logarithm of its weight p0(y) |dy/dx|;
//   second:  along x' = v, t' = 1, the derivatives of u and of that logarithm (the slope),
//
// from which, with w the weights divided by their sum,
//
//   v = sum w u,   dv = sum w (du + (slope - sum w slope) u),
//
// where what is the same for all endpoints drops out of weights and slopes: powers of 1 - t.
#pragma once
#include "double_backward.h"
#include "pack.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <limits>
#include <memory>

namespace strait {

constexpr double LOG_TWO_PI = 1.8378770664093453;

struct Sizes {
  int64_t times, points, endpoints;
  int d;
};

// A point and some endpoints.
template <typename V>
struct Pair {
  V u[MOST], du[MOST], gu[MOST];
  V w, slope, gw, gslope;
};

// What comes of a point.
template <typename T>
struct Point {
  T v[MOST], dv[MOST], log_weight, log_effective, mean_slope;
};

template <typename T, typename Family>
INLINE Point<T> through(int d, int64_t packs, Family& family, const T* x, Pair<Pack<T>>* pairs) {
  using V = Pack<T>;
  Point<T> at{};
  V tops = V{} - std::numeric_limits<T>::infinity();
  for (int64_t c = 0; c < packs; ++c) {
    pairs[c].w = family.first(c, x, pairs[c].u);
    tops = pairs[c].w > tops ? pairs[c].w : tops;
  }
  const T top = greatest<T>(tops);
  V sums = {}, squares = {}, vs[MOST] = {};
  for (int64_t c = 0; c < packs; ++c) sums += pairs[c].w = exponential(pairs[c].w - top);
  const T sum = total<T>(sums), share = 1 / sum;
  for (int64_t c = 0; c < packs; ++c) {
    Pair<V>& p = pairs[c];
    p.w *= share;
    p.w = p.w <= T(1e-20) ? V{} : p.w;  // as strait_core::weights
    squares += p.w * p.w;
    for (int i = 0; i < d; ++i) vs[i] += p.w * p.u[i];
  }
  at.log_weight = top + std::log(sum);
  at.log_effective = -std::log(total<T>(squares));
  for (int i = 0; i < d; ++i) at.v[i] = total<T>(vs[i]);

  V slopes = {}, dvs[MOST] = {};
  for (int64_t c = 0; c < packs; ++c) {
    Pair<V>& p = pairs[c];
    p.slope = family.second(c, at.v, p.u, p.du);
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

// The derivatives in what the family is made of, which it keeps, and those in the point, to `gx`, from those in what came
// of it.
template <typename T, typename Family>
INLINE void pull_through(int d, int64_t packs, Family& family, const Point<T>& at, const Point<T>& g,
                         Pair<Pack<T>>* pairs, T* gx) {
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
    Pair<V>& p = pairs[c];
    p.gslope += p.w * of_mean;
    p.gw += of_mean * p.slope;
    const V turn = p.w * (p.slope - at.mean_slope);
    V gdu[MOST];
    for (int i = 0; i < d; ++i) {
      gdu[i] = p.w * g.dv[i];
      p.gu[i] = turn * g.dv[i];
    }
    family.pull_second(c, gdu, p.gslope, p.gu, vs);
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
  const T of_total = g.log_weight - total<T>(weights);
  V xs[MOST] = {};
  for (int64_t c = 0; c < packs; ++c) {
    const Pair<V>& p = pairs[c];
    family.pull_first(c, p.gu, p.w * (p.gw + of_total), xs);
  }
  for (int i = 0; i < d; ++i) gx[i] = total<T>(xs[i]);
}

// Of velocity and derivative (T, Q, d), of log-weight and log-effective (T, Q); the last has no gradient.
template <typename T, typename P>
struct Made {
  P *v, *dv, *log_weight, *log_effective;

  explicit Made(const std::vector<at::Tensor>& of)
      : v(numbers(of[0])), dv(numbers(of[1])), log_weight(numbers(of[2])), log_effective(numbers(of[3])) {}

 private:
  static P* numbers(const at::Tensor& x) {
    if constexpr (std::is_const_v<P>) return read<T>(x);
    else return write<T>(x);
  }
};

// From points (T, Q, d) and endpoints (K, d).
inline Sizes sizes_of(const at::Tensor& x, const at::Tensor& x1) {
  return {x.size(0), x.size(1), x1.size(0), static_cast<int>(x1.size(1))};
}

// Room for what comes of points (T, Q, d): velocity, derivative, log-weight, log-effective.
inline std::vector<at::Tensor> room_for_field(const at::Tensor& x) {
  const at::Tensor log_weight = at::empty(x.sizes().slice(0, 2), x.options());
  return {like(x), like(x), log_weight, like(log_weight)};
}

// The cotangents of these four, zero where they are absent.
inline std::vector<at::Tensor> cotangents_of_field(const std::vector<at::Tensor>& grads, const at::Tensor& x) {
  TORCH_CHECK(!at::GradMode::is_enabled(), "the kernel of a path's marginal field has no second derivative");
  // In libtorch's words for what has no forward derivative.
  TORCH_CHECK(!differentiated(grads), "forward AD with the gradient of a path's marginal field that does not support it");
  std::vector<at::Tensor> all;
  for (size_t i = 0; i < 4; ++i) {
    const auto shape = i < 2 ? x.sizes() : x.sizes().slice(0, 2);
    all.push_back(grads[i].defined() ? grads[i].contiguous() : at::zeros(shape, x.options()));
  }
  return all;
}

// One time after another, forward, and in reverse where `gx` is there, for the points' derivatives.
template <typename T, typename Family>
INLINE void at_times(Sizes z, int64_t from, int64_t to, Family& family, const T* x, const T* t, const Made<T, T>* out,
                     const Made<T, const T>* cotangent, T* gx) {
  const int d = z.d;
  const int64_t packs = packs_of<T>(z.endpoints);
  const std::unique_ptr<Pair<Pack<T>>[]> pairs(new Pair<Pack<T>>[packs]);
  for (int64_t time = from; time < to; ++time) {
    family.start(time);
    const T constant = -T(d * LOG_TWO_PI / 2) - d * std::log(1 - t[time]);
    for (int64_t q = time * z.points; q < (time + 1) * z.points; ++q) {
      const Point<T> at = through(d, packs, family, x + q * d, pairs.get());
      if (!gx) {
        std::copy_n(at.v, d, out->v + q * d);
        std::copy_n(at.dv, d, out->dv + q * d);
        out->log_weight[q] = at.log_weight + constant;
        out->log_effective[q] = at.log_effective;
        continue;
      }
      Point<T> g{};
      std::copy_n(cotangent->v + q * d, d, g.v);
      std::copy_n(cotangent->dv + q * d, d, g.dv);
      g.log_weight = cotangent->log_weight[q];
      pull_through(d, packs, family, at, g, pairs.get(), gx + q * d);
    }
    if (gx) family.finish(time);
  }
}

}  // namespace strait

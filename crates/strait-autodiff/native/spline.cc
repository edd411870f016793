// Monotone rational-quadratic splines (Gregory and Delbourgo 1982; Durkan and others, arXiv 1906.04032), one for each number,
// in one pass each way, where libtorch takes about a hundred operations. They are written as a deviation from the identity, so
// that zero logits give the identity to the bit and small ones lose no digits.
//
// In a bin from (x_k, y_k) of width w, height h and end slopes 1 + e0, 1 + e1, with xi = (x - x_k) / w, 1 + sigma = h / w and
// epsilon = e0 + e1 - 2 sigma, the usual form is the same as
//
//   y - x = (y_k - x_k) + w xi ((1 + sigma) (sigma xi + e0 (1 - xi)) - epsilon xi (1 - xi)) / (1 + sigma + epsilon xi (1 - xi))
//   y' = (1 + sigma)^2 (1 + e1 xi^2 + 2 sigma xi (1 - xi) + e0 (1 - xi)^2) / (1 + sigma + epsilon xi (1 - xi))^2
#include "again.h"
#include "jets.h"
#include <ATen/TensorOperators.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <vector>

using at::Tensor;
using strait::Extent;
using strait::guarded;
using strait::Jets;
using strait::like;
using strait::Moving;
using strait::of_kind;
using strait::read;
using strait::Series;
using strait::write;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace {

// The kernel keeps room for so many bins.
constexpr int MOST = 16;

// No bin is narrower or lower than this part of an equal share of the box.
constexpr double LEAST_SHARE = 0.05;

// The slope at a knot is the harmonic mean of the slopes of the bins that meet there, times at most e^3 or e^-3. A steep knot
// beside a flat bin would make the spline almost constant in its middle, and its inverse lose its digits: so the least slope of
// a bin stays a twentieth of its mean one or better, except in the bins at the tails.
constexpr double SLOPE_BOUND = 3;

// On [-bound, bound], the identity outside. A number has 3 bins - 1 logits: of the widths, the heights, the inner slopes.
template <typename T>
struct Box {
  int bins;
  T bound;
  Box(int64_t bins, double bound) : bins(static_cast<int>(bins)), bound(static_cast<T>(bound)) {}
  INLINE int logits() const { return 3 * bins - 1; }
};

// What a point sees of a spline, and the derivatives of something in that.
template <typename S>
struct Bin {
  S w, sigma, e0, e1, x, gap;
};

// A bin at one of its points.
template <typename T, int N>
struct Place {
  using S = Series<T, N>;
  Bin<S> bin;
  S xi, rest, bump, epsilon, shift, denominator, slope;

  INLINE Place(const Bin<S>& bin, const S& xi) : bin(bin), xi(xi), rest(T(1) - xi), bump(xi * rest) {
    epsilon = bin.e0 + bin.e1 - T(2) * bin.sigma;
    shift = (bin.sigma * xi + bin.e0 * rest) * (T(1) + bin.sigma) - epsilon * bump;
    denominator = T(1) + bin.sigma + epsilon * bump;
    slope = bin.e1 * xi * xi + T(2) * bin.sigma * bump + bin.e0 * rest * rest;
  }

  // y - x
  INLINE S moved() const { return bin.gap + bin.w * xi * shift / denominator; }

  // log y'
  INLINE T log_slope() const {
    const T sigma = bin.sigma.c[0];
    return T(2) * std::log1p(sigma) + std::log1p(slope.c[0]) - T(2) * std::log1p(sigma + (epsilon * bump).c[0]);
  }

  // y'
  INLINE T steepness() const {
    const T ratio = (T(1) + bin.sigma.c[0]) / denominator.c[0];
    return ratio * ratio * (T(1) + slope.c[0]);
  }

  // The derivative of log y' in x.
  INLINE T bend() const {
    const T turn = rest.c[0] - xi.c[0];
    const T of_slope = T(2) * (bin.e1.c[0] * xi.c[0] + bin.sigma.c[0] * turn - bin.e0.c[0] * rest.c[0]);
    return (of_slope / (T(1) + slope.c[0]) - T(2) * epsilon.c[0] * turn / denominator.c[0]) / bin.w.c[0];
  }

  // From the derivative g in y, and gl in log y' where N is 0: those in what the bin is, and that in x, to which g is still to
  // be added.
  INLINE Bin<S> pull(const S& g, T gl, S& gx) const {
    const auto& [w, sigma, e0, e1, x, gap] = bin;
    const S part = shift / denominator, high = T(1) + sigma;
    const S g_shift = g * w * xi / denominator;
    S g_denominator = -(g_shift * part), g_slope = T(0), g_sigma = T(0);
    if constexpr (N == 0) {
      g_denominator -= T(2) * gl / denominator;
      g_slope = S(gl) / (T(1) + slope);
      g_sigma = T(2) * gl / high;
    }
    const S g_product = g_denominator - g_shift, g_epsilon = g_product * bump;
    const S g_bump = g_product * epsilon + T(2) * g_slope * sigma;
    S g_xi = g * w * part + g_shift * high * (sigma - e0) + T(2) * g_slope * (e1 * xi - e0 * rest);
    g_xi += g_bump * (rest - xi);
    g_sigma += g_shift * (xi * high + sigma * xi + e0 * rest) + g_denominator + T(2) * (g_slope * bump - g_epsilon);
    const S along = g_xi / w;
    gx = along;
    Bin<S> to;
    to.w = g * xi * part - along * xi;
    to.sigma = g_sigma;
    to.e0 = g_shift * rest * high + g_slope * rest * rest + g_epsilon;
    to.e1 = g_slope * xi * xi + g_epsilon;
    to.x = -along;
    to.gap = g;
    return to;
  }
};

// xi of an image: the root in [0, 1] of a xi^2 + b xi + c, in that of its two forms that loses no digits.
template <typename T>
INLINE T solve(const Bin<Series<T, 0>>& bin, T y) {
  const T sigma = bin.sigma.c[0], e0 = bin.e0.c[0], s = sigma + T(1), height = bin.w.c[0] * s;
  const T rise = y - bin.x.c[0] - bin.gap.c[0], epsilon = (e0 + bin.e1.c[0] - T(2) * sigma) * rise;
  const T a = height * (s - (e0 + T(1))) + epsilon, b = height * (e0 + T(1)) - epsilon, c = -(s * rise);
  const T root = std::sqrt(std::max(b * b - T(4) * a * c, T(0)));
  const T q = T(-0.5) * (b + (b >= T(0) ? root : -root));
  const T xi = b >= T(0) ? c / q : q / a;
  return xi < T(0) ? T(0) : (xi > T(1) ? T(1) : xi);
}

// The spline of one number.
template <typename T, int N>
struct Spline {
  using S = Series<T, N>;

  // Of the widths or of the heights: the softmax of the logits, and the sizes.
  struct Sides {
    S share[MOST], size[MOST];

    INLINE void fill(const S* logits, Box<T> box) {
      T top = logits[0].c[0];
      for (int k = 1; k < box.bins; ++k) top = std::max(top, logits[k].c[0]);
      S total = T(0);
      for (int k = 0; k < box.bins; ++k) share[k] = exponential(logits[k] - top);
      for (int k = 0; k < box.bins; ++k) total += share[k];
      const S each = S(T(1)) / total;
      const T least = T(LEAST_SHARE) / T(box.bins);
      for (int k = 0; k < box.bins; ++k) {
        share[k] = share[k] * each;
        size[k] = T(2) * box.bound * (T(1 - LEAST_SHARE) * share[k] + least);
      }
    }

    // The derivatives in the logits from those in the sizes.
    INLINE void pull(const S* g, Box<T> box, S* to) const {
      S mean = T(0);
      for (int k = 0; k < box.bins; ++k) mean += share[k] * g[k];
      const T scale = T(2) * box.bound * T(1 - LEAST_SHARE);
      for (int k = 0; k < box.bins; ++k) to[k] = scale * (share[k] * (g[k] - mean));
    }
  };

  // The slope, less 1, at the knot between two bins: (1 + mean) e^b - 1 with b within the bound.
  struct Knot {
    S left, right, steeper, tanh;

    INLINE Knot(const S& left, const S& right, const S& logit)
        : left(left), right(right), tanh(bounded(logit, T(SLOPE_BOUND))) {
      steeper = exponential_minus_one(T(SLOPE_BOUND) * tanh);
    }
    INLINE S mean() const { return (left + right + T(2) * left * right) / (left + right + T(2)); }
    INLINE S value() const {
      const S m = mean();
      return m + (m + T(1)) * steeper;
    }
    INLINE void pull(const S& g, S& g_left, S& g_right, S& g_logit) const {
      const S up = T(1) + steeper, to_mean = T(2) * g * up, both = left + right + T(2);
      const S a = (T(1) + right) / both, b = (T(1) + left) / both;
      g_left += to_mean * a * a;
      g_right += to_mean * b * b;
      g_logit += g * (T(1) + mean()) * up * (T(1) - tanh * tanh);
    }
  };

  Box<T> box;
  S logits[3 * MOST];
  Sides widths, heights;

  // Its j-th logit is `logit(j)`.
  template <typename F>
  INLINE Spline(Box<T> box, const F& logit) : box(box) {
    for (int j = 0; j < box.logits(); ++j) logits[j] = logit(j);
    widths.fill(logits, box);
    heights.fill(logits + box.bins, box);
  }

  INLINE S sigma(int k) const { return (heights.size[k] - widths.size[k]) / widths.size[k]; }

  // The knot on the left of bin k, which has another on its left.
  INLINE Knot knot(int k) const { return {sigma(k - 1), sigma(k), logits[2 * box.bins + k - 1]}; }

  // The bin of a point of one side, and its number.
  INLINE Bin<S> find(T point, bool image, int& k) const {
    Bin<S> bin;
    bin.x = T(0);
    bin.gap = T(0);
    for (k = 0; k + 1 < box.bins; ++k) {
      const S x = bin.x + widths.size[k], gap = bin.gap + (heights.size[k] - widths.size[k]);
      if (!(point >= x.c[0] - box.bound + (image ? gap.c[0] : T(0)))) break;
      bin.x = x;
      bin.gap = gap;
    }
    bin.x -= box.bound;
    bin.w = widths.size[k];
    bin.sigma = sigma(k);
    bin.e0 = k > 0 ? knot(k).value() : S(T(0));
    bin.e1 = k + 1 < box.bins ? knot(k + 1).value() : S(T(0));
    return bin;
  }

  // The place of a point, and that of an image.
  INLINE Place<T, N> at(const S& x, int& k) const {
    const auto bin = find(x.c[0], false, k);
    return {bin, (x - bin.x) / bin.w};
  }
  INLINE Place<T, N> at_image(T y, int& k) const {
    const auto bin = find(y, true, k);
    return {bin, solve(bin, y)};
  }

  // The derivatives in the logits from those in bin k.
  INLINE void pull(int k, const Bin<S>& g, S* to) const {
    S g_w[MOST], g_h[MOST], g_sigma[MOST + 2];  // the last from the bin before the first on
    for (int j = 0; j < box.bins; ++j) {
      g_w[j] = j < k ? g.x - g.gap : S(T(0));
      g_h[j] = j < k ? g.gap : S(T(0));
    }
    for (int j = 0; j < box.bins + 2; ++j) g_sigma[j] = T(0);
    for (int j = 0; j + 1 < box.bins; ++j) to[2 * box.bins + j] = T(0);
    g_sigma[k + 1] = g.sigma;
    g_w[k] += g.w;
    if (k > 0) knot(k).pull(g.e0, g_sigma[k], g_sigma[k + 1], to[2 * box.bins + k - 1]);
    if (k + 1 < box.bins) knot(k + 1).pull(g.e1, g_sigma[k + 1], g_sigma[k + 2], to[2 * box.bins + k]);
    for (int j = std::max(k - 1, 0); j < std::min(k + 2, box.bins); ++j) {
      const S each = g_sigma[j + 1] / widths.size[j];
      g_h[j] += each;
      g_w[j] -= each * heights.size[j] / widths.size[j];
    }
    widths.pull(g_w, box, to);
    heights.pull(g_h, box, to + box.bins);
  }
};

// Where the logits of a number lie.
struct Places {
  int64_t first, step;
  INLINE int64_t operator()(int j) const { return first + j * step; }
};

// Calls f(sample, place of the number, places of its logits).
template <typename F>
INLINE void each_number(Extent z, int logits, const F& f) {
  for (int64_t i = 0, at = 0; i < z.batch; ++i) {
    for (int64_t c = 0; c < z.channels; ++c) {
      for (int64_t p = 0; p < z.places; ++p, ++at) f(i, at, Places{(i * z.channels + c) * logits * z.places + p, z.places});
    }
  }
}

template <typename T>
INLINE void forward_numbers(Extent z, Box<T> box, bool inverse, const T* x, const T* raw, T* y, T* log_det) {
  std::fill(log_det, log_det + z.batch, T(0));
  each_number(z, box.logits(), [&](int64_t i, int64_t at, Places logit) __attribute__((always_inline)) {
    const T point = x[at];
    y[at] = point;
    if (!(std::abs(point) <= box.bound)) return;
    int k;
    const Spline<T, 0> spline(box, [&](int j) __attribute__((always_inline)) { return raw[logit(j)]; });
    const auto place = inverse ? spline.at_image(point, k) : spline.at(point, k);
    const T moved = place.moved().c[0], log_slope = place.log_slope();
    y[at] = inverse ? point - moved : point + moved;
    log_det[i] += inverse ? -log_slope : log_slope;
  });
}

// Of the inverse, y = f^-1(x), by the derivatives of f at y: those of y are the ones of x - f(y) over f', and the logarithm of
// its slope is less that of f' at y.
template <typename T>
INLINE void backward_numbers(Extent z, Box<T> box, bool inverse, const T* x, const T* raw, const T* gy, const T* gl, T* gx,
                             T* graw) {
  using S = Series<T, 0>;
  S to[3 * MOST];
  each_number(z, box.logits(), [&](int64_t i, int64_t at, Places logit) __attribute__((always_inline)) {
    const T point = x[at];
    gx[at] = gy[at];
    const bool inside = std::abs(point) <= box.bound;
    if (inside) {
      const Spline<T, 0> spline(box, [&](int j) __attribute__((always_inline)) { return raw[logit(j)]; });
      int k;
      const auto place = inverse ? spline.at_image(point, k) : spline.at(point, k);
      S g = gy[at], along;
      if (inverse) g = -((gy[at] - gl[i] * place.bend()) / place.steepness());
      const auto of_bin = place.pull(g, inverse ? -gl[i] : gl[i], along);
      gx[at] = inverse ? -g.c[0] : g.c[0] + along.c[0];
      spline.pull(k, of_bin, to);
    }
    for (int j = 0; j < box.logits(); ++j) graw[logit(j)] = inside ? to[j].c[0] : T(0);
  });
}

template <typename T, int N>
INLINE void forward_jets(Extent z, Box<T> box, Jets<const T> x, Jets<const T> raw, Jets<T> y) {
  using S = Series<T, N>;
  each_number(z, box.logits(), [&](int64_t, int64_t at, Places logit) __attribute__((always_inline)) {
    const S point = x.template get<N>(at);
    S image = point;
    if (std::abs(point.c[0]) <= box.bound) {
      const Spline<T, N> spline(box, [&](int j) __attribute__((always_inline)) { return raw.template get<N>(logit(j)); });
      int k;
      image += spline.at(point, k).moved();
    }
    y.put(at, image);
  });
}

template <typename T, int N>
INLINE void backward_jets(Extent z, Box<T> box, Jets<const T> x, Jets<const T> raw, Jets<const T> gy, Jets<T> gx,
                          Jets<T> graw) {
  using S = Series<T, N>;
  S to[3 * MOST];
  each_number(z, box.logits(), [&](int64_t, int64_t at, Places logit) __attribute__((always_inline)) {
    const S point = x.template get<N>(at), g = gy.template cotangent<N>(at);
    S whole = g;
    if (std::abs(point.c[0]) <= box.bound) {
      const Spline<T, N> spline(box, [&](int j) __attribute__((always_inline)) { return raw.template get<N>(logit(j)); });
      int k;
      S along;
      const auto of_bin = spline.at(point, k).pull(g, T(0), along);
      whole += along;
      spline.pull(k, of_bin, to);
    } else {
      std::fill(to, to + box.logits(), S(T(0)));
    }
    gx.put_cotangent(at, whole);
    for (int j = 0; j < box.logits(); ++j) graw.put_cotangent(logit(j), to[j]);
  });
}

STRAIT_VECTOR void forward(Extent z, Box<float> box, bool inverse, const float* x, const float* raw, float* y,
                           float* log_det) {
  forward_numbers(z, box, inverse, x, raw, y, log_det);
}
STRAIT_VECTOR void backward(Extent z, Box<float> box, bool inverse, const float* x, const float* raw, const float* gy,
                            const float* gl, float* gx, float* graw) {
  backward_numbers(z, box, inverse, x, raw, gy, gl, gx, graw);
}
void forward(Extent z, Box<double> box, bool inverse, const double* x, const double* raw, double* y, double* log_det) {
  forward_numbers(z, box, inverse, x, raw, y, log_det);
}
void backward(Extent z, Box<double> box, bool inverse, const double* x, const double* raw, const double* gy, const double* gl,
              double* gx, double* graw) {
  backward_numbers(z, box, inverse, x, raw, gy, gl, gx, graw);
}
template <typename T>
void forward(Extent z, Box<T> box, int64_t order, Jets<const T> x, Jets<const T> raw, Jets<T> y) {
  order == 1 ? forward_jets<T, 1>(z, box, x, raw, y) : forward_jets<T, 2>(z, box, x, raw, y);
}
template <typename T>
void backward(Extent z, Box<T> box, int64_t order, Jets<const T> x, Jets<const T> raw, Jets<const T> gy, Jets<T> gx,
              Jets<T> graw) {
  order == 1 ? backward_jets<T, 1>(z, box, x, raw, gy, gx, graw) : backward_jets<T, 2>(z, box, x, raw, gy, gx, graw);
}

// The same of libtorch's operations: for its forward mode, for other devices and numbers, for derivatives of derivatives.
variable_list composed(const Tensor& x, const Tensor& raw, bool inverse, int64_t bins, double bound) {
  const Tensor logits = raw.unflatten(1, {x.size(1), 3 * bins - 1}).movedim(2, -1);
  const Tensor two = logits.narrow(-1, 0, 2 * bins).unflatten(-1, {2, bins});
  const Tensor raised = (two - two.detach().amax(-1, true)).exp(), share = raised / raised.sum(-1, true);
  const Tensor sides = (share * (1 - LEAST_SHARE) + LEAST_SHARE / static_cast<double>(bins)) * (2 * bound);
  const Tensor w = sides.select(-2, 0), excess = sides.select(-2, 1) - w, sigma = excess / w;
  const Tensor left = sigma.narrow(-1, 0, bins - 1), right = sigma.narrow(-1, 1, bins - 1);
  const Tensor mean = (left + right + left * right * 2) / (left + right + 2);
  const Tensor steeper = ((logits.narrow(-1, 2 * bins, bins - 1) / SLOPE_BOUND).tanh() * SLOPE_BOUND).expm1();
  const Tensor e = at::constant_pad_nd(mean + (mean + 1) * steeper, {1, 1});  // linear tails of slope 1
  const Tensor steps = at::stack({w, excess}, -2).narrow(-1, 0, bins - 1);
  const Tensor knots = at::constant_pad_nd(steps.cumsum(-1), {1, 0});
  const Tensor from = knots.select(-2, 0) - bound, gaps = knots.select(-2, 1);

  const Tensor point = x.clamp(-bound, bound), starts = (inverse ? from + gaps : from).detach();
  const Tensor k = point.detach().unsqueeze(-1).ge(starts.narrow(-1, 1, bins - 1)).sum(-1, true);
  const auto of = [&](const Tensor& each) { return each.gather(-1, k).squeeze(-1); };
  const Tensor width = of(w), s = of(sigma), e0 = of(e.narrow(-1, 0, bins)), e1 = of(e.narrow(-1, 1, bins));
  const Tensor start = of(from), gap = of(gaps), epsilon = e0 + e1 - s * 2;
  Tensor xi = (point - start) / width;
  if (inverse) {
    const Tensor height = width * (s + 1), rise = point - start - gap, bent = epsilon * rise;
    const Tensor a = height * (s - e0) + bent, b = height * (e0 + 1) - bent, c = -((s + 1) * rise);
    const Tensor root = (b.square() - a * c * 4).clamp_min(0).sqrt(), rising = b.ge(0);
    const Tensor q = (b + root.where(rising, -root)) * -0.5;
    xi = (c.where(rising, q) / q.where(rising, a)).clamp(0, 1);
  }
  const Tensor rest = 1 - xi, bump = xi * rest, product = epsilon * bump;
  const Tensor moved = gap + width * xi * ((s * xi + e0 * rest) * (s + 1) - product) / (s + product + 1);
  const Tensor slope = e1 * xi.square() + s * bump * 2 + e0 * rest.square();
  const Tensor log_slope = s.log1p() * 2 + slope.log1p() - (s + product).log1p() * 2;
  const Tensor inside = x.detach().abs().le(bound), zero = at::zeros({}, x.options());
  const Tensor y = x + (inverse ? -moved : moved).where(inside, zero);
  return {y, (inverse ? -log_slope : log_slope).where(inside, zero).flatten(1).sum(1)};
}

class Map : public torch::autograd::Function<Map> {
 public:
  static variable_list forward(AutogradContext* ctx, const Tensor& x, const Tensor& raw, bool inverse, int64_t bins,
                               double bound) {
    const Tensor a = x.contiguous(), r = raw.contiguous();
    Tensor y = like(a), log_det = at::empty({a.size(0)}, a.options());
    of_kind(a, [&]<typename T>(T) {
      const Box<T> box(bins, bound);
      ::forward(Extent(a), box, inverse, read<T>(a), read<T>(r), write<T>(y), write<T>(log_det));
    });
    ctx->save_for_backward({x, raw});
    ctx->saved_data["inverse"] = inverse;
    ctx->saved_data["bins"] = bins;
    ctx->saved_data["bound"] = bound;
    return {y, log_det};
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const bool inverse = ctx->saved_data["inverse"].toBool();
    const int64_t bins = ctx->saved_data["bins"].toInt();
    const double bound = ctx->saved_data["bound"].toDouble();
    const Tensor gy = grads[0].defined() ? grads[0] : at::zeros_like(saved[0]);
    const Tensor gl = grads[1].defined() ? grads[1] : at::zeros({saved[0].size(0)}, saved[0].options());
    variable_list out;
    if (at::GradMode::is_enabled()) {
      out = strait::pull_again(
          [&](const variable_list& own) { return composed(own[0], own[1], inverse, bins, bound); }, saved, {gy, gl});
    } else {
      const Tensor a = saved[0].contiguous(), r = saved[1].contiguous(), g = gy.contiguous(), l = gl.contiguous();
      out = {like(a), like(r)};
      of_kind(a, [&]<typename T>(T) {
        const Box<T> box(bins, bound);
        ::backward(Extent(a), box, inverse, read<T>(a), read<T>(r), read<T>(g), read<T>(l), write<T>(out[0]),
                   write<T>(out[1]));
      });
    }
    out.resize(5);
    return out;
  }
};

class Jet : public torch::autograd::Function<Jet> {
 public:
  static variable_list forward(AutogradContext* ctx, at::TensorList all, const Moving& moving, int64_t bins,
                               double bound) {
    variable_list in, out;
    for (const auto& x : all) in.push_back(x.contiguous());
    for (int64_t k = 0; k <= moving.order; ++k) out.push_back(like(in[0]));
    of_kind(in[0], [&]<typename T>(T) {
      const Jets<const T> x(in, 0, moving.x), raw(in, moving.of_numbers(), moving.numbers);
      ::forward<T>(Extent(in[0]), Box<T>(bins, bound), moving.order, x, raw, Jets<T>(out, 0, moving.order));
    });
    ctx->save_for_backward({all.begin(), all.end()});
    ctx->saved_data["moving"] = moving.kept();
    ctx->saved_data["bins"] = bins;
    ctx->saved_data["bound"] = bound;
    return out;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto all = ctx->get_saved_variables();
    const Moving moving(ctx->saved_data["moving"].toIntVector());
    const int64_t bins = ctx->saved_data["bins"].toInt();
    const double bound = ctx->saved_data["bound"].toDouble();
    for (auto& g : grads) g = g.defined() ? g.contiguous() : at::zeros_like(all[0]).contiguous();
    variable_list out;
    if (at::GradMode::is_enabled()) {
      out = strait::pull_again([&](const variable_list& own) { return composed_jet(moving, own, bins, bound); }, all,
                               grads);
    } else {
      variable_list in;
      for (const auto& x : all) in.push_back(x.contiguous());
      for (const auto& x : in) out.push_back(like(x));
      of_kind(in[0], [&]<typename T>(T) {
        const Jets<const T> x(in, 0, moving.x), raw(in, moving.of_numbers(), moving.numbers), g(grads, 0, moving.order);
        const Jets<T> gx(out, 0, moving.x), graw(out, moving.of_numbers(), moving.numbers);
        ::backward<T>(Extent(in[0]), Box<T>(bins, bound), moving.order, x, raw, g, gx, graw);
      });
    }
    out.resize(all.size() + 3);
    return out;
  }

 private:
  // The image of the polynomials in s, differentiated at s = 0 by double reverse mode: each number has an s of its own.
  static variable_list composed_jet(const Moving& moving, const variable_list& all, int64_t bins, double bound) {
    at::AutoGradMode recorded(true);
    const Tensor s = at::zeros_like(all[0]).requires_grad_();
    const auto along = [&](int64_t from, int64_t derivatives, const Tensor& s) {
      Tensor whole = all[from];
      if (derivatives > 0) whole = whole + s * all[from + 1];
      if (derivatives > 1) whole = whole + s * s * all[from + 2] / 2;
      return whole;
    };
    auto each = s.sizes().vec();
    each.insert(each.begin() + 2, 3 * bins - 1);
    const Tensor wide = s.unsqueeze(2).expand(each);
    const Tensor x = along(0, moving.x, s), raw = along(moving.of_numbers(), moving.numbers, wide.flatten(1, 2));
    variable_list jet{composed(x, raw, false, bins, bound)[0]};
    for (int64_t k = 1; k <= moving.order; ++k) {
      const Tensor weight = at::ones_like(s);
      jet.push_back(torch::autograd::grad({jet.back()}, {s}, {weight}, true, true)[0]);
    }
    return jet;
  }
};

}  // namespace

extern "C" {

// By the kernel, which knows at most MOST bins, or of libtorch's operations.
char* strait_spline(Tensor* x, Tensor* raw, int64_t bins, double bound, bool inverse, bool kernel, Tensor** y,
                    Tensor** log_det) {
  return guarded([&] {
    const auto out = kernel ? Map::apply(*x, *raw, inverse, bins, bound) : composed(*x, *raw, inverse, bins, bound);
    *y = new Tensor(out[0]);
    *log_det = new Tensor(out[1]);
  });
}

// `tensors`: x and its derivatives, so many as `x` says, then the logits and theirs. `jet` has room for three.
char* strait_spline_jet(Tensor** tensors, size_t count, int64_t x, int64_t raw, int64_t order, int64_t bins, double bound,
                        Tensor** jet) {
  return guarded([&] {
    variable_list all;
    for (size_t i = 0; i < count; ++i) all.push_back(*tensors[i]);
    const auto made = Jet::apply(at::TensorList(all), Moving(x, raw, order), bins, bound);
    for (size_t k = 0; k < 3; ++k) jet[k] = k < made.size() ? new Tensor(made[k]) : nullptr;
  });
}

}  // extern "C"

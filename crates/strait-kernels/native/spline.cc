// Monotone rational-quadratic splines (Gregory and Delbourgo 1982; Durkan and others, arXiv 1906.04032), one for each number,
// in one pass each way, where libtorch takes about a hundred operations. They are written as a deviation from the identity, so
// that zero logits give the identity to the bit and small ones lose no digits.
//
// In a bin from (x_k, y_k) of width w, height h and end slopes 1 + e0, 1 + e1, with xi = (x - x_k) / w, 1 + sigma = h / w and
// epsilon = e0 + e1 - 2 sigma, the usual form is the same as
//
//   y - x = (y_k - x_k) + w xi ((1 + sigma) (sigma xi + e0 (1 - xi)) - epsilon xi (1 - xi)) / (1 + sigma + epsilon xi (1 - xi))
//   y' = (1 + sigma)^2 (1 + e1 xi^2 + 2 sigma xi (1 - xi) + e0 (1 - xi)^2) / (1 + sigma + epsilon xi (1 - xi))^2
#include "double_backward.h"
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
using strait::each_lane;
using strait::Extent;
using strait::guarded;
using strait::Jets;
using strait::KindOf;
using strait::LANES;
using strait::like;
using strait::log_plus_one;
using strait::Moving;
using strait::of_kind;
using strait::Pack;
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
  INLINE auto holds(Pack<T> x) const { return (x <= bound) & (x >= -bound); }
};

// What a point sees of a spline, and the derivatives of something in that.
template <typename S>
struct Bin {
  S w, sigma, e0, e1, x, gap;
};

// A bin at one of its points. Here and below each is of several numbers side by side: V is a pack of T.
template <typename V, int N>
struct Place {
  using T = KindOf<V>;
  using S = Series<V, N>;
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
  INLINE V log_slope() const {
    const V sigma = bin.sigma.c[0], product = (epsilon * bump).c[0];
    return T(2) * (log_plus_one(sigma) - log_plus_one(sigma + product)) + log_plus_one(slope.c[0]);
  }

  // y'
  INLINE V steepness() const {
    const V ratio = (T(1) + bin.sigma.c[0]) / denominator.c[0];
    return ratio * ratio * (T(1) + slope.c[0]);
  }

  // The derivative of log y' in x.
  INLINE V bend() const {
    const V turn = rest.c[0] - xi.c[0];
    const V of_slope = T(2) * (bin.e1.c[0] * xi.c[0] + bin.sigma.c[0] * turn - bin.e0.c[0] * rest.c[0]);
    return (of_slope / (T(1) + slope.c[0]) - T(2) * epsilon.c[0] * turn / denominator.c[0]) / bin.w.c[0];
  }

  // From the derivative g in y, and gl in log y' where N is 0: those in what the bin is, and that in x, to which g is still to
  // be added.
  INLINE Bin<S> pull(const S& g, V gl, S& gx) const {
    const auto& [w, sigma, e0, e1, x, gap] = bin;
    const S part = shift / denominator, high = T(1) + sigma;
    const S g_shift = g * w * xi / denominator;
    S g_denominator = -(g_shift * part), g_slope = T(0), g_sigma = T(0);
    if constexpr (N == 0) {
      g_denominator -= T(2) * S(gl) / denominator;
      g_slope = S(gl) / (T(1) + slope);
      g_sigma = T(2) * S(gl) / high;
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
template <typename V>
INLINE V solve(const Bin<Series<V, 0>>& bin, V y) {
  using T = KindOf<V>;
  const V sigma = bin.sigma.c[0], e0 = bin.e0.c[0], s = sigma + T(1), height = bin.w.c[0] * s;
  const V rise = y - bin.x.c[0] - bin.gap.c[0], epsilon = (e0 + bin.e1.c[0] - T(2) * sigma) * rise;
  const V a = height * (s - (e0 + T(1))) + epsilon, b = height * (e0 + T(1)) - epsilon, c = -(s * rise);
  const V zero{}, square = b * b - T(4) * a * c;
  const V root = each_lane(square > zero ? square : zero, [](T x) { return std::sqrt(x); });
  const V q = T(-0.5) * (b + (b >= zero ? root : -root));
  const V xi = b >= zero ? c / q : q / a;
  return xi < zero ? zero : (xi > zero + T(1) ? zero + T(1) : xi);
}

// The splines of some numbers.
template <typename V, int N>
struct Spline {
  using T = KindOf<V>;
  using S = Series<V, N>;

  // Of the widths or of the heights: the softmax of the logits, and the sizes.
  struct Sides {
    S share[MOST], size[MOST];

    INLINE void fill(const S* logits, Box<T> box) {
      V top = logits[0].c[0];
      for (int k = 1; k < box.bins; ++k) top = logits[k].c[0] > top ? logits[k].c[0] : top;
      S total = T(0);
      for (int k = 0; k < box.bins; ++k) share[k] = exponential(logits[k] - top);
      for (int k = 0; k < box.bins; ++k) total += share[k];
      const S each = S(T(1)) / total;
      const S least = T(LEAST_SHARE) / T(box.bins);
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

  // One bin of each spline and those beside it, for which at the endpoints of the box it stands itself.
  struct Three {
    V k;  // the number of the bin
    S w[3], h[3], x, gap, logit[2];

    INLINE S sigma(int i) const { return (h[i] - w[i]) / w[i]; }
    INLINE Knot knot(int i) const { return {sigma(i), sigma(i + 1), logit[i]}; }
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

  // The bins that points of one side are in, which are in the box.
  INLINE Three find(V point, bool image) const {
    const auto clamped = [](int k, int last) { return std::clamp(k, 0, std::max(last, 0)); };
    Three at{};
    S x = T(0), gap = T(0);
    for (int k = 0; k < box.bins; ++k) {
      const auto beyond = point >= x.c[0] - box.bound + (image ? gap.c[0] : V{});
      at.k = beyond ? V{} + T(k) : at.k;
      at.x = pick(beyond, x, at.x);
      at.gap = pick(beyond, gap, at.gap);
      for (int i = 0; i < 3; ++i) {
        const int beside = clamped(k - 1 + i, box.bins - 1);
        at.w[i] = pick(beyond, widths.size[beside], at.w[i]);
        at.h[i] = pick(beyond, heights.size[beside], at.h[i]);
      }
      for (int i = 0; i < 2 && box.bins > 1; ++i) {
        at.logit[i] = pick(beyond, logits[2 * box.bins + clamped(k - 1 + i, box.bins - 2)], at.logit[i]);
      }
      x += widths.size[k];
      gap += heights.size[k] - widths.size[k];
    }
    at.x -= box.bound;
    return at;
  }

  INLINE auto is_first(const Three& at) const { return at.k == V{}; }
  INLINE auto is_last(const Three& at) const { return at.k == V{} + T(box.bins - 1); }

  // The places of points, and those of images.
  INLINE Place<V, N> place(const Three& at, const S& x) const { return {bin(at), (x - at.x) / at.w[1]}; }
  INLINE Place<V, N> place_of_image(const Three& at, V y) const {
    const auto of = bin(at);
    return {of, solve(of, y)};
  }

  // The derivatives in the logits from those in bins.
  INLINE void pull(const Three& at, const Bin<S>& g, S* to) const {
    const S none = T(0);
    S g_sigma[3] = {none, g.sigma, none}, g_logit[2] = {none, none}, g_w[3], g_h[3];
    at.knot(0).pull(pick(is_first(at), none, g.e0), g_sigma[0], g_sigma[1], g_logit[0]);
    at.knot(1).pull(pick(is_last(at), none, g.e1), g_sigma[1], g_sigma[2], g_logit[1]);
    for (int i = 0; i < 3; ++i) {
      g_h[i] = g_sigma[i] / at.w[i];
      g_w[i] = -(g_h[i] * at.h[i] / at.w[i]);
    }
    // What starts the bin is the sum of the bins before it.
    const S before = g.x - g.gap;
    g_w[0] += before;
    g_w[1] += g.w;
    g_h[0] += g.gap;
    S all_w[MOST], all_h[MOST];
    for (int j = 0; j < box.bins; ++j) {
      const V ahead = at.k - T(j), one = V{} + T(1);
      const auto is_left = ahead == one, is_own = ahead == V{}, is_right = ahead == -one, is_before = ahead > one;
      all_w[j] = pick(is_left, g_w[0], pick(is_own, g_w[1], pick(is_right, g_w[2], pick(is_before, before, none))));
      all_h[j] = pick(is_left, g_h[0], pick(is_own, g_h[1], pick(is_right, g_h[2], pick(is_before, g.gap, none))));
      if (j + 1 < box.bins) to[2 * box.bins + j] = pick(is_left, g_logit[0], pick(is_own, g_logit[1], none));
    }
    widths.pull(all_w, box, to);
    heights.pull(all_h, box, to + box.bins);
  }

 private:
  INLINE Bin<S> bin(const Three& at) const {
    const S none = T(0);
    return {at.w[1], at.sigma(1), pick(is_first(at), none, at.knot(0).value()), pick(is_last(at), none, at.knot(1).value()),
            at.x, at.gap};
  }
};

// Some numbers, one for each lane: their places, those of their first logits, from one to the next of which there are `step`,
// and the sample that each is of. Beyond the last number the first stands, which is not written again.
template <typename T>
struct Lanes {
  int64_t place[LANES<T>] = {}, first[LANES<T>] = {}, sample[LANES<T>] = {}, step;
  int count;

  template <int N>
  INLINE Series<Pack<T>, N> get(const Jets<const T>& of) const {
    return each<N>([&](int l) __attribute__((always_inline)) { return of.template get<N>(place[l]); });
  }
  template <int N>
  INLINE Series<Pack<T>, N> cotangent(const Jets<const T>& of) const {
    return each<N>([&](int l) __attribute__((always_inline)) { return of.template cotangent<N>(place[l]); });
  }
  template <int N>
  INLINE Series<Pack<T>, N> logit(const Jets<const T>& of, int j) const {
    return each<N>([&](int l) __attribute__((always_inline)) { return of.template get<N>(first[l] + j * step); });
  }
  template <int N>
  INLINE void put(const Jets<T>& of, const Series<Pack<T>, N>& x) const {
    for (int l = 0; l < count; ++l) of.put(place[l], lane(x, l));
  }
  template <int N>
  INLINE void put_cotangent(const Jets<T>& of, const Series<Pack<T>, N>& g) const {
    for (int l = 0; l < count; ++l) of.put_cotangent(place[l], lane(g, l));
  }
  template <int N>
  INLINE void put_logit(const Jets<T>& of, int j, const Series<Pack<T>, N>& g) const {
    for (int l = 0; l < count; ++l) of.put_cotangent(first[l] + j * step, lane(g, l));
  }

 private:
  template <int N, typename F>
  INLINE static Series<Pack<T>, N> each(const F& number) {
    Series<Pack<T>, N> x;
    for (int l = 0; l < LANES<T>; ++l) {
      const Series<T, N> one = number(l);
      for (int k = 0; k <= N; ++k) x.c[k][l] = one.c[k];
    }
    return x;
  }
  template <int N>
  INLINE static Series<T, N> lane(const Series<Pack<T>, N>& x, int l) {
    Series<T, N> one;
    for (int k = 0; k <= N; ++k) one.c[k] = x.c[k][l];
    return one;
  }
};

// Calls f with all numbers, as many at a time as there are lanes.
template <typename T, typename F>
INLINE void each_lanes(Extent z, int logits, const F& f) {
  const int64_t numbers = z.batch * z.channels * z.places;
  int64_t c = 0, p = 0, sample = 0, first = 0;
  for (int64_t from = 0; from < numbers; from += LANES<T>) {
    Lanes<T> lanes;
    lanes.step = z.places;
    lanes.count = static_cast<int>(std::min<int64_t>(LANES<T>, numbers - from));
    for (int l = 0; l < lanes.count; ++l) {
      lanes.place[l] = from + l;
      lanes.first[l] = first + p;
      lanes.sample[l] = sample;
      if (++p < z.places) continue;
      p = 0;
      first += logits * z.places;
      if (++c < z.channels) continue;
      c = 0;
      ++sample;
    }
    f(lanes);
  }
}

// The images of all numbers; where N is 0, of the inverse too, and the log-determinant of each sample.
template <typename T, int N>
struct Forward {
  Extent z;
  Box<T> box;
  bool inverse;
  Jets<const T> x, raw;
  Jets<T> y;
  T* log_det;

  INLINE void all() const {
    using V = Pack<T>;
    using S = Series<V, N>;
    if (log_det) std::fill(log_det, log_det + z.batch, T(0));
    each_lanes<T>(z, box.logits(), [&](const Lanes<T>& lanes) __attribute__((always_inline)) {
      const S given = lanes.template get<N>(x);
      const auto inside = box.holds(given.c[0]);
      const S point = pick(inside, given, S(T(0)));
      const Spline<V, N> spline(box, [&](int j) __attribute__((always_inline)) { return lanes.template logit<N>(raw, j); });
      const auto at = spline.find(point.c[0], inverse);
      if constexpr (N == 0) {
        const auto place = inverse ? spline.place_of_image(at, point.c[0]) : spline.place(at, point);
        const V moved = place.moved().c[0], log_slope = inside ? place.log_slope() : V{};
        lanes.put(y, S(given.c[0] + (inside ? (inverse ? -moved : moved) : V{})));
        for (int l = 0; l < lanes.count; ++l) log_det[lanes.sample[l]] += inverse ? -log_slope[l] : log_slope[l];
      } else {
        lanes.put(y, given + pick(inside, spline.place(at, point).moved(), S(T(0))));
      }
    });
  }
};

// The derivatives in the numbers and the logits from those in the images and, where N is 0, in the log-determinants. Of the
// inverse, y = f^-1(x), by the derivatives of f at y: those of y are the ones of x - f(y) over f', and the logarithm of its
// slope is less that of f' at y.
template <typename T, int N>
struct Backward {
  Extent z;
  Box<T> box;
  bool inverse;
  Jets<const T> x, raw, gy;
  const T* gl;
  Jets<T> gx, graw;

  INLINE void all() const {
    using V = Pack<T>;
    using S = Series<V, N>;
    each_lanes<T>(z, box.logits(), [&](const Lanes<T>& lanes) __attribute__((always_inline)) {
      const S given = lanes.template get<N>(x), of_image = lanes.template cotangent<N>(gy), none = T(0);
      const auto inside = box.holds(given.c[0]);
      const S point = pick(inside, given, none);
      const Spline<V, N> spline(box, [&](int j) __attribute__((always_inline)) { return lanes.template logit<N>(raw, j); });
      const auto at = spline.find(point.c[0], inverse);
      S along, whole, to[3 * MOST];
      Bin<S> of_bin;
      if constexpr (N == 0) {
        const auto place = inverse ? spline.place_of_image(at, point.c[0]) : spline.place(at, point);
        V of_slope{};
        for (int l = 0; l < LANES<T>; ++l) of_slope[l] = gl[lanes.sample[l]];
        const S g = inverse ? S(-((of_image.c[0] - of_slope * place.bend()) / place.steepness())) : of_image;
        of_bin = place.pull(g, inverse ? -of_slope : of_slope, along);
        whole = inverse ? -g : g + along;
      } else {
        of_bin = spline.place(at, point).pull(of_image, V{}, along);
        whole = of_image + along;
      }
      spline.pull(at, of_bin, to);
      lanes.put_cotangent(gx, pick(inside, whole, of_image));
      for (int j = 0; j < box.logits(); ++j) lanes.put_logit(graw, j, pick(inside, to[j], none));
    });
  }
};

STRAIT_VECTOR void run(const Forward<float, 0>& task) { task.all(); }
STRAIT_VECTOR void run(const Forward<float, 1>& task) { task.all(); }
STRAIT_VECTOR void run(const Forward<float, 2>& task) { task.all(); }
STRAIT_VECTOR void run(const Backward<float, 0>& task) { task.all(); }
STRAIT_VECTOR void run(const Backward<float, 1>& task) { task.all(); }
STRAIT_VECTOR void run(const Backward<float, 2>& task) { task.all(); }
template <int N>
void run(const Forward<double, N>& task) {
  task.all();
}
template <int N>
void run(const Backward<double, N>& task) {
  task.all();
}

// The same of libtorch's operations, for derivatives of derivatives.
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
      const Jets<const T> x({a}, 0, 0), raw({r}, 0, 0);
      run(Forward<T, 0>{Extent(a), Box<T>(bins, bound), inverse, x, raw, Jets<T>({y}, 0, 0), write<T>(log_det)});
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
    if (strait::differentiated(grads)) {
      out = strait::double_backward(
          [&](const variable_list& own) { return composed(own[0], own[1], inverse, bins, bound); }, saved, {gy, gl});
    } else {
      const Tensor a = saved[0].contiguous(), r = saved[1].contiguous(), g = gy.contiguous(), l = gl.contiguous();
      out = {like(a), like(r)};
      of_kind(a, [&]<typename T>(T) {
        const Jets<const T> x({a}, 0, 0), raw({r}, 0, 0), gy({g}, 0, 0);
        run(Backward<T, 0>{Extent(a), Box<T>(bins, bound), inverse, x, raw, gy, read<T>(l), Jets<T>(out, 0, 0),
                           Jets<T>(out, 1, 0)});
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
      const Jets<T> y(out, 0, moving.order);
      const Extent z(in[0]);
      const Box<T> box(bins, bound);
      moving.order == 1 ? run(Forward<T, 1>{z, box, false, x, raw, y, nullptr})
                        : run(Forward<T, 2>{z, box, false, x, raw, y, nullptr});
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
    if (strait::differentiated(grads)) {
      out = strait::double_backward([&](const variable_list& own) { return composed_jet(moving, own, bins, bound); }, all,
                               grads);
    } else {
      variable_list in;
      for (const auto& x : all) in.push_back(x.contiguous());
      for (const auto& x : in) out.push_back(like(x));
      of_kind(in[0], [&]<typename T>(T) {
        const Jets<const T> x(in, 0, moving.x), raw(in, moving.of_numbers(), moving.numbers), g(grads, 0, moving.order);
        const Jets<T> gx(out, 0, moving.x), graw(out, moving.of_numbers(), moving.numbers);
        const Extent z(in[0]);
        const Box<T> box(bins, bound);
        moving.order == 1 ? run(Backward<T, 1>{z, box, false, x, raw, g, nullptr, gx, graw})
                          : run(Backward<T, 2>{z, box, false, x, raw, g, nullptr, gx, graw});
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

// Of at most MOST bins.
char* strait_spline(Tensor* x, Tensor* raw, int64_t bins, double bound, bool inverse, Tensor** y, Tensor** log_det) {
  return guarded([&] {
    const auto out = Map::apply(*x, *raw, inverse, bins, bound);
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

// The stages of a chain of bijections, at one time, for some endpoints side by side: z1 = f(z0), forward for what moves at a
// fixed source point (direction q, and the mixed part), backward for what goes through a given image (the value, and
// direction p).
#pragma once
#include "hyper_dual.h"
#include "pack.h"

#include <utility>

namespace strait {

// Whether a part goes through a stage from its image.
constexpr bool goes_back(Part part) { return part == Part::Value || part == Part::P; }

// A part of what a stage takes and makes, for the endpoints of a pack; `log` is what the stage adds to the logarithm of the
// inverse's determinant, or to its derivative along p.
template <typename V>
struct Across {
  HyperDual<V>*z0, *z1, *raw;
  V* log;
};

// The derivatives in them; `log` is that in the logarithm or its derivative.
template <typename V>
struct Adjoint {
  HyperDual<V>*z0, *z1, *raw;
  V log;
};

// SiLU.
template <typename T>
INLINE Taylor<Pack<T>> silu_of(Pack<T> x) {
  using V = Pack<T>;
  const V s = logistic(x), p = s * (1 - s), odd = 1 - 2 * s, bend = 2 + x * odd;
  return {{x * s, s + x * p, p * bend, p * (odd * (bend + 1) - 2 * x * p)}};
}

// c tanh(x / c)
template <typename T>
INLINE Taylor<Pack<T>> bounded_of(Pack<T> x, T c) {
  using V = Pack<T>;
  const V tanh = bounded(x, c), slope = 1 - tanh * tanh;
  return {{c * tanh, slope, -2 / c * tanh * slope, 2 / (c * c) * slope * (2 * tanh * tanh - slope)}};
}

template <typename T>
INLINE Taylor<Pack<T>> itself(Pack<T> x) {
  return {{x, Pack<T>{} + 1, Pack<T>{}, Pack<T>{}}};
}

// y_b = e^{g s} x_b + g m for the active coordinates, with s = c tanh(r / c); r and m come of a hidden layer of SiLU over the
// passive coordinates, to which endpoints and time add an offset.
template <typename T>
struct Coupling {
  using V = Pack<T>;
  int passive, n, active, m;  // where each half starts, and its size
  int64_t hidden;
  T bound;
  const T *inner, *outer, *bias;  // (hidden, n), (2m, hidden), (2m)
  V *offsets, *offsets_grad;      // for each pack and unit: value and two derivatives in t
  V *inner_grad, *outer_grad, *bias_grad;
  Clock<T> gate;

  template <Part part>
  INLINE void move(int64_t c, const Across<V>& at) const {
    V made[2 * MOST] = {};
    if constexpr (part == Part::Value) {
      for (int j = 0; j < 2 * m; ++j) made[j] += bias[j];
    }
    for (int64_t h = 0; h < hidden; ++h) {
      const HyperDual<V> a = unit<part>(c, h, at);
      const V s = silu_of<T>(a.value).template at<part>(a);
      for (int j = 0; j < 2 * m; ++j) made[j] += outer[j * hidden + h] * s;
    }
    for (int j = 0; j < 2 * m; ++j) at.raw[j].template at<part>() = made[j];
    for (int i = 0; i < n; ++i) {
      HyperDual<V>&z0 = at.z0[passive + i], &z1 = at.z1[passive + i];
      goes_back(part) ? void(z0.template at<part>() = z1.template at<part>()) : void(z1.template at<part>() = z0.template at<part>());
    }
    for (int i = 0; i < m; ++i) {
      const Gated<V, T> s = scale(at.raw[i]), b = shift(at.raw[m + i]);
      HyperDual<V>&x = at.z0[active + i], &y = at.z1[active + i];
      const V g = s.template at<Part::Value>();
      if constexpr (part == Part::Value) {
        x.value = (y.value - b.template at<part>()) * exponential(-g);
        *at.log -= g;
      }
      if constexpr (part == Part::Q) {
        y.q = exponential(g) * (x.q + s.template at<part>() * x.value) + b.template at<part>();
      }
      if constexpr (part == Part::P) {
        const V turn = s.template at<part>();
        x.p = (y.p - b.template at<part>()) * exponential(-g) - turn * x.value;
        *at.log -= turn;
      }
      if constexpr (part == Part::Both) {
        const V q = s.template at<Part::Q>(), p = s.template at<Part::P>(), both = s.template at<part>();
        y.both = exponential(g) * (x.both + q * x.p + p * x.q + (both + q * p) * x.value) + b.template at<part>();
      }
    }
  }

  template <Part part>
  INLINE void pull(int64_t c, const Across<V>& at, const Adjoint<V>& to) const {
    for (int i = 0; i < m; ++i) {
      const Gated<V, T> s = scale(at.raw[i]), b = shift(at.raw[m + i]);
      HyperDual<V>&of_scale = to.raw[i], &of_shift = to.raw[m + i];
      const HyperDual<V>& x = at.z0[active + i];
      HyperDual<V>&gx = to.z0[active + i], &gy = to.z1[active + i];
      const V g = s.template at<Part::Value>();
      if constexpr (part == Part::Value) {
        const V h = gx.value * exponential(-g);
        gy.value += h;
        b.template pull<part>(-h, of_shift);
        s.template pull<part>(-gx.value * x.value - to.log, of_scale);
      }
      if constexpr (part == Part::Q) {
        const V h = gy.q * exponential(g), q = s.template at<part>();
        gx.q += h;
        gx.value += h * q;
        b.template pull<part>(gy.q, of_shift);
        s.template pull<part>(h * x.value, of_scale);
        s.template pull<Part::Value>(h * (x.q + q * x.value), of_scale);
      }
      if constexpr (part == Part::P) {
        const V h = gx.p * exponential(-g), p = s.template at<part>();
        gy.p += h;
        gx.value -= gx.p * p;
        b.template pull<part>(-h, of_shift);
        s.template pull<part>(-gx.p * x.value - to.log, of_scale);
        s.template pull<Part::Value>(-gx.p * (x.p + p * x.value), of_scale);
      }
      if constexpr (part == Part::Both) {
        const V h = gy.both * exponential(g);
        const V q = s.template at<Part::Q>(), p = s.template at<Part::P>(), both = s.template at<part>();
        gx.both += h;
        gx.q += h * p;
        gx.p += h * q;
        gx.value += h * (both + q * p);
        b.template pull<part>(gy.both, of_shift);
        s.template pull<part>(h * x.value, of_scale);
        s.template pull<Part::Q>(h * (x.p + p * x.value), of_scale);
        s.template pull<Part::P>(h * (x.q + q * x.value), of_scale);
        s.template pull<Part::Value>(h * (x.both + q * x.p + p * x.q + (both + q * p) * x.value), of_scale);
      }
    }
    for (int i = 0; i < n; ++i) {
      HyperDual<V>&g0 = to.z0[passive + i], &g1 = to.z1[passive + i];
      goes_back(part) ? void(g1.template at<part>() += g0.template at<part>()) : void(g0.template at<part>() += g1.template at<part>());
    }
    V given[2 * MOST];
    for (int j = 0; j < 2 * m; ++j) {
      given[j] = to.raw[j].template at<part>();
      if constexpr (part == Part::Value) bias_grad[j] += given[j];
    }
    for (int64_t h = 0; h < hidden; ++h) {
      const HyperDual<V> a = unit<part>(c, h, at);
      const Taylor<V> f = silu_of<T>(a.value);
      const V s = f.template at<part>(a);
      V gs = {};
      for (int j = 0; j < 2 * m; ++j) {
        gs += outer[j * hidden + h] * given[j];
        outer_grad[j * hidden + h] += given[j] * s;
      }
      HyperDual<V> ga = {};
      f.template pull<part>(a, gs, ga);
      pull_unit<part>(c, h, at, ga, to);
    }
  }

 private:
  INLINE Gated<V, T> scale(const HyperDual<V>& raw) const { return {bounded_of<T>(raw.value, bound), gate, raw}; }
  INLINE Gated<V, T> shift(const HyperDual<V>& raw) const { return {itself<T>(raw.value), gate, raw}; }

  // What a hidden unit sees, in the parts that `part` takes. The passive half is the same in z0 and z1: each part is read
  // where it is known first.
  template <Part part>
  INLINE HyperDual<V> unit(int64_t c, int64_t h, const Across<V>& at) const {
    const V* offset = offsets + (c * hidden + h) * 3;
    HyperDual<V> a = {offset[0], offset[1], offset[1], offset[2]};
    for (int i = 0; i < n; ++i) {
      const T w = inner[h * n + i];
      const HyperDual<V>&z0 = at.z0[passive + i], &z1 = at.z1[passive + i];
      a.value += w * z1.value;
      if constexpr (takes(part, Part::Q)) a.q += w * z0.q;
      if constexpr (takes(part, Part::P)) a.p += w * z1.p;
      if constexpr (part == Part::Both) a.both += w * z0.both;
    }
    return a;
  }

  template <Part part>
  INLINE void pull_unit(int64_t c, int64_t h, const Across<V>& at, const HyperDual<V>& g, const Adjoint<V>& to) const {
    V* offset = offsets_grad + (c * hidden + h) * 3;
    offset[0] += g.value;
    if constexpr (takes(part, Part::Q)) offset[1] += g.q;
    if constexpr (takes(part, Part::P)) offset[1] += g.p;
    if constexpr (part == Part::Both) offset[2] += g.both;
    for (int i = 0; i < n; ++i) {
      const T w = inner[h * n + i];
      const HyperDual<V>&z0 = at.z0[passive + i], &z1 = at.z1[passive + i];
      HyperDual<V>&g0 = to.z0[passive + i], &g1 = to.z1[passive + i];
      V of_weight = g.value * z1.value;
      g1.value += w * g.value;
      if constexpr (takes(part, Part::Q)) {
        of_weight += g.q * z0.q;
        g0.q += w * g.q;
      }
      if constexpr (takes(part, Part::P)) {
        of_weight += g.p * z1.p;
        g1.p += w * g.p;
      }
      if constexpr (part == Part::Both) {
        of_weight += g.both * z0.both;
        g0.both += w * g.both;
      }
      inner_grad[h * n + i] += of_weight;
    }
  }
};

// y = M(t) x + b(t), with M given beside its inverse.
template <typename T>
struct Linear {
  using V = Pack<T>;
  int d;
  const T *matrix[3], *inverse, *shift[3];  // of this time: (d, d), (d)
  V *matrix_grad[3], *inverse_grad, *shift_grad[3];

  template <Part part>
  INLINE void move(int64_t, const Across<V>& at) const {
    V from[MOST];
    if constexpr (goes_back(part)) known<part>(at, from);
    for (int i = 0; i < d; ++i) {
      V sum = {};
      if constexpr (part == Part::Q) sum += shift[1][i];
      if constexpr (part == Part::Both) sum += shift[2][i];
      for (int j = 0; j < d; ++j) {
        const int64_t k = i * d + j;
        const HyperDual<V>& x = at.z0[j];
        if constexpr (goes_back(part)) sum += inverse[k] * from[j];
        if constexpr (part == Part::Q) sum += matrix[0][k] * x.q + matrix[1][k] * x.value;
        if constexpr (part == Part::Both) {
          sum += matrix[0][k] * x.both + matrix[1][k] * (x.q + x.p) + matrix[2][k] * x.value;
        }
      }
      (goes_back(part) ? at.z0 : at.z1)[i].template at<part>() = sum;
    }
  }

  template <Part part>
  INLINE void pull(int64_t, const Across<V>& at, const Adjoint<V>& to) const {
    V x[MOST], g[MOST], h[MOST] = {};
    const auto read = [&](auto&& f, V* into) {
      for (int i = 0; i < d; ++i) into[i] = f(i);
    };
    if constexpr (goes_back(part)) {
      constexpr int order = part == Part::Value ? 0 : 1;
      known<part>(at, x);
      read([&](int i) { return to.z0[i].template at<part>(); }, g);
      transposed(inverse, g, x, h, inverse_grad);
      for (int i = 0; i < d; ++i) {
        to.z1[i].template at<part>() += h[i];
        shift_grad[order][i] -= h[i];
      }
    }
    if constexpr (part == Part::P) {
      for (int i = 0; i < d; ++i) g[i] = -std::exchange(h[i], V{});
      read([&](int i) { return at.z0[i].value; }, x);
      transposed(matrix[1], g, x, h, matrix_grad[1]);
      for (int i = 0; i < d; ++i) to.z0[i].value += h[i];
    }
    if constexpr (part == Part::Q || part == Part::Both) {
      constexpr int order = part == Part::Q ? 1 : 2;
      read([&](int i) { return to.z1[i].template at<part>(); }, g);
      read([&](int i) { return at.z0[i].template at<part>(); }, x);
      transposed(matrix[0], g, x, h, matrix_grad[0]);
      for (int i = 0; i < d; ++i) {
        to.z0[i].template at<part>() += h[i];
        shift_grad[order][i] += g[i];
        h[i] = V{};
      }
      read([&](int i) { return at.z0[i].value; }, x);
      transposed(matrix[order], g, x, h, matrix_grad[order]);
      for (int i = 0; i < d; ++i) {
        to.z0[i].value += h[i];
        h[i] = V{};
      }
    }
    if constexpr (part == Part::Both) {
      read([&](int i) { return at.z0[i].q + at.z0[i].p; }, x);
      transposed(matrix[1], g, x, h, matrix_grad[1]);
      for (int i = 0; i < d; ++i) {
        to.z0[i].q += h[i];
        to.z0[i].p += h[i];
      }
    }
  }

 private:
  // What the inverse is applied to.
  template <Part part>
  INLINE void known(const Across<V>& at, V* from) const {
    for (int i = 0; i < d; ++i) {
      if constexpr (part == Part::Value) from[i] = at.z1[i].value - shift[0][i];
      if constexpr (part == Part::P) {
        from[i] = at.z1[i].p - shift[1][i];
        for (int j = 0; j < d; ++j) from[i] -= matrix[1][i * d + j] * at.z0[j].value;
      }
    }
  }

  // Of g.(A x): A^T g, added to `h`, and the derivative in A.
  INLINE void transposed(const T* a, const V* g, const V* x, V* h, V* of_matrix) const {
    for (int i = 0; i < d; ++i) {
      for (int j = 0; j < d; ++j) {
        h[j] += a[i * d + j] * g[i];
        of_matrix[i * d + j] += g[i] * x[j];
      }
    }
  }
};

}  // namespace strait

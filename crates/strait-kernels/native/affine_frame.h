// The conditional paths of an affine interpolant, x = A y + b with A lower triangular, from the numbers of its network and
// back: for several endpoints side by side.
#pragma once
#include "pack.h"

#include <vector>

namespace strait {

// A lower triangular matrix, row by row below the diagonal.
template <typename V>
struct Triangle {
  V diagonal[MOST], below[MOST * (MOST - 1) / 2];
};

// to += A y
template <typename V>
INLINE void multiply(int d, const Triangle<V>& a, const V* y, V* to) {
  const V* l = a.below;
  for (int i = 0; i < d; ++i) {
    to[i] += a.diagonal[i] * y[i];
    for (int j = 0; j < i; ++j) to[i] += *l++ * y[j];
  }
}

// to += A^T y
template <typename V>
INLINE void multiply_transposed(int d, const Triangle<V>& a, const V* y, V* to) {
  const V* l = a.below;
  for (int i = 0; i < d; ++i) {
    to[i] += a.diagonal[i] * y[i];
    for (int j = 0; j < i; ++j) to[j] += *l++ * y[i];
  }
}

// The derivative of g.(A y) in A, added to `to`.
template <typename V>
INLINE void add_outer(int d, const V* g, const V* y, Triangle<V>& to) {
  V* l = to.below;
  for (int i = 0; i < d; ++i) {
    to.diagonal[i] += g[i] * y[i];
    for (int j = 0; j < i; ++j) *l++ += g[i] * y[j];
  }
}

// The paths to some endpoints: A and b with two derivatives in t, the logarithm of det A and its derivative but for 1 - t.
template <typename V>
struct Frame {
  Triangle<V> a, a1, a2;
  V b[MOST], b1[MOST], b2[MOST], logs, slopes;
  V inverse[MOST];  // of the diagonal, where it is asked for; not differentiated

  // y = A^-1 y
  INLINE void solve(int d, V* y) const {
    const V* l = a.below;
    for (int i = 0; i < d; ++i) {
      for (int j = 0; j < i; ++j) y[i] -= *l++ * y[j];
      y[i] *= inverse[i];
    }
  }

  // y = -A^-T y
  INLINE void solve_transposed(int d, V* y) const {
    for (int i = d - 1; i >= 0; --i) {
      y[i] *= inverse[i];
      for (int j = 0; j < i; ++j) y[j] -= a.below[i * (i - 1) / 2 + j] * y[i];
    }
    for (int i = 0; i < d; ++i) y[i] = -y[i];
  }
};

// The network's numbers of some endpoints, with two derivatives in t, null where they are nothing: d log-scales, d shifts, and
// the entries below the diagonal where it has them.
template <typename T, typename P>
struct Numbers {
  P *value, *first, *second;
  int64_t from, endpoints, count;

  template <typename Q>
  INLINE Pack<T> get(Q* of, int64_t number) const {
    return of ? at_rows<T>(of, from, endpoints, count, number) : Pack<T>{};
  }
  INLINE void put(T* of, int64_t number, Pack<T> x) const {
    if (of) put_at_rows(of, from, endpoints, count, number, x);
  }
};

// t s(t) with derivatives, for s = c tanh(n / c).
template <typename T>
struct LogScale {
  Pack<T> t, n1, n2, tanh, slope, value, first, second;
  T bound;

  INLINE LogScale(Pack<T> t, T bound, Pack<T> n, Pack<T> n1, Pack<T> n2) : t(t), n1(n1), n2(n2), bound(bound) {
    tanh = bounded(n, bound);
    slope = 1 - tanh * tanh;
    const Pack<T> s1 = slope * n1, s2 = slope * (n2 - 2 / bound * tanh * n1 * n1);
    value = t * bound * tanh;
    first = bound * tanh + t * s1;
    second = 2 * s1 + t * s2;
  }

  INLINE void pull(Pack<T> g, Pack<T> g1, Pack<T> g2, Pack<T>& gn, Pack<T>& gn1, Pack<T>& gn2) const {
    const Pack<T> s = t * g + g1, s1 = t * g1 + 2 * g2, s2 = t * g2, bend = -2 / bound * tanh;
    gn2 = s2 * slope;
    gn1 = slope * (s1 + 2 * bend * n1 * s2);
    const Pack<T> squares = 2 / (bound * bound) * (2 * tanh * tanh - slope) * n1 * n1;
    gn = slope * (s + bend * (s1 * n1 + s2 * n2) + s2 * squares);
  }
};

// The times of some endpoints.
template <typename V>
struct Moment {
  V t, rest, gate, slope;  // 1 - t, t (1 - t) and its derivative
  INLINE explicit Moment(V t) : t(t), rest(1 - t), gate(t * (1 - t)), slope(1 - 2 * t) {}
};

// To `f` from the numbers of its endpoints, whose coordinates x1 has.
template <typename T>
INLINE void build(int d, T bound, Moment<Pack<T>> m, const Numbers<T, const T>& n, const T* x1, Frame<Pack<T>>& f) {
  using V = Pack<T>;
  f.logs = f.slopes = V{};
  for (int i = 0; i < d; ++i) {
    const LogScale<T> s(m.t, bound, n.get(n.value, i), n.get(n.first, i), n.get(n.second, i));
    const V e = exponential(s.value);
    f.a.diagonal[i] = m.rest * e;
    f.a1.diagonal[i] = e * (m.rest * s.first - 1);
    f.a2.diagonal[i] = e * (m.rest * (s.second + s.first * s.first) - 2 * s.first);
    f.logs += s.value;
    f.slopes += s.first;
    const V b = n.get(n.value, d + i), b1 = n.get(n.first, d + i), b2 = n.get(n.second, d + i);
    const V end = at_rows<T>(x1, n.from, n.endpoints, d, i);
    f.b[i] = m.t * end + m.gate * b;
    f.b1[i] = end + m.gate * b1 + m.slope * b;
    f.b2[i] = m.gate * b2 + 2 * m.slope * b1 - 2 * b;
  }
  for (int i = 0; i < d * (d - 1) / 2; ++i) {
    const int64_t at = 2 * d + i;
    const bool mixed = at < n.count;
    const V l = mixed ? n.get(n.value, at) : V{}, l1 = mixed ? n.get(n.first, at) : V{};
    const V l2 = mixed ? n.get(n.second, at) : V{};
    f.a.below[i] = m.gate * l;
    f.a1.below[i] = m.gate * l1 + m.slope * l;
    f.a2.below[i] = m.gate * l2 + 2 * m.slope * l1 - 2 * l;
  }
}

// The derivatives in a number that is multiplied by t (1 - t), from those in the product.
template <typename T>
INLINE void put_gated(Moment<Pack<T>> m, const Numbers<T, T>& to, int64_t number, Pack<T> g, Pack<T> g1, Pack<T> g2) {
  to.put(to.value, number, m.gate * g + m.slope * g1 - 2 * g2);
  to.put(to.first, number, m.gate * g1 + 2 * m.slope * g2);
  to.put(to.second, number, m.gate * g2);
}

// The derivatives in the numbers from those in the frame.
template <typename T>
INLINE void pull(int d, T bound, Moment<Pack<T>> m, const Numbers<T, const T>& n, const Frame<Pack<T>>& f,
                 const Frame<Pack<T>>& g, const Numbers<T, T>& to) {
  using V = Pack<T>;
  for (int i = 0; i < d; ++i) {
    const LogScale<T> s(m.t, bound, n.get(n.value, i), n.get(n.first, i), n.get(n.second, i));
    const V a = g.a.diagonal[i], a1 = g.a1.diagonal[i], a2 = g.a2.diagonal[i], e = exponential(s.value);
    const V gs = f.a.diagonal[i] * a + f.a1.diagonal[i] * a1 + f.a2.diagonal[i] * a2 + g.logs;
    const V gs1 = e * (m.rest * a1 + 2 * (m.rest * s.first - 1) * a2) + g.slopes, gs2 = e * m.rest * a2;
    V gn, gn1, gn2;
    s.pull(gs, gs1, gs2, gn, gn1, gn2);
    to.put(to.value, i, gn);
    to.put(to.first, i, gn1);
    to.put(to.second, i, gn2);
    put_gated(m, to, d + i, g.b[i], g.b1[i], g.b2[i]);
  }
  for (int i = 0; 2 * d + i < n.count; ++i) put_gated(m, to, 2 * d + i, g.a.below[i], g.a1.below[i], g.a2.below[i]);
}

// What the kernels are given: the numbers and their derivatives, null where they are nothing, points, endpoints and times.
template <typename T>
struct Given {
  const T *value, *first, *second, *x, *x1, *t;
  T bound;

  Given(const std::vector<at::Tensor>& in, double bound)
      : value(read<T>(in[0])), first(read<T>(in[1])), second(read<T>(in[2])), x(read<T>(in[3])), x1(read<T>(in[4])),
        t(read<T>(in[5])), bound(static_cast<T>(bound)) {}
};
// The derivatives in the first four of them.
template <typename T>
struct Pulled {
  T *value, *first, *second, *x;

  explicit Pulled(const std::vector<at::Tensor>& out)
      : value(write<T>(out[0])), first(write<T>(out[1])), second(write<T>(out[2])), x(write<T>(out[3])) {}
};

}  // namespace strait

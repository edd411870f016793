// Power series in one scalar s up to s^N: a number, or a pack of them, with its derivatives along s, the k-th over k!.
#pragma once
#include "elementwise.h"

namespace strait {

template <typename V, int N>
struct Series {
  using T = KindOf<V>;
  V c[N + 1];

  Series() = default;
  INLINE Series(V constant) : c{constant} {}
  INLINE Series(T constant)
    requires(!std::is_same_v<T, V>)
      : c{V{} + constant} {}

  INLINE Series& operator+=(const Series& b) { return *this = *this + b; }
  INLINE Series& operator-=(const Series& b) { return *this = *this - b; }

  friend INLINE Series operator+(const Series& a, const Series& b) {
    Series y;
    for (int k = 0; k <= N; ++k) y.c[k] = a.c[k] + b.c[k];
    return y;
  }
  friend INLINE Series operator-(const Series& a, const Series& b) {
    Series y;
    for (int k = 0; k <= N; ++k) y.c[k] = a.c[k] - b.c[k];
    return y;
  }
  friend INLINE Series operator-(const Series& a) { return T(0) - a; }
  friend INLINE Series operator*(const Series& a, const Series& b) {
    Series y;
    for (int k = 0; k <= N; ++k) {
      y.c[k] = a.c[0] * b.c[k];
      for (int j = 1; j <= k; ++j) y.c[k] += a.c[j] * b.c[k - j];
    }
    return y;
  }
  friend INLINE Series operator*(T a, const Series& b) {
    Series y;
    for (int k = 0; k <= N; ++k) y.c[k] = a * b.c[k];
    return y;
  }
  // y b = a, term by term.
  friend INLINE Series operator/(const Series& a, const Series& b) {
    Series y;
    for (int k = 0; k <= N; ++k) {
      V rest = a.c[k];
      for (int j = 1; j <= k; ++j) rest -= b.c[j] * y.c[k - j];
      y.c[k] = rest / b.c[0];
    }
    return y;
  }
  // a where the mask is set, else b.
  template <typename M>
  friend INLINE Series pick(const M& mask, const Series& a, const Series& b) {
    Series y;
    for (int k = 0; k <= N; ++k) y.c[k] = mask ? a.c[k] : b.c[k];
    return y;
  }
};

// The rest of a series y whose first term is known, from y' = slope x'; `slope(y, k)` is the k-th term of the slope, of the
// terms of y up to the k-th.
template <typename V, int N, typename F>
INLINE Series<V, N> integrated(V first, const Series<V, N>& x, const F& slope) {
  using T = KindOf<V>;
  Series<V, N> y(first);
  V slopes[N + 1];
  for (int k = 1; k <= N; ++k) {
    slopes[k - 1] = slope(y, k - 1);
    V whole{};
    for (int j = 1; j <= k; ++j) whole += T(j) * x.c[j] * slopes[k - j];
    y.c[k] = whole / T(k);
  }
  return y;
}

template <typename V, int N>
INLINE Series<V, N> exponential(const Series<V, N>& x) {
  return integrated(exponential(x.c[0]), x, [](const Series<V, N>& y, int k) __attribute__((always_inline)) { return y.c[k]; });
}

// e^x - 1
template <typename V, int N>
INLINE Series<V, N> exponential_minus_one(const Series<V, N>& x) {
  return integrated(exponential_minus_one(x.c[0]), x, [](const Series<V, N>& y, int k) __attribute__((always_inline)) {
    return y.c[k] + KindOf<V>(k == 0);
  });
}

// tanh(r / bound)
template <typename V, int N>
INLINE Series<V, N> bounded(const Series<V, N>& r, KindOf<V> bound) {
  using T = KindOf<V>;
  return integrated(bounded(r.c[0], bound), T(1) / bound * r, [](const Series<V, N>& y, int k) __attribute__((always_inline)) {
    V square{};
    for (int j = 0; j <= k; ++j) square += y.c[j] * y.c[k - j];
    return T(k == 0) - square;
  });
}

}  // namespace strait

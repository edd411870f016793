// What loops over numbers share: an exponential that becomes vector code, and packs of numbers.
#pragma once
#include "common.h"
#include <ATen/ops/empty_like.h>

#include <cmath>
#include <cstdint>

namespace strait {

// e^x = 2^n (1 + m) without a branch, so that a loop over it becomes vector code: to 1 unit in the last place where the
// result is a normal number, and clamped to that range. For a float, or for a vector of them (`Bits` of int32_t alike).
template <typename V, typename Bits>
struct Exponential {
  V scale, m;
  INLINE explicit Exponential(V x) {
    x = x < -87.0f ? V{} - 87.0f : (x > 87.0f ? V{} + 87.0f : x);
    // x = n log 2 + r with |r| <= log(2) / 2; adding 1.5 * 2^23 rounds to an integer.
    const V shifted = x * 1.44269504f + 12582912.0f;
    const V n = shifted - 12582912.0f;
    const V r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    V p = V{} + 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    m = p * r * r + r;
    Bits bits;
    std::memcpy(&bits, &shifted, sizeof bits);
    const Bits power = (bits + 127) << 23;  // the integer sits in the low bits; 2^n by its exponent
    std::memcpy(&scale, &power, sizeof scale);
  }
  INLINE V whole() const { return (m + 1.0f) * scale; }
};

// Several numbers side by side, one for each lane of a vector.
template <typename T>
struct Several;
template <>
struct Several<float> {
  typedef float Pack __attribute__((vector_size(32)));
  typedef int32_t Bits __attribute__((vector_size(32)));
};
template <>
struct Several<double> {
  typedef double Pack __attribute__((vector_size(32)));
};
template <typename T>
using Pack = typename Several<T>::Pack;
template <typename T>
constexpr int LANES = sizeof(Pack<T>) / sizeof(T);

// The kind of a number, and of those of a pack.
template <typename V>
struct OfNumbers {
  using Kind = V;
};
template <>
struct OfNumbers<Pack<float>> {
  using Kind = float;
};
template <>
struct OfNumbers<Pack<double>> {
  using Kind = double;
};
template <typename V>
using KindOf = typename OfNumbers<V>::Kind;

// f of each number. (A loop over the lanes does not become vector code.)
template <typename V, typename F>
INLINE V each_lane(V x, const F& f) {
  for (size_t l = 0; l < sizeof(V) / sizeof(KindOf<V>); ++l) x[l] = f(x[l]);
  return x;
}

INLINE float exponential(float x) { return Exponential<float, int32_t>(x).whole(); }
INLINE double exponential(double x) { return std::exp(x); }
INLINE Pack<float> exponential(Pack<float> x) { return Exponential<Pack<float>, Several<float>::Bits>(x).whole(); }
INLINE Pack<double> exponential(Pack<double> x) { return each_lane(x, [](double x) { return std::exp(x); }); }

// e^x - 1, to its own last place also near 0.
template <typename V, typename Bits>
INLINE V less_one(const Exponential<V, Bits>& e) {
  return e.m * e.scale + (e.scale - 1.0f);
}
INLINE float exponential_minus_one(float x) { return less_one(Exponential<float, int32_t>(x)); }
INLINE double exponential_minus_one(double x) { return std::expm1(x); }
INLINE Pack<float> exponential_minus_one(Pack<float> x) {
  return less_one(Exponential<Pack<float>, Several<float>::Bits>(x));
}
INLINE Pack<double> exponential_minus_one(Pack<double> x) {
  return each_lane(x, [](double x) { return std::expm1(x); });
}

// log(1 + x) of x above -1, to its own last places also near 0.
INLINE Pack<float> log_plus_one(Pack<float> x) {
  using Bits = Several<float>::Bits;
  // 1 + x = 2^n m with m between sqrt(1/2) and sqrt(2), and what rounding 1 + x has lost.
  const Pack<float> whole = x + 1.0f, lost = (x - (whole - 1.0f)) / whole;
  Bits bits;
  std::memcpy(&bits, &whole, sizeof bits);
  constexpr int32_t root = 0x3f3504f3;  // sqrt(1/2)
  const Bits power = (bits - root) >> 23, of_m = bits - (power << 23);
  Pack<float> m;
  std::memcpy(&m, &of_m, sizeof m);
  const Pack<float> f = m - 1.0f, n = __builtin_convertvector(power, Pack<float>);
  Pack<float> p = f * 7.0376836292e-2f - 1.1514610310e-1f;
  p = p * f + 1.1676998740e-1f;
  p = p * f - 1.2420140846e-1f;
  p = p * f + 1.4249322787e-1f;
  p = p * f - 1.6668057665e-1f;
  p = p * f + 2.0000714765e-1f;
  p = p * f - 2.4999993993e-1f;
  p = p * f + 3.3333331174e-1f;
  const Pack<float> small = f * f * f * p - n * 2.12194440e-4f - 0.5f * (f * f) + lost;
  return (f + small) + n * 0.693359375f;
}
INLINE Pack<double> log_plus_one(Pack<double> x) {
  return each_lane(x, [](double x) { return std::log1p(x); });
}

template <typename V>
INLINE V logistic(V x) {
  return 1 / (1 + exponential(-x));
}

// tanh(r / bound)
template <typename V>
INLINE V bounded(V r, KindOf<V> bound) {
  return (logistic(r * (2 / bound)) - KindOf<V>(0.5)) * KindOf<V>(2);
}

// The sum of f(0) to f(n - 1), in lanes so that it becomes vector code.
template <typename T, typename F>
INLINE double sum(int64_t n, const F& f) {
  constexpr int64_t lanes = 16;
  T part[lanes] = {};
  int64_t j = 0;
  for (; j + lanes <= n; j += lanes) {
    for (int64_t k = 0; k < lanes; ++k) part[k] += f(j + k);
  }
  double total = 0;
  for (int64_t k = 0; k < lanes; ++k) total += part[k];
  for (; j < n; ++j) total += f(j);
  return total;
}

// f of a number of the kind that a tensor's have, float or double.
template <typename F>
inline auto of_kind(const at::Tensor& x, F&& f) {
  return x.scalar_type() == at::kFloat ? f(float()) : f(double());
}

// B samples of C channels of P places.
struct Extent {
  int64_t batch, channels, places;
  explicit Extent(const at::Tensor& x) : batch(x.size(0)), channels(x.size(1)), places(1) {
    for (int64_t i = 2; i < x.dim(); ++i) places *= x.size(i);
  }
};

// Room for as many numbers, one after the other.
inline at::Tensor like(const at::Tensor& x) { return at::empty_like(x, at::MemoryFormat::Contiguous); }

// A tensor's numbers, or null where it is not defined.
template <typename T>
inline const T* read(const at::Tensor& x) {
  return x.defined() ? x.const_data_ptr<T>() : nullptr;
}
template <typename T>
inline T* write(const at::Tensor& x) {
  return x.defined() ? x.mutable_data_ptr<T>() : nullptr;
}

}  // namespace strait

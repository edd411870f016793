// Random tensors as functions of a key and of each number's place: what stands in row r of a draw depends on the key, r
// and the shape of a row alone, whatever the count of rows. On the CPU by one pass of vector code, elsewhere by the same
// words from integer tensors.
#include "philox.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/bitwise_and.h>
#include <ATen/ops/bitwise_right_shift.h>
#include <ATen/ops/bitwise_xor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

using at::Tensor;
using strait::guarded;

namespace strait {
namespace {

enum class Law { normal = 0, uniform = 1, integers = 2, permutation = 3, strata = 4 };

// The numbers of `kLanes` blocks, `kNumbers` of each block side by side.
template <typename T, bool normal>
INLINE void numbers(const Words& w, T* to) {
  constexpr int n = Precision<T>::kNumbers;
  // Single precision takes a word for each number, double precision two.
  constexpr int step = 4 / n;
  T made[n][kLanes];
  if constexpr (normal) {
    for (int pair = 0; pair < n; pair += 2) {
      const int r = pair * step, t = (pair + 1) * step;
      for (int i = 0; i < kLanes; ++i) {
        T sine, cosine;
        const T radius = Precision<T>::radius(w.word[r][i], w.word[r + step - 1][i]);
        Precision<T>::turn(w.word[t][i], w.word[t + step - 1][i], sine, cosine);
        made[pair][i] = radius * cosine;
        made[pair + 1][i] = radius * sine;
      }
    }
  } else {
    for (int k = 0; k < n; ++k)
      for (int i = 0; i < kLanes; ++i)
        made[k][i] = Precision<T>::uniform(w.word[k * step][i], w.word[k * step + step - 1][i]);
  }
  for (int i = 0; i < kLanes; ++i)
    for (int k = 0; k < n; ++k) to[n * i + k] = made[k][i];
}

// The numbers from place `first` on, `n` of them.
template <typename T, bool normal>
INLINE void fill(uint64_t key, uint64_t first, int64_t n, T* out) {
  constexpr int64_t per = Precision<T>::kNumbers * kLanes;
  Words words;
  T part[per];
  for (int64_t at = -static_cast<int64_t>(first % per); at < n; at += per) {
    philox(key, (first + at) / Precision<T>::kNumbers, words);
    if (at >= 0 && at + per <= n) {
      numbers<T, normal>(words, out + at);
      continue;
    }
    numbers<T, normal>(words, part);
    const int64_t from = std::max<int64_t>(0, -at), to = std::min(per, n - at);
    std::copy(part + from, part + to, out + at + from);
  }
}

STRAIT_VECTOR void normals(uint64_t key, uint64_t first, int64_t n, float* out) {
  fill<float, true>(key, first, n, out);
}
STRAIT_VECTOR void normals(uint64_t key, uint64_t first, int64_t n, double* out) {
  fill<double, true>(key, first, n, out);
}
STRAIT_VECTOR void uniforms(uint64_t key, uint64_t first, int64_t n, float* out) {
  fill<float, false>(key, first, n, out);
}
STRAIT_VECTOR void uniforms(uint64_t key, uint64_t first, int64_t n, double* out) {
  fill<double, false>(key, first, n, out);
}

// The largest number of a kind below 1: times of 1 - t are divided by.
constexpr double below_one(at::ScalarType kind) {
  return 1.0 - (kind == at::kDouble ? 0x1p-53 : kind == at::kFloat ? 0x1p-24 : kind == at::kHalf ? 0x1p-11 : 0x1p-8);
}

// Each uniform number in its own part of the unit interval, of as many parts as there are numbers. The last one may round to 1.
template <typename T>
INLINE void into_strata(int64_t n, T* x) {
  const T last = static_cast<T>(below_one(sizeof(T) == sizeof(double) ? at::kDouble : at::kFloat));
  for (int64_t i = 0; i < n; ++i) x[i] = std::min((static_cast<T>(i) + x[i]) / static_cast<T>(n), last);
}
STRAIT_VECTOR void strata(int64_t n, float* x) { into_strata(n, x); }
STRAIT_VECTOR void strata(int64_t n, double* x) { into_strata(n, x); }

STRAIT_VECTOR void words(uint64_t key, uint64_t block, Words& to) { philox(key, block, to); }

// 64-bit numbers one after the other: two of each block.
class Stream {
 public:
  Stream(uint64_t key, uint64_t first) : key_(key), next_(first) {}
  uint64_t operator()() {
    const uint64_t block = next_ / 2;
    if (!filled_ || block < block_ || block >= block_ + kLanes) {
      words(key_, block, words_);
      block_ = block;
      filled_ = true;
    }
    const int lane = static_cast<int>(block - block_), word = 2 * (next_++ % 2);
    return static_cast<uint64_t>(words_.word[word][lane]) << 32 | words_.word[word + 1][lane];
  }
  // Uniform below `high`: its share of 2^64, off by less than high / 2^64.
  int64_t below(uint64_t high) {
    return static_cast<int64_t>(static_cast<unsigned __int128>((*this)()) * high >> 64);
  }

 private:
  uint64_t key_, next_, block_ = 0;
  bool filled_ = false;
  Words words_;
};

constexpr int64_t kMask = 0xffffffff;

Tensor low(const Tensor& x) { return at::bitwise_and(x, kMask); }
Tensor high(const Tensor& x) { return low(at::bitwise_right_shift(x, 32)); }

// The words of `n` blocks as integer tensors.
std::array<Tensor, 4> words_of(uint64_t key, uint64_t block, int64_t n, at::Device where) {
  const auto counter =
      at::arange(n, at::TensorOptions().dtype(at::kLong).device(where)).add(static_cast<int64_t>(block));
  std::array<Tensor, 4> w = {low(counter), high(counter), at::zeros_like(counter), at::zeros_like(counter)};
  uint32_t k0 = static_cast<uint32_t>(key), k1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < kPhiloxRounds; ++round) {
    // Products of 64 bits wrap, and their bits are right.
    const auto a = w[0].mul(static_cast<int64_t>(kPhiloxM0)), b = w[2].mul(static_cast<int64_t>(kPhiloxM1));
    const auto mixed = [](const Tensor& product, const Tensor& word, uint32_t k) {
      return at::bitwise_xor(at::bitwise_xor(high(product), word), static_cast<int64_t>(k));
    };
    w = {mixed(b, w[1], k0), low(b), mixed(a, w[3], k1), low(a)};
    k0 += kPhiloxW0;
    k1 += kPhiloxW1;
  }
  return w;
}

// Single (`n` = 4 numbers of a block) or double precision (2) by operations of tensors.
Tensor composed(Law law, uint64_t key, uint64_t first, int64_t count, at::ScalarType kind, at::Device where) {
  const int n = kind == at::kDouble ? 2 : 4, step = 4 / n;
  const uint64_t skipped = first % n;
  const auto w = words_of(key, first / n, (skipped + count + n - 1) / n, where);
  const auto real = [&](const Tensor& x) { return x.to(kind); };
  std::vector<Tensor> made(n);
  for (int k = 0; k < n; k += 2) {
    const int a = k * step, b = (k + 1) * step;
    if (law != Law::normal) {
      for (int j = k; j < k + 2; ++j) {
        const auto& x = w[j * step];
        made[j] = n == 4 ? real(at::bitwise_right_shift(x, 8)).mul(0x1p-24)
                         : real(x).mul(0x1p-32).add(real(at::bitwise_and(w[j * step + 1], 0xfffff800)).mul(0x1p-64));
      }
      continue;
    }
    const auto u = n == 4 ? real(at::bitwise_right_shift(w[a], 16))
                                .mul(0x1p-16)
                                .add(real(at::bitwise_and(w[a], 0xffff)).add(0.5).mul(0x1p-32))
                          : real(w[a]).mul(0x1p-32).add(real(w[a + 1]).add(0.5).mul(0x1p-64));
    const auto radius = u.log().mul(-2.0).clamp_min(0.0).sqrt();
    auto turn = real(w[b]).mul(0x1p-32);
    if (n == 2) turn = turn.add(real(w[b + 1]).mul(0x1p-64));
    const auto angle = turn.mul(2.0 * M_PI);
    made[k] = radius.mul(angle.cos());
    made[k + 1] = radius.mul(angle.sin());
  }
  return at::stack(made, 1).view({-1}).narrow(0, static_cast<int64_t>(skipped), count);
}

Tensor draw(Law law, uint64_t key, uint64_t first_row, at::IntArrayRef shape, int64_t high, at::ScalarType kind,
            at::Device where, bool by_operations) {
  const auto options = at::TensorOptions().dtype(kind);
  const bool integers = law == Law::integers || law == Law::permutation;
  if (integers) {
    TORCH_CHECK(law == Law::permutation || high >= 1, "integers below ", high, ": there are none");
    auto made = at::empty(shape, options);
    auto* to = made.mutable_data_ptr<int64_t>();
    const int64_t n = made.numel(), width = shape.empty() || shape[0] == 0 ? 1 : n / shape[0];
    if (law == Law::integers) {
      Stream stream(key, first_row * width);
      for (int64_t i = 0; i < n; ++i) to[i] = stream.below(high);
    } else {
      Stream stream(key, 0);
      for (int64_t i = 0; i < n; ++i) to[i] = i;
      for (int64_t i = 0; i + 1 < n; ++i) std::swap(to[i], to[i + stream.below(n - i)]);
    }
    return made.to(where);
  }
  TORCH_CHECK(at::isFloatingType(kind), "numbers of kind ", at::toString(kind), " are not real");
  const bool half = kind != at::kFloat && kind != at::kDouble;
  const auto exact = half ? at::kFloat : kind;
  auto made = at::empty(shape, options.dtype(exact));
  const int64_t n = made.numel(), width = shape.empty() || shape[0] == 0 ? 1 : n / shape[0];
  const uint64_t first = first_row * width;
  if (!where.is_cpu() || by_operations) {
    made = composed(law, key, first, n, exact, where).view(shape);
  } else if (exact == at::kFloat) {
    auto* to = made.mutable_data_ptr<float>();
    law == Law::normal ? normals(key, first, n, to) : uniforms(key, first, n, to);
    if (law == Law::strata && !half) strata(n, to);
  } else {
    auto* to = made.mutable_data_ptr<double>();
    law == Law::normal ? normals(key, first, n, to) : uniforms(key, first, n, to);
    if (law == Law::strata) strata(n, to);
  }
  if (half && law != Law::normal) {
    // Down to what the kind holds, so that none becomes 1.
    const double bins = kind == at::kHalf ? 2048.0 : 256.0;
    made = made.mul(bins).floor().div(bins);
  }
  made = made.to(kind);
  const bool parted = !half && where.is_cpu() && !by_operations;
  if (law == Law::strata && !parted) made = at::arange(n, made.options()).add(made).div(n).clamp_max(below_one(kind));
  return made;
}

}  // namespace
}  // namespace strait

extern "C" char* strait_draw(int law, uint64_t key, uint64_t first_row, const int64_t* sizes, size_t n_sizes,
                             int64_t high, int kind, int device, bool by_operations, Tensor** result) {
  return guarded([&] {
    const auto where = device < 0 ? at::Device(at::kCPU) : at::Device(at::kCUDA, static_cast<at::DeviceIndex>(device));
    *result = new Tensor(strait::draw(static_cast<strait::Law>(law), key, first_row, at::IntArrayRef(sizes, n_sizes),
                                      high, static_cast<at::ScalarType>(kind), where, by_operations));
  });
}

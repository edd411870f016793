// The posterior mean of equally likely endpoints, of which a point shows one, scaled and under Gaussian noise, point by point:
//
//   w_j = exp(-|x - b e_j|^2 / 2 a^2),   mean = sum w e / sum w.
//
// Squares are of differences: multiplied out they lose their digits where a is small.
#include "pack.h"

#include <ATen/Parallel.h>

#include <limits>
#include <memory>
#include <vector>

using at::Tensor;

namespace strait::posterior {
namespace {

template <typename T>
struct Task {
  using V = Pack<T>;
  int64_t d, endpoints;
  const T *x, *a, *b;
  const V* e;  // (packs, d)
  T* mean;
  double* log_weight;  // the digits that are left beside a large logarithm tell parts apart
  T* log_effective;

  INLINE void over(int64_t from, int64_t to) const {
    const int64_t packs = packs_of<T>(endpoints);
    const std::unique_ptr<V[]> w(new V[packs]), of_mean(new V[d]);
    const std::unique_ptr<T[]> scaled(new T[d]);
    for (int64_t row = from; row < to; ++row) {
      const T share = 1 / a[row], ratio = b[row] * share;
      for (int64_t i = 0; i < d; ++i) scaled[i] = x[row * d + i] * share;
      V tops = V{} - std::numeric_limits<T>::infinity();
      for (int64_t c = 0; c < packs; ++c) {
        V square = {};
        for (int64_t i = 0; i < d; ++i) {
          const V rest = scaled[i] - ratio * e[c * d + i];
          square += rest * rest;
        }
        w[c] = square * T(-0.5);
        if (c == packs - 1) {
          for (int64_t l = 0; l < LANES<T>; ++l) {
            if (c * LANES<T> + l >= endpoints) w[c][l] = -std::numeric_limits<T>::infinity();
          }
        }
        tops = w[c] > tops ? w[c] : tops;
      }
      const T top = greatest<T>(tops);
      V sums = {}, squares = {};
      std::fill_n(of_mean.get(), d, V{});
      for (int64_t c = 0; c < packs; ++c) {
        V v = exponential(w[c] - top);
        v = v <= T(1e-20) ? V{} : v;  // as strait_core::weights
        sums += v;
        squares += v * v;
        for (int64_t i = 0; i < d; ++i) of_mean[i] += v * e[c * d + i];
      }
      const T sum = total<T>(sums);
      for (int64_t i = 0; i < d; ++i) mean[row * d + i] = total<T>(of_mean[i]) / sum;
      log_weight[row] = static_cast<double>(top) + std::log(sum);
      log_effective[row] = 2 * std::log(sum) - std::log(total<T>(squares));
    }
  }
};

STRAIT_VECTOR void run(const Task<float>& task, int64_t from, int64_t to) { task.over(from, to); }
void run(const Task<double>& task, int64_t from, int64_t to) { task.over(from, to); }

template <typename T>
void posterior(const Tensor& x, const Tensor& e, const Tensor& a, const Tensor& b, const std::vector<Tensor>& out) {
  using V = Pack<T>;
  const int64_t d = x.size(1), endpoints = e.size(0), packs = packs_of<T>(endpoints);
  const std::unique_ptr<V[]> packed(new V[packs * d]);
  for (int64_t c = 0; c < packs; ++c) {
    for (int64_t i = 0; i < d; ++i) packed[c * d + i] = at_rows<T>(read<T>(e), c * LANES<T>, endpoints, d, i);
  }
  const Task<T> task{d,           endpoints,  read<T>(x), read<T>(a), read<T>(b), packed.get(), write<T>(out[0]),
                     write<double>(out[1]), write<T>(out[2])};
  at::parallel_for(0, x.size(0), 1, [&](int64_t from, int64_t to) { run(task, from, to); });
}

}  // namespace

extern "C" {

// in: points (R, d), endpoints (K, d), a and b (R,). out: mean (R, d), log-weight and log-effective (R,), the first of these in double
// precision.
char* strait_posterior(Tensor** in, Tensor** out) {
  return guarded([&] {
    const Tensor x = in[0]->contiguous(), e = in[1]->contiguous(), a = in[2]->contiguous(), b = in[3]->contiguous();
    const std::vector<Tensor> made{like(x), at::empty(a.sizes(), a.options().dtype(at::kDouble)), like(a)};
    of_kind(x, [&]<typename T>(T) { posterior<T>(x, e, a, b, made); });
    for (size_t i = 0; i < 3; ++i) out[i] = new Tensor(made[i]);
  });
}

}  // extern "C"

}  // namespace strait::posterior

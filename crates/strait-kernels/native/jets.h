// Jets in memory, as kernels take and make them: tensors with their derivatives along one scalar, one after the other.
#pragma once
#include "series.h"

#include <type_traits>
#include <vector>

namespace strait {

// A tensor with its derivatives, of T or of const T; null where one is zero.
template <typename T>
struct Jets {
  using Number = std::remove_const_t<T>;
  T* at[3] = {};

  // The first of `derivatives` and one tensors of a list from `from` on.
  Jets(at::TensorList of, int64_t from, int64_t derivatives) {
    for (int64_t k = 0; k <= derivatives; ++k) {
      if constexpr (std::is_const_v<T>) {
        at[k] = read<Number>(of[from + k]);
      } else {
        at[k] = write<Number>(of[from + k]);
      }
    }
  }

  // The series of a number, up to its N-th term.
  template <int N>
  INLINE Series<Number, N> get(int64_t i) const {
    Series<Number, N> x;
    for (int k = 0; k <= N; ++k) x.c[k] = at[k] ? at[k][i] / Number(k == 2 ? 2 : 1) : Number(0);
    return x;
  }
  // What has the terms of a series for derivatives. (L = sum_k g_k y_k of the terms of y(x) has them: with G the series of
  // the g_k, the last first, those in the terms of x are the terms of y'(x)^T G, the last first.)
  template <int N>
  INLINE Series<Number, N> cotangent(int64_t i) const {
    Series<Number, N> g;
    for (int k = 0; k <= N; ++k) g.c[N - k] = at[k] ? at[k][i] * Number(k == 2 ? 2 : 1) : Number(0);
    return g;
  }
  template <int N>
  INLINE void put(int64_t i, const Series<T, N>& x) const {
    for (int k = 0; k <= N; ++k) {
      if (at[k]) at[k][i] = x.c[k] * T(k == 2 ? 2 : 1);
    }
  }
  template <int N>
  INLINE void put_cotangent(int64_t i, const Series<T, N>& g) const {
    for (int k = 0; k <= N; ++k) {
      if (at[k]) at[k][i] = g.c[N - k] / T(k == 2 ? 2 : 1);
    }
  }
};

// A list of tensors: x and so many derivatives, then the numbers of its map and so many, then what is left; and how many
// derivatives of the image are asked for.
struct Moving {
  int64_t x, numbers, order;

  explicit Moving(int64_t x, int64_t numbers, int64_t order) : x(x), numbers(numbers), order(order) {}
  explicit Moving(const std::vector<int64_t>& kept) : Moving(kept[0], kept[1], kept[2]) {}
  std::vector<int64_t> kept() const { return {x, numbers, order}; }

  int64_t of_numbers() const { return x + 1; }
  int64_t rest() const { return x + numbers + 2; }
};

}  // namespace strait

// Numbers of several endpoints side by side.
#pragma once
#include "elementwise.h"

#include <algorithm>

namespace strait {

constexpr int MOST = 8;  // dimensions

template <typename T>
INLINE T total(Pack<T> x) {
  T sum = 0;
  for (int l = 0; l < LANES<T>; ++l) sum += x[l];
  return sum;
}

template <typename T>
INLINE T greatest(Pack<T> x) {
  T top = x[0];
  for (int l = 1; l < LANES<T>; ++l) top = std::max(top, x[l]);
  return top;
}

// Packs that hold so many numbers.
template <typename T>
constexpr int64_t packs_of(int64_t numbers) {
  return (numbers + LANES<T> - 1) / LANES<T>;
}

// The column of some rows of a matrix of so many columns: the last row stands for those beyond it, which are not written.
template <typename T>
INLINE Pack<T> at_rows(const T* of, int64_t from, int64_t rows, int64_t columns, int64_t column) {
  Pack<T> x;
  for (int l = 0; l < LANES<T>; ++l) x[l] = of[std::min<int64_t>(from + l, rows - 1) * columns + column];
  return x;
}
template <typename T>
INLINE void put_at_rows(T* of, int64_t from, int64_t rows, int64_t columns, int64_t column, Pack<T> x) {
  for (int l = 0; l < LANES<T> && from + l < rows; ++l) of[(from + l) * columns + column] = x[l];
}

}  // namespace strait

// Products of matrices whose sums stay in registers: C = A B, or added to what is there, of a few rows of C and a panel of
// its columns at a time. A sum is taken in the order of its terms, whatever the other rows are.
#pragma once
#include "pack.h"

namespace strait {

// Columns of a panel: two packs.
template <typename T>
constexpr int64_t PANEL = 2 * LANES<T>;

// Numbers of a whole count of packs, or of panels.
template <typename T>
constexpr int64_t in_packs(int64_t n) {
  return (n + LANES<T> - 1) / LANES<T> * LANES<T>;
}
template <typename T>
constexpr int64_t in_panels(int64_t n) {
  return (n + PANEL<T> - 1) / PANEL<T> * PANEL<T>;
}

// A matrix with this step from row to row, and from column to column.
template <typename T>
struct Strided {
  const T* at;
  int64_t row, column;
};

// A matrix that is read a panel at a time, with the step from row to row and from panel to panel.
template <typename T>
struct Panels {
  const T* at;
  int64_t row, panel;
};

// (k, n) in panels, with zeros beyond the last column.
template <typename T>
INLINE Panels<T> put_in_panels(int64_t k, int64_t n, Strided<T> from, T* to) {
  for (int64_t first = 0; first < n; first += PANEL<T>) {
    const int64_t width = std::min<int64_t>(n - first, PANEL<T>);
    T* panel = to + first * k;
    for (int64_t i = 0; i < k; ++i) {
      const T* row = from.at + i * from.row + first * from.column;
      for (int64_t j = 0; j < width; ++j) panel[i * PANEL<T> + j] = row[j * from.column];
      for (int64_t j = width; j < PANEL<T>; ++j) panel[i * PANEL<T> + j] = 0;
    }
  }
  return {to, PANEL<T>, k * PANEL<T>};
}

template <typename T>
INLINE Pack<T> load(const T* from) {
  Pack<T> x;
  std::memcpy(&x, from, sizeof x);
  return x;
}
template <typename T>
INLINE void store(T* to, Pack<T> x) {
  std::memcpy(to, &x, sizeof x);
}

// M rows of P packs, from what `start` has for each row (step 0: the same for all), or from zero.
template <typename T, int M, int P>
INLINE void tile(int64_t k, Strided<T> a, const T* b, int64_t of_b, const T* start, int64_t of_start, T* c, int64_t of_c) {
  Pack<T> sum[M][P];
#pragma GCC unroll 8
  for (int i = 0; i < M; ++i) {
#pragma GCC unroll 2
    for (int p = 0; p < P; ++p) sum[i][p] = start ? load(start + i * of_start + p * LANES<T>) : Pack<T>{};
  }
  for (int64_t j = 0; j < k; ++j) {
    Pack<T> x[P];
#pragma GCC unroll 2
    for (int p = 0; p < P; ++p) x[p] = load(b + j * of_b + p * LANES<T>);
#pragma GCC unroll 8
    for (int i = 0; i < M; ++i) {
      const T y = a.at[i * a.row + j * a.column];
#pragma GCC unroll 2
      for (int p = 0; p < P; ++p) sum[i][p] += y * x[p];
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < M; ++i) {
#pragma GCC unroll 2
    for (int p = 0; p < P; ++p) store(c + i * of_c + p * LANES<T>, sum[i][p]);
  }
}

// All rows of P packs. A multiple of 4 rows is made of sixes and fours.
template <typename T, int P>
INLINE void columns(int64_t m, int64_t k, Strided<T> a, const T* b, int64_t of_b, const T* start, int64_t of_start, T* c,
                    int64_t of_c) {
  while (m > 0) {
    const int64_t rows = m >= 6 && m != 8 ? 6 : 4;
    if (rows == 6) {
      tile<T, 6, P>(k, a, b, of_b, start, of_start, c, of_c);
    } else {
      tile<T, 4, P>(k, a, b, of_b, start, of_start, c, of_c);
    }
    a.at += rows * a.row;
    start = start ? start + rows * of_start : nullptr;
    c += rows * of_c;
    m -= rows;
  }
}

template <typename T>
INLINE void all_panels(int64_t m, int64_t n, int64_t k, Strided<T> a, Panels<T> b, const T* start, int64_t of_start, T* c,
                       int64_t of_c) {
  for (int64_t first = 0; first < n; first += PANEL<T>) {
    const T* from = start ? start + first : nullptr;
    if (n - first >= PANEL<T>) {
      columns<T, 2>(m, k, a, b.at, b.row, from, of_start, c + first, of_c);
    } else {
      columns<T, 1>(m, k, a, b.at, b.row, from, of_start, c + first, of_c);
    }
    b.at += b.panel;
  }
}

// C of (m, n) from A of (m, k) and B of (k, n), on top of `start`: m a multiple of 4 and n of a pack.
STRAIT_VECTOR static void product(int64_t m, int64_t n, int64_t k, Strided<float> a, Panels<float> b, const float* start,
                                  int64_t of_start, float* c, int64_t of_c) {
  all_panels(m, n, k, a, b, start, of_start, c, of_c);
}
STRAIT_VECTOR static void product(int64_t m, int64_t n, int64_t k, Strided<double> a, Panels<double> b, const double* start,
                                  int64_t of_start, double* c, int64_t of_c) {
  all_panels(m, n, k, a, b, start, of_start, c, of_c);
}

}  // namespace strait

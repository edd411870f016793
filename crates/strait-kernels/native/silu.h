// The jet of SiLU, x s(x) with the logistic s, over numbers that lie one after the other (pointwise.cc).
#pragma once
#include <cstdint>

namespace strait {

// The value y and derivatives dy, ddy along a scalar, from those of x; without ddy to the first order, without dy the value
// alone; without dd, which then is zero.
void silu_jet(int64_t n, const float* x, const float* d, const float* dd, float* y, float* dy, float* ddy);
void silu_jet(int64_t n, const double* x, const double* d, const double* dd, double* y, double* dy, double* ddy);

// The derivatives in x, d and dd from those in the results.
void silu_jet_pull(int64_t n, const float* x, const float* d, const float* dd, const float* g, const float* dg,
                   const float* ddg, float* gx, float* gd, float* gdd);
void silu_jet_pull(int64_t n, const double* x, const double* d, const double* dd, const double* g, const double* dg,
                   const double* ddg, double* gx, double* gd, double* gdd);

}  // namespace strait

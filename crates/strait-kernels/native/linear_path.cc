// The linear path (1 - t) x0 + t x1 with its velocity x1 - x0, where nothing is recorded: one pass in place of six operations.
// A part of affine_curve.cc, whose network of zeros makes it to the bit.
#include "elementwise.h"
#include <c10/core/GradMode.h>

namespace strait::linear_path {
namespace {

template <typename T>
INLINE void along(int64_t batch, int64_t d, const T* x0, const T* x1, const T* t, T* x, T* velocity) {
  for (int64_t i = 0; i < batch; ++i) {
    const T s = t[i], rest = 1 - s;
    for (int64_t j = i * d; j < i * d + d; ++j) {
      x[j] = rest * x0[j] + s * x1[j];
      velocity[j] = x1[j] - x0[j];
    }
  }
}
STRAIT_VECTOR void pass(int64_t batch, int64_t d, const float* x0, const float* x1, const float* t, float* x,
                        float* velocity) {
  along(batch, d, x0, x1, t, x, velocity);
}
STRAIT_VECTOR void pass(int64_t batch, int64_t d, const double* x0, const double* x1, const double* t, double* x,
                        double* velocity) {
  along(batch, d, x0, x1, t, x, velocity);
}

}  // namespace

extern "C" {

// made: the point and the velocity, or null where an input is to be differentiated.
char* strait_linear_path(at::Tensor* x0, at::Tensor* x1, at::Tensor* t, at::Tensor** made) {
  return guarded([&] {
    if (at::GradMode::is_enabled() && (x0->requires_grad() || x1->requires_grad() || t->requires_grad())) return;
    const at::Tensor a = x0->contiguous(), b = x1->contiguous(), when = t->contiguous();
    const at::Tensor x = like(a), velocity = like(a);
    const int64_t batch = a.size(0), d = batch == 0 ? 0 : a.numel() / batch;
    of_kind(a, [&]<typename T>(T) {
      pass(batch, d, read<T>(a), read<T>(b), read<T>(when), write<T>(x), write<T>(velocity));
    });
    made[0] = new at::Tensor(x);
    made[1] = new at::Tensor(velocity);
  });
}

}  // extern "C"

}  // namespace strait::linear_path

// Squared distances of samples, |a - b|^2 over all but the first axis, or their mean over it: one pass each way, where
// libtorch takes an operation and a tensor for the difference, the square, each sum and each of their derivatives.
#include "double_backward.h"
#include "elementwise.h"
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

using at::Tensor;
using strait::guarded;
using strait::of_kind;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace strait::distance {
namespace {

template <typename T>
INLINE double between(int64_t n, const T* a, const T* b) {
  return strait::sum<T>(n, [=](int64_t i) { return (a[i] - b[i]) * (a[i] - b[i]); });
}
STRAIT_VECTOR double squared(int64_t n, const float* a, const float* b) { return between(n, a, b); }
STRAIT_VECTOR double squared(int64_t n, const double* a, const double* b) { return between(n, a, b); }

// The mean over samples of width d.
template <typename T>
INLINE double mean_of(int64_t batch, int64_t d, const T* a, const T* b) {
  double total = 0;
  for (int64_t i = 0; i < batch; ++i) total += between(d, a + i * d, b + i * d);
  return total / static_cast<double>(batch);
}
STRAIT_VECTOR double mean(int64_t batch, int64_t d, const float* a, const float* b) { return mean_of(batch, d, a, b); }
STRAIT_VECTOR double mean(int64_t batch, int64_t d, const double* a, const double* b) { return mean_of(batch, d, a, b); }

// The derivative in a, under cotangent g.
template <typename T>
INLINE void pull_of(int64_t n, T g, const T* a, const T* b, T* to) {
  const T twice = 2 * g;
  for (int64_t i = 0; i < n; ++i) to[i] = twice * (a[i] - b[i]);
}
STRAIT_VECTOR void pull(int64_t n, float g, const float* a, const float* b, float* to) { pull_of(n, g, a, b, to); }
STRAIT_VECTOR void pull(int64_t n, double g, const double* a, const double* b, double* to) { pull_of(n, g, a, b, to); }

class Distance : public torch::autograd::Function<Distance> {
 public:
  static Tensor forward(AutogradContext* ctx, const Tensor& left, const Tensor& right, bool averaged) {
    ctx->save_for_backward({left, right});
    ctx->saved_data["averaged"] = averaged;
    const Tensor a = left.contiguous(), b = right.contiguous();
    const int64_t batch = a.size(0), d = batch == 0 ? 0 : a.numel() / batch;
    Tensor made = averaged ? at::empty({}, a.options()) : at::empty({batch}, a.options());
    of_kind(a, [&]<typename T>(T) {
      const T *x = read<T>(a), *y = read<T>(b);
      T* to = write<T>(made);
      if (averaged) {
        *to = mean(batch, d, x, y);
      } else {
        for (int64_t i = 0; i < batch; ++i) to[i] = squared(d, x + i * d, y + i * d);
      }
    });
    return made;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const bool averaged = ctx->saved_data["averaged"].toBool();
    const int64_t batch = saved[0].size(0), d = batch == 0 ? 0 : saved[0].numel() / batch;
    Tensor& g = grads[0];
    if (!g.defined()) {
      g = averaged ? at::zeros({}, saved[0].options()) : at::zeros({batch}, saved[0].options());
    }
    if (strait::differentiated(grads)) {
      auto found = strait::double_backward([&](const variable_list& own) { return plain(own, averaged); }, saved, grads);
      found.resize(3);
      return found;
    }
    const Tensor a = saved[0].contiguous(), b = saved[1].contiguous(), given = g.contiguous();
    Tensor to = like(a);
    of_kind(a, [&]<typename T>(T) {
      const T *x = read<T>(a), *y = read<T>(b), *by = read<T>(given);
      if (averaged) {
        pull(batch * d, *by / static_cast<T>(batch), x, y, write<T>(to));
      } else {
        for (int64_t i = 0; i < batch; ++i) pull(d, by[i], x + i * d, y + i * d, write<T>(to) + i * d);
      }
    });
    return {to, ctx->needs_input_grad(1) ? to.neg() : Tensor(), Tensor()};
  }

 private:
  // The same of operations that have derivatives themselves, for derivatives of derivatives.
  static variable_list plain(const variable_list& own, bool averaged) {
    Tensor squares = (own[0] - own[1]).square();
    if (squares.dim() > 1) squares = squares.flatten(1).sum(1);
    return {averaged ? squares.mean() : squares};
  }
};

}  // namespace

extern "C" {

// Of each sample; averaged over them, a scalar.
char* strait_square_distance(Tensor* a, Tensor* b, bool averaged, Tensor** result) {
  return guarded([&] { *result = new Tensor(Distance::apply(*a, *b, averaged)); });
}

}  // extern "C"

}  // namespace strait::distance

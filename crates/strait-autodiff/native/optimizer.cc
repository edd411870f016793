// What an optimizer does between two backward passes: the norm of the gradients, a step of AdamW, moving averages. On the CPU
// each is one pass over memory, with the same numbers on every processor; elsewhere it is libtorch's operations.
#include "common.h"

#include <ATen/ops/_foreach_lerp.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/stack.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <unordered_set>
#include <vector>

using at::Tensor;
using strait::guarded;

namespace strait {
namespace {

// From here on the square of a gradient is not one of single precision.
constexpr double kMost = 1e18;

std::vector<Tensor> list(Tensor** tensors, size_t n) {
  std::vector<Tensor> out;
  out.reserve(n);
  for (size_t i = 0; i < n; ++i) out.push_back(*tensors[i]);
  return out;
}

bool is_real(const Tensor& x) { return x.scalar_type() == at::kFloat || x.scalar_type() == at::kDouble; }

// Whether a pass over memory sees each number of x beside the same number of `as`.
bool lies_as(const Tensor& as, const Tensor& x) {
  return x.device() == as.device() && x.scalar_type() == as.scalar_type() && x.sizes() == as.sizes() &&
         x.strides() == as.strides();
}
bool is_passed_over(const Tensor& x) { return x.is_cpu() && is_real(x) && x.is_non_overlapping_and_dense(); }

template <typename F>
void of_kind(const Tensor& x, F&& f) {
  x.scalar_type() == at::kFloat ? f(float()) : f(double());
}

// In double precision, in which squares of single precision neither overflow nor vanish.
template <typename T>
INLINE double squares_of(int64_t n, const T* x) {
  constexpr int64_t lanes = 16;
  double part[lanes] = {};
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    for (int64_t k = 0; k < lanes; ++k) part[k] += static_cast<double>(x[i + k]) * static_cast<double>(x[i + k]);
  }
  double sum = 0;
  for (int64_t k = 0; k < lanes; ++k) sum += part[k];
  for (; i < n; ++i) sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  return sum;
}
STRAIT_VECTOR double squares(int64_t n, const float* x) { return squares_of(n, x); }
STRAIT_VECTOR double squares(int64_t n, const double* x) { return squares_of(n, x); }

// The numbers of a step that are the same for all parameters.
struct Step {
  double divisor, kept, first, second, rest, size, root, eps;
};

template <typename T>
INLINE void step_of(int64_t n, T* __restrict p, const T* __restrict grad, T* __restrict m, T* __restrict v, const Step& s) {
  const T divisor = s.divisor, kept = s.kept, first = s.first, second = s.second, rest = s.rest;
  const T size = s.size, root = s.root, eps = s.eps;
  for (int64_t i = 0; i < n; ++i) {
    const T g = grad[i] / divisor;
    const T mean = m[i] + first * (g - m[i]);
    const T square = second * v[i] + rest * g * g;
    m[i] = mean;
    v[i] = square;
    p[i] = p[i] * kept - size * mean / (std::sqrt(square) / root + eps);
  }
}
STRAIT_VECTOR void step(int64_t n, float* p, const float* g, float* m, float* v, const Step& s) { step_of(n, p, g, m, v, s); }
STRAIT_VECTOR void step(int64_t n, double* p, const double* g, double* m, double* v, const Step& s) {
  step_of(n, p, g, m, v, s);
}

template <typename T>
INLINE void move_of(int64_t n, T* __restrict average, const T* __restrict p, double weight) {
  const T w = weight, rest = 1 - weight;
  if (weight < 0.5) {
    for (int64_t i = 0; i < n; ++i) average[i] += w * (p[i] - average[i]);
  } else {
    for (int64_t i = 0; i < n; ++i) average[i] = p[i] - rest * (p[i] - average[i]);
  }
}
STRAIT_VECTOR void move(int64_t n, float* average, const float* p, double weight) { move_of(n, average, p, weight); }
STRAIT_VECTOR void move(int64_t n, double* average, const double* p, double weight) { move_of(n, average, p, weight); }

// libtorch's fused kernels walk memory and never look at strides, so gradients must lie as their parameters do; autograd
// returns those of a convolution's weights in the layout of its input. And they divide a gradient where it lies, but
// autograd returns one tensor for both terms of a sum.
std::vector<Tensor> laid_out_as(const std::vector<Tensor>& params, std::vector<Tensor> grads) {
  std::unordered_set<const void*> seen;
  for (size_t i = 0; i < grads.size(); ++i) {
    const bool again = !seen.insert(grads[i].const_data_ptr()).second;
    if (again || grads[i].strides() != params[i].strides()) grads[i] = at::empty_like(params[i]).copy_(grads[i]);
  }
  return grads;
}

// A scalar on the CPU.
Tensor scalar(double x, at::ScalarType kind) {
  auto made = at::empty({}, at::TensorOptions().dtype(kind));
  of_kind(made, [&]<typename T>(T) { *made.mutable_data_ptr<T>() = static_cast<T>(x); });
  return made;
}
double number(const Tensor& x) {
  double found = 0;
  of_kind(x, [&]<typename T>(T) { found = *x.const_data_ptr<T>(); });
  return found;
}

}  // namespace

extern "C" {

// Whether each tensor of the three lists has the shape of its parameter, and moments lie as it does, in memory that it fills.
char* strait_fits(Tensor** params, Tensor** grads, Tensor** exp_avg, Tensor** exp_avg_sq, size_t n, bool* fits) {
  return guarded([&] {
    *fits = true;
    for (size_t i = 0; i < n && *fits; ++i) {
      const Tensor &p = *params[i], &m = *exp_avg[i], &v = *exp_avg_sq[i];
      *fits = p.sizes() == grads[i]->sizes() && p.sizes() == m.sizes() && p.sizes() == v.sizes() &&
              p.strides() == m.strides() && p.strides() == v.strides() && p.is_non_overlapping_and_dense();
    }
  });
}

// The total 2-norm of the gradients, the divisor that clips it to max_norm, and 1 where the step is skipped. On another
// device than the CPU the last two are left out: squares in single precision have to be looked at first.
char* strait_clip(Tensor** grads, size_t n, double max_norm, Tensor** norm, Tensor** divisor, Tensor** found_inf) {
  return guarded([&] {
    at::NoGradGuard no_grad;
    TORCH_CHECK(n > 0, "there are no gradients to clip");
    if (!std::all_of(grads, grads + n, [](const Tensor* g) { return g->is_cpu(); })) {
      *norm = new Tensor(at::linalg_vector_norm(at::stack(at::_foreach_norm(list(grads, n), 2)), 2));
      return;
    }
    double sum = 0;
    for (size_t i = 0; i < n; ++i) {
      Tensor g = is_real(*grads[i]) ? *grads[i] : grads[i]->to(at::kFloat);
      if (!g.is_non_overlapping_and_dense()) g = g.contiguous();
      of_kind(g, [&]<typename T>(T) { sum += squares(g.numel(), g.const_data_ptr<T>()); });
    }
    const auto kind = grads[0]->scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
    *norm = new Tensor(scalar(std::sqrt(sum), kind));
    const double total = number(**norm), share = total / max_norm;
    *divisor = new Tensor(scalar(share > 1 ? share : 1, at::kFloat));
    const double by = number(**divisor);
    *found_inf = new Tensor(scalar(total / by < kMost && std::isfinite(by) ? 0 : 1, at::kFloat));
  });
}

char* strait_adamw(Tensor** params, Tensor** grads, Tensor** exp_avg, Tensor** exp_avg_sq, size_t n, Tensor* steps,
                   double lr, double beta1, double beta2, double weight_decay, double eps, Tensor* divisor,
                   Tensor* found_inf) {
  return guarded([&] {
    at::NoGradGuard no_grad;
    bool passed_over = steps->is_cpu() && steps->scalar_type() == at::kFloat;
    for (const auto* x : {divisor, found_inf}) passed_over = passed_over && (!x || (x->is_cpu() && is_real(*x)));
    for (size_t i = 0; i < n && passed_over; ++i) {
      const Tensor& p = *params[i];
      passed_over = is_passed_over(p) && lies_as(p, *exp_avg[i]) && lies_as(p, *exp_avg_sq[i]) &&
                    grads[i]->is_cpu() && grads[i]->scalar_type() == p.scalar_type();
    }
    if (!passed_over) {
      steps->add_(1);
      if (found_inf) steps->sub_(*found_inf);
      auto optional = [](Tensor* t) { return t ? std::optional<Tensor>(*t) : std::nullopt; };
      auto p = list(params, n);
      auto g = laid_out_as(p, list(grads, n));
      at::_fused_adamw_(p, g, list(exp_avg, n), list(exp_avg_sq, n), {}, std::vector<Tensor>(n, *steps), lr, beta1, beta2,
                        weight_decay, eps, /*amsgrad=*/false, /*maximize=*/false, optional(divisor), optional(found_inf));
      return;
    }
    if (found_inf && number(*found_inf) != 0) return;
    const double k = *steps->mutable_data_ptr<float>() += 1;
    const Step s{divisor ? number(*divisor) : 1, 1 - lr * weight_decay, 1 - beta1, beta2, 1 - beta2,
                 lr / (1 - std::pow(beta1, k)), std::sqrt(1 - std::pow(beta2, k)), eps};
    for (size_t i = 0; i < n; ++i) {
      const Tensor& p = *params[i];
      const Tensor g = grads[i]->strides() == p.strides() ? *grads[i] : at::empty_like(p).copy_(*grads[i]);
      of_kind(p, [&]<typename T>(T) {
        step(p.numel(), p.mutable_data_ptr<T>(), g.const_data_ptr<T>(), exp_avg[i]->mutable_data_ptr<T>(),
             exp_avg_sq[i]->mutable_data_ptr<T>(), s);
      });
      // What a graph has kept of it is not what it was.
      p.unsafeGetTensorImpl()->bump_version();
    }
  });
}

char* strait_lerp(Tensor** averages, Tensor** params, size_t n, double weight) {
  return guarded([&] {
    at::NoGradGuard no_grad;
    bool passed_over = true;
    for (size_t i = 0; i < n && passed_over; ++i) {
      passed_over = is_passed_over(*params[i]) && lies_as(*params[i], *averages[i]);
    }
    if (!passed_over) {
      at::_foreach_lerp_(list(averages, n), list(params, n), weight);
      return;
    }
    for (size_t i = 0; i < n; ++i) {
      const Tensor& p = *params[i];
      of_kind(p, [&]<typename T>(T) {
        move(p.numel(), averages[i]->mutable_data_ptr<T>(), p.const_data_ptr<T>(), weight);
      });
      averages[i]->unsafeGetTensorImpl()->bump_version();
    }
  });
}

// The numbers of scalars: at once where they are on the CPU, in one transfer of all others.
char* strait_scalars(Tensor** scalars, size_t n, double* to) {
  return guarded([&] {
    std::vector<Tensor> others;
    std::vector<size_t> places;
    for (size_t i = 0; i < n; ++i) {
      const Tensor& x = *scalars[i];
      TORCH_CHECK(x.numel() == 1, "a tensor of shape ", x.sizes(), " is no number");
      if (x.is_cpu() && is_real(x)) {
        to[i] = number(x);
      } else {
        others.push_back(x.detach().to(at::kDouble).reshape({}));
        places.push_back(i);
      }
    }
    if (others.empty()) return;
    const auto all = at::stack(others).to(at::kCPU);
    for (size_t i = 0; i < places.size(); ++i) to[places[i]] = all.const_data_ptr<double>()[i];
  });
}

}  // extern "C"

}  // namespace strait

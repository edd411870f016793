// Nonlinearities in single passes over memory: the jet of SiLU, x s(x) with the logistic s, and its reverse derivative,
// where libtorch takes an operation, a pass and a tensor for each product; and SELU in place, where libtorch spends
// most of its time on an exponential that is good for all numbers.
#include "double_backward.h"
#include "elementwise.h"
#include "silu.h"
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/selu.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include <optional>
#include <utility>

using at::Tensor;
using strait::exponential_minus_one;
using strait::guarded;
using strait::like;
using strait::logistic;
using strait::of_kind;
using strait::read;
using strait::write;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace strait::pointwise {
namespace {

// f = x s with its first three derivatives, from p = s (1 - s) and q = 1 - 2 s.
template <typename T>
struct Silu {
  T f, f1, f2, f3;
  INLINE explicit Silu(T x) {
    const T s = logistic(x), p = s * (T(1) - s), q = T(1) - T(2) * s;
    f = x * s;
    f1 = s + x * p;
    f2 = p * (T(2) + x * q);
    f3 = p * (q * (T(3) + x * q) - T(2) * x * p);
  }
};

template <typename T>
INLINE void jet_forward(int64_t n, const T* __restrict x, const T* __restrict d,
                        const T* __restrict dd, T* __restrict y, T* __restrict dy,
                        T* __restrict ddy) {
  if (dy == nullptr) {
    for (int64_t i = 0; i < n; ++i) y[i] = x[i] * logistic(x[i]);
  } else if (ddy == nullptr) {
    for (int64_t i = 0; i < n; ++i) {
      const Silu<T> s(x[i]);
      y[i] = s.f;
      dy[i] = s.f1 * d[i];
    }
  } else if (dd == nullptr) {
    for (int64_t i = 0; i < n; ++i) {
      const Silu<T> s(x[i]);
      y[i] = s.f;
      dy[i] = s.f1 * d[i];
      ddy[i] = s.f2 * d[i] * d[i];
    }
  } else {
    for (int64_t i = 0; i < n; ++i) {
      const Silu<T> s(x[i]);
      y[i] = s.f;
      dy[i] = s.f1 * d[i];
      ddy[i] = s.f2 * d[i] * d[i] + s.f1 * dd[i];
    }
  }
}

template <typename T>
INLINE void jet_backward(int64_t n, const T* __restrict x, const T* __restrict d,
                         const T* __restrict dd, const T* __restrict g,
                         const T* __restrict dg, const T* __restrict ddg,
                         T* __restrict gx, T* __restrict gd, T* __restrict gdd) {
  if (dg == nullptr) {
    for (int64_t i = 0; i < n; ++i) gx[i] = g[i] * Silu<T>(x[i]).f1;
  } else if (ddg == nullptr) {
    for (int64_t i = 0; i < n; ++i) {
      const Silu<T> s(x[i]);
      gx[i] = g[i] * s.f1 + dg[i] * s.f2 * d[i];
      gd[i] = dg[i] * s.f1;
    }
  } else if (dd == nullptr) {
    for (int64_t i = 0; i < n; ++i) {
      const Silu<T> s(x[i]);
      gx[i] = g[i] * s.f1 + dg[i] * s.f2 * d[i] + ddg[i] * s.f3 * d[i] * d[i];
      gd[i] = dg[i] * s.f1 + ddg[i] * T(2) * s.f2 * d[i];
    }
  } else {
    for (int64_t i = 0; i < n; ++i) {
      const Silu<T> s(x[i]);
      gx[i] = g[i] * s.f1 + dg[i] * s.f2 * d[i] + ddg[i] * (s.f3 * d[i] * d[i] + s.f2 * dd[i]);
      gd[i] = dg[i] * s.f1 + ddg[i] * T(2) * s.f2 * d[i];
      gdd[i] = ddg[i] * s.f1;
    }
  }
}

// Klambauer et al., arXiv 1706.02515.
STRAIT_VECTOR void selu_f32(int64_t n, float* x) {
  constexpr float scale = 1.0507009873554805f, alpha = 1.6732632423543773f;
  for (int64_t i = 0; i < n; ++i) {
    const float a = x[i], below = scale * alpha * exponential_minus_one(a < 0.0f ? a : (a > 0.0f ? 0.0f : a));
    x[i] = a > 0.0f ? scale * a : below;
  }
}
}  // namespace
}  // namespace strait::pointwise

namespace strait {

STRAIT_VECTOR void silu_jet(int64_t n, const float* x, const float* d, const float* dd, float* y, float* dy,
                            float* ddy) {
  pointwise::jet_forward(n, x, d, dd, y, dy, ddy);
}
void silu_jet(int64_t n, const double* x, const double* d, const double* dd, double* y, double* dy, double* ddy) {
  pointwise::jet_forward(n, x, d, dd, y, dy, ddy);
}
STRAIT_VECTOR void silu_jet_pull(int64_t n, const float* x, const float* d, const float* dd, const float* g,
                                 const float* dg, const float* ddg, float* gx, float* gd, float* gdd) {
  pointwise::jet_backward(n, x, d, dd, g, dg, ddg, gx, gd, gdd);
}
void silu_jet_pull(int64_t n, const double* x, const double* d, const double* dd, const double* g, const double* dg,
                   const double* ddg, double* gx, double* gd, double* gdd) {
  pointwise::jet_backward(n, x, d, dd, g, dg, ddg, gx, gd, gdd);
}

}  // namespace strait

namespace strait::pointwise {
namespace {

// The jet of f at (x, d, dd), of the second order where `second`; without dd, which then is zero.
class SiluJet : public torch::autograd::Function<SiluJet> {
 public:
  static variable_list forward(AutogradContext* ctx, const Tensor& x, const Tensor& d, const std::optional<Tensor>& moves,
                               bool second) {
    const Tensor dd = moves.value_or(Tensor());
    ctx->save_for_backward({x, d, dd});
    ctx->saved_data["second"] = second;
    const Tensor a = x.contiguous(), b = d.contiguous(), c = dd.defined() ? dd.contiguous() : dd;
    Tensor y = like(a), dy = like(a), ddy = second ? like(a) : Tensor();
    of_kind(a, [&]<typename T>(T) {
      strait::silu_jet(a.numel(), read<T>(a), read<T>(b), read<T>(c), write<T>(y), write<T>(dy),
                  write<T>(ddy));
    });
    return second ? variable_list{y, dy, ddy} : variable_list{y, dy};
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const Tensor x = saved[0], d = saved[1], dd = saved[2];
    const bool second = ctx->saved_data["second"].toBool();
    for (auto& g : grads) g = g.defined() ? g : at::zeros_like(x);
    if (strait::differentiated(grads)) return differentiable(x, d, dd, grads, second);
    const Tensor a = x.contiguous(), b = d.contiguous(), c = dd.defined() ? dd.contiguous() : dd;
    const Tensor g = grads[0].contiguous(), dg = grads[1].contiguous(), ddg = second ? grads[2].contiguous() : Tensor();
    Tensor gx = like(a), gd = like(a), gdd = second && dd.defined() ? like(a) : Tensor();
    of_kind(a, [&]<typename T>(T) {
      strait::silu_jet_pull(a.numel(), read<T>(a), read<T>(b), read<T>(c), read<T>(g), read<T>(dg),
                   read<T>(ddg), write<T>(gx), write<T>(gd), write<T>(gdd));
    });
    return {gx, gd, gdd, Tensor()};
  }

 private:
  // The same of operations that have derivatives themselves, for derivatives of derivatives.
  static variable_list differentiable(const Tensor& x, const Tensor& d, const Tensor& dd, const variable_list& g,
                                      bool second) {
    const Tensor s = x.sigmoid(), p = s * (1 - s), q = 1 - 2 * s;
    const Tensor f1 = s + x * p, f2 = p * (2 + x * q);
    Tensor gx = g[0] * f1 + g[1] * f2 * d, gd = g[1] * f1, gdd;
    if (second) {
      const Tensor f3 = p * (q * (3 + x * q) - 2 * x * p);
      gx = gx + g[2] * f3 * d * d;
      gd = gd + 2 * g[2] * f2 * d;
      if (dd.defined()) {
        gx = gx + g[2] * f2 * dd;
        gdd = g[2] * f1;
      }
    }
    return {gx, gd, gdd, Tensor()};
  }
};

// x s(x) of numbers in any order that fills memory.
class SiluValue : public torch::autograd::Function<SiluValue> {
 public:
  static Tensor forward(AutogradContext* ctx, const Tensor& x) {
    ctx->save_for_backward({x});
    const Tensor a = filled(x);
    Tensor y = at::empty_like(a);
    of_kind(a, [&]<typename T>(T) {
      strait::silu_jet(a.numel(), read<T>(a), nullptr, nullptr, write<T>(y), nullptr, nullptr);
    });
    return y;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const Tensor x = ctx->get_saved_variables()[0], given = grads[0].defined() ? grads[0] : at::zeros_like(x);
    if (strait::differentiated(grads)) {
      return strait::double_backward([](const variable_list& own) { return variable_list{own[0] * own[0].sigmoid()}; }, {x},
                                {given});
    }
    const Tensor a = filled(x), g = given.strides() == a.strides() ? given : at::empty_like(a).copy_(given);
    Tensor gx = at::empty_like(a);
    of_kind(a, [&]<typename T>(T) {
      strait::silu_jet_pull(a.numel(), read<T>(a), nullptr, nullptr, read<T>(g), nullptr, nullptr,
                            write<T>(gx), nullptr, nullptr);
    });
    return {gx};
  }

 private:
  // As it is where its numbers fill memory, channels last for one; else a copy.
  static Tensor filled(const Tensor& x) { return x.is_non_overlapping_and_dense() ? x : x.contiguous(); }
};

}  // namespace

extern "C" {

char* strait_silu(Tensor* x, Tensor** result) {
  return guarded([&] { *result = new Tensor(SiluValue::apply(*x)); });
}

// SELU of x. Where nothing is differentiated, in single precision on the CPU, it is written over x.
char* strait_selu(Tensor* x, Tensor** result) {
  return guarded([&] {
    const bool recorded = (at::GradMode::is_enabled() && x->requires_grad()) || x->_fw_grad(0).defined();
    if (recorded || !x->is_cpu() || x->scalar_type() != at::kFloat || !x->is_contiguous()) {
      *result = new Tensor(at::selu(*x));
      return;
    }
    selu_f32(x->numel(), x->mutable_data_ptr<float>());
    *result = new Tensor(*x);
  });
}

// dd may be null. results has room for three; the third is null unless `second`.
char* strait_silu_jet(Tensor* x, Tensor* d, Tensor* dd, bool second, Tensor** results) {
  return guarded([&] {
    auto out = SiluJet::apply(*x, *d, dd ? std::optional<Tensor>(*dd) : std::nullopt, second);
    for (size_t i = 0; i < 3; ++i) results[i] = i < out.size() ? new Tensor(out[i]) : nullptr;
  });
}

}  // extern "C"

}  // namespace strait::pointwise

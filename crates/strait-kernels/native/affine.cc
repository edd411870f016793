// The tail of an affine coupling in one pass each way: bounded log-scale, exponential, product, shift and the sum of the
// log-slopes. libtorch takes nine operations and as many tensors, and more of both for their derivatives.
#include "double_backward.h"
#include "elementwise.h"
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <optional>
#include <vector>

using at::Tensor;
using strait::bounded;
using strait::exponential;
using strait::guarded;
using strait::like;
using strait::read;
using strait::sum;
using strait::write;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace strait::affine {
namespace {

// B samples of n numbers. `x` and `gy` may be parts of wider samples: from one to the next there are `step` numbers.
struct Sizes {
  int64_t batch, n, x_step, gy_step;
};

template <typename T>
INLINE void forward_rows(Sizes z, bool inverse, T bound, const T* __restrict x,
                         const T* __restrict raw, const T* __restrict gates,
                         T* __restrict y, T* __restrict slopes, T* __restrict log_det) {
  for (int64_t i = 0; i < z.batch; ++i, x += z.x_step, raw += 2 * z.n, y += z.n) {
    const T* __restrict m = raw + z.n;
    const T gate = gates ? gates[i] : T(1), scale = gate * bound;
    if (inverse) {
      for (int64_t j = 0; j < z.n; ++j) {
        const T s = bounded(raw[j], bound) * -scale;
        slopes[j] = s;
        y[j] = (x[j] - gate * m[j]) * exponential(s);
      }
    } else {
      for (int64_t j = 0; j < z.n; ++j) {
        const T s = bounded(raw[j], bound) * scale;
        slopes[j] = s;
        y[j] = x[j] * exponential(s) + gate * m[j];
      }
    }
    log_det[i] = static_cast<T>(sum<T>(z.n, [&](int64_t j) __attribute__((always_inline)) { return slopes[j]; }));
  }
}

template <typename T>
INLINE void backward_rows(Sizes z, bool inverse, T bound, const T* __restrict x,
                          const T* __restrict raw, const T* __restrict gates,
                          const T* __restrict gy, const T* __restrict gl,
                          T* __restrict gx, T* __restrict graw) {
  for (int64_t i = 0; i < z.batch; ++i, x += z.x_step, gy += z.gy_step, raw += 2 * z.n, gx += z.n, graw += 2 * z.n) {
    const T* __restrict m = raw + z.n;
    T* __restrict gm = graw + z.n;
    const T l = gl[i], gate = gates ? gates[i] : T(1), scale = gate * bound;
    if (inverse) {
      for (int64_t j = 0; j < z.n; ++j) {
        const T u = bounded(raw[j], bound), g = gy[j] * exponential(u * -scale);
        gx[j] = g;
        gm[j] = -gate * g;
        graw[j] = -gate * (g * (x[j] - gate * m[j]) + l) * (T(1) - u * u);
      }
    } else {
      for (int64_t j = 0; j < z.n; ++j) {
        const T u = bounded(raw[j], bound), g = gy[j] * exponential(u * scale);
        gx[j] = g;
        gm[j] = gate * gy[j];
        graw[j] = gate * (g * x[j] + l) * (T(1) - u * u);
      }
    }
  }
}

STRAIT_VECTOR void forward_f32(Sizes z, bool inverse, float bound, const float* x, const float* raw,
                               const float* gates, float* y, float* slopes, float* log_det) {
  forward_rows(z, inverse, bound, x, raw, gates, y, slopes, log_det);
}
STRAIT_VECTOR void backward_f32(Sizes z, bool inverse, float bound, const float* x, const float* raw,
                                const float* gates, const float* gy, const float* gl, float* gx, float* graw) {
  backward_rows(z, inverse, bound, x, raw, gates, gy, gl, gx, graw);
}

// As it is where each sample's numbers lie together, as those of a half of the channels do; else a copy.
Tensor rows(const Tensor& x) {
  int64_t expected = 1;
  for (int64_t i = x.dim() - 1; i > 0; --i) {
    if (x.size(i) != 1 && x.stride(i) != expected) return x.contiguous();
    expected *= x.size(i);
  }
  return x.size(0) > 1 && x.stride(0) < expected ? x.contiguous() : x;
}

class Affine : public torch::autograd::Function<Affine> {
 public:
  // The gate of each sample, if any, is not differentiated.
  static variable_list forward(AutogradContext* ctx, const Tensor& x, const Tensor& raw,
                               const std::optional<Tensor>& gate, double bound, bool inverse) {
    const Tensor a = rows(x), r = raw.contiguous(), f = gate ? gate->contiguous() : Tensor();
    ctx->save_for_backward({x, raw, f});
    ctx->saved_data["bound"] = bound;
    ctx->saved_data["inverse"] = inverse;
    const Sizes z{a.size(0), a.numel() / std::max<int64_t>(a.size(0), 1), a.stride(0), 0};
    Tensor y = like(a), log_det = at::empty({a.size(0)}, a.options());
    if (a.scalar_type() == at::kFloat) {
      std::vector<float> slopes(z.n);
      forward_f32(z, inverse, static_cast<float>(bound), read<float>(a), read<float>(r), read<float>(f),
                  write<float>(y), slopes.data(), write<float>(log_det));
    } else {
      std::vector<double> slopes(z.n);
      forward_rows(z, inverse, bound, read<double>(a), read<double>(r), read<double>(f), write<double>(y),
                   slopes.data(), write<double>(log_det));
    }
    return {y, log_det};
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const Tensor x = saved[0], raw = saved[1], f = saved[2];
    const double bound = ctx->saved_data["bound"].toDouble();
    const bool inverse = ctx->saved_data["inverse"].toBool();
    const Tensor gy = grads[0].defined() ? grads[0] : at::zeros_like(x);
    const Tensor gl = grads[1].defined() ? grads[1] : at::zeros({x.size(0)}, x.options());
    if (strait::differentiated(grads)) {
      auto out = strait::double_backward([&](const variable_list& own) { return plain(own, f, bound, inverse); }, {x, raw},
                                    {gy, gl});
      out.resize(5);
      return out;
    }
    const Tensor a = rows(x), r = raw.contiguous(), g = rows(gy), l = gl.contiguous();
    const Sizes z{a.size(0), a.numel() / std::max<int64_t>(a.size(0), 1), a.stride(0), g.stride(0)};
    Tensor gx = like(a), graw = like(r);
    if (a.scalar_type() == at::kFloat) {
      backward_f32(z, inverse, static_cast<float>(bound), read<float>(a), read<float>(r), read<float>(f),
                   read<float>(g), read<float>(l), write<float>(gx), write<float>(graw));
    } else {
      backward_rows(z, inverse, bound, read<double>(a), read<double>(r), read<double>(f), read<double>(g), read<double>(l),
                    write<double>(gx), write<double>(graw));
    }
    return {gx, graw, Tensor(), Tensor(), Tensor()};
  }

 private:
  static variable_list plain(const variable_list& of, const Tensor& gates, double bound, bool inverse) {
    const Tensor &x = of[0], &raw = of[1];
    const auto half = raw.size(1) / 2;
    std::vector<int64_t> wide(x.dim(), 1);
    wide[0] = x.size(0);
    const Tensor gate = gates.defined() ? gates.view(wide) : at::ones(wide, x.options());
    const Tensor s = gate * (raw.narrow(1, 0, half) / bound).tanh() * (inverse ? -bound : bound);
    const Tensor m = gate * raw.narrow(1, half, half);
    return {inverse ? (x - m) * s.exp() : x * s.exp() + m, s.flatten(1).sum(1)};
  }
};

}  // namespace

extern "C" {

// gate may be null.
char* strait_affine(Tensor* x, Tensor* raw, Tensor* gate, double bound, bool inverse, Tensor** y, Tensor** log_det) {
  return guarded([&] {
    auto out = Affine::apply(*x, *raw, gate ? std::optional<Tensor>(*gate) : std::nullopt, bound, inverse);
    *y = new Tensor(out[0]);
    *log_det = new Tensor(out[1]);
  });
}

}  // extern "C"

}  // namespace strait::affine

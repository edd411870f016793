// A scale and a shift of each channel in one pass each way, where libtorch takes four operations and nine for their
// derivatives.
#include "double_backward.h"
#include "elementwise.h"
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <vector>

using at::Tensor;
using strait::Extent;
using strait::guarded;
using strait::like;
using strait::of_kind;
using strait::read;
using strait::sum;
using strait::write;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace strait::diagonal {
namespace {

// The factor of each channel: e^s, or e^-s where `inverse`.
template <typename T>
std::vector<T> factors(int64_t channels, const T* s, bool inverse) {
  std::vector<T> f(channels);
  for (int64_t c = 0; c < channels; ++c) f[c] = std::exp(inverse ? -s[c] : s[c]);
  return f;
}

template <typename T>
INLINE void forward_rows(Extent z, bool inverse, const T* __restrict x,
                         const T* __restrict f, const T* __restrict b,
                         T* __restrict y) {
  for (int64_t i = 0; i < z.batch; ++i) {
    if (z.places == 1) {
      if (inverse) {
        for (int64_t c = 0; c < z.channels; ++c) y[c] = (x[c] - b[c]) * f[c];
      } else {
        for (int64_t c = 0; c < z.channels; ++c) y[c] = x[c] * f[c] + b[c];
      }
      x += z.channels;
      y += z.channels;
      continue;
    }
    for (int64_t c = 0; c < z.channels; ++c, x += z.places, y += z.places) {
      const T factor = f[c], shift = b[c];
      if (inverse) {
        for (int64_t j = 0; j < z.places; ++j) y[j] = (x[j] - shift) * factor;
      } else {
        for (int64_t j = 0; j < z.places; ++j) y[j] = x[j] * factor + shift;
      }
    }
  }
}

// gx = g f, and for each channel the sums of g and of g times `with`. Sums of vectors are of as many samples as keep
// single precision exact enough, then in double precision.
template <typename T>
INLINE void backward_rows(Extent z, const T* __restrict g, const T* __restrict with,
                          const T* __restrict f, T* __restrict gx,
                          double* __restrict sum_g, double* __restrict sum_gw) {
  if (z.places > 1) {
    for (int64_t i = 0; i < z.batch; ++i) {
      for (int64_t c = 0; c < z.channels; ++c, g += z.places, with += z.places, gx += z.places) {
        const T factor = f[c];
        for (int64_t j = 0; j < z.places; ++j) gx[j] = g[j] * factor;
        sum_g[c] += sum<T>(z.places, [&](int64_t j) __attribute__((always_inline)) { return g[j]; });
        sum_gw[c] += sum<T>(z.places, [&](int64_t j) __attribute__((always_inline)) { return g[j] * with[j]; });
      }
    }
    return;
  }
  constexpr int64_t block = 64;
  std::vector<T> part(2 * z.channels);
  T* __restrict a = part.data();
  T* __restrict b = a + z.channels;
  for (int64_t from = 0; from < z.batch; from += block) {
    std::fill(part.begin(), part.end(), T(0));
    const int64_t to = std::min(from + block, z.batch);
    for (int64_t i = from; i < to; ++i, g += z.channels, with += z.channels, gx += z.channels) {
      for (int64_t c = 0; c < z.channels; ++c) {
        gx[c] = g[c] * f[c];
        a[c] += g[c];
        b[c] += g[c] * with[c];
      }
    }
    for (int64_t c = 0; c < z.channels; ++c) {
      sum_g[c] += a[c];
      sum_gw[c] += b[c];
    }
  }
}

STRAIT_VECTOR void forward_f32(Extent z, bool inverse, const float* x, const float* f, const float* b, float* y) {
  forward_rows(z, inverse, x, f, b, y);
}
STRAIT_VECTOR void backward_f32(Extent z, const float* g, const float* with, const float* f, float* gx, double* sum_g,
                                double* sum_gw) {
  backward_rows(z, g, with, f, gx, sum_g, sum_gw);
}

template <typename T>
Tensor image(Extent z, bool inverse, const Tensor& x, const Tensor& s, const Tensor& b) {
  const auto f = factors(z.channels, read<T>(s), inverse);
  Tensor y = like(x);
  if constexpr (std::is_same_v<T, float>) {
    forward_f32(z, inverse, read<T>(x), f.data(), read<T>(b), write<T>(y));
  } else {
    forward_rows(z, inverse, read<T>(x), f.data(), read<T>(b), write<T>(y));
  }
  return y;
}

template <typename T>
Tensor log_det(Extent z, const Tensor& s, bool inverse) {
  double total = 0;
  for (int64_t c = 0; c < z.channels; ++c) total += read<T>(s)[c];
  Tensor result = at::empty({}, s.options());
  *write<T>(result) = static_cast<T>((inverse ? -total : total) * static_cast<double>(z.places));
  return result;
}

template <typename T>
variable_list gradients(Extent z, bool inverse, const Tensor& x, const Tensor& y, const Tensor& s, const Tensor& g,
                        double log_det) {
  const auto f = factors(z.channels, read<T>(s), inverse);
  std::vector<double> sums(2 * z.channels);
  double *sum_g = sums.data(), *sum_gw = sum_g + z.channels;
  Tensor gx = like(g), gs = like(s), gb = like(s);
  const T* with = read<T>(inverse ? y : x);
  if constexpr (std::is_same_v<T, float>) {
    backward_f32(z, read<T>(g), with, f.data(), write<T>(gx), sum_g, sum_gw);
  } else {
    backward_rows(z, read<T>(g), with, f.data(), write<T>(gx), sum_g, sum_gw);
  }
  for (int64_t c = 0; c < z.channels; ++c) {
    write<T>(gs)[c] = static_cast<T>(inverse ? -sum_gw[c] - log_det : sum_gw[c] * f[c] + log_det);
    write<T>(gb)[c] = static_cast<T>(inverse ? -sum_g[c] * f[c] : sum_g[c]);
  }
  return {gx, gs, gb};
}

class Diagonal : public torch::autograd::Function<Diagonal> {
 public:
  static variable_list forward(AutogradContext* ctx, const Tensor& x, const Tensor& log_scale, const Tensor& shift,
                               bool inverse) {
    const Tensor a = x.contiguous(), s = log_scale.contiguous(), b = shift.contiguous();
    const Extent z(a);
    const Tensor y = of_kind(a, [&]<typename T>(T) { return image<T>(z, inverse, a, s, b); });
    ctx->save_for_backward({x, y, log_scale, shift});
    ctx->saved_data["inverse"] = inverse;
    return {y, of_kind(a, [&]<typename T>(T) { return log_det<T>(z, s, inverse); })};
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const Tensor x = saved[0], y = saved[1], s = saved[2], b = saved[3];
    const bool inverse = ctx->saved_data["inverse"].toBool();
    const Extent z(x);
    const Tensor g = grads[0].defined() ? grads[0] : at::zeros_like(y);
    const Tensor gl = grads[1].defined() ? grads[1] : at::zeros({}, s.options());
    if (strait::differentiated(grads)) {
      auto out = strait::double_backward([&](const variable_list& own) { return plain(z, own, inverse); }, {x, s, b}, {g, gl});
      out.emplace_back();
      return out;
    }
    const double l = gl.item().toDouble() * static_cast<double>(z.places);
    const Tensor a = x.contiguous(), c = s.contiguous(), h = g.contiguous();
    auto all = of_kind(a, [&]<typename T>(T) { return gradients<T>(z, inverse, a, y, c, h, l); });
    all.emplace_back();
    return all;
  }

 private:
  static variable_list plain(Extent z, const variable_list& of, bool inverse) {
    const Tensor& x = of[0];
    std::vector<int64_t> wide(x.dim(), 1);
    wide[1] = z.channels;
    const Tensor s = inverse ? -of[1] : of[1], f = s.exp().view(wide), b = of[2].view(wide);
    return {inverse ? (x - b) * f : x * f + b, s.sum() * z.places};
  }
};

}  // namespace

extern "C" {

char* strait_diagonal(Tensor* x, Tensor* log_scale, Tensor* shift, bool inverse, Tensor** y, Tensor** log_det) {
  return guarded([&] {
    auto out = Diagonal::apply(*x, *log_scale, *shift, inverse);
    *y = new Tensor(out[0]);
    *log_det = new Tensor(out[1]);
  });
}

}  // extern "C"

}  // namespace strait::diagonal

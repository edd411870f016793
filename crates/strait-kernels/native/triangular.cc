// A small matrix made of triangular factors, or its inverse, in one call each way: libtorch takes eight operations and
// more for their derivatives, each of which costs more than the arithmetic.
#include "double_backward.h"
#include "elementwise.h"
#include <ATen/TensorOperators.h>
#include <ATen/ops/diag_embed.h>
#include <ATen/ops/diagonal.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/inverse.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>
#include <vector>

using at::Tensor;
using strait::guarded;
using strait::like;
using strait::of_kind;
using strait::read;
using strait::write;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace strait::triangular {
namespace {

// Square matrices row by row, in double precision whatever the tensors are.
struct Matrix {
  int64_t n;
  std::vector<double> a;

  explicit Matrix(int64_t n) : n(n), a(n * n) {}
  double* operator[](int64_t i) { return a.data() + i * n; }
  const double* operator[](int64_t i) const { return a.data() + i * n; }
};

template <typename T>
Matrix load(const Tensor& x) {
  Matrix m(x.size(0));
  const T* from = read<T>(x);
  for (size_t i = 0; i < m.a.size(); ++i) m.a[i] = from[i];
  return m;
}

template <typename T>
Tensor store(const Matrix& m, const Tensor& as) {
  Tensor x = like(as);
  T* to = write<T>(x);
  for (size_t i = 0; i < m.a.size(); ++i) to[i] = static_cast<T>(m.a[i]);
  return x;
}

// diag e^s + U of a weight.
Matrix upper(const Matrix& w) {
  Matrix u(w.n);
  for (int64_t i = 0; i < w.n; ++i) {
    u[i][i] = std::exp(w[i][i]);
    for (int64_t j = i + 1; j < w.n; ++j) u[i][j] = w[i][j];
  }
  return u;
}

// (I + L) u with the L of a weight.
Matrix product(const Matrix& w, const Matrix& u) {
  Matrix m = u;
  for (int64_t i = 0; i < w.n; ++i) {
    for (int64_t k = 0; k < i; ++k) {
      for (int64_t j = k; j < w.n; ++j) m[i][j] += w[i][k] * u[k][j];
    }
  }
  return m;
}

// u^-1 (I + L)^-1: the identity, forward and backward substitution.
Matrix inverse_of(const Matrix& w, const Matrix& u) {
  Matrix m(w.n);
  for (int64_t i = 0; i < w.n; ++i) {
    m[i][i] = 1;
    for (int64_t k = 0; k < i; ++k) {
      for (int64_t j = 0; j <= k; ++j) m[i][j] -= w[i][k] * m[k][j];
    }
  }
  for (int64_t i = w.n - 1; i >= 0; --i) {
    for (int64_t k = i + 1; k < w.n; ++k) {
      for (int64_t j = 0; j < w.n; ++j) m[i][j] -= u[i][k] * m[k][j];
    }
    for (int64_t j = 0; j < w.n; ++j) m[i][j] /= u[i][i];
  }
  return m;
}

// -m' g m', the derivative with respect to a matrix of which m is the inverse.
Matrix through_inverse(const Matrix& m, const Matrix& g) {
  Matrix left(m.n), both(m.n);
  for (int64_t k = 0; k < m.n; ++k) {
    for (int64_t i = 0; i < m.n; ++i) {
      for (int64_t j = 0; j < m.n; ++j) left[i][j] -= m[k][i] * g[k][j];
    }
  }
  for (int64_t i = 0; i < m.n; ++i) {
    for (int64_t j = 0; j < m.n; ++j) {
      for (int64_t k = 0; k < m.n; ++k) both[i][j] += left[i][k] * m[j][k];
    }
  }
  return both;
}

// The weight's derivative, of the product's: g u' below the diagonal, (I + L)' g on it (times e^s) and above it.
Matrix weight_of(const Matrix& w, const Matrix& u, const Matrix& g, double log_det) {
  Matrix d(w.n);
  for (int64_t i = 0; i < w.n; ++i) {
    for (int64_t j = 0; j < i; ++j) {
      for (int64_t k = j; k < w.n; ++k) d[i][j] += g[i][k] * u[j][k];
    }
    for (int64_t j = i; j < w.n; ++j) d[i][j] += g[i][j];
    for (int64_t k = i + 1; k < w.n; ++k) {
      for (int64_t j = i; j < w.n; ++j) d[i][j] += w[k][i] * g[k][j];
    }
    d[i][i] = d[i][i] * u[i][i] + log_det;
  }
  return d;
}

template <typename T>
variable_list images(const Tensor& weight, bool inverse) {
  const Matrix w = load<T>(weight), u = upper(w);
  double sum = 0;
  for (int64_t i = 0; i < w.n; ++i) sum += w[i][i];
  Tensor log_det = at::empty({}, weight.options());
  *write<T>(log_det) = static_cast<T>(inverse ? -sum : sum);
  return {store<T>(inverse ? inverse_of(w, u) : product(w, u), weight), log_det};
}

template <typename T>
Tensor gradient(const Tensor& weight, const Tensor& g, double log_det, bool inverse) {
  const Matrix w = load<T>(weight), u = upper(w), given = load<T>(g);
  if (!inverse) return store<T>(weight_of(w, u, given, log_det), weight);
  return store<T>(weight_of(w, u, through_inverse(inverse_of(w, u), given), -log_det), weight);
}

class Triangular : public torch::autograd::Function<Triangular> {
 public:
  static variable_list forward(AutogradContext* ctx, const Tensor& weight, bool inverse) {
    ctx->save_for_backward({weight});
    ctx->saved_data["inverse"] = inverse;
    const Tensor w = weight.contiguous();
    return of_kind(w, [&]<typename T>(T) { return images<T>(w, inverse); });
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const Tensor weight = ctx->get_saved_variables()[0];
    const bool inverse = ctx->saved_data["inverse"].toBool();
    const Tensor g = grads[0].defined() ? grads[0] : at::zeros_like(weight);
    const Tensor l = grads[1].defined() ? grads[1] : at::zeros({}, weight.options());
    if (strait::differentiated(grads)) {
      return {strait::double_backward([&](const variable_list& own) { return plain(own[0], inverse); }, {weight}, {g, l})[0],
              Tensor()};
    }
    const Tensor w = weight.contiguous(), h = g.contiguous();
    const double log_det = l.item().toDouble();
    return {of_kind(w, [&]<typename T>(T) { return gradient<T>(w, h, log_det, inverse); }), Tensor()};
  }

 private:
  static variable_list plain(const Tensor& weight, bool inverse) {
    const Tensor s = weight.diagonal(), lower = weight.tril(-1) + at::eye(weight.size(0), weight.options());
    const Tensor matrix = lower.mm(weight.triu(1) + at::diag_embed(s.exp()));
    return inverse ? variable_list{at::inverse(matrix), -s.sum()} : variable_list{matrix, s.sum()};
  }
};

}  // namespace

extern "C" {

char* strait_triangular(Tensor* weight, bool inverse, Tensor** matrix, Tensor** log_det) {
  return guarded([&] {
    auto out = Triangular::apply(*weight, inverse);
    *matrix = new Tensor(out[0]);
    *log_det = new Tensor(out[1]);
  });
}

}  // extern "C"

}  // namespace strait::triangular

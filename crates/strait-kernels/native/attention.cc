// Attention of every position to every other, softmax(q k^T / sqrt(c)) v, a head of a sample at a time: its scores lie in
// the cache and are made again for the gradient, where libtorch's own operations keep all scores and their exponentials.
#include "double_backward.h"
#include "product.h"
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/amax.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <vector>

using at::Tensor;
using strait::guarded;
using strait::in_packs;
using strait::in_panels;
using strait::like;
using strait::of_kind;
using strait::read;
using strait::Strided;
using strait::write;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace strait::attention {
namespace {

// e^(s - s_max) of the first n scores of a row, then zeros up to a whole count of packs; their sum, and the logarithm of that of
// the e^s.
template <typename T>
struct Total {
  T sum, logarithm;
};
template <typename T>
INLINE Total<T> exponentials_of(int64_t n, int64_t wide, T* s) {
  std::fill(s + n, s + wide, s[0]);
  Pack<T> top = load(s);
  for (int64_t j = LANES<T>; j < wide; j += LANES<T>) {
    const Pack<T> x = load(s + j);
    top = x > top ? x : top;
  }
  const T greatest = strait::greatest<T>(top);
  for (int64_t j = 0; j < wide; j += LANES<T>) store(s + j, exponential(load(s + j) - greatest));
  std::fill(s + n, s + wide, T(0));
  Pack<T> sums{};
  for (int64_t j = 0; j < wide; j += LANES<T>) sums += load(s + j);
  const T sum = strait::total<T>(sums);
  return {sum, greatest + std::log(sum)};
}
STRAIT_VECTOR Total<float> exponentials(int64_t n, int64_t wide, float* s) { return exponentials_of(n, wide, s); }
STRAIT_VECTOR Total<double> exponentials(int64_t n, int64_t wide, double* s) { return exponentials_of(n, wide, s); }

// From the scores s of a row and what came to its weights, d: the weights in s, and what comes to the scores in d.
template <typename T>
INLINE void at_scores_of(int64_t n, int64_t wide, T logarithm, T* __restrict s, T* __restrict d) {
  for (int64_t j = 0; j < wide; j += LANES<T>) store(s + j, exponential(load(s + j) - logarithm));
  std::fill(s + n, s + wide, T(0));
  Pack<T> sums{};
  for (int64_t j = 0; j < wide; j += LANES<T>) sums += load(s + j) * load(d + j);
  const T mean = strait::total<T>(sums);
  for (int64_t j = 0; j < wide; j += LANES<T>) store(d + j, load(s + j) * (load(d + j) - mean));
}
STRAIT_VECTOR void at_scores(int64_t n, int64_t wide, float logarithm, float* s, float* d) {
  at_scores_of(n, wide, logarithm, s, d);
}
STRAIT_VECTOR void at_scores(int64_t n, int64_t wide, double logarithm, double* s, double* d) {
  at_scores_of(n, wide, logarithm, s, d);
}

// Rows of c numbers times `by`, with these steps from row to row.
template <typename T>
INLINE void scaled_of(int64_t rows, int64_t c, T by, const T* __restrict from, int64_t of_from, T* __restrict to, int64_t of_to) {
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t d = 0; d < c; ++d) to[i * of_to + d] = by * from[i * of_from + d];
  }
}
STRAIT_VECTOR void scaled(int64_t rows, int64_t c, float by, const float* from, int64_t of_from, float* to, int64_t of_to) {
  scaled_of(rows, c, by, from, of_from, to, of_to);
}
STRAIT_VECTOR void scaled(int64_t rows, int64_t c, double by, const double* from, int64_t of_from, double* to, int64_t of_to) {
  scaled_of(rows, c, by, from, of_from, to, of_to);
}

// How (B, N, 3, heads, c) lies in memory: q, k and v of all heads beside each other.
struct Shape {
  int64_t batch, positions, heads, each;
  Shape(const Tensor& x, int64_t heads)
      : batch(x.size(0)), positions(x.size(1)), heads(heads), each(x.size(2) / (3 * heads)) {}
  int64_t row() const { return 3 * heads * each; }
  // Where q (0), k (1) or v (2) of the i-th of all heads of all samples begins.
  int64_t begin(int64_t i, int64_t which) const {
    return i / heads * positions * row() + (which * heads + i % heads) * each;
  }
  // The same of (B, N, heads, c).
  int64_t seen(int64_t i) const { return (i / heads * positions * heads + i % heads) * each; }
};

// Room for the matrices of one head. Positions and channels are filled up with zeros to a whole count of packs.
template <typename T>
struct Head {
  int64_t n, c, rows, wide;
  T scale;
  std::vector<T> queries, cotangents, panels, weights, scores, made;

  explicit Head(const Shape& shape)
      : n(shape.positions),
        c(shape.each),
        rows(in_packs<T>(n)),
        wide(in_packs<T>(c)),
        scale(static_cast<T>(1 / std::sqrt(static_cast<double>(c)))),
        queries(rows * c),
        cotangents(rows * c),
        panels(std::max(c * in_panels<T>(n), n * in_panels<T>(c))),
        weights(rows * rows),
        scores(rows * rows),
        made(rows * wide) {}

  // n rows of c numbers, `step` apart, times `by`.
  void copy(const T* from, int64_t step, T by, std::vector<T>& to) const { scaled(n, c, by, from, step, to.data(), c); }

  // The product of each row of a with each of the n rows of b.
  void of_pairs(const std::vector<T>& a, const T* b, int64_t step, std::vector<T>& to) {
    const auto columns = put_in_panels<T>(c, n, {b, 1, step}, panels.data());
    product(rows, rows, c, Strided<T>{a.data(), c, 1}, columns, nullptr, 0, to.data(), rows);
  }

  // a (n, n), or its transposed, times b (n, c), into `made`.
  void of_all(const std::vector<T>& a, bool transposed, const T* b, int64_t step) {
    const auto columns = put_in_panels<T>(n, c, {b, step, 1}, panels.data());
    const Strided<T> left{a.data(), transposed ? 1 : rows, transposed ? rows : 1};
    product(rows, wide, n, left, columns, nullptr, 0, made.data(), wide);
  }

  // The n rows of `made`, times `by`.
  void put(T by, T* to, int64_t step) const { scaled(n, c, by, made.data(), wide, to, step); }
};

// f(a head's room, which head) of all heads of all samples, on the threads that libtorch has.
template <typename T, typename F>
void each_head(const Shape& shape, const F& f) {
  at::parallel_for(0, shape.batch * shape.heads, 8, [&](int64_t from, int64_t to) {
    Head<T> head(shape);
    for (int64_t i = from; i < to; ++i) f(head, i);
  });
}

class Attention : public torch::autograd::Function<Attention> {
 public:
  static Tensor forward(AutogradContext* ctx, const Tensor& qkv, int64_t heads) {
    const Tensor a = qkv.contiguous();
    const Shape shape(a, heads);
    Tensor y = at::empty({shape.batch, shape.positions, shape.heads * shape.each}, a.options());
    // Of each row of scores, the logarithm of the sum of their exponentials.
    Tensor logarithms = at::empty({shape.batch * shape.heads, shape.positions}, a.options());
    of_kind(a, [&]<typename T>(T) {
      const T* from = read<T>(a);
      T *to = write<T>(y), *kept = write<T>(logarithms);
      const int64_t step = shape.row();
      each_head<T>(shape, [&](Head<T>& h, int64_t i) {
        h.copy(from + shape.begin(i, 0), step, h.scale, h.queries);
        h.of_pairs(h.queries, from + shape.begin(i, 1), step, h.weights);
        std::vector<T>& sums = h.cotangents;  // room for a number a row
        for (int64_t r = 0; r < h.n; ++r) {
          const auto total = exponentials(h.n, h.rows, h.weights.data() + r * h.rows);
          sums[r] = total.sum;
          kept[i * h.n + r] = total.logarithm;
        }
        h.of_all(h.weights, false, from + shape.begin(i, 2), step);
        // Divided at the end: c quotients a row in place of n.
        for (int64_t r = 0; r < h.n; ++r) {
          scaled(1, h.c, 1 / sums[r], h.made.data() + r * h.wide, 0, to + shape.seen(i) + r * heads * h.c, 0);
        }
      });
    });
    ctx->save_for_backward({qkv, logarithms});
    ctx->saved_data["heads"] = heads;
    return y;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const Tensor &qkv = saved[0], &logarithms = saved[1];
    const int64_t heads = ctx->saved_data["heads"].toInt();
    if (!grads[0].defined()) {
      grads[0] = at::zeros({qkv.size(0), qkv.size(1), qkv.size(2) / 3}, qkv.options());
    }
    if (strait::differentiated(grads)) {
      const auto again = [&](const variable_list& own) { return variable_list{plain(own[0], heads)}; };
      auto found = strait::double_backward(again, {qkv}, grads);
      found.resize(2);
      return found;
    }
    const Tensor a = qkv.contiguous(), g = grads[0].contiguous();
    const Shape shape(a, heads);
    Tensor to = like(a);
    of_kind(a, [&]<typename T>(T) {
      const T *from = read<T>(a), *given = read<T>(g), *kept = read<T>(logarithms);
      T* made = write<T>(to);
      const int64_t step = shape.row();
      each_head<T>(shape, [&](Head<T>& h, int64_t i) {
        const T *key = from + shape.begin(i, 1), *value = from + shape.begin(i, 2);
        h.copy(from + shape.begin(i, 0), step, h.scale, h.queries);
        h.copy(given + shape.seen(i), heads * h.c, T(1), h.cotangents);
        h.of_pairs(h.queries, key, step, h.weights);
        h.of_pairs(h.cotangents, value, step, h.scores);
        for (int64_t r = 0; r < h.n; ++r) {
          at_scores(h.n, h.rows, kept[i * h.n + r], h.weights.data() + r * h.rows, h.scores.data() + r * h.rows);
        }
        const auto put = [&](int64_t which, T by) { h.put(by, made + shape.begin(i, which), step); };
        h.of_all(h.scores, false, key, step);
        put(0, h.scale);
        h.of_all(h.scores, true, h.queries.data(), h.c);
        put(1, T(1));
        h.of_all(h.weights, true, h.cotangents.data(), h.c);
        put(2, T(1));
      });
    });
    return {to, Tensor()};
  }

 private:
  // The same of operations that have derivatives themselves.
  static Tensor plain(const Tensor& qkv, int64_t heads) {
    const int64_t batch = qkv.size(0), n = qkv.size(1), c = qkv.size(2) / (3 * heads);
    const Tensor parts = qkv.reshape({batch, n, 3, heads, c}).permute({2, 0, 3, 1, 4});
    const Tensor scores = at::matmul(parts.select(0, 0) / std::sqrt(static_cast<double>(c)), parts.select(0, 1).transpose(-2, -1));
    const Tensor weights = at::exp(scores - at::amax(scores.detach(), {-1}, true));
    const Tensor seen = at::matmul(weights, parts.select(0, 2)) / weights.sum({-1}, true);
    return seen.transpose(1, 2).reshape({batch, n, heads * c});
  }
};

}  // namespace

extern "C" {

char* strait_attention(Tensor* qkv, int64_t heads, Tensor** result) {
  return guarded([&] { *result = new Tensor(Attention::apply(*qkv, heads)); });
}

}  // extern "C"

}  // namespace strait::attention

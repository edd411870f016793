// A perceptron and its reverse derivative, all layers of a block of samples before the next block, so that what passes from
// layer to layer stays near. The value and the derivatives of a block are the rows of one matrix. Widths are padded to whole
// packs and samples to fours, with zeros.
#pragma once
#include "product.h"
#include "silu.h"

#include <algorithm>
#include <memory>
#include <vector>

namespace strait::perceptron {

// Rows of a block, which are shared by the value and the derivatives of its samples.
constexpr int64_t BLOCK = 96;

constexpr int64_t in_fours(int64_t n) { return (n + 3) / 4 * 4; }

// What stands between two layers.
enum class Between : int64_t { silu = 0, selu = 1 };

// Columns of the k-th derivative of the input.
template <typename T>
struct Columns {
  T* at;
  int64_t width, first, k;
};

template <typename T>
struct Layer {
  int64_t in, out;
  const T *weight, *bias;

  int64_t ins() const { return in_packs<T>(in); }
  int64_t outs() const { return in_packs<T>(out); }
};

// The network, and how many values and derivatives there are of the input and after a nonlinearity.
template <typename T>
struct Network {
  std::vector<Layer<T>> layers;
  Between between;
  int64_t given, made;

  int64_t count() const { return layers.size(); }
  int64_t before(int64_t l) const { return l == 0 ? given : made; }
  // Samples of a block.
  int64_t block() const { return std::max<int64_t>(BLOCK / std::max(given, made) / 4 * 4, 4); }
  int64_t widest() const {
    int64_t most = 0;
    for (const auto& layer : layers) most = std::max({most, layer.ins(), layer.outs()});
    return most;
  }
  // Numbers that are kept of each sample: after each layer but the last what its nonlinearity saw (of a value alone: the
  // slope there), and what came of it.
  int64_t kept() const {
    int64_t sum = 0;
    for (int64_t l = 0; l + 1 < count(); ++l) sum += (before(l) + made) * layers[l].outs();
    return sum;
  }
};

// Where a layer's numbers are kept, of those that a block of so many samples keeps from `at` on.
template <typename T>
struct Kept {
  T *seen, *made;
};
template <typename T>
Kept<T> kept_of(const Network<T>& net, int64_t l, int64_t samples, T* at) {
  for (int64_t i = 0; i < l; ++i) at += (net.before(i) + net.made) * net.layers[i].outs() * samples;
  return {at, at + net.before(l) * net.layers[l].outs() * samples};
}

// Numbers without a value yet.
template <typename T>
struct Room {
  std::unique_ptr<Pack<T>[]> packs;
  explicit Room(int64_t n) : packs(new Pack<T>[n / LANES<T> + 1]) {}
  T* at() const { return reinterpret_cast<T*>(packs.get()); }
};

// f(x); and with its slope, for the reverse.
template <typename T, Between between>
struct Nonlinear;
template <typename T>
struct Nonlinear<T, Between::silu> {
  static INLINE Pack<T> value(Pack<T> x) { return x * logistic(x); }
  static INLINE Pack<T> with_slope(Pack<T> x, Pack<T>& slope) {
    const Pack<T> s = logistic(x);
    slope = s + x * (s * (1 - s));
    return x * s;
  }
};
// Klambauer et al., arXiv 1706.02515.
template <typename T>
struct Nonlinear<T, Between::selu> {
  static constexpr T scale = 1.0507009873554804934193349852946, alpha = 1.6732632423543772848170429916717;
  static INLINE Pack<T> value(Pack<T> x) {
    const Pack<T> below = exponential_minus_one(x < 0 ? x : (x > 0 ? Pack<T>{} : x)) * (scale * alpha);
    return x > 0 ? x * scale : below;
  }
  static INLINE Pack<T> with_slope(Pack<T> x, Pack<T>& slope) {
    const Pack<T> y = value(x);
    slope = x > 0 ? Pack<T>{} + scale : y + scale * alpha;
    return y;
  }
};

// Over n numbers, a multiple of a pack.
template <typename T, Between between>
INLINE void over(int64_t n, T* x, T* y, bool with_slope) {
  for (int64_t i = 0; i < n; i += LANES<T>) {
    if (with_slope) {
      Pack<T> slope;
      store(y + i, Nonlinear<T, between>::with_slope(load(x + i), slope));
      store(x + i, slope);
    } else {
      store(y + i, Nonlinear<T, between>::value(load(x + i)));
    }
  }
}
template <typename T>
INLINE void over(Between between, int64_t n, T* x, T* y, bool with_slope) {
  between == Between::silu ? over<T, Between::silu>(n, x, y, with_slope) : over<T, Between::selu>(n, x, y, with_slope);
}
STRAIT_VECTOR static void value(Between between, int64_t n, float* x, float* y, bool with_slope) {
  over(between, n, x, y, with_slope);
}
static void value(Between between, int64_t n, double* x, double* y, bool with_slope) { over(between, n, x, y, with_slope); }

// What stands after layer l, of numbers n of each of the value and its derivatives.
template <typename T>
void nonlinear(const Network<T>& net, int64_t l, int64_t n, Kept<T> to, bool keep) {
  const int64_t given = net.before(l), made = net.made;
  if (made > 1) {
    const auto in = [&](int64_t k) { return k < given ? to.seen + k * n : nullptr; };
    const auto out = [&](int64_t k) { return k < made ? to.made + k * n : nullptr; };
    silu_jet(n, in(0), in(1), in(2), out(0), out(1), out(2));
  } else {
    value(net.between, n, to.seen, to.made, keep);
  }
}

// The derivative in what was seen, from that in what came of it.
template <typename T>
void pull_nonlinear(const Network<T>& net, int64_t l, int64_t n, Kept<T> from, T* g, T* to) {
  const int64_t given = net.before(l), made = net.made;
  if (made > 1) {
    const auto in = [&](int64_t k) { return k < given ? from.seen + k * n : nullptr; };
    const auto cotangent = [&](int64_t k) { return k < made ? g + k * n : nullptr; };
    const auto out = [&](int64_t k) { return k < given ? to + k * n : nullptr; };
    silu_jet_pull(n, in(0), in(1), in(2), cotangent(0), cotangent(1), cotangent(2), out(0), out(1), out(2));
    return;
  }
  for (int64_t i = 0; i < n; i += LANES<T>) store(to + i, load(g + i) * load(from.seen + i));
}

// Some samples of columns beside each other, from sample `from` on: a matrix of `parts` times `samples` rows.
template <typename T>
void gather(const std::vector<Columns<const T>>& columns, int64_t from, int64_t n, int64_t samples, int64_t parts,
                   int64_t width, T* to) {
  std::fill_n(to, parts * samples * width, T(0));
  for (const auto& c : columns) {
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t j = 0; j < c.width; ++j) to[(c.k * samples + i) * width + c.first + j] = c.at[(from + i) * c.width + j];
    }
  }
}
template <typename T>
void scatter(const std::vector<Columns<T>>& columns, int64_t from, int64_t n, int64_t samples, int64_t width,
                    const T* of) {
  for (const auto& c : columns) {
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t j = 0; j < c.width; ++j) c.at[(from + i) * c.width + j] = of[(c.k * samples + i) * width + c.first + j];
    }
  }
}

// The network at n samples: `to` is each derivative of the result. What its reverse needs goes to `kept`, unless it is null.
template <typename T>
struct Forth {
  const Network<T>& net;
  int64_t n;
  std::vector<Columns<const T>> x;
  std::vector<Columns<T>> to;
  T* kept;
};

template <typename T>
void go(const Forth<T>& f) {
  const Network<T>& net = f.net;
  const int64_t count = net.count(), block = net.block(), rows = std::max(net.given, net.made) * block;
  std::vector<Panels<T>> weights;
  std::vector<Room<T>> rooms;
  std::vector<T*> biases;
  for (const auto& layer : net.layers) {
    rooms.emplace_back(layer.in * in_panels<T>(layer.out));
    weights.push_back(put_in_panels<T>(layer.in, layer.out, {layer.weight, 1, layer.in}, rooms.back().at()));
    rooms.emplace_back(layer.outs());
    biases.push_back(rooms.back().at());
    std::fill_n(std::copy_n(layer.bias, layer.out, biases.back()), layer.outs() - layer.out, T(0));
  }
  const Room<T> input(rows * net.layers[0].ins()), seen(rows * net.widest()), made(rows * net.widest());
  for (int64_t from = 0; from < f.n; from += block) {
    const int64_t n = std::min(block, f.n - from), samples = in_fours(n);
    gather(f.x, from, n, samples, net.given, net.layers[0].ins(), input.at());
    const T* h = input.at();
    for (int64_t l = 0; l < count; ++l) {
      const Layer<T>& layer = net.layers[l];
      const bool last = l + 1 == count;
      const Kept<T> to = f.kept && !last ? kept_of(net, l, samples, f.kept + from * net.kept()) : Kept<T>{seen.at(), made.at()};
      const int64_t ins = layer.ins(), outs = layer.outs(), rest = (net.before(l) - 1) * samples;
      product(samples, outs, layer.in, {h, ins, 1}, weights[l], biases[l], 0, to.seen, outs);
      product(rest, outs, layer.in, {h + samples * ins, ins, 1}, weights[l], nullptr, 0, to.seen + samples * outs, outs);
      if (last) {
        scatter(f.to, from, n, samples, outs, to.seen);
      } else {
        nonlinear(net, l, samples * outs, to, f.kept != nullptr);
        h = to.made;
      }
    }
  }
}

// The reverse: from cotangents `g` of each derivative of the result, those of the input where `to` has any, and those of each
// layer, weight (out, in) and bias (out,), where there are any.
template <typename T>
struct Back {
  const Network<T>& net;
  int64_t n;
  std::vector<Columns<const T>> x, g;
  T* kept;
  std::vector<Columns<T>> to;
  std::vector<T*> weights, biases;
};

template <typename T>
void go(const Back<T>& f) {
  const Network<T>& net = f.net;
  const int64_t count = net.count(), block = net.block(), rows = std::max(net.given, net.made) * block;
  const bool of_layers = !f.weights.empty();
  std::vector<Panels<T>> weights;
  std::vector<Room<T>> rooms;
  std::vector<T*> of_weights, of_biases;
  for (const auto& layer : net.layers) {
    rooms.emplace_back(layer.out * in_panels<T>(layer.in));
    weights.push_back(put_in_panels<T>(layer.out, layer.in, {layer.weight, layer.in, 1}, rooms.back().at()));
    rooms.emplace_back(layer.outs() * layer.ins());
    std::fill_n(of_weights.emplace_back(rooms.back().at()), layer.outs() * layer.ins(), T(0));
    rooms.emplace_back(layer.outs());
    std::fill_n(of_biases.emplace_back(rooms.back().at()), layer.outs(), T(0));
  }
  const Room<T> input(rows * net.layers[0].ins()), one(rows * net.widest()), other(rows * net.widest());
  for (int64_t from = 0; from < f.n; from += block) {
    const int64_t n = std::min(block, f.n - from), samples = in_fours(n);
    T *g = one.at(), *next = other.at();
    gather(f.x, from, n, samples, net.given, net.layers[0].ins(), input.at());
    gather(f.g, from, n, samples, net.before(count - 1), net.layers[count - 1].outs(), g);
    for (int64_t l = count - 1; l >= 0; --l) {
      const Layer<T>& layer = net.layers[l];
      const int64_t ins = layer.ins(), outs = layer.outs(), m = net.before(l) * samples;
      const Kept<T> kept = l > 0 ? kept_of(net, l - 1, samples, f.kept + from * net.kept()) : Kept<T>{nullptr, input.at()};
      if (of_layers) {
        product(outs, ins, m, {g, 1, outs}, {kept.made, ins, PANEL<T>}, of_weights[l], ins, of_weights[l], ins);
        for (int64_t i = 0; i < samples; ++i) {
          for (int64_t j = 0; j < outs; ++j) of_biases[l][j] += g[i * outs + j];
        }
      }
      if (l == 0 && f.to.empty()) break;
      product(m, ins, layer.out, {g, outs, 1}, weights[l], nullptr, 0, next, ins);
      if (l == 0) {
        scatter(f.to, from, n, samples, ins, next);
      } else {
        pull_nonlinear(net, l - 1, samples * ins, kept, next, g);
      }
    }
  }
  for (int64_t l = 0; of_layers && l < count; ++l) {
    const Layer<T>& layer = net.layers[l];
    for (int64_t i = 0; i < layer.out; ++i) std::copy_n(of_weights[l] + i * layer.ins(), layer.in, f.weights[l] + i * layer.in);
    std::copy_n(of_biases[l], layer.out, f.biases[l]);
  }
}

}  // namespace strait::perceptron

// A perceptron and its reverse derivative, all layers of a block of samples before the next block, so that what passes from
// layer to layer stays near. The value and the derivatives of a block are the rows of one matrix. Widths are padded to whole
// packs and samples to fours, with zeros.
#pragma once
#include "product.h"
#include "silu.h"

#include <algorithm>
#include <iterator>
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
  // Rows of the matrix of a block.
  int64_t rows() const { return std::max(given, made) * block(); }
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

// The products of n numbers, a multiple of a pack.
template <typename T>
INLINE void products(int64_t n, const T* x, const T* y, T* to) {
  for (int64_t i = 0; i < n; i += LANES<T>) store(to + i, load(x + i) * load(y + i));
}
STRAIT_VECTOR static void times(int64_t n, const float* x, const float* y, float* to) { products(n, x, y, to); }
STRAIT_VECTOR static void times(int64_t n, const double* x, const double* y, double* to) { products(n, x, y, to); }

// The rows of a matrix of whole packs, one after the other, on top of what is there.
template <typename T>
INLINE void sum_rows(int64_t rows, int64_t width, const T* x, T* to) {
  for (int64_t j = 0; j < width; j += LANES<T>) {
    Pack<T> sum = load(to + j);
    for (int64_t i = 0; i < rows; ++i) sum += load(x + i * width + j);
    store(to + j, sum);
  }
}
STRAIT_VECTOR static void add_rows(int64_t rows, int64_t width, const float* x, float* to) { sum_rows(rows, width, x, to); }
STRAIT_VECTOR static void add_rows(int64_t rows, int64_t width, const double* x, double* to) {
  sum_rows(rows, width, x, to);
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
  times(n, g, from.seen, to);
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

// The way forth: weights and biases as it reads them, and room for a block of the values or of a jet.
template <typename T>
struct Forward {
  std::vector<Panels<T>> weights;
  std::vector<Room<T>> rooms;
  std::vector<T*> biases;
  Room<T> input, seen, made;

  explicit Forward(const Network<T>& net)
      : input(net.rows() * net.layers[0].ins()), seen(net.rows() * net.widest()), made(net.rows() * net.widest()) {
    for (const auto& layer : net.layers) {
      rooms.emplace_back(layer.in * in_panels<T>(layer.out));
      weights.push_back(put_in_panels<T>(layer.in, layer.out, {layer.weight, 1, layer.in}, rooms.back().at()));
      rooms.emplace_back(layer.outs());
      biases.push_back(rooms.back().at());
      std::fill_n(std::copy_n(layer.bias, layer.out, biases.back()), layer.outs() - layer.out, T(0));
    }
  }

  // What comes of n samples of x from `from` on, each a row of the last layer. What the reverse needs goes to `kept`, unless
  // it is null.
  const T* block(const Network<T>& net, const std::vector<Columns<const T>>& x, int64_t from, int64_t n, T* kept) const {
    gather(x, from, n, in_fours(n), net.given, net.layers[0].ins(), input.at());
    return block(net, input.at(), n, kept);
  }

  // The same of a block whose input is gathered.
  const T* block(const Network<T>& net, const T* h, int64_t n, T* kept) const {
    const int64_t samples = in_fours(n);
    for (int64_t l = 0; l < net.count(); ++l) {
      const Layer<T>& layer = net.layers[l];
      const bool last = l + 1 == net.count();
      const Kept<T> to = kept && !last ? kept_of(net, l, samples, kept) : Kept<T>{seen.at(), made.at()};
      const int64_t ins = layer.ins(), outs = layer.outs(), rest = (net.before(l) - 1) * samples;
      product(samples, outs, layer.in, {h, ins, 1}, weights[l], biases[l], 0, to.seen, outs);
      product(rest, outs, layer.in, {h + samples * ins, ins, 1}, weights[l], nullptr, 0, to.seen + samples * outs, outs);
      if (!last) nonlinear(net, l, samples * outs, to, kept != nullptr);
      h = last ? to.seen : to.made;
    }
    return h;
  }
};

// The way back, with the sums over all samples of what the layers get.
template <typename T>
struct Backward {
  const std::vector<Layer<T>>& layers;
  const bool of_layers, of_input;
  std::vector<Panels<T>> weights;
  std::vector<Room<T>> rooms;
  std::vector<T*> of_weights, of_biases;
  Room<T> one, other;

  Backward(const Network<T>& net, bool of_layers, bool of_input)
      : layers(net.layers),
        of_layers(of_layers),
        of_input(of_input),
        one(net.rows() * net.widest()),
        other(net.rows() * net.widest()) {
    for (const auto& layer : net.layers) {
      rooms.emplace_back(layer.out * in_panels<T>(layer.in));
      weights.push_back(put_in_panels<T>(layer.out, layer.in, {layer.weight, layer.in, 1}, rooms.back().at()));
      rooms.emplace_back(layer.outs() * layer.ins());
      std::fill_n(of_weights.emplace_back(rooms.back().at()), layer.outs() * layer.ins(), T(0));
      rooms.emplace_back(layer.outs());
      std::fill_n(of_biases.emplace_back(rooms.back().at()), layer.outs(), T(0));
    }
  }

  // Where the cotangents of a block belong, rows of the last layer.
  T* cotangents() const { return one.at(); }

  // From the cotangents of n samples with this input, and what was kept of them, those of the input, where they are wanted.
  const T* block(const Network<T>& net, int64_t n, T* input, T* kept) const { return block(net, n, input, net, kept); }

  // The same of the values alone, where `kept` is that of a jet.
  const T* block(const Network<T>& net, int64_t n, T* input, const Network<T>& keeper, T* kept) const {
    const int64_t samples = in_fours(n);
    T *g = one.at(), *next = other.at();
    for (int64_t l = net.count() - 1; l >= 0; --l) {
      const Layer<T>& layer = net.layers[l];
      const int64_t ins = layer.ins(), outs = layer.outs(), m = net.before(l) * samples;
      const Kept<T> before = l > 0 ? kept_of(keeper, l - 1, samples, kept) : Kept<T>{nullptr, input};
      if (of_layers) {
        product(outs, ins, m, {g, 1, outs}, {before.made, ins, PANEL<T>}, of_weights[l], ins, of_weights[l], ins);
        add_rows(samples, outs, g, of_biases[l]);
      }
      if (l == 0 && !of_input) return nullptr;
      product(m, ins, layer.out, {g, outs, 1}, weights[l], nullptr, 0, next, ins);
      if (l > 0) pull_nonlinear(net, l - 1, samples * ins, before, next, g);
    }
    return next;
  }

  // What each layer gets: weight (out, in) and bias (out,).
  void put(const std::vector<T*>& to_weights, const std::vector<T*>& to_biases) const {
    for (size_t l = 0; of_layers && l < layers.size(); ++l) {
      const Layer<T>& layer = layers[l];
      for (int64_t i = 0; i < layer.out; ++i) {
        std::copy_n(of_weights[l] + i * layer.ins(), layer.in, to_weights[l] + i * layer.in);
      }
      std::copy_n(of_biases[l], layer.out, to_biases[l]);
    }
  }
};

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
  const Forward<T> forward(net);
  for (int64_t from = 0; from < f.n; from += net.block()) {
    const int64_t n = std::min(net.block(), f.n - from);
    const T* made = forward.block(net, f.x, from, n, f.kept ? f.kept + from * net.kept() : nullptr);
    scatter(f.to, from, n, in_fours(n), net.layers.back().outs(), made);
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
  const Backward<T> backward(net, !f.weights.empty(), !f.to.empty());
  const int64_t ins = net.layers[0].ins();
  const Room<T> input(net.rows() * ins);
  for (int64_t from = 0; from < f.n; from += net.block()) {
    const int64_t n = std::min(net.block(), f.n - from), samples = in_fours(n);
    gather(f.x, from, n, samples, net.given, ins, input.at());
    gather(f.g, from, n, samples, net.before(net.count() - 1), net.layers.back().outs(), backward.cotangents());
    const T* pulled = backward.block(net, n, input.at(), f.kept + from * net.kept());
    if (pulled) scatter(f.to, from, n, samples, ins, pulled);
  }
  backward.put(f.weights, f.biases);
}

// What the last samples of a regression are held to, by a derivative of the network's own values u(x, s, t) along a scalar;
// without one their target is given.
enum class Identity : int64_t {
  none = 0,
  mean_flow = 1,   // u = y + h u', with the gradient stopped at the right side
  lagrangian = 2,  // u + h u' = u(x + h u, ...) of other times, with the gradient stopped at the right side
};

// The mean squared distance of a network's values at n samples to a target (n, out), with its derivative in each layer, and
// that of each sample: each block forth and back at once, so that nothing is kept beyond a block.
template <typename T>
struct Regression {
  const Network<T>& net;
  int64_t n;
  std::vector<Columns<const T>> x;
  T* target;  // of the samples with an identity, what it makes of it
  T* of_each;
  std::vector<T*> weights, biases;
  // Of the last `off` samples: h, and of the right side of `lagrangian` the input but for its first columns, x + h u.
  Identity identity = Identity::none;
  int64_t off = 0;
  const T* span = nullptr;
  std::vector<Columns<const T>> end = {};
};

// Of the values and the derivatives of a block of samples, their distance to the target, with its derivatives.
template <typename T>
struct Distances {
  const Regression<T>& f;
  int64_t out, outs;
  double total = 0;

  // `weight` is null for the values alone; else it is h, of the derivative that stands beside each value.
  void block(int64_t from, int64_t n, const T* u, const T* du, const T* weight, T* g) {
    const int64_t samples = in_fours(n);
    const T twice = 2 * (T(1) / static_cast<T>(f.n));
    std::fill_n(g, (weight ? 2 : 1) * samples * outs, T(0));
    for (int64_t i = 0; i < n; ++i) {
      double square = 0;
      for (int64_t j = 0; j < out; ++j) {
        const T made = weight ? u[i * outs + j] + weight[i] * du[i * outs + j] : u[i * outs + j];
        const T off = made - f.target[(from + i) * out + j];
        square += off * off;
        g[i * outs + j] = twice * off;
        if (weight) g[(samples + i) * outs + j] = weight[i] * (twice * off);
      }
      f.of_each[from + i] = static_cast<T>(square);
      total += square;
    }
  }
};

template <typename T>
double go(const Regression<T>& f) {
  const Network<T>& net = f.net;
  const Network<T> jet{net.layers, net.between, 2, 2};
  const Forward<T> forward(net);
  const Backward<T> backward(net, true, false);
  const Room<T> kept(std::max(in_fours(net.block()) * net.kept(), in_fours(jet.block()) * jet.kept()));
  const int64_t out = net.layers.back().out, outs = net.layers.back().outs(), ins = net.layers[0].ins();
  Distances<T> distances{f, out, outs};
  T* g = backward.cotangents();

  std::vector<Columns<const T>> values;
  std::copy_if(f.x.begin(), f.x.end(), std::back_inserter(values), [](const auto& c) { return c.k == 0; });
  const int64_t on = f.n - f.off;
  for (int64_t from = 0; from < on; from += net.block()) {
    const int64_t n = std::min(net.block(), on - from);
    distances.block(from, n, forward.block(net, values, from, n, kept.at()), nullptr, nullptr, g);
    backward.block(net, n, forward.input.at(), kept.at());
  }

  const Room<T> both(f.off ? jet.rows() * outs : 0), end(f.off ? net.rows() * ins : 0);
  for (int64_t from = on; from < f.n; from += jet.block()) {
    const int64_t n = std::min(jet.block(), f.n - from), samples = in_fours(n);
    std::copy_n(forward.block(jet, f.x, from, n, kept.at()), 2 * samples * outs, both.at());
    const T *u = both.at(), *du = u + samples * outs, *h = f.span + (from - on);
    T* target = f.target + from * out;
    if (f.identity == Identity::lagrangian) {
      gather(f.end, from - on, n, samples, 1, ins, end.at());
      for (int64_t i = 0; i < n; ++i) {
        for (int64_t j = 0; j < out; ++j) end.at()[i * ins + j] = values[0].at[(from + i) * out + j] + h[i] * u[i * outs + j];
      }
      const T* taught = forward.block(net, end.at(), n, nullptr);
      for (int64_t i = 0; i < n; ++i) std::copy_n(taught + i * outs, out, target + i * out);
      distances.block(from, n, u, du, h, g);
      backward.block(jet, n, forward.input.at(), kept.at());
    } else {
      for (int64_t i = 0; i < n; ++i) {
        for (int64_t j = 0; j < out; ++j) target[i * out + j] += h[i] * du[i * outs + j];
      }
      distances.block(from, n, u, nullptr, nullptr, g);
      // The reverse of values reads slopes.
      for (int64_t l = 0; l + 1 < net.count(); ++l) {
        const Kept<T> to = kept_of(jet, l, samples, kept.at());
        value(net.between, samples * net.layers[l].outs(), to.seen, to.made, true);
      }
      backward.block(net, n, forward.input.at(), jet, kept.at());
    }
  }
  backward.put(f.weights, f.biases);
  return distances.total / static_cast<double>(f.n);
}

}  // namespace strait::perceptron

// Passes over what a group norm normalises, which lies in the cache: a group of channels of a sample where its numbers lie one
// after the other, and a whole sample where the channels lie beside each other at each place.
#pragma once
#include "product.h"

#include <cmath>

namespace strait::group_norm {

// The channels' own weights and shifts, and those that FiLM gives to each sample: null where there are none.
template <typename T>
struct Weights {
  const T *weight, *bias, *film;
  int64_t channels;
  INLINE T scale(int64_t b, int64_t c) const { return film ? 1 + film[2 * b * channels + c] : T(1); }
  // Of channel c of sample b: SiLU is of (x - mean) slope + shift.
  INLINE T slope(int64_t b, int64_t c, T inverse) const { return weight[c] * scale(b, c) * inverse; }
  INLINE T shift(int64_t b, int64_t c) const {
    return bias[c] * scale(b, c) + (film ? film[(2 * b + 1) * channels + c] : T(0));
  }
};

// Numbers whose sum is taken in their own precision before it goes on in double: a multiple of every pack.
constexpr int64_t PART = 2048;

// The sum of f(0) to f(n - 1).
template <typename T, typename F>
INLINE double long_sum(int64_t n, const F& f) {
  double all = 0;
  for (int64_t from = 0; from < n; from += PART) {
    all += sum<T>(std::min(PART, n - from), [&](int64_t i) { return f(from + i); });
  }
  return all;
}

// The sums of f(place) over all places, for each lane.
template <typename T, typename F>
INLINE void lane_sums(int64_t places, double* to, const F& f) {
  std::fill(to, to + LANES<T>, 0.0);
  for (int64_t from = 0; from < places; from += PART) {
    Pack<T> part{};
    for (int64_t p = from; p < std::min(places, from + PART); ++p) part += f(p);
    for (int l = 0; l < LANES<T>; ++l) to[l] += part[l];
  }
}

template <typename T>
INLINE T inverse_of(double squares, double count, double epsilon) {
  return static_cast<T>(1 / std::sqrt(squares / count + epsilon));
}

// The derivative of SiLU at z times a cotangent.
template <typename V>
INLINE V pulled(V z, V cotangent) {
  const V s = logistic(z);
  return cotangent * (s + z * s * (1 - s));
}

// What of a cotangent of normalised numbers moves or stretches their group, per number, from its sums by channel.
template <typename T>
struct Common {
  double moved = 0, stretched = 0;
  INLINE void add(const Weights<T>& weights, int64_t b, int64_t c, const double* sums) {
    const double slope = static_cast<double>(weights.weight[c]) * weights.scale(b, c);
    moved += slope * sums[0];
    stretched += slope * sums[1];
  }
  INLINE T moves(double inverse, double count) const { return static_cast<T>(inverse * moved / count); }
  INLINE T stretches(double inverse, double count) const { return static_cast<T>(inverse * inverse * stretched / count); }
};

// Numbers (B, C, P) one after the other. A unit is a group of channels of a sample.
template <typename T>
struct ChannelsFirst {
  Weights<T> weights;
  int64_t groups, places;

  int64_t units(int64_t batch) const { return batch * groups; }
  int64_t numbers() const { return weights.channels / groups * places; }
  int64_t room() const { return 0; }

  // SiLU of unit i into y; its mean, and the inverse of its spread.
  INLINE void forward(int64_t i, double epsilon, const T* all, T* ys, T* means, T* inverses, T*) const {
    const int64_t each = weights.channels / groups, n = each * places;
    const T* x = all + i * n;
    const double count = static_cast<double>(n);
    // From the first number on, so that those far from zero keep their digits.
    const T mean = static_cast<T>(x[0] + long_sum<T>(n, [&](int64_t j) { return x[j] - x[0]; }) / count);
    const double squares = long_sum<T>(n, [&](int64_t j) { return (x[j] - mean) * (x[j] - mean); });
    const T inverse = inverse_of<T>(squares, count, epsilon);
    means[i] = mean;
    inverses[i] = inverse;
    for (int64_t j = 0; j < each; ++j) {
      const int64_t b = i / groups, c = i % groups * each + j;
      const T slope = weights.slope(b, c, inverse), shift = weights.shift(b, c);
      const T* __restrict from = x + j * places;
      T* __restrict to = ys + i * n + j * places;
      for (int64_t p = 0; p < places; ++p) {
        const T z = (from[p] - mean) * slope + shift;
        to[p] = z * logistic(z);
      }
    }
  }

  // From the cotangent g of y: that of x, and of each channel (B, C, 2) the sum of what comes to the norm, and that with the
  // normalised numbers.
  INLINE void backward(int64_t i, const T* all, const T* means, const T* inverses, const T* gs, T* gx, double* sums, T*) const {
    const int64_t each = weights.channels / groups, n = each * places, b = i / groups;
    const T mean = means[i], inverse = inverses[i];
    Common<T> common;
    for (int64_t j = 0; j < each; ++j) {
      const int64_t c = i % groups * each + j, at = i * n + j * places;
      double* own = sums + 2 * (b * weights.channels + c);
      at_norm(all + at, mean, weights.slope(b, c, inverse), weights.shift(b, c), gs + at, gx + at, own);
      own[1] *= inverse;
      common.add(weights, b, c, own);
    }
    const double count = static_cast<double>(n);
    const T moves = common.moves(inverse, count), stretches = common.stretches(inverse, count);
    for (int64_t j = 0; j < each; ++j) {
      const int64_t at = i * n + j * places;
      const T slope = weights.slope(b, i % groups * each + j, inverse);
      const T* __restrict x = all + at;
      T* __restrict to = gx + at;
      for (int64_t p = 0; p < places; ++p) to[p] = slope * to[p] - moves - (x[p] - mean) * stretches;
    }
  }

 private:
  INLINE void at_norm(const T* x, T mean, T slope, T shift, const T* g, T* to, double* own) const {
    own[0] = own[1] = 0;
    for (int64_t from = 0; from < places; from += PART) {
      const int64_t end = std::min(places, from + PART);
      Pack<T> sum{}, moved{};
      const auto take = [&](int64_t p, size_t bytes) __attribute__((always_inline)) {
        Pack<T> a{}, cotangent{};
        std::memcpy(&a, x + p, bytes);
        std::memcpy(&cotangent, g + p, bytes);
        const Pack<T> d = a - mean, at = pulled(d * slope + shift, cotangent);
        sum += at;
        moved += at * d;
        std::memcpy(to + p, &at, bytes);
      };
      int64_t p = from;
      for (; p + LANES<T> <= end; p += LANES<T>) take(p, sizeof(Pack<T>));
      if (p < end) take(p, static_cast<size_t>(end - p) * sizeof(T));
      own[0] += total<T>(sum);
      own[1] += total<T>(moved);
    }
  }
};

// Numbers (B, P, C) one after the other, the channels a whole count of packs. A unit is a sample.
template <typename T>
struct ChannelsLast {
  Weights<T> weights;
  int64_t groups, places;

  int64_t units(int64_t batch) const { return batch; }
  int64_t numbers() const { return weights.channels * places; }
  // Numbers of T of a unit: four a channel, and two doubles.
  int64_t room() const { return 8 * weights.channels; }

  INLINE void forward(int64_t b, double epsilon, const T* all, T* ys, T* means, T* inverses, T* room) const {
    const int64_t channels = weights.channels, each = channels / groups;
    const T* x = all + b * numbers();
    T *y = ys + b * numbers(), *mean = room, *slope = room + channels, *shift = room + 2 * channels;
    double* sums = reinterpret_cast<double*>(room + 4 * channels);
    const double count = static_cast<double>(each * places);
    for (int64_t c = 0; c < channels; c += LANES<T>) {
      const Pack<T> first = load(x + c);
      lane_sums<T>(places, sums + c, [&](int64_t p) { return load(x + p * channels + c) - first; });
    }
    for (int64_t g = 0; g < groups; ++g) {
      double all_of = 0;
      for (int64_t c = g * each; c < (g + 1) * each; ++c) all_of += sums[c] + static_cast<double>(places) * x[c];
      means[b * groups + g] = static_cast<T>(all_of / count);
      std::fill(mean + g * each, mean + (g + 1) * each, means[b * groups + g]);
    }
    for (int64_t c = 0; c < channels; c += LANES<T>) {
      const Pack<T> m = load(mean + c);
      lane_sums<T>(places, sums + c, [&](int64_t p) {
        const Pack<T> d = load(x + p * channels + c) - m;
        return d * d;
      });
    }
    for (int64_t g = 0; g < groups; ++g) {
      double squares = 0;
      for (int64_t c = g * each; c < (g + 1) * each; ++c) squares += sums[c];
      inverses[b * groups + g] = inverse_of<T>(squares, count, epsilon);
    }
    lines(b, inverses, slope, shift);
    for (int64_t p = 0; p < places; ++p) {
      for (int64_t c = 0; c < channels; c += LANES<T>) {
        const int64_t i = p * channels + c;
        const Pack<T> z = (load(x + i) - load(mean + c)) * load(slope + c) + load(shift + c);
        store(y + i, z * logistic(z));
      }
    }
  }

  INLINE void backward(int64_t b, const T* all, const T* means, const T* inverses, const T* gs, T* gx, double* sums,
                       T* room) const {
    const int64_t channels = weights.channels, each = channels / groups;
    const T *x = all + b * numbers(), *g = gs + b * numbers();
    T *to = gx + b * numbers(), *mean = room, *slope = room + channels;
    T *shift = room + 2 * channels, *stretches = room + 3 * channels, *moves = shift;
    for (int64_t c = 0; c < channels; ++c) mean[c] = means[b * groups + c / each];
    lines(b, inverses, slope, shift);
    for (int64_t c = 0; c < channels; c += LANES<T>) {
      const Pack<T> m = load(mean + c), by = load(slope + c), beside = load(shift + c);
      double all_of[LANES<T>], moved[LANES<T>];
      lane_sums<T>(places, all_of, [&](int64_t p) __attribute__((always_inline)) {
        const int64_t i = p * channels + c;
        const Pack<T> at = pulled((load(x + i) - m) * by + beside, load(g + i));
        store(to + i, at);
        return at;
      });
      lane_sums<T>(places, moved, [&](int64_t p) { return load(to + p * channels + c) * (load(x + p * channels + c) - m); });
      for (int l = 0; l < LANES<T>; ++l) {
        double* own = sums + 2 * (b * channels + c + l);
        own[0] = all_of[l];
        own[1] = moved[l] * inverses[b * groups + (c + l) / each];
      }
    }
    const double count = static_cast<double>(each * places);
    for (int64_t group = 0; group < groups; ++group) {
      Common<T> common;
      for (int64_t c = group * each; c < (group + 1) * each; ++c) common.add(weights, b, c, sums + 2 * (b * channels + c));
      const double inverse = inverses[b * groups + group];
      std::fill(moves + group * each, moves + (group + 1) * each, common.moves(inverse, count));
      std::fill(stretches + group * each, stretches + (group + 1) * each, common.stretches(inverse, count));
    }
    for (int64_t p = 0; p < places; ++p) {
      for (int64_t c = 0; c < channels; c += LANES<T>) {
        const int64_t i = p * channels + c;
        const Pack<T> stretched = (load(x + i) - load(mean + c)) * load(stretches + c);
        store(to + i, load(slope + c) * load(to + i) - load(moves + c) - stretched);
      }
    }
  }

 private:
  INLINE void lines(int64_t b, const T* inverses, T* slope, T* shift) const {
    const int64_t each = weights.channels / groups;
    for (int64_t c = 0; c < weights.channels; ++c) {
      slope[c] = weights.slope(b, c, inverses[b * groups + c / each]);
      shift[c] = weights.shift(b, c);
    }
  }
};

}  // namespace strait::group_norm

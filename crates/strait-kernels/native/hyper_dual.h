// Numbers that move in two directions q and p at once (hyper-dual numbers; Fike and Alonso, 2011): value, both first
// derivatives and the mixed one, each taken in a sweep of its own, and in reverse.
#pragma once
#include "elementwise.h"

namespace strait {

enum class Part { Value, Q, P, Both };

template <typename V>
struct HyperDual {
  V value, q, p, both;

  template <Part part>
  INLINE V& at() {
    if constexpr (part == Part::Value) return value;
    if constexpr (part == Part::Q) return q;
    if constexpr (part == Part::P) return p;
    if constexpr (part == Part::Both) return both;
  }
};

// Whether a part of what is computed takes another part of what it is computed from.
constexpr bool takes(Part part, Part other) { return part == other || part == Part::Both || other == Part::Value; }

// A function with three derivatives at the value of a number.
template <typename V>
struct Taylor {
  V f[4];

  // A part of f(x).
  template <Part part>
  INLINE V at(const HyperDual<V>& x) const {
    if constexpr (part == Part::Value) return f[0];
    if constexpr (part == Part::Q) return f[1] * x.q;
    if constexpr (part == Part::P) return f[1] * x.p;
    if constexpr (part == Part::Both) return f[1] * x.both + f[2] * x.q * x.p;
  }

  // The derivatives in x, added to `to`, from that in this part.
  template <Part part>
  INLINE void pull(const HyperDual<V>& x, V g, HyperDual<V>& to) const {
    if constexpr (part == Part::Value) to.value += f[1] * g;
    if constexpr (part == Part::Q) {
      to.q += f[1] * g;
      to.value += f[2] * x.q * g;
    }
    if constexpr (part == Part::P) {
      to.p += f[1] * g;
      to.value += f[2] * x.p * g;
    }
    if constexpr (part == Part::Both) {
      to.both += f[1] * g;
      to.q += f[2] * x.p * g;
      to.p += f[2] * x.q * g;
      to.value += (f[2] * x.both + f[3] * x.q * x.p) * g;
    }
  }
};

// A function of t with two derivatives: t moves at speed 1 in both directions.
template <typename T>
struct Clock {
  T value, first, second;
};

// g(t) f(x).
template <typename V, typename T>
struct Gated {
  Taylor<V> f;
  Clock<T> gate;
  HyperDual<V> x;

  template <Part part>
  INLINE V at() const {
    V whole = gate.value * f.template at<part>(x);
    if constexpr (part == Part::Q || part == Part::P) whole += gate.first * f.f[0];
    if constexpr (part == Part::Both) {
      whole += gate.first * (f.template at<Part::Q>(x) + f.template at<Part::P>(x)) + gate.second * f.f[0];
    }
    return whole;
  }

  template <Part part>
  INLINE void pull(V g, HyperDual<V>& to) const {
    f.template pull<part>(x, gate.value * g, to);
    if constexpr (part == Part::Q || part == Part::P) f.template pull<Part::Value>(x, gate.first * g, to);
    if constexpr (part == Part::Both) {
      f.template pull<Part::Q>(x, gate.first * g, to);
      f.template pull<Part::P>(x, gate.first * g, to);
      f.template pull<Part::Value>(x, gate.second * g, to);
    }
  }
};

}  // namespace strait

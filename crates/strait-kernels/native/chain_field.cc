// The marginal field (marginal.h) of paths through a chain of bijections, x = t x1 + (1 - t) F_t(y; x1), F = f_L ... f_1, in
// one pass. For a point, an end and z_L = (x - t x1) / (1 - t), with q the direction of t at fixed y and p that of the flow,
// four sweeps over the stages:
//
//   back, z_L to z_0 = y and the log-determinant;       forth, z_q from 0:  u = x1 - z_L + (1 - t) z_q;
//   back, z_p from (v - x1 + z_L) / (1 - t) to dy, and the log-determinant's derivative;
//   forth, z_pq from 0:  du = (1 - t) z_pq - z_p - z_q.
//
// What endpoints and time alone make of a stage is given; it is the same for all points.
#include "marginal.h"
#include "stages.h"

#include <vector>

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace strait::chain_field {
namespace {

// The tensors of a stage. Linear: the matrix (T, d, d) with two derivatives, its inverse, the shift (T, d) with two
// derivatives. Coupling: the offset of the hidden layer (T K, h) with two derivatives, its weight (h, n), the weight (2m, h)
// and the bias (2m) of what follows, the gate (T, 3), which is not differentiated.
constexpr size_t OF_STAGE = 7;
// Before them: points, endpoints, times.
constexpr size_t BEFORE = 3;

enum Kind : int64_t { LINEAR, FIRST_ACTIVE, LAST_ACTIVE };

struct Layout {
  std::vector<int64_t> kinds;
  std::vector<double> bounds;  // of the couplings' log-scales

  size_t stages() const { return kinds.size(); }
};

// Whether a stage's tensor has a row for all times together, so that its derivative is the sum over times.
bool timeless(int64_t kind, size_t i) { return kind != LINEAR && i >= 3 && i < 6; }

template <typename T>
class ChainPaths {
  using V = Pack<T>;

 public:
  // `pulled` has room for derivatives like `in` has tensors, but for endpoints, times and gates.
  INLINE ChainPaths(Sizes z, const Layout& layout, const variable_list& in, const variable_list* pulled)
      : z(z), x1(read<T>(in[1])), t(read<T>(in[2])), pulled(pulled), packs(packs_of<T>(z.endpoints)) {
    int64_t raw = 0, room = 0;
    for (size_t l = 0; l < layout.stages(); ++l) {
      Stage s{};
      for (size_t i = 0; i < OF_STAGE; ++i) {
        s.given[i] = read<T>(in[BEFORE + l * OF_STAGE + i]);
        const int64_t all_times = timeless(layout.kinds[l], i) ? 1 : std::max<int64_t>(z.times, 1);
        s.size[i] = in[BEFORE + l * OF_STAGE + i].numel() / all_times;
      }
      s.linear = layout.kinds[l] == LINEAR;
      s.raw = raw;
      s.room = room;
      if (s.linear) {
        room += 4 * z.d * z.d + 3 * z.d;
      } else {
        Coupling<T>& f = s.coupling;
        f.hidden = in[BEFORE + l * OF_STAGE].size(1);
        f.m = z.d - z.d / 2;
        f.n = z.d - f.m;
        f.active = layout.kinds[l] == FIRST_ACTIVE ? 0 : f.n;
        f.passive = layout.kinds[l] == FIRST_ACTIVE ? f.m : 0;
        f.bound = layout.bounds[l];
        raw += 2 * f.m;
        room += f.hidden * (3 * packs + f.n + 2 * f.m) + 2 * f.m;
        offsets_of.push_back(std::unique_ptr<V[]>(new V[f.hidden * packs * 3]));
        f.offsets = offsets_of.back().get();
      }
      stages.push_back(s);
    }
    levels = (stages.size() + 1) * z.d;
    values.reset(new HyperDual<V>[packs * (levels + raw)]());
    endpoints.reset(new V[packs * z.d]);
    for (int64_t c = 0; c < packs; ++c) {
      for (int i = 0; i < z.d; ++i) endpoints[c * z.d + i] = at_rows(x1, c * LANES<T>, z.endpoints, z.d, i);
    }
    each = levels + raw;
    if (!pulled) return;
    adjoints.reset(new HyperDual<V>[packs * each]);
    grads.reset(new V[room]);
    all = room;
    for (auto& s : stages) {
      V* at = grads.get() + s.room;
      const auto next = [&](int64_t size) { return std::exchange(at, at + size); };
      if (s.linear) {
        for (int k = 0; k < 3; ++k) s.map.matrix_grad[k] = next(z.d * z.d);
        s.map.inverse_grad = next(z.d * z.d);
        for (int k = 0; k < 3; ++k) s.map.shift_grad[k] = next(z.d);
      } else {
        Coupling<T>& f = s.coupling;
        f.offsets_grad = next(f.hidden * packs * 3);
        f.inner_grad = next(f.hidden * f.n);
        f.outer_grad = next(f.hidden * 2 * f.m);
        f.bias_grad = next(2 * f.m);
      }
    }
  }

  INLINE void start(int64_t time) {
    now = t[time];
    rest = 1 - now;
    for (auto& s : stages) {
      if (s.linear) {
        for (int k = 0; k < 3; ++k) {
          s.map.matrix[k] = s.given[k] + time * s.size[k];
          s.map.shift[k] = s.given[4 + k] + time * s.size[4 + k];
        }
        s.map.inverse = s.given[3] + time * s.size[3];
        s.map.d = z.d;
        continue;
      }
      Coupling<T>& f = s.coupling;
      f.inner = s.given[3];
      f.outer = s.given[4];
      f.bias = s.given[5];
      const T* gate = s.given[6] + time * 3;
      f.gate = {gate[0], gate[1], gate[2]};
      for (int64_t c = 0; c < packs; ++c) {
        for (int64_t h = 0; h < f.hidden; ++h) {
          for (int k = 0; k < 3; ++k) {
            f.offsets[(c * f.hidden + h) * 3 + k] =
                at_rows(s.given[k] + time * s.size[k], c * LANES<T>, z.endpoints, f.hidden, h);
          }
        }
      }
    }
    if (pulled) std::fill_n(grads.get(), all, V{});
  }

  INLINE V first(int64_t c, const T* x, V* u) {
    const V* end = endpoints.get() + c * z.d;
    HyperDual<V>*z0 = level(c, 0), *zl = level(c, stages.size());
    for (int i = 0; i < z.d; ++i) zl[i].value = (x[i] - now * end[i]) / rest;
    V log = {};
    for (int l = 0; l < LANES<T>; ++l) log[l] = c * LANES<T> + l < z.endpoints ? T(0) : T(-1e30);  // lanes beyond the last end
    back<Part::Value>(c, log);
    for (int i = 0; i < z.d; ++i) {
      log -= z0[i].value * z0[i].value / 2;
      z0[i].q = V{};
    }
    forth<Part::Q>(c);
    for (int i = 0; i < z.d; ++i) u[i] = end[i] - zl[i].value + rest * zl[i].q;
    return log;
  }

  INLINE V second(int64_t c, const T* v, const V*, V* du) {
    const V* end = endpoints.get() + c * z.d;
    HyperDual<V>*z0 = level(c, 0), *zl = level(c, stages.size());
    for (int i = 0; i < z.d; ++i) zl[i].p = (v[i] - end[i] + zl[i].value) / rest;
    V slope = {};
    back<Part::P>(c, slope);
    for (int i = 0; i < z.d; ++i) {
      slope -= z0[i].value * z0[i].p;
      z0[i].both = V{};
    }
    forth<Part::Both>(c);
    for (int i = 0; i < z.d; ++i) du[i] = rest * zl[i].both - zl[i].p - zl[i].q;
    return slope;
  }

  INLINE void pull_second(int64_t c, const V* gdu, V gslope, V*, V* gv) {
    std::fill_n(adjoint(c, 0), each, HyperDual<V>{});
    const HyperDual<V>* z0 = level(c, 0);
    HyperDual<V>*g0 = adjoint(c, 0), *gl = adjoint(c, stages.size());
    for (int i = 0; i < z.d; ++i) {
      gl[i].p -= gdu[i];
      gl[i].q -= gdu[i];
      gl[i].both += rest * gdu[i];
      g0[i].value -= gslope * z0[i].p;
      g0[i].p -= gslope * z0[i].value;
    }
    pull_forth<Part::Both>(c);
    pull_back<Part::P>(c, gslope);
    for (int i = 0; i < z.d; ++i) {
      const V h = gl[i].p / rest;
      gv[i] += h;
      gl[i].value += h;
    }
  }

  INLINE void pull_first(int64_t c, const V* gu, V of_log, V* gx) {
    const HyperDual<V>* z0 = level(c, 0);
    HyperDual<V>*g0 = adjoint(c, 0), *gl = adjoint(c, stages.size());
    for (int i = 0; i < z.d; ++i) {
      gl[i].value -= gu[i];
      gl[i].q += rest * gu[i];
      g0[i].value -= of_log * z0[i].value;
    }
    pull_forth<Part::Q>(c);
    pull_back<Part::Value>(c, of_log);
    for (int i = 0; i < z.d; ++i) gx[i] += gl[i].value / rest;
  }

  INLINE void finish(int64_t time) {
    for (size_t l = 0; l < stages.size(); ++l) {
      const Stage& s = stages[l];
      const auto into = [&](size_t i) { return write<T>((*pulled)[BEFORE + l * OF_STAGE + i]) + time * s.size[i]; };
      const auto put = [&](size_t i, const V* from) {
        T* to = into(i);
        for (int64_t k = 0; k < s.size[i]; ++k) to[k] = total<T>(from[k]);
      };
      if (s.linear) {
        for (int k = 0; k < 3; ++k) {
          put(k, s.map.matrix_grad[k]);
          put(4 + k, s.map.shift_grad[k]);
        }
        put(3, s.map.inverse_grad);
        continue;
      }
      const Coupling<T>& f = s.coupling;
      for (int64_t c = 0; c < packs; ++c) {
        for (int64_t h = 0; h < f.hidden; ++h) {
          for (int k = 0; k < 3; ++k) {
            put_at_rows(into(k), c * LANES<T>, z.endpoints, f.hidden, h, f.offsets_grad[(c * f.hidden + h) * 3 + k]);
          }
        }
      }
      put(3, f.inner_grad);
      put(4, f.outer_grad);
      put(5, f.bias_grad);
    }
  }

 private:
  struct Stage {
    bool linear;
    int64_t raw, room;  // where its numbers and its derivatives stand
    const T* given[OF_STAGE];
    int64_t size[OF_STAGE];  // of each, for one time
    Coupling<T> coupling;
    Linear<T> map;
  };

  const Sizes z;
  const T *x1, *t;
  const variable_list* pulled;
  const int64_t packs;
  std::vector<Stage> stages;
  std::vector<std::unique_ptr<V[]>> offsets_of;
  std::unique_ptr<V[]> endpoints, grads;
  std::unique_ptr<HyperDual<V>[]> values, adjoints;
  int64_t levels, each, all = 0;
  T now = 0, rest = 1;

  INLINE HyperDual<V>* level(int64_t c, size_t l) const { return values.get() + c * each + l * z.d; }
  INLINE HyperDual<V>* adjoint(int64_t c, size_t l) const { return adjoints.get() + c * each + l * z.d; }
  INLINE Across<V> across(int64_t c, size_t l, V* log) const {
    return {level(c, l), level(c, l + 1), level(c, 0) + levels + stages[l].raw, log};
  }

  template <Part part>
  INLINE void move(int64_t c, size_t l, V* log) const {
    const Across<V> at = across(c, l, log);
    stages[l].linear ? stages[l].map.template move<part>(c, at) : stages[l].coupling.template move<part>(c, at);
  }
  template <Part part>
  INLINE void pull(int64_t c, size_t l, V log) const {
    const Across<V> at = across(c, l, nullptr);
    const Adjoint<V> to{adjoint(c, l), adjoint(c, l + 1), adjoint(c, 0) + levels + stages[l].raw, log};
    stages[l].linear ? stages[l].map.template pull<part>(c, at, to) : stages[l].coupling.template pull<part>(c, at, to);
  }

  template <Part part>
  INLINE void forth(int64_t c) const {
    for (size_t l = 0; l < stages.size(); ++l) move<part>(c, l, nullptr);
  }
  template <Part part>
  INLINE void back(int64_t c, V& log) const {
    for (size_t l = stages.size(); l-- > 0;) move<part>(c, l, &log);
  }
  template <Part part>
  INLINE void pull_forth(int64_t c) const {
    for (size_t l = stages.size(); l-- > 0;) pull<part>(c, l, V{});
  }
  template <Part part>
  INLINE void pull_back(int64_t c, V log) const {
    for (size_t l = 0; l < stages.size(); ++l) pull<part>(c, l, log);
  }
};

// All that there is to do for some of the times.
template <typename T>
struct Task {
  Sizes z;
  const Layout& layout;
  const variable_list& in;
  const Made<T, T>* out;
  const Made<T, const T>* cotangent;
  const variable_list* pulled;

  INLINE void over(int64_t from, int64_t to) const {
    ChainPaths<T> paths(z, layout, in, pulled);
    at_times(z, from, to, paths, read<T>(in[0]), read<T>(in[2]), out, cotangent, pulled ? write<T>((*pulled)[0]) : nullptr);
  }
};

STRAIT_VECTOR void run(const Task<float>& task, int64_t from, int64_t to) { task.over(from, to); }
void run(const Task<double>& task, int64_t from, int64_t to) { task.over(from, to); }

template <typename T>
void forward(Sizes z, const Layout& layout, const variable_list& in, const variable_list& out) {
  const Made<T, T> made(out);
  const Task<T> task{z, layout, in, &made, nullptr, nullptr};
  at::parallel_for(0, z.times, 1, [&](int64_t from, int64_t to) { run(task, from, to); });
}

template <typename T>
void backward(Sizes z, const Layout& layout, const variable_list& in, const variable_list& g, const variable_list& out) {
  const Made<T, const T> cotangent(g);
  const Task<T> task{z, layout, in, nullptr, &cotangent, &out};
  at::parallel_for(0, z.times, 1, [&](int64_t from, int64_t to) { run(task, from, to); });
}

class ChainField : public torch::autograd::Function<ChainField> {
 public:
  static variable_list forward(AutogradContext* ctx, at::TensorList all, const Layout& layout) {
    variable_list in;
    for (const auto& x : all) in.push_back(x.contiguous());
    const variable_list out = room_for_field(in[0]);
    const Sizes z = sizes_of(in[0], in[1]);
    of_kind(in[0], [&]<typename T>(T) { chain_field::forward<T>(z, layout, in, out); });
    ctx->save_for_backward(std::move(in));
    ctx->saved_data["kinds"] = layout.kinds;
    ctx->saved_data["bounds"] = layout.bounds;
    return out;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto in = ctx->get_saved_variables();
    const Layout layout{ctx->saved_data["kinds"].toIntVector(), ctx->saved_data["bounds"].toDoubleVector()};
    const variable_list g = cotangents_of_field(grads, in[0]);
    const Sizes z = sizes_of(in[0], in[1]);
    // One more than there are tensors: the layout has no derivative either.
    variable_list out(in.size() + 1);
    out[0] = like(in[0]);
    const auto each = [&](auto&& f) {
      for (size_t l = 0; l < layout.stages(); ++l) {
        const size_t wanted = layout.kinds[l] == LINEAR ? OF_STAGE : OF_STAGE - 1;
        for (size_t i = 0; i < wanted; ++i) f(BEFORE + l * OF_STAGE + i, timeless(layout.kinds[l], i));
      }
    };
    each([&](size_t i, bool timeless) {
      std::vector<int64_t> shape = in[i].sizes().vec();
      if (timeless) shape.insert(shape.begin(), z.times);
      out[i] = at::empty(shape, in[i].options());
    });
    of_kind(in[0], [&]<typename T>(T) { chain_field::backward<T>(z, layout, in, g, out); });
    each([&](size_t i, bool timeless) { out[i] = timeless ? out[i].sum(0) : out[i]; });
    return out;
  }
};

}  // namespace

extern "C" {

// `tensors`: points (T, Q, d), endpoints (K, d), times (T), then those of each stage, whose kinds and bounds are given. out:
// velocity, derivative, log-weight, log-effective.
char* strait_chain_field(Tensor** tensors, size_t count, const int64_t* kinds, const double* bounds, size_t stages,
                         Tensor** out) {
  return guarded([&] {
    variable_list all;
    for (size_t i = 0; i < count; ++i) all.push_back(*tensors[i]);
    const Layout layout{{kinds, kinds + stages}, {bounds, bounds + stages}};
    const auto made = ChainField::apply(at::TensorList(all), layout);
    for (size_t i = 0; i < 4; ++i) out[i] = new Tensor(made[i]);
  });
}

}  // extern "C"

}  // namespace strait::chain_field

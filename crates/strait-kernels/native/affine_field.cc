// The marginal field of an affine path (marginal.h), in one pass: libtorch takes some hundred operations on tensors that are
// small. At fixed time an end's path is x = A y + b with A lower triangular, and with ' for d/dt at fixed y and end
//
//   y = A^-1 (x - b), u = A' y + b', log-weight -log det A - |y|^2 / 2,
//   dy = A^-1 (v - u), du = A'' y + b'' + A' dy, slope = -y.dy - tr A^-1 A'.
#include "affine_frame.h"
#include "marginal.h"

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace strait::affine_field {
namespace {

template <typename T>
class AffinePaths {
  using V = Pack<T>;
  struct Place {
    V y[MOST], dy[MOST], gy[MOST];
  };

 public:
  INLINE AffinePaths(Sizes z, int64_t numbers, const Given<T>& in, const Pulled<T>* pulled)
      : z(z), numbers(numbers), in(in), pulled(pulled), packs(packs_of<T>(z.endpoints)),
        frames(new Frame<V>[packs]), grads(pulled ? new Frame<V>[packs] : nullptr), places(new Place[packs]),
        moment(V{}) {}

  INLINE void start(int64_t time) {
    moment = Moment<V>(V{} + in.t[time]);
    for (int64_t c = 0; c < packs; ++c) {
      Frame<V>& f = frames[c];
      build(z.d, in.bound, moment, given(time, c), in.x1, f);
      for (int i = 0; i < z.d; ++i) f.inverse[i] = 1 / f.a.diagonal[i];
      // Lanes beyond the last end have no weight.
      for (int l = 0; l < LANES<T>; ++l) f.logs[l] = c * LANES<T> + l < z.endpoints ? f.logs[l] : T(1e30);
    }
    if (pulled) std::fill_n(grads.get(), packs, Frame<V>{});
  }

  INLINE V first(int64_t c, const T* x, V* u) {
    const Frame<V>& f = frames[c];
    V* y = places[c].y;
    for (int i = 0; i < z.d; ++i) {
      y[i] = x[i] - f.b[i];
      u[i] = f.b1[i];
    }
    f.solve(z.d, y);
    multiply(z.d, f.a1, y, u);
    V square = {};
    for (int i = 0; i < z.d; ++i) square += y[i] * y[i];
    return -f.logs - square / 2;
  }

  INLINE V second(int64_t c, const T* v, const V* u, V* du) {
    const Frame<V>& f = frames[c];
    Place& p = places[c];
    for (int i = 0; i < z.d; ++i) {
      p.dy[i] = v[i] - u[i];
      du[i] = f.b2[i];
    }
    f.solve(z.d, p.dy);
    multiply(z.d, f.a2, p.y, du);
    multiply(z.d, f.a1, p.dy, du);
    V slope = -f.slopes;
    for (int i = 0; i < z.d; ++i) slope -= p.y[i] * p.dy[i];
    return slope;
  }

  INLINE void pull_second(int64_t c, const V* gdu, V gslope, V* gu, V* gv) {
    const Frame<V>& f = frames[c];
    Place& p = places[c];
    Frame<V>& to = grads[c];
    V gdy[MOST];
    for (int i = 0; i < z.d; ++i) {
      p.gy[i] = -gslope * p.dy[i];
      gdy[i] = -gslope * p.y[i];
      to.b2[i] += gdu[i];
    }
    to.slopes -= gslope;
    add_outer(z.d, gdu, p.y, to.a2);
    add_outer(z.d, gdu, p.dy, to.a1);
    multiply_transposed(z.d, f.a2, gdu, p.gy);
    multiply_transposed(z.d, f.a1, gdu, gdy);
    f.solve_transposed(z.d, gdy);
    add_outer(z.d, gdy, p.dy, to.a);
    for (int i = 0; i < z.d; ++i) {
      gu[i] += gdy[i];
      gv[i] -= gdy[i];
    }
  }

  INLINE void pull_first(int64_t c, const V* gu, V of_log, V* gx) {
    const Frame<V>& f = frames[c];
    Place& p = places[c];
    Frame<V>& to = grads[c];
    to.logs -= of_log;
    for (int i = 0; i < z.d; ++i) {
      p.gy[i] -= of_log * p.y[i];
      to.b1[i] += gu[i];
    }
    add_outer(z.d, gu, p.y, to.a1);
    multiply_transposed(z.d, f.a1, gu, p.gy);
    f.solve_transposed(z.d, p.gy);
    add_outer(z.d, p.gy, p.y, to.a);
    for (int i = 0; i < z.d; ++i) {
      to.b[i] += p.gy[i];
      gx[i] -= p.gy[i];
    }
  }

  INLINE void finish(int64_t time) {
    const int64_t at = rows(time);
    for (int64_t c = 0; c < packs; ++c) {
      const Numbers<T, T> into{pulled->value + at, pulled->first + at, pulled->second + at, c * LANES<T>, z.endpoints, numbers};
      pull(z.d, in.bound, moment, given(time, c), frames[c], grads[c], into);
    }
  }

 private:
  const Sizes z;
  const int64_t numbers;
  const Given<T>& in;
  const Pulled<T>* pulled;
  const int64_t packs;
  const std::unique_ptr<Frame<V>[]> frames, grads;
  const std::unique_ptr<Place[]> places;
  Moment<V> moment;

  INLINE int64_t rows(int64_t time) const { return time * z.endpoints * numbers; }
  INLINE Numbers<T, const T> given(int64_t time, int64_t c) const {
    const int64_t at = rows(time);
    return {in.value + at, in.first + at, in.second + at, c * LANES<T>, z.endpoints, numbers};
  }
};

// All that there is to do for some of the times.
template <typename T>
struct Task {
  Sizes z;
  int64_t numbers;
  Given<T> in;
  const Made<T, T>* out;
  const Made<T, const T>* cotangent;
  const Pulled<T>* pulled;

  INLINE void over(int64_t from, int64_t to) const {
    AffinePaths<T> paths(z, numbers, in, pulled);
    at_times(z, from, to, paths, in.x, in.t, out, cotangent, pulled ? pulled->x : nullptr);
  }
};

STRAIT_VECTOR void run(const Task<float>& task, int64_t from, int64_t to) { task.over(from, to); }
void run(const Task<double>& task, int64_t from, int64_t to) { task.over(from, to); }

template <typename T>
void forward(Sizes z, const variable_list& in, double bound, const variable_list& out) {
  const Made<T, T> made(out);
  const Task<T> task{z, in[0].size(1), Given<T>(in, bound), &made, nullptr, nullptr};
  at::parallel_for(0, z.times, 1, [&](int64_t from, int64_t to) { run(task, from, to); });
}

template <typename T>
void backward(Sizes z, const variable_list& in, double bound, const variable_list& g, const variable_list& out) {
  const Made<T, const T> cotangent(g);
  const Pulled<T> pulled(out);
  const Task<T> task{z, in[0].size(1), Given<T>(in, bound), nullptr, &cotangent, &pulled};
  at::parallel_for(0, z.times, 1, [&](int64_t from, int64_t to) { run(task, from, to); });
}

class AffineField : public torch::autograd::Function<AffineField> {
 public:
  // The network's numbers (T K, n) with two derivatives in t, points (T, Q, d), endpoints (K, d), times (T,).
  static variable_list forward(AutogradContext* ctx, const Tensor& value, const Tensor& first, const Tensor& second,
                               const Tensor& x, const Tensor& x1, const Tensor& t, double bound) {
    variable_list in{value.contiguous(), first.contiguous(), second.contiguous(),
                     x.contiguous(),     x1.contiguous(),    t.contiguous()};
    const variable_list out = room_for_field(in[3]);
    const Sizes z = sizes_of(in[3], in[4]);
    of_kind(x, [&]<typename T>(T) { affine_field::forward<T>(z, in, bound, out); });
    ctx->save_for_backward(std::move(in));
    ctx->saved_data["bound"] = bound;
    return out;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto in = ctx->get_saved_variables();
    const double bound = ctx->saved_data["bound"].toDouble();
    const variable_list g = cotangents_of_field(grads, in[3]), out{like(in[0]), like(in[1]), like(in[2]), like(in[3])};
    const Sizes z = sizes_of(in[3], in[4]);
    of_kind(in[3], [&]<typename T>(T) { affine_field::backward<T>(z, in, bound, g, out); });
    return {out[0], out[1], out[2], out[3], Tensor(), Tensor(), Tensor()};
  }
};

}  // namespace

extern "C" {

// in: value, first, second, x, x1, t. out: velocity, derivative, log-weight, log-effective.
char* strait_affine_field(Tensor** in, double bound, Tensor** out) {
  return guarded([&] {
    const auto made = AffineField::apply(*in[0], *in[1], *in[2], *in[3], *in[4], *in[5], bound);
    for (size_t i = 0; i < 4; ++i) out[i] = new Tensor(made[i]);
  });
}

}  // extern "C"

}  // namespace strait::affine_field

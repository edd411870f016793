// SiLU of a group norm whose channels are weighted and moved (FiLM), a unit that lies in the cache at a time, where libtorch
// takes an operation and a tensor for the norm, the weights and SiLU, and keeps all of them for the gradient.
#include "double_backward.h"
#include "group_norm.h"
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include <optional>
#include <vector>

using at::Tensor;
using strait::Extent;
using strait::guarded;
using strait::like;
using strait::of_kind;
using strait::read;
using strait::write;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace strait::group_norm {
namespace {

// One unit, compiled for each generation of processor.
#define STRAIT_UNIT(T, LAYOUT)                                                                                                 \
  STRAIT_VECTOR void forward(const LAYOUT<T>& by, int64_t i, double epsilon, const T* x, T* y, T* means, T* inverses, T* room) { \
    by.forward(i, epsilon, x, y, means, inverses, room);                                                                       \
  }                                                                                                                            \
  STRAIT_VECTOR void backward(const LAYOUT<T>& by, int64_t i, const T* x, const T* means, const T* inverses, const T* g, T* gx,  \
                              double* sums, T* room) {                                                                         \
    by.backward(i, x, means, inverses, g, gx, sums, room);                                                                     \
  }
STRAIT_UNIT(float, ChannelsFirst)
STRAIT_UNIT(double, ChannelsFirst)
STRAIT_UNIT(float, ChannelsLast)
STRAIT_UNIT(double, ChannelsLast)
#undef STRAIT_UNIT

// From this count of numbers on a thread is worth waking.
constexpr int64_t GRAIN = 32768;

// f(unit, room) of all of them, on the threads that libtorch has.
template <typename T, typename Layout, typename F>
void each_unit(const Layout& by, int64_t batch, const F& f) {
  const int64_t grain = std::max<int64_t>(1, GRAIN / std::max<int64_t>(1, by.numbers()));
  at::parallel_for(0, by.units(batch), grain, [&](int64_t from, int64_t to) {
    std::vector<double> room(static_cast<size_t>(by.room()));
    for (int64_t i = from; i < to; ++i) f(i, reinterpret_cast<T*>(room.data()));
  });
}

// Images as their numbers lie: channels last where those are a whole count of packs, else one channel after the other.
struct Lying {
  bool last;
  explicit Lying(const Tensor& x)
      : last(x.dim() == 4 && !x.is_contiguous() && x.is_contiguous(at::MemoryFormat::ChannelsLast) &&
             x.size(1) % (x.scalar_type() == at::kFloat ? LANES<float> : LANES<double>) == 0) {}
  Tensor of(const Tensor& x) const {
    return x.contiguous(last ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous);
  }
  // f(the layout).
  template <typename T, typename F>
  void with(const Weights<T>& weights, int64_t groups, int64_t places, const F& f) const {
    if (last) {
      f(ChannelsLast<T>{weights, groups, places});
    } else {
      f(ChannelsFirst<T>{weights, groups, places});
    }
  }
};

class GroupNormSilu : public torch::autograd::Function<GroupNormSilu> {
 public:
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const Tensor& weight, const Tensor& bias,
                        const std::optional<Tensor>& film, int64_t groups, double epsilon) {
    const Lying lying(x);
    const Tensor a = lying.of(x), w = weight.contiguous(), b = bias.contiguous();
    const Tensor f = film ? film->contiguous() : Tensor();
    const Extent extent(a);
    Tensor y = at::empty_like(a), moments = at::empty({2, extent.batch * groups}, a.options());
    of_kind(a, [&]<typename T>(T) {
      const Weights<T> weights{read<T>(w), read<T>(b), read<T>(f), extent.channels};
      const T* from = read<T>(a);
      T *to = write<T>(y), *means = write<T>(moments), *inverses = means + extent.batch * groups;
      lying.with(weights, groups, extent.places, [&](const auto& by) {
        each_unit<T>(by, extent.batch, [&](int64_t i, T* room) {
          group_norm::forward(by, i, epsilon, from, to, means, inverses, room);
        });
      });
    });
    ctx->save_for_backward({x, weight, bias, film.value_or(Tensor()), moments});
    ctx->saved_data["groups"] = groups;
    ctx->saved_data["epsilon"] = epsilon;
    return y;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const Tensor &x = saved[0], &weight = saved[1], &bias = saved[2], &film = saved[3], &moments = saved[4];
    const int64_t groups = ctx->saved_data["groups"].toInt();
    const double epsilon = ctx->saved_data["epsilon"].toDouble();
    if (!grads[0].defined()) grads[0] = at::zeros_like(x);
    if (strait::differentiated(grads)) {
      const auto again = [&](const variable_list& own) { return variable_list{plain(own, groups, epsilon)}; };
      auto found = strait::double_backward(again, {x, weight, bias, film}, grads);
      found.resize(6);
      return found;
    }
    const Lying lying(x);
    const Tensor a = lying.of(x), g = lying.of(grads[0]), w = weight.contiguous(), b = bias.contiguous();
    const Tensor f = film.defined() ? film.contiguous() : film;
    const Extent extent(a);
    Tensor gx = at::empty_like(a), gw = like(w), gb = like(b), gf = f.defined() ? like(f) : f;
    of_kind(a, [&]<typename T>(T) {
      const Weights<T> weights{read<T>(w), read<T>(b), read<T>(f), extent.channels};
      const T *from = read<T>(a), *given = read<T>(g), *means = read<T>(moments), *inverses = means + extent.batch * groups;
      T* to = write<T>(gx);
      std::vector<double> sums(static_cast<size_t>(2 * extent.batch * extent.channels));
      lying.with(weights, groups, extent.places, [&](const auto& by) {
        each_unit<T>(by, extent.batch, [&](int64_t i, T* room) {
          group_norm::backward(by, i, from, means, inverses, given, to, sums.data(), room);
        });
      });
      at_weights<T>(weights, extent.batch, sums, write<T>(gw), write<T>(gb), write<T>(gf));
    });
    return {gx, gw, gb, gf, Tensor(), Tensor()};
  }

 private:
  // What comes to weights and shifts, from the sums of each channel of each sample.
  template <typename T>
  static void at_weights(const Weights<T>& weights, int64_t batch, const std::vector<double>& sums, T* to_weight, T* to_bias,
                         T* to_film) {
    const int64_t channels = weights.channels;
    for (int64_t c = 0; c < channels; ++c) {
      double of_weight = 0, of_bias = 0;
      for (int64_t b = 0; b < batch; ++b) {
        const double* own = sums.data() + 2 * (b * channels + c);
        const double scale = weights.scale(b, c);
        of_weight += scale * own[1];
        of_bias += scale * own[0];
        if (to_film) {
          to_film[2 * b * channels + c] = static_cast<T>(weights.weight[c] * own[1] + weights.bias[c] * own[0]);
          to_film[(2 * b + 1) * channels + c] = static_cast<T>(own[0]);
        }
      }
      to_weight[c] = static_cast<T>(of_weight);
      to_bias[c] = static_cast<T>(of_bias);
    }
  }

  // The same of operations that have derivatives themselves, in reverse and in forward mode: those of libtorch's own norm and
  // SiLU have no forward one.
  static Tensor plain(const variable_list& own, int64_t groups, double epsilon) {
    const Tensor &x = own[0], &film = own[3];
    const int64_t batch = x.size(0), channels = x.size(1);
    const Tensor grouped = x.reshape({batch, groups, -1});
    const Tensor centred = grouped - grouped.mean(2, true), variance = centred.square().mean(2, true);
    const Tensor normal = (centred * (variance + epsilon).rsqrt()).reshape({batch, channels, -1});
    Tensor z = normal * own[1].unsqueeze(-1) + own[2].unsqueeze(-1);
    if (film.defined()) z = z * (film.narrow(1, 0, channels) + 1).unsqueeze(-1) + film.narrow(1, channels, channels).unsqueeze(-1);
    return (z * z.sigmoid()).reshape(x.sizes());
  }
};

}  // namespace

extern "C" {

// film may be null.
char* strait_group_norm_silu(Tensor* x, Tensor* weight, Tensor* bias, Tensor* film, int64_t groups, double epsilon,
                             Tensor** result) {
  return guarded([&] {
    const auto moves = film ? std::optional<Tensor>(*film) : std::nullopt;
    *result = new Tensor(GroupNormSilu::apply(*x, *weight, *bias, moves, groups, epsilon));
  });
}

}  // extern "C"

}  // namespace strait::group_norm

//! Many operations of libtorch, each under three derivatives: the tangent, recorded and not, the gradient of the tangent, and
//! forward over reverse. Each is right, or refused by a typed error; none is wrong without a word.

use crate::operations_of_parts;
use strait_autodiff::{AutodiffError, Graph, jvp, normal, tangent_gradient, vjp};
use tch::{Device, Kind, Reduction, Tensor};

pub(crate) const DOUBLE: (Kind, Device) = (Kind::Double, Device::Cpu);
pub(crate) const NONE: Option<&Tensor> = None;

pub(crate) fn draw(seed: u64, shape: &[i64]) -> Tensor {
    normal(seed, 0, shape, Kind::Double, Device::Cpu).unwrap()
}

/// Square matrices (3, 4, 4) that are far from singular, of rows (3, 4).
pub(crate) fn matrices(a: &Tensor) -> Tensor {
    Tensor::eye(4, DOUBLE) * 3.0 + a.unsqueeze(2) * draw(11, &[4]) + a.unsqueeze(1).tanh()
}

/// The same, symmetric and positive.
pub(crate) fn positive(a: &Tensor) -> Tensor {
    let m = matrices(a);
    m.matmul(&m.transpose(1, 2))
}

pub(crate) fn images(a: &Tensor) -> Tensor {
    // (3, 1, 4, 4)
    (a.unsqueeze(2) * draw(12, &[4]) + a.unsqueeze(1).sin() * 0.3).unsqueeze(1)
}

pub(crate) fn rows() -> Tensor {
    Tensor::from_slice(&[0i64, 1, 0])
}

pub(crate) type Operation = fn(&Tensor) -> Tensor;

/// Of (3, 4).
fn operations() -> Vec<(&'static str, Operation)> {
    vec![
        ("float_power", |a| (a.square() + 0.5).float_power(a)),
        ("xlogy", |a| a.xlogy(&(a.square() + 0.5))),
        ("hypot", |a| a.hypot(&a.flip([1]))),
        ("atan2", |a| a.atan2(&a.flip([1]))),
        ("logaddexp", |a| a.logaddexp(&a.flip([1]))),
        ("logaddexp2", |a| a.logaddexp2(&a.flip([1]))),
        ("copysign", |a| a.copysign(&a.flip([1]))),
        ("fmod", |a| a.fmod_tensor(&(a.flip([1]).square() + 0.3))),
        ("remainder", |a| a.remainder_tensor(&(a.flip([1]).square() + 0.3))),
        ("addcdiv", |a| a.addcdiv(a, &(a.square() + 0.5))),
        ("clamp_tensor", |a| a.clamp_tensor(Some(&(a.flip([1]) - 0.5)), Some(&(a.flip([1]) + 0.5)))),
        ("sinc", |a| a.sinc()),
        ("erfinv", |a| (a.tanh() * 0.9).erfinv()),
        ("lgamma", |a| (a.square() + 0.5).lgamma()),
        ("digamma", |a| (a.square() + 0.5).digamma()),
        ("polygamma", |a| (a.square() + 0.5).polygamma(1)),
        ("mvlgamma", |a| (a.square() + 2.5).mvlgamma(2)),
        ("i0", |a| a.i0()),
        ("i0e", |a| a.special_i0e()),
        ("i1", |a| a.special_i1()),
        ("i1e", |a| a.special_i1e()),
        ("ndtri", |a| a.sigmoid().special_ndtri()),
        ("log_ndtr", |a| a.special_log_ndtr()),
        ("entr", |a| a.sigmoid().special_entr()),
        ("erfcx", |a| a.special_erfcx()),
        ("logit", |a| a.sigmoid().logit(1e-6)),
        ("celu", |a| a.celu()),
        ("elu", |a| a.elu()),
        ("selu", |a| a.selu()),
        ("softplus", |a| a.softplus()),
        ("mish", |a| a.mish()),
        ("hardswish", |a| a.hardswish()),
        ("hardshrink", |a| a.hardshrink()),
        ("softshrink", |a| a.softshrink()),
        ("hardsigmoid", |a| a.hardsigmoid()),
        ("prelu", |a| a.prelu(&(a.mean(Kind::Double).view([1])))),
        ("rrelu", |a| a.rrelu(false)),
        ("leaky_relu", |a| a.leaky_relu()),
        ("log_sigmoid", |a| a.log_sigmoid()),
        ("gelu", |a| a.gelu("tanh")),
        ("glu", |a| a.glu(1)),
        ("prod", |a| a.prod(Kind::Double)),
        ("prod with a zero", |a| (a * Tensor::from_slice(&[0.0, 1.0, 1.0, 1.0])).prod_dim_int(1, false, Kind::Double)),
        ("cumprod", |a| a.cumprod(1, Kind::Double)),
        ("cumprod with a zero", |a| (a * Tensor::from_slice(&[1.0, 0.0, 1.0, 1.0])).cumprod(1, Kind::Double)),
        ("cumsum", |a| a.square().cumsum(1, Kind::Double)),
        ("logcumsumexp", |a| a.logcumsumexp(1)),
        ("cummax", |a| a.square().cummax(1).0),
        ("amax", |a| a.square().amax([1i64].as_slice(), false)),
        ("median", |a| a.square().median_dim(1, false).0),
        ("quantile", |a| a.square().quantile_scalar(0.4, 1, false, "linear")),
        ("kthvalue", |a| a.square().kthvalue(2, 1, false).0),
        ("topk", |a| a.square().topk(2, 1, true, true).0),
        ("sort", |a| a.square().sort(1, false).0),
        ("var_mean", |a| a.var_mean(true).0),
        ("std_mean", |a| a.std_mean(true).0),
        ("nansum", |a| a.square().nansum([1i64].as_slice(), false, Kind::Double)),
        ("nanmean", |a| a.square().nanmean([1i64].as_slice(), false, Kind::Double)),
        ("norm .5", |a| a.norm_scalaropt_dim(0.5, [1i64].as_slice(), false)),
        ("norm 1", |a| a.norm_scalaropt_dim(1.0, [1i64].as_slice(), false)),
        ("norm 2", |a| a.norm_scalaropt_dim(2.0, [1i64].as_slice(), false)),
        ("norm 3", |a| a.norm_scalaropt_dim(3.0, [1i64].as_slice(), false)),
        ("norm of the greatest", |a| a.norm_scalaropt_dim(f64::INFINITY, [1i64].as_slice(), false)),
        ("linalg_norm nuc", |a| matrices(a).linalg_norm_ord_str("nuc", [1i64, 2].as_slice(), false, Kind::Double)),
        ("linalg_norm 2", |a| matrices(a).linalg_norm(2.0, [1i64, 2].as_slice(), false, Kind::Double)),
        ("frobenius_norm", |a| a.frobenius_norm([1i64].as_slice(), false)),
        ("renorm", |a| a.renorm(2.0, 0, 0.7)),
        ("dist", |a| a.dist(&a.flip([1]))),
        ("cosine_similarity", |a| Tensor::cosine_similarity(a, &a.flip([1]), 1, 1e-8)),
        ("pairwise_distance", |a| Tensor::pairwise_distance(a, &a.flip([1]), 2.0, 1e-6, false)),
        ("logsumexp", |a| a.logsumexp([1i64].as_slice(), false)),
        ("softmax", |a| a.softmax(1, Kind::Double)),
        ("log_softmax", |a| a.log_softmax(1, Kind::Double)),
        ("mse_loss", |a| a.mse_loss(&a.flip([1]).square(), Reduction::Mean)),
        ("l1_loss", |a| a.l1_loss(&a.flip([1]).square(), Reduction::Mean)),
        ("huber_loss", |a| a.huber_loss(&a.flip([1]).square(), Reduction::Mean, 1.0)),
        ("smooth_l1_loss", |a| a.smooth_l1_loss(&a.flip([1]).square(), Reduction::Mean, 1.0)),
        ("poisson_nll_loss", |a| a.poisson_nll_loss(&a.square(), true, false, 1e-8, Reduction::Mean)),
        ("kl_div", |a| a.log_sigmoid().kl_div(&a.flip([1]).sigmoid(), Reduction::Mean, false)),
        ("binary_cross_entropy", |a| a.sigmoid().binary_cross_entropy(&a.flip([1]).sigmoid(), NONE, Reduction::Mean)),
        ("binary_cross_entropy_with_logits", |a| {
            a.binary_cross_entropy_with_logits(&a.flip([1]).sigmoid(), NONE, NONE, Reduction::Mean)
        }),
        ("soft_margin_loss", |a| a.soft_margin_loss(&draw(18, &[3, 4]).sign(), Reduction::Mean)),
        ("triplet_margin_loss", |a| {
            Tensor::triplet_margin_loss(a, &a.flip([1]), &a.square(), 1.0, 2.0, 1e-6, false, Reduction::Mean)
        }),
        ("nll_loss", |a| a.square().nll_loss(&rows())),
        ("inverse", |a| matrices(a).inverse()),
        ("pinverse", |a| matrices(a).narrow(2, 0, 2).pinverse(1e-15)),
        ("lstsq", |a| matrices(a).narrow(2, 0, 2).linalg_lstsq(&a.unsqueeze(2), None, "gelsd").0),
        ("cholesky", |a| positive(a).linalg_cholesky(false)),
        ("cholesky_solve", |a| a.unsqueeze(2).cholesky_solve(&matrices(a).tril(0), false)),
        ("cholesky_inverse", |a| matrices(a).tril(0).cholesky_inverse(false)),
        ("solve_triangular", |a| matrices(a).tril(0).linalg_solve_triangular(&a.unsqueeze(2), false, true, false)),
        ("triangular_solve", |a| a.unsqueeze(2).triangular_solve(&matrices(a), true, false, false).0),
        ("lu_factor", |a| Tensor::linalg_lu_factor(&matrices(a), true).0),
        ("lu", |a| Tensor::linalg_lu(&matrices(a), true).1),
        ("lu_solve", |a| {
            let (lu, pivots) = Tensor::linalg_lu_factor(&matrices(a), true);
            Tensor::linalg_lu_solve(&lu, &pivots, &a.unsqueeze(2), true, false)
        }),
        ("lu_solve, adjoint from the right", |a| {
            let (lu, pivots) = Tensor::linalg_lu_factor(&matrices(a), true);
            Tensor::linalg_lu_solve(&lu, &pivots, &a.unsqueeze(1), false, true)
        }),
        ("solve", |a| Tensor::linalg_solve(&matrices(a), &a.unsqueeze(2), true)),
        ("solve of a constant matrix", |a| {
            Tensor::linalg_solve(&(Tensor::eye(4, DOUBLE) * 3.0 + 1.0), &a.square().tr(), true)
        }),
        ("solve_ex", |a| Tensor::linalg_solve_ex(&matrices(a), &a.unsqueeze(2), true, false).0),
        ("tensorsolve", |a| matrices(a).get(0).linalg_tensorsolve(&a.get(1), None::<&[i64]>)),
        ("tensorinv", |a| matrices(a).get(0).linalg_tensorinv(1)),
        ("inv_ex", |a| Tensor::linalg_inv_ex(&matrices(a), false).0),
        ("qr", |a| Tensor::linalg_qr(&matrices(a), "reduced").1),
        ("svdvals", |a| Tensor::svd(&matrices(a), true, true).1),
        ("eigh", |a| positive(a).linalg_eigh("L").0),
        ("eigvalsh", |a| positive(a).linalg_eigvalsh("L")),
        // A sum: their order is any.
        ("eigvals", |a| matrices(a).linalg_eigvals().pow_tensor_scalar(3).sum(Kind::ComplexDouble).real()),
        ("cholesky of a tangent that is not symmetric", |a| {
            let still = Tensor::eye(4, DOUBLE) * 30.0;
            (still + (a - a.detach()).unsqueeze(2) * draw(11, &[4])).linalg_cholesky(false)
        }),
        ("triangular_solve of a triangle", |a| {
            a.unsqueeze(2).triangular_solve(&matrices(a).triu(0), true, false, false).0
        }),
        ("triangular_solve, transposed", |a| a.unsqueeze(2).triangular_solve(&matrices(a), true, true, false).0),
        ("solve_triangular of all", |a| matrices(a).linalg_solve_triangular(&a.unsqueeze(2), false, true, false)),
        ("logit without eps", |a| a.sigmoid().logit(None)),
        ("cumprod of zeros", |a| (a * Tensor::from_slice(&[1.0, 0.0, 0.0, 1.0])).cumprod(1, Kind::Double)),
        ("cumprod across", |a| (a * Tensor::from_slice(&[1.0, 0.0, 1.0, 1.0])).cumprod(0, Kind::Double)),
        ("cholesky, upper", |a| positive(a).linalg_cholesky(true)),
        ("cholesky of what is not symmetric", |a| (matrices(a) * 0.1 + positive(a)).linalg_cholesky(false)),
        ("eigh of what is not symmetric", |a| (matrices(a) * 0.1 + positive(a)).linalg_eigh("L").0),
        ("eigvalsh, upper of what is not symmetric", |a| (matrices(a) * 0.1 + positive(a)).linalg_eigvalsh("U")),
        ("cholesky_solve of all", |a| a.unsqueeze(2).cholesky_solve(&matrices(a), false)),
        ("matrix_exp", |a| (matrices(a) * 0.3).linalg_matrix_exp()),
        ("matrix_power 3", |a| matrices(a).linalg_matrix_power(3)),
        ("matrix_power -2", |a| matrices(a).linalg_matrix_power(-2)),
        ("cond", |a| matrices(a).linalg_cond(2.0)),
        ("cond 1", |a| matrices(a).linalg_cond(1.0)),
        ("det", |a| matrices(a).det()),
        ("linalg_det", |a| Tensor::linalg_det(&matrices(a))),
        ("logdet", |a| positive(a).logdet()),
        ("slogdet", |a| matrices(a).slogdet().1),
        ("householder_product", |a| matrices(a).linalg_householder_product(&a.sigmoid())),
        ("ormqr", |a| matrices(a).ormqr(&a.sigmoid(), &a.unsqueeze(2), true, false)),
        ("cross", |a| a.narrow(1, 0, 3).linalg_cross(&a.narrow(1, 1, 3), 1)),
        ("multi_dot", |a| Tensor::linalg_multi_dot(&[a, &a.tr().tanh(), a])),
        ("kron", |a| a.kron(&a.tanh())),
        ("trace", |a| matrices(a).get(0).trace()),
        ("vander", |a| Tensor::linalg_vander(a, 4)),
        ("cov", |a| a.cov(1, NONE, NONE)),
        ("corrcoef", |a| a.corrcoef()),
        ("baddbmm", |a| matrices(a).baddbmm(&matrices(a), &positive(a), 1.0, 1.0)),
        ("addr", |a| a.narrow(1, 0, 3).addr(&a.get(0).narrow(0, 0, 3), &a.get(1).narrow(0, 0, 3))),
        ("gather", |a| a.square().gather(1, &rows().unsqueeze(1), false)),
        ("index_add", |a| a.index_add(0, &rows(), &a.square())),
        ("index_copy", |a| a.index_copy(1, &Tensor::from_slice(&[1i64, 3]), &a.square().narrow(1, 0, 2))),
        ("index_reduce prod", |a| a.index_reduce(0, &rows(), &a.sin(), "prod", true)),
        ("index_reduce mean", |a| a.index_reduce(0, &rows(), &a.sin(), "mean", true)),
        ("index_reduce amax", |a| a.index_reduce(0, &rows(), &a.sin(), "amax", true)),
        ("index_reduce prod without self", |a| a.index_reduce(0, &rows(), &a.sin(), "prod", false)),
        ("scatter_reduce prod", |a| reduced(a, "prod")),
        ("scatter_reduce mean", |a| reduced(a, "mean")),
        ("scatter_reduce amax", |a| reduced(a, "amax")),
        ("scatter_reduce amin", |a| reduced(a, "amin")),
        ("scatter_reduce sum", |a| reduced(a, "sum")),
        ("scatter multiply", |a| a.scatter_reduce(0, &rows().unsqueeze(1).expand([3, 4], false), &a.sin(), "multiply")),
        ("segment_reduce sum", |a| segments(a, "sum")),
        ("segment_reduce prod", |a| segments(a, "prod")),
        ("segment_reduce max", |a| segments(a, "max")),
        ("segment_reduce mean", |a| segments(a, "mean")),
        ("masked_scatter", |a| a.masked_scatter(&Tensor::from_slice(&[true, false, true, false]), &a.square())),
        ("masked_select", |a| a.square().masked_select(&Tensor::from_slice(&[true, false, true, false]))),
        ("take", |a| a.square().take(&rows())),
        ("put", |a| a.put(&Tensor::from_slice(&[0i64, 3]), &a.square().get(0).narrow(0, 0, 2), true)),
        ("im2col", |a| images(a).im2col([2, 2], [1, 1], [0, 0], [1, 1]).square()),
        ("col2im", |a| {
            images(a).square().im2col([2, 2], [1, 1], [0, 0], [1, 1]).col2im([4, 4], [2, 2], [1, 1], [0, 0], [1, 1])
        }),
        ("repeat_interleave", |a| a.square().repeat_interleave_self_int(2, 0, None)),
        ("max_pool2d", |a| images(a).max_pool2d([2, 2], [2, 2], [0, 0], [1, 1], false)),
        ("fractional_max_pool2d", |a| {
            images(a).fractional_max_pool2d([2, 2], [2, 2], &Tensor::full([3, 1, 2], 0.4, DOUBLE)).0
        }),
        ("max_unpool2d", |a| {
            let (y, at) = images(a).max_pool2d_with_indices([2, 2], [2, 2], [0, 0], [1, 1], false);
            y.max_unpool2d(&at, [4, 4])
        }),
        ("adaptive_max_pool2d", |a| images(a).adaptive_max_pool2d([2, 2]).0),
        ("avg_pool2d", |a| images(a).square().avg_pool2d([2, 2], [2, 2], [0, 0], false, true, None)),
        ("upsample_bicubic2d", |a| images(a).square().upsample_bicubic2d([7, 7], false, None, None)),
        ("affine_grid", |a| {
            Tensor::affine_grid_generator(&matrices(a).narrow(1, 0, 2).narrow(2, 0, 3), [3, 1, 2, 2], false)
        }),
        ("grid_sampler", |a| {
            let grid = Tensor::affine_grid_generator(
                &(matrices(a).narrow(1, 0, 2).narrow(2, 0, 3) * 0.2),
                [3, 1, 2, 2],
                false,
            );
            images(a).grid_sampler(&grid, 0, 0, false)
        }),
        ("bilinear", |a| Tensor::bilinear(a, &a.tanh(), &draw(13, &[2, 4, 4]), NONE)),
        ("rms_norm", |a| a.rms_norm([4], NONE, 1e-5)),
        ("group_norm", |a| a.group_norm(2, NONE, NONE, 1e-5, false)),
        ("layer_norm", |a| a.layer_norm([4], NONE, NONE, 1e-5, false)),
        ("layer_norm of images", |a| images(a).layer_norm([4, 4], NONE, NONE, 1e-5, false)),
        ("instance_norm", |a| images(a).instance_norm(NONE, NONE, NONE, NONE, true, 0.1, 1e-5, false)),
        ("batch_norm", |a| a.batch_norm(NONE, NONE, NONE, NONE, true, 0.1, 1e-5, false)),
        ("native_batch_norm", |a| a.native_batch_norm(NONE, NONE, NONE, NONE, true, 0.1, 1e-5).0),
        ("weight_norm", |a| Tensor::internal_weight_norm(a, &a.get(0).narrow(0, 0, 3).view([3, 1]), 0)),
        ("conv1d", |a| a.unsqueeze(1).conv1d(&a.narrow(1, 0, 2).unsqueeze(1), NONE, 1, 0, 1, 1)),
        ("conv_transpose1d", |a| {
            a.unsqueeze(1).conv_transpose1d(&a.narrow(0, 0, 1).narrow(1, 0, 2).unsqueeze(1), NONE, 1, 0, 0, 1, 1)
        }),
        ("conv_tbc", |a| a.unsqueeze(1).conv_tbc(&a.view([1, 4, 3]), &a.get(0).narrow(0, 0, 3), 0)),
        ("gru_cell", |a| a.gru_cell(&a.narrow(1, 0, 2).tanh(), &draw(14, &[6, 4]), &draw(15, &[6, 2]), NONE, NONE)),
        ("lstm_cell", |a| {
            let h = a.narrow(1, 0, 2).tanh();
            a.lstm_cell(&[&h, &h.square()], &draw(16, &[8, 4]), &draw(17, &[8, 2]), NONE, NONE).0
        }),
        ("rfft", |a| a.square().fft_rfft(None, 1, "ortho").abs()),
        ("irfft", |a| Tensor::polar(&(a.square() + 0.5), &a.sin()).fft_irfft(None, 1, "ortho")),
        ("angle", |a| Tensor::complex(a, &a.flip([1])).angle()),
        ("stft", |a| a.square().stft(4, 2, 4, NONE, false, true, true, false).abs()),
        ("cdist", |a| Tensor::cdist(a, &a.tanh().flip([1]), 2.0, None)),
        ("cdist 1", |a| Tensor::cdist(a, &a.tanh().flip([1]), 1.0, None)),
        ("pdist", |a| a.pdist(2.0)),
        ("trapezoid", |a| Tensor::trapezoid(&a.square(), 1)),
        ("cumulative_trapezoid", |a| Tensor::cumulative_trapezoid(&a.square(), 1)),
        ("scaled_dot_product_attention", |a| {
            Tensor::scaled_dot_product_attention(
                &matrices(a),
                &matrices(a),
                &positive(a),
                NONE,
                0.0,
                false,
                None,
                false,
            )
        }),
        ("embedding_renorm of an index", |a| Tensor::embedding(a, &rows(), -1, false, false).square()),
        ("embedding_bag", |a| {
            Tensor::embedding_bag(a, &rows(), &Tensor::from_slice(&[0i64, 2]), false, 0, false, NONE, false).0
        }),
        ("ctc_loss", |a| {
            let log = (a.unsqueeze(1) * 1.0).log_softmax(2, Kind::Double);
            Tensor::ctc_loss(&log, &Tensor::from_slice(&[1i64]).view([1, 1]), [3], [1], 0, Reduction::Mean, false)
        }),
        ("roll", |a| a.square().roll([1], [1])),
        ("pixel_shuffle", |a| a.square().view([3, 4, 1, 1]).pixel_shuffle(2)),
        ("as_strided", |a| a.square().as_strided([2, 3], [4, 1], None)),
        ("dropout of nothing", |a| a.square().dropout(0.0, true)),
        ("feature_alpha_dropout", |a| a.square().alpha_dropout(0.0, true)),
        ("igamma", |a| Tensor::from_slice(&[0.7f64, 1.2, 2.0, 3.1]).igamma(&(a.square() + 0.5))),
        ("zeta", |a| Tensor::from_slice(&[1.7f64, 2.2, 3.0, 3.1]).special_zeta(&(a.square() + 0.5))),
    ]
}

fn reduced(a: &Tensor, how: &str) -> Tensor {
    let index = rows().unsqueeze(1).expand([3, 4], false);
    a.narrow(0, 0, 2).sin().internal_scatter_reduce(0, &index, a, how, true)
}

fn segments(a: &Tensor, how: &str) -> Tensor {
    let lengths = Tensor::from_slice(&[2i64, 1]);
    Tensor::segment_reduce(a, how, Some(&lengths), None, None, 0, false, 1.0)
}

/// The derivative at 0 of what a step moves, to the fourth order.
fn slope(at: impl Fn(f64) -> Tensor) -> Tensor {
    let h = 1e-4;
    ((at(h) - at(-h)) * 8.0 - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * h)
}

/// Within the error of differences of differences. What is no number is as good as refused: a step is skipped for it.
fn close(found: &Tensor, wanted: &Tensor) -> bool {
    let off = (found - wanted).abs().max().double_value(&[]);
    off.is_nan() || off <= 5e-5 * (1.0 + wanted.abs().max().double_value(&[]))
}

/// Whether a refusal names what cannot be had.
fn is_typed(error: &AutodiffError) -> bool {
    use AutodiffError::{Fragile, NoForwardDerivative, NoSecondDerivative, NotContiguous, Overwritten, WrongTangent};
    matches!(
        error,
        NoForwardDerivative { .. }
            | NoSecondDerivative { .. }
            | Fragile { .. }
            | WrongTangent { .. }
            | NotContiguous
            | Overwritten
    )
}

#[test]
fn derivatives_of_every_operation_are_right_or_refused() {
    let (x, v, w) = (draw(0, &[3, 4]), draw(1, &[3, 4]), draw(2, &[4, 4]).set_requires_grad(true));
    let (still, to_w) = (w.detach(), draw(3, &[4, 4]));
    let mut wrong = vec![];
    for (name, f) in operations().into_iter().chain(operations_of_parts::operations()) {
        let along = |w: &Tensor| {
            let w = w.shallow_clone();
            move |x: &[Tensor]| Ok::<_, AutodiffError>(vec![f(&x[0].matmul(&w))])
        };
        let Ok(value) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| f(&x.matmul(&still)))) else {
            wrong.push(format!("{name}: does not run"));
            continue;
        };
        let (at, to) = ([x.shallow_clone()], [v.shallow_clone()]);
        let tangent = slope(|h| f(&(&x + &v * h).matmul(&still)));
        let mut look = |how: &str, found: Result<Tensor, AutodiffError>, wanted: &Tensor| match found {
            Ok(found) if !close(&found, wanted) => wrong.push(format!(
                "{name}, {how}: off by {:.2e} of {:.2e}",
                (&found - wanted).abs().max().double_value(&[]),
                wanted.abs().max().double_value(&[])
            )),
            Ok(_) => {}
            Err(error) if is_typed(&error) => {}
            Err(error) => wrong.push(format!("{name}, {how}: {error}")),
        };
        look("tangent", jvp(along(&still), &at, &to).map(|mut duals| duals.remove(0).tangent), &tangent);
        look("recorded tangent", jvp(along(&w), &at, &to).map(|mut duals| duals.remove(0).tangent.detach()), &tangent);
        let c = draw(4, &value.size());
        // Of <c, J v> along a direction of the weights.
        let wanted = slope(|step| {
            let w = &still + &to_w * step;
            (slope(|h| f(&(&x + &v * h).matmul(&w))) * &c).sum(Kind::Double)
        });
        let of = |mut g: Vec<Tensor>| (g.remove(0) * &to_w).sum(Kind::Double);
        let through = jvp(along(&w), &at, &to).and_then(|mut duals| {
            vjp(&[duals.remove(0).tangent], &[c.shallow_clone()], &[w.shallow_clone()], Graph::Free)
        });
        look("through the tangent", through.map(of), &wanted);
        let over = tangent_gradient(along(&w), &at, &to, &[w.shallow_clone()], &[c.shallow_clone()]);
        look("forward over reverse", over.map(of), &wanted);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

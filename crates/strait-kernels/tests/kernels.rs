//! Kernels against the same maps with libtorch's operations.

use crate::common::{along, draw};
use strait_autodiff::{AutodiffError, Dual, Graph, Jet, Order, jvp, vjp};
use strait_core::Direction;
use strait_kernels::{
    Active, AffinePaths, ChainPaths, Posterior, Stage, affine, affine_curve, affine_jet, diagonal, posterior, silu,
    spline, spline_jet, triangular,
};
use tch::{Device, Kind, Tensor};

const BOUND: f64 = 2.0;

fn way(inverse: bool) -> Direction {
    if inverse { Direction::Inverse } else { Direction::Forward }
}

type Map = fn(&[Tensor], bool) -> [Tensor; 2];

/// A kernel, the same map of libtorch's operations, and inputs for both.
struct Case {
    kernel: Map,
    composed: Map,
    inputs: Vec<Tensor>,
}

const AFFINE: (Map, Map) = (
    |v, inverse| affine(way(inverse), &v[0], &v[1], None, BOUND).unwrap().expect("a kernel").into(),
    |v, inverse| {
        let (x, parts) = (&v[0], v[1].chunk(2, 1));
        let s = (&parts[0] / BOUND).tanh() * BOUND;
        let (y, slope) = if inverse { ((x - &parts[1]) * (-&s).exp(), -s) } else { (x * s.exp() + &parts[1], s) };
        let axes: Vec<i64> = (1..x.dim() as i64).collect();
        [y, slope.sum_dim_intlist(axes, false, x.kind())]
    },
);

/// A gate for each sample, from shut to open.
fn gate(x: &Tensor) -> Tensor {
    Tensor::linspace(0.0, 1.0, x.size()[0], (x.kind(), Device::Cpu))
}

const GATED: (Map, Map) = (
    |v, inverse| affine(way(inverse), &v[0], &v[1], Some(&gate(&v[0])), BOUND).unwrap().expect("a kernel").into(),
    |v, inverse| {
        let (x, parts) = (&v[0], v[1].chunk(2, 1));
        let wide: Vec<i64> = (0..x.dim()).map(|i| if i == 0 { -1 } else { 1 }).collect();
        let g = gate(x).view(&wide[..]);
        let (s, m) = ((&parts[0] / BOUND).tanh() * BOUND * &g, &parts[1] * &g);
        let (y, slope) = if inverse { ((x - m) * (-&s).exp(), -s) } else { (x * s.exp() + m, s) };
        let axes: Vec<i64> = (1..x.dim() as i64).collect();
        [y, slope.sum_dim_intlist(axes, false, x.kind())]
    },
);

const DIAGONAL: (Map, Map) = (
    |v, inverse| diagonal(way(inverse), &v[0], &v[1], &v[2]).unwrap().expect("a kernel").into(),
    |v, inverse| {
        let x = &v[0];
        let wide: Vec<i64> = (0..x.dim()).map(|i| if i == 1 { -1 } else { 1 }).collect();
        let (s, b) = (v[1].view(&wide[..]), v[2].view(&wide[..]));
        let places: i64 = x.size()[2..].iter().product();
        let log_det = v[1].sum(x.kind()) * places;
        if inverse { [(x - b) * (-s).exp(), -log_det] } else { [x * s.exp() + b, log_det] }
    },
);

const TRIANGULAR: (Map, Map) = (
    |v, inverse| triangular(way(inverse), &v[0]).unwrap().expect("a kernel").into(),
    |v, inverse| {
        let (w, one) = (&v[0], Tensor::eye(v[0].size()[0], (v[0].kind(), Device::Cpu)));
        let upper = w.triu(1) + w.diagonal(0, 0, 1).exp().diag_embed(0, 0, 1);
        let matrix = (w.tril(-1) + one).matmul(&upper);
        let log_det = w.diagonal(0, 0, 1).sum(w.kind());
        if inverse { [matrix.inverse(), -log_det] } else { [matrix, log_det] }
    },
);

/// Beside it a number, as the others have a log-determinant.
const SILU: (Map, Map) = (
    |v, _| [silu(&v[0]).unwrap().expect("a kernel"), v[0].sum(v[0].kind())],
    |v, _| [&v[0] * v[0].sigmoid(), v[0].sum(v[0].kind())],
);

const BINS: i64 = 5;

/// In the form of Durkan and others, equations 4, 5 and 25 to 29.
const SPLINE: (Map, Map) = (
    |v, inverse| spline(way(inverse), &v[0], &v[1], BINS, BOUND).unwrap().expect("a kernel").into(),
    |v, inverse| {
        let (x, kind) = (&v[0], v[0].kind());
        let logits = v[1].unflatten(1, [x.size()[1], 3 * BINS - 1]).movedim_int(2, -1);
        let sizes =
            |from| (logits.narrow(-1, from, BINS).softmax(-1, kind) * 0.95 + 0.05 / BINS as f64) * (2.0 * BOUND);
        let knots = |sizes: &Tensor| sizes.cumsum(-1, kind).constant_pad_nd([1, 0]) - BOUND;
        let (w, h) = (sizes(0), sizes(BINS));
        let (xs, ys, s) = (knots(&w), knots(&h), &h / &w);
        let (left, right) = (s.narrow(-1, 0, BINS - 1), s.narrow(-1, 1, BINS - 1));
        let harmonic = &left * &right * 2.0 / (left + right);
        let slopes = harmonic * ((logits.narrow(-1, 2 * BINS, BINS - 1) / 3.0).tanh() * 3.0).exp();
        let slopes = (slopes - 1.0).constant_pad_nd([1, 1]) + 1.0;
        let inside = x.abs().le(BOUND);
        let point = x.where_self(&inside, &x.zeros_like());
        let starts = if inverse { &ys } else { &xs };
        let k = point.unsqueeze(-1).ge_tensor(&starts.narrow(-1, 1, BINS - 1)).sum_dim_intlist(
            [-1i64].as_slice(),
            true,
            Kind::Int64,
        );
        let of = |all: &Tensor, next: i64| all.gather(-1, &(&k + next), false).squeeze_dim(-1);
        let (w, h, s, d0, d1) = (of(&w, 0), of(&h, 0), of(&s, 0), of(&slopes, 0), of(&slopes, 1));
        let (x0, y0, bend) = (of(&xs, 0), of(&ys, 0), &d0 + &d1 - &s * 2.0);
        let xi = if inverse {
            let rise = &point - &y0;
            let (a, b, c) = (&h * (&s - &d0) + &rise * &bend, &h * &d0 - &rise * &bend, -(&s * &rise));
            &c * 2.0 / (-&b - (b.square() - a * &c * 4.0).sqrt())
        } else {
            (&point - &x0) / w.shallow_clone()
        };
        let rest: Tensor = 1.0 - &xi;
        let low = &s + &bend * &xi * &rest;
        let y = &y0 + h * (&s * xi.square() + &d0 * &xi * &rest) / &low;
        let slope = s.square() * (d1 * xi.square() + &s * &xi * &rest * 2.0 + d0 * rest.square()) / low.square();
        let image = if inverse { x0 + xi * w } else { y };
        let log_slope = slope.log().where_self(&inside, &x.zeros_like()) * if inverse { -1.0 } else { 1.0 };
        let axes: Vec<i64> = (1..x.dim() as i64).collect();
        [image.where_self(&inside, x), log_slope.sum_dim_intlist(axes, false, kind)]
    },
);

fn cases(kind: Kind) -> Vec<Case> {
    let case = |(kernel, composed): (Map, Map), inputs| Case { kernel, composed, inputs };
    let wide = draw(0, &[6, 10, 4, 2], kind);
    let half = wide.narrow(1, 5, 5);
    let last = draw(1, &[6, 4, 2, 10], kind).permute([0, 3, 1, 2]);
    let mut all = vec![
        case(AFFINE, vec![half.shallow_clone(), &last * 3.0]), // a half, channels last
        case(AFFINE, vec![draw(3, &[1, 5, 3, 1], kind).expand([4, 5, 3, 2], false), draw(4, &[4, 10, 3, 2], kind)]),
        case(AFFINE, vec![draw(2, &[5, 1], kind), draw(4, &[5, 2], kind)]),
        case(GATED, vec![half.shallow_clone(), last.shallow_clone()]),
        case(GATED, vec![draw(2, &[5, 1], kind), draw(4, &[5, 2], kind)]),
        case(AFFINE, vec![draw(3, &[0, 3], kind), draw(4, &[0, 6], kind)]),
        case(SPLINE, vec![half.shallow_clone(), draw(16, &[6, 4, 2, 70], kind).permute([0, 3, 1, 2])]),
        case(SPLINE, vec![draw(2, &[30, 1], kind) * 2.0, draw(17, &[30, 14], kind)]),
        case(SPLINE, vec![draw(3, &[0, 3], kind), draw(4, &[0, 42], kind)]),
    ];
    // Vectors in more than one block, images with and without a rest beyond the lanes, one channel, none at all.
    let images = [half, last, draw(5, &[3, 4, 5, 7], kind), draw(6, &[2, 1, 1, 3], kind)];
    let vectors = [draw(7, &[150, 3], kind), draw(8, &[5, 1], kind), draw(9, &[0, 3], kind), draw(9, &[4, 0], kind)];
    for x in images.into_iter().chain(vectors) {
        let c = [x.size()[1]];
        all.push(case(DIAGONAL, vec![x, draw(10, &c, kind), draw(11, &c, kind)]));
    }
    for n in [0, 1, 2, 5, 17] {
        all.push(case(TRIANGULAR, vec![draw(12, &[n, n], kind) * 0.3]));
    }
    all.push(case(TRIANGULAR, vec![(draw(13, &[4, 4], kind) * 0.3).tr()]));
    let maps = draw(14, &[3, 4, 5, 6], kind) * 4.0;
    let shapes = [maps.permute([0, 3, 1, 2]), maps.narrow(2, 1, 3), maps.narrow(0, 0, 0), maps.get(0).get(0).get(0)];
    all.extend(shapes.map(|x| case(SILU, vec![x])));
    all.push(case(SILU, vec![draw(15, &[1, 5], kind).expand([3, 5], false)]));
    all
}

/// Values, gradients, and the gradients of a function of the gradients.
fn everything(map: Map, inputs: &[Tensor], inverse: bool) -> Vec<Tensor> {
    let leaves: Vec<Tensor> = inputs.iter().map(|x| x.detach().set_requires_grad(true)).collect();
    let y = map(&leaves, inverse);
    let kind = inputs[0].kind();
    let w = [draw(25, &y[0].size(), kind), draw(26, &y[1].size(), kind)].map(|w| w.set_requires_grad(true));
    let plain = vjp(&y, &w, &leaves, Graph::Keep).unwrap();
    let first = vjp(&y, &w, &leaves, Graph::Record).unwrap();
    let v: Vec<Tensor> = leaves.iter().zip(27..).map(|(x, seed)| draw(seed, &x.size(), kind)).collect();
    let all: Vec<Tensor> = leaves.iter().chain(&w).map(Tensor::shallow_clone).collect();
    let second = vjp(&first, &v, &all, Graph::Free).unwrap();
    y.into_iter().chain(plain).chain(first.iter().map(Tensor::detach)).chain(second).collect()
}

#[test]
fn a_kernel_is_its_map_with_the_first_two_derivatives() {
    for (kind, tolerance) in [(Kind::Double, 1e-12), (Kind::Float, 1e-4)] {
        for (number, Case { kernel, composed, inputs }) in cases(kind).iter().enumerate() {
            for inverse in [false, true] {
                let ours = everything(*kernel, inputs, inverse);
                let theirs = everything(*composed, inputs, inverse);
                for (i, (a, b)) in ours.iter().zip(&theirs).enumerate() {
                    assert_eq!(a.size(), b.size(), "case {number}, tensor {i}");
                    let off =
                        if a.numel() == 0 { 0.0 } else { ((a - b).abs() / (b.abs() + 1.0)).max().double_value(&[]) };
                    assert!(off < tolerance, "{kind:?} case {number}, inverse {inverse}, tensor {i}: {off:e}");
                }
            }
        }
    }
}

/// $J^\top J v$, where the Jacobian's transpose is taken in forward mode through the pull-back: no kernel may lose the
/// tangents of its cotangents.
#[test]
fn a_gauss_newton_product_through_a_kernel_is_that_of_its_map() {
    for (kind, tolerance) in [(Kind::Double, 1e-12), (Kind::Float, 1e-4)] {
        for (number, Case { kernel, composed, inputs }) in cases(kind).iter().enumerate() {
            for inverse in [false, true] {
                let leaves: Vec<Tensor> = inputs.iter().map(|x| x.detach().set_requires_grad(true)).collect();
                let v: Vec<Tensor> = inputs.iter().zip(40..).map(|(x, seed)| draw(seed, &x.size(), kind)).collect();
                let forward = |x: &[Tensor]| Ok::<_, AutodiffError>(composed(x, inverse).into());
                let (y, jv): (Vec<Tensor>, Vec<Tensor>) = tch::no_grad(|| jvp(forward, inputs, &v).unwrap())
                    .into_iter()
                    .map(|dual| (dual.value, dual.tangent))
                    .unzip();
                let exact = vjp(&composed(&leaves, inverse), &jv, &leaves, Graph::Free).unwrap();
                let outputs = kernel(&leaves, inverse);
                let found = along(&outputs, &y, &jv, &leaves);
                for (i, (pair, exact)) in found.chunks(2).zip(&exact).enumerate() {
                    let off = if exact.numel() == 0 {
                        0.0
                    } else {
                        (&pair[1] - exact).abs().max().double_value(&[]) / (1.0 + exact.abs().max().double_value(&[]))
                    };
                    assert!(off < tolerance, "{kind:?} case {number}, inverse {inverse}, input {i}: {off:e}");
                    assert!(!pair[1].requires_grad());
                }
            }
        }
    }
}

#[test]
fn a_gradient_is_differentiated_where_not_all_inputs_are() -> Result<(), AutodiffError> {
    // The log-determinant then depends on nothing that moves.
    let x = draw(0, &[3, 2], Kind::Double).set_requires_grad(true);
    let (raw, s, b) = (draw(1, &[3, 4], Kind::Double), draw(2, &[2], Kind::Double), draw(3, &[2], Kind::Double));
    for inverse in [false, true] {
        let coupled = affine(way(inverse), &x, &raw, None, BOUND)?.expect("a kernel");
        let scaled = diagonal(way(inverse), &x, &s, &b)?.expect("a kernel");
        for (y, _) in [coupled, scaled] {
            let w = draw(4, &[3, 2], Kind::Double).set_requires_grad(true);
            let first = vjp(&[y.shallow_clone()], &[w.shallow_clone()], &[x.shallow_clone()], Graph::Record)?.remove(0);
            let plain = vjp(&[y], &[w.shallow_clone()], &[x.shallow_clone()], Graph::Keep)?.remove(0);
            let along = vjp(&[first.shallow_clone()], &[w.detach()], &[w], Graph::Free)?.remove(0);
            let off = ((&first - &plain).abs() + (along - plain).abs()).max().double_value(&[]);
            assert!(off < 1e-12, "inverse {inverse}: {off:e}"); // linear in w
        }
    }
    Ok(())
}

#[test]
fn kernels_with_zero_parameters_are_the_identity_to_the_bit() -> Result<(), AutodiffError> {
    let zeros = |shape: &[i64]| Tensor::zeros(shape, (Kind::Float, Device::Cpu));
    let x = draw(0, &[40, 33], Kind::Float) * 1e6;
    for inverse in [false, true] {
        let (y, log_det) = affine(way(inverse), &x, &zeros(&[40, 66]), None, BOUND)?.expect("a kernel");
        assert_eq!((y, log_det), (x.shallow_clone(), zeros(&[40])));
        let (y, log_det) = spline(way(inverse), &x, &zeros(&[40, 33 * 23]), 8, 2e6)?.expect("a kernel");
        assert_eq!((y, log_det), (x.shallow_clone(), zeros(&[40])));
        let (y, log_det) = diagonal(way(inverse), &x, &zeros(&[33]), &zeros(&[33]))?.expect("a kernel");
        assert_eq!((y, log_det), (x.shallow_clone(), zeros(&[])));
        let (matrix, log_det) = triangular(way(inverse), &zeros(&[9, 9]))?.expect("a kernel");
        assert_eq!((matrix, log_det), (Tensor::eye(9, (Kind::Float, Device::Cpu)), zeros(&[])));
    }
    Ok(())
}

#[test]
fn a_sample_does_not_depend_on_the_others() -> Result<(), AutodiffError> {
    let (x, raw) = (draw(0, &[7, 37], Kind::Float), draw(1, &[7, 74], Kind::Float));
    let (s, b) = (draw(2, &[37], Kind::Float), draw(3, &[37], Kind::Float));
    let coupled = affine(Direction::Inverse, &x, &raw, None, BOUND)?.expect("a kernel");
    let scaled = diagonal(Direction::Inverse, &x, &s, &b)?.expect("a kernel");
    for i in 0..7 {
        let one = x.narrow(0, i, 1);
        let bent = |x: &Tensor, raw: &Tensor| {
            Ok::<_, AutodiffError>(spline(Direction::Inverse, x, &raw.repeat([1, 7]), 5, BOUND)?.expect("a kernel"))
        };
        assert_eq!(bent(&one, &raw.narrow(0, i, 1))?.0, bent(&x, &raw)?.0.narrow(0, i, 1));
        let alone = affine(Direction::Inverse, &one, &raw.narrow(0, i, 1), None, BOUND)?.expect("a kernel");
        assert_eq!(alone, (coupled.0.narrow(0, i, 1), coupled.1.narrow(0, i, 1)));
        assert_eq!(diagonal(Direction::Inverse, &one, &s, &b)?.expect("a kernel").0, scaled.0.narrow(0, i, 1));
    }
    Ok(())
}

#[test]
fn what_a_kernel_cannot_do_is_left_to_others() -> Result<(), AutodiffError> {
    let (x, raw) = (draw(0, &[3, 2], Kind::Float), draw(1, &[3, 4], Kind::Float));
    let (c, square) = (draw(2, &[2], Kind::Float), draw(3, &[2, 2], Kind::Float));
    let half = |x: &Tensor| x.to_kind(Kind::Half);
    assert!(affine(Direction::Forward, &x, &raw, None, 100.0)?.is_none());
    assert!(affine(Direction::Forward, &half(&x), &half(&raw), None, 2.0)?.is_none());
    assert!(diagonal(Direction::Forward, &half(&x), &half(&c), &half(&c))?.is_none());
    assert!(diagonal(Direction::Forward, &x, &c.to_kind(Kind::Double), &c)?.is_none());
    assert!(triangular(Direction::Forward, &half(&square))?.is_none());
    assert!(triangular(Direction::Forward, &draw(4, &[33, 33], Kind::Float))?.is_none());
    let scale = draw(5, &[3], Kind::Float).exp();
    assert!(posterior(&half(&x), &half(&square), &half(&scale), &half(&scale))?.is_none());
    assert!(posterior(&x.copy().set_requires_grad(true), &square, &scale, &scale)?.is_none());
    let logits = draw(6, &[3, 10], Kind::Float);
    assert!(spline(Direction::Forward, &half(&x), &half(&logits), 2, 2.0)?.is_none());
    let inside = |v: &[Tensor]| {
        let left = affine(Direction::Forward, &v[0], &raw, None, 2.0)?.is_none()
            && diagonal(Direction::Forward, &v[0], &c, &c)?.is_none()
            && triangular(Direction::Forward, &square)?.is_none()
            && spline(Direction::Forward, &v[0], &logits, 2, 2.0)?.is_none()
            && silu(&v[0])?.is_none()
            && posterior(&x, &square, &scale, &scale)?.is_none();
        Ok::<_, AutodiffError>(vec![&v[0] * f64::from(u8::from(left))])
    };
    let Dual { value, .. } = jvp(inside, &[x.shallow_clone()], &[x.ones_like()])?.remove(0);
    assert_eq!(value, x);
    assert!(matches!(affine(Direction::Forward, &x, &x, None, 2.0), Err(AutodiffError::Shape { .. })));
    assert!(matches!(diagonal(Direction::Forward, &x, &c, &square), Err(AutodiffError::Shape { .. })));
    assert!(matches!(triangular(Direction::Forward, &x), Err(AutodiffError::Shape { .. })));
    for (endpoints, a) in [(&raw, &scale), (&square, &c), (&square.narrow(0, 0, 0), &scale)] {
        assert!(matches!(posterior(&x, endpoints, a, &scale), Err(AutodiffError::Shape { .. })));
    }
    Ok(())
}

/// Endpoints that fill the lanes and that do not, one and many dimensions, times at which all endpoints count and one does.
#[test]
fn the_posterior_is_a_softmax_of_squares() -> Result<(), AutodiffError> {
    for (kind, tolerance) in [(Kind::Double, 1e-12), (Kind::Float, 2e-5)] {
        for (k, d) in [(1, 1), (8, 2), (13, 2), (400, 17)] {
            let (x, endpoints) = (draw(0, &[9, d], kind), draw(1, &[k, d], kind));
            let a = Tensor::linspace(0.05, 1.0, 9, (kind, Device::Cpu));
            let b: Tensor = 1.0 - &a;
            let Posterior { mean, log_weight, log_effective } = posterior(&x, &endpoints, &a, &b)?.expect("a kernel");
            let rest = (x.unsqueeze(1) - b.view([-1, 1, 1]) * &endpoints) / a.view([-1, 1, 1]);
            let log = rest.square().sum_dim_intlist([2i64].as_slice(), false, kind) * -0.5;
            let over = |log: &Tensor| log.logsumexp([1i64].as_slice(), false);
            for (what, found, wanted) in [
                ("mean", mean, log.softmax(1, kind).matmul(&endpoints)),
                ("log-weight", log_weight, over(&log)),
                ("log-effective", log_effective, over(&log) * 2.0 - over(&(log * 2.0))),
            ] {
                let off = ((found - &wanted).abs() / (wanted.abs() + 1.0)).max().double_value(&[]);
                assert!(off < tolerance, "{kind:?}, {k} endpoints, {d} dimensions, {what}: {off:e}");
            }
        }
    }
    Ok(())
}

#[test]
fn a_bound_is_positive_and_finite() -> Result<(), AutodiffError> {
    let of = |seed: u64, shape: &[i64]| draw(seed, shape, Kind::Double);
    let (x, two, bins) = (of(0, &[3, 2]), of(1, &[3, 4]), of(2, &[3, 10]));
    let moving = |x: &Tensor| Jet::variable(x, Order::First);
    let t = Tensor::full([3], 0.5, (Kind::Double, Device::Cpu));
    for bound in [0.0, -2.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let paths =
            AffinePaths { numbers: &Jet::constant(&of(3, &[9, 4])), bound, x: &of(4, &[3, 1, 2]), x1: &x, t: &t };
        let coupling = Stage::Coupling {
            active: Active::First,
            offset: Jet::constant(&of(5, &[9, 4])),
            inner: of(6, &[4, 1]),
            outer: of(7, &[2, 4]),
            bias: of(8, &[2]),
            gate: Jet::constant(&t),
            bound,
        };
        let chain = ChainPaths { stages: &[coupling], x: paths.x, x1: &x, t: &t };
        let found = [
            spline(Direction::Forward, &x, &bins, 2, bound).err(),
            spline(Direction::Forward, &x, &of(9, &[3, 100]), 17, bound).err(), // no kernel
            spline_jet(&moving(&x), &moving(&bins), 2, bound, Order::First).err(),
            spline_jet(&moving(&x), &moving(&bins), 2, bound, Order::Value).err(),
            affine(Direction::Forward, &x, &two, None, bound).err(),
            affine_jet(&moving(&x), &moving(&two), None, bound, Order::First).err(),
            affine_curve(&Jet::constant(&two), bound, &x, &x, &t, Order::First).err(),
            paths.field().err(),
            chain.field().err(),
        ];
        for (i, found) in found.into_iter().enumerate() {
            match found {
                Some(AutodiffError::Bound { value }) => assert_eq!(value.to_bits(), bound.to_bits()),
                other => panic!("{i}, {bound}: {other:?}"),
            }
        }
    }
    Ok(())
}

/// Shapes that broadcast, or that have no axis at all, are faults like others.
#[test]
fn a_stage_with_a_gate_or_a_log_determinant_that_does_not_fit_is_named() {
    let of = |seed: u64, shape: &[i64]| draw(seed, shape, Kind::Double);
    let t = Tensor::full([3], 0.5, (Kind::Double, Device::Cpu));
    let (x, x1) = (of(0, &[3, 4, 2]), of(1, &[2, 2]));
    let check = |stage: Stage, what: &str| {
        let first = Stage::Linear {
            matrix: Jet::constant(&Tensor::eye(2, (Kind::Double, Device::Cpu)).repeat([3, 1, 1])),
            inverse: Tensor::eye(2, (Kind::Double, Device::Cpu)).repeat([3, 1, 1]),
            log_det: t.zeros_like(),
            shift: Jet::constant(&of(2, &[3, 2])),
        };
        match (ChainPaths { stages: &[first, stage], x: &x, x1: &x1, t: &t }).field() {
            Err(AutodiffError::Shape { what: named, index: 1, expected, .. }) => {
                assert_eq!((named, expected), (what, vec![3]));
            }
            other => panic!("{what}: {other:?}"),
        }
    };
    for wrong in [&[][..], &[1], &[4], &[3, 1]] {
        let eye = Tensor::eye(2, (Kind::Double, Device::Cpu)).repeat([3, 1, 1]);
        let shift = Jet::constant(&of(2, &[3, 2]));
        let linear = Stage::Linear { matrix: Jet::constant(&eye), inverse: eye, log_det: of(3, wrong), shift };
        check(linear, "a stage's log-determinant");
        let coupling = Stage::Coupling {
            active: Active::Last,
            offset: Jet::constant(&of(5, &[6, 4])),
            inner: of(6, &[4, 1]),
            outer: of(7, &[2, 4]),
            bias: of(8, &[2]),
            gate: Jet::constant(&of(9, wrong)),
            bound: 2.0,
        };
        check(coupling, "a stage's gate");
    }
}

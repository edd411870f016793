//! Effective sample sizes of the exact field on the linear path to sixteen separated modes.

use crate::common::{Independent, affine};
use strait_core::{InvertibleInterpolant, Parameters, Points, Seed, Source, StandardNormal};
use strait_laws::interpolant::Case;
use strait_paths::{Along, Exact, ExactField, Linear, Mixing, Schedule};
use tch::{Device, Kind, Tensor};

const TIMES: [f64; 5] = [0.1, 0.3, 0.5, 0.7, 0.9];

/// Sixteen modes of standard deviation 0.3 in d dimensions, centres from N(0, 9 I): candidates, and pairs that are not
/// among them.
fn mixture(d: i64) -> [Tensor; 3] {
    let float = (Kind::Float, Device::Cpu);
    let mut draws = Seed(0).stream("mixture").at(0);
    let centres = draws.normal(&[16, d], float.0, float.1).unwrap() * 3.0;
    let which = draws.integers(16, &[4096 + 16], Device::Cpu).unwrap();
    let x = centres.index_select(0, &which) + draws.normal(&[4096 + 16, d], float.0, float.1).unwrap() * 0.3;
    let x0 = StandardNormal::new(&[d]).sample(16, &mut draws, float.0, float.1).unwrap();
    [x.narrow(0, 0, 4096), x0, x.narrow(0, 4096, 16)]
}

/// $(\sum_k w_k)^2 / \sum_k w_k^2$ of each point, on average, with $w_k = N((x_t - t x_{1,k}) / (1 - t); 0, I)$: written from
/// its definition in double precision. From nearly all candidates to nearly one, in 2 to 128 dimensions.
#[test]
fn they_are_those_of_their_definition() {
    let (mut least, mut greatest) = (f64::INFINITY, 0.0f64);
    for d in [2, 8, 32, 128] {
        let [candidates, x0, x1] = mixture(d);
        let source = StandardNormal::new(&[d]);
        let field = ExactField::new(&Linear, &source, &Independent(true), candidates.shallow_clone(), 1 << 16).unwrap();
        let found = field.effective_sizes(&x0, &x1, &TIMES).unwrap();
        let [candidates, x0, x1] = [&candidates, &x0, &x1].map(|x| x.to_kind(Kind::Double));
        for (t, found) in TIMES.into_iter().zip(found) {
            let x_t = &x0 * (1.0 - t) + &x1 * t;
            let z = (x_t.unsqueeze(1) - candidates.unsqueeze(0) * t) / (1.0 - t);
            let log_weights = z.square().sum_dim_intlist([2i64].as_slice(), false, Kind::Double) * -0.5;
            let of = |power: f64| (&log_weights * power).logsumexp([1i64].as_slice(), false);
            let expected = (of(1.0) * 2.0 - of(2.0)).exp().mean(Kind::Double).double_value(&[]);
            assert!((found / expected - 1.0).abs() < 2e-3, "d = {d}, t = {t}: {found}, by definition {expected}");
            (least, greatest) = (least.min(expected), greatest.max(expected));
        }
    }
    assert!(least < 2.0 && greatest > 2000.0, "{least} to {greatest}");
}

/// Logarithms of weights of 1e5 to 3e8, which single precision rounds to whole numbers and more: all candidates are one point, so that
/// each of K has a share of 1 / K, and the field is the path's own velocity, in however many parts it is summed.
#[test]
fn large_logarithms_take_no_digits_of_sizes_and_fields() {
    let (d, k) = (64, 12);
    let case = Case { batch: 1, event: vec![d], seed: 1 };
    let mut parameters = Parameters::new(Seed(1), Kind::Float, Device::Cpu);
    let affine = affine(Mixing::Diagonal)(&case, &mut parameters.root()).unwrap();
    let paths = [&Linear as &dyn InvertibleInterpolant, &Schedule::Trigonometric, &affine];
    let source = StandardNormal::new(&[d]);
    let one = Seed(2).stream("one").at(0).normal(&[1, d], Kind::Float, Device::Cpu).unwrap();
    let candidates = one.expand([k, d], false).contiguous();
    let x = Seed(3).stream("x").at(0).normal(&[1, 5, d], Kind::Float, Device::Cpu).unwrap() * 3.0;
    for path in paths {
        for t in [0.9f32, 0.99, 0.999] {
            let t = Tensor::from_slice(&[t]);
            let right = path.through(Points { x_t: &x, x1: &one, t: &t }).unwrap().velocity.squeeze_dim(1);
            for pairs in [1 << 16, 25, 10, 5, 3, 1] {
                let field =
                    ExactField::new(path, &source, &Independent(true), candidates.shallow_clone(), pairs).unwrap();
                let Exact { velocity, effective, log_density } = field.at_times(&x, &t).unwrap();
                assert!(log_density.abs().min().double_value(&[]) > 1e4);
                let off = (&effective / k as f64 - 1.0).abs().max().double_value(&[]);
                let held = effective.ge(1.0 - 1e-5).f_logical_and(&effective.le(k as f64 * (1.0 + 1e-5))).unwrap();
                assert!(held.all().int64_value(&[]) == 1 && off < 1e-5, "{pairs} pairs at once: {effective}");
                let off = ((velocity - &right).abs().max() / right.abs().max()).double_value(&[]);
                assert!(off < 1e-5, "{pairs} pairs at once: a field off by {off:e}");
            }
            let field =
                ExactField::new(path, &source, &Independent(true), candidates.shallow_clone(), 1 << 16).unwrap();
            let moving = field.moving(&x, &t, Along::Forward).unwrap();
            let off = (moving.effective / k as f64 - 1.0).abs().max().double_value(&[]);
            assert!(off < 1e-5, "along the flow: an effective size off by {off:e}");
            let off = ((moving.velocity - &right).abs().max() / right.abs().max()).double_value(&[]);
            assert!(off < 1e-5, "along the flow: a field off by {off:e}");
        }
    }
}

//! Effective sample sizes of the exact field on the linear path to sixteen separated modes.

use crate::common::Independent;
use strait_core::{Seed, Source, StandardNormal};
use strait_paths::{ExactField, Linear};
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

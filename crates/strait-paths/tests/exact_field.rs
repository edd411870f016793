//! The exact field against the closed forms of Gaussian ends, and its refusals.

use strait_core::{Coupling, Draws, Error, Interpolant, Pairs, Seed, Source, StandardNormal, VelocityField};
use strait_paths::gaussian::LinearPathField;
use strait_paths::{ExactField, Linear, Schedule};
use tch::{Device, Kind, Tensor};

struct Independent(bool);

impl Coupling for Independent {
    fn couple(&self, x0: Tensor, x1: Tensor, _draws: &mut Draws) -> Result<Pairs, Error> {
        Ok(Pairs { x0, x1, target_rows: None })
    }
    fn is_independent(&self) -> bool {
        self.0
    }
    fn name(&self) -> &str {
        "a test"
    }
}

fn target(n: i64, seed: u64) -> (Tensor, Tensor, Tensor) {
    let mean = Tensor::from_slice(&[1.0f64, -0.5]);
    let root = Tensor::from_slice2(&[[1.2f64, 0.0], [0.4, 0.6]]);
    let z = Seed(seed).stream("z").at(0).normal(&[n, 2], Kind::Double, Device::Cpu).unwrap();
    (z.matmul(&root.tr()) + &mean, mean, root.matmul(&root.tr()))
}

/// Root mean square error of the exact field with K candidates, over repeated draws of them.
fn error_with(k: i64) -> f64 {
    let (_, mean, covariance) = target(1, 0);
    let truth = LinearPathField::new(&mean, &covariance).unwrap();
    // Where the path goes: far from it a handful of candidates would carry all the weight.
    let x0 = Seed(9).stream("x").at(0).normal(&[40, 2], Kind::Double, Device::Cpu).unwrap();
    let t = Seed(9).stream("t").at(0).uniform(&[40], Kind::Double, Device::Cpu).unwrap() * 0.6;
    let x = Linear.at(&x0, &target(40, 7).0, &t).unwrap().x_t;
    let exact = truth.velocity(&x, &t).unwrap();
    let source = StandardNormal::new(&[2]);
    let total: f64 = (0..10)
        .map(|seed| {
            let candidates = target(k, 100 + seed).0;
            let field = ExactField::new(&Linear, &source, &Independent(true), candidates, 10_000).unwrap();
            (field.velocity(&x, &t).unwrap() - &exact).square().mean(Kind::Double).double_value(&[])
        })
        .sum();
    (total / 10.0).sqrt()
}

#[test]
fn it_converges_to_the_closed_form_as_candidates_grow() {
    let sizes = [256i64, 1024, 4096, 16384];
    let errors: Vec<f64> = sizes.iter().map(|&k| error_with(k)).collect();
    // The error of a self-normalised mean falls as K^(-1/2).
    let slope = (errors[3] / errors[0]).ln() / (sizes[3] as f64 / sizes[0] as f64).ln();
    assert!((slope + 0.5).abs() < 0.12, "slope {slope}, errors {errors:?}");
    assert!(errors[3] < 0.05, "{errors:?}");
}

#[test]
fn parts_do_not_change_it_and_effective_sizes_are_bounded() {
    let source = StandardNormal::new(&[2]);
    let x = source.sample(17, &mut Seed(1).stream("x").at(0), Kind::Double, Device::Cpu).unwrap();
    let t = Seed(1).stream("t").at(0).uniform(&[17], Kind::Double, Device::Cpu).unwrap() * 0.9;
    let field = |at_once| {
        let path = Box::leak(Box::new(Schedule::Trigonometric));
        ExactField::new(path, &source, &Independent(true), target(50, 3).0, at_once).unwrap().at(&x, &t).unwrap()
    };
    let (whole, parts) = (field(1_000_000), field(120));
    assert!(whole.velocity.allclose(&parts.velocity, 1e-12, 1e-12, false));
    let range = (whole.effective.min().double_value(&[]), whole.effective.max().double_value(&[]));
    assert!(range.0 >= 1.0 && range.1 <= 50.0, "{range:?}");
    // At t = 0 every candidate has the same weight.
    let start = ExactField::new(&Linear, &source, &Independent(true), target(50, 3).0, 1000).unwrap();
    let at_start = start.at(&x, &t.zeros_like()).unwrap();
    assert!((at_start.effective - 50.0).abs().max().double_value(&[]) < 1e-9);
}

#[test]
fn it_refuses_pairs_that_are_not_independent_and_the_end() {
    let source = StandardNormal::new(&[2]);
    let refused = ExactField::new(&Linear, &source, &Independent(false), target(5, 3).0, 1000).err().unwrap();
    assert!(refused.to_string().contains("independent coupling only"), "{refused}");
    let field = ExactField::new(&Linear, &source, &Independent(true), target(5, 3).0, 1000).unwrap();
    let x = Tensor::zeros([1, 2], (Kind::Double, Device::Cpu));
    let end = Tensor::from_slice(&[1.0f64]);
    assert!(matches!(field.velocity(&x, &end), Err(Error::Time { .. })));
    assert!(field.velocity(&x.narrow(1, 0, 1), &end).is_err());
}

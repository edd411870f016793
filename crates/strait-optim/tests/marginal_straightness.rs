//! `MarginalStraightness`, whose gradient includes the response of the marginal field, where that field is known.
//!
//! Between Gaussians, $x_0 \sim N(0, I)$ and $x_1 \sim N(0, S)$, a path $x_t = A_t x_0 + t x_1$ has the field
//! $v^* = G_t x$ with $G = (\dot A A^\top + t S) C^{-1}$, $C = A A^\top + t^2 S$, and
//! $Dv^* = (\dot G + G^2)\,x$, so that $E|Dv^*|^2 = \int \operatorname{tr}\bigl(K C K^\top\bigr)\,dt$, $K = \dot G + G^2$.

use crate::common::sheared::{Sheared, field, pairs};
use strait_core::{Error, Models, Objective, VelocityField};
use strait_optim::objectives::MarginalStraightness;
use tch::Tensor;

/// The field of a path, held.
struct Held(Sheared);

impl VelocityField for Held {
    fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        // The pairs of one time lie side by side.
        let times = Vec::<f64>::try_from(t)?.into_iter().step_by(16);
        let each: Vec<Tensor> = times.map(|t| field(&self.0, t).0).collect();
        let matrices = Tensor::stack(&each, 0).unsqueeze(1).expand([-1, 16, 2, 2], false).flatten(0, 1);
        Ok(matrices.matmul(&x.unsqueeze(2)).squeeze_dim(2))
    }
}

/// $E|Dv^*|^2$ of a path, by the trapezium rule.
fn straightness(path: &Sheared) -> f64 {
    let at = |t: f64| {
        let (g, c) = field(path, t);
        let h = 1e-5;
        let k = (field(path, t + h).0 - field(path, t - h).0) / (2.0 * h) + g.matmul(&g);
        k.matmul(&c).matmul(&k.tr()).trace().double_value(&[])
    };
    let n = 400;
    (0..=n).map(|i| at(f64::from(i) / f64::from(n)) * if i % n == 0 { 0.5 } else { 1.0 }).sum::<f64>() / f64::from(n)
}

#[test]
fn its_value_and_its_gradient_are_those_of_the_marginal_field() {
    for c in [0.0, 0.6] {
        let path = Sheared { c: Tensor::from(c).set_requires_grad(true), ..Sheared::new(c) };
        let velocity = Held(Sheared::new(c));
        let models = Models { interpolant: &path, velocity: &velocity };
        let loss = MarginalStraightness { step: 0.002 }.loss(models, &pairs(1000)).unwrap();
        let gradient = Tensor::run_backward(&[&loss.total], &[&path.c], false, false).remove(0).double_value(&[]);
        let truth = straightness(&Sheared::new(c));
        let slope = (straightness(&Sheared::new(c + 1e-4)) - straightness(&Sheared::new(c - 1e-4))) / 2e-4;
        let total = loss.total.double_value(&[]);
        assert!((total - truth).abs() < 0.02 * truth, "c = {c}: {total} in place of {truth}");
        assert!((gradient - slope).abs() < 0.02 * slope.abs(), "c = {c}: {gradient} in place of {slope}");
        // Where the field is the marginal one its response is 0 in value, and all but all of the gradient.
        let response = loss.terms.iter().find(|(name, _)| *name == "response").unwrap().1.double_value(&[]);
        assert!(response.abs() < 0.02 * truth, "c = {c}: {response}");
    }
}

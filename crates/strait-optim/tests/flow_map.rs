//! The objectives of flow maps: values, gradients, where gradients are stopped, and the fixed point at the exact map of
//! a field.

use crate::common::sheared::{OPTIONS, Sheared, covariance, field, pairs};
use crate::common::{Bent, normal};
use strait_autodiff::{Graph, vjp};
use strait_core::{Batch, Error, FlowMap, Interpolant, Models, Objective, VelocityField, per_sample};
use strait_optim::objectives::{
    LagrangianDistillation, MapResidual, MeanFlow, ProgressiveDistillation, TrajectoryRegression,
};
use strait_paths::gaussian::LinearPathField;
use tch::Tensor;

/// $u = a (1+s) \sin x + b\, t \cos x + c\, (t-s)\, x$, with $(a, b, c)$ in a tensor.
struct Waves(Tensor);

impl Waves {
    fn average(p: &Tensor, x: &Tensor, s: &Tensor, t: &Tensor) -> Tensor {
        let (s, t) = (per_sample(s, x), per_sample(t, x));
        p.get(0) * (&s + 1.0) * x.sin() + p.get(1) * &t * x.cos() + p.get(2) * (t - s) * x
    }

    /// Of the average velocity at fixed x and s.
    fn in_end(p: &Tensor, x: &Tensor) -> Tensor {
        p.get(1) * x.cos() + p.get(2) * x
    }

    /// Of the average velocity along (dx, 1) in x and s, at fixed t.
    fn in_start(p: &Tensor, x: &Tensor, dx: &Tensor, s: &Tensor, t: &Tensor) -> Tensor {
        let (s, t) = (per_sample(s, x), per_sample(t, x));
        let slope = p.get(0) * (&s + 1.0) * x.cos() - p.get(1) * &t * x.sin() + p.get(2) * (t - s);
        p.get(0) * x.sin() - p.get(2) * x + slope * dx
    }
}

impl VelocityField for Waves {
    fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        self.average_velocity(x, t, t)
    }
    fn as_flow_map(&self) -> Option<&dyn FlowMap> {
        Some(self)
    }
}

impl FlowMap for Waves {
    fn average_velocity(&self, x: &Tensor, s: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        Ok(Self::average(&self.0, x, s, t))
    }
}

const PAIRS: i64 = 64;
const OFF: i64 = 24;

/// Pairs of which the last are off the diagonal.
fn batch() -> Batch {
    let t = normal("t", &[PAIRS]).sigmoid();
    let s = t.narrow(0, PAIRS - OFF, OFF);
    let later = &s + (1f64 - &s) * normal("later", &[OFF]).sigmoid();
    Batch {
        x0: normal("x0", &[PAIRS, 2]),
        x1: normal("x1", &[PAIRS, 2]),
        t,
        later: Some(later),
        conditions: strait_core::Conditions::default(),
    }
}

fn squares(x: &Tensor) -> Tensor {
    x.square().sum_dim_intlist([1i64].as_slice(), false, x.kind())
}

/// The two times of every pair.
fn times(batch: &Batch) -> (Tensor, Tensor) {
    let later = batch.later.as_ref().unwrap();
    (batch.t.shallow_clone(), Tensor::cat(&[&batch.t.narrow(0, 0, PAIRS - OFF), later], 0))
}

/// A loss as its document writes it: of parameters that learn, and of the same where a gradient is stopped.
type Written = fn(&Tensor, &Tensor, &Batch, &Tensor, &Tensor) -> Tensor;

/// On the diagonal both are flow matching, as $t - s = 0$ and $X = x$ there, and $u + 0 = u$ is compared with x'.
fn lagrangian(p: &Tensor, held: &Tensor, batch: &Batch, x: &Tensor, x_dot: &Tensor) -> Tensor {
    let (s, t) = times(batch);
    let h = per_sample(&(&t - &s), x);
    let moved = x + &h * Waves::average(held, x, &s, &t);
    let taught = Waves::average(held, &moved, &t, &t);
    let slope = Waves::average(p, x, &s, &t) + &h * Waves::in_end(p, x);
    let (on, off) = (squares(&(&slope - x_dot)), squares(&(slope - taught)));
    (on.narrow(0, 0, PAIRS - OFF).sum(on.kind()) + off.narrow(0, PAIRS - OFF, OFF).sum(off.kind())) / PAIRS as f64
}

fn mean_flow(power: f64, p: &Tensor, held: &Tensor, batch: &Batch, x: &Tensor, x_dot: &Tensor) -> Tensor {
    let (s, t) = times(batch);
    let target = x_dot + per_sample(&(&t - &s), x) * Waves::in_start(held, x, x_dot, &s, &t);
    let off = |p: &Tensor| squares(&(Waves::average(p, x, &s, &t) - &target));
    let weight = (off(held) + 0.1).pow_tensor_scalar(-power);
    (weight * off(p)).mean(x.kind())
}

fn plain(p: &Tensor, held: &Tensor, batch: &Batch, x: &Tensor, x_dot: &Tensor) -> Tensor {
    mean_flow(0.0, p, held, batch, x, x_dot)
}

fn weighed(p: &Tensor, held: &Tensor, batch: &Batch, x: &Tensor, x_dot: &Tensor) -> Tensor {
    mean_flow(0.75, p, held, batch, x, x_dot)
}

/// On the diagonal both halves are u, and are replaced by x'.
fn progressive(p: &Tensor, held: &Tensor, batch: &Batch, x: &Tensor, x_dot: &Tensor) -> Tensor {
    let (s, t) = times(batch);
    let m = &s + (&t - &s) / 2.0;
    let first = Waves::average(held, x, &s, &m);
    let half_way = x + per_sample(&(&m - &s), x) * &first;
    let taught = (first + Waves::average(held, &half_way, &m, &t)) / 2.0;
    let target = Tensor::cat(&[x_dot.narrow(0, 0, PAIRS - OFF), taught.narrow(0, PAIRS - OFF, OFF)], 0);
    squares(&(Waves::average(p, x, &s, &t) - target)).mean(x.kind())
}

/// The gradient is the slope of the value with all held that the method stops, and the path gets none.
#[test]
fn losses_are_as_they_are_written_and_gradients_stop_where_they_say() {
    let cases: [(&dyn Objective, Written); 4] = [
        (&LagrangianDistillation, lagrangian),
        (&ProgressiveDistillation, progressive),
        (&MeanFlow { power: 0.0, epsilon: 0.1 }, plain),
        (&MeanFlow { power: 0.75, epsilon: 0.1 }, weighed),
    ];
    let (at, batch) = ([0.7f64, -0.4, 0.5], batch());
    for (objective, written) in cases {
        let p = Tensor::from_slice(&at).set_requires_grad(true);
        let bend = Tensor::from_slice(&[0.3f64, -0.7]).set_requires_grad(true);
        let models = Models { interpolant: &Bent(bend.shallow_clone()), velocity: &Waves(p.shallow_clone()) };
        let total = objective.loss(models, &batch).unwrap().total;
        let held = Tensor::from_slice(&at);
        let path = tch::no_grad(|| models.interpolant.at(&batch.x0, &batch.x1, &batch.t)).unwrap();
        let value = |p: &Tensor| written(p, &held, &batch, &path.x_t, &path.velocity).double_value(&[]);
        let name = objective.name();
        assert!((total.double_value(&[]) - value(&held)).abs() < 1e-9, "{name}: {total} for {}", value(&held));
        let ones = [total.ones_like()];
        let gradients = vjp(&[total], &ones, &[p, bend], Graph::Free).unwrap();
        for i in 0..3 {
            let moved = |by: f64| {
                let mut at = at;
                at[i] += by;
                value(&Tensor::from_slice(&at))
            };
            let (slope, found) = ((moved(1e-5) - moved(-1e-5)) / 2e-5, gradients[0].double_value(&[i as i64]));
            assert!((found - slope).abs() < 1e-7 * (1.0 + slope.abs()), "{name} in {i}: {found} in place of {slope}");
        }
        assert_eq!(gradients[1], gradients[1].zeros_like(), "{name} moves the path");
    }
}

/// A map near another: $u + a (t - s) x + b\, A x$, with a matrix A.
struct Near<'m>(&'m LinearPathField, Tensor);

impl VelocityField for Near<'_> {
    fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        self.average_velocity(x, t, t)
    }
    fn as_flow_map(&self) -> Option<&dyn FlowMap> {
        Some(self)
    }
}

impl FlowMap for Near<'_> {
    fn average_velocity(&self, x: &Tensor, s: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        let turned = crate::common::Turning::times(x) * self.1.get(1);
        Ok(self.0.average_velocity(x, s, t)? + per_sample(&(t - s), x) * x * self.1.get(0) + turned)
    }
}

/// Pairs with the moments of the laws, a third of the times on the diagonal. Sixteen pairs share their times.
fn spans() -> Batch {
    let pairs = pairs(30);
    let s = pairs.t.narrow(0, 160, 320);
    let later = &s + (1f64 - &s) * normal("later", &[20]).sigmoid().repeat_interleave_self_int(16, 0, None);
    Batch { later: Some(later), ..pairs }
}

/// The map of the linear path's marginal field between Gaussians, where everything is quadratic in a pair and averages
/// are exact.
#[test]
fn losses_have_zero_gradient_at_the_map_of_the_marginal_field() {
    let map = LinearPathField::new(&Tensor::zeros([2], OPTIONS), &covariance()).unwrap();
    let slopes = |objective: &dyn Objective, at: &[f64; 2]| {
        let p = Tensor::from_slice(at).set_requires_grad(true);
        let near = Near(&map, p.shallow_clone());
        let total = objective.loss(Models { interpolant: &strait_paths::Linear, velocity: &near }, &spans()).unwrap();
        let ones = [total.total.ones_like()];
        Vec::<f64>::try_from(&vjp(&[total.total], &ones, &[p], Graph::Free).unwrap()[0]).unwrap()
    };
    // The target of two half steps follows the map half of the way.
    let objectives: [(&dyn Objective, f64); 3] =
        [(&LagrangianDistillation, 1e-3), (&ProgressiveDistillation, 3e-4), (&MeanFlow::default(), 1e-3)];
    for (objective, least) in objectives {
        let rest = slopes(objective, &[0.0, 0.0]);
        assert!(rest.iter().all(|slope| slope.abs() < 1e-9), "{}: {rest:?}", objective.name());
        for (at, i) in [([0.1, 0.0], 0), ([-0.1, 0.0], 0), ([0.0, 0.1], 1), ([0.0, -0.1], 1)] {
            let slope = slopes(objective, &at)[i];
            assert!(slope * at[i] > least, "{} at {at:?}: {slope}", objective.name());
        }
    }
    // Far targets count less under a weight, which moves the point.
    let moved = slopes(&MeanFlow { power: 1.0, epsilon: 1e-2 }, &[0.0, 0.0]);
    assert!(moved.iter().any(|slope| slope.abs() > 1e-4), "{moved:?}");
}

/// A map $X_{s,t}(x) = (I + (t-s)(1 + s + t) B) x$, beside a velocity that is not its diagonal but a path's field, held.
struct Beside(Sheared);

impl Beside {
    fn matrix() -> Tensor {
        Tensor::from_slice2(&[[0.3f64, -0.5], [0.8, 0.1]])
    }
}

impl VelocityField for Beside {
    fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        let each: Vec<Tensor> = Vec::<f64>::try_from(t)?.into_iter().map(|t| field(&self.0, t).0).collect();
        Ok(Tensor::stack(&each, 0).matmul(&x.unsqueeze(2)).squeeze_dim(2))
    }
    fn as_flow_map(&self) -> Option<&dyn FlowMap> {
        Some(self)
    }
}

impl FlowMap for Beside {
    fn average_velocity(&self, x: &Tensor, s: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        Ok(x.matmul(&Self::matrix().tr()) * per_sample(&(s + t + 1.0), x))
    }
}

/// $E|r|^2$ over the times of a batch, with the field that the path makes: $r = K x$ with
/// $K = \partial_s M + M G_s$, so that it is the mean of $\operatorname{tr} K C K^\top$.
fn residual(path: &Sheared, batch: &Batch) -> f64 {
    let numbers = |t: &Tensor| Vec::<f64>::try_from(t).unwrap();
    let (s, t) = (numbers(&batch.t), numbers(batch.later.as_ref().unwrap()));
    let first = s.len() - t.len();
    let each = s[first..].iter().zip(&t).map(|(&s, &t)| {
        let (g, c) = field(path, s);
        let map = Tensor::eye(2, OPTIONS) + Beside::matrix() * ((t - s) * (1.0 + s + t));
        let k = Beside::matrix() * (-1.0 - 2.0 * s) + map.matmul(&g);
        k.matmul(&c).matmul(&k.tr()).trace().double_value(&[])
    });
    each.sum::<f64>() / t.len() as f64
}

#[test]
fn the_maps_residual_is_that_of_the_marginal_field_and_answers_to_the_path() {
    let batch = spans();
    for c in [0.0, 0.6] {
        let path = Sheared { c: Tensor::from(c).set_requires_grad(true), ..Sheared::new(c) };
        let map = Beside(Sheared::new(c));
        let models = Models { interpolant: &path, velocity: &map };
        let loss = MapResidual { acceleration: 0.0 }.loss(models, &batch).unwrap();
        let gradient = Tensor::run_backward(&[&loss.total], &[&path.c], true, false).remove(0).double_value(&[]);
        let truth = residual(&Sheared::new(c), &batch);
        let at = |by: f64| residual(&Sheared::new(c + by), &batch);
        let (total, slope) = (loss.total.double_value(&[]), (at(1e-5) - at(-1e-5)) / 2e-5);
        assert!((total - truth).abs() < 1e-9 * truth, "c = {c}: {total} in place of {truth}");
        assert!((gradient - slope).abs() < 1e-6 * slope.abs(), "c = {c}: {gradient} in place of {slope}");

        let with = MapResidual { acceleration: 0.5 }.loss(models, &batch).unwrap();
        let bend = path.curve(&batch.x0, &batch.x1, &batch.t).unwrap().acceleration;
        let wanted = total + 0.5 * squares(&bend).mean(bend.kind()).double_value(&[]);
        assert!((with.total.double_value(&[]) - wanted).abs() < 1e-9);
    }
}

#[test]
fn regression_is_on_the_slope_of_each_segment() {
    let (from, to) = (normal("x0", &[64, 2]), normal("x1", &[64, 2]));
    let s = normal("t", &[64]).sigmoid() * 0.5;
    let t = &s + 0.25;
    let p = Tensor::from_slice(&[0.7f64, -0.4, 0.5]);
    let wanted = squares(&(Waves::average(&p, &from, &s, &t) - (&to - &from) * 4.0)).mean(p.kind());
    let batch = Batch { x0: from, x1: to, t: s, later: Some(t), conditions: strait_core::Conditions::default() };
    let models = Models { interpolant: &strait_paths::Linear, velocity: &Waves(p) };
    let total = TrajectoryRegression.loss(models, &batch).unwrap().total;
    assert!((total - wanted).abs().double_value(&[]) < 1e-9);
    let error = TrajectoryRegression.loss(models, &Batch { later: None, ..batch }).unwrap_err();
    assert!(matches!(error, Error::Shape { .. }), "{error}");
}

#[test]
fn what_is_no_flow_map_or_has_no_spans_is_refused() {
    let objectives: [&dyn Objective; 4] =
        [&LagrangianDistillation, &ProgressiveDistillation, &MeanFlow::default(), &MapResidual { acceleration: 0.0 }];
    for objective in objectives {
        let models = Models { interpolant: &strait_paths::Linear, velocity: &crate::common::Turning };
        let error = objective.loss(models, &batch()).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{} needs a flow map", objective.name())), "{error}");
        let map = Waves(Tensor::from_slice(&[0.7f64, -0.4, 0.5]));
        let models = Models { interpolant: &strait_paths::Linear, velocity: &map };
        for later in [None, Some(normal("later", &[0])), Some(normal("later", &[PAIRS + 1]))] {
            let error = objective.loss(models, &Batch { later, ..batch() }).unwrap_err();
            assert!(matches!(&error, Error::Shape { what, .. } if *what == objective.name()), "{error}");
        }
    }
}

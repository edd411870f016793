//! The laws themselves, held against one case.

use super::Law;
use super::case::{Case, Given};
use std::cell::OnceCell;
use strait_autodiff::{Graph, jvp, time_derivative, vjp};
use strait_core::{Bijection, Error, Parameters, Scope, Seed, Transformed};
use tch::{Device, Kind, Tensor};

pub(super) struct Fault {
    pub(super) law: Law,
    pub(super) detail: String,
}

type Verdict = Result<(), Fault>;

fn broken(law: Law, detail: impl Into<String>) -> Fault {
    Fault { law, detail: detail.into() }
}

/// An error of the layer breaks the law under which it arose.
fn under<T>(law: Law, result: Result<T, impl Into<Error>>) -> Result<T, Fault> {
    result.map_err(|error| broken(law, error.into().to_string()))
}

#[derive(Clone, Copy)]
enum Direction {
    Forward,
    Inverse,
}

impl Direction {
    fn opposite(self) -> Self {
        match self {
            Self::Forward => Self::Inverse,
            Self::Inverse => Self::Forward,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Inverse => "inverse",
        }
    }

    fn apply<B: Bijection>(self, layer: &B, x: &Tensor, given: &Given) -> Result<Transformed, Error> {
        match self {
            Self::Forward => layer.forward(x, given.condition()),
            Self::Inverse => layer.inverse(x, given.condition()),
        }
    }
}

/// What a direction is tried on, and what came of it.
struct Side {
    direction: Direction,
    x: Tensor,
    out: Transformed,
    /// $\partial y / \partial x$ of each sample, (B, d, d), once it has been asked for.
    jacobian: OnceCell<Tensor>,
}

/// A built layer with its perturbed parameters, the condition, and a point on each side.
struct Trial<'a, B> {
    case: &'a Case,
    layer: B,
    parameters: Parameters,
    given: Given,
    sides: [Side; 2],
}

pub(super) fn examine<B: Bijection>(
    case: &Case,
    build: &impl Fn(&Case, &mut Scope<'_>) -> Result<B, Error>,
) -> Verdict {
    let trial = under(Law::Runs, Trial::new(case, build))?;
    let laws = [
        Trial::shape_and_finite,
        Trial::pure,
        Trial::batch_split,
        Trial::round_trip,
        Trial::log_det,
        Trial::gradient,
        Trial::forward_mode,
    ];
    for law in laws {
        for side in &trial.sides {
            law(&trial, side)?;
        }
    }
    trial.restore(build)
}

impl<'a, B: Bijection> Trial<'a, B> {
    fn new(case: &'a Case, build: &impl Fn(&Case, &mut Scope<'_>) -> Result<B, Error>) -> Result<Self, Error> {
        let mut parameters = Parameters::new(Seed(case.seed), Kind::Double, Device::Cpu);
        let layer = build(case, &mut parameters.root())?;
        for (name, tensor) in parameters.named() {
            let noise = case.normal(&name, &tensor.size())? * case.perturbation;
            let _ = tch::no_grad(|| tensor.shallow_clone().f_add_(&noise))?;
        }
        let given = case.condition()?;
        let side = |direction: Direction, x: Tensor| {
            let out = direction.apply(&layer, &x, &given)?;
            Ok::<_, Error>(Side { direction, x, out, jacobian: OnceCell::new() })
        };
        let source = side(Direction::Forward, case.input()?)?;
        // A point of the other side that is not the image of the first, of the shape that side has.
        let y = case.normal("y", &source.out.value.size())? * case.spread;
        let sides = [source, side(Direction::Inverse, y)?];
        Ok(Self { case, layer, parameters, given, sides })
    }

    fn apply(&self, side: &Side) -> Result<Transformed, Fault> {
        under(Law::Runs, side.direction.apply(&self.layer, &side.x, &self.given))
    }

    fn shape_and_finite(&self, side: &Side) -> Verdict {
        let (x, out, name) = (&side.x, &side.out, side.direction.name());
        let (found, log_det) = (out.value.size(), out.log_det.size());
        if out.value.numel() != x.numel() || found.first() != Some(&self.case.batch) {
            return Err(broken(Law::Shape, format!("{name} maps {:?} to {found:?}", x.size())));
        }
        if log_det != [self.case.batch] {
            return Err(broken(Law::Shape, format!("{name} has a log_det of shape {log_det:?}, not (B,)")));
        }
        for (what, tensor) in [("value", &out.value), ("log_det", &out.log_det)] {
            if let Err(error) = strait_core::check_finite(what, tensor, String::new) {
                return Err(broken(Law::Finite, format!("{name}: {error}")));
            }
        }
        Ok(())
    }

    /// Both directions have been called since this side's answer was had.
    fn pure(&self, side: &Side) -> Verdict {
        let again = self.apply(side)?;
        if again.value != side.out.value || again.log_det != side.out.log_det {
            let name = side.direction.name();
            return Err(broken(Law::Pure, format!("{name} changed its answer to the same input")));
        }
        Ok(())
    }

    fn batch_split(&self, side: &Side) -> Verdict {
        let Side { direction, x, out: whole, .. } = side;
        for i in 0..self.case.batch {
            let one = |tensor: &Tensor| tensor.narrow(0, i, 1);
            let alone = under(Law::BatchSplit, direction.apply(&self.layer, &one(x), &self.given.map(one)))?;
            let name = direction.name();
            near(Law::BatchSplit, 1e-11, &alone.value, &one(&whole.value), || {
                format!("{name} of sample {i} alone, against the same in a batch")
            })?;
            near(Law::BatchSplit, 1e-11, &alone.log_det, &one(&whole.log_det), || {
                format!("{name} log_det of sample {i} alone, against the same in a batch")
            })?;
        }
        Ok(())
    }

    fn round_trip(&self, side: &Side) -> Verdict {
        let (there, back) = (side.direction, side.direction.opposite());
        let (x, out) = (&side.x, &side.out);
        let home = under(Law::Runs, back.apply(&self.layer, &out.value, &self.given))?;
        if home.value.size() != x.size() {
            return Err(broken(Law::Shape, format!("{:?} comes back as {:?}", x.size(), home.value.size())));
        }
        near(Law::RoundTrip, 1e-10, &home.value, x, || format!("{} and back", there.name()))?;
        near(Law::Opposite, 1e-9, &home.log_det, &-&out.log_det, || {
            format!("{} log_det, against minus the {} one", back.name(), there.name())
        })
    }

    /// From one pull-back of a batch repeated d times: samples do not see each other, as `batch_split` has made sure.
    fn jacobian<'s>(&self, side: &'s Side) -> Result<&'s Tensor, Error> {
        if let Some(known) = side.jacobian.get() {
            return Ok(known);
        }
        let d = strait_core::event_size(&side.x);
        let repeat = |tensor: &Tensor| tensor.repeat_interleave_self_int(d, 0, None);
        let x = repeat(&side.x).detach().set_requires_grad(true);
        let y = side.direction.apply(&self.layer, &x, &self.given.map(repeat))?.value;
        let rows = Tensor::eye(d, (Kind::Double, Device::Cpu)).repeat([self.case.batch, 1]).view_as(&y);
        let jacobian = vjp(&[y], &[rows], &[x], Graph::Free)?.remove(0);
        Ok(side.jacobian.get_or_init(|| jacobian.reshape([self.case.batch, d, d])))
    }

    fn log_det(&self, side: &Side) -> Verdict {
        let jacobian = under(Law::LogDet, self.jacobian(side))?;
        let (_, expected) = under(Law::LogDet, Tensor::f_linalg_slogdet(jacobian))?;
        near(Law::LogDet, 1e-8, &side.out.log_det, &expected, || {
            format!("{} log_det, against slogdet of the autograd Jacobian", side.direction.name())
        })
    }

    fn gradient(&self, side: &Side) -> Verdict {
        let direction = side.direction;
        let leaf = |tensor: &Tensor| tensor.detach().set_requires_grad(true);
        let (x, given) = (leaf(&side.x), self.given.map(leaf));
        let out = under(Law::Gradient, direction.apply(&self.layer, &x, &given))?;
        let mut names = vec!["the input"];
        let mut inputs = vec![x];
        for (name, tensor) in [("the context", given.context), ("t", given.t)] {
            if let Some(tensor) = tensor {
                names.push(name);
                inputs.push(tensor);
            }
        }
        names.extend(self.parameters.names());
        inputs.extend(self.parameters.tensors().iter().map(Tensor::shallow_clone));
        let weights = under(Law::Gradient, self.case.normal("weights", &out.value.size()))?;
        let ones = out.log_det.ones_like();
        // A log-determinant that is a constant of the parameters has no graph.
        let (outputs, cotangents): (Vec<_>, Vec<_>) =
            [(out.value, weights), (out.log_det, ones)].into_iter().filter(|(y, _)| y.requires_grad()).unzip();
        let gradients = under(Law::Gradient, vjp(&outputs, &cotangents, &inputs, Graph::Free))?;
        all_finite(Law::Gradient, direction, "gradient", &names, &gradients)
    }

    fn forward_mode(&self, side: &Side) -> Verdict {
        let (law, direction) = (Law::ForwardMode, side.direction);
        let x = side.x.detach().set_requires_grad(true);
        let given = self.given.map(|tensor| tensor.detach().set_requires_grad(true));
        let dx = under(law, self.case.normal("dx", &x.size()))?;
        let mut primals = vec![x.shallow_clone()];
        let mut tangents = vec![dx.shallow_clone()];
        let mut expected = {
            let jacobian = under(law, self.jacobian(side))?;
            jacobian.matmul(&dx.flatten(1, -1).unsqueeze(-1)).squeeze_dim(-1)
        };
        if let Some(t) = &given.t {
            let dt = under(law, self.case.normal("dt", &t.size()))?;
            let y = under(law, direction.apply(&self.layer, &x, &given))?.value;
            let slope = under(law, time_derivative(&y, t))?.detach();
            self.slope_by_differences(side, &slope)?;
            expected += slope.flatten(1, -1) * dt.unsqueeze(-1);
            primals.push(t.shallow_clone());
            tangents.push(dt);
        }
        let push = |duals: &[Tensor]| {
            let context = given.context.as_ref().map(Tensor::shallow_clone);
            let given = Given { context, t: duals.get(1).map(Tensor::shallow_clone) };
            let out = direction.apply(&self.layer, &duals[0], &given)?;
            Ok::<_, Error>(vec![out.value, out.log_det])
        };
        let pushed = under(law, jvp(push, &primals, &tangents))?;
        near(law, 1e-8, &pushed[0].tangent.flatten(1, -1), &expected, || {
            format!("{} derivative in forward mode, against reverse mode", direction.name())
        })?;
        let tangent = pushed[0].tangent.shallow_clone();
        if !tangent.requires_grad() {
            return Ok(()); // a derivative that is a constant
        }
        let weights = under(law, self.case.normal("weights", &tangent.size()))?;
        primals.extend(self.parameters.tensors().iter().map(Tensor::shallow_clone));
        let mut names = vec!["the input"];
        if given.t.is_some() {
            names.push("t");
        }
        names.extend(self.parameters.names());
        let gradients = under(law, vjp(&[tangent], &[weights], &primals, Graph::Free))?;
        all_finite(law, direction, "gradient of the forward-mode derivative", &names, &gradients)
    }

    /// Reverse and forward mode would agree on a time that was detached; differences do not.
    fn slope_by_differences(&self, side: &Side, slope: &Tensor) -> Verdict {
        if self.case.edges {
            return Ok(()); // a layer need not be defined outside of [0, 1]
        }
        let (law, h) = (Law::ForwardMode, 1e-5);
        let at = |h: f64| {
            let given = Given {
                context: self.given.context.as_ref().map(Tensor::shallow_clone),
                t: self.given.t.as_ref().map(|t| t + h),
            };
            under(law, side.direction.apply(&self.layer, &side.x, &given))
        };
        let difference = (at(h)?.value - at(-h)?.value) / (2.0 * h);
        near(law, 1e-5, slope, &difference, || {
            format!("{} derivative in t, against central differences", side.direction.name())
        })
    }

    fn restore(&self, build: &impl Fn(&Case, &mut Scope<'_>) -> Result<B, Error>) -> Verdict {
        let law = Law::Restore;
        let mut parameters = Parameters::new(Seed(self.case.seed + 1), Kind::Double, Device::Cpu);
        let twin = under(law, build(self.case, &mut parameters.root()))?;
        under(law, parameters.assign(&self.parameters.named()))?;
        // The other way round, so that a layer which initialises itself in its first call meets another first call.
        for Side { direction, x, out: ours, .. } in self.sides.iter().rev() {
            let theirs = under(law, direction.apply(&twin, x, &self.given))?;
            if ours.value != theirs.value || ours.log_det != theirs.log_det {
                let name = direction.name();
                return Err(broken(law, format!("{name} differs in a second instance with the same parameters")));
            }
        }
        Ok(())
    }
}

/// Entry by entry $|a - b| \le \epsilon\,(1 + |b|)$; the worst one is named.
fn near(law: Law, epsilon: f64, found: &Tensor, expected: &Tensor, what: impl FnOnce() -> String) -> Verdict {
    let excess = ((found - expected).abs() / (expected.abs() + 1.0)).flatten(0, -1);
    if excess.numel() == 0 || excess.f_le(epsilon).is_ok_and(|ok| ok.all().int64_value(&[]) == 1) {
        return Ok(());
    }
    let worst = excess.nan_to_num(f64::INFINITY, None, None).argmax(None, false).int64_value(&[]);
    let at = |tensor: &Tensor| tensor.flatten(0, -1).double_value(&[worst]);
    let (found, expected) = (at(found), at(expected));
    let off = (found - expected).abs();
    Err(broken(law, format!("{}: {found:.6e}, expected {expected:.6e} (off by {off:.1e}), at entry {worst}", what())))
}

fn all_finite(law: Law, direction: Direction, what: &str, names: &[&str], gradients: &[Tensor]) -> Verdict {
    for (name, gradient) in names.iter().zip(gradients) {
        if gradient.isfinite().all().int64_value(&[]) == 0 {
            return Err(broken(law, format!("{}: the {what} for {name} is not finite", direction.name())));
        }
    }
    Ok(())
}

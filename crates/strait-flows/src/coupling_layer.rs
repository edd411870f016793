//! Coupling layers: one half of the channels is transformed, with parameters that a network computes from the other
//! half.

mod affine;
mod channels;
mod spline;

use crate::backward::{BackwardRequest, BackwardStep, Point, leaf, pull, reversible_backward_whole};
use crate::conditioner::{Conditioner, Setting};
use crate::layer::check_input;
use crate::{Gate, Layer};
use channels::parts;
use std::fmt;
use strait_autodiff::Jet;
use strait_core::{Bijection, Condition, ConditionJet, Direction, Error, Scope, Transformed, per_sample};
use tch::Tensor;

/// Which half of the channels a coupling transforms; of an odd number it is the larger half.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Active {
    /// The first.
    First,
    /// The last.
    Last,
}

/// What a coupling does to each number of its active half.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Transform {
    /// $y = x + g m$, log-determinant 0 (Dinh and others, arXiv 1410.8516).
    Additive,
    /// $y = e^{g s} x + g m$ with $s = \beta \tanh(r / \beta)$, so that $|s| < \beta$ (Dinh and others, arXiv
    /// 1605.08803). Both directions are finite for inputs far outside of the training range.
    Affine {
        /// $\beta$, the bound of the log-scale; 2 is safe, 50 is as good as none.
        bound: f64,
    },
    /// A monotone rational-quadratic spline on $[-B, B]$ in $K$ bins, the identity outside of it (Durkan and others, arXiv
    /// 1906.04032). Of its $3K - 1$ numbers the first $2K$ are logits of the bins' widths and heights, each a softmax of which
    /// no bin has less than a twentieth of an equal share; the others are $r$ of the inner slopes, the harmonic mean of the
    /// bins' $h / w$ on both sides times $e^{3 \tanh(r/3)}$. With zeros it is the identity to the bit.
    Spline {
        /// The number of bins $K$, at most 500.
        bins: i64,
        /// $B$.
        bound: f64,
    },
}

impl Transform {
    /// An affine transform with $|s| < 2$.
    pub fn affine() -> Self {
        Self::Affine { bound: 2.0 }
    }

    /// A spline of 8 bins on $[-5, 5]$.
    pub fn spline() -> Self {
        Self::Spline { bins: 8, bound: 5.0 }
    }

    /// How many numbers it needs for each number it transforms.
    fn width(self) -> i64 {
        match self {
            Self::Additive => 1,
            Self::Affine { .. } => 2,
            Self::Spline { bins, .. } => 3 * bins - 1,
        }
    }

    fn check(self) -> Result<(), Error> {
        let fault = |setting, value: String, rule| Err(crate::FlowError::Setting { setting, value, rule }.into());
        match self {
            Self::Affine { bound } | Self::Spline { bound, .. } if !(bound > 0.0 && bound.is_finite()) => {
                fault("bound", bound.to_string(), "a bound is positive and finite")
            }
            Self::Spline { bins, .. } if !(1..=500).contains(&bins) => {
                fault("bins", bins.to_string(), "a spline has 1 to 500 bins")
            }
            _ => Ok(()),
        }
    }

    /// The image of x and the log-determinant of each sample.
    fn apply(
        self,
        direction: Direction,
        x: &Tensor,
        raw: &Tensor,
        gate: Option<&Tensor>,
    ) -> Result<(Tensor, Tensor), Error> {
        let gated = |raw: &Tensor| gate.map_or_else(|| raw.shallow_clone(), |g| raw * per_sample(g, x));
        match self {
            Self::Additive => {
                let shift = gated(raw);
                let y = if direction == Direction::Forward { x + shift } else { x - shift };
                Ok((y, x.new_zeros([x.size()[0]], (x.kind(), x.device()))))
            }
            Self::Affine { bound } => affine::apply(direction, x, raw, gate, bound),
            Self::Spline { bins, bound } => spline::apply(direction, x, &gated(raw), bins, bound),
        }
    }
}

impl Transform {
    /// The jet of its image, forward.
    fn push(self, x: &Jet, raw: &Jet, gate: Option<&Jet>) -> Result<Jet, Error> {
        let gated = || {
            let wide = gate.map(|gate| gate.view(|g| per_sample(g, x.value())));
            wide.map_or_else(|| raw.view(Tensor::shallow_clone), |g| raw.times(&g))
        };
        match self {
            Self::Additive => Ok(x.plus(&gated())),
            Self::Affine { bound } => affine::push(x, raw, gate, bound),
            Self::Spline { bins, bound } => spline::push(x, &gated(), bins, bound),
        }
    }

    /// The jet, of the first order, whose image is y. Each number is moved alone, so that its tangent is
    /// $\dot x = (\dot y - \dot \tau) / \tau'$, with $\dot \tau$ the image's where x stands still.
    fn pull(self, (y, dy): (&Tensor, &Tensor), raw: &Jet, gate: Option<&Jet>) -> Result<(Tensor, Tensor), Error> {
        let (x, _) = self.apply(Direction::Inverse, y, raw.value(), gate.map(Jet::value))?;
        let at = |dx: Tensor| Jet::with_derivatives(x.shallow_clone(), dx, None);
        let still = self.push(&at(x.zeros_like()), raw, gate)?.first();
        let fixed = gate.map(|gate| Jet::constant(gate.value()));
        let slope = self.push(&at(x.ones_like()), &Jet::constant(raw.value()), fixed.as_ref())?.first();
        Ok((x, (dy - still) / slope))
    }
}

impl fmt::Display for Transform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Additive => write!(f, "additive"),
            Self::Affine { bound } => write!(f, "affine within e^±{bound}"),
            Self::Spline { bins, bound } => write!(f, "spline of {bins} bins on ±{bound}"),
        }
    }
}

/// A coupling layer: with channels $(a, b)$, $b$ active,
///
/// $$ y_a = x_a, \quad y_b = \tau\big(x_b;\ r(x_a, c, t)\big), \qquad \log|\det| = \sum \log \tau' $$
///
/// where $\tau$ is a [`Transform`], $r$ a network of [`Setting::hidden`] layers and $c$ the context. The inverse costs
/// the same, as $r$ is computed from the passive half, which does not change. The last layer of $r$ starts at zero, and
/// $\tau$ at $r = 0$ is the identity to the bit. With one channel there is no passive half, and the coupling is an
/// element-wise transform of it under the condition.
#[derive(Debug)]
pub struct CouplingLayer {
    pub(crate) conditioner: Conditioner,
    pub(crate) transform: Transform,
    pub(crate) active: Active,
    channels: i64,
    pub(crate) gate: Gate,
}

impl CouplingLayer {
    /// A fresh coupling. Parameters: `layer{i}.weight`, `layer{i}.bias` of the network.
    ///
    /// # Errors
    /// `FlowError::Setting` for a shape or a bound that makes no layer; `Parameter` when names are taken.
    pub fn new(
        scope: &mut Scope<'_>,
        setting: &Setting<'_>,
        transform: Transform,
        active: Active,
    ) -> Result<Self, Error> {
        setting.check()?;
        transform.check()?;
        let channels = setting.event[0];
        let moved = channels - channels / 2;
        let conditioner = Conditioner::new(scope, setting, channels / 2, moved * transform.width())?;
        Ok(Self { conditioner, transform, active, channels, gate: setting.gate })
    }

    /// A network of vectors takes no images, and one of images no vectors.
    fn check(&self, x: &Tensor) -> Result<(), Error> {
        let weight = self.conditioner.weight();
        check_input(x, self.channels, weight)?;
        if x.dim() == weight.dim() {
            return Ok(());
        }
        let maps = if weight.dim() == 4 { ", H, W" } else { "" };
        Err(Error::Shape { what: "x", expected: format!("(B, {}{maps})", self.channels), found: x.size() })
    }

    /// The passive and the active half.
    fn halves(&self, x: &Tensor) -> (Tensor, Tensor) {
        let passive = self.channels / 2;
        let moved = self.channels - passive;
        match self.active {
            Active::Last => parts(x, [passive, moved]),
            Active::First => {
                let (active, passive) = parts(x, [moved, passive]);
                (passive, active)
            }
        }
    }

    fn whole(&self, passive: &Tensor, active: &Tensor) -> Tensor {
        match self.active {
            Active::Last => Tensor::cat(&[passive, active], 1),
            Active::First => Tensor::cat(&[active, passive], 1),
        }
    }

    /// The reversible backward step along a time, where the network has a closed form for that: one pass of it. None for the
    /// inverse, and where time stands still.
    fn backward_along(&self, at: BackwardRequest<'_>, dy: &Tensor) -> Result<Option<BackwardStep>, Error> {
        let (Direction::Forward, Some(t), Some(dt)) = (at.direction, at.condition.t, at.dt) else { return Ok(None) };
        let output = &at.output.value;
        self.check(output)?;
        let ((passive, y), (dpassive, dy)) = (self.halves(output), self.halves(dy));
        let (passive, dpassive) = (leaf(&passive), leaf(&dpassive));
        let time = Jet::with_derivatives(t.shallow_clone(), dt.shallow_clone(), None);
        let condition = ConditionJet { context: at.condition.context, t: &time };
        let seen = Jet::with_derivatives(passive.shallow_clone(), dpassive.shallow_clone(), None);
        let Some(raw) = self.conditioner.push(&seen, condition)? else { return Ok(None) };
        let gate = self.gate.moving(output, condition)?;
        let (active, dactive) = tch::no_grad(|| self.transform.pull((&y, &dy), &raw, gate.as_ref()))?;
        let (active, dactive) = (leaf(&active), leaf(&dactive));
        let from = Jet::with_derivatives(active.shallow_clone(), dactive.shallow_clone(), None);
        let moved = self.transform.push(&from, &raw, gate.as_ref())?;
        let (bar_passive, bar_moved) = self.halves(&at.cotangent.value);
        let mut outputs = vec![(moved.value().shallow_clone(), bar_moved)];
        if let Some(bar) = at.cotangent.of_log_det() {
            let gate = gate.as_ref().map(Jet::value);
            outputs.push((self.transform.apply(Direction::Forward, &active, raw.value(), gate)?.1, bar));
        }
        let mut bar_dpassive = None;
        if let Some(bar) = &at.cotangent.tangent {
            let (passive, moved_bar) = self.halves(bar);
            outputs.push((moved.first(), moved_bar));
            bar_dpassive = Some(passive);
        }
        let inputs = [&passive, &active, &dpassive, &dactive].map(Tensor::shallow_clone);
        let pulled = pull(&outputs, &inputs, &self.parameters(), at.condition)?;
        let dpassive_bar = match bar_dpassive {
            Some(bar) => &pulled.inputs[2] + bar,
            None => pulled.inputs[2].shallow_clone(),
        };
        Ok(Some(BackwardStep {
            input: Point {
                value: self.whole(&passive, &active).detach(),
                tangent: Some(self.whole(&dpassive, &dactive).detach()),
            },
            value: self.whole(&(bar_passive + &pulled.inputs[0]), &pulled.inputs[1]),
            tangent: Some(self.whole(&dpassive_bar, &pulled.inputs[3])),
            parameters: pulled.parameters,
            context: pulled.context,
            t: pulled.t,
        }))
    }

    fn apply(&self, direction: Direction, x: &Tensor, condition: Condition<'_>) -> Result<Transformed, Error> {
        self.check(x)?;
        let gate = self.gate.factor("a coupling", x, condition)?;
        let (passive, active) = self.halves(x);
        let raw = self.conditioner.apply(&passive, condition)?;
        let (moved, log_det) = self.transform.apply(direction, &active, &raw, gate.as_ref())?;
        Ok(Transformed { value: self.whole(&passive, &moved), log_det })
    }
}

impl Bijection for CouplingLayer {
    fn forward(&self, x: &Tensor, condition: Condition<'_>) -> Result<Transformed, Error> {
        self.apply(Direction::Forward, x, condition)
    }

    fn inverse(&self, y: &Tensor, condition: Condition<'_>) -> Result<Transformed, Error> {
        self.apply(Direction::Inverse, y, condition)
    }

    fn push(&self, x: &Jet, condition: ConditionJet<'_>) -> Result<Option<Jet>, Error> {
        self.check(x.value())?;
        let (passive, active) = x.unzip(|x| self.halves(x));
        let Some(raw) = self.conditioner.push(&passive, condition)? else { return Ok(None) };
        let moved = self.transform.push(&active, &raw, self.gate.moving(x.value(), condition)?.as_ref())?;
        Ok(Some(passive.zip(&moved, |passive, moved| self.whole(passive, moved))))
    }

    #[cfg(feature = "kernels")]
    fn answer(&self, question: &mut dyn std::any::Any) -> Result<(), Error> {
        strait_kernels::Lowering::answer(question, self)
    }
}

impl Layer for CouplingLayer {
    fn parameters(&self) -> Vec<Tensor> {
        self.conditioner.parameters()
    }

    /// The network's outputs are the same in both directions, so one pass of it is enough for the inverse and the
    /// gradient.
    fn reversible_backward(&self, at: BackwardRequest<'_>) -> Result<BackwardStep, Error> {
        if let Some(tangent) = &at.output.tangent {
            return match self.backward_along(at, tangent)? {
                Some(step) => Ok(step),
                None => reversible_backward_whole(self, &self.parameters(), at),
            };
        }
        let output = &at.output.value;
        self.check(output)?;
        let (passive, moved) = self.halves(output);
        let passive = leaf(&passive);
        let gate = self.gate.factor("a coupling", output, at.condition)?;
        let raw = self.conditioner.apply(&passive, at.condition)?;
        let back = at.direction.opposite();
        let (active, _) = tch::no_grad(|| self.transform.apply(back, &moved, &raw, gate.as_ref()))?;
        let active = leaf(&active);
        let (moved, log_det) = self.transform.apply(at.direction, &active, &raw, gate.as_ref())?;
        let (bar_passive, bar_moved) = self.halves(&at.cotangent.value);
        let outputs: Vec<_> =
            [(moved, bar_moved)].into_iter().chain(at.cotangent.of_log_det().map(|bar| (log_det, bar))).collect();
        let pulled =
            pull(&outputs, &[passive.shallow_clone(), active.shallow_clone()], &self.parameters(), at.condition)?;
        Ok(BackwardStep {
            input: Point { value: self.whole(&passive, &active).detach(), tangent: None },
            value: self.whole(&(&pulled.inputs[0] + bar_passive), &pulled.inputs[1]),
            tangent: None,
            parameters: pulled.parameters,
            context: pulled.context,
            t: pulled.t,
        })
    }
}

impl fmt::Display for CouplingLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (channels, passive) = (self.channels, self.channels / 2);
        write!(f, "CouplingLayer({}, {passive} of {channels} channels move the rest", self.transform)?;
        write!(f, ", hidden {:?}", self.conditioner.hidden())?;
        if !self.conditioner.context().is_empty() {
            write!(f, ", context {:?}", self.conditioner.context())?;
        }
        write!(f, "{})", self.gate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use strait_core::{Order, Parameters, Seed};
    use tch::{Device, Kind};

    /// If the point and the time have jets of different orders, the image has the lower order.
    #[test]
    fn an_image_has_no_derivative_that_what_moves_has_not() -> Result<(), Error> {
        tch::manual_seed(0);
        let draw = || Tensor::randn([5, 3], (Kind::Double, Device::Cpu));
        let (x, dx, ddx, t) = (draw(), draw(), draw(), draw().select(1, 0).sigmoid());
        let point = |order| {
            let second = (order == Order::Second).then(|| ddx.shallow_clone());
            Jet::with_derivatives(x.shallow_clone(), dx.shallow_clone(), second)
        };
        for transform in [Transform::Additive, Transform::affine(), Transform::spline()] {
            for (gate, hidden) in [(Gate::Open, &[8i64] as &[i64]), (Gate::Start, &[8, 8])] {
                let mut parameters = Parameters::new(Seed(0), Kind::Double, Device::Cpu);
                let setting = Setting { event: &[3], context: &[], gate, hidden };
                let layer = CouplingLayer::new(&mut parameters.root(), &setting, transform, Active::Last)?;
                tch::no_grad(|| parameters.tensors().iter().for_each(|p| drop(p.shallow_clone().normal_(0.0, 0.5))));
                let push = |of_x, of_t| {
                    let condition = ConditionJet { context: None, t: &Jet::variable(&t, of_t) };
                    Ok::<_, Error>(layer.push(&point(of_x), condition)?.expect("a closed form"))
                };
                let exact = push(Order::First, Order::First)?;
                for found in [push(Order::First, Order::Second)?, push(Order::Second, Order::First)?] {
                    assert_eq!(found.order(), Order::First, "{transform}{gate}");
                    assert_eq!((found.value(), found.first()), (exact.value(), exact.first()), "{transform}{gate}");
                    assert_eq!(found.second(), x.zeros_like(), "{transform}{gate}");
                }
            }
        }
        Ok(())
    }
}

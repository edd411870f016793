//! The laws of a bijection's derivatives: log-determinant, gradients, forward mode.

use super::Law;
use super::case::Given;
use super::trial::{Direction, Side, Trial, Verdict, broken, near, under};
use crate::gradient::{self, Leaf};
use strait_autodiff::{Dual, Graph, Jet, Order, jvp, time_derivative, vjp};
use strait_core::{Bijection, ConditionJet, Error, Transformed, per_sample, sum_per_sample};
use tch::{Device, Kind, Tensor};

impl<B: Bijection> Trial<'_, B> {
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

    pub(super) fn log_det(&self, side: &Side) -> Verdict {
        let jacobian = under(Law::LogDet, self.jacobian(side))?;
        let (_, expected) = under(Law::LogDet, Tensor::f_linalg_slogdet(jacobian))?;
        near(Law::LogDet, 1e-8, &side.out.log_det, &expected, || {
            format!("{} log_det, against slogdet of the autograd Jacobian", side.direction.name())
        })
    }

    pub(super) fn gradient(&self, side: &Side) -> Verdict {
        let direction = side.direction;
        let leaf = |tensor: &Tensor| tensor.detach().copy().set_requires_grad(true);
        let (x, given) = (leaf(&side.x), self.given.map(leaf));
        let input = Leaf { name: "the input", tensor: &x, inside: true };
        let context = given.context.iter().map(|tensor| Leaf { name: "the context", tensor, inside: true });
        // A layer need not be defined outside of [0, 1].
        let t = given.t.iter().map(|tensor| Leaf { name: "t", tensor, inside: !self.case.edges });
        let leaves: Vec<_> =
            [input].into_iter().chain(context).chain(t).chain(Leaf::parameters(&self.parameters)).collect();
        gradient::hold(Law::Gradient, direction.name(), &leaves, &mut self.case.draws("gradient"), || {
            let out = direction.apply(&self.layer, &x, &given)?;
            Ok(vec![out.value, out.log_det])
        })
    }

    pub(super) fn forward_mode(&self, side: &Side) -> Verdict {
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
        let Transformed { value: y, log_det } = under(law, direction.apply(&self.layer, &x, &given))?;
        if let Some(t) = &given.t {
            let dt = under(law, self.case.normal("dt", &t.size()))?;
            let slope = under(law, time_derivative(&y, t))?.detach();
            expected += slope.flatten(1, -1) * dt.unsqueeze(-1);
            primals.push(t.shallow_clone());
            tangents.push(dt);
        }
        let mut turning = log_det.zeros_like();
        if log_det.requires_grad() {
            // Samples do not see each other.
            let pulled = under(law, vjp(&[log_det], &[turning.ones_like()], &primals, Graph::Free))?;
            turning = pulled.iter().zip(&tangents).fold(turning, |sum, (g, dx)| sum + sum_per_sample(&(g * dx)));
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
        near(law, 1e-8, &pushed[1].tangent, &turning, || {
            format!("{} derivative of log_det in forward mode, against reverse mode", direction.name())
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
        for (name, gradient) in names.iter().zip(gradients) {
            if gradient.isfinite().all().int64_value(&[]) == 0 {
                let detail = format!("the gradient of the forward-mode derivative for {name} is not finite");
                return Err(broken(law, format!("{}: {detail}", direction.name())));
            }
        }
        Ok(())
    }

    /// Where a layer has it: the image of a moving point against forward mode along the movement, and against double reverse
    /// mode through that.
    pub(super) fn push(&self, side: &Side) -> Verdict {
        let law = Law::Push;
        if matches!(side.direction, Direction::Inverse) {
            return Ok(());
        }
        let x = &side.x;
        let dx = under(law, self.case.normal("dx", &x.size()))?;
        let ddx = under(law, self.case.normal("ddx", &x.size()))?;
        let still = x.new_zeros([x.size()[0]], (x.kind(), x.device()));
        let t = self.given.t.as_ref().unwrap_or(&still);
        let moving = Jet::with_derivatives(x.shallow_clone(), dx.shallow_clone(), Some(ddx.shallow_clone()));
        let condition = ConditionJet { context: self.given.context.as_ref(), t: &Jet::variable(t, Order::Second) };
        let Some(image) = under(law, self.layer.push(&moving, condition))? else { return Ok(()) };
        let along = |s: &[Tensor]| {
            let context = self.given.context.as_ref().map(Tensor::shallow_clone);
            let given = Given { context, t: self.given.t.as_ref().map(|t| t + &s[0]) };
            let step = per_sample(&s[0], x);
            let x = x + &dx * &step + &ddx * step.square() * 0.5;
            Ok::<_, Error>(vec![side.direction.apply(&self.layer, &x, &given)?.value])
        };
        let s = still.detach().set_requires_grad(true);
        let Dual { value, tangent } = under(law, jvp(along, &[s.shallow_clone()], &[s.ones_like()]))?.remove(0);
        let second = under(law, time_derivative(&tangent, &s).map_err(Error::from))?;
        near(law, 1e-10, image.value(), &value, || "the image of a moving point, against `forward`".into())?;
        near(law, 1e-8, &image.first(), &tangent, || "its velocity, against forward mode".into())?;
        near(law, 1e-8, &image.second(), &second, || "its acceleration, against reverse over forward mode".into())
    }
}

//! The divergence of a field, exactly or by Hutchinson's estimator.

use strait_autodiff::{Graph, jvp, vjp};
use strait_core::{Draws, Error, VelocityField};
use tch::{Device, Kind, Tensor};

/// How $w^\top \partial_x v w$ is computed for a direction w.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AutodiffMode {
    /// One JVP for each direction, `at_once` directions in one call of the field on that many copies of the
    /// batch. Needs no graph.
    Forward {
        /// Directions in one call, at least 1.
        at_once: i64,
    },
    /// One call of the field with its graph, then one VJP for each direction: for fields with operations that libtorch
    /// cannot differentiate forward, and for those that use a JVP themselves.
    Reverse,
}

/// How $\nabla \cdot v = \operatorname{tr} \partial_x v$ is computed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Divergence {
    /// All d directions of the axes.
    Exact(AutodiffMode),
    /// Hutchinson's estimate $w^\top \partial_x v w$, with entries of w that are $\pm 1$, the same ones along a
    /// whole trajectory, so that the estimate of the log-density is unbiased but for the solver's error.
    ///
    /// The probes come in antithetic pairs: the partner of w has a random half of the signs flipped. (To flip all of
    /// them changes nothing, since the estimate is even in w.) Half of the off-diagonal terms then cancel within the
    /// pair; in two dimensions all of them do.
    Hutchinson {
        /// How directions are taken.
        mode: AutodiffMode,
        /// Pairs of probes for each sample, at least 1; from 2 on there is a standard error.
        pairs: i64,
        /// Where the signs come from. The same draws give the same probes.
        draws: Draws,
    },
}

impl Divergence {
    pub(crate) fn mode(&self) -> AutodiffMode {
        match self {
            Self::Exact(mode) | Self::Hutchinson { mode, .. } => *mode,
        }
    }
}

/// The directions in which a batch of n samples of size d is probed.
pub(crate) enum Directions {
    /// Each axis, the same for all samples.
    Axes,
    /// Given ones, (k, n, d).
    Given(Tensor),
}

impl Directions {
    /// Antithetic pairs of signs, (2 pairs, n, d): the first half of the probes, then their partners.
    pub(crate) fn signs(
        pairs: i64,
        n: i64,
        d: i64,
        draws: &mut Draws,
        kind: Kind,
        device: Device,
    ) -> Result<Tensor, Error> {
        // A row of the draw for each sample, so that its probes are the same among however many.
        let first = draws.uniform(&[n, pairs, d], Kind::Float, device)?.f_transpose(0, 1)?;
        let first = first.f_lt(0.5)?.f_to_kind(kind)?.f_mul_scalar(2.0)?.f_add_scalar(-1.0)?;
        let turns = (0..pairs)
            .map(|_| {
                let turned = draws.permutation(d, device)?.f_lt(d / 2)?;
                Ok(turned.f_to_kind(kind)?.f_mul_scalar(-2.0)?.f_add_scalar(1.0)?)
            })
            .collect::<Result<Vec<_>, Error>>()?;
        let partner = first.f_mul(&Tensor::f_stack(&turns, 0)?.f_unsqueeze(1)?)?;
        Ok(Tensor::f_cat(&[first, partner], 0)?)
    }

    fn count(&self, d: i64) -> i64 {
        match self {
            Self::Axes => d,
            Self::Given(probes) => probes.size()[0],
        }
    }

    /// `length` of them for x, (length, n, d).
    fn some(&self, start: i64, length: i64, n: i64, d: i64, like: &Tensor) -> Result<Tensor, Error> {
        match self {
            Self::Given(probes) => Ok(probes.f_narrow(0, start, length)?),
            Self::Axes => {
                let rows = Tensor::f_arange_start(start, start + length, (Kind::Int64, like.device()))?;
                let axes = Tensor::f_one_hot(&rows, d)?.f_to_kind(like.kind())?;
                Ok(axes.f_unsqueeze(1)?.f_expand([length, n, d], false)?)
            }
        }
    }

    /// The velocity with $w^\top \partial_x v w$ for every direction, (k, n).
    pub(crate) fn quadratic_forms(
        &self,
        mode: AutodiffMode,
        field: &dyn VelocityField,
        x: &Tensor,
        t: &Tensor,
    ) -> Result<(Tensor, Tensor), Error> {
        match mode {
            AutodiffMode::Forward { at_once } => self.push_forward(at_once, field, x, t),
            AutodiffMode::Reverse => self.pull_back(field, x, t),
        }
    }

    fn push_forward(
        &self,
        at_once: i64,
        field: &dyn VelocityField,
        x: &Tensor,
        t: &Tensor,
    ) -> Result<(Tensor, Tensor), Error> {
        let n = x.size()[0];
        let d = strait_core::event_size(x);
        let (mut velocity, mut forms) = (None, vec![]);
        let total = self.count(d);
        for start in (0..total).step_by(at_once as usize) {
            let copies = at_once.min(total - start);
            let w = self.some(start, copies, n, d, x)?;
            let mut shape = x.size();
            let repeated = [vec![copies], vec![1; shape.len() - 1]].concat();
            shape[0] *= copies;
            let (xs, ts) = (x.f_repeat(&repeated)?, t.f_repeat([copies])?);
            let run = |inputs: &[Tensor]| Ok::<_, Error>(vec![field.velocity(&inputs[0], &ts)?]);
            let dual = jvp(run, &[xs], &[w.f_reshape(&shape)?])?.remove(0);
            forms.push(dot(&dual.tangent.f_reshape([copies, n, d])?, &w)?);
            if velocity.is_none() {
                velocity = Some(dual.value.f_narrow(0, 0, n)?);
            }
        }
        let velocity = velocity.map_or_else(|| field.velocity(x, t), Ok)?;
        Ok((velocity, Tensor::f_cat(&forms, 0)?))
    }

    fn pull_back(&self, field: &dyn VelocityField, x: &Tensor, t: &Tensor) -> Result<(Tensor, Tensor), Error> {
        let n = x.size()[0];
        let d = strait_core::event_size(x);
        let x = x.f_detach()?.f_set_requires_grad(true)?;
        let velocity = tch::with_grad(|| field.velocity(&x, t))?;
        let mut forms = vec![];
        for i in 0..self.count(d) {
            let w = self.some(i, 1, n, d, &x)?;
            if velocity.requires_grad() {
                let cotangent = w.f_reshape(x.size())?;
                let outputs = [velocity.shallow_clone()];
                let pulled = vjp(&outputs, &[cotangent], &[x.shallow_clone()], Graph::Keep)?.remove(0);
                forms.push(dot(&pulled.f_reshape([1, n, d])?, &w)?);
            } else {
                forms.push(Tensor::f_zeros([1, n], (x.kind(), x.device()))?); // a velocity that no parameter or x moves
            }
        }
        Ok((velocity.f_detach()?, Tensor::f_cat(&forms, 0)?))
    }
}

/// The inner product over the last dimension.
fn dot(a: &Tensor, b: &Tensor) -> Result<Tensor, Error> {
    Ok(a.f_mul(b)?.f_sum_dim_intlist([-1i64].as_slice(), false, a.kind())?)
}

//! The law of gradients through a tangent: for fields that a loss differentiates along t or along their flow.
//!
//! Straightness, flow maps and every other loss with a forward derivative in it need a derivative of a derivative.
//! Through some operations libtorch 2.13 gives a wrong one, without an error: `layer_norm`, `batch_norm` in training,
//! `instance_norm`, `det`, `logdet`, `solve` and `householder_product`. Through `slogdet` it gives zero. For `softmax`
//! and operations that use it, it refuses. [`check`] compares the gradient with finite differences, so that a network
//! with such a layer is found before it is trained.
//!
//! ```
//! use strait_core::{Error, Init, Scope, VelocityField};
//! use strait_laws::through_tangent::check;
//! use tch::Tensor;
//!
//! struct Net(Tensor);
//! impl VelocityField for Net {
//!     fn velocity(&self, x: &Tensor, _t: &Tensor) -> Result<Tensor, Error> {
//!         // A group norm with one group is a layer norm, and has right derivatives.
//!         let normed = x.f_flatten(1, -1)?.f_group_norm(1, None::<&Tensor>, None, 1e-5, false)?;
//!         Ok(normed.f_linear(&self.0, None::<&Tensor>)?.f_tanh()?.f_view_as(x)?)
//!     }
//! }
//!
//! let build = |d: i64, scope: &mut Scope<'_>| Ok::<_, Error>(Net(scope.tensor("weight", &[d, d], Init::Normal(0.5))?));
//! check("net", |case, scope| build(case.event.iter().product(), scope)).unwrap();
//! ```

use crate::field::{Broken, Case, Law, Suite, Trial, runs, trial};
use crate::gradient::{self, Leaf};
use crate::suite::Fault;
use strait_autodiff::jvp;
use strait_core::{Error, Scope, VelocityField};

/// What to do about a broken law.
const REMEDY: &str = "libtorch has no right derivative of a forward derivative through layer_norm, batch_norm in \
    training, instance_norm, det, logdet, slogdet, solve, softmax and attention: use group_norm (with one group for a \
    layer norm) or rms_norm, logs of a triangular diagonal, and a softmax made of amax (detached), exp and sum";

/// Holds a field to [`Law::ThroughTangent`], on samples of every small shape.
///
/// # Errors
/// The broken law, on a shrunk case; it names the parameter or input and says which operations cause it.
pub fn check<F: VelocityField>(
    subject: &str,
    build: impl Fn(&Case, &mut Scope<'_>) -> Result<F, Error>,
) -> Result<(), Broken> {
    Suite::new(subject).check_through_tangent(build)
}

impl Suite<'_> {
    /// As [`check`] of this module, of gradients through a tangent.
    ///
    /// # Errors
    /// The broken law, on a shrunk case.
    pub fn check_through_tangent<F: VelocityField>(
        &self,
        build: impl Fn(&Case, &mut Scope<'_>) -> Result<F, Error>,
    ) -> Result<(), Broken> {
        self.run(|case| law(&trial(case, &build)?))
    }
}

/// The gradient, in all parameters and in x and t, of a weighted sum of the tangent along a random direction in x and t.
fn law<F: VelocityField>(trial: &Trial<F>) -> Result<(), Fault<Law>> {
    let Trial { field, parameters, x, t, directions: [tangent, _], draws, .. } = trial;
    let [x, t] = [x, t].map(|input| input.copy().set_requires_grad(true));
    let time = draws.clone().normal(&t.size(), t.kind(), t.device()).map_err(runs)?;
    let map = || {
        let velocity = |at: &[tch::Tensor]| Ok::<_, Error>(vec![field.velocity(&at[0], &at[1])?]);
        let inputs = [x.shallow_clone(), t.shallow_clone()];
        Ok(vec![jvp(velocity, &inputs, &[tangent.shallow_clone(), time.shallow_clone()])?.remove(0).tangent])
    };
    let inputs = [("x", &x), ("t", &t)].map(|(name, tensor)| Leaf { name, tensor, inside: true });
    let leaves: Vec<_> = Leaf::parameters(parameters).chain(inputs).collect();
    gradient::hold(Law::ThroughTangent, "the forward derivative", &leaves, &mut draws.clone(), map)
        .map_err(|fault| Fault::new(fault.law, format!("{}; {REMEDY}", fault.detail)))
}

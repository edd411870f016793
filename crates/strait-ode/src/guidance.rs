//! Classifier-free guidance.

use strait_core::{Conditions, Error, VelocityField, check_same};
use tch::Tensor;

/// A conditional field, guided (Ho and Salimans, arXiv 2207.12598): at weight w,
///
/// $$ v_\emptyset(x, t) + w (v(x, t; c) - v_\emptyset(x, t)) $$
///
/// with $v_\emptyset$ the field of no condition, which a velocity learns where conditions are dropped in its training.
/// At w = 1 it is the conditional field, at 0 that of no condition, each in one evaluation; at any other weight a call
/// is two, and is counted as two. Above 1 samples are more like their condition and less like each other: they do not
/// follow a law that was trained. A guided average velocity is not the flow map of a field, so a guided field has no
/// flow map.
///
/// ```
/// use strait_core::{Bound, Conditional, Conditions, Error};
/// use strait_ode::{Guided, Method, Options, TimeGrid};
/// use tch::Tensor;
/// struct To; // moves to its condition, and without one stays
/// impl Conditional for To {
///     fn velocity_given(&self, x: &Tensor, _t: &Tensor, conditions: &Conditions) -> Result<Tensor, Error> {
///         Ok(conditions.only()?.map_or_else(|| x.zeros_like(), Tensor::shallow_clone))
///     }
/// }
/// let endpoints = Conditions::of("end", Tensor::from_slice2(&[[1.0f64], [-3.0]]))?;
/// let x = Tensor::zeros([2, 1], (tch::Kind::Double, tch::Device::Cpu));
/// let guided = Guided { field: &Bound::new(To), weight: 2.0 };
/// let solution = Method::Euler.solve_given(&guided, &endpoints, &x, &TimeGrid::uniform(4)?, Options::default())?;
/// assert_eq!((solution.x, solution.nfe), (Tensor::from_slice2(&[[2.0f64], [-6.0]]), 8));
/// # Ok::<(), strait_ode::OdeError>(())
/// ```
#[derive(Clone, Copy)]
pub struct Guided<'a> {
    /// The conditional field.
    pub field: &'a dyn VelocityField,
    /// w.
    pub weight: f64,
}

/// Without conditions it is the field itself.
impl VelocityField for Guided<'_> {
    fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        self.field.velocity(x, t)
    }

    fn given(&self, conditions: &Conditions) -> Result<Box<dyn VelocityField + '_>, Error> {
        Ok(Box::new(Sides { null: self.field, given: self.field.given(conditions)?, weight: self.weight }))
    }

    fn evaluations(&self) -> usize {
        Self::evaluations_at(self.weight) * self.field.evaluations()
    }
}

impl Guided<'_> {
    /// Evaluations of the conditional field in one of the field guided by a weight.
    ///
    /// ```
    /// assert_eq!([0.0, 1.0, 2.0].map(strait_ode::Guided::evaluations_at), [1, 1, 2]);
    /// ```
    pub fn evaluations_at(weight: f64) -> usize {
        if weight == 0.0 || weight == 1.0 { 1 } else { 2 }
    }
}

/// The two fields of a batch.
struct Sides<'a> {
    null: &'a dyn VelocityField,
    given: Box<dyn VelocityField + 'a>,
    weight: f64,
}

impl VelocityField for Sides<'_> {
    fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        let given = || self.given.velocity(x, t);
        if self.weight == 1.0 {
            return given();
        }
        let null = self.null.velocity(x, t)?;
        if self.weight == 0.0 {
            return Ok(null);
        }
        let given = given()?;
        check_same(&null, "velocity", &given)?;
        Ok(null.f_lerp(&given, self.weight)?)
    }

    fn evaluations(&self) -> usize {
        Guided::evaluations_at(self.weight) * self.null.evaluations()
    }
}

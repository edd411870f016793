//! Models with a condition (a class or a vector) as an input, and a model bound to the conditions of a batch.
//!
//! (The *conditional path* of flow matching is something else: that of one pair of points, an
//! [`Interpolant`](crate::Interpolant). One that depends on a class or a vector too is bound to the conditions of a batch by
//! [`Interpolant::given`](crate::Interpolant::given).)

use crate::{Conditions, Error, FlowMap, VelocityField, average_velocity_jvp};
use std::ops::Deref;
use strait_autodiff::Jet;
use tch::Tensor;

/// What a conditional velocity, or a conditional flow map, is made of. [`Bound::new`] makes it a field.
///
/// ```
/// use strait_core::{Bound, Conditional, Conditions, Error, VelocityField};
/// use tch::Tensor;
/// struct Steady; // each sample has a velocity of its own
/// impl Conditional for Steady {
///     fn velocity_given(&self, x: &Tensor, _t: &Tensor, conditions: &Conditions) -> Result<Tensor, Error> {
///         Ok(conditions.get("speed")?.expand_as(x))
///     }
/// }
/// let field = Bound::new(Steady);
/// let speeds = Conditions::of("speed", Tensor::from_slice2(&[[1.0f64], [-2.0]]))?;
/// let (x, t) = (Tensor::from_slice2(&[[0.0f64], [0.0]]), Tensor::from_slice(&[0.5f64, 0.5]));
/// assert_eq!(field.given(&speeds)?.velocity(&x, &t)?, *speeds.get("speed")?);
/// assert!(field.velocity(&x, &t).is_err()); // nothing is said of a sample without a speed
/// # Ok::<(), Error>(())
/// ```
pub trait Conditional {
    /// $v(x, t; c)$ of the shape of x, (B, ...), at a time and a condition for each sample. Samples do not see each other.
    ///
    /// # Errors
    /// `Shape` where they do not fit, or the implementor's own.
    fn velocity_given(&self, x: &Tensor, t: &Tensor, conditions: &Conditions) -> Result<Tensor, Error>;

    /// Whether it is the diagonal of a flow map.
    fn is_flow_map(&self) -> bool {
        false
    }

    /// $u(x, s, t; c)$ of a flow map.
    ///
    /// # Errors
    /// `NotFlowMap` where it is none; as [`FlowMap::average_velocity`].
    fn average_velocity_given(
        &self,
        _x: &Tensor,
        _s: &Tensor,
        _t: &Tensor,
        _conditions: &Conditions,
    ) -> Result<Tensor, Error> {
        Err(Error::NotFlowMap { what: "an average velocity" })
    }

    /// u along a curve of points and times, as [`FlowMap::average_velocity_jet`], where it is written out; None: by one JVP.
    ///
    /// # Errors
    /// As there.
    fn average_velocity_jet_given(
        &self,
        _x: &Jet,
        _s: &Jet,
        _t: &Jet,
        _conditions: &Conditions,
    ) -> Result<Option<Jet>, Error> {
        Ok(None)
    }
}

/// A conditional model as a field: bound to the conditions of one batch, so that each sample has its own, or to none.
pub struct Bound<M> {
    model: M,
    conditions: Conditions,
}

impl<C: Conditional> Bound<Box<C>> {
    /// A model of one's own: of no condition, until it is given some.
    pub fn new(model: C) -> Self {
        Self { model: Box::new(model), conditions: Conditions::default() }
    }
}

impl<M> Bound<M> {
    fn of_batch(&self, x: &Tensor) -> Result<&Conditions, Error> {
        self.conditions.check(x.size().first().copied().unwrap_or(0))?;
        Ok(&self.conditions)
    }
}

impl<'a, C: Conditional + ?Sized> Bound<&'a C> {
    /// A model under the conditions of a batch.
    pub fn boxed(model: &'a C, conditions: &Conditions) -> Box<dyn VelocityField + 'a> {
        Box::new(Self { model, conditions: conditions.shallow_clone() })
    }
}

impl<M: Deref<Target: Conditional>> VelocityField for Bound<M> {
    fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        self.model.velocity_given(x, t, self.of_batch(x)?)
    }

    fn as_flow_map(&self) -> Option<&dyn FlowMap> {
        if self.model.is_flow_map() { Some(self) } else { None }
    }

    fn given(&self, conditions: &Conditions) -> Result<Box<dyn VelocityField + '_>, Error> {
        Ok(Bound::boxed(&*self.model, conditions))
    }

    fn of_samples(&self, start: i64, length: i64) -> Result<Box<dyn VelocityField + '_>, Error> {
        Ok(Bound::boxed(&*self.model, &self.conditions.part(start, length)?))
    }
}

impl<M: Deref<Target: Conditional>> FlowMap for Bound<M> {
    fn average_velocity(&self, x: &Tensor, s: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        self.model.average_velocity_given(x, s, t, self.of_batch(x)?)
    }

    fn average_velocity_jet(&self, x: &Jet, s: &Jet, t: &Jet) -> Result<Jet, Error> {
        match self.model.average_velocity_jet_given(x, s, t, self.of_batch(x.value())?)? {
            Some(jet) => Ok(jet),
            None => average_velocity_jvp(self, x, s, t),
        }
    }
}

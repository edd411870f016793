use crate::{Conditions, Error, Stream, check_batch, per_sample};
use auto_impl::auto_impl;
use strait_autodiff::{Dual, Jet, Order, jvp};
use tch::Tensor;

/// A time-dependent velocity field: a network, the exact marginal field, a closed form.
///
/// The solver, the metrics and the objectives use only this trait, and whether the field is the diagonal of a flow map.
#[auto_impl(&, Box, Rc, Arc)]
pub trait VelocityField {
    /// $v(x, t)$ of the shape of x, (B, ...), at a time for each sample, (B,). Samples do not see each other.
    ///
    /// # Errors
    /// `Shape` where the two do not fit, or the implementor's own.
    fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error>;

    /// $E|v(x, t) - u|^2$ over a batch, for a target u of the shape of x, where the field has one pass for the value and its
    /// gradient in the field's parameters; None: a caller takes the distance of [`velocity`](Self::velocity) to the target.
    ///
    /// # Errors
    /// As `velocity`.
    fn square_error(&self, _x: &Tensor, _t: &Tensor, _target: &Tensor) -> Result<Option<Tensor>, Error> {
        Ok(None)
    }

    /// The flow map that this field is the diagonal of, $v(x, t) = u(x, t, t)$, where it is one.
    fn as_flow_map(&self) -> Option<&dyn FlowMap> {
        None
    }

    /// The field of a batch whose i-th sample has the i-th condition, $v(x, t; c)$; it is a flow map if this one
    /// is. With [`Conditional`](crate::Conditional) the implementation is one line.
    ///
    /// # Errors
    /// `Unconditional` for a field that takes no conditions.
    fn given(&self, _conditions: &Conditions) -> Result<Box<dyn VelocityField + '_>, Error> {
        Err(Error::Unconditional)
    }

    /// For the field of a batch that is bound to conditions: the field of `length` consecutive samples of the batch.
    /// For any other field: itself.
    ///
    /// # Errors
    /// libtorch's, for samples that the batch does not have.
    fn of_samples(&self, _start: i64, _length: i64) -> Result<Box<dyn VelocityField + '_>, Error> {
        Ok(Box::new(self))
    }

    /// How many evaluations of a network one call is: what a solver counts.
    fn evaluations(&self) -> usize {
        1
    }
}

/// A flow map: the position at time $t \ge s$ of a point at time s, under the flow of its own field.
///
/// $$ X_{s,t}(x) = x + (t - s) u(x, s, t), \qquad u(x, t, t) = v(x, t) $$
///
/// u is the average velocity between s and t, and v the `velocity` of the same model: the diagonal of u. So one model
/// can sample in one evaluation (by [`carry`](Self::carry) from 0 to 1), in a few, or by any ODE solver, and has a
/// likelihood. The exact map of a field satisfies
///
/// $$ \partial_t X_{s,t}(x) = v(X_{s,t}(x), t), \qquad \partial_s X_{s,t}(x) + \nabla X_{s,t}(x) v(x, s) = 0,
///    \qquad X_{t,r} \circ X_{s,t} = X_{s,r} $$
///
/// A learned map satisfies these approximately.
///
/// ```
/// use strait_core::{Error, FlowMap, VelocityField, per_sample};
/// use tch::Tensor;
/// struct Growth; // v(x, t) = x
/// impl VelocityField for Growth {
///     fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
///         self.average_velocity(x, t, t)
///     }
///     fn as_flow_map(&self) -> Option<&dyn FlowMap> {
///         Some(self)
///     }
/// }
/// impl FlowMap for Growth {
///     fn average_velocity(&self, x: &Tensor, s: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
///         let h = t - s; // (e^h - 1) / h, which is 1 at h = 0
///         let mean = (h.expm1() / &h).where_self(&h.ne(0.0), &h.ones_like());
///         Ok(x * per_sample(&mean, x))
///     }
/// }
/// let (x, s, t) = (Tensor::from_slice2(&[[2.0f64, -1.0]]), Tensor::from_slice(&[0.0f64]), Tensor::from_slice(&[1.0f64]));
/// assert!(Growth.carry(&x, &s, &t)?.allclose(&(&x * 1f64.exp()), 1e-12, 0.0, false));
/// assert_eq!(Growth.velocity(&x, &t)?, x);
/// # Ok::<(), Error>(())
/// ```
#[auto_impl(&, Box)]
pub trait FlowMap: VelocityField {
    /// $u(x, s, t)$ of the shape of x, (B, ...), at two times for each sample, (B,) each, with $s \le t$.
    ///
    /// # Errors
    /// `Shape` where the three do not fit, or the implementor's own.
    fn average_velocity(&self, x: &Tensor, s: &Tensor, t: &Tensor) -> Result<Tensor, Error>;

    /// u along a curve of points and times, with its derivative there: $\partial_t u$ if only t varies, $\partial_s u +
    /// (\nabla_x u) \dot x$ if x and s vary. Its order is the lowest of the three, at most the first; it can be
    /// differentiated in reverse.
    ///
    /// By one JVP here. A network that can write its jet overrides it.
    ///
    /// # Errors
    /// As `average_velocity`; a typed one that names an operation without a forward derivative.
    fn average_velocity_jet(&self, x: &Jet, s: &Jet, t: &Jet) -> Result<Jet, Error> {
        average_velocity_jvp(self, x, s, t)
    }

    /// $|u(x, s, t) - y|^2$ for a target y, as [`VelocityField::square_error`], with that of each sample.
    ///
    /// # Errors
    /// As `average_velocity`.
    fn average_square_error(
        &self,
        _x: &Tensor,
        _s: &Tensor,
        _t: &Tensor,
        _target: &Tensor,
    ) -> Result<Option<SquareError>, Error> {
        Ok(None)
    }

    /// The square error of an identity of flow maps over a batch, with that of each sample, where the map has one pass for its
    /// value and gradient; None: a caller composes it of [`average_velocity_jet`](Self::average_velocity_jet).
    ///
    /// On the diagonal it is $|u(x, t, t) - x'|^2$, and off it the distance of the two sides of the identity.
    ///
    /// # Errors
    /// As `average_velocity`.
    fn identity_error(&self, _identity: MapIdentity, _batch: &MapBatch<'_>) -> Result<Option<SquareError>, Error> {
        Ok(None)
    }

    /// $X_{s,t}(x)$.
    ///
    /// # Errors
    /// As `average_velocity`.
    fn carry(&self, x: &Tensor, s: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        check_times(x, s, t)?;
        Ok(x + per_sample(&(t - s), x) * self.average_velocity(x, s, t)?)
    }
}

/// An identity that a flow map satisfies, and is trained by: the gradient is stopped at its right side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MapIdentity {
    /// $u = x' + (t - s) (\partial_s u + (\nabla_x u) x')$ at (x, s, t): Geng et al., arXiv 2505.13447.
    MeanFlow,
    /// $\partial_t X_{s,t}(x) = v(X_{s,t}(x), t)$: Boffi et al., arXiv 2505.18825.
    Lagrangian,
}

/// What a flow map is trained on by an identity.
#[derive(Debug, Clone, Copy)]
pub struct MapBatch<'a> {
    /// Points of paths at s, (B, ...).
    pub x: &'a Tensor,
    /// The paths' velocities $x'$ there, (B, ...).
    pub velocity: &'a Tensor,
    /// The earlier times, (B,).
    pub s: &'a Tensor,
    /// The later times, (B,): s itself on the diagonal.
    pub t: &'a Tensor,
    /// How many samples, the last ones, are off the diagonal.
    pub off: i64,
}

/// The squared distance of a batch to its targets.
#[derive(Debug)]
pub struct SquareError {
    /// Its mean over the samples, a scalar, with its gradient.
    pub mean: Tensor,
    /// That of each sample, (B,), for a log: nothing is recorded with it.
    pub of_each: Tensor,
}

/// As [`FlowMap::average_velocity_jet`], by one JVP: for a network without a jet of its own.
///
/// # Errors
/// As there.
pub fn average_velocity_jvp<M: FlowMap + ?Sized>(map: &M, x: &Jet, s: &Jet, t: &Jet) -> Result<Jet, Error> {
    if Jet::order_of([x, s, t]) == Order::Value {
        return Ok(Jet::constant(&map.average_velocity(x.value(), s.value(), t.value())?));
    }
    let inputs = [x, s, t].map(|part| part.value().shallow_clone());
    let tangents = [x, s, t].map(Jet::first);
    let push = |at: &[Tensor]| Ok::<_, Error>(vec![map.average_velocity(&at[0], &at[1], &at[2])?]);
    let Dual { value, tangent } = jvp(push, &inputs, &tangents)?.remove(0);
    Ok(Jet::with_derivatives(value, tangent, None))
}

/// Refuses an x that is not a batch (B, ...), or an s or t that is not (B,).
///
/// # Errors
/// `Shape` names the tensor.
pub fn check_times(x: &Tensor, s: &Tensor, t: &Tensor) -> Result<(), Error> {
    check_batch(x, t)?;
    if s.size() == t.size() {
        return Ok(());
    }
    Err(Error::Shape { what: "s", expected: format!("{:?}", t.size()), found: s.size() })
}

/// Two points of each of some trajectories of a flow, with their times.
#[derive(Debug)]
pub struct Segments {
    /// Where each is at s, (B, ...).
    pub from: Tensor,
    /// The earlier times, (B,).
    pub s: Tensor,
    /// Where each is at t, (B, ...).
    pub to: Tensor,
    /// The later times, (B,), above s.
    pub t: Tensor,
}

/// Trajectories of a flow that were integrated once and are kept, as a flow map is trained on by regression.
pub trait TrajectoryDataset {
    /// The shape of one point, without the batch.
    fn event_shape(&self) -> &[i64];

    /// How many trajectories there are.
    fn count(&self) -> i64;

    /// `n` segments for training step `step` of a stream, a function of these alone: trajectories drawn uniformly, and of
    /// each two of its points in order of time. The earlier point of the first `from_start` segments is the first of its
    /// trajectory.
    ///
    /// # Errors
    /// libtorch's, when memory runs out.
    fn segments(&self, n: i64, from_start: i64, step: u64, stream: Stream) -> Result<Segments, Error>;
}

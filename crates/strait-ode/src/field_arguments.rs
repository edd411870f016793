//! What a field reads beside state and time (conditions, probes), one row for each sample of a batch.

use strait_core::{Conditions, Error, VelocityField};
use tch::Tensor;

/// The arguments of a field beside state and time, one row for each sample of a batch: conditions, and other tensors (B, ...)
/// such as probes.
///
/// A solver keeps the rows with their sample, when it splits a batch, and when it drops samples that are done.
///
/// ```
/// use strait_core::Error;
/// use strait_ode::{Arguments, FieldWithArguments, Method, Options, TimeGrid};
/// use tch::{Kind, Tensor};
/// struct Steady; // each sample has a velocity of its own
/// impl FieldWithArguments for Steady {
///     fn velocity_with(&self, _x: &Tensor, _t: &Tensor, arguments: &Arguments) -> Result<Tensor, Error> {
///         Ok(arguments.tensors()[0].shallow_clone())
///     }
/// }
/// let x = Tensor::zeros([3, 1], (Kind::Double, tch::Device::Cpu));
/// let speeds = Tensor::from_slice(&[1.0f64, -2.0, 5.0]).view([3, 1]);
/// let arguments = Arguments::new(vec![speeds.shallow_clone()])?;
/// let two_at_a_time = Options { chunk: Some(2), ..Options::default() };
/// let solution = Method::Euler.solve_with(&Steady, &arguments, &x, &TimeGrid::uniform(4)?, two_at_a_time)?;
/// assert_eq!(solution.x, speeds);
/// # Ok::<(), strait_ode::OdeError>(())
/// ```
#[derive(Debug, Default)]
pub struct Arguments {
    tensors: Vec<Tensor>,
    conditions: Conditions,
}

impl Arguments {
    /// Tensors with one row a sample.
    ///
    /// # Errors
    /// `Shape` names one that has no rows, or another number of them than the first.
    pub fn new(tensors: Vec<Tensor>) -> Result<Self, Error> {
        let count = tensors.first().and_then(|first| first.size().first().copied());
        for tensor in &tensors {
            if tensor.size().first().copied() != count || count.is_none() {
                let expected = count.map_or("(B, ...)".into(), |count| format!("({count}, ...), as the first has"));
                return Err(Error::Shape { what: "arguments of a field", expected, found: tensor.size() });
            }
        }
        Ok(Self { tensors, conditions: Conditions::default() })
    }

    /// With the conditions that the samples are carried under: a [`VelocityField`] is bound to them.
    #[must_use]
    pub fn given(self, conditions: &Conditions) -> Self {
        Self { conditions: conditions.shallow_clone(), ..self }
    }

    /// The conditions of the samples.
    pub fn conditions(&self) -> &Conditions {
        &self.conditions
    }

    /// The tensors, in the order given.
    pub fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }

    /// Refuses arguments that are not those of `batch` samples.
    pub(crate) fn check(&self, batch: i64) -> Result<(), Error> {
        self.conditions.check(batch)?;
        match self.tensors.first() {
            Some(first) if first.size()[0] != batch => {
                let expected = format!("({batch}, ...), one row a sample");
                Err(Error::Shape { what: "arguments of a field", expected, found: first.size() })
            }
            _ => Ok(()),
        }
    }

    /// Those of consecutive samples.
    pub(crate) fn part(&self, start: i64, length: i64) -> Result<Self, Error> {
        let conditions = self.conditions.part(start, length)?;
        self.map(|tensor| Ok(tensor.f_narrow(0, start, length)?), conditions)
    }

    /// Those of the samples at some places.
    pub(crate) fn gather(&self, places: &Tensor) -> Result<Self, Error> {
        self.map(|tensor| Ok(tensor.f_index_select(0, places)?), self.conditions.gather(places)?)
    }

    pub(crate) fn shallow_clone(&self) -> Self {
        let tensors = self.tensors.iter().map(Tensor::shallow_clone).collect();
        Self { tensors, conditions: self.conditions.shallow_clone() }
    }

    fn map(&self, f: impl Fn(&Tensor) -> Result<Tensor, Error>, conditions: Conditions) -> Result<Self, Error> {
        Ok(Self { tensors: self.tensors.iter().map(f).collect::<Result<_, _>>()?, conditions })
    }
}

/// A velocity that depends on more than state and time. Every [`VelocityField`] is one that is bound to their conditions, where
/// there are some, and reads nothing else.
pub trait FieldWithArguments {
    /// $v(x, t; c)$ of the shape of x, (B, ...), at a time and with arguments c for each sample.
    ///
    /// # Errors
    /// `Shape` where they do not fit, or the implementor's own.
    fn velocity_with(&self, x: &Tensor, t: &Tensor, arguments: &Arguments) -> Result<Tensor, Error>;

    /// Whether it is the diagonal of a flow map.
    fn is_flow_map(&self) -> bool {
        false
    }

    /// $u(x, s, t; c)$ of a flow map.
    ///
    /// # Errors
    /// `NotFlowMap` where it is none; as `velocity_with`.
    fn average_velocity_with(
        &self,
        _x: &Tensor,
        _s: &Tensor,
        _t: &Tensor,
        _arguments: &Arguments,
    ) -> Result<Tensor, Error> {
        Err(NOT_A_MAP)
    }

    /// How many evaluations of a network one call is.
    fn evaluations(&self) -> usize {
        1
    }
}

const NOT_A_MAP: Error = Error::NotFlowMap { what: "an average velocity" };

impl<F: VelocityField> FieldWithArguments for F {
    fn velocity_with(&self, x: &Tensor, t: &Tensor, arguments: &Arguments) -> Result<Tensor, Error> {
        if arguments.conditions.is_empty() {
            return self.velocity(x, t);
        }
        self.given(&arguments.conditions)?.velocity(x, t)
    }

    fn is_flow_map(&self) -> bool {
        self.as_flow_map().is_some()
    }

    fn average_velocity_with(
        &self,
        x: &Tensor,
        s: &Tensor,
        t: &Tensor,
        arguments: &Arguments,
    ) -> Result<Tensor, Error> {
        if arguments.conditions.is_empty() {
            return self.as_flow_map().ok_or(NOT_A_MAP)?.average_velocity(x, s, t);
        }
        self.given(&arguments.conditions)?.as_flow_map().ok_or(NOT_A_MAP)?.average_velocity(x, s, t)
    }

    fn evaluations(&self) -> usize {
        VelocityField::evaluations(self)
    }
}

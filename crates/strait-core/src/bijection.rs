use crate::{Conditions, Error};
use auto_impl::auto_impl;
use std::any::Any;
use strait_autodiff::Jet;
use tch::Tensor;

/// Which way an invertible map is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Source to data.
    Forward,
    /// Data to source: the direction of a likelihood.
    Inverse,
}

impl Direction {
    /// The other way.
    #[must_use]
    pub fn opposite(self) -> Self {
        match self {
            Self::Forward => Self::Inverse,
            Self::Inverse => Self::Forward,
        }
    }
}

/// The inputs of a conditional layer beside x: a context and a time.
#[derive(Debug, Clone, Copy, Default)]
pub struct Condition<'a> {
    /// A context, batch first (B, ...).
    pub context: Option<&'a Tensor>,
    /// A time for each sample, (B,).
    pub t: Option<&'a Tensor>,
}

impl<'a> Condition<'a> {
    /// No condition.
    pub const NONE: Condition<'static> = Condition { context: None, t: None };

    /// The context, for a layer that needs one.
    ///
    /// # Errors
    /// `MissingCondition` names the layer.
    pub fn need_context(&self, layer: &'static str) -> Result<&'a Tensor, Error> {
        self.context.ok_or(Error::MissingCondition { layer, missing: "a context" })
    }

    /// The time, for a layer that needs one.
    ///
    /// # Errors
    /// `MissingCondition` names the layer.
    pub fn need_time(&self, layer: &'static str) -> Result<&'a Tensor, Error> {
        self.t.ok_or(Error::MissingCondition { layer, missing: "a time" })
    }
}

/// A condition whose time is a jet along a scalar.
#[derive(Debug, Clone, Copy)]
pub struct ConditionJet<'a> {
    /// A context, batch first (B, ...), which is constant.
    pub context: Option<&'a Tensor>,
    /// The time of each sample, (B,), with its derivatives along a scalar.
    pub t: &'a Jet,
}

/// The image of a bijection with its log-determinant: value and derivative of one call travel together.
#[derive(Debug)]
pub struct Transformed {
    /// The image.
    pub value: Tensor,
    /// $\log|\det \partial \text{value} / \partial \text{input}|$ of each sample, (B,).
    pub log_det: Tensor,
}

/// An invertible map with its log-determinant, for each sample and each condition.
///
/// `forward` is the direction source -> data, `inverse` goes back; each returns the log-determinant of the map
/// that it applied, so the two have opposite signs at corresponding points. Neither direction initialises anything.
#[auto_impl(&, Box, Rc, Arc)]
pub trait Bijection {
    /// $y = f(x; c)$ with $\log|\det \partial y/\partial x|$.
    ///
    /// # Errors
    /// `Shape` for an input that does not fit, `MissingCondition`, or the implementor's own.
    fn forward(&self, x: &Tensor, condition: Condition<'_>) -> Result<Transformed, Error>;

    /// $x = f^{-1}(y; c)$ with $\log|\det \partial x/\partial y|$.
    ///
    /// # Errors
    /// As `forward`.
    fn inverse(&self, y: &Tensor, condition: Condition<'_>) -> Result<Transformed, Error>;

    /// The jet of the image under `forward`, for a point and a time that are jets along one scalar s: $f(x(s); c,
    /// t(s))$ with its exact derivatives in s, as many as x and t have. None where an implementor has no closed form
    /// for them; the caller then differentiates the map.
    ///
    /// # Errors
    /// As `forward`.
    fn push(&self, _x: &Jet, _condition: ConditionJet<'_>) -> Result<Option<Jet>, Error> {
        Ok(None)
    }

    /// The map of a batch whose i-th sample has the i-th condition, where it depends on the condition; None: it does not.
    ///
    /// # Errors
    /// The implementor's own, for conditions that do not fit.
    fn given(&self, _conditions: &Conditions) -> Result<Option<Box<dyn Bijection + '_>>, Error> {
        Ok(None)
    }

    /// Answers a question that this crate does not know, such as how this map is lowered to a kernel. The type of the
    /// question says what is asked, and the question stores the answer. A question of an unknown type is left
    /// unchanged.
    ///
    /// # Errors
    /// Those of the answer.
    fn answer(&self, _question: &mut dyn Any) -> Result<(), Error> {
        Ok(())
    }
}

use crate::Error;
use strait_autodiff::{Jet, Stage};
use tch::Tensor;

/// What a conditional layer may see beside its input.
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

/// A condition whose time moves.
#[derive(Debug, Clone, Copy)]
pub struct Moving<'a> {
    /// A context, batch first (B, ...), which stands still.
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

    /// The image under `forward` of a point that moves, in the course of a time that moves: $f(x(s); c, t(s))$ with its
    /// derivatives in s, as many as x and t have, and exact. None where an implementor has no closed form for them; the
    /// map is then differentiated from outside.
    ///
    /// # Errors
    /// As `forward`.
    fn push(&self, _x: &Jet, _condition: Moving<'_>) -> Result<Option<Jet>, Error> {
        Ok(None)
    }

    /// The map of vectors in stages, from the source to the data, at times (T,) for contexts (K, n), by what these alone
    /// make of it: what a kernel for many points is given. None where an implementor is not made of such stages.
    ///
    /// # Errors
    /// As `forward`, but for the input.
    fn stages(&self, _context: Option<&Tensor>, _t: &Tensor) -> Result<Option<Vec<Stage>>, Error> {
        Ok(None)
    }
}

impl<F: Bijection + ?Sized> Bijection for &F {
    fn forward(&self, x: &Tensor, condition: Condition<'_>) -> Result<Transformed, Error> {
        (**self).forward(x, condition)
    }

    fn inverse(&self, y: &Tensor, condition: Condition<'_>) -> Result<Transformed, Error> {
        (**self).inverse(y, condition)
    }

    fn push(&self, x: &Jet, condition: Moving<'_>) -> Result<Option<Jet>, Error> {
        (**self).push(x, condition)
    }

    fn stages(&self, context: Option<&Tensor>, t: &Tensor) -> Result<Option<Vec<Stage>>, Error> {
        (**self).stages(context, t)
    }
}

impl<F: Bijection + ?Sized> Bijection for std::rc::Rc<F> {
    fn forward(&self, x: &Tensor, condition: Condition<'_>) -> Result<Transformed, Error> {
        (**self).forward(x, condition)
    }

    fn inverse(&self, y: &Tensor, condition: Condition<'_>) -> Result<Transformed, Error> {
        (**self).inverse(y, condition)
    }

    fn push(&self, x: &Jet, condition: Moving<'_>) -> Result<Option<Jet>, Error> {
        (**self).push(x, condition)
    }

    fn stages(&self, context: Option<&Tensor>, t: &Tensor) -> Result<Option<Vec<Stage>>, Error> {
        (**self).stages(context, t)
    }
}

impl<F: Bijection + ?Sized> Bijection for Box<F> {
    fn forward(&self, x: &Tensor, condition: Condition<'_>) -> Result<Transformed, Error> {
        (**self).forward(x, condition)
    }

    fn inverse(&self, y: &Tensor, condition: Condition<'_>) -> Result<Transformed, Error> {
        (**self).inverse(y, condition)
    }

    fn push(&self, x: &Jet, condition: Moving<'_>) -> Result<Option<Jet>, Error> {
        (**self).push(x, condition)
    }

    fn stages(&self, context: Option<&Tensor>, t: &Tensor) -> Result<Option<Vec<Stage>>, Error> {
        (**self).stages(context, t)
    }
}

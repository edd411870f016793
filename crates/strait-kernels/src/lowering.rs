//! How a bijection is lowered: the stages by which it is passed to a kernel.

use crate::Stage;
use std::any::Any;
use strait_core::{Bijection, Error};
use tch::Tensor;

/// A bijection of vectors that is a chain of [`Stage`]s.
pub trait Lower {
    /// The stages from the source to the data, at times (T,) for contexts (K, n), with everything that depends on these
    /// alone computed. None where the map cannot be written as such a chain.
    ///
    /// # Errors
    /// As `Bijection::forward`, but for the input.
    fn lower(&self, context: Option<&Tensor>, t: &Tensor) -> Result<Option<Vec<Stage>>, Error>;
}

/// The question that [`lower`] passes to `Bijection::answer` of a bijection of any type.
#[derive(Debug)]
pub struct Lowering {
    context: Option<Tensor>,
    t: Tensor,
    stages: Option<Vec<Stage>>,
}

impl Lowering {
    /// The implementation of `Bijection::answer` for a map that can be lowered; other questions are left unchanged.
    ///
    /// # Errors
    /// As [`Lower::lower`].
    pub fn answer(question: &mut dyn Any, map: &dyn Lower) -> Result<(), Error> {
        if let Some(asked) = question.downcast_mut::<Self>() {
            asked.stages = map.lower(asked.context.as_ref(), &asked.t)?;
        }
        Ok(())
    }
}

/// The stages of a bijection whose type is not known, as [`Lower::lower`]; None where it has none.
///
/// ```
/// use std::any::Any;
/// use strait_core::{Bijection, Condition, Error, Transformed};
/// use strait_kernels::{Lower, Lowering, Stage, lower};
/// use tch::Tensor;
/// struct Identity; // no stage at all
/// impl Lower for Identity {
///     fn lower(&self, _: Option<&Tensor>, _: &Tensor) -> Result<Option<Vec<Stage>>, Error> {
///         Ok(Some(vec![]))
///     }
/// }
/// impl Bijection for Identity {
///     fn forward(&self, x: &Tensor, _: Condition<'_>) -> Result<Transformed, Error> {
///         let log_det = x.new_zeros([x.size()[0]], (x.kind(), x.device()));
///         Ok(Transformed { value: x.shallow_clone(), log_det })
///     }
///     fn inverse(&self, y: &Tensor, condition: Condition<'_>) -> Result<Transformed, Error> {
///         self.forward(y, condition)
///     }
///     fn answer(&self, question: &mut dyn Any) -> Result<(), Error> {
///         Lowering::answer(question, self)
///     }
/// }
/// let map: Box<dyn Bijection> = Box::new(Identity);
/// assert!(lower(&map, None, &Tensor::from_slice(&[0.5f64]))?.expect("stages").is_empty());
/// # Ok::<(), Error>(())
/// ```
///
/// # Errors
/// As [`Lower::lower`].
pub fn lower<F: Bijection + ?Sized>(
    map: &F,
    context: Option<&Tensor>,
    t: &Tensor,
) -> Result<Option<Vec<Stage>>, Error> {
    let mut question = Lowering { context: context.map(Tensor::shallow_clone), t: t.shallow_clone(), stages: None };
    map.answer(&mut question)?;
    Ok(question.stages)
}

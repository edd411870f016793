use crate::ConditionEmbedding;
use strait_autodiff::Jet;
use strait_core::{Bijection, Condition, ConditionJet, Conditions, Error, Transformed};
use tch::Tensor;

/// A bijection under a condition, whose vector is in its context: behind the channels of the context that a caller gives, or
/// alone.
///
/// Until it is given conditions it refuses every call.
///
/// ```
/// use strait_core::{Bijection, Condition, ConditionKind, Conditions, Error, Parameters, Seed, Transformed};
/// use strait_nets::{ConditionEmbedding, ConditionalBijection};
/// use tch::{Device, Kind, Tensor};
/// struct Moved; // by its context
/// impl Bijection for Moved {
///     fn forward(&self, x: &Tensor, condition: Condition<'_>) -> Result<Transformed, Error> {
///         let log_det = x.new_zeros([x.size()[0]], (x.kind(), x.device()));
///         Ok(Transformed { value: x + condition.need_context("the map")?, log_det })
///     }
///     fn inverse(&self, y: &Tensor, condition: Condition<'_>) -> Result<Transformed, Error> {
///         let log_det = y.new_zeros([y.size()[0]], (y.kind(), y.device()));
///         Ok(Transformed { value: y - condition.need_context("the map")?, log_det })
///     }
/// }
/// let mut parameters = Parameters::new(Seed(0), Kind::Float, Device::Cpu);
/// let embedding = ConditionEmbedding::new(ConditionKind::Classes(3), 2, &mut parameters.root())?;
/// let flow = ConditionalBijection::new(Moved, embedding);
/// let x = Tensor::zeros([2, 2], (Kind::Float, Device::Cpu));
/// let labels = Conditions::of("labels", Tensor::from_slice(&[2i64, 0]))?;
/// let moved = flow.given(&labels)?.expect("it is conditional").forward(&x, Condition::NONE)?.value;
/// assert_ne!(moved.get(0), moved.get(1));
/// assert!(flow.forward(&x, Condition::NONE).is_err()); // under no condition it is no map
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug)]
pub struct ConditionalBijection<F> {
    bijection: F,
    embedding: ConditionEmbedding,
}

impl<F: Bijection> ConditionalBijection<F> {
    /// A bijection whose context ends in as many channels as the embedding is wide.
    pub fn new(bijection: F, embedding: ConditionEmbedding) -> Self {
        Self { bijection, embedding }
    }
}

const NONE: Error = Error::MissingCondition { layer: "a flow under conditions", missing: "its condition" };

impl<F: Bijection> Bijection for ConditionalBijection<F> {
    fn forward(&self, _: &Tensor, _: Condition<'_>) -> Result<Transformed, Error> {
        Err(NONE)
    }

    fn inverse(&self, _: &Tensor, _: Condition<'_>) -> Result<Transformed, Error> {
        Err(NONE)
    }

    fn given(&self, conditions: &Conditions) -> Result<Option<Box<dyn Bijection + '_>>, Error> {
        let Self { bijection, embedding } = self;
        Ok(Some(Box::new(Given { bijection, embedding, conditions: conditions.shallow_clone() })))
    }
}

struct Given<'a, F> {
    bijection: &'a F,
    embedding: &'a ConditionEmbedding,
    conditions: Conditions,
}

impl<F> Given<'_, F> {
    fn context(&self, x: &Tensor, given: Option<&Tensor>) -> Result<Tensor, Error> {
        self.conditions.check(x.size().first().copied().unwrap_or(0))?;
        match given {
            Some(context) => {
                let own = self.embedding.channels(&self.conditions, context.size().get(2..).unwrap_or_default())?;
                Ok(Tensor::f_cat(&[context, &own], 1)?)
            }
            None => self.embedding.channels(&self.conditions, &[]),
        }
    }
}

impl<F: Bijection> Bijection for Given<'_, F> {
    fn forward(&self, x: &Tensor, condition: Condition<'_>) -> Result<Transformed, Error> {
        let context = self.context(x, condition.context)?;
        self.bijection.forward(x, Condition { context: Some(&context), ..condition })
    }

    fn inverse(&self, y: &Tensor, condition: Condition<'_>) -> Result<Transformed, Error> {
        let context = self.context(y, condition.context)?;
        self.bijection.inverse(y, Condition { context: Some(&context), ..condition })
    }

    fn push(&self, x: &Jet, condition: ConditionJet<'_>) -> Result<Option<Jet>, Error> {
        let context = self.context(x.value(), condition.context)?;
        self.bijection.push(x, ConditionJet { context: Some(&context), ..condition })
    }
}

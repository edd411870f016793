use crate::Layer;
use crate::backward::{BackwardRequest, BackwardStep, Cotangent, add};
use std::fmt;
use strait_autodiff::Jet;
use strait_core::{Bijection, Condition, ConditionJet, Direction, Error, Transformed};
use tch::Tensor;

/// Layers one after another: $f = f_n \circ \dots \circ f_1$, $\log|\det|$ the sum of theirs.
///
/// ```
/// use strait_core::{Bijection, Condition, Parameters, Seed};
/// use strait_flows::{ActNorm, Chain, Gate, Permutation, Plu};
/// use tch::{Device, Kind, Tensor};
/// let mut parameters = Parameters::new(Seed(0), Kind::Float, Device::Cpu);
/// let chain = Chain::new()
///     .then(ActNorm::new(&mut parameters.root().sub("norm"), 3, Gate::Timeless)?)
///     .then(Plu::new(&mut parameters.root().sub("mix"), 3, Gate::Timeless)?)
///     .then(Permutation::reverse(3));
/// println!("{chain}"); // one line a layer
/// let x = Tensor::rand([5, 3], (Kind::Float, Device::Cpu));
/// assert_eq!(chain.forward(&x, Condition::NONE)?.log_det.size(), [5]);
/// # Ok::<(), strait_core::Error>(())
/// ```
#[derive(Default)]
pub struct Chain {
    pub(crate) layers: Vec<Box<dyn Layer + Send>>,
}

impl Chain {
    /// The identity.
    pub fn new() -> Self {
        Self::default()
    }

    /// This chain, and then `layer`.
    #[must_use]
    pub fn then(mut self, layer: impl Layer + Send + 'static) -> Self {
        self.layers.push(Box::new(layer));
        self
    }

    /// How many layers there are.
    pub fn len(&self) -> usize {
        self.layers.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }
}

/// The images under one map after another, log-determinants summed.
fn compose<'a>(
    x: &Tensor,
    layers: impl Iterator<Item = &'a Box<dyn Layer + Send>>,
    apply: impl Fn(&dyn Layer, &Tensor) -> Result<Transformed, Error>,
) -> Result<Transformed, Error> {
    let mut whole: Option<Transformed> = None;
    for layer in layers {
        let input = whole.as_ref().map_or(x, |done| &done.value);
        let step = apply(layer.as_ref(), input)?;
        whole = Some(match whole {
            Some(done) => Transformed { value: step.value, log_det: done.log_det + step.log_det },
            None => step,
        });
    }
    if let Some(whole) = whole {
        return Ok(whole);
    }
    match x.size().first() {
        Some(&batch) => {
            Ok(Transformed { value: x.shallow_clone(), log_det: x.new_zeros([batch], (x.kind(), x.device())) })
        }
        None => Err(Error::Shape { what: "x", expected: "(B, ...)".into(), found: vec![] }),
    }
}

impl Bijection for Chain {
    fn forward(&self, x: &Tensor, condition: Condition<'_>) -> Result<Transformed, Error> {
        compose(x, self.layers.iter(), |layer, x| layer.forward(x, condition))
    }

    fn inverse(&self, y: &Tensor, condition: Condition<'_>) -> Result<Transformed, Error> {
        compose(y, self.layers.iter().rev(), |layer, y| layer.inverse(y, condition))
    }

    fn push(&self, x: &Jet, condition: ConditionJet<'_>) -> Result<Option<Jet>, Error> {
        let start = Some(x.view(Tensor::shallow_clone));
        self.layers.iter().try_fold(start, |x, layer| x.map_or(Ok(None), |x| layer.push(&x, condition)))
    }

    #[cfg(feature = "kernels")]
    fn answer(&self, question: &mut dyn std::any::Any) -> Result<(), Error> {
        strait_kernels::Lowering::answer(question, self)
    }
}

impl Layer for Chain {
    fn parameters(&self) -> Vec<Tensor> {
        self.layers.iter().flat_map(|layer| layer.parameters()).collect()
    }

    fn initialise(&self, y: &Tensor, condition: Condition<'_>) -> Result<Tensor, Error> {
        self.layers.iter().rev().try_fold(y.shallow_clone(), |y, layer| layer.initialise(&y, condition))
    }

    fn reversible_backward(&self, at: BackwardRequest<'_>) -> Result<BackwardStep, Error> {
        let mut done = BackwardStep::start(at.output, at.cotangent);
        // What stays is allocated before the walk: small lasting tensors between large passing ones would scatter
        // over the heap and keep it from being used again.
        let zeros = |of: Vec<Tensor>| of.iter().map(|p| p.detach().zeros_like()).collect();
        let parameters: Vec<Vec<Tensor>> = self.layers.iter().map(|layer| zeros(layer.parameters())).collect();
        let backwards: Vec<usize> = match at.direction {
            Direction::Forward => (0..self.layers.len()).rev().collect(),
            Direction::Inverse => (0..self.layers.len()).collect(),
        };
        for i in backwards {
            let cotangent = Cotangent { value: done.value, tangent: done.tangent, log_det: at.cotangent.of_log_det() };
            let step = self.layers[i].reversible_backward(BackwardRequest {
                output: &done.input,
                cotangent: &cotangent,
                ..at
            })?;
            for (kept, passing) in parameters[i].iter().zip(&step.parameters) {
                kept.shallow_clone().f_copy_(passing)?;
            }
            done = BackwardStep {
                context: add(done.context, step.context),
                t: add(done.t, step.t),
                parameters: vec![],
                ..step
            };
        }
        done.parameters = parameters.into_iter().flatten().collect();
        Ok(done)
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Chain of {}:", self.layers.len())?;
        for layer in &self.layers {
            for line in layer.to_string().lines() {
                writeln!(f, "  {line}")?;
            }
        }
        Ok(())
    }
}

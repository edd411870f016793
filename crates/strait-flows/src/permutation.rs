use crate::layer::for_each_sample;
use crate::{FlowError, Layer};
use std::fmt;
use strait_autodiff::Jet;
use strait_core::{Bijection, Condition, ConditionJet, Error, Transformed};
use tch::Tensor;

/// Channels in another order: $y_i = x_{\sigma(i)}$, with log-determinant 0.
///
/// It is part of the architecture, not of the parameters; it has no gate.
#[derive(Debug)]
pub struct Permutation {
    order: Vec<i64>,
    there: Tensor,
    back: Tensor,
}

impl Permutation {
    /// Output channel `i` is input channel `order[i]`.
    ///
    /// # Errors
    /// `FlowError::NotAPermutation`.
    ///
    /// ```
    /// use strait_core::{Bijection, Condition};
    /// use strait_flows::Permutation;
    /// use tch::Tensor;
    /// let x = Tensor::from_slice(&[1.0f64, 2.0, 3.0]).view([1, 3]);
    /// let y = Permutation::new(&[2, 0, 1])?.forward(&x, Condition::NONE)?;
    /// assert_eq!(y.value, Tensor::from_slice(&[3.0f64, 1.0, 2.0]).view([1, 3]));
    /// # Ok::<(), strait_core::Error>(())
    /// ```
    pub fn new(order: &[i64]) -> Result<Self, Error> {
        let mut back = vec![-1; order.len()];
        for (i, &from) in order.iter().enumerate() {
            match usize::try_from(from).ok().and_then(|from| back.get_mut(from)) {
                Some(place) if *place < 0 => *place = i as i64,
                _ => return Err(FlowError::NotAPermutation { order: order.to_vec() }.into()),
            }
        }
        Ok(Self { order: order.to_vec(), there: Tensor::from_slice(order), back: Tensor::from_slice(&back) })
    }

    /// The channels in reverse order.
    pub fn reverse(channels: i64) -> Self {
        let order: Vec<i64> = (0..channels).rev().collect();
        let index = Tensor::from_slice(&order);
        Self { there: index.shallow_clone(), back: index, order }
    }

    #[cfg(feature = "kernels")]
    pub(crate) fn channels(&self) -> i64 {
        self.order.len() as i64
    }

    fn check(&self, x: &Tensor) -> Result<(), Error> {
        let size = x.size();
        if size.len() < 2 || size[1] != self.order.len() as i64 {
            return Err(Error::Shape { what: "x", expected: format!("(B, {}, ...)", self.order.len()), found: size });
        }
        Ok(())
    }

    fn take(&self, x: &Tensor, index: &Tensor) -> Result<Transformed, Error> {
        self.check(x)?;
        let value = x.f_index_select(1, &index.to_device(x.device()))?;
        let zero = x.new_zeros([] as [i64; 0], (x.kind(), x.device()));
        Ok(Transformed { log_det: for_each_sample(&zero, x), value })
    }
}

impl Bijection for Permutation {
    fn forward(&self, x: &Tensor, _: Condition<'_>) -> Result<Transformed, Error> {
        self.take(x, &self.there)
    }

    fn inverse(&self, y: &Tensor, _: Condition<'_>) -> Result<Transformed, Error> {
        self.take(y, &self.back)
    }

    fn push(&self, x: &Jet, _: ConditionJet<'_>) -> Result<Option<Jet>, Error> {
        self.check(x.value())?;
        let index = self.there.to_device(x.value().device());
        Ok(Some(x.view(|x| x.index_select(1, &index))))
    }

    #[cfg(feature = "kernels")]
    fn answer(&self, question: &mut dyn std::any::Any) -> Result<(), Error> {
        strait_kernels::Lowering::answer(question, self)
    }
}

impl Layer for Permutation {
    fn parameters(&self) -> Vec<Tensor> {
        vec![]
    }
}

impl fmt::Display for Permutation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Permutation({:?})", self.order)
    }
}

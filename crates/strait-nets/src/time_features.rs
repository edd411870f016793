//! The features of a time that a network gets as input.

use strait_autodiff::Jet;
use tch::Tensor;

/// How a time enters a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeFeatures {
    /// Not at all: the network is a function of the sample alone.
    None,
    /// t itself, as one more input.
    Raw,
    /// t, and $\sin(2^k \pi t), \cos(2^k \pi t)$ for k below this number.
    Fourier(u32),
}

impl TimeFeatures {
    pub(crate) fn count(self) -> i64 {
        match self {
            Self::None => 0,
            Self::Raw => 1,
            Self::Fourier(n) => 1 + 2 * i64::from(n),
        }
    }

    /// Of a time (B, 1) to (B, count), with its derivatives.
    pub(crate) fn of(self, t: &Jet) -> Jet {
        match self {
            Self::None => t.view(|t| t.narrow(1, 0, 0)),
            Self::Raw => t.view(Tensor::shallow_clone),
            Self::Fourier(n) => {
                let k = Tensor::arange(i64::from(n), (t.value().kind(), t.value().device()));
                let frequencies = k.exp2() * std::f64::consts::PI;
                let angle = t.times(&Jet::constant(&frequencies));
                let cat = |a: &Tensor, b: &Tensor| Tensor::cat(&[a, b], 1);
                t.zip(&angle.sin(), cat).zip(&angle.cos(), cat)
            }
        }
    }
}

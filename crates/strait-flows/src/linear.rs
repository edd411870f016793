//! Invertible linear maps of the channels: for images, invertible 1x1 convolutions.

mod exponential;
mod plu;

pub use exponential::Exponential;
pub use plu::Plu;

use tch::Tensor;

/// One matrix (C, C) applied to the channels of every sample and place.
fn mix(matrix: &Tensor, x: &Tensor) -> Tensor {
    if x.dim() == 2 {
        return x.linear::<&Tensor>(matrix, None);
    }
    x.conv2d::<&Tensor>(&matrix.unsqueeze(-1).unsqueeze(-1), None, [1, 1], [0, 0], [1, 1], 1)
}

//! Invertible linear maps of the channels: for images, invertible 1x1 convolutions.

mod exponential;
mod gaussian;
mod plu;

pub use exponential::Exponential;
pub use gaussian::GaussianMap;
pub use plu::Plu;

use crate::layer::places;
use tch::Tensor;

/// One matrix (C, C) applied to the channels of every sample and place. For images a batched product is three to five
/// times as fast as a 1x1 convolution, derivatives included.
fn mix(matrix: &Tensor, x: &Tensor) -> Tensor {
    if x.dim() == 2 {
        return x.linear::<&Tensor>(matrix, None);
    }
    let size = x.size();
    let matrices = matrix.expand([size[0], size[1], size[1]], false);
    matrices.bmm(&x.reshape([size[0], size[1], places(x)])).view(size.as_slice())
}

use super::{Toy, check_event, planar, positive};
use crate::DataError;
use strait_core::{Draws, Error, Source};
use tch::{Device, Kind, Tensor};

/// `checkerboard`: uniform on the eight like-coloured squares of a four by four board on $[-w, w]^2$, those whose
/// column and row numbers from the lower left have an even sum.
///
/// The usual board (FFJORD's, Flow Matching's) has $w = 4$ and squares of side 2. Its density is $1 / (2 w^2)$ on
/// these squares, and 0 elsewhere.
///
/// ```
/// use strait_data::{Toy, toys::Checkerboard};
/// assert_eq!(Checkerboard::new(4.0)?.name(), "checkerboard (8 of 4 x 4 squares on [-4, 4] x [-4, 4])");
/// # Ok::<(), strait_data::DataError>(())
/// ```
#[derive(Debug)]
pub struct Checkerboard {
    name: String,
    half_width: f64,
}

impl Checkerboard {
    /// On $[-w, w]^2$.
    ///
    /// # Errors
    /// `Parameter` where w is not positive.
    pub fn new(half_width: f64) -> Result<Self, DataError> {
        positive("checkerboard", "half_width", half_width)?;
        let w = half_width;
        Ok(Self { name: format!("checkerboard (8 of 4 x 4 squares on [-{w}, {w}] x [-{w}, {w}])"), half_width })
    }
}

impl Source for Checkerboard {
    fn event_shape(&self) -> &[i64] {
        &[2]
    }

    fn sample(&self, n: i64, draws: &mut Draws, kind: Kind, device: Device) -> Result<Tensor, Error> {
        let column = draws.integers(4, &[n], device)?;
        let row = draws.integers(2, &[n], device)? * 2 + column.f_remainder(2)?;
        let corner = planar(&column, &row)?.f_to_kind(kind)? - 2.0;
        Ok((draws.uniform(&[n, 2], kind, device)? + corner) * (0.5 * self.half_width))
    }

    fn log_density(&self, x: &Tensor) -> Result<Tensor, Error> {
        check_event(x, &[2])?;
        let square = (x * (2.0 / self.half_width) + 2.0).f_floor()?;
        let on_board = square.f_ge(0.0)?.f_logical_and(&square.f_lt(4.0)?)?.f_all_dim(1, false)?;
        let colour = square.f_sum_dim_intlist([1i64].as_slice(), false, x.kind())?.f_remainder(2)?;
        let inside = on_board.f_logical_and(&colour.f_eq(0.0)?)?;
        let log_density = -(2.0 * self.half_width.powi(2)).ln();
        let outside = inside.f_logical_not()?;
        Ok(Tensor::f_full_like(&colour, log_density)?.f_masked_fill(&outside, f64::NEG_INFINITY)?)
    }
}

impl Toy for Checkerboard {
    fn name(&self) -> &str {
        &self.name
    }
}

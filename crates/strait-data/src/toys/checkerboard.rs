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

    /// The points of squares, given by their lower left corners in units of a side, at `u` in $[0, 1)^2$ of each.
    fn placed(&self, u: &Tensor, corner: &Tensor) -> Result<Tensor, Error> {
        let side = 0.5 * self.half_width;
        let (x, next) = ((u + corner) * side, (corner + 1.0) * side);
        // A sum may round up to the next square.
        let below = next.f_nextafter(&next.f_full_like(f64::NEG_INFINITY)?)?;
        Ok(x.f_minimum(&below)?)
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
        self.placed(&draws.uniform(&[n, 2], kind, device)?, &corner)
    }

    fn log_density(&self, x: &Tensor) -> Result<Tensor, Error> {
        check_event(x, &[2])?;
        // Between the edges as they are in the kind of x: whatever is computed of x may round to the next square.
        let edges = (Tensor::f_arange_start(-2, 3, (x.kind(), x.device()))?) * (0.5 * self.half_width);
        let square = x.f_detach()?.f_contiguous()?.f_bucketize(&edges, false, true)?;
        let on_board = square.f_ge(1)?.f_logical_and(&square.f_le(4)?)?.f_all_dim(1, false)?;
        let colour = square.f_sum_dim_intlist([1i64].as_slice(), false, Kind::Int64)?.f_remainder(2)?;
        let outside = on_board.f_logical_and(&colour.f_eq(0)?)?.f_logical_not()?;
        let log_density =
            Tensor::f_full(outside.size(), -(2.0 * self.half_width.powi(2)).ln(), (x.kind(), x.device()))?;
        Ok(log_density.f_masked_fill(&outside, f64::NEG_INFINITY)?)
    }
}

impl Toy for Checkerboard {
    fn name(&self) -> &str {
        &self.name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The least and the greatest of what is drawn, and those beside them.
    #[test]
    fn a_draw_stays_in_its_square() {
        for kind in [Kind::Float, Kind::Double] {
            let spacing = if kind == Kind::Float { (-24f64).exp2() } else { (-53f64).exp2() };
            let ends = [0.0, spacing, 2.0 * spacing, 0.5, 1.0 - 3.0 * spacing, 1.0 - 2.0 * spacing, 1.0 - spacing];
            let u = Tensor::from_slice(&ends).to_kind(kind);
            for half_width in [4.0, 1.0, 3.0, 0.7, 1e-3, 12345.678] {
                let toy = Checkerboard::new(half_width).unwrap();
                for (column, row) in [(0, 0), (0, 2), (1, 1), (1, 3), (2, 0), (2, 2), (3, 1), (3, 3)] {
                    let corner = Tensor::from_slice(&[column, row]).to_kind(kind) - 2.0;
                    let corner = corner.expand([7, 2], false);
                    for u in [planar(&u, &u), planar(&u, &u.flip([0])), planar(&u.full_like(0.5), &u)] {
                        let x = toy.placed(&u.unwrap(), &corner).unwrap();
                        let log_p = toy.log_density(&x).unwrap();
                        assert!(
                            log_p.isfinite().all().int64_value(&[]) == 1,
                            "{kind:?} {half_width} {column} {row} {x}"
                        );
                    }
                }
            }
        }
    }
}

//! The Gaussian with the mean and covariance of the training points, as a flow in closed form.

use super::context::RunContext;
use super::models::{Spent, TrainedModels};
use crate::ProgramError;
use std::time::Instant;
use strait_core::{Dataset, Error, Split, Stream};
use strait_metrics::moments;
use strait_optim::Position;
use strait_optim::checkpoint::State;
use strait_paths::Linear;
use strait_paths::gaussian::StraightField;
use tch::{Device, Kind, Tensor};

/// Training points that it is fitted to of a law that draws as many as one likes.
const POINTS: i64 = 1 << 14;
/// Training points of a finite set that are added up at a time: all of them are.
const PART: i64 = 4096;
/// Added to every variance, in units in which they are 1 on average: coordinates that never change have none.
const RIDGE: f64 = 1e-6;

/// The straight flow from N(0, I) to the Gaussian fitted to the training points, which one Euler step follows exactly.
///
/// # Errors
/// Those of the data.
pub(crate) fn fit(context: &RunContext) -> Result<TrainedModels, ProgramError> {
    let start = Instant::now();
    let (mean, covariance) = moments_of_all(&*context.data.points, context.seed.stream("gaussian fit"))?;
    let covariance = &covariance + Tensor::eye(mean.size()[0], (Kind::Double, Device::Cpu)) * RIDGE;
    let field = StraightField::new(&mean.to_device(context.device), &covariance.to_device(context.device))?;
    let (d, wall_seconds) = (mean.numel(), start.elapsed().as_secs_f64());
    Ok(TrainedModels {
        path: Box::new(Linear),
        velocity: Box::new(field),
        flow: None,
        map: None,
        state: State {
            version: 1,
            position: Position::default(),
            threads: tch::get_num_threads(),
            wall_seconds,
            iterations: vec![],
            draws: strait_core::DRAWS_VERSION,
        },
        parameters: d + d * (d + 1) / 2,
        average: None,
        solvers: None,
        spent: Spent { gradient_steps: 0, wall_seconds },
    })
}

/// Points (2d, ...) with the mean of all training points and their covariance, to which noise of this standard deviation adds: on
/// both sides of the mean along each axis of the covariance.
///
/// # Errors
/// Those of the data.
pub(super) fn with_moments_of_all(points: &dyn Dataset, stream: Stream, noise: f64) -> Result<Tensor, ProgramError> {
    let (mean, covariance) = moments_of_all(points, stream)?;
    let (variances, axes) = covariance.f_linalg_eigh("L").map_err(Error::from)?;
    let d = mean.size()[0];
    let off = (&axes * ((variances.clamp_min(0.0) + noise * noise) * d as f64).sqrt()).tr();
    let both = Tensor::f_cat(&[&mean + &off, &mean - &off], 0).map_err(Error::from)?;
    Ok(both.to_kind(Kind::Float).reshape([&[2 * d], points.event_shape()].concat()))
}

/// The mean (d,) and the covariance (d, d) of all training points, by the sums of parts of them (Chan, Golub and LeVeque, 1979).
fn moments_of_all(points: &dyn Dataset, stream: Stream) -> Result<(Tensor, Tensor), ProgramError> {
    let Some(n) = points.len(Split::Train) else {
        return Ok(moments(&points.points(Split::Train, POINTS, &mut stream.at(0))?)?);
    };
    let part = PART.min(n);
    let mut sums: Option<(f64, Tensor, Tensor)> = None;
    // An epoch has each of them once.
    for step in 0..(n + part - 1) / part {
        let rows = part.min(n - step * part);
        let x = points.minibatch(part, step as u64, stream)?.f_narrow(0, 0, rows).map_err(Error::from)?;
        let x = x.flatten(1, -1).to_device(Device::Cpu).to_kind(Kind::Double);
        let (count, mean) = (rows as f64, x.mean_dim([0i64].as_slice(), false, Kind::Double));
        let centred = &x - &mean;
        let products = centred.tr().f_matmul(&centred).map_err(Error::from)?;
        sums = Some(match sums {
            None => (count, mean, products),
            Some((before, old, sum)) => {
                let (all, off) = (before + count, mean - &old);
                let between = off.unsqueeze(1) * off.unsqueeze(0) * (before * count / all);
                (all, old + off * (count / all), sum + products + between)
            }
        });
    }
    let (count, mean, products) =
        sums.ok_or(Error::Shape { what: "training points", expected: "at least one".into(), found: vec![n] })?;
    Ok((mean, products / (count - 1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use strait_core::Seed;
    use strait_data::{ArrayDataset, Scaling, Splits};

    #[test]
    fn it_is_fitted_to_all_training_points() {
        for n in [2, 4095, 4097, 20_001] {
            let x = Seed(1).stream("x").at(0).normal(&[n, 3], Kind::Double, Device::Cpu).unwrap() + 1e3;
            // One that a fit of some of them would most often miss.
            let _ = x.narrow(0, n / 2, 1).fill_(2e3);
            let arrays = Splits { train: x.copy(), validation: x.copy(), test: x.copy() };
            let data = ArrayDataset::new("x", &arrays, Scaling::Own, Kind::Double, Device::Cpu).unwrap();
            let (mean, covariance) = moments_of_all(&data, Seed(0).stream("gaussian fit")).unwrap();
            let (right_mean, right) = moments(&x).unwrap();
            let off = |a: &Tensor, b: &Tensor| ((a - b).abs().max() / b.abs().max()).double_value(&[]);
            assert!(off(&mean, &right_mean) < 1e-12 && off(&covariance, &right) < 1e-9, "{n}: {covariance} {right}");
        }
    }

    #[test]
    fn a_few_points_stand_for_the_moments_of_all() {
        let x = Seed(2).stream("x").at(0).normal(&[5000, 2, 2], Kind::Double, Device::Cpu).unwrap() * 3.0 + 1.0;
        // Half of the points, which the first two thousand may hold few of, lie elsewhere; one coordinate never changes.
        let _ = x.narrow(0, 2500, 2500).narrow(1, 0, 1).fill_(9.0);
        let _ = x.narrow(1, 1, 1).narrow(2, 1, 1).fill_(4.0);
        let arrays = Splits { train: x.copy(), validation: x.copy(), test: x.copy() };
        let data = ArrayDataset::new("x", &arrays, Scaling::Own, Kind::Double, Device::Cpu).unwrap();
        for noise in [0.0, 0.5] {
            let few = with_moments_of_all(&data, Seed(0).stream("gaussian fit"), noise).unwrap();
            assert_eq!(few.size(), [8, 2, 2]);
            let ((mean, covariance), (right_mean, right)) = (moments(&few).unwrap(), moments(&x).unwrap());
            let covariance = covariance * (7.0 / 8.0); // of these points and no others
            let right = right + Tensor::eye(4, (Kind::Double, Device::Cpu)) * noise * noise;
            assert!(mean.allclose(&right_mean, 1e-5, 1e-5, false), "{mean} for {right_mean}");
            assert!(covariance.allclose(&right, 1e-4, 1e-4, false), "{covariance} for {right}");
        }
    }
}

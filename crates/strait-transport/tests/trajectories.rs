//! Stored trajectories: segments are of one trajectory, in order, each equally often.

use std::collections::BTreeMap;
use strait_core::{Error, Seed, TrajectoryDataset};
use strait_transport::StoredTrajectories;
use tch::{Device, Kind, Tensor};

/// Trajectory i is at 100 i + k at time number k.
fn stored() -> StoredTrajectories {
    let rows = Tensor::arange(3, (Kind::Double, Device::Cpu)).view([3, 1, 1]) * 100.0;
    let points = (rows + Tensor::arange(4, (Kind::Double, Device::Cpu)).view([1, 4, 1])).expand([3, 4, 2], false);
    StoredTrajectories::new(&points.contiguous(), &[0.0, 0.25, 0.5, 1.0]).unwrap()
}

#[test]
fn every_pair_of_points_of_every_trajectory_is_drawn_equally_often() {
    let stored = stored();
    assert_eq!((stored.count(), stored.event_shape()), (3, &[2i64][..]));
    let batch = stored.segments(18_000, 5, Seed(0).stream("segments")).unwrap();
    let numbers = |x: &Tensor| Vec::<f64>::try_from(x.reshape([-1]).to_kind(Kind::Double)).unwrap();
    let (from, to) = (numbers(&batch.from.select(1, 0)), numbers(&batch.to.select(1, 1)));
    let (s, t) = (numbers(&batch.s), numbers(&batch.t));
    let times = [0.0, 0.25, 0.5, 1.0];
    let mut seen = BTreeMap::new();
    for i in 0..from.len() {
        assert_eq!((from[i] / 100.0).floor(), (to[i] / 100.0).floor(), "of one trajectory");
        let (a, b) = ((from[i] % 100.0) as usize, (to[i] % 100.0) as usize);
        assert!(a < b && s[i] == times[a] && t[i] == times[b], "{a} to {b} at {} to {}", s[i], t[i]);
        *seen.entry((from[i] as i64, to[i] as i64)).or_insert(0) += 1;
    }
    assert_eq!(seen.len(), 18, "six pairs of times of each");
    // Binomial: 1,000 with a deviation of 31.
    assert!(seen.values().all(|&count| (850..1150).contains(&count)), "{seen:?}");
}

#[test]
fn segments_are_functions_of_their_step() {
    let draw = |step| stored().segments(50, step, Seed(0).stream("segments")).unwrap();
    let (first, again, other) = (draw(3), draw(3), draw(4));
    assert_eq!((&first.from, &first.s, &first.to, &first.t), (&again.from, &again.s, &again.to, &again.t));
    assert_ne!(first.from, other.from);
}

#[test]
fn what_are_no_trajectories_is_refused() {
    let points = |shape: &[i64]| Tensor::zeros(shape, (Kind::Double, Device::Cpu));
    for (shape, times) in [(vec![3, 4, 2], vec![0.0, 1.0]), (vec![3, 2], vec![0.0, 1.0]), (vec![3, 1, 2], vec![0.0])] {
        let error = StoredTrajectories::new(&points(&shape), &times).unwrap_err();
        assert!(matches!(error, Error::Shape { .. }), "{error}");
    }
    for times in [[0.0, 0.0], [1.0, 0.0], [0.0, 1.5], [-0.5, 1.0], [0.0, f64::NAN]] {
        let error = StoredTrajectories::new(&points(&[3, 2, 2]), &times).unwrap_err();
        assert!(matches!(error, Error::Time { .. }), "{error}");
    }
}

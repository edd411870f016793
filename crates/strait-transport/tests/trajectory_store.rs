//! Stored trajectories: each segment is of one trajectory, in order of time, and all are equally frequent.

use std::collections::BTreeMap;
use std::fs;
use strait_core::{Error, Seed, TrajectoryDataset};
use strait_transport::{PairsError, StoredTrajectories, TrajectoryStore};
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
    let batch = stored.segments(18_000, 0, 5, Seed(0).stream("segments")).unwrap();
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
fn a_share_of_segments_starts_where_trajectories_do() {
    let batch = stored().segments(9000, 6000, 2, Seed(0).stream("segments")).unwrap();
    let (s, t) = (batch.s.narrow(0, 0, 6000), batch.t.narrow(0, 0, 6000));
    assert_eq!(s.max().double_value(&[]), 0.0);
    assert!(batch.from.narrow(0, 0, 6000).remainder(100.0).eq(0.0).all().int64_value(&[]) == 1);
    for time in [0.25, 0.5, 1.0] {
        // Binomial: 2,000 with a deviation of 37.
        let count = t.eq(time).sum(Kind::Int64).int64_value(&[]);
        assert!((1850..2150).contains(&count), "{count} end at {time}");
    }
    assert!(batch.s.narrow(0, 6000, 3000).max().double_value(&[]) == 0.5);
}

#[test]
fn segments_are_functions_of_their_step() {
    let draw = |step| stored().segments(50, 0, step, Seed(0).stream("segments")).unwrap();
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

const TIMES: [f64; 3] = [0.0, 0.5, 1.0];

/// Trajectory i is at i + 100 k at time number k.
fn shard(first: i64, n: i64) -> Result<Tensor, PairsError> {
    let rows = Tensor::arange_start(first, first + n, (Kind::Float, Device::Cpu)).view([n, 1, 1]);
    Ok(rows + Tensor::arange(3, (Kind::Float, Device::Cpu)).view([1, 3, 1]) * 100.0)
}

#[test]
fn a_stopped_integration_goes_on_with_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let store = TrajectoryStore::new(folder.path(), 40, 16, &TIMES, "a");
    let mut asked = vec![];
    let mut fill = |until: u64| {
        store.fill(|index, n| {
            if index >= until {
                return Err(PairsError::Core(Error::NoDensity { what: "stopped".into() }));
            }
            asked.push((index, n));
            shard(index as i64 * 16, n)
        })
    };
    assert!(fill(2).is_err());
    let error = store.open(Kind::Float, Device::Cpu).unwrap_err();
    assert!(matches!(&error, PairsError::Io { path, .. } if path.ends_with("trajectories-00002-of-00003.safetensors")));
    fill(3).unwrap();
    assert_eq!(asked, [(0, 16), (1, 16), (2, 8)]);
    let stored = store.open(Kind::Double, Device::Cpu).unwrap();
    let ends = stored.endpoints().unwrap();
    assert_eq!(ends.x0().view([-1]), Tensor::arange(40, (Kind::Double, Device::Cpu)));
    assert_eq!(ends.x1(), &(ends.x0() + 200.0));
}

#[test]
fn trajectories_that_are_damaged_or_of_another_flow_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = TrajectoryStore::new(folder.path(), 20, 16, &TIMES, "a");
    store.fill(|index, n| shard(index as i64 * 16, n)).unwrap();
    let said = |store: &TrajectoryStore| store.open(Kind::Float, Device::Cpu).unwrap_err().to_string();
    let of = |times: &[f64], name: &str| said(&TrajectoryStore::new(folder.path(), 20, 16, times, name));
    for name in ["b", "", "ab"] {
        assert!(of(&TIMES, name).contains("another flow"), "{name}");
    }
    assert!(of(&[0.0, 0.25, 1.0], "a").contains("at its times") && of(&[0.0, 1.0], "a").contains("at its times"));
    let path = folder.path().join("trajectories-00001-of-00002.safetensors");
    let whole = fs::read(&path).unwrap();
    for cut in [0, 10, whole.len() / 2] {
        fs::write(&path, &whole[..cut]).unwrap();
        assert!(said(&store).contains("trajectories-00001-of-00002.safetensors is damaged"), "{cut}");
    }
    let wrong = TrajectoryStore::new(folder.path().join("wrong"), 20, 16, &TIMES, "a");
    let error = wrong.fill(|_, n| shard(0, n - 1)).unwrap_err();
    assert!(matches!(error, PairsError::Core(Error::Shape { .. })), "{error}");
}

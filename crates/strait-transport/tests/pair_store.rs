//! Pairs on disk: labels stay with their pairs, interrupted generation resumes, and damaged files are refused.

use std::cell::RefCell;
use std::fs;
use strait_core::{PairedDataset, Seed};
use strait_transport::{Generated, PairStore, PairsError};
use tch::{Device, Kind, Tensor};

/// Pair i is (i, -i) with label i mod 3.
fn shard(first: i64, n: i64) -> Generated {
    let rows = Tensor::arange_start(first, first + n, (Kind::Int64, Device::Cpu));
    let x0 = rows.to_kind(Kind::Float).view([n, 1, 1]);
    Generated { x1: -&x0, x0, labels: Some(rows.remainder(3)) }
}

#[test]
fn labels_stay_with_their_pairs() {
    let folder = tempfile::tempdir().unwrap();
    let store = PairStore::new(folder.path(), 50, 16);
    store.fill(|index, n| Ok::<_, PairsError>(shard(index as i64 * 16, n))).unwrap();
    let pairs = store.open(Kind::Double, Device::Cpu).unwrap();
    assert_eq!((pairs.count(), pairs.event_shape(), pairs.x0().kind()), (50, &[1i64, 1][..], Kind::Double));
    let batch = pairs.minibatch(200, 3, Seed(0).stream("pairs")).unwrap();
    let labels = pairs.labels().unwrap().index_select(0, batch.target_rows.as_ref().unwrap());
    assert_eq!(labels, batch.x0.view([-1]).to_kind(Kind::Int64).remainder(3));
    assert_eq!(batch.x1, -batch.x0);
}

#[test]
fn a_stopped_generation_goes_on_with_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let store = PairStore::new(folder.path(), 40, 16);
    let asked = RefCell::new(vec![]);
    let fill = |until: u64| {
        store.fill(|index, n| {
            if index >= until {
                return Err(PairsError::Core(strait_core::Error::NoDensity { what: "stopped".into() }));
            }
            asked.borrow_mut().push((index, n));
            Ok(shard(index as i64 * 16, n))
        })
    };
    assert!(fill(2).is_err());
    // Not all is there yet, and the missing file is named.
    let error = store.open(Kind::Float, Device::Cpu).unwrap_err();
    assert!(matches!(&error, PairsError::Io { path, .. } if path.ends_with("pairs-00002-of-00003.npy")), "{error}");
    fill(3).unwrap();
    assert_eq!(*asked.borrow(), [(0, 16), (1, 16), (2, 8)]);
    let pairs = store.open(Kind::Float, Device::Cpu).unwrap();
    assert_eq!(pairs.x0().view([-1]), Tensor::arange(40, (Kind::Float, Device::Cpu)));
}

#[test]
fn damage_is_named_and_pairs_that_do_not_fit_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = PairStore::new(folder.path(), 20, 16);
    store.fill(|index, n| Ok::<_, PairsError>(shard(index as i64 * 16, n))).unwrap();
    let path = folder.path().join("pairs-00001-of-00002.npy");
    let whole = fs::read(&path).unwrap();
    for damaged in [&whole[..whole.len() / 2], &whole[..10], b"not an array"] {
        fs::write(&path, damaged).unwrap();
        let error = store.open(Kind::Float, Device::Cpu).unwrap_err();
        assert!(matches!(&error, PairsError::Damaged { path: named, .. } if *named == path), "{error}");
    }
    fs::remove_file(&path).unwrap();
    let crooked = |_, n| Ok::<_, PairsError>(Generated { x1: shard(0, n + 1).x1, ..shard(0, n) });
    assert!(matches!(store.fill(crooked), Err(PairsError::Core(_))));
    assert!(!path.exists());
}

#[test]
fn two_generations_at_once_leave_every_shard_whole() {
    let folder = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let store = PairStore::new(folder.path(), 320, 4);
                store.fill(|index, n| Ok::<_, PairsError>(shard(index as i64 * 4, n))).unwrap();
            });
        }
    });
    let pairs = PairStore::new(folder.path(), 320, 4).open(Kind::Float, Device::Cpu).unwrap();
    assert_eq!(pairs.x0().view([-1]), Tensor::arange(320, (Kind::Float, Device::Cpu)));
    let left = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 160, "files beside the shards and their labels");
}

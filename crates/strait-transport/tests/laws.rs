//! Every coupling of this crate under the laws of its trait, and couplings with faults that the laws must find.

use std::sync::atomic::{AtomicI64, Ordering};
use strait_core::{Coupling, Draws, Error, PairedDataset, Pairs, Seed, Stream};
use strait_laws::coupling::{Case, Law, Marginals, Promise, check, check_stored};
use strait_transport::{ExactOt, Generated, Independent, PairStore, PairsError, Sinkhorn, StoredPairs};
use tch::{Device, Kind, Tensor};

const ONCE: Promise = Promise { marginals: Marginals::EachRowOnce, optimal: false };
const OPTIMAL: Promise = Promise { marginals: Marginals::EachRowOnce, optimal: true };
const AVERAGE: Promise = Promise { marginals: Marginals::OnAverage, optimal: false };

#[test]
fn independent_pairs() {
    check("Independent", ONCE, |_| Ok(Independent)).unwrap();
}

#[test]
fn exact_optimal_transport() {
    check("ExactOt", OPTIMAL, |_| Ok(ExactOt)).unwrap();
}

#[test]
fn sinkhorn() {
    check("Sinkhorn", AVERAGE, |_| Ok(Sinkhorn::new(1.0))).unwrap();
}

fn carried(x0: &Tensor) -> Tensor {
    (x0 * 2.0 + 1.0).square()
}

/// Pairs of a case on disk, read back.
fn stored(case: &Case) -> Result<StoredPairs, Error> {
    let folder = tempfile::tempdir().map_err(Error::other)?;
    let store = PairStore::new(folder.path(), case.batch, 5);
    let shape = |n| -> Vec<i64> { std::iter::once(n).chain(case.event.iter().copied()).collect() };
    let generate = |shard, n| {
        let x0 = Seed(case.seed).stream("x0").at(shard).normal(&shape(n), Kind::Float, Device::Cpu)?;
        Ok::<_, PairsError>(Generated { x1: carried(&x0), x0, labels: None })
    };
    store.fill(generate).and_then(|()| store.open(Kind::Float, Device::Cpu)).map_err(Error::other)
}

#[test]
fn rectified_pairs() {
    check_stored("StoredPairs", |case| Ok((stored(case)?, carried))).unwrap();
}

/// A coupling with one thing wrong.
#[derive(Clone, Copy, Debug)]
enum Faulty {
    MovesSource,
    SortsBothSides,
    PermutesTheSource,
    RepeatsARow,
    MisnamesRows,
    LiesOfIndependence,
    LiesOfDependence,
    Restless,
    NotOptimal,
    ForgetsOnAverage,
}

static CALLS: AtomicI64 = AtomicI64::new(0);

impl Coupling for Faulty {
    fn couple(&self, x0: Tensor, x1: Tensor, draws: &mut Draws) -> Result<Pairs, Error> {
        let n = x1.size()[0];
        let reversed = Tensor::arange(n, (Kind::Int64, Device::Cpu)).flip([0]);
        let pick = |rows: Tensor, x0: Tensor| Pairs { x0, x1: x1.index_select(0, &rows), target_rows: Some(rows) };
        Ok(match self {
            Self::MovesSource => Pairs { x0: x0 + 1e-3, x1, target_rows: None },
            // Optimal on the line, and the times of training rise with the rows.
            Self::SortsBothSides if x0.numel() == n as usize => {
                let order = |x: &Tensor| x.flatten(0, -1).argsort(0, false);
                pick(order(&x1), x0.index_select(0, &order(&x0)))
            }
            Self::SortsBothSides => ExactOt.couple(x0, x1, draws)?,
            // Optimal, and no row of the data is named: as if nothing had been chosen.
            Self::PermutesTheSource => {
                let Pairs { x0: x1, x1: x0, .. } = ExactOt.couple(x1, x0, draws)?;
                Pairs { x0, x1, target_rows: None }
            }
            Self::RepeatsARow => pick(reversed.clamp_max((n - 2).max(0)), x0),
            Self::MisnamesRows => Pairs { x0, x1: x1.flip([0]), target_rows: None },
            Self::LiesOfIndependence | Self::LiesOfDependence => {
                let honest: &dyn Coupling =
                    if matches!(self, Self::LiesOfIndependence) { &ExactOt } else { &Independent };
                honest.couple(x0, x1, draws)?
            }
            Self::Restless => {
                // A state of its own: no two calls in a row choose alike.
                let call = CALLS.fetch_add(1, Ordering::Relaxed);
                pick((Tensor::arange(n, (Kind::Int64, Device::Cpu)) + call).remainder(n), x0)
            }
            Self::NotOptimal => pick(x1.flatten(1, -1).select(1, 0).argsort(0, false), x0),
            Self::ForgetsOnAverage => pick(reversed.zeros_like(), x0),
        })
    }

    fn is_independent(&self) -> bool {
        !matches!(self, Self::LiesOfDependence | Self::NotOptimal | Self::SortsBothSides)
    }

    fn name(&self) -> &str {
        "faulty"
    }
}

#[test]
fn every_fault_is_found_by_its_law() {
    let mut escaped = vec![];
    for (fault, promise, laws) in [
        (Faulty::MovesSource, ONCE, &[Law::Source][..]),
        (Faulty::SortsBothSides, OPTIMAL, &[Law::Source]),
        (Faulty::PermutesTheSource, OPTIMAL, &[Law::Source]),
        (Faulty::RepeatsARow, ONCE, &[Law::Target]),
        (Faulty::MisnamesRows, ONCE, &[Law::TargetRows]),
        (Faulty::LiesOfIndependence, OPTIMAL, &[Law::Independence]),
        (Faulty::LiesOfDependence, ONCE, &[Law::Independence]),
        (Faulty::Restless, ONCE, &[Law::Repeatable]),
        (Faulty::NotOptimal, OPTIMAL, &[Law::NeverWorse, Law::BruteForce]),
        (Faulty::ForgetsOnAverage, AVERAGE, &[Law::Target]),
    ] {
        match check(&format!("{fault:?}"), promise, |_| Ok(fault)) {
            Err(broken) if laws.contains(&broken.law) => {}
            Err(broken) => escaped.push(format!("not under {laws:?}: {broken}")),
            Ok(()) => escaped.push(format!("{fault:?} was not caught")),
        }
    }
    assert!(escaped.is_empty(), "{escaped:#?}");
}

/// Never worse than the rows as given, and not optimal: only brute force sees it.
struct TwoSwaps;

impl Coupling for TwoSwaps {
    fn couple(&self, x0: Tensor, x1: Tensor, draws: &mut Draws) -> Result<Pairs, Error> {
        if x1.size()[0] < 3 {
            return ExactOt.couple(x0, x1, draws);
        }
        let n = x1.size()[0];
        let cost = |x1: &Tensor| (&x0 - x1).square().sum(Kind::Double).double_value(&[]);
        let mut rows: Vec<i64> = (0..n).collect();
        for i in 0..(n - 1) as usize {
            let mut swapped = rows.clone();
            swapped.swap(i, i + 1);
            let image = |rows: &[i64]| x1.index_select(0, &Tensor::from_slice(rows));
            if cost(&image(&swapped)) < cost(&image(&rows)) {
                rows = swapped;
            }
        }
        let rows = Tensor::from_slice(&rows);
        Ok(Pairs { x1: x1.index_select(0, &rows), x0, target_rows: Some(rows) })
    }

    fn is_independent(&self) -> bool {
        false
    }

    fn name(&self) -> &str {
        "two swaps"
    }
}

#[test]
fn brute_force_sees_what_a_bound_does_not() {
    assert_eq!(check("swaps", OPTIMAL, |_| Ok(TwoSwaps)).unwrap_err().law, Law::BruteForce);
}

/// Stored pairs with one thing wrong.
struct FaultyPairs(StoredPairs, &'static str);

impl PairedDataset for FaultyPairs {
    fn event_shape(&self) -> &[i64] {
        self.0.event_shape()
    }

    fn count(&self) -> i64 {
        self.0.count()
    }

    fn minibatch(&self, n: i64, step: u64, stream: Stream) -> Result<Pairs, Error> {
        let mut pairs = self.0.minibatch(n, step, stream)?;
        match self.1 {
            "shuffled" => pairs.x1 = pairs.x1.flip([0]),
            "misnamed" => pairs.target_rows = pairs.target_rows.map(|rows| rows.flip([0])),
            "ignores its step" => return self.0.minibatch(n, 0, stream),
            _ => return self.0.minibatch(n, step, stream.stream(&call().to_string())),
        }
        Ok(pairs)
    }
}

/// Another number at every call.
fn call() -> u64 {
    static CALLS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    CALLS.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}

#[test]
fn faults_of_stored_pairs_are_found() {
    for (fault, law) in [
        ("shuffled", Law::Together),
        ("misnamed", Law::Together),
        ("ignores its step", Law::Uniform),
        ("another batch at every call", Law::Repeatable),
    ] {
        let broken = check_stored(fault, |case| Ok((FaultyPairs(stored(case)?, fault), carried))).unwrap_err();
        assert_eq!(broken.law, law, "{fault}: {broken}");
    }
}

//! Every coupling of this crate under the laws of its trait, and couplings with planted faults that the laws must find.

use std::sync::atomic::{AtomicI64, Ordering};
use strait_core::{Conditions, Coupling, Draws, Error, PairedDataset, Pairs, Seed, Stream};
use strait_laws::coupling::{Case, Law, Marginals, Promise, check, check_given, check_stored};
use strait_transport::{ConditionalOt, ExactOt, Generated, Independent, PairStore, PairsError, Sinkhorn, StoredPairs};
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

#[test]
fn conditional_optimal_transport() {
    check("ConditionalOt", OPTIMAL, |_| Ok(ConditionalOt::default())).unwrap();
}

#[test]
fn every_coupling_carries_conditions_and_a_conditional_one_keeps_them() {
    check_given("Independent", true, |_| Ok(Independent)).unwrap_err(); // within a class no pairs are the best
    check_given("Independent", false, |_| Ok(Independent)).unwrap();
    check_given("ExactOt", false, |_| Ok(ExactOt)).unwrap();
    check_given("Sinkhorn", false, |_| Ok(Sinkhorn::new(1.0))).unwrap();
    check_given("ConditionalOt", true, |_| Ok(ConditionalOt::default())).unwrap();
    let plain = check_given("ExactOt", true, |_| Ok(ExactOt)).unwrap_err();
    assert_eq!(plain.law, Law::KeepsConditions, "{plain}");
}

/// A conditional coupling with a fault.
#[derive(Debug, Clone, Copy)]
enum Unkept {
    IgnoresThem,
    Misnames,
    AsDrawn,
    LooksAtTheOrder,
}

impl Coupling for Unkept {
    fn couple(&self, x0: Tensor, x1: Tensor, draws: &mut Draws) -> Result<Pairs, Error> {
        ExactOt.couple(x0, x1, draws)
    }

    fn couple_given(&self, x0: Tensor, x1: Tensor, c: &Conditions, draws: &mut Draws) -> Result<Pairs, Error> {
        match self {
            Self::IgnoresThem => self.couple(x0, x1, draws),
            Self::AsDrawn => Independent.couple(x0, x1, draws),
            Self::Misnames => {
                Ok(Pairs { target_rows: None, ..ConditionalOt::default().couple_given(x0, x1, c, draws)? })
            }
            Self::LooksAtTheOrder => {
                // The best pairs for the second half of a class alone.
                let n = x0.size()[0];
                let half = Tensor::arange(n, (Kind::Int64, Device::Cpu)).ge(n / 2).to_kind(Kind::Int64);
                let split = c.only()?.filter(|rows| !rows.is_floating_point()).map(|rows| rows * 2 + half);
                match split {
                    Some(split) => ConditionalOt::default().couple_given(x0, x1, &Conditions::of("c", split)?, draws),
                    None => self.couple(x0, x1, draws),
                }
            }
        }
    }

    fn is_independent(&self) -> bool {
        false
    }

    fn name(&self) -> &str {
        "unkept"
    }
}

#[test]
fn faults_under_conditions_are_found_by_their_law() {
    for (fault, laws) in [
        (Unkept::IgnoresThem, &[Law::KeepsConditions][..]),
        (Unkept::Misnames, &[Law::TargetRows]),
        (Unkept::AsDrawn, &[Law::NeverWorse, Law::BruteForce]),
        (Unkept::LooksAtTheOrder, &[Law::NeverWorse, Law::BruteForce, Law::Order]),
    ] {
        let broken = check_given(&format!("{fault:?}"), true, |_| Ok(fault)).unwrap_err();
        assert!(laws.contains(&broken.law), "{broken}");
    }
}

/// Of vectors: as the share falls pairs keep their conditions, at a share of 1 they are those of plain OT, and the share
/// is that of the pairs that cost less than those drawn.
#[test]
fn conditions_that_are_vectors_are_kept_as_far_as_the_share_says() {
    let mut draws = Seed(0).stream("points").at(0);
    let mut normal = |d: i64| draws.normal(&[128, d], Kind::Double, Device::Cpu).unwrap();
    let (x0, x1) = (normal(2), normal(2));
    let c = x1.narrow(1, 0, 1);
    let pair = |share: f64| {
        let conditions = Conditions::of("c", c.shallow_clone()).unwrap();
        let draws = &mut Seed(0).stream("coupling").at(0);
        ConditionalOt { share }.couple_given(x0.copy(), x1.copy(), &conditions, draws).unwrap()
    };
    let moved = |share: f64| {
        let rows = pair(share).target_rows.unwrap();
        (c.index_select(0, &rows) - &c).square().mean(Kind::Double).double_value(&[])
    };
    let plain = ExactOt.couple(x0.copy(), x1.copy(), &mut Seed(0).stream("coupling").at(0)).unwrap();
    assert_eq!(pair(1.0).target_rows, plain.target_rows);
    let [all, some, few] = [1.0, 0.1, 0.02].map(moved);
    assert!(all > 2.0 * some && some > 2.0 * few && few > 0.0, "{all} {some} {few}");
    for share in [0.0, -1.0, 1.5, f64::NAN] {
        let conditions = Conditions::of("c", c.shallow_clone()).unwrap();
        let draws = &mut Seed(0).stream("coupling").at(0);
        let error = ConditionalOt { share }.couple_given(x0.copy(), x1.copy(), &conditions, draws).unwrap_err();
        assert!(error.to_string().contains("the share of a conditional OT"), "{error}");
    }
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
    OtherElsewhere,
    NotOptimal,
    ForgetsOnAverage,
    Fails,
    LosesARow,
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
            Self::OtherElsewhere => ExactOt.couple(x0, x1, draws)?,
            Self::NotOptimal => pick(x1.flatten(1, -1).select(1, 0).argsort(0, false), x0),
            Self::ForgetsOnAverage => pick(reversed.zeros_like(), x0),
            Self::Fails => return Err(Error::NotInvertible { what: "a faulty coupling" }),
            Self::LosesARow => Pairs { x0, x1: x1.narrow(0, 0, n - 1), target_rows: None },
        })
    }

    fn is_independent(&self) -> bool {
        !matches!(self, Self::LiesOfDependence | Self::NotOptimal | Self::SortsBothSides | Self::OtherElsewhere)
    }

    fn for_thread(&self) -> Option<Box<dyn Coupling + Send>> {
        match self {
            Self::OtherElsewhere => Some(Box::new(Independent)),
            _ => None,
        }
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
        (Faulty::OtherElsewhere, OPTIMAL, &[Law::ForThread]),
        (Faulty::NotOptimal, OPTIMAL, &[Law::NeverWorse, Law::BruteForce]),
        (Faulty::ForgetsOnAverage, AVERAGE, &[Law::Target]),
        (Faulty::Fails, ONCE, &[Law::Runs]),
        (Faulty::LosesARow, ONCE, &[Law::Shape]),
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

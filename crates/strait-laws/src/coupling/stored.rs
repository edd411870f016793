//! The laws of pairs that were made once and stored.

use super::{Broken, Case, Fault, Law, ensure, runs};
use crate::samples::Events;
use crate::suite;
use std::collections::HashMap;
use strait_core::{Error, PairedDataset, Pairs, Seed, Stream};
use tch::Tensor;

/// Holds stored pairs to the laws of [`PairedDataset`].
///
/// `build` makes the pairs of a case, `case.batch` of them or more and no two alike, together with the map that carries
/// their source points, (n, ...), to their partners.
///
/// # Errors
/// The first broken law, on a shrunk case.
pub fn check_stored<D: PairedDataset, M: Fn(&Tensor) -> Tensor>(
    subject: &str,
    build: impl Fn(&Case) -> Result<(D, M), Error>,
) -> Result<(), Broken> {
    suite::run(subject, Law::Runs, suite::config(suite::CASES), &Events::Small.cases(24), |case| {
        let (pairs, map) = build(case).map_err(runs)?;
        let stream = Seed(case.seed).stream("pairs");
        let (count, n) = (pairs.count(), case.batch + 3);
        ensure(count >= case.batch && pairs.event_shape() == case.event, Law::Shape, || {
            format!("{count} pairs of {:?}", pairs.event_shape())
        })?;
        let mut seen: HashMap<i64, Tensor> = HashMap::new();
        let mut times = vec![0.0; count as usize];
        let steps = 20 * count as u64;
        for step in 0..steps {
            let batch = draw(&pairs, n, step, stream)?;
            if step < 3 {
                one_batch(case, &pairs, &map, &batch, (n, step, stream))?;
            }
            for (i, row) in rows(&batch)?.into_iter().enumerate() {
                ensure((0..count).contains(&row), Law::TargetRows, || format!("row {row} of {count}"))?;
                times[row as usize] += 1.0;
                let x0 = batch.x0.get(i as i64);
                let first = seen.entry(row).or_insert_with(|| x0.copy());
                ensure(*first == x0, Law::Together, || format!("row {row} is another pair at step {step}"))?;
            }
        }
        let mean = steps as f64 * n as f64 / count as f64;
        let off = |times: &f64| (times - mean).abs() > 6.0 * mean.sqrt();
        ensure(!times.iter().any(off), Law::Uniform, || format!("drawn {times:?} times, and {mean} is the mean"))
    })
}

fn draw(pairs: &impl PairedDataset, n: i64, step: u64, stream: Stream) -> Result<Pairs, Fault> {
    pairs.minibatch(n, step, stream).map_err(runs)
}

fn rows(batch: &Pairs) -> Result<Vec<i64>, Fault> {
    let rows = batch.target_rows.as_ref().ok_or_else(|| Fault::new(Law::TargetRows, "there are none"))?;
    Vec::<i64>::try_from(rows).map_err(runs)
}

fn one_batch(
    case: &Case,
    pairs: &impl PairedDataset,
    map: &impl Fn(&Tensor) -> Tensor,
    batch: &Pairs,
    (n, step, stream): (i64, u64, Stream),
) -> Result<(), Fault> {
    let shape: Vec<i64> = std::iter::once(n).chain(case.event.iter().copied()).collect();
    ensure(batch.x0.size() == shape && batch.x1.size() == shape, Law::Shape, || {
        format!("{:?} and {:?} for {shape:?}", batch.x0.size(), batch.x1.size())
    })?;
    let partner = map(&batch.x0);
    ensure(partner == batch.x1, Law::Together, || "a source point comes with another's partner".into())?;
    let again = draw(pairs, n, step, stream)?;
    ensure(again.x0 == batch.x0 && again.x1 == batch.x1, Law::Repeatable, || {
        format!("other pairs from the same step {step}")
    })
}

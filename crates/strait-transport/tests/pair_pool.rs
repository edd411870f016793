//! A pool holds the points that were drawn, paired at the least cost, with their labels.

use strait_core::{Error, PairedDataset, Seed};
use strait_laws::coupling::check_stored;
use strait_transport::{Generated, Pool, to_array, wasserstein2};
use tch::{Device, Kind, Tensor};

/// Labels are the order in which the data were drawn.
fn drawn(batch: u64, n: i64) -> Result<Generated, Error> {
    let mut draws = Seed(3).stream("pool").at(batch);
    let x0 = draws.normal(&[n, 2], Kind::Float, Device::Cpu)?;
    let x1 = draws.normal(&[n, 2], Kind::Float, Device::Cpu)? * 2.0 + 1.0;
    let labels = Tensor::arange(n, (Kind::Int64, Device::Cpu)) + n * batch as i64;
    Ok(Generated { x0, x1, labels: Some(labels) })
}

fn cost(x0: &Tensor, x1: &Tensor) -> f64 {
    (x0.to_kind(Kind::Double) - x1.to_kind(Kind::Double)).square().sum(Kind::Double).double_value(&[])
}

#[test]
fn every_point_is_in_one_pair_and_each_batch_costs_the_least() {
    let (n, batches) = (50, 4);
    let pool = Pool::new(batches, |batch| drawn(batch, n)).unwrap();
    let (pairs, mut given) = (pool.pairs(), vec![]);
    for batch in 0..batches {
        let Generated { x0, x1, .. } = drawn(batch, n).unwrap();
        let at = batch as i64 * n;
        assert_eq!(pairs.x0().narrow(0, at, n), x0);
        let least = wasserstein2(to_array(&x0).unwrap().view(), to_array(&x1).unwrap().view()).unwrap();
        let found = cost(&x0, &pairs.x1().narrow(0, at, n)) / n as f64;
        assert!((found.sqrt() - least).abs() < 1e-6, "{found} against {}", least * least);
        given.push(x1);
    }
    // Labels name the rows that were drawn: each once, beside its own point.
    let labels = pairs.labels().unwrap();
    assert_eq!(*pairs.x1(), Tensor::cat(&given, 0).index_select(0, labels));
    assert_eq!(labels.sort(0, false).0, Tensor::arange(n * batches as i64, (Kind::Int64, Device::Cpu)));
    assert!(pool.batches() == batches && pool.solving().as_nanos() > 0 && pool.event_shape() == [2]);
}

#[test]
fn a_pool_keeps_the_laws_of_stored_pairs() {
    check_stored("pool", |case| {
        let shape = [&[case.batch], case.event.as_slice()].concat();
        let pool = Pool::new(2, |batch| {
            let mut draws = Seed(case.seed).stream("pool").at(batch);
            let x0 = draws.normal(&shape, Kind::Double, Device::Cpu)?;
            // With a shift the best pairing is the shift itself.
            let x1 = (&x0 + 3.0).flip([0]);
            Ok::<_, Error>(Generated { x0, x1, labels: None })
        })?;
        Ok((pool, |x0: &Tensor| x0 + 3.0))
    })
    .unwrap();
}

#[test]
fn batches_that_do_not_fit_are_refused() {
    let fails = |change: fn(u64, Generated) -> Generated| {
        Pool::new(2, |batch| Ok::<_, Error>(change(batch, drawn(batch, 6)?))).unwrap_err()
    };
    let short = fails(|_, drawn| Generated { labels: Some(Tensor::zeros([5], (Kind::Int64, Device::Cpu))), ..drawn });
    assert!(matches!(short, Error::Shape { what: "labels", .. }), "{short}");
    let some = fails(|batch, drawn| Generated { labels: drawn.labels.filter(|_| batch == 0), ..drawn });
    assert!(matches!(some, Error::Shape { what: "labels of batches", .. }), "{some}");
    let counts = fails(|_, drawn| Generated { x1: drawn.x1.narrow(0, 0, 5), ..drawn });
    assert!(matches!(counts, Error::Other(_)), "{counts}");
}

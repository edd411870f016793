//! A semidiscrete coupling keeps the source as drawn, uses each row of the data equally often, and has the least cost.

use strait_core::{Draws, Error, PairedDataset, Pairs, Seed, StandardNormal};
use strait_transport::{Ascent, PairsError, Semidiscrete, SemidiscretePairs};
use tch::{Device, Kind, Tensor};

const ASCENT: Ascent = Ascent { tolerance: 0.05, most: 2_000_000 };

fn draws(of: &str) -> Draws {
    Seed(5).stream("semidiscrete tests").stream(of).at(0)
}

fn normal(d: i64) -> impl Fn(i64, &mut Draws) -> Result<Tensor, Error> {
    move |n, draws| draws.normal(&[n, d], Kind::Float, Device::Cpu)
}

fn solve(data: &Tensor) -> Semidiscrete {
    Semidiscrete::solve(data, ASCENT, &mut draws("ascent"), normal(data.size()[1])).unwrap()
}

/// Two clusters of 100, of unlike widths; the last 20 rows are ten points, each twice.
fn clusters() -> Tensor {
    let mut draws = draws("data");
    let mut cluster = |width: f64, at: f64| draws.normal(&[100, 2], Kind::Float, Device::Cpu).unwrap() * width + at;
    let data = Tensor::cat(&[cluster(0.2, -2.0), cluster(1.0, 1.0)], 0);
    let twice = data.narrow(0, 180, 10);
    Tensor::cat(&[&data.narrow(0, 0, 180), &twice, &twice], 0)
}

fn counts(rows: &Tensor, m: i64) -> Tensor {
    rows.bincount(None::<Tensor>, m).to_kind(Kind::Double)
}

#[test]
fn each_row_of_the_data_is_drawn_alike_and_the_source_stays() {
    let data = clusters();
    let (transport, m, n) = (solve(&data), 200, 40_000);
    let mut fresh = draws("fresh");
    let x0 = normal(2)(n, &mut fresh).unwrap();
    let Pairs { x0: kept, x1, target_rows } = transport.pair(x0.shallow_clone(), &mut fresh).unwrap();
    let rows = target_rows.unwrap();
    assert!(kept == x0 && x1 == data.index_select(0, &rows));
    // n draws of uniform rows have (200 - 1) / 40,000 on average, within about 5e-4.
    let square = |counts: Tensor, m: i64| {
        let total = counts.sum(Kind::Double).double_value(&[]);
        ((&counts * (m as f64 / total) - 1.0).square()).mean(Kind::Double).double_value(&[])
    };
    let found = square(counts(&rows, m), m);
    assert!(found < 0.08 && transport.chi_square() < 0.08, "{found}, and it says {}", transport.chi_square());
    assert!((found - 0.005 - transport.chi_square()).abs() < 0.02, "{found} and {}", transport.chi_square());
    // Of each point that is there twice, both rows, as often: 20 counts of about 200.
    let twice = counts(&rows, m).narrow(0, 180, 20).view([2, 10]);
    let share = twice.get(0) / twice.sum_dim_intlist([0i64].as_slice(), false, Kind::Double);
    assert!(f64::try_from((share - 0.5).abs().max()).unwrap() < 0.15);
}

/// Clusters that are far apart: no border runs between their points, and still each is drawn as often as it should be. Of 200 rows
/// the share .3 is off by .032 by chance, and so is what an assignment of as many source points gives.
#[test]
fn far_clusters_have_their_shares() {
    let mut drawn = draws("far");
    let mut cluster = |n: i64, at: f64| drawn.normal(&[n, 3], Kind::Float, Device::Cpu).unwrap() + at;
    let data = Tensor::cat(&[cluster(60, -20.0), cluster(138, 20.0), cluster(2, 60.0)], 0);
    let transport = solve(&data);
    let (n, mut fresh) = (100_000, draws("fresh"));
    let x0 = normal(3)(n, &mut fresh).unwrap();
    let rows = transport.pair(x0, &mut fresh).unwrap().target_rows.unwrap();
    let counts = counts(&rows, 200);
    for (first, many) in [(0, 60), (60, 138), (198, 2)] {
        let share = counts.narrow(0, first, many).sum(Kind::Double).double_value(&[]) / n as f64;
        let asked = many as f64 / 200.0;
        let by_chance = (asked * (1.0 - asked) / 200.0).sqrt();
        assert!((share - asked).abs() < 0.3 * by_chance, "{share} of {asked}, whose chance is {by_chance}");
    }
}

/// On a line the least cost pairs quantiles: of m points the j-th takes what lies between the (j - 1)/m and the j/m
/// quantile of the source.
#[test]
fn on_a_line_quantiles_are_paired() {
    let m = 40;
    let data = draws("line").normal(&[m, 1], Kind::Double, Device::Cpu).unwrap();
    let source = |n: i64, draws: &mut Draws| draws.uniform(&[n, 1], Kind::Double, Device::Cpu);
    let ascent = Ascent { tolerance: 0.004, most: 4_000_000 };
    let transport = Semidiscrete::solve(&data, ascent, &mut draws("ascent"), source).unwrap();
    let mut fresh = draws("fresh");
    let pairs = transport.pair(source(4000, &mut fresh).unwrap(), &mut fresh).unwrap();
    let rank = (&pairs.x0 * m as f64).floor().to_kind(Kind::Int64).view([-1]);
    let best = data.sort(0, false).0.index_select(0, &rank);
    let (found, least) = ((&pairs.x1 - &pairs.x0).square(), (best - &pairs.x0).square());
    let mean = |x: &Tensor| x.mean(Kind::Double).double_value(&[]);
    assert!((mean(&found) / mean(&least) - 1.0).abs() < 0.05, "{} and {}", mean(&found), mean(&least));
}

#[test]
fn minibatches_are_a_function_of_stream_and_step() {
    let (transport, source) = (solve(&clusters()), StandardNormal::new(&[2]));
    let pairs = SemidiscretePairs { transport: &transport, source: &source };
    let stream = Seed(0).stream("pairs");
    let [one, again, next] = [3, 3, 4].map(|step| pairs.minibatch(16, step, stream).unwrap());
    assert!(one.x0 == again.x0 && one.x1 == again.x1 && one.x0 != next.x0);
    assert!(pairs.event_shape() == [2] && pairs.count() == 200);
}

#[test]
fn it_is_read_as_it_was_written_and_damage_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("potentials.safetensors");
    assert!(Semidiscrete::load(&path, Device::Cpu).unwrap().is_none());
    let transport = solve(&clusters());
    transport.save(&path).unwrap();
    let read = Semidiscrete::load(&path, Device::Cpu).unwrap().unwrap();
    let x0 = normal(2)(500, &mut draws("fresh")).unwrap();
    let pair = |of: &Semidiscrete| of.pair(x0.shallow_clone(), &mut draws("rows")).unwrap();
    assert!(pair(&read).target_rows == pair(&transport).target_rows && read.data() == transport.data());
    assert_eq!((read.chi_square(), read.draws()), (transport.chi_square(), transport.draws()));
    std::fs::write(&path, &std::fs::read(&path).unwrap()[..100]).unwrap();
    let error = Semidiscrete::load(&path, Device::Cpu).unwrap_err();
    assert!(matches!(&error, PairsError::Damaged { path: named, .. } if *named == path), "{error}");
}

#[test]
fn what_does_not_fit_is_refused() {
    let transport = solve(&clusters());
    let x0 = normal(3)(4, &mut draws("fresh")).unwrap();
    let error = transport.pair(x0, &mut draws("rows")).unwrap_err();
    assert!(error.to_string().contains("x0"), "{error}");
    let hopeless = Ascent { tolerance: 1e-12, most: 1 };
    let error = Semidiscrete::solve(&clusters(), hopeless, &mut draws("ascent"), normal(2)).unwrap_err();
    assert!(error.to_string().contains("raise the tolerance"), "{error}");
    let error = Semidiscrete::solve(&clusters(), ASCENT, &mut draws("ascent"), normal(3)).unwrap_err();
    assert!(matches!(error, Error::Shape { .. }), "{error}");
}

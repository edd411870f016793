//! Properties of couplings: unchanged marginals, correct rows of the data, and a cost at most that of the identity
//! pairing.

use strait_core::{Conditions, Coupling, Draws, Error, Pairs, Seed};
use strait_transport::{Cloud, ConditionalOt, ExactOt, Independent, PointsError, Sinkhorn};
use tch::{Device, Kind, Tensor};

fn draws(step: u64) -> Draws {
    Seed(2).stream("coupling").at(step)
}

fn normal(name: &str, shape: &[i64]) -> Tensor {
    Seed(2).stream(name).at(0).normal(shape, Kind::Float, Device::Cpu).unwrap()
}

fn cost(x0: &Tensor, x1: &Tensor) -> f64 {
    (x0 - x1).square().sum(Kind::Double).double_value(&[])
}

fn rows(pairs: &Pairs) -> Vec<i64> {
    Vec::try_from(pairs.target_rows.as_ref().unwrap()).unwrap()
}

#[test]
fn independent_pairs_stay_as_they_are() {
    let (x0, x1) = (normal("x0", &[5, 3]), normal("x1", &[5, 3]));
    let pairs = Independent.couple(x0.copy(), x1.copy(), &mut draws(0)).unwrap();
    assert!(pairs.x0 == x0 && pairs.x1 == x1 && pairs.target_rows.is_none());
    assert!(Independent.is_independent() && !ExactOt.is_independent() && !Sinkhorn::new(1.0).is_independent());
}

#[test]
fn exact_ot_permutes_the_data_and_nothing_else() {
    for shape in [&[64, 2][..], &[200, 2], &[50, 1, 4, 4]] {
        for kind in [Kind::Float, Kind::Double] {
            let (x0, x1) = (normal("x0", shape).to_kind(kind), normal("x1", shape).to_kind(kind) + 1.0);
            let pairs = ExactOt.couple(x0.copy(), x1.copy(), &mut draws(0)).unwrap();
            let mut order = rows(&pairs);
            assert_eq!(pairs.x0, x0);
            assert_eq!(pairs.x1, x1.index_select(0, pairs.target_rows.as_ref().unwrap()));
            assert!(cost(&pairs.x0, &pairs.x1) < cost(&x0, &x1));
            order.sort_unstable();
            assert_eq!(order, (0..shape[0]).collect::<Vec<_>>());
        }
    }
}

#[test]
fn exact_ot_is_optimal_on_three_points() {
    let x0 = normal("three", &[3, 2]);
    let x1 = normal("others", &[3, 2]);
    let found = ExactOt.couple(x0.copy(), x1.copy(), &mut draws(0)).unwrap();
    for order in [[0i64, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let other = x1.index_select(0, &Tensor::from_slice(&order));
        assert!(cost(&found.x0, &found.x1) <= cost(&x0, &other) + 1e-6);
    }
}

#[test]
fn sinkhorn_draws_from_its_plan() {
    let x0 = Tensor::from_slice(&[0.0f32, 1.0]).view([2, 1]);
    let x1 = Tensor::from_slice(&[0.0f32, 1.0]).view([2, 1]);
    // The plan of costs 0 and 1 on two points: row 0 goes to row 0 with probability e / (1 + e) at epsilon 1.
    let mut counts = [0.0; 2];
    for step in 0..4000 {
        let pairs = Sinkhorn::new(1.0).couple(x0.copy(), x1.copy(), &mut draws(step)).unwrap();
        assert_eq!(pairs.x0, x0);
        assert_eq!(pairs.x1, x1.index_select(0, pairs.target_rows.as_ref().unwrap()));
        rows(&pairs).iter().enumerate().for_each(|(i, &j)| counts[i] += f64::from(i as i64 == j));
    }
    let exact = 1.0 / (1.0 + (-1.0f64).exp());
    for count in counts {
        assert!((count / 4000.0 - exact).abs() < 0.03, "{count} of 4000 for {exact}"); // four standard errors
    }
}

#[test]
fn sinkhorn_pairs_tend_to_the_optimal_ones() {
    let (x0, x1) = (normal("x0", &[30, 2]), normal("x1", &[30, 2]) + 1.0);
    let optimal = ExactOt.couple(x0.copy(), x1.copy(), &mut draws(0)).unwrap();
    let sinkhorn = Sinkhorn { epsilon: 1e-3, tolerance: 1e-3, max_iterations: 100_000 };
    let drawn = sinkhorn.couple(x0.copy(), x1.copy(), &mut draws(0)).unwrap();
    // Two targets at nearly one distance may be drawn for each other, at nearly the same cost.
    let (found, least) = (cost(&drawn.x0, &drawn.x1), cost(&optimal.x0, &optimal.x1));
    assert!((found - least).abs() < 0.05 * least, "{found} against {least}");
    assert!(cost(&x0, &x1) > 1.2 * least);
}

/// In units of their own, with a mean of ten thousand.
#[test]
fn clouds_far_from_each_other_are_paired_as_in_double_precision() {
    let (near, wide) = (normal("x0", &[64, 2]), normal("x1", &[64, 2]) * 2.0);
    for (x0, x1) in [(near.copy(), &wide + 1e4), (&near - 1e4, wide.copy()), (&near + 1e4, &wide + 1e4)] {
        let double = |x: &Tensor| x.to_kind(Kind::Double);
        for coupling in [&ExactOt as &dyn Coupling, &Sinkhorn::new(1.0)] {
            let found = coupling.couple(x0.copy(), x1.copy(), &mut draws(0)).unwrap();
            let exact = coupling.couple(double(&x0), double(&x1), &mut draws(0)).unwrap();
            assert_eq!(rows(&found), rows(&exact), "{}", coupling.name());
        }
    }
}

/// One coordinate at 1e5 takes the digits of single precision from nobody but itself.
#[test]
fn a_far_point_leaves_the_other_pairs_alone() {
    let (x0, x1) = (normal("x0", &[128, 16]), normal("x1", &[128, 16]));
    let mut x1 = x1.contiguous();
    let _ = x1.get(5).get(0).fill_(1e5);
    x1 = x1.contiguous();
    let double = |x: &Tensor| x.to_kind(Kind::Double);
    let found = ExactOt.couple(x0.copy(), x1.copy(), &mut draws(0)).unwrap();
    // In double precision by differences, straight from the definition.
    let squares = (double(&x0).unsqueeze(1) - double(&x1).unsqueeze(0)).square();
    let squares = squares.sum_dim_intlist([2i64].as_slice(), false, Kind::Double);
    let costs = strait_transport::to_array(&squares).unwrap();
    let exact = strait_transport::assignment::assign(&strait_transport::assignment::Dense(costs.view())).unwrap();
    let exact: Vec<i64> = exact.columns.iter().map(|&j| j as i64).collect();
    assert_eq!(rows(&found), exact);
}

#[test]
fn bad_batches_are_refused() {
    let (x0, x1) = (normal("x0", &[4, 2]), normal("x1", &[4, 2]));
    for coupling in [&ExactOt as &dyn Coupling, &Independent] {
        match coupling.couple(x0.copy(), x1.narrow(0, 0, 3), &mut draws(0)).unwrap_err() {
            Error::Other(error) => assert_eq!(
                error.downcast_ref(),
                Some(&PointsError::Counts { source_count: 4, target_count: 3 }),
                "{}",
                coupling.name()
            ),
            other => panic!("{other}"),
        }
    }
    for coupling in [&ExactOt as &dyn Coupling, &Sinkhorn::new(1.0)] {
        let mut bad = x1.copy();
        let _ = bad.get(2).fill_(f64::NAN);
        bad = bad.contiguous();
        match coupling.couple(x0.copy(), bad, &mut draws(0)).unwrap_err() {
            Error::Other(error) => {
                assert_eq!(error.downcast_ref(), Some(&PointsError::NonFinite { cloud: Cloud::Target, row: 2 }));
            }
            other => panic!("{other}"),
        }
        let wide = normal("wide", &[4, 3]);
        assert!(matches!(coupling.couple(x0.copy(), wide, &mut draws(0)), Err(Error::Shape { what: "x1", .. })));
        let flat = normal("flat", &[4]);
        assert!(matches!(coupling.couple(flat, x1.copy(), &mut draws(0)), Err(Error::Shape { what: "x0", .. })));
    }
}

/// Pairs know no unit: neither of the points, whose squares may leave the range of a double, nor of the conditions.
#[test]
fn optimal_pairs_are_the_same_in_any_unit() {
    let double = |name: &str, shape: &[i64]| normal(name, shape).to_kind(Kind::Double);
    let (x0, x1, c) = (double("x0", &[60, 3]), double("x1", &[60, 3]), double("c", &[60, 2]));
    let classes = Conditions::of("labels", Tensor::arange(60, (Kind::Int64, Device::Cpu)).remainder(3)).unwrap();
    let vectors = |unit: f64| Conditions::of("c", &c * unit).unwrap();
    let given = |x0: &Tensor, x1: &Tensor, under: &Conditions| {
        rows(&ConditionalOt::default().couple_given(x0.copy(), x1.copy(), under, &mut draws(0)).unwrap())
    };
    let plain = |x0: &Tensor, x1: &Tensor| rows(&ExactOt.couple(x0.copy(), x1.copy(), &mut draws(0)).unwrap());
    let (own, by_class, by_vector) = (plain(&x0, &x1), given(&x0, &x1, &classes), given(&x0, &x1, &vectors(1.0)));
    assert!(own != by_class && own != by_vector);
    for power in [-1000, -600, -540, -40, 40, 500, 520, 900] {
        let unit = f64::from(power).exp2();
        let (y0, y1) = (&x0 * unit, &x1 * unit);
        assert_eq!(plain(&y0, &y1), own, "points times 2^{power}");
        assert_eq!(given(&y0, &y1, &classes), by_class, "points times 2^{power}");
        assert_eq!(given(&y0, &y1, &vectors(1.0)), by_vector, "points times 2^{power}");
        assert_eq!(given(&x0, &x1, &vectors(unit)), by_vector, "conditions times 2^{power}");
    }
    // One condition far away is no unit for the others.
    let far = c.copy();
    let _ = far.narrow(0, 7, 1).fill_(1e14);
    let under = given(&x0, &x1, &Conditions::of("c", far).unwrap());
    let moved = under.iter().zip(&by_vector).filter(|(a, b)| a != b).count();
    assert!(moved < 12, "{moved} of 60 pairs moved");
}

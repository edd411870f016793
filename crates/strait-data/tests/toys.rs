//! Every toy's sampler against its moments and its density; every density against quadrature.

use strait_core::{Error, Seed, Source};
use strait_data::{DataError, Normalise, NormalisedToy, Toy, toys::*};
use tch::{Device, Kind, Tensor};

const CPU: (Kind, Device) = (Kind::Double, Device::Cpu);

fn draw(toy: &dyn Source, n: i64) -> Tensor {
    toy.sample(n, &mut Seed(5).stream("test").at(0), CPU.0, CPU.1).unwrap()
}

fn all() -> Vec<Box<dyn Toy + Send>> {
    vec![
        Box::new(Mixture::eight_gaussians(5.0, 1.0).unwrap()),
        Box::new(Mixture::eight_gaussians(5.0, 0.316).unwrap()),
        Box::new(Mixture::sixteen_modes(2).unwrap()),
        Box::new(Mixture::sixteen_modes(16).unwrap()),
        Box::new(Gaussian::planar().unwrap()),
        Box::new(Gaussian::of_dimension(8).unwrap()),
        Box::new(Gaussian::of_dimension(32).unwrap()),
        Box::new(Checkerboard::new(4.0).unwrap()),
        Box::new(Rings::new(0.08).unwrap()),
        Box::new(Rings::new(0.4).unwrap()),
        Box::new(Moons::new(0.05, 2.0, [-1.0, 0.0]).unwrap()),
        Box::new(SCurve::new(0.05, 1.5).unwrap()),
        Box::new(TwoSpirals::new(0.1).unwrap()),
        Box::new(Pinwheel),
    ]
}

fn has_density(toy: &dyn Toy) -> bool {
    toy.log_density(&draw(toy, 1)).is_ok()
}

/// Midpoints of a square grid on [-w, w]^2 with the area of a cell.
fn grid(w: f64, cells: i64) -> (Tensor, f64) {
    let side = 2.0 * w / cells as f64;
    let ticks = (Tensor::arange(cells, CPU) + 0.5) * side - w;
    let points = Tensor::stack(&Tensor::meshgrid_indexing(&[&ticks, &ticks], "ij"), -1).reshape([-1, 2]);
    (points, side * side)
}

#[test]
fn shapes_names_and_kinds() {
    let mut names = std::collections::HashSet::new();
    for toy in all() {
        for kind in [Kind::Float, Kind::Double] {
            let x = toy.sample(7, &mut Seed(1).stream("x").at(0), kind, Device::Cpu).unwrap();
            assert_eq!((x.size(), x.kind()), ([&[7], toy.event_shape()].concat(), kind), "{}", toy.name());
            if let Ok(log_p) = toy.log_density(&x) {
                assert_eq!((log_p.size(), log_p.kind()), (vec![7], kind), "{}", toy.name());
            }
        }
        assert!(toy.name().contains('(') && names.insert(toy.name().to_owned()), "{}", toy.name());
    }
}

#[test]
fn a_sample_is_a_function_of_its_draws() {
    for toy in all() {
        let at = |step| toy.sample(64, &mut Seed(1).stream("x").at(step), Kind::Float, Device::Cpu).unwrap();
        assert_eq!(at(3), at(3), "{}", toy.name());
        assert_ne!(at(3), at(4), "{}", toy.name());
    }
}

/// The first rows are those of any longer sample, with their classes.
#[test]
fn a_row_knows_of_no_count() {
    for toy in all() {
        for kind in [Kind::Float, Kind::Double] {
            let rows = |n| toy.sample_classes(n, &mut Seed(1).stream("x").at(0), kind, Device::Cpu).unwrap();
            let (x, class) = rows(1000);
            for n in [1, 2, 7, 100, 999] {
                let (some, of) = rows(n);
                // But for the order in which a product of matrices adds up.
                let close = |some: &Tensor| some.allclose(&x.narrow(0, 0, n), 1e-5, 1e-6, false);
                assert!(close(&some) && of == class.narrow(0, 0, n), "{}, {n}", toy.name());
                let some = toy.sample(n, &mut Seed(1).stream("x").at(0), kind, Device::Cpu).unwrap();
                assert!(close(&some), "{}, {n}", toy.name());
            }
        }
    }
}

/// Mean and variance of each coordinate, from integrals done by hand.
#[test]
fn moments_are_the_closed_form() {
    let half_pi = std::f64::consts::FRAC_PI_2;
    // Half circles: E sin = 2 / pi. The two moons' heights are 2 / pi and 1/2 - 2 / pi.
    let height = 1.0 / half_pi;
    let moon_gap = (0.5 - 2.0 * height) / 2.0;
    // E (1 - cos)^2 over [0, 3 pi / 2]: 3/2 + 2 / (3 pi / 2); the S is odd.
    let s_high = 1.5 + 2.0 / (3.0 * half_pi);
    type Case = (Box<dyn Toy + Send>, [f64; 2], [f64; 2]);
    let cases: [Case; 6] = [
        (Box::new(Mixture::eight_gaussians(5.0, 0.7).unwrap()), [0.0, 0.0], [12.5 + 0.49, 12.5 + 0.49]),
        (Box::new(Gaussian::planar().unwrap()), [1.0, -1.0], [4.0, 4.0]),
        (Box::new(Checkerboard::new(4.0).unwrap()), [0.0, 0.0], [16.0 / 3.0, 16.0 / 3.0]),
        (
            Box::new(Moons::new(0.05, 2.0, [-1.0, 0.0]).unwrap()),
            [0.0, 0.5],
            [4.0 * (0.75 + 0.0025), 4.0 * (0.5 - height * height + moon_gap * moon_gap + 0.0025)],
        ),
        (Box::new(SCurve::new(0.05, 1.5).unwrap()), [0.0, 0.0], [2.25 * 0.5025, 2.25 * (s_high + 0.0025)]),
        (Box::new(Rings::new(0.08).unwrap()), [0.0, 0.0], [0.5 * 4.21875 + 0.0064, 0.5 * 4.21875 + 0.0064]),
    ];
    for (toy, mean, variance) in cases {
        let n = 400_000;
        let x = draw(&*toy, n);
        let found = x.mean_dim([0i64].as_slice(), false, Kind::Double);
        let found_variance = x.var_dim([0i64].as_slice(), true, false);
        for i in 0..2 {
            // Five standard errors; no law here has a fourth moment above four squared variances.
            let (m, v) = (found.double_value(&[i]), found_variance.double_value(&[i]));
            let [mean, variance] = [mean[i as usize], variance[i as usize]];
            assert!((m - mean).abs() < 5.0 * (variance / n as f64).sqrt(), "{}: mean {m}, not {mean}", toy.name());
            assert!((v / variance - 1.0).abs() < 10.0 / (n as f64).sqrt(), "{}: {v}, not {variance}", toy.name());
        }
    }
}

#[test]
fn covariances_are_the_closed_form() {
    for toy in [Gaussian::planar().unwrap(), Gaussian::of_dimension(8).unwrap()] {
        let x = draw(&toy, 400_000);
        let error = (x.tr().cov(1, None::<&Tensor>, None::<&Tensor>) - toy.covariance()).abs().max();
        // Entries are at most 4, so their standard errors at most 4 sqrt(2 / n) = .009.
        assert!(error.double_value(&[]) < 0.045, "{}: {error}", toy.name());
    }
    let spectrum = Gaussian::of_dimension(8).unwrap().covariance().linalg_eigvalsh("L");
    assert!((spectrum.double_value(&[0]) - 0.25).abs() < 1e-12 && (spectrum.double_value(&[7]) - 4.0).abs() < 1e-12);
}

#[test]
fn the_spirals_and_the_pinwheel_have_their_symmetry_and_extent() {
    let spirals = draw(&TwoSpirals::new(0.0).unwrap(), 100_000);
    let radius = spirals.square().sum_dim_intlist([1i64].as_slice(), false, Kind::Double).sqrt();
    // The arm ends at 3 pi / 3 = pi; the uniform term adds at most sqrt(1/2) / 3. E radius^2 is about pi^2 / 2.
    assert!(radius.max().double_value(&[]) < std::f64::consts::PI + 0.236);
    assert!((radius.square().mean(Kind::Double).double_value(&[]) - 4.935).abs() < 0.15);
    assert!(spirals.mean_dim([0i64].as_slice(), false, Kind::Double).abs().max().double_value(&[]) < 0.03);

    let wheel = draw(&Pinwheel, 100_000);
    let squared = wheel.square().sum_dim_intlist([1i64].as_slice(), false, Kind::Double);
    // Rotations keep |f|^2: 4 (1 + .09 + .01).
    assert!((squared.mean(Kind::Double).double_value(&[]) - 4.4).abs() < 0.05);
    assert!(wheel.mean_dim([0i64].as_slice(), false, Kind::Double).abs().max().double_value(&[]) < 0.03);
    // Five blades: the fifth circular harmonic at fixed distance is far from 0, the first four are 0. Its phase is the
    // twist: the direction of a blade's middle is -exp(f_1) / 4 at f_1^2 = |f|^2 - .01.
    for squared_length in [0.5f64, 1.0] {
        let near = squared.ge(3.8 * squared_length).logical_and(&squared.le(4.2 * squared_length));
        let angle = wheel.select(1, 1).atan2(&wheel.select(1, 0)).masked_select(&near);
        for (harmonic, strong) in [(1.0, false), (2.0, false), (3.0, false), (4.0, false), (5.0, true)] {
            let turned: Tensor = &angle * harmonic;
            let mean = |x: Tensor| x.mean(Kind::Double).double_value(&[]);
            let (cos, sin) = (mean(turned.cos()), mean(turned.sin()));
            assert_eq!(cos.hypot(sin) > 0.5, strong, "harmonic {harmonic}: {cos} {sin}");
            assert!(strong || cos.hypot(sin) < 0.05, "harmonic {harmonic}: {cos} {sin}");
            if strong {
                let twist = -1.25 * (squared_length - 0.01).sqrt().exp();
                let off = (sin.atan2(cos) - twist).rem_euclid(2.0 * std::f64::consts::PI);
                assert!(!(0.1..=6.18).contains(&off), "{squared_length}: {off}");
            }
        }
    }
}

#[test]
fn planar_densities_integrate_to_one() {
    let mut checked = 0;
    for toy in all().into_iter().filter(|toy| toy.event_shape() == [2] && has_density(&**toy)) {
        let (points, area) = grid(16.0, 800);
        let total = toy.log_density(&points).unwrap().exp().sum(Kind::Double).double_value(&[]) * area;
        assert!((total - 1.0).abs() < 1e-6, "{}: {total}", toy.name());
        checked += 1;
    }
    assert_eq!(checked, 7);
}

/// Pearson's statistic of a histogram against the density's own integral over each cell.
#[test]
fn planar_samples_follow_their_density() {
    for toy in all().into_iter().filter(|toy| toy.event_shape() == [2] && has_density(&**toy)) {
        let (w, cells, fine) = (8.0, 32, 25);
        let n = 200_000;
        let (points, area) = grid(w, cells * fine);
        let p = toy.log_density(&points).unwrap().exp() * area;
        let expected = p.view([cells, fine, cells, fine]).sum_dim_intlist([1i64, 3].as_slice(), false, Kind::Double);
        let expected = expected.flatten(0, -1) * n as f64;
        let cell = ((draw(&*toy, n) + w) / (2.0 * w / cells as f64)).floor();
        let inside = cell.ge(0.0).logical_and(&cell.lt(cells as f64)).all_dim(1, false);
        let flat = (cell.select(1, 0) * cells as f64 + cell.select(1, 1)).masked_select(&inside).to_kind(Kind::Int64);
        let observed = flat.bincount::<Tensor>(None, cells * cells).to_kind(Kind::Double);
        let full = expected.ge(5.0);
        let degrees = full.sum(Kind::Int64).int64_value(&[]) as f64;
        let terms = ((&observed - &expected).square() / &expected).masked_select(&full);
        let statistic = terms.sum(Kind::Double).double_value(&[]);
        assert!(degrees >= 28.0, "{}: {degrees} cells", toy.name());
        let limit = degrees + 5.0 * (2.0 * degrees).sqrt();
        assert!(statistic < limit, "{}: chi-square {statistic} on {degrees} cells", toy.name());
        let stray = observed.masked_select(&expected.lt(1e-9)).sum(Kind::Double).double_value(&[]);
        assert_eq!(stray, 0.0, "{}: points where the density is 0", toy.name());
    }
}

/// In any dimension: E log p over samples is minus the entropy where that is known.
#[test]
fn expected_log_density_is_minus_the_entropy() {
    for toy in [Gaussian::planar().unwrap(), Gaussian::of_dimension(8).unwrap(), Gaussian::of_dimension(32).unwrap()] {
        let d = toy.event_shape()[0] as f64;
        let log_det = toy.covariance().logdet().double_value(&[]);
        let entropy = 0.5 * (d * (2.0 * std::f64::consts::PI).ln() + d + log_det);
        let n = 100_000;
        let found = toy.log_density(&draw(&toy, n)).unwrap().mean(Kind::Double).double_value(&[]);
        assert!((found + entropy).abs() < 5.0 * (d / 2.0 / n as f64).sqrt(), "{}: {found} {entropy}", toy.name());
    }
    // Modes that do not overlap: the entropy of one plus log 16, less a little.
    let toy = Mixture::sixteen_modes(16).unwrap();
    let found = toy.log_density(&draw(&toy, 100_000)).unwrap().mean(Kind::Double).double_value(&[]);
    let apart = 8.0 * ((2.0 * std::f64::consts::PI * toy.sd().powi(2)).ln() + 1.0) + 16f64.ln();
    assert!((found + apart).abs() < 0.05, "{found} {apart}");
}

/// The weights of importance sampling from a wider Gaussian average to 1 where the density is right.
#[test]
fn densities_in_eight_dimensions_integrate_to_one() {
    let x = draw(&strait_core::StandardNormal::new(&[8]), 400_000) * 2.0;
    let proposal = strait_core::StandardNormal::new(&[8]).log_density(&(&x / 2.0)).unwrap() - 8.0 * 2f64.ln();
    let toy = Gaussian::of_dimension(8).unwrap();
    let weights = (toy.log_density(&x).unwrap() - proposal).exp();
    let error = weights.std(true).double_value(&[]) / 400_000f64.sqrt();
    let mean = weights.mean(Kind::Double).double_value(&[]);
    assert!(error < 0.02 && (mean - 1.0).abs() < 5.0 * error, "{mean} +- {error}");
}

#[test]
fn log_densities_have_finite_gradients_and_agree_across_kinds() {
    for toy in all().into_iter().filter(|toy| has_density(&**toy)) {
        let x = draw(&*toy, 200);
        let single = toy.log_density(&x.to_kind(Kind::Float)).unwrap().to_kind(Kind::Double);
        let double = toy.log_density(&x).unwrap();
        assert!(single.allclose(&double, 1e-3, 1e-2, false), "{}", toy.name());
        if toy.name().starts_with("checkerboard") {
            continue; // constant inside
        }
        let x = x.set_requires_grad(true);
        let score = Tensor::run_backward(&[toy.log_density(&x).unwrap().sum(Kind::Double)], &[&x], false, false);
        assert!(score[0].isfinite().all().int64_value(&[]) == 1, "{}", toy.name());
    }
}

#[test]
fn rings_have_a_score_at_their_very_centre() {
    let toy = Rings::new(0.4).unwrap();
    for kind in [Kind::Float, Kind::Double] {
        let x = Tensor::from_slice(&[0.0, 0.0, 1e-12, -1e-12, 1e-3, 0.0]).view([3, 2]).to_kind(kind);
        let x = x.set_requires_grad(true);
        let log_p = toy.log_density(&x).unwrap();
        assert!(log_p.allclose(&log_p.get(0).expand([3], false), 0.0, 1e-4, false), "{log_p}");
        let score = Tensor::run_backward(&[log_p.sum(kind)], &[&x], false, false).remove(0);
        assert!(score.abs().max().double_value(&[]) < 0.02, "{kind:?} {score}");
        assert_eq!(score.get(0), Tensor::zeros([2], (kind, Device::Cpu)));
    }
}

/// Where no mode has a density that is a number, nor has their sum.
#[test]
fn a_density_far_away_is_zero_and_not_undefined() {
    let toys: [Box<dyn Toy + Send>; 2] =
        [Box::new(Mixture::eight_gaussians(5.0, 1.0).unwrap()), Box::new(Rings::new(0.08).unwrap())];
    for toy in toys {
        let x = Tensor::from_slice(&[1e200, 0.0, 0.5, 0.5]).view([2, 2]);
        let found = Vec::<f64>::try_from(toy.log_density(&x).unwrap()).unwrap();
        assert!(found[0] == f64::NEG_INFINITY && found[1].is_finite(), "{}: {found:?}", toy.name());
    }
}

#[test]
fn what_has_no_density_says_so() {
    for toy in all().into_iter().filter(|toy| !has_density(&**toy)) {
        let error = toy.log_density(&draw(&*toy, 3)).unwrap_err();
        assert!(matches!(error, Error::NoDensity { ref what } if what == toy.name()), "{error}");
    }
    let error = Mixture::sixteen_modes(16).unwrap().log_density(&Tensor::zeros([3, 2], CPU)).unwrap_err();
    assert_eq!(error.to_string(), "x: shape [3, 2], expected a batch of [16]");
}

#[test]
fn parameters_are_refused_by_name() {
    let check = |result: Result<(), DataError>, message: &str| assert_eq!(result.unwrap_err().to_string(), message);
    check(Mixture::eight_gaussians(5.0, 0.0).map(drop), "8gaussians: sd is 0, and must be a positive number");
    check(Mixture::eight_gaussians(f64::NAN, 1.0).map(drop), "8gaussians: radius is NaN, and must be finite");
    check(Mixture::sixteen_modes(0).map(drop), "mixture16: dimension is 0, and must be at least 1");
    check(Gaussian::of_dimension(1).map(drop), "gaussian: dimension is 1, and must be at least 2");
    check(Checkerboard::new(-1.0).map(drop), "checkerboard: half_width is -1, and must be a positive number");
    check(Moons::new(-0.1, 2.0, [0.0; 2]).map(drop), "moons: noise is -0.1, and must be a number that is not negative");
    check(Rings::new(0.0).map(drop), "rings: noise is 0, and must be a positive number");
    let covariance = Tensor::from_slice2(&[[1.0, 2.0], [2.0, 1.0]]);
    let message = "gaussian: covariance is [1.0, 2.0, 2.0, 1.0], and must be symmetric and positive definite";
    check(Gaussian::new("mine (2 dimensions)".into(), Tensor::zeros([2], CPU), covariance).map(drop), message);
}

#[test]
fn a_normalised_toy_has_unit_variance_and_its_density() {
    for toy in all() {
        let name = toy.name().to_owned();
        let law = NormalisedToy::new(toy).unwrap();
        let z = draw(&law, 100_000);
        let variance = z.var_dim([0i64].as_slice(), true, false).mean(Kind::Double).double_value(&[]);
        assert!((variance - 1.0).abs() < 0.03, "{name}: {variance}");
        if law.event_shape() == [2] && law.log_density(&z).is_ok() {
            let (points, area) = grid(5.0, 1000);
            let total = law.log_density(&points).unwrap().exp().sum(Kind::Double).double_value(&[]) * area;
            assert!((total - 1.0).abs() < 5e-3, "{name}: {total}");
        }
    }
}

#[test]
fn a_change_of_units_and_back_with_its_log_det() {
    let x = draw(&Gaussian::planar().unwrap(), 5000);
    for units in [Normalise::overall(&x).unwrap(), Normalise::per_coordinate(&x).unwrap()] {
        let z = units.apply(&x).unwrap();
        assert!(units.invert(&z).unwrap().allclose(&x, 1e-12, 1e-12, false));
        // The log-determinant against the Jacobian, from differences of an affine map.
        let basis = Tensor::cat(&[Tensor::zeros([1, 2], CPU), Tensor::eye(2, CPU)], 0);
        let image = units.apply(&basis).unwrap();
        let jacobian = image.narrow(0, 1, 2) - image.narrow(0, 0, 1);
        assert!((jacobian.det().abs().log().double_value(&[]) - units.log_det()).abs() < 1e-12);
        assert!(z.mean_dim([0i64].as_slice(), false, Kind::Double).abs().max().double_value(&[]) < 1e-12);
    }
    let each = Normalise::per_coordinate(&(&x * Tensor::from_slice(&[1.0, 100.0]))).unwrap();
    let z = each.apply(&(&x * Tensor::from_slice(&[1.0, 100.0]))).unwrap();
    assert!((z.var_dim([0i64].as_slice(), false, false) - 1.0).abs().max().double_value(&[]) < 1e-12);
}

#[test]
fn a_constant_coordinate_becomes_zero_and_comes_back() {
    let x = Tensor::from_slice2(&[[0.1f32, 1.0, 0.0], [0.1, 2.0, 0.0], [0.1, 6.0, 0.0]]);
    for units in [Normalise::overall(&x).unwrap(), Normalise::per_coordinate(&x).unwrap()] {
        let z = units.apply(&x).unwrap();
        let still = Tensor::cat(&[z.narrow(1, 0, 1), z.narrow(1, 2, 1)], 1);
        assert!(still.abs().max().double_value(&[]) < 1e-6, "{still}");
        assert!(units.invert(&z).unwrap().allclose(&x, 1e-6, 1e-6, false));
    }
    assert_eq!(Normalise::per_coordinate(&x).unwrap().scale().double_value(&[0]), 1.0);
    let still = Normalise::overall(&Tensor::full([9, 2], 0.3, CPU)).unwrap();
    assert_eq!((still.scale().double_value(&[]), still.log_det()), (1.0, 0.0));
}

#[test]
fn units_refuse_what_does_not_fit() {
    let units = Normalise::overall(&Tensor::randn([9, 2], CPU)).unwrap();
    let error = units.apply(&Tensor::zeros([4, 3], CPU)).unwrap_err();
    assert_eq!(error.to_string(), "x: shape [4, 3], expected a batch of [2]");
    let error = Normalise::overall(&Tensor::zeros([0, 2], CPU)).unwrap_err();
    assert_eq!(error.to_string(), "x: shape [0, 2], expected (n, ...) with at least one point");
    let error = Normalise::new(Tensor::zeros([2], CPU), Tensor::zeros([2], CPU)).unwrap_err();
    assert_eq!(error.to_string(), "the logarithm of the scale is not finite in 2 of 2 entries");
}

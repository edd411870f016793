//! The Gaussian flow maps under the laws, and planted faults that the laws must find.

use strait_core::{Error, FlowMap, MapBatch, MapIdentity, SquareError, VelocityField, per_sample, sum_per_sample};
use strait_laws::flow_map::{Case, Law, check, check_exact};
use strait_paths::gaussian::{LinearPathField, StraightField};
use tch::{Device, Kind, Tensor};

/// $N(m, S)$ of as many numbers as a case has.
fn target(case: &Case, kind: Kind) -> (Tensor, Tensor) {
    let d: i64 = case.event.iter().product();
    let mut draws = strait_core::Seed(case.seed).stream("target").at(0);
    let mut normal = |shape: &[i64]| draws.normal(shape, Kind::Double, Device::Cpu).unwrap();
    let (mean, a) = (normal(&[d]), normal(&[d, d]));
    let covariance = a.matmul(&a.tr()) / d as f64 + Tensor::eye(d, (Kind::Double, Device::Cpu)) * 0.3;
    (mean.to_kind(kind), covariance.to_kind(kind))
}

#[test]
fn the_gaussian_maps_are_those_of_their_fields() {
    check_exact("straight", |case, scope| {
        let (m, s) = target(case, scope.kind());
        StraightField::new(&m, &s)
    })
    .unwrap();
    check_exact("linear", |case, scope| {
        let (m, s) = target(case, scope.kind());
        LinearPathField::new(&m, &s)
    })
    .unwrap();
}

/// $X_{0,1}(x) = m + R x$ of the straight pair, and of the linear path's flow alike: both carry one Gaussian to the other
/// by the same matrix, along other ways.
#[test]
fn one_evaluation_carries_the_source_to_the_data() {
    let (m, s) = (Tensor::from_slice(&[1.0f64, -2.0]), Tensor::from_slice2(&[[4.0f64, 0.0], [0.0, 0.25]]));
    let x = Tensor::from_slice2(&[[1.0f64, 1.0], [-3.0, 2.0]]);
    let at = |t: f64| Tensor::from_slice(&[t, t]);
    let wanted = Tensor::from_slice2(&[[3.0f64, -1.5], [-5.0, -1.0]]);
    let (straight, linear) = (StraightField::new(&m, &s).unwrap(), LinearPathField::new(&m, &s).unwrap());
    for map in [&straight as &dyn FlowMap, &linear] {
        let carried = map.carry(&x, &at(0.0), &at(1.0)).unwrap();
        assert!(carried.allclose(&wanted, 0.0, 1e-12, false), "{carried}");
    }
    let half = |map: &dyn FlowMap| map.carry(&x, &at(0.0), &at(0.5)).unwrap();
    assert!(!half(&straight).allclose(&half(&linear), 0.0, 1e-2, false));
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    TimesSwapped,
    DiagonalOfAnotherTime,
    BatchLeaks,
    NotNamed,
    CarriesBackward,
    JetWithWrongSign,
    JetHoldsTheTime,
    JetHoldsThePoint,
    JetWithoutGradients,
    OtherField,
    OtherMap,
    Fails,
    WrongShape,
    Restless,
    DoubleInside,
    OwnErrorDoubled,
    IdentityErrorOfNothing,
    CarriesByADetour,
}

/// A right map, times a trainable number near 1, with one fault put into it.
struct Faulty(Fault, LinearPathField, Tensor);

impl Faulty {
    fn is(&self, fault: Fault) -> bool {
        self.0 == fault
    }
}

impl VelocityField for Faulty {
    fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        if self.is(Fault::DiagonalOfAnotherTime) {
            return self.average_velocity(x, &(t * 0.9), &(t * 0.9));
        }
        self.average_velocity(x, t, t)
    }

    fn as_flow_map(&self) -> Option<&dyn FlowMap> {
        (!self.is(Fault::NotNamed)).then_some(self)
    }
}

impl FlowMap for Faulty {
    fn average_velocity(&self, x: &Tensor, s: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        let u = match self.0 {
            Fault::TimesSwapped => self.1.average_velocity(x, t, s)?,
            Fault::BatchLeaks => {
                let u = self.1.average_velocity(x, s, t)?;
                &u + (u.mean_dim(Some([0i64].as_slice()), true, u.kind()) - &u) * 1e-6
            }
            // The average of the two endpoints in place of that of all between.
            Fault::OtherMap => (self.1.velocity(x, s)? + self.1.velocity(&self.1.carry(x, s, t)?, t)?) * 0.5,
            Fault::OtherField => self.1.average_velocity(x, s, t)? * per_sample(&(1f64 + (t - s) * 0.1), x),
            Fault::Fails => return Err(Error::NotInvertible { what: "a faulty map" }),
            Fault::WrongShape => self.1.average_velocity(x, s, t)?.unsqueeze(0),
            Fault::Restless => {
                let u = self.1.average_velocity(x, s, t)?;
                &u + u.rand_like() * 1e-9
            }
            Fault::DoubleInside => self.1.average_velocity(x, s, t)?.to_kind(Kind::Double),
            _ => self.1.average_velocity(x, s, t)?,
        };
        Ok(u * &self.2)
    }

    fn average_square_error(
        &self,
        x: &Tensor,
        s: &Tensor,
        t: &Tensor,
        target: &Tensor,
    ) -> Result<Option<SquareError>, Error> {
        if !self.is(Fault::OwnErrorDoubled) {
            return Ok(None);
        }
        let off = sum_per_sample(&(self.average_velocity(x, s, t)? - target).square());
        Ok(Some(SquareError { of_each: off.detach(), mean: off.mean(x.kind()) * 2.0 }))
    }

    fn identity_error(&self, _: MapIdentity, batch: &MapBatch<'_>) -> Result<Option<SquareError>, Error> {
        if !self.is(Fault::IdentityErrorOfNothing) {
            return Ok(None);
        }
        let none = sum_per_sample(&(self.average_velocity(batch.x, batch.s, batch.t)? * 0.0));
        Ok(Some(SquareError { of_each: none.detach(), mean: none.mean(batch.x.kind()) }))
    }

    fn average_velocity_jet(
        &self,
        x: &strait_autodiff::Jet,
        s: &strait_autodiff::Jet,
        t: &strait_autodiff::Jet,
    ) -> Result<strait_autodiff::Jet, Error> {
        use strait_autodiff::Jet;
        let still = |jet: &Jet| Jet::constant(jet.value());
        let jet = match self.0 {
            Fault::JetHoldsTheTime => strait_core::average_velocity_jvp(self, x, &still(s), t)?,
            Fault::JetHoldsThePoint => strait_core::average_velocity_jvp(self, &still(x), s, t)?,
            Fault::JetWithoutGradients => tch::no_grad(|| strait_core::average_velocity_jvp(self, x, s, t))?,
            _ => strait_core::average_velocity_jvp(self, x, s, t)?,
        };
        Ok(if self.is(Fault::JetWithWrongSign) { jet.map(Tensor::shallow_clone, Tensor::neg) } else { jet })
    }

    fn carry(&self, x: &Tensor, s: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        let span = if self.is(Fault::CarriesBackward) { s - t } else { t - s };
        // From another place and back: off by a rounding, also where nothing moves.
        let from = if self.is(Fault::CarriesByADetour) { (x + 1.0) - 1.0 } else { x.shallow_clone() };
        Ok(from + per_sample(&span, x) * self.average_velocity(x, s, t)?)
    }
}

#[test]
fn each_fault_is_named_by_its_law() {
    let build = |fault| {
        move |case: &Case, scope: &mut strait_core::Scope<'_>| {
            let (m, s) = target(case, scope.kind());
            let factor = scope.tensor("factor", &[], strait_core::Init::Constant(1.0))?;
            Ok(Faulty(fault, LinearPathField::new(&m, &s)?, factor))
        }
    };
    let any = [
        (Fault::DiagonalOfAnotherTime, Law::Diagonal),
        (Fault::BatchLeaks, Law::BatchSplit),
        (Fault::NotNamed, Law::Named),
        (Fault::CarriesBackward, Law::Carry),
        (Fault::JetWithWrongSign, Law::EndDerivative),
        (Fault::JetHoldsTheTime, Law::StartDerivative),
        (Fault::JetHoldsThePoint, Law::StartDerivative),
        (Fault::JetWithoutGradients, Law::Gradient),
        (Fault::Fails, Law::Runs),
        (Fault::WrongShape, Law::Shape),
        (Fault::Restless, Law::Repeats),
        (Fault::DoubleInside, Law::SinglePrecision),
        (Fault::OwnErrorDoubled, Law::SquareError),
        (Fault::IdentityErrorOfNothing, Law::IdentityError),
        (Fault::CarriesByADetour, Law::Identity),
    ];
    for (fault, law) in any {
        let broken = check("faulty", build(fault)).unwrap_err();
        assert_eq!(broken.law, law, "{fault:?}: {broken}");
    }
    // What is no map of its field is a map all the same.
    for fault in [Fault::TimesSwapped, Fault::OtherField, Fault::OtherMap] {
        let exact = |case: &Case, scope: &mut strait_core::Scope<'_>| {
            let (m, s) = target(case, scope.kind());
            let factor = Tensor::ones([] as [i64; 0], (scope.kind(), scope.device()));
            Ok(Faulty(fault, LinearPathField::new(&m, &s)?, factor))
        };
        check("a map", exact).unwrap();
        let broken = check_exact("faulty", exact).unwrap_err();
        assert!(matches!(broken.law, Law::Lagrangian | Law::Eulerian | Law::Semigroup), "{fault:?}: {broken}");
    }
}

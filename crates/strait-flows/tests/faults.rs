//! The mutation check of the law suite: every fault here is put into working layers, and the suite must name the law
//! that it breaks. (`cargo test -p strait-flows --test suite faults::`; run with `-- --nocapture` for the table.)

use std::cell::Cell;
use strait_autodiff::{Jet, inside_jvp};
use strait_core::{Bijection, Condition, ConditionJet, Error, Init, Scope, Transformed, event_size, sum_per_sample};
use strait_flows::{ActNorm, Active, CouplingLayer, Exponential, Gate, Glow, Layer, Plan, Plu, Setting, Transform};
use strait_laws::bijection::{Case, Domain, Law, check};
use tch::{Kind, Tensor};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    None,
    LogDetDoubled,
    LogDetWithoutPlaces,
    LogDetWrongSign,
    LogDetZero,
    LogDetOfInverseAsForward,
    LogDetSummedOverTheBatch,
    LogDetAveragedOverTheBatch,
    LogDetScalar,
    LogDetDetached,
    LogDetStillInForwardMode,
    InverseIgnoresTheContext,
    InverseIgnoresTheTime,
    InverseOffByALittle,
    ForwardNormalisesTheBatch,
    InitialisesInItsFirstCall,
    ParameterOutsideTheSet,
    RandomAtEachCall,
    GradientNotFinite,
    TimeDetached,
    ValueDetached,
    NotFinite,
    DoubleInside,
    Fails,
}

struct Faulty<B> {
    inner: B,
    fault: Fault,
    /// What a layer would keep to itself.
    hidden: Cell<f64>,
    /// A parameter that nothing depends on.
    idle: Tensor,
}

impl<B: Bijection> Faulty<B> {
    fn new(inner: B, fault: Fault, scope: &mut Scope<'_>) -> Result<Self, Error> {
        let idle = scope.sub("fault").tensor("idle", &[1], Init::Normal(1.0))?;
        // A function of the seed, as a fresh draw would be.
        let hidden = if fault == Fault::ParameterOutsideTheSet { idle.double_value(&[0]) } else { 0.0 };
        Ok(Self { inner, fault, hidden: Cell::new(hidden), idle })
    }

    /// What the layer adds to every value, from whatever it hides.
    fn offset(&self, x: &Tensor) -> f64 {
        match self.fault {
            Fault::InitialisesInItsFirstCall if self.hidden.get() == 0.0 => {
                self.hidden.set(x.mean(Kind::Double).double_value(&[]));
            }
            Fault::RandomAtEachCall => self.hidden.set(self.hidden.get() + 1e-6),
            _ => {}
        }
        self.hidden.get()
    }

    fn log_det(&self, log_det: &Tensor, x: &Tensor, forward: bool) -> Tensor {
        match self.fault {
            Fault::LogDetDoubled => log_det * 2.0,
            Fault::LogDetWithoutPlaces => log_det / (event_size(x) / x.size()[1]) as f64,
            Fault::LogDetWrongSign => -log_det,
            Fault::LogDetZero => log_det.zeros_like(),
            Fault::LogDetOfInverseAsForward if !forward => -log_det,
            Fault::LogDetSummedOverTheBatch => log_det.sum(log_det.kind()).expand_as(log_det),
            Fault::LogDetAveragedOverTheBatch => log_det.mean(log_det.kind()).expand_as(log_det),
            Fault::LogDetScalar => log_det.sum(log_det.kind()),
            Fault::LogDetDetached => log_det.detach(),
            Fault::LogDetStillInForwardMode if inside_jvp() => log_det.detach(),
            _ => log_det.shallow_clone(),
        }
    }

    fn value(&self, value: Tensor, x: &Tensor) -> Tensor {
        match self.fault {
            Fault::GradientNotFinite => value + (&self.idle * 0.0).abs().sqrt(),
            Fault::ValueDetached => value.detach() + x * 0.0,
            Fault::NotFinite => value + f64::NAN,
            Fault::DoubleInside => value.to_kind(Kind::Double),
            _ => value,
        }
    }
}

impl<B: Bijection> Bijection for Faulty<B> {
    fn forward(&self, x: &Tensor, condition: Condition<'_>) -> Result<Transformed, Error> {
        if self.fault == Fault::Fails {
            return Err(Error::NotInvertible { what: "a faulty layer" });
        }
        let detached =
            condition.t.map(|t| if self.fault == Fault::TimeDetached { t.detach() } else { t.shallow_clone() });
        let y = self.inner.forward(x, Condition { t: detached.as_ref(), ..condition })?;
        let mut value = self.value(y.value, x) + self.offset(x);
        if self.fault == Fault::ForwardNormalisesTheBatch {
            value -= x.mean_dim([0i64].as_slice(), true, x.kind());
        }
        Ok(Transformed { value, log_det: self.log_det(&y.log_det, x, true) })
    }

    fn inverse(&self, y: &Tensor, condition: Condition<'_>) -> Result<Transformed, Error> {
        let zeros = |x: Option<&Tensor>| x.map(Tensor::zeros_like);
        let (no_context, no_time) = (zeros(condition.context), zeros(condition.t));
        let condition = match self.fault {
            Fault::InverseIgnoresTheContext => Condition { context: no_context.as_ref(), ..condition },
            Fault::InverseIgnoresTheTime => Condition { t: no_time.as_ref(), ..condition },
            _ => condition,
        };
        let x = self.inner.inverse(&(y - self.offset(y)), condition)?;
        let slip = if self.fault == Fault::InverseOffByALittle { 1e-8 } else { 0.0 };
        Ok(Transformed { value: self.value(x.value, y) * (1.0 + slip), log_det: self.log_det(&x.log_det, y, false) })
    }
}

type Build = fn(&Case, &mut Scope<'_>) -> Result<Box<dyn Layer + Send>, Error>;

fn boxed<L: Layer + Send + 'static>(layer: L) -> Result<Box<dyn Layer + Send>, Error> {
    Ok(Box::new(layer))
}

fn setting<'a>(case: &'a Case) -> Setting<'a> {
    Setting { event: &case.event, context: &case.context, gate: Gate::Start, hidden: &[4] }
}

/// Every kind of layer, over images, each with a context and a time.
const LAYERS: [(&str, Build); 6] = [
    ("ActNorm", |c, s| boxed(ActNorm::new(s, c.event[0], Gate::Start)?)),
    ("Plu", |c, s| boxed(Plu::new(s, c.event[0], Gate::Start)?)),
    ("Exponential", |c, s| boxed(Exponential::new(s, c.event[0], Gate::Start)?)),
    ("affine coupling", |c, s| boxed(CouplingLayer::new(s, &setting(c), Transform::affine(), Active::Last)?)),
    ("spline coupling", |c, s| {
        boxed(CouplingLayer::new(s, &setting(c), Transform::Spline { bins: 3, bound: 2.0 }, Active::Last)?)
    }),
    ("Glow", |c, s| {
        let plan = Plan { steps: 1, hidden: &[4], context: &c.context, gate: Gate::Start, ..Plan::default() };
        boxed(Glow::image(s, [c.event[0], c.event[1], c.event[2]], 1, &plan)?)
    }),
];

/// Each fault, with the laws that may be the first to break.
const FAULTS: [(Fault, &[Law]); 23] = [
    (Fault::LogDetDoubled, &[Law::LogDet]),
    (Fault::LogDetWithoutPlaces, &[Law::LogDet]),
    (Fault::LogDetWrongSign, &[Law::LogDet]),
    (Fault::LogDetZero, &[Law::LogDet]),
    (Fault::LogDetOfInverseAsForward, &[Law::Opposite]),
    (Fault::LogDetSummedOverTheBatch, &[Law::BatchSplit]),
    (Fault::LogDetAveragedOverTheBatch, &[Law::BatchSplit]),
    (Fault::LogDetScalar, &[Law::Shape]),
    (Fault::LogDetDetached, &[Law::Gradient]),
    (Fault::LogDetStillInForwardMode, &[Law::ForwardMode]),
    (Fault::InverseIgnoresTheContext, &[Law::RoundTrip]),
    (Fault::InverseIgnoresTheTime, &[Law::RoundTrip]),
    (Fault::InverseOffByALittle, &[Law::RoundTrip]),
    (Fault::ForwardNormalisesTheBatch, &[Law::BatchSplit, Law::RoundTrip]),
    (Fault::InitialisesInItsFirstCall, &[Law::Restore]),
    (Fault::ParameterOutsideTheSet, &[Law::Restore]),
    (Fault::RandomAtEachCall, &[Law::Pure]),
    (Fault::GradientNotFinite, &[Law::Gradient]),
    (Fault::TimeDetached, &[Law::Gradient]),
    (Fault::ValueDetached, &[Law::LogDet]),
    (Fault::NotFinite, &[Law::Finite]),
    (Fault::DoubleInside, &[Law::SinglePrecision]),
    (Fault::Fails, &[Law::Runs]),
];

/// A coupling that moves points as if time stood still.
struct HoldsTime(CouplingLayer);

impl Bijection for HoldsTime {
    fn forward(&self, x: &Tensor, condition: Condition<'_>) -> Result<Transformed, Error> {
        self.0.forward(x, condition)
    }
    fn inverse(&self, y: &Tensor, condition: Condition<'_>) -> Result<Transformed, Error> {
        self.0.inverse(y, condition)
    }
    fn push(&self, x: &Jet, condition: ConditionJet<'_>) -> Result<Option<Jet>, Error> {
        self.0.push(x, ConditionJet { t: &Jet::constant(condition.t.value()), ..condition })
    }
}

#[test]
fn the_suite_reports_a_push_that_holds_time() {
    let domain = Domain::vectors(2..=4).time().perturbation(0.2);
    let build = |case: &Case, scope: &mut Scope<'_>| {
        Ok(HoldsTime(CouplingLayer::new(scope, &setting(case), Transform::affine(), Active::Last)?))
    };
    assert_eq!(check("a coupling that holds time", &domain, build).unwrap_err().law, Law::Push);
}

/// $y = e^s x$, whose log-scale learns from the log-determinant alone.
struct ParameterDetached(Tensor);

impl Bijection for ParameterDetached {
    fn forward(&self, x: &Tensor, _: Condition<'_>) -> Result<Transformed, Error> {
        Ok(Transformed { value: x * self.0.detach().exp(), log_det: sum_per_sample(&self.0.expand_as(x)) })
    }
    fn inverse(&self, y: &Tensor, _: Condition<'_>) -> Result<Transformed, Error> {
        Ok(Transformed { value: y * (-self.0.detach()).exp(), log_det: -sum_per_sample(&self.0.expand_as(y)) })
    }
}

#[test]
fn the_suite_reports_a_parameter_that_no_gradient_reaches() {
    let build = |case: &Case, scope: &mut Scope<'_>| {
        Ok(ParameterDetached(scope.tensor("log_scale", &case.event, Init::Constant(0.0))?))
    };
    let broken = check("a detached scale", &Domain::vectors(1..=3), build).unwrap_err();
    assert_eq!(broken.law, Law::Gradient);
    assert!(broken.detail.contains("log_scale"), "{broken}");
}

fn domain() -> Domain {
    Domain::images(2..=3, &[2, 4]).context(1..=2).time().perturbation(0.2)
}

#[test]
fn the_suite_reports_every_fault_in_every_layer() {
    tch::set_num_threads(1);
    let mut escaped = vec![];
    for (layer, build) in LAYERS {
        for (fault, laws) in FAULTS {
            let unseen = fault == Fault::InverseIgnoresTheContext
                && !matches!(layer, "affine coupling" | "spline coupling" | "Glow");
            if unseen {
                continue; // these see no context, so there is no such fault
            }
            let subject = format!("{layer} with {fault:?}");
            match check(&subject, &domain().as_found(), |case, scope| Faulty::new(build(case, scope)?, fault, scope)) {
                Err(broken) if laws.contains(&broken.law) => println!("caught: {broken}"),
                Err(broken) => escaped.push(format!("reported under another law: {broken}")),
                Ok(()) => escaped.push(format!("{subject}: not caught")),
            }
        }
    }
    assert!(escaped.is_empty(), "{escaped:#?}");
}

/// The wrapper itself breaks nothing.
#[test]
fn without_a_fault_nothing_is_reported() {
    let build = LAYERS[3].1;
    check("no fault", &domain(), |case, scope| Faulty::new(build(case, scope)?, Fault::None, scope)).unwrap();
}

/// A fault that needs a batch of two, in one dimension and no more, is reported on exactly that.
#[test]
fn a_report_is_one_line_on_the_smallest_case() {
    let fault = Fault::LogDetSummedOverTheBatch;
    let broken = check("norm", &Domain::vectors(1..=6), |case, scope| {
        Faulty::new(ActNorm::new(scope, case.event[0], Gate::Timeless)?, fault, scope)
    })
    .unwrap_err();
    assert_eq!((broken.law, broken.case.batch, &broken.case.event[..]), (Law::BatchSplit, 2, &[1i64][..]));
    assert_eq!(broken.to_string().lines().count(), 1);
}

//! Models that the tests of this crate share.
#![allow(dead_code, reason = "each test binary uses a part")]

use strait_autodiff::Jet;
use strait_core::{Coupling, Draws, Error, Init, Order, Pairs, Scope, TimeFunction};
use strait_flows::{self as flows, Active, Chain, CouplingLayer, Gate, Plan, Setting, Transform};
use strait_laws::interpolant::Case;
use strait_paths::{Affine, AffineConfig, GlowPath, Mixing, ResidualPath, Transport, Warped};
use tch::Tensor;

/// A small network of (x1, t) with jets, so that this crate's tests need no other.
pub(crate) struct Net {
    first: Tensor,
    time: Tensor,
    last: Tensor,
}

impl Net {
    pub(crate) fn new(scope: &mut Scope<'_>, input: i64, output: i64) -> Result<Self, Error> {
        Ok(Self {
            first: scope.tensor("first", &[8, input], Init::Normal(0.5))?,
            time: scope.tensor("time", &[8, 1], Init::Normal(0.5))?,
            last: scope.tensor("last", &[output, 8], Init::Constant(0.0))?,
        })
    }
}

impl TimeFunction for Net {
    fn jet(&self, context: &Tensor, t: &Tensor, order: Order) -> Result<Jet, Error> {
        let still = Jet::constant(&context.flatten(1, -1).linear(&self.first, None::<&Tensor>));
        let moving = Jet::variable(&t.unsqueeze(1), order).view(|t| t.linear(&self.time, None::<&Tensor>));
        Ok(still.plus(&moving).tanh().view(|h| h.linear(&self.last, None::<&Tensor>)))
    }
}

pub(crate) fn affine(mixing: Mixing) -> impl Fn(&Case, &mut Scope<'_>) -> Result<Affine<Net>, Error> {
    move |case, scope| {
        let dimensions = case.event.iter().product();
        let config = AffineConfig { dimensions, mixing, log_scale_bound: 2.0 };
        Affine::new(Net::new(scope, dimensions, config.outputs())?, config)
    }
}

/// A small Glow for the case's vectors or images.
pub(crate) fn glow(case: &Case, scope: &mut Scope<'_>, plan: &Plan<'_>) -> Result<flows::Glow, Error> {
    let plan = Plan { steps: 2, hidden: &[8], ..*plan };
    match case.event[..] {
        [c, h, w] => flows::Glow::image(scope, [c, h, w], 1, &plan),
        _ => flows::Glow::vector(scope, case.event[0], &plan),
    }
}

pub(crate) fn glow_path(plan: Plan<'static>) -> impl Fn(&Case, &mut Scope<'_>) -> Result<GlowPath<flows::Glow>, Error> {
    move |case, scope| Ok(GlowPath::new(glow(case, scope, &Plan { context: &case.event, gate: Gate::Start, ..plan })?))
}

pub(crate) fn warped(case: &Case, scope: &mut Scope<'_>) -> Result<Warped<Affine<Net>, flows::Glow>, Error> {
    let base = affine(Mixing::Triangular)(case, &mut scope.sub("base"))?;
    Ok(Warped::new(base, glow(case, &mut scope.sub("warp"), &Plan { gate: Gate::Endpoints, ..Plan::default() })?))
}

/// Couplings alone, which push what moves in closed form.
pub(crate) fn couplings(scope: &mut Scope<'_>, event: &[i64], context: &[i64], gate: Gate) -> Result<Chain, Error> {
    let setting = Setting { event, context, gate, hidden: &[8] };
    let transforms = [(Transform::affine(), Active::Last), (Transform::Additive, Active::First)];
    transforms.into_iter().enumerate().try_fold(Chain::new(), |chain, (i, (transform, active))| {
        Ok(chain.then(CouplingLayer::new(&mut scope.sub(&i.to_string()), &setting, transform, active)?))
    })
}

pub(crate) fn coupled_glow_path(case: &Case, scope: &mut Scope<'_>) -> Result<GlowPath<Chain>, Error> {
    Ok(GlowPath::new(couplings(scope, &case.event, &case.event, Gate::Start)?))
}

pub(crate) fn warped_by_couplings(case: &Case, scope: &mut Scope<'_>) -> Result<Warped<Affine<Net>, Chain>, Error> {
    let base = affine(Mixing::Triangular)(case, &mut scope.sub("base"))?;
    Ok(Warped::new(base, couplings(&mut scope.sub("warp"), &case.event, &[], Gate::Endpoints)?))
}

pub(crate) fn transport(case: &Case, scope: &mut Scope<'_>) -> Result<Transport<flows::Glow>, Error> {
    Ok(Transport::new(glow(case, scope, &Plan::default())?))
}

pub(crate) fn residual(case: &Case, scope: &mut Scope<'_>) -> Result<ResidualPath<Net>, Error> {
    let d = case.event.iter().product();
    Ok(ResidualPath::new(Net::new(scope, 2 * d, d)?))
}

/// Shapes that a Glow takes.
pub(crate) const VECTORS: [&[i64]; 4] = [&[1], &[2], &[3], &[5]];
pub(crate) const IMAGES: [&[i64]; 2] = [&[1, 4, 4], &[2, 2, 2]];

/// Pairs as they come, independent or said not to be.
pub(crate) struct Independent(pub(crate) bool);

impl Coupling for Independent {
    fn couple(&self, x0: Tensor, x1: Tensor, _draws: &mut Draws) -> Result<Pairs, Error> {
        Ok(Pairs { x0, x1, target_rows: None })
    }
    fn is_independent(&self) -> bool {
        self.0
    }
    fn name(&self) -> &str {
        "a test"
    }
}

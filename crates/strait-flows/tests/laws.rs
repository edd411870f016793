//! Every layer under every law of `strait_laws::bijection`.

use strait_core::{Error, Scope};
use strait_flows::{
    ActNorm, Active, Chain, ChannelMixing, CouplingLayer, Exponential, FactorOut, Gate, GaussianMap, Glow, Layer,
    Permutation, Plan, Plu, Setting, Squeeze, Squeezed, Transform,
};
use strait_laws::bijection::{Case, Domain, check};

fn vectors() -> Domain {
    Domain::vectors(1..=6)
}

fn images() -> Domain {
    Domain::images(1..=3, &[1, 2])
}

fn holds<L: Layer>(name: &str, domain: &Domain, build: impl Fn(&Case, &mut Scope<'_>) -> Result<L, Error>) {
    tch::set_num_threads(1); // small tensors: a second thread only costs
    check(name, domain, build).unwrap();
}

/// Gates and halves in turn, by the parity of the seed.
fn coupling(case: &Case, scope: &mut Scope<'_>, transform: Transform) -> Result<CouplingLayer, Error> {
    let gate = match (case.timed, case.seed % 3) {
        (false, _) => Gate::Timeless,
        (true, 0) => Gate::Open,
        (true, 1) => Gate::Start,
        (true, _) => Gate::Endpoints,
    };
    let active = if case.seed.is_multiple_of(2) { Active::First } else { Active::Last };
    CouplingLayer::new(
        scope,
        &Setting { event: &case.event, context: &case.context, gate, hidden: &[6] },
        transform,
        active,
    )
}

macro_rules! law {
    ($name:ident, $domain:expr, $build:expr) => {
        #[test]
        fn $name() {
            holds(stringify!($name), &$domain, $build);
        }
    };
}

law!(act_norm, vectors(), |c, s| ActNorm::new(s, c.event[0], Gate::Timeless));
law!(act_norm_of_images, images(), |c, s| ActNorm::new(s, c.event[0], Gate::Timeless));
law!(act_norm_gated, vectors().time(), |c, s| ActNorm::new(s, c.event[0], Gate::Start));
law!(act_norm_gated_at_both_endpoints, images().time(), |c, s| ActNorm::new(s, c.event[0], Gate::Endpoints));
law!(plu, vectors(), |c, s| Plu::new(s, c.event[0], Gate::Timeless));
law!(plu_of_images, images(), |c, s| Plu::new(s, c.event[0], Gate::Timeless));
law!(plu_gated, vectors().time(), |c, s| Plu::new(s, c.event[0], Gate::Start));
law!(plu_of_many_channels_gated, Domain::vectors(9..=12).time().perturbation(0.2), |c, s| {
    Plu::new(s, c.event[0], Gate::Start)
});
law!(plu_of_images_gated, images().time(), |c, s| Plu::new(s, c.event[0], Gate::Start));
law!(exponential, vectors(), |c, s| Exponential::new(s, c.event[0], Gate::Timeless));
law!(exponential_of_images, images(), |c, s| Exponential::new(s, c.event[0], Gate::Timeless));
law!(exponential_gated, vectors().time(), |c, s| Exponential::new(s, c.event[0], Gate::Start));
law!(exponential_of_images_gated, images().time(), |c, s| Exponential::new(s, c.event[0], Gate::Endpoints));
law!(gaussian_map, vectors(), |c, s| GaussianMap::new(s, c.event[0]));
law!(gaussian_map_of_images, images(), |c, s| GaussianMap::new(s, c.event[0]));
law!(permutation, vectors(), |c, _| Ok(Permutation::reverse(c.event[0])));
law!(permutation_of_images, images(), |c, _| Ok(Permutation::reverse(c.event[0])));
law!(squeeze, Domain::images(1..=3, &[2, 4]), |_, _| Ok(Squeeze));
law!(additive_coupling, vectors().context(0..=3), |c, s| coupling(c, s, Transform::Additive));
law!(additive_coupling_of_images, images().time(), |c, s| coupling(c, s, Transform::Additive));
law!(affine_coupling, vectors().context(0..=3), |c, s| coupling(c, s, Transform::affine()));
law!(affine_coupling_in_time, vectors().context(0..=3).time(), |c, s| coupling(c, s, Transform::affine()));
law!(affine_coupling_of_images, images().context(0..=2), |c, s| coupling(c, s, Transform::affine()));
law!(affine_coupling_of_images_in_time, images().context(0..=2).time(), |c, s| coupling(c, s, Transform::affine()));
law!(spline_coupling, vectors().context(0..=3), |c, s| coupling(c, s, Transform::Spline { bins: 5, bound: 2.0 }));
law!(spline_coupling_in_time, vectors().time(), |c, s| coupling(c, s, Transform::Spline { bins: 5, bound: 2.0 }));
law!(spline_coupling_of_images, images().context(0..=2).time(), |c, s| {
    coupling(c, s, Transform::Spline { bins: 5, bound: 2.0 })
});
law!(empty_chain, vectors(), |_, _| Ok(Chain::new()));
law!(chain, vectors(), |c, s| {
    let d = c.event[0];
    Ok(Chain::new()
        .then(coupling(c, &mut s.sub("first"), Transform::affine())?)
        .then(Plu::new(&mut s.sub("mix"), d, Gate::Timeless)?)
        .then(Permutation::reverse(d))
        .then(ActNorm::new(&mut s.sub("norm"), d, Gate::Timeless)?))
});
law!(factor_out, Domain::vectors(2..=6), |_, s| FactorOut::new(Plu::new(s, 2, Gate::Timeless)?, 2));
law!(squeezed, Domain::images(1..=2, &[2, 4]).context(0..=2), |c, s| {
    let event = [4 * c.event[0], c.event[1] / 2, c.event[2] / 2];
    let context = match c.context[..] {
        [n, h, w] => vec![4 * n, h / 2, w / 2],
        ref other => other.to_vec(),
    };
    let setting = Setting { event: &event, context: &context, gate: Gate::Timeless, hidden: &[4] };
    Ok(Squeezed::new(CouplingLayer::new(s, &setting, Transform::affine(), Active::Last)?))
});

/// Two steps, gates and mixings in turn.
fn plan<'a>(case: &'a Case, transform: Transform) -> Plan<'a> {
    let gate = match (case.timed, case.seed % 3) {
        (false, _) => Gate::Timeless,
        (true, 0) => Gate::Open,
        (true, 1) => Gate::Start,
        (true, _) => Gate::Endpoints,
    };
    let mixing = if case.seed.is_multiple_of(2) { ChannelMixing::Plu } else { ChannelMixing::Exponential };
    Plan { steps: 2, hidden: &[4], transform, mixing, context: &case.context, gate }
}

law!(glow, vectors().context(0..=3).perturbation(0.2).cases(32), |c, s| {
    Glow::vector(s, c.event[0], &plan(c, Transform::affine()))
});
law!(glow_in_time, vectors().context(0..=3).time().perturbation(0.2).cases(32), |c, s| {
    Glow::vector(s, c.event[0], &plan(c, Transform::affine()))
});
law!(glow_of_splines, Domain::vectors(1..=3).time().perturbation(0.2).cases(32), |c, s| {
    Glow::vector(s, c.event[0], &plan(c, Transform::Spline { bins: 3, bound: 2.0 }))
});
law!(glow_of_images, Domain::images(1..=2, &[2, 4]).context(0..=2).perturbation(0.2).cases(32), |c, s| {
    let levels = if c.event[1..] == [4, 4] { 2 } else { 1 };
    let plan = Plan { steps: 1, ..plan(c, Transform::affine()) };
    Glow::image(s, [c.event[0], c.event[1], c.event[2]], levels, &plan)
});
law!(glow_of_images_in_time, Domain::images(1..=1, &[4]).context(0..=2).time().perturbation(0.2).cases(32), |c, s| {
    Glow::image(s, [1, 4, 4], 2, &Plan { steps: 1, ..plan(c, Transform::affine()) })
});

//! How likely a trained flow finds held-out data, in nats and in bits per dimension.

use super::reference::Reference;
use crate::ProgramError;
use crate::config::LikelihoodConfig;
use crate::run::summary::LikelihoodSummary;
use crate::training::context::RunContext;
use crate::training::models::TrainedModels;
use std::f64::consts::LN_2;
use strait_core::{Conditions, Error, Source, VelocityField, event_size};
use strait_data::FileForm;
use strait_ode::{AutodiffMode, Divergence, FlowDensity, Method, Options, TimeGrid};
use tch::{Kind, Tensor};
use tracing::info;

/// The log-density of data under a field's flow from a source.
struct Found {
    /// In nats and the units of the data points, (n,).
    log_density: Tensor,
    /// The standard error of each, where it was estimated, (n,).
    standard_error: Option<Tensor>,
    estimator: String,
    nfe: usize,
}

/// The likelihood of the first of a reference's points under trained models, each given its own condition; stated in the
/// data's own units. None where the source has no density, or the data: a flow that learned such a law ever better would
/// have a likelihood without end.
///
/// # Errors
/// Those of the models and of the solver.
pub(super) fn likelihood(
    models: &TrainedModels,
    context: &RunContext,
    reference: &Reference,
    settings: &LikelihoodConfig,
) -> Result<Option<LikelihoodSummary>, ProgramError> {
    let (source, points) = (&*context.source, &reference.points);
    if !has_density(source, points) {
        return Ok(None);
    }
    if let Some(column) = context.data.atoms.first() {
        let remedy = if context.data.form.as_ref().is_some_and(FileForm::has_whole) {
            "`data.dequantise = true` gives whole numbers one"
        } else {
            "leave the column out, or spread its values before you save it"
        };
        info!("no likelihood: column {column} takes single values again and again, and has no density; {remedy}");
        return Ok(None);
    }
    let few = |n: i64| points.narrow(0, 0, n.min(points.size()[0]));
    let d = event_size(points);
    let found = match &models.flow {
        Some(flow) => Found {
            log_density: {
                let points = few(settings.points);
                let own = reference.conditions.part(0, points.size()[0])?;
                tch::no_grad(|| flow.bound(&own).log_density(&points))?
            },
            standard_error: None,
            estimator: "exact, of the flow".into(),
            nfe: 1,
        },
        None if d <= settings.exact_dimensions => {
            let points = (&few(settings.points), &reference.conditions);
            along_flow(&*models.velocity, source, points, exact(d), settings.steps, "exact divergence")?
        }
        None => {
            let (draws, pairs) = (context.seed.stream("evaluation").stream("probes").at(0), settings.probe_pairs);
            let probes = Divergence::Hutchinson { mode: AutodiffMode::Forward { at_once: 2 * pairs }, pairs, draws };
            let name = format!("Hutchinson's divergence, {pairs} antithetic pairs");
            let points = (&few(settings.probed_points), &reference.conditions);
            along_flow(&*models.velocity, source, points, probes, settings.steps, &name)?
        }
    };
    Ok(Some(summarise(&found, d, context.data.units.log_det())))
}

/// Whether a source knows its density at points like these.
pub(super) fn has_density(source: &dyn Source, points: &Tensor) -> bool {
    !matches!(source.log_density(&points.narrow(0, 0, 1)), Err(Error::NoDensity { .. }))
}

fn exact(d: i64) -> Divergence {
    Divergence::Exact(AutodiffMode::Forward { at_once: d })
}

fn along_flow(
    field: &dyn VelocityField,
    source: &dyn Source,
    (points, conditions): (&Tensor, &Conditions),
    divergence: Divergence,
    steps: usize,
    name: &str,
) -> Result<Found, ProgramError> {
    let flow = FlowDensity { field, source, method: Method::Rk4, grid: TimeGrid::uniform(steps)?, divergence };
    let conditions = conditions.part(0, points.size()[0])?;
    let densities = flow.at_data_given(points, &conditions, Options { chunk: Some(1024), ..Options::default() })?;
    let estimator = format!("{name}, {steps} steps of rk4");
    let (log_density, nfe) = (densities.log_density, densities.solution.nfe);
    Ok(Found { log_density, standard_error: densities.standard_error, estimator, nfe })
}

/// $\log p_x(x) = \log p_z(z) + \log|\det \partial z / \partial x|$, and its mean.
fn summarise(found: &Found, d: i64, log_det: f64) -> LikelihoodSummary {
    let n = found.log_density.size()[0];
    let mean = |x: &Tensor| x.mean(Kind::Double).double_value(&[]);
    let nats = -(mean(&found.log_density) + log_det);
    let of_the_mean = |sum_of_squares: f64| (sum_of_squares / (n * n) as f64).sqrt();
    let sd = found.log_density.to_kind(Kind::Double).std(true).double_value(&[]);
    LikelihoodSummary {
        nats,
        bits_per_dimension: nats / (d as f64 * LN_2),
        standard_error: sd / (n as f64).sqrt(),
        probe_error: found.standard_error.as_ref().map(|e| of_the_mean(mean(&e.square()) * n as f64)),
        estimator: found.estimator.clone(),
        nfe: found.nfe,
        points: n,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use strait_core::{Seed, StandardNormal};
    use strait_data::{NormalisedToy, toys::Gaussian};
    use strait_paths::gaussian::{LinearPathField, StraightField};
    use tch::Device;

    /// The `gaussian` preset's data under the exact fields of its own law, in its own units.
    #[test]
    fn the_gaussian_preset_has_its_closed_form() {
        for dimension in [2, 12] {
            let toy = || if dimension == 2 { Gaussian::planar() } else { Gaussian::of_dimension(12) }.unwrap();
            let law = toy();
            let units = NormalisedToy::new(Box::new(toy())).unwrap();
            let z = units.sample(16, &mut Seed(4).stream("x").at(0), Kind::Double, Device::Cpu).unwrap();
            let x = units.units().invert(&z).unwrap();
            let exact_nats = -law.log_density(&x).unwrap().mean(Kind::Double).double_value(&[]);
            // The same law in the units that models see.
            let scale = units.units().scale();
            let (mean, covariance) = ((law.mean() - units.units().mean()) / scale, law.covariance() / scale.square());
            let source = StandardNormal::new(&[dimension]);
            let straight = StraightField::new(&mean, &covariance).unwrap();
            let linear = LinearPathField::new(&mean, &covariance).unwrap();
            for field in [&straight as &dyn VelocityField, &linear] {
                let found =
                    along_flow(field, &source, (&z, &Conditions::default()), exact(dimension), 50, "exact").unwrap();
                let summary = summarise(&found, dimension, units.units().log_det());
                let off = (summary.nats - exact_nats).abs();
                assert!(off < 1e-5, "{} in place of {exact_nats} ({})", summary.nats, units.toy().name());
                let bits = summary.nats / (dimension as f64 * LN_2);
                assert!((summary.bits_per_dimension - bits).abs() < 1e-12);
                let mode = AutodiffMode::Forward { at_once: 8 };
                let probes = Divergence::Hutchinson { mode, pairs: 4, draws: Seed(6).stream("p").at(0) };
                let probed = along_flow(field, &source, (&z, &Conditions::default()), probes, 50, "probed").unwrap();
                let probed = summarise(&probed, dimension, units.units().log_det());
                let error = probed.probe_error.unwrap();
                assert!((probed.nats - summary.nats).abs() < 4.0 * error + 1e-9, "{} +- {error}", probed.nats);
            }
        }
    }
}

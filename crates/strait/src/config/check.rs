//! Values that TOML allows and a run does not.

use super::{
    AffineConfig, Config, ConfigError, CouplingConfig, DataName, GlowConfig, InterpolantConfig, LevelConfig, MapConfig,
    ObjectiveConfig, SourceConfig, TeacherConfig, UnitsConfig,
};
use crate::training::reflow::teacher;
use strait_ode::Method;
use strait_optim::{LevelName, Times};

fn positive(x: f64) -> bool {
    x.is_finite() && x > 0.0
}

/// Refuses unless `holds`, in the words "KEY = VALUE must be MUST".
fn need(holds: bool, key: &str, value: impl std::fmt::Debug, must: &str) -> Result<(), ConfigError> {
    if holds {
        return Ok(());
    }
    Err(ConfigError::Value { key: format!("{key} = {value:?}"), must: must.into() })
}

fn widths(key: &str, hidden: &[i64]) -> Result<(), ConfigError> {
    need(hidden.iter().all(|width| *width > 0), key, hidden, "a list of widths of at least 1")
}

impl Config {
    /// Refuses values that make no sense, each in a line that names the key.
    ///
    /// # Errors
    /// The first such value.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.check_data()?;
        widths("velocity.hidden", &self.velocity.hidden)?;
        let half_lives = &self.velocity.ema_half_lives;
        let distinct = half_lives.iter().enumerate().all(|(i, h)| positive(*h) && !half_lives[..i].contains(h));
        need(distinct, "velocity.ema_half_lives", half_lives, "a list of distinct numbers above 0")?;
        self.interpolant.check()?;
        self.check_coupling()?;
        let flow = self.velocity.flow.as_ref();
        need(flow.is_none_or(|flow| flow.steps > 0), "velocity.flow.steps", flow.map(|f| f.steps), "at least 1")?;
        let gaussian = self.velocity.gaussian;
        let must = "given, unless velocity.gaussian is, and only then";
        need(self.phase.is_empty() == gaussian, "phase", self.phase.len(), must)?;
        let drawn = !matches!(self.coupling, CouplingConfig::Reflow { .. });
        let alone = flow.is_none() && drawn && self.interpolant == InterpolantConfig::Linear;
        need(alone || !gaussian, "velocity.gaussian", gaussian, "alone, on the linear path between drawn pairs")?;
        let normal = self.source == SourceConfig::Normal || (flow.is_none() && !gaussian);
        need(normal, "source", self.source, "the normal one where velocity.flow or velocity.gaussian is given")?;
        for (i, phase) in self.phase.iter().enumerate() {
            need(phase.turns > 0, &format!("phase.{i}.turns"), phase.turns, "at least 1")?;
            // These are fitted to data before their first step, once.
            let fitted = |level: &LevelName| *level == LevelName::Transport || flow.is_some();
            let key = format!("phase.{i}.fresh");
            need(
                !phase.fresh.iter().any(fitted),
                &key,
                &phase.fresh,
                "without a map or a flow, which start from data",
            )?;
            for (j, level) in phase.level.iter().enumerate() {
                let key = format!("phase.{i}.level.{j}");
                level.check(&key)?;
                self.check_objective(&format!("{key}.objective"), level.level, level.objective)?;
                level.check_batch(&key, level.objective)?;
                for (k, term) in level.plus.iter().enumerate() {
                    let at = format!("{key}.plus.{k}");
                    self.check_objective(&format!("{at}.objective"), level.level, term.objective)?;
                    level.check_batch(&key, term.objective)?;
                    need(term.weight.is_finite(), &format!("{at}.weight"), term.weight, "a finite number")?;
                }
            }
        }
        let log = &self.log;
        need(log.every > 0 && log.checkpoint > 0 && log.keep > 0, "log", log, "made of numbers of at least 1")?;
        self.check_evaluate()
    }

    /// Refuses an objective that its level or the run's models have no meaning for.
    fn check_objective(&self, key: &str, level: LevelName, objective: ObjectiveConfig) -> Result<(), ConfigError> {
        use ObjectiveConfig as O;
        let (map, flow) = (self.interpolant.map(), self.velocity.flow.is_some());
        let glow = matches!(map, Some(MapConfig::Glow(_)));
        let (fits, must) = match (level, objective) {
            (LevelName::Velocity, O::Likelihood) => (flow, "of a velocity that is a flow"),
            (LevelName::Velocity, O::FlowMatching | O::FieldStraightness { .. }) => {
                (!flow, "likelihood where velocity.flow is given")
            }
            (LevelName::Velocity, O::MarginalFlowMatching { .. }) => (
                !flow && !matches!(self.interpolant, InterpolantConfig::Residual { .. }),
                "flow_matching for a path whose marginal field is not known",
            ),
            (LevelName::Velocity, _) => {
                (false, "flow_matching, marginal_flow_matching, field_straightness or likelihood")
            }
            (LevelName::Transport, O::Likelihood) => (
                glow && self.source == SourceConfig::Normal,
                "of a glow that the path goes through, from the normal source",
            ),
            (LevelName::Transport, O::TransportCost | O::SquaredVelocity | O::Energy { .. }) => {
                (glow, "of a glow that the path goes through")
            }
            (LevelName::Transport, _) => (false, "likelihood, transport_cost, squared_velocity or energy"),
            (
                LevelName::Interpolant,
                O::FlowMatching | O::MarginalFlowMatching { .. } | O::Likelihood | O::TransportCost,
            ) => {
                let must = "energy, straightness, marginal_straightness, field_straightness, conditional_variance or \
                            squared_velocity";
                (false, must)
            }
            (LevelName::Interpolant, _) => (!flow, "left out where velocity.flow is given"),
        };
        need(fits, key, objective, must)?;
        if let O::Straightness { .. } | O::MarginalFlowMatching { .. } = objective {
            let independent = self.coupling == CouplingConfig::Independent;
            need(independent, key, objective, "left to independent pairs (`coupling.name`): it needs the exact field")?;
        }
        if let O::Straightness { .. } = objective {
            need(
                self.interpolant.is_invertible(),
                key,
                objective,
                "of an invertible path: no residual and none through a map",
            )?;
        }
        match objective {
            O::Straightness { candidates: k, times, until, floor, .. } => {
                need(k >= 2 && k % 2 == 0, &format!("{key}.candidates"), k, "even and at least 2")?;
                need(times >= 1, &format!("{key}.times"), times, "at least 1")?;
                need(until > 0.0 && until < 1.0, &format!("{key}.until"), until, "above 0 and below 1")?;
                let reached = floor >= 1.0 && floor <= k as f64;
                need(reached, &format!("{key}.floor"), floor, "at least 1 and at most the candidates")
            }
            O::Energy { acceleration: a } => {
                need(a.is_finite() && a >= 0.0, &format!("{key}.acceleration"), a, "at least 0")
            }
            O::MarginalFlowMatching { candidates: k } => need(k >= 0, &format!("{key}.candidates"), k, "at least 0"),
            O::MarginalStraightness { step } => {
                need(positive(step) && step <= 0.5, &format!("{key}.step"), step, "above 0 and at most 0.5")
            }
            _ => Ok(()),
        }
    }

    fn check_coupling(&self) -> Result<(), ConfigError> {
        let CouplingConfig::Reflow { rounds, pairs, solver, nfe, teacher: first } = &self.coupling else {
            return Ok(());
        };
        need(*rounds > 0, "coupling.rounds", rounds, "at least 1")?;
        need(*pairs > 0, "coupling.pairs", pairs, "at least 1")?;
        check_solver("coupling", solver, &[*nfe])?;
        let linear = self.interpolant == InterpolantConfig::Linear;
        need(linear, "interpolant", &self.interpolant, "linear where the coupling is reflow")?;
        if let Some(TeacherConfig { coupling, .. }) = first.as_deref() {
            let drawn = !matches!(coupling, CouplingConfig::Reflow { .. });
            need(drawn, "coupling.teacher.coupling.name", "reflow", "independent or ot")?;
        }
        let teacher = teacher(self).map_or(Ok(()), |teacher| teacher.check());
        teacher.map_err(|error| match error {
            ConfigError::Value { key, must } => ConfigError::Value { key: format!("coupling.teacher: {key}"), must },
            error => error,
        })
    }

    fn check_data(&self) -> Result<(), ConfigError> {
        let data = &self.data;
        need(data.name.is_some() || data.file.is_some(), "data.name", data.name, "given, or a `file`")?;
        need(data.name.is_none() || data.file.is_none(), "data.file", &data.file, "left out where `name` is given")?;
        need(
            data.image.is_none() || data.file.is_some(),
            "data.image",
            data.image,
            "left out where there is no `file`",
        )?;
        let image = data.image.is_none_or(|[c, h, w]| [1, 3].contains(&c) && h > 0 && w > 0);
        need(image, "data.image", data.image, "1 or 3 channels, a height and a width")?;
        let eight = data.name == Some(DataName::EightGaussians);
        need(data.sd.is_none() || eight, "data.sd", data.sd, "left out for all data but 8gaussians")?;
        need(data.radius.is_none() || eight, "data.radius", data.radius, "left out for all data but 8gaussians")?;
        let toy = data.file.is_none() && data.name != Some(DataName::Digits);
        need(data.points.is_none() || toy, "data.points", data.points, "left out for data that are not a toy")?;
        need(data.points.is_none_or(|n| n > 1), "data.points", data.points, "at least 2")?;
        let scales = data.name != Some(DataName::Digits) || data.units == UnitsConfig::Unit;
        need(scales, "data.units", data.units, "left out for digits")?;
        let gaussian = data.name == Some(DataName::Gaussian);
        need(
            data.dimension.is_none() || gaussian,
            "data.dimension",
            data.dimension,
            "left out for all data but gaussian",
        )
    }

    fn check_evaluate(&self) -> Result<(), ConfigError> {
        let evaluate = &self.evaluate;
        need(!evaluate.nfe.is_empty(), "evaluate.nfe", &evaluate.nfe, "at least one count")?;
        // Coverage looks at the five nearest neighbours.
        let least = if self.data.name == Some(DataName::Digits) { 7 } else { 2 };
        need(evaluate.samples >= least, "evaluate.samples", evaluate.samples, &format!("at least {least}"))?;
        check_solver("evaluate", &evaluate.solver, &evaluate.nfe)
    }
}

fn check_solver(at: &str, solver: &str, counts: &[usize]) -> Result<(), ConfigError> {
    let method: Result<Method, _> = solver.parse();
    let method = method.map_err(|error| ConfigError::Value {
        key: format!("{at}.solver = {solver:?}"),
        must: format!("a solver ({error})"),
    })?;
    for &nfe in counts {
        if let Err(error) = method.steps(nfe) {
            need(false, &format!("{at}.nfe"), nfe, &format!("a count that the solver can take ({error})"))?;
        }
    }
    Ok(())
}

impl InterpolantConfig {
    fn check(&self) -> Result<(), ConfigError> {
        match self {
            Self::Linear | Self::Trigonometric => Ok(()),
            Self::VariancePreserving { beta } => need(positive(*beta), "interpolant.beta", beta, "above 0"),
            Self::Power { power } => need(*power >= 1.0, "interpolant.power", power, "at least 1"),
            Self::Monotone { degree } => need(*degree >= 2, "interpolant.degree", degree, "at least 2"),
            Self::Affine(affine) => affine.check("interpolant"),
            Self::Glow(glow) => glow.check("interpolant"),
            Self::Transport { map: MapConfig::Glow(glow) } => glow.check("interpolant.map"),
            Self::Transport { map: MapConfig::Gaussian } => Ok(()),
            Self::Warped { base, warp } => {
                base.check("interpolant.base")?;
                warp.check("interpolant.warp")
            }
            Self::Residual { hidden, base } => {
                widths("interpolant.hidden", hidden)?;
                base.check()
            }
        }
    }
}

impl AffineConfig {
    fn check(&self, at: &str) -> Result<(), ConfigError> {
        widths(&format!("{at}.hidden"), &self.hidden)?;
        let bound = self.log_scale_bound;
        need(positive(bound), &format!("{at}.log_scale_bound"), bound, "above 0")
    }
}

impl GlowConfig {
    fn check(&self, at: &str) -> Result<(), ConfigError> {
        need(self.steps > 0, &format!("{at}.steps"), self.steps, "at least 1")?;
        widths(&format!("{at}.hidden"), &self.hidden)
    }
}

impl LevelConfig {
    fn check(&self, at: &str) -> Result<(), ConfigError> {
        let key = |name: &str| format!("{at}.{name}");
        need(self.batch > 0, &key("batch"), self.batch, "at least 1")?;
        need(positive(self.rate), &key("rate"), self.rate, "above 0")?;
        need(self.weight_decay >= 0.0, &key("weight_decay"), self.weight_decay, "at least 0")?;
        need(self.noise.is_finite() && self.noise >= 0.0, &key("noise"), self.noise, "at least 0")?;
        need(self.clip.is_none_or(positive), &key("clip"), self.clip, "above 0")?;
        let unit = |b: f64| (0.0..1.0).contains(&b);
        need(unit(self.betas.0) && unit(self.betas.1), &key("betas"), self.betas, "a pair of numbers in [0, 1)")?;
        let (holds, must) = match self.times {
            Times::Uniform => (true, ""),
            Times::LogitNormal { mean, sd } => (mean.is_finite() && positive(sd), "of a finite mean and an sd above 0"),
            Times::UShaped { sharpness } => (positive(sharpness), "of a sharpness above 0"),
            Times::Power { power } => (positive(power), "of a power above 0"),
        };
        need(holds, &key("times"), self.times, must)
    }

    /// Refuses a batch, noise or times that an objective of this level has no meaning for.
    fn check_batch(&self, at: &str, objective: ObjectiveConfig) -> Result<(), ConfigError> {
        let key = format!("{at}.batch");
        match objective {
            ObjectiveConfig::MarginalFlowMatching { candidates } => {
                let must = format!("above the candidates of its objective, {candidates}");
                need(self.batch > candidates, &key, self.batch, &must)?;
            }
            ObjectiveConfig::Straightness { candidates, times, .. } => {
                let points = self.batch - candidates;
                let must = format!("{candidates} candidates and a multiple of {times} points");
                need(points > 0 && points % times == 0, &key, self.batch, &must)?;
            }
            _ => {}
        }
        if let ObjectiveConfig::MarginalFlowMatching { .. } | ObjectiveConfig::Straightness { .. } = objective {
            // Both ends of a pair get the same noise, which the field's weights would take for independent ends.
            need(self.noise == 0.0, &format!("{at}.noise"), self.noise, "0 for an objective of the exact field")?;
        }
        let any = !matches!(objective, ObjectiveConfig::MarginalStraightness { .. });
        let must = "uniform for marginal_straightness";
        need(any || self.times == Times::Uniform, &format!("{at}.times"), self.times, must)
    }
}

//! Checks of a config: values and combinations that TOML allows and a run does not.

use super::error::{ConfigError, need, one_of, shown, widths};
use super::{
    Config, CouplingConfig, Guidance, InterpolantConfig, LevelConfig, MapConfig, OBJECTIVES, ObjectiveConfig,
    PhaseConfig, SourceConfig, TeacherConfig, VelocityConfig,
};
use strait_ode::Method;
use strait_optim::LevelName;

impl Config {
    /// Refuses values that make no sense, each in a line that names the key.
    ///
    /// # Errors
    /// The first such value.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.check_ranges()?;
        self.check_steps()?;
        self.data.check()?;
        self.velocity.check()?;
        self.interpolant.check()?;
        self.check_coupling()?;
        self.check_condition()?;
        let velocity = self.velocity.kind();
        let must = "given, unless velocity.family is `gaussian`, and only then";
        need(self.phase.is_empty() != velocity.is_trained, "phase", self.phase.len(), must)?;
        let alone = self.coupling.kind().is_drawn && self.interpolant == InterpolantConfig::Linear;
        let must = "trained, unless on the linear path between drawn pairs";
        need(alone || velocity.is_trained, "velocity.family", velocity.family, must)?;
        let normal = self.source == SourceConfig::Normal || (velocity.is_trained && !velocity.is_one_step);
        need(normal, "source", self.source, "the normal one where velocity.family is `flow` or `gaussian`")?;
        for (i, phase) in self.phase.iter().enumerate() {
            // These are fitted to data before their first step, once.
            let fitted = |level: &LevelName| *level == LevelName::Transport || velocity.is_one_step;
            let must = "one line of at least one character: it is in every log line";
            let named = !phase.name.trim().is_empty() && !phase.name.contains(char::is_control);
            need(named, &format!("phase.{i}.name"), &phase.name, must)?;
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
                }
            }
        }
        self.check_evaluate()
    }

    /// Refuses more gradient steps than can be counted, also in what follows from a config.
    fn check_steps(&self) -> Result<(), ConfigError> {
        const MOST: u128 = 1_000_000_000_000;
        let steps = |phase: &PhaseConfig| {
            u128::from(phase.iterations) * phase.level.iter().map(|level| u128::from(level.steps)).sum::<u128>().max(1)
        };
        let steps: u128 = self.phase.iter().map(steps).sum();
        need(steps <= MOST, "gradient steps of all phases", steps as f64, "at most 1,000,000,000,000")
    }

    /// Refuses an objective that does not fit its level or the run's models.
    fn check_objective(&self, key: &str, level: LevelName, objective: ObjectiveConfig) -> Result<(), ConfigError> {
        let (kind, family, one_step) = (objective.kind(), self.interpolant.family(), self.velocity.kind().is_one_step);
        let those: Vec<&str> =
            OBJECTIVES.iter().filter(|kind| kind.levels.contains(&level)).map(|kind| kind.name).collect();
        need(kind.levels.contains(&level), key, objective, &one_of(&those))?;
        let likelihood = objective == ObjectiveConfig::Likelihood;
        match level {
            LevelName::Velocity if likelihood => need(one_step, key, objective, "of a velocity that is a flow")?,
            LevelName::Velocity => need(!one_step, key, objective, "likelihood where velocity.family is `flow`")?,
            LevelName::Interpolant => need(!one_step, key, objective, "left out where velocity.family is `flow`")?,
            LevelName::Transport => {
                let glow = matches!(self.interpolant.map(), Some(MapConfig::Glow(_)));
                need(glow, key, objective, "of a glow that the path goes through")?;
                let normal = !likelihood || self.source == SourceConfig::Normal;
                need(normal, key, objective, "of a glow that the path goes through, from the normal source")?;
            }
        }
        if kind.needs_independent {
            let independent = self.coupling.kind().is_independent;
            need(independent, key, objective, "left to independent pairs (`coupling.name`): it needs the exact field")?;
            let must = "flow_matching for a path whose marginal field is not known";
            need(family.has_marginal || kind.needs_invertible, key, objective, must)?;
        }
        let exact = kind.needs_independent && self.data.condition.is_some();
        need(!exact, key, objective, "left out where data.condition is given: the exact field is that of all data")?;
        let (segments, stored) =
            (kind.needs_trajectories, matches!(self.coupling, CouplingConfig::Trajectories { .. }));
        let must = "left to `coupling.name = \"trajectories\"`: it is a regression on these";
        need(stored || !segments, key, objective, must)?;
        // Beside trajectories a run trains on its teacher's pairs, along its own path.
        let own = self.coupling.teacher().is_some_and(|teacher| teacher.interpolant == self.interpolant);
        let must = "trajectory_regression where the trajectories are of a flow along another path \
                    (`coupling.teacher.interpolant`)";
        need(segments || !stored || own, key, objective, must)?;
        let map = !kind.needs_map || self.velocity.is_map();
        need(map, key, objective, "left to a velocity of two times (`velocity.map = true`)")?;
        let invertible = family.is_invertible || !kind.needs_invertible;
        need(invertible, key, objective, "of an invertible path: no residual and none through a map")?;
        objective.check(key)
    }

    fn check_coupling(&self) -> Result<(), ConfigError> {
        let (CouplingConfig::Reflow { solver, nfe, .. } | CouplingConfig::Trajectories { solver, nfe, .. }) =
            &self.coupling
        else {
            return Ok(());
        };
        check_solver(
            "coupling",
            solver,
            (&[*nfe], Guidance::default()),
            &self.teacher().unwrap_or_else(|| self.clone()),
        )?;
        let (linear, name) = (self.interpolant == InterpolantConfig::Linear, self.coupling.kind().name);
        need(linear, "interpolant", &self.interpolant, &format!("linear where the coupling is {name}"))?;
        let is_trajectories = name == "trajectories";
        let on_segments = |level: &LevelConfig| level.objective.kind().needs_trajectories;
        let is_used = self.phase.iter().flat_map(|phase| &phase.level).any(on_segments);
        let must = "another where no level trains by trajectory_regression";
        need(is_used || !is_trajectories, "coupling.name", name, must)?;
        let conditional = is_trajectories && self.data.condition.is_some();
        need(!conditional, "coupling.name", name, "another where data.condition is given: a trajectory keeps none")?;
        if let Some(TeacherConfig { coupling, .. }) = self.coupling.teacher() {
            need(
                coupling.kind().is_drawn,
                "coupling.teacher.coupling.name",
                coupling.kind().name,
                "independent, ot or conditional_ot",
            )?;
        }
        let teacher = self.teacher().map_or(Ok(()), |teacher| teacher.check());
        teacher.map_err(|error| match error {
            ConfigError::Value { key, must } => ConfigError::Value { key: format!("coupling.teacher: {key}"), must },
            error => error,
        })
    }

    /// Refuses settings that need a condition where there is none, and a condition that nothing uses.
    fn check_condition(&self) -> Result<(), ConfigError> {
        let (given, velocity) = (self.data.condition.as_ref(), self.velocity.kind());
        let must = "left out where velocity.family takes none";
        need(given.is_none() || velocity.takes_conditions, "data.condition", given, must)?;
        self.interpolant.check_condition(given.is_some())?;
        let global = matches!(self.coupling, CouplingConfig::Semidiscrete { .. });
        let must = "another, where data.condition is given: it is solved for all points, whatever their condition";
        need(given.is_none() || !global, "coupling.name", self.coupling.kind().name, must)?;
        let first = self.coupling.teacher().map_or(&self.coupling, |teacher| &teacher.coupling);
        let knows = matches!(first, CouplingConfig::ConditionalOt { .. });
        need(
            given.is_some() || !knows,
            "coupling.name",
            first.kind().name,
            "another, where data.condition is left out",
        )?;
        for (i, phase) in self.phase.iter().enumerate() {
            for (j, level) in phase.level.iter().enumerate() {
                let key = format!("phase.{i}.level.{j}.condition_drop");
                let must = "0 where data.condition is left out";
                need(given.is_some() || level.condition_drop == 0.0, &key, level.condition_drop, must)?;
                let network = level.level != LevelName::Transport && !velocity.is_one_step;
                let must = "0 where a flow is fitted: it is one of each condition";
                need(network || level.condition_drop == 0.0, &key, level.condition_drop, must)?;
            }
        }
        Ok(())
    }

    fn check_evaluate(&self) -> Result<(), ConfigError> {
        let evaluate = &self.evaluate;
        need(!evaluate.nfe.is_empty(), "evaluate.nfe", &evaluate.nfe, "at least one count")?;
        need(are_distinct(&evaluate.nfe), "evaluate.nfe", &evaluate.nfe, "a list of distinct counts")?;
        // Coverage looks at the five nearest neighbours.
        let in_features = evaluate.features.is_some() || self.data.has_classifier();
        let enough = !in_features || evaluate.samples >= 7;
        need(enough, "evaluate.samples", evaluate.samples, "at least 7 where samples are compared in features")?;
        check_solver("compare", &self.compare.solver, (&[], Guidance::default()), self)?;
        let solver = evaluate.solver.as_deref().unwrap_or(self.default_solver());
        check_solver("evaluate", solver, (&evaluate.nfe, evaluate.guidance), self)
    }
}

impl VelocityConfig {
    fn check(&self) -> Result<(), ConfigError> {
        widths("velocity.hidden", self.hidden())?;
        let half_lives = self.half_lives();
        need(are_distinct(half_lives), "velocity.ema_half_lives", half_lives, "a list of distinct numbers")
    }
}

fn are_distinct<T: PartialEq>(list: &[T]) -> bool {
    list.iter().enumerate().all(|(i, one)| !list[..i].contains(one))
}

fn check_solver(
    at: &str,
    solver: &str,
    (counts, guidance): (&[usize], Guidance),
    run: &Config,
) -> Result<(), ConfigError> {
    let method: Result<Method, _> = solver.parse();
    let method = method.map_err(|error| ConfigError::Value {
        key: format!("{at}.solver = {}", shown(&solver)),
        must: format!("a solver ({error})"),
    })?;
    let map = method != Method::Map || run.is_flow_map();
    let must = "another, where the velocity is not trained as a flow map (by an objective at two times)";
    need(map, &format!("{at}.solver"), solver, must)?;
    if let Some(problem) = run.refuses_guidance(guidance, method) {
        need(false, &format!("{at}.guidance"), guidance, &format!("1 ({problem})"))?;
    }
    for &nfe in counts {
        if let Err(error) = guidance.steps(method, nfe) {
            need(false, &format!("{at}.nfe"), nfe, &format!("a count that the solver can take ({error})"))?;
        }
    }
    Ok(())
}

use crate::{Decay, LearningRate, LevelName, OptimError, Spans, Term, Times, term};
use strait_core::{Objective, Sampling};

/// What one level does in every iteration of a phase.
pub struct LevelPlan {
    /// The level that is stepped.
    pub level: LevelName,
    /// What its steps lower, the sum of these.
    pub terms: Vec<Term>,
    /// Steps in an iteration.
    pub steps: u32,
    /// Pairs in a step's batch.
    pub batch: i64,
    /// Equal parts that a batch is computed in, one after the other: the gradient is their mean, that of the whole batch to
    /// rounding, and memory is that of one part. Draws and couplings are of the whole batch. 1: the batch at once. A module
    /// that looks at its whole batch in training (batch norm) looks at a part.
    pub parts: u32,
    /// The law of t.
    pub times: Times,
    /// The law of the two times of a flow map; `Spans::default()`, none, for objectives of one time.
    pub spans: Spans,
    /// Standard deviation $\sigma$ of one normal number for each coordinate that is added to both points of a pair:
    /// a linear path then has $x_t = (1-t)x_0 + t x_1 + \sigma\varepsilon$ and $u = x_1 - x_0$, the conditional flow
    /// matching of Tong et al. (arXiv 2302.00482). 0: none.
    pub noise: f64,
    /// The share of samples whose conditions are dropped, so that the velocity of no condition is learned beside that of each:
    /// for classifier-free guidance. 0: none.
    pub condition_drop: f64,
    /// The learning rate over the phase.
    pub rate: LearningRate,
    /// AdamW's decay rates of the moments.
    pub betas: (f64, f64),
    /// AdamW's decoupled weight decay.
    pub weight_decay: f64,
    /// The largest gradient norm; infinity: no clipping.
    pub clip: f64,
}

impl LevelPlan {
    /// One step an iteration on one objective: uniform times, a rate that falls from `peak` to zero by a cosine, no weight decay,
    /// gradients clipped at 1.
    pub fn of(level: LevelName, objective: impl Objective + Send + 'static, batch: i64, peak: f64) -> Self {
        Self {
            level,
            terms: vec![Term::of(objective)],
            steps: 1,
            batch,
            parts: 1,
            times: Times::Uniform,
            spans: Spans::default(),
            noise: 0.0,
            condition_drop: 0.0,
            rate: LearningRate { peak, warm_up: 0, decay: Decay::Cosine },
            betas: (0.9, 0.999),
            weight_decay: 0.0,
            clip: 1.0,
        }
    }

    /// The name of its first objective, for the log.
    pub fn objective(&self) -> &'static str {
        self.terms.first().map_or("nothing", |term| term.objective.name())
    }
}

/// A stretch of training in which the same levels are stepped in the same way.
pub struct Phase {
    /// For the log.
    pub name: String,
    /// How many iterations.
    pub iterations: u64,
    /// Stepped one after the other in every iteration.
    pub levels: Vec<LevelPlan>,
    /// Levels that start over when the phase begins.
    pub fresh: Vec<LevelName>,
}

impl Phase {
    /// The plan of each step of an iteration, by its place among the levels.
    pub(crate) fn steps(&self) -> Vec<usize> {
        let plans = self.levels.iter().enumerate();
        plans.flat_map(|(which, plan)| std::iter::repeat_n(which, plan.steps as usize)).collect()
    }
}

/// Refuses a list of phases that cannot end in a trained flow: the last must fit the velocity alone, on paths that
/// no longer move.
///
/// # Errors
/// `Plan` says what to change.
pub fn check_plan(phases: &[Phase]) -> Result<(), OptimError> {
    let plan = |problem: String| Err(OptimError::Plan { problem });
    let Some(last) = phases.last() else {
        return plan("there is no phase; add one that fits the velocity".into());
    };
    for phase in phases {
        if phase.iterations == 0 || phase.levels.iter().all(|level| level.steps == 0) {
            return plan(format!("phase `{}` steps no level", phase.name));
        }
    }
    if phases.iter().try_fold(0u64, |sum, phase| sum.checked_add(phase.iterations)).is_none() {
        return plan(format!("all phases together have more iterations than {}", u64::MAX));
    }
    let stepped = |level: LevelName| last.levels.iter().any(|plan| plan.level == level && plan.steps > 0);
    if !stepped(LevelName::Velocity) {
        let problem = format!("the last phase (`{}`) does not fit the velocity; end with one that does", last.name);
        return plan(problem);
    }
    for level in [LevelName::Transport, LevelName::Interpolant] {
        if stepped(level) {
            let (phase, level) = (&last.name, level.name());
            return plan(format!(
                "the last phase (`{phase}`) still moves the {level}; end with one that fits the velocity on it"
            ));
        }
    }
    for plan in phases.iter().flat_map(|phase| &phase.levels) {
        term::times(&plan.terms, plan.batch)?;
        check_spans(plan)?;
        let drop = plan.condition_drop;
        if !(0.0..=1.0).contains(&drop) {
            return Err(OptimError::Plan {
                problem: format!("the share of conditions that are dropped is {drop}, and must be between 0 and 1"),
            });
        }
    }
    Ok(())
}

/// Refuses a law of two times that is none, or that an objective of flow maps cannot be trained at.
fn check_spans(plan: &LevelPlan) -> Result<(), OptimError> {
    let refuse = |problem: String| Err(OptimError::Plan { problem });
    let Spans { off_diagonal, from_start } = plan.spans;
    if !(0.0..1.0).contains(&off_diagonal) {
        return refuse(format!(
            "the share of times off the diagonal is {off_diagonal}, and must be at least 0 and below 1: without a diagonal \
             a flow map has no velocity"
        ));
    }
    if !(0.0..=1.0).contains(&from_start) {
        return refuse(format!("the share of spans that start at 0 is {from_start}, and must be between 0 and 1"));
    }
    let spans = plan.terms.iter().find(|term| term.objective.sampling() == Sampling::Spans);
    match spans {
        Some(term) if off_diagonal == 0.0 || plan.batch < 2 => refuse(format!(
            "{} trains at pairs of times, and none are off the diagonal; give them a share above 0 of at least 2 pairs",
            term.objective.name()
        )),
        None if off_diagonal > 0.0 => refuse(format!(
            "{off_diagonal} of the times are off the diagonal, and {} trains at one time; leave the share out",
            plan.objective()
        )),
        _ => Ok(()),
    }
}

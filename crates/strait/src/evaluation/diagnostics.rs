//! What a run's numbers say against it: signs that a path won its objective and not what the objective stands for.

use crate::evaluation::features::Space;
use crate::evaluation::scores::Metric;
use crate::run::summary::{Evaluation, MethodSummary};

/// How much worse than the linear path is still no warning.
const TOLERANCE: f64 = 1.1;
/// How much worse another field may do on the same path.
const HIDDEN: f64 = 1.5;
/// The most that a path may move: of the linear path's mean squared speed, and of its tail.
const SPEED: f64 = 4.0;
const SPEED_TAIL: f64 = 10.0;
/// The most squared acceleration, of the squared speed: a half-turn at constant speed has 10.
const ACCELERATION: f64 = 100.0;
/// The most that a path scales a dimension by, in logarithms, beyond what the linear one does.
const LOG_DET: f64 = 5.0;
/// The times before which a residual is also judged: a path can move its bend to after them.
const EARLY: f64 = 0.8;
/// The least of a real point's distance to its nearest training point, and of real points' coverage.
const NEAREST: f64 = 0.75;
const COVERAGE: f64 = 0.8;
/// The least effective sample size of an exact field that was sampled.
const EFFECTIVE: f64 = 2.0;

/// One clear line for each sign, with its number and the limit that it passed; `metric` is the distance that judges.
///
/// Beside a linear baseline more can be said. No line does not mean that nothing is wrong.
pub fn warnings(own: &MethodSummary, baseline: Option<&MethodSummary>, metric: Metric) -> Vec<String> {
    let mut lines = vec![];
    if let Some(linear) = baseline {
        lines.extend(worse_than_linear(own, linear, metric));
        lines.extend(bent(own, linear));
        let (mine, theirs) = (own.straightness.path_energy, linear.straightness.path_energy);
        if mine > TOLERANCE * theirs {
            lines.push(format!(
                "The flow takes more energy than the linear path's: {mine:.3} against {theirs:.3} (limit {TOLERANCE} \
                 times), where no flow needs more than {:.3}.",
                own.straightness.transport
            ));
        }
    }
    lines.extend(motion(own));
    lines.extend(hidden(own, metric));
    lines.extend(copies(own));
    lines
}

fn worse_than_linear(own: &MethodSummary, linear: &MethodSummary, metric: Metric) -> Vec<String> {
    let worse = |mine: &Evaluation| {
        let theirs = beside(mine, &linear.evaluations)?;
        (mine.value > TOLERANCE * theirs).then(|| {
            format!(
                "At {} it is worse than the linear path: {} {:.3} against {:.3} (limit {TOLERANCE} times).",
                evaluations(mine.nfe),
                metric.in_words(),
                metric.shown(mine.value),
                metric.shown(theirs)
            )
        })
    };
    of(&own.evaluations, metric).filter_map(worse).collect()
}

fn bent(own: &MethodSummary, linear: &MethodSummary) -> Option<String> {
    let early = |method: &MethodSummary| {
        let profile = &method.straightness;
        let early = profile.residual_times.iter().zip(&profile.residual_profile).filter(|(t, _)| **t < EARLY);
        let values: Vec<f64> = early.map(|(_, residual)| *residual).collect();
        values.iter().sum::<f64>() / values.len() as f64
    };
    let (mine, theirs) = (own.straightness.residual, linear.straightness.residual);
    if mine <= theirs {
        return None;
    }
    let (before, linear_before) = (early(own), early(linear));
    Some(if before < linear_before {
        format!(
            "The bend was moved, not taken away: below t = {EARLY} the residual falls to {before:.3} from linear's \
             {linear_before:.3}, over all t it rises to {mine:.3} from {theirs:.3}."
        )
    } else {
        format!("The flow is not straighter over all of t: residual {mine:.3} against linear's {theirs:.3}.")
    })
}

fn motion(own: &MethodSummary) -> Vec<String> {
    let Some(path) = &own.path else {
        return vec!["The path's velocity or acceleration is not finite somewhere.".into()];
    };
    let mut lines = vec![];
    let mut over = |what: &str, value: f64, of: f64, of_what: &str, limit: f64| {
        if value > limit * of {
            lines.push(format!(
                "{what} is {:.1} times {of_what}: {value:.3} against {of:.3} (limit {limit}).",
                value / of
            ));
        }
    };
    over("E|u|² of the path", path.squared_speed, path.linear_squared_speed, "the linear path's", SPEED);
    let tails = (path.squared_speed_tail, path.linear_squared_speed_tail);
    over("The 99.9% quantile of |u|²", tails.0, tails.1, "the linear path's", SPEED_TAIL);
    over("E|x_tt|² of the path", path.squared_acceleration, path.squared_speed, "E|u|²", ACCELERATION);
    if let Some((low, high)) = path.log_det.filter(|(low, high)| low.abs().max(high.abs()) > LOG_DET) {
        lines.push(format!(
            "The path scales dimensions by up to e^{:.1}: its log-determinant, less linear's, is from {low:.2} to \
             {high:.2} a dimension (limit {LOG_DET}).",
            low.abs().max(high.abs())
        ));
    }
    lines
}

fn hidden(own: &MethodSummary, metric: Metric) -> Vec<String> {
    let Some(stress) = &own.stress else { return vec![] };
    let few = of(&own.evaluations, metric).min_by_key(|e| e.nfe);
    let exact = stress.exact_field.as_ref();
    let others =
        [("a larger velocity", Some(&stress.evaluations)), ("the exact field", exact.map(|exact| &exact.evaluations))];
    let mut lines: Vec<String> = few
        .iter()
        .flat_map(|mine| {
            others.iter().filter_map(move |(field, found)| {
                let theirs = beside(mine, found.as_ref()?)?;
                (theirs > HIDDEN * mine.value).then(|| {
                    format!(
                        "The path hides curvature that its own velocity does not resolve: at {} {field} has {} {:.3} on \
                         it, its own {:.3} (limit {HIDDEN} times).",
                        evaluations(mine.nfe),
                        metric.in_words(),
                        metric.shown(theirs),
                        metric.shown(mine.value)
                    )
                })
            })
        })
        .collect();
    if let Some(ess) = exact.map(|exact| &exact.ess)
        && let Some((n, t)) = ess.effective.iter().zip(&ess.times).min_by(|a, b| a.0.total_cmp(b.0))
        && *n < EFFECTIVE
    {
        lines.push(format!(
            "The exact field rests on few candidates: {n:.1} of {} at t = {t} (limit {EFFECTIVE}).",
            ess.candidates
        ));
    }
    lines
}

fn copies(own: &MethodSummary) -> Vec<String> {
    let last = |metric: Metric| of(&own.evaluations, metric).max_by_key(|e| e.nfe);
    let mut lines = vec![];
    if let Some(e) = last(Metric::NearestTrain).filter(|e| e.value < NEAREST * e.floor) {
        lines.push(format!(
            "Samples are near copies of training images: {:.3} away from the nearest, where real ones are {:.3} (limit \
             {NEAREST} times).",
            e.value, e.floor
        ));
    }
    let coverage = Space::ALL.into_iter().filter_map(|space| last(Metric::Coverage(space)));
    for e in coverage.filter(|e| e.value < COVERAGE * e.floor) {
        lines.push(format!(
            "Samples leave out kinds of images: coverage {:.3} at {}, of real ones {:.3} (limit {COVERAGE} times).",
            e.value,
            evaluations(e.nfe),
            e.floor
        ));
    }
    lines
}

fn of(evaluations: &[Evaluation], metric: Metric) -> impl Iterator<Item = &Evaluation> {
    evaluations.iter().filter(move |e| e.metric == metric.name())
}

/// What stands beside a value: of the same metric, by the same solver, at as many evaluations.
fn beside(mine: &Evaluation, theirs: &[Evaluation]) -> Option<f64> {
    let same = |e: &&Evaluation| (&e.metric, &e.solver, e.nfe) == (&mine.metric, &mine.solver, mine.nfe);
    theirs.iter().find(same).map(|e| e.value)
}

/// A count of evaluations in words.
pub(crate) fn evaluations(nfe: usize) -> String {
    if nfe == 1 { "1 evaluation".into() } else { format!("{nfe} evaluations") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::summary::{EssSummary, ExactFieldSummary, PathSummary, StraightnessSummary, StressSummary};

    fn evaluation(metric: Metric, nfe: usize, value: f64, floor: f64) -> Evaluation {
        let (solver, metric, reference) = ("euler".into(), metric.name().into(), "points".into());
        Evaluation { solver, nfe, metric, value, floor, samples: 100, reference }
    }

    fn w2(values: [f64; 2]) -> Vec<Evaluation> {
        vec![evaluation(Metric::W2, 1, values[0], 0.2), evaluation(Metric::W2, 100, values[1], 0.2)]
    }

    fn straightness(profile: [f64; 4], path_energy: f64) -> StraightnessSummary {
        StraightnessSummary {
            steps: 100,
            straightness: 1.0,
            path_energy,
            transport: 20.0,
            normalised_path_energy: path_energy / 20.0 - 1.0,
            residual: profile.iter().sum::<f64>() / 4.0,
            residual_times: vec![0.125, 0.375, 0.625, 0.875],
            residual_profile: profile.into(),
        }
    }

    /// A method against which nothing can be said.
    fn sound() -> MethodSummary {
        MethodSummary {
            method: "learned".into(),
            steps: 10,
            gradient_steps: 10,
            wall_seconds: 1.0,
            parameters: 10,
            evaluations: w2([1.0, 0.3]),
            classes: vec![],
            straightness: straightness([10.0, 10.0, 10.0, 10.0], 22.0),
            likelihood: None,
            ess: EssSummary::default(),
            path: Some(PathSummary {
                squared_speed: 30.0,
                squared_speed_tail: 100.0,
                squared_acceleration: 200.0,
                log_det: Some((-1.0, 1.0)),
                linear_squared_speed: 27.0,
                linear_squared_speed_tail: 90.0,
            }),
            map: vec![],
            levels: vec![],
            average: None,
            solvers: None,
            stress: None,
        }
    }

    fn linear() -> MethodSummary {
        MethodSummary {
            evaluations: w2([4.0, 0.3]),
            straightness: straightness([50.0, 50.0, 50.0, 50.0], 24.0),
            ..sound()
        }
    }

    fn stress(values: [f64; 2], exact: f64, effective: f64) -> StressSummary {
        StressSummary {
            hidden: vec![128; 4],
            steps: 8000,
            gradient_steps: 8010,
            wall_seconds: 2.0,
            parameters: 10,
            evaluations: w2(values),
            straightness: straightness([10.0; 4], 22.0),
            exact_field: Some(ExactFieldSummary {
                evaluations: vec![evaluation(Metric::W2, 1, exact, 0.2)],
                ess: EssSummary { candidates: 2048, times: vec![0.5, 0.9], effective: vec![300.0, effective] },
                residual: 0.1,
                residual_times: vec![0.5],
                residual_profile: vec![0.1],
            }),
        }
    }

    /// The one line that a change of a sound method brings, and nothing where the change keeps within the limit.
    fn check(change: impl Fn(&mut MethodSummary, f64), within: f64, beyond: f64, words: &[&str]) {
        let lines = |x: f64| {
            let mut own = sound();
            change(&mut own, x);
            warnings(&own, Some(&linear()), Metric::W2)
        };
        assert_eq!(lines(within), Vec::<String>::new());
        let found = lines(beyond);
        assert_eq!(found.len(), 1, "{found:?}");
        for word in words {
            assert!(found[0].contains(word), "`{word}` is not in: {}", found[0]);
        }
    }

    #[test]
    fn a_sound_run_is_not_warned_of() {
        assert!(warnings(&sound(), Some(&linear()), Metric::W2).is_empty());
        assert!(warnings(&sound(), None, Metric::W2).is_empty());
    }

    #[test]
    fn each_sign_is_one_line_with_its_number_and_its_limit() {
        check(|own, x| own.evaluations = w2([1.0, x]), 0.329, 0.34, &["100 evaluations", "0.340 against 0.300", "1.1"]);
        check(|own, x| own.straightness.path_energy = x, 26.0, 48.0, &["48.000 against 24.000", "20.000"]);
        let late = |own: &mut MethodSummary, x| own.straightness = straightness([5.0, 5.0, 5.0, x], 22.0);
        check(late, 180.0, 400.0, &["moved", "t = 0.8", "falls to 5.000", "from linear's 50.000", "103.750"]);
        let all = |own: &mut MethodSummary, x| own.straightness = straightness([x; 4], 22.0);
        check(all, 50.0, 60.0, &["not straighter", "60.000", "50.000"]);
        let path =
            |own: &mut MethodSummary, set: fn(&mut PathSummary, f64), x| own.path.iter_mut().for_each(|p| set(p, x));
        check(
            |own, x| path(own, |p, x| p.squared_speed = x, x),
            107.0,
            679.0,
            &["25.1 times", "679.000 against 27.000"],
        );
        check(
            |own, x| path(own, |p, x| p.squared_speed_tail = x, x),
            890.0,
            9000.0,
            &["quantile", "100.0 times", "limit 10"],
        );
        check(|own, x| path(own, |p, x| p.squared_acceleration = x, x), 2900.0, 6000.0, &["x_tt", "200.0 times E|u|²"]);
        check(
            |own, x| path(own, |p, x| p.log_det = Some((x, 1.0)), x),
            -4.9,
            -8.0,
            &["e^8.0", "-8.00 to 1.00", "limit 5"],
        );
        check(
            |own, x| own.stress = Some(stress([x, 0.3], 1.2, 9.0)),
            1.4,
            2.4,
            &["larger velocity has W2 2.400", "its own 1.000"],
        );
        check(|own, x| own.stress = Some(stress([1.2, 0.3], x, 9.0)), 1.4, 2.4, &["exact field has W2 2.400"]);
        check(|own, x| own.stress = Some(stress([1.2, 0.3], 1.2, x)), 2.1, 1.3, &["1.3 of 2048 at t = 0.9"]);
        let with = |metric| move |own: &mut MethodSummary, x| own.evaluations.push(evaluation(metric, 100, x, 1.0));
        check(with(Metric::NearestTrain), 0.8, 0.2, &["copies", "0.200 away", "1.000"]);
        check(with(Metric::Coverage(Space::Classifier)), 0.9, 0.5, &["coverage 0.500 at 100 evaluations"]);
        check(|own, x| own.path = own.path.filter(|_| x < 1.0), 0.0, 2.0, &["not finite"]);
    }

    /// Two solvers are no comparison: the exact field is followed by Euler steps, whatever the velocity is followed by.
    #[test]
    fn what_another_solver_gives_speaks_against_nothing() {
        let mut own = sound();
        own.stress = Some(stress([1.2, 0.3], 2.4, 9.0));
        assert_eq!(warnings(&own, None, Metric::W2).len(), 1);
        own.evaluations.iter_mut().for_each(|e| e.solver = "rk4".into());
        assert_eq!(warnings(&own, None, Metric::W2), Vec::<String>::new());
    }

    #[test]
    fn the_distance_that_judges_is_the_one_asked_for() {
        let mut own = sound();
        own.evaluations = w2([9.0, 9.0]);
        own.evaluations.push(evaluation(Metric::EnergyDistance(Space::Classifier), 4, 0.5, 0.1));
        let mut linear = linear();
        linear.evaluations.push(evaluation(Metric::EnergyDistance(Space::Classifier), 4, 0.2, 0.1));
        let found = warnings(&own, Some(&linear), Metric::EnergyDistance(Space::Classifier));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("100 x energy distance 50.000 against 20.000"), "{}", found[0]);
        assert_eq!(warnings(&own, Some(&linear), Metric::W2).len(), 2);
    }
}

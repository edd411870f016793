//! Samples of each class, and how far they are from the real points of that class.

use crate::ProgramError;
use crate::run::summary::ClassEvaluation;
use crate::training::context::RunContext;
use strait_core::{ConditionKind, Conditions, Split, event_size};
use strait_metrics::{Distances, distances};
use tch::Tensor;

/// Classes that are measured, from the first.
const MOST: i64 = 64;
/// Points that a distance is between, at least.
const LEAST: i64 = 8;
/// Above this dimension $W_2$ between samples is mostly its floor.
const PLAIN: i64 = 8;

/// The real points of a class, in the data's units.
#[derive(Debug)]
pub struct ClassReference {
    /// The class.
    pub class: i64,
    /// Where its points are among those of the reference, (k,); samples at the same places are under the same class.
    pub places: Tensor,
    /// Its points, (k, ...).
    pub points: Tensor,
    /// The distance between as many training points of the class and them.
    pub floor: f64,
}

/// The classes of the real points of a reference, each with its floor. Empty where there are none. A class of fewer than a
/// handful of points is left out.
pub(super) fn references(
    context: &RunContext,
    split: Split,
    points: &Tensor,
    conditions: &Conditions,
) -> Result<Vec<ClassReference>, ProgramError> {
    let (Some(ConditionKind::Classes(classes)), Some(labels)) = (context.condition(), conditions.only()?) else {
        return Ok(vec![]);
    };
    let set = &*context.data.points;
    let n = points.size()[0];
    // Twice as many, so that there are enough of each class where training points are drawn afresh.
    let draws = &mut context.seed.stream("evaluation").stream("class floors").stream(split.name()).at(0);
    let (other, of_other) = set.conditional_points(Split::Train, 2 * n, draws)?;
    let Some(other_labels) = of_other.only()? else { return Ok(vec![]) };
    let mut found = vec![];
    for class in 0..classes.min(MOST) {
        let places = |labels: &Tensor| labels.eq(class).nonzero().view([-1]);
        let (own, others) = (places(labels), places(other_labels));
        let k = own.size()[0].min(others.size()[0]);
        if k < LEAST {
            continue;
        }
        let own = own.narrow(0, 0, k);
        let of = |x: &Tensor, places: &Tensor| set.denormalise(&x.f_index_select(0, places)?);
        let points = of(points, &own)?;
        let floor = distance(&distances(&of(&other, &others.narrow(0, 0, k))?, &points)?, &points);
        found.push(ClassReference { class, places: own, points, floor });
    }
    Ok(found)
}

/// The name of the distance for samples like these.
pub(super) fn metric(x: &Tensor) -> &'static str {
    if event_size(x) > PLAIN { "sliced_w2" } else { "w2" }
}

fn distance(found: &Distances, x: &Tensor) -> f64 {
    if event_size(x) > PLAIN { found.sliced_w2 } else { found.w2 }
}

/// How far samples (N, ...) in the data's units, under the conditions of a reference's points, are from the points of their
/// class.
pub(super) fn evaluations(
    x: &Tensor,
    (solver, nfe): (&str, usize),
    classes: &[ClassReference],
) -> Result<Vec<ClassEvaluation>, ProgramError> {
    let of = |class: &ClassReference| {
        let samples = x.f_index_select(0, &class.places)?;
        Ok(ClassEvaluation {
            class: class.class,
            solver: solver.into(),
            nfe,
            metric: metric(x).into(),
            value: distance(&distances(&samples, &class.points)?, x),
            floor: class.floor,
            samples: class.places.size()[0],
        })
    };
    classes.iter().map(of).collect()
}
